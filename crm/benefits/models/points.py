"""积分: an append-only ledger, the lots that are left of what was earned, and which of them a spending used.

For each member: the sum of his entries = balance = points left in his lots - debt. A debt stands only while no lot has
anything left: points taken back after they were spent; the next earning fills it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class PointsAccount(models.Model):
    """What a member has. Locked by everybody who changes his points."""

    member = models.OneToOneField(
        "crm.Member", primary_key=True, on_delete=models.PROTECT, related_name="points_account"
    )
    balance = models.BigIntegerField(default=0)
    left_points = models.BigIntegerField(default=0)
    debt_points = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(balance=F("left_points") - F("debt_points")), name="points_account_adds_up"
            ),
            models.CheckConstraint(
                condition=Q(left_points__gte=0, debt_points__gte=0) & (Q(left_points=0) | Q(debt_points=0)),
                name="points_account_debt_or_left",
            ),
        ]


class PointsEntryQuerySet(models.QuerySet["PointsEntry"]):
    def visible_to(self, actor: Actor) -> PointsEntryQuerySet:
        """Entries of members whose card an actor may open."""
        from ..scoped import of_members

        return self.filter(of_members(actor))


class PointsEntry(models.Model):
    """One line of the ledger. Only the member it belongs to may ever change, when two turn out to be one person."""

    class Kind(models.TextChoices):
        EARN = "earn", _("消费得积分")
        SPEND = "spend", _("积分抵现")
        EXCHANGE = "exchange", _("积分换券")
        EXPIRE = "expire", _("积分到期")
        TAKE_BACK = "take_back", _("退货扣回")
        GIVE_BACK = "give_back", _("退货退还")

    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="points_entries", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    points = models.IntegerField()
    balance_after = models.BigIntegerField()
    subject = models.CharField(max_length=48, blank=True)  # "order:7", "sale:12", "coupon_batch:3"
    key = models.CharField(max_length=80)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()

    objects = PointsEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="points_entry_key"),
            models.CheckConstraint(
                condition=Q(kind__in=["earn", "give_back"], points__gt=0)
                | Q(kind__in=["spend", "exchange", "expire", "take_back"], points__lt=0),
                name="points_entry_sign",
            ),
        ]
        indexes = [
            models.Index(fields=["member", "-id"], name="points_entry_of_member"),
            models.Index(fields=["subject"], name="points_entry_subject", condition=~Q(subject="")),
        ]


class PointsLot(models.Model):
    """Points that came together and end together. `earned_points` is what its order is worth as it stands now."""

    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="points_lots", db_index=False)
    subject = models.CharField(max_length=48, blank=True)  # of an order's lot; one order, one lot
    points = models.IntegerField()  # that came in, all together
    left_points = models.IntegerField()
    usable_from = models.DateTimeField()
    expires_on = models.DateField()  # the last day
    # How an order's points were reckoned; kept, so that a return takes back by the rate of the payment.
    level = models.CharField(max_length=2, blank=True)
    rate_tenths = models.PositiveSmallIntegerField(default=10)
    multiplier = models.PositiveSmallIntegerField(default=1)
    earned_points = models.IntegerField(default=0)
    revision = models.PositiveSmallIntegerField(default=0)  # how often the order's worth has changed
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject"], condition=~Q(subject=""), name="points_lot_of_order"),
            models.CheckConstraint(
                condition=Q(left_points__gte=0, left_points__lte=F("points"), earned_points__gte=0),
                name="points_lot_within",
            ),
        ]
        indexes = [
            models.Index(fields=["member", "expires_on"], name="points_lot_left", condition=Q(left_points__gt=0)),
            models.Index(fields=["expires_on"], name="points_lot_ends", condition=Q(left_points__gt=0)),
        ]


class PointsUse(models.Model):
    """So many points of a lot went out with an entry; or filled a debt, with the entry that brought the lot."""

    entry = models.ForeignKey(PointsEntry, on_delete=models.PROTECT, related_name="uses")
    lot = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="uses")
    points = models.IntegerField()
    returned_points = models.IntegerField(default=0)  # of a spending, given back since

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0, returned_points__gte=0, returned_points__lte=F("points")),
                name="points_use_within",
            )
        ]


class PointsProof(models.Model):
    """The nightly proof that the ledger balances to the point; `faults` counts what does not, by rule."""

    day = models.DateField(unique=True)
    proved_at = models.DateTimeField()
    entry_count = models.BigIntegerField()
    balance = models.BigIntegerField()
    faults = models.JSONField(default=dict)

    @property
    def is_balanced(self) -> bool:
        return not any(self.faults.values())
