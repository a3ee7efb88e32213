"""What was given back of an order: for which pieces, and by which payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .payments import SalePayment
from .sales import Sale

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class RefundQuerySet(models.QuerySet["SaleRefund"]):
    def visible_to(self, actor: Actor) -> RefundQuerySet:
        """Refunds of the orders one reads, and of the stores one sells in: goods may come back to any of them."""
        from ..scoped import refund_filter

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
