"""The door to WeChat Pay with the stand-in behind it, and the product's address for its notices."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import SandboxControl, TestClock
from yejibao.core.outbox.models import OutboxEvent
from yejibao.wechatpay import services
from yejibao.wechatpay.models import PayOrder
from yejibao.wechatpay.services.polling import poll

OPENID = "oPayer0001"
NOON = "2026-11-21 12:00"


@pytest.fixture
def pay(pay_sandbox: SandboxControl) -> SandboxControl:
    """The stand-in; refunds get through at once unless a test says otherwise."""
    pay_sandbox.post("settings", refund_seconds=0, notice_gaps=[], refund_gap_seconds=0)
    return pay_sandbox


@pytest.fixture
def travel(pay: SandboxControl, clock: TestClock) -> Callable[[datetime | str], datetime]:
    """Return a function that turns the product's clock and the stand-in's to a moment."""

    def to(moment: datetime | str) -> datetime:
        at = clock.travel(moment)
        pay.post("clock", now=at.isoformat())
        return at

    return to


@pytest.fixture
def now(travel: Callable[[datetime | str], datetime]) -> datetime:
    return travel(NOON)


def begin(now: datetime, **facts: Any) -> PayOrder:
    words = {
        "purpose": "sale", "subject": "1", "amount_fen": 19900, "description": "衡裁 衬衫", "way": "jsapi", "payer_openid": OPENID,
    }  # fmt: skip
    return services.begin(**(words | facts), now=now)


def paid(pay: SandboxControl, now: datetime, **facts: Any) -> PayOrder:
    """An order that is paid, and known to be."""
    order = begin(now, **facts)
    services.prepay(order, now=now)
    pay.post("pay", out_trade_no=order.out_trade_no)
    return services.look(order, now=now)


def told(topic: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return what was published, in order."""
    rows = OutboxEvent.objects.filter(topic__startswith=f"wechatpay.{topic}").order_by("pk")
    return [(row.topic.removeprefix("wechatpay."), row.payload) for row in rows]


def tick(now: datetime) -> dict[str, int]:
    return poll(now=now)


def steps(order: PayOrder) -> list[tuple[str, str, str]]:
    return list(order.steps.filter(refund=None).order_by("pk").values_list("from_state", "to_state", "by"))
