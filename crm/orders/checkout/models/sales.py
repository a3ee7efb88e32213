"""What is sold: the basket that becomes an order, its steps, its lines and the very pieces of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict

from .exchanges import Exchange

if TYPE_CHECKING:
    from datetime import datetime

    from yejibao.core.scope import Actor


class SaleMoved(Conflict):
    code, title = "sale.moved", _("这一单刚被处理过")


class SaleQuerySet(models.QuerySet["Sale"]):
    def visible_to(self, actor: Actor) -> SaleQuerySet:
        """Sales of the stores one sells or answers for, and one's own."""
        from ..scoped import sale_filter

        return self.filter(sale_filter(actor))

    def with_people(self) -> SaleQuerySet:
        return self.select_related("store", "guide", "member")


class Sale(models.Model):
    """One basket on its way to an order. Amounts are 0 until it is confirmed, and final from then on."""

    class Channel(models.TextChoices):
        TILL = "till", _("门店收银")
        PROXY = "proxy", _("代客下单")
        MALL = "mall", _("商城")
        LIVE = "live", _("直播")

    class State(models.TextChoices):
        DRAFT = "draft", _("开单中")
        AWAITING_MEMBER = "awaiting_member", _("等顾客确认")
        AWAITING_PAYMENT = "awaiting_payment", _("等付款")
        PAID = "paid", _("已付款")
        CLOSED = "closed", _("已关闭")
        REFUNDED = "refunded", _("已全退")

    NEXT: ClassVar[dict[str, set[str]]] = {
        State.DRAFT: {State.AWAITING_MEMBER, State.AWAITING_PAYMENT, State.PAID, State.CLOSED},
        State.AWAITING_MEMBER: {State.AWAITING_PAYMENT, State.PAID, State.CLOSED},
        State.AWAITING_PAYMENT: {State.PAID, State.CLOSED},
        State.PAID: {State.REFUNDED},
    }
    OPEN: ClassVar[tuple[str, ...]] = (State.DRAFT, State.AWAITING_MEMBER, State.AWAITING_PAYMENT)
    SOLD: ClassVar[tuple[str, ...]] = (State.PAID, State.REFUNDED)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.DRAFT)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="sales", db_index=False)
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="sales")
    member = models.ForeignKey("crm.Member", null=True, on_delete=models.PROTECT, related_name="sales")
    # What was chosen. Prices are those of `priced_at`: of the moment while it is a basket, of the offer once it was sent.
    coupon = models.ForeignKey("crm.Coupon", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    points_wanted = models.PositiveIntegerField(default=0)
    wallet_wanted_fen = models.BigIntegerField(null=True, default=0)  # null: as much as goes
    priced_at = models.DateTimeField(null=True)
    # The member showed his code at the counter: that he is there, and that his card may be used.
    member_shown_at = models.DateTimeField(null=True)
    is_delivery = models.BooleanField(default=False)
    note = models.CharField(max_length=255, blank=True)
    # What it came to.
    tag_fen = models.BigIntegerField(default=0)
    item_off_fen = models.BigIntegerField(default=0)
    order_off_fen = models.BigIntegerField(default=0)
    coupon_fen = models.BigIntegerField(default=0)
    points = models.PositiveIntegerField(default=0)
    points_entry_id = models.BigIntegerField(null=True)  # of the points' ledger
    points_fen = models.BigIntegerField(default=0)
    principal_fen = models.BigIntegerField(default=0)
    gift_fen = models.BigIntegerField(default=0)
    paid_fen = models.BigIntegerField(default=0)  # after coupon and points: the amount of the order
    terms = models.JSONField(default=dict)  # on what the discounts depended: queries.terms_of
    refunded_fen = models.BigIntegerField(default=0)
    # What exchanges added to what was paid, or took from it.
    exchanged_fen = models.BigIntegerField(default=0, db_default=0)
    order = models.OneToOneField("crm.Order", null=True, on_delete=models.PROTECT, related_name="sale")
    confirm_key = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    close_reason = models.CharField(max_length=64, blank=True)

    objects = SaleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    tag_fen__gte=0,
                    item_off_fen__gte=0,
                    order_off_fen__gte=0,
                    coupon_fen__gte=0,
                    points_fen__gte=0,
                    principal_fen__gte=0,
                    gift_fen__gte=0,
                    paid_fen__gte=0,
                ),
                name="sale_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    paid_fen=F("tag_fen") - F("item_off_fen") - F("order_off_fen") - F("coupon_fen") - F("points_fen")
                ),
                name="sale_parts_make_the_whole",
            ),
            models.CheckConstraint(
                condition=Q(paid_fen__gte=F("principal_fen") + F("gift_fen")), name="sale_card_pays_no_more"
            ),
            models.CheckConstraint(
                condition=Q(refunded_fen__gte=0, refunded_fen__lte=F("paid_fen") + F("exchanged_fen")),
                name="sale_refunds_within_paid",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("paid", "refunded"), paid_at__isnull=False, order__isnull=False)
                | Q(state__in=("draft", "awaiting_member", "awaiting_payment", "closed"), paid_at=None, order=None),
                name="sale_paid_has_its_order",
            ),
            models.CheckConstraint(
                condition=~Q(state="closed") | Q(closed_at__isnull=False), name="sale_closed_at_a_moment"
            ),
        ]
        indexes = [
            models.Index(fields=["store", "-created_at"], name="sale_store_newest"),  # today's sales of a store
            models.Index(  # the job that closes
                fields=["expires_at"],
                name="sale_expires",
                condition=Q(state__in=("draft", "awaiting_member", "awaiting_payment")),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """Return the number on the receipt; that of its order has the store's code before it."""
        return f"{local_day(self.created_at):%y%m%d}-{self.pk:06}"

    @property
    def wallet_fen(self) -> int:
        return self.principal_fen + self.gift_fen

    @property
    def due_fen(self) -> int:
        """Return what was to be paid by cash, card or phone."""
        return self.paid_fen - self.wallet_fen

    @property
    def promotion_fen(self) -> int:
        return self.item_off_fen + self.order_off_fen

    def move_to(self, new: str, *, actor: Actor, now: datetime, why: str = "", **stamps: object) -> None:
        """Move on and keep who, when and why. Raises SaleMoved if the step is not allowed or somebody took it first."""
        old = self.state
        if new not in self.NEXT.get(old, ()):
            raise SaleMoved(f"{self.get_state_display()} → {self.State(new).label}")
        if not type(self).objects.filter(pk=self.pk, state=old).update(state=new, **stamps):
            raise SaleMoved()
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)
        SaleMove.objects.create(sale=self, from_state=old, to_state=new, at=now, by_id=actor.staff_id, why=why[:64])


class SaleMove(models.Model):
    """A step of a sale: who, when, from, to, why."""

    sale = models.ForeignKey(Sale, on_delete=models.CASCADE, related_name="moves")
    from_state = models.CharField(max_length=16)
    to_state = models.CharField(max_length=16)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=64, blank=True)


class SaleLine(models.Model):
    """One size in the basket, and its share of everything once it is confirmed. Amounts are of all its pieces."""

    sale = models.ForeignKey(Sale, on_delete=models.CASCADE, related_name="lines", db_index=False)
    line_no = models.PositiveSmallIntegerField()
    sku = models.ForeignKey("crm.Sku", on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveSmallIntegerField()
    is_gift = models.BooleanField(default=False)  # 满赠
    tag_fen = models.BigIntegerField(default=0)
    item_off_fen = models.BigIntegerField(default=0)
    order_off_fen = models.BigIntegerField(default=0)
    coupon_fen = models.BigIntegerField(default=0)
    points_fen = models.BigIntegerField(default=0)
    principal_fen = models.BigIntegerField(default=0)
    gift_fen = models.BigIntegerField(default=0)
    paid_fen = models.BigIntegerField(default=0)
    returned_quantity = models.PositiveSmallIntegerField(default=0)
    # By which it came.
    exchange = models.ForeignKey(Exchange, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    replaced_by_no = models.PositiveSmallIntegerField(null=True)  # the line that was taken for it

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sale", "line_no"], name="sale_line_no"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, returned_quantity__lte=F("quantity")), name="sale_line_quantity"
            ),
            models.CheckConstraint(
                condition=Q(
                    tag_fen__gte=0, item_off_fen__gte=0, order_off_fen__gte=0, coupon_fen__gte=0, points_fen__gte=0,
                    principal_fen__gte=0, gift_fen__gte=0, paid_fen__gte=0,
                ),
                name="sale_line_no_negative_share",
            ),
            models.CheckConstraint(
                condition=Q(
                    paid_fen=F("tag_fen") - F("item_off_fen") - F("order_off_fen") - F("coupon_fen") - F("points_fen")
                ),
                name="sale_line_shares_make_the_whole",
            ),
            models.CheckConstraint(
                condition=Q(paid_fen__gte=F("principal_fen") + F("gift_fen")), name="sale_line_card_pays_no_more"
            ),
        ]  # fmt: skip

    @property
    def due_fen(self) -> int:
        return self.paid_fen - self.principal_fen - self.gift_fen

    @property
    def promotion_fen(self) -> int:
        return self.item_off_fen + self.order_off_fen


class SalePiece(models.Model):
    """One very piece of the basket, whose code was scanned (一物一码); of a line some may have been scanned and others not."""

    sale = models.ForeignKey(Sale, on_delete=models.CASCADE, related_name="scanned", db_index=False)
    item = models.ForeignKey("crm.ItemCode", on_delete=models.PROTECT, related_name="+", db_index=False)
    # Who took it back had it in hand: with which return it goes, though days may lie between asking and approving.
    refund = models.ForeignKey("crm.SaleRefund", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sale", "item"], name="sale_piece_once")]
