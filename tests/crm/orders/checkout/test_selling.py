"""Money in, goods out, points, level, events: one transaction; and the same to the fen as the till's feed."""

from datetime import timedelta
from typing import Any

import pytest

from crm.benefits import services as benefits
from crm.benefits.models import PointsLot
from crm.catalogue.queries import available
from crm.members.models import Member
from crm.orders.checkout import services
from crm.orders.checkout.models import Promotion, Sale, SaleMove
from crm.orders.models import Order, OrderLine
from crm.orders.services import ingest_orders
from crm.wallet import services as wallet
from crm.wallet.models import Transfer
from tests.factories import checkout as make
from tests.factories.crm import make_member
from yejibao.core import clock
from yejibao.core.errors import DomainError, NotFound
from yejibao.core.models import AuditEntry, OutboxEvent

from .conftest import Shop


def refusal(work: Any) -> str:
    """Return the code with which something is refused."""
    with pytest.raises(DomainError) as caught:
        work()
    return caught.value.code


def events(topic: str) -> int:
    return OutboxEvent.objects.filter(topic=topic).count()


def test_a_sale_with_everything_is_one_order(shop: Shop) -> None:
    coupon = make.give_coupon(shop.member, 10000)
    sale = shop.paid(coupon_id=coupon.pk, points=5000, use_wallet=20000)
    order = Order.objects.get(pk=sale.order_id)
    assert (sale.state, sale.paid_fen, sale.due_fen) == ("paid", 84600, 64600)
    assert (order.paid_fen, order.kind, order.source, order.guide, order.member) == (
        84600, "retail", "own_till", shop.org.guide, shop.member,
    )  # fmt: skip
    assert list(OrderLine.objects.filter(order=order).order_by("line_no").values_list("paid_fen", flat=True)) == [
        59288,
        25312,
    ]
    coupon.refresh_from_db()
    assert (coupon.state, coupon.discount_fen, coupon.sales_fen) == ("used", 10000, 84600)
    points = benefits.points_of(shop.member, now=clock.now())
    assert (points.usable, points.frozen) == (3420, 846)
    assert wallet.balance_of(shop.member).total_fen == 192000
    assert available([shop.suit.pk], [shop.org.store.pk], now=clock.now() + timedelta(seconds=1)) == {
        (shop.org.store.pk, shop.suit.pk): 4
    }
    assert events("crm.order_paid") == 1
    assert Transfer.objects.filter(kind="takings").count() == 1
    assert AuditEntry.objects.filter(action="sale.paid").count() == 1
    assert [move.to_state for move in SaleMove.objects.filter(sale=sale)] == ["paid"]


def test_the_same_basket_from_the_feed_is_the_same_order(shop: Shop) -> None:
    """What the offline till sends of this basket leaves the same amounts, points, level and follow-ups."""
    twin = make_member(owner=shop.org.guide, name="王建平")
    sale = shop.paid((shop.suit, 2), (shop.shirt, 1))
    row = services.order_row(Sale.objects.get(pk=sale.pk), now=clock.now())
    row |= {"number": "P1", "member": {"member_no": twin.member_no}}
    (answer,) = ingest_orders([row], source="pos", now=clock.now())
    ours, theirs = Order.objects.get(pk=sale.order_id), Order.objects.get(pk=answer.order_id)
    for name in ("kind", "paid_fen", "net_amount_fen", "paid_at", "store_id", "guide_id", "status", "is_delivery"):
        assert getattr(ours, name) == getattr(theirs, name)
    columns = ("line_no", "sku_code", "item_name", "color", "size", "care_key", "family", "quantity", "paid_fen")
    assert list(ours.lines.order_by("line_no").values(*columns)) == list(
        theirs.lines.order_by("line_no").values(*columns)
    )
    lots = PointsLot.objects.filter(subject__in=[f"order:{ours.pk}", f"order:{theirs.pk}"])
    assert len({(lot.earned_points, lot.usable_from, lot.expires_on) for lot in lots}) == 1 and len(lots) == 2
    members = Member.objects.filter(pk__in=[shop.member.pk, twin.pk])
    assert len({(one.member_level, one.spend_180_fen, one.purchase_node, one.lifecycle_stage) for one in members}) == 1
    assert events("crm.order_paid") == 2


def test_the_same_confirmation_twice_is_one_sale(shop: Shop) -> None:
    sale = shop.sale()
    first = shop.confirm(sale, key="k")
    again = shop.confirm(sale, key="k")
    assert first.order_id == again.order_id
    assert refusal(lambda: shop.confirm(sale, key="another")) == "sale.moved"
    assert Order.objects.count() == 1


def test_what_is_refused_leaves_nothing_behind(shop: Shop) -> None:
    coupon = make.give_coupon(shop.member, 10000)
    sale = shop.sale(coupon_id=coupon.pk, points=5000, use_wallet=212000)
    wallet.freeze(
        wallet.open_wallet(shop.member, actor=shop.manager, now=clock.now()),
        why="挂失",
        actor=shop.manager,
        now=clock.now(),
    )
    assert refusal(lambda: shop.confirm(sale)) == "card.balance_short"
    coupon.refresh_from_db()
    assert (coupon.state, benefits.points_of(shop.member, now=clock.now()).usable, Order.objects.count()) == (
        "usable",
        8420,
        0,
    )
    assert Sale.objects.get(pk=sale.pk).state == "draft"


def test_a_coupon_taken_meanwhile_is_told(shop: Shop) -> None:
    coupon = make.give_coupon(shop.member, 10000)
    one, other = shop.sale(coupon_id=coupon.pk), shop.sale(coupon_id=coupon.pk)
    shop.confirm(one)
    assert refusal(lambda: shop.confirm(other)).startswith("coupon.")
    assert Sale.objects.get(pk=other.pk).state == "draft"


def test_a_coupon_that_does_not_fit_is_refused_with_the_reason(shop: Shop) -> None:
    coupon = make.give_coupon(shop.member, 10000, threshold_fen=200000)
    assert refusal(lambda: shop.confirm(shop.sale(coupon_id=coupon.pk))) == "coupon.unusable"
    for_gold = make.give_coupon(shop.member, 10000, member_levels=["V3"])
    assert refusal(lambda: shop.confirm(shop.sale(coupon_id=for_gold.pk))) == "coupon.unusable"


def test_prices_are_the_servers_at_the_moment_of_paying(shop: Shop) -> None:
    sale = shop.sale((shop.suit, 1))
    due = services.quote(sale, now=clock.now()).due_fen
    Promotion.objects.create(
        name="西服一口价", kind="item", starts_at=clock.now() - timedelta(hours=1), categories=["西服"], price_fen=59800,
        made_at=clock.now(),
    )  # fmt: skip
    assert refusal(lambda: shop.confirm(sale, expected_due_fen=due)) == "sale.price_changed"
    assert shop.confirm(sale).paid_fen == 59800


def test_promotions_hold_for_their_time_store_and_people(shop: Shop) -> None:
    now = clock.now()
    facts = {"kind": "order", "steps": [[50000, 5000]], "made_at": now, "starts_at": now - timedelta(days=1)}
    Promotion.objects.create(name="别家店的", unit=shop.org.other_area, **facts)
    Promotion.objects.create(name="过了", **facts | {"steps": [[50000, 30000]]}, ends_at=now)
    Promotion.objects.create(name="金卡的", levels=["V3"], **facts)
    assert services.quote(shop.sale(), now=now).promotion_fen == 0
    Promotion.objects.create(name="会员日", unit=shop.org.branch, members_only=True, **facts)
    assert services.quote(shop.sale(), now=now).promotion_fen == 5000
    assert services.quote(shop.sale(member=False), now=now).promotion_fen == 0


def test_a_gift_comes_and_goes_with_its_condition(shop: Shop) -> None:
    tie = make.make_sku(19900, store=shop.org.store)
    Promotion.objects.create(
        name="满 900 送领带", kind="gift", gift_sku=tie, threshold_fen=90000, starts_at=clock.now(), made_at=clock.now()
    )
    sale = shop.sale()
    assert [(line.sku, line.is_gift) for line in sale.lines.order_by("line_no")][-1] == (tie, True)
    services.add_lines(sale, [(shop.shirt.code, -1)], actor=shop.guide, now=clock.now())
    assert not sale.lines.filter(is_gift=True).exists()
    services.add_lines(sale, [(shop.shirt.code, 1)], actor=shop.guide, now=clock.now())
    paid = shop.confirm(sale)
    assert (paid.paid_fen, paid.lines.get(is_gift=True).paid_fen) == (99600, 0)


def test_points_beyond_what_may_be_used_are_refused(shop: Shop) -> None:
    assert refusal(lambda: shop.confirm(shop.sale((shop.shirt, 1), points=8400))) == "points.unusable"


def test_ways_must_add_up(shop: Shop) -> None:
    sale = shop.sale((shop.suit, 1))
    pay = services.Pay
    for ways in (
        [],
        [pay("cash", 100)],
        [pay("cash", 70000)],
        [pay("wallet")],
        [pay("wechat_code"), pay("wechat_native", 100)],
    ):
        assert (
            refusal(lambda ways=ways: services.confirm(sale, ways=ways, key="k", actor=shop.guide, now=clock.now()))
            == "sale.ways"
        )
    done = services.confirm(sale, ways=[pay("card", 60000), pay("cash")], key="k", actor=shop.guide, now=clock.now())
    assert [(one.way, one.amount_fen) for one in done.payments.order_by("pk")] == [("card", 60000), ("cash", 9800)]


def test_a_passer_by_has_no_coupon_and_no_card(shop: Shop) -> None:
    sale = shop.sale(member=False)
    assert refusal(lambda: services.choose(sale, points=100, actor=shop.guide, now=clock.now())) == "sale.no_member"
    assert shop.confirm(sale).paid_fen == 99600


def test_another_members_coupon_is_nobodys(shop: Shop) -> None:
    other = make.give_coupon(make_member(owner=shop.org.guide), 10000)
    with pytest.raises(NotFound):
        shop.sale(coupon_id=other.pk)


def test_a_card_is_used_only_where_its_member_is(shop: Shop) -> None:
    sale = shop.sale(use_wallet=20000)
    Sale.objects.filter(pk=sale.pk).update(member_shown_at=None)
    assert refusal(lambda: shop.confirm(sale)) == "card.member_must_show"
    services.set_member(sale, shop.member, actor=shop.guide, now=clock.now(), has_shown_code=True)
    clock.travel(clock.now() + timedelta(minutes=31))
    assert refusal(lambda: shop.confirm(sale)) == "card.member_must_show"
    services.set_member(sale, shop.member, actor=shop.guide, now=clock.now(), has_shown_code=True)
    assert shop.confirm(sale).wallet_fen == 20000


def test_goods_nobody_knows_are_refused(shop: Shop) -> None:
    sale = shop.sale()
    assert (
        refusal(lambda: services.add_lines(sale, [("no-such", 1)], actor=shop.guide, now=clock.now()))
        == "sale.goods_unknown"
    )
    assert (
        refusal(lambda: services.add_lines(sale, [(shop.suit.code, 100)], actor=shop.guide, now=clock.now()))
        == "sale.too_much"
    )
    services.set_lines(sale, [], actor=shop.guide, now=clock.now())
    assert refusal(lambda: shop.confirm(sale)) == "sale.empty"


def test_what_is_sold_unseen_must_be_there(shop: Shop) -> None:
    last = make.make_sku(50000, store=shop.org.store, pieces=1)
    assert refusal(lambda: shop.confirm(shop.sale((last, 2), channel="proxy"))) == "stock.gone"
    assert shop.confirm(shop.sale((last, 1), channel="proxy")).state == "paid"
    assert refusal(lambda: shop.confirm(shop.sale((last, 1), channel="proxy"))) == "stock.gone"
    assert shop.confirm(shop.sale((last, 1))).state == "paid"  # at the till it lies on the counter


def test_the_offer_a_member_has_in_hand_keeps_its_price(shop: Shop) -> None:
    sale = shop.sale((shop.suit, 1), channel="proxy")
    services.offer_to_member(sale, actor=shop.guide, now=clock.now())
    Promotion.objects.create(
        name="明天的", kind="item", percent=10, starts_at=clock.now() + timedelta(minutes=1), made_at=clock.now()
    )
    clock.travel(clock.now() + timedelta(hours=1))
    sale.refresh_from_db()
    assert services.quote(sale, now=clock.now()).due_fen == 69800
    assert (
        refusal(lambda: services.add_lines(sale, [(shop.shirt.code, 1)], actor=shop.guide, now=clock.now()))
        == "sale.moved"
    )
