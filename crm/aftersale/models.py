"""After-sale tickets: what is asked, who answers now and by when, and each step of it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.clock import local_day

from .care_models import CareSlip

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


__all__ = ["CareSlip", "Ticket", "TicketStep"]


class TicketQuerySet(models.QuerySet["Ticket"]):
    def visible_to(self, actor: Actor) -> TicketQuerySet:
        """Tickets of a guide's own members and his own; managers, service and HQ: those of their stores."""
        from .scoped import ticket_filter

        return self.filter(ticket_filter(actor))

    def answered_by(self, actor: Actor) -> TicketQuerySet:
        """Tickets that are this person's to answer now."""
        from .scoped import answer_filter

        return self.filter(answer_filter(actor))

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

    class Stage(models.TextChoices):
        """Who answers now. It only moves on: what a guide missed is not hers again."""

        GUIDE = "guide", _("专属导购")
        MANAGER = "manager", _("店长")
        SERVICE = "service", _("总部客服")

    class Clock(models.TextChoices):
        """What is late when `clock_at` is over."""

        FIRST = "first", _("首次响应")
        MANAGER = "manager", _("店长接手")
        PROPOSAL = "proposal", _("给出办法")
        CLOSING = "closing", _("办完")

    CLOSED_STATES = ("closed", "rejected", "cancelled")

    public_id = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=16, default="new")
    priority = models.PositiveSmallIntegerField(default=3)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="tickets")
    order = models.ForeignKey("crm.Order", null=True, on_delete=models.PROTECT, related_name="tickets", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="tickets")
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="tickets")
    # Whose ticket it is while `guide` stands in for her; null: nobody stands in.
    covers_for = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    channel = models.CharField(max_length=16, default="wecom_chat")
    topic = models.CharField(max_length=32, blank=True)
    description = models.TextField(blank=True)
    line = models.ForeignKey(
        "crm.OrderLine", null=True, on_delete=models.SET_NULL, related_name="tickets", db_index=False
    )
    # Which of the line's pieces; null: about none (a complaint, a question), or about a whole order.
    piece_no = models.PositiveSmallIntegerField(null=True)
    wish = models.JSONField(default=dict)  # by kind: target_size, target_sku, works, measures, care_kind, reason
    # A complaint about the guide himself: he does not see it, the manager answers from the start.
    is_about_guide = models.BooleanField(default=False)
    stage = models.CharField(max_length=8, choices=Stage.choices, default=Stage.GUIDE)
    served_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    # Null on tickets from before these clocks ran.
    first_due_at = models.DateTimeField(null=True)
    proposal_due_at = models.DateTimeField(null=True)
    closing_due_at = models.DateTimeField(null=True)
    clock = models.CharField(max_length=8, choices=Clock.choices, blank=True)
    clock_at = models.DateTimeField(null=True)  # when the next is called; null: nobody any more
    opened_at = models.DateTimeField()
    # Of a mall's feed: when he asked there, and under which number ("source:number"), so that it comes once.
    asked_at = models.DateTimeField(null=True)
    feed_key = models.CharField(max_length=160, null=True)
    first_reply_at = models.DateTimeField(null=True)
    proposed_at = models.DateTimeField(null=True)
    waiting_since = models.DateTimeField(null=True)  # 待顾客: seven days without a word close it
    pickup_at = models.DateTimeField(null=True)  # alteration: when he collects it, promised or done
    closed_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)  # once, within 7 days
    result = models.CharField(max_length=255, blank=True)
    refund = models.OneToOneField("crm.SaleRefund", null=True, on_delete=models.PROTECT, related_name="ticket")
    exchange = models.OneToOneField("crm.Exchange", null=True, on_delete=models.PROTECT, related_name="ticket")
    compensation = models.OneToOneField("crm.SaleRefund", null=True, on_delete=models.PROTECT, related_name="+")
    promised_on = models.DateField(null=True)  # the day by which it is mended, cleaned, or here from elsewhere
    nature = models.CharField(max_length=8, blank=True, default="", db_default="")  # of a complaint: rules.NATURES
    stars = models.PositiveSmallIntegerField(null=True)
    rating_words = models.CharField(max_length=255, blank=True)
    rated_at = models.DateTimeField(null=True)
    from_rating_of = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="low_rating")

    objects = TicketQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["member"],
                name="ticket_open_member",
                condition=~Q(state__in=["closed", "rejected", "cancelled"]),
            ),
            models.Index(fields=["order"], name="ticket_order"),
            models.Index(fields=["clock_at"], name="ticket_clock", condition=Q(clock_at__isnull=False)),
            models.Index(fields=["waiting_since"], name="ticket_waiting", condition=Q(state="waiting_member")),
            models.Index(fields=["closed_at", "id"], name="ticket_over", condition=Q(state="closed")),  # how was it
            models.Index(
                fields=["stage", "clock_at", "id"],
                name="ticket_queue",
                condition=~Q(state__in=["closed", "rejected", "cancelled"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["feed_key"], name="ticket_feed_once", condition=Q(feed_key__isnull=False)),
            models.UniqueConstraint(
                fields=["line", "piece_no"],
                name="ticket_piece_open_once",
                condition=~Q(state__in=["closed", "rejected", "cancelled"]),
            ),
            models.CheckConstraint(
                condition=Q(stars__isnull=True) | Q(stars__range=(1, 5)), name="ticket_one_to_five_stars"
            ),
            models.CheckConstraint(
                condition=Q(clock_at__isnull=True) | ~Q(state__in=["closed", "rejected", "cancelled"]),
                name="ticket_closed_has_no_clock",
            ),
        ]

    @property
    def number(self) -> str:
        """Return what people call it: AS251121-37."""
        return f"AS{local_day(self.opened_at):%y%m%d}-{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state not in self.CLOSED_STATES

    @property
    def asked(self) -> datetime:
        """Return when he asked: the days of his rights count to then, our clocks from when we heard of it."""
        return self.asked_at or self.opened_at

    @property
    def is_vip(self) -> bool:
        return self.member.is_vip


class TicketStep(models.Model):
    """One thing that happened to a ticket, in words; what the member may read of it is marked."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("提交")
        SAID = "said", _("会员说")
        REPLY = "reply", _("回复")
        NOTE = "note", _("内部备注")
        PROPOSAL = "proposal", _("办法")
        MOVED = "moved", _("进度")
        PASSED = "passed", _("转交")
        RATED = "rated", _("评价")

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="steps", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_member = models.BooleanField(default=False)
    is_shown = models.BooleanField(default=False)  # to the member
    text = models.TextField(blank=True)
    state = models.CharField(max_length=16, blank=True)  # the one it came to

    class Meta:
        indexes = [models.Index(fields=["ticket", "id"], name="ticket_step_ticket")]
