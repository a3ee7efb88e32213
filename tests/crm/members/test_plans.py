"""The plan of a handover: who gets whom, what the platform allows, confirmed once, and what did not go over."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import FriendLink, FriendTransfer, GuideHandover, Member, OwnershipTransfer
from crm.members.services import (
    AlreadyHandedOver,
    NobodyTakes,
    NotHisToGive,
    NotWorking,
    PlanChanged,
    apply_due_handovers,
    choose_heir,
    confirm_plan,
    plan_giving,
    replan,
    save_plan,
    transfers,
    withdraw_handover,
)
from crm.members.services.plans import Plan, limits_of, shares_of
from guides.notices.models import Notification
from guides.org.models import Staff
from guides.org.moving import transfer_staff
from guides.org.services import resign_staff
from tasks.followups.models import Task
from tasks.followups.queries.story import open_story
from tasks.scripts.loading import load_scripts
from tasks.scripts.ranking import offer
from tests.crm.members.test_transfers import DAY, tell, turn
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, sign_in
from tests.factories.tasks import make_task
from yejibao.core import outbox
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.gateway import Gateway

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-23 10:00")
SYSTEM = Actor.system()
HTMX = {"HX-Request": "true", "Accept": "text/html"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def door(sandbox: Any) -> Gateway:
    gateway._gateway.cache_clear()
    tokens.Credentials.forget_process_copies()
    return gateway.default()


def colleagues(org: Org) -> tuple[Staff, Staff]:
    return make_staff(store=org.store, name="何勇"), make_staff(store=org.store, name="马超")


def leave(org: Org) -> GuideHandover:
    resign_staff(org.guide, actor=SYSTEM, now=NOW)
    outbox.drain_events()
    return GuideHandover.objects.get(guide=org.guide)


def go_for_long(org: Org) -> GuideHandover:
    return plan_giving(org.guide, reason="long_leave", actor=actor(org.manager), now=NOW)


def move(org: Org) -> GuideHandover:
    transfer_staff(org.guide, to=org.other_store, starts_on=local_day(NOW), actor=SYSTEM, now=NOW)
    outbox.drain_events()
    return GuideHandover.objects.get()


def confirm(handover: GuideHandover, plan: Plan, by: Staff, now: datetime = NOW) -> GuideHandover:
    done = confirm_plan(handover, plan=plan, version=handover.version, actor=actor(by), now=now)
    outbox.drain_events()
    return done


def owners() -> dict[str, str]:
    rows = Member.objects.filter(status="active").order_by("name")
    return {name: owner for name, owner in rows.values_list("name", "owner_guide__name")}


# ---------------------------------------------------------------- who gets whom


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


# ---------------------------------------------------------------- the platform's limits


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


# ---------------------------------------------------------------- the pages


@pytest.fixture
def manager(client: Client, org: Org) -> Client:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return sign_in(client, org.manager)


def test_the_page_shows_changes_and_confirms(manager: Client, org: Org) -> None:
    yong, chao = colleagues(org)
    for number in range(4):
        make_friend(make_member(owner=org.guide, name=f"王{number}", tier_631="core" if number else "common"))
    handover = leave(org)
    path = f"/m/handovers/{handover.pk}/"
    page = manager.get(path)
    for words in (
        "林晓雯的会员",
        "没确认的话，明天 10:00 全部自动交给",
        "认识的优先，其余平均分",
        "马上能转",
        "确认交接 4 位",
    ):
        assert words in page.text, words
    assert [(one.candidate.person, one.is_taking, one.count) for one in page.context["takers"]] == [
        (yong, True, 2), (chao, True, 2), (org.manager, False, 0),
    ]  # fmt: skip
    form = {"taker": [yong.pk, chao.pk], "group-core": chao.pk, "version": 0}
    part = manager.post(path + "plan/", form, headers=HTMX)
    assert part.status_code == 200 and "马超 3" in part.text and 'name="version" value="1"' in part.text
    assert "按这个方案自动交" in manager.get(path).text
    late = manager.post(path + "confirm/", form | {"idempotency_key": "late"}, follow=True)
    assert "方案刚被别人改过" in late.text and Member.objects.filter(owner_guide=org.guide).count() == 4
    form |= {"version": 1, "idempotency_key": "one"}
    for _ in range(2):
        done = manager.post(path + "confirm/", form, follow=True)
    assert "位会员换了导购" in done.text and "4 位排队等转" in done.text
    assert Member.objects.filter(owner_guide=chao).count() == 3
    assert "已经交接完成" in manager.post(path + "confirm/", form | {"idempotency_key": "two"}, follow=True).text


def test_what_did_not_go_over_is_decided_on_the_page(manager: Client, org: Org) -> None:
    yong, chao = colleagues(org)
    for name in ("王一", "王二"):
        make_friend(make_member(owner=org.guide, name=name))
    handover = leave(org)
    choose_heir(handover, heir=yong, actor=SYSTEM, now=NOW)
    FriendTransfer.objects.update(state="taker_full", next_at=None)
    path = f"/m/handovers/{handover.pk}/"
    page = manager.get(path).text
    assert "何勇的微信好友满了" in page and "王一、王二" in page
    form = {"state": "taker_full", "taker": yong.pk, "to": chao.pk}
    assert "2 位改由马超接手" in manager.post(path + "again/", form, follow=True).text
    assert set(owners().values()) == {"马超"}
    for bad in (form | {"to": org.stranger.pk}, form | {"state": "x"}, form | {"taker": "x"}):
        assert manager.post(path + "again/", bad).status_code == 422


@pytest.mark.parametrize("count", [1, 5])
def test_the_pages_cost_the_same_for_any_number(
    manager: Client, org: Org, count: int, django_assert_max_num_queries: Any
) -> None:
    heir, _ = colleagues(org)
    for _ in range(count):
        make_friend(make_member(owner=org.guide))
    handover = leave(org)
    path = f"/m/handovers/{handover.pk}/"
    manager.get(path)
    with django_assert_max_num_queries(12):
        manager.get(path)
    choose_heir(handover, heir=heir, actor=SYSTEM, now=NOW)
    with django_assert_max_num_queries(13):
        manager.get(path)


def test_another_store_is_out_of_sight(manager: Client, org: Org) -> None:
    resign_staff(org.stranger, actor=SYSTEM, now=NOW)
    outbox.drain_events()
    path = f"/m/handovers/{GuideHandover.objects.get().pk}/"
    assert manager.get(path).status_code == 404
    for act in ("plan", "confirm", "withdraw", "again"):
        assert manager.post(f"{path}{act}/", {"taker": org.manager.pk, "version": 0}).status_code == 404


def test_leave_with_an_end_moves_nobody(manager: Client, org: Org) -> None:
    backup, _ = colleagues(org)
    make_member(owner=org.guide)
    form = {
        "kind": "leave",
        "person": org.guide.pk,
        "starts_on": "2026-12-01",
        "ends_on": "2026-12-30",
        "backup": backup.pk,
    }
    assert "林晓雯请假 30 天，会员不动" in manager.post("/m/handovers/new/", form, follow=True).text
    assert not GuideHandover.objects.exists()
    bad = manager.post("/m/handovers/new/", form | {"ends_on": "2026-11-30"})
    assert (bad.status_code, "起止日期不对" in bad.text) == (422, True)
    stranger = manager.post("/m/handovers/new/", form | {"person": org.stranger.pk})
    assert (stranger.status_code, "选一位同事" in stranger.text) == (422, True)


def test_leave_for_good_leads_to_the_plan(manager: Client, org: Org) -> None:
    colleagues(org)
    form = {"kind": "give", "person": org.guide.pk}
    silent = manager.post("/m/handovers/new/", form)
    assert (silent.status_code, "选一下为什么交" in silent.text) == (422, True)
    page = manager.post("/m/handovers/new/", form | {"why": "long_leave"}, follow=True)
    assert "长假" in page.text and "你确认了才交" in page.text
    path = f"/m/handovers/{GuideHandover.objects.get().pk}/withdraw/"
    assert "会员不交了" in manager.post(path, follow=True).text


def test_a_region_manager_moves_and_takes_back(client: Client, org: Org) -> None:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, holder_of("region_manager", org))
    form = {"kind": "move", "person": org.guide.pk, "store": org.other_store.pk, "starts_on": "2026-11-30"}
    page = client.post("/m/handovers/new/", form, follow=True).text
    assert "林晓雯11-30 起在观前店上班" in page and "等生效的" in page
    change = org.guide.store_changes.get()
    assert "林晓雯不调了" in client.post(f"/m/handovers/moves/{change.pk}/cancel/", follow=True).text
    sign_in(client, org.manager)
    assert client.get("/m/handovers/new/?kind=move").context["kind"] == "leave"  # not hers to do
    assert client.post(f"/m/handovers/moves/{change.pk}/cancel/").status_code == 403


# ---------------------------------------------------------------- four kinds, four stories


def opened(org: Org, reason: str) -> GuideHandover:
    if reason == "resigned":
        return leave(org)
    if reason == "moved_store":
        return move(org)
    return plan_giving(org.guide, reason=reason, actor=actor(org.manager), now=NOW)


@pytest.mark.parametrize(
    ("reason", "heading", "label", "why", "pack", "told", "said"),
    [
        ("resigned", "离职", "离职交接问候", "原来的导购离职了", "晓雯离职", "晓雯离职了，1 位会员交给你照顾", "因为工作变动"),
        ("moved_store", "调店", "调店交接问候", "原来的导购调去别的店了", "晓雯调店", "晓雯调店了，1 位会员交给你照顾", "因为工作变动"),
        ("long_leave", "长假", "长假交接问候", "原来的导购要休一段长假", "晓雯休长假", "晓雯休长假，1 位会员交给你照顾", "以后由我来照顾您"),
        ("given", "转交", "转交问候", "原来的导购转给你照顾", "晓雯转给同事", "晓雯的 1 位会员转给你照顾", "以后由我来照顾您"),
    ],
)  # fmt: skip
def test_each_kind_tells_one_true_story(
    manager: Client, org: Org, reason: str, heading: str, label: str, why: str, pack: str, told: str, said: str
) -> None:
    load_scripts(now=NOW)
    yong, _ = colleagues(org)
    member = make_member(owner=org.guide, name="王建平", phone_consent=True)
    handover = opened(org, reason)
    page = manager.get(f"/m/handovers/{handover.pk}/").text
    assert (
        f'<span class="tag">{heading}</span>' in page and f"{heading} · 1 位会员" in manager.get("/m/handovers/").text
    )
    confirm(handover, Plan((yong.pk,)), org.manager)
    intro = Task.objects.get(task_type="handover_intro")
    assert intro.why == f"{why}，先认识一下，别急着谈衣服"
    story = open_story(actor(yong), intro.pk, now=NOW)
    assert (story.label, story.headline) == (label, f"{member.called}以后由你照顾，先打个招呼")
    words = [one.text for one in offer(intro, guide=yong, now=NOW)]
    assert said in words[0] and "晓雯" in words[0]
    assert any("工作变动" in one or "走之前" in one for one in words) == (reason in ("resigned", "moved_store"))
    task_page = sign_in(manager, yong).get(f"/g/tasks/{intro.pk}/").text
    assert pack in task_page
    assert Notification.objects.get(staff=yong, kind="member").title == told


def test_what_is_given_away_waits_for_the_manager(org: Org) -> None:
    colleagues(org)
    make_member(owner=org.guide)
    plan_giving(org.guide, reason="given", actor=actor(org.manager), now=NOW)
    assert apply_due_handovers(now=NOW + 30 * DAY)["handed_over"] == 0


# ---------------------------------------------------------------- who takes over is told


def test_everybody_who_got_members_is_told_how_many(org: Org) -> None:
    yong, chao = colleagues(org)
    for tier in ("core", "common", "common"):
        make_member(owner=org.guide, tier_631=tier)
    confirm(move(org), Plan((yong.pk,), {"core": org.guide.pk, "common": chao.pk}), org.manager)
    told = Notification.objects.values_list("staff__name", "kind", "title", "url")
    assert list(told) == [("马超", "member", "晓雯调店了，2 位会员交给你照顾", "/g/members/")]


def test_by_itself_too_and_once_more_where_it_is_planned_again(org: Org, door: Gateway, sandbox: Any) -> None:
    yong, chao = colleagues(org)
    make_friend(make_member(owner=org.guide))
    handover = leave(org)
    save_plan(handover, plan=Plan((yong.pk,)), version=0, actor=actor(org.manager), now=NOW)
    apply_due_handovers(now=NOW + DAY)
    assert Notification.objects.get().staff == yong
    FriendTransfer.objects.update(state="failed")
    replan(handover, state="failed", taker_id=yong.pk, to=chao, actor=actor(org.manager), now=NOW + DAY)
    assert Notification.objects.get(staff=chao).title == "晓雯离职了，1 位会员交给你照顾"


# ---------------------------------------------------------------- one wording of how far a friend is


def test_both_pages_say_the_same_of_a_friend(manager: Client, org: Org) -> None:
    yong, _ = colleagues(org)
    make_friend(make_member(owner=org.guide, name="王建平"))
    handover = confirm(leave(org), Plan((yong.pk,)), org.manager)
    intro, yongs = Task.objects.get(task_type="handover_intro"), sign_in(Client(HTTP_ACCEPT="text/html"), yong)
    for state, words in (("planned", "排队等转"), ("asked", "排队等转"), ("waiting", "等 24 小时"), ("done", "已转好")):
        FriendTransfer.objects.update(state=state, asked_at=NOW)
        progress = manager.get(f"/m/handovers/{handover.pk}/").text
        mine = yongs.get(f"/g/tasks/{intro.pk}/").text
        assert f"微信好友{words}" in mine, state
        assert (f"1 位{words}" if state != "done" else "都转好了") in progress, state
        assert ("等 24 小时" in progress) == ("等 24 小时" in mine) == (state == "waiting"), state


# ---------------------------------------------------------------- who may do what, in words that are true


@pytest.mark.parametrize(
    ("role", "title", "kinds"),
    [
        ("store_manager", "请假 / 转交会员", ["leave", "give"]),
        ("area_supervisor", "请假 / 调店", ["leave", "move"]),
        ("region_manager", "调店", ["move"]),
        ("branch_manager", "调店", ["move"]),
        ("sys_admin", "调店", ["move"]),
    ],
)
def test_each_role_reads_what_it_may_do(client: Client, org: Org, role: str, title: str, kinds: list[str]) -> None:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, org.manager if role == "store_manager" else holder_of(role, org))
    page = client.get("/m/handovers/new/")
    assert page.status_code == 200 and f"<title>{title}" in page.text
    assert [key for key, _ in page.context["kinds"]] == kinds
    if role == "store_manager":
        assert f">{title}</a>" in client.get("/m/handovers/").text
    else:
        assert 'href="/m/handovers/new/"' in page.text  # in the menu
    if "move" in kinds and role != "area_supervisor":  # the other store is in another area
        form = {"kind": "move", "person": org.guide.pk, "store": org.other_store.pk, "starts_on": "2026-11-30"}
        assert "林晓雯11-30 起在观前店上班" in client.post("/m/handovers/new/", form, follow=True).text
