"""One piece for another: goods, order, points and level in one transaction with the difference (aftersale.yaml exchange_rules).

Dearer: he pays at the counter, by card, or on his phone, and nothing is exchanged before. Cheaper: what is over goes back the
way it was paid, by the rules of who may give money back alone. Locks are taken as a return takes them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import Sku
from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from crm.orders.services import NotExchangeable
from crm.wallet import services as wallet
from guides.approvals.services import ask_approval
from guides.org.models import Store
from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.money import yuan
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from .. import returns
from ..bars import must_be_returnable
from ..exchange_queries import ExchangeQuote, is_same_style, reckon_exchange, sizes_taken
from ..models import Exchange, ExchangeMoved, Sale, SalePayment, SaleRefund
from ..queries import means_of
from ..reversal import NothingLeft
from .refunding import locked, needs_approval
from .selling import MemberMustShow, PriceChanged
from .swapping import carry_out_exchange
from .taking import TO_PAY, Pay, book_takings, fitting, give_up_wechat, subject_of, take_in, write_payments

State, Way = Exchange.State, SalePayment.Way
SIZES_MOST = 2  # aftersale.yaml exchange_rules.size_exchange_times, of one piece
LINK_LASTS = timedelta(hours=24)


class ExchangeOpen(Conflict):
    code, title = "exchange.open", _("这一件正在换，先办完那一次")


class ExchangedTwice(Conflict):
    code, title = "exchange.twice", _("同一件最多换两次尺码")


class AtItsTill(Conflict):
    code, title = "exchange.at_its_till", _("这一单是原收银机收的款，差价在那里补，补好再来换")


class SamePiece(Conflict):
    code, title = "exchange.same_piece", _("换的就是这一款这个尺码")


def quote_exchange(
    order: Order, line_no: int, sku: Sku, *, quantity: int = 1, is_faulty: bool = False, store: Store | None = None,
    sealed: Collection[int] = (), asked_at: datetime | None = None, now: datetime,
) -> ExchangeQuote:  # fmt: skip
    """Return what an exchange would cost, nothing is written. Raises what `exchange_piece` raises before the money."""
    place, sale = store or order.store, Sale.objects.filter(order=order).first()
    _must_be_allowed(order, line_no, sku, place, is_faulty=is_faulty, sealed=sealed, asked_at=asked_at or now)
    return _reckoned(order, sale, line_no, sku, quantity, place, at=now)


@transaction.atomic
def exchange_piece(
    sold: Sale | Order, line_no: int, sku: Sku, *, quantity: int = 1, key: str, actor: Actor, now: datetime,
    ways: Sequence[Pay] = (), use_wallet: bool | int = False, has_shown_code: bool = False, by_link: bool = False,
    is_faulty: bool = False, sealed: Collection[int] = (), store: Store | None = None, note: str = "",
    expected_difference_fen: int | None = None, asked_at: datetime | None = None,
) -> Exchange:  # fmt: skip
    """Take pieces of `sku` for pieces of a line: at once, or once the difference is paid, or once others approve (`state`).

    A dearer one is paid by `ways` and `use_wallet` (True: as much as goes, or fen; at the counter his code was shown), or on
    his phone (`by_link`: the caller tells him, `member_pays_exchange`). The difference of an order of the feed is taken at its
    own till. `asked_at` is when he asked for it, if that was before: it is in time by that day. The same key again is the same exchange. Raises TooLate, NotHere, NotReturnable, ExchangedTwice, SamePiece,
    NotExchangeable, ExchangeOpen, PriceChanged, AtItsTill, MemberMustShow, WaysDoNotFit, AlreadyAsked, and what the card says no to.
    """
    if done := Exchange.objects.filter(key=key).first():
        return done
    order, sale = locked(sold)
    if done := Exchange.objects.filter(key=key).first():  # the same act, a moment ago
        return done
    place = store or order.store
    _must_be_allowed(order, line_no, sku, place, is_faulty=is_faulty, sealed=sealed, asked_at=asked_at or now)
    found = _reckoned(order, sale, line_no, sku, quantity, place, at=now)
    if expected_difference_fen is not None and expected_difference_fen != found.difference_fen:
        raise PriceChanged(difference_fen=found.difference_fen)
    if by_link and sale is None and found.difference_fen > 0:
        raise AtItsTill()
    row = _begin(order, sale, line_no, sku, quantity, place, found, key=key, is_faulty=is_faulty, actor=actor, now=now)
    if found.difference_fen < 0:
        _ask_back(row, found, note=note, actor=actor, now=now)
        return row
    if found.difference_fen > 0 and sale is not None:
        if by_link:
            Exchange.objects.filter(pk=row.pk).update(expires_at=now + LINK_LASTS)
            row.expires_at = now + LINK_LASTS
            return row
        if use_wallet and actor.kind == "staff" and not has_shown_code:
            raise MemberMustShow()
        if _take(row, sale, ways, use_wallet, actor=actor, now=now):
            return row
    return carry_out_exchange(row, order, sale, found, actor=actor, now=now)


@transaction.atomic
def member_pays_exchange(
    exchange: Exchange, *, member: Member, use_wallet: bool | int = False, payer_openid: str = "", key: str, actor: Actor,
    now: datetime, expected_due_fen: int | None = None,
) -> Exchange:  # fmt: skip
    """Let the member pay the difference on his phone: by card at once, or waiting for WeChat. Raises ExchangeMoved, PriceChanged."""
    order, sale = locked(exchange.order)
    row = _held(exchange)
    if order.member_id != member.pk or sale is None:
        raise Forbidden(permission="order.own")
    if row.state != State.AWAITING_PAYMENT:
        return row
    if row.expires_at is not None and row.expires_at <= now:
        raise ExchangeMoved(_("过了补差价的时间，请导购再发一次"))
    if expected_due_fen is not None and expected_due_fen != row.due_fen:
        raise PriceChanged(difference_fen=row.due_fen)
    if row.payments.filter(state=SalePayment.State.WAITING).exists():
        return row  # it is on its way at WeChat
    found = _as_asked(row, order, sale)
    if _take(row, sale, [Pay(Way.WECHAT_LINK, openid=payer_openid)], use_wallet, actor=actor, now=now):
        return row
    return carry_out_exchange(row, order, sale, found, actor=actor, now=now)


@transaction.atomic
def settle_exchange_payment(exchange: Exchange, *, pay_order_id: int, transaction_id: str, now: datetime) -> Exchange:
    """WeChat has the difference: exchange. Once; where it cannot be any more, the money goes back."""
    order, sale = locked(exchange.order)
    row, actor = _held(exchange), Actor.system("wechatpay")
    payment = row.payments.get(pay_order_id=pay_order_id)
    if payment.state == SalePayment.State.SETTLED:
        return row
    try:
        if row.state != State.AWAITING_PAYMENT or payment.state == SalePayment.State.CLOSED or sale is None:
            raise ExchangeMoved()
        found = _as_asked(row, order, sale)
    except Conflict:
        late = PayOrder.objects.get(pk=pay_order_id)
        wechatpay.refund(
            late, amount_fen=late.amount_fen, key=f"late:{late.pk}", reason="没有换成，原路退回", now=now
        )  # fmt: skip
        audit.record(actor, "exchange.paid_late", row, after={"amount_fen": late.amount_fen})
        if row.state == State.AWAITING_PAYMENT:
            SalePayment.objects.filter(pk=payment.pk).update(state=SalePayment.State.CLOSED)
            close_exchange(row, reason="这一件已经退了或者换过了", actor=actor, now=now)
        return row
    payment.state, payment.settled_at, payment.reference = SalePayment.State.SETTLED, now, transaction_id
    payment.save(update_fields=["state", "settled_at", "reference"])
    book_takings(sale, payment, actor=actor, now=now)
    take_in(sale, actor=actor, now=now, exchange=row)  # what was paid beside it over the counter
    return carry_out_exchange(row, order, sale, found, actor=actor, now=now)


@transaction.atomic
def drop_exchange_payment(exchange: Exchange, *, pay_order_id: int) -> None:
    """WeChat says nobody will pay this order any more: another may be begun until the exchange itself ends."""
    row = _held(exchange)
    row.payments.filter(pay_order_id=pay_order_id, state=SalePayment.State.WAITING).update(
        state=SalePayment.State.CLOSED
    )


@transaction.atomic
def go_on_with_exchange(refund: SaleRefund, *, actor: Actor, now: datetime) -> None:
    """Exchange what was approved, at the price of the day it was asked; what changed meanwhile has to be asked anew."""
    order, sale = locked(refund.sale or refund.order)
    row = _held(refund.exchange)
    if row.state != State.ASKED:
        return
    try:
        found = _as_asked(row, order, sale)
    except Conflict:
        SaleRefund.objects.filter(pk=refund.pk).update(state=SaleRefund.State.REFUSED)
        close_exchange(row, reason="这一单变过了", actor=actor, now=now)
        return
    carry_out_exchange(row, order, sale, found, actor=actor, now=now)


@transaction.atomic
def close_exchange(exchange: Exchange, *, reason: str, actor: Actor, now: datetime) -> Exchange:
    """Give it up: a card that paid gets its money back by reversal. Raises ExchangeMoved once it is done."""
    _order, sale = locked(exchange.order)
    row = _held(exchange)
    if row.state == State.CLOSED:
        return row
    if row.state not in Exchange.OPEN:
        raise ExchangeMoved(_("已经换好了"))
    if sale is not None:
        give_up_wechat(sale, now=now, why=reason, exchange=row)
    for payment in row.payments.filter(way=Way.WALLET, state=SalePayment.State.SETTLED):
        wallet.reverse_transfer(
            payment.transfer_id or 0, key=f"exchange:{row.pk}:closed", reason="exchange_closed", actor=actor, now=now
        )
    row.payments.exclude(state=SalePayment.State.CLOSED).update(state=SalePayment.State.CLOSED)
    SaleRefund.objects.filter(exchange=row, state=SaleRefund.State.ASKED).update(state=SaleRefund.State.REFUSED)
    row.move_to(State.CLOSED, ended_at=now, why=reason[:64])
    audit.record(actor, "exchange.closed", row, reason=reason)
    return row


def close_expired_exchanges(*, now: datetime, batch: int = 200) -> dict[str, int]:
    """End the exchanges whose difference nobody paid in time, each in a transaction of its own."""
    closed = 0
    due = Exchange.objects.filter(state=State.AWAITING_PAYMENT, expires_at__lte=now).order_by("expires_at", "pk")
    for row in list(due[:batch]):
        with transaction.atomic():
            try:
                with transaction.atomic():
                    close_exchange(row, reason="到时没有补差价", actor=Actor.system(), now=now)
                closed += 1
            except (wechatpay.PaidAlready, ExchangeMoved):  # his payment is on its way to us, or it is done
                continue
    return {"exchanges_closed": closed}


# ---------------------------------------------------------------- whether


def _held(exchange: Exchange) -> Exchange:
    """Return an exchange as it stands; the caller holds the row of its order, by which all acts on it wait for each other."""
    return Exchange.objects.select_related("sku__style", "store__unit", "refund").get(pk=exchange.pk)


def _must_be_allowed(
    order: Order, line_no: int, sku: Sku, place: Store, *, is_faulty: bool, sealed: Collection[int], asked_at: datetime
) -> None:
    returns.must_be_sold(order)
    returns.must_be_of_the_kind(order, place)
    returns.must_be_exchanged_in_time(order, is_faulty=is_faulty, now=asked_at)
    must_be_returnable(order, [line_no], is_faulty=is_faulty, sealed=sealed)
    line = OrderLine.objects.filter(order=order, line_no=line_no).first()
    if line is None:
        raise NotExchangeable(_("没有这一件"))
    is_same = (line.sku_code, line.size) == (sku.style.sku_code, sku.size)
    if is_same and not is_faulty:  # a fault is made good with the very same
        raise SamePiece()
    if not is_faulty and is_same_style(order, line_no, sku) and sizes_taken(order, line_no) >= SIZES_MOST:
        raise ExchangedTwice()


def _reckoned(
    order: Order, sale: Sale | None, line_no: int, sku: Sku, quantity: int, place: Store, *, at: datetime
) -> ExchangeQuote:
    try:
        return reckon_exchange(order, sale, line_no=line_no, quantity=quantity, sku=sku, store=place, at=at)
    except NothingLeft:
        raise NotExchangeable(_("这一件已经退了或者换过了")) from None


def _as_asked(row: Exchange, order: Order, sale: Sale | None) -> ExchangeQuote:
    """Return what it means by the prices it was asked at. Raises Conflict where the order is another by now."""
    found = _reckoned(order, sale, row.line_no, row.sku, row.quantity, row.store, at=row.asked_at)
    if found.difference_fen != row.difference_fen or order.status != Order.Status.PAID:
        raise NotExchangeable(_("这一单变过了，请重新办"))
    return found


# ---------------------------------------------------------------- the difference


def _begin(
    order: Order, sale: Sale | None, line_no: int, sku: Sku, quantity: int, place: Store, found: ExchangeQuote, *, key: str,
    is_faulty: bool, actor: Actor, now: datetime,
) -> Exchange:  # fmt: skip
    row = Exchange(
        order=order, sale=sale, store=place, key=key, line_no=line_no, quantity=quantity, sku=sku, is_faulty=is_faulty,
        state=State.AWAITING_PAYMENT if found.difference_fen > 0 else State.ASKED, price_fen=found.price_fen,
        difference_fen=found.difference_fen, by_id=actor.staff_id, asked_at=now, expires_at=now + TO_PAY,
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise ExchangeOpen() from None
    return row


def _take(
    row: Exchange, sale: Sale, ways: Sequence[Pay], use_wallet: bool | int, *, actor: Actor, now: datetime
) -> bool:  # fmt: skip
    """Take what is left of the difference by card and otherwise. Return whether somebody has to pay first."""
    taken = row.payments.exclude(state=SalePayment.State.CLOSED).aggregate(fen=Sum("amount_fen"))["fen"] or 0
    due = row.due_fen - taken
    if use_wallet and sale.member is not None and not taken:
        held = means_of(sale.member, now=now).wallet_fen
        part = min(due, held if use_wallet is True else use_wallet)
        if part > 0:
            _take_from_card(row, sale, part, actor=actor, now=now)
            due -= part
    if write_payments(sale, fitting(ways, due), now=now, exchange=row):
        Exchange.objects.filter(pk=row.pk).update(expires_at=now + TO_PAY)
        row.expires_at = now + TO_PAY
        return True
    take_in(sale, actor=actor, now=now, exchange=row)
    return False


def _take_from_card(row: Exchange, sale: Sale, part: int, *, actor: Actor, now: datetime) -> None:
    assert sale.member is not None
    nth = row.payments.count()  # one that was given up gave its key away
    paid = wallet.spend(
        sale.member, amount_fen=part, key=f"exchange:{row.pk}:{nth}:card", subject=subject_of(sale), store=row.store, actor=actor, now=now
    )  # fmt: skip
    SalePayment.objects.create(
        sale=sale, exchange=row, way=Way.WALLET, amount_fen=part, state=SalePayment.State.SETTLED, settled_at=now,
        transfer_id=paid.transfer_id,
    )  # fmt: skip


def _ask_back(row: Exchange, found: ExchangeQuote, *, note: str, actor: Actor, now: datetime) -> None:
    """Write what goes back; carry it out, or ask whoever has to approve it."""
    order, sale = row.order, row.sale
    refund = SaleRefund.objects.create(
        order=order, sale=sale, key=f"exchange:{row.pk}", state=SaleRefund.State.ASKED, reason=SaleRefund.Reason.EXCHANGE,
        note=note.strip()[:255], store=row.store, by_id=actor.staff_id, asked_at=now, amount_fen=row.back_fen,
        wallet_fen=found.wallet_fen, withheld_fen=found.withheld_fen, points_back=found.swap.points,
    )  # fmt: skip
    Exchange.objects.filter(pk=row.pk).update(refund=refund, expires_at=None)
    row.refund, row.expires_at = refund, None
    kind = needs_approval(actor, row.back_fen, now=now)
    if kind is None:
        carry_out_exchange(row, order, sale, found, actor=actor, now=now)
        return
    ask_approval(
        kind, key=f"order:{order.pk}", title=f"{row.store.short_name}换货，退差价 {yuan(row.back_fen, cents=True)}",
        reason=note.strip() or "换了便宜的款", unit=row.store.unit, facts={"refund": refund.pk}, url=f"/g/till/refunds/{refund.pk}/",
        actor=actor, now=now,
    )  # fmt: skip
    audit.record(actor, "refund.asked", refund, after={"order": order.pk, "amount_fen": row.back_fen}, reason=note)
