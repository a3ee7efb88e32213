"""护理单: a garment that is with us to be cleaned, altered or mended, from the counter back into his hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class CareSlipQuerySet(models.QuerySet["CareSlip"]):
    def visible_to(self, actor: Actor) -> CareSlipQuerySet:
        """Slips of the tickets one reads."""
        from .models import Ticket

        return self.filter(ticket__in=Ticket.objects.visible_to(actor))


class CareSlip(models.Model):
    """One garment in our hands. Photos and a signature are files of the ticket's steps; work begins once it is confirmed."""

    class Coverage(models.TextChoices):
        """Why it costs him nothing, or that it does (aftersale.yaml care_rules, alteration_rules)."""

        BASIC = "basic", _("基础护理，免费")
        INCLUDED = "included", _("随衣赠送")
        FREE_CARE = "free_care", _("会员免费洗护")
        FREE_ALTERATION = "free_alteration", _("30 天内免费改一次")
        WARRANTY = "warranty", _("质量问题，免费")
        OURS = "ours", _("我们弄坏的，免费")
        PAID = "paid", _("按价目收费")

    ticket = models.OneToOneField("crm.Ticket", on_delete=models.CASCADE, related_name="slip")
    bag_code = models.CharField(max_length=8, unique=True)  # on the bag it hangs in
    flaws = models.TextField(blank=True)  # 瑕疵登记: what was there before
    measures = models.CharField(max_length=255, blank=True)
    works = models.CharField(max_length=64, blank=True)  # care kind, or works of an alteration
    is_within_seam = models.BooleanField(default=False)  # what is let out stays within the seam
    coverage = models.CharField(max_length=16, choices=Coverage.choices)
    price_fen = models.BigIntegerField(default=0)
    benefit_use = models.OneToOneField("crm.BenefitUse", null=True, on_delete=models.PROTECT, related_name="care_slip")
    received_at = models.DateTimeField()
    received_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    confirmed_at = models.DateTimeField(null=True)
    is_signed = models.BooleanField(default=False)  # on paper at the counter; else on his phone
    fee_way = models.CharField(max_length=8, blank=True)
    fee_at = models.DateTimeField(null=True)
    fee_transfer_id = models.BigIntegerField(null=True)  # of the wallet's ledger
    ready_at = models.DateTimeField(null=True)
    collected_at = models.DateTimeField(null=True)
    unclaimed_told_at = models.DateTimeField(null=True)  # after 90 days the manager has a list

    objects = CareSlipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(price_fen=0) | Q(price_fen__gt=0, coverage="paid"), name="care_slip_only_paid_costs"
            ),
            models.CheckConstraint(
                condition=Q(benefit_use=None) | Q(coverage="free_care"), name="care_slip_use_is_of_free_care"
            ),
        ]
        indexes = [
            models.Index(  # what nobody collects
                fields=["ready_at"], name="care_slip_waits", condition=Q(ready_at__isnull=False, collected_at=None)
            ),
        ]

    @property
    def fee_fen(self) -> int:
        """Return what is still to be paid."""
        return 0 if self.fee_at else self.price_fen
