"""HQ's pages on a wide screen: the rules are read, changed, tried and put online; failed pushes are sent again."""

import os
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tasks.cadences.jobs import prove_nightly
from tasks.cadences.models import CadenceStep, Enrollment, Hand
from tasks.cadences.recompute import recompute_hands
from tasks.review.services import refresh_days
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, holder_of, make_org, make_staff, session_of
from tests.factories.tasks import enroll, load_rules, make_task, open_until
from yejibao.core.heart import beat
from yejibao.core.models import OutboxEvent, OutboxMessage

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


@pytest.fixture
def outbox(org: Org, clock: Any) -> Org:
    """A day of pushes: most arrived, 42 hit people outside the visible range at 10:50, some were throttled."""
    now = clock.now()
    rows = []

    def row(at: Any, state: str = "sent", person: Any = org.guide, **facts: Any) -> None:
        facts = {"kind": "digest", "attempts": 1, "claimed_at": at, "sent_at": at if state == "sent" else None} | facts
        rows.append(
            OutboxMessage(
                dedupe_key=f"browser:{len(rows)}", recipient=person.wecom_user_id, subject=f"staff:{person.pk}",
                due_at=at, next_at=at, created_at=at, state=state, **facts,
            )
        )  # fmt: skip

    start = now.replace(hour=1, minute=31)  # 9:31 in Shanghai
    for slot in range(29):
        at = start + timedelta(minutes=10 * slot)
        for number in range(max(6, 34 - abs(slot - 4) * 3)):
            row(at, attempts=1 + (number % 11 == 0), kind="task" if number % 4 else "digest")
        if 8 <= slot <= 14:
            for number in range(14 - slot + 1):
                row(at, "failed", errcode=81013, person=org.guide if number % 2 else org.stranger)
    for minutes in (250, 244, 130):
        row(now - timedelta(minutes=minutes), "failed", errcode=45009)
    row(now - timedelta(minutes=90), "parked", errcode=60020)
    row(now - timedelta(minutes=200), "parked", errcode=-1, first_unknown_at=now - timedelta(minutes=200))
    row(now - timedelta(minutes=70), "failed", errcode=40003, person=org.manager)
    row(now - timedelta(minutes=1), "pending", attempts=0, claimed_at=None)
    row(now - timedelta(minutes=3), "pending", attempts=2, errcode=45009)
    row(now - timedelta(minutes=2), "unknown", first_unknown_at=now)
    for _ in range(30):
        row(now - timedelta(days=1))
    OutboxMessage.objects.bulk_create(rows)
    OutboxEvent.objects.create(
        topic="crm.order_returned", payload={}, created_at=now, parked_at=now, attempts=5, error="DataError: …"
    )
    cycle = Enrollment.objects.filter(hand__next_step="d90")[0]
    Hand.objects.filter(pk=cycle.pk).update(parked_tries=3, parked_why="task_due_before_expiry")
    for name in ("sender", "worker", "beat", "inbox"):
        beat(name)
    prove_nightly()
    return org


@pytest.mark.parametrize("width", [1100, 1280, 1440, 1920])
def test_push_health_fits(open_page: Any, outbox: Org, shot: Any, width: int) -> None:
    page = open_page({"width": width, "height": 900}, sessionid=session_of(holder_of("hq_operator", outbox)))
    page.goto("/hq/push/")
    page.get_by_text("没送到的，按原因").wait_for()
    shot(page, f"20-push-{width}")
    assert page.evaluate(FAULTS) == []


def test_what_failed_is_sent_again_and_closed(open_page: Any, outbox: Org, shot: Any) -> None:
    page = open_page(WIDE, sessionid=session_of(holder_of("sys_admin", outbox)))
    page.goto("/hq/")  # the first page of her role
    page.get_by_role("link", name="收件人不在应用可见范围").click()
    page.get_by_text("林**").first.wait_for()
    assert "林晓雯" not in page.locator("main").inner_text()
    shot(page, "20-push-cause")
    assert page.evaluate(FAULTS) == []
    rows = page.locator("tbody tr[id]")
    before = rows.count()
    rows.first.get_by_role("button", name="重发").click()
    page.get_by_text("1 条重新排队了").wait_for()
    expect(rows).to_have_count(before - 1)
    rows.first.locator("select").select_option("这条过时了")
    rows.first.get_by_role("button", name="关闭").click()
    page.get_by_text("关闭了").wait_for()
    expect(rows).to_have_count(before - 2)
    page.goto("/hq/push/")
    page.get_by_role("link", name="重发能重发的").click()
    shot(page, "20-push-resend")
    page.get_by_role("button", name="重发").click()
    page.get_by_text("重新排队了").wait_for()
    assert page.get_by_text("调用太快，被企业微信限流").count() == 1  # the one that is tried again by itself
    assert set(OutboxMessage.objects.filter(retry_of__isnull=False).values_list("state", flat=True)) == {"pending"}


def test_push_health_refreshes_itself(open_page: Any, outbox: Org) -> None:
    page = open_page(WIDE, sessionid=session_of(holder_of("hq_operator", outbox)))
    page.goto("/hq/push/")
    OutboxMessage.objects.filter(errcode=81013).update(state="closed")
    page.evaluate("htmx.ajax('GET', '/hq/push/', {target: '#push', swap: 'outerHTML'})")
    page.get_by_text("收件人不在应用可见范围").wait_for(state="detached")
    assert "有 6 类要处理" in page.locator("#matters").inner_text()


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
