"""One piece for another at our till: the difference by every way, the order, the goods; and what comes back afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.benefits import services as benefits
from crm.catalogue.models import Sku
from crm.catalogue.queries import available
from crm.orders.checkout import services
from crm.orders.checkout.models import Exchange, Promotion, RefundPart, Sale, SalePayment, SaleRefund
from crm.orders.models import Order, OrderLine
from crm.wallet import services as wallet
from crm.wallet.models import LedgerEntry
from guides.approvals import services as approvals
from guides.approvals.models import Approval
from tests.factories import checkout as make
from tests.factories.crm import make_order
from tests.factories.guides import actor, make_staff
from tests.factories.portal import sign_in_member
from yejibao.core import clock
from yejibao.core.models import OutboxEvent
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayOrder, PayRefund

from .conftest import Shop
from .test_refunding import back
from .test_selling import refusal
from .test_waiting import NATIVE, pay_at_wechat, settle

CASH = [services.Pay("cash")]


def swap(shop: Shop, sold: Sale | Order, line_no: int, sku: Sku, *, key: str = "x1", **more: Any) -> Exchange:
    who = more.pop("actor", shop.manager)
    return services.exchange_piece(sold, line_no, sku, key=key, actor=who, now=clock.now(), **more)


def looked_at(client: Client, row: Exchange, *, had: str = "") -> Any:
    """His page asks for its part again, as static/js/live.js does."""
    return client.get(f"/my/exchanges/{row.public_id}/", headers={"HX-Request": "true", "If-None-Match": f'"{had}"'})


@pytest.fixture
def coat(shop: Shop) -> Sku:
    return make.make_sku(99800, store=shop.org.store, category_l1="大衣")


@pytest.fixture
def tie(shop: Shop) -> Sku:
    return make.make_sku(19800, store=shop.org.store, category_l1="配饰")


@pytest.fixture
def sold(shop: Shop) -> Sale:
    """Suit and shirt, with coupon, points, 200 yuan of the card and the rest in cash."""
    coupon = make.give_coupon(shop.member, 10000)
    return shop.paid(coupon_id=coupon.pk, points=5000, use_wallet=20000)


def net(sale: Sale) -> int:
    return Order.objects.get(sale=sale).net_amount_fen


def test_a_dearer_style_is_paid_at_the_counter_and_all_of_it_comes_back(shop: Shop, sold: Sale, coat: Sku) -> None:
    row = swap(shop, sold, 1, coat, ways=CASH, expected_difference_fen=30000)
    assert (row.state, row.price_fen, row.difference_fen, row.new_line_no) == ("done", 99800, 30000, 3)
    assert net(sold) == 84600 + 30000
    lines = OrderLine.objects.filter(order=sold.order).order_by("line_no")
    assert [(line.line_no, line.sku_code == coat.style.sku_code, bool(line.replaced_by_id)) for line in lines] == [
        (1, False, True), (2, False, False), (3, True, False),
    ]  # fmt: skip
    there = available([shop.suit.pk, coat.pk], [shop.org.store.pk], now=clock.now() + timedelta(seconds=1))
    assert there == {(shop.org.store.pk, shop.suit.pk): 5, (shop.org.store.pk, coat.pk): 4}
    assert OutboxEvent.objects.filter(topic="crm.order_exchanged").count() == 1
    # The piece that came for it goes back with exactly what he paid for it: 592.88 then, 300 now.
    refund = back(shop, sold, (3, 1))
    assert (refund.state, refund.amount_fen, refund.points_back) == ("done", 59288 + 30000, 3504)
    whole = back(shop, sold, (2, 1), key="r2")
    sold.refresh_from_db()
    assert (whole.is_full, sold.refunded_fen, sold.state, net(sold)) == (True, 114600, "refunded", 0)
    assert all(one.refunded_fen == one.amount_fen for one in sold.payments.all())
    balance, points = wallet.balance_of(shop.member), benefits.points_of(shop.member, now=clock.now())
    assert (balance.principal_fen, balance.gift_fen, points.usable, points.frozen) == (200000, 12000, 8420, 0)
    assert sum(entry.side * entry.amount_fen for entry in LedgerEntry.objects.all()) == 0


def test_points_follow_what_it_came_to(shop: Shop, sold: Sale, coat: Sku) -> None:
    before = benefits.points_of(shop.member, now=clock.now()).frozen
    swap(shop, sold, 1, coat, ways=CASH)
    assert benefits.points_of(shop.member, now=clock.now()).frozen == before + 300


def test_the_card_pays_only_when_he_shows_his_code(shop: Shop, sold: Sale, coat: Sku) -> None:
    assert refusal(lambda: swap(shop, sold, 1, coat, use_wallet=True)) == "card.member_must_show"
    before = wallet.balance_of(shop.member).total_fen
    row = swap(shop, sold, 1, coat, use_wallet=True, has_shown_code=True)
    assert (row.state, wallet.balance_of(shop.member).total_fen) == ("done", before - 30000)
    refund = back(shop, sold, (3, 1))
    card = RefundPart.objects.filter(refund=refund, payment__way="wallet").values_list("amount_fen", flat=True)
    assert (refund.amount_fen, sum(card)) == (
        89288,
        sold.lines.get(line_no=1).principal_fen + sold.lines.get(line_no=1).gift_fen + 30000,
    )


def test_he_pays_the_difference_on_his_phone(shop: Shop, sold: Sale, coat: Sku) -> None:
    row = swap(shop, sold, 1, coat, by_link=True, actor=shop.guide)
    assert (row.state, row.due_fen, net(sold)) == ("awaiting_payment", 30000, 84600)
    assert refusal(lambda: swap(shop, sold, 1, coat, key="x2", ways=CASH)) == "exchange.open"
    his = Actor(kind="member", member_id=shop.member.pk)
    asked = services.member_pays_exchange(
        row, member=shop.member, use_wallet=10000, payer_openid="o-1", key="k", actor=his, now=clock.now(), expected_due_fen=30000
    )  # fmt: skip
    order = PayOrder.objects.get(purpose="exchange", subject=str(row.pk))
    assert (asked.state, order.amount_fen) == ("awaiting_payment", 20000)
    PayOrder.objects.filter(pk=order.pk).update(state="paid", transaction_id="4200", paid_at=clock.now())
    for _twice in range(2):
        done = services.settle_exchange_payment(row, pay_order_id=order.pk, transaction_id="4200", now=clock.now())
    assert (done.state, net(sold)) == ("done", 114600)
    assert list(Exchange.objects.visible_to(his)) == [done]


def test_nobody_paid_in_time(shop: Shop, sold: Sale, coat: Sku) -> None:
    row = swap(shop, sold, 1, coat, by_link=True)
    his = Actor(kind="member", member_id=shop.member.pk)
    before = wallet.balance_of(shop.member).total_fen
    services.member_pays_exchange(
        row, member=shop.member, use_wallet=10000, payer_openid="o", key="k", actor=his, now=clock.now()
    )
    order = PayOrder.objects.get(purpose="exchange")
    clock.travel(clock.now() + timedelta(minutes=16))
    assert services.close_expired_exchanges(now=clock.now()) == {"exchanges_closed": 1}
    assert (Exchange.objects.get().state, wallet.balance_of(shop.member).total_fen) == ("closed", before)
    # His money comes after all: it goes back, nothing is exchanged.
    PayOrder.objects.filter(pk=order.pk).update(state="paid", transaction_id="4201", paid_at=clock.now())
    services.settle_exchange_payment(row, pay_order_id=order.pk, transaction_id="4201", now=clock.now())
    assert (PayRefund.objects.get().amount_fen, net(sold)) == (20000, 84600)


def test_what_came_back_meanwhile_is_not_exchanged(shop: Shop, sold: Sale, coat: Sku) -> None:
    row = swap(shop, sold, 1, coat, by_link=True)
    his = Actor(kind="member", member_id=shop.member.pk)
    services.member_pays_exchange(row, member=shop.member, payer_openid="o", key="k", actor=his, now=clock.now())
    order = PayOrder.objects.get(purpose="exchange")
    back(shop, sold, (1, 1))
    PayOrder.objects.filter(pk=order.pk).update(state="paid", transaction_id="4202", paid_at=clock.now())
    services.settle_exchange_payment(row, pay_order_id=order.pk, transaction_id="4202", now=clock.now())
    assert (Exchange.objects.get().state, PayRefund.objects.get().amount_fen) == ("closed", 30000)


def test_what_is_cheaper_goes_back_by_the_way_it_was_paid(shop: Shop, tie: Sku) -> None:
    sale = shop.confirm(shop.sale(), way=NATIVE)
    settle(sale, pay_at_wechat(sale))
    row = swap(shop, sale, 1, tie, actor=shop.guide)
    assert (row.state, row.back_fen, net(sale)) == ("asked", 50000, 99600)
    approvals.approve(Approval.objects.get(), actor=shop.manager, now=clock.now())
    row.refresh_from_db()
    refund = SaleRefund.objects.get()
    assert (row.state, refund.state, refund.reason, net(sale)) == ("done", "paying", "exchange", 49600)
    assert PayRefund.objects.get().amount_fen == 50000
    services.settle_refund(PayRefund.objects.get().pk, now=clock.now())
    later = back(shop, sale, (3, 1))
    assert (later.amount_fen, PayRefund.objects.order_by("-pk")[0].amount_fen) == (19800, 19800)


def test_his_page_changes_by_itself_when_it_was_decided(shop: Shop, tie: Sku, coat: Sku, client: Client) -> None:
    sign_in_member(client, shop.member)
    row = swap(shop, shop.paid(), 1, tie, actor=shop.guide)
    page = client.get(f"/my/exchanges/{row.public_id}/")
    mark = page.headers["ETag"].strip('"')
    assert "门店在走流程" in page.content.decode() and f'data-mark="{mark}"' in page.content.decode()
    assert looked_at(client, row, had=mark).status_code == 304  # nothing new
    approvals.refuse(Approval.objects.get(), actor=shop.manager, now=clock.now(), answer="穿过了")
    fresh = looked_at(client, row, had=mark)
    assert "这次没有换" in fresh.content.decode() and "<html" not in fresh.content.decode()
    # What he pays by himself is asked after by the page that pays: it does not change under his thumb.
    due = swap(shop, shop.paid(), 1, coat, by_link=True, actor=shop.guide, key="x2")
    assert "data-live" in client.get(f"/my/exchanges/{due.public_id}/").content.decode()
    services.member_pays_exchange(
        due, member=shop.member, use_wallet=False, payer_openid="o-1", key="k", actor=Actor(kind="member", member_id=shop.member.pk),
        now=clock.now(), expected_due_fen=due.due_fen,
    )  # fmt: skip
    page = client.get(f"/my/exchanges/{due.public_id}/").content.decode()
    assert "data-pay-go" in page and "data-live" not in page
    assert looked_at(client, due).headers["HX-Redirect"] == f"/my/exchanges/{due.public_id}/"  # begun on another phone


def test_an_exchange_nobody_agreed_to_is_none(shop: Shop, tie: Sku) -> None:
    sale = shop.paid()
    swap(shop, sale, 1, tie, actor=shop.guide)
    approvals.refuse(Approval.objects.get(), actor=shop.manager, now=clock.now(), answer="穿过了")
    assert (Exchange.objects.get().state, SaleRefund.objects.get().state, net(sale)) == ("closed", "refused", 99600)


def test_the_price_of_a_promotion_is_kept_for_the_same_style(shop: Shop) -> None:
    facts = {"starts_at": clock.now() - timedelta(days=1), "made_at": clock.now()}
    offer = Promotion.objects.create(
        name="西服七折", kind="item", percent=30, styles=[shop.suit.style.style_no], **facts
    )
    sale = shop.paid((shop.suit, 1))
    assert sale.paid_fen == 48860
    Promotion.objects.filter(pk=offer.pk).update(ends_at=clock.now() + timedelta(minutes=1))
    clock.travel(clock.now() + timedelta(days=2))
    sizes = [
        Sku.objects.create(code=f"{shop.suit.style.sku_code}-{size}", style=shop.suit.style, size=size)
        for size in "ABC"
    ]
    first = swap(shop, sale, 1, sizes[0], key="a")
    second = swap(shop, sale, first.new_line_no or 0, sizes[1], key="b")
    assert (first.difference_fen, second.difference_fen, net(sale)) == (0, 0, 48860)
    assert refusal(lambda: swap(shop, sale, second.new_line_no or 0, sizes[2], key="c")) == "exchange.twice"
    assert back(shop, sale, (second.new_line_no or 0, 1)).amount_fen == 48860


def test_one_of_three_alike_is_exchanged(shop: Shop, tie: Sku) -> None:
    sale = shop.paid((shop.shirt, 3))
    row = swap(shop, sale, 1, tie)
    assert (row.difference_fen, row.new_line_no, net(sale)) == (-10000, 3, 79400)
    assert [back(shop, sale, (no, n), key=f"r{no}").amount_fen for no, n in ((1, 2), (3, 1))] == [59600, 19800]
    assert refusal(lambda: back(shop, sale, (2, 1), key="again")) == "order.not_returnable"


def test_an_order_of_the_feed_settles_at_its_own_till(shop: Shop, coat: Sku) -> None:
    order = make_order(shop.member, paid_at=clock.now(), store=shop.org.store, guide=shop.org.guide, amount_fen=80000)
    assert refusal(lambda: swap(shop, order, 1, coat, by_link=True)) == "exchange.at_its_till"
    row = swap(shop, order, 1, coat)
    order.refresh_from_db()
    assert (row.state, row.difference_fen, order.net_amount_fen) == ("done", 19800, 99800)
    assert not SalePayment.objects.filter(exchange=row).exists()
    assert back(shop, order, (2, 1)).amount_fen == 99800


def test_a_cheaper_piece_of_the_feed_and_back(shop: Shop, tie: Sku) -> None:
    order = make_order(shop.member, paid_at=clock.now(), store=shop.org.store, guide=shop.org.guide, amount_fen=80000)
    swap(shop, order, 1, tie)
    order.refresh_from_db()
    assert (order.net_amount_fen, back(shop, order, (2, 1)).amount_fen) == (19800, 19800)


def test_days_places_and_pieces_that_are_not_exchanged(shop: Shop, sold: Sale, coat: Sku) -> None:
    assert refusal(lambda: swap(shop, sold, 1, shop.suit)) == "exchange.same_piece"
    assert refusal(lambda: swap(shop, sold, 9, coat, ways=CASH)) == "order.not_exchangeable"
    assert refusal(lambda: swap(shop, sold, 1, coat, ways=CASH, expected_difference_fen=1)) == "sale.price_changed"
    clock.travel(clock.parse_iso("2026-03-08 22:00"))
    assert refusal(lambda: swap(shop, sold, 1, coat, ways=CASH)) == "order.return_too_late"
    clock.travel(clock.parse_iso("2026-05-30 12:00"))
    assert swap(shop, sold, 1, shop.suit, is_faulty=True).state == "done"  # a fault: the very same, new
    clock.travel(clock.parse_iso("2026-05-30 22:00"))
    assert refusal(lambda: swap(shop, sold, 2, shop.shirt, key="late", is_faulty=True)) == "order.return_too_late"


def test_the_same_exchange_twice_is_one(shop: Shop, sold: Sale, coat: Sku) -> None:
    assert swap(shop, sold, 1, coat, ways=CASH).pk == swap(shop, sold, 1, coat, ways=CASH).pk
    assert net(sold) == 114600


# ---------------------------------------------------------------- what does not come back


def test_opened_socks_stay(shop: Shop) -> None:
    socks = make.make_sku(3900, store=shop.org.store, category_l2="袜内衣")
    sale = shop.paid((socks, 1), (shop.suit, 1))
    assert refusal(lambda: back(shop, sale, (1, 1))) == "order.opened"
    assert back(shop, sale, (1, 1), sealed=(1,)).state == "done"


def test_a_price_that_says_so_is_final_but_for_a_fault(shop: Shop) -> None:
    facts = services.PromotionFacts(
        "残次特价", "item", clock.now(), percent=50, styles=[shop.suit.style.style_no], is_final=True
    )
    services.make_promotion(facts, actor=actor(make_staff("hq_merch", unit=shop.org.hq)), now=clock.now())
    sale = shop.paid((shop.suit, 1), (shop.shirt, 1))
    assert refusal(lambda: back(shop, sale, (1, 1))) == "order.not_returnable"
    assert back(shop, sale, (2, 1)).state == "done"
    assert back(shop, sale, (1, 1), key="fault", reason="quality").state == "done"


def test_what_was_made_to_measure_stays(shop: Shop) -> None:
    sale = shop.paid((shop.suit, 1))
    OrderLine.objects.filter(order=sale.order).update(is_made_to_measure=True)
    assert refusal(lambda: back(shop, sale, (1, 1))) == "order.not_returnable"


# ---------------------------------------------------------------- spoilt by us


def test_a_spoilt_piece_is_paid_for_by_its_way_and_never_twice(shop: Shop, sold: Sale) -> None:
    order = Order.objects.get(pk=sold.order_id)

    def pay(who: Actor, key: str, fen: int = 40000) -> SaleRefund:
        return services.compensate_line(
            order, line_no=1, amount_fen=fen, key=key, note="烫坏了", store=shop.org.store, actor=who, now=clock.now()
        )

    refund = pay(shop.guide, "c1")
    assert (refund.state, net(sold)) == ("asked", 84600)
    approvals.approve(Approval.objects.get(), actor=shop.manager, now=clock.now())
    refund.refresh_from_db()
    assert (refund.state, sum(refund.parts.values_list("amount_fen", flat=True)), net(sold)) == ("done", 40000, 84600)
    assert refusal(lambda: back(shop, sold, (1, 1))) == "order.not_returnable"
    assert back(shop, sold, (2, 1)).amount_fen == 25312
    assert refusal(lambda: pay(shop.manager, "c2", 50000)) == "order.nothing_to_make_good"
    assert sum(entry.side * entry.amount_fen for entry in LedgerEntry.objects.all()) == 0
