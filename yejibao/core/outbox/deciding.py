"""What a person decides about messages that did not leave: 重发, 关闭, and stopping those that wait."""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction

from .. import audit, desk
from ..errors import Conflict, Invalid
from ..scope import Actor
from .messages import State, wake_after_commit
from .models import OutboxMessage

Pair = tuple[OutboxMessage, OutboxMessage]  # the old row and the one that takes its place
_on_resend: list[Callable[[Sequence[Pair]], None]] = []


def on_resend(carry_over: Callable[[Sequence[Pair]], None]) -> Callable[[Sequence[Pair]], None]:
    """Register what has to follow a message to its new row; runs in the transaction of the resend."""
    if carry_over not in _on_resend:
        _on_resend.append(carry_over)
    return carry_over


def resend(message: OutboxMessage, *, actor: Actor, now: datetime, due_at: datetime | None = None) -> OutboxMessage:
    """Queue a failed or parked message again, as a new row with a number of its own. Raises Conflict if it is neither."""
    fresh = resend_many([message.pk], actor=actor, now=now, due_at=due_at)
    if not fresh:
        raise Conflict("这条刚被处理过")
    return fresh[0]


@transaction.atomic
def resend_many(
    ids: Sequence[int], *, actor: Actor, now: datetime, due_at: datetime | None = None
) -> list[OutboxMessage]:
    """Queue failed and parked messages again; those that are neither any more are left as they are.

    `due_at`: when they may leave, now unless told otherwise (quiet hours). Each new row is rendered anew at its claim, so
    what has been done meanwhile is not told, and carries its own number. The old rows are closed.
    """
    old = list(
        OutboxMessage.objects.filter(pk__in=ids, state__in=[State.FAILED, State.PARKED])
        .defer("body_bytes")
        .order_by("pk")
        .select_for_update()
    )
    if not old:
        return []
    due_at = due_at or now
    fresh = OutboxMessage.objects.bulk_create(
        [
            OutboxMessage(
                kind=row.kind,
                dedupe_key=f"{row.dedupe_key[:100]}#r{row.pk}",
                recipient=row.recipient,
                subject=row.subject,
                due_at=due_at,
                next_at=due_at,
                not_after=row.not_after if row.not_after and row.not_after > due_at else None,
                priority=row.priority,
                lane=row.lane,
                created_at=now,
                retry_of=row,
            )
            for row in old
        ],
        batch_size=2000,
    )
    pairs = list(zip(old, fresh, strict=True))
    for carry_over in _on_resend:
        carry_over(pairs)
    OutboxMessage.objects.filter(pk__in=[row.pk for row in old]).update(state=State.CLOSED, closed_reason="重发")
    audit.record(
        actor, "message.resent", OutboxMessage._meta.label,
        resource_id=str(old[0].pk) if len(old) == 1 else "", after={"count": len(old), "ids": [row.pk for row in old]},
    )  # fmt: skip
    wake_after_commit()
    return fresh


def close(message: OutboxMessage, *, actor: Actor, reason: str) -> None:
    """Give up on a failed or parked message, with a reason. Raises Conflict if it is neither, Invalid without a reason."""
    if not close_many([message.pk], actor=actor, reason=reason):
        raise Conflict("这条刚被处理过")


HELD = "held by hand"  # errmsg of a message a person has stopped; cockpit/causes.py has the words


@transaction.atomic
def park_many(ids: Sequence[int], *, actor: Actor, reason: str) -> int:
    """Stop messages that wait or are tried again, with a reason, until a person resends or closes them. Returns how many.

    One that is being sent just now is left alone: it may be out already.
    """
    reason = desk.needs_reason(reason)
    held = list(
        OutboxMessage.objects.filter(pk__in=ids, state__in=[State.PENDING, State.UNKNOWN])
        .order_by("pk")
        .select_for_update()
        .values_list("pk", flat=True)
    )
    if held:
        OutboxMessage.objects.filter(pk__in=held, first_unknown_at=None).update(
            state=State.PARKED, errmsg=HELD, errcode=None
        )
        OutboxMessage.objects.filter(pk__in=held, first_unknown_at__isnull=False).update(state=State.PARKED)
        audit.record(
            actor, "message.parked", OutboxMessage._meta.label, resource_id=str(held[0]) if len(held) == 1 else "",
            after={"count": len(held), "ids": held}, reason=reason,
        )  # fmt: skip
    return len(held)


@transaction.atomic
def close_many(ids: Sequence[int], *, actor: Actor, reason: str) -> int:
    """Give up on failed and parked messages, with one reason for all. Returns how many were closed."""
    reason = reason.strip()
    if not reason:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": "写一句为什么关闭"}])
    closed = list(
        OutboxMessage.objects.filter(pk__in=ids, state__in=[State.FAILED, State.PARKED])
        .order_by("pk")
        .select_for_update()
        .values_list("pk", flat=True)
    )
    if closed:
        OutboxMessage.objects.filter(pk__in=closed).update(state=State.CLOSED, closed_reason=reason[:255])
        audit.record(
            actor, "message.closed", OutboxMessage._meta.label,
            resource_id=str(closed[0]) if len(closed) == 1 else "",
            after={"count": len(closed), "ids": closed}, reason=reason,
        )  # fmt: skip
    return len(closed)
