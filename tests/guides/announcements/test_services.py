"""Announcements from a draft to everybody's receipt: audience, drafts, four eyes, the hour."""

from datetime import timedelta
from typing import Any

import pytest

from guides.announcements import audience as audiences
from guides.announcements import services
from guides.announcements.audience import Audience
from guides.announcements.models import Announcement, AnnouncementReceipt
from guides.announcements.services.drafting import reach_units
from guides.announcements.services.publishing import NobodyMeant
from guides.approvals.models import Approval
from guides.approvals.services import approve, refuse
from guides.notices.models import Notification
from guides.org.models import RoleAssignment, Staff
from tasks.duties.models import Duty
from tests.factories.guides import Org, actor, holder_of, make_staff, make_store, make_unit
from yejibao.core import outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from yejibao.core.models import OutboxMessage

from .conftest import BODY, NOW

pytestmark = pytest.mark.django_db
State = Announcement.State


def chosen(**facts: Any) -> set[int]:
    """Return whom an audience means."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(audiences.CHOSEN, audiences.params_of(Audience(**facts), day=local_day(NOW)))
        return {pk for pk, _store in cursor.fetchall()}


def readers(held: Announcement) -> set[int]:
    return set(AnnouncementReceipt.objects.filter(announcement=held).values_list("staff", flat=True))


# ---------------------------------------------------------------- whom


def test_an_audience_is_units_roles_and_stores_less_who_is_left_out(org: Org) -> None:
    dealer_store = make_store(area=org.area, kind="dealer", grade="A")
    at_dealer = make_staff(store=dealer_store)
    hq = holder_of("hq_retail", org)
    gone = make_staff(store=org.store, state="resigned")
    us, stores = {org.guide.pk, org.manager.pk}, {org.guide.pk, org.manager.pk, org.stranger.pk, at_dealer.pk}
    assert chosen() == stores | {hq.pk} and gone.pk not in chosen()
    assert chosen(units=[org.branch.pk]) == stores
    assert chosen(units=[org.area.pk, org.other_area.pk], not_units=[org.store.unit_id]) == {
        org.stranger.pk,
        at_dealer.pk,
    }
    assert chosen(roles=["store_manager", "hq_retail"]) == {org.manager.pk, hq.pk}
    assert chosen(kinds=["dealer"]) == chosen(grades=["A"]) == {at_dealer.pk}
    assert chosen(units=[org.store.unit_id], kinds=["self_operated"]) == us
    assert chosen(not_kinds=["dealer"]) == us | {org.stranger.pk, hq.pk}, (
        "who works in no store has no kind to be left out for"
    )
    assert chosen(units=[987_654]) == set(), "a unit that is gone is nobody's"


def test_a_post_of_yesterday_or_tomorrow_does_not_count(org: Org) -> None:
    person = make_staff("", store=org.store)
    RoleAssignment.objects.create(
        staff=person, role="store_manager", unit=org.store.unit, ends_on=local_day(NOW) - timedelta(days=1)
    )
    assert person.pk not in chosen(roles=["store_manager"])


@pytest.mark.parametrize("people", [0, 30])
def test_the_count_is_one_statement_and_says_of_what_it_is_made(
    org: Org, people: int, django_assert_num_queries: Any
) -> None:
    for _ in range(people):
        make_staff(store=org.store)
    with django_assert_num_queries(2):  # the units' paths, the count
        count = audiences.count(Audience(units=[org.branch.pk], roles=["guide", "store_manager"]), day=local_day(NOW))
    assert (count.people, count.stores) == (3 + people, 2)
    assert count.roles == [("导购", 2 + people), ("店长", 1)]


def test_a_branch_tells_its_own_people_only(org: Org) -> None:
    head = holder_of("branch_manager", org)
    elsewhere = make_unit("branch", parent=org.hq)
    held = services.begin(actor=actor(head), now=NOW)
    assert held.unit == org.branch
    wanted = audiences.clean({"units": [str(elsewhere.pk)]}, reach=reach_units(actor(head)))
    content = services.Draft(title="分公司周会", body=BODY, audience=wanted)
    held = services.save_draft(held, content, seen=held.version, actor=actor(head), now=NOW)
    assert held.audience["units"] == [org.branch.pk], "nothing of another branch, and never the whole company"
    held = services.publish(held, seen=held.version, actor=actor(head), now=NOW)
    assert held.state == State.PUBLISHED, "his own branch needs nobody's approval"
    with pytest.raises(NotFound):
        services.save_draft(held, content, seen=held.version, actor=actor(holder_of("store_manager", org)), now=NOW)
    with pytest.raises(Forbidden):
        services.begin(actor=actor(org.manager), now=NOW)


# ---------------------------------------------------------------- drafts


def test_two_editors_the_second_is_told_whose_words_stand(draft: Any, org: Org, publisher: Staff) -> None:
    held = draft()
    colleague = holder_of("hq_retail", org)
    Staff.objects.filter(pk=colleague.pk).update(name="周岚")
    services.save_draft(held, services.Draft(title="周岚改的"), seen=held.version, actor=actor(colleague), now=NOW)
    with pytest.raises(Stale, match="周岚"):
        services.save_draft(held, services.Draft(title="我改的"), seen=held.version, actor=actor(publisher), now=NOW)
    held.refresh_from_db()
    assert held.title == "周岚改的"


def test_what_does_not_fit_is_named(draft: Any, publisher: Staff) -> None:
    held = draft()
    with pytest.raises(Invalid) as refusal:
        services.save_draft(
            held,
            services.Draft(title="长" * 61, min_read_seconds=-1),
            seen=held.version,
            actor=actor(publisher),
            now=NOW,
        )
    assert {one["field"] for one in refusal.value.errors} == {"title", "min_read_seconds"}
    empty = services.begin(actor=actor(publisher), now=NOW)
    with pytest.raises(Invalid) as unfinished:
        services.publish(empty, seen=empty.version, actor=actor(publisher), now=NOW)
    assert {one["field"] for one in unfinished.value.errors} == {"title", "body"}
    nobody = draft(audience=Audience(units=[held.unit_id], roles=["stylist"]))
    with pytest.raises(NobodyMeant):
        services.publish(nobody, seen=nobody.version, actor=actor(publisher), now=NOW)


def test_every_sample_of_the_book_can_be_begun_and_counted(org: Org, publisher: Staff) -> None:
    from guides.announcements.rules import samples

    assert len(samples()) == 7
    for key, sample in samples().items():
        held = services.begin(actor=actor(publisher), now=NOW, sample=key)
        assert (held.title, held.deadline_hours, held.needs_confirm) == (
            sample.title,
            sample.deadline_hours,
            sample.needs_confirm,
        )
        audiences.count(Audience.read(held.audience), day=local_day(NOW))
    assert (
        Audience.read(services.begin(actor=actor(publisher), now=NOW, sample="ann_price_change").audience).grades == []
    ), "all grades: no grade"
    with pytest.raises(NotFound):
        services.begin(actor=actor(publisher), now=NOW, sample="no_such")


def test_a_copy_is_a_draft_of_its_own(published: Any, publisher: Staff) -> None:
    first = published()
    copy = services.begin(actor=actor(publisher), now=NOW, copy_of=first)
    assert (copy.state, copy.title, copy.audience, copy.published_at) == ("draft", first.title, first.audience, None)


# ---------------------------------------------------------------- publishing


def test_everybody_meant_has_a_receipt_a_push_a_notice_and_a_duty(published: Any, org: Org) -> None:
    held = published(deadline_hours=4)
    people = {org.guide.pk, org.manager.pk, org.stranger.pk}
    assert readers(held) == people and held.audience_count == 3 and held.spread_at == NOW
    pushes = OutboxMessage.objects.filter(kind="announcement")
    assert set(pushes.values_list("recipient", flat=True)) == {
        org.guide.wecom_user_id,
        org.manager.wecom_user_id,
        org.stranger.wecom_user_id,
    }
    assert set(pushes.values_list("pk", flat=True)) == set(
        AnnouncementReceipt.objects.values_list("message_id", flat=True)
    )
    assert set(Notification.objects.filter(key=held.key).values_list("staff", flat=True)) == people
    outbox.drain_events()
    duty = Duty.objects.get(assignee=org.guide)
    assert (duty.task_type, duty.title, duty.due_at) == ("announcement_read", held.title, NOW + timedelta(hours=4))
    assert local_day(duty.expire_at) == local_day(NOW) + timedelta(days=3)


def test_spreading_goes_on_where_it_was_and_tells_nobody_twice(
    draft: Any, org: Org, publisher: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guides.announcements.services import publishing

    monkeypatch.setattr(publishing, "AT_ONCE", 2)
    held = draft()
    held = services.publish(held, seen=held.version, actor=actor(publisher), now=NOW)
    assert publishing.spread_batch(held.pk, now=NOW) == 2, "a worker is killed here"
    held.refresh_from_db()
    assert held.spread_at is None
    assert services.spread(now=NOW, budget=timedelta(seconds=30)) == {"told": 1}
    assert services.spread(now=NOW, budget=timedelta(seconds=30)) == {"told": 0}
    assert OutboxMessage.objects.filter(kind="announcement").count() == AnnouncementReceipt.objects.count() == 3


@pytest.mark.parametrize("people", [1, 60])
def test_a_batch_needs_the_same_statements_for_any_number(
    draft: Any, org: Org, publisher: Staff, people: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(people):
        make_staff(store=org.store)
    held = draft()
    held = services.publish(held, seen=held.version, actor=actor(publisher), now=NOW)
    with django_assert_max_num_queries(17):
        services.spread(now=NOW, budget=timedelta(seconds=30))
    assert AnnouncementReceipt.objects.count() == 3 + people


def test_the_same_publish_twice_is_one(draft: Any, publisher: Staff) -> None:
    held = draft()
    services.publish(held, seen=held.version, actor=actor(publisher), now=NOW)
    with pytest.raises(Conflict, match="已发布"):
        services.publish(held, seen=held.version, actor=actor(publisher), now=NOW)


def test_the_whole_company_takes_a_second_pair_of_eyes(draft: Any, org: Org, publisher: Staff) -> None:
    boss = holder_of("executive", org)
    held = draft(audience=Audience(roles=["guide"]))
    held = services.publish(held, seen=held.version, actor=actor(publisher), now=NOW, reason="换季")
    request = Approval.objects.get(kind="announcement.company")
    assert (held.state, request.key, request.asked_by_id) == (State.ASKED, held.key, publisher.pk)
    assert services.spread(now=NOW, budget=timedelta(seconds=1)) == {"told": 0}
    with pytest.raises(Conflict):
        services.save_draft(
            held, services.Draft(title="趁还没批改一下"), seen=held.version, actor=actor(publisher), now=NOW
        )
    approve(request, actor=actor(boss), now=NOW)
    held.refresh_from_db()
    assert held.state == State.PUBLISHED
    services.spread(now=NOW, budget=timedelta(seconds=30))
    assert readers(held) == {org.guide.pk, org.stranger.pk}


def test_what_is_not_approved_is_a_draft_again(draft: Any, org: Org, publisher: Staff) -> None:
    held = draft(audience=Audience(roles=["guide"]))
    services.publish(held, seen=held.version, actor=actor(publisher), now=NOW)
    refuse(Approval.objects.get(), actor=actor(holder_of("executive", org)), now=NOW, answer="先改标题")
    held.refresh_from_db()
    assert (held.state, held.publish_at) == (State.DRAFT, None)
    services.save_draft(held, services.Draft(title="改过的"), seen=held.version, actor=actor(publisher), now=NOW)


def test_midnight_comes_and_the_scheduled_one_goes_out_and_rings_in_the_morning(
    draft: Any, publisher: Staff, org: Org
) -> None:
    midnight = NOW.replace(hour=16)  # 00:00 in Shanghai
    held = draft(deadline_hours=12)
    held = services.publish(held, seen=held.version, actor=actor(publisher), now=NOW, at=midnight)
    assert held.state == State.SCHEDULED and services.publish_due(now=midnight - timedelta(seconds=1)) == 0
    assert services.publish_due(now=midnight) == 1 and services.publish_due(now=midnight) == 0
    services.spread(now=midnight, budget=timedelta(seconds=30))
    held.refresh_from_db()
    assert (held.published_at, held.deadline_at) == (midnight, midnight + timedelta(hours=12))
    push = OutboxMessage.objects.get(recipient=org.guide.wecom_user_id)
    assert timedelta(hours=9, minutes=31) <= push.due_at - midnight <= timedelta(hours=9, minutes=40), (
        "nobody is rung up at night"
    )
    with pytest.raises(Invalid):
        services.publish(draft(), seen=2, actor=actor(publisher), now=NOW, at=NOW - timedelta(hours=1))


def test_a_scheduled_one_may_be_written_on(draft: Any, publisher: Staff) -> None:
    held = draft()
    services.publish(held, seen=held.version, actor=actor(publisher), now=NOW, at=NOW + timedelta(hours=3))
    services.unschedule(held, actor=actor(publisher), now=NOW)
    held.refresh_from_db()
    assert (held.state, held.publish_at) == (State.DRAFT, None)
    with pytest.raises(Conflict):
        services.unschedule(held, actor=actor(publisher), now=NOW)


def test_who_joins_the_audience_later_sees_what_is_in_force(published: Any, org: Org, publisher: Staff) -> None:
    pinned, over = published(pinned_days=3), published(title="今天的事", pinned_days=0)
    outsider = make_staff(store=make_store(area=make_unit("area", parent=make_unit("branch", parent=org.hq))))
    tomorrow = NOW + timedelta(days=1)
    newcomer = make_staff(store=org.store)
    Staff.objects.filter(pk=outsider.pk).update(store=org.store, unit=org.store.unit)  # transferred into the branch
    assert services.spread_to_newcomers(now=tomorrow) == {"told": 2}
    assert {newcomer.pk, outsider.pk} <= readers(pinned) and newcomer.pk not in readers(over)
    assert services.spread_to_newcomers(now=tomorrow) == {"told": 0}
    assert services.spread_to_newcomers(now=NOW + timedelta(days=4)) == {"told": 0}
