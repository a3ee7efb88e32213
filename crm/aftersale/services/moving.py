"""A ticket takes one allowed step after the other; the first reply, the proposal and the end are stamped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.events import TicketChanged
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from .. import clocks, telling
from ..models import Ticket, TicketStep
from ..rules import REOPEN_WITHIN, rules
from .pieces import free_piece

Clock = Ticket.Clock


class NoSuchStep(Conflict):
    code, title = "ticket.no_such_step", _("这张工单现在不能这样走")


class ReopenedAlready(Conflict):
    code, title = "ticket.reopened_already", _("完成的工单只能在 7 天内重新打开一次")


# What has to be gone through before a ticket may be closed from where it is (aftersale.yaml, states.allowed).
TO_THE_END = {
    "new": ("responded",),
    "waiting_goods": ("inspecting", "responded"),
    "inspecting": ("responded",),
    "processing": ("ready",),
}

Check = Callable[..., None]
_checks: list[Check] = []


def before_step(check: Check) -> Check:
    """Register what looks at a step before it is taken (ticket, to, *, actor, now), and may refuse it."""
    if check not in _checks:
        _checks.append(check)
    return check


@transaction.atomic
def move_ticket(
    ticket: Ticket, *, to: str, actor: Actor, now: datetime, pickup_at: datetime | None = None, reason: str = "",
    kind: str = TicketStep.Kind.MOVED, is_shown: bool = True,
) -> Ticket:  # fmt: skip
    """Move a ticket one allowed step on, or raise NoSuchStep, ReopenedAlready, PieceHasTicket, or Conflict when somebody was faster.

    The first reply and the end are stamped; `pickup_at` sets or moves the promised collection. A step is kept with its
    words (`reason`), `kind` of it and whether the member reads them. Opened again it is customer service's, and the
    area supervisor hears of it.
    """
    before = ticket.state
    if (before, to) not in rules().steps:
        names = rules().states
        raise NoSuchStep(
            _("%(before)s → %(after)s") % {"before": names.get(before, before), "after": names.get(to, to)}
        )
    for check in _checks:
        check(ticket, to, actor=actor, now=now)
    stamps = _stamps(ticket, to, now)
    if pickup_at:
        stamps["pickup_at"] = pickup_at
    if not Ticket.objects.filter(pk=ticket.pk, state=before).update(**stamps):
        raise Conflict(_("这张工单刚被别人处理过"))
    for name, value in stamps.items():
        setattr(ticket, name, value)
    TicketStep.objects.create(
        ticket=ticket, kind=kind, at=now, by_id=actor.staff_id, is_member=actor.kind == "member", is_shown=is_shown,
        text=reason, state=to,
    )  # fmt: skip
    audit.record(actor, "ticket.moved", ticket, before={"state": before}, after={"state": to}, reason=reason)
    outbox.publish(TicketChanged(ticket.pk))
    if before == "closed":
        people = [*telling.holders(telling.SERVICE, now=now), telling.head_of(ticket, "area_supervisor", now=now)]
        telling.tell(ticket, [*people, ticket.guide_id], f"又打开了：{ticket.member.called}", now=now)
    return ticket


def _stamps(ticket: Ticket, to: str, now: datetime) -> dict[str, Any]:
    stamps: dict[str, Any] = {"state": to, "waiting_since": now if to == "waiting_member" else None}
    if ticket.state == "closed":
        if ticket.reopened_at or (ticket.closed_at and now > ticket.closed_at + REOPEN_WITHIN):
            raise ReopenedAlready()
        priority = ticket.priority
        due = clocks.proposal_due(now, priority=priority, hours=clocks.hours_of(ticket.store))
        stamps |= {
            "piece_no": free_piece(ticket.kind, ticket.line) if ticket.piece_no else None, "reopened_at": now, "closed_at": None, "stage": Ticket.Stage.SERVICE, "served_by": None, "proposed_at": None,
            "proposal_due_at": due, "closing_due_at": clocks.closing_due(now, priority=priority, store=ticket.store),
            "clock": Clock.PROPOSAL, "clock_at": due,
        }  # fmt: skip
    elif to == "responded" and ticket.first_reply_at is None:
        stamps |= {"first_reply_at": now, "clock": Clock.PROPOSAL, "clock_at": ticket.proposal_due_at}
    elif to not in ("new", "responded", "waiting_member") and ticket.proposed_at is None:
        # What is fetched, looked at, mended or paid back has a way out already.
        stamps |= {"proposed_at": now, "clock": Clock.CLOSING, "clock_at": ticket.closing_due_at}
    if to in Ticket.CLOSED_STATES:
        stamps |= {"closed_at": now, "clock": "", "clock_at": None}
    return stamps


def close_ticket(ticket: Ticket, *, actor: Actor, now: datetime, reason: str = "") -> Ticket:
    """Close a ticket from a state that may be closed; `reason` is its result in words."""
    if reason:
        Ticket.objects.filter(pk=ticket.pk).update(result=reason[:255])
        ticket.result = reason[:255]
    return move_ticket(ticket, to="closed", actor=actor, now=now, reason=reason)


def go_through(ticket: Ticket, *, actor: Actor, now: datetime) -> None:
    """Take the steps that stand between a ticket and its end; the member sees the end."""
    for state in TO_THE_END.get(ticket.state, ()):
        move_ticket(ticket, to=state, actor=actor, now=now, is_shown=False)


def end_ticket(ticket: Ticket, *, actor: Actor, now: datetime, reason: str) -> None:
    """Close a ticket from wherever it is; `reason` is its result in words."""
    go_through(ticket, actor=actor, now=now)
    close_ticket(ticket, actor=actor, now=now, reason=reason)


@transaction.atomic
def set_pickup(ticket: Ticket, *, pickup_at: datetime, actor: Actor, now: datetime) -> Ticket:
    """Set or move the promised collection of an alteration; the third-day question follows it.

    Raises Invalid for an alteration that would take longer than it may (alteration_rules.max_days).
    """
    before, last = ticket.pickup_at, local_day(ticket.opened_at) + timedelta(days=rules().alteration_most_days)
    if ticket.kind == Ticket.Kind.ALTERATION and local_day(pickup_at) > last:
        message = _("改衣最多 %(days)d 天") % {"days": rules().alteration_most_days}
        raise Invalid(message, errors=[{"field": "pickup_at", "code": "too_late", "message": str(message)}])
    Ticket.objects.filter(pk=ticket.pk).update(pickup_at=pickup_at)
    ticket.pickup_at = pickup_at
    audit.record(
        actor,
        "ticket.pickup_set",
        ticket,
        before={"pickup_at": before.isoformat() if before else None},
        after={"pickup_at": pickup_at.isoformat()},
    )
    outbox.publish(TicketChanged(ticket.pk))
    return ticket
