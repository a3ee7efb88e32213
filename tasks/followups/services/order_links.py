"""An order link that went out in the chat is proof for the task it was begun from (代客下单): evidence level 2, as any message.

Begun from a task: its words were prepared for that chat on the same day (去聊天发送), by her who then sent the link. An answer to
a ticket, or a word about a visit, is not said by an order.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from crm.events import OrderLinkSent
from yejibao.core import clock
from yejibao.core.clock import parse_iso

from ..models import PendingSend
from .finishing import finish
from .sending import TOLD_BELOW


@transaction.atomic
def note_order_links(events: Iterable[OrderLinkSent]) -> int:
    """Finish the tasks whose chat an order link went out in; return how many. Safe to run twice: what was sent is used."""
    return sum(_note(event, sent_at=parse_iso(event.sent_at)) for event in events)


def _note(event: OrderLinkSent, *, sent_at: datetime) -> bool:
    waiting = PendingSend.objects.filter(
        member_id=event.member_id, guide_id=event.guide_id, used_at=None, created_at__lte=sent_at, task__isnull=False,
        task__evidence_any_of__contains=["chat_sent"],
    )  # fmt: skip
    pending = waiting.exclude(task__task_type__in=TOLD_BELOW).first()
    if pending is None or clock.local_day(pending.created_at) != clock.local_day(sent_at):
        return False
    finish(
        [pending.task_id or 0], kind="chat_sent", level=2, now=sent_at, by=event.guide_id, is_auto=True, payload={"proxy": event.proxy_id}
    )  # fmt: skip
    PendingSend.objects.filter(pk=pending.pk, used_at=None).update(used_at=sent_at)
    return True
