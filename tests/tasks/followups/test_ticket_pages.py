"""要换要改: three chips under the outcome, one ticket an order, on the task page and beside the chat."""

from typing import Any

import pytest
from django.test import Client

from crm.aftersale.models import Ticket
from crm.aftersale.services import move_ticket
from tasks.followups.models import Task
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, make_org, sign_in
from tests.factories.tasks import enroll, load_rules, make_task, open_at
from yejibao.core import outbox
from yejibao.core.clock import local_moment, parse_iso
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-24 10:10")
HTMX = {"HX-Request": "true", "Accept": "text/html"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return sign_in(client, org.guide)


@pytest.fixture
def task(org: Org) -> Task:
    """The third-day question, answered: 要换要改."""
    member = make_member(owner=org.guide, name="王建平", salutation="王哥")
    make_friend(member, external_user_id="wmWang")
    order = make_order(member, paid_at="2026-11-21 15:00", guide=org.guide)
    return make_task(
        member, org.guide, now=NOW, order=order, state="done", done_at=NOW, outcome="fit_problem", outcome_at=NOW
    )


def url(task: Task, act: str = "fit/") -> str:
    return f"/g/tasks/{task.pk}/{act}"


def tap(client: Client, task: Task, kind: str, **more: str) -> Any:
    return client.post(url(task), {"kind": kind, **more}, headers=HTMX)


def tickets() -> list[tuple[str, str]]:
    return list(Ticket.objects.order_by("pk").values_list("kind", "state"))


@pytest.mark.parametrize("kind", ["exchange_size", "exchange_item", "alteration"])
def test_one_tap_opens_the_ticket(guide: Client, org: Org, task: Task, kind: str) -> None:
    page = guide.get(url(task, "")).text
    assert [name for name in ("换尺码", "换款", "改衣") if f"</svg>{name}</button>" not in page] == []
    answer = tap(guide, task, kind)
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.state, ticket.channel, ticket.topic) == (kind, "new", "wecom_chat", "3 天回访")
    assert (ticket.member_id, ticket.order_id, ticket.store, ticket.guide) == (
        task.member_id, task.order_id, org.store, org.guide,
    )  # fmt: skip
    assert ticket.description == f"3 天回访里会员说要{ticket.get_kind_display()}：藏青羊毛套西 175/92A" or (
        ticket.description.endswith("藏青羊毛套西 175/92A") or ticket.description.endswith("羊毛套西 175/92A")
    )
    assert answer.text.lstrip().startswith(f'<div class="inset mt3" id="fit-{task.pk}"')
    assert f"已开售后单 · {ticket.get_kind_display()}" in answer.text and "待响应" in answer.text
    assert AuditEntry.objects.filter(action="ticket.opened", actor_id=org.guide.pk).count() == 1
    outbox.drain_events()


def test_a_second_tap_finds_the_ticket_open(guide: Client, task: Task) -> None:
    tap(guide, task, "exchange_size")
    again = tap(guide, task, "exchange_item")
    assert "已开售后单 · 换尺码" in again.text and tickets() == [("exchange_size", "new")]
    page = guide.get(url(task, "")).text
    assert "已开售后单 · 换尺码" in page and ">换款</button>" not in page


def test_the_same_key_gets_the_same_answer(guide: Client, task: Task) -> None:
    key = {"Idempotency-Key": "k", "Accept": "application/json"}
    first, second = (guide.post(url(task), {"kind": "exchange_size"}, headers=key).json() for _ in range(2))
    assert first == second and first["is_new"] is True and len(tickets()) == 1


def test_it_works_without_a_script(guide: Client, task: Task) -> None:
    answer = guide.post(url(task), {"kind": "exchange_size"})
    assert (answer.status_code, answer["Location"]) == (302, url(task, ""))
    page = guide.get(url(task, "")).text
    assert "给王哥开了售后单：换尺码" in page and "已开售后单" in page


def test_an_alteration_may_say_when_to_collect(guide: Client, org: Org, task: Task) -> None:
    assert 'name="pickup_on"' in tap(guide, task, "alteration").text
    answer = tap(guide, task, "alteration", pickup_on="2026-11-27")
    ticket = Ticket.objects.get()
    assert ticket.pickup_at == local_moment(parse_iso("2026-11-27 12:00").date(), org.store.closes_at)
    assert "11-27取衣" in answer.text and 'name="pickup_on"' not in answer.text


@pytest.mark.parametrize("day", ["2026-11-23", "2026-12-31", "31/12", "2026-13-40"])
def test_a_day_that_cannot_be_is_refused(guide: Client, task: Task, day: str) -> None:
    assert tap(guide, task, "alteration", pickup_on=day).status_code == 422
    assert tickets() == []


def test_an_open_third_day_question_follows_the_collection(guide: Client, org: Org, task: Task) -> None:
    """The question of the same cycle moves to the day after he collects, by the event alone."""
    load_rules()
    member = make_member(owner=org.guide)
    make_friend(member)
    order = make_order(member, paid_at="2026-11-21 15:00", guide=org.guide)
    enroll(order)
    open_at("2026-11-24 10:00")
    question = Task.objects.get(member=member, node="d3")
    other = make_task(member, org.guide, now=NOW, order=order, state="done", done_at=NOW, outcome="fit_problem")
    tap(guide, other, "alteration", pickup_on="2026-11-27")
    outbox.drain_events()
    question.refresh_from_db()
    assert question.due_at == parse_iso("2026-11-28 22:00")


def test_a_wrong_tap_is_taken_back_for_ten_minutes(guide: Client, task: Task, clock: Any) -> None:
    assert "点错了" in tap(guide, task, "exchange_size").text
    answer = guide.post(url(task, "fit/take-back/"), headers=HTMX)
    assert "开张售后单" in answer.text and tickets() == [("exchange_size", "cancelled")]
    assert guide.post(url(task, "fit/take-back/"), headers=HTMX).status_code == 200  # nothing is left to take back
    tap(guide, task, "alteration")
    clock.advance(minutes=11)
    assert "点错了" not in guide.get(url(task, "")).text
    assert guide.post(url(task, "fit/take-back/"), headers=HTMX).status_code == 409
    assert tickets() == [("exchange_size", "cancelled"), ("alteration", "new")]


def test_what_others_opened_or_work_on_is_not_taken_back(guide: Client, task: Task) -> None:
    ticket = make_ticket(task.member, kind="exchange_size", order=task.order, opened_at=NOW, channel="mini_program")
    page = guide.get(url(task, "")).text
    assert "已开售后单 · 换尺码" in page and "点错了" not in page
    assert guide.post(url(task, "fit/take-back/")).status_code == 409
    move_ticket(ticket, to="cancelled", actor=Actor.system(), now=NOW)
    tap(guide, task, "exchange_size")
    move_ticket(Ticket.objects.latest("pk"), to="responded", actor=Actor.system(), now=NOW)
    assert guide.post(url(task, "fit/take-back/")).status_code == 409
    assert "处理中" in guide.get(url(task, "")).text


def test_a_finished_ticket_lets_a_new_one_in(guide: Client, task: Task) -> None:
    make_ticket(task.member, kind="exchange_size", order=task.order, opened_at=NOW, state="closed", closed_at=NOW)
    tap(guide, task, "alteration")
    assert tickets() == [("exchange_size", "closed"), ("alteration", "new")]


def test_tickets_of_other_orders_and_kinds_are_none_of_it(guide: Client, task: Task) -> None:
    other = make_order(task.member, paid_at="2026-10-01 15:00")
    make_ticket(task.member, kind="exchange_size", order=other, opened_at=NOW)
    make_ticket(task.member, kind="return", order=task.order, opened_at=NOW)
    tap(guide, task, "exchange_item")
    assert len(tickets()) == 3


@pytest.mark.parametrize("change", [{"outcome": "fit_ok"}, {"outcome": ""}, {"state": "open", "done_at": None}])
def test_only_after_that_outcome(guide: Client, task: Task, change: dict[str, Any]) -> None:
    Task.objects.filter(pk=task.pk).update(**change)
    assert "开张售后单" not in guide.get(url(task, "")).text
    assert (tap(guide, task, "exchange_size").status_code, tickets()) == (409, [])


def test_an_unknown_kind_is_refused(guide: Client, task: Task) -> None:
    for kind in ("return", "", "x"):
        assert tap(guide, task, kind).status_code == 422
    assert tickets() == []


def test_a_stranger_sees_no_task_and_opens_nothing(client: Client, org: Org, task: Task) -> None:
    sign_in(client, org.stranger)
    assert tap(client, task, "exchange_size").status_code == 404
    assert client.post(url(task, "fit/take-back/"), headers=HTMX).status_code == 404
    assert tickets() == []


def test_her_manager_looks_and_may_act_for_her(client: Client, org: Org, task: Task) -> None:
    sign_in(client, org.manager)
    page = client.get(url(task, "")).text
    assert "还没开售后单" in page and ">换款</button>" not in page
    assert tap(client, task, "exchange_size").status_code == 200


def test_beside_the_chat_it_is_the_same_block(guide: Client, task: Task) -> None:
    def beside() -> str:
        return guide.get("/g/sidebar/", {"external_user_id": "wmWang"}, headers={"HX-Request": "true"}).text

    assert f'hx-post="{url(task)}"' in beside() and "改衣</button>" in beside()
    tap(guide, task, "exchange_item")
    assert "已开售后单 · 换款" in beside()


@pytest.mark.parametrize("others", [0, 5])
def test_the_block_costs_one_statement(guide: Client, task: Task, others: int, django_assert_num_queries: Any) -> None:
    from guides.org.actors import actor_for
    from tasks.followups.ticket_pages import fit_of

    for _ in range(others):
        make_ticket(task.member, kind="exchange_size", order=task.order, opened_at=NOW)
    who = actor_for(task.assignee)
    with django_assert_num_queries(1):
        assert fit_of(task, actor=who, now=NOW) is not None
    task.outcome = "replied"
    with django_assert_num_queries(0):
        assert fit_of(task, actor=who, now=NOW) is None
