"""盘点 of the demo: one that was approved, one whose differences wait for a yes, and one of today that nobody has begun."""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm.catalogue.stocktake.models import Stocktake, StocktakeLine
from crm.catalogue.stocktake.services import (
    approve_stocktake,
    close_round,
    create_stocktake,
    start_stocktake,
    take_scans,
)
from guides.org.actors import actor_for
from guides.org.models import Staff, Store
from yejibao.core import clock

SEED = 84
ZONES = ("A 区", "B 区", "库房")
MOST = 180  # sizes of a count


def build(*, now: datetime) -> None:
    """Count shirts in the first store nine days ago, knitwear in the second yesterday; the first has accessories to do today."""
    dice = random.Random(SEED)
    stores = list(Store.objects.filter(closed_on=None, stock__quantity__gt=0).distinct().order_by("code")[:2])
    for place, (store, days, category) in enumerate(zip(stores, (9, 1), ("衬衫", "针织"), strict=False)):
        held = _counted(store, category, now - timedelta(days=days), dice)
        if held is not None and place == 0:
            later = now - timedelta(days=days) + timedelta(hours=3)
            with clock.travelled(later):
                approve_stocktake(held, note="差的两件在橱窗模特身上", actor=actor_for(_manager(store)), now=later)
    if stores:
        _plan(stores[0], "配饰", now)


def _manager(store: Store) -> Staff:
    return Staff.objects.employed().filter(store=store, role_assignments__role="store_manager").order_by("pk")[0]


def _plan(store: Store, category: str, at: datetime) -> Stocktake | None:
    people = list(Staff.objects.employed().filter(store=store, role_assignments__role="guide").order_by("pk")[:2])
    if len(people) < 2 or not store.stock.filter(style__category_l1=category).exists():
        return None
    with clock.travelled(at):
        return create_stocktake(
            store=store, categories=[category], day=clock.local_day(at), counters=[one.pk for one in people],
            actor=actor_for(_manager(store)), now=at,
        )  # fmt: skip


def _counted(store: Store, category: str, at: datetime, dice: random.Random) -> Stocktake | None:
    """Let two people count a category: nearly all is there, a few pieces are not, one is where nobody expected it."""
    planned = _plan(store, category, at)
    if planned is None:
        return None
    people = [one.staff for one in planned.counters.select_related("staff").order_by("staff_id")]
    with clock.travelled(at):
        held = start_stocktake(planned, actor=actor_for(people[0]), now=at)
    lines = list(StocktakeLine.objects.filter(stocktake=held).select_related("sku").order_by("pk")[:MOST])
    for turn, person in enumerate(people):
        scans = [_scan(line, dice, at) for place, line in enumerate(lines) if place % 2 == turn]
        scans = [one for one in scans if one["quantity"] > 0]
        for begun in range(0, len(scans), 100):
            said = {"device": f"demo-{store.pk}-{turn}", "zone": ZONES[turn], "scans": scans[begun : begun + 100]}
            take_scans(held, said, actor=actor_for(person), now=at + timedelta(minutes=40))
    done = at + timedelta(hours=1)
    with clock.travelled(done):
        return close_round(held, actor=actor_for(people[0]), anyway=True, now=done)


def _scan(line: StocktakeLine, dice: random.Random, at: datetime) -> dict[str, Any]:
    chance = dice.random()
    there = line.book - (1 if chance < 0.06 else 0) + (1 if chance > 0.985 else 0)
    return {
        "id": str(UUID(int=dice.getrandbits(128), version=4)), "code": line.sku.code, "zone": ZONES[line.pk % 3], "round": 1,
        "quantity": max(0, min(there, 999)), "manual": there > 1, "at": (at + timedelta(minutes=20)).isoformat(),
    }  # fmt: skip
