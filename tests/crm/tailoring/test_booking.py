"""Who is measured when, by whom, and what keeps a slot from being given twice."""

from datetime import date, timedelta

import pytest

from crm.members.models import Member
from crm.tailoring import queries, services
from crm.tailoring.models import Fitting, FittingDay, FittingPlan
from crm.tailoring.services import BookedAlready, SlotGone, TooLate
from guides.attendance.models import Shift
from guides.notices.models import Notification
from guides.org.models import Staff, Store
from tests.conftest import TestClock
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, make_staff
from tests.factories.portal import as_member
from tests.factories.tailoring import make_fitting
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import AuditEntry
from yejibao.core.outbox.models import OutboxEvent

pytestmark = pytest.mark.django_db
AT = parse_iso("2026-11-24 14:00")
DAY = date(2026, 11, 24)


def book(member: Member, store: Store, at: str = "2026-11-24 14:00") -> Fitting:
    return services.book_fitting(
        member, store=store, starts_at=parse_iso(at), actor=as_member(member), now=product_clock.now()
    )


def now_of() -> dict[str, object]:
    return {"now": product_clock.now()}


def test_a_member_books_with_his_own_guide_who_hears_of_it(member: Member, org: Org) -> None:
    held = book(member, org.store)
    assert (held.state, held.guide_id, held.channel) == ("booked", org.guide.pk, "member")
    told = Notification.objects.get(staff=org.guide)
    assert told.title == "王哥约了量体：11 月 24 日 周二 14:00 新街口店" and told.url == f"/g/fittings/{held.pk}/"
    assert AuditEntry.objects.filter(action="fitting.booked", actor_kind="member").count() == 1
    assert OutboxEvent.objects.filter(topic="crm.fitting_changed").count() == 1


def test_a_slot_is_given_once_and_again_when_it_is_free(member: Member, org: Org) -> None:
    held = book(member, org.store)
    other = make_member(owner=org.guide)
    with pytest.raises(SlotGone):
        book(other, org.store)
    services.cancel_fitting(held, actor=as_member(member), **now_of())
    assert book(other, org.store).state == "booked"


def test_capacity_is_what_the_manager_says_for_the_store_and_the_day(member: Member, org: Org) -> None:
    manager = actor(org.manager)
    hours = queries.plan_of(org.store)
    services.save_plan(
        org.store, is_offered=True, slot_minutes=60, capacity=2, first_at=hours.first_at, last_at=hours.last_at, actor=manager, **now_of()
    )  # fmt: skip
    second = make_member(owner=org.guide)
    book(member, org.store)
    assert book(second, org.store).guide_id is None  # his guide measures somebody else then
    services.save_day(org.store, day=DAY, capacity=0, why="盘点", actor=manager, **now_of())
    with pytest.raises(SlotGone):
        book(make_member(store=org.store), org.store, "2026-11-24 16:00")
    assert all(one.day != DAY for one in queries.bookable(org.store, now=product_clock.now(), for_member=True))
    services.save_day(org.store, day=DAY, capacity=None, why="", actor=manager, **now_of())
    assert FittingDay.objects.count() == 0


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-24 14:30",
        "2026-11-24 09:00",
        "2026-11-24 21:00",
        "2026-11-21 14:00",
        "2026-12-30 14:00",
        "2026-11-20 14:00",
    ],
)
def test_what_is_no_slot_of_the_open_hours_is_refused(at: str, member: Member, org: Org) -> None:
    with pytest.raises(Invalid):
        book(member, org.store, at)


def test_a_store_that_closes_for_good_takes_nobody_from_that_day_on(member: Member, org: Org) -> None:
    Store.objects.filter(pk=org.store.pk).update(closed_on=DAY)
    store = Store.objects.get(pk=org.store.pk)
    with pytest.raises(Invalid):
        book(member, store)
    assert book(member, store, "2026-11-23 14:00").state == "booked"


def test_a_store_that_does_not_measure_offers_nothing(member: Member, org: Org) -> None:
    FittingPlan.objects.create(
        store=org.store, is_offered=False, first_at="10:00", last_at="20:00", changed_at=product_clock.now()
    )
    assert queries.bookable(org.store, now=product_clock.now(), for_member=True) == []
    with pytest.raises(SlotGone):
        book(member, org.store)
    assert org.store not in queries.stores_for(member, today=product_clock.today())


def test_he_has_one_appointment_at_a_time(member: Member, org: Org) -> None:
    book(member, org.store)
    with pytest.raises(BookedAlready):
        book(member, org.store, "2026-11-25 14:00")


def test_a_closed_card_books_nothing(member: Member, org: Org) -> None:
    Member.objects.filter(pk=member.pk).update(status="closed")
    member.refresh_from_db()
    with pytest.raises(Conflict):
        book(member, org.store)


def test_a_guide_books_for_him_and_one_of_hq_does_not(member: Member, org: Org) -> None:
    held = services.book_fitting(member, store=org.store, starts_at=AT, actor=actor(org.guide), **now_of())
    assert (held.channel, held.booked_by_id) == ("guide", org.guide.pk)
    assert not Notification.objects.filter(staff=org.guide).exists()  # she knows
    with pytest.raises(Forbidden):
        services.book_fitting(
            make_member(store=org.store), store=org.store, starts_at=AT + timedelta(hours=1),
            actor=actor(make_staff("hq_crm", unit=org.hq)), **now_of(),
        )  # fmt: skip


def test_a_guide_gives_the_slot_that_has_just_begun(member: Member, org: Org, clock: TestClock) -> None:
    clock.travel("2026-11-21 14:10")
    held = services.book_fitting(
        member, store=org.store, starts_at=parse_iso("2026-11-21 14:00"), actor=actor(org.guide), **now_of()
    )
    assert held.state == "booked"


# ---------------------------------------------------------------- moving and calling off


def test_he_moves_it_up_to_some_hours_before_and_his_guide_later(member: Member, org: Org, clock: TestClock) -> None:
    held = book(member, org.store)
    held = services.move_fitting(held, starts_at=AT + timedelta(hours=2), actor=as_member(member), **now_of())
    assert (held.starts_at, held.moved_count) == (AT + timedelta(hours=2), 1)
    clock.travel("2026-11-24 12:30")  # three and a half hours before
    held = Fitting.objects.get(pk=held.pk)
    for late in (
        lambda: services.move_fitting(held, starts_at=AT + timedelta(hours=4), actor=as_member(member), **now_of()),
        lambda: services.cancel_fitting(held, actor=as_member(member), **now_of()),
    ):
        with pytest.raises(TooLate):
            late()
    services.move_fitting(held, starts_at=AT + timedelta(hours=4), actor=actor(org.guide), **now_of())
    assert Fitting.objects.get(pk=held.pk).starts_at == AT + timedelta(hours=4)


def test_moving_into_a_full_slot_keeps_the_old_one(member: Member, org: Org) -> None:
    held = book(member, org.store)
    book(make_member(owner=org.guide), org.store, "2026-11-24 15:00")
    with pytest.raises(SlotGone):
        services.move_fitting(held, starts_at=AT + timedelta(hours=1), actor=as_member(member), **now_of())
    assert Fitting.objects.get(pk=held.pk).starts_at == AT


def test_in_another_store_another_one_measures(member: Member, org: Org) -> None:
    held = book(member, org.store)
    held = services.move_fitting(held, starts_at=AT, store=org.other_store, actor=as_member(member), **now_of())
    assert (held.store_id, held.guide_id) == (org.other_store.pk, None)


def test_the_store_calls_off_with_a_reason_and_what_is_cut_only_its_manager(member: Member, org: Org) -> None:
    held = book(member, org.store)
    with pytest.raises(Invalid):
        services.cancel_fitting(held, actor=actor(org.guide), reason=" ", **now_of())
    services.cancel_fitting(held, actor=actor(org.guide), reason="他出差了", **now_of())
    cut = make_fitting(member, state="making")
    with pytest.raises(Forbidden):
        services.cancel_fitting(cut, actor=actor(org.guide), reason="他不要了", **now_of())
    services.cancel_fitting(cut, actor=actor(org.manager), reason="面料有瑕疵，重新谈", **now_of())
    assert Fitting.objects.get(pk=cut.pk).state == "cancelled"


def test_who_does_not_come_is_missed_by_hand_or_after_midnight(member: Member, org: Org, clock: TestClock) -> None:
    held = book(member, org.store)
    with pytest.raises(Conflict):
        services.mark_no_show(held, actor=actor(org.guide), **now_of())
    clock.travel("2026-11-24 23:59")
    assert services.end_missed(**now_of()) == {"missed": 0}
    clock.travel("2026-11-25 00:25")
    assert services.end_missed(**now_of()) == {"missed": 1}
    assert services.end_missed(**now_of()) == {"missed": 0}
    assert Fitting.objects.get(pk=held.pk).state == "no_show"
    assert book(member, org.store, "2026-11-26 14:00").state == "booked"


# ---------------------------------------------------------------- who measures


def test_on_a_day_off_her_backup_measures_and_else_whoever_is_there(member: Member, org: Org) -> None:
    backup = make_staff(store=org.store, name="周倩")
    Shift.objects.create(staff=org.guide, day=DAY, kind="rest")
    assert book(member, org.store).guide_id == org.manager.pk  # no backup is named: the manager
    Staff.objects.filter(pk=org.guide.pk).update(backup_guide=backup)
    other = make_member(owner=org.guide)
    assert book(other, org.store, "2026-11-24 15:00").guide_id == backup.pk


def test_leave_taken_later_brings_it_to_a_colleague_and_taken_back_home_again(member: Member, org: Org) -> None:
    held = book(member, org.store)
    day_off = Shift.objects.create(staff=org.guide, day=DAY, kind="leave")
    assert services.follow_roster(staff_ids=[org.guide.pk], **now_of()) == 1
    assert services.follow_roster(staff_ids=[org.guide.pk], **now_of()) == 0
    assert Fitting.objects.get(pk=held.pk).guide_id == org.manager.pk
    assert Notification.objects.filter(staff=org.manager, key__startswith="fittings:").exists()
    day_off.delete()
    Fitting.objects.filter(pk=held.pk).update(guide=None)  # nobody has said that he takes it
    assert services.follow_roster(**now_of()) == 1
    assert Fitting.objects.get(pk=held.pk).guide_id == org.guide.pk


def test_what_a_guide_leaves_behind_is_the_stores(member: Member, org: Org) -> None:
    making = make_fitting(member, state="making")
    coming = book(make_member(owner=org.guide), org.store, "2026-11-26 14:00")
    Staff.objects.filter(pk=org.guide.pk).update(state="resigned")
    assert services.follow_roster(staff_ids=[org.guide.pk], **now_of()) == 2
    assert {one.guide_id for one in Fitting.objects.filter(pk__in=[making.pk, coming.pk])} == {None}


def test_the_first_who_takes_it_has_it(member: Member, org: Org) -> None:
    Member.objects.filter(pk=member.pk).update(owner_guide=None)
    member.refresh_from_db()
    held = book(member, org.store)
    one, two = make_staff(store=org.store), make_staff(store=org.store)
    services.take(held, actor=actor(one), **now_of())
    with pytest.raises(Forbidden):  # taken, it is not his to see any more
        services.take(Fitting.objects.get(pk=held.pk), actor=actor(two), **now_of())
    services.take(Fitting.objects.get(pk=held.pk), actor=actor(org.manager), **now_of())
    assert Fitting.objects.get(pk=held.pk).guide_id == org.manager.pk


# ---------------------------------------------------------------- who may see it


def test_a_guide_sees_hers_and_those_nobody_has_a_stranger_none(member: Member, org: Org) -> None:
    hers = book(member, org.store)
    nobodys = book(make_member(store=org.store), org.store, "2026-11-24 15:00")
    colleague = make_staff(store=org.store)
    seen = lambda person: set(Fitting.objects.visible_to(actor(person)).values_list("pk", flat=True))  # noqa: E731
    assert seen(org.guide) == {hers.pk, nobodys.pk} and seen(colleague) == {nobodys.pk}
    assert seen(org.manager) == {hers.pk, nobodys.pk} and seen(org.stranger) == set()
    assert set(Fitting.objects.visible_to(as_member(member)).values_list("pk", flat=True)) == {hers.pk}


def test_only_the_manager_says_when_his_store_measures(org: Org) -> None:
    for person in (org.guide, org.stranger, make_staff("store_manager", store=org.other_store)):
        with pytest.raises(Forbidden):
            services.save_day(org.store, day=DAY, capacity=0, why="", actor=actor(person), **now_of())


def test_the_plan_keeps_to_the_hours_of_the_store(org: Org) -> None:
    from datetime import time

    with pytest.raises(Invalid) as refused:
        services.save_plan(
            org.store, is_offered=True, slot_minutes=7, capacity=12, first_at=time(8), last_at=time(23), actor=actor(org.manager), **now_of()
        )  # fmt: skip
    assert {one["field"] for one in refused.value.errors} == {"slot_minutes", "capacity", "first_at"}
