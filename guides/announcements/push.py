"""The words of pushes. Imported when the department starts, so that the sender finds the renderers.

One message a person (reliability-security §6, row 12): whom the platform does not reach is known by name, whoever has read it
meanwhile is not told, and withdrawing stops what has not left.
"""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from guides.org.models import Staff
from yejibao.core import clock, outbox
from yejibao.core.models import OutboxMessage
from yejibao.wecom.messages import TextCard, request_bytes

from .models import Announcement, AnnouncementReceipt
from .wording import plain_of

BODY_CHARS = 90


def _ids(messages: Sequence[OutboxMessage]) -> dict[int, int]:
    return {message.pk: int(message.subject.partition(":")[2]) for message in messages}


def _moment(at: datetime) -> str:
    return f"{at.astimezone(clock.SHANGHAI):%m-%d %H:%M}"


class Card:
    """A card that leads to the announcement."""

    def __init__(self, head: str, *, unread_only: bool) -> None:
        self.head, self.unread_only = head, unread_only

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        ids = _ids(messages)
        told = Announcement.objects.in_bulk(set(ids.values()))
        wanted = self._wanted(messages, told)
        return {one.pk: self._body(one, told[ids[one.pk]]) if one.pk in wanted else None for one in messages}

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return self._wanted(messages, Announcement.objects.in_bulk(set(_ids(messages).values())))

    def _wanted(self, messages: Sequence[OutboxMessage], told: dict[int, Announcement]) -> set[int]:
        """Return the messages whose announcement is out and whose reader is here and has something to do."""
        ids = _ids(messages)
        waiting = AnnouncementReceipt.objects.outstanding().filter(
            announcement__in=[pk for pk, one in told.items() if one.is_told],
            staff__wecom_user_id__in=[message.recipient for message in messages], staff__state__in=Staff.MAY_SIGN_IN,
        )  # fmt: skip
        waiting = waiting if self.unread_only else waiting.filter(read_at=None)
        open_ones = set(waiting.values_list("announcement", "staff__wecom_user_id"))
        return {one.pk for one in messages if (ids[one.pk], one.recipient) in open_ones}

    def _body(self, message: OutboxMessage, held: Announcement) -> bytes:
        lines = [plain_of(held.body, BODY_CHARS)]
        if held.needs_confirm and held.deadline_at:
            lines.append(f"请在 {_moment(held.deadline_at)} 前读完并点「我知道了」")
        head = self.head or f"【{held.get_level_display()}】"
        content = TextCard(
            title=f"{head}{held.title}", lines=lines, path=reverse("guides:announcement", args=[held.pk]), button="去看"
        )
        return request_bytes(content, to=message.recipient, number=message.pk)


class TryCard(Card):
    """发给自己看: the draft as the others would get it."""

    def _wanted(self, messages: Sequence[OutboxMessage], told: dict[int, Announcement]) -> set[int]:
        return {pk for pk, announcement in _ids(messages).items() if announcement in told}


outbox.register_renderer("announcement", Card("", unread_only=False))
outbox.register_renderer("announcement_urge", Card("还没读：", unread_only=True))
outbox.register_renderer("announcement_try", TryCard("【试发】", unread_only=True))
