"""What was asked of WeChat Pay and what it said: orders, refunds, each step of both, and its notices.

A number is written before the call that names it, so that a lost answer can be asked for by the same number. States only go
forward; what the platform said last stands here, and what it means for a sale or a card is for the departments above.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict
from yejibao.core.personal import EncryptedField


class PayOrder(models.Model):
    """One order at WeChat Pay, for one `subject` of one `purpose` of the departments above."""

    class Way(models.TextChoices):
        JSAPI = "jsapi", _("小程序支付")
        NATIVE = "native", _("扫码支付")
        CODEPAY = "codepay", _("付款码支付")

    class State(models.TextChoices):
        CREATED = "created", _("待支付")  # the number exists; the platform may not know it yet
        PAYING = "paying", _("支付中")  # the platform knows it
        PAID = "paid", _("已支付")
        CLOSED = "closed", _("已关闭")
        LATE = "late", _("关单后到账")  # paid after it was closed: credited to nobody, on its way back
        REFUNDED = "refunded", _("已全额退款")

    OPEN: ClassVar[tuple[str, ...]] = (State.CREATED, State.PAYING)
    TAKEN: ClassVar[tuple[str, ...]] = (State.PAID, State.LATE, State.REFUNDED)  # money came in
    NEXT: ClassVar[dict[str, set[str]]] = {
        State.CREATED: {State.PAYING, State.PAID, State.CLOSED},
        State.PAYING: {State.PAID, State.CLOSED},
        State.CLOSED: {State.LATE},
        State.PAID: {State.REFUNDED},
        State.LATE: {State.REFUNDED},
    }

    out_trade_no = models.CharField(max_length=32, unique=True)
    mchid = models.CharField(max_length=32)
    appid = models.CharField(max_length=32)
    way = models.CharField(max_length=8, choices=Way.choices)
    purpose = models.CharField(max_length=24)
    subject = models.CharField(max_length=64)
    amount_fen = models.BigIntegerField()
    description = models.CharField(max_length=127)
    store_code = models.CharField(max_length=32, blank=True)  # of the store: WeChat Pay asks for it with a payment code
    payer_openid = EncryptedField(blank=True)  # who is to pay (jsapi); afterwards, who paid
    state = models.CharField(max_length=10, choices=State.choices, default=State.CREATED)
    trouble = models.CharField(max_length=16, blank=True)  # what of the platform's word did not fit: amount, payer …
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    prepay_id = models.CharField(max_length=64, blank=True)
    prepaid_at = models.DateTimeField(null=True)
    code_url = models.CharField(max_length=255, blank=True)
    # One provider, so (provider, transaction id) is this: a payment of the platform settles one order, once.
    transaction_id = models.CharField(max_length=32, null=True, unique=True)
    paid_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    asked_back_fen = models.BigIntegerField(default=0)  # of all refunds that are not given up
    refunded_fen = models.BigIntegerField(default=0)  # of those that reached the payer
    looks = models.PositiveSmallIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)
    next_look_at = models.DateTimeField(null=True)  # when the platform is asked next; NULL: nothing is left to learn

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="pay_order_amount"),
            models.CheckConstraint(
                condition=Q(
                    refunded_fen__gte=0, refunded_fen__lte=F("asked_back_fen"), asked_back_fen__lte=F("amount_fen")
                ),
                name="pay_order_back_within_paid",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["created", "paying", "closed"], asked_back_fen=0)
                | Q(state__in=["paid", "late", "refunded"], transaction_id__isnull=False, paid_at__isnull=False),
                name="pay_order_money_has_number",
            ),
            models.CheckConstraint(
                condition=~Q(state="closed") | Q(closed_at__isnull=False), name="pay_order_closed_when"
            ),
            # A sale or top-up is paid for once: a second order for it has to wait until the first is over.
            models.UniqueConstraint(
                fields=["purpose", "subject"],
                condition=Q(state__in=["created", "paying", "paid"]),
                name="pay_order_one_for",
            ),
        ]
        indexes = [
            models.Index(fields=["next_look_at"], name="pay_order_due", condition=Q(next_look_at__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="pay_order_newest"),  # the list of payments
            models.Index(
                fields=["paid_at"], name="pay_order_paid", condition=Q(paid_at__isnull=False)
            ),  # the daily proof
            models.Index(fields=["purpose", "subject"], name="pay_order_of"),
        ]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def left_fen(self) -> int:
        """What may still be asked back."""
        return self.amount_fen - self.asked_back_fen if self.state == self.State.PAID else 0


class PayRefund(models.Model):
    """Money on its way back. Final at SUCCESS alone; tried again under the same number, which never pays twice."""

    class State(models.TextChoices):
        CREATED = "created", _("待发起")
        PROCESSING = "processing", _("退款中")  # accepted, no more
        SUCCESS = "success", _("已退款")
        ABNORMAL = "abnormal", _("退款异常")  # the payer's card is gone, or the platform refuses: finance looks
        CLOSED = "closed", _("退款关闭")
        PAID_OUT = "paid_out", _("另外付了")  # by hand, not by the platform
        GIVEN_UP = "given_up", _("不退了")

    UNDER_WAY: ClassVar[tuple[str, ...]] = (State.CREATED, State.PROCESSING)
    STUCK: ClassVar[tuple[str, ...]] = (State.ABNORMAL, State.CLOSED)
    BY_HAND: ClassVar[tuple[str, ...]] = (State.PAID_OUT, State.GIVEN_UP)  # final for us, whatever the platform says
    NEXT: ClassVar[dict[str, set[str]]] = {
        State.CREATED: {State.PROCESSING, State.SUCCESS, State.ABNORMAL, State.CLOSED},
        State.PROCESSING: {State.SUCCESS, State.ABNORMAL, State.CLOSED},
        # finance tried again, or the platform did; or finance ended it by hand
        State.ABNORMAL: {State.PROCESSING, State.SUCCESS, State.CLOSED, State.PAID_OUT, State.GIVEN_UP},
        State.CLOSED: {State.PROCESSING, State.SUCCESS, State.ABNORMAL, State.PAID_OUT, State.GIVEN_UP},
    }

    out_refund_no = models.CharField(max_length=32, unique=True)
    order = models.ForeignKey(PayOrder, on_delete=models.PROTECT, related_name="refunds")
    key = models.CharField(max_length=64, unique=True)  # of the business act: the same act asks for money back once
    amount_fen = models.BigIntegerField()
    reason = models.CharField(max_length=80)
    is_automatic = models.BooleanField(default=False)  # paid after the order was closed
    state = models.CharField(max_length=10, choices=State.choices, default=State.CREATED)
    refund_id = models.CharField(max_length=32, null=True, unique=True)
    error = models.CharField(max_length=64, blank=True)  # the platform's last code
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="pay_refund_amount"),
            models.CheckConstraint(
                condition=~Q(state="success") | Q(settled_at__isnull=False, refund_id__isnull=False),
                name="pay_refund_success_when",
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], name="pay_refund_due", condition=Q(next_try_at__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="pay_refund_newest"),
            models.Index(fields=["settled_at"], name="pay_refund_settled", condition=Q(settled_at__isnull=False)),
            # finance's screen: what did not go through, and what tries for long
            models.Index(fields=["-id"], name="pay_refund_trouble", condition=Q(state__in=["abnormal", "closed"])),
        ]


class PayStep(models.Model):
    """One step of an order or a refund: when, from, to, on whose word. Append only."""

    order = models.ForeignKey(PayOrder, on_delete=models.PROTECT, related_name="steps")
    refund = models.ForeignKey(PayRefund, null=True, on_delete=models.PROTECT, related_name="steps")
    at = models.DateTimeField()
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10)
    by = models.CharField(max_length=16)  # call | notice | query | expiry | business | person
    why = models.CharField(max_length=80, blank=True)


class PayNotice(models.Model):
    """One notice, stored as it came after its signature was right. Repeats are the same row (reliability-security §7)."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等待处理")
        DONE = "done", _("已处理")
        UNHANDLED = "unhandled", _("不认识")  # genuine, of a number or kind that is not ours
        PARKED = "parked", _("搁置")  # does not fit its order, or failed five times; a person looks

    digest = models.BinaryField(
        max_length=32, unique=True
    )  # SHA-256 of the decrypted resource: repeats are sealed anew
    notice_id = models.CharField(max_length=36)
    event_type = models.CharField(max_length=32)
    number = models.CharField(max_length=32, blank=True)  # out_trade_no or out_refund_no
    received_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=64, blank=True)
    body = EncryptedField(blank=True)  # the decrypted resource; it names the payer

    class Meta:
        constraints = [
            # The platform's own number of a notice: a second text under the same number is none of its own.
            models.UniqueConstraint(fields=["notice_id"], name="pay_notice_id"),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="pay_notice_waiting", condition=Q(state="waiting")),
            models.Index(fields=["-id"], name="pay_notice_trouble", condition=Q(state__in=["parked", "unhandled"])),
            models.Index(fields=["received_at"], name="pay_notice_received"),
        ]


def move(row: PayOrder | PayRefund, new: str, *, by: str, now: Any, why: str = "", **stamps: Any) -> None:
    """Move a locked row on and note the step. Raises Conflict where the step is none, or somebody else took it first."""
    old = row.state
    if new not in row.NEXT.get(old, ()):
        raise Conflict(f"{old} → {new}")
    if not type(row)._default_manager.filter(pk=row.pk, state=old).update(state=new, **stamps):
        raise Conflict(_("这笔支付刚被处理过"))
    for name, value in {"state": new, **stamps}.items():
        setattr(row, name, value)
    order_id = row.pk if isinstance(row, PayOrder) else row.order_id
    refund_id = None if isinstance(row, PayOrder) else row.pk
    PayStep.objects.create(
        order_id=order_id, refund_id=refund_id, at=now, from_state=old, to_state=new, by=by, why=why[:80]
    )
