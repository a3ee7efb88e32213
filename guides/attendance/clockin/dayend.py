"""Once a morning, to whoever is not there yet; once an evening, 缺卡 for who never came. Both may run as often as they like."""

from datetime import date, datetime, timedelta

from django.db import transaction

from guides.notices.models import Notification
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import clock
from yejibao.core.words import short_day

from . import rules
from .judging import judge, mark_missing, not_yet_here
from .models import ClockRecord

KIND = Notification.Kind.TASK
PAGE, MEND = "/g/clock-in/", "/g/clock-in/mend/"


def late_key(day: date) -> str:
    return f"clock_late:{day}"


def missing_key(day: date) -> str:
    return f"clock_missing:{day}"


@transaction.atomic
def nudge_absent(*, now: datetime) -> dict[str, int]:
    """Tell those who were to begin some minutes ago and have not clocked in, once a day each. Returns how many."""
    day = clock.local_day(now)
    late = [staff for staff, _store in not_yet_here(day, after=timedelta(minutes=rules.NUDGE_AFTER.at(now)), now=now)]
    key = late_key(day)
    told = set(Notification.objects.filter(staff__in=late, key=key).values_list("staff_id", flat=True))
    notice = Notice(KIND, key, "今天还没打卡", PAGE, "在店里点一下就好；不在店里可以写原因打卡")
    news = [(staff, notice) for staff in late if staff not in told]
    tell_and_push(news, now=now)
    return {"nudged": len(news)}


@transaction.atomic
def close_day(day: date, *, now: datetime) -> dict[str, int]:
    """Mark 缺卡 on a day, tell each who has one, and look at the late ones again: a shift may have been changed meanwhile."""
    missing = mark_missing(day, now=now)
    text = f"{rules.CORRECTION_DAYS.at(now)} 天之内可以补卡"
    notice = Notice(KIND, missing_key(day), f"{short_day(day, now)}缺卡", f"{MEND}?day={day}", text)
    tell_and_push([(staff, notice) for staff in missing], now=now)
    late = ClockRecord.objects.filter(day=day, state=ClockRecord.State.LATE).values_list("staff_id", flat=True)
    judge([(staff, day) for staff in late], now=now)
    return {"missing": len(missing)}


def settle_told(staff_id: int, day: date, *, now: datetime) -> None:
    """Take back what one person was told of a day, once it is mended."""
    Notification.objects.filter(staff_id=staff_id, key__in=[late_key(day), missing_key(day)], read_at=None).update(
        read_at=now
    )
