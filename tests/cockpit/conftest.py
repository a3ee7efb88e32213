"""Messages in all states, as the sender leaves them."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from tests.factories.guides import Org, make_org
from yejibao.core import clock as product_clock
from yejibao.core.models import OutboxMessage

NOW = "2026-11-21 14:20"
_serial = count(1)


@pytest.fixture
def now(clock: Any) -> Any:
    return clock.travel(NOW)


@pytest.fixture
def org(db: None, now: Any) -> Org:
    return make_org()


@pytest.fixture
def message(org: Org) -> Callable[..., OutboxMessage]:
    """Return a function that makes a message; `minutes` ago is when it was due, made and tried."""

    def make(state: str = "sent", *, to: str = "", minutes: float = 10, **facts: Any) -> OutboxMessage:
        at = product_clock.now() - timedelta(minutes=minutes)
        stamps: dict[str, Any] = {"due_at": at, "next_at": at, "created_at": at}
        if state not in ("pending", "unknown") or facts.get("attempts"):
            stamps["claimed_at"] = at
            facts.setdefault("attempts", 1)
        if state == "sent":
            stamps["sent_at"] = at
        return OutboxMessage.objects.create(
            **{"kind": "digest", "dedupe_key": f"test:{next(_serial)}", "recipient": to or org.guide.wecom_user_id,
               "subject": f"staff:{org.guide.pk}", "state": state} | stamps | facts
        )  # fmt: skip

    return make
