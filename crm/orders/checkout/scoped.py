"""Whose sales an actor may see (access_matrix.yaml): a cashier those of the store, others as they read orders."""

from django.db.models import Q

from crm.aftersale.models import Ticket
from crm.members.scoped import own_filter
from crm.orders.scoped import READ
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

SELL = "order.cashier"
PROXY = "order.proxy"


def sale_filter(actor: Actor) -> Q:
    """A guide: the sales of the store she works in, and her own; others: the stores in their scope; service: by ticket."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    condition = NOBODY
    if actor.staff_id and actor.has_role(*matrix.holders(SELL)):
        condition |= Q(guide_id=actor.staff_id)
        if actor.store_id:
            condition |= Q(store_id=actor.store_id)
    if grants := actor.reach(*matrix.leaders(READ)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    if actor.has_role(*matrix.leaders(READ, "ticket")):
        condition |= Q(member__in=Ticket.objects.values("member_id"))
    return condition


def refund_filter(actor: Actor) -> Q:
    """Refunds of orders one reads, and those of the store one works in."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor, "order__member_id")
    from crm.orders.models import Order

    condition = Q(order__in=Order.objects.visible_to(actor).values("pk"))
    if actor.store_id and actor.has_role(*matrix.holders(SELL)):
        condition |= Q(store_id=actor.store_id)
    return condition


def promotion_filter(actor: Actor) -> Q:
    """Promotions of the whole company, and those that hold in a unit above or below where one works; all for who keeps them."""
    if actor.is_system or actor.has_role(*matrix.holders("promotion.keep")):
        return Q()
    if actor.kind != "staff":
        return NOBODY
    paths = [actor.store_path, *(grant.path for grant in actor.grants)]
    above = {int(part) for path in paths for part in path.split("/") if part}
    return Q(unit=None) | Q(unit_id__in=above) | under_grants(actor.grants, path="unit__path", store="unit__store")
