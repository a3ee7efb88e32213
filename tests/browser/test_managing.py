"""离职交接, 排班 and 要换要改 on a phone: what fits, and one tap each."""

import os
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from crm.aftersale.models import Ticket
from crm.members.models import GuideHandover
from guides.attendance.models import Shift
from guides.attendance.services import set_rest_days, set_shift
from guides.org.models import Staff
from guides.org.services import resign_staff
from tests.conftest import PC, PHONE, TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, make_org, make_staff, session_of
from tests.factories.tasks import load_rules, make_task
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = parse_iso("2026-11-24 10:10")  # a Tuesday
SYSTEM = Actor.system()
SIZES = [PHONE, {"width": 360, "height": 780}]


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    """新街口店: 晓雯 and three colleagues, the last of whom left this morning with two members and a task."""
    clock.travel(NOW)
    org = make_org()
    heir = make_staff(store=org.store, name="何勇", display_name="何勇")
    other = make_staff(store=org.store, name="欧阳志远", display_name="志远", backup_guide=heir)
    gone = make_staff(store=org.store, name="马超", display_name="马超")
    Staff.objects.filter(pk=org.guide.pk).update(backup_guide=other)
    for owner, count in ((org.guide, 6), (other, 4), (heir, 2), (gone, 3)):
        for _ in range(count):
            make_member(owner=owner)
    make_task(make_member(owner=gone), gone, now=NOW - timedelta(hours=5))
    set_rest_days(org.guide, days=[date(2026, 11, 25), date(2026, 11, 28)], actor=SYSTEM, now=NOW)
    set_rest_days(other, days=[date(2026, 11, 28)], actor=SYSTEM, now=NOW)
    set_shift(heir, day=date(2026, 11, 26), kind="leave", actor=SYSTEM, now=NOW)
    resign_staff(gone, actor=SYSTEM, now=NOW - timedelta(hours=1))
    outbox.drain_events()
    return org


@pytest.fixture
def shown(open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that opens a page as somebody; with SHOTS a picture is taken."""

    def at(person: Staff, path: str, size: dict[str, int], name: str = "", **options: Any) -> Any:
        page = open_page(size, sessionid=session_of(person), reduced_motion="reduce", **options)
        page.goto(path)
        assert page.evaluate(FAULTS) == []
        keep(page, f"{name}-{size['width']}")
        return page

    return at


def keep(page: Any, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(400)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["width"]))
def test_the_members_of_who_left_go_in_one_tap(org: Org, shown: Callable[..., Any], size: dict[str, int]) -> None:
    page = shown(org.manager, "/m/handovers/", size, "handovers")
    page.get_by_role("button", name="把马超的会员交给欧阳志远").click()
    page.wait_for_selector("text=最近 30 天交接的")
    assert "马超的 4 位会员交给欧阳志远了" in page.inner_text("#toasts")
    assert page.evaluate(FAULTS) == []
    keep(page, f"handovers-done-{size['width']}")
    assert GuideHandover.objects.get().heir.name == "欧阳志远"


@pytest.mark.parametrize("size", [*SIZES, PC], ids=lambda size: str(size["width"]))
def test_a_day_changes_with_a_tap_and_comes_back(org: Org, shown: Callable[..., Any], size: dict[str, int]) -> None:
    page = shown(org.manager, "/m/shifts/", size, "shifts")
    page.get_by_role("button", name="何勇 周五 上班，点一下改成休息").click()
    page.wait_for_selector('button[aria-label="何勇 周五 休息，点一下改成请假"]')
    assert Shift.objects.get(staff__name="何勇", day=date(2026, 11, 27)).kind == "rest"
    keep(page, f"shifts-set-{size['width']}")
    page.locator("#toasts button", has_text="撤销").click()
    page.wait_for_selector('button[aria-label="何勇 周五 上班，点一下改成休息"]')
    assert Shift.objects.get(staff__name="何勇", day=date(2026, 11, 27)).kind == "work"


def test_a_day_changes_without_a_script(org: Org, shown: Callable[..., Any]) -> None:
    page = shown(org.manager, "/m/shifts/", PHONE, java_script_enabled=False)
    page.get_by_role("button", name="何勇 周五 上班").click()
    page.wait_for_selector('button[aria-label="何勇 周五 休息，点一下改成请假"]')
    page.locator("#toasts button", has_text="撤销").click()
    page.wait_for_selector('button[aria-label="何勇 周五 上班，点一下改成休息"]')


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["width"]))
def test_a_guide_reads_her_week(org: Org, shown: Callable[..., Any], size: dict[str, int]) -> None:
    page = shown(org.guide, "/g/shifts/", size, "own-week")
    assert "欧阳志远代办" in page.inner_text("#main")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["width"]))
def test_a_ticket_opens_under_the_outcome(org: Org, shown: Callable[..., Any], size: dict[str, int]) -> None:
    member = make_member(owner=org.guide, name="王建平", salutation="王哥")
    make_friend(member)
    order = make_order(member, paid_at="2026-11-21 15:00", guide=org.guide)
    task = make_task(
        member, org.guide, now=NOW, order=order, state="done", done_at=NOW, outcome="fit_ok",
        cadence_version=load_rules(),
    )  # fmt: skip
    page = shown(org.guide, f"/g/tasks/{task.pk}/", size, "fit-before")
    page.get_by_role("button", name="要换要改").click()
    page.wait_for_selector("text=开张售后单")
    assert page.evaluate(FAULTS) == []
    keep(page, f"fit-chips-{size['width']}")
    page.get_by_role("button", name="改衣").click()
    page.wait_for_selector("text=已开售后单 · 改衣")
    assert page.evaluate(FAULTS) == []
    keep(page, f"fit-open-{size['width']}")
    page.fill('input[name="pickup_on"]', "2026-11-27")
    page.get_by_role("button", name="记下", exact=True).click()
    page.wait_for_selector("text=11-27取衣")
    page.get_by_role("button", name="点错了").click()
    page.wait_for_selector("text=开张售后单")
    assert list(Ticket.objects.values_list("kind", "state")) == [("alteration", "cancelled")]
