"""One coat and three people: bought, thanked for, complained about, answered late, taken over, exchanged, rated, cared for."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from crm.aftersale.models import Ticket
from crm.aftersale.services import pass_up_late
from crm.catalogue.queries import free_at
from crm.catalogue.services import fill_styles
from crm.orders.checkout.models import Exchange
from crm.orders.models import Order, OrderLine
from guides.notices.models import Notification
from guides.org.models import Staff
from tasks.cadences.models import Enrollment
from tasks.followups.models import Task
from tasks.followups.tick import tick
from tests.conftest import PC, PHONE
from tests.core.test_look import FAULTS
from tests.factories.checkout import make_sku
from tests.factories.goods import make_goods
from tests.factories.guides import holder_of, make_staff, session_of, sign_in
from tests.factories.patrol import picture
from tests.factories.portal import H5, token_of
from yejibao.core import clock, outbox
from yejibao.core.outbox.models import OutboxMessage
from yejibao.wecom.sender import drain_messages

from .conftest import World, beside, open_chat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PRICE, DIFFERENCE = 299900, 31900  # of the coat he takes instead; his own was 2,680


@pytest.fixture
def goods(world: World) -> tuple[Any, Any]:
    """His coat as the catalogue has it, and the one that he will take instead: one piece of it hangs in the store."""
    mine = make_goods("25DDY601-NV", name="羊毛双排扣大衣", category_l1="大衣", category_l2="羊毛大衣", color="藏青")
    other = make_sku(
        PRICE,
        size="180/96A",
        store=world.org.store,
        pieces=1,
        name="轻暖鹅绒羽绒服",
        category_l1="羽绒",
        category_l2="羽绒服",
    )
    fill_styles()
    line = OrderLine.objects.get(order__member=world.member)
    line.sku_code = mine.sku_code
    line.save(update_fields=["sku_code"])
    return line, other


def beat(world: World, moment: str) -> None:
    """Turn all clocks to a moment and let everything due happen."""
    now = world.travel(moment)
    pass_up_late(now=now)
    outbox.drain_events()
    tick(now=now)
    drain_messages()


def told(person: Staff, words: str) -> bool:
    """Tell whether somebody's message centre says so, and the platform took a push to her today."""
    rang = OutboxMessage.objects.filter(
        recipient=person.wecom_user_id.lower(), state="sent", due_at__date=clock.today()
    )
    return rang.exists() and Notification.objects.filter(staff=person, title__contains=words).exists()


def test_one_coat_three_people(
    world: World, goods: tuple[Any, Any], client_of: Callable[..., Any], open_page: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:  # fmt: skip
    org, member, (line, other) = world.org, world.member, goods
    world.sandbox.post("world", people=[{"userid": org.manager.wecom_user_id, "name": org.manager.name}])

    # 14:12, bought at 14:00: thanked for in time, from the chat.
    client = client_of(world.guide, PC)
    open_chat(client, "王建平")
    beside(client).locator("[data-send]").first.click()
    beside(client).locator("[data-sent]").wait_for()
    world.task.refresh_from_db()
    assert (world.task.state, world.task.done_at < world.task.due_at) == ("done", True)

    # The second day, ten o'clock: something is wrong with it. In half a minute, on his phone.
    beat(world, "2026-11-23 10:00")
    phone = open_page(PHONE)
    phone.context.add_cookies(
        [{"name": settings.MEMBER_COOKIE_NAME, "value": token_of(member, place=H5), "url": settings.PUBLIC_BASE_URL, "httpOnly": True}]
    )  # fmt: skip
    phone.goto(f"/my/tickets/new/?line={line.pk}&kind=quality")
    phone.fill("#description", "刚穿两天，扣子掉了两颗")
    phone.locator("label[for=k-quality]").click()
    phone.get_by_role("button", name="提交", exact=True).click()
    refused = phone.locator(".toast", has_text="请拍一张照片")
    refused.wait_for()
    assert "有几处" not in refused.inner_text(), "one thing is missing"
    phone.set_input_files("input[type=file] >> nth=0", {"name": "a.png", "mimeType": "image/png", "buffer": picture(5)})
    phone.wait_for_timeout(600)
    shot(phone, "story-1-ask")
    phone.get_by_role("button", name="提交", exact=True).click()
    phone.wait_for_url(re.compile(r"/my/tickets/[0-9a-f-]{36}/$"))
    phone.get_by_text("10:15 前回您").wait_for()
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.guide, ticket.stage, ticket.channel) == ("quality", org.guide, "guide", "mini_program")
    assert [local(at) for at in (ticket.first_due_at, ticket.proposal_due_at, ticket.closing_due_at)] == [
        "2026-11-23 10:15", "2026-11-23 14:00", "2026-11-26 22:00",
    ]  # fmt: skip
    beat(world, "2026-11-23 10:01")
    assert told(org.guide, "质量问题") and told(org.manager, "知会"), "priority 1: the manager hears of it at once"
    first = Task.objects.get(task_type="aftersale_first_response")
    assert (first.assignee, first.state, local(first.due_at)) == (org.guide, "open", "2026-11-23 10:15")

    # Nobody answers: at 10:15 it is the manager's, within thirty minutes. She answers at 10:20, late.
    beat(world, "2026-11-23 10:15")
    ticket.refresh_from_db()
    assert (ticket.stage, local(ticket.clock_at)) == ("manager", "2026-11-23 10:45")
    assert told(org.manager, "请接手") and told(org.guide, "转给了店长")
    world.travel("2026-11-23 10:20")
    hers = open_page(PHONE, sessionid=session_of(org.guide))
    hers.goto(f"/g/tickets/{ticket.pk}/")
    shot(hers, "story-2-late")
    hers.fill("#text", "王哥，刚看到，真对不住，店长马上来处理")
    hers.get_by_role("button", name="发送回复").click()
    hers.get_by_text("真对不住").first.wait_for()
    phone.get_by_text("真对不住").first.wait_for()  # on his phone without a reload
    ticket.refresh_from_db()
    assert local(ticket.first_reply_at) == "2026-11-23 10:20"
    assert ticket.first_reply_at - ticket.opened_at > timedelta(minutes=15)

    # The manager takes over: another coat, and he agrees.
    his = open_page(PHONE, sessionid=session_of(org.manager))
    his.goto(f"/g/tickets/{ticket.pk}/")
    his.locator("label[for=so-exchange]").click()  # a way out is chosen: the large button asks for his yes
    his.locator(".botbar #offer").wait_for()
    assert not his.locator("#say").is_visible()
    his.fill("#text", "给您换一件轻暖鹅绒，补个差价，您看行吗")
    his.locator("#offer").click()
    phone.get_by_role("button", name="可以，就这么办").click()
    his.get_by_text("可以，就这么办").first.wait_for()

    # He comes in the afternoon, pays the difference; the stock, the order and his points follow to the fen.
    beat(world, "2026-11-23 15:00")
    his.reload()
    his.locator("summary", has_text="换一件").click()
    his.fill("#goods-q", other.style.sku_code)
    his.locator(f"label[for='g-{other.code}']").click()
    his.get_by_text("他补 ¥319.00").wait_for()
    his.locator("label[for=w-cash]").click()
    shot(his, "story-3-exchange")
    assert his.evaluate(FAULTS) == []
    his.get_by_role("button", name="东西收到、换给他").first.click()
    wait_until(lambda: Ticket.objects.get().state == "closed")
    beat(world, "2026-11-23 15:01")
    order = Order.objects.get(pk=line.order_id)
    line.refresh_from_db()
    assert line.replaced_by is not None and line.replaced_by.item_name == "轻暖鹅绒羽绒服"
    exchange = Exchange.objects.get()
    assert (order.net_amount_fen, exchange.difference_fen, exchange.state) == (268000 + DIFFERENCE, DIFFERENCE, "done")
    assert pieces_of(other, org.store) == 0

    # The third day's question waits for three days with the new coat.
    assert Enrollment.objects.get(member=member).step_days["d3"] == "2026-11-26"
    assert not Task.objects.filter(member=member, node="d3", state="open").exists()

    # He rates it; the next morning she asks how it is, and not as a sale.
    phone.locator("label[for=s5]").click()
    shot(phone, "story-4-rate")
    phone.get_by_role("button", name="提交评价").click()
    phone.get_by_text("您评了 5 星").first.wait_for()
    beat(world, "2026-11-24 09:31")
    care = Task.objects.get(task_type="aftersale_care")
    assert (care.assignee, care.state, local(care.due_at)[:10]) == (org.guide, "open", "2026-11-24")
    beat(world, "2026-11-26 10:00")
    assert Task.objects.filter(member=member, node="d3", state="open").exists()

    # Nobody but these three and those above them sees it.
    sees = {org.guide: 200, org.manager: 200, org.stranger: 404, make_staff(store=org.store): 404}
    sees[make_staff("store_manager", store=org.stranger.store)] = 404
    for person, status in sees.items():
        assert sign_in(Client(), person).get(f"/g/tickets/{ticket.pk}/").status_code == status, person
    for role in ("customer_service", "hq_operator"):
        assert sign_in(Client(), holder_of(role, org)).get(f"/hq/service/{ticket.pk}/").status_code == 200, role


def local(at: Any) -> str:
    return f"{at.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}"


def pieces_of(sku: Any, store: Any) -> int:
    level = free_at(sku.pk, now=clock.now(), store_id=store.pk)
    return level.free if level else 0
