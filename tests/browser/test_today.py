"""今日 and the task page on a phone: what fits, what stays, and every act with a thumb."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from guides.org.models import Staff
from tasks.followups.models import PendingSend, Task
from tasks.scripts.loading import load_scripts
from tests.conftest import PHONE, TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import make_org, session_of
from tests.factories.tasks import LOADED_AT, enroll, load_rules, make_task, open_at
from yejibao.core.clock import parse_iso

from .conftest import World, to_list
from .test_tap_budget import open_push

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = parse_iso("2026-11-21 10:10")


@pytest.fixture
def guide(transactional_db: None, clock: TestClock) -> Staff:
    """晓雯 at ten past ten: a purchase of 9:58, one overdue, seven more in the week, two done."""
    clock.travel(NOW)
    load_rules()
    load_scripts(now=LOADED_AT)
    guide: Staff = make_org().guide
    first = make_member(
        owner=guide, name="王建平", salutation="王哥", phone="13800132075", phone_consent=True, tier_631="core",
        member_level="V4",
    )  # fmt: skip
    make_friend(first, external_user_id="wmWang")
    coat = {"item_name": "羊毛双排扣大衣", "color": "藏青", "size": "180/96A", "care_key": "coat", "paid_fen": 268000}
    shirt = {"item_name": "商务免烫衬衫", "color": "白", "size": "41", "care_key": "shirt", "paid_fen": 45900}
    enroll(make_order(first, paid_at="2026-11-21 09:58", guide=guide, lines=[coat, shirt]))
    open_at("2026-11-21 10:00")
    for number, name in enumerate(("欧阳志远", "李志强", "周海涛", "孙丽", "陈伟", "吴刚", "许明")):
        member = make_member(owner=guide, name=name, tier_631=("core", "potential", "common")[number % 3])
        make_friend(member)
        make_task(member, guide, now=NOW - timedelta(hours=2), due_at=NOW + timedelta(hours=12 * number))
    lost = make_member(owner=guide, name="赵启明", phone="13900139000", phone_consent=True)
    make_task(lost, guide, now=NOW - timedelta(days=2), due_at=NOW - timedelta(days=1), channel="manual_call")
    for name in ("何勇", "马超"):
        member = make_member(owner=guide, name=name)
        make_task(member, guide, now=NOW - timedelta(hours=3), state="done", done_at=NOW, outcome="fit_ok")
    return guide


@pytest.fixture
def phone(open_page: Callable[..., Any], guide: Staff) -> Callable[..., Any]:
    """Return a function that opens a page as the guide, 390x844 unless told otherwise."""

    def at(path: str, size: dict[str, int] = PHONE, **options: Any) -> Any:
        page = open_page(size, sessionid=session_of(guide), reduced_motion="reduce", **options)
        page.goto(path)
        return page

    return at


def task_url(name: str = "王建平") -> str:
    return f"/g/tasks/{Task.objects.get(member__name=name, state='open').pk}/"


def state_of(name: str = "王建平") -> tuple[str, str, str]:
    """Return how a member's task stands: state, last evidence, outcome."""
    found = Task.objects.get(member__name=name)
    return found.state, found.evidence.latest("pk").kind if found.evidence.exists() else "", found.outcome


# ---------------------------------------------------------------- what fits


@pytest.mark.parametrize("width", [320, 360, 390, 414])
def test_the_pages_fit_and_can_be_tapped(phone: Callable[..., Any], width: int) -> None:
    page = phone("/g/today/?by=kind", {"width": width, "height": 844})
    for path in ("", task_url(), task_url("赵启明")):
        if path:
            page.goto(path)
        assert page.evaluate(FAULTS) == []
    page.locator(".vb", has_text="稍后").click()
    page.locator("#sheet-body form").wait_for()
    assert page.evaluate(FAULTS) == []


def test_large_type_and_the_dark_fit_too(phone: Callable[..., Any]) -> None:
    page = phone("/g/today/?care=1&theme=dark")
    assert page.evaluate(FAULTS) == []
    page.goto(task_url() + "?care=1&theme=dark")
    assert page.evaluate(FAULTS) == []


@pytest.mark.parametrize("name", ["王建平", "欧阳志远"])
def test_member_reason_words_and_send_are_seen_without_scrolling(phone: Callable[..., Any], name: str) -> None:
    page = phone(task_url(name))
    bar = page.locator(".botbar").bounding_box()["y"]
    for part in ("#who b >> nth=0", "#why", "#script-text", "[data-edit]"):
        box = page.locator(part).first.bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= bar, part
    send = page.locator("#send-button").bounding_box()
    assert send["y"] + send["height"] <= PHONE["height"] and send["height"] >= 50


# ---------------------------------------------------------------- the list


def test_a_refresh_keeps_the_place_and_what_is_open(phone: Callable[..., Any], guide: Staff) -> None:
    page = phone("/g/today/")
    page.locator("[hx-trigger=load]").first.wait_for(state="detached")  # what comes late may still move it
    page.locator("#fold-done summary").click()
    page.evaluate("window.scrollTo(0, 420)")
    Task.objects.filter(member__name="许明").update(state="skipped")
    with page.expect_response("**/g/today/list/"):
        page.evaluate("htmx.trigger(document.body, 'tasks:changed')")
    page.get_by_text("许明").wait_for(state="detached")
    page.wait_for_function("document.querySelector('#fold-done').open")
    assert page.evaluate("window.scrollY") == 420


def test_later_from_the_cards_menu(phone: Callable[..., Any]) -> None:
    page = phone("/g/today/")
    page.get_by_role("link", name="李志强的更多操作").click()
    page.locator("#sheet-body").get_by_text("稍后提醒").click()
    page.get_by_text("今天 18:00").click()
    page.get_by_role("button", name="客人在忙").click()
    page.locator(".toast", has_text="到 今天 18:00 再提醒你").wait_for()
    page.locator("article", has_text="李志强").wait_for(state="detached")
    assert page.locator("#fold-later").inner_text().startswith("稍后")
    assert not page.locator("#sheet").is_visible()
    found = Task.objects.get(member__name="李志强")
    assert (found.hidden_reason, found.hidden_until) == ("member_busy", parse_iso("2026-11-21 18:00"))


def test_the_kind_filter_is_an_address(phone: Callable[..., Any]) -> None:
    page = phone("/g/today/")
    page.get_by_role("link", name="按类型").click()
    page.get_by_role("link", name="30 分钟回访 1").click()
    page.wait_for_url("**?kind=followup_m30")
    assert page.locator("article.task").count() == 1


def test_offline_says_so_and_sends_nothing(phone: Callable[..., Any]) -> None:
    page = phone("/g/today/")
    page.context.set_offline(True)
    page.get_by_text("没网。看到的是 10:10 的数据").wait_for()
    send = page.get_by_role("link", name="去和王建平聊天，话术已填好")
    assert send.get_attribute("aria-disabled") == "true"
    page.context.set_offline(False)
    page.locator("[data-net]").wait_for(state="hidden")


def test_the_green_button_of_a_card_opens_the_chat_with_the_words_ready(
    world: World, client_of: Callable[..., Any]
) -> None:
    page = client_of(world.guide, PHONE)
    to_list(page)
    open_push(page, world)
    inner = next(frame for frame in page.frames if "/g/tasks/" in frame.url)
    inner.goto("/g/today/")
    inner.get_by_role("link", name="去和王建平聊天，话术已填好").click()
    page.locator("#wx-chat-name", has_text="王建平").wait_for()
    pending = PendingSend.objects.get(used_at=None)
    assert (pending.task_id, "王哥" in pending.text) == (world.task.pk, True)


# ---------------------------------------------------------------- the task


def test_changed_words_stay_on_the_phone(phone: Callable[..., Any]) -> None:
    page = phone(task_url())
    before = page.locator("#script-text").inner_text()
    page.locator("[data-edit]").click()
    page.locator("#send textarea").fill("王哥，大衣先挂起来透透气。")
    page.locator("[data-edit]").click()
    assert page.locator("#script-text").inner_text() == "王哥，大衣先挂起来透透气。"
    page.reload()
    assert page.locator("#script-text").inner_text() == "王哥，大衣先挂起来透透气。"
    assert page.get_by_text("改过，只存在这台手机上").is_visible()
    page.locator("[data-another]").click()
    assert page.locator("#script-text").inner_text() not in (before, "王哥，大衣先挂起来透透气。")
    assert page.locator("[data-place]").inner_text().startswith("2/")


def test_where_the_chat_does_not_open_she_pastes_and_says_so(phone: Callable[..., Any]) -> None:
    page = phone(task_url(), permissions=["clipboard-read", "clipboard-write"])
    words = page.locator("#script-text").inner_text()
    page.locator("#send-button").click()
    page.locator("#by-hand [data-failed]", has_text="话术还在").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == words
    page.get_by_role("button", name="我发了").click()
    page.get_by_text("已发送·手动").wait_for()
    assert state_of() == ("done", "chat_claimed", "")
    page.locator(".toast.undo button").click()
    page.locator("#send-button").wait_for()
    assert state_of() == ("open", "undone", "")


def test_after_sending_one_tap_says_what_came_of_it(phone: Callable[..., Any]) -> None:
    page = phone(task_url() + "?by=hand")
    page.get_by_role("button", name="我发了").click()
    page.get_by_role("button", name="已回复").click()
    page.get_by_text("王哥回你了，接下来？").wait_for()
    assert state_of() == ("done", "chat_claimed", "replied")
    assert page.get_by_role("button", name="已回复").get_attribute("aria-pressed") == "true"
    page.locator(".botbar").get_by_role("link", name="下一位").click()
    page.locator("#send-button").wait_for()
    assert "王建平" not in page.inner_text("#who")


def test_a_call_shows_the_number_and_keeps_the_result(phone: Callable[..., Any]) -> None:
    page = phone(task_url("赵启明"))
    page.locator("#send-button", has_text="打电话").click()
    assert page.locator("#call-sheet b").inner_text() == "139****9000"
    page.get_by_role("button", name="显示号码").click()
    page.locator("#number", has_text="13900139000").wait_for()
    assert page.get_by_role("link", name="拨打").get_attribute("href") == "tel:13900139000"
    page.locator("#sheet-body textarea").fill("大衣合身，周末来熨")
    page.get_by_role("button", name="记下结果").click()
    page.get_by_text("已通话").wait_for()
    assert state_of("赵启明") == ("done", "call_logged", "")


def test_a_note_that_is_too_short_keeps_what_was_typed(phone: Callable[..., Any]) -> None:
    page = phone(task_url("赵启明"))
    page.locator("#send-button").click()
    page.locator("#sheet-body textarea").fill("没人")
    page.evaluate("document.querySelector('#sheet-body textarea').removeAttribute('minlength')")
    page.get_by_role("button", name="记下结果").click()
    page.locator("#alerts .toast").wait_for()
    assert page.locator("#sheet-body textarea").input_value() == "没人"
    assert state_of("赵启明")[0] == "open"


def test_all_of_it_works_without_a_script(phone: Callable[..., Any]) -> None:
    page = phone("/g/today/", java_script_enabled=False)
    page.get_by_role("link", name="去和王建平聊天，话术已填好").click()
    page.locator("[data-another]").click()
    page.locator("#send-button").click()
    page.get_by_role("button", name="我发了").click()
    assert "王哥 记为已发" in page.inner_text("#toasts")
    page.get_by_role("button", name="已回复").click()
    assert state_of() == ("done", "chat_claimed", "replied")
    page.goto(task_url("李志强"))
    page.locator(".vb", has_text="更多").click()
    page.get_by_role("link", name="申请跳过").click()
    page.get_by_role("button", name="交给店长批").click()
    assert "已申请跳过（他最近出差），等店长批" in page.inner_text("main")
