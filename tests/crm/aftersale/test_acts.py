"""The buttons of a ticket's page: a piece called from elsewhere, what we spoilt mended or paid for, and who has them."""

import pytest
from django.test import Client

from crm.aftersale import services
from crm.aftersale.models import CareSlip, Ticket
from crm.catalogue.models import Sku
from crm.catalogue.services import answer_transfer, receive_transfer, send_transfer
from crm.catalogue.stock_models import StockLevel, TransferRequest
from crm.orders.checkout.models import SaleRefund
from crm.orders.models import OrderLine
from tests.crm.orders.checkout.conftest import Shop
from tests.factories.guides import actor, make_staff, sign_in
from yejibao.core import clock
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

from .conftest import Photos

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(shop: Shop) -> OrderLine:
    return OrderLine.objects.select_related("order").get(order__sale=shop.paid((shop.suit, 1)))


def ticket_of(shop: Shop, line: OrderLine, kind: str, **wish: str) -> Ticket:
    ticket = services.open_ticket(
        shop.member, kind=kind, order=line.order, line=line, wish=wish, actor=Actor.system(), now=clock.now()
    )
    return services.reply(ticket, "看到了", actor=shop.guide, now=clock.now())


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return str(answer.content.decode())


def size_in(shop: Shop, size: str) -> Sku:
    """Return another size of the suit that lies in the store beside, not here."""
    style = shop.suit.style
    StockLevel.objects.create(
        store=shop.org.other_store, style=style, size=size, quantity=2, as_of=clock.now(), source="feed"
    )
    return Sku.objects.create(code=f"{style.sku_code}-{size}", style=style, size=size)


def test_a_size_is_called_from_the_store_beside_and_taken_when_it_came(
    client: Client, shop: Shop, line: OrderLine
) -> None:
    other, store = size_in(shop, "B"), shop.org.other_store
    ticket = ticket_of(shop, line, "exchange_size", target_size="B")
    path, quote = f"/g/tickets/{ticket.pk}/", f"/g/tickets/{ticket.pk}/difference/?sku={other.code}"
    sign_in(client, shop.org.guide)
    assert "看附近" in page(client, f"{path}goods/")
    shown = page(client, quote)
    assert f'value="near:{store.pk}"' in shown and "答应他 3 天" in shown and "换给他" not in shown
    call = {"do": "call", "sku": other.code, "source": f"near:{store.pk}"}
    assert client.post(f"{path}say/", call | {"source": "near:0"}).status_code == 422
    for _twice in range(2):
        assert client.post(f"{path}say/", call | {"idempotency_key": "k1"}).status_code == 302
    asked = TransferRequest.objects.get()
    ticket.refresh_from_db()
    assert (ticket.state, asked.member, asked.from_store) == ("processing", shop.member, store)
    assert "等回复" in page(client, quote)

    there = actor(make_staff("store_manager", store=store))
    answer_transfer(asked, agrees=True, actor=there, now=clock.now())
    send_transfer(asked, actor=there, now=clock.now())
    receive_transfer(asked, actor=shop.guide, now=clock.now())
    assert "换给他" in page(client, quote)  # it is kept for him, and nobody else's
    assert client.post(f"{path}say/", {"do": "exchange", "sku": other.code, "difference_fen": "0"}).status_code == 302
    ticket.refresh_from_db()
    assert (ticket.state, ticket.result) == ("closed", "换成 B")


def test_the_desk_offers_another_piece_but_leaves_the_calling_to_the_store(
    client: Client, shop: Shop, line: OrderLine
) -> None:
    other = size_in(shop, "B")
    ticket = ticket_of(shop, line, "exchange_size", target_size="B")
    sign_in(client, make_staff("customer_service", unit=shop.org.hq))
    assert "请门店去调货" in page(client, f"/g/tickets/{ticket.pk}/difference/?sku={other.code}")
    call = {"do": "call", "sku": other.code, "source": f"near:{shop.org.other_store.pk}"}
    assert client.post(f"/hq/service/{ticket.pk}/say/", call).status_code == 403
    sign_in(client, shop.org.stranger)
    assert client.post(f"/g/tickets/{ticket.pk}/say/", call).status_code == 404


def test_what_we_spoilt_is_mended_first_and_paid_for_by_the_rule(
    client: Client, shop: Shop, line: OrderLine, photos: Photos
) -> None:
    ticket = ticket_of(shop, line, "care", care_kind="熨烫")
    path = f"/g/tickets/{ticket.pk}/"
    sign_in(client, shop.org.guide)
    assert "我们弄坏了" not in page(client, path)  # nothing of his is with us
    services.receive(ticket, photos=photos(2, shop.guide), actor=shop.guide, now=clock.now())
    shown = page(client, path)
    assert "我们修好，不收费" in shown and "申请赔他 ¥698.00" in shown and "要店长或财务点头" in shown
    assert client.post(f"{path}say/", {"do": "mend", "text": ""}).status_code == 422
    assert client.post(f"{path}say/", {"do": "mend", "text": "袖口烫亮了，找师傅修"}).status_code == 302
    assert CareSlip.objects.get().coverage == "ours" and "我们修好，不收费" not in page(client, path)

    sign_in(client, shop.org.manager)  # up to her limit she decides alone, and the button says what it costs
    shown = page(client, path)
    assert "赔他 ¥698.00" in shown and "申请赔他" not in shown
    for _twice in range(2):
        given = {"do": "compensate", "text": "修不了", "idempotency_key": "k2"}
        assert client.post(f"{path}say/", given).status_code == 302
    ticket.refresh_from_db()
    assert (ticket.state, ticket.result, SaleRefund.objects.get().amount_fen) == ("closed", "已赔付 ¥698.00", 69800)
    assert AuditEntry.objects.filter(action="care.damaged").count() == 2


def test_the_desk_pays_for_what_was_spoilt_too(client: Client, shop: Shop, line: OrderLine, photos: Photos) -> None:
    ticket = ticket_of(shop, line, "care", care_kind="熨烫")
    services.receive(ticket, photos=photos(2, shop.guide), actor=shop.guide, now=clock.now())
    sign_in(client, make_staff("customer_service", unit=shop.org.hq))
    assert "赔他 ¥698.00" in page(client, f"/hq/service/{ticket.pk}/")
    given = {"do": "compensate", "text": "门店说修不了"}
    assert client.post(f"/hq/service/{ticket.pk}/say/", given).status_code == 302
    ticket.refresh_from_db()
    assert ticket.state == "closed"
    assert "我们弄坏了" not in page(client, f"/hq/service/{ticket.pk}/")
