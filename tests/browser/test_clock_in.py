"""打卡 in the client: too far, then at the till; who comes late; a forgotten day asked for, approved by the manager."""

import os
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from guides.attendance.clockin.models import ClockCorrection, ClockPunch, ClockRecord, StoreFence, StoreWifi
from guides.org.models import Staff
from guides.worklog.models import WorkLog
from tests.conftest import PHONE, SandboxControl, TestClock
from tests.core.test_look import FAULTS
from tests.factories.guides import Org, make_org, session_of
from yejibao.core.clock import parse_iso
from yejibao.wecom import gateway, tokens

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SMALL = {"width": 360, "height": 780}


@pytest.fixture
def org(transactional_db: None, live_server: Any, sandbox: SandboxControl, clock: TestClock, settings: Any) -> Org:
    settings.PUBLIC_BASE_URL = live_server.url
    settings.WECOM_OAUTH_BASE = f"{live_server.url}/sandbox"
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    now = clock.travel("2026-11-21 09:24")
    sandbox.post("clock", now=now.isoformat())
    org = make_org()
    StoreFence.objects.create(
        store=org.store, latitude=32.041544, longitude=118.784135, given_latitude=32.041544, given_longitude=118.784135,
        given_datum="gcj02", since=date(2026, 11, 1), set_at=now,
    )  # fmt: skip
    StoreWifi.objects.create(store=org.store, bssid="5c:02:14:a0:00:10", label="收银台", set_at=now)
    return org


def keep(page: Any, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(400)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def enter(open_page: Callable[..., Any], person: Staff, path: str, spot: str = "") -> Any:
    """Open the client as a person, put the phone somewhere, and open one of our pages in it; return the page and its frame."""
    page = open_page(PHONE)
    page.goto("/sandbox/people/")
    page.locator(".pick-p", has_text=person.name).click()
    page.wait_for_selector("#wx")
    if spot:
        page.evaluate(
            "([who, key]) => localStorage.setItem(`sbx.spot.${who}`, JSON.stringify(key))", [person.wecom_user_id, spot]
        )
    page.evaluate("(path) => { location.hash = `#page/${encodeURIComponent(path)}`; }", path)
    return page, page.frame_locator("#wx-page iframe")


def test_she_clocks_in_from_nine_and_is_told_what_is_in_the_way(org: Org, open_page: Callable[..., Any]) -> None:
    page, frame = enter(open_page, org.guide, "/g/clock-in/", "far")
    frame.get_by_role("button", name="同意，去打卡").click()
    frame.get_by_text("点的时候才取一次位置").wait_for()
    button = frame.locator("[data-clock]")
    button.click()
    frame.locator("[data-refused]:not([hidden])").wait_for()
    assert "超出打卡范围" in frame.locator("[data-said]").inner_text()
    assert not ClockPunch.objects.exists()
    page.evaluate("(who) => localStorage.setItem(`sbx.spot.${who}`, JSON.stringify('door'))", org.guide.wecom_user_id)
    button.click()
    frame.get_by_text("在门店内，").wait_for()
    record = ClockRecord.objects.get(staff=org.guide)
    assert (record.state, record.way) == ("normal", "place")
    assert "下班打卡" in frame.locator("[data-clock]").inner_text()
    page.evaluate("(who) => localStorage.setItem(`sbx.spot.${who}`, JSON.stringify('wifi'))", org.guide.wecom_user_id)
    frame.locator("[data-clock]").click()
    frame.get_by_text("9:24 下班").wait_for()
    assert ClockPunch.objects.get(side="out").way == "wifi"


def test_late_then_mended_by_her_manager(org: Org, open_page: Callable[..., Any], clock: TestClock) -> None:
    clock.travel("2026-11-21 09:41")
    page, frame = enter(open_page, org.guide, "/g/clock-in/", "shop")
    frame.locator("[data-clock]").click()
    frame.get_by_text("9:41 上班，迟到 11 分钟").wait_for()
    frame.get_by_role("link", name="补卡").click()
    frame.locator("[name=at]").fill("09:27")
    frame.get_by_text("手机没电、坏了").click()
    frame.locator("[name=reason]").fill("手机没电，到店才充上")
    frame.get_by_role("button", name="交给店长批").click()
    frame.get_by_text("出勤 1 天").wait_for()
    row = ClockCorrection.objects.get()
    assert row.at == parse_iso("2026-11-21 09:27")
    board = open_page(SMALL, sessionid=session_of(org.manager), reduced_motion="reduce")
    board.goto("/m/attendance/")
    assert board.evaluate(FAULTS) == []
    keep(board, "attendance-360")
    board.get_by_role("button", name="同意林晓雯补卡").click()
    board.wait_for_selector("text=林晓雯的卡补上了")
    assert ClockRecord.objects.get().state == "normal" and not board.get_by_text("等你点头").count()
    keep(board, "attendance-after-360")


def test_the_pages_fit_a_small_phone(org: Org, open_page: Callable[..., Any]) -> None:
    for person, path in (
        (org.guide, "/g/clock-in/"), (org.guide, "/g/clock-in/month/"), (org.guide, "/g/clock-in/mend/"), (org.guide, "/g/clock-in/mend/?live=1"),
        (org.manager, f"/m/attendance/places/{org.store.pk}/"),
    ):  # fmt: skip
        page = open_page(SMALL, sessionid=session_of(person), reduced_motion="reduce")
        page.goto(path)
        assert page.evaluate(FAULTS) == [], path
        keep(page, f"clock-{path.strip('/').replace('/', '-').replace('?', '-')}")


def test_a_day_from_clocking_in_to_the_work_log(org: Org, open_page: Callable[..., Any], clock: TestClock) -> None:
    page, frame = enter(open_page, org.guide, "/g/clock-in/", "shop")
    frame.locator("[data-clock]").click()
    frame.get_by_text("9:24 上班").wait_for()
    clock.travel("2026-11-21 20:40")
    page.evaluate(
        "() => { location.hash = '#app'; location.hash = `#page/${encodeURIComponent('/g/clock-in/?evening')}`; }"
    )
    frame.get_by_role("button", name="下班打卡 20:40").wait_for()
    frame.locator("[data-clock]").click()
    frame.get_by_text("20:40 下班").wait_for()
    page.evaluate("() => { location.hash = `#page/${encodeURIComponent('/g/worklog/')}`; }")
    frame.get_by_role("button", name="交日志").wait_for()
    for box in frame.locator("form textarea").all():
        box.fill("试穿的两位说周末再来")
    frame.get_by_role("button", name="交日志").click()
    frame.get_by_text("已交", exact=True).wait_for()
    assert WorkLog.objects.get(staff=org.guide).handed_in_at == clock.now()
    his = open_page(SMALL, sessionid=session_of(org.manager), reduced_motion="reduce")
    his.goto("/m/worklogs/")
    his.wait_for_selector("text=林晓雯")
