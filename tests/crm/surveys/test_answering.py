"""He says how it was: once, by any door; few stars are the manager's, what he said becomes tags and figures."""

from datetime import timedelta
from typing import Any

import pytest

from crm.aftersale.models import Ticket
from crm.aftersale.services import close_ticket
from crm.aftersale.services import reply as answer_ticket
from crm.surveys import services
from crm.surveys.models import Survey, SurveyDay, SurveyReason, SurveyRefusal
from crm.surveys.services import AnsweredAlready, Given, SurveyOver
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag
from guides.notices.models import Notification
from tests.factories.crm import make_member, make_ticket
from tests.factories.guides import Org, actor, make_org
from tests.factories.portal import as_member
from tests.factories.surveys import make_survey, say
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-05 11:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide, name="王建平")


@pytest.fixture
def tags() -> None:
    load_tags(now=NOW)


def tags_of(member: Any) -> dict[str, list[str]]:
    return {
        one.tag.key: one.values
        for one in MemberTag.objects.filter(member=member, is_effective=True).select_related("tag")
    }


def test_an_answer_is_kept_counted_and_audited(member: Any, org: Org) -> None:
    survey = make_survey(member, asked_at=NOW)
    say(survey, 5, "fits", "kind", "size", words=" 很合身 ", now=NOW)  # "size" was tapped before he changed the stars
    survey.refresh_from_db()
    assert (survey.stars, survey.reasons, survey.words, survey.way, survey.answered_at) == (
        5,
        ["fits", "kind"],
        "很合身",
        "link",
        NOW,
    )
    day = SurveyDay.objects.get()
    assert (day.answered, day.stars, day.five, day.four, day.low, day.guide) == (1, 5, 1, 0, 0, org.guide)
    assert sorted(SurveyReason.objects.values_list("reason", "count")) == [("fits", 1), ("kind", 1)]
    entry = AuditEntry.objects.get(action="survey.answered")
    assert (entry.after["stars"], "很合身" in str(entry.after)) == (5, False)
    assert not Ticket.objects.exists()


def test_it_is_answered_once_and_in_time(member: Any) -> None:
    survey = make_survey(member, asked_at=NOW)
    say(survey, 4, now=NOW)
    with pytest.raises(AnsweredAlready):
        say(Survey.objects.get(), 1, now=NOW)
    late = make_survey(member, asked_at=NOW - timedelta(days=15))
    with pytest.raises(SurveyOver):
        say(late, 5, now=NOW)
    assert Survey.objects.answered().count() == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "field"),
    [(Given(0), "stars"), (Given(6), "stars"), (Given(2, ["magic"]), "reasons"), (Given(5, words="好" * 301), "words")],
)
def test_what_is_wrong_is_named(member: Any, given: Given, field: str) -> None:
    survey = make_survey(member, asked_at=NOW)
    with pytest.raises(Invalid) as refusal:
        services.answer(survey, given, way="link", actor=services.whose(survey), now=NOW)
    assert [error["field"] for error in refusal.value.errors] == [field]


def test_two_stars_are_the_managers_complaint_that_the_guide_does_not_see(member: Any, org: Org) -> None:
    survey = make_survey(member, asked_at=NOW)
    say(survey, 2, "rude", words="爱答不理", now=NOW)
    low = Ticket.objects.get()
    assert (low.kind, low.channel, low.topic, low.stage, low.store) == (
        "complaint",
        "survey_low_score",
        "服务态度",
        "manager",
        org.store,
    )
    assert "爱答不理" in low.description and survey.complaint == low
    assert not Ticket.objects.visible_to(actor(org.guide)).exists()
    assert not Ticket.objects.visible_to(as_member(member)).exists()
    assert Ticket.objects.visible_to(actor(org.manager)).get() == low
    assert Notification.objects.filter(staff=org.manager, kind="ticket").exists()
    assert not Notification.objects.filter(staff=org.guide).exists()
    assert SurveyDay.objects.get().low == 1


def test_three_stars_are_nobodys_complaint(member: Any) -> None:
    say(make_survey(member, asked_at=NOW), 3, "size", "fits", now=NOW)
    assert not Ticket.objects.exists() and Survey.objects.get().reasons == ["fits", "size"]


def test_a_survey_of_a_service_is_the_rating_of_its_ticket(member: Any, org: Org) -> None:
    ticket = make_ticket(member, opened_at="2026-03-01 10:00", closed_at="2026-03-04 18:00", state="closed")
    survey = make_survey(member, asked_at=NOW, kind="service", ticket=ticket, cause=f"ticket:{ticket.pk}")
    say(survey, 1, "slow", words="等了三天", now=NOW, is_anonymous=True)
    ticket.refresh_from_db()
    assert (ticket.stars, "等得久" in ticket.rating_words) == (1, True)
    low = Ticket.objects.get(channel="survey_low_score")
    assert (low.from_rating_of, low.topic, survey.complaint) == (ticket, "售后慢", low)
    assert not survey.is_anonymous  # his guide did the ticket: there is no hiding it
    with pytest.raises(AnsweredAlready):
        services.rate_ticket(ticket, Given(5), actor=as_member(member), now=NOW)


def test_a_ticket_rated_on_its_page_has_its_survey_and_is_not_asked_again(member: Any) -> None:
    ticket = make_ticket(member, opened_at="2026-03-01 10:00", closed_at="2026-03-04 18:00", state="closed")
    services.rate_ticket(ticket, Given(2, ["unsolved"]), actor=as_member(member), now=NOW - timedelta(hours=12))
    assert Ticket.objects.filter(channel="survey_low_score").count() == 1
    assert services.ask_due(now=NOW) == {"asked": 0}
    survey = Survey.objects.get()
    assert (survey.ticket, survey.stars, survey.way) == (ticket, 2, "page")


def test_an_open_ticket_is_not_rated(member: Any) -> None:
    ticket = make_ticket(member, opened_at="2026-03-01 10:00")
    with pytest.raises(Conflict):
        services.rate_ticket(ticket, Given(5), actor=as_member(member), now=NOW)
    assert not Survey.objects.exists()


def test_what_he_said_becomes_his_tags(member: Any, tags: None) -> None:
    say(make_survey(member, asked_at=NOW - timedelta(days=40)), 5, now=NOW - timedelta(days=40))
    assert tags_of(member)["satisfaction_last"] == ["非常满意"]
    say(make_survey(member, asked_at=NOW), 2, "size", now=NOW)
    assert tags_of(member) == {
        "satisfaction_last": ["不满意"], "review_nature": ["负向"], "review_count": ["2"], "review_channel": ["门店问卷"],
        "negative_review_rate": ["0.50"], "survey_count": ["2"],
    }  # fmt: skip


def test_a_word_without_a_name_leaves_no_tag(member: Any, org: Org, tags: None) -> None:
    say(make_survey(member, asked_at=NOW), 2, "rude", now=NOW, is_anonymous=True)
    assert tags_of(member) == {} and Ticket.objects.get().is_about_guide


def test_what_is_two_years_old_counts_no_more(member: Any, tags: None) -> None:
    long_ago = NOW - timedelta(days=731)
    say(make_survey(member, asked_at=long_ago), 1, now=long_ago)
    assert tags_of(member)["review_nature"] == ["负向"]
    assert services.age_tags(now=NOW) == {"members": 1, "changed": 5}
    assert tags_of(member) == {"satisfaction_last": ["不满意"], "survey_count": ["0"]}


def test_the_store_answers_once_and_only_for_its_own(member: Any, org: Org) -> None:
    survey = say(make_survey(member, asked_at=NOW), 4, words="就是贵", now=NOW)
    for nobody in (org.guide, org.stranger):
        with pytest.raises(Forbidden):
            services.reply(survey, "谢谢", actor=actor(nobody), now=NOW)
    services.reply(survey, "谢谢您，换季有会员价。", actor=actor(org.manager), now=NOW)
    with pytest.raises(services.RepliedAlready):
        services.reply(survey, "再说一句", actor=actor(org.manager), now=NOW)
    assert Survey.objects.get().reply == "谢谢您，换季有会员价。"


def test_who_wants_no_surveys_may_want_them_again(member: Any) -> None:
    himself = as_member(member)
    for is_wanted in (False, False, True):
        services.want_surveys(member.pk, is_wanted=is_wanted, actor=himself, now=NOW)
    assert not SurveyRefusal.objects.exists()
    assert list(AuditEntry.objects.filter(action__startswith="survey.").order_by("pk").values_list("action", flat=True)) == [
        "survey.refused", "survey.wanted",
    ]  # fmt: skip


def test_the_complaint_is_mended_by_the_manager(member: Any, org: Org) -> None:
    say(make_survey(member, asked_at=NOW), 1, "quality", now=NOW)
    low = Ticket.objects.get()
    answer_ticket(low, "我给您换一件", actor=actor(org.manager), now=NOW)
    low.refresh_from_db()
    close_ticket(low, actor=actor(org.manager), now=NOW, reason="换好了")
    assert services.ask_due(now=NOW + timedelta(days=2)) == {
        "asked": 0
    }  # nobody is asked how a complaint of a survey went
