"""买 under an item code: in a size his store has, to the page where he pays; his guide keeps it for him."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from crm.catalogue import services
from crm.catalogue.item_models import ItemCode
from crm.catalogue.models import StyleColor
from crm.catalogue.stock_models import Reservation, StockLevel
from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import close_expired
from guides.notices.models import Notification
from tests.factories.checkout import give_card
from tests.factories.crm import make_member
from tests.factories.goods import SIZE, make_goods, make_stock, sku_of
from tests.factories.guides import Org, actor, holder_of, make_org
from tests.factories.portal import sign_in_member
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
OTHER = "185/100A"


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def code(org: Org) -> str:
    style = make_goods()
    make_stock(style, org.store, 2, as_of=NOW)
    make_stock(style, org.other_store, 2, size=OTHER, as_of=NOW)
    batch = services.make_codes(sku_of(style), 1, key="b", actor=actor(holder_of("hq_merch", org)), now=NOW)
    return str(batch.items.get().code)


def buy(client: Client, code: str, size: str = SIZE, key: str = "") -> Any:
    return client.post(f"/i/{code}/buy/", {"size": size, "idempotency_key": key or uuid4().hex})


def test_he_pays_for_what_he_scanned_and_his_guide_keeps_it(client: Client, org: Org, code: str) -> None:
    member = make_member(owner=org.guide, name="王建平")
    page = sign_in_member(client, member).get(f"/i/{code}/").content.decode()
    assert "现在买" in page and "新街口店有货" in page
    for _ in range(2):
        answer = buy(client, code, key="k" * 16)
    sale = Sale.objects.get()
    assert answer.url == f"/my/pay/{sale.public_id}/"
    assert (sale.state, sale.channel, sale.guide, sale.store) == ("awaiting_member", "mall", org.guide, org.store)
    assert sale.lines.get().sku.size == SIZE
    assert client.get(answer.url).status_code == 200
    assert Notification.objects.get(staff=org.guide).title == "王建平在买抗皱羊毛修身套西"


def test_only_what_his_own_store_has(client: Client, org: Org, code: str) -> None:
    sign_in_member(client, make_member(owner=org.guide))
    page = client.get(f"/i/{code}/").content.decode()
    assert f'value="{SIZE}"' in page and f'value="{OTHER}"' not in page
    assert buy(client, code, OTHER).status_code == 409
    nowhere = sign_in_member(Client(), make_member(owner=None))
    assert "现在买" not in nowhere.get(f"/i/{code}/").content.decode() and buy(nowhere, code).status_code == 409
    assert "现在买" not in Client().get(f"/i/{code}/").content.decode() and not Sale.objects.exists()
    assert client.post(f"/i/{code}/buy/", {"size": SIZE}).status_code == 400  # without a key


def last_one(org: Org) -> None:
    StockLevel.objects.filter(store=org.store).update(quantity=1)


def test_the_last_one_is_kept_while_he_pays_and_nobody_else_gets_it(
    client: Client, org: Org, code: str, clock: Any
) -> None:
    last_one(org)
    sign_in_member(client, make_member(owner=org.guide))
    there = buy(client, code).url
    second = sign_in_member(Client(), make_member(owner=org.guide))
    assert "现在买" not in second.get(f"/i/{code}/").content.decode()
    assert buy(second, code).status_code == 409
    clock.travel(NOW + timedelta(minutes=29))
    assert buy(second, code).status_code == 409 and "接着付" in client.get(f"/i/{code}/").content.decode()
    clock.travel(NOW + timedelta(minutes=30))
    assert buy(second, code).status_code == 302  # free from that moment, before any job ran
    close_expired(now=NOW + timedelta(minutes=30))
    assert "这一单已经关闭" in client.get(there).content.decode()
    assert list(Reservation.objects.holding().values_list("key", flat=True)) == [
        f"sale:{Sale.objects.latest('pk').pk}:{sku_of(StyleColor.objects.get()).pk}"
    ]


def test_scanned_again_it_is_the_sale_he_has_begun(client: Client, org: Org, code: str) -> None:
    last_one(org)
    sign_in_member(client, make_member(owner=org.guide))
    assert buy(client, code).url == buy(client, code).url and Sale.objects.count() == 1
    assert Reservation.objects.get().quantity == 1


def test_what_his_guide_put_aside_for_him_is_what_he_buys(client: Client, org: Org, code: str) -> None:
    last_one(org)
    member = make_member(owner=org.guide)
    services.reserve(
        sku_of(StyleColor.objects.get()), org.store, 1, member=member, until=NOW + timedelta(minutes=5), key="aside",
        actor=actor(org.guide), now=NOW,
    )  # fmt: skip
    assert buy(sign_in_member(client, member), code).status_code == 302
    assert Reservation.objects.get().until == NOW + timedelta(minutes=30)


def test_paid_it_is_the_very_piece_he_held(client: Client, org: Org, code: str) -> None:
    last_one(org)
    member = make_member(owner=org.guide)
    give_card(member, 500000, 0, now=NOW)
    there = buy(sign_in_member(client, member), code).url
    due = Sale.objects.get().lines.get().sku.style.price_fen
    body = {"chosen": "1", "wallet": "1", "due": "0", "idempotency_key": "p" * 16}
    assert due < 500000 and client.post(f"{there}confirm/", body).status_code == 302
    piece = ItemCode.objects.get(code=code)
    assert (Sale.objects.get().state, piece.member) == ("paid", member)
    assert Reservation.objects.get().state == Reservation.State.TAKEN
