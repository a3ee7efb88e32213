"""Telling people in 消息 and by a push of the app at once: one card a notice, which is not sent once it is read.

For any room: `tell_and_push([(staff_id, Notice(...)), ...], now=now)`. In quiet hours the push waits for the morning; told
again before that, only the last one goes out.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from guides.org.models import Staff
from yejibao.core import clock, outbox
from yejibao.core.models import OutboxMessage
from yejibao.core.outbox import NewMessage
from yejibao.wecom.messages import TextCard, request_bytes

from .models import Notification
from .services import Notice, tell_each

KIND = "notice"
OPENS, CLOSES = time(9, 30), time(22, 0)  # pushes keep the brand's quiet hours, 消息 does not need to
STALE_AFTER = timedelta(days=1)


def tell_and_push(told: Sequence[tuple[int, Notice]], *, now: datetime, priority: int = 4) -> int:
    """Tell each his own, as (staff id, notice), in the transaction of what they are told of. Who left is not told.

    Returns how many. Two statements for any number.
    """
    ids = {staff for staff, _ in told}
    people = dict(Staff.objects.employed().filter(pk__in=ids).values_list("pk", "wecom_user_id"))
    told = [one for one in told if one[0] in people]
    due_at = push_time(now)
    stamp = int(now.timestamp())
    keys = [f"{KIND}:{staff}:{notice.key}:{stamp}"[:128] for staff, notice in told]
    outbox.enqueue(
        NewMessage(
            kind=KIND, dedupe_key=key, recipient=people[staff], subject=f"{staff}:{notice.key[:64]}",
            due_at=due_at, not_after=due_at + STALE_AFTER, priority=priority,
        )
        for key, (staff, notice) in zip(keys, told, strict=True)
    )  # fmt: skip
    return tell_each(told, now=now, pushed=keys)


def push_time(now: datetime) -> datetime:
    """Return when a push may go out: now, or in quiet hours the next morning."""
    day, at = clock.local_day(now), now.astimezone(clock.SHANGHAI).time()
    if at < OPENS:
        return clock.local_moment(day, OPENS)
    return now if at < CLOSES else clock.local_moment(day + timedelta(days=1), OPENS)


class NoticeCard:
    """The card of a notification that nobody has read yet; what replaced it has a message of its own."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        rows = self._unread(messages)
        return {one.pk: self._card(one, rows[one.pk]) if one.pk in rows else None for one in messages}

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return set(self._unread(messages))

    def _unread(self, messages: Sequence[OutboxMessage]) -> dict[int, Notification]:
        wanted = {one.pk: _subject_of(one) for one in messages}
        rows = Notification.objects.unread().filter(
            staff_id__in={staff for staff, _ in wanted.values()}, key__in={key for _, key in wanted.values()}
        )
        found = {(row.staff_id, row.key): row for row in rows}
        # A message that is sent again speaks for the first one.
        return {
            one.pk: row for one in messages
            if (row := found.get(wanted[one.pk])) is not None and row.message_id in (one.pk, one.retry_of_id)
        }  # fmt: skip

    def _card(self, message: OutboxMessage, row: Notification) -> bytes:
        lines = [row.text] if row.text else [str(row.get_kind_display())]
        content = TextCard(title=row.title, lines=lines, path=row.url, button="去看看")
        return request_bytes(content, to=message.recipient, number=message.pk)


def _subject_of(message: OutboxMessage) -> tuple[int, str]:
    staff, _, key = message.subject.partition(":")
    return int(staff), key


outbox.register_renderer(KIND, NoticeCard())
