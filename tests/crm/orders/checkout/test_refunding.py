"""Goods come back: money by its ways, points, coupon, level, order and stock; who may decide; until when."""

from datetime import timedelta

import pytest

from crm.benefits import services as benefits
from crm.catalogue.queries import available
from crm.members.models import Member
from crm.orders.checkout import services
from crm.orders.checkout.models import RefundPart, Sale, SaleRefund
from crm.orders.models import Order
from crm.wallet import services as wallet
from guides.approvals import services as approvals
from guides.approvals.models import Approval
from tests.factories import checkout as make
from tests.factories.crm import make_order
from tests.factories.guides import actor, make_staff, make_store
from yejibao.core import clock
from yejibao.core.models import OutboxEvent
from yejibao.wechatpay.models import PayRefund

from .conftest import Shop
from .test_selling import refusal
from .test_waiting import NATIVE, pay_at_wechat, settle


def back(shop: Shop, sold: Sale | Order, *lines: tuple[int, int], key: str = "r1", **more: object) -> SaleRefund:
    who = more.pop("actor", shop.manager)
    return services.refund_lines(sold, lines, key=key, actor=who, now=clock.now(), **more)  # type: ignore[arg-type]


@pytest.fixture
def sold(shop: Shop) -> Sale:
    """Suit and shirt, with coupon, points, 200 yuan of the card and the rest in cash."""
    coupon = make.give_coupon(shop.member, 10000)
    return shop.paid(coupon_id=coupon.pk, points=5000, use_wallet=20000)


def test_one_piece_is_worth_its_share_and_each_way_gets_its_part(shop: Shop, sold: Sale) -> None:
    refund = back(shop, sold, (2, 1))
    assert (refund.state, refund.amount_fen, refund.points_back, refund.is_full) == ("done", 25312, 1496, False)
    shares = sold.lines.get(line_no=2)
    parts = dict(RefundPart.objects.filter(refund=refund).values_list("payment__way", "amount_fen"))
    assert parts == {
        "wallet": shares.principal_fen + shares.gift_fen,
        "cash": 25312 - shares.principal_fen - shares.gift_fen,
    }
    order = Order.objects.get(pk=sold.order_id)
    assert (order.refunded_fen, order.net_amount_fen, order.status) == (25312, 59288, "paid")
    assert refund.points_taken == 846 - 592
    sold.coupon.refresh_from_db()
    assert sold.coupon.state == "used"
    later = clock.now() + timedelta(seconds=1)
    assert available([shop.shirt.pk], [shop.org.store.pk], now=later) == {(shop.org.store.pk, shop.shirt.pk): 5}
    assert OutboxEvent.objects.filter(topic="crm.order_returned").count() == 1
    assert Member.objects.get(pk=shop.member.pk).spend_180_fen == 59288


def test_all_of_it_ends_where_it_began(shop: Shop, sold: Sale) -> None:
    back(shop, sold, (2, 1), key="r1")
    refund = back(shop, sold, (1, 1), key="r2")
    assert refund.is_full
    sold.refresh_from_db()
    sold.coupon.refresh_from_db()
    assert (sold.state, sold.refunded_fen, sold.coupon.state) == ("refunded", 84600, "usable")
    balance, points = wallet.balance_of(shop.member), benefits.points_of(shop.member, now=clock.now())
    assert (balance.principal_fen, balance.gift_fen, points.usable, points.frozen) == (200000, 12000, 8420, 0)
    assert Order.objects.get(pk=sold.order_id).status == "returned"
    assert refusal(lambda: back(shop, sold, (1, 1), key="r3")) == "order.not_returnable"


def test_the_same_return_twice_is_one(shop: Shop, sold: Sale) -> None:
    assert back(shop, sold, (2, 1)).pk == back(shop, sold, (2, 1)).pk
    assert refusal(lambda: back(shop, sold, (2, 1), key="another")) == "order.return_exceeds"
    assert refusal(lambda: back(shop, sold, key="none")) == "order.return_nothing"


def test_wechat_money_is_back_when_wechat_says_so(shop: Shop) -> None:
    sale = shop.confirm(shop.sale(), way=NATIVE)
    settle(sale, pay_at_wechat(sale))
    refund = back(shop, sale, (2, 1))
    asked = PayRefund.objects.get()
    assert (refund.state, asked.amount_fen) == ("paying", 29800)
    services.settle_refund(asked.pk, now=clock.now())
    services.settle_refund(asked.pk, now=clock.now())
    refund.refresh_from_db()
    assert (refund.state, RefundPart.objects.get().done_at) == ("done", clock.now())


def test_the_days_of_return(shop: Shop, sold: Sale) -> None:
    clock.travel(clock.parse_iso("2026-03-08 21:59"))
    back(shop, sold, (2, 1))
    clock.travel(clock.parse_iso("2026-03-08 22:00"))
    assert refusal(lambda: back(shop, sold, (1, 1), key="late")) == "order.return_too_late"
    clock.travel(clock.parse_iso("2026-03-31 12:00"))
    assert back(shop, sold, (1, 1), key="fault", reason="quality").state == "done"


def test_a_parcel_has_seven_days_from_its_arrival(shop: Shop) -> None:
    order = make_order(
        shop.member, paid_at="2026-02-01 15:00", store=shop.org.store, is_delivery=True, received_at="2026-02-27 10:00"
    )
    clock.travel(clock.parse_iso("2026-03-06 23:59"))
    assert back(shop, order, (1, 1)).amount_fen == 128000
    late = make_order(
        shop.member, paid_at="2026-02-01 15:00", store=shop.org.store, is_delivery=True, received_at="2026-02-27 10:00"
    )
    clock.travel(clock.parse_iso("2026-03-07 00:00"))
    assert refusal(lambda: back(shop, late, (1, 1), key="late")) == "order.return_too_late"


def test_goods_come_back_to_stores_of_the_same_kind(shop: Shop, sold: Sale) -> None:
    dealers = make_store(area=shop.org.area, kind="dealer")
    assert refusal(lambda: back(shop, sold, (1, 1), store=dealers)) == "order.return_elsewhere"
    assert back(shop, sold, (1, 1), store=shop.org.other_store).store == shop.org.other_store


def test_a_guide_asks_and_the_manager_lets_it_go(shop: Shop, sold: Sale) -> None:
    refund = back(shop, sold, (2, 1), actor=shop.guide)
    assert (refund.state, Order.objects.get(pk=sold.order_id).refunded_fen) == ("asked", 0)
    assert refusal(lambda: back(shop, sold, (1, 1), key="second", actor=shop.guide)) == "approval.waits"
    approvals.approve(Approval.objects.get(), actor=shop.manager, now=clock.now())
    refund.refresh_from_db()
    assert (refund.state, refund.amount_fen) == ("done", 25312)


def test_a_refused_return_moves_nothing(shop: Shop, sold: Sale) -> None:
    refund = back(shop, sold, (2, 1), actor=shop.guide)
    approvals.refuse(Approval.objects.get(), actor=shop.manager, now=clock.now(), answer="穿过了")
    refund.refresh_from_db()
    assert (refund.state, Order.objects.get(pk=sold.order_id).refunded_fen) == ("refused", 0)


def test_beyond_the_limit_finance_has_the_last_word(shop: Shop) -> None:
    coat = make.make_sku(399900, store=shop.org.store)
    sale = shop.paid((coat, 1), member=False)
    assert back(shop, sale, (1, 1)).state == "asked"
    finance = actor(make_staff("finance", unit=shop.org.hq, name="钱芳"))
    approvals.approve(Approval.objects.get(), actor=finance, now=clock.now())
    assert Order.objects.get(pk=sale.order_id).status == "returned"


def test_finance_is_two_people_from_500_yuan(shop: Shop, sold: Sale) -> None:
    one = actor(make_staff("finance", unit=shop.org.hq))
    assert back(shop, sold, (2, 1), actor=one).state == "done"
    assert back(shop, sold, (1, 1), key="r2", actor=one).state == "asked"


def test_a_gift_does_not_come_back_alone(shop: Shop) -> None:
    from crm.orders.checkout.models import Promotion

    tie = make.make_sku(9900, store=shop.org.store)
    facts = {"starts_at": clock.now(), "made_at": clock.now()}
    Promotion.objects.create(name="满 900 送领带", kind="gift", gift_sku=tie, threshold_fen=90000, **facts)
    sale = shop.paid()
    assert refusal(lambda: back(shop, sale, (3, 1))) == "order.gift_alone"
    kept = back(shop, sale, (1, 1))
    assert (kept.amount_fen, kept.withheld_fen) == (69800 - 9900, 9900)


def test_an_order_of_the_feed_gives_back_at_the_till_that_took_it(shop: Shop) -> None:
    order = make_order(shop.member, paid_at=clock.now(), store=shop.org.store, guide=shop.org.guide)
    refund = back(shop, order, (1, 1))
    assert (refund.state, refund.amount_fen, refund.sale) == ("done", 128000, None)
    assert Order.objects.get(pk=order.pk).status == "returned"
