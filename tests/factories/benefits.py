"""Coupons and batches for tests, through the ORM; points come from orders or from `give_points`."""

from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

from crm.benefits.models import Coupon, CouponBatch, CouponTemplate
from crm.benefits.services import OrderFacts, settle_orders, take_one
from crm.members.models import Member
from guides.org.models import OrgUnit
from yejibao.core import clock

_serial = count(1)


def make_template(name: str = "满 500 减 100", **facts: Any) -> CouponTemplate:
    """Return a template of 100 yuan off 500, valid 30 days from the day it is given, unless `facts` say otherwise."""
    if facts.get("percent_off"):
        facts = {"kind": "percent", "amount_fen": None, "cap_fen": 20_000} | facts
    else:
        facts = {"kind": "amount", "amount_fen": 10_000, "threshold_fen": 50_000} | facts
    if "ends_on" in facts:
        facts = {"validity": "fixed", "valid_days": None} | facts
    facts = {"validity": "days", "valid_days": 30, "made_at": clock.now()} | facts
    unit = facts.pop("unit", None) or house()
    return CouponTemplate.objects.create(name=name, unit=unit, **facts)


def make_batch(template: CouponTemplate | None = None, *, stock: int | None = 100, **facts: Any) -> CouponBatch:
    """Return a batch that runs: of the house itself, for every way, open from a year ago for two years."""
    now = clock.now()
    facts = {
        "name": f"批次 {next(_serial)}", "state": "running", "ways": ["guide", "claim", "audience", "points", "birthday"],
        "opens_at": now - timedelta(days=365), "closes_at": now + timedelta(days=365), "made_at": now, "started_at": now,
    } | facts  # fmt: skip
    template = template or make_template()
    unit = facts.pop("unit", None) or template.unit
    return CouponBatch.objects.create(template=template, unit=unit, stock_count=stock, **facts)


def make_coupon(member: Member, batch: CouponBatch | None = None, *, now: datetime | None = None) -> Coupon:
    """Return a coupon the member claimed."""
    key = f"made-{next(_serial)}"
    return take_one(batch or make_batch(), member, way=Coupon.Way.CLAIM, issuer=None, key=key, now=now or clock.now())


def give_points(
    member: Member, points: int, *, on: date | None = None, subject: str = "", usable_at: datetime | None = None
) -> str:
    """Let a member earn points with an order that no longer can be returned; return its subject."""
    now = clock.now()
    subject = subject or f"order:{next(_serial) + 10**9}"
    fact = OrderFacts(
        subject=subject,
        member_id=member.pk,
        paid_on=on or clock.local_day(now),
        net_fen=points * 100,
        rate_tenths=10,
        level="V1",
        is_member_day=False,
        usable_from=usable_at or now - timedelta(days=1),
    )
    settle_orders([fact], now=now)
    return subject


def house() -> OrgUnit:
    """Return the unit of HQ, made where there is none."""
    unit = OrgUnit.objects.filter(level=OrgUnit.Level.HQ).first()
    if unit is None:
        unit = OrgUnit.objects.create(level=OrgUnit.Level.HQ, code="HQ", name="总部")
        OrgUnit.objects.filter(pk=unit.pk).update(path=f"{unit.pk}/")
        unit.refresh_from_db()
    return unit
