"""新好友破冰: opened when a member becomes a friend, not after a purchase of the day; closed by what the guide learns."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from crm.events import FriendChanged
from crm.members.models import Member
from crm.members.services import end_friend, record_friend
from crm.tags.loading import load_tags
from crm.tags.services import set_tag
from guides.org.actors import actor_for
from tasks.cadences.loading import read_book
from tasks.followups.models import Reach, Task, TaskEvidence
from tasks.followups.proof import CLOSING, proof_of
from tasks.followups.services import prepare_send, record_sent
from tasks.followups.services.first_talk import open_first_talks
from tasks.followups.services.sending import NotSendable
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, make_org, make_staff, sign_in
from yejibao.core.clock import SHANGHAI, parse_iso
from yejibao.core.errors import Conflict
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


@pytest.mark.parametrize("source", ["GUIDE", "WECOM"])
def test_a_tag_closes_it_and_is_never_said_to_be_a_message(
    org: Org, member: Member, source: str, client: Client
) -> None:
    task = tagged(org, member, source)
    assert (task.state, task.evidence_kind, task.evidence_level) == ("done", "friend_tagged", 1)
    assert not Reach.objects.exists()  # in no rate of reach
    sign_in(client, org.guide)
    beside = client.get("/g/sidebar/", {"external_user_id": "wm1"}, headers={"HX-Request": "true"}).content.decode()
    page = client.get(f"/g/tasks/{task.pk}/").content.decode()
    for html in (beside, page):
        assert "记了标签，算完成" in html
        assert [one for one in ("已发送", f"发给{member.called}了") if one in html] == []


def test_the_words_on_a_page_left_open_still_go_out(org: Org, member: Member, client: Client) -> None:
    task = tagged(org, member)
    later = NOW + timedelta(minutes=3)
    guide = actor_for(org.guide)
    prepare_send(task, actor=guide, script_key="", text="您好，我是小黄", now=later)
    task.refresh_from_db()
    assert task.state == "done"
    record_sent(task, actor=guide, text="您好，我是小黄", now=later)
    assert (task.state, task.done_at, task.evidence_kind, Reach.objects.get().level) == ("done", NOW, "chat_sent", 2)
    sign_in(client, org.guide)
    page = client.get(f"/g/tasks/{task.pk}/").content.decode()
    assert "已发送" in page and f"发给{member.called}了" in page
    with pytest.raises(Conflict):  # said is said
        prepare_send(task, actor=guide, script_key="", text="在吗", now=later)


def test_a_rule_that_holds_is_told_and_leaves_the_finished_talk_alone(org: Org, member: Member) -> None:
    task = tagged(org, member)
    Member.objects.filter(pk=member.pk).update(do_not_contact=True)
    with pytest.raises(NotSendable):
        prepare_send(task, actor=actor_for(org.guide), script_key="", text="您好", now=NOW)
    task.refresh_from_db()
    assert (task.state, task.closed_reason) == ("done", "")


@pytest.mark.parametrize(
    ("kind", "payload", "says"),
    [
        ("chat_sent", {}, "已发送"),
        ("chat_claimed", {}, "已发送·手动"),
        ("call_logged", {"result": "connected"}, "已通话"),
        ("call_logged", {"result": "no_answer"}, "打过电话"),
        ("friend_added", {}, "已加好友"),
        ("friend_tagged", {}, "记了标签，算完成"),
        ("visit_booked", {}, "约到店，算完成"),
        ("something_new", {}, "已完成"),
    ],
)
def test_the_words_of_a_finished_task_follow_its_proof(kind: str, payload: dict[str, str], says: str) -> None:
    task = Task(done_at=NOW)
    early = TaskEvidence(kind="tool_opened", level=1, at=NOW - timedelta(minutes=1))
    assert proof_of(task, [early, TaskEvidence(kind=kind, at=NOW, payload=payload)]).tag == says


def test_every_proof_of_the_domain_file_that_a_guide_can_give_has_its_words() -> None:
    kinds = read_book("task_types")["task_types"]
    outreach = {kind for one in kinds if one["outreach"] for kind in one["evidence_any_of"]}
    assert outreach - set(CLOSING) == set()


def tagged(org: Org, member: Member, source: str = "GUIDE") -> Task:
    load_tags(now=NOW)
    befriend(org, member)
    set_tag(member, "occupation", "教师", source=source, actor=actor_for(org.guide), at=NOW)
    drain_events()
    return Task.objects.get()
