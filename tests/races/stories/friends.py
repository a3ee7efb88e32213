"""Codes, customers and whose friends they are: told by events, read from the platform, decided by people."""

from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from crm.friends.models import ContactWay, LinkReview
from crm.friends.services import arriving, knowing, linking, reading, reviewing, ways
from crm.members.customers import customer_of
from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services import end_friend, record_friend
from tests.factories.crm import make_friend
from tests.factories.guides import make_staff
from tests.races.at_once import in_peace, overtaken, queued
from tests.races.world import NOON, World, events
from yejibao.core.errors import Conflict
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.wecom.contacts import Customer, Follow
from yejibao.wecom.events import FriendAdded

SYSTEM = Actor.system("race")
HOUR = timedelta(hours=1)

# ---------------------------------------------------------------- codes


def _want(world: World, **whose: Any) -> ContactWay:
    whose = whose or {"kind": "guide", "guide": world.org.guide}
    return ways.want_way(actor=SYSTEM, now=NOON, **whose)


def a_guides_code_wanted_twice(world: World) -> None:
    both = overtaken(*[lambda: _want(world)] * 2)
    assert (both.second, ContactWay.objects.count()) == (both.first, 1)


def a_stores_code_wanted_twice(world: World) -> None:
    both = overtaken(*[lambda: _want(world, kind="store", store=world.org.store)] * 2)
    assert (both.second, ContactWay.objects.count()) == (both.first, 1)


def a_code_is_wanted_while_everyones_are(world: World) -> None:
    both = overtaken(lambda: _want(world), lambda: ways.want_everyones(now=NOON))
    in_peace(both.second)
    assert ContactWay.objects.filter(guide=world.org.guide).count() == 1


def a_code_retired_twice(world: World) -> None:
    way = _want(world)
    overtaken(*[lambda: ways.retire_way(way, actor=SYSTEM, now=NOON)] * 2)
    assert AuditEntry.objects.filter(action="way.retired").count() == 1


def _claim() -> list[ContactWay]:
    return ways._claim(NOON, limit=20, only=None)


def two_who_bring_codes_about(world: World) -> None:
    _want(world)
    both = overtaken(_claim, _claim)
    assert (len(both.first), both.second, both.waited) == (1, [], False)


def a_code_made_by_who_was_asleep(world: World) -> None:
    _want(world)
    (asleep,) = _claim()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE crm_contactway SET lease_until = now() - interval '1 second'")
    (taken,) = _claim()
    assert (ways._still_ours(asleep), ways._still_ours(taken)) == (False, True)


def a_code_is_retired_while_it_is_made(world: World) -> None:
    way = _want(world)
    (claimed,) = _claim()
    overtaken(
        lambda: ways.retire_way(way, actor=SYSTEM, now=NOON),
        lambda: ways._write(claimed, state="ready", config_id="c1", next_at=None),
    )
    way.refresh_from_db()
    assert (way.state, way.next_at, way.config_id, way.lease_until) == ("retired", NOON, "c1", None)


# ---------------------------------------------------------------- customers


def _customer(world: World, external: str = "wmRace", *, unionid: str = "", phone: str = "") -> Customer:
    """Return what the platform says of a customer who has been the guide's friend for two hours."""
    phones = (phone,) if phone else ()
    follow = Follow(world.org.guide.wecom_user_id, "王先生", NOON - 2 * HOUR, "", None, phones, ())
    return Customer(external, "王", unionid, False, (follow,))


def _apply(*customers: Customer) -> dict[str, int]:
    return reading.apply_customers(customers, now=NOON)


def two_events_of_a_stranger(world: World) -> None:
    both = overtaken(*[lambda: arriving.mark_stale(["wmRace"], now=NOON)] * 2)
    assert (both.first, both.second) == (1, 1)


def a_stranger_read_twice(world: World) -> None:
    nobodys = Customer("wmRace", "王", "", False, ())
    both = overtaken(*[lambda: _apply(nobodys)] * 2)
    assert (both.first, both.second) == ({}, {})


def a_new_friend_read_twice(world: World) -> None:
    arriving.mark_stale(["wmRace"], now=NOON)
    MemberIdentity.objects.create(
        member=world.member(), kind="external_user_id", value="wmRace", source="wecom", added_at=NOON
    )
    both = overtaken(*[lambda: _apply(_customer(world))] * 2)
    assert (both.first, both.second, events("crm.friend_changed")) == ({"new": 1}, {}, 1)


def a_new_friend_told_and_read(world: World) -> None:
    MemberIdentity.objects.create(
        member=world.member(), kind="external_user_id", value="wmRace", source="wecom", added_at=NOON
    )
    at = (NOON - 2 * HOUR).isoformat()
    event = FriendAdded(world.org.guide.wecom_user_id, "wmRace", at)
    both = overtaken(lambda: arriving.follow_added([event]), lambda: _apply(_customer(world)))
    assert (both.first, both.second, events("crm.friend_changed")) == (1, {}, 1)


def a_new_friend_told_twice(world: World) -> None:
    friend = {"guide": world.org.guide, "external_user_id": "wmRace", "at": NOON}
    both = overtaken(*[lambda: record_friend(**friend)] * 2)
    assert (both.second, FriendLink.objects.count()) == (both.first, 1)


def a_stranger_lost_twice(world: World) -> None:
    lost = {"guide": world.org.guide, "external_user_id": "wmRace", "at": NOON}
    both = overtaken(*[lambda: end_friend(**lost)] * 2)
    assert (both.first, both.second, FriendLink.objects.count()) == (None, None, 1)


def _nobody_follows(*external: str) -> None:
    with transaction.atomic():
        reading._end_gone(external, now=NOON)


def one_nobody_follows_read_twice(world: World) -> None:
    external = FriendLink.objects.get(member=world.member()).external_user_id
    overtaken(*[lambda: _nobody_follows(external)] * 2)
    assert events("crm.friend_changed") == 1


def _sweep(world: World) -> int:
    return reading.end_unseen([world.org.guide.wecom_user_id], since=NOON, now=NOON + HOUR)


def he_deletes_her_while_a_sweep_ends(world: World) -> None:
    member = world.member()
    both = overtaken(lambda: end_friend(guide=world.org.guide, member=member, at=NOON), lambda: _sweep(world))
    assert (FriendLink.objects.get().state, both.second) == ("deleted_by_member", 0)


def _two_links(world: World, external: str = "") -> list[FriendLink]:
    """Return two relations of the guide's, or of one customer with her and a colleague, in order of ids."""
    first = FriendLink.objects.get(member=world.member())
    second = FriendLink.objects.get(member=world.member())
    if external:
        FriendLink.objects.filter(pk=second.pk).update(guide=make_staff(store=world.org.store))
        FriendLink.objects.update(external_user_id=external, member=first.member_id)
    return [FriendLink.objects.get(pk=link.pk) for link in (first, second)]


def what_nobody_follows_is_locked_in_one_order(world: World) -> None:
    low, high = _two_links(world)
    answers = queued("crm_friendlink", [high.pk], *[
        lambda: _nobody_follows(high.external_user_id, low.external_user_id)
    ] * 2)  # fmt: skip
    assert answers == [None, None]


def two_sweeps_end_in_one_order(world: World) -> None:
    _low, high = _two_links(world)
    assert queued("crm_friendlink", [high.pk], *[lambda: _sweep(world)] * 2) == [2, 0]


# ---------------------------------------------------------------- who he is


def _known(world: World, *externals: str) -> Member:
    """Return a member whose UnionID these customers have; nobody has linked them yet."""
    member = world.member(owner=make_staff(store=world.org.store))
    for external in externals:
        unionid = f"on{external}"
        MemberIdentity.objects.create(member=member, kind="unionid", value=unionid, source="wecom", added_at=NOON)
        _apply(_customer(world, external, unionid=unionid))
    return member


def a_friend_linked_twice(world: World) -> None:
    _known(world, "wmRace")
    both = overtaken(*[lambda: linking.link_contacts(["wmRace"], now=NOON)] * 2)
    assert (both.first["linked"], both.second["linked"], events("crm.friend_changed")) == (1, 0, 1)


def friends_are_linked_in_one_order(world: World) -> None:
    _known(world, "wmRace1", "wmRace2")
    high = FriendLink.objects.filter(external_user_id__startswith="wmRace").order_by("-pk").first()
    assert high
    answers = queued("crm_friendlink", [high.pk], *[
        lambda: linking.link_contacts(["wmRace1", "wmRace2"], now=NOON)["linked"]
    ] * 2)  # fmt: skip
    assert answers == [2, 0]


def a_link_taken_back_twice(world: World) -> None:
    external = FriendLink.objects.get(member=world.member()).external_user_id
    both = overtaken(*[lambda: linking.unlink_contact(external, actor=SYSTEM, now=NOON, reason="撤销")] * 2)
    assert (both.first, both.second, AuditEntry.objects.filter(action="friend.unlinked").count()) == (1, 0, 1)


def links_are_taken_back_in_one_order(world: World) -> None:
    _low, high = _two_links(world, "wmRace")
    answers = queued("crm_friendlink", [high.pk], *[
        lambda: linking.unlink_contact("wmRace", actor=SYSTEM, now=NOON, reason="撤销")
    ] * 2)  # fmt: skip
    assert answers == [2, 0]


def a_card_opened_for_him_twice(world: World) -> None:
    """Two taps on 新建会员 beside the chat."""
    make_friend(None, world.org.guide, external_user_id="wmRace")

    def tap() -> Member | None:
        customer = customer_of(world.guide, "wmRace")
        return knowing.register_friend(customer, name="赵一鸣", actor=world.guide, now=NOON)

    both = overtaken(tap, tap)
    assert (both.second, Member.objects.count()) == (both.first, 1)


def _review(world: World) -> tuple[LinkReview, Member]:
    """Return the question which of two members a customer is: both gave the phone of the remark."""
    member, _other = (world.member(owner=make_staff(store=world.org.store), phone="13800002075") for _ in range(2))
    _apply(_customer(world, phone="13800002075"))
    linking.link_contacts(["wmRace"], now=NOON)
    return LinkReview.objects.get(), member


def a_question_asked_twice(world: World) -> None:
    _review(world)
    LinkReview.objects.all().delete()
    both = overtaken(*[lambda: linking.link_contacts(["wmRace"], now=NOON)] * 2)
    found = (both.first, both.second, LinkReview.objects.count())
    assert found == ({"linked": 0, "asked": 1}, {"linked": 0, "asked": 0}, 1)


def two_who_say_who_he_is(world: World) -> None:
    review, member = _review(world)
    both = overtaken(
        lambda: reviewing.decide_review(review, answer="linked", member=member, actor=SYSTEM, now=NOON),
        lambda: reviewing.decide_review(review, answer="nobody", actor=SYSTEM, now=NOON),
    )
    review.refresh_from_db()
    assert (isinstance(both.second, reviewing.AlreadyDecided), review.state) == (True, "linked")


def an_answer_taken_back_twice(world: World) -> None:
    review, member = _review(world)
    reviewing.decide_review(review, answer="linked", member=member, actor=SYSTEM, now=NOON)
    both = overtaken(*[lambda: reviewing.undo_review(review, actor=SYSTEM, now=NOON)] * 2)
    assert isinstance(both.second, Conflict)
    assert AuditEntry.objects.filter(action="friend.review_reopened").count() == 1
