"""The pages of tickets: lists, one ticket, a new one written down for a member, the service desk."""

from typing import Any

import pytest
from django.test import Client

from crm.aftersale import services
from crm.aftersale.models import Ticket
from tests.factories.crm import make_member, make_order, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_org, sign_in
from tests.factories.tasks import make_task
from yejibao.core import clock
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide, name="赵启明")


def said(client: Client, ticket: Ticket, *, at: str = "g/tickets", **given: str) -> int:
    return client.post(f"/{at}/{ticket.pk}/say/", given).status_code


def test_a_guide_answers_from_the_list_to_the_end(client: Client, org: Org, member: Any) -> None:
    sign_in(client, org.guide)
    assert "没有等你的售后" in client.get("/g/tickets/").content.decode()
    order = make_order(member, paid_at=clock.now().isoformat(), store=org.store)
    ticket = services.open_ticket(
        member, kind="quality", order=order, actor=SYSTEM, now=clock.now(), description="拉链卡住了"
    )
    assert "拉链卡住了" in client.get("/g/tickets/").content.decode()
    page = client.get(f"/g/tickets/{ticket.pk}/").content.decode()
    assert "等首响" in page and "先回一句" in page
    assert said(client, ticket, do="reply", text="看到了，您别急") == 302
    assert said(client, ticket, do="note", text="像是批次问题") == 302
    assert said(client, ticket, do="propose", text="到店免费换拉链头") == 302
    page = client.get(f"/g/tickets/{ticket.pk}/").content.decode()
    assert "像是批次问题" in page and "顾客看不到" in page
    assert said(client, ticket, do="said", text="好，周六来") == 302
    assert said(client, ticket, do="move", to="ready", text="") == 409  # nothing was mended yet
    assert said(client, ticket, do="move", to="processing", text="") == 302
    assert said(client, ticket, do="move", to="ready", text="") == 302
    assert said(client, ticket, do="move", to="closed", text="") == 422
    assert said(client, ticket, do="move", to="closed", text="换好了") == 302
    ticket.refresh_from_db()
    assert (ticket.state, ticket.result) == ("closed", "换好了")
    assert "换好了" in client.get("/g/tickets/?tab=over").content.decode() or ticket.result


def test_what_is_missing_is_said_and_kept(client: Client, org: Org, member: Any) -> None:
    sign_in(client, org.guide)
    order = make_order(member, paid_at=clock.now().isoformat(), store=org.store)
    path = f"/g/members/{member.public_id}/tickets/new/"
    assert "可退换，还有 7 天" in client.get(path).content.decode()
    refused = client.post(path, {"kind": "return", "line": "0", "description": "大了", "channel": "phone"})
    assert (
        refused.status_code == 422
        and "请选择是哪一单" in refused.content.decode()
        and "大了" in refused.content.decode()
    )
    line = order.lines.get()
    sent = {"kind": "return", "line": str(line.pk), "reason": "尺码不合适", "channel": "phone", "idempotency_key": "k1"}
    for _twice in range(2):
        assert client.post(path, sent).status_code == 302
    ticket = Ticket.objects.get()
    assert (ticket.line, ticket.channel, ticket.wish) == (line, "phone", {"reason": "尺码不合适"})
    stranger = make_order(make_member(), paid_at=clock.now().isoformat(), store=org.store).lines.get()
    assert client.post(path, sent | {"line": str(stranger.pk), "idempotency_key": "k2"}).status_code == 422
    assert "帮他申请售后" in client.get(f"/g/members/{member.public_id}/").content.decode()


def test_his_sizes_have_the_names_they_have_everywhere(client: Client, org: Org, member: Any) -> None:
    make_order(member, paid_at=clock.now().isoformat(), store=org.store, lines=[{"family": "西服", "size": "180/96A"}])
    ticket = make_ticket(member, opened_at=clock.now(), store=org.store)
    sign_in(client, org.guide)
    page = client.get(f"/g/tickets/{ticket.pk}/").content.decode()
    assert "上衣 180/96A" in " ".join(page.split()) and "上装" not in page


def test_each_finds_the_page_of_his_role(client: Client, org: Org, member: Any) -> None:
    ticket = make_ticket(member, opened_at=clock.now(), store=org.store, stage="service")
    for person, path in ((org.manager, "/g/tickets/"), (holder_of("customer_service", org), "/hq/service/")):
        sign_in(client, person)
        assert client.get(f"/tickets/{ticket.pk}/").headers["Location"] == f"{path}{ticket.pk}/"
        assert client.get(f"{path}{ticket.pk}/").status_code == 200
    sign_in(client, org.stranger)
    assert client.get(f"/tickets/{ticket.pk}/").status_code == 404


def test_the_desk_takes_answers_and_sees_what_is_late(client: Client, org: Org, member: Any) -> None:
    desk = holder_of("customer_service", org)
    ticket = services.open_ticket(member, kind="return", actor=SYSTEM, now=clock.now(), description="要退")
    services.hand_up(ticket, to="service", actor=SYSTEM, now=clock.now(), reason="查物流")
    sign_in(client, desk)
    assert "要退" in client.get("/hq/service/").content.decode()
    assert said(client, ticket, at="hq/service", do="take") == 302
    assert said(client, ticket, at="hq/service", do="reply", text="您好，我是客服小王") == 302
    for tab in ("late", "open", "low", "over"):
        assert client.get(f"/hq/service/?tab={tab}").status_code == 200
    sign_in(client, org.guide)
    assert said(client, ticket, do="reply", text="我来") == 403
    assert "总部客服在跟" in client.get(f"/g/tickets/{ticket.pk}/").content.decode()


@pytest.mark.parametrize("rows", [1, 25])
def test_lists_ask_as_much_for_many_as_for_few(
    client: Client, org: Org, member: Any, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        services.open_ticket(member, kind="consult", actor=SYSTEM, now=clock.now(), description="问一下")
    sign_in(client, org.guide)
    client.get("/g/tickets/")
    with django_assert_num_queries(4):  # who am I; the page; the month's first words; 今日's number
        page = client.get("/g/tickets/").content.decode()
    assert ("更早的" in page) == (rows > 20)
    sign_in(client, holder_of("customer_service", org))
    client.get("/hq/service/?tab=open")
    with django_assert_num_queries(5):  # who am I; the page; branches; the figures; that he saw them
        page = client.get("/hq/service/?tab=open").content.decode()
    assert ("看更多" in page) == (rows > 20)


def test_an_open_page_is_told_of_news_only(
    client: Client, org: Org, member: Any, django_assert_max_num_queries: Any
) -> None:
    ticket = services.open_ticket(member, kind="consult", actor=SYSTEM, now=clock.now(), description="问一下")
    desk = holder_of("customer_service", org)
    for person, path in (
        (org.guide, f"/g/tickets/{ticket.pk}/"),
        (org.guide, "/g/tickets/"),
        (desk, "/hq/service/?tab=open"),
    ):
        sign_in(client, person)
        mark = client.get(path).headers["ETag"]
        asked = {"HX-Request": "true", "If-None-Match": mark}
        with django_assert_max_num_queries(2):  # who am I; the ticket or the page
            assert client.get(path, headers=asked).status_code == 304
        services.note(ticket, "记一笔", actor=actor(desk), now=clock.now())
        services.member_says(ticket, "在吗", actor=SYSTEM, now=clock.now())
        answer = client.get(path, headers=asked)
        assert (answer.status_code, "<html" in answer.content.decode()) in ((200, False), (304, False))
    sign_in(client, org.guide)
    news = client.get(
        f"/g/tickets/{ticket.pk}/", headers={"HX-Request": "true", "If-None-Match": '"old"'}
    ).content.decode()
    assert "在吗" in news and 'id="as-head" hx-swap-oob="true"' in news


def test_the_desk_assigns_and_one_who_is_late_is_told(client: Client, org: Org, member: Any) -> None:
    desk, mate = holder_of("customer_service", org), holder_of("customer_service", org)
    ticket = services.open_ticket(member, kind="return", actor=SYSTEM, now=clock.now(), description="要退")
    services.hand_up(ticket, to="service", actor=SYSTEM, now=clock.now(), reason="查物流")
    sign_in(client, desk)
    assert "我来处理" in client.get(f"/hq/service/{ticket.pk}/").content.decode()
    assert said(client, ticket, at="hq/service", do="assign", to=str(mate.pk), instead_of="") == 302
    assert said(client, ticket, at="hq/service", do="assign", to=str(desk.pk), instead_of="") == 409  # the mate has it
    assert said(client, ticket, at="hq/service", do="assign", to=str(desk.pk), instead_of=str(mate.pk)) == 302
    assert said(client, ticket, at="hq/service", do="assign", to=str(org.guide.pk), instead_of=str(desk.pk)) == 422
    ticket.refresh_from_db()
    assert ticket.served_by == desk
    assert "要退" in client.get("/hq/service/?tab=mine").content.decode()
    assert "要退" in client.get(f"/hq/service/?words={ticket.number}&kind=return&priority=2").content.decode()
    assert "要退" not in client.get("/hq/service/?kind=care").content.decode()


def test_finance_reads_what_is_about_money_and_answers_nobody(client: Client, org: Org, member: Any) -> None:
    card = services.open_ticket(member, kind="stored_value", actor=SYSTEM, now=clock.now(), description="少了一百")
    care = services.open_ticket(member, kind="consult", actor=SYSTEM, now=clock.now(), description="能机洗吗")
    sign_in(client, holder_of("finance", org))
    page = client.get("/hq/service/").content.decode()
    assert "少了一百" in page and "能机洗吗" not in page
    shown = client.get(f"/hq/service/{card.pk}/").content.decode()
    assert "储值" in shown and "发送回复" not in shown
    assert client.get(f"/hq/service/{care.pk}/").status_code == 404
    assert said(client, card, at="hq/service", do="note", text="流水查过，没少") == 302
    assert said(client, card, at="hq/service", do="reply", text="没少") == 403


def test_a_task_shows_the_ticket_it_is_about(client: Client, org: Org, member: Any) -> None:
    ticket = services.open_ticket(member, kind="consult", actor=SYSTEM, now=clock.now(), description="羊毛衫能机洗吗")
    task = make_task(member, org.guide, context={"ticket": ticket.pk})
    sign_in(client, org.guide)
    page = client.get(f"/g/tasks/{task.pk}/").content.decode()
    assert "羊毛衫能机洗吗" in page and f"/tickets/{ticket.pk}/" in page
