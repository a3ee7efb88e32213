"""What becomes of an invitation is told to its guide at once: in 消息 and by a push of the app; who is off today, to the stand-in."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse

from guides.attendance.calendar import stand_ins
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.queries import heads_of_stores
from yejibao.core import clock, words

from .models import Visit


def slot_words(visit: Visit, *, now: datetime) -> str:
    """Return when he comes, as people say it: 周六 15:00, 11-28 15:00."""
    day = words.short_day(visit.starts_at, now)
    near = day if day in ("今天", "明天") else f"{day} {words.weekday(visit.starts_at)}"
    return f"{near} {words.clock_time(visit.starts_at)}"


def tell_guide(visit: Visit, title: str, *, now: datetime, text: str = "") -> None:
    """Tell whoever looks after this visit today; nobody where nobody is there."""
    if visit.guide_id is None:
        return
    who = stand_ins([visit.guide_id], clock.local_day(now)).get(visit.guide_id)
    if who is not None:
        tell_and_push([(who, _notice(visit, title, text))], now=now, priority=2)


def tell_manager(visit: Visit, title: str, *, now: datetime, text: str = "") -> None:
    """Tell the manager of the store he comes to; nobody where it has none."""
    heads = heads_of_stores([visit.store_id], role="store_manager", day=clock.local_day(now))
    if (head := heads.get(visit.store_id)) is not None:
        tell_and_push([(head, _notice(visit, title, text))], now=now, priority=2)


def _notice(visit: Visit, title: str, text: str) -> Notice:
    return Notice("member", f"visit:{visit.pk}", title, reverse("crm:visit", args=[visit.pk]), text)
