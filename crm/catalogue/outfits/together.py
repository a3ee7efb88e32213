"""一起带走: what goes with the pieces a member is about to buy, out of the outfits of the library. Rules, no scores.

An outfit of the season counts that holds one of the pieces; where none does, one that holds a piece alike, as outfits.yaml lets
one stand for the other (same category_l2, same colour family). Of its other pieces those are named that are no second of a
kind he takes already or has at home, break no rule of composition or colour with what he takes, and hang in this store in his
size. What is no dearer than what he takes comes first, then what more outfits agree on, clothes before shoes and accessories.
Always the same number of statements, whatever is in the basket and in the library.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from crm.catalogue.models import Sku
from crm.catalogue.queries import available
from guides.org.models import Store
from yejibao.core import clock, reading

from .filling import Owned
from .hanging import prices
from .queries import INSTEAD, SEASONS
from .rules import ROLES, Garment, blocking, faults_of
from .wardrobe import FIELDS, GARMENT, Wardrobe
from .words import goes_with

MOST = 2  # as many as she can name in one breath
OUTFITS = 40  # that are looked at, the newest
ALL_YEAR = "四季"

_LIBRARY = f"""
WITH taken AS (
    SELECT id, category_l2, color_family FROM crm_stylecolor WHERE id = ANY(%(taken)s::bigint[])
), near AS (
    SELECT DISTINCT ON (o.id) o.id, o.name, o.published_at, taken.id AS with_id, p.style_id <> taken.id AS is_alike
    FROM taken
    JOIN crm_stylecolor a ON a.category_l2 = taken.category_l2 AND a.color_family = taken.color_family
    JOIN crm_outfitpiece p ON p.style_id = a.id
    JOIN crm_outfit o ON o.id = p.outfit_id AND o.state = 'published' AND o.season = ANY(%(seasons)s)
    ORDER BY o.id, is_alike, array_position(%(taken)s::bigint[], taken.id)
), looked_at AS (
    SELECT * FROM near ORDER BY is_alike, published_at DESC, id DESC LIMIT {OUTFITS}
)
SELECT {GARMENT}, l.id, l.name, l.with_id, l.is_alike
FROM looked_at l JOIN crm_outfitpiece p ON p.outfit_id = l.id JOIN crm_stylecolor s ON s.id = p.style_id
ORDER BY l.is_alike, l.published_at DESC, l.id DESC, p.position
"""
_TAKEN = f"SELECT {GARMENT} FROM crm_stylecolor s WHERE s.id = ANY(%(taken)s::bigint[]) ORDER BY array_position(%(taken)s::bigint[], s.id)"


@dataclass(frozen=True)
class Shown:
    """An outfit of the library that holds a piece he takes, or one like it."""

    title: str
    taken: Garment
    is_alike: bool
    pieces: Sequence[Garment]


@dataclass(frozen=True)
class Companion:
    """A piece that goes with what he takes, in his size: it hangs here."""

    garment: Garment
    sku: str
    size: str
    price_fen: int
    here: int
    why: str


def companions(
    style_ids: Collection[int], known: Wardrobe, *, store: Store, is_personal: bool, now: datetime, who: str
) -> list[Companion]:  # fmt: skip
    """Return what goes with style-colours somebody takes, the first of them before the others. Five statements, or none.

    Of somebody who wants no personal recommendation nothing he bought is used, as in his week.
    """
    taken_ids = list(dict.fromkeys(style_ids))
    if not taken_ids:
        return []
    taken, outfits = _library(taken_ids, day=clock.local_day(now))
    owned = known.owned if is_personal else []
    wanted = _fitting(taken, outfits, owned=owned)
    sizes = {one.id: size for one in wanted if (size := known.size_of(one))}
    skus = {
        style: (pk, code)
        for pk, style, size, code in Sku.objects.filter(style__in=list(sizes)).values_list(
            "pk", "style_id", "size", "code"
        )
        if sizes[style] == size
    }
    free = available([pk for pk, _code in skus.values()], [store.pk], now=now)
    here = {style: free[store.pk, pk] for style, (pk, _code) in skus.items() if (store.pk, pk) in free}
    chosen = _one_of_a_kind([one for one in wanted if one.id in here])
    costs = prices({one.id: one.price_fen for one in chosen}, store=store, at=now)
    return [
        Companion(
            one, skus[one.id][1], sizes[one.id], costs.get(one.id, one.price_fen), here[one.id],
            goes_with(one, wanted[one], owned=owned, who=who, today=clock.local_day(now)),
        )
        for one in chosen
    ]  # fmt: skip


def _library(taken_ids: list[int], *, day: date) -> tuple[list[Garment], list[Shown]]:
    """Return what he takes, and the outfits of the season that hold it, nearest and newest first. Two statements."""
    seasons = [*INSTEAD[SEASONS[day.month]], ALL_YEAR]
    with reading.cursor() as cursor:
        cursor.execute(_TAKEN, {"taken": taken_ids})
        taken = {row[0]: Garment(*row) for row in cursor.fetchall()}
        cursor.execute(_LIBRARY, {"taken": taken_ids, "seasons": seasons})
        rows = cursor.fetchall()
    found: dict[int, Shown] = {}
    pieces: dict[int, list[Garment]] = {}
    for row in rows:
        outfit, name, with_id, is_alike = row[FIELDS:]
        held = pieces.setdefault(outfit, [])
        held.append(Garment(*row[:FIELDS]))
        found.setdefault(outfit, Shown(name.partition("·")[0], taken[with_id], is_alike, held))
    return list(taken.values()), list(found.values())


def _fitting(
    taken: Sequence[Garment], outfits: Sequence[Shown], *, owned: Sequence[Owned]
) -> dict[Garment, list[Shown]]:  # fmt: skip
    """Return the pieces that may go with what he takes, the best first, each with the outfits that say so."""
    kinds = {one.category_l2 for one in taken}
    at_home = {(one.garment.category_l2, one.garment.color_family) for one in owned}
    before = {fault.code for fault in blocking(faults_of(taken))}
    found: dict[Garment, list[Shown]] = {}
    for outfit in outfits:
        for piece in outfit.pieces:
            if piece.category_l2 in kinds or (piece.category_l2, piece.color_family) in at_home:
                continue
            if {fault.code for fault in blocking(faults_of([*taken, piece]))} - before:
                continue
            found.setdefault(piece, []).append(outfit)
    dearest = max(one.price_fen for one in taken)
    order = {piece: place for place, piece in enumerate(found)}  # the nearest, newest outfit's first
    ranked = sorted(
        found,
        key=lambda piece: (
            found[piece][0].is_alike, piece.price_fen > dearest, -sum(not one.is_alike for one in found[piece]),
            ROLES.index(piece.role), order[piece],
        ),
    )  # fmt: skip
    return {piece: found[piece] for piece in ranked}


def _one_of_a_kind(pieces: Sequence[Garment]) -> list[Garment]:
    """Return the first few, no two of a kind: a shirt and a tie, not two ties."""
    kinds: dict[str, Garment] = {}
    for piece in pieces:
        kinds.setdefault(piece.category_l2, piece)
    return list(kinds.values())[:MOST]
