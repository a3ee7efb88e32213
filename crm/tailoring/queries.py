"""Reads: free slots, the day of a store, one fitting with what happened to it, the size file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet

from crm.members.models import Member
from crm.members.queries import stores_near
from crm.orders.models import Order, OrderLine
from guides.org.models import Store
from yejibao.core import clock, paging
from yejibao.core.paging import Pageful
from yejibao.core.scope import Actor

from .hours import STILL, Hours, Slot, Span, hours_of, slots_of
from .models import Fitting, FittingDay, FittingPlan, FittingStep, MemberMeasure
from .rules import DAYS_AHEAD, LEAD_MINUTES, MOVE_HOURS, cm, rules

ONE_DAY = timedelta(days=1)
LINES_SHOWN, LINES_SINCE = 12, timedelta(days=60)
WAITING = ("booked", "measured", "confirmed", "making", "ready")


@dataclass(frozen=True)
class DaySlots:
    day: date
    slots: Sequence[Slot]

    @property
    def has_free(self) -> bool:
        return any(slot.is_free for slot in self.slots)


def plan_of(store: Store) -> Hours:
    """Return when a store measures on an ordinary day. One statement."""
    return hours_of(store, FittingPlan.objects.filter(store=store).first())


def standing_in(store: Store, start: datetime, end: datetime, *, but: int | None = None) -> list[Span]:
    """Return the appointments that lie in a time, but for one that is being moved."""
    rows = Fitting.objects.standing().filter(store=store, starts_at__lt=end, ends_at__gt=start)
    return list(rows.exclude(pk=but or 0).values_list("starts_at", "ends_at"))


def days_of(store: Store, *, start: date, days: int, not_before: datetime, but: int | None = None) -> list[DaySlots]:
    """Return the slots of a number of days, with what is left of each. Three statements for any number."""
    end = start + days * ONE_DAY
    hours = plan_of(store)
    special = {row.day: row for row in FittingDay.objects.filter(store=store, day__gte=start, day__lt=end)}
    standing = standing_in(store, _midnight(start), _midnight(end), but=but)
    return [
        DaySlots(day, slots_of(store, hours, day, special.get(day), standing, not_before=not_before))
        for day in (start + number * ONE_DAY for number in range(days))
    ]


def bookable(store: Store, *, now: datetime, for_member: bool, but: int | None = None) -> list[DaySlots]:
    """Return the days on which a member may come, or his guide may book him: the running slot is still hers to give."""
    soonest = now + timedelta(minutes=LEAD_MINUTES.at(now)) if for_member else now - STILL
    days = DAYS_AHEAD.at(now) + 1
    found = days_of(store, start=clock.local_day(now), days=days, not_before=soonest, but=but)
    return [one for one in found if one.slots]


def may_move_until(fitting: Fitting, *, now: datetime) -> datetime:
    """Return until when the member himself may move his appointment or call it off."""
    return fitting.starts_at - timedelta(hours=MOVE_HOURS.at(now))


def stores_for(member: Member, *, today: date) -> list[Store]:
    """Return where he may be measured, of the stores that are near to him. Two statements."""
    return stores_near(member, today=today, among=Store.objects.exclude(fitting_plan__is_offered=False))


# ---------------------------------------------------------------- fittings


def day_list(actor: Actor, day: date) -> list[Fitting]:
    """Return the appointments of a day that a person of a store sees, in order of time. One statement."""
    start = _midnight(day)
    rows = Fitting.objects.visible_to(actor).filter(starts_at__gte=start, starts_at__lt=_midnight(day + ONE_DAY))
    return list(rows.exclude(state="cancelled").with_people().order_by("starts_at", "pk")[:100])


def work_page(actor: Actor, *, before: str = "") -> Pageful[Fitting]:
    """Return what was measured and is not in his hands yet, the oldest first. One statement."""
    rows = Fitting.objects.visible_to(actor).filter(state__in=WAITING[1:]).with_people()
    return paging.pageful(rows, "starts_at", before, is_rising=True)


def over_page(actor: Actor, *, before: str = "") -> Pageful[Fitting]:
    rows = Fitting.objects.visible_to(actor).filter(closed_at__isnull=False).with_people()
    return paging.pageful(rows, "closed_at", before)


def to_come(actor: Actor, *, now: datetime) -> int:
    """Return how many come today and are not measured yet."""
    day = clock.local_day(now)
    start, end = _midnight(day), _midnight(day + ONE_DAY)
    return Fitting.objects.visible_to(actor).filter(state="booked", starts_at__gte=start, starts_at__lt=end).count()


def fittings_of(member: Member, actor: Actor) -> list[Fitting]:
    """Return a member's fittings that are not over, the next first. One statement."""
    rows = Fitting.objects.visible_to(actor).filter(member=member).under_way().with_people()
    return list(rows.order_by("starts_at", "pk")[:9])


def steps_of(fitting: Fitting, *, for_member: bool = False) -> list[FittingStep]:
    """Return what happened, the newest first. One statement."""
    rows = fitting.steps.select_related("by").order_by("-pk")
    return list(rows.filter(is_shown=True) if for_member else rows)


def lines_to_link(fitting: Fitting, *, now: datetime) -> list[OrderLine]:
    """Return the lines of his late purchases that may be what was made for him. One statement."""
    rows = OrderLine.objects.filter(
        order__member_id=fitting.member_id, order__paid_at__gte=min(now, fitting.booked_at) - LINES_SINCE,
        order__status=Order.Status.PAID, fitting=None, returned_quantity=0,
    ).exclude(order__kind__in=(Order.Kind.TOP_UP, Order.Kind.GIFT_CARD))  # fmt: skip
    return list(rows.select_related("order__store").order_by("-order__paid_at", "line_no")[:LINES_SHOWN])


STATIONS = ("预约", "量体", "确认", "制作", "取衣")
# At which of them one waits.
_WAITS_AT = {"booked": 1, "measured": 2, "confirmed": 3, "making": 3, "ready": 4, "collected": 5}


def path_of(fitting: Fitting) -> list[dict[str, str]]:
    """Return the stations for `{% trail %}`: which are behind him, and which comes now."""
    place = _WAITS_AT.get(fitting.state, -1)
    return [
        {"label": name, "state": "done" if nth < place else "on" if nth == place else ""}
        for nth, name in enumerate(STATIONS)
    ]


# ---------------------------------------------------------------- the size file


@dataclass(frozen=True)
class Line:
    """One measure as it is shown, with how it changed since the time before."""

    key: str
    name: str
    how: str
    millimetres: int | None
    before: int | None

    @property
    def words(self) -> str:
        return cm(self.millimetres) if self.millimetres is not None else ""

    @property
    def before_words(self) -> str:
        return cm(self.before) if self.before is not None else ""

    @property
    def change(self) -> str:
        """Return +1.5 or −2; "" where nothing is known of the time before, or nothing changed."""
        if self.millimetres is None or self.before is None or self.millimetres == self.before:
            return ""
        step = self.millimetres - self.before
        return f"{'+' if step > 0 else '−'}{cm(abs(step))}"


def newest_measure(member_id: int, *, but: int | None = None) -> MemberMeasure | None:
    """Return what counts of a member's size file."""
    rows = MemberMeasure.objects.filter(member_id=member_id).exclude(pk=but or 0)
    return rows.order_by("-taken_at", "-pk").first()


def measure_lines(values: dict[str, int], before: dict[str, int], *, keys: Collection[str] = ()) -> list[Line]:
    """Return measures in the order of the domain file: those that are there, or those that are wanted."""
    return [
        Line(one.key, one.name, one.how, values.get(one.key), before.get(one.key))
        for one in rules().measures.values()
        if (one.key in keys if keys else one.key in values)
    ]


def size_file(actor: Actor, member: Member, *, limit: int = 10) -> list[tuple[MemberMeasure, list[Line]]]:
    """Return a member's measurings, the newest first, each with what changed since the one before. One statement."""
    rows: QuerySet[MemberMeasure] = MemberMeasure.objects.visible_to(actor).filter(member=member)
    found = list(rows.select_related("by", "store").order_by("-taken_at", "-pk")[: limit + 1])
    earlier: list[dict[str, int]] = [row.values for row in found[1:]]
    return [
        (row, measure_lines(row.values, earlier[nth] if nth < len(earlier) else {}))
        for nth, row in enumerate(found[:limit])
    ]


def counts_by_day(store: Store, *, start: date, days: int) -> dict[date, int]:
    """Return how many are booked on each day."""
    found: dict[date, int] = defaultdict(int)
    for starts_at, _ends_at in standing_in(store, _midnight(start), _midnight(start + days * ONE_DAY)):
        found[clock.local_day(starts_at)] += 1
    return found


def _midnight(day: date) -> datetime:
    return clock.local_moment(day, time())
