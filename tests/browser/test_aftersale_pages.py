"""Two who wait for each other see what the other says without a reload; every page of after-sale fits its screen."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from crm.aftersale import services
from crm.aftersale.checking.services import draw_checks
from crm.aftersale.models import CareSlip, Ticket
from crm.aftersale.replies.services import load_templates
from crm.orders.models import OrderLine
from guides.org.actors import actor_for
from tests.conftest import PC, TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_member, make_order
from tests.factories.goods import make_goods, make_stock
from tests.factories.guides import Org, holder_of, make_org, session_of
from tests.factories.portal import H5, token_of
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SMALL = {"width": 360, "height": 780}
JACKET = "25FXJ201-OL"


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(300)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    now = clock.travel(parse_iso("2026-11-23 10:40"))
    org = make_org()
    jacket = make_goods(
        JACKET, name="都市拉链夹克", category_l1="夹克", category_l2="夹克", color="橄榄", price_fen=128000
    )
    other = make_goods(
        "25FXJ305-NV", name="轻薄飞行夹克", category_l1="夹克", category_l2="夹克", color="藏青", price_fen=149900
    )
    for style, size, pieces in ((jacket, "175/92A", 1), (jacket, "180/96A", 2), (other, "175/92A", 1)):
        make_stock(style, org.store, pieces, size=size, as_of=now)
    load_templates(now=now)
    return org


@pytest.fixture
def line(org: Org) -> OrderLine:
    member = make_member(owner=org.guide, name="赵启明", salutation="赵哥", phone="13800132075", tier_631="potential")
    piece = {
        "item_name": "都市拉链夹克", "color": "橄榄", "size": "175/92A", "care_key": "jacket", "family": "夹克",
        "paid_fen": 128000, "sku_code": JACKET,
    }  # fmt: skip
    bought = product_clock.now() - timedelta(days=5)
    found: OrderLine = make_order(
        member, paid_at=bought.isoformat(), guide=org.guide, store=org.store, lines=[piece]
    ).lines.get()
    return found


def as_member(open_page: Callable[..., Any], line: OrderLine, url: str) -> Any:
    page = open_page(SMALL, reduced_motion="reduce")
    member = line.order.member
    assert member is not None
    page.context.add_cookies(
        [{"name": settings.MEMBER_COOKIE_NAME, "value": token_of(member, place=H5), "url": url, "httpOnly": True}]
    )
    return page


def test_each_sees_the_others_words_without_a_reload(
    org: Org, line: OrderLine, open_page: Callable[..., Any], live_server: Any
) -> None:
    his = as_member(open_page, line, live_server.url)
    his.goto("/my/tickets/new/")
    his.locator("label", has_text="拉链、扣子").click()
    assert his.locator("#k-quality").is_checked()  # what one mostly wishes then
    his.fill("#description", "今早出门拉链卡在一半，上下都动不了")
    his.locator("label", has_text="尺码不合").click()
    assert his.get_by_text("换成哪个码").is_visible() and his.locator("label[for^=sz-]", has_text="店里 2").is_visible()
    shot(his, "22-ask")
    assert his.evaluate(FAULTS) == []
    his.locator("label[for^=sz-]", has_text="180/96A").click()
    his.get_by_role("button", name="提交").click()
    his.wait_for_selector("#ticket")
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.wish) == ("exchange_size", {"reason": "尺码不合", "target_size": "180/96A"})

    hers = open_page(SMALL, sessionid=session_of(org.guide), reduced_motion="reduce")
    hers.goto(f"/g/tickets/{ticket.pk}/")
    shot(hers, "08-new")
    assert hers.evaluate(FAULTS) == []
    hers.locator("label[for=so-exchange]").click()
    assert "赵哥" in hers.input_value("#text")
    hers.get_by_role("button", name="给办法，等他点头").click()
    hers.get_by_text("办法发给他了").wait_for()
    his.get_by_role("button", name="可以，就这么办").wait_for()  # came by itself
    shot(his, "22-offered")
    his.get_by_role("button", name="可以，就这么办").click()
    hers.locator("#lines").get_by_text("可以，就这么办").wait_for()
    hers.locator("#as-head").get_by_text("处理中").wait_for()

    # Nobody looks: nothing is asked. Back again, it is asked at once.
    asked: list[str] = []
    hers.on("request", lambda request: asked.append(request.url) if request.headers.get("if-none-match") else None)
    hide = "on => { Object.defineProperty(document, 'hidden', {value: on, configurable: true}); document.dispatchEvent(new Event('visibilitychange')) }"
    hers.evaluate(hide, True)
    asked.clear()
    his.fill("#text", "我周六来")
    his.get_by_role("button", name="发送").click()
    his.get_by_text("我周六来").first.wait_for()
    hers.wait_for_timeout(1500)
    assert asked == []
    hers.evaluate(hide, False)
    hers.get_by_text("我周六来").wait_for(timeout=3000)
    assert len(asked) == 1

    hers.locator("#goods").scroll_into_view_if_needed()
    hers.locator("label[for^=g-]", has_text="180/96A").first.click()
    hers.get_by_text("不用补钱").wait_for()
    shot(hers, "08-exchange")
    assert hers.evaluate(FAULTS) == []


def test_a_list_that_comes_late_does_not_cover_what_one_found(
    org: Org, line: OrderLine, open_page: Callable[..., Any], live_server: Any
) -> None:
    """All pieces are asked for as the list opens; on a slow net they come after those of the number typed meanwhile."""
    his = as_member(open_page, line, live_server.url)
    late: list[Any] = []
    his.route("**/tickets/goods/**", lambda route: route.continue_() if "25FXJ305" in route.request.url else late.append(route))  # fmt: skip
    his.goto(f"/my/tickets/new/?line={line.pk}&kind=exchange_item")
    his.locator("#goods").scroll_into_view_if_needed()
    his.wait_for_function("() => document.querySelector('#goods.htmx-request')")
    his.fill("#goods-q", "25FXJ305")
    his.locator("#goods").get_by_text("轻薄飞行夹克").wait_for()
    with his.expect_response(lambda answer: "25FXJ305" not in answer.url):
        late[0].continue_()
    his.wait_for_function("() => !document.querySelector('#goods.htmx-request')")
    his.wait_for_timeout(200)
    assert his.locator("#goods").get_by_text("都市拉链夹克").count() == 0
    assert his.locator("#goods").get_by_text("轻薄飞行夹克").is_visible()


def test_the_pages_fit_a_phone_of_360_and_a_pc(
    org: Org, line: OrderLine, open_page: Callable[..., Any], live_server: Any
) -> None:
    desk, member, now = holder_of("customer_service", org), line.order.member, product_clock.now()
    assert member is not None
    last_week = now - timedelta(days=5)
    care = services.open_ticket(
        member, kind="care", order=line.order, actor=Actor.system(), now=now, description="领口沾了咖啡", wish={"care_kind": "去渍"}
    )  # fmt: skip
    Ticket.objects.filter(pk=care.pk).update(line=line)
    care.refresh_from_db()
    services.reply(care, "您拿来我看看", actor=actor_for(org.guide), now=now)
    paid = services.open_ticket(
        member, kind="care", order=line.order, line=line, actor=Actor.system(), now=now, wish={"care_kind": "除味"}
    )
    Ticket.objects.filter(pk=paid.pk).update(state="inspecting", first_reply_at=now)
    CareSlip.objects.create(
        ticket=paid,
        bag_code="KM7Q2A",
        coverage="paid",
        price_fen=8000,
        works="除味",
        flaws="左袖口磨白",
        received_at=now,
    )
    over = services.open_ticket(
        member, kind="consult", actor=Actor.system(), now=last_week, description="羊毛衫能机洗吗"
    )
    over = services.reply(over, "手洗更好", actor=actor_for(org.guide), now=last_week)
    services.close_ticket(over, actor=actor_for(org.guide), now=last_week, reason="说清楚了")
    today = product_clock.local_day(now)
    draw_checks(week=today - timedelta(days=today.weekday() + 7), now=now)
    up = services.open_ticket(
        member, kind="logistics", order=line.order, actor=Actor.system(), now=now, description="还没到"
    )
    services.hand_up(up, to="service", actor=Actor.system(), now=now, reason="查物流")

    phone = open_page(SMALL, sessionid=session_of(org.guide), reduced_motion="reduce")
    for name, path in {
        "08-care": f"/g/tickets/{care.pk}/", "08-over": f"/g/tickets/{over.pk}/", "08-list": "/g/tickets/",
        "08-new-for-him": f"/g/members/{member.public_id}/tickets/new/", "08-fee": f"/g/tickets/{paid.pk}/",
    }.items():  # fmt: skip
        phone.goto(path)
        shot(phone, name)
        assert phone.evaluate(FAULTS) == [], path
    phone.evaluate("() => { window.yjbWecom.scan = async () => ({ ok: true, text: 'HYM.1.shown' }) }")
    phone.locator("[data-scan-into=shown_code]").click()
    assert phone.input_value("[name=shown_code]") == "HYM.1.shown"
    phone.locator("#damage summary").click()
    shot(phone, "08-damage")
    assert phone.evaluate(FAULTS) == []
    assert phone.locator(".btn-send:visible").count() == 1  # one way to send, in the bar under the thumb
    his = as_member(open_page, line, live_server.url)
    for name, path in {
        "22-list": "/my/tickets/", "22-over": f"/my/tickets/{over.public_id}/", "22-else": "/my/tickets/new/?line=0&kind=complaint",
        "22-item": f"/my/tickets/new/?line={line.pk}&kind=exchange_item", "visits": "/my/visits/", "visit-new": "/my/visits/new/",
        "22-open": f"/my/tickets/{care.public_id}/",
    }.items():  # fmt: skip
        his.goto(path)
        shot(his, name)
        assert his.evaluate(FAULTS) == [], path
    pc = open_page(PC, sessionid=session_of(desk), reduced_motion="reduce")
    for name, path in {
        "desk": "/hq/service/", "desk-ticket": f"/hq/service/{up.pk}/", "checks": "/hq/service/checks/",
        "figures": "/hq/service/figures/", "replies": "/hq/service/replies/", "reply": "/hq/service/replies/hello/",
    }.items():  # fmt: skip
        pc.goto(path)
        shot(pc, name)
        assert pc.evaluate(FAULTS) == [], path
    pc.goto("/hq/service/checks/")
    pc.locator(".row-link").first.click()
    pc.get_by_role("button", name="打分").wait_for()
    shot(pc, "check")
    assert pc.evaluate(FAULTS) == []
