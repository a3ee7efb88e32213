"""What is said on a ticket, by whoever answers it and by the member; who takes it, hands it up, and how it was rated."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.events import TicketChanged
from crm.members.models import Member
from crm.orders.models import Order
from guides.org.models import Store
from yejibao.core import audit, files, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .. import clocks, telling
from ..models import Ticket, TicketStep
from ..rules import LOW_CHANNEL, LOW_STARS, REOPEN_WITHIN, rules
from .moving import close_ticket, move_ticket
from .opening import ROOM, open_ticket

LONGEST = 1000
Stage, Clock, Kind = Ticket.Stage, Ticket.Clock, TicketStep.Kind


class MemberFirst(Conflict):
    """What only the member himself may do at this point."""

    code, title = "ticket.member_first", _("这一步要会员自己来")


@transaction.atomic
def reply(ticket: Ticket, text: str, *, actor: Actor, now: datetime, photos: Collection[UUID] = ()) -> Ticket:
    """Answer the member; the first answer stops the first clock. Raises Invalid, Forbidden (not his to answer)."""
    held = held_by(ticket, actor)
    if held.state in ("new", "waiting_member"):
        move_ticket(held, to="responded", actor=actor, now=now, reason=words_of(text), kind=Kind.REPLY)
        step = held.steps.latest("pk")
    else:
        step = say(held, words_of(text), Kind.REPLY, actor=actor, now=now, is_shown=True)
    attach(step, photos, actor)
    return held


@transaction.atomic
def propose(ticket: Ticket, text: str, *, actor: Actor, now: datetime, photos: Collection[UUID] = ()) -> Ticket:
    """Offer the member a way out and wait for his word; a second offer takes the place of the first."""
    held = held_by(ticket, actor)
    if held.state == "new":
        move_ticket(held, to="responded", actor=actor, now=now, is_shown=False)
    if held.state == "responded":
        move_ticket(held, to="waiting_member", actor=actor, now=now, reason=words_of(text), kind=Kind.PROPOSAL)
        step = held.steps.latest("pk")
    else:
        step = say(held, words_of(text), Kind.PROPOSAL, actor=actor, now=now, is_shown=True)
    if held.proposed_at is None:
        _set(held, proposed_at=now, clock=Clock.CLOSING, clock_at=held.closing_due_at)
    attach(step, photos, actor)
    return held


@transaction.atomic
def note(ticket: Ticket, text: str, *, actor: Actor, now: datetime, photos: Collection[UUID] = ()) -> TicketStep:
    """Leave words for colleagues; the member does not see them. Anybody who may read the ticket may."""
    held = Ticket.objects.select_for_update().get(pk=ticket.pk)
    step = say(held, words_of(text), Kind.NOTE, actor=actor, now=now, is_shown=False)
    attach(step, photos, actor)
    return step


@transaction.atomic
def take(ticket: Ticket, *, actor: Actor, now: datetime) -> Ticket:
    """我来处理: at the service desk one of many says that it is his."""
    held = held_by(ticket, actor)
    if held.stage != Stage.SERVICE:
        raise Conflict(_("还没有转到总部客服"))
    if held.served_by_id not in (None, actor.staff_id):
        raise Conflict(_("同事已经接了这张单"))
    _set(held, served_by_id=actor.staff_id)
    say(held, "", Kind.PASSED, actor=actor, now=now, is_shown=False)
    return held


@transaction.atomic
def hand_up(ticket: Ticket, *, to: str, actor: Actor, now: datetime, reason: str) -> Ticket:
    """转店长 / 转总部客服 by hand: it never comes down again. Raises Invalid without a reason, Conflict where it is there."""
    held = held_by(ticket, actor)
    order = list(Stage.values)
    if to not in order or order.index(to) <= order.index(held.stage):
        raise Conflict(_("这张单已经在那里了"))
    words = words_of(reason)
    pass_on(held, to, now=now, reason=words, by=actor)
    return held


def pass_on(held: Ticket, to: str, *, now: datetime, reason: str, by: Actor | None = None) -> None:
    """Put a locked ticket one stage higher, start that one's clock and tell them; the guide stays informed."""
    hours = clocks.hours_of(held.store)
    stamps: dict[str, object] = {"stage": to}
    if held.first_reply_at is None and to == Stage.MANAGER:
        stamps |= {"clock": Clock.MANAGER, "clock_at": clocks.manager_due(now, hours=hours)}
    elif held.first_reply_at is None:
        stamps |= {"clock": Clock.PROPOSAL, "clock_at": held.proposal_due_at}
    _set(held, **stamps)
    actor = by or Actor.system("aftersale")
    say(held, reason, Kind.PASSED, actor=actor, now=now, is_shown=False)
    audit.record(actor, "ticket.passed_up", held, after={"stage": to}, reason=reason)
    title = f"{held.member.called}：{held.get_kind_display()}，请接手"
    if to == Stage.MANAGER:
        taker: list[int | None] = [telling.manager_of(held, now=now)]
    else:
        taker = list(telling.holders(telling.SERVICE, now=now))
    telling.tell(held, taker, title, now=now)
    if not held.is_about_guide:
        where = "店长" if to == Stage.MANAGER else "总部客服"
        telling.tell(held, [held.guide_id], f"{held.member.called}的售后单转给了{where}", now=now, but=taker)
    outbox.publish(TicketChanged(held.pk))


@transaction.atomic
def step_on(
    ticket: Ticket, *, to: str, text: str, photos: Collection[UUID], actor: Actor, now: datetime
) -> str:  # fmt: skip
    """Move a ticket on by hand, with words where it ends; return what to say of it. Raises NoSuchStep, Invalid."""
    held = held_by(ticket, actor)
    words = words_of(text) if to in Ticket.CLOSED_STATES else text.strip()[:LONGEST]
    if to == "closed":
        close_ticket(held, actor=actor, now=now, reason=words)
    else:
        move_ticket(held, to=to, actor=actor, now=now, reason=words)
    attach(held.steps.latest("pk"), photos, actor)
    return str(_("%(state)s，他也看得到") % {"state": rules().states[to]})


@transaction.atomic
def answered_in_chat(ticket_id: int, text: str, *, actor: Actor, at: datetime) -> None:
    """Keep what a guide said to the member in the chat or on the phone: the first word, or a line more."""
    held = Ticket.objects.select_for_update().get(pk=ticket_id)
    words = text.strip()[:LONGEST] or "在企业微信里回复了"
    if held.state == "new" and Ticket.objects.answered_by(actor).filter(pk=held.pk).exists():
        move_ticket(held, to="responded", actor=actor, now=at, reason=words, kind=Kind.REPLY)
    else:
        say(held, words, Kind.NOTE, actor=actor, now=at, is_shown=False)


# ---------------------------------------------------------------- the member


@transaction.atomic
def member_says(ticket: Ticket, text: str, *, actor: Actor, now: datetime, photos: Collection[UUID] = ()) -> TicketStep:
    """The member adds something; where an answer of his was waited for, it goes on. A finished ticket he opens again by it, once.

    `actor` is the member, or whoever writes down what he said. Raises ReopenedAlready.
    """
    held = Ticket.objects.select_for_update().get(pk=ticket.pk)
    if held.state in ("waiting_member", "closed"):
        move_ticket(held, to="responded", actor=actor, now=now, reason=words_of(text), kind=Kind.SAID)
        step = held.steps.latest("pk")
    elif held.is_open:
        step = say(held, words_of(text), Kind.SAID, actor=actor, now=now, is_shown=True)
    else:
        raise Conflict(_("这张单已经结束，请重新申请"))
    attach(step, photos, actor)
    people = telling.answering(held, now=now)
    telling.tell(held, people, f"{held.member.called}又说了一句", now=now, but=[actor.staff_id])
    return step


@transaction.atomic
def cancel_by_member(ticket: Ticket, *, actor: Actor, now: datetime, reason: str = "") -> Ticket:
    """The member does not want it any more."""
    held = Ticket.objects.select_for_update().get(pk=ticket.pk)
    return move_ticket(held, to="cancelled", actor=actor, now=now, reason=reason.strip()[:LONGEST])


@transaction.atomic
def rate(ticket: Ticket, *, stars: int, words: str, actor: Actor, now: datetime, topic: str = "") -> Ticket:
    """One to five stars after the end, once. Two or fewer become a complaint of the store manager's, about `topic`.

    Called by crm/surveys, whose survey of the ticket this is. Raises MemberFirst from anybody but the member, Conflict when it is open or rated.
    """
    if actor.kind not in ("member", "system"):
        raise MemberFirst()
    if not 1 <= stars <= 5:
        raise Invalid(_("请选一到五颗星"), errors=[{"field": "stars", "code": "range", "message": "1-5"}])
    held = Ticket.objects.select_for_update().get(pk=ticket.pk)
    if held.state != "closed" or held.stars is not None:
        raise Conflict(_("还没办完，或者已经评过了"))
    words = words.strip()[:255]
    _set(held, stars=stars, rating_words=words, rated_at=now)
    say(held, f"{stars} 星 {words}".strip(), Kind.RATED, actor=actor, now=now, is_shown=True)
    audit.record(actor, "ticket.rated", held, after={"stars": stars})
    if stars <= LOW_STARS:
        open_low_score(
            held.member, stars=stars, words=words, topic=topic, order=held.order, store=held.store, from_ticket=held, actor=actor, now=now
        )  # fmt: skip
    outbox.publish(TicketChanged(held.pk))
    return held


def open_low_score(
    member: Member, *, stars: int, words: str, topic: str = "", order: Order | None = None, store: Store | None = None,
    from_ticket: Ticket | None = None, nature: str = "", actor: Actor, now: datetime,
) -> Ticket:  # fmt: skip
    """Make a complaint of few stars: the store manager's from the start, and out of the guide's sight."""
    about = f"售后单 {from_ticket.number} " if from_ticket else ""
    return open_ticket(
        member, kind=Ticket.Kind.COMPLAINT, topic=topic or "其他", channel=LOW_CHANNEL, order=order, store=store, nature=nature,
        description=f"{about}只评了 {stars} 星。{words}", is_about_guide=True, from_rating_of=from_ticket, actor=actor, now=now,
    )  # fmt: skip


def may_reopen(ticket: Ticket, *, now: datetime) -> bool:
    return bool(
        ticket.state == "closed"
        and ticket.reopened_at is None
        and ticket.closed_at
        and now <= ticket.closed_at + REOPEN_WITHIN
    )


# ---------------------------------------------------------------- common


def held_by(ticket: Ticket, actor: Actor) -> Ticket:
    """Return the ticket locked, if it is the actor's to answer: below HQ until HQ has taken over."""
    held = Ticket.objects.select_for_update().get(pk=ticket.pk)
    if not Ticket.objects.answered_by(actor).filter(pk=held.pk).exists():
        raise Forbidden(permission="aftersale.first_reply")
    if not held.is_open:
        raise Conflict(_("这张单已经结束"))
    return held


def say(held: Ticket, text: str, kind: str, *, actor: Actor, now: datetime, is_shown: bool) -> TicketStep:
    return TicketStep.objects.create(
        ticket=held, kind=kind, at=now, by_id=actor.staff_id, is_member=actor.kind == "member", is_shown=is_shown, text=text,
        state=held.state,
    )  # fmt: skip


def _set(held: Ticket, **values: object) -> None:
    Ticket.objects.filter(pk=held.pk).update(**values)
    for name, value in values.items():
        setattr(held, name, value)


def words_of(text: str) -> str:
    words = text.strip()
    if not words or len(words) > LONGEST:
        raise Invalid(
            _("写一句话，最多一千字"), errors=[{"field": "text", "code": "length", "message": str(_("写一句话"))}]
        )
    return words


def attach(step: TicketStep, photos: Collection[UUID], actor: Actor) -> None:
    if photos:
        files.attach(photos, room=ROOM, owner_id=step.pk, by_id=actor.staff_id, by_member_id=actor.member_id)
