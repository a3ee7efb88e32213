"""How a sale, or the difference of an exchange, is paid."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .exchanges import Exchange
from .sales import Sale


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
