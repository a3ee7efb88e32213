"""Money that does not go back: others said no, or WeChat cannot bring it. Whoever answers the ticket hears of it and goes on.

aftersale.yaml knew no way out of 退款中 but the end. A refund that was refused has moved nothing, so the ticket is 处理中 again:
asked for once more with a better reason, exchanged, mended, or explained to the member.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef

from crm.orders.checkout.models import RefundPart, SaleRefund
from crm.orders.checkout.services import why_refused
from yejibao.core.money import yuan
from yejibao.core.one_by_one import work_off
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayRefund

from .. import telling
from ..models import Ticket, TicketStep
from .answering import say
from .moving import move_ticket

SYSTEM = Actor.system("aftersale")
Kind, State = TicketStep.Kind, SaleRefund.State
TO_HIM = "这笔款还没定下来，我们商量好马上告诉您"
STUCK = "微信那边退不回去，财务换个办法退给您"


def go_on_refused(*, now: datetime) -> dict[str, int]:
    """Give back the tickets whose refund or compensation was refused; tell once of what is stuck at WeChat. Each minute."""
    people = Ticket.objects.unfinished().select_related("member", "store")

    def go_on(held: Ticket) -> None:
        assert held.refund is not None
        refused = held.refund
        Ticket.objects.filter(pk=held.pk).update(refund=None)
        held.refund = None
        move_ticket(held, to="responded", actor=SYSTEM, now=now, reason=TO_HIM)
        _hear(held, f"退款 {yuan(refused.amount_fen, cents=True)} 没同意", refused, now=now)

    def make_good_otherwise(held: Ticket) -> None:
        assert held.compensation is not None
        refused = held.compensation
        Ticket.objects.filter(pk=held.pk).update(compensation=None)
        held.compensation = None
        _hear(held, f"赔付 {yuan(refused.amount_fen, cents=True)} 没同意", refused, now=now)

    back = people.filter(state="refunding", refund__state=State.REFUSED).select_related("refund")
    unpaid = people.filter(compensation__state=State.REFUSED).select_related("compensation")
    return {
        "refunds_refused": work_off(back, go_on) + work_off(unpaid, make_good_otherwise),
        "refunds_stuck": _tell_of_stuck(now=now),
    }


def _hear(held: Ticket, what: str, refused: SaleRefund, *, now: datetime) -> None:
    """Tell whoever answers why it was refused, and what may be done now."""
    said = f"{what}：{why_refused(refused)}"
    say(
        held,
        f"{said}。写清楚可以再申请，也可以换货、维修，或者跟顾客说明白",
        Kind.NOTE,
        actor=SYSTEM,
        now=now,
        is_shown=False,
    )
    telling.tell(held, telling.answering(held, now=now), f"{held.member.called}：{said}"[:80], now=now)


def _tell_of_stuck(*, now: datetime) -> int:
    gone = PayRefund.objects.filter(state__in=PayRefund.STUCK).values("pk")
    parts = RefundPart.objects.filter(refund=OuterRef("refund"), done_at=None, pay_refund_id__in=gone)
    told = TicketStep.objects.filter(ticket=OuterRef("pk"), kind=Kind.MOVED, text=STUCK)
    stuck = Ticket.objects.filter(Exists(parts), ~Exists(told), state="refunding", refund__state=State.PAYING)

    def tell(held: Ticket) -> None:
        say(held, STUCK, Kind.MOVED, actor=SYSTEM, now=now, is_shown=True)
        people = [*telling.answering(held, now=now), *telling.holders(telling.FINANCE, now=now)]
        telling.tell(held, people, f"{held.member.called}的退款微信退不回去，财务在办", now=now)

    return work_off(stuck.select_related("member", "store"), tell)
