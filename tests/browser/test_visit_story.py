"""From a follow-up to a sale: 约到店 with a time, his yes on his phone, the reminder, he is there, he buys: level 5."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.events import OrderPaid
from crm.visits.models import Visit
from guides.attendance.clockin.models import StoreFence
from tasks.followups.models import Task
from tasks.followups.services import record_sent
from tests.core.test_look import FAULTS
from tests.factories.crm import make_order
from tests.factories.goods import make_goods, make_stock
from tests.factories.guides import actor, make_store, session_of
from tests.factories.portal import H5, token_of
from tests.factories.tasks import make_task
from yejibao.core import clock as product_clock
from yejibao.core import outbox

from .conftest import NOW, World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 360, "height": 780}


def test_a_follow_up_brings_him_into_the_store(
    world: World,
    open_page: Callable[..., Any],
    shot: Callable[..., None],
    wait_until: Callable[..., None],
    settings: Any,
) -> None:
    style = make_goods()
    make_stock(style, world.org.store, 2, as_of=product_clock.now())
    world.task = make_task(
        world.member,
        world.guide,
        task_type="followup_d60",
        now=product_clock.now(),
        evidence_any_of=["chat_sent", "visit_booked"],
    )
    record_sent(world.task, actor=actor(world.guide), text="好一阵没见", now=product_clock.now())
    his, hers = open_page(NARROW), open_page(NARROW)
    sign = [(hers, settings.SESSION_COOKIE_NAME, session_of(world.guide)),
            (his, settings.MEMBER_COOKIE_NAME, token_of(world.member, place=H5))]  # fmt: skip
    for page, name, value in sign:
        page.context.add_cookies([{"name": name, "value": value, "url": settings.PUBLIC_BASE_URL}])

    # She: 约到店, Saturday 15:00 next week, two pieces set aside.
    hers.goto(f"{settings.PUBLIC_BASE_URL}/g/tasks/{world.task.pk}/")
    hers.locator(".chip", has_text="约到店").click()
    hers.locator("select[name=starts_at]").select_option("2026-11-26T15:00")
    hers.locator("#piece-q").press_sequentially(style.name[:2])
    hers.locator("#pieces-found [data-pick]").first.click()
    hers.locator("[data-picked] [data-piece]").wait_for()
    shot(hers, "visit-chip-360")
    assert hers.evaluate(FAULTS) == []
    hers.locator("button", has_text="约好").click()
    hers.locator(".card .tag", has_text="已应约").wait_for()
    visit = Visit.objects.get()
    task = Task.objects.get(pk=world.task.pk)
    assert (visit.cause, task.evidence_level) == (f"task:{task.pk}", 4)
    hers.goto(f"{settings.PUBLIC_BASE_URL}/g/visits/{visit.pk}/")
    hers.locator(".tag", has_text="留到").wait_for()

    # He: 我会去; she sees it without touching anything.
    his.goto(f"{settings.PUBLIC_BASE_URL}/my/visits/{visit.public_id}/")
    shot(his, "visit-my-360")
    assert his.evaluate(FAULTS) == []
    his.locator("button", has_text="我会去").click()
    his.locator(".banner", has_text="约好了，等您来").wait_for()
    hers.locator("#visit", has_text="他自己点的").wait_for()  # it looks again by itself
    shot(hers, "visit-guide-360")
    assert hers.evaluate(FAULTS) == []

    # The day: the reminder is there, he comes, she taps, he buys.
    outbox.drain_events()
    world.travel("2026-11-26 09:31")
    reminder = Task.objects.get(task_type="visit_reminder")
    assert reminder.context["facts"]["visit_time"] == "11月26日 15:00"
    hers.goto(f"{settings.PUBLIC_BASE_URL}/g/tasks/{reminder.pk}/")
    hers.locator(".bub", has_text="11月26日 15:00").wait_for()
    world.travel("2026-11-26 14:58")
    hers.goto(f"{settings.PUBLIC_BASE_URL}/g/visits/")
    hers.locator("a.cell", has_text="王哥").click()
    hers.locator("button", has_text="到店了").click()
    hers.locator(".tag", has_text="已到店").wait_for()
    order = make_order(world.member, paid_at="2026-11-26 15:40", store=world.org.store, guide=world.guide)
    world.travel("2026-11-26 15:41")
    outbox.publish(OrderPaid(order.pk))
    outbox.drain_events()
    task.refresh_from_db()
    visit.refresh_from_db()
    assert (visit.state, visit.order, task.evidence_kind, task.evidence_level) == ("bought", order, "order_linked", 5)
    hers.goto(f"{settings.PUBLIC_BASE_URL}/g/visits/{visit.pk}/")
    hers.locator("#visit", has_text="买了").wait_for()
    assert NOW < "2026-11-26"


def test_he_asks_and_she_answers_from_her_list(
    world: World, open_page: Callable[..., Any], shot: Callable[..., None], settings: Any
) -> None:
    """He sees which store is near and asks for a time; it stands on 今日 until she says yes there."""
    near, far = world.org.store, make_store(city="上海", short_name="远一点的店")
    near.city = "上海"
    near.save(update_fields=["city"])
    for store, north, east in ((near, 31.2400, 121.4900), (far, 31.3400, 121.4900)):
        StoreFence.objects.create(store=store, latitude=north, longitude=east, given_latitude=north, given_longitude=east,
                                  given_datum="gcj02", since=product_clock.today(), set_at=product_clock.now())  # fmt: skip
    his = open_page(NARROW, geolocation={"latitude": 31.3419, "longitude": 121.4855}, permissions=["geolocation"])
    hers = open_page(NARROW)
    for page, name, value in (
        (hers, settings.SESSION_COOKIE_NAME, session_of(world.guide)),
        (his, settings.MEMBER_COOKIE_NAME, token_of(world.member, place=H5)),
    ):
        page.context.add_cookies([{"name": name, "value": value, "url": settings.PUBLIC_BASE_URL}])
    asked: list[str] = []
    his.on("request", lambda request: asked.append(request.url + (request.post_data or "")))
    his.goto(f"{settings.PUBLIC_BASE_URL}/my/visits/new/")
    assert his.locator("#near-stores option").first.inner_text().startswith(near.short_name)  # his own
    his.locator("button", has_text="看哪家近").click()
    his.locator("[data-near-note]", has_text="近的排在前面").wait_for()
    told = his.locator("#near-stores option").all_inner_texts()
    assert [one.split(" · ")[1] for one in told] == ["远一点的店", near.short_name] and "公里" in told[1]
    shot(his, "visit-near-360")
    assert his.evaluate(FAULTS) == []
    assert not [url for url in asked if "31.34" in url or "121.48" in url]  # his place stays on his phone
    his.locator("select[name=starts_at]").select_option("2026-11-26T15:00")
    his.locator("input[name=words]").fill("想看看羊毛大衣")
    his.locator("button", has_text="约这个时间").click()
    his.locator(".banner", has_text="还没回").wait_for()
    outbox.drain_events()

    hers.goto(f"{settings.PUBLIC_BASE_URL}/g/today/")
    card = hers.locator("article.task", has_text="等你回一声")
    card.wait_for()
    shot(hers, "wish-today-360")
    assert hers.evaluate(FAULTS) == []
    task = Task.objects.get(task_type="visit_confirm")
    hers.goto(f"{settings.PUBLIC_BASE_URL}/g/tasks/{task.pk}/")
    shot(hers, "wish-task-360")
    assert hers.evaluate(FAULTS) == []
    hers.locator("button", has_text="可以，").click()
    hers.locator(".tag", has_text="已应约").wait_for()
    his.locator("body", has_text="约好了，等您来").wait_for()  # by itself
    outbox.drain_events()
    task.refresh_from_db()
    assert (task.state, task.done_by) == ("done", world.guide)
