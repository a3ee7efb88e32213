"""A member's seven days: the plan for his season and group, made his own; each piece with where it hangs and what it costs.

The same number of statements for a day and for a week: his purchases, his tags, what was chosen, the outfits, their pieces, the
shelf, the stock, the prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Q

from crm.catalogue.models import StyleColor
from crm.catalogue.queries import Near
from crm.members.models import Member
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .filling import WRONG, Facts, Place, Week, fill_week, keeps_the_look, may_take, nearest
from .hanging import Hanging, hanging, prices, stores_near
from .models import LookChoice, Outfit, OutfitPiece, OutfitPlan
from .rules import DAYS, Garment, blocking, week_faults
from .wardrobe import GARMENT, Wardrobe, wardrobe_of
from .words import YOU, reasons_of

LENGTH = 7
# Which season's clothes one wears in a month, and which week serves where a season has none of its own.
SEASONS = {
    12: "冬",
    1: "冬",
    2: "冬",
    3: "春",
    4: "春",
    5: "春",
    6: "夏",
    7: "夏",
    8: "夏",
    9: "秋",
    10: "秋",
    11: "冬",
}
INSTEAD = {"春": ("春", "秋"), "夏": ("夏",), "秋": ("秋", "春"), "冬": ("冬",)}
SPARE = 40  # outfits of no plan that are looked at for another day, the newest


@dataclass(frozen=True)
class Piece:
    """One piece of a day, as the member has it or would get it."""

    style: Garment
    size: str
    owned: bool
    in_stock: bool
    shown: Garment  # what the outfit shows there
    price_fen: int
    hanging: Hanging
    bought_on: date | None = None
    alternative: Garment | None = None
    alternative_size: str = ""
    is_chosen: bool = False

    @property
    def swap_of(self) -> Garment | None:
        """What it stands for, where it is neither his own nor what the outfit shows."""
        return self.shown if not self.owned and self.shown.sku_code != self.style.sku_code else None

    @property
    def kind(self) -> str:
        """Return owned, out, swapped or new: what is said of it."""
        if self.owned:
            return "owned"
        if not self.in_stock:
            return "out"
        return "swapped" if self.swap_of else "new"

    @property
    def may_be_bought(self) -> bool:
        return not self.owned and self.in_stock and bool(self.size)


@dataclass(frozen=True)
class DayLook:
    """What to wear on a day. Without a published outfit there are no pieces."""

    day: date
    outfit: Outfit | None
    pieces: Sequence[Piece]
    reasons: Sequence[str] = ()
    is_chosen: bool = False

    @property
    def weekday(self) -> str:
        return DAYS[self.day.weekday()]

    @property
    def price_fen(self) -> int:
        """All of it."""
        return sum(piece.price_fen for piece in self.pieces)

    @property
    def missing(self) -> list[Piece]:
        return [piece for piece in self.pieces if not piece.owned]

    @property
    def missing_fen(self) -> int:
        """您还需添: without what he owns."""
        return sum(piece.price_fen for piece in self.missing)

    @property
    def owned_count(self) -> int:
        return len(self.pieces) - len(self.missing)

    @property
    def to_buy(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.may_be_bought]

    @property
    def to_buy_fen(self) -> int:
        return sum(piece.price_fen for piece in self.to_buy)


@dataclass(frozen=True)
class MemberWeek:
    """Seven days, and why this plan."""

    member: Member
    plan: OutfitPlan | None
    looks: Sequence[DayLook]
    group: str
    season: str
    wardrobe: Wardrobe
    store: Store | None
    near: Sequence[Near]
    is_personal: bool

    def look(self, day: date) -> DayLook | None:
        return next((look for look in self.looks if look.day == day), None)

    @property
    def owned_count(self) -> int:
        """How many different things of his are worn in the week."""
        return len({piece.style.sku_code for look in self.looks for piece in look.pieces if piece.owned})

    @property
    def missing_count(self) -> int:
        return len({piece.style.sku_code for look in self.looks for piece in look.pieces if not piece.owned})


def plan_of(member: Member, *, start: date, actor: Actor, now: datetime) -> list[DayLook]:
    """Return a member's week from `start`, as seen from the actor's store, else from the member's own."""
    return list(week_of(member, start=start, store=store_for(actor, member), now=now).looks)


def store_for(actor: Actor, member: Member) -> Store | None:
    """Return the store whose stock counts first: where the guide works; for the member himself, his own."""
    if actor.store_id:
        return Store.objects.filter(pk=actor.store_id).first()
    return member.main_store


def week_of(member: Member, *, start: date, store: Store | None, now: datetime, who: str = YOU) -> MemberWeek:
    """Return a member's week with its reasons. Of somebody who wants no personal recommendation nothing he bought is used."""
    known = wardrobe_of(member, now=now)
    is_personal = not member.no_profiling
    days = [start + timedelta(days=place) for place in range(LENGTH)]
    season = SEASONS[start.month]
    group = known.group(clock.local_day(now)) if is_personal else ""
    choices = {one.on: one for one in LookChoice.objects.filter(member=member, on__gte=days[0], on__lte=days[-1])}
    chosen_ids = [one.outfit_id for one in choices.values() if one.outfit_id]
    outfits = list(
        Outfit.objects.published()
        .filter(Q(plan__season__in=INSTEAD[season]) | Q(pk__in=chosen_ids))
        .select_related("plan", "author")
        .order_by("pk")
    )
    plan = best_plan({one.plan_id: one.plan for one in outfits if one.plan}.values(), season=season, group=group)
    by_day = {one.day: one for one in outfits if plan and one.plan_id == plan.pk}
    hung = [by_day.get(day.isoweekday()) for day in days]
    pieces = pieces_of(outfits)
    worn = _with_choices(hung, days, choices, {one.pk: one for one in outfits}, pieces)
    looks = [pieces[one.pk] if one else [] for one in worn]
    shelf = shelf_for([piece for look in looks for piece in look], season=season)
    owned = known.owned if is_personal else []
    wanted = {one.id: known.size_of(one) for one in [*shelf, *(piece for look in looks for piece in look)]}
    near = stores_near(store, day=clock.local_day(now))
    hangs = hanging(wanted, store=store, near=near)
    filled = fill_week(
        looks,
        Facts(
            owned=owned, shelf=shelf, hangs=lambda piece: hangs[piece.id].is_any, season=season,
            chosen={
                (place, code): instead
                for place, day in enumerate(days) if day in choices
                for code, instead in choices[day].swaps.items()
            },
        ),
    )  # fmt: skip
    costs = prices(
        {place.garment.id: place.garment.price_fen for look in filled for place in look}, store=store, at=now
    )
    told = []
    for day, outfit, look in zip(days, worn, filled, strict=True):
        made = [_piece(place, known, hangs, costs) for place in look]
        is_chosen = day in choices
        reasons = reasons_of(day, outfit, made, owned=owned, who=who) if outfit else ()
        told.append(DayLook(day, outfit, made, reasons, is_chosen))
    return MemberWeek(member, plan, told, group, season, known, store, near, is_personal)


def _piece(place: Place, known: Wardrobe, hangs: Mapping[int, Hanging], costs: Mapping[int, int]) -> Piece:
    garment, other = place.garment, place.alternative
    return Piece(
        style=garment, size=(place.owned.size if place.owned and place.owned.size else known.size_of(garment)),
        owned=place.owned is not None, in_stock=bool(place.owned) or not place.is_out, shown=place.shown,
        price_fen=costs.get(garment.id, garment.price_fen), hanging=hangs.get(garment.id, Hanging()),
        bought_on=place.owned.bought_on if place.owned else None, alternative=other,
        alternative_size=known.size_of(other) if other else "", is_chosen=place.is_chosen,
    )  # fmt: skip


def best_plan(plans: object, *, season: str, group: str) -> OutfitPlan | None:
    """Return the plan for a season and a group: the season decides, then the group, then the name. None where there is none."""
    fitting = [one for one in plans if one.season in INSTEAD[season]]  # type: ignore[attr-defined]
    return min(
        fitting,
        key=lambda one: (INSTEAD[season].index(one.season), group not in one.groups if group else False, one.key),
        default=None,
    )


def _with_choices(
    hung: Sequence[Outfit | None], days: Sequence[date], choices: Mapping[date, LookChoice],
    outfits: Mapping[int, Outfit], pieces: Mapping[int, list[Garment]],
) -> list[Outfit | None]:  # fmt: skip
    """Return the outfits of the days with those that were chosen instead, as far as the week still keeps its rules."""
    worn = list(hung)
    for place, day in enumerate(days):
        other = outfits.get((choices[day].outfit_id or 0) if day in choices else 0)
        if other is None:
            continue
        tried = [*worn[:place], other, *worn[place + 1 :]]
        if not blocking(week_faults([pieces[one.pk] if one else [] for one in tried], is_round=False)):
            worn = tried
    return worn


# ---------------------------------------------------------------- the library


def garment_of(style: StyleColor) -> Garment:
    return Garment(
        style.pk, style.sku_code, style.style_no, style.name, style.category_l1, style.category_l2, style.color,
        style.color_family, style.outfit_role, style.season, style.size_range, style.price_fen,
    )  # fmt: skip


def pieces_of(outfits: Sequence[Outfit]) -> dict[int, list[Garment]]:
    """Return the pieces of outfits in their order, by outfit. One statement."""
    found: dict[int, list[Garment]] = {one.pk: [] for one in outfits}
    rows = OutfitPiece.objects.filter(outfit__in=list(found)).select_related("style").order_by("outfit", "position")
    for row in rows:
        found[row.outfit_id].append(garment_of(row.style))
    return found


def shelf_for(pieces: Sequence[Garment], *, season: str) -> list[Garment]:
    """Return what could stand for these pieces: everything of the same role and category_l1 that fits the season. One statement."""
    kinds = sorted({(one.role, one.category_l1) for one in pieces})
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {GARMENT} FROM unnest(%s::text[], %s::text[]) AS kind(role, category)
            JOIN crm_stylecolor s ON s.outfit_role = kind.role AND s.category_l1 = kind.category
            WHERE s.season <> ALL(%s::text[]) ORDER BY s.sku_code""",
            [[role for role, _ in kinds], [category for _, category in kinds], list(WRONG.get(season, ()))],
        )
        return [Garment(*row) for row in cursor.fetchall()]


def outfits_with(style: StyleColor, *, most: int) -> list[Outfit]:
    """Return the published outfits a style-colour is part of, the newest first."""
    worn_in = OutfitPiece.objects.filter(style=style).values("outfit_id")
    return list(Outfit.objects.published().filter(pk__in=worn_in).order_by("-published_at", "-pk")[:most])


def other_outfits(week: MemberWeek, day: date) -> list[Outfit]:
    """Return the outfits that could be worn on a day instead: of the season, keeping the week's rules; like occasions first."""
    look = week.look(day)
    if look is None:
        return []
    here = [index for index, one in enumerate(week.looks) if one.day == day][0]
    held = look.outfit
    found = list(
        Outfit.objects.published()
        .filter(season__in=[*INSTEAD[week.season], "四季"])
        .exclude(pk=held.pk if held else 0)
        .select_related("plan", "author")
        .order_by("-published_at", "-pk")[:SPARE]
    )
    pieces = pieces_of(found)
    shown = [[piece.shown for piece in one.pieces] for one in week.looks]
    free = [
        one
        for one in found
        if not blocking(week_faults([*shown[:here], pieces[one.pk], *shown[here + 1 :]], is_round=False))
    ]
    return sorted(free, key=lambda one: (one.occasion != (held.occasion if held else ""), one.key, one.version))


def swaps_for(week: MemberWeek, day: date, sku_shown: str) -> list[Piece]:
    """Return what could stand in one place of a day: his own first, then what hangs in his size, the nearest price first.

    Raises NotFound for a piece the day does not show. Three statements.
    """
    look = week.look(day)
    at = (
        next((place for place, one in enumerate(look.pieces) if one.shown.sku_code == sku_shown), None)
        if look
        else None
    )
    if look is None or at is None:
        raise NotFound()
    here = [index for index, one in enumerate(week.looks) if one.day == day][0]
    places: Week = [[Place(piece.style, piece.shown) for piece in one.pieces] for one in week.looks]
    held = look.pieces[at]
    shelf = shelf_for([held.shown], season=week.season)
    mine = {one.garment.sku_code: one for one in week.wardrobe.owned} if week.is_personal else {}
    ranked = [
        *(one for one in shelf if one.sku_code in mine),
        *(one for same in (True, False) for one in nearest(held.shown, shelf, season=week.season, same_colour=same)),
        held.shown,
    ]
    wanted = {one.id: week.wardrobe.size_of(one) for one in ranked}
    hangs = hanging(wanted, store=week.store, near=week.near)
    costs = prices({one.id: one.price_fen for one in ranked}, store=week.store, at=clock.now())
    outfit = [piece.style for piece in look.pieces]
    found: dict[str, Piece] = {}
    for one in ranked:
        own = mine.get(one.sku_code)
        if one.sku_code in found or one.sku_code == held.style.sku_code or not (own or hangs[one.id].is_any):
            continue
        if may_take(one, here, at, places) and keeps_the_look(one, outfit, at):
            found[one.sku_code] = Piece(
                style=one, size=own.size if own else week.wardrobe.size_of(one), owned=own is not None, in_stock=True,
                shown=one, price_fen=costs.get(one.id, one.price_fen), hanging=hangs[one.id],
                bought_on=own.bought_on if own else None,
            )  # fmt: skip
    return list(found.values())
