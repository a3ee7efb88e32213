"""HQ's pages on a wide screen: the rules are read, changed, tried and put online; failed pushes are sent again."""

import os
from datetime import timedelta
from typing import Any

import pytest

from tasks.cadences.models import CadenceStep
from tasks.cadences.recompute import recompute_hands
from tasks.review.services import refresh_days
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, holder_of, make_org, make_staff, session_of
from tests.factories.tasks import enroll, load_rules, make_task, open_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = "2026-11-21 14:20"
WIDE = {"width": 1440, "height": 900}
RATES = {"m30": (81, 19), "d3": (68, 32), "d30": (61, 39), "d60": (55, 45), "d90": (49, 51)}


@pytest.fixture
def shot() -> Any:
    """Return a function that takes a picture of the whole page into the folder SHOTS, if there is one."""

    def take(page: Any, name: str) -> None:
        if folder := os.environ.get("SHOTS"):
            page.wait_for_timeout(400)
            page.screenshot(path=f"{folder}/{name}.png", full_page=True)

    return take


@pytest.fixture
def org(transactional_db: None, clock: Any) -> Org:
    """A month of cycles of four guides, scripts with their use, and tasks done or not."""
    clock.travel(NOW)
    now = clock.now()
    load_rules()
    load_scripts(now=now)
    org = make_org()
    guides = [
        org.guide,
        org.stranger,
        *(make_staff(store=org.store, name=name, display_name=name) for name in ("徐静", "马丽")),
    ]
    orders = []
    for number in range(48):
        guide = guides[number % len(guides)]
        member = make_member(owner=guide, name="王建平", phone_consent=number % 5 > 0, do_not_contact=number % 16 == 3)
        if number % 7:
            make_friend(member, guide)
        orders.append(make_order(member, paid_at=now - timedelta(days=number * 97 % 90, minutes=200), guide=guide))
    enroll(*orders)
    open_until("2026-11-21 14:00")
    member = make_member(owner=org.guide)
    due = now - timedelta(days=2)
    for node, (done, missed) in RATES.items():
        for state in ["done"] * (done // 4) + ["expired"] * (missed // 4):
            facts = {"done_at": due} if state == "done" else {}
            make_task(
                member,
                org.guide,
                task_type=f"followup_{node}",
                now=due - timedelta(hours=4),
                due_at=due,
                state=state,
                **facts,
            )
    refresh_days(now=now - timedelta(days=3))
    refresh_days(now=now)
    for place, script in enumerate(Script.objects.filter(node__in=RATES).order_by("pk")):
        used = 240 - place * 3
        Script.objects.filter(pk=script.pk).update(
            used_90_count=max(used, 4), replied_90_count=max(used, 4) * (20 + place % 27) // 100, counted_at=now
        )
    return org


@pytest.mark.parametrize("width", [1100, 1280, 1440, 1920])
def test_the_rules_fit_and_the_dry_run_comes_by_itself(open_page: Any, org: Org, shot: Any, width: int) -> None:
    page = open_page({"width": width, "height": 900}, sessionid=session_of(holder_of("hq_operator", org)))
    page.goto("/hq/rules/?step=d3")
    page.locator("#trial .chart").wait_for()
    shot(page, f"19-rules-{width}")
    assert page.evaluate(FAULTS) == []


def test_a_window_is_changed_tried_and_put_online(open_page: Any, org: Org, shot: Any, clock: Any) -> None:
    page = open_page(WIDE, sessionid=session_of(holder_of("hq_operator", org)))
    page.goto("/hq/rules/?step=d30")
    page.get_by_role("button", name="改规则").click()
    page.get_by_label("打开").fill("20")
    page.get_by_label("截止").fill("19")
    page.get_by_label("失效").fill("27")
    page.get_by_role("button", name="存进草稿").click()
    page.get_by_text("截止日不能早于打开日（第 20 天）").wait_for()
    assert page.input_value("#f-expire") == "27"
    shot(page, "19-rules-error")
    page.get_by_label("截止").fill("22")
    assert page.locator("[data-window]").inner_text() == "第 20 天打开，第 22 天 22:00 截止，第 27 天失效"
    page.goto("/hq/rules/draft/d30/")  # nothing typed is lost, whatever happens to the page
    assert page.input_value("#f-due") == "22"
    page.get_by_role("button", name="存进草稿").click()
    page.get_by_text("存进草稿了，还没上线").wait_for()
    page.locator("#trial .chart").wait_for()
    assert "改后" in (page.locator("#trial .chart").get_attribute("aria-label") or "")
    shot(page, "19-rules-draft")
    page.get_by_role("link", name="发布…").first.click()
    shot(page, "19-rules-publish")
    page.get_by_role("button", name="发布，影响").click()
    page.get_by_text("正在给会员重排下一步").wait_for()
    shot(page, "19-rules-online")
    recompute_hands(now=clock.now())
    page.get_by_text("都按新规则排好了").wait_for()
    assert CadenceStep.objects.get(version__state="published", key="d30").open_day == 20
    page.get_by_role("link", name="版本", exact=True).click()
    page.get_by_text("第 30 天 → 第 20 天").wait_for()
    shot(page, "19-rules-versions")
