"""Who gets whom: by whom they are known, evened out, as the manager says, and kept where she may."""

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import GuideHandover, Member, OwnershipTransfer
from crm.members.services import (
    AlreadyHandedOver,
    NobodyTakes,
    NotHisToGive,
    NotWorking,
    PlanChanged,
    apply_due_handovers,
    confirm_plan,
    save_plan,
    withdraw_handover,
)
from crm.members.services.plans import Plan, shares_of
from guides.org.services import resign_staff
from tasks.followups.models import Task
from tests.crm.members.test_transfers import DAY
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, make_staff
from tests.factories.tasks import make_task
from yejibao.core import outbox

from .conftest import NOW, SYSTEM, colleagues, confirm, go_for_long, leave, move, owners

pytestmark = pytest.mark.django_db


def test_the_known_go_where_they_are_known_and_the_rest_evens_out(org: Org) -> None:
    yong, chao = colleagues(org)
    for number in range(3):
        make_order(make_member(owner=org.guide, name=f"服务过{number}"), paid_at=NOW - DAY, guide=chao)
    make_friend(make_member(owner=org.guide, name="好友"), chao)
    for number in range(6):
        make_member(owner=org.guide, name=f"其他{number}", tier_631="core" if number < 2 else "common")
    plan = Plan(takers=(yong.pk, chao.pk))
    shares = shares_of(leave(org), plan)
    totals = {pk: sum(one.count for one in shares if one.taker_id == pk) for pk in plan.takers}
    assert totals == {yong.pk: 5, chao.pk: 5}
    assert sum(one.known for one in shares) == 4 == sum(one.known for one in shares if one.taker_id == chao.pk)
    core = [one for one in shares if one.tier == "core"]
    assert sum(one.count for one in core) == 2


def test_a_group_and_a_member_go_whole_where_the_manager_says(org: Org) -> None:
    yong, chao = colleagues(org)
    best = [make_member(owner=org.guide, name=f"核心{number}", tier_631="core") for number in range(2)]
    for number in range(4):
        make_member(owner=org.guide, name=f"普通{number}", tier_631="common")
    closed = make_member(owner=org.guide, status="closed")
    plan = Plan((yong.pk, chao.pk), {"common": yong.pk}, {best[0].pk: org.manager.pk})
    confirm(leave(org), plan, org.manager)
    found = owners()
    assert [found[f"普通{number}"] for number in range(4)] == ["何勇"] * 4
    assert (found["核心0"], found["核心1"]) == ("陈国栋", "马超")
    closed.refresh_from_db()
    assert closed.owner_guide == yong  # closed cards go with the first, nobody is asked
    assert Plan.of(GuideHandover.objects.get()) == plan


def test_thousands_cost_what_one_costs(org: Org, django_assert_num_queries: Any) -> None:
    takers = tuple(one.pk for one in colleagues(org))
    Member.objects.bulk_create(
        [Member(member_no=f"B{n:05}", name="王", owner_guide=org.guide, main_store=org.store) for n in range(3000)]
    )
    handover = leave(org)
    with django_assert_num_queries(1):
        shares = shares_of(handover, Plan(takers))
    assert sorted(one.count for one in shares) == [1500, 1500]
    with django_assert_num_queries(12):  # one of them tells all takers
        confirm_plan(handover, plan=Plan(takers), version=0, actor=SYSTEM, now=NOW)
    assert sorted(Member.objects.filter(owner_guide=pk).count() for pk in takers) == [1500, 1500]


# ---------------------------------------------------------------- saved, confirmed, withdrawn


def test_confirmed_once_and_only_as_it_was_seen(org: Org) -> None:
    yong, chao = colleagues(org)
    make_member(owner=org.guide)
    handover, me = leave(org), actor(org.manager)
    save_plan(handover, plan=Plan((yong.pk,)), version=0, actor=me, now=NOW)
    with pytest.raises(PlanChanged):
        save_plan(handover, plan=Plan((chao.pk,)), version=0, actor=me, now=NOW)
    with pytest.raises(PlanChanged):
        confirm_plan(handover, plan=Plan((chao.pk,)), version=0, actor=me, now=NOW)
    assert confirm_plan(handover, plan=Plan((yong.pk,)), version=1, actor=me, now=NOW).heir == yong
    for again in (save_plan, confirm_plan):
        with pytest.raises(AlreadyHandedOver):
            again(handover, plan=Plan((yong.pk,)), version=1, actor=me, now=NOW)


def test_who_may_be_named(org: Org) -> None:
    handover, me = leave(org), actor(org.manager)
    for plan, refusal in (
        (Plan(), NobodyTakes), (Plan((org.stranger.pk,)), NotHisToGive), (Plan((org.guide.pk,)), NotWorking),
        (Plan((org.manager.pk,), {"core": org.guide.pk}), NotWorking),  # she left: nobody goes along
    ):  # fmt: skip
        with pytest.raises(refusal):
            confirm_plan(handover, plan=plan, version=0, actor=me, now=NOW)
    handover.refresh_from_db()
    assert handover.state == "proposed"


def test_after_a_day_the_saved_plan_is_applied(org: Org) -> None:
    yong, chao = colleagues(org)
    for _ in range(2):
        make_member(owner=org.guide)
    save_plan(leave(org), plan=Plan((yong.pk, chao.pk)), version=0, actor=actor(org.manager), now=NOW)
    assert apply_due_handovers(now=NOW + DAY)["handed_over"] == 1
    assert [Member.objects.filter(owner_guide=one).count() for one in (yong, chao)] == [1, 1]


def test_a_long_leave_waits_for_the_manager_and_may_be_withdrawn(org: Org) -> None:
    make_staff(store=org.store)
    make_member(owner=org.guide)
    handover = go_for_long(org)
    assert apply_due_handovers(now=NOW + 30 * DAY) == {"handed_over": 0, "without_heir": 0}
    assert withdraw_handover(handover, actor=actor(org.manager), now=NOW).state == "withdrawn"
    assert go_for_long(org).pk != handover.pk
    resign_staff(org.guide, actor=SYSTEM, now=NOW)
    outbox.drain_events()
    (open_one,) = GuideHandover.objects.filter(state="proposed")
    assert open_one.reason == "resigned"


def test_who_changes_the_store_may_keep_some(org: Org) -> None:
    heir = make_staff(store=org.store, name="何勇")
    for tier in ("core", "common"):
        member = make_member(owner=org.guide, name=tier, tier_631=tier, phone_consent=True)
        make_task(member, org.guide, now=NOW - timedelta(hours=2))
    handover = move(org)
    assert set(Task.objects.values_list("held_reason", flat=True)) == {None}  # she goes on working meanwhile
    confirm(handover, Plan((heir.pk,), {"core": org.guide.pk}), org.manager)
    assert owners() == {"common": "何勇", "core": "林晓雯"}
    assert dict(Member.objects.values_list("name", "main_store__short_name")) == {
        "core": "观前店",
        "common": "新街口店",
    }
    assert dict(OwnershipTransfer.objects.values_list("member__name", "reason")) == {
        "core": "moved_along", "common": "moved_store",
    }  # fmt: skip
    rows = Task.objects.exclude(task_type="handover_intro").values_list(
        "member__name", "assignee__name", "store__short_name", "held_reason"
    )
    assert sorted(rows) == [("common", "何勇", "新街口店", "handover"), ("core", "林晓雯", "观前店", None)]
    intro = Task.objects.get(task_type="handover_intro")
    assert (intro.member.name, intro.assignee, intro.why) == (
        "common", heir, "原来的导购调去别的店了，先认识一下，别急着谈衣服",
    )  # fmt: skip
