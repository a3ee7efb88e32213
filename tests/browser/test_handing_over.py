"""The guide resigns and the manager hands over her members, with the platform's limits; on a phone, against the stand-in."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import FriendLink, FriendTransfer, GuideHandover, Member
from crm.members.services import transfers
from guides.handlers import follow_address_book
from guides.org.models import Staff
from guides.org.moving import transfer_staff
from tasks.followups.models import Task
from tasks.scripts.loading import load_scripts
from tests.conftest import TestClock
from tests.core.test_look import FAULTS
from tests.crm.members.test_transfers import turn
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, holder_of, make_org, make_staff, session_of
from tests.factories.tasks import make_task
from yejibao.core import outbox
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.events import PersonChanged

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = parse_iso("2026-11-23 10:10")
SMALL = {"width": 360, "height": 780}
NAMES = ["王建平", "李志强", "郭宇航", "刘伟民", "曹磊", "许文杰", "何建军"]


@pytest.fixture
def org(transactional_db: None, clock: TestClock, sandbox: Any) -> Org:
    """晓雯 with seven members; 何勇 sold to two of them, 欧阳志远 knows nobody. The platform knows all."""
    clock.travel(NOW)
    gateway._gateway.cache_clear()
    tokens.Credentials.forget_process_copies()
    load_scripts(now=NOW)
    org = make_org()
    yong = make_staff(store=org.store, name="何勇", display_name="何勇")
    chao = make_staff(store=org.store, name="欧阳志远", display_name="志远")
    tiers = ("core", "core", "potential", "common", "common", "common", "unconsumed")
    for number, (name, tier) in enumerate(zip(NAMES, tiers, strict=True)):
        member = make_member(owner=org.guide, name=name, tier_631=tier, phone_consent=True)
        make_order(member, paid_at=NOW - timedelta(days=30 + number), guide=yong if number < 2 else org.guide)
        if number < 6:
            make_friend(member, org.guide)
    make_task(Member.objects.get(name="王建平"), org.guide, now=NOW - timedelta(hours=4))
    people = [org.guide, yong, chao, org.manager]
    sandbox.post(
        "world",
        people=[{"userid": one.wecom_user_id, "name": one.name, "department": [1]} for one in people],
        contacts=[
            {"external_userid": link.external_user_id, "name": "客户", "followers": [org.guide.wecom_user_id]}
            for link in FriendLink.objects.all()
        ],
    )
    turn(sandbox, NOW)
    return org


def keep(page: Any, name: str) -> None:
    assert page.evaluate(FAULTS) == []
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(400)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_she_resigns_and_her_members_are_handed_over(
    org: Org, open_page: Callable[..., Any], sandbox: Any, clock: TestClock
) -> None:
    hers = open_page(SMALL, sessionid=session_of(org.guide), reduced_motion="reduce")
    hers.goto("/g/members/")
    sandbox.post("world", people=[{"userid": org.guide.wecom_user_id, "name": "林晓雯", "status": 5}])
    follow_address_book([PersonChanged(org.guide.wecom_user_id, "deleted", NOW.isoformat())])
    outbox.drain_events()
    hers.goto("/g/members/")  # signed out at once
    assert "王建平" not in hers.content()
    assert "停用" in hers.content() or "/login/" in hers.url, "a call of the page itself may have heard it first"
    assert Task.objects.get().held_reason == "resigned"  # her work is kept

    page = open_page(SMALL, sessionid=session_of(org.manager), reduced_motion="reduce")
    page.goto("/m/handovers/")
    keep(page, "h1-list")
    page.get_by_role("link", name="林晓雯的交接方案").click()
    page.wait_for_selector("text=确认交接 7 位")
    keep(page, "h2-plan")
    page.select_option('select[name="group-core"]', label="全给欧阳志远")
    page.wait_for_selector('input[name="version"][value="1"]', state="attached")
    assert "欧阳志远 2" in page.inner_text("#plan")
    keep(page, "h3-changed")
    page.get_by_role("button", name="确认交接 7 位").click()
    page.wait_for_selector("text=位会员换了导购")
    outbox.drain_events()
    assert transfers.ask_due(now=NOW, door=gateway.default()) == {"waiting": 6}
    refused = FriendTransfer.objects.order_by("pk").first()
    assert refused is not None
    sandbox.post("transfer/refuse", external_userid=refused.external_user_id)
    later = turn(sandbox, clock.travel(NOW + timedelta(hours=2)))
    assert transfers.read_back(now=later, door=gateway.default()) == {"waiting": 5, "refused": 1}
    outbox.drain_events()
    page.reload()
    assert "不愿意换导购，现在归店长" in page.inner_text("#progress")
    keep(page, "h4-progress")
    page.select_option('select[name="to"]', label="转给何勇")
    page.get_by_role("button", name="就这样").click()
    page.wait_for_selector("text=1 位改由何勇接手")
    outbox.drain_events()
    assert transfers.ask_due(now=later, door=gateway.default()) == {}  # the platform's day first
    later = turn(sandbox, clock.travel(NOW + timedelta(hours=25)))
    assert transfers.read_back(now=later, door=gateway.default()) == {"done": 5}
    assert transfers.ask_due(now=later, door=gateway.default()) == {"waiting": 1}
    later = turn(sandbox, clock.travel(NOW + timedelta(hours=50)))
    assert transfers.read_back(now=later, door=gateway.default()) == {"done": 1}
    outbox.drain_events()
    page.reload()
    assert "都转好了" in page.inner_text("#progress")
    keep(page, "h5-done")
    assert GuideHandover.objects.get().state == "done"

    chao = Staff.objects.get(name="欧阳志远")
    intro = (
        Task.objects.filter(assignee=chao, task_type="handover_intro", state="open").order_by("tier_rank", "pk").first()
    )
    assert intro is not None
    new = open_page(SMALL, sessionid=session_of(chao), reduced_motion="reduce")
    new.goto("/g/today/")
    keep(new, "h6-today")
    new.goto(f"/g/tasks/{intro.pk}/")
    assert "交接资料" in new.inner_text("#task-page") and "晓雯" in new.inner_text("#send")
    keep(new, "h7-intro")
    new.goto(f"/g/members/{intro.member.public_id}/")
    keep(new, "h8-member")


def test_changing_the_store_and_a_long_leave(org: Org, open_page: Callable[..., Any]) -> None:
    boss = open_page(SMALL, sessionid=session_of(holder_of("region_manager", org)), reduced_motion="reduce")
    boss.goto("/m/handovers/new/")
    boss.select_option('select[name="person"]', label="林晓雯 · 新街口店")
    boss.get_by_label("找门店").fill("gqd")
    boss.locator("#store-choices label", has_text="观前店").click()
    boss.fill('input[name="starts_on"]', "2026-11-30")
    keep(boss, "h9-move")
    boss.get_by_role("button", name="确定调店").click()
    boss.wait_for_selector("text=等生效的")
    keep(boss, "h10-moves")
    boss.get_by_role("button", name="不调了").click()
    boss.wait_for_selector("text=等生效的", state="detached")
    transfer_staff(org.guide, to=org.other_store, starts_on=local_day(NOW), actor=Actor.system(), now=NOW)
    outbox.drain_events()
    page = open_page(SMALL, sessionid=session_of(org.manager), reduced_motion="reduce")
    page.goto("/m/handovers/new/")
    keep(page, "h11-leave")
    page.get_by_role("link", name="转交会员").click()
    page.wait_for_selector("text=为什么交")
    keep(page, "h11b-give")
    page.goto(f"/m/handovers/{GuideHandover.objects.get().pk}/")
    page.select_option('select[name="group-core"]', label="跟林晓雯走")
    page.wait_for_selector("text=2 位跟着去新店")
    keep(page, "h12-along")
    page.get_by_role("button", name="确认交接 5 位").click()
    page.wait_for_selector("text=跟他去新店")
    assert Member.objects.filter(owner_guide=org.guide, main_store=org.other_store).count() == 2
