"""任务复盘 in the browser: phone sheet, PC column, acts."""

from typing import Any

import pytest

from tasks.review.services import refresh_days
from tests.conftest import PHONE
from tests.core.test_look import FAULTS
from tests.factories.guides import holder_of, session_of
from tests.tasks.review.world import ReviewWorld, make_review_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = "2026-11-20 17:35"  # a Friday


@pytest.fixture
def world(clock: Any, db: None) -> ReviewWorld:
    now = clock.travel(NOW)
    world = make_review_world(now)
    refresh_days(now=now)
    return world


def test_shots(world: ReviewWorld, open_page: Any) -> None:
    import os

    out = os.environ.get("SHOTS")
    if not out:
        return
    os.makedirs(out, exist_ok=True)
    key = session_of(world.org.manager)
    page = open_page(PHONE, sessionid=key)
    page.goto("/m/review/")
    page.screenshot(path=f"{out}/phone.png", full_page=True)
    print(page.evaluate(FAULTS))
    page.locator(".heat a.c.low").first.click()
    page.wait_for_selector("#sheet-body .sheet-row")
    page.wait_for_timeout(500)
    page.screenshot(path=f"{out}/phone-sheet.png")
    print(page.evaluate(FAULTS))
    for width in (320, 360, 414):
        page = open_page({"width": width, "height": 844}, sessionid=key)
        page.goto("/m/review/")
        print(width, page.evaluate(FAULTS))
    for width in (1100, 1280, 1440, 1920):
        page = open_page({"width": width, "height": 900}, sessionid=key)
        page.goto("/m/review/")
        page.wait_for_selector("#drill .sheet-row")
        page.wait_for_timeout(300)
        print(width, page.evaluate(FAULTS))
        page.screenshot(path=f"{out}/pc-{width}.png", full_page=True)
    for role in ("area_supervisor", "region_manager", "hq_operator", "executive"):
        person = holder_of(role, world.org)
        page = open_page(
            {"width": 1440, "height": 900} if role != "area_supervisor" else PHONE, sessionid=session_of(person)
        )
        page.goto("/m/review/")
        page.screenshot(path=f"{out}/{role}.png", full_page=True)
