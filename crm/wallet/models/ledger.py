"""The ledger: transfers of two or more legs that sum to 0, kept for ever (reliability-security §4).

What the database itself refuses beyond the constraints below stands in migrations 0022 and 0045: a transfer without legs, legs
that do not sum to 0, are fewer than two or of no transfer, any change of an entry, any change of a transfer but what has been
given back of it, TRUNCATE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class Account(models.TextChoices):
    PRINCIPAL = "principal", _("储值本金")  # of a card: what we owe the member
    GIFT = "gift", _("储值赠金")  # of a card
    CASH_WECHAT = "cash_wechat", _("微信收款")
    CASH_COUNTER = "cash_counter", _("柜台收款")
    CASH_BANK = "cash_bank", _("银行付款")  # what left the company's bank account
    REVENUE_CLEARING = "revenue_clearing", _("销售待结")
    GIFT_COST = "gift_cost", _("赠金成本")
    REFUND_CLEARING = "refund_clearing", _("退款待付")
    SUSPENSE = "suspense", _("待查款项")


CARD_ACCOUNTS = (Account.PRINCIPAL, Account.GIFT)
ACCOUNTS = tuple(Account)


class TransferQuerySet(models.QuerySet["Transfer"]):
    def visible_to(self, actor: Actor) -> TransferQuerySet:
        """Transfers this actor may read (access_matrix.yaml, ledger.read)."""
        from crm.wallet.scoped import transfer_filter

        return self.filter(transfer_filter(actor))


class Transfer(models.Model):
    """One movement of money. `principal_fen` and `gift_fen` are what it took from a card's two accounts, or put there."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up", _("充值")
        SPEND = "spend", _("消费")
        SPEND_REFUND = "spend_refund", _("退回卡里")
        CARD_REFUND = "card_refund", _("退卡")
        PAYOUT = "payout", _("银行转账")  # what was owed since the card was emptied
        REPLACEMENT = "replacement", _("换卡")
        TAKINGS = "takings", _("收款")  # of other ways of payment
        PAYBACK = "payback", _("退款")
        CLEARING = "clearing", _("结转")
        REVERSAL = "reversal", _("冲正")

    kind = models.CharField(max_length=12, choices=Kind.choices)
    actor_kind = models.CharField(max_length=8)  # whose keys these are: staff | member | system | source
    key = models.CharField(max_length=64)  # of a command; the same one again is answered, not done
    wallet = models.ForeignKey(
        "crm.Wallet", null=True, on_delete=models.PROTECT, related_name="transfers", db_index=False
    )
    principal_fen = models.BigIntegerField(default=0, db_default=0)
    gift_fen = models.BigIntegerField(default=0, db_default=0)
    # of a spend: what of it has been given back; with the row locked, each refund adds to it
    back_principal_fen = models.BigIntegerField(default=0, db_default=0)
    back_gift_fen = models.BigIntegerField(default=0, db_default=0)
    subject = models.CharField(max_length=64, db_default="")  # what it was for: "sale:12"
    provider = models.CharField(max_length=16, db_default="")
    provider_txn = models.CharField(max_length=64, db_default="")
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    refunds = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="refunded_by", db_index=False
    )  # a part of that spend
    reverses = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="reversed_by", db_index=False
    )  # all of that transfer
    reason = models.CharField(max_length=32, db_default="")  # code, of a reversal
    at = models.DateTimeField()
    booked_on = models.DateField()  # the day in Shanghai

    objects = TransferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["actor_kind", "key"], name="transfer_once"),
            models.UniqueConstraint(
                fields=["provider", "provider_txn"], name="transfer_provider_once", condition=~Q(provider_txn="")
            ),
            models.UniqueConstraint(fields=["reverses"], name="transfer_reversed_once", condition=Q(reverses__isnull=False)),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True) | (Q(kind="reversal") & ~Q(reason="")), name="transfer_reversal_says_why"
            ),
            models.CheckConstraint(  # nor does it take less than nothing
                condition=Q(
                    back_principal_fen__gte=0, back_principal_fen__lte=F("principal_fen"),
                    back_gift_fen__gte=0, back_gift_fen__lte=F("gift_fen"),
                ),
                name="transfer_refunds_within",
            ),
            models.CheckConstraint(condition=~Q(key=""), name="transfer_has_key"),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["wallet", "-id"], name="transfer_of_wallet", condition=Q(wallet__isnull=False)),
            models.Index(fields=["store", "-id"], name="transfer_of_store", condition=Q(store__isnull=False)),
            models.Index(fields=["refunds"], name="transfer_refunds", condition=Q(refunds__isnull=False)),
        ]

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.gift_fen


class LedgerEntry(models.Model):
    """One leg of a transfer. Debit and credit by `side`: the sum of side × amount over a transfer is 0, and over all."""

    class Side(models.IntegerChoices):
        DEBIT = 1, _("借")
        CREDIT = -1, _("贷")

    # Looked for once a statement, with the sum (migration 0045), and not by a key that looks for every leg.
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="entries", db_constraint=False)
    account = models.CharField(max_length=16, choices=Account.choices)
    wallet = models.ForeignKey(
        "crm.Wallet", null=True, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    side = models.SmallIntegerField(choices=Side.choices)
    amount_fen = models.BigIntegerField()
    booked_on = models.DateField()

    class Meta:
        constraints = [  # in the database in words that it reads faster (migration 0046)
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="entry_amount"),
            models.CheckConstraint(condition=Q(side__in=[1, -1]), name="entry_side"),
            models.CheckConstraint(condition=Q(account__in=ACCOUNTS), name="entry_account"),
            models.CheckConstraint(
                condition=Q(account__in=CARD_ACCOUNTS, wallet__isnull=False)
                | (~Q(account__in=CARD_ACCOUNTS) & Q(wallet__isnull=True)),
                name="entry_card_account",
            ),
        ]
        indexes = [BrinIndex(fields=["booked_on"], name="entry_day", autosummarize=True)]


class LedgerDay(models.Model):
    """A day of what we owe on cards, closed: opening + top-up + gift − spent − refund … = closing, each part for itself."""

    PARTS = CARD_ACCOUNTS

    day = models.DateField()
    part = models.CharField(max_length=12, choices=[(one.value, one.label) for one in CARD_ACCOUNTS])
    opening_fen = models.BigIntegerField()
    topped_up_fen = models.BigIntegerField()  # of the gift part: given
    spent_fen = models.BigIntegerField()
    returned_fen = models.BigIntegerField()  # goods came back, the money went back to the card
    refunded_fen = models.BigIntegerField()  # cards that were paid out; of the gift part: taken back
    corrected_fen = models.BigIntegerField()  # reversals
    closing_fen = models.BigIntegerField()
    closed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "part"], name="ledger_day_once"),
            models.CheckConstraint(
                condition=Q(
                    closing_fen=F("opening_fen") + F("topped_up_fen") - F("spent_fen") + F("returned_fen")
                    - F("refunded_fen") + F("corrected_fen")
                ),
                name="ledger_day_adds_up",
            ),
        ]  # fmt: skip


class LedgerProof(models.Model):
    """One counting of the whole ledger. While the newest one is not in balance, no card is paid out."""

    at = models.DateTimeField()
    entries_count = models.BigIntegerField()
    difference_fen = models.BigIntegerField()  # of all entries; 0 where nothing is wrong
    wallets_off_count = models.IntegerField()  # cards whose live balance is not the sum of their entries
    transfers_off_count = models.IntegerField()  # whose own legs do not sum to 0
    days_off_count = models.IntegerField(default=0)  # closed days that no longer are what their entries say
    facts = models.JSONField(default=dict)  # the first ids of what is off

    class Meta:
        indexes = [models.Index(fields=["-at"], name="ledger_proof_newest")]

    @property
    def is_in_balance(self) -> bool:
        return not (self.difference_fen or self.wallets_off_count or self.transfers_off_count or self.days_off_count)
