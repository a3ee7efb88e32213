"""系统健康 in the browser, well and under faults: it fits a PC and a phone, and refreshes itself in place."""

import os
from datetime import timedelta
from typing import Any

import pytest

from tasks.review.models import FiguresRun
from tests.cockpit.test_health_page import silent
from tests.core.test_look import FAULTS
from tests.factories.guides import Org, holder_of, make_org, session_of
from yejibao.core import clock as product_clock
from yejibao.core import heart, signs
from yejibao.core.models import OutboxEvent, OutboxMessage
from yejibao.wecom import gateway, store

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = {"pc": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 780}}


@pytest.fixture
def org(transactional_db: None, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    clock.travel("2026-11-21 14:20")
    org = make_org()
    for name in signs.MAX_SILENCE_SECONDS:
        heart.beat(name)
    FiguresRun.objects.create(pk=1, ran_at=product_clock.now())
    monkeypatch.setattr(signs, "_disk", lambda: (0.3, 400.0))
    gateway._gateway.cache_clear()
    yield org
    gateway._gateway.cache_clear()
    store._store.cache_clear()


def no_fault(settings: Any) -> None:
    pass


def redis_gone(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    silent("worker", 380)
    silent("beat", 380)


def sender_dead(settings: Any) -> None:
    silent("sender", 1500)
    _messages("pending", 14, minutes=24)
    _messages("failed", 3, minutes=90, errcode=81013)


def many_things(settings: Any) -> None:
    now = product_clock.now()
    gateway.default().budgets.trip("message/send")
    heart.beat("conservation:3369", missing=2)
    FiguresRun.objects.update(ran_at=now - timedelta(minutes=9))
    OutboxEvent.objects.create(topic="crm.order_paid", payload={}, created_at=now, parked_at=now, attempts=5)
    _messages("parked", 2, minutes=60, errcode=60020)


def _messages(state: str, number: int, *, minutes: int, **facts: Any) -> None:
    at = product_clock.now() - timedelta(minutes=minutes)
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            kind="digest", dedupe_key=f"{state}:{n}", recipient=f"p{n}", due_at=at, next_at=at, created_at=at, state=state, **facts
        )
        for n in range(number)
    )  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", [no_fault, redis_gone, sender_dead, many_things], ids=lambda fault: fault.__name__)
def test_it_fits(open_page: Any, org: Org, settings: Any, fault: Any, size: str) -> None:
    fault(settings)
    page = open_page(SIZES[size], sessionid=session_of(holder_of("hq_operator", org)), reduced_motion="reduce")
    page.goto("/hq/health/")
    assert page.locator("#health").count() == 1
    assert [one for one in page.evaluate(FAULTS) if not one.startswith("small: ")] == []
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/health-{fault.__name__}-{size}.png", full_page=True)


def test_it_turns_green_by_itself(open_page: Any, org: Org, settings: Any) -> None:
    sender_dead(settings)
    page = open_page(SIZES["pc"], sessionid=session_of(holder_of("hq_operator", org)))
    page.goto("/hq/health/")
    assert "发送器" in page.inner_text(".hl-fault.red >> nth=0")
    OutboxMessage.objects.all().delete()
    heart.beat("sender")
    page.evaluate(
        "htmx.ajax('GET', '/hq/health/', {target: '#health', swap: 'outerHTML'})"
    )  # what the clock does each 15 s
    page.wait_for_selector(".hl-well")
    assert "都正常" in page.inner_text("#health-tag")
