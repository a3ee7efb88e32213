"""What members' pages and the API read of rooms that know nothing of members' pages."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from crm.benefits.models import CouponBatch
from crm.benefits.queries import LevelStanding, Points, level_of, points_of, usable_count
from crm.friends.models import ContactWay
from crm.members.models import Member
from crm.orders.checkout.models import SaleRefund
from crm.orders.models import Order, OrderLine
from crm.wallet.models import Transfer
from crm.wallet.queries import Balance, balance_of
from guides.org.models import Staff
from yejibao.core.scope import Actor

from .places import find_one

NOT_GOODS = (Order.Kind.TOP_UP, Order.Kind.GIFT_CARD)  # stand in the wallet


def own_guide(member: Member) -> Staff | None:
    """Return his own guide where she works in a store."""
    if member.owner_guide_id is None:
        return None
    guides = Staff.objects.employed().select_related("store").defer("phone", "password")
    return guides.filter(pk=member.owner_guide_id, store__isnull=False).first()


def code_of(guide: Staff) -> ContactWay | None:
    """Return the code that adds her as a friend; None until the platform has made it."""
    ways = ContactWay.objects.filter(guide=guide, kind=ContactWay.Kind.GUIDE, state=ContactWay.State.READY)
    return ways.exclude(picture=None).order_by("pk").first()


def orders_of(actor: Actor) -> QuerySet[Order]:
    """Return the member's orders that reached us, with the lines he has of them, the store, and what of a refund he did not get."""
    orders = Order.objects.visible_to(actor).filter(known_at__isnull=False).exclude(kind__in=NOT_GOODS)
    lines = Prefetch("lines", OrderLine.objects.filter(replaced_by=None).order_by("line_no"))
    given_up = SaleRefund.objects.filter(order=OuterRef("pk"), given_up_fen__gt=0).order_by().values("order")
    orders = orders.annotate(given_up_fen=Coalesce(Subquery(given_up.values(fen=Sum("given_up_fen"))), 0))
    return orders.exclude(status=Order.Status.VOID).select_related("store", "sale").prefetch_related(lines)


def batch_for_members(public_id: UUID) -> CouponBatch:
    """Return a batch that members may claim from, or might have. Raises NotFound."""
    return _batch(public_id, ways=[CouponBatch.Way.CLAIM, CouponBatch.Way.WELCOME])


def batch_for_points(public_id: UUID) -> CouponBatch:
    """Return a batch whose coupons are had for points, or were. Raises NotFound."""
    return _batch(public_id, ways=[CouponBatch.Way.POINTS])


def _batch(public_id: UUID, *, ways: list[str]) -> CouponBatch:
    batches = CouponBatch.objects.select_related("template", "unit").filter(ways__overlap=ways)
    shown = (CouponBatch.State.RUNNING, CouponBatch.State.STOPPED)
    return find_one(batches.filter(state__in=shown), public_id, otherwise=_("没有这张券，链接可能不完整。"))


# ---------------------------------------------------------------- stored value

SIGNS = {
    Transfer.Kind.TOP_UP: 1, Transfer.Kind.SPEND_REFUND: 1, Transfer.Kind.SPEND: -1, Transfer.Kind.CARD_REFUND: -1,
}  # fmt: skip


@dataclass(frozen=True)
class WalletLine:
    """A movement as its member reads it: up or down, of what, where."""

    row: Transfer

    @property
    def fen(self) -> int:
        """Return what it did to the balance, principal and gift together."""
        turned = self.row.reverses
        kind = Transfer.Kind(turned.kind if turned else self.row.kind)
        return self.row.total_fen * SIGNS.get(kind, 0) * (-1 if turned else 1)

    @property
    def words(self) -> str:
        turned = self.row.reverses
        said = str(Transfer.Kind(turned.kind if turned else self.row.kind).label)
        return f"{said}已冲回" if turned else said


def wallet_lines(rows: QuerySet[Transfer]) -> QuerySet[Transfer]:
    """Return the movements a member knows of: a card that was replaced moved nothing of his."""
    return rows.exclude(kind=Transfer.Kind.REPLACEMENT).select_related("store", "reverses")


# ---------------------------------------------------------------- all he has, at a glance


@dataclass(frozen=True)
class Card:
    """What stands on top of 会员中心, and what the API says of a member."""

    member: Member
    level: LevelStanding
    balance: Balance
    points: Points
    coupon_count: int
    guide: Staff | None


def card_of(member: Member, *, now: datetime) -> Card:
    """Return a member's card: level, stored value, points, coupons, guide. Five statements."""
    return Card(
        member=member,
        level=level_of(member),
        balance=balance_of(member),
        points=points_of(member, now=now),
        coupon_count=usable_count(member, now=now),
        guide=own_guide(member),
    )
