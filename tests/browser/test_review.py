"""任务复盘 in the browser: the map, the names in a sheet or beside it, what a manager does about them."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.followups.models import SkipRequest, Task, Urge
from tasks.review.services import refresh_days
from tests.conftest import PHONE
from tests.core.test_look import FAULTS
from tests.factories.guides import holder_of, session_of
from tests.tasks.review.world import ReviewWorld, make_review_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = "2026-11-20 17:35"  # a Friday
PC = {"width": 1440, "height": 900}
OpenPage = Callable[..., Any]


@pytest.fixture
def world(clock: Any, db: None) -> ReviewWorld:
    now = clock.travel(NOW)
    world = make_review_world(now)
    refresh_days(now=now)
    return world


@pytest.fixture
def as_manager(world: ReviewWorld, open_page: OpenPage) -> OpenPage:
    """Return a function that opens the board as the store's manager."""

    def make(size: dict[str, int] = PHONE, **options: Any) -> Any:
        page = open_page(size, sessionid=session_of(world.org.manager), **options)
        page.goto("/m/review/")
        return page

    return make


@pytest.mark.parametrize("width", [320, 360, 390, 414])
def test_the_phone_board_fits_and_can_be_tapped(as_manager: OpenPage, width: int) -> None:
    page = as_manager({"width": width, "height": 844}, reduced_motion="reduce")
    assert page.evaluate(FAULTS) == []
    page.locator(".heat a.c.low").first.click()
    page.wait_for_selector("#sheet-body .sheet-row")
    assert page.evaluate(FAULTS) == []
    assert page.locator("aside.side").is_hidden()


@pytest.mark.parametrize("width", [1100, 1280, 1440, 1920])
def test_the_wide_board_fits_and_opens_the_worst_field_beside_the_map(as_manager: OpenPage, width: int) -> None:
    page = as_manager({"width": width, "height": 900})
    page.wait_for_selector("#drill .sheet-row")
    assert page.evaluate(FAULTS) == []
    assert "郭宇航 · 3 天回访" in page.inner_text("#drill")
    assert page.locator(".heat .c.sel").get_attribute("aria-label").startswith("郭宇航 3 天回访 完成 44.4%")
    assert page.locator(".tabbar").is_hidden() and page.locator("aside.side").is_visible()


def test_dark_and_large_type_fit_too(as_manager: OpenPage) -> None:
    page = as_manager(PHONE, reduced_motion="reduce")
    page.goto("/m/review/?care=1&theme=dark")
    assert page.evaluate(FAULTS) == []


def test_a_field_opens_its_names_and_urging_says_what_went_out(as_manager: OpenPage) -> None:
    page = as_manager()
    page.get_by_label("郭宇航 3 天回访 完成 44.4%，超时 4 件").click()
    page.wait_for_selector("#sheet-body .sheet-row")
    assert page.inner_text("#sheet-title") == "郭宇航 · 3 天回访"
    assert "应做 9，完成 4，超时 4，回复 1" in page.inner_text("#sheet-body")
    page.locator("#sheet-body .ck").first.click()
    page.get_by_role("button", name="催郭宇航 3 件").click()
    page.wait_for_selector("#toasts .toast")
    assert "催了郭宇航 3 件" in page.inner_text("#toasts")
    assert Urge.objects.count() == 3
    page.wait_for_selector("#sheet-body .sheet-row")
    page.locator("#sheet-body").get_by_role("button", name="催郭宇航 4 件").click()
    page.get_by_text("催了郭宇航 1 件，3 件两小时内催过，没有再催").wait_for()


def test_the_tabs_of_the_list_and_the_way_to_the_task(as_manager: OpenPage) -> None:
    page = as_manager()
    page.get_by_label("郭宇航 3 天回访 完成 44.4%，超时 4 件").click()
    page.locator("#sheet-body").get_by_role("link", name="完成 4").click()
    page.wait_for_selector("#sheet-body .c-green")
    assert page.locator("#sheet-body input[name=task]").count() == 0
    page.locator("#sheet-body .sheet-row a").first.click()
    page.wait_for_url("**/g/tasks/*/")


def test_urging_from_the_watch_list_is_one_tap(as_manager: OpenPage) -> None:
    page = as_manager()
    page.get_by_role("button", name="催郭宇航 4 件").click()
    page.get_by_text("催了郭宇航 4 件").wait_for()


def test_handing_over_moves_the_figures_and_can_be_taken_back(world: ReviewWorld, as_manager: OpenPage) -> None:
    page = as_manager(PC)
    page.wait_for_selector("#drill .sheet-row")
    page.get_by_text("转给徐静…").click()
    page.get_by_role("button", name="转这 4 件").click()
    page.get_by_text("4 件转给了徐静").wait_for()
    page.get_by_label("徐静 3 天回访 完成 68.8%，超时 4 件").wait_for()  # the map is new without a reload
    assert Task.objects.filter(state="open", node="d3", assignee=world.guides[3]).count() == 0
    page.get_by_role("button", name="撤销").click()
    page.get_by_label("郭宇航 3 天回访 完成 44.4%，超时 4 件").wait_for()
    assert Task.objects.filter(state="open", node="d3", assignee=world.guides[3]).count() == 4


def test_a_new_due_time_takes_them_off_the_overdue(as_manager: OpenPage) -> None:
    page = as_manager(PC)
    page.wait_for_selector("#drill .sheet-row")
    page.locator("#drill").get_by_text("改截止时间").click()
    page.locator("#drill .ck").nth(1).click()
    page.locator("#drill .ck").nth(2).click()
    page.locator("#drill .ck").nth(0).click()  # its end is near
    page.get_by_role("button", name="改这 1 件").click()
    page.get_by_text("1 件改到 今天 20:00").wait_for()
    assert "待做 1" in page.inner_text("#drill")
    page.get_by_label("郭宇航 3 天回访 完成 50.0%，超时 3 件").wait_for()


def test_a_refusal_of_a_skip_needs_a_sentence(world: ReviewWorld, as_manager: OpenPage) -> None:
    page = as_manager()
    page.get_by_role("button", name="不同意").click()
    page.wait_for_selector("#alerts .toast")
    assert "不同意要说一句为什么" in page.inner_text("#alerts")
    page.get_by_placeholder("说一句（不同意时必填）").fill("先打个电话")
    page.get_by_role("button", name="不同意").click()
    page.get_by_text("的申请没同意，任务还在").wait_for()
    page.wait_for_selector("#skips", state="detached")
    assert SkipRequest.objects.get().answer == "先打个电话"


def test_it_works_without_a_script(as_manager: OpenPage) -> None:
    page = as_manager(PHONE, java_script_enabled=False)
    page.get_by_label("郭宇航 3 天回访 完成 44.4%，超时 4 件").click()
    assert "刘伟民" in page.inner_text("main") or "何建军" in page.inner_text("main")
    page.get_by_role("button", name="催郭宇航 4 件").click()
    assert page.url.split("?")[0].endswith("/m/review/")
    assert "催了郭宇航 4 件" in page.inner_text("#toasts")


def test_a_supervisor_goes_down_by_links(world: ReviewWorld, open_page: OpenPage) -> None:
    supervisor = holder_of("area_supervisor", world.org)
    page = open_page(PHONE, sessionid=session_of(supervisor), reduced_motion="reduce")
    page.goto("/m/review/")
    assert page.evaluate(FAULTS) == []
    page.get_by_label("新街口店 3 天回访").click()
    page.wait_for_url("**unit=*")
    page.get_by_label("郭宇航 3 天回访 完成 44.4%，超时 4 件").click()
    page.wait_for_selector("#sheet-body .sheet-row")
    assert "何**" in page.inner_text("#sheet-body") and "何建军" not in page.inner_text("#sheet-body")
