"""退卡: what a member gets back for his card, who approves it, and how it is paid out (reliability-security §5)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.wallet.errors import (
    BalanceChanged,
    LedgerOff,
    NothingToRefund,
    RefundEnded,
    RefundWaits,
)
from crm.wallet.models import Account, CardHolder, CardRefund, Transfer, Wallet
from crm.wallet.queries import books_balance, facts_for_audit
from crm.wallet.rules import RefundRules, rules_on
from crm.wallet.shares import Movement, Worth, worth_of
from guides.approvals import services as approvals
from guides.approvals.models import Approval
from guides.org.models import Store
from yejibao.core import audit, personal
from yejibao.core.clock import local_day
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .moving import CREDIT, DEBIT, Leg, book
from .steps import move, note

State, Way = CardRefund.State, CardRefund.Way
SMALL, LARGE = "stored_value.refund", "stored_value.refund_large"  # four_eyes.yaml
# How a transfer counts for what a card is worth; what is not named here moves nothing there.
_COUNTS_AS = {
    Transfer.Kind.TOP_UP: "top_up", Transfer.Kind.SPEND: "spend", Transfer.Kind.SPEND_REFUND: "spend_refund",
    Transfer.Kind.CARD_REFUND: "reset",
}  # fmt: skip


@dataclass(frozen=True)
class RefundQuote:
    """What a card would be paid out at, and on what ground. `taken_back_fen` is the gift that is not paid."""

    principal_fen: int
    gift_fen: int
    pay_fen: int
    method: str
    may_be_cash: bool
    pay_before: date

    @property
    def taken_back_fen(self) -> int:
        return self.principal_fen + self.gift_fen - self.pay_fen


def quote_refund(wallet: Wallet, *, now: datetime) -> RefundQuote:
    """Say what a card would be paid out at today."""
    day = local_day(now)
    rules = rules_on(day).refund
    worth, is_new = _worth(wallet, since=now - timedelta(days=rules.seven_days))
    pay, method = _sum(worth, wallet, rules, is_new=is_new)
    days = rules.pay_days_seven if is_new else rules.pay_days
    return RefundQuote(
        wallet.principal_fen, wallet.gift_fen, pay, method, pay < rules.cash_below_fen, day + timedelta(days=days)
    )


def _sum(worth: Worth, wallet: Wallet, rules: RefundRules, *, is_new: bool) -> tuple[int, str]:
    by_ratio = worth.ratio_fen(principal_fen=wallet.principal_fen, gift_fen=wallet.gift_fen)
    if is_new:  # art. 14; what was used of it meanwhile counts the kinder way
        return by_ratio, "seven_days"
    if rules.method == "list_price":
        return min(worth.list_price_fen(), wallet.total_fen), "list_price"
    return by_ratio, "ratio"


def _worth(wallet: Wallet, *, since: datetime) -> tuple[Worth, bool]:
    """Follow the member's cards, this one and those it replaced; tell whether money came onto it after a moment."""
    chain = [wallet.pk]
    while (older := Wallet.objects.filter(pk=chain[-1]).values_list("replaces_id", flat=True).first()) is not None:
        chain.append(older)
    rows = Transfer.objects.filter(wallet_id__in=chain).order_by("pk")
    movements, undone = [], {row.reverses_id for row in rows if row.reverses_id}
    is_new = False
    for row in rows:
        kind = _COUNTS_AS.get(Transfer.Kind(row.kind))
        if kind is None or row.pk in undone:
            continue
        movements.append(Movement(kind, row.principal_fen, row.gift_fen, row.pk, row.refunds_id or 0))
        is_new |= kind == "top_up" and row.at > since
    return worth_of(movements), is_new


@transaction.atomic
def ask_refund(
    wallet: Wallet, *, way: str, reason: str, actor: Actor, now: datetime, store: Store | int | None = None,
    payee_name: str = "", payee_account: str = "",
) -> CardRefund:  # fmt: skip
    """Ask for a card to be paid out, for a member or by himself (`actor.kind` "member"); finance decides.

    Raises NothingToRefund, RefundWaits, Invalid for a payee who is not the card's holder or cash above the limit.
    """
    held = Wallet.objects.select_for_update().get(pk=wallet.pk)
    if held.state not in Wallet.LIVE or not held.total_fen:
        raise NothingToRefund()
    quote = quote_refund(held, now=now)
    _check_payee(held, quote, way=way, name=payee_name, account=payee_account, reason=reason)
    account = "".join(payee_account.split())
    try:
        with transaction.atomic():
            refund = CardRefund.objects.create(
                wallet=held, way=way, method=quote.method, principal_fen=quote.principal_fen, gift_fen=quote.gift_fen,
                pay_fen=quote.pay_fen, two_from_fen=rules_on(local_day(now)).refund.two_people_from_fen, reason=reason.strip()[:255],
                asked_kind=actor.kind[:8], asked_by_id=actor.staff_id, store_id=getattr(store, "pk", store), asked_at=now,
                pay_before=quote.pay_before, payee_name=payee_name.strip() if way == Way.ACCOUNT else "",
                **personal.columns(CardRefund, "payee_account", account if way == Way.ACCOUNT else ""),
            )  # fmt: skip
    except IntegrityError:
        raise RefundWaits() from None
    note(refund, State.ASKED, actor=actor, now=now, why=reason)
    audit.record(actor, "wallet.refund_asked", refund, after=_said(refund), reason=reason)
    if actor.staff_id is not None:
        _ask_finance(refund, actor=actor, now=now)
    return refund


@transaction.atomic
def take_up_refund(refund: CardRefund, *, actor: Actor, now: datetime) -> CardRefund:
    """Somebody of finance takes what a member asked himself: a small sum is approved by that, a large one waits for the second."""
    held = _lock(refund)
    if held.state != State.ASKED or held.asked_kind == "staff" or held.approval_id:
        raise RefundEnded()
    if held.pay_fen >= held.two_from_fen:
        _ask_finance(held, actor=actor, now=now)
        return held
    _approved(held, by=actor.staff_id, second=None, actor=actor, now=now)
    return held


def approve_refund(refund: CardRefund, *, actor: Actor, now: datetime, answer: str = "") -> CardRefund:
    """Give one of the approvals a refund needs; the last one makes it payable. Raises what guides/approvals raises."""
    approvals.approve(_approval(refund), actor=actor, now=now, answer=answer)
    refund.refresh_from_db()
    return refund


@transaction.atomic
def refuse_refund(refund: CardRefund, *, answer: str, actor: Actor, now: datetime) -> CardRefund:
    """Say no, with a word why; also to what a member asked and nobody took up, or to what can no longer be paid."""
    held = _lock(refund)
    if held.state == State.ASKED and held.approval_id:
        approvals.refuse(_approval(held), actor=actor, now=now, answer=answer)
    elif held.state in CardRefund.OPEN:
        if len(answer.strip()) < 2:
            raise Invalid(_("写一句为什么不同意"))
        move(held, State.REFUSED, actor=actor, now=now, why=answer)
        audit.record(actor, "wallet.refund_refused", held, after=_said(held), reason=answer)
    else:
        raise RefundEnded()
    refund.refresh_from_db()
    return refund


def settle_decision(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Follow what was decided about a refund: approved, refused, withdrawn, or nobody decided in time."""
    held = CardRefund.objects.select_for_update().filter(approval=approval, state=State.ASKED).first()
    if held is None:
        return
    if approval.state != Approval.State.APPROVED:
        ends = State.WITHDRAWN if approval.state == Approval.State.WITHDRAWN else State.REFUSED
        move(held, ends, actor=actor, now=now, why=str(Approval.State(approval.state).label))
        audit.record(actor, f"wallet.refund_{ends}", held, after=_said(held))
        return
    by = list(approval.steps.order_by("number").values_list("by_id", flat=True))
    second = (
        by[1]
        if len(by) > 1
        else approval.asked_by_id
        if held.asked_by_id != approval.asked_by_id or _is_finance(approval)
        else None
    )
    _approved(held, by=by[0], second=second, actor=actor, now=now)


for _kind in (SMALL, LARGE):
    approvals.on_decided(_kind)(settle_decision)


@transaction.atomic
def pay_refund(refund: CardRefund, *, key: str, actor: Actor, now: datetime) -> CardRefund:
    """Pay an approved refund out: the card is emptied, the gift that is not paid is taken back. Once.

    To an account the sum is owed (refund_clearing) until its transfer is written down (`payouts.settle_payout`).
    Raises LedgerOff while the books do not balance, BalanceChanged where the card was used since it was asked, RefundEnded.
    """
    held = _lock(refund)
    if held.state == State.PAID:
        return held
    if held.state != State.APPROVED:
        raise RefundEnded(_("还没批准，或者已经有结果了"))
    if not books_balance():
        raise LedgerOff(_("账正在核对，退款暂停，消费不受影响。核平后再付。"))
    wallet = Wallet.objects.select_for_update().get(pk=held.wallet_id)
    if (wallet.principal_fen, wallet.gift_fen) != (held.principal_fen, held.gift_fen):
        raise BalanceChanged(_("申请后卡里的钱动过，请退回申请，按现在的余额重新申请"))
    out = Account.CASH_COUNTER if held.way == Way.CASH else Account.REFUND_CLEARING
    taken_back = wallet.total_fen - held.pay_fen
    legs = [
        Leg(Account.PRINCIPAL, DEBIT, wallet.principal_fen, wallet.pk), Leg(Account.GIFT, DEBIT, wallet.gift_fen, wallet.pk),
        Leg(out, CREDIT, held.pay_fen), Leg(Account.GIFT_COST, CREDIT, taken_back),
    ]  # fmt: skip
    done = book(
        kind=Transfer.Kind.CARD_REFUND, key=key, legs=[leg for leg in legs if leg.amount_fen], subject=f"card_refund:{held.pk}",
        store=held.store_id, wallet=wallet, actor=actor, now=now,
    )  # fmt: skip
    move(held, State.PAID, actor=actor, now=now, paid_at=now, transfer_id=done.transfer_id)
    audit.record(actor, "wallet.refunded", held, after=_said(held) | {"transfer": done.transfer_id})
    return held


# ---------------------------------------------------------------- who decides


def _ask_finance(refund: CardRefund, *, actor: Actor, now: datetime) -> None:
    kind = LARGE if refund.pay_fen >= refund.two_from_fen else SMALL
    refund.approval = approvals.ask_approval(
        kind, key=f"card_refund:{refund.pk}", title=f"储值退卡 ¥{refund.pay_fen / 100:,.2f}", reason=refund.reason,
        facts={"refund": refund.pk}, url=f"/hq/wallet/refunds/{refund.public_id}/", actor=actor, now=now,
    )  # fmt: skip
    refund.save(update_fields=["approval"])


def _approved(held: CardRefund, *, by: int | None, second: int | None, actor: Actor, now: datetime) -> None:
    move(held, State.APPROVED, actor=actor, now=now, approved_by_id=by, seconded_by_id=second)
    audit.record(actor, "wallet.refund_approved", held, after=_said(held))


def _is_finance(approval: Approval) -> bool:
    return approval.asked_role == "finance"


def _approval(refund: CardRefund) -> Approval:
    if refund.approval is None:
        raise RefundEnded(_("会员自己申请的，请先受理"))
    return refund.approval


def _lock(refund: CardRefund) -> CardRefund:
    return CardRefund.objects.select_for_update().get(pk=refund.pk)


def _check_payee(wallet: Wallet, quote: RefundQuote, *, way: str, name: str, account: str, reason: str) -> None:
    """Raise Invalid naming every field: to a same-name account, below the limit also in cash."""
    errors = []
    holder = CardHolder.objects.filter(member_id=wallet.member_id).first()
    if way not in Way.values:
        errors.append(("way", _("选退到哪里")))
    elif way == Way.CASH and not quote.may_be_cash:
        errors.append(("way", _("100 元起不能退现金，请退到本人同名账户")))
    elif way == Way.ACCOUNT:
        if holder is None or name.strip() != holder.name:
            errors.append(("payee_name", _("户名要和实名登记的姓名一致")))
        if not 8 <= len("".join(account.split())) <= 40:
            errors.append(("payee_account", _("请填收款账号")))
    if len(reason.strip()) < 2:
        errors.append(("reason", _("请写明原因")))
    if errors:
        told = [{"field": field, "code": "invalid", "message": str(said)} for field, said in errors]
        raise Invalid(_("有几处要改一下"), errors=told)


def _said(refund: CardRefund) -> dict[str, object]:
    return facts_for_audit(refund.wallet) | {"pay_fen": refund.pay_fen, "method": refund.method, "way": refund.way}
