"""The one screen behind a link, the member's pages, and what those he speaks of get to read."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.surveys import queries
from crm.surveys.models import Survey, SurveyRefusal
from guides.exports import registry
from guides.org.models import Staff
from tests.factories.crm import make_member, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_org, sign_in
from tests.factories.portal import bearer, sign_in_member
from tests.factories.surveys import make_survey, say
from yejibao.core import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide, name="王建平", salutation="王哥")


def link(survey: Survey) -> str:
    return queries.link_of(survey).split("//", 1)[1].partition("/")[2].join(["/", ""])


def test_the_link_needs_no_sign_in_and_is_over_once_answered(client: Client, member: Any) -> None:
    survey = make_survey(member, asked_at=clock.now())
    page = client.get(link(survey)).content.decode()
    assert "这次买得怎么样？" in page and "尺码不合" in page and "王" not in page
    assert client.post(link(survey), {"stars": ""}).status_code == 422
    said = client.post(link(survey), {"stars": "2", "reasons": ["size"], "words": "袖子长", "anonymous": "1"})
    assert said.status_code == 302
    page = client.get(link(survey)).content.decode()
    assert "店长已经收到" in page and "袖子长" not in page  # who else holds the link reads no words of his
    assert client.post(link(survey), {"stars": "5"}).status_code == 302
    survey.refresh_from_db()
    assert (survey.stars, survey.is_anonymous) == (2, True)


def test_an_old_link_and_one_of_nobody(client: Client, member: Any) -> None:
    late = make_survey(member, asked_at=clock.now() - timedelta(days=20))
    page = client.get(link(late))
    assert (page.status_code, "评价的时间过了" in page.content.decode()) == (410, True)
    assert client.post(link(late), {"stars": "5"}).status_code == 302
    assert Survey.objects.get().stars is None
    assert client.get(f"/s/{late.token_hash}/").status_code == 404  # what is kept opens nothing
    assert client.get("/s/abc/").status_code == 404


def test_a_ticket_that_is_open_again_is_not_judged(client: Client, member: Any) -> None:
    ticket = make_ticket(member, opened_at=clock.now(), state="responded")
    survey = make_survey(member, asked_at=clock.now(), kind="service", ticket=ticket, cause=f"ticket:{ticket.pk}")
    assert client.post(link(survey), {"stars": "5"}).status_code == 302
    assert "这件事又在办了" in client.get(link(survey)).content.decode()


def test_a_colleague_gives_no_stars_for_a_customer(client: Client, org: Org, member: Any, settings: Any) -> None:
    settings.WECOM_SANDBOX_CONTROL = ""
    survey = make_survey(member, asked_at=clock.now())
    sign_in(client, org.guide)
    assert "请顾客自己来评" in client.get(link(survey)).content.decode()
    assert client.post(link(survey), {"stars": "5"}).status_code == 403


def test_he_may_say_that_he_does_not_want_to_be_asked(client: Client, member: Any) -> None:
    survey = make_survey(member, asked_at=clock.now())
    client.post(f"{link(survey)}stop/")
    assert SurveyRefusal.objects.get().member == member
    assert "以后不会再请您评价" in client.get(link(survey)).content.decode()
    client.post(f"{link(survey)}stop/", {"wanted": "1"})
    assert not SurveyRefusal.objects.exists()


def test_the_members_own_pages(client: Client, org: Org, member: Any) -> None:
    survey = make_survey(member, asked_at=clock.now())
    other = make_survey(make_member(owner=org.guide), asked_at=clock.now())
    sign_in_member(client, member)
    assert "还满意吗" in client.get("/my/").content.decode()
    assert client.get(f"/my/surveys/{other.public_id}/").status_code == 404
    assert client.post(f"/my/surveys/{survey.public_id}/", {"stars": "4", "words": "不错"}).status_code == 302
    page = client.get(f"/my/surveys/{survey.public_id}/").content.decode()
    assert "谢谢您" in page and "不错" in page
    assert "4 星" in client.get("/my/surveys/").content.decode()
    client.post("/my/surveys/stop/", {"wanted": "0"})
    assert "现在不会请您评价" in client.get("/my/surveys/").content.decode()


def test_the_mini_program_has_the_same(client: Client, member: Any) -> None:
    survey, head = make_survey(member, asked_at=clock.now()), bearer(member)
    (told,) = client.get("/api/v1/member/surveys/", headers=head).json()["results"]
    assert (told["id"], told["state"]) == (str(survey.public_id), "waiting")
    address = f"/api/v1/member/surveys/{survey.public_id}/answer/"
    given = {"stars": 5, "reasons": ["fits"]}
    keyed = head | {"Idempotency-Key": "018f3b8e-6d2a-7c41-9f5e-2b1d8c0a7e64"}
    for _ in range(2):
        said = client.post(address, given, headers=keyed, content_type="application/json")
        assert (said.status_code, said.json()["state"]) == (200, "answered")
    again = head | {"Idempotency-Key": "018f3b8e-6d2a-7c41-9f5e-2b1d8c0a7e65"}
    refused = client.post(address, given, headers=again, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "survey.answered_already")
    assert client.post(address, {"stars": 6}, headers=again, content_type="application/json").status_code == 422


def test_a_guide_reads_her_good_words_and_no_others(client: Client, org: Org, member: Any) -> None:
    now = clock.now()
    say(make_survey(member, asked_at=now), 5, "kind", words="晓雯帮我搭得好", now=now)
    say(
        make_survey(make_member(owner=org.guide, name="李四"), asked_at=now),
        4,
        words="悄悄夸一句",
        now=now,
        is_anonymous=True,
    )
    say(make_survey(make_member(owner=org.guide, name="赵六"), asked_at=now), 1, "rude", words="不理人", now=now)
    sign_in(client, org.guide)
    page = client.get("/g/surveys/").content.decode()
    assert "晓雯帮我搭得好" in page and "王哥" in page and "悄悄夸一句" in page and "一位顾客" in page
    assert "不理人" not in page and "李" not in page.replace("李敏", "") and "赵" not in page
    assert client.get("/surveys/").status_code == 403


def test_a_manager_reads_all_of_the_store_and_answers(client: Client, org: Org, member: Any) -> None:
    now = clock.now()
    low = say(make_survey(member, asked_at=now), 2, "size", words="袖子长", now=now)
    say(make_survey(make_member(owner=org.stranger), asked_at=now), 1, words="别家的", now=now)
    sign_in(client, org.manager)
    page = client.get("/surveys/").content.decode()
    assert "袖子长" in page and "尺码不合" in page and "投诉单在办" in page and "别家的" not in page
    assert client.post(f"/surveys/{low.pk}/reply/", {"text": "给您改好了"}).status_code == 302
    assert "给您改好了" in client.get("/surveys/?tab=low").content.decode()
    other = Survey.objects.get(words="别家的")
    assert client.post(f"/surveys/{other.pk}/reply/", {"text": "…"}).status_code == 404


@pytest.fixture
def hq(org: Org) -> Staff:
    return holder_of("hq_operator", org)


def test_hq_reads_figures_of_all_stores_and_no_whole_names(client: Client, org: Org, hq: Staff, member: Any) -> None:
    now = clock.now()
    for stars in (5, 5, 4, 3, 1):
        say(make_survey(make_member(owner=org.guide, name="王建平"), asked_at=now), stars, now=now)
    say(make_survey(make_member(owner=org.stranger), asked_at=now), 5, words="顺路来的", now=now)
    sign_in(client, hq)
    page = client.get("/surveys/").content.decode()
    assert "4.00" in page.replace("<b>", "") or "3.83" in page  # 23 stars of 6
    assert "王**" in page and "建平" not in page and org.store.short_name in page
    assert client.get("/hq/surveys/rules/").status_code == 200
    assert "几天后请他评" in client.get("/hq/surveys/rules/").content.decode()
    span = queries.days_back(now, 30)
    told = queries.figures(actor(hq), span)
    assert (told.answered, told.five, told.low, told.net) == (6, 3, 1, 17)  # 3 of 6 less 2 of 6
    mine = queries.by_guide(actor(org.manager), span)
    assert [(one.name, one.figures.answered) for one in mine] == [("晓雯", 5)]


@pytest.mark.parametrize("rows", [1, 8])
def test_lists_need_the_same_statements_for_any_length(
    org: Org, rows: int, client: Client, django_assert_max_num_queries: Any
) -> None:
    now = clock.now()
    for _ in range(rows):
        say(make_survey(make_member(owner=org.guide), asked_at=now), 5, "kind", words="好", now=now)
    sign_in(client, org.manager)
    client.get("/surveys/")
    with django_assert_max_num_queries(13):
        client.get("/surveys/")
    sign_in(client, org.guide)
    client.get("/g/surveys/")
    with django_assert_max_num_queries(6):
        client.get("/g/surveys/")


def test_figures_by_store_go_out_as_a_table_without_anybodys_words(org: Org, hq: Staff, member: Any) -> None:
    say(make_survey(member, asked_at=clock.now()), 2, words="袖子短", now=clock.now())
    one = registry.find("surveys")
    assert one is not None and one.open_to(actor(hq)) and not one.open_to(actor(org.guide))
    params = one.clean(actor(hq), {"days": "90", "kind": "purchase"})
    rows = list(one.rows(actor(hq), params))
    told = [[column.of(row) for column in one.columns(actor(hq), params)] for row in (*rows, one.total(rows))]  # type: ignore[misc]
    assert told == [[name, 0, 1, None, "2.00", -100, 0, 0, 1] for name in (org.store.short_name, "合计")]
    assert list(one.rows(actor(org.stranger), params)) == []
