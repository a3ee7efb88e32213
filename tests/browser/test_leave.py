"""The day of a leave in the browser: asked on one phone, approved on another, the work with the backup; and the evening's log."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from crm.aftersale.models import Ticket
from guides.attendance.models import Shift, ShiftTime
from guides.org.models import Staff
from guides.worklog.models import WorkLog
from guides.worklog.services import keep_day
from tasks.followups.models import Task
from tests.conftest import TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, holder_of, make_org, make_staff, session_of
from tests.factories.tasks import make_task
from yejibao.core import outbox
from yejibao.core.clock import parse_iso

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = parse_iso("2026-11-24 10:10")  # a Tuesday
DUE = parse_iso("2026-11-24 10:25")  # of the ticket's first word
SMALL = {"width": 360, "height": 780}


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    """新街口店: 晓雯 with a member's task and ticket for today, her backup 何勇."""
    clock.travel(NOW)
    org = make_org()
    helper = make_staff(store=org.store, name="何勇", display_name="何勇")
    Staff.objects.filter(pk=org.guide.pk).update(backup_guide=helper)
    member = make_member(owner=org.guide, name="王建平", phone_consent=True)
    make_friend(member)
    make_task(member, org.guide, now=NOW, task_type="care")
    make_ticket(member, opened_at=NOW, clock="first", clock_at=DUE, first_due_at=DUE)
    make_order(member, paid_at="2026-11-24 09:50", guide=org.guide)
    ShiftTime.objects.create(name="早班", short="早", starts_at="09:30", ends_at="18:00")
    ShiftTime.objects.create(name="晚班", short="晚", starts_at="13:30", ends_at="22:00")
    return org


@pytest.fixture
def shown(open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that opens a page as somebody on a small phone; with SHOTS a picture is taken."""

    def at(person: Staff, path: str, name: str = "", size: dict[str, int] = SMALL) -> Any:
        page = open_page(size, sessionid=session_of(person), reduced_motion="reduce")
        page.goto(path)
        assert page.evaluate(FAULTS) == []
        keep(page, name)
        return page

    return at


def keep(page: Any, name: str) -> None:
    if (folder := os.environ.get("SHOTS")) and name:
        page.wait_for_timeout(300)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_leave_moves_the_days_work_to_the_backup_and_back(org: Org, shown: Callable[..., Any]) -> None:
    helper = Staff.objects.get(name="何勇")
    hers = shown(org.guide, "/g/leave/", "leave-own")
    hers.get_by_text("病假", exact=True).click()
    hers.locator("[name=starts_on]").fill("2026-11-24")
    hers.locator("[name=ends_on]").fill("2026-11-25")
    hers.locator("[name=reason]").fill("发烧，去医院")
    hers.get_by_role("button", name="交上去").click()
    hers.wait_for_selector("text=待审批")
    keep(hers, "leave-asked")

    his = shown(org.manager, "/m/leave/", "leave-waiting")
    his.get_by_text("林晓雯 · 病假 2 天").click()
    his.wait_for_selector("text=发烧，去医院")
    assert his.evaluate(FAULTS) == []
    keep(his, "leave-decide")
    his.get_by_role("button", name="批准").click()
    his.wait_for_selector("text=今天不在")
    outbox.drain_events()
    assert Task.objects.get().assignee == helper
    assert set(Shift.objects.filter(staff=org.guide).values_list("kind", flat=True)) == {"leave"}
    today = shown(helper, "/g/today/", "leave-backup-today")
    assert "王建平" in today.inner_text("#main")
    ticket = Ticket.objects.get()
    assert (ticket.guide, ticket.covers_for, ticket.clock_at) == (helper, org.guide, DUE)  # her clock runs on, now his
    assert "剩 15 分" in shown(helper, "/g/tickets/", "leave-backup-tickets").inner_text("#main")

    hers.reload()
    hers.get_by_text("提前回来，或者不请了").click()
    hers.get_by_role("button", name="改好排班").click()
    hers.wait_for_selector("text=已取消")
    outbox.drain_events()
    assert Task.objects.get().assignee == org.guide and not Shift.objects.exists()
    ticket.refresh_from_db()
    assert (ticket.guide, ticket.covers_for, ticket.clock_at) == (org.guide, None, DUE)


def test_a_week_is_painted_with_times_and_copied(org: Org, shown: Callable[..., Any]) -> None:
    page = shown(org.manager, "/m/shifts/")
    page.get_by_role("link", name="早班").click()
    page.wait_for_selector("text=哪天就排成「早班")
    page.get_by_role("button", name="何勇 周五 上班").click()
    page.wait_for_selector('button[aria-label^="何勇 周五 早班"]')
    assert page.evaluate(FAULTS) == []
    keep(page, "shifts-brush")
    page.locator("select[name=time]").select_option(label="晚班 13:30–22:00")
    page.get_by_role("button", name="没排的都排它").click()
    page.wait_for_selector('button[aria-label^="何勇 周六 晚班"]')
    page.get_by_label("后一周").click()
    page.wait_for_selector("text=下周")
    page.get_by_role("button", name="照上一周排").click()
    page.wait_for_selector('button[aria-label^="何勇 周五 早班"]')
    assert Shift.objects.filter(staff__name="何勇", day="2026-12-04", time__name="早班").exists()


def test_a_guides_day_ends_with_her_log(org: Org, shown: Callable[..., Any], clock: TestClock) -> None:
    evening = clock.travel("2026-11-24 20:10")
    keep_day(now=evening)
    outbox.drain_events()
    page = shown(org.guide, "/g/today/")
    page.get_by_text("写今天的工作日志").click()
    page.wait_for_selector("text=净销售额")
    assert page.evaluate(FAULTS) == []
    keep(page, "worklog-write")
    page.get_by_label("今天做得好的一件事").fill("王先生的大衣改得很合身")
    page.get_by_role("button", name="交日志").click()
    page.wait_for_selector("text=已交")
    log = WorkLog.objects.get()
    outbox.drain_events()
    page.goto("/g/today/")
    assert "写今天的工作日志" not in page.inner_text("#main")

    his = shown(org.manager, "/m/worklogs/", "worklog-list")
    his.get_by_text("林晓雯").click()
    his.wait_for_selector("text=王先生的大衣改得很合身")
    his.locator("[name=text]").fill("做得好")
    his.get_by_role("button", name="发出去").click()
    his.wait_for_selector("text=做得好")
    keep(his, "worklog-one")
    assert log.comments.count() == 1
    shown(holder_of("hq_retail", org), "/hq/worklogs/", "worklog-hq", {"width": 1280, "height": 800})
    shown(holder_of("hq_retail", org), "/hq/worklogs/template/", "worklog-template", {"width": 1280, "height": 800})
    shown(holder_of("hq_retail", org), "/hq/shifts/", "hours-hq", {"width": 1280, "height": 800})
    shown(org.guide, "/g/shifts/", "own-week")
    mine = shown(org.guide, "/g/shifts/")
    mine.goto("/me/")
    assert mine.get_by_role("link", name="请假").count() and mine.get_by_role("link", name="工作日志").count()
    keep(mine, "me")
