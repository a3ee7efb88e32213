"""The stretch of days a board shows, and those before it."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext_lazy as _

from yejibao.core import desk
from yejibao.core.errors import Invalid

NAMES = {"today": _("今日"), "week": _("本周"), "month": _("本月"), "last_week": _("上周"), "range": _("自选")}
LONGEST = 92  # days in a range of one's own
TREND = 6  # stretches a small line is drawn from


@dataclass(frozen=True)
class Period:
    """Local days, both ends in. Never ends after today: what is due later is in no figure yet."""

    key: str
    start: date
    end: date

    @property
    def days(self) -> list[date]:
        return [self.start + timedelta(days=step) for step in range((self.end - self.start).days + 1)]

    def before(self, steps: int = 1) -> "Period":
        """Return the stretch `steps` earlier: of the same weekdays, of the same days of a month, or of the same length."""
        if self.key in ("week", "last_week"):
            return Period(self.key, self.start - timedelta(days=7 * steps), self.end - timedelta(days=7 * steps))
        if self.key == "month":
            month = self.start.year * 12 + self.start.month - 1 - steps
            first = date(month // 12, month % 12 + 1, 1)
            last = (date((month + 1) // 12, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
            return Period(self.key, first, first.replace(day=min(self.end.day, last)))
        length = timedelta(days=len(self.days) * steps)
        return Period(self.key, self.start - length, self.end - length)

    @property
    def versus(self) -> str:
        """Return how the stretch before is called."""
        return {"today": "比昨天", "week": "比上周", "last_week": "比前一周", "month": "比上月"}.get(
            self.key, "比前一段"
        )


def read_period(values: dict[str, str], *, today: date) -> Period:
    """Return the period a page asks for: `from` and `to`, or `period`; this week unless told otherwise."""
    if values.get("from") or values.get("to"):
        start, end = desk.day(values.get("from", "")), desk.day(values.get("to", ""))
        start, end = start or end or today, end or start or today
        if start > end:
            start, end = end, start
        end = min(end, today)
        start = min(start, end)
        if (end - start).days >= LONGEST:
            raise Invalid(_("最多选 %(days)d 天") % {"days": LONGEST})
        return Period("range", start, end)
    monday = today - timedelta(days=today.weekday())
    match values.get("period"):
        case "today":
            return Period("today", today, today)
        case "month":
            return Period("month", today.replace(day=1), today)
        case "last_week":
            return Period("last_week", monday - timedelta(days=7), monday - timedelta(days=1))
        case _:
            return Period("week", monday, today)
