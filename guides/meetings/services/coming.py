"""Telling those who are asked, once more a quarter of an hour before, and noting who came."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.announcements.choosing import ids_after
from guides.events import MeetingAttended, MeetingPlanned
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import clock, outbox
from yejibao.core.errors import Conflict, NotFound
from yejibao.core.scope import Actor

from ..models import Meeting, MeetingAttendee

AT_ONCE = 1_000
REMIND_BEFORE = timedelta(minutes=15)
PATIENCE = timedelta(
    minutes=5
)  # so long the news waits for the platform's call; the link is on the page once it is there
DOOR_BEFORE = timedelta(minutes=30)  # signing in is open from then on, until so long after the end


class NotNow(Conflict):
    code, title = "meeting.not_now", _("现在不能签到")


def tell_attendees(*, now: datetime, budget: timedelta) -> dict[str, int]:
    """Ask the people of planned meetings, a thousand at a time. Goes on where it was stopped."""
    ends, told = clock.monotonic() + budget.total_seconds(), 0
    while clock.monotonic() < ends:
        count = _tell_some(now)
        if count is None:
            break
        told += count
    return {"told": told}


@transaction.atomic
def _tell_some(now: datetime) -> int | None:
    rows = Meeting.objects.filter(spread_at=None, cancelled_at=None)
    rows = rows.exclude(platform=Meeting.Platform.ASKED, planned_at__gt=now - PATIENCE)
    held = rows.order_by("pk").select_for_update(skip_locked=True, no_key=True).first()
    if held is None:
        return None
    people = ids_after(held.audience, day=clock.local_day(now), after=held.spread_to, most=AT_ONCE)
    MeetingAttendee.objects.bulk_create(
        [MeetingAttendee(meeting=held, staff_id=pk) for pk in people], ignore_conflicts=True
    )
    notice = Notice("meeting", held.key, f"会议：{held.title}", f"/g/meetings/{held.pk}/", when_of(held))
    tell_and_push([(pk, notice) for pk in people], now=now, priority=5)
    if people:
        if held.needs_sign_in:
            span = (held.starts_at.isoformat(), held.ends_at.isoformat())
            outbox.publish(MeetingPlanned(held.pk, held.title, *span, people))
        held.spread_to, held.attendee_count = people[-1], held.attendee_count + len(people)
    if len(people) < AT_ONCE:
        held.spread_at = now
    held.save(update_fields=["spread_to", "attendee_count", "spread_at"])
    return len(people)


def remind(*, now: datetime) -> dict[str, int]:
    """Remind those asked 15 minutes before a meeting, once. Every minute."""
    told = 0
    soon = Meeting.objects.filter(
        reminded_at=None, cancelled_at=None, starts_at__lte=now + REMIND_BEFORE, starts_at__gt=now
    )
    for pk in list(soon.order_by("starts_at").values_list("pk", flat=True)):
        with transaction.atomic():
            held = soon.select_for_update(skip_locked=True, no_key=True).filter(pk=pk).first()
            if held is None:
                continue
            people = list(
                MeetingAttendee.objects.filter(meeting=held).order_by("staff_id").values_list("staff_id", flat=True)
            )
            left = max(1, int((held.starts_at - now).total_seconds() // 60))
            notice = Notice(
                "meeting", held.key, f"{left} 分钟后开会：{held.title}", f"/g/meetings/{held.pk}/", when_of(held)
            )
            for first in range(0, len(people), AT_ONCE):
                tell_and_push([(one, notice) for one in people[first : first + AT_ONCE]], now=now, priority=2)
            Meeting.objects.filter(pk=pk).update(reminded_at=now)
            told += len(people)
    return {"reminded": told}


@transaction.atomic
def sign_in(meeting: Meeting, *, actor: Actor, now: datetime) -> bool:
    """Note that somebody is there. Again is the same. Returns whether it is new. Raises NotFound or NotNow."""
    mine = MeetingAttendee.objects.filter(meeting=meeting, staff_id=actor.staff_id or 0)
    if not mine.exists():
        raise NotFound()
    if not is_door_open(meeting, now):
        raise NotNow(_("开会前 30 分钟到散会后 30 分钟可以签到"))
    if not mine.filter(signed_in_at=None).update(signed_in_at=now):
        return False
    outbox.publish(MeetingAttended(meeting.pk, actor.staff_id or 0))
    return True


def is_door_open(meeting: Meeting, now: datetime) -> bool:
    """Tell whether one may sign in."""
    return meeting.cancelled_at is None and meeting.starts_at - DOOR_BEFORE <= now <= meeting.ends_at + DOOR_BEFORE


def when_of(meeting: Meeting) -> str:
    local = meeting.starts_at.astimezone(clock.SHANGHAI)
    where = meeting.place or ("企业微信会议" if meeting.platform != Meeting.Platform.NONE else "线上")
    return f"{local:%m-%d %H:%M}，{meeting.minutes} 分钟，{where}"
