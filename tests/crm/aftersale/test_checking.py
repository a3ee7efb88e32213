"""售后质检: what is drawn by the rule, the score by the checklist, who may check and who reads it, the figures."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from crm.aftersale import services
from crm.aftersale.checking import queries
from crm.aftersale.checking.models import ServiceCheck
from crm.aftersale.checking.rules import book
from crm.aftersale.checking.services import OwnAnswer, draw_checks, mark_seen, score_check
from crm.aftersale.models import Ticket, TicketStep
from guides.notices.models import Notification
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.factories.crm import make_member, make_staff, make_ticket
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.core import clock
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
WEEK = date(2026, 3, 2)  # a Monday
MONDAY = clock.parse_iso("2026-03-09 08:20")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def desk(org: Org) -> Staff:
    return holder_of("customer_service", org)


def closed(org: Org, by: Staff, *, at: str = "2026-03-04 15:00", **facts: Any) -> Ticket:
    """Return a ticket this person answered, closed at a moment."""
    opened = clock.parse_iso(at) - timedelta(hours=2)
    ticket = make_ticket(
        make_member(owner=by), opened_at=opened, state="closed", closed_at=at, store=org.store, guide=by,
        first_due_at=opened + timedelta(minutes=30), first_reply_at=opened + timedelta(minutes=10), **facts,
    )  # fmt: skip
    TicketStep.objects.create(ticket=ticket, kind="reply", at=opened, by=by, text="看到了", is_shown=True)
    return ticket


def marks(**other: str) -> dict[str, str]:
    return {item.key: "yes" for item in book().checklist} | other


def checked(org: Org, desk: Staff, ticket: Ticket, **other: str) -> ServiceCheck:
    draw_checks(week=WEEK, now=MONDAY)
    check = ServiceCheck.objects.get(ticket=ticket)
    return score_check(check, marks=marks(**other), comment="办法给得快", actor=actor_for(desk), now=MONDAY)


def test_all_that_went_badly_and_a_share_of_the_rest_once(org: Org) -> None:
    low, again = (
        closed(org, org.guide, stars=2),
        closed(org, org.guide, reopened_at=clock.parse_iso("2026-03-03 10:00")),
    )
    colleague = make_staff(store=org.store)
    for _ in range(30):
        closed(org, org.guide, stars=5)
    hers = closed(org, colleague)
    closed(org, org.guide, at="2026-03-09 09:00", stars=1)  # of the next week
    make_ticket(
        make_member(owner=org.guide), opened_at="2026-03-04 10:00", state="closed", closed_at="2026-03-04 12:00"
    )  # nobody's
    assert draw_checks(week=WEEK, now=MONDAY) == 2 + book().least
    why = dict(ServiceCheck.objects.values_list("ticket", "why"))
    assert (why[low.pk], why[again.pk], why[hers.pk]) == (
        "low",
        "reopened",
        "drawn",
    )  # each has a first before a second
    drawn = set(why)
    assert draw_checks(week=WEEK, now=MONDAY + timedelta(hours=1)) == 0
    ServiceCheck.objects.all().delete()
    draw_checks(week=WEEK, now=MONDAY)
    assert set(ServiceCheck.objects.values_list("ticket", flat=True)) == drawn  # not by chance


def test_the_score_is_what_applies(org: Org, desk: Staff) -> None:
    check = checked(org, desk, closed(org, org.guide), soothed="no", closed_well="na")
    assert (check.score, check.checked_by) == (round(100 * 80 / 95), desk)
    assert Notification.objects.get(staff=org.guide, key=f"check:{check.pk}").title == f"售后质检：{check.score} 分"
    mark_seen(check, actor=actor_for(org.guide), now=MONDAY)
    check.refresh_from_db()
    assert check.seen_at == MONDAY
    with pytest.raises(Forbidden):
        mark_seen(check, actor=actor_for(desk), now=MONDAY)


def test_nobody_checks_his_own_and_no_line_is_left_out(org: Org, desk: Staff) -> None:
    ticket = closed(org, desk)
    draw_checks(week=WEEK, now=MONDAY)
    check = ServiceCheck.objects.get(ticket=ticket)
    with pytest.raises(OwnAnswer):
        score_check(check, marks=marks(), comment="", actor=actor_for(desk), now=MONDAY)
    mate = actor_for(holder_of("customer_service", org))
    with pytest.raises(Invalid) as refusal:
        score_check(check, marks=marks(soothed="no", on_record=""), comment="", actor=mate, now=MONDAY)
    assert [error["field"] for error in refusal.value.errors] == ["on_record", "comment"]
    with pytest.raises(Forbidden):
        score_check(check, marks=marks(), comment="", actor=actor_for(org.manager), now=MONDAY)


def test_who_reads_it(org: Org, desk: Staff) -> None:
    ticket = closed(org, org.guide)
    draw_checks(week=WEEK, now=MONDAY)

    def readers() -> list[bool]:
        people = (org.guide, org.manager, desk, holder_of("hq_crm", org), org.stranger, make_staff(store=org.store))
        return [ServiceCheck.objects.visible_to(actor_for(one)).exists() for one in people]

    assert readers() == [False, False, True, False, False, False]  # while it waits, those who check
    checked(org, desk, ticket)
    assert readers() == [True, True, True, True, False, False]
    assert not ServiceCheck.objects.visible_to(Actor(kind="member", member_id=ticket.member_id)).exists()


def test_the_pages_from_the_list_to_the_guides_own(
    client: Client, org: Org, desk: Staff, django_assert_num_queries: Any
) -> None:
    ticket = closed(org, org.guide)
    draw_checks(week=WEEK, now=MONDAY)
    check = ServiceCheck.objects.get()
    sign_in(client, desk)
    client.get("/hq/service/checks/")
    with django_assert_num_queries(3):  # who am I; the page; that he read it
        assert ticket.number in client.get("/hq/service/checks/").content.decode()
    path = f"/hq/service/checks/{check.pk}/"
    assert "提前 20 分钟" in client.get(path).content.decode()
    assert client.post(path, marks(soothed="") | {"comment": ""}).status_code == 422
    assert (
        client.post(path, marks(soothed="no") | {"comment": "先问一句怎么了", "idempotency_key": "k1"}).status_code
        == 302
    )
    assert client.post(path, marks() | {"idempotency_key": "k2"}).status_code == 409
    assert "85" in client.get("/hq/service/checks/?tab=done").content.decode()
    sign_in(client, org.guide)
    page = client.get(f"/g/tickets/{ticket.pk}/").content.decode()
    assert "先问一句怎么了" in page and "我看过了" in page
    assert client.post(f"/g/tickets/{ticket.pk}/say/", {"do": "seen"}).status_code == 302
    assert "本人看过了" in client.get(f"/g/tickets/{ticket.pk}/").content.decode()
    assert client.get("/hq/service/checks/").status_code == 403


def test_first_words_in_time_as_the_books_example_has_it(client: Client, org: Org, desk: Staff) -> None:
    month = "2026-03-04 15:00"
    for place in range(40):
        ticket = closed(org, org.guide, at=month, stars=4)
        if place < 2:
            Ticket.objects.filter(pk=ticket.pk).update(first_reply_at=ticket.first_due_at + timedelta(seconds=1))
    draw_checks(week=WEEK, now=MONDAY)
    check = ServiceCheck.objects.order_by("pk")[0]
    score_check(check, marks=marks(soothed="no"), comment="先安抚", actor=actor_for(desk), now=MONDAY)
    for by, who in (("store", org.store), ("guide", org.guide)):
        (row,) = queries.figures_by(actor_for(desk), by, month=date(2026, 3, 1))
        assert (row.who, row.asked, row.in_time, row.rate, row.checked, row.score) == (who, 40, 38, 0.95, 1, 85)
    sign_in(client, desk)
    page = client.get("/hq/service/figures/?month=2026-03").content.decode()
    assert "95.0%" in page
    assert org.guide.name in client.get(f"/hq/service/figures/?month=2026-03&store={org.store.pk}").content.decode()
    assert client.get("/hq/service/figures/?month=nonsense").status_code == 200


def test_ready_sentences_are_filled_in_and_kept_by_the_desk(client: Client, org: Org, desk: Staff) -> None:
    from crm.aftersale.replies.models import ReplyTemplate
    from crm.aftersale.replies.services import load_templates

    assert load_templates(now=clock.now()) == 10 and load_templates(now=clock.now()) == 0
    member = make_member(owner=org.guide, salutation="赵哥")
    ticket = services.open_ticket(member, kind="consult", actor=Actor.system(), now=clock.now(), description="问一下")
    sign_in(client, org.guide)
    page = client.get(f"/g/tickets/{ticket.pk}/").content.decode()
    assert "赵哥，我是" in page and "要照片" not in page  # that one is for other kinds
    assert client.get("/hq/service/replies/").status_code == 403
    sign_in(client, desk)
    path = "/hq/service/replies/hello/"
    refused = client.post(path, {"name": "先安抚", "text": "〔客户〕您好，马上看", "is_open": "1"})
    assert refused.status_code == 422 and "〔客户〕不会填" in refused.content.decode()
    assert client.post(path, {"name": "先安抚", "text": "〔称呼〕，马上给您看", "is_open": "1"}).status_code == 302
    assert (
        client.post(
            "/hq/service/replies/new/", {"name": "再见", "text": "有事随时找我", "kinds": "consult"}
        ).status_code
        == 302
    )
    assert ReplyTemplate.objects.get(key="hello").text == "〔称呼〕，马上给您看"
    assert not ReplyTemplate.objects.get(name="再见").is_open
    assert "先安抚" in client.get("/hq/service/replies/").content.decode()
