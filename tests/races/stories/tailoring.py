"""Two at once at an appointment, at a slot, at a garment."""

from datetime import timedelta

from crm.members.models import Member
from crm.tailoring import services
from crm.tailoring.models import Fitting, FittingDay, FittingPlan, MemberMeasure
from crm.tailoring.services import BookedAlready, SlotGone
from tests.factories.crm import make_member, make_order
from tests.factories.guides import actor, make_staff
from tests.factories.portal import as_member
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.errors import Conflict, Forbidden

AT = NOON + timedelta(days=3, hours=2)
DAY = AT.date()


def _clear() -> None:
    Fitting.objects.all().delete()
    FittingPlan.objects.all().delete()
    FittingDay.objects.all().delete()


def _booked(world: World, member: Member | None = None, **facts: object) -> Fitting:
    _clear()
    member = member or world.member()
    return Fitting.objects.create(
        member=member, store=world.org.store, channel="member", starts_at=AT, ends_at=AT + timedelta(hours=1), booked_at=NOON, **facts
    )  # fmt: skip


def two_for_one_place(world: World) -> None:
    _clear()
    both = overtaken(
        *[
            lambda he=he: services.book_fitting(he, store=world.org.store, starts_at=AT, actor=as_member(he), now=NOON)
            for he in (world.member(), world.member())
        ]
    )
    in_peace(both.first)
    assert isinstance(both.second, SlotGone) and Fitting.objects.count() == 1


def booked_in_two_stores(world: World) -> None:
    _clear()
    he = world.member()
    both = overtaken(
        *[
            lambda place=place: services.book_fitting(he, store=place, starts_at=AT, actor=as_member(he), now=NOON)
            for place in (world.org.store, world.org.other_store)
        ]
    )
    in_peace(both.first)
    assert isinstance(both.second, BookedAlready) and Fitting.objects.count() == 1


def booked_as_the_day_is_closed(world: World) -> None:
    _clear()
    he = world.member()
    both = overtaken(
        lambda: services.save_day(world.org.store, day=DAY, capacity=0, why="", actor=world.manager, now=NOON),
        lambda: services.book_fitting(he, store=world.org.store, starts_at=AT, actor=as_member(he), now=NOON),
    )
    assert isinstance(both.second, SlotGone) and not Fitting.objects.exists()


def taken_by_two(world: World) -> None:
    held = _booked(world, make_member(store=world.org.store))
    one, two = (actor(make_staff(store=world.org.store)) for _ in range(2))
    both = overtaken(lambda: services.take(held, actor=one, now=NOON), lambda: services.take(held, actor=two, now=NOON))
    held.refresh_from_db()
    assert isinstance(both.second, Conflict | Forbidden) and held.guide_id == one.staff_id


def ready_twice(world: World) -> None:
    held = _booked(world)
    measure = MemberMeasure.objects.create(member=held.member, store=held.store, taken_at=NOON)
    Fitting.objects.filter(pk=held.pk).update(
        state="making", measure=measure, confirmed_at=NOON, promised_on=DAY, guide_id=world.org.guide.pk
    )
    both = overtaken(*[lambda: services.mark_ready(held, actor=world.guide, now=NOON)] * 2)
    in_peace(both.first)
    assert isinstance(both.second, Conflict) and held.steps.filter(state="ready").count() == 1


def taken_as_the_roster_is_followed(world: World) -> None:
    held = _booked(world)
    colleague = actor(make_staff(store=world.org.store))
    in_peace(
        overtaken(
            lambda: services.take(held, actor=colleague, now=NOON), lambda: services.follow_roster(now=NOON)
        ).second
    )
    held.refresh_from_db()
    assert held.guide_id == colleague.staff_id


def one_line_for_two_garments(world: World) -> None:
    _clear()
    he = world.member()
    line = make_order(he, paid_at=NOON, guide=world.org.guide).lines.get()
    rows = []
    for number in range(2):
        measure = MemberMeasure.objects.create(member=he, store=world.org.store, taken_at=NOON)
        rows.append(
            Fitting.objects.create(
                member=he, store=world.org.store, channel="member", state="collected", closed_at=NOON, measure=measure, booked_at=NOON,
                starts_at=AT + timedelta(hours=number), ends_at=AT + timedelta(hours=number + 1), guide=world.org.guide,
            )
        )  # fmt: skip
    both = overtaken(
        *[lambda held=held: services.link_line(held, line.pk, actor=world.guide, now=NOON) for held in rows]
    )
    in_peace(both.first)
    assert isinstance(both.second, Conflict) and Fitting.objects.filter(order_line=line).count() == 1
