"""A guide asks somebody to come: from his card, beside the chat, or as what came of a task."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.visits import rules
from crm.visits.models import Kind, Visit
from crm.visits.scoped import INVITE
from crm.visits.telling import slot_words
from guides.org import matrix
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .pieces import let_go, set_aside
from .steps import held, leave_trace

State = Visit.State


class InvitedAlready(Conflict):
    code, title = "visit.open", _("已经约好了一个时间")  # said to guides and to the member
    example = {"visit": "018f3b8e-6d2a-7c41-9f5e-2b1d8c0a7e70"}


@transaction.atomic
def invite(
    member: Member, *, starts_at: datetime, actor: Actor, now: datetime, kind: str = Kind.TRYON, words: str = "",
    store: Store | None = None, guide_id: int | None = None, sku_ids: Collection[int] = (), is_agreed: bool = False,
    cause: str = "", wants_reminder: bool = True,
) -> Visit:  # fmt: skip
    """Ask a member to come, or (`is_agreed`) write down what he said to the guide. The store is the guide's, else his own;
    who looks after it is `guide_id`, else whoever asks.

    An invitation he has agreed to takes the place of one that is open, with its cause. Raises Forbidden, Invalid for a time
    that is not possible, InvitedAlready. The caller read the member through `visible_to`.
    """
    if not (actor.is_system or actor.has_role(*matrix.holders(INVITE))):
        raise Forbidden(permission=INVITE)
    place = store or Store.objects.filter(pk=actor.store_id or 0).first() or member.main_store
    if place is None:
        raise Invalid(_("先选他去哪家店"))
    if member.do_not_contact and not is_agreed:
        raise Conflict(_("他说过别再打扰，等他自己说要来"))
    ends_at = rules.must_be_open_then(place, starts_at, now=now)
    kind = kind if kind in Kind.values else Kind.TRYON
    former = Visit.objects.open().filter(member=member).first()
    if former is not None:
        return _go_on(former, place, starts_at, ends_at, kind, words, is_agreed, cause, sku_ids, actor, now)
    visit = Visit(
        member=member, store=place, guide_id=guide_id or actor.staff_id or member.owner_guide_id, kind=kind,
        source=Visit.Source.TASK if cause else Visit.Source.GUIDE, cause=cause, words=words.strip()[:120],
        state=State.ACCEPTED if is_agreed else State.INVITED, starts_at=starts_at, ends_at=ends_at,
        day=clock.local_day(starts_at), wants_reminder=wants_reminder, made_at=now, made_by_id=actor.staff_id,
        invited_at=now, accepted_at=now if is_agreed else None,
    )  # fmt: skip
    write_alone(visit)
    leave_trace(visit, "visit.invited", actor=actor, now=now)
    set_aside(visit, sku_ids, now=now)
    return visit


def write_alone(visit: Visit) -> None:
    """Insert an invitation beside which no other is open. Raises InvitedAlready."""
    try:
        with transaction.atomic():
            visit.save(force_insert=True)
    except IntegrityError as error:
        raise InvitedAlready() from error


def _go_on(
    former: Visit, place: Store, starts_at: datetime, ends_at: datetime, kind: str, words: str, is_agreed: bool, cause: str,
    sku_ids: Collection[int], actor: Actor, now: datetime,
) -> Visit:  # fmt: skip
    """Give an open invitation its time: what a group planned is the guide's to ask; what he said to her now counts."""
    visit = held(former)
    if not visit.is_open:
        raise Conflict(_("刚被别人处理过，刷新一下再看"))
    if not is_agreed and visit.state != State.PLANNED:
        raise InvitedAlready(
            _("他%(slot)s已经约了，要改就改那一次的时间") % {"slot": slot_words(visit, now=now)}, id=visit.pk
        )
    before, old = visit.state, visit.starts_at
    visit.store, visit.starts_at, visit.ends_at, visit.day = place, starts_at, ends_at, clock.local_day(starts_at)
    visit.moved_count += old != starts_at
    visit.cause = visit.cause or cause
    visit.kind, visit.words = (kind, words.strip()[:120]) if visit.state == State.PLANNED else (visit.kind, visit.words)
    visit.invited_at = visit.invited_at or now
    if is_agreed:
        visit.accepted_at = visit.accepted_at or now
    visit.state = State.ACCEPTED if is_agreed else State.INVITED
    visit.save(
        update_fields=["store", "starts_at", "ends_at", "day", "moved_count", "cause", "kind", "words", "invited_at",
                       "accepted_at", "state"]
    )  # fmt: skip
    leave_trace(
        visit, "visit.moved" if old != starts_at else "visit.invited", actor=actor, now=now, before=before,
        old_starts_at=old if old != starts_at else None,
    )  # fmt: skip
    if old != starts_at:
        let_go([visit.pk], now=now)
    set_aside(visit, sku_ids, now=now)
    return visit
