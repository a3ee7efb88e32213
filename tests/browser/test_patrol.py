"""巡店 in a fitting room: begun at the store, filled without the net, brought home with one conflict, handed in."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from guides.attendance.clockin import geo
from guides.org.models import Staff
from guides.patrol.models import ItemScore, PatrolPhoto, Visit
from tests.conftest import PC, PHONE, TestClock
from tests.core.test_look import FAULTS
from tests.factories import patrol
from tests.factories.guides import Org, holder_of, make_org, session_of
from yejibao.core.clock import parse_iso

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = parse_iso("2026-11-21 14:00")
SMALL = {"width": 360, "height": 780}
SPOT = geo.to_wgs84(patrol.SPOT)
TABLET = "the-tablet-in-the-bag"


@pytest.fixture
def org(transactional_db: None, clock: TestClock, tmp_path: Path, settings: Any) -> Org:
    settings.MEDIA_ROOT = tmp_path
    clock.travel(NOW)
    org = make_org()
    patrol.set_place(org.store)
    patrol.load()
    return org


@pytest.fixture
def phone(open_page: Callable[..., Any]) -> Callable[..., Any]:
    def make(person: Staff, size: dict[str, int] = PHONE) -> Any:
        return open_page(
            size, sessionid=session_of(person), permissions=["geolocation"], reduced_motion="reduce",
            geolocation={"latitude": SPOT.latitude, "longitude": SPOT.longitude, "accuracy": 18},
        )  # fmt: skip

    return make


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(300)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def item(page: Any, key: str) -> Any:
    return page.locator(f"#item-{key}")


def opened(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("html[data-ready]")


def test_a_patrol_without_the_net_comes_home_with_one_conflict(
    org: Org, phone: Callable[..., Any], clock: TestClock, wait_until: Callable[..., None]
) -> None:
    supervisor = holder_of("area_supervisor", org)
    page = phone(supervisor)
    page.goto(f"/m/patrol/stores/{org.store.pk}/")
    assert page.evaluate(FAULTS) == []
    shot(page, "patrol-store")
    page.get_by_role("button", name="开始巡店").click()
    page.get_by_role("button", name="签到，开始").click()
    page.wait_for_url(re.compile("/m/patrol/visits/"))
    page.wait_for_selector("html[data-warm]")
    visit = Visit.objects.get()
    assert visit.check_ins.get().result == "near"

    page.context.set_offline(True)
    page.reload()  # the fitting room: the page opens from the phone
    page.wait_for_selector("html[data-ready]")
    item(page, "facade_sign").get_by_role("button", name="2", exact=True).click()
    item(page, "facade_sign").get_by_role("button", name="破损", exact=True).click()
    item(page, "facade_sign").locator("[data-field=problem]").fill("破损；右下角缺一块")
    item(page, "facade_sign").locator("input[type=file]").set_input_files(
        {"name": "sign.jpg", "mimeType": "image/jpeg", "buffer": patrol.picture(3)}
    )
    item(page, "facade_sign").get_by_text("等着上传").wait_for()
    item(page, "facade_window_display").get_by_role("button", name="5", exact=True).click()
    item(page, "facade_entrance").get_by_role("button", name="不适用").click()
    item(page, "facade_entrance").locator("[data-field=na_reason]").fill("商场中岛，没有门头")
    page.get_by_text("没网，已存本机").wait_for()
    assert page.locator("[data-filled]").inner_text() == "3"
    shot(page, "patrol-offline")
    page.reload()  # closed and opened again: everything is still there
    page.wait_for_selector("html[data-ready]")
    assert item(page, "facade_sign").locator("[data-field=problem]").input_value() == "破损；右下角缺一块"
    assert (
        item(page, "facade_sign").locator("[data-photo]").count() == 1
        and page.locator("[data-filled]").inner_text() == "3"
    )

    told = patrol.said(device=TABLET, facade_sign=patrol.value(4, note="灯箱亮"), display_color=patrol.value(5))
    patrol.sync(visit, told)
    page.context.set_offline(False)
    clash = item(page, "facade_sign").locator(".clash")
    clash.wait_for()
    assert (
        "右下角缺一块" in clash.inner_text()
        and "灯箱亮" in clash.inner_text()
        and "你的另一台手机" in clash.inner_text()
    )
    assert page.evaluate(FAULTS) == []
    shot(page, "patrol-conflict")
    clash.get_by_role("button", name="用这里的").click()
    wait_until(lambda: ItemScore.objects.filter(item__key="facade_sign", rev=2) and PatrolPhoto.objects.exists())
    page.get_by_text("都传上去了").wait_for()
    sign = ItemScore.objects.get(item__key="facade_sign")
    assert (sign.score, sign.problem, sign.note, sign.rev) == (2, "破损；右下角缺一块", "", 2)
    assert ItemScore.objects.get(item__key="facade_entrance").na_reason == "商场中岛，没有门头"
    assert PatrolPhoto.objects.get().flags == [] and PatrolPhoto.objects.get().item.key == "facade_sign"
    assert page.locator("[data-filled]").inner_text() == "4", "what the tablet scored stands here too"


def test_it_is_handed_in_when_nothing_is_missing(org: Org, phone: Callable[..., Any]) -> None:
    supervisor = holder_of("area_supervisor", org)
    visit = patrol.begin(supervisor, org.store)
    patrol.fill(visit, {"lighting_brightness": 3, "safety_fire": None})
    patrol.sync(visit, patrol.said(hygiene_smell=(1, patrol.value())))
    page = phone(supervisor, SMALL)
    opened(page, f"/m/patrol/visits/{visit.public_id}/")
    assert page.evaluate(FAULTS) == []
    page.get_by_role("button", name="提交").click()
    page.get_by_role("button", name="气味与绿植").click()
    item(page, "hygiene_smell").get_by_role("button", name="4", exact=True).click()
    page.get_by_role("button", name="都填好了，提交").wait_for()
    page.get_by_text("都传上去了").wait_for()
    shot(page, "patrol-whole")
    page.get_by_role("button", name="都填好了，提交").click()
    page.get_by_role("textbox", name="总结").fill("灯要换")
    shot(page, "patrol-finish")
    page.get_by_role("button", name="结束签到并提交").click()
    page.get_by_text("第 1 次").wait_for()
    shot(page, "patrol-done")
    assert page.evaluate(FAULTS) == []
    visit.refresh_from_db()
    assert (visit.state, visit.summary, visit.findings.count()) == ("submitted", "灯要换", 1)
    assert page.evaluate("yjbKept.waiting()") == 0


def test_a_session_that_ended_and_a_visit_that_closed_lose_nothing(org: Org, phone: Callable[..., Any]) -> None:
    visit = patrol.begin(org.manager, org.store, kind="self")
    page = phone(org.manager)
    opened(page, f"/m/patrol/visits/{visit.public_id}/")
    page.context.clear_cookies()
    item(page, "facade_entrance").get_by_role("button", name="5", exact=True).click()
    page.get_by_text("登录过期了").wait_for()
    patrol.fill(visit)
    patrol.hand_in(visit)
    page.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session_of(org.manager), "url": page.url.partition("/m/")[0], "httpOnly": True}])  # fmt: skip
    page.evaluate("document.dispatchEvent(new Event('yjb:online'))")
    closed = page.locator("[data-closed]")
    closed.wait_for()
    assert "入口动线与迎宾位" in closed.inner_text() and "5 分" in closed.inner_text()
    shot(page, "patrol-closed")

    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.goto("/me/")
    page.get_by_role("button", name="退出登录").click()
    page.wait_for_timeout(500)
    assert "还没传上去" in asked[0] and page.url.endswith("/me/"), "signing out asks first"
    assert page.evaluate("yjbKept.waiting()") == 1


def test_the_other_pages_fit(org: Org, phone: Callable[..., Any]) -> None:
    supervisor = holder_of("area_supervisor", org)
    patrol.make_visit(supervisor, org.store, {"display_color": 3, "safety_fire": 1})
    page = phone(supervisor, SMALL)
    for name, path in {"home": "", "stores": "stores/", "plan": "plan/", "before": f"stores/{org.store.pk}/"}.items():
        page.goto(f"/m/patrol/{path}")
        assert page.evaluate(FAULTS) == [], path
        shot(page, f"patrol-{name}")
    page = phone(holder_of("hq_visual", org), PC)
    page.goto("/hq/patrol/plan/")
    assert page.evaluate(FAULTS) == []
