"""OneID: names of one person, two members that become one, and the way back."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps

from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services import (
    AlreadyUndone,
    IdentityTaken,
    MayNotMerge,
    NotMergeable,
    SamePerson,
    claim_identity,
    members_by,
    merge_members,
    note_identities,
    undo_merge,
)
from crm.members.services.merging import _holdings
from crm.orders.models import Order
from crm.orders.services import ingest_orders
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag
from crm.tags.services import set_tag
from guides.org.actors import actor_for
from tasks.cadences.conservation import prove
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.loading import load_3369
from tasks.cadences.models import Cadence, Enrollment
from tasks.followups.models import Task
from tasks.followups.opening import open_due
from tests.factories.crm import make_friend, make_member, make_order, make_staff, order_row
from tests.factories.tasks import hand
from yejibao.core.clock import parse_iso
from yejibao.core.errors import NotFound
from yejibao.core.models import AuditEntry
from yejibao.core.outbox import drain_events
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
SYSTEM = Actor.system()
Kind = MemberIdentity.Kind


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel(NOW)


@pytest.fixture
def pair() -> tuple[Member, Member]:
    """The same man twice: with a card of the till, and with a phone and a friend."""
    guide = make_staff()
    return make_member(owner=guide, name="王建平"), make_member(owner=guide, name="王先生", phone="13800132075")


def names_of(member: Member) -> set[str]:
    return set(MemberIdentity.objects.filter(member=member).values_list("kind", flat=True))


def test_a_name_belongs_to_one_member(pair: tuple[Member, Member]) -> None:
    one, other = pair
    for _ in range(2):
        claim_identity(one, kind=Kind.UNIONID, value="oU1", source="wecom", now=NOW)
    with pytest.raises(IdentityTaken):
        claim_identity(other, kind=Kind.UNIONID, value="oU1", source="wecom", now=NOW)
    assert members_by(Kind.UNIONID, ["oU1", "oU2", ""]) == {"oU1": one.pk}


def test_the_till_notes_the_names_of_new_members_and_the_first_keeps_a_shared_phone() -> None:
    store = make_staff().store
    rows = [
        order_row("N1", store=store.code, member={"member_no": "C1", "name": "王建平", "phone": "13800132075"}),  # type: ignore[union-attr]
        order_row("N2", store=store.code, member={"member_no": "C2", "name": "王太太", "phone": "13800132075"}),  # type: ignore[union-attr]
    ]
    ingest_orders(rows, source="till", now=NOW)
    first = Member.objects.get(member_no="C1")
    assert names_of(first) == {"pos_card", "phone"}
    assert names_of(Member.objects.get(member_no="C2")) == {"pos_card"}


def test_everything_of_the_gone_one_goes_over_and_comes_back(pair: tuple[Member, Member]) -> None:
    kept, gone = pair
    make_order(kept, paid_at="2026-02-01 15:00")
    moved = make_order(gone, paid_at="2026-02-10 15:00")
    link = make_friend(gone, kept.owner_guide)
    note_identities([kept.pk, gone.pk], now=NOW)
    merge = merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="同一位", now=NOW)
    kept.refresh_from_db()
    gone.refresh_from_db()
    assert (gone.status, gone.merged_into_id, kept.phone) == ("merged", kept.pk, "13800132075")
    assert names_of(kept) == {"pos_card", "phone", "external_user_id"}
    assert MemberIdentity.objects.filter(member=gone).count() == 0
    assert set(Order.objects.values_list("member_id", flat=True)) == {kept.pk}
    assert merge.moved["crm_order"] == [moved.pk]
    assert merge.moved["crm_friendlink"] == [link.pk]
    drain_events()
    kept.refresh_from_db()
    assert kept.purchase_count == 2

    late = make_order(kept, paid_at="2026-03-01 15:00")
    undo_merge(merge, actor=SYSTEM, reason="看错了", now=NOW + timedelta(days=1))
    drain_events()
    kept.refresh_from_db()
    gone.refresh_from_db()
    assert (gone.status, gone.merged_into_id, kept.phone, kept.phone_index) == ("active", None, "", "")
    assert (kept.purchase_count, gone.purchase_count) == (2, 1)
    assert set(Order.objects.filter(member=kept).values_list("pk", flat=True)) >= {late.pk}
    assert FriendLink.objects.get().member_id == gone.pk
    assert names_of(gone) == {"pos_card", "phone", "external_user_id"}
    acts = list(AuditEntry.objects.order_by("pk").values_list("action", "reason"))
    assert acts == [("member.merged", "同一位"), ("member.unmerged", "看错了")]
    with pytest.raises(AlreadyUndone):
        undo_merge(merge, actor=SYSTEM, reason="", now=NOW)


def test_orders_with_the_old_card_or_phone_reach_the_kept_one(pair: tuple[Member, Member]) -> None:
    kept, gone = pair
    store = kept.owner_guide.store  # type: ignore[union-attr]
    Member.objects.filter(pk=kept.pk).update(phone="", phone_index="")
    merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="同一位", now=NOW)
    Member.objects.filter(pk=kept.pk).update(phone="", phone_index="")  # even where his own columns say nothing
    rows = [
        order_row("N1", store=store.code, member={"member_no": gone.member_no}),  # type: ignore[union-attr]
        order_row("N2", store=store.code, member={"phone": "13800132075"}),  # type: ignore[union-attr]
    ]
    assert [one.result for one in ingest_orders(rows, source="till", now=NOW)] == ["created", "created"]
    assert set(Order.objects.values_list("member_id", flat=True)) == {kept.pk}


def test_the_stricter_wish_holds_and_goes_back(pair: tuple[Member, Member]) -> None:
    kept, gone = pair
    Member.objects.filter(pk=kept.pk).update(marketing_opt_out=["sms"])
    Member.objects.filter(pk=gone.pk).update(do_not_contact=True, marketing_opt_out=["sms", "wecom_message"])
    merge = merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="", now=NOW)
    kept.refresh_from_db()
    assert (kept.do_not_contact, kept.marketing_opt_out) == (True, ["sms", "wecom_message"])
    undo_merge(merge, actor=SYSTEM, reason="", now=NOW)
    kept.refresh_from_db()
    assert (kept.do_not_contact, kept.marketing_opt_out) == (False, ["sms"])


def test_of_two_running_cycles_the_older_ends_and_nothing_is_lost(pair: tuple[Member, Member]) -> None:
    load_3369(now=NOW)
    kept, gone = pair
    old = make_order(kept, paid_at="2026-02-01 15:00", guide=kept.owner_guide)
    same_day = make_order(gone, paid_at="2026-02-01 16:00", guide=kept.owner_guide)
    new = make_order(gone, paid_at="2026-03-01 15:00", guide=kept.owner_guide)
    for order in (old, same_day, new):
        enroll_orders([order.pk], now=NOW)
    merge = merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="", now=NOW)
    state = {one.anchor_order_id: (one.member_id, one.status) for one in Enrollment.objects.all()}
    # the gone one's February cycle had been superseded by his own March one: of one date with the kept one's, it stays behind
    assert state == {
        old.pk: (kept.pk, "superseded"), same_day.pk: (gone.pk, "superseded"), new.pk: (kept.pk, "active"),
    }  # fmt: skip
    assert prove(cadence_id=Cadence.objects.get().pk).missing == 0
    undo_merge(merge, actor=SYSTEM, reason="", now=NOW + timedelta(hours=1))
    state = {one.anchor_order_id: (one.member_id, one.status) for one in Enrollment.objects.all()}
    assert state == {  # the kept one's goes on; what the gone one's own purchase had ended stays ended
        old.pk: (kept.pk, "active"), same_day.pk: (gone.pk, "superseded"), new.pk: (gone.pk, "active"),
    }  # fmt: skip
    assert prove(cadence_id=Cadence.objects.get().pk).missing == 0


def test_a_step_that_was_open_is_open_again_when_the_merge_is_undone(pair: tuple[Member, Member]) -> None:
    load_3369(now=NOW)
    kept, gone = pair
    for member in pair:
        make_friend(member, external_user_id=f"wm{member.pk}")
    old = make_order(kept, paid_at="2026-02-27 15:00", guide=kept.owner_guide)
    enroll_orders([old.pk], now=NOW)
    open_due(now=NOW, batch=100, budget=timedelta(seconds=5))
    task = Task.objects.get(node="d3")
    before = hand(Enrollment.objects.get())
    new = make_order(gone, paid_at="2026-03-01 15:00", guide=kept.owner_guide)
    enroll_orders([new.pk], now=NOW)
    at = NOW + timedelta(hours=1)
    merge = merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="", now=at)
    task.refresh_from_db()
    assert task.state == "superseded"
    undo_merge(merge, actor=SYSTEM, reason="", now=at + timedelta(hours=1))
    task.refresh_from_db()
    cycle = Enrollment.objects.get(anchor_order=old)
    assert (task.state, task.closed_at, cycle.status, hand(cycle)[0]) == ("open", None, "active", before[0])
    open_due(now=at + timedelta(hours=1), batch=100, budget=timedelta(seconds=5))
    cycle.refresh_from_db()
    assert hand(cycle) == before
    assert prove(cadence_id=Cadence.objects.get().pk).missing == 0


def test_a_purchase_since_the_merge_stands(pair: tuple[Member, Member]) -> None:
    load_3369(now=NOW)
    kept, gone = pair
    old = make_order(kept, paid_at="2026-02-20 15:00", guide=kept.owner_guide)
    new = make_order(gone, paid_at="2026-02-25 15:00", guide=kept.owner_guide)
    enroll_orders([old.pk, new.pk], now=NOW)
    merge = merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="", now=NOW)
    later = NOW + timedelta(hours=3)
    latest = make_order(kept, paid_at=later, guide=kept.owner_guide)
    enroll_orders([latest.pk], now=later)
    undo_merge(merge, actor=SYSTEM, reason="", now=later)
    assert dict(Enrollment.objects.values_list("anchor_order", "status")) == {
        old.pk: "superseded", new.pk: "superseded", latest.pk: "active",
    }  # fmt: skip
    assert prove(cadence_id=Cadence.objects.get().pk).missing == 0


def test_of_one_tag_of_both_the_better_source_counts(pair: tuple[Member, Member]) -> None:
    load_tags(now=NOW)
    kept, gone = pair
    set_tag(kept, "size_top", "175/92A", source="POS", actor=SYSTEM, at=NOW)
    set_tag(gone, "size_top", "180/96A", source="GUIDE", actor=SYSTEM, at=NOW)
    set_tag(gone, "hobby", "茶", source="GUIDE", actor=SYSTEM, at=NOW)
    merge = merge_members(kept=kept, gone=gone, actor=SYSTEM, reason="", now=NOW)

    def counting(member: Member) -> dict[str, list[str]]:
        return dict(MemberTag.objects.filter(member=member, is_effective=True).values_list("tag__key", "values"))

    assert counting(kept) == {"size_top": ["180/96A"], "hobby": ["茶"]}
    undo_merge(merge, actor=SYSTEM, reason="", now=NOW)
    assert (counting(kept), counting(gone)) == ({"size_top": ["175/92A"]}, {"size_top": ["180/96A"], "hobby": ["茶"]})


def test_who_may_not_and_what_cannot_be_merged(pair: tuple[Member, Member]) -> None:
    kept, gone = pair
    guide = kept.owner_guide
    assert guide is not None
    with pytest.raises(SamePerson):
        merge_members(kept=kept, gone=kept, actor=SYSTEM, reason="", now=NOW)
    with pytest.raises(MayNotMerge):
        merge_members(kept=kept, gone=gone, actor=actor_for(guide), reason="", now=NOW)
    with pytest.raises(NotFound):  # the manager of another store
        merge_members(kept=kept, gone=gone, actor=actor_for(make_staff("store_manager")), reason="", now=NOW)
    merge_members(
        kept=kept, gone=gone, actor=actor_for(make_staff("store_manager", store=guide.store)), reason="", now=NOW
    )
    with pytest.raises(NotMergeable):
        merge_members(kept=kept, gone=Member.objects.get(pk=gone.pk), actor=SYSTEM, reason="", now=NOW)


def test_every_table_of_a_member_says_whether_its_rows_go_over() -> None:
    left = {"crm_linkreview", "crm_membermerge", "crm_member"}  # records of the very act, and the pointer itself
    left |= {"crm_pointsaccount"}  # a sum of rows that go over; it follows them (crm/benefits, settle_merged)
    left |= {"crm_surveyrefusal"}  # its key is the member; the kept one refuses as well (crm/surveys, carry_refusal)
    found = {
        model._meta.db_table
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if getattr(field, "related_model", None) is Member and getattr(field, "concrete", False)
    }
    assert found - left == set(_holdings)
