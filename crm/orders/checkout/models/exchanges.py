"""换货: one piece of an order for another, and the difference."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class ExchangeMoved(Conflict):
    code, title = "exchange.moved", _("这次换货刚被处理过")


class ExchangeQuerySet(models.QuerySet["Exchange"]):
    def visible_to(self, actor: Actor) -> ExchangeQuerySet:
        """Exchanges of the orders one reads, and of the stores one sells in; a member: of his own orders."""
        from ..scoped import refund_filter

        return self.filter(refund_filter(actor))


class Exchange(models.Model):
    """One exchange from the asking to the piece in his hands. Nothing has moved before it is done, but for a difference he pays.

    `line_no` is the line that is given; an order of the feed has no sale, and its till took the money.
    """

    class State(models.TextChoices):
        ASKED = "asked", _("待审批")
        AWAITING_PAYMENT = "awaiting_payment", _("等补差价")
        DONE = "done", _("已换货")
        CLOSED = "closed", _("没有换")

    OPEN: ClassVar[tuple[str, ...]] = (State.ASKED, State.AWAITING_PAYMENT)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    order = models.ForeignKey("crm.Order", on_delete=models.PROTECT, related_name="exchanges")
    sale = models.ForeignKey("crm.Sale", null=True, on_delete=models.PROTECT, related_name="exchanges", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+")  # where it is exchanged
    key = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=16, choices=State.choices)
    line_no = models.PositiveSmallIntegerField()
    new_line_no = models.PositiveSmallIntegerField(null=True)  # once it is done
    quantity = models.PositiveSmallIntegerField(default=1)
    sku = models.ForeignKey("crm.Sku", on_delete=models.PROTECT, related_name="+")  # what is taken
    is_faulty = models.BooleanField(default=False)
    price_fen = models.BigIntegerField()  # of all its pieces, at `asked_at`
    difference_fen = models.BigIntegerField()  # above 0 he pays, below 0 he gets back
    refund = models.OneToOneField("crm.SaleRefund", null=True, on_delete=models.PROTECT, related_name="exchange")
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=64, blank=True)  # it was not exchanged

    objects = ExchangeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "line_no"],
                condition=Q(state__in=("asked", "awaiting_payment")),
                name="exchange_one_open",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1, price_fen__gte=0), name="exchange_amounts"),
            models.CheckConstraint(
                condition=Q(state__in=("asked", "awaiting_payment"), ended_at=None)
                | Q(state="closed", ended_at__isnull=False)
                | Q(state="done", ended_at__isnull=False, new_line_no__isnull=False),
                name="exchange_ended_at_a_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="exchange_expires", condition=Q(state="awaiting_payment")),
        ]

    @property
    def due_fen(self) -> int:
        """Return what he is to pay."""
        return max(0, self.difference_fen)

    @property
    def back_fen(self) -> int:
        return max(0, -self.difference_fen)

    def move_to(self, new: str, **stamps: object) -> None:
        """End it, or let it wait for the money. Raises ExchangeMoved when somebody was faster."""
        if not type(self).objects.filter(pk=self.pk, state=self.state).update(state=new, **stamps):
            raise ExchangeMoved()
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)
