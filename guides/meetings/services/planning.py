"""Planning a meeting and calling it off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.announcements.choosing import Chosen
from guides.events import MeetingAttended
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice, settle
from yejibao.core import audit, clock, hints, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import Meeting, MeetingAttendee
from ..scoped import PLAN, keeper_filter

TELLING, CALLING = "guides.meetings.jobs.tell_attendees", "guides.meetings.jobs.make_calls"
FARTHEST = timedelta(days=180)
LENGTH = (5, 720)


@transaction.atomic
def plan_meeting(
    *, title: str, text: str, starts_at: datetime, minutes: int, place: str, link: str, on_platform: bool,
    needs_sign_in: bool, chosen: Chosen, actor: Actor, now: datetime,
) -> Meeting:  # fmt: skip
    """Plan a meeting: those chosen are told, a part at a time; the call is made in the platform where that is wanted.

    Raises Forbidden or Invalid.
    """
    if not actor.may(PLAN) or actor.staff_id is None:
        raise Forbidden(permission=PLAN)
    link, wrong = link.strip(), []
    if len(title.strip()) < 2:
        wrong.append(_field("title", _("写一下开什么会")))
    if not now < starts_at <= now + FARTHEST:
        wrong.append(_field("starts_at", _("开始时间要在现在以后、半年以内")))
    if not LENGTH[0] <= minutes <= LENGTH[1]:
        wrong.append(_field("minutes", _("时长 5 分钟到 12 小时")))
    if link and not _is_web_address(link):
        wrong.append(_field("link", _("链接要以 https:// 开头")))
    if not (on_platform or link or place.strip()):
        wrong.append(_field("link", _("用企业微信会议，或者填链接、地点，大家才知道去哪里")))
    if wrong:
        raise Invalid(_("有几处要改一下"), errors=wrong)
    meeting = Meeting.objects.create(
        title=title.strip()[:40], text=text.strip()[:500], starts_at=starts_at, minutes=minutes, place=place.strip()[:80],
        link=link[:300], platform=Meeting.Platform.ASKED if on_platform else Meeting.Platform.NONE,
        audience=chosen.audience.facts(), audience_words=chosen.words, unit=chosen.unit, author_id=actor.staff_id,
        needs_sign_in=needs_sign_in, planned_at=now,
    )  # fmt: skip
    audit.record(actor, "meeting.planned", meeting, after={"starts_at": starts_at.isoformat(), "to": chosen.words})
    transaction.on_commit(lambda: hints.wake(CALLING if on_platform else TELLING))
    return meeting


@transaction.atomic
def call_off(meeting: Meeting, *, actor: Actor, now: datetime) -> Meeting:
    """Call a meeting off; whoever was asked hears of it. Raises Forbidden or Conflict."""
    held = Meeting.objects.filter(keeper_filter(actor), pk=meeting.pk).select_for_update(no_key=True).first()
    if held is None or not actor.may(PLAN):
        raise Forbidden(permission=PLAN)
    if held.cancelled_at or held.ends_at <= now:
        raise Conflict(_("会议已经取消或结束了"))
    held.cancelled_at = now
    held.save(update_fields=["cancelled_at"])
    settle(held.key, now=now)
    when = f"{held.starts_at.astimezone(clock.SHANGHAI):%m-%d %H:%M}"
    notice = Notice("meeting", f"{held.key}:off", f"会议取消：{held.title}", f"/g/meetings/{held.pk}/", f"原定 {when}")
    asked = MeetingAttendee.objects.filter(meeting=held).values_list("staff_id", flat=True)
    tell_and_push([(pk, notice) for pk in asked], now=now, priority=3)
    audit.record(actor, "meeting.called_off", held)
    outbox.publish(MeetingAttended(held.pk, 0))
    if held.platform == Meeting.Platform.MADE:
        transaction.on_commit(lambda: hints.wake(CALLING))
    return held


def _is_web_address(link: str) -> bool:
    parts = urlsplit(link)
    return parts.scheme == "https" and "." in parts.netloc and not any(one.isspace() for one in link)


def _field(name: str, message: Any) -> dict[str, str]:
    return {"field": name, "code": "invalid", "message": str(message)}
