"""When a person came on a day, for the work log. Imported when the department starts."""

from collections.abc import Collection
from datetime import date, datetime

from guides.worklog.facts import fact
from yejibao.core import words

from .clockin.models import ClockRecord


@fact("clock_in", label="上班打卡", order=70)
def clock_in(staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]:
    """Return 9:28 正常, 9:41 迟到, 缺卡; a day without a record has none."""
    rows = ClockRecord.objects.filter(staff_id__in=staff_ids, day=day)
    return {row.staff_id: f"{words.clock_time(row.in_at)} {row.get_state_display()}".removeprefix("— ") for row in rows}
