"""Made to measure on two phones: he books, she measures with one thumb while the net is gone, he confirms, it is ready, he takes it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from crm.members.models import Member
from crm.portal.models import MemberSession
from crm.tailoring.models import Fitting, MemberMeasure
from tests.conftest import TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_member
from tests.factories.guides import Org, make_org, session_of
from tests.factories.portal import token_of
from tests.factories.tailoring import TYPED

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SMALL = {"width": 360, "height": 780}
SHIRT = ("height", "neck", "shoulder", "chest", "waist", "sleeve", "arm", "wrist", "back_length")


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    clock.travel("2026-11-21 14:00")
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide, name="王建平", salutation="王哥")


def test_from_the_appointment_to_the_wardrobe(
    org: Org, member: Member, clock: TestClock, live_server: Any, open_page: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:  # fmt: skip
    his = open_page(SMALL, reduced_motion="reduce")
    his.context.add_cookies(
        [
            {
                "name": settings.MEMBER_COOKIE_NAME,
                "value": token_of(member, place=MemberSession.Place.H5),
                "url": live_server.url,
            }
        ]
    )
    his.goto("/my/fittings/")
    his.get_by_role("link", name="约量体").click()
    his.locator("a.ft-day").nth(3).click()
    his.locator(".ft-times label", has_text="14:00").click()
    shot(his, "fitting-slots")
    assert his.evaluate(FAULTS) == []
    his.get_by_role("button", name="约这个时间").click()
    his.get_by_text("到店量体").wait_for()
    shot(his, "fitting-booked")

    clock.travel("2026-11-24 14:02")
    hers = open_page(SMALL, sessionid=session_of(org.guide), reduced_motion="reduce")
    hers.goto("/g/fittings/")
    shot(hers, "fitting-day")
    assert hers.evaluate(FAULTS) == []
    hers.get_by_text("王哥").click()
    hers.get_by_role("link", name="开始量").click()
    hers.locator("label.chip", has_text="衬衫").click()
    hers.locator("#m-height").click()
    for key in SHIRT:
        for sign in TYPED[key]:
            hers.locator(f'[data-pad] [data-key="{sign}"]').click()
        if key == "chest":
            shot(hers, "fitting-measure")
        hers.locator("[data-pad-next]").click()
    hers.locator("[name=fabric]").fill("浅蓝细条纹 100 支")
    hers.locator("[name=price]").fill("980")
    assert hers.evaluate(FAULTS) == []
    hers.context.set_offline(True)
    hers.get_by_role("button", name="量好了，请他确认").click()
    hers.get_by_text("有网会自己发出去").wait_for()
    shot(hers, "fitting-offline")
    hers.context.set_offline(False)
    hers.get_by_text("确认了才能开裁").wait_for()
    assert MemberMeasure.objects.get().values["chest"] == 980

    his.get_by_text("确认前请看一下").wait_for()  # it came by itself
    shot(his, "fitting-confirm")
    his.locator("label.ck-l").click()
    his.get_by_role("button", name="确认制作").click()
    his.locator(".tag", has_text="已确认").wait_for()
    hers.reload()
    hers.get_by_role("button", name="开始制作").click()
    hers.get_by_role("button", name="做好了，可以取").click()
    shot(hers, "fitting-ready")
    his.get_by_text("来店里试穿取衣").first.wait_for()
    assert his.evaluate(FAULTS) == []
    shot(his, "fitting-his")
    hers.get_by_role("button", name="试穿合身，取走了").click()
    wait_until(lambda: Fitting.objects.get().state == "collected")
