"""A sale from the basket to the money and back: what was asked, what it cost, how it was paid, what was given back."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict

from .exchange_models import Exchange
from .promotion_models import Promotion

if TYPE_CHECKING:
    from datetime import datetime

    from yejibao.core.scope import Actor

__all__ = [
    "Exchange",
    "Promotion",
    "RefundLine",
    "RefundPart",
    "Sale",
    "SaleLine",
    "SaleMove",
    "SalePayment",
    "SalePiece",
    "SaleRefund",
]

PARTS = ("item_off_fen", "order_off_fen", "coupon_fen", "points_fen", "principal_fen", "gift_fen")


class SaleMoved(Conflict):
    code, title = "sale.moved", _("这一单刚被处理过")


class SaleQuerySet(models.QuerySet["Sale"]):
    def visible_to(self, actor: Actor) -> SaleQuerySet:
        """Sales of the stores one sells or answers for, and one's own."""
        from .scoped import sale_filter

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
    exchanged_fen = models.BigIntegerField(
        default=0, db_default=0
    )  # what exchanges added to what was paid, or took from it
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
    exchange = models.ForeignKey(
        Exchange, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )  # it came by
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


class SalePayment(models.Model):
    """One way in which a sale is paid. `transfer_id` is the wallet's, `pay_order_id` that of WeChat Pay."""

    class Way(models.TextChoices):
        WALLET = "wallet", _("储值卡")
        WECHAT_CODE = "wechat_code", _("微信付款码")
        WECHAT_NATIVE = "wechat_native", _("微信扫码付")
        WECHAT_LINK = "wechat_link", _("微信支付")
        CASH = "cash", _("现金")
        CARD = "card", _("刷卡")
        VOUCHER = "voucher", _("转账给门店")

    class State(models.TextChoices):
        WAITING = "waiting", _("等付款")
        SETTLED = "settled", _("已到账")
        CLOSED = "closed", _("未付")

    WECHAT: ClassVar[tuple[str, ...]] = (Way.WECHAT_CODE, Way.WECHAT_NATIVE, Way.WECHAT_LINK)

    sale = models.ForeignKey(Sale, on_delete=models.CASCADE, related_name="payments")
    exchange = models.ForeignKey(  # whose difference it is
        Exchange, null=True, on_delete=models.PROTECT, related_name="payments"
    )
    way = models.CharField(max_length=16, choices=Way.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    amount_fen = models.BigIntegerField()
    refunded_fen = models.BigIntegerField(default=0)
    transfer_id = models.BigIntegerField(null=True)
    pay_order_id = models.BigIntegerField(null=True)
    reference = models.CharField(max_length=64, blank=True)  # WeChat's transaction, the slip of a card, a voucher
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="sale_payment_amount"),
            models.CheckConstraint(
                condition=Q(refunded_fen__gte=0, refunded_fen__lte=F("amount_fen")), name="sale_payment_refunds_within"
            ),
            models.CheckConstraint(
                condition=~Q(state="settled") | Q(settled_at__isnull=False), name="sale_payment_settled_at"
            ),
            models.UniqueConstraint(  # one card, one payment by phone on its way or through: of a sale, of a difference
                fields=["sale", "exchange"], condition=Q(way="wallet") & ~Q(state="closed"), name="sale_one_wallet_payment",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["sale", "exchange"],
                condition=Q(way__in=("wechat_code", "wechat_native", "wechat_link")) & ~Q(state="closed"),
                name="sale_one_wechat_payment", nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["pay_order_id"], condition=Q(pay_order_id__isnull=False), name="sale_payment_of_pay_order"
            ),
        ]  # fmt: skip
        indexes = [  # by which way an entry of the ledger came: the takings of a day
            models.Index(fields=["transfer_id"], condition=Q(transfer_id__isnull=False), name="sale_payment_transfer")
        ]


class RefundQuerySet(models.QuerySet["SaleRefund"]):
    def visible_to(self, actor: Actor) -> RefundQuerySet:
        """Refunds of the orders one reads, and of the stores one sells in: goods may come back to any of them."""
        from .scoped import refund_filter

        return self.filter(refund_filter(actor))


class SaleRefund(models.Model):
    """What went back of an order, for goods that came back (`RETURNS`) or without; while it is asked for, nothing has moved yet."""

    class State(models.TextChoices):
        ASKED = "asked", _("待审批")
        REFUSED = "refused", _("没同意")
        PAYING = "paying", _("退款中")
        DONE = "done", _("已退款")

    class Reason(models.TextChoices):
        NO_REASON = "no_reason", _("七天无理由")
        QUALITY = "quality", _("质量问题")
        EXCHANGE = "exchange", _("换货退差价")  # no goods come back by these two
        COMPENSATION = "compensation", _("损坏赔偿")

    RETURNS: ClassVar[tuple[str, ...]] = (Reason.NO_REASON, Reason.QUALITY)

    order = models.ForeignKey("crm.Order", on_delete=models.PROTECT, related_name="refunds")
    sale = models.ForeignKey(Sale, null=True, on_delete=models.PROTECT, related_name="refunds")
    key = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=8, choices=State.choices)
    reason = models.CharField(max_length=16, choices=Reason.choices, default=Reason.NO_REASON)
    note = models.CharField(max_length=255, blank=True)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+")  # where the goods came back
    amount_fen = models.BigIntegerField(default=0)
    wallet_fen = models.BigIntegerField(default=0)
    withheld_fen = models.BigIntegerField(default=0)
    given_up_fen = models.BigIntegerField(default=0, db_default=0)  # finance gave it up: he did not get it
    points_back = models.IntegerField(default=0)  # used once, his again
    points_taken = models.IntegerField(default=0)  # earned with it, taken back
    is_full = models.BooleanField(default=False)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    objects = RefundQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_fen__gte=0, wallet_fen__gte=0, withheld_fen__gte=0, points_back__gte=0)
                & Q(wallet_fen__lte=F("amount_fen")),
                name="sale_refund_amounts",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(done_at__isnull=False), name="sale_refund_done_at_a_moment"
            ),
            models.CheckConstraint(
                condition=Q(given_up_fen__gte=0, given_up_fen__lte=F("amount_fen")), name="sale_refund_given_up"
            ),
        ]
        indexes = [models.Index(fields=["store", "-asked_at"], name="sale_refund_store")]

    @property
    def got_fen(self) -> int:
        """What the member gets, or got, of it."""
        return self.amount_fen - self.given_up_fen

    @property
    def state_said(self) -> str:
        """How it stands, for member and staff alike: what was given up was not refunded."""
        if self.state == self.State.DONE and self.given_up_fen:
            return str(_("只退成一部分")) if self.got_fen else str(_("没退成"))
        return self.get_state_display()


class RefundLine(models.Model):
    """Which pieces came back, and the part of the money that belongs to them."""

    refund = models.ForeignKey(SaleRefund, on_delete=models.CASCADE, related_name="lines")
    line_no = models.PositiveSmallIntegerField()
    quantity = models.PositiveSmallIntegerField()
    amount_fen = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["refund", "line_no"], name="sale_refund_line"),
            models.CheckConstraint(condition=Q(quantity__gte=1, amount_fen__gte=0), name="sale_refund_line_amounts"),
        ]


class RefundPart(models.Model):
    """What of a refund goes back by which payment. That of WeChat is final when WeChat says so."""

    refund = models.ForeignKey(SaleRefund, on_delete=models.CASCADE, related_name="parts")
    payment = models.ForeignKey(SalePayment, on_delete=models.PROTECT, related_name="refund_parts")
    amount_fen = models.BigIntegerField()
    transfer_id = models.BigIntegerField(null=True)
    pay_refund_id = models.BigIntegerField(null=True, unique=True)
    done_at = models.DateTimeField(null=True)
    is_given_up = models.BooleanField(default=False, db_default=False)  # done with, but it did not reach him

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["refund", "payment"], name="sale_refund_part"),
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="sale_refund_part_amount"),
        ]
        indexes = [
            models.Index(fields=["transfer_id"], condition=Q(transfer_id__isnull=False), name="refund_part_transfer")
        ]
