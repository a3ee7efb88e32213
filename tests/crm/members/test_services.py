"""Consent, ownership, friends and phones: who may, what is kept of it, and who is told."""

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import FriendLink, FriendTransfer, GuideHandover, Member, OwnershipTransfer
from crm.members.services import (
    AlreadyHandedOver,
    NotHisToGive,
    NotWorking,
    apply_due_handovers,
    change_owner,
    choose_heir,
    close_member,
    end_friend,
    opt_in,
    opt_out,
    propose_heir,
    record_friend,
    refuse_transfer,
    set_do_not_contact,
)
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.factories.crm import make_friend, make_member, make_staff, make_store
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.models import AuditEntry
from yejibao.core.outbox.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2025-03-01 15:00")
SYSTEM = Actor.system()


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel(NOW)


@pytest.fixture
def store() -> Any:
    return make_store()


@pytest.fixture
def guide(store: Any) -> Staff:
    return make_staff(store=store)


@pytest.fixture
def manager(store: Any) -> Staff:
    return make_staff("store_manager", store=store)


@pytest.fixture
def member(guide: Staff) -> Member:
    return make_member(owner=guide, phone="13800132075")


def told() -> list[tuple[str, Any]]:
    rows = OutboxEvent.objects.order_by("pk").values_list("topic", "payload")
    return [(topic.removeprefix("crm."), payload.get("what") or payload.get("state")) for topic, payload in rows]


# ---------------------------------------------------------------- consent


def test_do_not_contact_is_set_once_and_taken_back(member: Member, guide: Staff) -> None:
    actor = actor_for(guide)
    for _ in range(2):
        set_do_not_contact(member, actor=actor, reason="会员说别再打扰", now=NOW)
    member.refresh_from_db()
    assert member.do_not_contact
    assert told() == [("member_changed", "do_not_contact")]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id, entry.before, entry.reason) == (
        "member.do_not_contact",
        guide.pk,
        {"do_not_contact": False},
        "会员说别再打扰",
    )
    set_do_not_contact(member, actor=actor, reason="会员又愿意了", now=NOW, is_wanted=False)
    member.refresh_from_db()
    assert not member.do_not_contact


def test_opting_out_adds_channels_and_opting_in_takes_them_away(member: Member) -> None:
    opt_out(member, channels=["wecom_message"], actor=SYSTEM, reason="退订", now=NOW)
    opt_out(member, channels=["sms", "wecom_message"], actor=SYSTEM, reason="退订", now=NOW)
    opt_out(member, channels=["sms"], actor=SYSTEM, reason="退订", now=NOW)
    member.refresh_from_db()
    assert member.marketing_opt_out == ["sms", "wecom_message"]
    opt_in(member, channels=["sms"], actor=SYSTEM, reason="重新订阅", now=NOW)
    member.refresh_from_db()
    assert (member.marketing_opt_out, len(told())) == (["wecom_message"], 3)


def test_a_closed_member_is_told_once(member: Member) -> None:
    for _ in range(2):
        close_member(member, actor=SYSTEM, reason="会员注销", now=NOW)
    member.refresh_from_db()
    assert (member.status, told()) == ("closed", [("member_changed", "closed")])


# ---------------------------------------------------------------- owner


def test_a_manager_gives_a_member_to_another_guide_of_the_store(member: Member, guide: Staff, manager: Staff) -> None:
    heir = make_staff(store=guide.store)
    change_owner(member, to=heir, actor=actor_for(manager), reason="会员要求", now=NOW)
    member.refresh_from_db()
    assert member.owner_guide == heir
    row = OwnershipTransfer.objects.get()
    assert (row.from_guide, row.to_guide, row.reason, row.at) == (guide, heir, "manager", NOW)
    assert told() == [("member_changed", "owner")]
    change_owner(member, to=heir, actor=actor_for(manager), reason="再点一次", now=NOW)
    assert OwnershipTransfer.objects.count() == 1


def test_nobody_gives_away_what_is_not_his(member: Member, guide: Staff, manager: Staff) -> None:
    stranger = make_staff("store_manager", store=make_store())
    elsewhere, gone = make_staff(store=stranger.store), make_staff(store=guide.store, state="resigned")
    heir = make_staff(store=guide.store)
    for actor, to, error in [
        (guide, heir, NotHisToGive),
        (stranger, heir, NotFound),
        (manager, elsewhere, NotHisToGive),
        (manager, gone, NotWorking),
    ]:
        with pytest.raises(error):
            change_owner(member, to=to, actor=actor_for(actor), reason="试试", now=NOW)
    with pytest.raises(Invalid):
        change_owner(member, to=heir, actor=actor_for(manager), reason=" ", now=NOW)
    assert OwnershipTransfer.objects.count() == 0


# ---------------------------------------------------------------- a guide left


@pytest.fixture
def handover(guide: Staff, member: Member) -> GuideHandover:
    Staff.objects.filter(pk=guide.pk).update(state="resigned", resigned_at=NOW)
    busy, free = make_staff(store=guide.store), make_staff(store=guide.store)
    make_member(owner=busy)
    make_member(owner=free, status="closed")
    make_staff(store=make_store())
    make_friend(member, guide)
    handover = propose_heir(guide.pk, resigned_at=NOW, now=NOW)
    assert handover is not None and handover.heir == free
    return handover


def test_the_guide_with_the_fewest_active_members_is_proposed_once(handover: GuideHandover) -> None:
    assert propose_heir(handover.guide_id, resigned_at=NOW, now=NOW) == handover
    assert GuideHandover.objects.count() == 1


def test_without_another_guide_the_manager_is_proposed(guide: Staff, manager: Staff) -> None:
    handover = propose_heir(guide.pk, resigned_at=NOW, now=NOW)
    assert handover is not None and handover.heir == manager


def test_office_staff_leave_no_members(store: Any) -> None:
    person = make_staff("hq_operator", unit=store.unit)
    assert propose_heir(person.pk, resigned_at=NOW, now=NOW) is None


def test_a_manager_picks_the_heir(handover: GuideHandover, member: Member, manager: Staff) -> None:
    heir = Staff.objects.filter(store=manager.store, role_assignments__role="guide").exclude(
        pk__in=[handover.guide_id, handover.heir_id]
    ).get()  # fmt: skip
    choose_heir(handover, heir=heir, actor=actor_for(manager), now=NOW)
    member.refresh_from_db()
    handover.refresh_from_db()
    assert (member.owner_guide, handover.state, handover.decided_by) == (heir, "done", manager)
    row = OwnershipTransfer.objects.get()
    assert (row.member, row.from_guide_id, row.to_guide, row.reason, row.handover) == (
        member,
        handover.guide_id,
        heir,
        "resigned",
        handover,
    )
    assert FriendLink.objects.get().state == "pending_transfer"
    assert told() == [("heir_named", None)]
    with pytest.raises(AlreadyHandedOver):
        choose_heir(handover, heir=heir, actor=actor_for(manager), now=NOW)


def test_only_the_manager_of_the_store_picks(handover: GuideHandover, guide: Staff) -> None:
    heir = handover.heir
    assert heir is not None
    with pytest.raises(NotHisToGive):
        choose_heir(handover, heir=heir, actor=actor_for(heir), now=NOW)
    stranger = make_staff("store_manager", store=make_store())
    with pytest.raises(NotHisToGive):
        choose_heir(handover, heir=heir, actor=actor_for(stranger), now=NOW)
    with pytest.raises(NotFound):
        choose_heir(handover, heir=stranger, actor=actor_for(stranger), now=NOW)


def test_after_a_day_the_proposal_is_applied_and_the_friends_are_to_follow(
    handover: GuideHandover, member: Member
) -> None:
    assert apply_due_handovers(now=NOW + timedelta(hours=23, minutes=59)) == {"handed_over": 0, "without_heir": 0}
    day = NOW + timedelta(hours=24)
    assert apply_due_handovers(now=day) == {"handed_over": 1, "without_heir": 0}
    assert apply_due_handovers(now=day) == {"handed_over": 0, "without_heir": 0}
    member.refresh_from_db()
    assert member.owner_guide == handover.heir
    planned = FriendTransfer.objects.get()
    assert (planned.link, planned.taker, planned.handover, planned.is_resigned, planned.state) == (
        FriendLink.objects.get(), handover.heir, handover, True, "planned",
    )  # fmt: skip


def test_an_heir_who_left_too_is_replaced(handover: GuideHandover, member: Member) -> None:
    Staff.objects.filter(pk=handover.heir_id).update(state="resigned")
    apply_due_handovers(now=NOW + timedelta(hours=24))
    member.refresh_from_db()
    assert member.owner_guide is not None
    assert member.owner_guide.state == "active"
    assert member.owner_guide_id != handover.heir_id


def test_a_member_who_refuses_waits_in_the_managers_pool(
    handover: GuideHandover, member: Member, manager: Staff
) -> None:
    apply_due_handovers(now=NOW + timedelta(hours=24))
    refuse_transfer(FriendLink.objects.get(), now=NOW + timedelta(hours=25))
    refuse_transfer(FriendLink.objects.get(), now=NOW + timedelta(hours=26))
    member.refresh_from_db()
    assert member.owner_guide == manager
    assert list(OwnershipTransfer.objects.order_by("pk").values_list("reason", flat=True)) == ["resigned", "refused"]


def test_moving_many_members_costs_the_same(guide: Staff, django_assert_num_queries: Any) -> None:
    heir = make_staff(store=guide.store)
    for count in (1, 40):
        leaver = make_staff(store=guide.store)
        for _ in range(count):
            make_friend(make_member(owner=leaver))
        handover = propose_heir(leaver.pk, resigned_at=NOW, now=NOW)
        assert handover is not None
        with django_assert_num_queries(13):
            choose_heir(handover, heir=heir, actor=SYSTEM, now=NOW)
    assert Member.objects.filter(owner_guide=heir).count() == 41


# ---------------------------------------------------------------- friends


def test_a_friend_is_recorded_once(member: Member, guide: Staff) -> None:
    for _ in range(2):
        link = record_friend(guide=guide, member=member, external_user_id="wm1", at=NOW)
    assert (link.member, link.state, FriendLink.objects.count()) == (member, "friend", 1)
    assert told() == [("friend_changed", "friend")]


def test_a_customer_is_known_by_his_other_friends(member: Member, guide: Staff) -> None:
    colleague = make_staff(store=guide.store)
    record_friend(guide=guide, member=member, external_user_id="wm1", at=NOW)
    assert record_friend(guide=colleague, external_user_id="wm1", at=NOW).member == member
    third = make_staff(store=guide.store)
    assert record_friend(guide=third, member=member, at=NOW).external_user_id == "wm1"


def test_an_unknown_customer_is_a_friend_without_a_member(guide: Staff, member: Member) -> None:
    assert record_friend(guide=guide, external_user_id="wm9", at=NOW).member is None
    assert told() == []
    assert record_friend(guide=guide, member=member, external_user_id="wm9", at=NOW).member == member
    assert told() == [("friend_changed", "friend")]
    with pytest.raises(ValueError):
        record_friend(guide=guide, at=NOW)


def test_a_lost_friend_may_come_back_and_old_news_change_nothing(member: Member, guide: Staff) -> None:
    record_friend(guide=guide, member=member, external_user_id="wm1", at=NOW)
    later = NOW + timedelta(days=2)
    assert end_friend(guide=guide, external_user_id="wm1", at=NOW - timedelta(days=1)) is None
    link = end_friend(guide=guide, member=member, at=later)
    assert link is not None and (link.state, link.ended_at) == ("deleted_by_member", later)
    assert end_friend(guide=guide, member=member, at=later) is None
    assert record_friend(guide=guide, member=member, external_user_id="wm1", at=NOW).state == "deleted_by_member"
    again = record_friend(guide=guide, external_user_id="wm1", at=later + timedelta(hours=1))
    assert (again.state, again.ended_at) == ("friend", None)
    assert end_friend(guide=guide, external_user_id="wm1", state="blocked", at=later + timedelta(days=1)) is not None
    assert [state for _, state in told()] == ["friend", "deleted_by_member", "friend", "blocked"]
