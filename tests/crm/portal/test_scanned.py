"""买 under an item code: in a size his store has, to the page where he pays; his guide keeps it for him."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from crm.catalogue import services
from crm.orders.checkout.models import Sale
from guides.notices.models import Notification
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
