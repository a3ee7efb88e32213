"""退卡的银行转账: what is owed since a card was emptied leaves the bank, and comes back where the bank returned it.

First the card is emptied (`refunds.pay_refund`), then finance transfers, then it writes the bank's number down here: so nobody
spends what is already under way, and what is still to be transferred stands in refund_clearing to the fen.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.wallet.errors import BankNumberTwice, NotAtTheBank
from crm.wallet.models import Account, CardPayout, CardRefund, Transfer
from crm.wallet.queries import facts_for_audit
from yejibao.core import audit
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .moving import CREDIT, DEBIT, Leg, book, reverse_transfer
from .steps import note

SENT, CAME_BACK = "sent", "came_back"  # steps of a refund that is paid; its state stays


@transaction.atomic
def settle_payout(refund: CardRefund, *, bank_ref: str, actor: Actor, now: datetime) -> CardPayout:
    """Write down that the bank transferred a refund: what was owed is paid. The same number again is answered, not booked.

    Raises NotAtTheBank where nothing waits, BankNumberTwice, Invalid without a number.
    """
    number = "".join(bank_ref.split())[:64]
    if len(number) < 4:
        raise Invalid(errors=[{"field": "bank_ref", "code": "required", "message": str(_("填银行转账流水号"))}])
    held = _lock(refund)
    live = CardPayout.objects.filter(refund=held, undone_at=None).first()
    if live is not None and live.bank_ref == number:
        return live
    if not held.waits_for_bank:
        raise NotAtTheBank()
    nth = CardPayout.objects.filter(refund=held).count() + 1
    done = book(
        kind=Transfer.Kind.PAYOUT, key=f"card_payout:{held.pk}:{nth}", subject=f"card_refund:{held.pk}", store=held.store_id,
        actor=actor, now=now,
        legs=[Leg(Account.REFUND_CLEARING, DEBIT, held.pay_fen), Leg(Account.CASH_BANK, CREDIT, held.pay_fen)],
    )  # fmt: skip
    try:
        with transaction.atomic():
            payout = CardPayout.objects.create(
                refund=held, bank_ref=number, amount_fen=held.pay_fen, transfer_id=done.transfer_id, by_id=actor.staff_id, at=now
            )  # fmt: skip
    except IntegrityError:
        raise BankNumberTwice() from None
    _mark(held, at=now, number=number)
    note(held, SENT, actor=actor, now=now, come_from=held.state, why=number)
    audit.record(actor, "wallet.refund_transferred", held, after=_said(held, payout))
    return payout


@transaction.atomic
def undo_payout(refund: CardRefund, *, why: str, actor: Actor, now: datetime) -> CardPayout:
    """Take a transfer back that the bank returned, or that was written down wrongly: the sum is owed again.

    Raises NotAtTheBank where none stands, Invalid without a reason.
    """
    why = why.strip()[:255]
    if len(why) < 2:
        raise Invalid(errors=[{"field": "why", "code": "required", "message": str(_("写一句为什么撤回"))}])
    held = _lock(refund)
    payout = CardPayout.objects.filter(refund=held, undone_at=None).first()
    if payout is None:
        raise NotAtTheBank()
    back = reverse_transfer(
        payout.transfer_id, key=f"card_payout_back:{payout.pk}", reason="payout_undone", actor=actor, now=now
    )
    payout.undone_transfer_id, payout.undone_by_id, payout.undone_at, payout.undone_why = (
        back.transfer_id, actor.staff_id, now, why,
    )  # fmt: skip
    payout.save(update_fields=["undone_transfer", "undone_by", "undone_at", "undone_why"])
    _mark(held, at=None, number="")
    note(held, CAME_BACK, actor=actor, now=now, come_from=held.state, why=why)
    audit.record(actor, "wallet.refund_transfer_undone", held, after=_said(held, payout), reason=why)
    return payout


def _lock(refund: CardRefund) -> CardRefund:
    return CardRefund.objects.select_for_update().get(pk=refund.pk)


def _mark(held: CardRefund, *, at: datetime | None, number: str) -> None:
    held.transferred_at, held.payout_ref = at, number
    held.save(update_fields=["transferred_at", "payout_ref"])


def _said(held: CardRefund, payout: CardPayout) -> dict[str, object]:
    return facts_for_audit(held.wallet) | {"amount_fen": payout.amount_fen, "payout_ref": payout.bank_ref}
