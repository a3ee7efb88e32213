"""Goods with sizes, and members with points, a card and a coupon, for tests of what is sold."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from crm.benefits.models import Coupon, CouponBatch, CouponTemplate
from crm.benefits.services import OrderFacts, settle_orders
from crm.catalogue.models import Sku
from crm.catalogue.stock_models import StockLevel
from crm.members.models import Member
from crm.wallet.services import open_wallet
from crm.wallet.services.moving import credit
from guides.org.models import OrgUnit, Store
from tests.factories.crm import make_style
from yejibao.core import clock
from yejibao.core.scope import Actor

_serial = count(1)
SYSTEM = Actor.system("tests")


def make_sku(
    price_fen: int = 69800, *, size: str = "175/92A", store: Store | None = None, pieces: int = 5, **facts: Any
) -> Sku:
    """Return a size of a new style-colour at a tag price; with `store` so many lie there."""
    number = next(_serial)
    style = make_style(f"26T{number:04}-NV", price_fen=price_fen, **facts)
    sku = Sku.objects.create(code=f"{style.sku_code}-{size}", style=style, size=size)
    if store is not None:
        StockLevel.objects.create(
            store=store, style=style, size=size, quantity=pieces, as_of=clock.now() - timedelta(days=1), source="feed"
        )
    return sku


def give_points(member: Member, points: int, *, now: datetime | None = None) -> None:
    """Let a member have points he may use now."""
    now = now or clock.now()
    fact = OrderFacts(
        subject=f"order:9{next(_serial):06}", member_id=member.pk, paid_on=clock.local_day(now), net_fen=points * 100, rate_tenths=10,
        level="V1", is_member_day=False, usable_from=now - timedelta(days=1),
    )  # fmt: skip
    settle_orders([fact], now=now)


def give_card(member: Member, principal_fen: int, gift_fen: int = 0, *, now: datetime | None = None) -> None:
    """Let a member have stored value."""
    now = now or clock.now()
    card = open_wallet(member, actor=SYSTEM, now=now)
    credit(
        card, principal_fen=principal_fen, gift_fen=gift_fen, cash="cash_counter", key=f"card:{next(_serial)}", subject="top_up:0",
        actor=SYSTEM, now=now,
    )  # fmt: skip


def give_coupon(
    member: Member, amount_fen: int = 10000, *, threshold_fen: int = 0, now: datetime | None = None, **terms: Any
) -> Coupon:
    """Let a member have a coupon that holds for a month."""
    now = now or clock.now()
    unit = OrgUnit.objects.filter(level="hq").first() or member.main_store.unit  # type: ignore[union-attr]
    facts = {"kind": "amount", "amount_fen": amount_fen, "threshold_fen": threshold_fen, "valid_days": 30} | terms
    template = CouponTemplate.objects.create(name="满减券", unit=unit, made_at=now, **facts)
    number = next(_serial)
    batch = CouponBatch.objects.create(
        template=template, unit=unit, name=f"测试券{number}", state="running", ways=["guide"], stock_count=100, taken_count=1,
        opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=30), made_at=now,
    )  # fmt: skip
    return Coupon.objects.create(
        code=f"C{number:012}", batch=batch, member=member, nth=1, key="t", way="guide", bearer_unit=unit, issued_at=now,
        valid_from=now - timedelta(days=1), valid_until=now + timedelta(days=30),
    )  # fmt: skip
