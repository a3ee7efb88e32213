"""A vote and a meeting are duties of those they ask until they are done, over or taken back."""

from datetime import timedelta
from typing import Any

import pytest

from guides.announcements.audience import Audience
from guides.announcements.choosing import Chosen
from guides.helpdesk import services as helpdesk
from guides.helpdesk.loading import load_categories
from guides.helpdesk.models import HqCall
from guides.meetings import services as meetings
from guides.org.services import resign_staff
from guides.votes import services as votes
from guides.votes.models import VoteOption
from tasks.duties.models import Duty
from tests.factories.guides import Org, actor, holder_of, make_org
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-21 10:00")
MINUTE = timedelta(seconds=60)


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def states(task_type: str) -> dict[int, str]:
    outbox.drain_events()
    return dict(Duty.objects.filter(task_type=task_type).values_list("assignee_id", "state"))


def test_a_vote(org: Org) -> None:
    who = actor(holder_of("hq_retail", org))
    vote = votes.open_vote(
        title="橱窗主题", text="", options=["甲", "乙"], most_choices=1, is_anonymous=True, shows_at_once=False,
        deadline_at=NOW + timedelta(days=1), chosen=Chosen(Audience(roles=["guide"]), "", org.hq), actor=who, now=NOW,
    )  # fmt: skip
    votes.hand_out(now=NOW, budget=MINUTE)
    assert states("vote") == {org.guide.pk: "open", org.stranger.pk: "open"}
    option = VoteOption.objects.filter(vote=vote).first()
    votes.cast(vote, [option.pk if option else 0], actor=actor(org.guide), now=NOW)
    assert states("vote") == {org.guide.pk: "done", org.stranger.pk: "open"}
    votes.withdraw_vote(vote, actor=who, now=NOW)
    assert states("vote") == {org.guide.pk: "done", org.stranger.pk: "cancelled"}


def test_a_meeting(org: Org) -> None:
    who = actor(holder_of("hq_training", org))
    held = meetings.plan_meeting(
        title="培训", text="", starts_at=NOW + timedelta(minutes=20), minutes=30, place="线上", link="", on_platform=False,
        needs_sign_in=True, chosen=Chosen(Audience(roles=["guide"]), "", org.hq), actor=who, now=NOW,
    )  # fmt: skip
    meetings.tell_attendees(now=NOW, budget=MINUTE)
    assert states("meeting_attend") == {org.guide.pk: "open", org.stranger.pk: "open"}
    meetings.sign_in(held, actor=actor(org.guide), now=NOW)
    assert states("meeting_attend") == {org.guide.pk: "done", org.stranger.pk: "open"}
    meetings.call_off(held, actor=who, now=NOW)
    assert states("meeting_attend") == {org.guide.pk: "done", org.stranger.pk: "cancelled"}


def test_a_colleague_at_hq_who_leaves_gives_his_questions_back(org: Org) -> None:
    load_categories()
    person = holder_of("hq_merch", org)
    call = helpdesk.ask("顾客要调货，附近哪家有", category="stock_transfer", actor=actor(org.guide), now=NOW)
    helpdesk.take(call, actor=actor(person), now=NOW)
    resign_staff(person, actor=Actor.system(), now=NOW, reason="离职")
    outbox.drain_events()
    assert HqCall.objects.values_list("state", "assignee").get() == ("open", None)
