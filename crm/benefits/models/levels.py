"""等级与权益: how a member's level came about, and which of its benefits he has used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class LevelChange(models.Model):
    """A member's level changed, or was kept at the end of its time. The level itself stands on the member."""

    class Reason(models.TextChoices):
        UPGRADE = "upgrade", _("消费达标，升级")
        RENEWED = "renewed", _("到期保级")
        LOWERED = "lowered", _("到期降一级")
        REFUND = "refund", _("退货后回到原级")

    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="level_changes", db_index=False)
    from_level = models.CharField(max_length=2)
    to_level = models.CharField(max_length=2)
    reason = models.CharField(max_length=8, choices=Reason.choices)
    spend_180_fen = models.BigIntegerField()
    valid_until = models.DateField(null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(reason="renewed", from_level=models.F("to_level"))
                | Q(reason="upgrade", from_level__lt=models.F("to_level"))
                | Q(reason__in=["lowered", "refund"], from_level__gt=models.F("to_level")),
                name="level_change_way",
            )
        ]
        indexes = [models.Index(fields=["member", "-at"], name="level_change_of_member")]


class BenefitUseQuerySet(models.QuerySet["BenefitUse"]):
    def visible_to(self, actor: Actor) -> BenefitUseQuerySet:
        """Uses of members whose card an actor may open."""
        from ..scoped import of_members

        return self.filter(of_members(actor))


class BenefitUse(models.Model):
    """One use of a benefit of the level: the n-th of its kind in a calendar year (aftersale.yaml care_rules.entitlement)."""

    class Kind(models.TextChoices):
        FREE_CARE = "free_care", _("免费洗护")

    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="benefit_uses", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    year = models.PositiveSmallIntegerField()
    nth = models.PositiveSmallIntegerField()
    level = models.CharField(max_length=2)  # he had then
    subject = models.CharField(max_length=48)  # "ticket:9"
    key = models.CharField(max_length=64)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    given_back_at = models.DateTimeField(null=True)

    objects = BenefitUseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "kind", "year", "nth"], condition=Q(given_back_at=None), name="benefit_use_nth"
            ),
            models.UniqueConstraint(fields=["kind", "key"], name="benefit_use_key"),
        ]
