"""巡店: two phones, two taps, two who go to one store."""

from datetime import timedelta

from guides.org.models import Staff, Store
from guides.patrol.models import ItemScore, PlannedVisit, Visit
from guides.patrol.services import Arrival, PlanRefused, VisitClosed, plan_visits, start_visit, sync_visit
from tests.factories.guides import actor, make_staff, make_store
from tests.factories.patrol import HERE, begin, fill, hand_in, load, said, value
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day


def _store(world: World) -> tuple[Store, Staff]:
    """Return a store nobody was in, without a place, and who looks after its area."""
    load()
    return make_store(area=world.org.area), make_staff("area_supervisor", unit=world.org.area)


def two_taps_on_start(world: World) -> None:
    store, person = _store(world)
    who = actor(person)
    facts = {"kind": "supervisor", "is_full": True, "arrival": Arrival(fix=HERE), "actor": who, "now": NOON}
    both = overtaken(*[lambda: start_visit(store, **facts)] * 2)
    assert [in_peace(one)[1] for one in (both.first, both.second)] == [True, False]
    assert Visit.objects.filter(store=store).count() == 1


def two_phones_on_one_item(world: World) -> None:
    store, person = _store(world)
    visit = begin(person, store)
    who = actor(person)
    both = overtaken(
        *[
            lambda device=device, score=score: sync_visit(
                visit.pk, said(device=device, display_color=value(score)), actor=who, now=NOON
            )
            for device, score in (("the-phone-in-hand", 4), ("the-tablet-in-the-bag", 2))
        ]
    )
    assert len(in_peace(both.second)[1].conflicts) == 1
    assert ItemScore.objects.get(visit=visit).score == 4


def handed_in_twice(world: World) -> None:
    store, person = _store(world)
    visit = begin(person, store)
    fill(visit)
    both = overtaken(*[lambda: hand_in(visit, now=NOON)] * 2)
    assert in_peace(both.first).nth_this_year == 1 and isinstance(both.second, VisitClosed)


def two_hand_in_one_store(world: World) -> None:
    store, person = _store(world)
    visits = [begin(one, store) for one in (person, make_staff("area_supervisor", unit=world.org.area))]
    for visit in visits:
        fill(visit)
    both = overtaken(*[lambda visit=visit: hand_in(visit, now=NOON) for visit in visits])
    assert [in_peace(one).nth_this_year for one in (both.first, both.second)] == [1, 2]


def a_fourth_and_a_fifth_store(world: World) -> None:
    store, person = _store(world)
    stores = [store, *(make_store(area=world.org.area) for _ in range(4))]
    facts = {
        "day": local_day(NOON) + timedelta(days=1),
        "is_full": True,
        "note": "",
        "actor": actor(person),
        "now": NOON,
    }
    plan_visits([one.pk for one in stores[:3]], **facts)
    both = overtaken(*[lambda one=one: plan_visits([one.pk], **facts) for one in stores[3:]])
    assert isinstance(both.second, PlanRefused)
    assert PlannedVisit.objects.filter(patroller=person).count() == 4
