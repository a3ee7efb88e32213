"""The till on the phone: what a cashier sees and sends, what is refused, how many statements a list costs."""

from typing import Any

import pytest
from django.test import Client

from crm.catalogue.item_models import ItemBatch, ItemCode
from crm.members import shown
from crm.orders.checkout import services
from crm.orders.checkout.finding import pass_for
from crm.orders.checkout.models import Sale, SaleRefund
from crm.orders.models import Order
from tests.factories import checkout as make
from tests.factories.crm import make_member
from tests.factories.guides import actor, make_staff, sign_in
from yejibao.core import clock

from .conftest import Shop


@pytest.fixture
def till(client: Client, shop: Shop) -> Client:
    """A browser signed in as the guide, asking as htmx does."""
    sign_in(client, shop.org.guide)
    return client


def post(till: Client, sale: Sale, part: str, key: str = "", **fields: Any) -> Any:
    headers = {"HX-Request": "true"} | ({"Idempotency-Key": key} if key else {})
    return till.post(f"/g/till/{sale.public_id}/{part}/", fields, headers=headers)


def begun(till: Client) -> Sale:
    answer = till.post("/g/till/new/")
    return Sale.objects.get(public_id=answer["Location"].split("/")[3])


def test_a_basket_left_empty_is_taken_up_again(till: Client, shop: Shop) -> None:
    sale = begun(till)
    assert begun(till) == sale and "没收完的" not in till.get("/g/till/").text
    post(till, sale, "lines", code=shop.suit.code)
    assert "没收完的" in till.get("/g/till/").text
    assert begun(till) != sale


def labelled(shop: Shop, *codes: str) -> None:
    """Make labels for pieces of the suit."""
    batch = ItemBatch.objects.create(key=f"labels:{codes[0]}", made_at=clock.now(), count=len(codes))
    ItemCode.objects.bulk_create(ItemCode(code=code, sku=shop.suit, batch=batch) for code in codes)


def test_the_label_of_one_piece_is_that_piece_and_no_second_one(till: Client, shop: Shop) -> None:
    labelled(shop, "YJB0000001", "YJB0000002")
    sale = begun(till)
    page = post(till, sale, "lines", code="https://yejibao.example/i/YJB0000001/").text
    assert shop.suit.style.name in page and "0001" in page
    assert "这一件已经在单里了，码尾 0001" in post(till, sale, "lines", code="yjb0000001").text
    post(till, sale, "lines", code="YJB0000002")
    assert (sale.lines.get().quantity, pieces_of(sale)) == (2, ["YJB0000001", "YJB0000002"])
    assert "没有找到" in post(till, sale, "lines", code="https://yejibao.example/i/YJB0000009/").text
    post(till, sale, "lines", code=shop.suit.code, way="less")  # the last scanned goes first
    assert (sale.lines.get().quantity, pieces_of(sale)) == (1, ["YJB0000001"])


def test_a_label_scanned_without_the_net_is_sent_twice_and_in_once(till: Client, shop: Shop) -> None:
    labelled(shop, "YJB0000001")
    sale = begun(till)
    for _try in (1, 2):
        assert "已经在单里" not in post(till, sale, "lines", key="offline-1", code="YJB0000001").text
    assert sale.lines.get().quantity == 1


def test_a_label_that_was_sold_before_does_not_stop_the_till(till: Client, shop: Shop) -> None:
    labelled(shop, "YJB0000001")
    ItemCode.objects.update(sold_at=clock.now(), sale="sale:1")
    sale = begun(till)
    assert "登记过卖出" in post(till, sale, "lines", code="YJB0000001").text
    assert (sale.lines.get().quantity, pieces_of(sale)) == (1, [])


def test_the_label_finds_what_is_brought_back_and_frees_that_piece(till: Client, shop: Shop) -> None:
    labelled(shop, "YJB0000001", "YJB0000002")
    sale = shop.sale((shop.shirt, 1))
    for code in ("YJB0000001", "YJB0000002"):
        post(till, sale, "lines", code=code)
    shop.confirm(sale)
    found = till.post("/g/till/returns/", {"q": "YJB0000002"}).text
    there = found.split('href="/g/till/return')[1].split('"')[0].replace("&amp;", "&")
    page = till.get("/g/till/return" + there).text
    assert 'value="YJB0000002" checked' in page and 'value="YJB0000001">' in page
    sign_in(till, shop.org.manager)
    order = Order.objects.get()
    form = {
        "line-2": "1",
        "piece": "YJB0000002",
        "checked": "1",
        "reason": "no_reason",
        "note": "",
        "idempotency_key": "back-1",
    }
    answer = till.post(f"/g/till/returns/{pass_for(order, actor=actor(shop.org.manager))}/", form)
    assert answer.status_code == 302
    facts = dict(ItemCode.objects.values_list("code", "member"))
    assert facts == {"YJB0000001": shop.member.pk, "YJB0000002": None}


def pieces_of(sale: Sale) -> list[str]:
    return list(sale.scanned.order_by("pk").values_list("item__code", flat=True))


def test_from_the_tag_to_the_receipt(till: Client, shop: Shop) -> None:
    coupon = make.give_coupon(shop.member, 10000)
    sale = begun(till)
    assert "王" in post(till, sale, "member", q=shown.code_of(shop.member.member_no)).text
    assert shop.suit.style.name in post(till, sale, "lines", code=shop.suit.code).text
    post(till, sale, "lines", code=shop.shirt.code)
    page = post(till, sale, "choice", coupon=coupon.pk).text
    assert "省" in page
    post(till, sale, "choice", points=5000)
    page = post(till, sale, "choice", wallet="1").text
    assert "¥0.00" in page
    answer = post(till, sale, "pay", key="k1", due="0")
    assert answer["Location"] == f"/g/till/{sale.public_id}/"
    sale.refresh_from_db()
    assert (sale.state, sale.paid_fen, sale.wallet_fen) == ("paid", 84600, 84600)
    slip = till.get(f"/g/till/{sale.public_id}/receipt/").text
    assert "¥846.00" in slip and sale.order.number in slip
    open_to_all = Client().get(f"/r/{sale.public_id}/").text
    assert "¥846.00" in open_to_all and "王建平" not in open_to_all
    picture = Client().get(f"/r/{sale.public_id}/picture/")
    assert picture["Content-Type"] == "image/png" and picture.content.startswith(b"\x89PNG")


def test_money_without_a_key_is_refused(till: Client, shop: Shop) -> None:
    sale = shop.sale()
    assert post(till, sale, "pay", way="cash").status_code == 400
    assert Order.objects.count() == 0


def test_a_second_press_takes_nothing_twice(till: Client, shop: Shop) -> None:
    sale = shop.sale()
    for _press in (1, 2):
        assert post(till, sale, "pay", key="k1", way="cash", due="99600").status_code == 302
    assert Order.objects.count() == 1


def test_prices_from_the_client_are_nobodys(till: Client, shop: Shop) -> None:
    sale = shop.sale()
    answer = post(till, sale, "pay", key="k1", way="cash", due="1", paid_fen="1", price_fen="1")
    assert answer.status_code == 409 and "价格刚变过" in answer.text
    assert Order.objects.count() == 0


def test_a_piece_sent_again_after_the_net_came_back_is_in_once(till: Client, shop: Shop) -> None:
    sale = begun(till)
    for _try in (1, 2):
        post(till, sale, "lines", key="offline-1", code=shop.suit.code)
    assert sale.lines.get().quantity == 1


def test_a_name_brings_goods_to_choose_from(till: Client, shop: Shop) -> None:
    sale = begun(till)
    page = post(till, sale, "lines", code=shop.suit.style.style_no).text
    assert shop.suit.size in page and not sale.lines.exists()
    assert "没有找到" in post(till, sale, "lines", code="没有这种货").text


def test_a_member_is_found_by_phone_its_end_or_his_code(till: Client, shop: Shop) -> None:
    sale = begun(till)
    assert "尾号 2075" in post(till, sale, "member", q="2075").text
    sale.refresh_from_db()
    assert sale.member is None  # four digits name nobody by themselves
    post(till, sale, "member", q="13800132075")
    sale.refresh_from_db()
    assert (sale.member, sale.member_shown_at) == (shop.member, None)
    assert "刷新" in post(till, sale, "member", q=f"{shown.PREFIX}{shop.member.member_no}:1:x").text
    post(till, sale, "member", drop="1")
    stranger = make_member(store=shop.org.other_store, phone="13900139000")
    assert post(till, sale, "member", member=stranger.pk).status_code == 404
    post(till, sale, "member", q=shown.code_of(stranger.member_no))
    sale.refresh_from_db()
    assert sale.member == stranger and sale.member_shown_at is not None


def test_another_stores_sale_is_out_of_sight(client: Client, shop: Shop) -> None:
    sale = shop.sale()
    sign_in(client, shop.org.stranger)
    assert client.get(f"/g/till/{sale.public_id}/").status_code == 404
    assert post(client, sale, "pay", key="k", way="cash").status_code == 404
    sign_in(client, make_staff("hq_merch", unit=shop.org.hq))
    assert client.get("/g/till/").status_code == 403


def test_goods_come_back_over_the_counter(client: Client, shop: Shop) -> None:
    sale = shop.paid()
    sign_in(client, shop.org.manager)
    found = client.get("/g/till/returns/", {"q": sale.order.number}).text
    assert "退这一单" in found
    assert "退这一单" in client.post("/g/till/returns/", {"q": sale.order.number}, headers={"HX-Request": "true"}).text
    address = f"/g/till/returns/{pass_for(sale.order, actor=shop.manager)}/"
    seen = client.get(address, {"line-2": 1}, headers={"HX-Request": "true"}).text
    assert "¥298.00" in seen and "现金" in seen
    body = {"line-2": "1", "reason": "no_reason", "checked": "1", "idempotency_key": "r-1"}
    answer = client.post(address, body)
    refund = SaleRefund.objects.get()
    assert answer["Location"] == f"/g/till/refunds/{refund.pk}/"
    assert client.post(address, body)["Location"] == answer["Location"] and SaleRefund.objects.count() == 1
    assert "¥298.00" in client.get(answer["Location"]).text
    assert client.post(address, body | {"line-2": "9", "idempotency_key": "r-2"}).status_code == 409


def test_a_pass_is_that_of_who_found_the_order(client: Client, shop: Shop) -> None:
    sale = shop.paid()
    theirs = pass_for(sale.order, actor=actor(shop.org.stranger))
    sign_in(client, shop.org.manager)
    assert client.get(f"/g/till/returns/{theirs}/").status_code == 404
    assert client.get("/g/till/returns/made-up/").status_code == 404


def test_what_was_exchanged_stands_on_the_receipt_and_comes_back(client: Client, shop: Shop) -> None:
    sign_in(client, shop.org.manager)
    coat = make.make_sku(99800, store=shop.org.store)
    sale = shop.paid((shop.suit, 1))
    services.exchange_piece(sale, 1, coat, ways=[services.Pay("cash")], key="x", actor=shop.manager, now=clock.now())
    slip = client.get(f"/g/till/{sale.public_id}/receipt/").text
    assert "¥698.00" in slip and "+¥300.00" in slip
    page = client.get(f"/g/till/returns/{pass_for(sale.order, actor=shop.manager)}/", {"line-2": "1"}).text
    assert "已换" in page and "¥998.00" in page


def test_socks_come_back_unopened(client: Client, shop: Shop) -> None:
    sign_in(client, shop.org.manager)
    socks = make.make_sku(3900, store=shop.org.store, category_l2="袜内衣")
    sale = shop.paid((socks, 1))
    address = f"/g/till/returns/{pass_for(sale.order, actor=shop.manager)}/"
    assert 'name="sealed"' in client.get(address, {"line-1": "1"}).text
    fields = {"line-1": "1", "checked": "1", "reason": "no_reason"}
    refused = client.post(address, fields, headers={"Idempotency-Key": "a"})
    assert refused.status_code == 409 and "拆封" in refused.text
    assert client.post(address, fields | {"sealed": "1"}, headers={"Idempotency-Key": "b"}).status_code == 302
    assert SaleRefund.objects.get().amount_fen == 3900


@pytest.mark.parametrize("count", [1, 4])
def test_the_day_costs_the_same_for_any_number_of_sales(
    till: Client, shop: Shop, count: int, django_assert_num_queries: Any
) -> None:
    for _one in range(count):
        shop.paid((shop.suit, 1), member=False)
        shop.sale((shop.suit, 1), member=False)
    till.get("/g/till/")
    with django_assert_num_queries(8):
        assert f"今天手机收银 {count} 单" in till.get("/g/till/").text


@pytest.mark.parametrize("count", [1, 5])
def test_a_basket_costs_the_same_for_any_number_of_lines(
    till: Client, shop: Shop, count: int, django_assert_num_queries: Any
) -> None:
    make.give_coupon(shop.member, 10000)
    skus = [make.make_sku(10000 + n, store=shop.org.store) for n in range(count)]
    sale = shop.sale(*[(sku, 1) for sku in skus])
    till.get(f"/g/till/{sale.public_id}/")
    with django_assert_num_queries(11):
        assert till.get(f"/g/till/{sale.public_id}/").status_code == 200


def test_the_sale_may_be_a_colleagues(till: Client, shop: Shop) -> None:
    sale, colleague = shop.sale(), make_staff(store=shop.org.store, name="李敏")
    assert "李敏" in post(till, sale, "choice", guide=colleague.pk).text
    assert Sale.objects.get(pk=sale.pk).guide == colleague
    assert post(till, sale, "choice", guide=shop.org.stranger.pk).status_code == 404


def test_who_closes_a_basket_finds_nothing_left_of_it(till: Client, shop: Shop) -> None:
    sale = shop.sale()
    post(till, sale, "drop")
    assert "已经关了" in till.get(f"/g/till/{sale.public_id}/").text
    assert services.close_sale(sale, reason="again", actor=shop.guide, now=clock.now()).state == "closed"


def test_the_card_is_asked_for_with_the_scanner_beside_it_and_refused_in_one_sentence(till: Client, shop: Shop) -> None:
    sale = begun(till)
    post(till, sale, "lines", code=shop.suit.code)
    post(till, sale, "member", q=shown.code_of(shop.member.member_no))
    post(till, sale, "choice", wallet="1")
    Sale.objects.update(member_shown_at=None)  # found by his name
    scanner = "扫会员码</button>"
    page = till.get(f"/g/till/{sale.public_id}/").text
    assert "收款前要扫他的会员码" in page and scanner in page
    refused = till.post(f"/g/till/{sale.public_id}/pay/", {"way": "cash", "idempotency_key": "k1"}).text
    assert refused.count("用储值要扫会员手机上的会员码") == 1
    Sale.objects.update(member_shown_at=clock.now())
    assert scanner not in till.get(f"/g/till/{sale.public_id}/").text
