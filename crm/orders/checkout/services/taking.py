"""What a confirmed sale takes, and what goes back if nobody pays: goods, coupon, points, card, money, the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from crm.benefits import services as benefits
from crm.catalogue import services as catalogue
from crm.catalogue.item_models import ItemCode
from crm.catalogue.services.holding import lock_level
from crm.orders.models import Order
from crm.orders.services import ingest_orders
from crm.wallet import services as wallet
from crm.wallet.models import Account, LedgerEntry
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from ..models import Exchange, Sale, SaleLine, SalePayment, SalePiece
from ..queries import Priced, lines_of, on_hand, terms_to_keep

State, Way = Sale.State, SalePayment.Way
TO_PAY = timedelta(minutes=15)  # as long a sale waits for WeChat
PURPOSE, EXCHANGE = "sale", "exchange"  # of an order at WeChat
AMOUNTS = (
    "tag_fen", "item_off_fen", "order_off_fen", "coupon_fen", "points_fen", "principal_fen", "gift_fen", "paid_fen",
)  # fmt: skip
KINDS = {
    Sale.Channel.TILL: Order.Kind.RETAIL,
    Sale.Channel.PROXY: Order.Kind.PROXY,
    Sale.Channel.MALL: Order.Kind.MALL,
    Sale.Channel.LIVE: Order.Kind.LIVE,
}
PAY_WAYS = {
    Way.WECHAT_CODE: PayOrder.Way.CODEPAY,
    Way.WECHAT_NATIVE: PayOrder.Way.NATIVE,
    Way.WECHAT_LINK: PayOrder.Way.JSAPI,
}


class CardMoved(Conflict):
    code, title = "card.moved", _("储值余额刚变过，请看过再收")


class StockGone(Conflict):
    code, title = "stock.gone", _("这件刚卖完")


class WaysDoNotFit(Invalid):
    code, title = "sale.ways", _("各种付款加起来和应付对不上")


class PaymentOpen(Conflict):
    code, title = "sale.payment_open", _("这一单还在等微信付款")


@dataclass(frozen=True)
class Pay:
    """One way for what the card does not pay: SalePayment.Way. `amount_fen` None: all that is due."""

    way: str
    amount_fen: int | None = None
    reference: str = ""
    openid: str = ""  # who is to pay by link


def pay_order_of(payment: SalePayment) -> PayOrder:
    """Return WeChat's order of a payment that goes through WeChat."""
    return PayOrder.objects.get(pk=payment.pay_order_id or 0)


def subject_of(sale: Sale) -> str:
    """Return by what a sale is known to card, coupons, points and stock."""
    return f"sale:{sale.pk}"


# ---------------------------------------------------------------- confirmed


def fitting(ways: Sequence[Pay], due_fen: int) -> list[Pay]:
    """Return the ways with their amounts, which add up to what is due. Raises WaysDoNotFit."""
    if not due_fen:
        return []
    named = sum(one.amount_fen or 0 for one in ways)
    fitted = [
        Pay(one.way, due_fen - named if one.amount_fen is None else one.amount_fen, one.reference, one.openid)
        for one in ways
    ]
    if (
        sum(one.amount_fen or 0 for one in fitted) != due_fen
        or any((one.amount_fen or 0) <= 0 for one in fitted)
        or any(one.way not in Way.values or one.way == Way.WALLET for one in fitted)
        or sum(one.way in SalePayment.WECHAT for one in fitted) > 1
    ):
        raise WaysDoNotFit()
    return fitted


def write_amounts(held: Sale, found: Priced, *, key: str, now: datetime) -> None:
    """Keep what each line was priced at: from here on nothing is asked for again."""
    for line, shares in found.rows:
        for name in AMOUNTS:
            setattr(line, name, getattr(shares, name))
    SaleLine.objects.bulk_update(found.lines, AMOUNTS)
    for name in AMOUNTS:
        setattr(held, name, found.quote.total(name))
    held.points, held.terms = found.quote.points, terms_to_keep(found)
    held.confirm_key, held.confirmed_at = key, now
    held.save(update_fields=[*AMOUNTS, "points", "terms", "confirm_key", "confirmed_at"])


def take_goods(held: Sale, lines: Sequence[SaleLine], *, actor: Actor, now: datetime) -> None:
    """Take the pieces off the shelf. At the till they lie on the counter; what is sold unseen must be there. Raises StockGone."""
    if held.channel != Sale.Channel.TILL:
        _must_be_there(held, lines, now=now)
    catalogue.sold(
        held.store,
        [(line.sku_id, line.quantity) for line in lines],
        subject=subject_of(held),
        key=f"{subject_of(held)}:sold",
        now=now,
        actor=actor,
        member=held.member,
    )


def _must_be_there(held: Sale, lines: Sequence[SaleLine], *, now: datetime) -> None:
    for line in sorted(lines, key=lambda one: one.sku_id):
        lock_level(line.sku, held.store)
    there = on_hand(held, {line.sku_id for line in lines}, now=now)
    for line in lines:
        if (has := there[line.sku_id]) < line.quantity:
            raise StockGone(
                _("%(name)s %(size)s 现在只有 %(has)d 件")
                % {"name": line.sku.style.name, "size": line.sku.size, "has": has},
                line_no=line.line_no,
                available=has,
            )


def take_means(held: Sale, *, actor: Actor, now: datetime) -> None:
    """Hold the coupon, spend points and card."""
    subject = subject_of(held)
    if held.coupon is not None:
        benefits.hold(held.coupon, subject=subject, key=subject, now=now, actor=actor)
    if held.member is None:
        return
    if held.points:
        spent = benefits.spend_points(held.member, held.points, key=subject, subject=subject, now=now, actor=actor)
        held.points_entry_id = spent.entry_id
        held.save(update_fields=["points_entry_id"])
    if held.wallet_fen:
        paid = wallet.spend(
            held.member,
            amount_fen=held.wallet_fen,
            key=f"{subject}:card",
            subject=subject,
            store=held.store,
            actor=actor,
            now=now,
        )
        if (paid.principal_fen, paid.gift_fen) != (held.principal_fen, held.gift_fen):
            raise CardMoved()
        SalePayment.objects.create(
            sale=held,
            way=Way.WALLET,
            amount_fen=held.wallet_fen,
            state=SalePayment.State.SETTLED,
            settled_at=now,
            transfer_id=paid.transfer_id,
        )


def give_means_back(held: Sale, *, actor: Actor, now: datetime) -> None:
    subject = subject_of(held)
    if held.coupon is not None:
        benefits.release(held.coupon, subject=subject, key=subject, now=now, actor=actor)
    if held.points_entry_id:
        benefits.give_back_points(held.points_entry_id, key=f"{subject}:closed", subject=subject, now=now, actor=actor)
    for payment in held.payments.filter(way=Way.WALLET, state=SalePayment.State.SETTLED):
        wallet.reverse_transfer(
            payment.transfer_id or 0, key=f"{subject}:closed", reason="sale_closed", actor=actor, now=now
        )
    held.payments.exclude(state=SalePayment.State.CLOSED).update(state=SalePayment.State.CLOSED)


def write_payments(
    held: Sale, pays: Sequence[Pay], *, now: datetime, exchange: Exchange | None = None
) -> bool:  # fmt: skip
    """Write how a sale, or the difference of an exchange, is paid; what WeChat takes gets its order.

    Return whether somebody has to pay first.
    """
    waits = False
    for pay in pays:
        payment = SalePayment(
            sale=held, exchange=exchange, way=pay.way, amount_fen=pay.amount_fen or 0, state=SalePayment.State.WAITING, reference=pay.reference[:64]
        )  # fmt: skip
        if pay.way in SalePayment.WECHAT:
            order = wechatpay.begin(
                purpose=EXCHANGE if exchange else PURPOSE,
                subject=str(exchange.pk if exchange else held.pk),
                amount_fen=payment.amount_fen,
                description=f"{held.store.short_name} {'换货补差价' if exchange else '购物'}",
                way=PAY_WAYS[Way(pay.way)],
                now=now,
                payer_openid=pay.openid,
                expires_at=now + TO_PAY,
                store_code=held.store.code,
            )
            payment.pay_order_id, waits = order.pk, True
        payment.save()
    return waits


def give_up_wechat(held: Sale, *, now: datetime, why: str, exchange: Exchange | None = None) -> None:
    """Close the order at WeChat that is open. Raises PaidAlready: then its event settles the sale, or the exchange."""
    waiting = held.payments.filter(state=SalePayment.State.WAITING, pay_order_id__isnull=False, exchange=exchange)
    for payment in waiting:
        wechatpay.close(pay_order_of(payment), now=now, why=why)
        payment.state = SalePayment.State.CLOSED
        payment.save(update_fields=["state"])


# ---------------------------------------------------------------- paid


def complete(held: Sale, *, actor: Actor, now: datetime) -> Sale:
    """All that is due is there: book it, write the order with all that follows, and say so."""
    take_in(held, actor=actor, now=now)
    if held.coupon is not None:
        benefits.redeem(
            held.coupon,
            subject=subject_of(held),
            discount_fen=held.coupon_fen,
            sales_fen=held.paid_fen,
            key=subject_of(held),
            now=now,
            actor=actor,
        )
    scanned = ItemCode.objects.filter(pk__in=SalePiece.objects.filter(sale=held).values("item"))
    catalogue.sell_pieces(scanned, held.store, subject=subject_of(held), member=held.member, now=now)
    order = _write_order(held, now=now)
    held.move_to(State.PAID, actor=actor, now=now, paid_at=now, order=order)
    audit.record(actor, "sale.paid", held, after={"order": order.pk, "paid_fen": held.paid_fen})
    return held


def take_in(held: Sale, *, actor: Actor, now: datetime, exchange: Exchange | None = None) -> None:
    """Settle and book what came over the counter. Raises PaymentOpen while WeChat is waited for."""
    for payment in held.payments.filter(state=SalePayment.State.WAITING, exchange=exchange):
        if payment.way in SalePayment.WECHAT:
            raise PaymentOpen()
        payment.state, payment.settled_at = SalePayment.State.SETTLED, now
        payment.save(update_fields=["state", "settled_at"])
        book_takings(held, payment, actor=actor, now=now)


def book_takings(held: Sale, payment: SalePayment, *, actor: Actor, now: datetime) -> None:
    is_wechat = payment.way in SalePayment.WECHAT
    account = Account.CASH_WECHAT if is_wechat else Account.CASH_COUNTER
    booked = wallet.book(
        kind="takings",
        key=f"{subject_of(held)}:pay:{payment.pk}",
        legs=[
            wallet.Leg(account, LedgerEntry.Side.DEBIT, payment.amount_fen),
            wallet.Leg(Account.REVENUE_CLEARING, LedgerEntry.Side.CREDIT, payment.amount_fen),
        ],
        subject=subject_of(held),
        store=held.store,
        actor=actor,
        now=now,
        provider="wechatpay" if is_wechat else "",
        provider_txn=payment.reference if is_wechat else "",
    )
    SalePayment.objects.filter(pk=payment.pk).update(transfer_id=booked.transfer_id)


def _write_order(held: Sale, *, now: datetime) -> Order:
    """Write the order by the way the till's feed comes in, so that both mean the same to everybody who listens."""
    (answer,) = ingest_orders([order_row(held, now=now)], source=f"own_{held.channel}", now=now)
    if answer.order_id is None:
        raise RuntimeError(f"{held} was not taken as an order: {answer.code}")
    return Order.objects.get(pk=answer.order_id)


def order_row(held: Sale, *, now: datetime) -> dict[str, object]:
    """Return a sale as a till would send it."""
    return {
        "number": f"{held.store.code}-{held.number}",
        "store": held.store.code,
        "guide": held.guide.wecom_user_id if held.guide else "",
        "member": {"member_no": held.member.member_no} if held.member else None,
        "kind": str(KINDS[Sale.Channel(held.channel)]),
        "paid_at": now.isoformat(),
        "is_delivery": held.is_delivery,
        "note": held.note,
        "lines": [
            {
                "line_no": line.line_no,
                "sku": line.sku.style.sku_code,
                "size": line.sku.size,
                "quantity": line.quantity,
                "paid_fen": line.paid_fen,
            }
            for line in lines_of(held)
        ],
    }
