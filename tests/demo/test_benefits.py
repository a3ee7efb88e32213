"""The demo's coupons and points are there, and add up."""

from typing import Any

import pytest

from crm.benefits.models import Coupon, CouponBatch, PointsProof
from guides.approvals.models import Approval
from tests.factories.benefits import give_points
from tests.factories.crm import make_member
from tests.factories.guides import make_org, make_staff
from yejibao.core import clock as product_clock
from yejibao.demo import benefits

pytestmark = pytest.mark.django_db


def test_batches_run_one_waits_and_members_hold_coupons(clock: Any) -> None:
    clock.travel("2026-11-21 10:10")
    org = make_org()
    for role in ("hq_operator", "hq_crm"):
        make_staff(role, unit=org.hq)
    members = [make_member(owner=org.guide, member_level="V3") for _ in range(4)]
    give_points(members[0], 9_000)
    benefits.build(now=product_clock.now())
    assert CouponBatch.objects.filter(made_by__isnull=False, state="running").count() == 5
    assert Approval.objects.filter(kind="coupon.batch", state="asked").count() == 1
    assert set(Coupon.objects.values_list("way", flat=True)) == {"guide", "claim", "audience", "points"}
    assert PointsProof.objects.get().is_balanced
