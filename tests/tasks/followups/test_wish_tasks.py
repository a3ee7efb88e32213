"""A member asks for a time himself: one list holds it until somebody has answered. Times are local."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from crm.events import FriendChanged
from crm.members.services import set_do_not_contact
from crm.visits import services as visits
from crm.visits.models import Visit
from guides.attendance.models import Shift
from guides.events import StaffAwayChanged, StaffResigned
from tasks.followups.models import Task
from tasks.followups.queries import day_of, open_story
from tasks.followups.services import log_call, prepare_send, record_claimed
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, make_org, make_staff, sign_in
from tests.factories.portal import as_member
from tests.factories.tasks import local, make_task
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict

pytestmark = pytest.mark.django_db
NOON = parse_iso("2025-03-04 11:00")
SATURDAY = parse_iso("2025-03-08 15:00")


@pytest.fixture(autouse=True)
def at_noon(clock: Any) -> None:
    clock.travel("2025-03-04 11:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide, name="赵启明", salutation="赵哥")  # no friend, no calls: his page is the way


def wish(member: Any, org: Org, *, at: Any = SATURDAY, now: Any = NOON) -> Visit:
    made = visits.ask_to_come(member, store=org.store, starts_at=at, words="想看大衣", actor=as_member(member), now=now)
    outbox.drain_events()
    return made


def tasks() -> list[Task]:
    return list(Task.objects.filter(task_type="visit_confirm").order_by("pk"))


def ends() -> list[tuple[str, str, Any]]:
    return [(one.state, one.evidence_kind or one.closed_reason, one.done_by) for one in tasks()]


def test_his_wish_stands_on_her_list_until_she_says_yes(org: Org, member: Any) -> None:
    visit = wish(member, org)
    (task,) = tasks()
    assert (task.assignee, task.member, task.nature, task.tell_at) == (org.guide, member, "service", None)
    assert task.why == f"想3月8日 15:00来{org.store.short_name}（试穿），等你回一声"
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-04 13:00", "2025-03-08 15:00")
    assert [card.pk for section in day_of(org.guide.pk, now=NOON).sections for card in section.cards] == [task.pk]
    visits.accept(visit, actor=as_member(member), now=NOON)  # his own thumb is no answer
    outbox.drain_events()
    assert ends() == [("open", "", None)]
    visits.accept(visit, actor=actor(org.guide), now=NOON)
    outbox.drain_events()
    assert ends() == [("done", "visit_answered", org.guide)]
    assert not task.reaches.exists()  # a tap is no message


@pytest.mark.parametrize("answer", ["move", "cancel"])
def test_another_time_or_why_not_is_an_answer_by_whoever_gave_it(org: Org, member: Any, answer: str) -> None:
    visit = wish(member, org)
    if answer == "move":
        visits.move_visit(visit, starts_at=SATURDAY + timedelta(days=1), actor=actor(org.manager), now=NOON)
    else:
        visits.cancel(visit, actor=actor(org.manager), now=NOON, reason="那天盘点")
    outbox.drain_events()
    assert ends() == [("done", "visit_answered", org.manager)]


def test_what_he_takes_back_or_moves_himself_goes_and_each_wish_has_its_own_clock(org: Org, member: Any) -> None:
    visit, him = wish(member, org), as_member(member)
    later = NOON + timedelta(hours=1)
    visits.move_visit(visit, starts_at=SATURDAY + timedelta(days=1), actor=him, now=later)
    outbox.drain_events()
    assert ends() == [("cancelled", "visit_settled", None), ("open", "", None)]
    assert (local(tasks()[1].due_at), local(tasks()[1].expire_at)) == ("2025-03-04 14:00", "2025-03-09 15:00")
    visits.decline(visit, actor=him, now=later)
    outbox.drain_events()
    assert [one.state for one in tasks()] == ["cancelled", "cancelled"]
    visits.accept(visit, actor=him, now=later)  # he thought better of it
    outbox.drain_events()
    assert [one.state for one in tasks()] == ["cancelled", "cancelled", "open"]


@pytest.mark.parametrize(
    ("asked", "comes", "due"),
    [
        ("2025-03-04 11:00", "2025-03-08 15:00", "2025-03-04 13:00"),
        ("2025-03-04 11:00", "2025-03-04 14:00", "2025-03-04 12:00"),  # two hours before he comes
        ("2025-03-04 11:00", "2025-03-04 12:00", "2025-03-04 11:00"),
        ("2025-03-04 21:00", "2025-03-08 15:00", "2025-03-05 09:30"),  # the store is closed by then
        ("2025-03-04 06:00", "2025-03-08 15:00", "2025-03-04 09:30"),
    ],
)
def test_it_is_late_when_the_manager_hears_of_it(
    org: Org, member: Any, clock: Any, asked: str, comes: str, due: str
) -> None:
    clock.travel(asked)
    wish(member, org, at=parse_iso(comes), now=parse_iso(asked))
    (task,) = tasks()
    assert local(task.due_at) == due
    assert visits.raise_unconfirmed(now=task.due_at - timedelta(minutes=1)) == {"visits_raised": int(asked == due)}
    assert visits.raise_unconfirmed(now=task.due_at) == {"visits_raised": int(asked != due)}


def test_who_is_off_is_stood_in_for_and_gets_it_back(org: Org, member: Any) -> None:
    backup = make_staff("guide", store=org.store)
    org.guide.backup_guide = backup
    org.guide.save(update_fields=["backup_guide"])
    wish(member, org)
    rest = Shift.objects.create(staff=org.guide, day=date(2025, 3, 4), kind="rest")
    outbox.publish(StaffAwayChanged(org.guide.pk, ["2025-03-04"]))
    outbox.drain_events()
    assert [(one.assignee, one.state) for one in tasks()] == [(backup, "open")]
    other = Shift.objects.create(staff=backup, day=date(2025, 3, 4), kind="rest")
    outbox.publish(StaffAwayChanged(backup.pk, ["2025-03-04"]))
    outbox.drain_events()
    assert tasks()[0].assignee == org.manager
    rest.delete(), other.delete()
    outbox.publish(StaffAwayChanged(org.guide.pk, ["2025-03-04"]))
    outbox.drain_events()
    assert tasks()[0].assignee == org.guide
    assert tasks()[0].moves.count() == 3


def test_a_wish_made_while_she_is_off_is_the_stand_ins_who_may_answer(org: Org, member: Any, client: Client) -> None:
    backup = make_staff("guide", store=org.store)
    org.guide.backup_guide = backup
    org.guide.save(update_fields=["backup_guide"])
    Shift.objects.create(staff=org.guide, day=date(2025, 3, 4), kind="rest")
    visit = wish(member, org)
    (task,) = tasks()
    assert task.assignee == backup
    sign_in(client, backup)
    page = client.get(f"/g/tasks/{task.pk}/").content.decode()
    assert "可以，3-08 周六 15:00等他" in page and "「想看大衣」" in page and "去聊天发送" not in page
    client.post(f"/g/visits/{visit.pk}/act/", {"do": "accept", "idempotency_key": "k-1"})
    outbox.drain_events()
    assert ends() == [("done", "visit_answered", backup)]
    assert "回了他，算完成" in client.get(f"/g/tasks/{task.pk}/").content.decode()


def test_who_resigned_leaves_it_to_the_manager_at_once(org: Org, member: Any) -> None:
    wish(member, org)
    org.guide.state = "resigned"
    org.guide.save(update_fields=["state"])
    outbox.publish(StaffResigned(org.guide.pk, NOON.isoformat()))
    outbox.drain_events()
    assert [(one.assignee, one.held_at) for one in tasks()] == [(org.manager, None)]


def test_it_is_a_card_of_its_own_beside_what_she_is_to_say_to_him(org: Org, member: Any) -> None:
    make_friend(member, org.guide)
    first = make_task(member, org.guide, now=NOON)
    wish(member, org)
    cards = [card for section in day_of(org.guide.pk, now=NOON).sections for card in section.cards]
    assert {card.pk for card in cards} == {first.pk, tasks()[0].pk} and not any(card.also for card in cards)
    assert open_story(actor(org.guide), first.pk, now=NOON).also == []
    record_claimed(first, actor=actor(org.guide), now=NOON, text="您好", also=[tasks()[0].pk])
    assert ends() == [("open", "", None)]


def test_nothing_of_the_way_to_him_ends_it_and_no_words_do(org: Org, member: Any) -> None:
    make_friend(member, org.guide)
    wish(member, org)
    (task,) = tasks()
    for act in (
        lambda: prepare_send(task, actor=actor(org.guide), script_key="", text="周六见", now=NOON),
        lambda: record_claimed(task, actor=actor(org.guide), now=NOON, text="周六见"),
        lambda: log_call(task, actor=actor(org.guide), result="connected", note="说好了周六来", now=NOON),
    ):
        with pytest.raises(Conflict):
            act()
    outbox.publish(FriendChanged(member.pk, org.guide.pk, "deleted_by_customer", NOON.isoformat()))
    set_do_not_contact(member, actor=actor(org.guide), reason="会员说的", now=NOON)
    outbox.drain_events()
    assert ends() == [("open", "", None)]
