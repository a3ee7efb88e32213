"""盘点: two phones, two who begin, close and approve."""

from datetime import timedelta

from crm.catalogue.models import Sku
from crm.catalogue.stock_models import StockMovement
from crm.catalogue.stocktake.models import Stocktake, StocktakeScan
from crm.catalogue.stocktake.services import (
    AlreadyRuns,
    approve_stocktake,
    close_round,
    create_stocktake,
    expire_stocktakes,
    settle_late,
    start_stocktake,
    take_scans,
)
from tests.factories.guides import actor
from tests.factories.stocktake import SUIT, Phone, make_sku, put_on_book
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day


def _planned(world: World) -> Stocktake:
    return create_stocktake(
        store=world.org.store,
        categories=[],
        day=local_day(NOON),
        counters=[world.org.guide.pk],
        actor=world.manager,
        now=NOON,
    )


def _goods(world: World) -> Sku:
    sku = make_sku(SUIT)
    put_on_book(world.org.store, sku, 5, as_of=NOON)
    return sku


def _begun(world: World) -> tuple[Stocktake, Phone]:
    _goods(world)
    stocktake = start_stocktake(_planned(world), actor=world.guide, now=NOON)
    return stocktake, Phone(stocktake, world.org.guide)


def two_who_begin(world: World) -> None:
    _goods(world)
    stocktake = _planned(world)
    both = overtaken(*[lambda: start_stocktake(stocktake, actor=world.guide, now=NOON)] * 2)
    assert in_peace(both.first).state == in_peace(both.second).state == "counting"
    assert stocktake.lines.count() == 1


def two_begin_in_one_store(world: World) -> None:
    one, two = _planned(world), _planned(world)
    both = overtaken(
        lambda: start_stocktake(one, actor=world.guide, now=NOON),
        lambda: start_stocktake(two, actor=world.guide, now=NOON),
    )
    assert in_peace(both.first).state == "counting" and isinstance(both.second, AlreadyRuns)


def a_batch_brought_twice_at_once(world: World) -> None:
    stocktake, phone = _begun(world)
    phone.scan(SUIT, SUIT, at=NOON)
    said, who = phone.said() | {"device": ""}, world.guide
    both = overtaken(*[lambda: take_scans(stocktake, said, actor=who, now=NOON)] * 2)
    assert len(in_peace(both.first)[1].taken) == len(in_peace(both.second)[1].taken) == 2
    assert StocktakeScan.objects.count() == 2


def two_pages_of_one_phone(world: World) -> None:
    stocktake, phone = _begun(world)
    said, who = phone.said(), world.guide
    both = overtaken(*[lambda: take_scans(stocktake, said, actor=who, now=NOON)] * 2)
    in_peace(both.first), in_peace(both.second)
    assert stocktake.phones.count() == 1


def what_came_late_is_counted_as_it_is_approved(world: World) -> None:
    stocktake, phone = _begun(world)
    phone.scan(SUIT, quantity=4, at=NOON)
    take_scans(stocktake, phone.said(), actor=world.guide, now=NOON)
    close_round(stocktake, actor=world.manager, anyway=True, now=NOON)
    phone.scans = []
    phone.scan(SUIT, at=NOON)
    take_scans(stocktake, phone.said(), actor=world.guide, now=NOON)
    both = overtaken(
        lambda: settle_late(stocktake, take=True, actor=world.manager, now=NOON),
        lambda: approve_stocktake(stocktake, actor=actor(world.org.manager), now=NOON),
    )
    assert in_peace(both.first) and in_peace(both.second).counted_pieces == 5
    assert not StockMovement.objects.exists()


def two_beats_end_an_old_one(world: World) -> None:
    _begun(world)
    late = NOON + timedelta(days=30)
    both = overtaken(*[lambda: expire_stocktakes(now=late)] * 2)
    assert (in_peace(both.first), in_peace(both.second)) == ({"expired": 1}, {"expired": 0})
