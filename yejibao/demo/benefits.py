"""Coupons of the demo: batches that run, one that waits for a second person, coupons in members' hands, birthdays to come."""

from contextlib import suppress
from datetime import datetime, timedelta

from crm.benefits.models import CouponBatch
from crm.benefits.services import (
    Plan,
    Terms,
    ask_batch,
    claim,
    exchange,
    expire_due,
    give_birthday_coupons,
    hand_out,
    issue,
    make_template,
    prove_points,
    set_quota,
)
from crm.members.models import Member
from guides.approvals.models import Approval
from guides.approvals.services import approve
from guides.org.actors import actor_for
from guides.org.models import OrgUnit, Staff
from yejibao.core import clock
from yejibao.core.errors import DomainError
from yejibao.core.scope import Actor

NEWCOMER = "linxiaowen"  # whose day a newcomer plays
# name, terms, plan: what a men's brand gives in autumn
SHELF = (
    (Terms(name="秋冬大衣满 2000 减 200", kind="amount", amount_fen=20_000, threshold_fen=200_000, valid_days=30, categories=["大衣", "羽绒"]),
     {"ways": ["guide", "audience"], "stock_count": 3000, "guide_limit": 20}),
    (Terms(name="老友回店满 500 减 100", kind="amount", amount_fen=10_000, threshold_fen=50_000, valid_days=21),
     {"ways": ["guide", "claim"], "stock_count": 5000, "guide_limit": 30, "bearer": "branch"}),
    (Terms(name="衬衫 85 折", kind="percent", percent_off=15, cap_fen=30_000, valid_days=14, categories=["衬衫"], excludes_promoted=True),
     {"ways": ["claim"], "stock_count": 800}),
    (Terms(name="金卡专享满 1000 减 180", kind="amount", amount_fen=18_000, threshold_fen=100_000, valid_days=60, member_levels=["V3", "V4", "V5"]),
     {"ways": ["audience", "guide"], "stock_count": 1200, "guide_limit": 10}),
    (Terms(name="积分换 50 元券", kind="amount", amount_fen=5_000, threshold_fen=10_000, valid_days=90),
     {"ways": ["points"], "stock_count": 2000, "points_price": 4000, "per_member": 3}),
)  # fmt: skip


def build(*, now: datetime) -> None:
    """Build it up to now; what the rules refuse is simply not there."""
    maker, second = _holder("hq_operator"), _holder("hq_crm")
    if maker is None or second is None:
        return
    began = now - timedelta(days=12)
    batches = [_started(terms, facts, maker, second, began) for terms, facts in SHELF]
    coats, friends, shirts, gold, points = batches
    for branch in OrgUnit.objects.filter(level=OrgUnit.Level.BRANCH).order_by("pk")[:3]:
        set_quota(coats, limit=800, unit=branch, actor=actor_for(maker), now=began)
    _wait(maker, now)
    system = Actor.system()
    members = Member.objects.filter(status=Member.Status.ACTIVE, is_test=False)
    best = members.filter(member_level__in=["V3", "V4", "V5"]).order_by("pk").values_list("pk", flat=True)
    issue(gold, best[:300], issuer=maker, actor=system, now=now - timedelta(days=2), key="demo")
    _given(friends, coats, shirts, now)
    for one in members.filter(points_account__left_points__gte=5_000).order_by("-points_account__left_points")[:12]:
        with suppress(DomainError):
            exchange(points, one, key="demo", now=now, actor=system)
    give_birthday_coupons(now=now)
    expire_due(now=now)
    prove_points(now=now)


def _started(terms: Terms, facts: dict[str, object], maker: Staff, second: Staff, at: datetime) -> CouponBatch:
    plan = Plan(**{"name": terms.name, "opens_at": at, "closes_at": at + timedelta(days=75)} | facts)  # type: ignore[arg-type]
    template = make_template(terms, actor=actor_for(maker), now=at)
    batch = ask_batch(template, plan, parent=None, reason="秋冬带老客回店", actor=actor_for(maker), now=at)
    approve(Approval.objects.get(kind="coupon.batch", key=f"batch:{batch.pk}"), actor=actor_for(second), now=at)
    return CouponBatch.objects.select_related("template", "unit").get(pk=batch.pk)


def _wait(maker: Staff, now: datetime) -> None:
    """One that nobody has agreed to yet: something for 审批."""
    terms = Terms(name="双旦满 3000 减 400", kind="amount", amount_fen=40_000, threshold_fen=300_000, valid_days=45)
    plan = Plan(
        name="双旦", ways=["guide", "claim"], stock_count=8000, opens_at=now, closes_at=now + timedelta(days=60)
    )
    template = make_template(terms, actor=actor_for(maker), now=now)
    ask_batch(template, plan, parent=None, reason="双旦档期，预算 320 万以内", actor=actor_for(maker), now=now)


def _given(friends: CouponBatch, coats: CouponBatch, shirts: CouponBatch, now: datetime) -> None:
    """Guides gave some in the chat, members took some: those of the newcomer's guide have most, two end in some days."""
    guides = [
        Staff.objects.filter(wecom_user_id=NEWCOMER).first(),
        *Staff.objects.filter(members__isnull=False).distinct().order_by("pk")[:9],
    ]
    for number, guide in enumerate(one for one in guides if one is not None):
        hers = Member.objects.filter(owner_guide=guide, status="active", is_employee=False).order_by(
            "tier_631_rank", "pk"
        )
        for place, member in enumerate(hers[: 8 if number == 0 else 3]):
            at = now - timedelta(days=19 - place if place < 2 else place)
            batch = friends if place % 2 == 0 else coats
            with suppress(DomainError):
                at = max(at, batch.opens_at)
                hand_out(batch, member, guide=guide, key=f"demo-{number}", actor=actor_for(guide), now=at)
            if place % 3 == 0:
                with suppress(DomainError):
                    claim(shirts, member, key="demo", now=now - timedelta(days=1))


def _holder(role: str) -> Staff | None:
    return Staff.objects.employed().holding(role, day=clock.today()).order_by("pk").first()
