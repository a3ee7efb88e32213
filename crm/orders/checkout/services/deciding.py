"""What others were asked to approve goes on: goods that come back, an exchange for something cheaper, a compensation."""

from datetime import datetime

from django.db import transaction

from guides.approvals.models import Approval
from yejibao.core import audit
from yejibao.core.scope import Actor

from ..models import Exchange, SaleRefund
from .compensating import carry_out_compensation
from .exchanging import close_exchange, go_on_with_exchange
from .refunding import LARGE, SMALL, carry_out

State, Reason = SaleRefund.State, SaleRefund.Reason


@transaction.atomic
def go_on_with_refund(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Carry out a refund that was approved, or note that it was not."""
    refund = SaleRefund.objects.get(pk=approval.facts["refund"])
    if refund.state != State.ASKED:
        return
    if approval.state != Approval.State.APPROVED:
        SaleRefund.objects.filter(pk=refund.pk, state=State.ASKED).update(state=State.REFUSED)
        audit.record(actor, "refund.refused", refund, after={"why": str(approval.state)})
        for exchange in Exchange.objects.filter(refund=refund, state=Exchange.State.ASKED):
            close_exchange(exchange, reason="没同意退差价", actor=actor, now=now)
    elif refund.reason == Reason.EXCHANGE:
        go_on_with_exchange(refund, actor=actor, now=now)
    elif refund.reason == Reason.COMPENSATION:
        carry_out_compensation(refund, actor=actor, now=now)
    else:
        carry_out(refund, actor=actor, now=now)


def why_refused(refund: SaleRefund) -> str:
    """Return why others did not let a refund go, in their words."""
    asked = Approval.objects.filter(kind__in=(SMALL, LARGE), key=f"order:{refund.order_id}", facts__refund=refund.pk)
    found = asked.order_by("-pk").first()
    if found is None:
        return "这一单变过了"
    said = found.steps.filter(is_approved=False).values_list("answer", flat=True).first()
    return said or str(found.get_state_display())
