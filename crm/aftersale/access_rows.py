"""Which ticket a request is about: one function a right, as every page and endpoint asks it."""

from django.db.models import OuterRef, QuerySet, Subquery

from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import Ticket, TicketStep


def with_standing(rows: QuerySet[Ticket]) -> QuerySet[Ticket]:
    """Bring all that a page of a ticket watches: its people, its piece, what it ends in, and its last step, in one statement."""
    people = ("member", "store", "guide", "covers_for", "served_by")
    last = TicketStep.objects.filter(ticket=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    things = ("line", "order__store", "exchange__sku__style", "refund", "compensation", "slip")
    return rows.select_related(*people, *things).annotate(last_step=Subquery(last))


def read_ticket(actor: Actor, pk: int) -> Ticket:
    """Return a ticket the actor may read. Raises NotFound."""
    seen = Ticket.objects.visible_to(actor).filter(pk=pk)
    found = with_standing(Ticket.objects.filter(pk__in=seen.values("pk"))).first()
    if found is None:
        raise NotFound()
    return found


def may_answer(actor: Actor, ticket: Ticket) -> bool:
    return ticket.is_open and Ticket.objects.answered_by(actor).filter(pk=ticket.pk).exists()
