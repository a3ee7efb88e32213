"""Named cards with their live balance, who holds them, and what is asked of them: top-ups and refunds."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.personal import EncryptedField

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class WalletQuerySet(models.QuerySet["Wallet"]):
    def visible_to(self, actor: Actor) -> WalletQuerySet:
        """Cards this actor may read (access_matrix.yaml, ledger.read and stored_value.read)."""
        from crm.wallet.scoped import wallet_filter

        return self.filter(wallet_filter(actor))

    def live(self) -> WalletQuerySet:
        return self.filter(state__in=Wallet.LIVE)


class Wallet(models.Model):
    """储值卡: a named card with its live balance. Only `services/moving.py` changes the two amounts.

    One row for both amounts: a movement locks one row, and freezing waits for the movement that is on its way.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("待启用")  # the new card while the balance of a lost one goes over
        ACTIVE = "active", _("正常")
        FROZEN = "frozen", _("已冻结")
        REPLACED = "replaced", _("已换新卡")

    LIVE: ClassVar = (State.ACTIVE, State.FROZEN)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="wallets", db_index=False)
    card_no = models.CharField(max_length=16)
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    principal_fen = models.BigIntegerField(default=0, db_default=0)
    gift_fen = models.BigIntegerField(default=0, db_default=0)
    opened_at = models.DateTimeField()
    replaces = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="replaced_by")

    objects = WalletQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(principal_fen__gte=0, gift_fen__gte=0), name="wallet_not_negative"),
            models.CheckConstraint(
                condition=~Q(state="replaced") | Q(principal_fen=0, gift_fen=0), name="wallet_replaced_is_empty"
            ),
            models.UniqueConstraint(fields=["card_no"], name="wallet_number"),
            models.UniqueConstraint(
                fields=["member"], name="wallet_one_live", condition=Q(state__in=["active", "frozen"])
            ),
        ]
        indexes = [models.Index(fields=["member"], name="wallet_member")]

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.gift_fen

    @property
    def is_frozen(self) -> bool:
        return self.state == self.State.FROZEN


class CardHolder(models.Model):
    """实名登记: who holds named cards. Kept five years after the last top-up, locked from all other use."""

    member = models.OneToOneField("crm.Member", on_delete=models.PROTECT, related_name="card_holder")
    name = EncryptedField()
    id_number = EncryptedField(index="id_number_index", last_four="id_number_last4")
    id_number_index = models.CharField(max_length=32)
    id_number_last4 = models.CharField(max_length=4)
    contact = EncryptedField()  # phone
    recorded_at = models.DateTimeField()
    keep_until = models.DateField()

    class Meta:
        indexes = [models.Index(fields=["id_number_index"], name="card_holder_id")]


class TopUpQuerySet(models.QuerySet["TopUp"]):
    def visible_to(self, actor: Actor) -> TopUpQuerySet:
        """Top-ups this actor may see: those of the stores he works in or answers for, finance all."""
        from crm.wallet.scoped import top_up_filter

        return self.filter(top_up_filter(actor))


class TopUp(models.Model):
    """充值: asked by the guide, confirmed by the member on his own phone, settled once the money is there."""

    class State(models.TextChoices):
        ASKED = "asked", _("等会员确认")
        CONFIRMED = "confirmed", _("会员已确认，等付款")
        SETTLED = "settled", _("已到账")
        CANCELLED = "cancelled", _("已取消")
        EXPIRED = "expired", _("已过期")

    class Method(models.TextChoices):
        WECHAT = "wechat", _("微信支付")
        COUNTER = "counter", _("柜台付款")

    OPEN: ClassVar = (State.ASKED, State.CONFIRMED)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="top_ups")
    wallet = models.ForeignKey(Wallet, null=True, on_delete=models.PROTECT, related_name="top_ups", db_index=False)
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    principal_fen = models.BigIntegerField()
    gift_fen = models.BigIntegerField(default=0)
    method = models.CharField(max_length=8, choices=Method.choices)
    is_distant = models.BooleanField(default=False)  # the member is not in the shop: transfer or WeChat, no cash
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    terms_version = models.PositiveSmallIntegerField(null=True)  # what he agreed to
    asked_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    transfer = models.OneToOneField("crm.Transfer", null=True, on_delete=models.PROTECT, related_name="top_up")

    objects = TopUpQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member"], name="top_up_one_open", condition=Q(state__in=["asked", "confirmed"])
            ),
            models.CheckConstraint(condition=Q(principal_fen__gt=0, gift_fen__gte=0), name="top_up_amounts"),
            models.CheckConstraint(
                condition=~Q(state__in=["confirmed", "settled"])
                | Q(confirmed_at__isnull=False, terms_version__isnull=False),
                name="top_up_confirmed_by_member",
            ),
            models.CheckConstraint(
                condition=Q(state="settled", transfer__isnull=False, settled_at__isnull=False)
                | (~Q(state="settled") & Q(transfer__isnull=True)),
                name="top_up_settled_is_booked",
            ),
            models.CheckConstraint(condition=Q(is_distant=False) | Q(method="wechat"), name="top_up_no_distant_cash"),
        ]
        indexes = [
            models.Index(fields=["store", "-id"], name="top_up_of_store"),
            models.Index(fields=["ends_at"], name="top_up_open", condition=Q(state__in=["asked", "confirmed"])),
        ]

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.gift_fen


_AT_THE_BANK = Q(state="paid", way="account", transferred_at=None)


class CardRefundQuerySet(models.QuerySet["CardRefund"]):
    def visible_to(self, actor: Actor) -> CardRefundQuerySet:
        """Refunds this actor may see: finance all, in a store those of its own, whoever asked his own."""
        from crm.wallet.scoped import refund_filter

        return self.filter(refund_filter(actor))

    def waiting_for_bank(self) -> CardRefundQuerySet:
        """Refunds whose card is empty and whose transfer nobody has written down yet."""
        return self.filter(_AT_THE_BANK)

    def under_way(self) -> CardRefundQuerySet:
        """Refunds whose money has not reached the member: undecided, unpaid, or waiting for the bank."""
        return self.filter(Q(state__in=CardRefund.OPEN) | _AT_THE_BANK)


class CardRefund(models.Model):
    """退卡: what is left on a card is paid out, asked by a member or for him, approved by finance."""

    class State(models.TextChoices):
        ASKED = "asked", _("待财务审批")
        APPROVED = "approved", _("已批准，待付款")
        PAID = "paid", _("已退款")
        REFUSED = "refused", _("没批准")
        WITHDRAWN = "withdrawn", _("已撤回")

    class Way(models.TextChoices):
        CASH = "cash", _("现金")
        ACCOUNT = "account", _("本人同名账户")

    OPEN: ClassVar = (State.ASKED, State.APPROVED)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="refunds")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    way = models.CharField(max_length=8, choices=Way.choices)
    method = models.CharField(max_length=12)  # ratio | list_price | seven_days, as the rules of that day said
    principal_fen = models.BigIntegerField()  # what was on the card when it was asked
    gift_fen = models.BigIntegerField()
    pay_fen = models.BigIntegerField()
    two_from_fen = models.BigIntegerField()  # from this sum on two people of finance
    payee_name = EncryptedField(blank=True, default="")
    payee_account = EncryptedField(blank=True, default="", last_four="payee_last4")
    payee_last4 = models.CharField(max_length=4, blank=True, default="")
    reason = models.CharField(max_length=255)
    asked_kind = models.CharField(max_length=8)  # staff | member
    asked_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    pay_before = models.DateField()
    approval = models.OneToOneField("guides.Approval", null=True, on_delete=models.PROTECT, related_name="+")
    approved_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    seconded_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    paid_at = models.DateTimeField(null=True)
    payout_ref = models.CharField(max_length=64, blank=True, default="")  # the bank's number of the transfer
    transferred_at = models.DateTimeField(null=True)  # by bank: when that was written down; cash has none
    transfer = models.OneToOneField("crm.Transfer", null=True, on_delete=models.PROTECT, related_name="card_refund")

    objects = CardRefundQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet"], name="card_refund_one_open", condition=Q(state__in=["asked", "approved"])
            ),
            models.CheckConstraint(
                condition=Q(pay_fen__gte=0, pay_fen__lte=F("principal_fen") + F("gift_fen"), principal_fen__gte=0, gift_fen__gte=0),
                name="card_refund_amounts",
            ),
            # Nobody approves his own; from the sum on, two people of finance.
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "paid"])
                | (
                    Q(approved_by__isnull=False)
                    & (Q(asked_by__isnull=True) | ~Q(approved_by=F("asked_by")))
                    & (Q(pay_fen__lt=F("two_from_fen")) | (Q(seconded_by__isnull=False) & ~Q(seconded_by=F("approved_by"))))
                ),
                name="card_refund_four_eyes",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", transfer__isnull=False, paid_at__isnull=False)
                | (~Q(state="paid") & Q(transfer__isnull=True)),
                name="card_refund_paid_is_booked",
            ),
            models.CheckConstraint(
                condition=Q(transferred_at=None) | (Q(state="paid", way="account") & ~Q(payout_ref="")),
                name="card_refund_transferred",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["state", "-id"], name="card_refund_state"),
            # what finance transfers next
            models.Index(
                fields=["paid_at", "id"], name="card_refund_to_bank", condition=Q(state="paid", way="account", transferred_at=None)
            ),
        ]  # fmt: skip

    @property
    def waits_for_bank(self) -> bool:
        return self.state == self.State.PAID and self.way == self.Way.ACCOUNT and self.transferred_at is None

    @property
    def state_said(self) -> str:
        """How far it is, for member and staff alike: money that is still to be transferred was not refunded yet."""
        return str(_("已批准，等银行转账")) if self.waits_for_bank else self.get_state_display()


class CardPayout(models.Model):
    """A bank transfer of a refund as finance wrote it down. Taken back where the bank returned it, or where it was a mistake."""

    refund = models.ForeignKey(CardRefund, on_delete=models.PROTECT, related_name="payouts")
    bank_ref = models.CharField(max_length=64)
    amount_fen = models.BigIntegerField()
    transfer = models.OneToOneField("crm.Transfer", on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    undone_transfer = models.OneToOneField("crm.Transfer", null=True, on_delete=models.PROTECT, related_name="+")
    undone_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    undone_at = models.DateTimeField(null=True)
    undone_why = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["refund"], name="card_payout_once", condition=Q(undone_at=None)),
            models.UniqueConstraint(fields=["bank_ref"], name="card_payout_number_once", condition=Q(undone_at=None)),
            models.CheckConstraint(condition=Q(amount_fen__gt=0) & ~Q(bank_ref=""), name="card_payout_amount"),
            models.CheckConstraint(
                condition=Q(undone_at=None, undone_transfer=None, undone_why="")
                | (Q(undone_at__isnull=False, undone_transfer__isnull=False) & ~Q(undone_why="")),
                name="card_payout_undone_says_why",
            ),
        ]


class WalletStep(models.Model):
    """One step of a card, a top-up or a refund: who, when, from where to where, why. Append only."""

    wallet = models.ForeignKey(Wallet, null=True, on_delete=models.PROTECT, related_name="steps", db_index=False)
    top_up = models.ForeignKey(TopUp, null=True, on_delete=models.PROTECT, related_name="steps", db_index=False)
    refund = models.ForeignKey(CardRefund, null=True, on_delete=models.PROTECT, related_name="steps", db_index=False)
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10)
    actor_kind = models.CharField(max_length=8)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    why = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(wallet__isnull=False, top_up=None, refund=None)
                | Q(wallet=None, top_up__isnull=False, refund=None)
                | Q(wallet=None, top_up=None, refund__isnull=False),
                name="wallet_step_of_one",
            )
        ]
        indexes = [
            models.Index(fields=["wallet", "id"], name="wallet_step_wallet", condition=Q(wallet__isnull=False)),
            models.Index(fields=["top_up", "id"], name="wallet_step_top_up", condition=Q(top_up__isnull=False)),
            models.Index(fields=["refund", "id"], name="wallet_step_refund", condition=Q(refund__isnull=False)),
        ]
