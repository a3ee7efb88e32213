"""After-sale tickets: kind, state, order and times; the whole desk comes with its own issue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class TicketQuerySet(models.QuerySet["Ticket"]):
    def visible_to(self, actor: Actor) -> TicketQuerySet:
        """Tickets of a guide's own members and his own; managers, service and HQ: those of their stores."""
        from .scoped import ticket_filter

        return self.filter(ticket_filter(actor))

    def unfinished(self) -> TicketQuerySet:
        return self.exclude(state__in=Ticket.CLOSED_STATES)


class Ticket(models.Model):
    """A request after the sale. Kinds and states are those of aftersale.yaml."""

    class Kind(models.TextChoices):
        RETURN = "return", _("退货")
        EXCHANGE_SIZE = "exchange_size", _("换尺码")
        EXCHANGE_ITEM = "exchange_item", _("换款")
        QUALITY = "quality", _("质量问题")
        ALTERATION = "alteration", _("改衣")
        CARE = "care", _("清洗保养")
        REPAIR = "repair", _("维修")
        LOGISTICS = "logistics", _("物流问题")
        POINTS_COUPON = "points_coupon", _("积分券问题")
        STORED_VALUE = "stored_value", _("储值问题")
        COMPLAINT = "complaint", _("投诉")
        CONSULT = "consult", _("咨询")

    CLOSED_STATES = ("closed", "rejected", "cancelled")

    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=16, default="new")
    priority = models.PositiveSmallIntegerField(default=3)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="tickets")
    order = models.ForeignKey("crm.Order", null=True, on_delete=models.PROTECT, related_name="tickets", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="tickets")
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="tickets")
    channel = models.CharField(max_length=16, default="wecom_chat")
    topic = models.CharField(max_length=32, blank=True)
    description = models.TextField(blank=True)
    opened_at = models.DateTimeField()
    first_reply_at = models.DateTimeField(null=True)
    pickup_at = models.DateTimeField(null=True)  # alteration: when he collects it, promised or done
    closed_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)  # once, within 7 days

    objects = TicketQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["member"],
                name="ticket_open_member",
                condition=~Q(state__in=["closed", "rejected", "cancelled"]),
            ),
            models.Index(fields=["order"], name="ticket_order"),
        ]
