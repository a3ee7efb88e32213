"""An announcement in the browser: from the composer at HQ to the last reader on the phone."""

from datetime import timedelta
from typing import Any

import pytest

from guides.announcements import services
from guides.announcements.models import Announcement
from guides.org.models import Staff
from tests.conftest import PC, TestClock
from tests.core.test_look import FAULTS
from tests.factories.guides import Org, holder_of, make_org, session_of
from yejibao.core import outbox
from yejibao.core.clock import parse_iso

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOW = parse_iso("2026-11-21 10:10")
NARROW = {"width": 360, "height": 780}


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


def test_from_the_composer_to_the_last_reader(org: Org, open_page: Any, shot: Any, wait_until: Any) -> None:
    publisher = holder_of("hq_visual", org)
    desk = open_page(PC, sessionid=session_of(publisher), reduced_motion="reduce")
    desk.goto("/hq/announcements/")
    desk.wait_for_selector("text=还没有发过公告")
    desk.get_by_text("从样例开始").click()
    desk.get_by_role("button", name="秋季第一波段上新陈列指引").click()
    desk.wait_for_selector("text=提交审批给 3 人")
    desk.get_by_role("button", name="江苏分公司").click()
    desk.locator("#title").fill("小雪换季陈列调整，今天 18:00 前完成")
    desk.wait_for_selector("#publish-label:has-text('发布给 3 人')")
    desk.wait_for_selector(".ph-prev:has-text('小雪换季')")
    assert "2 家店 3 人" in desk.locator("#count").inner_text()
    shot(desk, "announcement-composer")
    assert desk.evaluate(FAULTS) == []
    desk.locator("[data-open='#publish']").click()
    desk.get_by_role("button", name="确定").click()
    desk.wait_for_selector("text=正在送到每个人")
    held = Announcement.objects.get()
    services.spread(now=NOW, budget=timedelta(seconds=20))
    outbox.drain_events()
    desk.wait_for_selector("text=3 人在手机上能看到")

    phone = open_page(NARROW, sessionid=session_of(org.guide), reduced_motion="reduce")
    phone.goto("/g/today/")
    phone.locator("#duties", has_text="公告阅读").wait_for()
    shot(phone, "announcement-today")
    assert phone.evaluate(FAULTS) == []
    phone.locator("#announcement-banner").click()
    phone.get_by_role("button", name="再看").wait_for()
    shot(phone, "announcement-one")
    assert phone.evaluate(FAULTS) == []
    wait_until(lambda: held.receipts.get(staff=org.guide).read_at)
    held.receipts.filter(staff=org.guide).update(read_at=NOW - timedelta(minutes=1))
    phone.reload()
    phone.get_by_role("button", name="我知道了").click()
    phone.wait_for_selector("text=记下了")
    assert held.receipts.get(staff=org.guide).confirmed_at == NOW

    boss = open_page(NARROW, sessionid=session_of(org.manager), reduced_motion="reduce")
    boss.goto(f"/m/announcements/{held.pk}/")
    assert boss.evaluate(FAULTS) == []
    boss.get_by_role("button", name="催 1 人").click()
    boss.wait_for_selector("text=催了 1 人")

    for one in Staff.objects.filter(pk__in=(org.manager.pk, org.stranger.pk)):
        reader = open_page(NARROW, sessionid=session_of(one), reduced_motion="reduce")
        reader.goto(f"/g/announcements/{held.pk}/")
        reader.get_by_role("button", name="再看").wait_for()
        held.receipts.filter(staff=one).update(read_at=NOW - timedelta(minutes=1))
        reader.reload()
        reader.get_by_role("button", name="我知道了").click()
        reader.wait_for_selector("text=记下了")
    desk.goto(f"/hq/announcements/{held.pk}/?names=1&state=left")
    desk.wait_for_selector("text=都看过了")
    shot(desk, "announcement-board")
    assert desk.evaluate(FAULTS) == []
