"""What a ticket ends in: the money goes back as the till reckons it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import SaleRefund
from yejibao.core.errors import Conflict
from yejibao.core.money import yuan
from yejibao.core.one_by_one import work_off
from yejibao.core.scope import Actor

from ..models import Ticket
from ..remedies import line_now
from .answering import held_by
from .moving import close_ticket, move_ticket

REFUNDED = (Ticket.Kind.RETURN, Ticket.Kind.QUALITY)
BEFORE_REFUND = ("responded", "inspecting", "waiting_goods")


class NothingToRefund(Conflict):
    code, title = "ticket.nothing_to_refund", _("这张单没有可退的商品")


def may_refund(ticket: Ticket) -> bool:
    return (
        ticket.kind in REFUNDED
        and ticket.line is not None
        and ticket.state in BEFORE_REFUND
        and ticket.refund_id is None
    )


@transaction.atomic
def take_back(ticket: Ticket, *, quantity: int, actor: Actor, now: datetime) -> str:
    """Take pieces back and give back what they are worth (crm/orders/checkout); return what to say.

    Where somebody has to approve it, or WeChat is on its way with it, the ticket waits in 退款中 and is closed by itself
    (`close_refunded`). Raises NothingToRefund and whatever the till says no to.
    """
    held = held_by(ticket, actor)
    if held.order is None or not may_refund(held) or held.line is None:
        raise NothingToRefund()
    if held.state == "waiting_goods":
        move_ticket(held, to="inspecting", actor=actor, now=now, reason="收到商品")
    reason = SaleRefund.Reason.QUALITY if held.kind == Ticket.Kind.QUALITY else SaleRefund.Reason.NO_REASON
    refund = checkout.refund_lines(
        held.order, [(line_now(held.line).line_no, quantity)], key=next_key(f"ticket:{held.pk}"), actor=actor, now=now, reason=reason,
        note=held.number, store=held.store, asked_at=held.asked,
    )  # fmt: skip
    Ticket.objects.filter(pk=held.pk).update(refund=refund)
    held.refund = refund
    move_ticket(held, to="refunding", actor=actor, now=now, reason=f"退 {yuan(refund.amount_fen, cents=True)}")
    if refund.state == SaleRefund.State.DONE:
        close_ticket(held, actor=actor, now=now, reason=_back(refund))
        return _back(refund)
    return "要店长或财务点头，批了自动退" if refund.state == SaleRefund.State.ASKED else "正在原路退回，到账自动办结"


def next_key(act: str) -> str:
    """Return the key under which money of a ticket is asked for now: another than those that were refused."""
    tries = SaleRefund.objects.filter(Q(key=act) | Q(key__startswith=f"{act}:again:")).count()
    return f"{act}:again:{tries}" if tries else act


def close_refunded(*, now: datetime) -> dict[str, int]:
    """Close the tickets whose money is back. Each minute."""
    back = Ticket.objects.filter(state="refunding", refund__state=SaleRefund.State.DONE).select_related("refund")

    def close(held: Ticket) -> None:
        assert held.refund is not None
        close_ticket(held, actor=Actor.system("aftersale"), now=now, reason=_back(held.refund))

    return {"refunded": work_off(back, close)}


def not_got(refund: SaleRefund, *, verb: str, what: str) -> str:
    """Return what he did not get of money that finance gave up, and what he did: 退了 ¥100.00，¥298.00 没退成，财务停止了退款."""
    got = f"{verb}了 {yuan(refund.got_fen, cents=True)}，" if refund.got_fen else ""
    return f"{got}{yuan(refund.given_up_fen, cents=True)} 没{verb}成，财务停止了{what}"


def _back(refund: SaleRefund) -> str:
    if refund.given_up_fen:
        return not_got(refund, verb="退", what="退款")
    return f"已退 {yuan(refund.amount_fen, cents=True)}，原路退回"
