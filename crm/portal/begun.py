"""What a member buys on his own phone is kept for him while he pays: two buyers never pay for the same last piece."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale, SaleLine
from crm.orders.checkout.queries import lines_of
from yejibao.core import tunables
from yejibao.core.scope import Actor

KEPT_MINUTES = tunables.number(
    "scanned-kept-minutes", group="货品", name="会员在手机上自己买的，付款前留几分钟", unit="分钟", default=30, least=5, most=120,
    why="扫码买一件、照穿搭买一套都算。这么久没付就放回货架，别人能买；店里人多、货少时调短",
)  # fmt: skip
State = Sale.State


def kept_until(now: datetime) -> datetime:
    """Return until when what he begins to buy now is kept for him."""
    return now + timedelta(minutes=KEPT_MINUTES.at(now))


def offer_and_keep(sale: Sale, *, actor: Actor, now: datetime) -> Sale:
    """Let him pay what he put together, and keep every piece of it until then. Raises OutOfStock: then nothing is kept."""
    until = kept_until(now)
    sale = checkout.offer_to_member(sale, actor=actor, now=now, until=until)
    house = Actor.system("own-phone")  # a guide keeps pieces for others; for himself it is the house that does
    checkout.keep_pieces(sale, until=until, key=checkout.subject_of(sale), actor=house, now=now)
    return sale


def open_sales(member: Member, *, now: datetime, **sku: Any) -> QuerySet[Sale]:
    """Return what a member has begun to buy in his store and has not paid, of nothing but such sizes: the newest first."""
    lines = SaleLine.objects.filter(sale=OuterRef("pk"), is_gift=False)
    begun = Sale.objects.filter(
        channel=Sale.Channel.MALL, store=member.main_store_id, member=member, state__in=(State.AWAITING_MEMBER, State.AWAITING_PAYMENT),
        expires_at__gt=now,
    )  # fmt: skip
    wanted = Q(**{f"sku__{name}": value for name, value in sku.items()})
    return begun.filter(Exists(lines.filter(wanted)), ~Exists(lines.exclude(wanted))).order_by("-pk")


def begun_with(member: Member, skus: Collection[str], *, now: datetime) -> Sale | None:
    """Return what he has begun to buy of some styles and has not paid: the newest sale, once and for all of them or some."""
    return open_sales(member, now=now, style__sku_code__in=skus).first()


def styles_in(sale: Sale) -> set[str]:
    return {line.sku.style.sku_code for line in lines_of(sale) if not line.is_gift}
