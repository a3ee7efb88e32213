"""Names of members, two that are one, and friends passed on through the platform."""

from typing import Any

from django.db import transaction

from crm.members.models import FriendLink, FriendTransfer, GuideHandover, Member, MemberIdentity, MemberMerge
from crm.members.services import (
    AlreadyUndone,
    IdentityTaken,
    NotMergeable,
    claim_identity,
    give_identities,
    merge_members,
    note_identities,
    passing_on,
    record_friend,
    transfers,
    undo_merge,
)
from guides.org.models import Staff
from tests.factories.guides import make_staff
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.wecom.transfers import Result, Status

SYSTEM = Actor.system("race")
UNIONID = MemberIdentity.Kind.UNIONID
TOO_OFTEN = 40128

# ---------------------------------------------------------------- names


def names_noted_twice(world: World) -> None:
    member = world.member(phone="13800002075")
    both = overtaken(*[lambda: note_identities([member.pk], now=NOON)] * 2)
    assert (both.first, both.second) == (3, 0)  # card, phone, friend


def a_name_claimed_for_two(world: World) -> None:
    one, other = world.member(), world.member()

    def claim(member: Member) -> MemberIdentity:
        return claim_identity(member, kind=UNIONID, value="onRace", source="guide", now=NOON)

    both = overtaken(lambda: claim(one), lambda: claim(other))
    assert isinstance(both.second, IdentityTaken) and MemberIdentity.objects.get(kind=UNIONID).member == one


def a_name_given_to_two(world: World) -> None:
    one, other = world.member(), world.member()

    def give(member: Member) -> None:
        give_identities(UNIONID, [("onRace", member.pk)], source="wecom", now=NOON)

    both = overtaken(lambda: give(one), lambda: give(other))
    in_peace(both.second)
    assert MemberIdentity.objects.get(kind=UNIONID).member == one


# ---------------------------------------------------------------- two that are one


def _merge(kept: Member, gone: Member) -> MemberMerge:
    return merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="同一个人", now=NOON)


def two_merge_each_into_the_other(world: World) -> None:
    one, other = world.member(), world.member()
    both = overtaken(lambda: _merge(one, other), lambda: _merge(other, one))
    assert isinstance(both.second, NotMergeable) and MemberMerge.objects.count() == 1


def a_merge_undone_twice(world: World) -> None:
    merge = _merge(world.member(), world.member())
    both = overtaken(*[lambda: undo_merge(merge, actor=SYSTEM, reason="弄错了", now=NOON)] * 2)
    assert isinstance(both.second, AlreadyUndone)
    assert AuditEntry.objects.filter(action="member.unmerged").count() == 1


def a_merge_is_undone_while_the_kept_one_goes(world: World) -> None:
    kept, gone, third = (world.member() for _ in range(3))
    merge = _merge(kept, gone)
    both = overtaken(lambda: _merge(third, kept), lambda: undo_merge(merge, actor=SYSTEM, reason="弄错了", now=NOON))
    assert isinstance(both.second, NotMergeable)


# ---------------------------------------------------------------- friends passed on


def _link(world: World, giver: Staff | None = None) -> FriendLink:
    return FriendLink.objects.get(member=world.member(owner=giver or make_staff(store=world.org.store)))


def _plan(world: World, link: FriendLink) -> int:
    return passing_on.plan([link.pk], taker=world.org.guide, is_resigned=False, now=NOON)


def a_transfer_planned_twice(world: World) -> None:
    link = _link(world)
    both = overtaken(*[lambda: _plan(world, link)] * 2)
    assert (both.first, both.second, FriendTransfer.objects.count()) == (1, 0, 1)


def a_handover_planned_twice(world: World) -> None:
    giver = make_staff(store=world.org.store)
    member = _link(world, giver).member
    Member.objects.filter(pk=member.pk if member else 0).update(owner_guide=world.org.guide)
    handover = GuideHandover.objects.create(guide=giver, left_at=NOON)
    both = overtaken(*[lambda: passing_on.plan_handover(handover.pk, heir_id=None, now=NOON)] * 2)
    assert (both.first, both.second) == ({"planned": 1}, {})


def a_transfer_tried_again_twice(world: World) -> None:
    _plan(world, _link(world))
    FriendTransfer.objects.update(state="taker_full", next_at=None)
    old = FriendTransfer.objects.get()
    both = overtaken(*[lambda: passing_on.plan_again([old.pk], taker_id=world.org.guide.pk, now=NOON)] * 2)
    assert (both.first, both.second) == (1, 0)


def two_who_ask_for_a_transfer(world: World) -> None:
    _plan(world, _link(world))
    both = overtaken(*[lambda: transfers._claim(NOON)] * 2)
    assert (len(both.first), both.second, both.waited) == (1, [], False)


def _asked(world: World) -> FriendTransfer:
    """Return a transfer the platform has been asked for; it is time to look what became of it."""
    link = _link(world)
    _plan(world, link)
    FriendLink.objects.filter(pk=link.pk).update(state="pending_transfer")
    (asked,) = transfers._claim(NOON)
    FriendTransfer.objects.update(next_at=NOON)
    asked.refresh_from_db()
    return asked


def _refused(asked: FriendTransfer) -> bool:
    taker = asked.taker.wecom_user_id
    return transfers.note_failure(
        external_userid=asked.external_user_id, taker=taker, reason="customer_refused", now=NOON
    )


def _done(asked: FriendTransfer) -> Any:
    results = [Result(asked.external_user_id, Status.DONE, NOON)]
    return transfers._settle(results, asked.giver_id, asked.taker_id, asked.is_resigned, NOON)


def he_refuses_while_results_are_read(world: World) -> None:
    asked = _asked(world)
    both = overtaken(lambda: _refused(asked), lambda: _done(asked))
    asked.refresh_from_db()
    assert (both.first, both.second, asked.state) == (True, {}, "refused")


def he_goes_over_while_a_refusal_is_told(world: World) -> None:
    asked = _asked(world)
    both = overtaken(lambda: _done(asked), lambda: _refused(asked))
    asked.refresh_from_db()
    assert (both.first, both.second, asked.state) == ({"done": 1}, False, "done")


def he_refuses_before_the_answer_is_written(world: World) -> None:
    asked = _asked(world)
    overtaken(lambda: _refused(asked), lambda: transfers._note([asked], {asked.external_user_id: 0}, NOON))
    asked.refresh_from_db()
    assert asked.state == "refused"


def he_goes_over_before_a_no_is_written(world: World) -> None:
    asked = _asked(world)
    overtaken(lambda: _done(asked), lambda: transfers._fail([asked.pk], TOO_OFTEN, NOON))
    asked.refresh_from_db()
    assert (asked.state, FriendLink.objects.get(pk=asked.link_id).ended_at) == ("done", NOON)


def he_adds_the_taker_while_he_goes_over(world: World) -> None:
    asked = _asked(world)

    def settle() -> None:
        with transaction.atomic():
            transfers.settle_done([asked.pk], NOON)

    both = overtaken(
        lambda: record_friend(guide=world.org.guide, external_user_id=asked.external_user_id, at=NOON), settle
    )
    in_peace(both.second)
    assert FriendLink.objects.get(guide=world.org.guide).state == "friend"
