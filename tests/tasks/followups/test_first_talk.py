"""新好友破冰: opened when a member becomes a friend, not after a purchase of the day; closed by what the guide learns."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm.events import FriendChanged
from crm.members.models import Member
from crm.members.services import end_friend, record_friend
from crm.tags.loading import load_tags
from crm.tags.services import set_tag
from guides.org.actors import actor_for
from tasks.followups.models import Task
from tasks.followups.services.first_talk import open_first_talks
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, make_org, make_staff
from yejibao.core.clock import SHANGHAI, parse_iso
from yejibao.core.outbox import drain_events

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide)


def befriend(org: Org, member: Member, at: datetime = NOW) -> None:
    record_friend(guide=org.guide, member=member, external_user_id="wm1", at=at)
    drain_events()


def local(moment: datetime | None) -> str:
    assert moment is not None
    return moment.astimezone(SHANGHAI).strftime("%m-%d %H:%M")


def test_a_new_friend_brings_one_first_talk(org: Org, member: Member) -> None:
    befriend(org, member)
    befriend(org, member)
    task = Task.objects.get()
    assert (task.task_type, task.assignee, task.priority, task.channel) == (
        "welcome_new_friend",
        org.guide,
        1,
        "wecom_message",
    )
    assert (local(task.due_at), local(task.expire_at)) == ("03-02 12:00", "03-03 22:00")
    assert task.evidence_any_of == ["chat_sent", "friend_tagged"]
    assert "加上好友" in task.why


@pytest.mark.parametrize(
    ("at", "due", "expire", "tell"),
    [
        ("2026-03-02 20:30", "03-03 10:30", "03-03 22:00", "03-02 20:30"),
        ("2026-03-02 23:10", "03-03 10:30", "03-03 22:00", "03-03 09:30"),
        ("2026-03-02 06:00", "03-02 10:30", "03-03 22:00", "03-02 09:30"),
    ],
)
def test_in_quiet_hours_it_falls_due_at_half_past_ten(
    org: Org, member: Member, clock: Any, at: str, due: str, expire: str, tell: str
) -> None:
    befriend(org, member, clock.travel(at))
    task = Task.objects.get()
    assert (local(task.due_at), local(task.expire_at), local(task.tell_at)) == (due, expire, tell)


def test_none_after_a_purchase_of_the_day_and_none_for_old_news(org: Org, member: Member) -> None:
    buyer = make_member(owner=org.guide)
    make_order(buyer, paid_at="2026-03-02 09:40", guide=org.guide)
    record_friend(guide=org.guide, member=buyer, external_user_id="wm2", at=NOW)
    record_friend(guide=org.guide, member=member, external_user_id="wm1", at=NOW - timedelta(days=3))
    drain_events()
    assert not Task.objects.exists()


def test_it_is_the_own_guides_if_she_can_chat_with_him(org: Org, member: Member) -> None:
    mate = make_staff(store=org.store)
    event = FriendChanged(member.pk, mate.pk, "friend", NOW.isoformat())
    make_friend(member, mate)
    open_first_talks([event], now=NOW)
    assert Task.objects.get().assignee == mate  # his own guide is no friend of his
    Task.objects.all().delete()
    make_friend(member, org.guide)
    open_first_talks([event], now=NOW)
    assert Task.objects.get().assignee == org.guide


def test_a_friend_who_left_again_needs_no_talk(org: Org, member: Member) -> None:
    befriend(org, member)
    end_friend(guide=org.guide, external_user_id="wm1", at=NOW + timedelta(minutes=5))
    drain_events()
    task = Task.objects.get()
    assert (task.state, task.closed_reason) == ("skipped", "friend_lost")


def test_what_the_guide_learned_closes_it(org: Org, member: Member) -> None:
    load_tags(now=NOW)
    befriend(org, member)
    guide = actor_for(org.guide)
    set_tag(member, "hobby", "茶", source="GUIDE", actor=guide, at=NOW)
    drain_events()
    assert Task.objects.get().state == "open"
    set_tag(member, "occupation", "教师", source="GUIDE", actor=guide, at=NOW)
    drain_events()
    task = Task.objects.get()
    assert (task.state, task.evidence_kind) == ("done", "friend_tagged")
