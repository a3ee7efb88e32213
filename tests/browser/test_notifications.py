"""消息 on a phone and a PC: what is unread, the way to it, all read at once."""

from datetime import timedelta
from typing import Any

import pytest

from guides.notices.models import Notification
from guides.notices.services import Notice, tell_each
from guides.org.models import Staff
from tests.conftest import PC, TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, holder_of, make_org, session_of
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOW = parse_iso("2026-11-21 10:10")
NARROW = {"width": 360, "height": 780}


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    clock.travel(NOW)
    org = make_org()
    member = make_member(owner=org.guide, name="王建平")
    make_friend(member)
    task = make_task(member, org.guide, now=NOW, due_at=NOW + timedelta(minutes=20))
    told = [
        Notice("task", f"task:{task.pk}", "王建平 · 30 分钟回访", f"/g/tasks/{task.pk}/", "刚买走藏青羊毛双排扣大衣，还没收到你的致谢"),
        Notice("task", "digest", "有新任务要跟进", "/g/today/"),
        Notice("approval", "skip:7", "欧阳志远的跳过没批", "/g/today/", "他上周才来过店里，先打个电话问一声，没接再来申请"),
        Notice("review", "check:7", "李敏这件抽查没通过", "/g/today/", "没有聊天记录"),
    ]  # fmt: skip
    for number, notice in enumerate(told):
        tell_each([(org.guide.pk, notice)], now=NOW - timedelta(hours=number * 9))
    old = [Notice("announcement", f"a:{number}", f"第 {number} 周陈列指引", "/g/today/") for number in range(40)]
    tell_each([(org.guide.pk, notice) for notice in old], now=NOW - timedelta(days=5))
    Notification.objects.filter(kind="announcement").update(read_at=NOW)
    hq = holder_of("hq_operator", org)
    tell_each([(hq.pk, Notice("approval", "x", "规则 v3 等你发布", "/hq/rules/"))], now=NOW)
    return org


def test_on_the_phone(org: Org, open_page: Any, shot: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(org.guide), reduced_motion="reduce")
    page.goto("/me/")
    page.locator(".tabbar .cnt", has_text="4").wait_for()
    shot(page, "me-360")
    page.get_by_role("link", name="消息").click()
    page.wait_for_selector("text=王建平 · 30 分钟回访")
    shot(page, "notices-360")
    assert page.evaluate(FAULTS) == []
    page.locator(".nt-l", has_text="王建平").click()
    page.wait_for_url("**/g/tasks/*/")
    page.goto("/me/notifications/")
    assert page.locator(".nt-l .dot").count() == 3
    page.mouse.wheel(0, 4000)
    page.wait_for_selector("text=第 39 周陈列指引")
    page.get_by_role("button", name="全部已读").click()
    page.wait_for_selector("text=3 条标为已读")
    assert page.locator(".nt-l .dot").count() == 0
    page.locator(".chip", has_text="整改").click()
    page.wait_for_selector("text=这一类还没有消息")
    shot(page, "notices-360-empty")
    assert page.evaluate(FAULTS) == []


def test_a_push_that_is_opened_is_read(org: Org, open_page: Any, wait_until: Any) -> None:
    one = Notification.objects.get(key="digest")
    Notification.objects.filter(pk=one.pk).update(message_id=4711)
    page = open_page(NARROW, sessionid=session_of(org.guide))
    page.goto("/g/today/?m=4711")
    wait_until(lambda: Notification.objects.get(pk=one.pk).read_at)
    assert Notification.objects.unread().filter(staff=org.guide).count() == 3


def test_at_hq(org: Org, open_page: Any, shot: Any) -> None:
    page = open_page(PC, sessionid=session_of(Staff.objects.get(role_assignments__role="hq_operator")))
    page.goto("/me/notifications/")
    page.wait_for_selector("text=规则 v3 等你发布")
    shot(page, "notices-pc")
    assert page.evaluate(FAULTS) == []
