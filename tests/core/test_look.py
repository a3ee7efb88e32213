"""The shared page script and shells in a real browser, on the style pages."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import PC, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Elements that stick out of the screen, and targets a thumb may miss (the hit area of small ones is their ::after).
FAULTS = """() => {
  const wide = document.documentElement.clientWidth, faults = [];
  if (document.documentElement.scrollWidth > wide) faults.push(`page is ${document.documentElement.scrollWidth} wide`);
  for (const e of document.querySelectorAll("body *")) {
    const box = e.getBoundingClientRect();
    if (box.width && box.right > wide + 1 && !e.closest(".scroll,.tabs,.tbl-wrap,.side,svg,.sr"))
      faults.push(`${e.tagName}.${e.className} reaches ${Math.round(box.right)}`);
  }
  if (wide < 500) for (const e of document.querySelectorAll("button,a,[role=tab],label.chip")) {
    const box = e.getBoundingClientRect();
    if (!box.width || e.matches(".skip")) continue;
    const after = getComputedStyle(e, "::after");
    const more = after.position === "absolute" ? -2 * Math.min(0, parseFloat(after.top) || 0) : 0;
    if (box.height + more < 43.5 || box.width < 40)
      faults.push(`small: ${e.textContent.trim().slice(0, 12)} ${Math.round(box.width)}x${Math.round(box.height)}`);
  }
  return faults;
}"""


@pytest.mark.parametrize("width", [320, 360, 390, 414])
@pytest.mark.parametrize("path", ["/dev/guide/", "/dev/sidebar/", "/dev/states/", "/dev/components/"])
def test_phone_pages_fit_and_can_be_tapped(open_page: Callable[..., Any], path: str, width: int) -> None:
    page = open_page({"width": width, "height": 844}, reduced_motion="reduce")
    page.goto(path)
    assert page.evaluate(FAULTS) == []


def test_care_mode_and_dark_theme_fit_too(open_page: Callable[..., Any]) -> None:
    page = open_page(PHONE, reduced_motion="reduce")
    page.goto("/dev/guide/?care=1&theme=dark")
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "18.4px"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"


@pytest.mark.parametrize("width", [1100, 1280, 1440, 1920])
def test_wide_pages_fit(open_page: Callable[..., Any], width: int) -> None:
    page = open_page({"width": width, "height": 900})
    page.goto("/dev/hq/")
    assert page.evaluate(FAULTS) == []


def test_done_is_said_and_can_be_taken_back(page: Any) -> None:
    page.goto("/dev/guide/")
    page.get_by_role("button", name="标记王建平完成").click()
    page.wait_for_selector("#task-1.done")
    assert "王建平 标记为已回复" in page.inner_text("#toasts")
    page.get_by_role("button", name="撤销").click()
    page.wait_for_selector("#task-1.now")
    assert page.locator(".toast").count() == 0


def test_done_works_without_a_script(open_page: Callable[..., Any]) -> None:
    page = open_page(PHONE, java_script_enabled=False)
    page.goto("/dev/guide/")
    page.get_by_role("button", name="标记王建平完成").click()
    assert page.url.endswith("/dev/guide/")
    assert "王建平 标记为已回复" in page.inner_text("#toasts")


def test_a_lost_answer_is_asked_for_again_under_the_same_key(page: Any) -> None:
    keys: list[str] = []
    page.on("request", lambda sent: keys.append(sent.headers["idempotency-key"]) if sent.method == "POST" else None)
    page.goto("/dev/guide/")
    page.route("**/dev/act/done/", lambda route: route.abort())
    page.get_by_role("button", name="标记王建平完成").click()
    page.wait_for_selector("#alerts .toast")
    assert "内容还在" in page.inner_text("#alerts")
    page.unroute("**/dev/act/done/")
    page.locator("#alerts .toast").click()
    page.wait_for_selector("html:not(.is-offline)")
    page.get_by_role("button", name="标记王建平完成").click()
    page.wait_for_selector("#task-1.done")
    page.locator(".toast button").click()
    page.wait_for_selector("#task-1.now")
    page.get_by_role("button", name="标记王建平完成").click()  # the same act anew, after an answer: a key of its own
    page.wait_for_selector("#task-1.done")
    assert keys[0] == keys[1]
    assert len({keys[0], keys[2], keys[3]}) == 3


def test_a_double_tap_is_one_request(page: Any) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto("/dev/guide/")
    page.evaluate("() => { const b = document.querySelector('main form button'); b.click(); b.click(); }")
    page.wait_for_selector("#task-1.done")
    assert len(sent) == 1


def test_a_refusal_is_one_sentence_and_a_broken_panel_stays_a_panel(page: Any) -> None:
    page.goto("/dev/components/")
    page.get_by_role("button", name="会被拒绝").click()
    page.wait_for_selector("#alerts .toast")
    assert "任务刚被处理过" in page.inner_text("#alerts")
    page.goto("/dev/states/")
    assert page.get_by_role("heading", name="收工").count() == 0
    page.get_by_role("button", name="重新取").wait_for()


def test_offline_says_whose_figures_these_are_and_stops_sending(page: Any) -> None:
    page.goto("/dev/guide/")
    seen = page.inner_text("[data-seen]") or page.evaluate("document.querySelector('[data-seen]').textContent")
    page.context.set_offline(True)
    page.wait_for_selector("[data-net]:not([hidden])")
    assert page.inner_text("[data-net]") == f"没网。看到的是 {seen} 的数据"
    assert page.locator(".ib-send").first.get_attribute("aria-disabled") == "true"
    page.context.set_offline(False)
    page.wait_for_selector("[data-net]", state="hidden")


def test_an_answer_asked_for_before_the_net_went_does_not_bring_it_back(page: Any) -> None:
    held: list[Any] = []
    page.goto("/dev/guide/")
    page.route("**/slow/", lambda route: held.append(route))
    with page.expect_request("**/slow/"):
        page.evaluate("() => { window.answered = yjb.post('/slow/', {}); }")
    page.context.set_offline(True)
    page.wait_for_selector("[data-net]:not([hidden])")
    held[0].fulfill(status=200, body="{}")
    assert page.evaluate("() => window.answered")["ok"] is True
    assert page.locator("[data-net]").is_visible()
    page.context.set_offline(False)
    page.wait_for_selector("[data-net]", state="hidden")


def test_a_sheet_holds_the_focus_and_gives_it_back(open_page: Callable[..., Any]) -> None:
    page = open_page(PC, reduced_motion="reduce")
    page.goto("/dev/components/")
    page.get_by_role("link", name="下钻").click()
    page.wait_for_selector("#sheet-body .sheet-row")
    assert page.inner_text("#sheet-title") == "郭宇航 · 3 天回访"
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('#sheet').contains(document.activeElement)")
    page.keyboard.press("Escape")
    page.wait_for_selector("#sheet", state="hidden")
    assert page.evaluate("document.activeElement.textContent") == "下钻"


def test_countdowns_tick_with_the_products_clock(page: Any, clock: Any) -> None:
    clock.travel("2026-11-21 10:10")  # the server's clock is not the phone's
    page.clock.install()
    page.goto("/dev/guide/")
    assert page.inner_text("#task-1 [data-due]") == "剩 18 分"
    page.clock.run_for(10 * 60 * 1000)
    assert page.inner_text("#task-1 [data-due]") == "剩 8 分"
    page.clock.run_for(12 * 60 * 1000)
    assert page.inner_text("#task-1 [data-due]") == "超 4 分"
