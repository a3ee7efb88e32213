"""Coupon and points of a basket: what she left out stays out, and nothing is sent that would be refused to him."""

from typing import Any

from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import add_lines, choose
from crm.orders.proxy.services import confirm_transfer, send_order
from tests.factories.checkout import give_coupon, give_points
from tests.factories.guides import sign_in
from yejibao.core import clock as product_clock

from .conftest import Deal
from .test_sending import voucher


def test_what_was_chosen_for_a_fuller_basket_is_left_out(deal: Deal) -> None:
    """Else he would be refused, who has transferred the money already."""
    give_points(deal.member, 90000)
    coupon, now = give_coupon(deal.member, 10000, threshold_fen=200000), product_clock.now()
    sale = choose(
        deal.basket(deal.coat.code, deal.shirt.code), coupon_id=coupon.pk, points=40000, actor=deal.guide, now=now
    )
    add_lines(sale, [(deal.coat.code, -1)], actor=deal.guide, now=now)
    kept = voucher(deal)
    proxy = send_order(sale, way="transfer", delivery="pickup", vouchers=kept, actor=deal.guide, now=now)
    proxy.sale.refresh_from_db()
    assert (proxy.sale.coupon_id, proxy.sale.points_wanted, proxy.amount_fen) == (None, 9900, 40000)
    confirm_transfer(proxy, member=deal.member, key="yes", actor=deal.he, now=now)
    proxy.sale.refresh_from_db()
    assert (proxy.sale.state, proxy.sale.paid_fen) == (Sale.State.PAID, 40000)


def test_no_coupon_stays_no_coupon_until_one_is_chosen(deal: Deal, client: Any) -> None:
    coupon = give_coupon(deal.member, 10000)
    sale = deal.basket()
    sign_in(client, deal.org.guide)
    page = f"/g/proxy/{sale.public_id}/pay/"

    def chosen() -> int | None:
        sale.refresh_from_db()
        return sale.coupon_id

    client.get(page)
    assert chosen() == coupon.pk
    without = client.post(page, {"do": "coupon", "coupon": ""})["Location"]
    client.get(without)
    assert chosen() is None
    client.get(client.post(without, {"do": "more", "line": sale.lines.get().pk})["Location"])
    assert chosen() is None
    client.get(client.post(without, {"do": "coupon", "coupon": coupon.pk})["Location"])
    assert chosen() == coupon.pk
