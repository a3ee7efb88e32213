"""Sales that wait for WeChat: paid once, given up by reversal, paid too late, tried another way."""

from datetime import timedelta

import pytest

from crm.benefits import services as benefits
from crm.catalogue.queries import available
from crm.orders.checkout import services
from crm.orders.checkout.models import Sale, SalePayment
from crm.orders.models import Order
from crm.wallet import services as wallet
from crm.wallet.models import LedgerEntry, Transfer
from tests.factories import checkout as make
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayOrder, PayRefund

from .conftest import Shop
from .test_selling import refusal

NATIVE = "wechat_native"


def pay_at_wechat(sale: Sale, number: str = "42000001") -> PayOrder:
    """Let the order at WeChat be paid, as the platform's word leaves it."""
    waiting = sale.payments.get(state=SalePayment.State.WAITING)
    PayOrder.objects.filter(pk=waiting.pay_order_id).update(
        state="paid", transaction_id=number, paid_at=clock.now(), next_look_at=None
    )
    return PayOrder.objects.get(pk=waiting.pay_order_id)


def settle(sale: Sale, order: PayOrder) -> Sale:
    return services.settle_payment(
        sale, pay_order_id=order.pk, transaction_id=order.transaction_id or "", now=clock.now()
    )


@pytest.fixture
def waiting(shop: Shop) -> Sale:
    """A sale with coupon, points and card whose rest is to come by WeChat."""
    coupon = make.give_coupon(shop.member, 10000)
    return shop.confirm(shop.sale(coupon_id=coupon.pk, points=5000, use_wallet=20000), way=NATIVE)


def test_it_waits_with_all_it_took_and_is_paid_once(shop: Shop, waiting: Sale) -> None:
    assert (waiting.state, Order.objects.count(), waiting.coupon.state) == ("awaiting_payment", 0, "held")
    assert benefits.points_of(shop.member, now=clock.now()).usable == 3420
    assert wallet.balance_of(shop.member).total_fen == 192000
    order = pay_at_wechat(waiting)
    assert order.amount_fen == 64600
    done, again = settle(waiting, order), settle(waiting, order)
    assert (done.state, again.order_id, Order.objects.count()) == ("paid", done.order_id, 1)
    done.coupon.refresh_from_db()
    assert done.coupon.state == "used"
    booked = Transfer.objects.get(kind="takings")
    assert (booked.provider_txn, booked.total_fen) == ("42000001", 0)
    assert set(booked.entries.values_list("account", "side", "amount_fen")) == {
        ("cash_wechat", LedgerEntry.Side.DEBIT, 64600), ("revenue_clearing", LedgerEntry.Side.CREDIT, 64600),
    }  # fmt: skip


def test_nobody_pays_and_everything_goes_back(shop: Shop, waiting: Sale) -> None:
    clock.travel(clock.now() + timedelta(minutes=14))
    assert services.close_expired(now=clock.now()) == {"closed": 0}
    clock.travel(clock.now() + timedelta(minutes=2))
    assert services.close_expired(now=clock.now()) == {"closed": 1}
    waiting.refresh_from_db()
    waiting.coupon.refresh_from_db()
    assert (waiting.state, waiting.close_reason, waiting.coupon.state) == ("closed", "到时未付", "usable")
    assert benefits.points_of(shop.member, now=clock.now()).usable == 8420
    balance = wallet.balance_of(shop.member)
    assert (balance.principal_fen, balance.gift_fen) == (200000, 12000)
    later = clock.now() + timedelta(seconds=1)
    assert available([shop.suit.pk], [shop.org.store.pk], now=later) == {(shop.org.store.pk, shop.suit.pk): 5}
    assert not waiting.payments.exclude(state="closed").exists()
    assert wallet.trial_balance().difference_fen == 0


def test_what_is_paid_after_closing_goes_back(waiting: Sale, shop: Shop) -> None:
    services.close_sale(waiting, reason="顾客不要了", actor=shop.guide, now=clock.now())
    payment = waiting.payments.get(way=NATIVE)
    PayOrder.objects.filter(pk=payment.pay_order_id).update(
        state="paid", transaction_id="42000002", paid_at=clock.now()
    )
    order = PayOrder.objects.get(pk=payment.pay_order_id)
    settle(waiting, order), settle(waiting, order)
    assert PayRefund.objects.get().amount_fen == 64600
    assert (Sale.objects.get(pk=waiting.pk).state, Order.objects.count()) == ("closed", 0)


def test_a_payment_on_its_way_is_not_given_up(waiting: Sale, shop: Shop) -> None:
    pay_at_wechat(waiting)
    assert (
        refusal(lambda: services.close_sale(waiting, reason="…", actor=shop.guide, now=clock.now()))
        == "pay.paid_already"
    )
    clock.travel(clock.now() + timedelta(hours=1))
    assert services.close_expired(now=clock.now()) == {"closed": 0}
    assert Sale.objects.get(pk=waiting.pk).state == "awaiting_payment"


def test_a_refused_code_can_be_paid_in_cash(waiting: Sale, shop: Shop) -> None:
    payment = waiting.payments.get(way=NATIVE)
    services.drop_payment(waiting, pay_order_id=payment.pay_order_id or 0)
    done = services.pay_rest(waiting, services.Pay("cash"), actor=shop.guide, now=clock.now())
    assert (done.state, done.payments.get(way="cash").amount_fen) == ("paid", 64600)


def test_another_code_takes_the_place_of_the_first(waiting: Sale, shop: Shop) -> None:
    again = services.pay_rest(waiting, services.Pay("wechat_code"), actor=shop.guide, now=clock.now())
    assert again.state == "awaiting_payment"
    assert list(again.payments.exclude(way="wallet").order_by("pk").values_list("way", "state")) == [
        (NATIVE, "closed"), ("wechat_code", "waiting"),
    ]  # fmt: skip
    assert settle(again, pay_at_wechat(again)).state == "paid"


def test_a_draft_is_closed_without_a_trace(shop: Shop) -> None:
    sale = shop.sale()
    services.close_sale(sale, reason="清空", actor=shop.guide, now=clock.now())
    assert Transfer.objects.filter(kind="spend").count() == 0
    assert refusal(lambda: shop.confirm(sale)) == "sale.moved"


def test_the_member_pays_what_he_was_sent(shop: Shop) -> None:
    coupon = make.give_coupon(shop.member, 10000)
    sale = shop.sale(channel="proxy")
    services.offer_to_member(sale, actor=shop.guide, now=clock.now())
    himself = Actor(kind="member", member_id=shop.member.pk, name="王建平")
    paid = services.member_pays(
        sale,
        member=shop.member,
        coupon_id=coupon.pk,
        points=5000,
        use_wallet=True,
        key="m1",
        now=clock.now(),
        actor=himself,
    )
    assert (paid.state, paid.paid_fen, paid.due_fen, paid.order.kind) == ("paid", 84600, 0, "proxy")
    again = services.member_pays(sale, member=shop.member, key="m1", now=clock.now(), actor=himself)
    assert again.order_id == paid.order_id
