"""A member's week out of a template: what he owns takes the place of what the template shows, what is sold out is swapped.

Pure and deterministic: the same facts give the same week. In the order of the rules: what the guide chose, what he owns (same
category_l2 and colour family), then for pieces that hang nowhere in his size another of the same role, category_l1 and colour
family at the nearest price. Nothing is taken that would break the seven-day rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from .rules import Garment, blocking, faults_of, fits

# No linen on a winter's day, whatever the price says: seasons whose goods stand for nothing in another. What he owns he wears as
# he likes, but for the opposite of the season.
WRONG = {"春": ("冬",), "夏": ("秋", "冬"), "秋": ("夏",), "冬": ("夏",)}
OPPOSITE = {"夏": "冬", "冬": "夏"}
ACCESSORY = "accessory"  # one category_l1 from ties to socks: there the category_l2 decides


@dataclass(frozen=True)
class Owned:
    """Something he bought and kept."""

    garment: Garment
    bought_on: date
    size: str = ""


@dataclass(frozen=True)
class Place:
    """One piece of one day: what is worn, and what the outfit showed there where that is something else."""

    garment: Garment
    shown: Garment  # by the outfit
    owned: Owned | None = None
    is_chosen: bool = False
    is_out: bool = False  # hangs nowhere in his size
    alternative: Garment | None = None


@dataclass(frozen=True)
class Facts:
    """What a week is made from: his own things, the newest first; what else the catalogue has; whether it hangs in his size."""

    owned: Sequence[Owned]
    shelf: Sequence[Garment]
    hangs: Callable[[Garment], bool]
    chosen: Mapping[tuple[int, str], str]  # (day, sku shown) -> sku worn instead
    season: str = ""


Week = list[list[Place]]


def fill_week(looks: Sequence[Sequence[Garment]], facts: Facts) -> Week:
    """Return the week, day by day, piece by piece."""
    week: Week = [[Place(piece, piece) for piece in look] for look in looks]
    _take_what_was_chosen(week, facts)
    _take_his_own(week, facts)
    _swap_what_is_out(week, facts)
    return week


def worn(week: Week) -> list[list[Garment]]:
    """Return the pieces alone, for the rules."""
    return [[place.garment for place in look] for look in week]


def may_take(piece: Garment, day: int, at: int, week: Week) -> bool:
    """Tell whether a piece may stand at a place of the week: not twice in a look, and within the seven-day rules."""
    look = worn(week)[day]
    others = [one.sku_code for place, one in enumerate(look) if place != at]
    return piece.sku_code not in others and fits(piece, day, worn(week))


def keeps_the_look(piece: Garment, look: Sequence[Garment], at: int) -> bool:
    """Tell whether a look breaks no more rules with another piece at a place than it did before."""
    changed = [piece if place == at else one for place, one in enumerate(look)]
    before = {fault.code for fault in blocking(faults_of(look))}
    return not {fault.code for fault in blocking(faults_of(changed))} - before


def alike(one: Garment, other: Garment) -> bool:
    """Tell whether one piece can stand for another: the same role and category_l1; a belt for a belt, not for socks."""
    if (one.role, one.category_l1) != (other.role, other.category_l1):
        return False
    return one.role != ACCESSORY or one.category_l2 == other.category_l2


def nearest(piece: Garment, shelf: Sequence[Garment], *, season: str, same_colour: bool) -> list[Garment]:
    """Return what may stand for a piece, the nearest price first: same role and category_l1, and colour family if asked."""
    found = [
        one
        for one in shelf
        if alike(one, piece)
        and one.sku_code != piece.sku_code
        and (one.color_family == piece.color_family) is same_colour
        and one.season not in WRONG.get(season, ())
    ]
    return sorted(found, key=lambda one: (abs(one.price_fen - piece.price_fen), one.sku_code))


def _take_what_was_chosen(week: Week, facts: Facts) -> None:
    if not facts.chosen:
        return
    own = {one.garment.sku_code: one for one in facts.owned}
    known = {one.sku_code: one for one in facts.shelf} | {code: one.garment for code, one in own.items()}
    for day, look in enumerate(week):
        for at, place in enumerate(look):
            piece = known.get(facts.chosen.get((day, place.shown.sku_code), ""))
            if (
                piece
                and alike(piece, place.shown)
                and may_take(piece, day, at, week)
                and keeps_the_look(piece, worn(week)[day], at)
            ):
                look[at] = replace(place, garment=piece, owned=own.get(piece.sku_code), is_chosen=True)


def _take_his_own(week: Week, facts: Facts) -> None:
    for day, look in enumerate(week):
        for at, place in enumerate(look):
            if place.is_chosen:
                continue
            shown = place.shown
            his = [
                one
                for one in facts.owned
                if (one.garment.category_l2, one.garment.color_family) == (shown.category_l2, shown.color_family)
                and one.garment.season != OPPOSITE.get(facts.season)
            ]
            his.sort(key=lambda one: one.garment.sku_code != shown.sku_code)  # the very same first, else the newest
            mine = next((one for one in his if may_take(one.garment, day, at, week)), None)
            if mine:
                look[at] = replace(place, garment=mine.garment, owned=mine)


def _swap_what_is_out(week: Week, facts: Facts) -> None:
    for day, look in enumerate(week):
        for at, place in enumerate(look):
            if place.owned or facts.hangs(place.garment):
                continue
            if not place.is_chosen and (other := _first_that_hangs(place, day, at, week, facts, same_colour=True)):
                look[at] = replace(place, garment=other)
                continue
            alternative = _first_that_hangs(place, day, at, week, facts, same_colour=True) if place.is_chosen else None
            alternative = alternative or _first_that_hangs(place, day, at, week, facts, same_colour=False)
            look[at] = replace(place, is_out=True, alternative=alternative)


def _first_that_hangs(
    place: Place, day: int, at: int, week: Week, facts: Facts, *, same_colour: bool
) -> Garment | None:
    """Return the nearest piece that hangs in his size and may be worn there."""
    return next(
        (
            one
            for one in nearest(place.garment, facts.shelf, season=facts.season, same_colour=same_colour)
            if facts.hangs(one) and may_take(one, day, at, week) and keeps_the_look(one, worn(week)[day], at)
        ),
        None,
    )
