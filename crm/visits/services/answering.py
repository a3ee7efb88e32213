"""What he says to an invitation: 去, 换个时间, 去不了; by his own thumb, or as his guide writes it down. And what she changes."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.visits import rules
from crm.visits.models import Visit
from crm.visits.scoped import INVITE, act_filter
from crm.visits.telling import slot_words, tell_guide
from yejibao.core import clock
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor

from .asking import tell_of_wish
from .pieces import keep, let_go
from .steps import held, leave_trace

State = Visit.State


def _mine(visit: Visit, actor: Actor) -> Visit:
    """Return the visit locked. Raises Forbidden for who may not change it; a member changes his own."""
    is_his = actor.kind == "member" and visit.member_id == actor.member_id
    if not is_his and not Visit.objects.filter(act_filter(actor), pk=visit.pk).exists():
        raise Forbidden(permission=INVITE)
    return held(visit)


@transaction.atomic
def note_told(visit: Visit, *, actor: Actor, now: datetime) -> Visit:
    """The invitation left for him, or he opened it: from now on it counts as one. Twice is once."""
    row = held(visit)
    if row.state == State.PLANNED:
        row.move_to(State.INVITED, invited_at=now)
        leave_trace(row, "visit.invited", actor=actor, now=now, before=State.PLANNED)
    return row


@transaction.atomic
def note_opened(visit: Visit, *, actor: Actor, now: datetime) -> None:
    """He looked at it on his phone; his guide hears it the first time, while he still looks."""
    if not Visit.objects.filter(pk=visit.pk, opened_at=None).update(opened_at=now):
        return
    row = note_told(visit, actor=actor, now=now)
    if row.state == State.INVITED:
        tell_guide(row, f"{row.member.called}打开了到店邀请", now=now, text="趁他在看，问一句方便不方便")


@transaction.atomic
def accept(visit: Visit, *, actor: Actor, now: datetime) -> Visit:
    """去: he comes. Once accepted, his own thumb still makes it his own word. Raises Conflict once the time is over."""
    row = _mine(visit, actor)
    is_own = actor.kind == "member"
    if row.ends_at <= now:
        raise Conflict(_("约的时间已经过了，换一个时间吧"))
    if is_own and row.is_wish:
        return _ask_again(row, actor=actor, now=now) if row.state == State.DECLINED else row
    if row.state == State.ACCEPTED:
        if is_own and not row.is_own_answer:
            Visit.objects.filter(pk=row.pk).update(is_own_answer=True)
            row.is_own_answer = True
            leave_trace(row, "visit.accepted", actor=actor, now=now, before=row.state)
            tell_guide(row, f"{row.member.called}自己确认了，{slot_words(row, now=now)}来", now=now)
        return row
    before = row.state
    if before == State.DECLINED:
        _must_be_alone(row)
    row.move_to(
        State.ACCEPTED, accepted_at=row.accepted_at or now, is_own_answer=is_own or before == State.ASKED, closed_at=None, reason="",
        invited_at=row.invited_at or now,
    )  # fmt: skip
    leave_trace(row, "visit.accepted", actor=actor, now=now, before=before)
    keep(row, now=now)
    if is_own:
        tell_guide(row, f"{row.member.called}说去，{slot_words(row, now=now)}到店", now=now, text=_pieces_words(row))
    return row


def _ask_again(row: Visit, *, actor: Actor, now: datetime) -> Visit:
    """He wants to come after all: nobody has agreed to it yet, so it waits for a word again."""
    _must_be_alone(row)
    row.move_to(State.ASKED, invited_at=now, is_own_answer=True, closed_at=None, reason="", raised_at=None)
    leave_trace(row, "visit.asked", actor=actor, now=now, before=State.DECLINED)
    tell_of_wish(row, now=now)
    return row


def _must_be_alone(row: Visit) -> None:
    if Visit.objects.open().filter(member_id=row.member_id).exists():
        raise Conflict(_("后来又约了别的时间，看那一次吧"))


def _pieces_words(row: Visit) -> str:
    names = [f"{one.sku.style.name} {one.sku.size}" for one in row.pieces.select_related("sku__style").order_by("pk")]
    return f"提前备好：{'、'.join(names)}" if names else "把他要试的提前备好"


@transaction.atomic
def decline(visit: Visit, *, actor: Actor, now: datetime, reason: str = "") -> Visit:
    """去不了: it ends, what was kept goes back."""
    row = _mine(visit, actor)
    before = row.state
    row.move_to(State.DECLINED, closed_at=now, reason=reason.strip()[:60], is_own_answer=actor.kind == "member")
    leave_trace(row, "visit.declined", actor=actor, now=now, before=before, words=reason.strip())
    let_go([row.pk], now=now)
    if actor.kind == "member":
        tell_guide(row, f"{row.member.called}来不了了", now=now, text=reason.strip() or "先别催，过几天再问候一句")
    return row


@transaction.atomic
def move_visit(visit: Visit, *, starts_at: datetime, actor: Actor, now: datetime) -> Visit:
    """换个时间: what a member chooses himself is accepted with it, but for a wish of his, which still waits for his guide's word.

    What she offers instead of his wish is his to answer. Goods and reminder go along. Raises Invalid, Conflict.
    """
    row = _mine(visit, actor)
    is_own = actor.kind == "member"
    if row.state == State.DECLINED and is_own:
        _must_be_alone(row)
    elif not row.is_open:
        raise Conflict(_("这次到店现在是「%(state)s」，不能再改时间") % {"state": row.get_state_display()})
    ends_at = rules.must_be_open_then(row.store, starts_at, now=now)
    before, old, is_wish = row.state, row.starts_at, row.is_wish
    if old == starts_at:
        return accept(row, actor=actor, now=now) if is_own else row
    row.starts_at, row.ends_at, row.day = starts_at, ends_at, clock.local_day(starts_at)
    row.moved_count += 1
    if is_own and is_wish:
        row.state, row.is_own_answer, row.closed_at, row.reason = State.ASKED, True, None, ""
        row.invited_at, row.raised_at = now, None
    elif is_own:
        row.state, row.is_own_answer, row.closed_at, row.reason = State.ACCEPTED, True, None, ""
        row.accepted_at, row.invited_at = row.accepted_at or now, row.invited_at or now
    elif is_wish:
        row.state, row.is_own_answer = State.INVITED, False
    row.save(
        update_fields=["starts_at", "ends_at", "day", "moved_count", "state", "is_own_answer", "accepted_at", "invited_at",
                       "closed_at", "reason", "raised_at"]
    )  # fmt: skip
    leave_trace(row, "visit.moved", actor=actor, now=now, before=before, old_starts_at=old)
    let_go([row.pk], now=now)
    keep(row, now=now)
    if is_own and is_wish:
        tell_of_wish(row, now=now)
    elif is_own:
        tell_guide(row, f"{row.member.called}改到{slot_words(row, now=now)}", now=now, text="留的货跟着改好了")
    return row


@transaction.atomic
def cancel(visit: Visit, *, actor: Actor, now: datetime, reason: str) -> Visit:
    """The store calls it off; it is out of the rate of who came. The member reads why on his page."""
    row = _mine(visit, actor)
    before = row.state
    row.move_to(State.CANCELLED, closed_at=now, reason=reason.strip()[:60])
    leave_trace(row, "visit.cancelled", actor=actor, now=now, before=before, words=reason.strip())
    let_go([row.pk], now=now)
    return row
