"""What time and other people do to open tasks: expiry, leavers and heirs, members who refuse, friends, rest days."""

from datetime import date, time, timedelta
from typing import Any

import pytest

from crm.members.models import FriendLink, GuideHandover, Member
from crm.members.services import apply_due_handovers, choose_heir, end_friend, record_friend, refuse_transfer
from guides.attendance.models import Shift
from guides.org.models import Staff
from guides.org.services import resign_staff
from tasks.cadences.conservation import prove
from tasks.cadences.models import Cadence, Enrollment
from tasks.followups import services, upkeep
from tasks.followups.models import Task, TaskEvidence, TaskMove
from tasks.followups.tick import tick
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member, make_order, make_ticket, pass_on_friends
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store
from tests.factories.tasks import enroll, hand, load_rules, local, make_task, open_until, task_of
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

PAID = "2025-03-01 15:00"
LEFT = parse_iso("2025-03-04 18:00")


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(PAID)
    load_rules()
    return make_org()


@pytest.fixture
def heir(org: Org) -> Staff:
    return make_staff("guide", store=org.store, name="苏雨桐", display_name="雨桐")


def friend(guide: Staff, **facts: Any) -> Member:
    member = make_member(owner=guide, **facts)
    make_friend(member, guide)
    return member


@pytest.fixture
def member(org: Org) -> Member:
    return friend(org.guide, tier_631="core")


@pytest.fixture
def cycle(org: Org, member: Member) -> Enrollment:
    """A purchase of 2025-03-01 15:00 whose first touch is done and whose d3 is open."""
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_until("2025-03-04 10:00")
    Task.objects.filter(node="m30").update(state="done", done_at=parse_iso("2025-03-01 15:20"))
    return Enrollment.objects.get()


def leave(person: Staff, clock: TestClock, at: Any = LEFT) -> None:
    """Let somebody resign at a moment, and the news go round."""
    resign_staff(person, actor=Actor.system(), now=clock.travel(at))
    outbox.drain_events()


def name_heir(heir: Staff, by: Staff, clock: TestClock, at: str = "2025-03-05 10:00") -> GuideHandover:
    now = clock.travel(at)
    handover = choose_heir(GuideHandover.objects.get(), heir=heir, actor=actor(by), now=now)
    outbox.drain_events()
    return handover


def conserved() -> bool:
    return prove(cadence_id=Cadence.objects.get().pk).missing == 0


# ---------------------------------------------------------------- a guide leaves


def test_open_work_of_a_leaver_is_held_the_overdue_too(org: Org, member: Member, clock: TestClock) -> None:
    overdue = make_task(member, org.guide, now=LEFT - timedelta(days=1))
    fresh = make_task(member, org.guide, now=LEFT)
    done = make_task(member, org.guide, now=LEFT, state="done", done_at=LEFT)
    hers = make_task(friend(org.stranger), org.stranger, now=LEFT)
    leave(org.guide, clock)
    held = dict(Task.objects.values_list("pk", "held_reason"))
    assert held == {overdue.pk: "resigned", fresh.pk: "resigned", done.pk: None, hers.pk: None}
    assert upkeep.expire_tasks(now=LEFT + timedelta(days=30)) == 1  # held rows do not expire


def test_the_heir_introduces_himself_first_then_the_work_goes_on(
    org: Org, heir: Staff, member: Member, cycle: Enrollment, clock: TestClock
) -> None:
    leave(org.guide, clock)
    name_heir(heir, org.manager, clock)
    task = task_of(cycle, "d3")
    assert (task.assignee_id, task.owner_guide_id, task.held_reason, task.channel) == (
        heir.pk, heir.pk, "handover", "wecom_message",
    )  # fmt: skip
    intro = Task.objects.get(task_type="handover_intro")
    assert (intro.assignee_id, intro.member_id, intro.nature, intro.held_at) == (heir.pk, member.pk, "service", None)
    assert [local(at) for at in (intro.open_at, intro.due_at, intro.expire_at)] == [
        "2025-03-05 10:00", "2025-03-07 22:00", "2025-03-12 22:00",
    ]  # fmt: skip
    assert upkeep.release_held(now=parse_iso("2025-03-06 11:00"))["handover"] == 0
    # The member did not refuse: in a day he is the heir's friend.
    pass_on_friends(clock.travel("2025-03-06 10:30"))
    outbox.drain_events()
    now = parse_iso("2025-03-06 12:00")
    services.record_sent(intro, actor=actor(heir), text="您好，我是雨桐", now=now)
    assert upkeep.release_held(now=now)["handover"] == 1
    task.refresh_from_db()
    assert (task.held_at, task.held_reason, task.tell_at) == (None, None, now)
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-07 22:00", "2025-03-10 22:00")
    assert [(m.reason, local(m.old_due_at), local(m.new_due_at)) for m in TaskMove.objects.order_by("pk")] == [
        ("heir", None, None), ("handover", "2025-03-04 22:00", "2025-03-07 22:00"),
    ]  # fmt: skip
    assert conserved()


def test_after_48_hours_the_work_goes_on_anyway(org: Org, heir: Staff, cycle: Enrollment, clock: TestClock) -> None:
    leave(org.guide, clock)
    name_heir(heir, org.manager, clock)
    assert upkeep.release_held(now=parse_iso("2025-03-07 09:59"))["handover"] == 0
    assert upkeep.release_held(now=parse_iso("2025-03-07 10:00"))["handover"] == 1
    task = task_of(cycle, "d3")
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-08 22:00", "2025-03-11 22:00")


def test_a_later_due_and_end_stand(org: Org, heir: Staff, member: Member, clock: TestClock) -> None:
    task = make_task(
        member, org.guide, now=LEFT, due_at=parse_iso("2025-03-20 22:00"), expire_at=parse_iso("2025-03-25 22:00")
    )
    leave(org.guide, clock)
    name_heir(heir, org.manager, clock)
    upkeep.release_held(now=parse_iso("2025-03-07 10:00"))
    task.refresh_from_db()
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-20 22:00", "2025-03-25 22:00")


def test_unopened_steps_open_for_the_heir(org: Org, heir: Staff, member: Member, clock: TestClock) -> None:
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_until("2025-03-01 16:00")
    cycle = Enrollment.objects.get()
    leave(org.guide, clock, "2025-03-03 12:00")
    tick(now=parse_iso("2025-03-04 09:30"))
    assert hand(cycle)[0] == "d3"  # waits
    name_heir(heir, org.manager, clock, "2025-03-04 11:00")
    tick(now=parse_iso("2025-03-04 11:10"))
    task = task_of(cycle, "d3")
    assert (task.assignee_id, task.channel, local(task.due_at)) == (heir.pk, "wecom_message", "2025-03-04 22:00")


def test_twenty_introductions_a_day_the_best_members_first(org: Org, heir: Staff, clock: TestClock) -> None:
    tiers = ["common"] * 30 + ["core"] * 10 + ["potential"] * 2
    members = [friend(org.guide, tier_631=tier) for tier in tiers]
    silent = friend(org.guide, do_not_contact=True)
    unreachable = make_member(owner=org.guide)
    leave(org.guide, clock)
    name_heir(heir, org.manager, clock)
    intros = list(Task.objects.filter(task_type="handover_intro").select_related("member").order_by("pk"))
    assert len(intros) == 42 and not {silent.pk, unreachable.pk} & {intro.member_id for intro in intros}
    days = {}
    for intro in intros:
        days.setdefault((local(intro.hidden_until), local(intro.due_at)), []).append(intro)
    assert {day: len(found) for day, found in days.items()} == {
        (None, "2025-03-07 22:00"): 20,
        ("2025-03-06 09:30", "2025-03-08 22:00"): 20,
        ("2025-03-07 09:30", "2025-03-09 22:00"): 2,
    }
    first = {intro.member.tier_631 for intro in days[None, "2025-03-07 22:00"]}
    assert first == {"core", "potential", "common"}
    assert {m.tier_631 for m in members[:30]} == {"common"}
    assert sum(i.member.tier_631 != "common" for i in days[None, "2025-03-07 22:00"]) == 12
    assert Task.objects.listed(parse_iso("2025-03-05 12:00")).count() == 20
    assert services.open_handover_intros(GuideHandover.objects.get().pk, now=parse_iso("2025-03-05 12:00")) == 0


def test_nobody_decides_for_24_hours_then_the_proposal_holds(
    org: Org, heir: Staff, cycle: Enrollment, clock: TestClock
) -> None:
    leave(org.guide, clock)
    now = clock.travel("2025-03-05 17:59")
    assert apply_due_handovers(now=now)["handed_over"] == 0
    now = clock.travel("2025-03-05 18:00")
    assert apply_due_handovers(now=now)["handed_over"] == 1
    outbox.drain_events()
    assert task_of(cycle, "d3").assignee_id == heir.pk


def test_what_he_did_for_a_colleagues_member_goes_to_that_colleague_at_once(
    org: Org, heir: Staff, clock: TestClock
) -> None:
    """He was serving or backup: no introduction is needed, so nothing waits for one."""
    colleague = make_staff("guide", store=org.store)
    task = make_task(friend(colleague), org.guide, now=LEFT)
    leave(org.guide, clock)
    name_heir(heir, org.manager, clock)
    task.refresh_from_db()
    assert (task.assignee_id, task.held_reason) == (colleague.pk, "handover")
    assert upkeep.release_held(now=parse_iso("2025-03-05 10:00"))["handover"] == 1
    task.refresh_from_db()
    assert (task.held_at, task.channel) == (None, "wecom_message")


def test_what_waits_for_a_ticket_goes_along_and_goes_on_waiting(
    org: Org, heir: Staff, member: Member, clock: TestClock
) -> None:
    task = make_task(member, org.guide, now=LEFT, held_at=LEFT, held_reason="aftersale")
    make_ticket(member, kind="complaint", opened_at=LEFT)
    leave(org.guide, clock)
    name_heir(heir, org.manager, clock)
    task.refresh_from_db()
    assert (task.assignee_id, task.held_reason, task.held_at) == (heir.pk, "aftersale", LEFT)
    assert upkeep.release_held(now=parse_iso("2025-03-08 10:00")) == {"aftersale": 0, "handover": 0}


@pytest.mark.parametrize(("consent", "state"), [(True, "open"), (False, "skipped")])
def test_a_member_who_refuses_the_heir_is_the_managers(
    org: Org, heir: Staff, member: Member, cycle: Enrollment, clock: TestClock, consent: bool, state: str
) -> None:
    Member.objects.update(phone_consent=consent)
    leave(org.guide, clock)
    name_heir(heir, org.manager, clock)
    refuse_transfer(FriendLink.objects.get(), now=clock.travel("2025-03-05 15:00"))
    outbox.drain_events()
    member.refresh_from_db()
    assert member.owner_guide_id == org.manager.pk
    for task in Task.objects.exclude(node="m30"):
        assert (task.task_type, task.assignee_id, task.state, task.channel) == (
            task.task_type, org.manager.pk, state, "manual_call",
        )  # fmt: skip
        assert task.closed_reason == ("" if consent else "friend_lost")
    assert conserved()


def test_a_change_of_owner_by_the_manager_leaves_open_work_alone(
    org: Org, heir: Staff, member: Member, clock: TestClock
) -> None:
    from crm.members.services import change_owner

    task = make_task(member, org.guide, now=LEFT)
    change_owner(member, to=heir, actor=actor(org.manager), reason="他想换人", now=clock.travel(LEFT))
    outbox.drain_events()
    task.refresh_from_db()
    assert (task.assignee_id, task.channel) == (org.guide.pk, "wecom_message")


def test_a_closed_store_hands_everything_to_the_store_headquarters_names(
    org: Org, member: Member, cycle: Enrollment, clock: TestClock
) -> None:
    receiving = make_store(area=org.area, closes_at=time(21, 0))
    manager = make_staff("store_manager", store=receiving)
    Staff.objects.filter(pk=org.manager.pk).update(state="resigned")
    leave(org.guide, clock)
    assert GuideHandover.objects.get().heir_id is None
    assert apply_due_handovers(now=clock.travel("2025-03-05 18:00"))["without_heir"] == 1
    name_heir(manager, holder_of("hq_operator", org), clock, "2025-03-05 19:00")
    task = task_of(cycle, "d3")
    assert (task.assignee_id, task.store_id, task.held_reason) == (manager.pk, receiving.pk, "handover")
    upkeep.release_held(now=parse_iso("2025-03-07 19:00"))
    task.refresh_from_db()
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-08 21:00", "2025-03-11 21:00")


# ---------------------------------------------------------------- friends


def test_a_new_friend_completes_the_first_touch(org: Org, clock: TestClock) -> None:
    member = make_member(owner=org.guide, phone_consent=True)
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_until("2025-03-01 15:00")
    other = make_task(member, org.guide, now=parse_iso(PAID), channel="manual_call")
    record_friend(guide=org.guide, member=member, at=clock.travel("2025-03-01 15:10"))
    outbox.drain_events()
    first = Task.objects.get(node="m30")
    assert (first.state, first.evidence_kind, first.evidence_level, first.outcome) == (
        "done", "friend_added", 3, "friend_added",
    )  # fmt: skip
    assert TaskEvidence.objects.get().is_auto
    other.refresh_from_db()
    assert (other.state, other.channel) == ("open", "wecom_message")


@pytest.mark.parametrize(
    ("consent", "state", "channel"), [(True, "open", "manual_call"), (False, "skipped", "wecom_message")]
)
def test_a_lost_friend_is_called_where_he_agreed(
    org: Org, member: Member, cycle: Enrollment, clock: TestClock, consent: bool, state: str, channel: str
) -> None:
    Member.objects.update(phone_consent=consent)
    end_friend(guide=org.guide, member=member, at=clock.travel("2025-03-04 12:00"))
    outbox.drain_events()
    task = task_of(cycle, "d3")
    assert (task.state, task.channel) == (state, channel)
    assert conserved()


# ---------------------------------------------------------------- expiry


def test_expired_after_its_end_not_at_it(org: Org, member: Member, cycle: Enrollment) -> None:
    task = task_of(cycle, "d3")
    assert upkeep.expire_tasks(now=task.expire_at) == 0
    assert upkeep.expire_tasks(now=task.expire_at + timedelta(seconds=1)) == 1
    task.refresh_from_db()
    assert (task.state, task.tell_at) == ("expired", None)
    assert conserved()


def test_expiry_goes_on_in_batches(org: Org, member: Member) -> None:
    for _ in range(5):
        make_task(member, org.guide, now=LEFT)
    assert upkeep.expire_tasks(now=LEFT + timedelta(days=9), batch=2) == 5


# ---------------------------------------------------------------- rest days entered later


def rest(person: Staff, *days: str) -> None:
    Shift.objects.bulk_create([Shift(staff=person, day=date.fromisoformat(day), kind="rest") for day in days])


def test_one_rest_day_moves_the_fit_question_one_day(org: Org, cycle: Enrollment) -> None:
    rest(org.guide, "2025-03-04")
    upkeep.cover_absence(org.guide.pk, ["2025-03-04"], now=LEFT)
    task = task_of(cycle, "d3")
    assert (task.assignee_id, local(task.due_at), TaskMove.objects.get().reason) == (
        org.guide.pk, "2025-03-05 22:00", "leave",
    )  # fmt: skip


@pytest.mark.parametrize(("reach", "moves"), [("friend", True), ("phone", True), ("", False)])
def test_the_backup_takes_over_only_whom_he_can_reach(
    org: Org, member: Member, cycle: Enrollment, reach: str, moves: bool
) -> None:
    helper = make_staff("guide", store=org.store)
    Staff.objects.filter(pk=org.guide.pk).update(backup_guide=helper)
    if reach == "friend":
        make_friend(member, helper, external_user_id="wmHelper")
    Member.objects.update(phone_consent=reach == "phone")
    rest(org.guide, "2025-03-04", "2025-03-05")
    upkeep.cover_absence(org.guide.pk, ["2025-03-04", "2025-03-05"], now=LEFT)
    task = task_of(cycle, "d3")
    assert (task.assignee_id == helper.pk, TaskMove.objects.count()) == (moves, int(moves))
    assert task.channel == ("manual_call" if reach == "phone" else "wecom_message")


def test_a_selling_step_waits_for_her_return(org: Org, member: Member, cycle: Enrollment) -> None:
    open_until("2025-03-31 10:00")
    rest(org.guide, "2025-04-01", "2025-04-02", "2025-04-03")
    upkeep.cover_absence(org.guide.pk, ["2025-04-02"], now=parse_iso("2025-03-31 12:00"))
    assert local(task_of(cycle, "d30").due_at) == "2025-04-04 22:00"


@pytest.mark.parametrize(
    ("evidence", "consent", "state", "channel"),
    [
        (["chat_sent", "call_logged"], True, "open", "manual_call"),
        (["chat_sent", "call_logged"], False, "skipped", "wecom_message"),
        (["chat_sent", "friend_tagged"], True, "skipped", "wecom_message"),
    ],
)
def test_what_belongs_to_no_cadence_becomes_a_call_if_a_call_may_end_it(
    org: Org, member: Member, clock: TestClock, evidence: list[str], consent: bool, state: str, channel: str
) -> None:
    Member.objects.update(phone_consent=consent)
    task = make_task(member, org.guide, now=LEFT, task_type="handover_intro", node="", evidence_any_of=evidence)
    end_friend(guide=org.guide, member=member, at=clock.travel("2025-03-04 19:00"))
    outbox.drain_events()
    task.refresh_from_db()
    assert (task.state, task.channel, task.closed_reason) == (state, channel, "" if state == "open" else "friend_lost")
