"""A store, its guide and member, and rows as a till sends them."""

from datetime import datetime
from typing import Any

import pytest

from crm.orders.services import ingest_orders
from tests.factories.crm import make_member, make_staff, make_store, order_row
from yejibao.core.clock import parse_iso
from yejibao.core.outbox.models import OutboxEvent

NOW = parse_iso("2025-03-01 15:05")
LATER = parse_iso("2025-03-05 12:00")


@pytest.fixture
def store() -> Any:
    return make_store(code="S001")


@pytest.fixture
def guide(store: Any) -> Any:
    return make_staff(store=store, wecom_user_id="limin")


@pytest.fixture
def member(guide: Any) -> Any:
    return make_member(member_no="M1", phone="13800132075", owner=guide)


@pytest.fixture
def row(store: Any, guide: Any, member: Any) -> Any:
    """Return a function that makes a good row; a value of None leaves the field out."""

    def make(number: str = "A1", **facts: Any) -> dict[str, Any]:
        facts = {"store": "S001", "guide": "LiMin", "member": "M1"} | facts
        return {key: value for key, value in order_row(number, **facts).items() if value is not None}

    return make


def send(*rows: Any, now: datetime = NOW, **options: Any) -> list[Any]:
    return ingest_orders(list(rows), source="till", now=now, **options)


def words(results: list[Any]) -> list[str]:
    return [result.result for result in results]


def topics() -> list[str]:
    return list(OutboxEvent.objects.order_by("pk").values_list("topic", flat=True))


def back(number: str, *lines: tuple[int, int, int], at: str = "2025-03-03T11:00:00+08:00") -> dict[str, Any]:
    parts = [{"line_no": no, "quantity": quantity, "refund_fen": fen} for no, quantity, fen in lines]
    return {"number": number, "at": at, "lines": parts}
