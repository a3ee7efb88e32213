"""盘点 in the browser: planned, closed and approved, its lists, its differences, and the sheet of them."""

from typing import Any

import pytest

from crm.catalogue.stocktake.models import Stocktake
from guides.exports import registry
from tests.factories.guides import actor, holder_of, sign_in
from tests.factories.stocktake import SUIT, Phone, make_sku, put_on_book
from yejibao.core import clock as product_clock
from yejibao.core.errors import NotFound

from .conftest import Shop, counted


def test_the_manager_plans_closes_and_approves_in_the_browser(shop: Shop, client: Any) -> None:
    sign_in(client, shop.org.manager)
    made = client.post("/m/stocktakes/new/", {"day": "2026-11-23", "counters": [shop.org.guide.pk, shop.other.pk]})
    stocktake = Stocktake.objects.get()
    assert made["Location"] == f"/m/stocktakes/{stocktake.public_id}/"
    client.post(made["Location"], {"do": "start"})
    stocktake.refresh_from_db()
    phone = Phone(stocktake, shop.org.guide)
    phone.scan(SUIT, quantity=4)
    phone.bring()
    assert "实盘" not in client.get(made["Location"]).content.decode()
    assert client.get(f"{made['Location']}live/").status_code == 200
    client.post(made["Location"], {"do": "close", "anyway": "1"})
    page = client.get(made["Location"]).content.decode()
    assert "2,580" in page and "没问题，入账" in page
    client.post(made["Location"], {"do": "approve"})
    stocktake.refresh_from_db()
    assert stocktake.state == "approved"
    assert "陈国栋批的" in client.get(made["Location"]).content.decode()


@pytest.mark.parametrize("rows", [1, 6])
def test_the_lists_need_the_same_queries_for_any_length(
    shop: Shop, client: Any, rows: int, django_assert_num_queries: Any
) -> None:
    sign_in(client, shop.org.manager)
    now = product_clock.now()
    for _ in range(rows):
        Stocktake.objects.create(
            store=shop.org.store,
            day=product_clock.local_day(now),
            created_by=shop.org.manager,
            created_at=now,
            ends_at=now,
        )
    client.get("/m/stocktakes/")
    with django_assert_num_queries(5):  # who am I and what may I see, what is unread, the rows
        assert client.get("/m/stocktakes/").content.decode().count('class="cell row plain"') == rows


@pytest.mark.parametrize("rows", [1, 30])
def test_differences_need_the_same_queries_for_any_number(
    shop: Shop, client: Any, rows: int, django_assert_num_queries: Any
) -> None:
    for n in range(rows):
        put_on_book(
            shop.org.store,
            make_sku(f"25FXX{n:03}-BK-175/92A", name=f"款{n}", price_fen=10000),
            1,
            as_of=product_clock.now(),
        )
    stocktake = counted(shop)
    sign_in(client, shop.org.manager)
    url = f"/m/stocktakes/{stocktake.public_id}/"
    client.get(url)
    with django_assert_num_queries(16):
        client.get(url)


def test_the_merchandiser_reads_those_of_all_stores(shop: Shop, client: Any) -> None:
    stocktake = counted(shop, suits=4)
    sign_in(client, holder_of("hq_merch", shop.org))
    assert "新街口店 · 全店" in client.get("/m/stocktakes/").content.decode()
    page = client.get(f"/m/stocktakes/{stocktake.public_id}/").content.decode()
    assert "没问题，入账" in page and "请他复盘" not in page  # he decides; who counts again is the store's matter
    assert client.post(f"/m/stocktakes/{stocktake.public_id}/", {"do": "cancel", "reason": "…"}).status_code == 403


def test_what_differs_goes_into_a_sheet(shop: Shop) -> None:
    stocktake = counted(shop, suits=4)
    one, who = registry.find("stocktake"), actor(shop.org.manager)
    assert one is not None
    params = one.clean(who, {"stocktake": str(stocktake.public_id)})
    (row,) = list(one.rows(who, params))
    said = {column.label: column.of(row) for column in one.columns(who, params)}
    assert (said["货号"], said["开盘时账面"], said["实盘"], said["差异"], said["差异金额"]) == (SUIT, 5, 4, -1, -258000)
    with pytest.raises(NotFound):
        one.clean(actor(shop.org.stranger), {"stocktake": str(stocktake.public_id)})
