"""Orders as the till and the mall report them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class OrderQuerySet(models.QuerySet["Order"]):
    def visible_to(self, actor: Actor) -> OrderQuerySet:
        """Orders of stores the actor sees, and of the members who are his own."""
        from .scoped import order_filter

        return self.filter(order_filter(actor))


class Order(models.Model):
    """One sale. Idempotent by (source, number); amounts are what is left after refunds known so far."""

    class Kind(models.TextChoices):
        RETAIL = "retail", _("门店")
        MALL = "mall", _("商城")
        PROXY = "proxy", _("代客下单")
        LIVE = "live", _("直播")
        TOP_UP = "top_up", _("储值充值")
        GIFT_CARD = "gift_card", _("礼品卡")
        GROUP = "group", _("团购")
        EMPLOYEE = "employee", _("内购")

    class Status(models.TextChoices):
        PAID = "paid", _("已付款")
        RETURNED = "returned", _("已全退")
        VOID = "void", _("已作废")

    source = models.CharField(max_length=32)
    number = models.CharField(max_length=64)
    # The three keys below lead an index of their own in Meta; a second one would cost each import.
    member = models.ForeignKey("crm.Member", null=True, on_delete=models.PROTECT, related_name="orders", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="orders", db_index=False)
    guide = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.RETAIL)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PAID)
    is_gift = models.BooleanField(default=False)
    is_delivery = models.BooleanField(default=False)
    paid_at = models.DateTimeField()
    paid_on = models.DateField()  # the local date of paid_at
    known_at = models.DateTimeField(null=True)  # reached the system; null: imported for a replay and not arrived yet
    received_at = models.DateTimeField(null=True)  # 签收
    paid_fen = models.BigIntegerField()  # paid at first, freight excluded
    refunded_fen = models.BigIntegerField(default=0)
    net_amount_fen = models.BigIntegerField()
    guide_note = models.CharField(max_length=255, blank=True)
    content_sha = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="order_source_number"),
            models.CheckConstraint(
                condition=Q(paid_fen__gte=0, refunded_fen__gte=0, net_amount_fen__gte=0),
                name="order_amounts_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["member", "paid_at"], name="order_member_paid"),
            models.Index(fields=["store", "paid_on"], name="order_store_day"),
            models.Index(fields=["guide", "paid_on"], name="order_guide_day"),  # 今日: what she sold this month
            models.Index(fields=["paid_at"], name="order_not_arrived", condition=Q(known_at=None)),
            models.Index(  # who is asked how it was: parcels by the day they were signed for
                fields=["received_at", "id"],
                name="order_received",
                condition=Q(is_delivery=True, received_at__isnull=False),
            ),
        ]


class OrderLine(models.Model):
    """One item of an order. `care_key` is its product family in scripts and care tips (catalogue's care_key)."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", db_index=False)
    line_no = models.PositiveSmallIntegerField()
    sku_code = models.CharField(max_length=32, blank=True)
    item_name = models.CharField(max_length=64, blank=True)
    color = models.CharField(max_length=16, blank=True)
    size = models.CharField(max_length=16, blank=True)
    care_key = models.CharField(max_length=16, blank=True)
    family = models.CharField(max_length=32, blank=True)  # 西服 / 衬衫 …
    quantity = models.IntegerField(default=1)
    returned_quantity = models.IntegerField(default=0)
    paid_fen = models.BigIntegerField(default=0)  # share of the whole line after order discounts
    # Made for him alone (crm/tailoring): does not come back without a fault.
    is_made_to_measure = models.BooleanField(default=False, db_default=False)
    replaced_by = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="replaces", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "line_no"], name="order_line_no"),
            models.CheckConstraint(
                condition=Q(returned_quantity__gte=0, returned_quantity__lte=models.F("quantity")),
                name="line_returned_within_quantity",
            ),
        ]
        indexes = [  # few lines are ever replaced
            models.Index(fields=["replaced_by"], name="order_line_replaced", condition=Q(replaced_by__isnull=False))
        ]


class OrderChange(models.Model):
    """What happened to an order after it was paid; unique number, so that the same return counts once."""

    class Kind(models.TextChoices):
        RETURN = "return", _("退货")
        EXCHANGE = "exchange", _("换货")
        RECEIPT = "receipt", _("签收")
        CORRECTION = "correction", _("更正")
        VOID = "void", _("作废")

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="changes", db_index=False)
    number = models.CharField(max_length=64)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    at = models.DateTimeField()
    known_at = models.DateTimeField()
    refund_fen = models.BigIntegerField(default=0)
    details = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "kind", "number"], name="order_change_number")]
