"""How a member comes by a coupon: claimed, given to an audience, by a guide, for points."""

from datetime import date, timedelta
from typing import Any

import pytest

from crm.benefits.models import Coupon, CouponIssue, CouponQuota
from crm.benefits.queries import claimable, giveable, given_today
from crm.benefits.services import (
    Conditions,
    DayCap,
    HasOne,
    NotGiven,
    OutOfStock,
    PointsShort,
    QuotaUsed,
    ask_issue,
    claim,
    count_meant,
    exchange,
    go_on_with_issues,
    hand_out,
    issue,
    points_of,
)
from crm.members.models import Member
from tests.factories.benefits import give_points, make_batch, make_template
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, make_staff, make_unit
from yejibao.core import tunables
from yejibao.core.clock import parse_iso

from .conftest import AT, NOW

pytestmark = pytest.mark.django_db


def test_a_claim_takes_one_of_the_stock_and_the_same_key_gets_the_same_coupon(member: Member) -> None:
    batch = make_batch(stock=2)
    first = claim(batch, member, key="a", now=NOW)
    assert claim(batch, member, key="a", now=NOW).pk == first.pk
    assert (first.way, first.valid_from, first.valid_until) == ("claim", NOW, parse_iso("2025-07-10 00:00"))
    with pytest.raises(HasOne):
        claim(batch, member, key="b", now=NOW)
    claim(batch, make_member(), key="a", now=NOW)
    with pytest.raises(OutOfStock) as refusal:
        claim(batch, make_member(), key="a", now=NOW)
    batch.refresh_from_db()
    assert (batch.taken_count, refusal.value.code) == (2, "coupon.quota")


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "stopped"}, {"ways": ["guide"]}, {"opens_at": NOW + timedelta(hours=1)}, {"closes_at": NOW},
        {"template": {"member_levels": ["V4"]}}, {"template": {"starts_on": date(2025, 5, 1), "ends_on": date(2025, 6, 9)}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_open_to_him_cannot_be_claimed(member: Member, facts: dict[str, Any]) -> None:
    template = make_template(**facts.pop("template", {}))
    with pytest.raises(NotGiven):
        claim(make_batch(template, **facts), member, key="a", now=NOW)


def test_a_member_sees_what_he_may_claim(member: Member) -> None:
    open_to_him, mine = make_batch(), make_batch()
    make_batch(make_template(member_levels=["V5"]))
    make_batch(stock=1, taken_count=1)
    claim(mine, member, key="a", now=NOW)
    assert claimable(member, now=NOW) == [open_to_him]


# ---------------------------------------------------------------- audiences


def test_an_audience_gets_one_each_with_the_same_statements_for_any_number(
    org: Org, django_assert_num_queries: Any
) -> None:
    batch = make_batch(stock=None)
    for count in (2, 40):
        people = [make_member(store=org.store) for _ in range(count)]
        with django_assert_num_queries(7):
            assert issue(batch, [one.pk for one in people], issuer=None, key=f"k{count}", **AT) == count
    assert issue(batch, [one.pk for one in people], issuer=None, key="again", **AT) == 0
    batch.refresh_from_db()
    assert batch.taken_count == 42 == Coupon.objects.filter(batch=batch).count()


def test_an_audience_larger_than_the_stock_gets_nothing(org: Org) -> None:
    batch = make_batch(stock=2)
    with pytest.raises(OutOfStock):
        issue(batch, [make_member(store=org.store).pk for _ in range(3)], issuer=None, key="a", **AT)
    assert not Coupon.objects.exists()


def test_hq_gives_to_whom_the_conditions_name_and_a_branch_to_its_own(org: Org) -> None:
    operator, branch = make_staff("hq_operator", unit=org.hq), make_staff("branch_member_manager", unit=org.branch)
    gold = [make_member(store=org.store, member_level="V3") for _ in range(3)]
    make_member(store=org.store)
    elsewhere = make_member(store=make_staff(unit=make_unit("branch", parent=org.hq)).store, member_level="V3")
    batch, wanted = make_batch(), Conditions(levels=["V3"])
    assert count_meant(wanted, actor=actor(operator)) == 4
    assert count_meant(wanted, actor=actor(branch)) == 3
    row = ask_issue(batch, wanted, actor=actor(branch), now=NOW)
    assert go_on_with_issues(now=NOW) == {"coupons_issued": 3}
    assert go_on_with_issues(now=NOW) == {"coupons_issued": 0}
    row.refresh_from_db()
    assert (row.state, row.given_count) == (CouponIssue.State.DONE, 3)
    assert {one.member for one in Coupon.objects.filter(batch=batch)} == set(gold)
    assert elsewhere not in {one.member for one in Coupon.objects.all()}


# ---------------------------------------------------------------- by a guide


def test_a_guide_gives_within_her_share_her_stores_and_the_day(org: Org, member: Member) -> None:
    batch = make_batch(guide_limit=2)
    CouponQuota.objects.create(batch=batch, unit=org.store.unit, limit_count=3)
    give: dict[str, Any] = {"guide": org.guide, "actor": actor(org.guide), "now": NOW}
    first = hand_out(batch, member, key="a", **give)
    assert hand_out(batch, member, key="a", **give).pk == first.pk
    assert (first.issuer, first.way, first.bearer_unit) == (org.guide, "guide", org.hq)
    assert giveable(org.guide, now=NOW) == [(batch, 1)]
    hand_out(batch, make_member(owner=org.guide), key="b", **give)
    with pytest.raises(QuotaUsed):
        hand_out(batch, make_member(owner=org.guide), key="c", **give)
    hers = give | {"guide": org.manager, "actor": actor(org.manager)}
    hand_out(batch, make_member(owner=org.manager), key="d", **hers)
    with pytest.raises(QuotaUsed):  # the store's three are gone
        hand_out(batch, make_member(owner=org.manager), key="e", **hers)
    assert given_today(org.guide, day=date(2025, 6, 10)) == 2
    assert giveable(org.guide, now=NOW) == []


def test_a_day_has_an_end_for_a_guide_and_her_own_card_gets_nothing(org: Org, monkeypatch: Any) -> None:
    monkeypatch.setattr(tunables.Tunable, "at", lambda *_: 2)
    give: dict[str, Any] = {"guide": org.guide, "actor": actor(org.guide), "now": NOW, "key": "a"}
    for _ in range(2):
        hand_out(make_batch(), make_member(owner=org.guide), **give)
    with pytest.raises(DayCap):
        hand_out(make_batch(), make_member(owner=org.guide), **give)
    with pytest.raises(NotGiven):
        hand_out(make_batch(), make_member(owner=org.guide, is_employee=True), **give)


def test_a_coupon_of_a_store_is_borne_by_the_store_that_gave_it(org: Org, member: Member) -> None:
    batch = make_batch(bearer="store")
    given = hand_out(batch, member, guide=org.stranger, key="a", actor=actor(org.stranger), now=NOW)
    assert given.bearer_unit == org.other_store.unit


# ---------------------------------------------------------------- points for a coupon


def test_points_are_exchanged_for_a_coupon_or_neither_happens(member: Member) -> None:
    give_points(member, 700)
    batch = make_batch(points_price=300, per_member=5, stock=2)
    got = exchange(batch, member, key="a", **AT)
    assert exchange(batch, member, key="a", **AT).pk == got.pk
    exchange(batch, member, key="b", **AT)
    with pytest.raises(PointsShort):
        exchange(batch, member, key="c", **AT)
    assert points_of(member, now=NOW).usable == 100
    give_points(member, 900)
    with pytest.raises(OutOfStock):
        exchange(batch, member, key="d", **AT)
    assert points_of(member, now=NOW).usable == 1000
