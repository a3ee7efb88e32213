"""What the own store lacks of a basket comes from elsewhere by 调货: one tap, the basket waits, and is sent when it came."""

from datetime import timedelta
from typing import Any

import pytest

from crm.catalogue.services import OutOfStock, answer_transfer, receive_transfer, send_transfer
from crm.catalogue.stock_models import TransferRequest, Warehouse
from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import add_lines
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.services import ask_for_rest, send_order
from tests.factories.goods import make_stock
from tests.factories.guides import actor, holder_of, sign_in
from yejibao.core import clock
from yejibao.core.scope import Actor

from .conftest import Deal


@pytest.fixture
def depot(deal: Deal) -> Any:
    """A warehouse that has four of the coat, of which the store has two."""
    warehouse = Warehouse.objects.create(code="WH1", name="总仓", city="南京")
    make_stock(deal.coat.style, warehouse, 4, size=deal.coat.size, as_of=clock.now() - timedelta(hours=1))
    return warehouse


def wants(deal: Deal, coats: int) -> Sale:
    sale = deal.basket()
    return add_lines(sale, [(deal.coat.code, coats - 1)], actor=deal.guide, now=clock.now())


def ask(deal: Deal, sale: Sale, key: str = "k1") -> TransferRequest | None:
    return ask_for_rest(sale, deal.coat.pk, key=key, actor=deal.guide, now=clock.now())


def test_what_is_missing_is_asked_for_comes_and_is_sold(deal: Deal, depot: Any) -> None:
    sale = wants(deal, 3)
    with pytest.raises(OutOfStock):
        send_order(sale, way="link", delivery="pickup", actor=deal.guide, now=clock.now())
    asked = ask(deal, sale)
    assert asked and (asked.quantity, asked.from_warehouse, asked.member, asked.to_store) == (
        1, depot, deal.member, deal.org.store,
    )  # fmt: skip
    assert Sale.objects.get(pk=sale.pk).expires_at == clock.now() + timedelta(days=5)
    house: Actor = actor(holder_of("hq_merch", deal.org))
    answer_transfer(asked, agrees=True, actor=house, now=clock.now())
    send_transfer(asked, actor=house, now=clock.now())
    deal.clock.travel(clock.now() + timedelta(hours=20))
    receive_transfer(asked, actor=deal.guide, now=clock.now())
    proxy = send_order(sale, way="link", delivery="pickup", actor=deal.guide, now=clock.now())
    assert proxy.sale_id == sale.pk


def test_asked_once_for_what_is_missing_and_again_only_for_more(deal: Deal, depot: Any) -> None:
    sale = wants(deal, 3)
    first = ask(deal, sale)
    assert first and ask(deal, sale, key="k2") is None
    answer_transfer(first, agrees=True, actor=actor(holder_of("hq_merch", deal.org)), now=clock.now())
    add_lines(sale, [(deal.coat.code, 2)], actor=deal.guide, now=clock.now())
    more = ask(deal, sale, key="k3")
    assert more and more.quantity == 2


def test_nothing_is_asked_for_that_lies_here_and_nobody_where_nobody_has_any(deal: Deal) -> None:
    assert ask(deal, wants(deal, 2)) is None
    with pytest.raises(OutOfStock):
        ask(deal, wants(deal, 2 + 1))


def test_one_tap_on_the_page_puts_it_in_and_asks(deal: Deal, depot: Any, client: Any) -> None:
    sign_in(client, deal.org.guide)
    sale = wants(deal, 2)
    at = f"/g/proxy/{sale.public_id}/"
    form = {"ask": "1", "more": "1", "sku": deal.coat.code, "idempotency_key": "tap-1"}
    for _tap in (1, 2):
        assert client.post(at, form).status_code == 302
    assert (sale.lines.get().quantity, TransferRequest.objects.get().quantity) == (3, 1)
    for page in (at, f"{at}pay/"):
        assert f"在问 · {depot}" in client.get(page).content.decode()
    TransferRequest.objects.update(state="cancelled", ended_at=clock.now())
    page = client.get(f"{at}pay/").content.decode()
    assert 'name="ask"' in page and "本店只有 2 件" in page
    again = client.post(at, {"ask": "1", "sku": deal.coat.code, "back": "pay", "idempotency_key": "tap-2"})
    assert again["Location"] == f"{at}pay/" and sale.lines.get().quantity == 3
    assert not ProxyOrder.objects.exists()


def test_what_nobody_can_send_is_not_put_in(deal: Deal, client: Any) -> None:
    sign_in(client, deal.org.guide)
    sale = wants(deal, 2)
    at = f"/g/proxy/{sale.public_id}/"
    client.post(at, {"ask": "1", "more": "1", "sku": deal.coat.code, "idempotency_key": "tap-1"})
    assert sale.lines.get().quantity == 2
    assert "附近的店和仓库都没有" in client.get(at).content.decode()
