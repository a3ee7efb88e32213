"""推送健康: what went out in a stretch of days, by kind and by the ten minutes or the day."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.db import connection

from yejibao.core import clock, words

from .keeping import KEPT_SECONDS, keep, kept

RANGES = {"today": (1, "今天"), "7": (7, "7 天"), "30": (30, "30 天")}
TEN_MINUTES, DAY = 600, 86_400


@dataclass
class Flow:
    """One stretch of days: messages that were due in it."""

    sent: int = 0
    again: int = 0  # of the sent ones: not at the first try
    retrying: int = 0
    dead: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float | None:
        """Return sent / (sent + failed + parked), None where nothing ended yet."""
        ended = self.sent + self.dead
        return self.sent / ended if ended else None


@dataclass
class Bars:
    """The chart: at the first try, after retries, dead; one column for ten minutes or a day."""

    labels: list[str] = field(default_factory=list)
    series: list[list[int]] = field(default_factory=lambda: [[], [], []])

    @property
    def spoken(self) -> str:
        total = [sum(row) for row in self.series]
        return f"送达 {total[0] + total[1]} 条，其中重试 {total[1]} 条，没送到 {total[2]} 条"


_FLOW = """
SELECT m.due_at >= %(start)s AS is_now,
    CASE WHEN m.due_at >= %(start)s
         THEN floor(extract(epoch FROM coalesce(m.sent_at, m.claimed_at, m.due_at) - %(start)s) / %(step)s)::int END AS slot, m.kind,
    count(*) FILTER (WHERE m.state = 'sent') AS sent,
    count(*) FILTER (WHERE m.state = 'sent' AND m.attempts > 1) AS again,
    count(*) FILTER (WHERE m.state IN ('pending', 'unknown', 'claimed') AND m.attempts > 0) AS retrying,
    count(*) FILTER (WHERE m.state IN ('failed', 'parked')) AS dead
FROM core_outboxmessage m
WHERE m.created_at >= %(since)s AND m.due_at >= %(before)s AND m.due_at <= %(now)s
  AND m.state NOT IN ('cancelled', 'expired', 'closed')
GROUP BY 1, 2, 3
"""


def flow(range_: str, *, now: datetime) -> tuple[Flow, Flow, Bars]:
    """Return the range's messages, those of the range before, and the chart. One statement over `created_at`."""
    days, _ = RANGES[range_]
    today = clock.local_day(now)
    start = clock.local_moment(today - timedelta(days=days - 1), time())
    before = clock.local_moment(today - timedelta(days=2 * days - 1), time())
    step = TEN_MINUTES if days == 1 else DAY
    kept_for = KEPT_SECONDS * (10 if days == 30 else 1)
    key = f"push-flow:{range_}:{int(now.timestamp()) // kept_for}"
    rows = kept(key) if days > 1 else None
    if rows is None:
        with connection.cursor() as cursor:
            # A message is due soon after it was made; one made at night leaves the next morning.
            cursor.execute(
                _FLOW, {"start": start, "before": before, "since": before - timedelta(days=1), "now": now, "step": step}
            )
            rows = cursor.fetchall()
        if days > 1:
            keep(key, rows, seconds=kept_for)
    current, earlier = Flow(), Flow()
    slots: dict[int, list[int]] = {}
    for is_now, slot, kind, sent, again, retrying, dead in rows:
        one = current if is_now else earlier
        one.sent, one.again, one.retrying, one.dead = (
            one.sent + sent, one.again + again, one.retrying + retrying, one.dead + dead,
        )  # fmt: skip
        one.kinds[kind] += sent
        if is_now:
            column = slots.setdefault(max(0, slot), [0, 0, 0])
            for place, number in enumerate((sent - again, again + retrying, dead)):
                column[place] += number
    return current, earlier, _bars(slots, days=days, today=today, now=now, start=start)


def _bars(slots: dict[int, list[int]], *, days: int, today: date, now: datetime, start: datetime) -> Bars:
    bars = Bars()
    if days == 1:
        opening = int((clock.local_moment(today, time(9, 30)) - start).total_seconds() // TEN_MINUTES)
        last = int((now - start).total_seconds() // TEN_MINUTES)
        columns = range(min([opening, *slots, last]), last + 1)
        bars.labels = [words.clock_time(start + timedelta(seconds=slot * TEN_MINUTES)) for slot in columns]
    else:
        columns = range(days)
        shown = [today - timedelta(days=days - 1 - slot) for slot in columns]
        bars.labels = [f"{day.month}-{day.day}" for day in shown]
    for slot in columns:
        for place, row in enumerate(bars.series):
            row.append(slots.get(slot, [0, 0, 0])[place])
    return bars
