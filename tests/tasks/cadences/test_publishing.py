"""Rules under HQ's hands: drafts, publication, and the recompute of waiting hands."""

from datetime import timedelta

import pytest
from django.db import connection, transaction

from tasks.cadences.conservation import prove
from tasks.cadences.models import CadenceStep, CadenceVersion, Enrollment, Hand
from tasks.cadences.publishing import (
    NothingToPublish,
    changes_between,
    copy_version,
    draft_of,
    drop_draft,
    edit_step,
    etag_of,
    members_waiting,
    publish_version,
)
from tasks.cadences.recompute import progress, recompute_hands
from tasks.followups.models import Task
from tasks.followups.opening import open_due
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import actor, holder_of
from tests.factories.tasks import enroll, hand, local, open_at, open_until, task_of
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

PAID = "2025-03-01 15:00"
NOW = parse_iso("2025-03-10 10:00")


def draft_with(hq, online, key="d30", **changes):
    draft = copy_version(online, actor=hq, now=NOW)
    edit_step(draft, key, actor=hq, changes=changes, now=NOW)
    return draft


def cycle_of(guide, paid=PAID, *, consent=True, friend=True, **facts):
    """Return the cycle of a new member of a guide."""
    member = make_member(owner=guide, store=guide.store, phone_consent=consent, **facts)
    if friend:
        make_friend(member, guide)
    enroll(make_order(member, paid_at=paid, guide=guide))
    return Enrollment.objects.get(member=member)


def step(version, key):
    return CadenceStep.objects.get(version=version, key=key)


# ---------------------------------------------------------------- drafts


def test_a_draft_is_a_copy_and_there_is_one(hq, online):
    draft = copy_version(online, actor=hq, now=NOW)
    assert (draft.number, draft.state, draft.created_by_id) == (2, "draft", hq.staff_id)
    assert changes_between(list(online.steps.all()), list(draft.steps.all())) == []
    assert copy_version(online, actor=hq, now=NOW) == draft
    assert draft_of(online.cadence_id) == draft


@pytest.mark.parametrize("role", ["store_manager", "hq_crm", "sys_admin"])
def test_only_those_who_edit_templates_may(org, online, role):
    who = actor(holder_of(role, org))
    with pytest.raises(Forbidden) as refused:
        copy_version(online, actor=who, now=NOW)
    assert refused.value.code == "perm.template.edit"


def test_an_edit_takes_reminders_and_escalation_along(hq, online):
    draft = draft_with(hq, online, open_day=25, due_day=28, expire_day=33)
    edited = step(draft, "d30")
    assert edited.reminders == [{"day": 25, "time": "09:30"}, {"day": 28, "time": "18:00"}]
    assert [item["day"] for item in edited.escalation] == [29]
    assert step(online, "d30").open_day == 30


@pytest.mark.parametrize(
    ("key", "changes", "fields"),
    [
        ("d30", {"open_day": 33}, ["due_day"]),
        ("d30", {"due_day": 29, "expire_day": 28}, ["due_day", "expire_day"]),
        ("d30", {"open_day": None, "due_day": None}, ["open_day", "due_day"]),
        ("d30", {"expire_day": 200}, ["expire_day"]),
        ("d30", {"open_day": 3, "due_day": 4, "expire_day": 5}, ["open_day"]),
        ("d30", {"open_day": 60, "due_day": 62, "expire_day": 67}, ["open_day"]),
        ("d30", {"priority": 0, "why": " ", "on_time_target": 1.2}, ["priority", "on_time_target", "why"]),
        ("d30", {"why": "{price} 元"}, ["why"]),
        ("d30", {"priority_by_buyer": {"first": 9}}, ["priority_by_buyer"]),
        ("m30", {"offset_minutes": 3}, ["offset_minutes"]),
        ("m30", {"offset_minutes": None}, ["open_day", "due_day", "expire_day"]),
        ("d3", {"key": "d4"}, ["key"]),
    ],
)
def test_what_does_not_fit_is_named_field_by_field(hq, online, key, changes, fields):
    draft = copy_version(online, actor=hq, now=NOW)
    with pytest.raises(Invalid) as refused:
        edit_step(draft, key, actor=hq, changes=changes, now=NOW)
    assert [problem["field"] for problem in refused.value.errors] == fields
    assert etag_of([step(draft, key)]) == etag_of([step(online, key)])


def test_an_edit_over_somebody_elses_is_stale(hq, online):
    draft = copy_version(online, actor=hq, now=NOW)
    seen = etag_of([step(draft, "d30")])
    edit_step(draft, "d30", actor=hq, changes={"due_day": 33}, now=NOW, etag=seen)
    with pytest.raises(Stale) as refused:
        edit_step(draft, "d30", actor=hq, changes={"due_day": 31}, now=NOW, etag=seen)
    assert refused.value.extra["current"]["due_day"] == 33
    edit_step(draft, "d60", actor=hq, changes={"due_day": 63}, now=NOW, etag=etag_of([step(draft, "d60")]))


def test_only_a_draft_can_be_edited(hq, online):
    with pytest.raises(Conflict):
        edit_step(online, "d30", actor=hq, changes={"due_day": 33}, now=NOW)
    with pytest.raises(NotFound):
        edit_step(copy_version(online, actor=hq, now=NOW), "d7", actor=hq, changes={"due_day": 33}, now=NOW)


def test_a_dropped_draft_is_gone_and_its_number_is_free(hq, online):
    draft = draft_with(hq, online, due_day=33)
    drop_draft(draft, actor=hq)
    with pytest.raises(Conflict):
        drop_draft(CadenceVersion(pk=draft.pk or 0, cadence_id=online.cadence_id), actor=hq)
    assert copy_version(online, actor=hq, now=NOW).number == 2


# ---------------------------------------------------------------- publication


def test_publishing_retires_the_old_version_and_is_audited(hq, org, online):
    cycle_of(org.guide)
    draft = publish_version(draft_with(hq, online, due_day=33), actor=hq, now=NOW)
    online.refresh_from_db()
    assert (online.state, draft.state, draft.published_at, draft.recompute_after_id) == ("retired", "published", NOW, 0)
    entry = AuditEntry.objects.get(action="cadence.published")
    assert (entry.actor_id, entry.before, entry.after) == (
        hq.staff_id,
        {"version": 1},
        {"version": 2, "members_waiting": 1, "changes": ["30 天 截止 第 32 天 → 第 33 天"]},
    )


def test_what_cannot_be_published(hq, online):
    draft = copy_version(online, actor=hq, now=NOW)
    with pytest.raises(NothingToPublish):
        publish_version(draft, actor=hq, now=NOW)
    seen = etag_of(list(draft.steps.order_by("position")))
    edit_step(draft, "d30", actor=hq, changes={"due_day": 33}, now=NOW)
    with pytest.raises(Stale):
        publish_version(draft, actor=hq, now=NOW, etag=seen)
    publish_version(draft, actor=hq, now=NOW)
    with pytest.raises(Conflict):
        publish_version(draft, actor=hq, now=NOW)


# ---------------------------------------------------------------- the hands follow


def test_an_edit_holds_for_what_is_not_due_yet(hq, org, online):
    cycle = cycle_of(org.guide)
    open_until("2025-03-04 10:00")
    assert hand(cycle) == ("d30", "2025-03-31 09:30")
    publish_version(draft_with(hq, online, open_day=20, due_day=22, expire_day=27), actor=hq, now=NOW)
    assert recompute_hands(now=NOW) == {"recomputed": 1}
    assert hand(cycle) == ("d30", "2025-03-21 09:30")
    open_until("2025-03-21 10:00")
    task = task_of(cycle, "d30")
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-23 22:00", "2025-03-28 22:00")
    assert task_of(cycle, "d3").cadence_version_id == online.pk  # opened tasks keep the rule they were opened by
    assert recompute_hands(now=NOW) == {}
    assert prove(cadence_id=online.cadence_id).missing == 0


def test_the_tick_reads_the_new_rule_before_the_recompute_is_through(hq, org, online):
    cycle = cycle_of(org.guide)
    open_until("2025-03-04 10:00")
    version = publish_version(draft_with(hq, online, open_day=35, due_day=37, expire_day=42), actor=hq, now=NOW)
    assert open_at("2025-03-31 09:30") == {"later": 1}
    assert hand(cycle) == ("d30", "2025-04-05 09:30")
    assert (progress(version).is_through, progress(version).left) == (False, 1)
    open_until("2025-04-05 10:00")
    assert task_of(cycle, "d30").cadence_version_id == version.pk


def test_a_first_touch_that_waits_for_the_morning_is_read_again_too(hq, org, online):
    cycle = cycle_of(org.guide, "2025-03-09 23:00")
    assert hand(cycle) == ("m30", "2025-03-10 09:30")
    publish_version(draft_with(hq, online, "m30", offset_minutes=60), actor=hq, now=parse_iso("2025-03-09 23:30"))
    recompute_hands(now=NOW)
    assert hand(cycle) == ("m30", "2025-03-10 09:30")
    open_at("2025-03-10 09:30")
    assert local(task_of(cycle, "m30").due_at) == "2025-03-10 10:30"


def test_a_step_inserted_behind_the_hand_is_not_opened_any_more(hq, org, online):
    past, ahead = cycle_of(org.guide), cycle_of(org.guide, "2025-03-08 15:00")
    open_until("2025-03-10 09:00")  # past: waits for d30; ahead: for d3
    draft = copy_version(online, actor=hq, now=NOW)
    for place, key in ((60, "d90"), (50, "d60"), (40, "d30")):
        draft.steps.filter(key=key).update(position=place)
    seven = step(online, "d3")
    seven.pk, seven.version_id, seven.key, seven.position = None, draft.pk, "d7", 30
    seven.open_day, seven.due_day, seven.expire_day = 7, 7, 9
    seven.save()
    publish_version(draft, actor=hq, now=NOW)
    recompute_hands(now=NOW)
    for cycle in (past, ahead):
        cycle.refresh_from_db()
    assert (past.plan, past.steps_planned) == (["m30", "d3", "d30", "d60", "d90"], 5)
    assert (ahead.plan, ahead.steps_planned) == (["m30", "d3", "d7", "d30", "d60", "d90"], 6)
    open_until("2025-03-20 10:00")
    assert list(Task.objects.filter(node="d7").values_list("enrollment", flat=True)) == [ahead.pk]
    assert prove(cadence_id=online.cadence_id).missing == 0


def crowd(org, many: int) -> None:
    """Make members with hands at every step by SQL: bought 1..89 days before NOW, nothing opened that is not past."""
    template = cycle_of(org.guide)
    member, order = template.member_id, template.anchor_order_id
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE crowd ON COMMIT DROP AS SELECT g FROM generate_series(1, %s) g", [many])
        for table, row, extra in (
            ("crm_member", member, "public_id = gen_random_uuid(), member_no = 'C' || g"),
            (
                "crm_order",
                order,
                "number = 'C' || g, member_id = {member} + g, paid_on = '2025-03-10'::date - 1 - g % 89",
            ),
            ("tasks_enrollment", template.pk, "member_id = {member} + g, anchor_order_id = {order} + g"),
        ):
            _copies(cursor, table, row, extra.format(member=member, order=order))
        cursor.execute(
            """
            WITH moved AS (
                UPDATE tasks_enrollment e SET anchor_on = o.paid_on, day_anchor_date = o.paid_on
                FROM crm_order o WHERE o.id = e.anchor_order_id AND e.id <> %(template)s RETURNING e.id, o.paid_on
            )
            INSERT INTO tasks_hand (enrollment_id, next_step, next_due_at, parked_tries, parked_why)
            SELECT o.id, n.key, (o.paid_on + n.day + time '09:30') AT TIME ZONE 'Asia/Shanghai', 0, ''
            FROM moved o CROSS JOIN LATERAL (SELECT '2025-03-10'::date - o.paid_on AS age) a
            CROSS JOIN LATERAL (SELECT * FROM (VALUES ('d3', 3), ('d30', 30), ('d60', 60), ('d90', 90)) d(key, day)
                                WHERE d.day > a.age ORDER BY d.day LIMIT 1) n
            """,
            {"template": template.pk},
        )
        # as autovacuum would have done long before a real company has so many
        cursor.execute("ANALYZE crm_member, crm_order, tasks_enrollment, tasks_hand")


def _copies(cursor, table: str, row: int, changes: str) -> None:
    """Copy a row once per number of the crowd, with ids that follow it."""
    cursor.execute(
        f"CREATE TEMP TABLE copies ON COMMIT DROP AS SELECT t.*, g FROM {table} t, crowd WHERE t.id = %s", [row]
    )
    cursor.execute(f"UPDATE copies SET id = id + g, {changes}")
    cursor.execute("ALTER TABLE copies DROP COLUMN g")
    cursor.execute(f"INSERT INTO {table} SELECT * FROM copies")
    cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    cursor.execute("DROP TABLE copies")


def test_an_edited_rule_with_a_crowd_of_hands_waiting(hq, org, online):
    """20,000 hands in batches that resume; the tick between two batches opens by the new rule alone.

    Once measured with 1,000,000: see `recompute_hands`.
    """
    crowd(org, 20_000)
    before = dict(Hand.objects.filter(next_step="d60").values_list("pk", "next_due_at"))
    others = dict(Hand.objects.exclude(next_step="d60").values_list("pk", "next_due_at"))
    version = publish_version(draft_with(hq, online, "d60", open_day=62, due_day=64, expire_day=69), actor=hq, now=NOW)
    assert members_waiting(online.cadence_id) == 20_001
    done = recompute_hands(now=NOW, batch=3000, seconds=0)  # one batch, then time is up
    assert done == {"recomputed": 3000}
    version.refresh_from_db()
    assert (progress(version).total, progress(version).left) == (20_001, 17_001)

    # a hand the recompute has not reached, due by the old rule on this day
    late = Hand.objects.filter(next_step="d60", pk__gt=version.recompute_after_id).order_by("next_due_at")[0]
    assert open_due(now=late.next_due_at, batch=200, budget=timedelta(seconds=0)) == {}
    day = late.next_due_at
    with transaction.atomic():
        from tasks.followups.opening import _judge_and_move

        Hand.objects.exclude(pk=late.pk).filter(next_due_at__lte=day).update(next_due_at=day + timedelta(days=1))
        assert _judge_and_move(day, 10) == {"later": 1}
        late.refresh_from_db()
        assert late.next_due_at == day + timedelta(days=2)
        transaction.set_rollback(True)

    while recompute_hands(now=NOW, batch=7000, seconds=0):
        pass
    version.refresh_from_db()
    assert version.recompute_after_id is None
    after = dict(Hand.objects.values_list("pk", "next_due_at"))
    assert all(after[pk] == due + timedelta(days=2) for pk, due in before.items())
    assert all(after[pk] == due for pk, due in others.items())
    assert set(Enrollment.objects.values_list("cadence_version_id", flat=True)) == {version.pk}
