"""A member's page on the phone and at HQ: 下一步 becomes a task with one tap, every part of the page fits."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.followups.models import Reach, Task
from tests.conftest import PC
from tests.core.test_look import FAULTS
from tests.factories.benefits import make_coupon
from tests.factories.checkout import give_card, give_points
from tests.factories.guides import holder_of, session_of
from yejibao.core import clock

from .conftest import World

SMALL = {"width": 360, "height": 2400}  # all of it at once
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_next_step_is_one_tap_from_the_members_page(world: World, open_page: Callable[..., Any], shot: Any) -> None:
    give_card(world.member, 186000)
    give_points(world.member, 1240)
    make_coupon(world.member, now=clock.now())
    page = open_page(SMALL, sessionid=session_of(world.guide))
    page.goto(f"/g/members/{world.member.public_id}/")
    page.locator("#next-why", has_text=world.task.why).wait_for()  # what stands on 今日 comes first
    assert page.evaluate(FAULTS) == []
    shot(page, "member-360-task")

    world.task.move_to("done", done_at=clock.now())
    Reach.objects.all().delete()
    world.travel("2027-03-05 10:00")
    page = open_page(SMALL, sessionid=session_of(world.guide))
    page.goto(f"/g/members/{world.member.public_id}/")
    page.locator("#next-why", has_text="3-08 过生日").wait_for()
    assert page.evaluate(FAULTS) == []
    shot(page, "member-360-next")
    page.get_by_role("button", name="去问候").click()
    page.wait_for_url("**/g/tasks/*/")
    assert Task.objects.get(task_type="birthday_pre").assignee == world.guide

    page = open_page(PC, sessionid=session_of(holder_of("hq_operator", world.org)))
    page.goto(f"/hq/members/{world.member.public_id}/")
    page.locator("#next-card", has_text="在跟进").wait_for()
    assert page.evaluate(FAULTS) == []
    shot(page, "member-360-hq")
