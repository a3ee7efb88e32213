"""What a guide sends holds its price and its pieces; what she may not, she is told."""

from typing import Any
from uuid import uuid4

import pytest

from crm.catalogue.queries import available
from crm.catalogue.services import OutOfStock, fill_styles
from crm.orders.checkout.models import Sale, SaleMoved
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.services import CardTooLow, NeedsVoucher, OverTheDay, open_basket, propose_best, send_order
from crm.privacy.models import RevealDay
from tests.factories.checkout import give_coupon, make_sku
from tests.factories.crm import make_member
from tests.factories.guides import actor, holder_of, make_staff, sign_in
from yejibao.core import clock as product_clock
from yejibao.core import files
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.models import AuditEntry

from .conftest import Deal

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\xdac"
    b"d\xf8\xcfP\x0f\x00\x03\x86\x01\x80Z4}k\x00\x00\x00\x00IEND\xaeB`\x82"
)


def voucher(deal: Deal) -> list[Any]:
    kept = files.keep(PIXEL, room="proxy", by_id=deal.org.guide.pk, now=product_clock.now())
    return [kept.name]


def free(deal: Deal, sku: Any) -> int:
    return available([sku.pk], [deal.org.store.pk], now=product_clock.now()).get((deal.org.store.pk, sku.pk), 0)


def test_two_taps_are_one_basket(deal: Deal) -> None:
    now = product_clock.now()
    first, second = (open_basket(deal.member, actor=deal.guide, now=now) for _ in range(2))
    assert first.pk == second.pk
    deal.send()
    assert open_basket(deal.member, actor=deal.guide, now=now).pk != first.pk  # what was sent is no basket any more


def test_sent_by_link_it_waits_and_its_pieces_are_kept(deal: Deal) -> None:
    proxy = deal.send(deal.coat.code)
    proxy.sale.refresh_from_db()
    assert (proxy.sale.state, proxy.amount_fen, free(deal, deal.coat)) == (Sale.State.AWAITING_MEMBER, 189900, 1)
    assert proxy.expires_at - proxy.sent_at == proxy.sale.expires_at - proxy.sent_at
    assert AuditEntry.objects.filter(action="proxy.sent").count() == 1


def test_the_last_piece_is_promised_once(deal: Deal) -> None:
    deal.send(deal.coat.code)
    deal.send(deal.coat.code)
    with pytest.raises(OutOfStock):
        deal.send(deal.coat.code)
    assert ProxyOrder.objects.count() == 2


def test_what_was_sent_is_not_changed_or_sent_again(deal: Deal) -> None:
    proxy = deal.send()
    with pytest.raises(SaleMoved):
        send_order(proxy.sale, way="link", delivery="pickup", actor=deal.guide, now=product_clock.now())


def test_by_card_only_where_it_is_enough(deal: Deal) -> None:
    proxy = deal.send(deal.coat.code, way="wallet")
    assert proxy.way == "wallet"
    with pytest.raises(CardTooLow):
        deal.send(deal.coat.code, deal.shirt.code, way="wallet")
    assert Sale.objects.filter(state=Sale.State.AWAITING_MEMBER).count() == 1  # the refused one is a basket still


def test_the_best_coupon_is_proposed(deal: Deal) -> None:
    give_coupon(deal.member, 5000)
    best = give_coupon(deal.member, 10000)
    sale = propose_best(deal.basket(), actor=deal.guide, now=product_clock.now())
    assert sale.coupon_id == best.pk


def test_brought_home_it_needs_an_address_and_keeps_it_encrypted(deal: Deal, django_db_blocker: Any) -> None:
    with pytest.raises(Invalid):
        deal.send(delivery="express", address="南京")
    proxy = deal.send(delivery="express", address="王建平 13800132075 南京市玄武区中山路 1 号")
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT address FROM crm_proxyorder WHERE id = %s", [proxy.pk])
        (stored,) = cursor.fetchone()
    assert "中山路" not in stored and ProxyOrder.objects.get(pk=proxy.pk).address.endswith("中山路 1 号")


# ---------------------------------------------------------------- transferred to the guide


def test_transferred_to_the_guide_it_needs_a_picture(deal: Deal) -> None:
    with pytest.raises(NeedsVoucher):
        deal.send(deal.shirt.code, way="transfer")
    with pytest.raises(Invalid):
        deal.send(deal.shirt.code, way="transfer", vouchers=[uuid4()])
    proxy = deal.send(deal.shirt.code, way="transfer", vouchers=voucher(deal))
    assert len(files.of("proxy", [proxy.pk])[proxy.pk]) == 1


def test_the_day_of_a_guide_has_a_limit(deal: Deal) -> None:
    more = make_sku(189900, store=deal.org.store, pieces=9, name="大衣", category_l1="大衣", category_l2="大衣")
    for _ in range(2):
        deal.send(more.code, way="transfer", vouchers=voucher(deal))
    with pytest.raises(OverTheDay):
        deal.send(more.code, way="transfer", vouchers=voucher(deal))
    deal.clock.advance(days=1)
    assert deal.send(deal.shirt.code, way="transfer", vouchers=voucher(deal)).way == "transfer"


# ---------------------------------------------------------------- who may


def test_who_does_not_sell_orders_nothing(deal: Deal) -> None:
    for role in ("area_supervisor", "hq_merch"):
        with pytest.raises(Forbidden):
            open_basket(deal.member, actor=actor(holder_of(role, deal.org)), now=product_clock.now())


def test_a_colleague_sends_no_basket_of_hers(deal: Deal) -> None:
    other = make_staff("guide", store=deal.org.store)
    with pytest.raises(Forbidden):
        send_order(deal.basket(), way="link", delivery="pickup", actor=actor(other), now=product_clock.now())


def test_a_stranger_sees_none_of_it(deal: Deal) -> None:
    deal.send()
    seen = {name: ProxyOrder.objects.visible_to(actor(person)).count() for name, person in (
        ("guide", deal.org.guide), ("manager", deal.org.manager), ("stranger", deal.org.stranger))}  # fmt: skip
    assert seen == {"guide": 1, "manager": 1, "stranger": 0}
    assert ProxyOrder.objects.visible_to(deal.he).count() == 1


# ---------------------------------------------------------------- pages


def test_the_three_steps_in_the_browser(deal: Deal, client: Any) -> None:
    fill_styles()
    sign_in(client, deal.org.guide)
    made = client.post("/g/proxy/start/", {"member": str(deal.member.public_id)})
    at = made["Location"]
    assert "轻暖羽绒服" in client.get(f"{at}?q=羽绒服").content.decode()
    page = client.get(f"{at}?style={deal.coat.style_id}&size={deal.coat.size}").content.decode()
    assert "¥1,899" in page and "2 件" in page
    client.post(at, {"sku": deal.coat.code, "style": deal.coat.style_id, "quantity": "1"})
    page = client.get(f"{at}pay/").content.decode()
    assert "储值付" in page and "1,899.00" in page
    assert client.post(f"{at}send/", {"way": "link", "delivery": "pickup"}).status_code == 400  # no key, no order
    sent = client.post(f"{at}send/", {"way": "link", "delivery": "pickup", "idempotency_key": "k1"})
    again = client.post(f"{at}send/", {"way": "link", "delivery": "pickup", "idempotency_key": "k1"})
    assert sent["Location"] == again["Location"] == f"{at}state/" and ProxyOrder.objects.count() == 1
    page = client.get(f"{at}state/").content.decode()
    assert "还没发给他" in page and "/my/pay/" in page
    client.post(f"{at}told/")
    assert "等他打开" in client.get(f"{at}state/", headers={"HX-Request": "true"}).content.decode()


def test_the_whole_address_is_shown_at_a_tap_with_a_reason_and_counts_as_a_look(deal: Deal, client: Any) -> None:
    proxy = deal.send(delivery="express", address="王建平 13800132075 南京市玄武区中山路 1 号")
    sign_in(client, deal.org.guide)
    at = f"/g/proxy/{proxy.sale.public_id}/"
    assert "13800132075" not in client.get(f"{at}state/").content.decode()
    asked = client.get(f"{at}address/", headers={"HX-Request": "true"}).content.decode()
    assert "为什么要看" in asked and "13800132075" not in asked
    assert client.post(f"{at}address/").status_code == 422 and not RevealDay.objects.exists()
    shown = client.post(f"{at}address/", {"reason": "打包寄出"})
    assert "13800132075" in shown.content.decode() and "no-store" in shown["Cache-Control"]
    told = AuditEntry.objects.get(action="member.revealed")  # where looks at members are looked for, by whoever asks
    assert (told.resource_id, told.after, told.reason) == (
        str(proxy.member_id), {"field": "parcel", "order": proxy.pk}, "打包寄出",
    )  # fmt: skip
    assert RevealDay.objects.get().taps == 1


@pytest.mark.parametrize("rows", [1, 6])
def test_the_managers_list_needs_the_same_queries_for_any_length(
    deal: Deal, client: Any, rows: int, django_assert_num_queries: Any
) -> None:
    sku = make_sku(9900, store=deal.org.store, pieces=20)
    for _ in range(rows):
        other = make_member(owner=deal.org.guide)
        sale = open_basket(other, actor=deal.guide, now=product_clock.now())
        from crm.orders.checkout.services import add_lines

        add_lines(sale, [(sku.code, 1)], actor=deal.guide, now=product_clock.now())
        send_order(sale, way="link", delivery="pickup", actor=deal.guide, now=product_clock.now())
    sign_in(client, deal.org.manager)
    client.get("/m/proxy/")
    with django_assert_num_queries(5):
        assert client.get("/m/proxy/").content.decode().count('class="cell row plain"') == rows
