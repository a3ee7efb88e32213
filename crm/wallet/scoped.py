"""Whose cards, top-ups and transfers an actor may read (access_matrix.yaml: ledger.*, stored_value.*)."""

from django.db.models import Q

from crm.members.scoped import own_filter
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

LEDGER, TOTALS, CARD = "ledger.read", "ledger.totals", "stored_value.read"
TOP_UP, REFUND, ASK = "stored_value.topup", "stored_value.refund", "stored_value.refund_ask"


def _within(actor: Actor, action: str, *, path: str, store: str, only: str = "") -> Q:
    grants = actor.reach(*matrix.leaders(action, only))
    return under_grants(grants, path=path, store=store) if grants else NOBODY


def transfer_filter(actor: Actor) -> Q:
    """A manager: what was booked in the store. Finance: all. Customer service: of members with a ticket."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor, "wallet__member_id")
    condition = _within(actor, LEDGER, path="store__unit__path", store="store_id")
    if actor.has_role(*matrix.leaders(LEDGER, "ticket")):
        condition |= Q(wallet__in=_with_ticket())
    return condition


def wallet_filter(actor: Actor) -> Q:
    """Finance: all. A manager: cards of the store's members and those that moved money in it. Service: with a ticket."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    condition = _within(actor, CARD, path="member__main_store__unit__path", store="member__main_store_id")
    if actor.reach(*matrix.leaders(LEDGER)):
        from .models import Transfer

        condition |= _within(actor, LEDGER, path="member__main_store__unit__path", store="member__main_store_id")
        condition |= Q(pk__in=Transfer.objects.filter(transfer_filter(actor), wallet__isnull=False).values("wallet_id"))
    if actor.has_role(*matrix.leaders(LEDGER, "ticket")):
        condition |= Q(pk__in=_with_ticket())
    return condition


def top_up_filter(actor: Actor) -> Q:
    """A guide: what she asked herself; a manager: the store's; finance: all."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    condition = _within(actor, LEDGER, path="store__unit__path", store="store_id")
    condition |= _within(actor, CARD, path="store__unit__path", store="store_id")
    if actor.staff_id and actor.has_role(*matrix.holders(TOP_UP)):
        condition |= Q(guide_id=actor.staff_id)
    return condition


def refund_filter(actor: Actor) -> Q:
    """Finance: all. A manager: the store's. Whoever asked: his own."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor, "wallet__member_id")
    condition = _within(actor, REFUND, path="store__unit__path", store="store_id")
    condition |= _within(actor, ASK, path="store__unit__path", store="store_id", only="ask") & ~Q(store=None)
    if actor.staff_id:
        condition |= Q(asked_by_id=actor.staff_id)
    return condition


def store_total_filter(actor: Actor) -> Q:
    """Return the condition for stores whose sums an actor may read: those of his subtree, a dealer's own."""
    return _within(actor, TOTALS, path="unit__path", store="pk")


def _with_ticket() -> object:
    from .models import Wallet

    return Wallet.objects.filter(member__tickets__isnull=False).values("pk")
