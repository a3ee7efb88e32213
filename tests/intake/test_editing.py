"""A refused order is corrected in its items: typed, deleted, added; what is not on the page stays."""

from typing import Any

import pytest
from django.test import Client

from crm.orders.intake import open_order
from crm.orders.models import Order
from tests.factories.crm import order_row
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.core import clock
from yejibao.core.models import AuditEntry
from yejibao.intake.editing import changed, groups
from yejibao.intake.kinds import RawRow, get
from yejibao.intake.models import Batch, RefusedRow, Source
from yejibao.intake.services.batches import close_batch, new_batch, take

pytestmark = pytest.mark.django_db
LINES = [
    {"sku": "25FXF101-NV", "size": "175/92A", "quantity": 1, "paid_fen": 238000, "family": "西服"},
    {"sku": "25FXF102-BK", "size": "40", "quantity": 0, "paid_fen": "12.5"},
]
RETURN = {
    "number": "R1",
    "at": "2026-03-03T11:00:00+08:00",
    "lines": [{"line_no": 9, "quantity": 1, "refund_fen": 100}],
}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-05 12:00")
    return make_org()


def refused(org: Org, **facts: Any) -> RefusedRow:
    source = Source.objects.create(name="till", created_at=clock.now())
    row = order_row("A1", store=org.store.code, **facts)
    batch = new_batch(get("orders"), source, way=Batch.Way.API, now=clock.now())
    (answer,) = take(batch, [RawRow(1, row)], now=clock.now(), is_text=False)
    close_batch(batch, now=clock.now())
    assert answer.outcome == "refused"
    return RefusedRow.objects.get()


@pytest.fixture
def hq(org: Org) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of("hq_crm", org))


def head(org: Org) -> dict[str, str]:
    return {"number": "A1", "store": org.store.code, "kind": "retail", "paid_at": "2026-03-01 15:00", "paid_fen": ""}


def test_the_items_stand_in_the_form_and_what_is_wrong_is_marked(hq: Client, org: Org) -> None:
    row = refused(org, lines=LINES)
    page = hq.get(f"/hq/intake/refused/{row.pk}/").content.decode()
    assert 'name="lines.0.paid_fen" value="2380.00"' in page and 'name="lines.2.sku" value=""' in page
    wrong = page.split('name="lines.1.quantity"')[1].split(">")[0]
    assert "aria-invalid" in wrong


def test_items_are_corrected_deleted_and_added(hq: Client, org: Org) -> None:
    row = refused(org, lines=LINES)
    told = head(org) | {"lines.1.quantity": "2", "lines.1.paid_fen": "12"}
    hq.post(f"/hq/intake/refused/{row.pk}/", told)
    order = Order.objects.get(number="A1")
    assert [(one.quantity, one.paid_fen, one.family) for one in order.lines.order_by("line_no")][0] == (
        1,
        238000,
        "西服",
    )
    assert order.paid_fen == 239200
    row.refresh_from_db()
    assert row.state == "fixed"
    entry = AuditEntry.objects.get(action="intake.row_retried")
    assert "lines.1" in entry.after["fields"] and "lines.0" not in entry.after["fields"]


def test_a_wrong_item_may_go_and_another_come(hq: Client, org: Org) -> None:
    row = refused(org, lines=LINES)
    more = {"drop:lines.1": "on", "lines.2.sku": "25FXF103-GY", "lines.2.quantity": "1", "lines.2.paid_fen": "99.90"}
    hq.post(f"/hq/intake/refused/{row.pk}/", head(org) | more)
    lines = Order.objects.get(number="A1").lines.order_by("line_no")
    assert [(one.sku_code, one.paid_fen) for one in lines] == [("25FXF101-NV", 238000), ("25FXF103-GY", 9990)]


def test_what_came_back_of_it_is_corrected_too(hq: Client, org: Org) -> None:
    row = refused(org, lines=LINES[:1], returns=[RETURN])
    page = hq.get(f"/hq/intake/refused/{row.pk}/").content.decode()
    assert 'name="returns.0.lines.0.line_no" value="9"' in page
    hq.post(f"/hq/intake/refused/{row.pk}/", head(org) | {"returns.0.lines.0.line_no": "1"})
    assert Order.objects.get(number="A1").refunded_fen == 100


def test_still_wrong_it_stays_with_what_was_typed(hq: Client, org: Org) -> None:
    row = refused(org, lines=LINES)
    hq.post(f"/hq/intake/refused/{row.pk}/", head(org) | {"lines.1.quantity": "两件"})
    held = RefusedRow.objects.get(state="open")
    assert open_order(held.cells)["lines"][1]["quantity"] == "两件" and held.tries == 2


def test_nothing_typed_changes_nothing() -> None:
    kind, row = get("orders"), {"number": "A1", "lines": [*LINES, "odd"], "returns": [RETURN], "note": "急"}
    shown = {
        cell.path: cell.value for group in groups(kind, row, wrong=set()) for item in group.items for cell in item.cells
    }
    assert changed(kind, row, shown) == (row, []) == changed(kind, row, {})
    assert changed(kind, "odd", shown) == ("odd", [])
