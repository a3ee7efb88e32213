"""What models.yaml says of levels (member_level) and points (points_rules). Pure; both rooms above and services read it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path

from yejibao.core import clock, tunables
from yejibao.core.domain_files import read_yaml

MODELS_FILE = Path(__file__).resolve().parent.parent / "data" / "models.yaml"

# points_rules.redeem: 100 points = 1 yuan, steps of 100, at most 20% of the amount after coupons
STEP = 100
FEN_A_STEP = 100
MOST_PERCENT = 20
# points_rules.freeze: usable after the 7-day return time; the day of purchase is day 0 (aftersale.yaml return_rules)
RETURN_DAYS = 7
# A parcel whose arrival nobody told: this long on its way, then the return time.
ON_ITS_WAY_DAYS = 14
# aftersale.yaml reversal: points come back with their old expiry, at least 30 days; coupons get 7 days' grace
BACK_AT_LEAST_DAYS = 30
GRACE_DAYS = 7
MEMBER_DAY_TIMES = 2

MEMBER_DAY = tunables.number(
    "member-day", group="会员权益", name="每月几号是会员日", unit="号", default=18, least=1, most=28,
    why="会员日消费双倍积分；改了从那天起算，已得的积分不变",
)  # fmt: skip
GUIDE_DAY_CAP = tunables.number(
    "coupon-guide-day", group="会员权益", name="导购一天最多发几张券", unit="张", default=30, least=1, most=500,
    why="防止把券发给自己人；各批次另有份额",
)  # fmt: skip


@dataclass(frozen=True)
class LevelRule:
    """One level with what comes with it."""

    key: str
    name: str
    min_fen: int  # of net spending in 180 days
    below: str  # the level one falls to, itself for the lowest
    rate_tenths: int  # 12 is 1.2 points a yuan
    birthday_coupon_fen: int
    free_care_per_year: int

    @property
    def rate_words(self) -> str:
        return f"{self.rate_tenths / 10:g} 倍"


@cache
def levels() -> tuple[LevelRule, ...]:
    """Return the levels, lowest first."""
    rows = read_yaml(MODELS_FILE)["member_level"]["levels"]
    below = [rows[0]["key"], *(row["key"] for row in rows)]
    return tuple(
        LevelRule(
            key=row["key"],
            name=row["name"],
            min_fen=row["min_fen"],
            below=lower,
            rate_tenths=round(row["points_rate"] * 10),
            birthday_coupon_fen=row["birthday_coupon_fen"],
            free_care_per_year=row["free_care_per_year"],
        )
        for row, lower in zip(rows, below, strict=False)
    )


def level_rule(key: str) -> LevelRule:
    """Return a level by its key. Raises KeyError."""
    return {level.key: level for level in levels()}[key]


def level_for(spend_180_fen: int) -> LevelRule:
    """Return the level that spending of the last 180 days gives."""
    return max((level for level in levels() if level.min_fen <= spend_180_fen), key=lambda level: level.min_fen)


def points_for(net_fen: int, *, rate_tenths: int, is_member_day: bool) -> int:
    """Return what an order earns: floor(net paid yuan x rate), twice that on a member day."""
    once = max(0, net_fen) * rate_tenths // 1000
    return once * MEMBER_DAY_TIMES if is_member_day else once


def points_worth_fen(points: int) -> int:
    """Return what points take off a price; a broken step is worth nothing."""
    return points // STEP * FEN_A_STEP


def most_points(usable: int, *, amount_fen: int) -> int:
    """Return how many points may be used on an amount after coupons: whole steps, at most 20% of it."""
    by_amount = amount_fen * MOST_PERCENT // 100 // FEN_A_STEP * STEP
    return max(0, min(usable // STEP * STEP, by_amount))


def member_days(days: Collection[date], *, now: datetime) -> set[date]:
    """Return which of these days are member days, by the setting as it was on each. One statement at most."""
    if not days:
        return set()
    changes = [
        row for row in tunables.history(MEMBER_DAY, upto=1_000) if row.withdrawn_at is None and row.starts_at <= now
    ]
    changes.sort(key=lambda row: (row.starts_at, row.number))

    def number_on(day: date) -> int:
        noon = clock.local_moment(day, time(12))
        return next((int(row.value) for row in reversed(changes) if row.starts_at <= noon), MEMBER_DAY.default)

    return {day for day in days if day.day == number_on(day)}


def usable_from(day: date, *, is_delivery: bool = False, received_on: date | None = None) -> datetime:
    """Return when an order's points may be used: once it can no longer be returned."""
    start = received_on or (day + timedelta(days=ON_ITS_WAY_DAYS) if is_delivery else day)
    return clock.local_moment(start + timedelta(days=RETURN_DAYS + 1), time())


def expires_on(day: date) -> date:
    """Return the last day of points earned on a day: the end of the next calendar year."""
    return date(day.year + 1, 12, 31)
