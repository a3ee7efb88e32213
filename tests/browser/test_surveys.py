"""He bought; his guide's third-day words bring the link; two stars; the manager mends it; what it was stands on his card."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.aftersale.models import Ticket
from crm.aftersale.services import close_ticket, reply
from crm.surveys import services
from crm.surveys.models import Survey
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag
from tasks.followups.models import Task
from tasks.scripts.ranking import offer
from tests.conftest import PC, PHONE
from tests.core.test_look import FAULTS
from tests.factories.guides import actor, holder_of, session_of
from yejibao.core import clock, outbox

from .conftest import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SMALL = {"width": 360, "height": 740}


def test_two_stars_by_the_link_become_the_managers_and_are_mended(
    world: World, open_page: Callable[..., Any], shot: Any
) -> None:
    load_tags(now=clock.now())
    world.travel("2026-11-23 10:05")
    assert services.ask_due(now=clock.now())["asked"] == 1
    world.travel("2026-11-24 10:10")
    world.push()
    task = Task.objects.get(member=world.member, node="d3")
    words = next(one.text for one in offer(task, guide=world.guide, now=clock.now()) if one.key == "d3_survey")
    link = words.rpartition("：")[2]
    assert "/s/" in link

    his = open_page(SMALL)  # nobody is signed in on this phone
    his.goto(link)
    his.get_by_role("heading", name="这次买得怎么样？").wait_for()
    assert not his.get_by_text("尺码不合").is_visible()
    shot(his, "survey-asked")
    his.locator("label[for=s2]").click()
    his.get_by_text("尺码不合").click()
    his.fill("#words", "袖子短了一截，抬手露手腕")
    assert his.evaluate(FAULTS) == []
    shot(his, "survey-filled")
    his.get_by_role("button", name="提交").click()
    his.get_by_text("店长已经收到").wait_for()
    shot(his, "survey-said")
    his.goto(link)
    assert his.get_by_role("button", name="提交").count() == 0

    outbox.drain_events()
    low = Ticket.objects.get(channel="survey_low_score")
    assert (low.topic, low.stage) == ("尺码", "manager")
    assert MemberTag.objects.get(member=world.member, tag__key="satisfaction_last").values == ["不满意"]
    assert Task.objects.get(task_type="survey_low_score").assignee == world.org.manager

    hers = open_page(SMALL, sessionid=session_of(world.org.manager))
    hers.goto("/surveys/")
    hers.get_by_text("袖子短了一截").wait_for()
    assert hers.evaluate(FAULTS) == []
    shot(hers, "survey-board-phone")
    hers.get_by_text("投诉单在办").click()
    hers.get_by_text("只评了 2 星").first.wait_for()
    reply(low, "给您换一件 185 的，明天到店", actor=actor(world.org.manager), now=clock.now())
    low.refresh_from_db()
    close_ticket(low, actor=actor(world.org.manager), now=clock.now(), reason="换好了")
    hers.goto("/surveys/")
    hers.get_by_text("投诉单办完了").wait_for()
    hers.get_by_text("回复他").click()
    hers.locator("[name=text]").fill("您多担待，换好了随时叫我。")
    hers.get_by_role("button", name="回复").click()
    hers.get_by_text("回复了，他在会员页里看得到").wait_for()
    outbox.drain_events()
    assert Task.objects.get(task_type="survey_low_score").state == "done"
    assert Survey.objects.get().reply

    guides = open_page(PHONE, sessionid=session_of(world.guide))
    guides.goto("/g/surveys/")
    assert "袖子短" not in guides.content()
    shot(guides, "survey-praise-none")
    hq = open_page(PC, sessionid=session_of(holder_of("hq_operator", world.org)))
    hq.goto("/surveys/")
    hq.get_by_text("12 周平均几星").wait_for()
    assert hq.evaluate(FAULTS) == []
    shot(hq, "survey-board-hq")
    hq.get_by_role("link", name="什么时候问").click()
    hq.get_by_text("几天后请他评").first.wait_for()
    shot(hq, "survey-rules")
