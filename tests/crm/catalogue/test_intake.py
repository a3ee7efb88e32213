"""Stock of stores and warehouses, labels and codes of pieces as they come in."""

import json
from datetime import timedelta
from typing import Any

import pytest

from crm.catalogue import services
from crm.catalogue.item_models import ItemBatch, ItemCode
from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.queries import available
from crm.catalogue.stock_models import StockLevel
from tests.factories.goods import SIZE, make_goods, sku_of
from tests.factories.guides import make_store
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor
from yejibao.intake.kinds import all_kinds
from yejibao.intake.services import issue_token

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-05 12:00")
HOUR = timedelta(hours=1)


@pytest.fixture
def style(clock: Any) -> StyleColor:
    clock.travel(NOW)
    make_store(code="S001")
    return make_goods("A-1")


@pytest.fixture
def post(client: Any, style: StyleColor) -> Any:
    token = issue_token("erp", now=product_clock.now(), may_send=[kind.key for kind in all_kinds()])

    def send(kind: str, *rows: dict[str, Any]) -> list[str]:
        answer = client.post(
            f"/api/v1/intake/{kind}/", json.dumps({"rows": rows}), content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.content.decode()
        return [row["result"] for row in answer.json()["results"]]

    return send


ROW = {"store": "S001", "sku": "A-1", "size": SIZE, "quantity": 3}


def test_stock_comes_of_stores_and_warehouses_and_of_no_other_place(post: Any) -> None:
    assert post("warehouses", {"code": "WH1", "name": "华东总仓"}, {"code": "S001", "name": "是门店"}) == [
        "created",
        "refused",
    ]
    assert post("stock", ROW, ROW | {"store": "WH1", "quantity": 90}, ROW | {"store": "X"}) == [
        "created",
        "created",
        "refused",
    ]
    assert post("stock", ROW | {"store": "WH1", "quantity": 80}) == ["changed"]
    found = StockLevel.objects.order_by("pk").values_list("store__code", "warehouse__code", "quantity")
    assert list(found) == [("S001", None, 3), (None, "WH1", 80)]


def test_the_same_number_counted_later_has_our_sales_in_it_and_an_older_one_is_refused(
    post: Any, style: StyleColor, clock: Any
) -> None:
    post("stock", ROW)
    store = StockLevel.objects.get().store
    assert store is not None
    sale = {"subject": "s", "actor": Actor.system()}
    services.sold(store, [(sku_of(style), 1)], key="a", now=NOW + HOUR, **sale)
    clock.travel(NOW + 2 * HOUR)
    assert available([sku_of(style).pk], [store.pk]) == {(store.pk, sku_of(style).pk): 2}
    assert post("stock", ROW | {"as_of": (NOW + HOUR / 2).isoformat()}) == ["same"]  # counted before the sale
    assert list(available([sku_of(style).pk], [store.pk]).values()) == [2]
    assert post("stock", ROW) == ["same"]  # counted now: 3 is what there is
    assert list(available([sku_of(style).pk], [store.pk]).values()) == [3]
    assert post("stock", ROW | {"quantity": 9, "as_of": NOW.isoformat()}) == ["refused"]
    assert post("stock", ROW | {"as_of": (NOW + 9 * HOUR).isoformat()}) == ["refused"]


def test_a_feed_comes_over_what_a_movement_began(post: Any, style: StyleColor, clock: Any) -> None:
    store = make_store(code="S002")
    services.returned(store, [(sku_of(style), 1)], subject="s", key="a", now=NOW + HOUR, actor=Actor.system())
    clock.travel(NOW + 2 * HOUR)
    assert post("stock", ROW | {"store": "S002", "as_of": NOW.isoformat()}) == ["changed"]
    assert list(available([sku_of(style).pk], [store.pk]).values()) == [4]


def test_labels_keep_one_size_to_a_barcode(post: Any, style: StyleColor) -> None:
    label = {"sku": "A-1", "size": SIZE, "barcode": "6901234567892"}
    assert post("labels", label) == ["changed"]
    assert post("labels", label | {"size": "175/92A"}, label | {"sku": "B-1"}) == ["refused", "refused"]
    assert Sku.objects.get(barcode="6901234567892").size == SIZE
    assert post("labels", {"sku": "A-1", "size": "195/108A", "barcode": "6901234567908"}) == ["created"]


def test_codes_of_pieces_come_in_once_and_stay_what_they_are(post: Any, style: StyleColor) -> None:
    row = {"code": "YJ-000001", "sku": "A-1", "size": SIZE}
    assert post("item_codes", row, row | {"code": "YJ-000002"}, row | {"code": "x"}) == [
        "created",
        "created",
        "refused",
    ]
    assert post("item_codes", row, row | {"code": "YJ-000003", "size": "M"}) == ["same", "refused"]
    assert post("item_codes", row | {"size": "175/92A"}) == ["refused"]
    assert (ItemCode.objects.count(), ItemBatch.objects.order_by("pk").first().count) == (2, 2)  # type: ignore[union-attr]
