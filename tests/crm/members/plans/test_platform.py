"""What the platform allows of a hand-over, what it refuses, and who is asked again."""

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import FriendLink, FriendTransfer
from crm.members.services import replan, transfers
from crm.members.services.plans import Plan, limits_of
from tasks.followups.models import Task
from tests.crm.members.test_transfers import DAY, tell, turn
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor
from tests.factories.tasks import make_task
from yejibao.core import outbox
from yejibao.wecom.gateway import Gateway

from .conftest import NOW, colleagues, confirm, go_for_long, leave, owners

pytestmark = pytest.mark.django_db


def test_the_limits_are_seen_beforehand_and_kept(org: Org, sandbox: Any, door: Gateway) -> None:
    heir, other = colleagues(org)
    members = [make_member(owner=org.guide, phone_consent=True) for _ in range(4)]
    links = [make_friend(member, org.guide) for member in members[:3]]
    make_friend(None, org.guide)  # nobody knows him
    tell(sandbox, org.guide, heir, other, org.manager)
    turn(sandbox, NOW)
    for days in (80, 20):  # moved twice already
        FriendTransfer.objects.create(
            link=links[0], giver=other, taker=org.guide, external_user_id=links[0].external_user_id, is_resigned=False,
            state="done", planned_at=NOW, asked_at=NOW - days * DAY, settled_at=NOW,
        )  # fmt: skip
    theirs = make_friend(members[1], other, external_user_id=links[1].external_user_id)
    FriendTransfer.objects.create(
        link=theirs, giver=other, taker=heir, external_user_id=theirs.external_user_id, is_resigned=False, state="waiting",
        planned_at=NOW, asked_at=NOW - timedelta(hours=3), next_at=NOW + DAY,
    )  # fmt: skip
    handover = go_for_long(org)
    limits = limits_of(handover, now=NOW)
    assert (limits.friends, limits.movable, limits.moved_twice, limits.under_way) == (4, 2, 1, 1)
    assert (limits.strangers, limits.without_friend, limits.allowed_from) == (1, 1, NOW + 10 * DAY)
    confirm(handover, Plan((heir.pk,)), org.manager)
    mine = FriendTransfer.objects.filter(handover=handover)
    assert sorted(mine.values_list("state", "code")) == [
        ("failed", 40128),
        ("planned", None),
        ("planned", None),
        ("planned", None),
    ]
    assert mine.get(link=links[1]).next_at == NOW + timedelta(hours=21)
    links[0].refresh_from_db()
    assert links[0].state == "friend"  # he stays with her, the heir calls
    assert transfers.ask_due(now=NOW, door=door) == {"waiting": 2}


def test_a_transfer_to_another_is_waited_for(org: Org, sandbox: Any, door: Gateway) -> None:
    """The platform knows of one that we do not: ours is asked again until it is through."""
    heir, other = colleagues(org)
    make_friend(make_member(owner=org.guide), org.guide)
    tell(sandbox, org.guide, heir, other)
    turn(sandbox, NOW)
    platform_id = FriendLink.objects.get().external_user_id
    door.post("externalcontact/transfer_customer", {
        "handover_userid": org.guide.wecom_user_id, "takeover_userid": other.wecom_user_id, "external_userid": [platform_id],
    })  # fmt: skip
    confirm(go_for_long(org), Plan((heir.pk,)), org.manager)
    assert transfers.ask_due(now=NOW, door=door) == {"in_progress": 1}
    later = turn(sandbox, NOW + timedelta(minutes=31))
    assert transfers.read_back(now=later, door=door) == {"again": 1}
    assert transfers.ask_due(now=later, door=door) == {"in_progress": 1}


def test_what_the_platform_will_not_do_leaves_a_phone_call(org: Org, sandbox: Any, door: Gateway) -> None:
    (heir, _), now = colleagues(org), NOW
    called, silent = make_member(owner=org.guide, phone_consent=True), make_member(owner=org.guide)
    tell(sandbox, org.guide, heir)
    for member in (called, silent):
        make_friend(member, org.guide)  # the platform does not know them
    turn(sandbox, now)
    confirm(go_for_long(org), Plan((heir.pk,)), org.manager)
    assert transfers.ask_due(now=now, door=door) == {"failed": 2}
    outbox.drain_events()
    assert set(FriendLink.objects.values_list("state", flat=True)) == {"deleted_by_member"}
    intros = dict(Task.objects.filter(task_type="handover_intro").values_list("member_id", "state"))
    assert intros == {called.pk: "open", silent.pk: "skipped"}
    assert Task.objects.get(member=called).channel == "manual_call"


# ---------------------------------------------------------------- what did not go over


def test_a_full_taker_is_replaced_with_his_work(org: Org, sandbox: Any, door: Gateway) -> None:
    full, free = colleagues(org)
    members = [make_member(owner=org.guide) for _ in range(3)]
    for member in members:
        make_friend(member, org.guide)
    make_task(members[0], org.guide, now=NOW - timedelta(hours=2))
    tell(sandbox, org.guide, full, free, org.manager)
    turn(sandbox, NOW)
    handover = leave(org)
    sandbox.post("world", people=[{"userid": org.guide.wecom_user_id, "name": "林晓雯", "status": 5}])
    confirm(handover, Plan((full.pk,)), org.manager)
    sandbox.post("settings", contacts_each=0)
    assert transfers.ask_due(now=NOW, door=door) == {"taker_full": 3}
    sandbox.post("settings", contacts_each=20000)
    act = {"state": "taker_full", "taker_id": full.pk, "actor": actor(org.manager)}
    assert replan(handover, to=free, now=NOW, **act) == 3
    assert replan(handover, to=full, now=NOW, **act) == 0  # decided already
    outbox.drain_events()
    assert set(owners().values()) == {"马超"}
    assert set(Task.objects.filter(state="open").values_list("assignee__name", flat=True)) == {"马超"}
    assert Task.objects.filter(task_type="handover_intro", state="open").count() == 3  # one each, not two
    assert transfers.ask_due(now=NOW, door=door) == {"waiting": 3}
    assert transfers.read_back(now=turn(sandbox, NOW + DAY + timedelta(hours=1)), door=door) == {"done": 3}


def test_who_refused_is_asked_again_after_the_platforms_day(org: Org, sandbox: Any, door: Gateway) -> None:
    first, second = colleagues(org)
    member = make_member(owner=org.guide, phone_consent=True)
    link = make_friend(member, org.guide)
    tell(sandbox, org.guide, first, second, org.manager)
    turn(sandbox, NOW)
    handover = confirm(go_for_long(org), Plan((first.pk,)), org.manager)
    transfers.ask_due(now=NOW, door=door)
    sandbox.post("transfer/refuse", external_userid=link.external_user_id)
    later = turn(sandbox, NOW + timedelta(hours=1))
    assert transfers.read_back(now=later, door=door) == {"refused": 1}
    outbox.drain_events()
    member.refresh_from_db()
    link.refresh_from_db()
    assert (member.owner_guide, link.state, link.ended_at) == (org.manager, "friend", None)  # he stays where he was
    assert Task.objects.get(task_type="handover_intro").assignee == org.manager
    act = {"state": "refused", "taker_id": first.pk, "actor": actor(org.manager), "now": later}
    assert replan(handover, to=second, **act) == 1
    assert FriendTransfer.objects.get(taker=second).next_at == NOW + DAY
    assert transfers.ask_due(now=later, door=door) == {}
    outbox.drain_events()
    assert Task.objects.get(task_type="handover_intro", state="open").assignee == second
    assert transfers.ask_due(now=turn(sandbox, NOW + DAY), door=door) == {"waiting": 1}


def test_back_to_her_needs_nobodys_leave(org: Org, sandbox: Any, door: Gateway) -> None:
    first, _ = colleagues(org)
    member = make_member(owner=org.guide)
    link = make_friend(member, org.guide)
    tell(sandbox, org.guide, first, org.manager)
    turn(sandbox, NOW)
    handover = confirm(go_for_long(org), Plan((first.pk,)), org.manager)
    transfers.ask_due(now=NOW, door=door)
    assert transfers.note_failure(
        external_userid=link.external_user_id, taker=first.wecom_user_id, reason="customer_refused", now=NOW
    )
    act = {"state": "refused", "taker_id": first.pk, "actor": actor(org.manager), "now": NOW}
    assert replan(handover, to=org.guide, **act) == 1
    member.refresh_from_db()
    assert (member.owner_guide, FriendTransfer.objects.count()) == (org.guide, 1)
