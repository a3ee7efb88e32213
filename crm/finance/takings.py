"""收款: what stores took, by way of payment, for whatever lies under a unit of one's reach.

A day that was counted is read from its rows, the others (today) from the ledger; both by the same statement, so that the sum of
all stores is what the accounts 微信收款, 柜台收款 and 银行付款 moved by. The same number of statements for a store and for the company.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from guides.org.models import OrgUnit, Store
from guides.org.scoped import under_grants
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import FinanceDay, Takings
from .scoped import TAKINGS_READERS

Way, Purpose = Takings.Way, Takings.Purpose
MONEY = tuple(way for way in Way if way != Way.WALLET)  # ways that bring money in
LONGEST = 92  # days of one range
NOWHERE = 0  # the line of money of no store

# One row a day, store, way and purpose. A reversal counts as what it reverses, the other way round. How a counter took a sale
# stands on its payment; a top-up or a fee on its transfer (provider); a card is paid out over the counter in cash alone.
FROM_LEDGER = """
SELECT e.booked_on AS day, t.store_id,
    CASE WHEN e.account = 'cash_wechat' THEN 'wechat' WHEN e.account = 'cash_bank' THEN 'bank' WHEN e.account <> 'cash_counter' THEN 'wallet'
        WHEN coalesce(p.way, b.way) IN ('cash', 'card', 'voucher') THEN coalesce(p.way, b.way)
        WHEN coalesce(r.provider, t.provider) IN ('cash', 'card') THEN coalesce(r.provider, t.provider)
        WHEN coalesce(r.kind, t.kind) = 'card_refund' THEN 'cash' ELSE 'counter' END AS way,
    CASE WHEN coalesce(r.kind, t.kind) IN ('top_up', 'card_refund', 'payout') THEN 'top_up' WHEN coalesce(r.kind, t.kind) = 'clearing' THEN 'other'
        ELSE 'sale' END AS purpose,
    coalesce(sum(e.amount_fen) FILTER (WHERE e.side = 1), 0)::bigint AS in_fen,
    coalesce(sum(e.amount_fen) FILTER (WHERE e.side = -1), 0)::bigint AS out_fen,
    count(DISTINCT t.id) FILTER (WHERE e.side = 1) AS in_count, count(DISTINCT t.id) FILTER (WHERE e.side = -1) AS out_count
FROM crm_ledgerentry e JOIN crm_transfer t ON t.id = e.transfer_id
LEFT JOIN crm_transfer r ON r.id = t.reverses_id
LEFT JOIN crm_salepayment p ON p.transfer_id = coalesce(t.reverses_id, t.id)
LEFT JOIN crm_refundpart part ON part.transfer_id = coalesce(t.reverses_id, t.id) LEFT JOIN crm_salepayment b ON b.id = part.payment_id
WHERE e.booked_on = ANY(%(days)s::date[]) AND (
    e.account IN ('cash_wechat', 'cash_counter', 'cash_bank')
    OR e.account IN ('principal', 'gift') AND coalesce(r.kind, t.kind) IN ('spend', 'spend_refund')
)
GROUP BY 1, 2, 3, 4
"""
_SUMS = f"""
SELECT {{key}}, f.way, f.purpose, sum(f.in_fen)::bigint, sum(f.out_fen)::bigint, sum(f.in_count)::bigint, sum(f.out_count)::bigint
FROM (
    SELECT day, store_id, way, purpose, in_fen, out_fen, in_count, out_count FROM crm_takings WHERE day = ANY(%(kept)s::date[])
    UNION ALL
    SELECT * FROM ({FROM_LEDGER}) live
) f LEFT JOIN unnest(%(stores)s::bigint[], %(keys)s::bigint[]) AS reach(store_id, key) ON reach.store_id = f.store_id
WHERE reach.key IS NOT NULL OR (%(all)s AND f.store_id IS NULL)
GROUP BY 1, 2, 3
"""
_BY_UNIT = _SUMS.format(key=f"coalesce(reach.key, {NOWHERE})")
_BY_DAY = _SUMS.format(key="f.day")


@dataclass
class Taken:
    """Sums of one line, in fen. What goes back by a way is taken off that way."""

    by_way: dict[str, int] = field(default_factory=dict)
    in_fen: int = 0  # by ways that bring money
    back_fen: int = 0
    top_up_fen: int = 0  # of in_fen less back_fen
    count: int = 0

    def add(self, way: str, purpose: str, in_fen: int, out_fen: int, in_count: int) -> None:
        self.by_way[way] = self.by_way.get(way, 0) + in_fen - out_fen
        if way != Way.WALLET:
            self.in_fen += in_fen
            self.back_fen += out_fen
            self.top_up_fen += in_fen - out_fen if purpose == Purpose.TOP_UP else 0
        self.count += in_count

    @property
    def money_fen(self) -> int:
        """What came in and stayed."""
        return self.in_fen - self.back_fen

    @property
    def cells(self) -> list[int]:
        """What came in and stayed, by way of money."""
        return [self.by_way.get(way, 0) for way in MONEY]

    @property
    def wallet_fen(self) -> int:
        """What was paid with stored value, less what went back to cards: no money comes in by it."""
        return self.by_way.get(Way.WALLET, 0)


@dataclass(frozen=True)
class Line:
    """A unit below, a store, or a day; `unit` leads further down."""

    name: str
    taken: Taken
    unit: int | None = None
    level: str = ""
    day: date | None = None


@dataclass(frozen=True)
class Board:
    """What a page shows: the way down to a unit, its lines, and their sum."""

    unit: OrgUnit | None  # None: stores of one's own that no unit holds together
    trail: Sequence[OrgUnit]
    lines: Sequence[Line]
    total: Taken
    stores: int


@dataclass(frozen=True)
class Reach:
    """Stores somebody may read, as (store, unit path), under the unit he asked for."""

    stores: Sequence[tuple[int, str]]
    root: str  # what he sees as the top of all
    under: str
    is_company: bool  # all of it: money of no store, too

    def below(self, path: str) -> int:
        """Return the unit under `under` on the way to a store; the store's own unit where it is that store."""
        steps = path.removeprefix(self.under).split("/")
        return int(steps[0]) if steps[0] else int(self.under.rstrip("/").rpartition("/")[2])


def takings_of(actor: Actor, *, unit_id: int | None, first: date, last: date) -> Board:
    """Return what was taken from `first` to `last` under a unit, else under all one may read. Five statements at most.

    Raises NotFound for a unit under which there is no store of one's reach.
    """
    reach = reach_of(actor, unit_id)
    is_store = len(reach.stores) == 1 and reach.stores[0][1] == reach.under
    keys = [reach.below(path) for _pk, path in reach.stores]
    sums = _sums(_BY_DAY if is_store else _BY_UNIT, reach, keys, first=first, last=last)
    ids = _path_ids(reach.under)
    units = {one.pk: one for one in OrgUnit.objects.filter(pk__in={*ids, *keys})}
    lines = (
        [Line("", found, day=key) for key, found in sorted(sums.items(), reverse=True)]
        if is_store
        else _unit_lines(units, keys, sums)
    )
    total = Taken()
    for found in sums.values():
        _join(total, found)
    top = len(_path_ids(reach.root))
    trail = [units[pk] for pk in ids[max(top - 1, 0) :] if pk in units]
    return Board(trail[-1] if trail else None, trail, lines, total, len(reach.stores))


@dataclass(frozen=True)
class StoreTaken:
    """A line of the sheet: a store, the units above it from the branch down, what it took."""

    code: str
    name: str
    units: Sequence[str]
    taken: Taken

    def above(self, place: int) -> str:
        return self.units[place] if place < len(self.units) else ""


def takings_by_store(actor: Actor, *, unit_id: int | None, first: date, last: date) -> list[StoreTaken]:
    """Return each store in the order of the tree, also one that took nothing. Six statements at most."""
    reach = reach_of(actor, unit_id)
    ids = [pk for pk, _path in reach.stores]
    sums = _sums(_BY_UNIT, reach, ids, first=first, last=last)
    stores = Store.objects.select_related("unit").filter(pk__in=ids).order_by("unit__path")
    names = dict(OrgUnit.objects.exclude(level=OrgUnit.Level.STORE).values_list("pk", "name"))
    rows = [
        StoreTaken(one.code, one.name, [names.get(pk, "") for pk in _path_ids(one.unit.path or "")[1:-1]], sums.get(one.pk, Taken()))
        for one in stores
    ]  # fmt: skip
    return [*rows, StoreTaken("", "不归哪家店", (), sums[NOWHERE])] if NOWHERE in sums else rows


def sum_of(rows: Sequence[StoreTaken]) -> StoreTaken:
    """Return the last line of the sheet."""
    total = Taken()
    for row in rows:
        _join(total, row.taken)
    return StoreTaken("", "合计", (), total)


def reach_of(actor: Actor, unit_id: int | None) -> Reach:
    """Return the stores under a unit that somebody may read. Two statements at most. Raises NotFound where there is none."""
    grants = actor.reach(*TAKINGS_READERS)
    is_all = actor.is_system or any(grant.reach == "all" for grant in grants)
    allowed = Q() if actor.is_system else under_grants(grants, path="unit__path", store="pk")
    under = ""
    if unit_id is not None:
        under = OrgUnit.objects.filter(pk=unit_id).values_list("path", flat=True).first() or ""
        if not under:
            raise NotFound()
    seen = Store.objects.filter(allowed, unit__path__startswith=under).order_by("pk")
    stores = [(pk, path or "") for pk, path in seen.values_list("pk", "unit__path")]
    if under and not stores:
        raise NotFound()
    root = _root(grants, [path for _pk, path in stores], is_all=is_all)
    return Reach(stores, root, under or root, is_all and (not under or under == root))


def _root(grants: Iterable[Any], paths: Sequence[str], *, is_all: bool) -> str:
    """Return the path of what lies above all that somebody reads: the company, his unit, or what his stores have in common."""
    if is_all:
        return paths[0].partition("/")[0] + "/" if paths else ""
    units = {grant.path for grant in grants if grant.path and not grant.store_ids}
    return _common(units or paths)


def _common(paths: Collection[str]) -> str:
    split = [path.rstrip("/").split("/") for path in paths]
    shared: list[str] = []
    for steps in zip(*split, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return "".join(f"{step}/" for step in shared)


def _path_ids(path: str) -> list[int]:
    return [int(step) for step in path.split("/") if step]


def _sums(statement: str, reach: Reach, keys: Sequence[int], *, first: date, last: date) -> dict[Any, Taken]:
    days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    kept = set(
        FinanceDay.objects.filter(day__range=(first, last), takings_at__isnull=False).values_list("day", flat=True)
    )
    params: dict[str, Any] = {
        "kept": sorted(kept), "days": [day for day in days if day not in kept], "stores": [pk for pk, _path in reach.stores],
        "keys": list(keys), "all": reach.is_company,
    }  # fmt: skip
    found: dict[Any, Taken] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        for key, way, purpose, in_fen, out_fen, in_count, _out_count in cursor.fetchall():
            found.setdefault(key, Taken()).add(way, purpose, in_fen, out_fen, in_count)
    return found


def _unit_lines(units: dict[int, OrgUnit], keys: Collection[int], sums: dict[Any, Taken]) -> list[Line]:
    """Return a line for each unit below, also for one that took nothing; the most first, money of no store last."""
    rows = [Line(units[pk].name, sums.get(pk, Taken()), pk, units[pk].level) for pk in set(keys) if pk in units]
    rows.sort(key=lambda row: (-row.taken.money_fen, row.name))
    return [*rows, Line("不归哪家店", sums[NOWHERE])] if NOWHERE in sums else rows


def _join(total: Taken, found: Taken) -> None:
    for way, fen in found.by_way.items():
        total.by_way[way] = total.by_way.get(way, 0) + fen
    total.in_fen += found.in_fen
    total.back_fen += found.back_fen
    total.top_up_fen += found.top_up_fen
    total.count += found.count
