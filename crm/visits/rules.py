"""When somebody can come, how long a visit counts, and what it takes for a sale to be its own."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from guides.org.models import Store
from yejibao.core import clock, tunables
from yejibao.core.errors import Invalid

STEP_MINUTES = 30  # between two times one can choose
LASTS = timedelta(hours=1)  # where nobody says how long
FARTHEST_DAYS = 60
CHOICE_DAYS = 14  # a member chooses among the days of two weeks
CONFIRM_WITHIN = timedelta(
    hours=2
)  # so long a guide has to say yes to what a member asks for, then her manager hears of it
AROUND_DAYS = 1  # models.yaml visit_show_rate: "came (check-in or order) on the day +-1"
BUYS_WITHIN = tunables.number(
    "visit-buys-within", group="邀约", name="到店后几天内买算这次邀约成交", unit="天", default=7, least=1, most=30,
    why="和触达归因的 7 天一致；改了以后的成交才按新的算",
)  # fmt: skip
COOLDOWN_DAYS = 14  # task_types.yaml visit_invite: not asked again so soon
LINE_HOLDERS = ("retail", "mall", "proxy", "live")  # kinds of orders that are a sale to him


def must_be_open_then(store: Store, starts_at: datetime, ends_at: datetime | None = None, *, now: datetime) -> datetime:
    """Return when a visit ends (an hour long unless said). Raises Invalid for a time that is over, too far or out of hours."""
    ends_at = ends_at or _latest(store, starts_at, starts_at + LASTS)
    wrong = _wrong(store, starts_at, ends_at, now)
    if wrong:
        raise Invalid(wrong, errors=[{"field": "starts_at", "code": "time", "message": str(wrong)}])
    return ends_at


def _latest(store: Store, starts_at: datetime, ends_at: datetime) -> datetime:
    closing = clock.local_moment(clock.local_day(starts_at), store.closes_at)
    return min(ends_at, closing) if closing > starts_at else ends_at


def _wrong(store: Store, starts_at: datetime, ends_at: datetime, now: datetime) -> Any:
    day = clock.local_day(starts_at)
    if starts_at <= now:
        return _("这个时间已经过了")
    if day > clock.local_day(now) + timedelta(days=FARTHEST_DAYS):
        return _("最多约到 %(days)d 天以后") % {"days": FARTHEST_DAYS}
    if store.closed_on and day >= store.closed_on:
        return _("%(store)s那天已经停业") % {"store": store}
    if not store.opens_at <= _time(starts_at) < store.closes_at or not starts_at < ends_at <= clock.local_moment(
        day, store.closes_at
    ):
        hours = f"{store.opens_at:%H:%M}–{store.closes_at:%H:%M}"
        return _("店里 %(hours)s 营业，请选这段时间") % {"hours": hours}
    return None


def is_open_at(store: Store, moment: datetime) -> bool:
    """Tell whether somebody is in the store now."""
    return store.opens_at <= _time(moment) < store.closes_at


def _time(moment: datetime) -> time:
    return moment.astimezone(clock.SHANGHAI).time()


def days_to_choose(store: Store, *, now: datetime) -> list[date]:
    """Return the days on which a member can come; today while there is a time left."""
    first = clock.local_day(now)
    days = [first + timedelta(days=number) for number in range(CHOICE_DAYS + 1)]
    return [day for day in days if times_to_choose(store, day, now=now)][:CHOICE_DAYS]


def times_to_choose(store: Store, day: date, *, now: datetime) -> list[str]:
    """Return the times of a day, `15:00`; the last so that somebody has half an hour before the store closes."""
    if store.closed_on and day >= store.closed_on:
        return []
    at, found = datetime.combine(day, store.opens_at), []
    last = datetime.combine(day, store.closes_at) - timedelta(minutes=STEP_MINUTES)
    if at.minute % STEP_MINUTES:
        at += timedelta(minutes=STEP_MINUTES - at.minute % STEP_MINUTES)
    while at <= last:
        if clock.local_moment(day, at.time()) > now:
            found.append(f"{at:%H:%M}")
        at += timedelta(minutes=STEP_MINUTES)
    return found
