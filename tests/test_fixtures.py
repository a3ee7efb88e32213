"""The house's fixtures themselves: a browser on the live server, the clock, the sandbox over a real socket."""

from typing import Any

import pytest

from tests.conftest import PC
from tests.factories.guides import make_org, session_of
from yejibao.core import clock as product_clock


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_phone_opens_a_page_of_the_live_server(page: Any, live_server: Any) -> None:
    assert page.goto("/readyz").status == 200
    assert page.viewport_size == {"width": 390, "height": 844}
    assert page.evaluate("document.fonts.check('16px sans-serif', '导购')")


def test_the_clock_stands_where_it_was_put(clock: Any) -> None:
    clock.travel("2026-03-02 10:00")
    assert product_clock.now().isoformat() == "2026-03-02T02:00:00+00:00"
    clock.advance(hours=2)
    assert product_clock.now().isoformat() == "2026-03-02T04:00:00+00:00"


def test_the_clock_runs_again_after_a_test() -> None:
    assert product_clock._travelled is None


def test_the_sandbox_is_empty_at_the_start(sandbox: Any, settings: Any) -> None:
    assert sandbox.get("world")["people"] == []
    assert settings.WECOM_API_BASE == f"{sandbox.url}/cgi-bin/"
    sandbox.post("world", people=[{"userid": "li.ning", "name": "李宁", "department": [1]}])


def test_the_sandbox_is_empty_again(sandbox: Any) -> None:
    assert sandbox.get("world")["people"] == []
    assert sandbox.received() == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_api_pages_render_under_our_content_security_policy(open_page: Any) -> None:
    page = open_page(PC, sessionid=session_of(make_org().guide))
    assert page.goto("/api/docs/").status == 200
    page.wait_for_selector(".opblock")
    assert "业绩宝 API" in page.inner_text(".info")
