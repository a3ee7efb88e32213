"""A basket that was sent to its member: how he is to pay, where it goes, and what he did with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.personal import EncryptedField

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class ProxyQuerySet(models.QuerySet["ProxyOrder"]):
    def visible_to(self, actor: Actor) -> ProxyQuerySet:
        """A guide: those she sent, and those of her members; others as they see sales; a member his own."""
        from .scoped import proxy_filter

        return self.filter(proxy_filter(actor))

    def with_people(self) -> ProxyQuerySet:
        return self.select_related("sale", "store", "guide", "member", "confirmed_by")

    def open(self) -> ProxyQuerySet:
        return self.filter(ended_at=None)


class ProxyOrder(models.Model):
    """One order a guide sent to her member. Amounts, coupon, points and payment stand on its sale.

    `way` is how the guide asked: by link he chooses himself; by card he taps that it may be taken; transferred means that he
    paid the guide by himself, which she proves with a picture and he has to say himself.
    """

    class Way(models.TextChoices):
        LINK = "link", _("付款链接")
        WALLET = "wallet", _("储值付")
        TRANSFER = "transfer", _("转给导购")

    class Delivery(models.TextChoices):
        PICKUP = "pickup", _("到店自提")
        EXPRESS = "express", _("快递到家")
        COURIER = "courier", _("同城闪送")

    sale = models.OneToOneField("crm.Sale", on_delete=models.PROTECT, related_name="proxy")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)
    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="proxy_orders", db_index=False)
    way = models.CharField(max_length=10, choices=Way.choices)
    delivery = models.CharField(max_length=10, choices=Delivery.choices, default=Delivery.PICKUP)
    address = EncryptedField(blank=True, default="")  # whom, where, by what number; only where it is brought
    amount_fen = models.BigIntegerField()  # what he was asked for
    day = models.DateField()  # the local day it was sent: for the limit of what is transferred to a guide
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)  # the link went out in the chat
    opened_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)  # that it was transferred
    confirmed_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")  # null: he
    disputed_at = models.DateTimeField(null=True)  # he says that he transferred nothing
    escalated_at = models.DateTimeField(null=True)  # the manager was asked, as he did not say
    refused_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=60, blank=True)
    ended_at = models.DateTimeField(null=True)  # paid, refused, withdrawn or too late

    objects = ProxyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="proxy_amount"),
            models.CheckConstraint(condition=Q(expires_at__gt=models.F("sent_at")), name="proxy_expires_later"),
            models.CheckConstraint(
                condition=Q(way="transfer") | Q(confirmed_at=None, disputed_at=None, escalated_at=None),
                name="proxy_only_a_transfer_is_confirmed",
            ),
        ]
        indexes = [
            models.Index(fields=["store", "-sent_at"], name="proxy_of_store"),
            models.Index(fields=["guide", "day"], name="proxy_of_guide_day"),  # the day's limit, and her own list
            models.Index(fields=["member", "-sent_at"], name="proxy_of_member"),
            models.Index(fields=["sent_at"], condition=Q(ended_at=None), name="proxy_open"),  # the job that follows
        ]
