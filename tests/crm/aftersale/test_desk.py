"""The desk: who answers a ticket, by when, who is called when the time is over, and how it ends. Times are the domain file's."""

from datetime import timedelta
from typing import Any

import pytest

from crm.aftersale import services
from crm.aftersale.models import Ticket, TicketStep
from crm.aftersale.rules import ends_at, may_come_back
from crm.aftersale.services.answering import may_reopen
from guides.notices.models import Notification
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.factories.crm import make_member, make_order, make_staff, make_store, make_ticket
from tests.factories.guides import Org, holder_of, make_org
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()
NOON = parse_iso("2025-03-04 11:00")


def at(text: str) -> Any:
    return parse_iso(text)


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def desk(org: Org) -> Staff:
    return holder_of("customer_service", org)


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide)


def told(person: Staff) -> list[str]:
    return list(Notification.objects.filter(staff=person, kind="ticket").order_by("pk").values_list("title", flat=True))


def late(now: str) -> int:
    return services.pass_up_late(now=at(now))["passed"]


# ---------------------------------------------------------------- clocks


def test_the_example_of_the_domain_file(member: Any) -> None:
    ticket = services.open_ticket(member, kind="return", actor=SYSTEM, now=at("2025-03-01 21:50"))
    assert ticket.first_due_at == ticket.clock_at == at("2025-03-02 09:50")


def test_guide_then_manager_then_service_to_the_minute(member: Any, org: Org, desk: Staff) -> None:
    ticket = services.open_ticket(member, kind="return", actor=SYSTEM, now=at("2025-03-04 11:00"))
    assert (ticket.stage, ticket.guide, told(org.guide)) == ("guide", org.guide, [f"{member.called}：退货"])
    assert late("2025-03-04 11:29") == 0
    assert late("2025-03-04 11:30") == 1
    ticket.refresh_from_db()
    assert (ticket.stage, ticket.clock, ticket.clock_at) == ("manager", "manager", at("2025-03-04 12:00"))
    assert "请接手" in told(org.manager)[-1] and "转给了店长" in told(org.guide)[-1]
    assert late("2025-03-04 11:59") == 0
    assert late("2025-03-04 12:00") == 1
    ticket.refresh_from_db()
    assert (ticket.stage, ticket.clock, ticket.clock_at) == ("service", "proposal", ticket.proposal_due_at)
    assert "请接手" in told(desk)[-1]
    assert not Ticket.objects.answered_by(actor_for(org.guide)).exists()
    assert Ticket.objects.answered_by(actor_for(desk)).get() == ticket


def test_an_answer_in_time_starts_the_next_clock(member: Any, org: Org, desk: Staff) -> None:
    ticket = services.open_ticket(member, kind="exchange_size", actor=SYSTEM, now=NOON)
    services.reply(ticket, "看到了，您别急", actor=actor_for(org.guide), now=NOON + timedelta(minutes=10))
    ticket.refresh_from_db()
    assert (ticket.state, ticket.clock, ticket.clock_at) == ("responded", "proposal", at("2025-03-04 19:00"))
    assert late("2025-03-04 18:59") == 0
    services.propose(ticket, "换 L 码，今天寄出", actor=actor_for(org.guide), now=at("2025-03-04 15:00"))
    ticket.refresh_from_db()
    assert (ticket.state, ticket.clock, ticket.clock_at) == ("waiting_member", "closing", at("2025-03-09 22:00"))
    services.member_says(ticket, "可以", actor=Actor(kind="member"), now=at("2025-03-04 16:00"))
    ticket.refresh_from_db()
    assert (ticket.state, told(org.guide)[-1]) == ("responded", f"{member.called}又说了一句")
    assert late("2025-03-09 22:00") == 1 and "还没办完" in told(desk)[-1]
    services.close_ticket(ticket, actor=actor_for(org.guide), now=at("2025-03-10 10:00"), reason="换好了")
    ticket.refresh_from_db()
    assert (ticket.state, ticket.clock_at, ticket.result) == ("closed", None, "换好了")


def test_no_proposal_in_time_is_the_service_desks(member: Any, org: Org, desk: Staff) -> None:
    ticket = services.open_ticket(member, kind="return", actor=SYSTEM, now=NOON)
    services.reply(ticket, "在查", actor=actor_for(org.guide), now=NOON)
    assert late("2025-03-04 19:00") == 1
    ticket.refresh_from_db()
    assert (ticket.stage, ticket.clock, ticket.clock_at) == ("service", "closing", ticket.closing_due_at)
    taken = services.take(ticket, actor=actor_for(desk), now=at("2025-03-04 19:05"))
    other = holder_of("customer_service", org)
    with pytest.raises(Conflict):
        services.take(taken, actor=actor_for(other), now=at("2025-03-04 19:06"))


def test_a_week_without_a_word_of_the_member_ends_it(member: Any, org: Org) -> None:
    ticket = services.open_ticket(member, kind="consult", actor=SYSTEM, now=NOON)
    services.propose(ticket, "这样洗就好", actor=actor_for(org.guide), now=NOON)
    assert services.close_silent(now=NOON + timedelta(days=7, seconds=-1)) == {"closed": 0}
    assert services.close_silent(now=NOON + timedelta(days=7)) == {"closed": 1}
    ticket.refresh_from_db()
    assert (ticket.state, ticket.result) == ("closed", "顾客未回复")


# ---------------------------------------------------------------- where it goes


def test_what_is_the_managers_from_the_start(member: Any, org: Org) -> None:
    about_her = services.open_ticket(
        member, kind="complaint", topic="服务态度", is_about_guide=True, actor=SYSTEM, now=NOON, description="不耐烦"
    )
    assert (about_her.stage, told(org.guide)) == ("manager", [])
    assert list(Ticket.objects.visible_to(actor_for(org.guide))) == []
    assert Ticket.objects.answered_by(actor_for(org.manager)).get() == about_her
    assert services.open_ticket(member, kind="stored_value", actor=SYSTEM, now=NOON).stage == "manager"


def test_urgent_and_vip_reach_the_manager_at_once(member: Any, org: Org) -> None:
    services.open_ticket(member, kind="quality", actor=SYSTEM, now=NOON)
    assert told(org.manager) == [f"知会：{member.called}：质量问题"]
    branch = holder_of("branch_member_manager", org)
    member.member_level = "V4"
    member.save()
    services.open_ticket(member, kind="complaint", topic="物流", actor=SYSTEM, now=NOON)
    assert told(branch) == [f"知会：{member.called}：投诉"]


def test_a_mall_order_that_is_nobodys_is_hqs(desk: Staff) -> None:
    stranger, store = make_member(), make_store()
    order = make_order(stranger, paid_at="2025-03-01 15:00", store=store, kind="mall")
    assert services.open_ticket(stranger, kind="logistics", order=order, actor=SYSTEM, now=NOON).stage == "service"
    assert len(told(desk)) == 1


def test_nobody_else_answers_and_nobody_answers_what_is_over(member: Any, org: Org) -> None:
    ticket = services.open_ticket(member, kind="return", actor=SYSTEM, now=NOON)
    stranger = make_staff(store=make_store())
    with pytest.raises(Forbidden) as refusal:
        services.reply(ticket, "我来", actor=actor_for(stranger), now=NOON)
    assert refusal.value.code == "perm.aftersale.first_reply"
    services.cancel_by_member(ticket, actor=Actor(kind="member"), now=NOON)
    with pytest.raises(Conflict):
        services.reply(ticket, "好的", actor=actor_for(org.guide), now=NOON)


def test_up_by_hand_and_never_down(member: Any, org: Org, desk: Staff) -> None:
    ticket = services.open_ticket(member, kind="return", actor=SYSTEM, now=NOON)
    services.hand_up(ticket, to="service", actor=actor_for(org.guide), now=NOON, reason="要查物流")
    ticket.refresh_from_db()
    assert (ticket.stage, ticket.steps.latest("pk").text) == ("service", "要查物流")
    with pytest.raises(Conflict):
        services.hand_up(ticket, to="manager", actor=actor_for(desk), now=NOON, reason="还给店里")


# ---------------------------------------------------------------- forms, windows, ratings


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("return", ["order", "line", "reason"]), ("quality", ["order", "photos", "description"]),
     ("alteration", ["line", "works", "measures"]), ("complaint", ["topic", "description"]), ("care", ["line", "care_kind", "photos"])],
)  # fmt: skip
def test_a_form_names_everything_its_kind_needs(member: Any, kind: str, missing: list[str]) -> None:
    with pytest.raises(Invalid) as refusal:
        services.ask(member, kind=kind, actor=SYSTEM, now=NOON, channel="mini_program")
    assert [error["field"] for error in refusal.value.errors] == missing


def test_until_when_a_purchase_may_come_back(member: Any, org: Org) -> None:
    bought = make_order(member, paid_at="2025-03-01 15:00", store=org.store)
    assert ends_at(bought) == at("2025-03-08 22:00")
    assert may_come_back(bought, kind="return", now=at("2025-03-08 21:59"))
    assert not may_come_back(bought, kind="return", now=at("2025-03-08 22:00"))  # as the till says
    sent = make_order(
        member, paid_at="2025-02-25 15:00", store=org.store, is_delivery=True, received_at=at("2025-02-27 12:00")
    )
    assert ends_at(sent) == at("2025-03-07 00:00")  # 24:00 of day 7, 03-06
    wish = {"reason": "不合身"}
    with pytest.raises(Invalid) as refusal:
        services.ask(
            member,
            kind="return",
            order=bought,
            wish=wish,
            actor=SYSTEM,
            now=at("2025-03-09 10:00"),
            channel="mini_program",
        )
    assert refusal.value.errors[0]["code"] == "too_late"
    assert services.ask(
        member, kind="return", order=bought, wish=wish, actor=SYSTEM, now=at("2025-03-08 10:00"), channel="mini_program"
    )


def test_few_stars_become_the_managers_complaint(member: Any, org: Org) -> None:
    ticket = make_ticket(member, opened_at=NOON, state="closed", closed_at=NOON, store=org.store)
    himself = Actor(kind="member")
    with pytest.raises(Conflict):
        services.rate(ticket, stars=2, words="慢", actor=actor_for(org.guide), now=NOON)
    services.rate(ticket, stars=2, words="慢", actor=himself, now=NOON)
    low = Ticket.objects.get(from_rating_of=ticket)
    assert (low.kind, low.stage, low.channel) == ("complaint", "manager", "survey_low_score")
    with pytest.raises(Conflict):
        services.rate(ticket, stars=5, words="", actor=himself, now=NOON)
    good = make_ticket(member, opened_at=NOON, state="closed", closed_at=NOON, store=org.store)
    services.rate(good, stars=3, words="", actor=himself, now=NOON)
    assert not Ticket.objects.filter(from_rating_of=good).exists()


def test_opened_again_it_is_the_desks_and_the_supervisor_hears(member: Any, org: Org, desk: Staff) -> None:
    ticket = make_ticket(member, opened_at=NOON, state="closed", closed_at=NOON, store=org.store)
    assert may_reopen(ticket, now=NOON)
    services.member_says(ticket, "又坏了", actor=Actor(kind="member"), now=NOON + timedelta(days=1))
    ticket.refresh_from_db()
    assert (ticket.state, ticket.stage, ticket.clock) == ("responded", "service", "proposal")
    assert not may_reopen(ticket, now=NOON + timedelta(days=1)) and len(told(desk)) == 1


def test_the_member_does_not_read_what_colleagues_wrote(member: Any, org: Org) -> None:
    ticket = services.open_ticket(member, kind="consult", actor=SYSTEM, now=NOON, description="能机洗吗")
    services.note(ticket, "他上次也问过", actor=actor_for(org.guide), now=NOON)
    services.reply(ticket, "不能，手洗", actor=actor_for(org.guide), now=NOON)
    shown = ticket.steps.filter(is_shown=True).order_by("pk").values_list("kind", "text")
    assert list(shown) == [("opened", "能机洗吗"), (TicketStep.Kind.REPLY, "不能，手洗")]
