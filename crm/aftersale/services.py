"""Tickets are opened, moved on and closed; each step follows aftersale.yaml and tells the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.aftersale.models import Ticket
from crm.events import TicketChanged
from crm.members.models import Member
from crm.orders.models import Order
from guides.org.models import Staff, Store
from yejibao.core import audit, outbox
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

DOMAIN = Path(__file__).resolve().parent.parent / "data" / "aftersale.yaml"
REOPEN_WITHIN = timedelta(days=7)


class NoSuchStep(Conflict):
    code, title = "ticket.no_such_step", _("这张工单现在不能这样走")


class ReopenedAlready(Conflict):
    code, title = "ticket.reopened_already", _("完成的工单只能在 7 天内重新打开一次")


@dataclass(frozen=True)
class Rules:
    priorities: dict[str, int]
    channels: tuple[str, ...]
    topics: tuple[str, ...]
    states: dict[str, str]
    steps: frozenset[tuple[str, str]]


@cache
def rules() -> Rules:
    """Return kinds, channels, states and allowed steps of the domain file."""
    book: dict[str, Any] = yaml.safe_load(DOMAIN.read_text())
    kinds = {kind["key"]: kind for kind in book["ticket_kinds"]}
    steps = set()
    for text in book["states"]["allowed"]:
        before, _arrow, after = text.split(" ")[0].partition(">")
        steps |= {(before, state) for state in after.split("|")}
    return Rules(
        priorities={key: kind["priority"] for key, kind in kinds.items()},
        channels=tuple(book["channels"]),
        topics=tuple(kinds["complaint"]["topics"]),
        states=book["states"]["flow"],
        steps=frozenset(steps),
    )


@transaction.atomic
def open_ticket(
    member: Member,
    *,
    kind: str,
    actor: Actor,
    now: datetime,
    order: Order | None = None,
    store: Store | None = None,
    channel: str = "wecom_chat",
    topic: str = "",
    description: str = "",
    pickup_at: datetime | None = None,
) -> Ticket:
    """Open a ticket of a member. It goes to his own guide, else the order's, else the store's duty guide.

    `store` defaults to the order's, else his main store. Raises Invalid.
    """
    wrong = _wrong(member, kind, order, channel, topic)
    place = store or (order.store if order else None) or member.main_store
    if place is None:
        wrong.append({"field": "store", "code": "required", "message": str(_("请选择门店"))})
    if wrong or place is None:
        raise Invalid(_("工单没有建成，请按提示修改"), errors=wrong)
    ticket = Ticket.objects.create(
        kind=kind,
        priority=rules().priorities[kind],
        member=member,
        order=order,
        store=place,
        guide=_first_guide(member, order, place),
        channel=channel,
        topic=topic,
        description=description,
        opened_at=now,
        pickup_at=pickup_at,
    )
    audit.record(actor, "ticket.opened", ticket, after={"kind": kind, "order": order.pk if order else None})
    outbox.publish(TicketChanged(ticket.pk))
    return ticket


def _wrong(member: Member, kind: str, order: Order | None, channel: str, topic: str) -> list[dict[str, Any]]:
    book, wrong = rules(), []
    if kind not in book.priorities:
        wrong.append({"field": "kind", "code": "choice", "message": str(_("没有这种工单"))})
    if channel not in book.channels:
        wrong.append({"field": "channel", "code": "choice", "message": str(_("没有这个渠道"))})
    if kind == Ticket.Kind.COMPLAINT and topic not in book.topics:
        wrong.append({"field": "topic", "code": "choice", "message": str(_("请选择投诉的内容"))})
    if order is not None and order.member_id != member.pk:
        wrong.append({"field": "order", "code": "not_his", "message": str(_("这张单不是这位会员的"))})
    return wrong


def _first_guide(member: Member, order: Order | None, store: Store) -> Staff | None:
    candidates = [member.owner_guide, order.guide if order else None, store.duty_guide]
    return next((person for person in candidates if person and person.state in Staff.MAY_SIGN_IN), None)


@transaction.atomic
def move_ticket(
    ticket: Ticket, *, to: str, actor: Actor, now: datetime, pickup_at: datetime | None = None, reason: str = ""
) -> Ticket:
    """Move a ticket one allowed step on, or raise NoSuchStep, ReopenedAlready, or Conflict when somebody was faster.

    The first reply and the end are stamped; `pickup_at` sets or moves the promised collection.
    """
    before = ticket.state
    if (before, to) not in rules().steps:
        names = rules().states
        raise NoSuchStep(
            _("%(before)s → %(after)s") % {"before": names.get(before, before), "after": names.get(to, to)}
        )
    stamps: dict[str, Any] = {"state": to}
    if before == "closed":
        if ticket.reopened_at or (ticket.closed_at and now > ticket.closed_at + REOPEN_WITHIN):
            raise ReopenedAlready()
        stamps |= {"reopened_at": now, "closed_at": None}
    if to == "responded" and ticket.first_reply_at is None:
        stamps["first_reply_at"] = now
    if to in Ticket.CLOSED_STATES:
        stamps["closed_at"] = now
    if pickup_at:
        stamps["pickup_at"] = pickup_at
    if not Ticket.objects.filter(pk=ticket.pk, state=before).update(**stamps):
        raise Conflict(_("这张工单刚被别人处理过"))
    for name, value in stamps.items():
        setattr(ticket, name, value)
    audit.record(actor, "ticket.moved", ticket, before={"state": before}, after={"state": to}, reason=reason)
    outbox.publish(TicketChanged(ticket.pk))
    return ticket


def close_ticket(ticket: Ticket, *, actor: Actor, now: datetime, reason: str = "") -> Ticket:
    """Close a ticket from a state that may be closed."""
    return move_ticket(ticket, to="closed", actor=actor, now=now, reason=reason)


@transaction.atomic
def set_pickup(ticket: Ticket, *, pickup_at: datetime, actor: Actor, now: datetime) -> Ticket:
    """Set or move the promised collection of an alteration; the third-day question follows it."""
    before = ticket.pickup_at
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
