"""A refund that WeChat cannot bring back is ended: paid to the member by hand, or given up with a reason. Two people do it.

The order: one asks, another approves, then the money is paid and the bank's number is written down with its slip. Before that
WeChat is asked once more, so that nobody is paid twice. The books move when it ends, and a stuck refund stands in no bill: so
the day closes with nothing open. What WeChat brings back all the same later stands in its bill, and there as a break.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.aftersale.services import end_fee_back
from crm.orders.checkout import services as checkout
from crm.wallet.models import Account, LedgerEntry, Transfer
from crm.wallet.services import Leg, book
from guides.approvals.models import Approval
from guides.approvals.services import ask_approval
from yejibao.core import audit, files
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayRefund

from ..models import RefundEnding
from ..scoped import LINE_READERS
from .late import stands_unclaimed

ROOM = "refund-payout"
KIND = "pay_refund.end"
How, State = RefundEnding.How, RefundEnding.State
DEBIT, CREDIT = LedgerEntry.Side.DEBIT, LedgerEntry.Side.CREDIT

files.room(
    ROOM,
    rows=lambda actor: RefundEnding.objects.visible_to(actor),
    may_add=lambda actor: actor.is_system or actor.has_role(*LINE_READERS),
    most=3,
)


class EndsAlready(Conflict):
    code, title = "finance.refund_ends_already", _("这笔退款已经在另外处理")


class NotApproved(Conflict):
    code, title = "finance.refund_not_approved", _("还没批准，或者已经有结果了")


@transaction.atomic
def ask_ending(pay_refund_id: int, *, how: str, reason: str, actor: Actor, now: datetime) -> RefundEnding:
    """Ask to end a stuck refund by hand; somebody else of finance, or the management, approves.

    Raises NotStuck, EndsAlready, Invalid for no way or no reason, or what guides/approvals raises.
    """
    refund = _lock_refund(pay_refund_id)
    if refund.state not in PayRefund.STUCK or refund.next_try_at is not None:
        raise wechatpay.NotStuck()
    if how not in How.values:
        raise Invalid(errors=[{"field": "how", "code": "choice", "message": str(_("选一种处理方式"))}])
    reason = reason.strip()[:255]
    if len(reason) < 2:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": str(_("写一句为什么这样处理"))}])
    try:
        with transaction.atomic():
            held = RefundEnding.objects.create(
                pay_refund=refund, how=how, amount_fen=refund.amount_fen, reason=reason, asked_by_id=actor.staff_id or 0, asked_at=now
            )  # fmt: skip
    except IntegrityError:
        raise EndsAlready() from None
    label = "另外付给会员" if how == How.PAID else "不退了"
    held.approval = ask_approval(
        KIND, key=f"refund_ending:{held.pk}", title=f"卡住的退款 ¥{held.amount_fen / 100:,.2f}，{label}", reason=reason,
        facts={"ending": held.pk}, url=f"/hq/finance/refunds/{refund.pk}/", actor=actor, now=now,
    )  # fmt: skip
    held.save(update_fields=["approval"])
    audit.record(actor, "finance.refund_end_asked", held, after=_said(held), reason=reason)
    return held


def settle_decision(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Follow what was decided: what is paid waits for its payment, what is given up is over. Raises NotStuck.

    The request is held by guides/approvals: it is decided once.
    """
    held = RefundEnding.objects.filter(approval=approval, state=State.ASKED).first()
    if held is None:
        return
    if approval.state != Approval.State.APPROVED:
        _move(held, State.DROPPED, actor=actor, now=now)
        return
    if held.how == How.PAID:
        _move(held, State.APPROVED, actor=actor, now=now)
        return
    _end(held, credit=Account.SUSPENSE, actor=actor, now=now)


def ask_provider(pay_refund_id: int, *, actor: Actor, now: datetime) -> None:
    """Ask WeChat how a refund stands that is about to be paid by hand. No transaction open.

    Raises PayUnavailable; NotStuck where WeChat has moved it on meanwhile: then nothing is paid, and the request is over.
    """
    if not RefundEnding.objects.filter(pay_refund=pay_refund_id, state=State.APPROVED).exists():
        return
    refund = wechatpay.ask_again(pay_refund_id, now=now)
    if refund.state not in PayRefund.STUCK:
        drop_ending(pay_refund_id, actor=actor, now=now)
        raise wechatpay.NotStuck()


@transaction.atomic
def drop_ending(pay_refund_id: int, *, actor: Actor, now: datetime) -> RefundEnding:
    """Give up what was approved and not paid: the refund may be sent once more. Raises NotApproved."""
    held = _approved(pay_refund_id)
    _move(held, State.DROPPED, actor=actor, now=now)
    return held


@transaction.atomic
def pay_ending(
    pay_refund_id: int, *, payout_ref: str, vouchers: Collection[UUID], actor: Actor, now: datetime
) -> RefundEnding:  # fmt: skip
    """Write down that an approved refund was paid by hand. Raises NotApproved, NotStuck, LedgerOff, Invalid without number or slip."""
    held = _approved(pay_refund_id)
    checkout.books_must_balance()
    missing = []
    if len(payout_ref.strip()) < 4:
        missing.append({"field": "payout_ref", "code": "required", "message": str(_("填银行流水号或收条编号"))})
    if not vouchers:
        missing.append({"field": "photos", "code": "required", "message": str(_("上传转账回单或会员签字的收条"))})
    if missing:
        raise Invalid(errors=missing)
    held.payout_ref = payout_ref.strip()[:64]
    files.attach(list(vouchers), room=ROOM, owner_id=held.pk, by_id=actor.staff_id)
    _end(held, credit=Account.CASH_COUNTER, actor=actor, now=now)
    return held


@transaction.atomic
def send_again(pay_refund_id: int, *, actor: Actor, now: datetime) -> PayRefund:
    """Have a stuck refund sent once more. Raises NotStuck, or EndsAlready while it is being ended by hand."""
    _lock_refund(pay_refund_id)
    if RefundEnding.objects.filter(pay_refund=pay_refund_id, state__in=RefundEnding.OPEN).exists():
        raise EndsAlready()
    return wechatpay.try_again(pay_refund_id, actor=actor, now=now)


def _lock_refund(pay_refund_id: int) -> PayRefund:
    """Who asks to end a refund and who sends it once more: one of the two waits for the other."""
    return PayRefund.objects.select_for_update().get(pk=pay_refund_id)


def _approved(pay_refund_id: int) -> RefundEnding:
    held = RefundEnding.objects.select_for_update().filter(pay_refund=pay_refund_id, state=State.APPROVED).first()
    if held is None:
        raise NotApproved()
    return held


def _end(held: RefundEnding, *, credit: str, actor: Actor, now: datetime) -> None:
    """End it at the door, and move what is owed: to what was paid out, or, given up, to what nobody has claimed yet."""
    refund = wechatpay.end_by_hand(
        held.pay_refund_id, is_paid=held.how == How.PAID, actor=actor, now=now, why=held.get_how_display()
    )
    is_given_up = held.how == How.GIVEN_UP
    is_booked = checkout.end_refund(refund.pk, credit=credit, is_given_up=is_given_up, actor=actor, now=now)
    is_booked = is_booked or end_fee_back(refund.pk, credit=credit, actor=actor, now=now)
    if not is_booked and not is_given_up:
        _book_unclaimed(refund, credit=credit, actor=actor, now=now)
    _move(held, State.DONE, actor=actor, now=now)


def _book_unclaimed(refund: PayRefund, *, credit: str, actor: Actor, now: datetime) -> None:
    """Money of no sale stands in suspense already: paid out, it leaves there."""
    if not stands_unclaimed(refund.order_id):
        return
    book(
        kind=Transfer.Kind.PAYBACK, key=f"refund-ended:{refund.pk}", subject=f"pay_refund:{refund.pk}", actor=actor, now=now,
        legs=[Leg(Account.SUSPENSE, DEBIT, refund.amount_fen), Leg(credit, CREDIT, refund.amount_fen)],
    )  # fmt: skip


def _move(held: RefundEnding, state: str, *, actor: Actor, now: datetime) -> None:
    held.state, held.ended_at = state, None if state in RefundEnding.OPEN else now
    held.ended_by_id = None if held.ended_at is None else actor.staff_id
    held.save(update_fields=["state", "ended_at", "ended_by", "payout_ref"])
    audit.record(actor, f"finance.refund_end_{state}", held, after=_said(held), reason=held.reason)


def _said(held: RefundEnding) -> dict[str, object]:
    return {
        "refund": held.pay_refund_id, "how": held.how, "amount_fen": held.amount_fen, "payout_ref": held.payout_ref,
    }  # fmt: skip
