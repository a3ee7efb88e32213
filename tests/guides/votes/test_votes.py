"""Votes: one ballot a person, results, and that an anonymous vote leaves no way from a person to a choice."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from guides.announcements.audience import Audience
from guides.announcements.choosing import Chosen, read_choice
from guides.notices.models import Notification
from guides.votes import queries, services
from guides.votes.models import Vote, VoteBallot, VoteChoice, VoteOption
from guides.votes.services import VotedAlready, VoteOver
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden, Invalid, NotFound
from yejibao.core.models import IdempotencyKey, OutboxEvent

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-21 10:00")
MINUTE = timedelta(seconds=60)


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def opened(org: Org, *, hand_out: bool = True, **facts: Any) -> Vote:
    retail = actor(holder_of("hq_retail", org))
    chosen = facts.pop("chosen", Chosen(Audience(roles=["guide", "store_manager"]), "全公司", org.hq))
    vote = services.open_vote(
        **{"title": "下季橱窗主题你选哪一个", "text": "", "options": ["从容商务", "东方新韵", "轻装出行"], "most_choices": 1,
           "is_anonymous": False, "shows_at_once": True, "deadline_at": NOW + timedelta(hours=72)} | facts,
        chosen=chosen, actor=retail, now=NOW,
    )  # fmt: skip
    if hand_out:
        services.hand_out(now=NOW, budget=MINUTE)
    return Vote.objects.get(pk=vote.pk)


def options(vote: Vote) -> list[int]:
    return list(VoteOption.objects.filter(vote=vote).order_by("place").values_list("pk", flat=True))


def counts(vote: Vote) -> list[int]:
    return [row.option.count for row in queries.result_of(vote)]


def test_everybody_meant_gets_a_ballot_and_hears_of_it(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "AT_ONCE", 2)  # goes on where it was
    vote = opened(org)
    voters = {org.guide.pk, org.manager.pk, org.stranger.pk}
    assert set(VoteBallot.objects.filter(vote=vote).values_list("staff_id", flat=True)) == voters
    assert set(Notification.objects.filter(kind="vote").values_list("staff_id", flat=True)) == voters
    assert (vote.ballot_count, vote.spread_at) == (3, NOW)
    assert services.hand_out(now=NOW, budget=MINUTE) == {"told": 0}


def test_one_person_votes_once(org: Org) -> None:
    vote = opened(org)
    first, second, _third = options(vote)
    services.cast(vote, [first], actor=actor(org.guide), now=NOW)
    with pytest.raises(VotedAlready):
        services.cast(vote, [second], actor=actor(org.guide), now=NOW)
    services.cast(vote, [first], actor=actor(org.stranger), now=NOW)
    assert counts(vote) == [2, 0, 0]
    assert queries.names_of(VoteOption.objects.get(pk=first)) == ["林晓雯（新街口店）", "黄婷（观前店）"]
    with pytest.raises(NotFound):
        services.cast(vote, [first], actor=actor(holder_of("finance", org)), now=NOW)


def test_what_may_not_be_chosen(org: Org) -> None:
    vote, other = opened(org, most_choices=2), opened(org)
    mine, foreign = options(vote), options(other)
    for wrong in ([], [foreign[0]], mine, [mine[0], foreign[0]]):
        with pytest.raises(Invalid):
            services.cast(vote, wrong, actor=actor(org.guide), now=NOW)
    services.cast(vote, mine[:2], actor=actor(org.guide), now=NOW)
    assert counts(vote) == [1, 1, 0]
    with pytest.raises(VoteOver):
        services.cast(other, foreign[:1], actor=actor(org.guide), now=NOW + timedelta(hours=73))


def test_an_anonymous_vote_leads_from_nobody_to_a_choice(client: Client, org: Org) -> None:
    vote = opened(org, is_anonymous=True)
    chosen = options(vote)[1]
    sign_in(client, org.guide)
    assert client.post(f"/g/votes/{vote.pk}/", {"option": chosen, "idempotency_key": "k"}).status_code == 302
    assert (counts(vote), VoteChoice.objects.count()) == ([0, 1, 0], 0)
    assert VoteBallot.objects.get(vote=vote, staff=org.guide).is_cast
    told = list(OutboxEvent.objects.filter(topic="guides.vote_cast").values_list("payload", flat=True))
    assert told == [{"vote_id": vote.pk, "staff_id": org.guide.pk}]
    assert not IdempotencyKey.objects.exists(), "a stored answer would keep a hash of the choice"
    with (
        connection.cursor() as cursor
    ):  # rows written together bear one mark: all options have it, not the chosen one alone
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM guides_voteoption WHERE vote_id = %s", [vote.pk])
        assert cursor.fetchone() == (1,)
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'guides_voteballot'"
        )
        assert {name for name, _ in cursor.fetchall()} == {"id", "vote_id", "staff_id", "is_cast"}


def test_an_anonymous_result_is_told_at_the_end_only(client: Client, org: Org, clock: Any) -> None:
    vote = opened(org, is_anonymous=True)
    services.cast(vote, options(vote)[:1], actor=actor(org.guide), now=NOW)
    sign_in(client, org.guide)
    assert "结果在截止后公布" in client.get(f"/g/votes/{vote.pk}/").content.decode()
    retail = vote.author
    sign_in(client, retail)
    page = client.get(f"/m/votes/{vote.pk}/").content.decode()
    assert "截止后公布结果" in page and '<svg class="vb"' not in page
    clock.travel(NOW + timedelta(hours=73))
    assert "1 票 · 100%" in client.get(f"/m/votes/{vote.pk}/").content.decode()
    assert client.get(f"/m/votes/{vote.pk}/", {"option": options(vote)[0]}).context["names"] == []


def test_results_show_to_who_has_voted(client: Client, org: Org) -> None:
    vote = opened(org)
    sign_in(client, org.guide)
    assert '<svg class="vb"' not in client.get(f"/g/votes/{vote.pk}/").content.decode()
    client.post(f"/g/votes/{vote.pk}/", {"option": options(vote)[2]})
    page = client.get(f"/g/votes/{vote.pk}/").content.decode()
    assert "1 票 · 100%" in page and "<svg" in page
    assert "已投" in client.get("/g/votes/").content.decode()


def test_who_may_ask_and_whom(client: Client, org: Org) -> None:
    manager = actor(org.manager)
    chosen = read_choice({"roles": ["guide"]}, actor=manager, action="vote.create", day=NOW.date())
    assert (chosen.unit, chosen.audience.units) == (org.store.unit, [org.store.unit_id])
    foreign = {"units": [str(org.other_store.unit_id)], "roles": ["guide"]}
    assert read_choice(foreign, actor=manager, action="vote.create", day=NOW.date()).audience.units == [
        org.store.unit_id
    ]
    with pytest.raises(Invalid):
        read_choice({"roles": ["dealer"]}, actor=manager, action="vote.create", day=NOW.date())
    sign_in(client, org.manager)
    given = {
        "title": "本月之星", "options": ["林晓雯", "徐静", ""], "most_choices": "1", "deadline_at": "2026-11-23T22:00",
        "anonymous": "1", "roles": ["guide"], "idempotency_key": "k",
    }  # fmt: skip
    assert client.post("/m/votes/new/", given | {"options": ["林晓雯"]}).status_code == 422
    made = client.post("/m/votes/new/", given | {"idempotency_key": "k2"})
    vote = Vote.objects.get()
    assert (made.status_code, made["Location"], vote.unit_id) == (302, f"/m/votes/{vote.pk}/", org.store.unit_id)
    services.hand_out(now=NOW, budget=MINUTE)
    assert list(VoteBallot.objects.values_list("staff_id", flat=True)) == [org.guide.pk]
    sign_in(client, org.stranger)
    assert client.get(f"/g/votes/{vote.pk}/").status_code == 404
    assert client.get("/m/votes/", headers={"Accept": "application/json"}).status_code == 403
    other = make_staff("store_manager", store=org.other_store)
    sign_in(client, other)
    assert client.get(f"/m/votes/{vote.pk}/").status_code == 404


def test_taken_back_it_is_gone(org: Org) -> None:
    vote = opened(org)
    with pytest.raises(Forbidden):
        services.withdraw_vote(vote, actor=actor(org.manager), now=NOW)
    services.withdraw_vote(vote, actor=actor(vote.author), now=NOW)
    assert not Vote.objects.visible_to(actor(org.guide)).exists()
    assert not Notification.objects.unread().filter(kind="vote").exists()


@pytest.mark.parametrize("rows", [1, 4])
def test_lists_need_the_same_statements_for_any_length(
    client: Client, org: Org, rows: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(rows):
        vote = opened(org)
    for person, url in ((org.guide, "/g/votes/"), (vote.author, "/m/votes/")):
        sign_in(client, person)
        client.get(url)
        with django_assert_max_num_queries(6):
            assert len(client.get(url).context["rows"]) >= 1


def test_a_deadline_is_a_moment_ahead(org: Org) -> None:
    for wrong in (NOW, NOW + timedelta(days=40)):
        with pytest.raises(Invalid):
            opened(org, deadline_at=wrong)
    assert isinstance(opened(org).deadline_at, datetime)
