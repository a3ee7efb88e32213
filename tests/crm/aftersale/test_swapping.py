"""Another size or style for the piece of a ticket, and money through a ticket to the fen (aftersale.yaml exchange_rules, reversal)."""

from datetime import timedelta
from typing import Any

import pytest

from crm.aftersale import queries, services
from crm.aftersale.models import Ticket
from crm.benefits import services as benefits
from crm.benefits.models import PointsEntry
from crm.catalogue.models import Sku
from crm.catalogue.stock_models import StockLevel, TransferRequest
from crm.members import shown
from crm.orders.checkout.models import Exchange, Promotion, Sale, SaleRefund
from crm.orders.checkout.services import (
    MemberMustShow,
    Pay,
    close_expired_exchanges,
    exchange_piece,
    member_pays_exchange,
)
from crm.orders.models import Order, OrderLine
from crm.wallet import services as wallet
from guides.approvals import services as approvals
from guides.approvals.models import Approval
from tests.crm.orders.checkout.conftest import Shop
from tests.factories import checkout as make
from tests.factories.crm import make_order
from yejibao.core import clock
from yejibao.core.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def coat(shop: Shop) -> Sku:
    return make.make_sku(99800, store=shop.org.store, category_l1="大衣")


def ticket_of(shop: Shop, sale: Sale, kind: str, *, line_no: int = 1, **facts: Any) -> Ticket:
    line = OrderLine.objects.get(order__sale=sale, line_no=line_no)
    ticket = services.open_ticket(
        shop.member, kind=kind, order=line.order, line=line, actor=Actor.system(), now=clock.now(), **facts
    )
    return services.reply(ticket, "看到了", actor=shop.guide, now=clock.now())


def state(ticket: Ticket) -> str:
    return Ticket.objects.values_list("state", flat=True).get(pk=ticket.pk)


def himself(shop: Shop) -> Actor:
    return Actor(kind="member", member_id=shop.member.pk)


def test_another_style_at_the_counter_and_back_to_the_fen(shop: Shop, coat: Sku) -> None:
    sale = shop.paid()
    ticket = ticket_of(shop, sale, "exchange_item", wish={"target_sku": coat.code})
    offer = queries.exchange_offer(ticket, coat, now=clock.now())
    assert (offer.price_fen, offer.worth_fen, offer.difference_fen) == (99800, 69800, 30000)
    said = services.swap(
        ticket, coat, ways=[Pay("cash")], expected_difference_fen=30000, actor=shop.guide, now=clock.now()
    )
    assert (state(ticket), "补差价 ¥300" in said) == ("closed", True)
    again = ticket_of(shop, sale, "return", line_no=3)
    services.take_back(again, quantity=1, actor=shop.manager, now=clock.now())
    assert (state(again), SaleRefund.objects.get().amount_fen) == ("closed", 99800)


def test_a_return_of_what_was_exchanged_is_of_what_he_has_now(shop: Shop, coat: Sku) -> None:
    sale = shop.paid()
    back = ticket_of(shop, sale, "return")  # of the suit, from before a piece had one open ticket
    Ticket.objects.filter(pk=back.pk).update(piece_no=None)
    services.swap(ticket_of(shop, sale, "exchange_item"), coat, ways=[Pay("cash")], actor=shop.guide, now=clock.now())
    services.take_back(back, quantity=1, actor=shop.manager, now=clock.now())
    assert SaleRefund.objects.get().amount_fen == 99800
    his = queries.orders_of(shop.member)[0]
    assert [line.line_no for line in his.lines.all()] == [2, 3]


def test_he_pays_on_his_phone_and_the_ticket_ends_by_itself(shop: Shop, coat: Sku) -> None:
    ticket = ticket_of(shop, shop.paid(), "exchange_item")
    services.swap(ticket, coat, by_link=True, actor=shop.guide, now=clock.now())
    assert state(ticket) == "waiting_member" and services.close_exchanged(now=clock.now())["exchanged"] == 0
    row = Exchange.objects.get()
    member_pays_exchange(row, member=shop.member, use_wallet=True, key="k", actor=himself(shop), now=clock.now())
    assert services.close_exchanged(now=clock.now())["exchanged"] == 1 and state(ticket) == "closed"
    assert wallet.balance_of(shop.member).total_fen == 212000 - 30000


def test_a_difference_nobody_pays_gives_the_ticket_back(shop: Shop, coat: Sku) -> None:
    ticket = ticket_of(shop, shop.paid(), "exchange_item")
    services.swap(ticket, coat, by_link=True, actor=shop.guide, now=clock.now())
    clock.travel(clock.now() + timedelta(hours=24))
    close_expired_exchanges(now=clock.now())
    assert [services.close_exchanged(now=clock.now())["exchanges_failed"] for _twice in range(2)] == [1, 0]
    assert state(ticket) == "responded" and "没有换成" in ticket.steps.latest("pk").text
    services.swap(ticket, coat, ways=[Pay("cash")], actor=shop.guide, now=clock.now())
    assert state(ticket) == "closed"


def test_his_card_pays_by_the_code_his_phone_shows(shop: Shop, coat: Sku) -> None:
    ticket = ticket_of(shop, shop.paid(), "exchange_item")
    for code in ("", shop.member.member_no, shown.code_of("somebody")):
        with pytest.raises(MemberMustShow):
            services.swap(ticket, coat, use_wallet=True, shown_code=code, actor=shop.guide, now=clock.now())
    code = shown.code_of(shop.member.member_no)
    services.swap(ticket, coat, use_wallet=True, shown_code=code, actor=shop.guide, now=clock.now())
    assert (state(ticket), wallet.balance_of(shop.member).total_fen) == ("closed", 212000 - 30000)


def test_what_is_cheaper_waits_for_the_manager(shop: Shop) -> None:
    tie = make.make_sku(19800, store=shop.org.store)
    ticket = ticket_of(shop, shop.paid(), "exchange_item")
    assert "点头" in services.swap(ticket, tie, actor=shop.guide, now=clock.now())
    approvals.approve(Approval.objects.get(), actor=shop.manager, now=clock.now())
    services.close_exchanged(now=clock.now())
    ticket.refresh_from_db()
    assert (ticket.state, "退差价 ¥500" in ticket.result) == ("closed", True)


def test_a_size_from_elsewhere_is_promised_in_three_days(shop: Shop) -> None:
    style = shop.suit.style
    other = Sku.objects.create(code=f"{style.sku_code}-B", style=style, size="B")
    StockLevel.objects.create(
        store=shop.org.other_store, style=style, size="B", quantity=2, as_of=clock.now(), source="feed"
    )
    ticket = ticket_of(shop, shop.paid(), "exchange_size", wish={"target_size": "B"})
    said = services.call_goods(ticket, other, source=shop.org.other_store, actor=shop.guide, now=clock.now())
    ticket.refresh_from_db()
    assert (ticket.state, str(ticket.promised_on), "3 月 4 日前到" in said) == ("processing", "2026-03-04", True)
    assert TransferRequest.objects.get().member == shop.member
    services.step_on(ticket, to="ready", text="", photos=(), actor=shop.guide, now=clock.now() + timedelta(days=2))
    assert services.swap_size(ticket, size="B", actor=shop.guide, now=clock.now()) == "换成 B"
    assert state(ticket) == "closed"


def test_a_ticket_opened_again_exchanges_what_he_has_now(shop: Shop) -> None:
    style = shop.suit.style
    sizes = [Sku.objects.create(code=f"{style.sku_code}-{size}", style=style, size=size) for size in "ABC"]
    ticket = ticket_of(shop, shop.paid(), "exchange_size")
    services.swap_size(ticket, size="A", actor=shop.guide, now=clock.now())
    services.member_says(ticket, "还是小", actor=himself(shop), now=clock.now())
    desk = Actor.system("tests")
    services.swap(ticket, sizes[1], actor=desk, now=clock.now())
    assert list(Exchange.objects.order_by("pk").values_list("line_no", "new_line_no")) == [(1, 3), (3, 4)]
    third = ticket_of(shop, Sale.objects.get(), "exchange_size", line_no=4)
    with pytest.raises(services.ExchangedTwice):
        services.swap(third, sizes[2], actor=shop.guide, now=clock.now())


# ---------------------------------------------------------------- what may be done, by the days


@pytest.mark.parametrize(
    ("kind", "day", "opens"),
    [
        ("return", "2026-03-08 21:59", ("return",)), ("return", "2026-03-08 22:00", ()),
        ("exchange_size", "2026-03-08 21:59", ("exchange",)), ("exchange_item", "2026-03-08 22:00", ()),
        ("quality", "2026-03-31 21:59", ("return", "exchange", "repair")), ("quality", "2026-03-31 22:00", ("exchange", "repair")),
        ("quality", "2026-05-30 21:59", ("exchange", "repair")), ("quality", "2026-05-30 22:00", ()),
        ("repair", "2026-12-01 12:00", ("repair",)), ("consult", "2026-03-02 12:00", ()),
    ],
)  # fmt: skip
def test_what_a_day_opens(shop: Shop, kind: str, day: str, opens: tuple[str, ...]) -> None:
    ticket = ticket_of(shop, shop.paid(), kind)
    ticket.opened_at = clock.parse_iso(day)
    assert queries.remedies(ticket) == opens


def test_a_fault_after_thirty_days_is_exchanged_not_paid_back(shop: Shop) -> None:
    sale = shop.paid()
    clock.travel(clock.parse_iso("2026-04-15 12:00"))
    ticket = ticket_of(shop, sale, "quality")
    with pytest.raises(Exception, match="30 天"):
        services.take_back(ticket, quantity=1, actor=shop.manager, now=clock.now())
    assert "换成" in services.swap(ticket, shop.suit, actor=shop.guide, now=clock.now())


# ---------------------------------------------------------------- reversal, through a ticket


def bought(shop: Shop) -> tuple[Sale, Order]:
    """Suit and shirt with a coupon of 100 yuan over 800, 5,000 points, 200 yuan of the card, the rest in cash."""
    coupon = make.give_coupon(shop.member, 10000, threshold_fen=80000)
    sale = shop.paid(coupon_id=coupon.pk, points=5000, use_wallet=20000)
    return sale, Order.objects.get(sale=sale)


def test_a_piece_comes_back_through_a_ticket_to_the_fen(shop: Shop) -> None:
    sale, order = bought(shop)
    shirt = sale.lines.get(line_no=2)
    ticket = ticket_of(shop, sale, "return", line_no=2)
    services.take_back(ticket, quantity=1, actor=shop.manager, now=clock.now())
    ticket.refresh_from_db()
    refund, sale = ticket.refund, Sale.objects.get(pk=sale.pk)
    assert refund is not None and sale.coupon is not None
    # The coupon's threshold of 800 no longer holds for the suit alone: its share of the suit is withheld, the coupon stays used.
    suit_coupon = sale.lines.get(line_no=1).coupon_fen
    assert (refund.withheld_fen, refund.amount_fen) == (suit_coupon, shirt.paid_fen - suit_coupon)
    assert (sale.coupon.state, refund.wallet_fen) == ("used", shirt.principal_fen + shirt.gift_fen)
    assert refund.points_back == shirt.points_fen  # points used are his again
    order.refresh_from_db()
    earned = PointsEntry.objects.filter(subject=f"order:{order.pk}")
    assert sum(earned.values_list("points", flat=True)) == order.net_amount_fen // 100 and refund.points_taken > 0


def test_all_of_it_through_tickets_leaves_everything_as_it_was(shop: Shop) -> None:
    sale, order = bought(shop)
    before = wallet.balance_of(shop.member)
    for line_no in (2, 1):
        services.take_back(
            ticket_of(shop, sale, "return", line_no=line_no), quantity=1, actor=shop.manager, now=clock.now()
        )
    order.refresh_from_db()
    after, points = wallet.balance_of(shop.member), benefits.points_of(shop.member, now=clock.now())
    assert (order.net_amount_fen, order.status, points.usable, points.frozen) == (0, "returned", 8420, 0)
    assert (after.principal_fen, after.gift_fen) == (200000, 12000) and before.total_fen == 192000
    sale.refresh_from_db()
    assert sale.coupon and sale.coupon.state == "usable"


def test_a_coupon_that_ended_meanwhile_has_seven_days_of_grace(shop: Shop) -> None:
    coupon = make.give_coupon(shop.member, 10000)
    sale = shop.paid((shop.suit, 1), coupon_id=coupon.pk)
    type(coupon).objects.filter(pk=coupon.pk).update(valid_until=clock.now() + timedelta(days=1))
    clock.travel(clock.parse_iso("2026-03-05 12:00"))
    services.take_back(ticket_of(shop, sale, "return"), quantity=1, actor=shop.manager, now=clock.now())
    coupon.refresh_from_db()
    assert (coupon.state, coupon.is_grace, clock.local_day(coupon.valid_until - timedelta(seconds=1)).isoformat()) == (
        "usable", True, "2026-03-12",
    )  # fmt: skip


def test_points_come_back_with_thirty_days_at_least(shop: Shop) -> None:
    from crm.benefits.models import PointsLot

    PointsLot.objects.filter(member=shop.member).update(expires_on=clock.local_day(clock.now()) + timedelta(days=3))
    sale = shop.paid((shop.suit, 1), points=5000)
    clock.travel(clock.parse_iso("2026-03-06 12:00"))
    services.take_back(ticket_of(shop, sale, "return"), quantity=1, actor=shop.manager, now=clock.now())
    lots = PointsLot.objects.filter(member=shop.member, left_points__gt=0).exclude(subject=f"order:{sale.order_id}")
    assert sum(lots.values_list("left_points", flat=True)) >= 5000
    assert (
        min(lots.filter(expires_on__gt=clock.local_day(clock.now())).values_list("expires_on", flat=True)).isoformat()
        == "2026-04-05"
    )


def test_a_gift_he_keeps_without_its_condition_is_charged(shop: Shop) -> None:
    tie = make.make_sku(9900, store=shop.org.store)
    Promotion.objects.create(
        name="满 900 送领带", kind="gift", gift_sku=tie, threshold_fen=90000, starts_at=clock.now(), made_at=clock.now()
    )
    sale = shop.paid()
    services.take_back(ticket_of(shop, sale, "return"), quantity=1, actor=shop.manager, now=clock.now())
    refund = SaleRefund.objects.get()
    assert (refund.amount_fen, refund.withheld_fen) == (69800 - 9900, 9900)


def test_level_spending_and_the_rhythm_follow(shop: Shop) -> None:
    sale = shop.paid()
    services.take_back(ticket_of(shop, sale, "return"), quantity=1, actor=shop.manager, now=clock.now())
    shop.member.refresh_from_db()
    order = Order.objects.get(sale=sale)
    assert (
        shop.member.spend_180_fen == order.net_amount_fen == 29800
    )  # what the guide sold is counted from the same column
    told = OutboxEvent.objects.filter(topic="crm.order_returned")  # by which 3369 and attribution are recomputed
    assert [event.payload["order_id"] for event in told] == [order.pk]


def test_the_example_of_the_domain_file(shop: Shop) -> None:
    """aftersale.yaml reversal.example: suit 1280, shirt 320 after the coupon; the shirt comes back."""
    order = make_order(
        shop.member, paid_at=clock.now(), store=shop.org.store, guide=shop.org.guide,
        lines=[{"item_name": "西服", "paid_fen": 128000}, {"item_name": "衬衫", "paid_fen": 32000}],
    )  # fmt: skip
    from crm.orders.services import settle_points

    settle_points([order.pk], now=clock.now())
    line = OrderLine.objects.get(order=order, line_no=2)
    ticket = services.open_ticket(
        shop.member, kind="return", order=order, line=line, actor=Actor.system(), now=clock.now()
    )
    services.reply(ticket, "好", actor=shop.guide, now=clock.now())
    services.take_back(ticket, quantity=1, actor=shop.manager, now=clock.now())
    ticket.refresh_from_db()
    assert ticket.refund and (ticket.refund.amount_fen, ticket.refund.points_taken) == (32000, 320)


def test_the_till_keeps_the_key_of_a_ticket(shop: Shop, coat: Sku) -> None:
    ticket = ticket_of(shop, shop.paid(), "exchange_item")
    services.swap(ticket, coat, ways=[Pay("cash")], actor=shop.guide, now=clock.now())
    row = Exchange.objects.get()
    assert row.key == f"ticket:{ticket.pk}:0"
    assert exchange_piece(row.order, 1, coat, key=row.key, actor=shop.guide, now=clock.now()) == row
