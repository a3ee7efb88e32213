"""We spoilt it: it is mended, else its remaining value is paid (aftersale.yaml care_rules.liability)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.benefits.services import give_back_benefit
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import SaleRefund
from yejibao.core import audit
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict
from yejibao.core.money import yuan
from yejibao.core.one_by_one import work_off
from yejibao.core.scope import Actor

from ..models import CareSlip, Ticket, TicketStep
from ..remedies import compensation_of, line_now
from ..rules import rules
from .answering import held_by, say, words_of
from .fees import give_back_fee
from .moving import end_ticket
from .settling import next_key, not_got

Cover = CareSlip.Coverage


class NotWithUs(Conflict):
    code, title = "ticket.not_with_us", _("衣服没有收进来，谈不上赔")


class MadeGood(Conflict):
    code, title = "ticket.made_good", _("这一件已经赔付过")


@transaction.atomic
def repair_own_damage(ticket: Ticket, *, reason: str, actor: Actor, now: datetime) -> str:
    """Mend what we spoilt, for nothing, by a new day; a fee or a benefit that was taken for the work goes back."""
    held = held_by(ticket, actor)
    words = words_of(reason)
    slip = _ours(held, actor=actor, now=now)
    until = local_day(now) + timedelta(days=rules().alteration_most_days)
    Ticket.objects.filter(pk=held.pk).update(promised_on=until)
    said = f"{words}。我们修好它，不收费，{until.month} 月 {until.day} 日前好"
    say(held, said, TicketStep.Kind.REPLY, actor=actor, now=now, is_shown=True)
    audit.record(actor, "care.damaged", slip, after={"way": "repair"}, reason=words)
    return "修好再给他，不收费"


@transaction.atomic
def compensate(ticket: Ticket, *, reason: str, actor: Actor, now: datetime) -> str:
    """Pay the remaining value of a piece that cannot be mended: the original way, a feed order's over the counter.

    Who may do so alone, and who is asked, is as with a return. Return what to say. Raises NotWithUs, MadeGood, and what the
    till says no to.
    """
    held = held_by(ticket, actor)
    words = words_of(reason)
    if held.compensation_id is not None:
        raise MadeGood()
    order = held.order or (held.line.order if held.line else None)
    if held.line is None or order is None:
        raise NotWithUs()
    slip = _ours(held, actor=actor, now=now)
    refund = checkout.compensate_line(
        order, line_no=line_now(held.line).line_no, amount_fen=compensation_of(held, now=now), key=next_key(f"ticket:{held.pk}:made_good"),
        note=f"{held.number} {words}", store=held.store, actor=actor, now=now,
    )  # fmt: skip
    Ticket.objects.filter(pk=held.pk).update(compensation=refund)
    held.compensation = refund
    audit.record(
        actor, "care.damaged", slip, after={"way": "compensation", "amount_fen": refund.amount_fen}, reason=words
    )
    if refund.state == SaleRefund.State.ASKED:
        return "要店长或财务点头，批了自动赔付"
    if refund.state == SaleRefund.State.PAYING:
        return "正在原路赔付，到账自动办结"
    end_ticket(held, actor=actor, now=now, reason=_said(refund))
    return _said(refund)


def close_compensated(*, now: datetime) -> dict[str, int]:
    """Close the tickets whose compensation is paid. Each minute."""
    paid = Ticket.objects.unfinished().filter(compensation__state=SaleRefund.State.DONE).select_related("compensation")

    def close(held: Ticket) -> None:
        assert held.compensation is not None
        end_ticket(held, actor=Actor.system("aftersale"), now=now, reason=_said(held.compensation))

    return {"made_good": work_off(paid, close)}


def _ours(held: Ticket, *, actor: Actor, now: datetime) -> CareSlip:
    """Take the work upon us: what he paid for it, or gave of his benefits, goes back."""
    slip = CareSlip.objects.select_related("benefit_use").filter(ticket=held).first()
    if slip is None:
        raise NotWithUs()
    if slip.benefit_use is not None:
        give_back_benefit(slip.benefit_use, actor=actor, now=now, reason="我们弄坏了")
    give_back_fee(slip, actor=actor, now=now)
    slip.coverage, slip.price_fen, slip.benefit_use, slip.fee_transfer_id = Cover.OURS, 0, None, None
    slip.save(update_fields=["coverage", "price_fen", "benefit_use", "fee_transfer_id"])
    return slip


def _said(refund: SaleRefund) -> str:
    if refund.given_up_fen:
        return not_got(refund, verb="赔", what="赔付")
    return f"已赔付 {yuan(refund.amount_fen, cents=True)}"
