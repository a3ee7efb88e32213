"""What waits for a person is counted with his session; a panel that waits for it is not asked where nothing does."""

from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from yejibao.core import panels, waiting
from yejibao.core.panels import panel, render


@pytest.fixture(autouse=True)
def _own_slot(monkeypatch: Any) -> None:
    monkeypatch.setitem(panels._slots, "desk", {})


def asking(**counts: int) -> HttpRequest:
    request = RequestFactory().get("/")
    request.waiting = counts  # type: ignore[attr-defined]
    return request


@pytest.mark.parametrize(
    ("request_", "asked"), [(asking(duties=2), True), (asking(duties=0), False), (RequestFactory().get("/"), False)]
)
def test_a_panel_is_asked_only_where_something_waits(request_: HttpRequest, asked: bool) -> None:
    seen: list[HttpRequest] = []

    @panel("desk", order=1, waits="duties")
    def duties(request: HttpRequest, **_: Any) -> None:
        seen.append(request)

    assert render("desk", request_) == []
    assert bool(seen) is asked


def test_what_was_settled_is_taken_off() -> None:
    request = asking(notifications=3)
    waiting.settle(request, "notifications", 2)
    assert waiting.of(request, "notifications") == 1
    waiting.settle(request, "notifications", 100)
    assert (waiting.of(request, "notifications"), waiting.of(request, "nothing")) == (0, 0)


def test_the_counts_have_their_names(monkeypatch: Any) -> None:
    monkeypatch.setattr(waiting, "_counted", {})
    waiting.count("a", "a_table one WHERE one.staff_id = person.id")
    waiting.count("b", "b_table one WHERE one.staff_id = person.id")
    assert waiting.columns().index("a_table") < waiting.columns().index("b_table")
    assert waiting.read([1, 2]) == {"a": 1, "b": 2}
