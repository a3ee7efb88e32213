"""Batches: two people, HQ's and a branch's shares, stopped by whoever makes them."""

from datetime import timedelta
from typing import Any

import pytest

from crm.benefits.models import CouponBatch, CouponQuota
from crm.benefits.services import NotGiven, Plan, Terms, ask_batch, claim, hand_out, set_quota, stop_batch
from crm.benefits.services import make_template as write_template
from crm.benefits.services.batches import NotYourUnit, QuotaShort
from crm.members.models import Member
from guides.approvals.models import Approval
from guides.approvals.services import OwnRequest, approve, refuse
from tests.factories.benefits import make_batch, make_template
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, make_staff
from yejibao.core.errors import Invalid

from .conftest import NOW

pytestmark = pytest.mark.django_db
TERMS = Terms(name="秋冬满 2000 减 200", kind="amount", amount_fen=20_000, threshold_fen=200_000, valid_days=30)
PLAN = Plan(name="秋冬", ways=["guide"], stock_count=1000, opens_at=NOW, closes_at=NOW + timedelta(days=30))


def asked(org: Org, plan: Plan = PLAN, **more: Any) -> tuple[CouponBatch, Approval]:
    maker = more.pop("maker", None) or make_staff("hq_operator", unit=org.hq)
    template = more.pop("template", None) or make_template(unit=org.hq)
    batch = ask_batch(template, plan, parent=more.pop("parent", None), reason="上新", actor=actor(maker), now=NOW)
    return batch, Approval.objects.get(kind="coupon.batch", key=f"batch:{batch.pk}")


def test_a_batch_runs_when_a_second_person_has_agreed(org: Org) -> None:
    batch, approval = asked(org)
    with pytest.raises(OwnRequest):
        approve(approval, actor=actor(approval.asked_by), now=NOW)
    batch.refresh_from_db()
    assert batch.state == "asked"
    second = make_staff("hq_crm", unit=org.hq)
    approve(approval, actor=actor(second), now=NOW)
    batch.refresh_from_db()
    assert (batch.state, batch.started_by) == ("running", second)


def test_a_refused_batch_gives_nothing(org: Org, member: Member) -> None:
    batch, approval = asked(org, Plan(**PLAN.__dict__ | {"ways": ["claim"]}))
    refuse(approval, actor=actor(make_staff("hq_crm", unit=org.hq)), now=NOW, answer="太多了")
    with pytest.raises(NotGiven):
        claim(batch, member, key="a", now=NOW)


def test_a_branch_cuts_its_batch_out_of_hqs_within_its_share(org: Org) -> None:
    template = make_template(unit=org.hq)
    parent = make_batch(template, stock=500, unit=org.hq)
    set_quota(parent, limit=300, unit=org.branch, actor=actor(make_staff("hq_operator", unit=org.hq)), now=NOW)
    maker, boss = make_staff("branch_member_manager", unit=org.branch), make_staff("branch_manager", unit=org.branch)
    small = Plan(**PLAN.__dict__ | {"stock_count": 200})
    with pytest.raises(QuotaShort):
        asked(org, PLAN, maker=maker, template=template, parent=parent)
    first, approval = asked(org, small, maker=maker, template=template, parent=parent)
    _second, again = asked(org, small, maker=maker, template=template, parent=parent)
    approve(approval, actor=actor(boss), now=NOW)
    parent.refresh_from_db()
    assert parent.taken_count == 200
    with pytest.raises(QuotaShort):  # 100 are left by now
        approve(again, actor=actor(boss), now=NOW)
    first.refresh_from_db()
    stop_batch(first, reason="不发了", actor=actor(maker), now=NOW)
    parent.refresh_from_db()
    assert (parent.taken_count, parent.quotas.get(unit=org.branch).used_count) == (0, 0)


def test_shares_and_stopping_are_for_who_makes_batches_there(org: Org) -> None:
    batch = make_batch(unit=org.hq)
    branch = actor(make_staff("branch_member_manager", unit=org.branch))
    for act in (
        lambda: stop_batch(batch, reason="不发了", actor=branch, now=NOW),
        lambda: set_quota(batch, limit=5, unit=org.branch, actor=branch, now=NOW),
    ):
        with pytest.raises(NotYourUnit):
            act()
    operator = actor(make_staff("hq_operator", unit=org.hq))
    hand_out(batch, make_member(owner=org.guide), guide=org.guide, key="a", actor=actor(org.guide), now=NOW)
    quota = set_quota(batch, limit=5, staff=org.guide, actor=operator, now=NOW)
    CouponQuota.objects.filter(pk=quota.pk).update(used_count=3)
    with pytest.raises(Invalid):
        set_quota(batch, limit=2, staff=org.guide, actor=operator, now=NOW)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"name": " "}, "name"), ({"amount_fen": 0}, "amount_fen"), ({"threshold_fen": 100}, "threshold_fen"),
        ({"valid_days": None}, "valid_days"), ({"kind": "percent", "amount_fen": None, "percent_off": 15}, "cap_fen"),
    ],
)  # fmt: skip
def test_a_template_that_makes_no_sense_is_refused(org: Org, facts: dict[str, Any], field: str) -> None:
    operator = actor(make_staff("hq_operator", unit=org.hq))
    with pytest.raises(Invalid) as refusal:
        write_template(Terms(**TERMS.__dict__ | facts), actor=operator, now=NOW)
    assert refusal.value.errors[0]["field"] == field
    assert write_template(TERMS, actor=operator, now=NOW).valid_days == 30
