"""At the service desk: who of the colleagues has a ticket."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from .. import telling
from ..models import Ticket, TicketStep
from .answering import held_by


@transaction.atomic
def assign(ticket: Ticket, *, to: Staff, instead_of: int | None, actor: Actor, now: datetime) -> Ticket:
    """Give a ticket of the desk to a colleague, or take it over from him.

    `instead_of` is who had it when one looked: Conflict where somebody else has it by now, or it is not the desk's yet.
    Raises Invalid for somebody who does not work at the desk.
    """
    held = held_by(ticket, actor)
    if held.stage != Ticket.Stage.SERVICE:
        raise Conflict(_("还没有转到总部客服"))
    if held.served_by_id != instead_of:
        raise Conflict(_("同事刚接了这张单"))
    if to.pk not in telling.holders(telling.SERVICE, now=now):
        raise Invalid(errors=[{"field": "to", "code": "choice", "message": "请选客服的同事"}])
    if held.served_by_id == to.pk:
        return held
    Ticket.objects.filter(pk=held.pk).update(served_by=to)
    held.served_by = to
    TicketStep.objects.create(
        ticket=held, kind=TicketStep.Kind.PASSED, at=now, by_id=actor.staff_id, text=f"交给 {to.name}", state=held.state
    )
    audit.record(actor, "ticket.assigned", held, before={"served_by": instead_of}, after={"served_by": to.pk})
    telling.tell(
        held, [to.pk, instead_of], f"{held.member.called}的售后单现在由 {to.name} 跟", now=now, but=[actor.staff_id]
    )
    return held
