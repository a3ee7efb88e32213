"""Coupon and points of a basket: what she left out stays out, and nothing is sent that would be refused to him."""

from typing import Any
from urllib.parse import quote

from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import add_lines, choose
from crm.orders.proxy.services import confirm_transfer, send_order
from tests.factories.checkout import give_coupon, give_points, make_sku
from tests.factories.crm import make_order
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


def test_sizes_have_their_usual_names_and_a_size_nobody_chose_is_asked_for(deal: Deal, client: Any) -> None:
    lines = [{"item_name": "大衣", "color": "藏青", "size": "175/96A", "family": "羽绒", "paid_fen": 100000}]
    make_order(deal.member, paid_at="2026-11-01 12:00", guide=deal.org.guide, lines=lines)
    sign_in(client, deal.org.guide)
    page = f"/g/proxy/{deal.basket().public_id}/?style={deal.coat.style_id}"
    asked = client.get(page).content.decode()
    assert "上衣 175/96A" in asked and "西服 175" not in asked
    assert "他穿 175/96A，这一款没有这个码；点一个尺码，就能放进单子" in asked
    assert "点一个尺码" not in client.get(f"{page}&size={quote(deal.coat.size)}").content.decode()


def test_what_he_is_asked_for_is_shown_to_the_fen(deal: Deal, client: Any) -> None:
    proxy = deal.send(make_sku(188930, store=deal.org.store).code)
    sign_in(client, deal.org.guide)
    for page in (f"/g/proxy/{proxy.sale.public_id}/state/", "/g/proxy/"):
        assert "¥1,889.30" in client.get(page).content.decode()
