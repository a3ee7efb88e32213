"""A guide with customers in the sandbox, and the plan of a message to them."""

from collections.abc import Callable
from typing import Any

import pytest

from yejibao.core import clock as product_clock
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.mass import steps
from yejibao.wecom.mass.models import MassSend
from yejibao.wecom.mass.services import plan_message

NOON = "2026-11-23 12:00"
GUIDE, OTHER = "lan.chen", "min.wang"


@pytest.fixture
def noon(clock: Any, sandbox: Any) -> Callable[..., Any]:
    """Stop both clocks at noon; returns what moves both on."""

    def turn(**duration: float) -> Any:
        moment = clock.advance(**duration) if duration else clock.travel(NOON)
        sandbox.post("clock", now=moment.timestamp())
        return moment

    turn()
    return turn


@pytest.fixture
def customers(sandbox: Any, people: list[str]) -> list[str]:
    """Five customers of the guide's, and one of another's."""
    ids = [f"wmcust{number}" for number in range(5)]
    rows = [{"external_userid": one, "name": one, "followers": [GUIDE]} for one in ids]
    rows.append({"external_userid": "wmother", "name": "wmother", "followers": [OTHER]})
    sandbox.post("world", contacts=rows)
    return ids


@pytest.fixture
def plan(db: None, noon: Any, customers: list[str]) -> Callable[..., MassSend]:
    """Return a function that plans a message, due now."""

    def make(key: str = "winter", *, targets: Any = None, text: str = "冬装到店，周末来坐坐", **more: Any) -> MassSend:
        more = {"sender": GUIDE, "due_at": product_clock.now()} | more
        (number, *_) = plan_message(key=key, targets=targets or customers, text=text, **more)
        return MassSend.objects.get(pk=number)

    return make


@pytest.fixture
def go(door: Gateway, noon: Any) -> Callable[..., dict[str, int]]:
    """Return a function that lets the steps be done that are due."""
    return lambda: steps.go_on(now=product_clock.now(), seconds=20, door=door)
