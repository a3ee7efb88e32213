"""The door with a clean memory, and messages to send through it."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as configured

from yejibao.core import clock as product_clock
from yejibao.core.outbox import messages as outbox
from yejibao.core.outbox.models import OutboxMessage
from yejibao.wecom import gateway, store, tokens
from yejibao.wecom.gateway import Gateway

KIND = "test"
MORNING = "2026-03-02 10:00"
Queue = Callable[..., list[OutboxMessage]]


class PlainRenderer:
    """Renders the subject as a text card that carries the message's number, as every body has to."""

    def render(self, messages: Any, *, now: datetime) -> dict[int, bytes | None]:
        return {message.pk: None if message.subject == "nothing" else card(message) for message in messages}

    def still_wanted(self, messages: Any, *, now: datetime) -> set[int]:
        return {message.pk for message in messages if message.subject != "done meanwhile"}


def card(message: OutboxMessage) -> bytes:
    body = {
        "touser": message.recipient, "msgtype": "textcard", "agentid": configured.WECOM_AGENT_ID,
        "textcard": {"title": "今日待办", "description": message.subject, "url": f"https://yejibao.example/p/{message.pk}/"},
        "enable_duplicate_check": 1, "duplicate_check_interval": 14400,
    }  # fmt: skip
    return json.dumps(body, ensure_ascii=False).encode()


@pytest.fixture(autouse=True)
def _clean_memory() -> Iterator[None]:
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    yield
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    store._store.cache_clear()


@pytest.fixture(autouse=True)
def _renderer() -> Iterator[None]:
    outbox.register_renderer(KIND, PlainRenderer())
    yield
    outbox._renderers.pop(KIND, None)


@pytest.fixture
def people(sandbox: Any) -> list[str]:
    """Three guides who live in the sandbox."""
    names = ["lan.chen", "min.wang", "yu.zhao"]
    sandbox.post("world", people=[{"userid": name, "name": name, "department": [2]} for name in names],
                 departments=[{"id": 2, "name": "徐家汇店", "parentid": 1}])  # fmt: skip
    return names


@pytest.fixture
def door(sandbox: Any, people: list[str]) -> Gateway:
    """A gateway that does not wait between tries."""
    return Gateway(gateway.configured_app(), configured.WECOM_API_BASE, sleep=lambda seconds: None)


@pytest.fixture
def queue(db: None) -> Queue:
    """Return a function that queues messages, due now."""

    def make(
        *recipients: str, subject: str = "3 位会员待跟进", due_at: datetime | None = None, **more: Any
    ) -> list[OutboxMessage]:
        due_at = due_at or product_clock.now()
        start = OutboxMessage.objects.count()
        outbox.enqueue(
            outbox.NewMessage(
                kind=KIND, dedupe_key=f"test/{start + number}", recipient=name, subject=subject, due_at=due_at, **more
            )
            for number, name in enumerate(recipients)
        )
        return list(OutboxMessage.objects.order_by("pk")[start:])

    return make


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    """Nobody listens where Redis should be."""
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock?db=0"
    store._store.cache_clear()
    yield
    store._store.cache_clear()


@pytest.fixture
def morning(clock: Any, sandbox: Any) -> Any:
    """Ten in the morning, here and at the platform; `go(minutes=5)` moves both."""

    class Both:
        def __init__(self) -> None:
            self.now: datetime = clock.travel(MORNING)
            sandbox.post("clock", now=self.now.isoformat())

        def go(self, **duration: float) -> datetime:
            self.now = clock.advance(**duration)
            sandbox.post("clock", now=self.now.isoformat())
            return self.now

    return Both()


def later(**duration: float) -> datetime:
    return product_clock.now() + timedelta(**duration)


def states(*rows: OutboxMessage) -> list[str]:
    """Read the rows anew and return their states."""
    for row in rows:
        row.refresh_from_db()
    return [row.state for row in rows]


def flags(sandbox: Any, userid: str = "lan.chen") -> list[str]:
    return [row["flag"] for row in sandbox.received(userid)]
