"""A day of money: what it came to, what the provider's bills say, what does not fit and how that was answered."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datetime import datetime

    from yejibao.core.scope import Actor


class FinanceDayQuerySet(models.QuerySet["FinanceDay"]):
    def visible_to(self, actor: Actor) -> FinanceDayQuerySet:
        """Days of the whole company: for whoever may see what they come to."""
        from .scoped import reads_figures

        return self if reads_figures(actor) else self.none()


class FinanceDay(models.Model):
    """One day in Shanghai. Counted again as often as one likes until it is closed; then it stays as it was."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等账单")  # the provider has no bill yet, or did not answer
        COUNTED = "counted", _("已对账")
        CLOSED = "closed", _("已关账")

    day = models.DateField(unique=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    counted_at = models.DateTimeField(null=True)
    runs = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=64, blank=True)  # why there is no bill yet
    in_balance = models.BooleanField(default=False)  # the ledger's own proof
    difference_fen = models.BigIntegerField(default=0)  # of all open breaks, without sign: 0 where nothing is open
    proof = models.JSONField(default=dict)  # the figures as they were counted
    takings_at = models.DateTimeField(null=True)  # when its `Takings` were written: then they are read, not the ledger
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=255, blank=True)

    objects = FinanceDayQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="closed")
                | Q(closed_at__isnull=False, closed_by__isnull=False, counted_at__isnull=False, difference_fen=0),
                name="finance_day_closed_in_order",
            ),
            models.CheckConstraint(condition=Q(difference_fen__gte=0), name="finance_day_difference"),
        ]

    @property
    def is_closed(self) -> bool:
        return self.state == self.State.CLOSED

    @property
    def liability_fen(self) -> int | None:
        """What is owed on cards at the end of the day, principal and gift."""
        return sum(row["closing_fen"] for row in self.proof["card"]) if self.proof else None

    @property
    def wechat_fen(self) -> int | None:
        """What came in by WeChat less what went back, as its bill says."""
        return self.proof["wechat"]["theirs_fen"] if self.proof else None

    @property
    def sold_fen(self) -> int | None:
        return self.proof["sales"]["lines_fen"] if self.proof else None

    @property
    def waiting_words(self) -> str:
        return f"{self.error}，每小时再取一次。微信账单次日 10 点后才有。"


class Bill(models.Model):
    """A bill as it was fetched: what it says of itself. Its lines are kept without the payer."""

    class Kind(models.TextChoices):
        TRADE = "trade", _("交易账单")
        FUND = "fund", _("资金账单")

    day = models.ForeignKey(FinanceDay, on_delete=models.CASCADE, related_name="bills")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    digest = models.BinaryField(max_length=32)  # SHA-256 of the file: the same again changes nothing
    lines_count = models.PositiveIntegerField()
    in_fen = models.BigIntegerField()
    out_fen = models.BigIntegerField()
    fee_fen = models.BigIntegerField(default=0)
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "kind"], name="finance_bill_once")]


class BillLine(models.Model):
    """One payment or refund of a bill; fees of the fund bill are lines of their own."""

    class Kind(models.TextChoices):
        PAY = "pay", _("收款")
        REFUND = "refund", _("退款")
        FEE = "fee", _("手续费")
        OTHER = "other", _("其他")  # withdrawals, corrections of the platform

    bill = models.ForeignKey(Bill, on_delete=models.CASCADE, related_name="lines", db_index=False)
    line_no = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    number = models.CharField(max_length=64)  # ours: out_trade_no or out_refund_no
    platform_id = models.CharField(max_length=64)  # theirs: transaction or refund id
    amount_fen = models.BigIntegerField()  # > 0: what came in, < 0: what went out
    fee_fen = models.BigIntegerField(default=0)
    state = models.CharField(max_length=16, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bill", "line_no"], name="finance_bill_line")]


class BreakQuerySet(models.QuerySet["Break"]):
    def visible_to(self, actor: Actor) -> BreakQuerySet:
        from .scoped import reads_all

        return self if reads_all(actor) else self.none()


class Break(models.Model):
    """Something that does not fit: found by a run, healed by a later one, or answered by somebody with a reason."""

    class Source(models.TextChoices):
        TRADE = "trade", _("交易账单 ↔ 支付单")
        FUND = "fund", _("资金账单 ↔ 台账")
        SALES = "sales", _("销售单 ↔ 收款方式")
        LEDGER = "ledger", _("台账自证")

    class Kind(models.TextChoices):
        MISSING_HERE = "missing_here", _("微信有，我们没有")
        MISSING_THERE = "missing_there", _("我们有，微信没有")
        AMOUNT_DIFFERS = "amount_differs", _("金额不一样")
        STATE_DIFFERS = "state_differs", _("状态不一样")

    class State(models.TextChoices):
        OPEN = "open", _("待处理")
        ANSWERED = "answered", _("已处理")
        HEALED = "healed", _("已对上")  # a later run found it no more

    class Answer(models.TextChoices):
        BOOKED = "booked", _("挂账待查，做调整分录")
        NEXT_DAY = "next_day", _("跨日，在另一天的账单里")
        MENDED = "mended", _("已在业务里更正")
        PROVIDER = "provider", _("微信侧问题，已联系")
        OTHER = "other", _("其他，写明原因")

    DUE: ClassVar[timedelta] = timedelta(days=3)  # older than that, it is red

    day = models.ForeignKey(FinanceDay, on_delete=models.PROTECT, related_name="breaks", db_index=False)
    source = models.CharField(max_length=8, choices=Source.choices)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    number = models.CharField(max_length=64)
    what = models.CharField(max_length=8, blank=True)  # pay | refund
    ours_fen = models.BigIntegerField(null=True)
    theirs_fen = models.BigIntegerField(null=True)
    ours_said = models.CharField(max_length=32, blank=True)
    theirs_said = models.CharField(max_length=32, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    owner = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    found_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=10, choices=Answer.choices, blank=True)
    note = models.CharField(max_length=255, blank=True)
    answered_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    transfer = models.ForeignKey("crm.Transfer", null=True, on_delete=models.PROTECT, related_name="+")  # closing entry

    objects = BreakQuerySet.as_manager()

    class Meta:
        constraints = [
            # A run that finds it again finds the same row.
            models.UniqueConstraint(fields=["day", "source", "kind", "number"], name="finance_break_once"),
            models.CheckConstraint(
                condition=Q(state="open", ended_at=None)
                | Q(state="healed", ended_at__isnull=False)
                | (Q(state="answered", ended_at__isnull=False, answered_by__isnull=False) & ~Q(answer="")),
                name="finance_break_ended_how",
            ),
            models.CheckConstraint(
                condition=~Q(state="answered", answer="booked") | Q(transfer__isnull=False), name="finance_break_booked"
            ),
        ]
        indexes = [
            # the screen: what is open, the oldest first
            models.Index(fields=["found_at", "id"], name="finance_break_open", condition=Q(state="open")),
        ]

    @property
    def difference_fen(self) -> int:
        """Theirs less ours: what the provider has more than we."""
        return (self.theirs_fen or 0) - (self.ours_fen or 0)

    def is_old(self, now: datetime) -> bool:
        return self.state == self.State.OPEN and now - self.found_at > self.DUE


class Takings(models.Model):
    """What a store took on a day by one way, and what went back by it. Written once a day is over: no entry is booked into it later.

    Money of no store (a break that was booked, what came in for nobody) has none.
    """

    class Way(models.TextChoices):
        WECHAT = "wechat", _("微信")
        CASH = "cash", _("现金")
        CARD = "card", _("刷卡")
        VOUCHER = "voucher", _("转账给门店")
        COUNTER = "counter", _("柜台其他")  # how, nobody was asked: refunds by hand, earlier top-ups and fees
        BANK = "bank", _("银行转出")  # cards that were paid out to an account
        WALLET = "wallet", _("储值卡")  # paid with what was taken in before: no money comes in by it

    class Purpose(models.TextChoices):
        SALE = "sale", _("销售")
        TOP_UP = "top_up", _("储值")
        OTHER = "other", _("其他")

    day = models.DateField()
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    way = models.CharField(max_length=8, choices=Way.choices)
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    in_fen = models.BigIntegerField()
    out_fen = models.BigIntegerField()
    in_count = models.PositiveIntegerField()
    out_count = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "store", "way", "purpose"], name="takings_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(in_fen__gte=0, out_fen__gte=0), name="takings_amounts"),
        ]
        indexes = [models.Index(fields=["store", "day"], name="takings_of_store")]


class RefundEndingQuerySet(models.QuerySet["RefundEnding"]):
    def visible_to(self, actor: Actor) -> RefundEndingQuerySet:
        from .scoped import reads_all

        return self if reads_all(actor) else self.none()


class RefundEnding(models.Model):
    """How a refund ends that WeChat cannot bring back: paid to the member by hand, or given up with a reason. Four eyes."""

    class How(models.TextChoices):
        PAID = "paid", _("另外付给会员")
        GIVEN_UP = "given_up", _("不退了，写明原因")

    class State(models.TextChoices):
        ASKED = "asked", _("等批准")
        APPROVED = "approved", _("批了，等付款")  # only of what is to be paid
        DONE = "done", _("办完了")
        DROPPED = "dropped", _("没批准或撤回")

    OPEN: ClassVar[tuple[str, ...]] = (State.ASKED, State.APPROVED)

    pay_refund = models.ForeignKey("wechatpay.PayRefund", on_delete=models.PROTECT, related_name="+", db_index=False)
    how = models.CharField(max_length=8, choices=How.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.ASKED)
    amount_fen = models.BigIntegerField()
    reason = models.CharField(max_length=255)
    payout_ref = models.CharField(max_length=64, blank=True)  # the bank's number, or that of the slip he signed
    approval = models.ForeignKey(
        "guides.Approval", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    asked_by = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    ended_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    ended_at = models.DateTimeField(null=True)

    objects = RefundEndingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(  # one way at a time, and one for good
                fields=["pay_refund"], condition=~Q(state="dropped"), name="refund_ending_once"
            ),
            models.CheckConstraint(condition=Q(amount_fen__gt=0) & ~Q(reason=""), name="refund_ending_says_why"),
            models.CheckConstraint(
                condition=~Q(how="paid", state="done") | ~Q(payout_ref=""), name="refund_ending_paid_with_number"
            ),
        ]
        indexes = [models.Index(fields=["approval"], name="refund_ending_approval")]
