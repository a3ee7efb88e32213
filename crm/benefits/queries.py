"""What a member has of coupons, points and level; what became of a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, F, Q, Sum

from crm.benefits.coupon_rules import CouponRule, coupon_rule
from crm.benefits.models import (
    BenefitUse,
    Coupon,
    CouponBatch,
    CouponGuideDay,
    CouponQuota,
    LevelChange,
    PointsAccount,
    PointsEntry,
    PointsLot,
)
from crm.benefits.models.points import PointsEntryQuerySet
from crm.benefits.rules import LevelRule, level_rule, levels
from crm.members.models import Member
from guides.org.models import Staff
from yejibao.core import clock, together

State = Coupon.State
NEAR = timedelta(days=7)  # a coupon that ends so soon is said to


# ---------------------------------------------------------------- points


@dataclass(frozen=True)
class Points:
    """A member's points at a moment. `usable` + `frozen` - `debt` = `balance`, once what ended last night is booked."""

    balance: int = 0
    usable: int = 0
    frozen: int = 0  # of orders that may still be returned
    debt: int = 0
    expiring: int = 0  # of those usable or frozen, that end first
    expiring_on: date | None = None
    next_usable_at: datetime | None = None


def points_of(member: Member, *, now: datetime) -> Points:
    """Return a member's points. Two statements."""
    return points_of_many([member.pk], now=now).get(member.pk, Points())


def points_of_many(member_ids: Sequence[int], *, now: datetime) -> dict[int, Points]:
    """Return the points of those who ever had any, by member."""
    today = clock.local_day(now)
    accounts = {one.member_id: one for one in PointsAccount.objects.filter(member_id__in=member_ids)}
    left = PointsLot.objects.filter(member_id__in=accounts, left_points__gt=0, expires_on__gte=today)
    lots: dict[int, list[Lot]] = {}
    for member_id, *lot in left.values_list("member_id", *Lot._fields):
        lots.setdefault(member_id, []).append(Lot(*lot))
    return {pk: _points(one.balance, one.debt_points, lots.get(pk, []), now) for pk, one in accounts.items()}


class Lot(NamedTuple):
    """What is left of points that came together."""

    left_points: int
    usable_from: datetime
    expires_on: date


def _points(balance: int, debt: int, lots: list[Lot], now: datetime) -> Points:
    first = min((lot.expires_on for lot in lots), default=None)
    return Points(
        balance=balance,
        usable=sum(lot.left_points for lot in lots if lot.usable_from <= now),
        frozen=sum(lot.left_points for lot in lots if lot.usable_from > now),
        debt=debt,
        expiring=sum(lot.left_points for lot in lots if lot.expires_on == first),
        expiring_on=first,
        next_usable_at=min((lot.usable_from for lot in lots if lot.usable_from > now), default=None),
    )


def points_history(member: Member) -> PointsEntryQuerySet:
    """Return a member's entries, newest first, for a page by cursor."""
    return PointsEntry.objects.filter(member=member).order_by("-pk")


# ---------------------------------------------------------------- coupons


@dataclass(frozen=True)
class InHand:
    """A coupon as its holder sees it: what it is worth, and until when."""

    rule: CouponRule
    state: str  # usable | later | held | used | expired | void
    ends_on: date  # the last day
    is_near_end: bool

    @property
    def words(self) -> str:
        return {
            "usable": "可用",
            "later": "未到使用日期",
            "held": "付款中",
            "used": "已使用",
            "expired": "已过期",
            "void": "已作废",
        }[self.state]


@dataclass(frozen=True)
class HeldCoupon(InHand):
    """The same with its row."""

    coupon: Coupon


# What he has of both, for the panels of a member's page.
POINTS = together.Read(
    "points",
    """(SELECT json_build_array(a.balance, a.debt_points, %(now)s,
        (SELECT json_agg(json_build_array(x.left_points, x.usable_from, x.expires_on)) FROM crm_pointslot x
            WHERE x.member_id = m.id AND x.left_points > 0 AND x.expires_on >= %(today)s))
    FROM crm_pointsaccount a WHERE a.member_id = m.id)""",
    lambda row: _read_points(*row) if row else Points(),
)
HELD_MOST = 100
COUPONS = together.Read(
    "coupons",
    f"""(SELECT json_agg(json_build_array(c.state, c.valid_from, c.valid_until, %(now)s, json_build_array(c.id, t.name,
            t.amount_fen, t.percent_off, t.cap_fen, t.threshold_fen, t.categories, t.style_codes, t.member_levels, t.channels,
            t.excludes_promoted)) ORDER BY c.valid_until, c.id)
    FROM (SELECT x.* FROM crm_coupon x WHERE x.member_id = m.id
          AND (x.state = 'usable' AND x.valid_until > %(now)s OR x.state = 'held')
          ORDER BY x.valid_until, x.id LIMIT {HELD_MOST}) c
    JOIN crm_couponbatch b ON b.id = c.batch_id JOIN crm_coupontemplate t ON t.id = b.template_id)""",
    lambda rows: [_read_coupon(*row) for row in rows or ()],
)


def _read_points(balance: int, debt: int, now: str, lots: list[tuple[int, str, str]] | None) -> Points:
    found = [Lot(points, datetime.fromisoformat(at), date.fromisoformat(until)) for points, at, until in lots or ()]
    return _points(balance, debt, found, datetime.fromisoformat(now))


def _read_coupon(state: str, valid_from: str, valid_until: str, now: str, terms: list[Any]) -> InHand:
    facts: list[Any] = [tuple(one) if isinstance(one, list) else one for one in terms]
    rule = CouponRule(*facts)
    moments = [datetime.fromisoformat(one) for one in (valid_from, valid_until, now)]
    return InHand(rule, *_standing(state, *moments))


def coupons_of(member: Member, *, now: datetime, which: str = "usable", upto: int = HELD_MOST) -> list[HeldCoupon]:
    """Return a member's coupons: `usable` (also those whose time comes, and held ones; what ends first leads), or `past`, newest first."""
    rows = Coupon.objects.filter(member=member).with_terms()
    open_ones = Q(state=State.USABLE, valid_until__gt=now) | Q(state=State.HELD)
    if which == "past":
        rows = rows.exclude(open_ones).order_by("-issued_at", "-pk")
    else:
        rows = rows.filter(open_ones).order_by("valid_until", "pk")
    return [held_coupon(row, now=now) for row in rows[:upto]]


def held_coupon(row: Coupon, *, now: datetime) -> HeldCoupon:
    """Return a coupon of `with_terms` as its holder sees it at a moment."""
    return HeldCoupon(coupon_rule(row), *_standing(str(row.state), row.valid_from, row.valid_until, now), row)


def _standing(state: str, valid_from: datetime, valid_until: datetime, now: datetime) -> tuple[str, date, bool]:
    """Return the state its holder sees, the last day, and whether that is near."""
    if state == State.USABLE:
        state = "expired" if valid_until <= now else "later" if valid_from > now else "usable"
    ends_on = clock.local_day(valid_until - timedelta(microseconds=1))
    return state, ends_on, state == "usable" and valid_until - now <= NEAR


def usable_count(member: Member, *, now: datetime) -> int:
    return Coupon.objects.filter(member=member, state=State.USABLE, valid_until__gt=now).count()


def told_coupons(member_ids: Collection[int], *, now: datetime) -> dict[int, Coupon]:
    """Return for each member the coupon worth speaking of: of those usable now the one that ends first."""
    rows = (
        Coupon.objects.filter(member_id__in=member_ids, state=State.USABLE, valid_from__lte=now, valid_until__gt=now)
        .with_terms()
        .order_by("member_id", "valid_until", "pk")
        .distinct("member_id")
    )
    return {row.member_id: row for row in rows}


def claimable(member: Member, *, now: datetime, way: CouponBatch.Way = CouponBatch.Way.CLAIM) -> list[CouponBatch]:
    """Return the batches a member may claim from now: running, not empty, of his level, and not had yet."""
    rows = (
        CouponBatch.objects.filter(
            state=CouponBatch.State.RUNNING,
            opens_at__lte=now,
            closes_at__gt=now,
            ways__contains=[way],
        )
        .filter(Q(stock_count=None) | Q(taken_count__lt=F("stock_count")))
        .select_related("template")
        .annotate(mine=Count("coupons", filter=Q(coupons__member=member)))
        .order_by("closes_at", "pk")
    )
    return [
        row
        for row in rows[:50]
        if row.mine < row.per_member
        and (not row.template.member_levels or member.member_level in row.template.member_levels)
    ]


def exchangeable(member: Member, *, now: datetime) -> list[CouponBatch]:
    """Return the batches whose coupons a member may have for points, cheapest first."""
    rows = claimable(member, now=now, way=CouponBatch.Way.POINTS)
    return sorted((row for row in rows if row.points_price), key=lambda row: (row.points_price or 0, row.pk))


def giveable(
    guide: Staff, *, now: datetime, path: str = "", with_empty: bool = False
) -> list[tuple[CouponBatch, int | None]]:
    """Return the batches a guide may give from now, with what is left of her share, None where none is set. Two statements.

    HQ's and those of the units her store lies under (`path`, where the caller knows it already). `with_empty` also returns
    those of which nothing is left.
    """
    above = _ids_in(path) if path else units_above(guide)
    rows = list(
        CouponBatch.objects.filter(
            state=CouponBatch.State.RUNNING,
            opens_at__lte=now,
            closes_at__gt=now,
            ways__contains=[CouponBatch.Way.GUIDE],
        )
        .filter(Q(unit__level="hq") | Q(unit_id__in=above))
        .select_related("template")
        .order_by("closes_at", "pk")[:100]
    )
    if not rows:
        return []
    left: dict[int, int] = {}
    has_own: set[int] = set()
    for share in CouponQuota.objects.filter(Q(staff=guide) | Q(unit_id__in=above), batch__in=rows):
        has_own |= {share.batch_id} if share.staff_id else set()
        rest = share.limit_count - share.used_count
        left[share.batch_id] = min(rest, left.get(share.batch_id, rest))
    found: list[tuple[CouponBatch, int | None]] = []
    for batch in rows:
        parts = [one for one in (left.get(batch.pk), batch.left_count) if one is not None]
        if batch.guide_limit is not None and batch.pk not in has_own:
            parts.append(batch.guide_limit)
        is_shared = batch.pk in left or batch.guide_limit is not None
        least = min(parts) if parts else None
        if with_empty or least is None or least > 0:
            found.append((batch, least if is_shared or least == 0 else None))
    return found


def units_above(guide: Staff) -> list[int]:
    """Return the ids of the units a guide's store lies under, its own included."""
    return _ids_in((guide.store.unit.path if guide.store else guide.unit.path if guide.unit else "") or "")


def _ids_in(path: str) -> list[int]:
    return [int(part) for part in path.split("/") if part]


def given_today(guide: Staff, *, day: date) -> int:
    """Return how many coupons a guide gave out on a local day."""
    found = CouponGuideDay.objects.filter(staff=guide, day=day).values_list("given_count", flat=True).first()
    return found or 0


@dataclass(frozen=True)
class BatchFigures:
    """What became of a batch: one statement for any number of batches."""

    issued: int = 0
    members: int = 0
    claimed: int = 0  # by the members themselves
    used: int = 0
    expired: int = 0
    sales_fen: int = 0
    cost_fen: int = 0  # what the used ones took off; for those with coupon.cost

    @property
    def use_rate(self) -> float | None:
        """券核销率 (models.yaml coupon_redeem_rate)"""
        return self.used / self.issued if self.issued else None


def figures_of(batch_ids: Iterable[int]) -> dict[int, BatchFigures]:
    """Return what became of batches, by id."""
    rows = (
        Coupon.objects.filter(batch_id__in=list(batch_ids))
        .values("batch_id")
        .annotate(
            issued=Count("pk"),
            members=Count("member_id", distinct=True),
            claimed=Count("pk", filter=Q(way__in=[Coupon.Way.CLAIM, Coupon.Way.POINTS])),
            used=Count("pk", filter=Q(state=State.USED)),
            expired=Count("pk", filter=Q(state=State.EXPIRED)),
            sales=Sum("sales_fen"),
            cost=Sum("discount_fen"),
        )
    )
    return {
        row["batch_id"]: BatchFigures(
            row["issued"],
            row["members"],
            row["claimed"],
            row["used"],
            row["expired"],
            row["sales"] or 0,
            row["cost"] or 0,
        )
        for row in rows
    }


# ---------------------------------------------------------------- level


@dataclass(frozen=True)
class LevelStanding:
    """A member's level, how long it holds and what is missing to the next."""

    level: LevelRule
    spend_180_fen: int
    valid_until: date | None
    reached_at: datetime | None
    next_level: LevelRule | None
    missing_fen: int  # to the next; 0 at the top
    keep_missing_fen: int  # to stay, once its time ends; 0 where it would stay

    @property
    def share(self) -> float:
        """Return how far he is to the next level, 0 to 1."""
        if self.next_level is None:
            return 1.0
        return min(1.0, self.spend_180_fen / self.next_level.min_fen)


def level_of(member: Member) -> LevelStanding:
    """Return a member's level with his way to the next. No statement."""
    own = level_rule(member.member_level)
    above = next((one for one in levels() if one.min_fen > own.min_fen), None)
    return LevelStanding(
        level=own,
        spend_180_fen=member.spend_180_fen,
        valid_until=member.level_valid_until,
        reached_at=member.level_reached_at,
        next_level=above,
        missing_fen=max(0, above.min_fen - member.spend_180_fen) if above else 0,
        keep_missing_fen=max(0, own.min_fen - member.spend_180_fen),
    )


def level_history(member: Member, *, upto: int = 20) -> list[LevelChange]:
    """Return how a member's level came about, newest first."""
    return list(LevelChange.objects.filter(member=member).order_by("-at", "-pk")[:upto])


@dataclass(frozen=True)
class Allowance:
    """A benefit of the level in a calendar year."""

    per_year: int
    used: int

    @property
    def left(self) -> int:
        return max(0, self.per_year - self.used)


def free_care_of(member: Member, *, today: date) -> Allowance:
    """Return a member's free care of this year (aftersale.yaml care_rules.entitlement)."""
    used = BenefitUse.objects.filter(
        member=member, kind=BenefitUse.Kind.FREE_CARE, year=today.year, given_back_at=None
    ).count()
    return Allowance(level_rule(member.member_level).free_care_per_year, used)
