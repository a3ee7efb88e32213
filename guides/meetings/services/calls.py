"""The platform's side of a meeting: reserving the call, calling it off, asking who joined. No transaction is open meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock
from yejibao.wecom import gateway, meetings
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.gateway import Gateway

from ..models import Meeting

LEASE = timedelta(minutes=2)
COUNT_AFTER = timedelta(minutes=10)  # the platform's figures settle
COUNT_WITHIN = timedelta(days=2)
NOT_GRANTED = 48002


def make_calls(*, now: datetime, budget: timedelta, door: Gateway | None = None) -> dict[str, int]:
    """Reserve the calls that were asked for, and call off those of meetings that were. Every 30 seconds."""
    door, made, ended = door or gateway.default(), 0, 0
    ends = clock.monotonic() + budget.total_seconds()
    while clock.monotonic() < ends and (held := _claim(now)) is not None:
        made += _make(held, door, now=now)
    for held in Meeting.objects.filter(platform="made", cancelled_at__isnull=False, counted_at=None).order_by("pk")[
        :50
    ]:
        try:
            meetings.cancel(door, held.platform_id)
        except GatewayError as error:
            if error.retryable:
                continue
        Meeting.objects.filter(pk=held.pk).update(counted_at=now)
        ended += 1
    return {"made": made, "called_off": ended}


def _claim(now: datetime) -> Meeting | None:
    rows = Meeting.objects.filter(Q(platform_until=None) | Q(platform_until__lt=now), platform=Meeting.Platform.ASKED)
    for held in rows.select_related("author").order_by("pk")[:20]:
        same = Meeting.objects.filter(pk=held.pk, platform=Meeting.Platform.ASKED, platform_until=held.platform_until)
        if same.update(platform_until=now + LEASE):
            return held
    return None


def _make(held: Meeting, door: Gateway, *, now: datetime) -> int:
    mine = Meeting.objects.filter(pk=held.pk, platform=Meeting.Platform.ASKED)
    if held.starts_at <= now or held.cancelled_at:
        mine.update(platform=Meeting.Platform.FAILED, platform_error=str(_("开始前没建成")))
        return 0
    try:
        made = meetings.create(
            door, admin=held.author.wecom_user_id, title=held.title, starts_at=held.starts_at, seconds=held.minutes * 60,
            text=held.text, place=held.place,
        )  # fmt: skip
        call = meetings.read(door, made)
    except GatewayError as error:
        if error.retryable and error.code not in meetings.MADE_ALREADY:
            return 0  # the lease ends, and the next beat tries again
        mine.update(platform=Meeting.Platform.FAILED, platform_error=_words(error), platform_until=None)
        return 0
    return mine.update(
        platform=Meeting.Platform.MADE, platform_id=made, platform_code=call.code, link=held.link or call.link,
        platform_until=None, platform_error="",
    )  # fmt: skip


def _words(error: GatewayError) -> str:
    if error.code == NOT_GRANTED:
        return str(_("企业微信没给应用开会议权限，请填链接或联系信息中心"))
    if error.code in meetings.MADE_ALREADY:
        return str(_("企业微信里已经有同样的会议，请到会议里复制链接"))
    return str(_("企业微信没建成（%(code)s），请填链接")) % {"code": error.code or "-"}


def count_joined(*, now: datetime, door: Gateway | None = None) -> dict[str, int]:
    """Ask the platform who joined the calls that are over, once. Every ten minutes."""
    door, counted = door or gateway.default(), 0
    over = Meeting.objects.filter(platform="made", counted_at=None, cancelled_at=None, starts_at__gt=now - COUNT_WITHIN)
    for held in [one for one in over.order_by("starts_at")[:100] if one.ends_at + COUNT_AFTER <= now]:
        try:
            call = meetings.read(door, held.platform_id)
        except GatewayError as error:
            if not error.retryable:
                Meeting.objects.filter(pk=held.pk).update(counted_at=now)
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE guides_meetingattendee a SET joined_seconds = j.seconds
                FROM unnest(%s::text[], %s::int[]) AS j(userid, seconds) JOIN guides_staff s ON s.wecom_user_id = j.userid
                WHERE a.meeting_id = %s AND a.staff_id = s.id
                """,
                [list(call.joined), list(call.joined.values()), held.pk],
            )
        Meeting.objects.filter(pk=held.pk).update(counted_at=now)
        counted += 1
    return {"counted": counted}
