"""Friends as the platform tells of them: in any order, twice, late; and who they turn out to be."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm.friends.models import Contact, ContactWay, LinkReview
from crm.friends.services import (
    AlreadyDecided,
    apply_customers,
    decide_review,
    follow_added,
    follow_lost,
    link_contact,
    link_contacts,
    read_stale,
    undo_review,
)
from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services import IdentityTaken, claim_identity, note_identities
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.conftest import SandboxControl
from tests.factories.crm import make_friend, make_member, make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.errors import NotFound
from yejibao.core.outbox.models import OutboxEvent
from yejibao.core.personal import blind_index
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.contacts import Customer, Follow
from yejibao.wecom.events import FriendAdded, FriendLost

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
SYSTEM = Actor.system()
Kind = MemberIdentity.Kind


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()


@pytest.fixture
def guide() -> Staff:
    return make_staff()


def at(**later: float) -> str:
    return (NOW + timedelta(**later)).isoformat()


def added(guide: Staff, external: str = "wm1", *, state: str = "", **later: float) -> FriendAdded:
    return FriendAdded(guide.wecom_user_id, external, at(**later), state=state)


def lost(guide: Staff, external: str = "wm1", *, by: str = "member", **later: float) -> FriendLost:
    return FriendLost(guide.wecom_user_id, external, at(**later), by)


def customer(
    guide: Staff,
    external: str = "wm1",
    *,
    unionid: str = "",
    phones: tuple[str, ...] = (),
    added_at: datetime = NOW,
    **more: Any,
) -> Customer:
    follow = Follow(guide.wecom_user_id, more.pop("remark", "王先生"), added_at, more.pop("state", ""), 1, phones, ())
    return Customer(external, more.pop("name", "云淡风轻"), unionid, False, (follow,))


def state_of(external: str = "wm1") -> list[str]:
    return list(FriendLink.objects.filter(external_user_id=external).values_list("state", flat=True))


def told() -> list[tuple[int, str]]:
    rows = OutboxEvent.objects.filter(topic="crm.friend_changed").order_by("pk").values_list("payload", flat=True)
    return [(row["member_id"], row["state"]) for row in rows]


# ---------------------------------------------------------------- events


def test_a_friend_is_noted_once_with_the_code_he_came_through(guide: Staff) -> None:
    way = ContactWay.objects.create(kind="live", name="周六直播", guide=guide, token="l1", created_at=NOW)
    for _ in range(2):
        assert follow_added([added(guide, state="l1"), added(guide, "wm2", state="foreign")]) == 2
    links = {one.external_user_id: (one.way_id, one.way_token, one.state) for one in FriendLink.objects.all()}
    assert links == {"wm1": (way.pk, "l1", "friend"), "wm2": (None, "foreign", "friend")}
    assert Contact.objects.filter(stale_at=NOW).count() == 2


def test_people_we_do_not_know_leave_nothing(guide: Staff) -> None:
    assert follow_added([FriendAdded("nobody", "wm1", at())]) == 0
    assert not FriendLink.objects.exists()


@pytest.mark.parametrize(("by", "state"), [("member", "deleted_by_member"), ("guide", "deleted_by_guide")])
def test_either_side_may_end_it_and_old_news_brings_nobody_back(guide: Staff, by: str, state: str) -> None:
    follow_added([added(guide)])
    assert follow_lost([lost(guide, by=by, minutes=5)]) == 1
    follow_added([added(guide), added(guide, minutes=4)])
    assert (state_of(), follow_lost([lost(guide, by=by, minutes=5)])) == ([state], 0)
    follow_added([added(guide, minutes=6)])
    assert state_of() == ["friend"]


def test_the_end_may_be_told_before_the_beginning(guide: Staff) -> None:
    follow_lost([lost(guide, minutes=5)])
    follow_added([added(guide, minutes=1)])
    assert state_of() == ["deleted_by_member"]


def test_a_known_customer_is_told_of_at_once(guide: Staff) -> None:
    member = make_member(owner=guide)
    make_friend(member, make_staff(), external_user_id="wm1")
    follow_added([added(guide)])
    assert told() == [(member.pk, "friend")]
    assert MemberIdentity.objects.get(kind=Kind.EXTERNAL).member == member


# ---------------------------------------------------------------- who he is


def test_he_is_known_by_his_unionid_before_his_phone(guide: Staff) -> None:
    by_unionid, by_phone = make_member(owner=guide), make_member(owner=guide, phone="13800132075")
    claim_identity(by_unionid, kind=Kind.UNIONID, value="oU1", source="mini_program", now=NOW)
    apply_customers([customer(guide, unionid="oU1", phones=("138 0013 2075",))], now=NOW)
    assert link_contacts(["wm1"], now=NOW) == {"linked": 1, "asked": 1}
    assert FriendLink.objects.get().member == by_unionid
    review = LinkReview.objects.get()
    assert (review.reason, review.candidate_ids, review.guide) == ("phone_differs", [by_unionid.pk, by_phone.pk], guide)
    assert told() == [(by_unionid.pk, "friend")]
    assert link_contacts(["wm1"], now=NOW) == {"linked": 0, "asked": 0}


def test_one_phone_is_enough_and_brings_the_unionid_along(guide: Staff) -> None:
    member = make_member(owner=guide, phone="13800132075")
    apply_customers([customer(guide, unionid="oU1", phones=("13800132075", "不是号码"))], now=NOW)
    link_contacts(["wm1"], now=NOW)
    assert FriendLink.objects.get().phone_indexes == [blind_index("13800132075", purpose="phone")]
    names = set(MemberIdentity.objects.filter(member=member).values_list("kind", "value"))
    assert {("external_user_id", "wm1"), ("unionid", "oU1")} <= names


def test_a_phone_of_several_is_a_question(guide: Staff) -> None:
    one, other = make_member(owner=guide, phone="13800132075"), make_member(owner=guide, phone="13800132075")
    apply_customers([customer(guide, phones=("13800132075",))], now=NOW)
    assert link_contacts(["wm1"], now=NOW) == {"linked": 0, "asked": 1}
    review = LinkReview.objects.get()
    assert (review.reason, sorted(review.candidate_ids)) == ("phones", sorted([one.pk, other.pk]))


def test_a_stranger_stays_one_until_he_registers(guide: Staff) -> None:
    apply_customers([customer(guide, unionid="oU1", phones=("13800132075",))], now=NOW)
    assert link_contacts(["wm1"], now=NOW) == {"linked": 0, "asked": 0}
    member = make_member(owner=guide, phone="13800132075")
    note_identities([member.pk], now=NOW)
    assert link_contacts(["wm1"], now=NOW)["linked"] == 1
    assert FriendLink.objects.get().member == member


def test_a_unionid_of_somebody_else_changes_nothing_by_itself(guide: Staff) -> None:
    held, other = make_member(owner=guide), make_member(owner=guide)
    make_friend(held, guide, external_user_id="wm1")
    claim_identity(other, kind=Kind.UNIONID, value="oU1", source="mini_program", now=NOW)
    apply_customers([customer(guide, unionid="oU1")], now=NOW)
    link_contacts(["wm1"], now=NOW)
    assert FriendLink.objects.get().member == held
    assert LinkReview.objects.get().candidate_ids == [held.pk, other.pk]


# ---------------------------------------------------------------- a person decides


@pytest.fixture
def question(guide: Staff) -> tuple[LinkReview, Member, Member]:
    one, other = make_member(owner=guide, phone="13800132075"), make_member(owner=guide, phone="13800132075")
    apply_customers([customer(guide, phones=("13800132075",))], now=NOW)
    link_contacts(["wm1"], now=NOW)
    return LinkReview.objects.get(), one, other


def test_the_manager_says_who_he_is_and_takes_it_back(
    guide: Staff, question: tuple[LinkReview, Member, Member]
) -> None:
    review, one, other = question
    manager = actor_for(make_staff("store_manager", store=guide.store))
    decide_review(review, answer="linked", member=other, actor=manager, now=NOW)
    assert FriendLink.objects.get().member == other
    with pytest.raises(AlreadyDecided):
        decide_review(review, answer="linked", member=one, actor=manager, now=NOW)
    undo_review(review, actor=manager, now=NOW)
    assert FriendLink.objects.get().member is None
    decide_review(review, answer="nobody", actor=manager, now=NOW)
    assert link_contacts(["wm1"], now=NOW) == {"linked": 0, "asked": 0}  # what a person said is not asked again
    assert FriendLink.objects.get().member is None


def test_both_may_be_the_same_person(guide: Staff, question: tuple[LinkReview, Member, Member]) -> None:
    review, one, other = question
    manager = actor_for(make_staff("store_manager", store=guide.store))
    decide_review(review, answer="merged", member=one, actor=manager, now=NOW)
    other.refresh_from_db()
    assert (other.status, other.merged_into_id, FriendLink.objects.get().member_id) == ("merged", one.pk, one.pk)


def test_others_do_not_decide(guide: Staff, question: tuple[LinkReview, Member, Member]) -> None:
    review, one, _other = question
    for stranger in (guide, make_staff("store_manager"), make_staff("area_supervisor", store=guide.store)):
        with pytest.raises(NotFound):
            decide_review(review, answer="linked", member=one, actor=actor_for(stranger), now=NOW)


def test_a_guide_links_her_own_friend_to_a_member_of_hers(guide: Staff) -> None:
    member, taken = make_member(owner=guide), make_member(owner=guide)
    follow_added([added(guide)])
    link_contact("wm1", member, actor=actor_for(guide), now=NOW)
    assert FriendLink.objects.get().member == member
    with pytest.raises(IdentityTaken):
        link_contact("wm1", taken, actor=actor_for(guide), now=NOW)
    with pytest.raises(NotFound):
        link_contact("wm1", member, actor=actor_for(make_staff()), now=NOW)


# ---------------------------------------------------------------- reading, many at once


def test_who_deleted_the_guide_is_still_listed_and_stays_gone(guide: Staff) -> None:
    follow_added([added(guide)])
    follow_lost([lost(guide, minutes=5)])
    apply_customers([customer(guide)], now=NOW + timedelta(hours=1))
    assert state_of() == ["deleted_by_member"]
    apply_customers([customer(guide, added_at=NOW + timedelta(hours=2))], now=NOW + timedelta(hours=3))
    assert state_of() == ["friend"]


@pytest.mark.parametrize("count", [1, 300])
def test_a_page_costs_the_same_queries_for_any_size(guide: Staff, count: int, django_assert_num_queries: Any) -> None:
    people = [customer(guide, f"wm{number}", unionid=f"oU{number}") for number in range(count)]
    with django_assert_num_queries(5):  # customers, relations, whose tags differ, and the transaction around them
        assert apply_customers(people, now=NOW) == {"new": count}
    with django_assert_num_queries(3):
        link_contacts([one.external_userid for one in people], now=NOW)


def test_what_events_marked_is_read_and_linked(guide: Staff, sandbox: SandboxControl) -> None:
    sandbox.post("world", people=[{"userid": guide.wecom_user_id, "name": "小李"}])
    sandbox.post("clock", now=NOW.isoformat())
    member = make_member(owner=guide, phone="13800132075")
    sandbox.post("friend", userid=guide.wecom_user_id, external_userid="wm1", name="云淡风轻", tell=False)
    sandbox.post(
        "remark", userid=guide.wecom_user_id, external_userid="wm1", remark="王先生", remark_mobiles=["13800132075"]
    )
    sandbox.post("friend", userid=guide.wecom_user_id, external_userid="wm2", tell=False)
    sandbox.post("unfriend", userid=guide.wecom_user_id, external_userid="wm2", by="guide")
    follow_added([added(guide), added(guide, "wm2")])
    counts = read_stale(door=gateway.default(), now=NOW)
    assert counts == {"read": 1, "gone": 1, "linked": 1}, counts
    assert FriendLink.objects.get(external_user_id="wm1").member == member
    assert (state_of("wm2"), Contact.objects.get(external_user_id="wm1").name) == (["deleted_by_guide"], "云淡风轻")


def test_a_busy_platform_is_asked_again_later(guide: Staff, sandbox: SandboxControl) -> None:
    sandbox.post("world", people=[{"userid": guide.wecom_user_id, "name": "小李"}])
    sandbox.post("friend", userid=guide.wecom_user_id, external_userid="wm1", tell=False)
    follow_added([added(guide)])
    sandbox.fault("externalcontact/get", errcode=45033, times=1)
    assert read_stale(door=gateway.default(), now=NOW) == {"put_off": 1}
    contact = Contact.objects.get()
    assert (contact.attempts, contact.stale_at) == (1, NOW + timedelta(seconds=30))
