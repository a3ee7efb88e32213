"""Where pieces are: what the feed said, what we know since, what is promised to whom, what goes from one place to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from guides.org import matrix
from guides.org.scoped import store_filter
from yejibao.core.errors import Conflict

from .models import Sku, StyleColor

if TYPE_CHECKING:
    from yejibao.core.scope import Actor

ONE_PLACE = Q(store__isnull=False, warehouse__isnull=True) | Q(store__isnull=True, warehouse__isnull=False)


class Warehouse(models.Model):
    """仓库: a place of stock that nobody sells from. It stands in the stock feed under a code of its own, as a store does."""

    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=32)
    city = models.CharField(max_length=32, blank=True, default="", db_default="")
    is_active = models.BooleanField(default=True, db_default=True)

    def __str__(self) -> str:
        return self.name


class StockLevelQuerySet(models.QuerySet["StockLevel"]):
    def visible_to(self, actor: Actor) -> StockLevelQuerySet:
        """Stock of stores within the actor's grants."""
        return self if actor.is_system else self.filter(store_filter(actor, prefix="store"))

    def countable_by(self, actor: Actor) -> StockLevelQuerySet:
        """How many pieces lie where, and no more: every place's for who looks it up for a member, a dealer's own for him."""
        return self if actor.has_role(*matrix.exactly("stock.read", "all", "count")) else self.visible_to(actor)


class StockLevel(models.Model):
    """How many pieces a place has, as the stock system said at `as_of`. What happened since stands in `StockMovement`."""

    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="stock", db_index=False)
    warehouse = models.ForeignKey(Warehouse, null=True, on_delete=models.PROTECT, related_name="stock", db_index=False)
    style = models.ForeignKey(StyleColor, on_delete=models.CASCADE, related_name="stock", db_index=False)
    size = models.CharField(max_length=16)
    quantity = models.IntegerField()
    in_transit = models.IntegerField(default=0)  # on the way to this place
    as_of = models.DateTimeField()
    source = models.CharField(max_length=32)

    objects = StockLevelQuerySet.as_manager()

    class Meta:
        constraints = [
            # Who in the country has this size: read by style and size.
            models.UniqueConstraint(
                fields=["style", "size", "store", "warehouse"], nulls_distinct=False, name="stock_style_size_place"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=0, in_transit__gte=0), name="stock_not_negative"),
            models.CheckConstraint(condition=ONE_PLACE, name="stock_one_place"),
        ]
        indexes = [
            # What this store has of a style, and what it has at all; what the few warehouses have of it.
            models.Index(fields=["store", "style"], name="stock_store_style", condition=Q(store__isnull=False)),
            models.Index(fields=["style"], name="stock_warehouses_style", condition=Q(warehouse__isnull=False)),
        ]


class StockMovement(models.Model):
    """Pieces came or went and we know it before the feed does. Append only (a trigger refuses changes).

    It counts until the feed's `as_of` of that place and size is later: from then on the feed has it in its number.
    """

    class Kind(models.TextChoices):
        SOLD = "sold", _("卖出")
        RETURNED = "returned", _("退回")
        SENT = "sent", _("调出")
        RECEIVED = "received", _("调入")
        COUNTED = "counted", _("盘点")

    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    warehouse = models.ForeignKey(Warehouse, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    change = models.IntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    subject = models.CharField(max_length=64)  # what it belongs to: sale:17, transfer:4
    key = models.CharField(max_length=64)  # of the act; the same act twice moves nothing twice
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "sku", "kind"], name="movement_once"),
            models.CheckConstraint(condition=~Q(change=0), name="movement_moves"),
            models.CheckConstraint(condition=ONE_PLACE, name="movement_one_place"),
        ]
        indexes = [
            models.Index(fields=["sku", "store", "at"], name="movement_sku_store", condition=Q(store__isnull=False)),
            models.Index(
                fields=["sku", "warehouse", "at"], name="movement_sku_warehouse", condition=Q(warehouse__isnull=False)
            ),
        ]


# ---------------------------------------------------------------- promises


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def visible_to(self, actor: Actor) -> ReservationQuerySet:
        """Those of the stores one works in or answers for: a colleague must not sell what is promised."""
        return self if actor.is_system else self.filter(store_filter(actor, prefix="store"))

    def holding(self) -> ReservationQuerySet:
        return self.filter(state=Reservation.State.HELD)


class Reservation(models.Model):
    """留货: pieces of a store kept for a member until a moment. While it is held they are promised to nobody else."""

    class State(models.TextChoices):
        HELD = "held", _("留着")
        TAKEN = "taken", _("已取走")
        RELEASED = "released", _("已放回")
        EXPIRED = "expired", _("到时间放回")

    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = models.PositiveSmallIntegerField()
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="reservations")
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.HELD)
    until = models.DateTimeField()
    key = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1, quantity__lte=9), name="reservation_quantity"),
            models.CheckConstraint(condition=Q(state="held") ^ Q(ended_at__isnull=False), name="reservation_ended"),
        ]
        indexes = [
            models.Index(fields=["sku", "store"], name="reservation_held", condition=Q(state="held")),
            models.Index(fields=["until"], name="reservation_due", condition=Q(state="held")),
            models.Index(fields=["store", "-created_at"], name="reservation_of_store"),
        ]


class TransferQuerySet(models.QuerySet["TransferRequest"]):
    def visible_to(self, actor: Actor) -> TransferQuerySet:
        """Those from or to the stores one works in or answers for; the merchandisers all, they answer for the warehouses."""
        if actor.is_system or actor.has_role(*matrix.exactly("stock.transfer", "all")):
            return self
        both = Q()
        for side in ("from_store", "to_store"):
            both |= store_filter(actor, prefix=side)
        return self.filter(both)

    def answerable_by(self, actor: Actor) -> TransferQuerySet:
        """Those that wait for this actor's side to answer or to send."""
        if actor.is_system:
            return self
        mine = store_filter(actor, prefix="from_store") & Q(from_store__isnull=False)
        if actor.has_role(*matrix.exactly("stock.transfer", "all")):
            mine |= Q(from_warehouse__isnull=False)
        return self.filter(mine)


class TransferRequest(models.Model):
    """调货: a store asks another, or the warehouse, for a piece. Agreed pieces are held there until they are on their way."""

    class State(models.TextChoices):
        ASKED = "asked", _("等回复")
        AGREED = "agreed", _("同意，待发出")
        SENT = "sent", _("在路上")
        RECEIVED = "received", _("已收到")
        REFUSED = "refused", _("没有了")
        CANCELLED = "cancelled", _("已撤回")
        EXPIRED = "expired", _("没人回，已失效")

    NEXT: ClassVar[dict[str, set[str]]] = {
        State.ASKED: {State.AGREED, State.REFUSED, State.CANCELLED, State.EXPIRED},
        State.AGREED: {State.SENT, State.REFUSED, State.CANCELLED, State.EXPIRED},
        State.SENT: {State.RECEIVED},
    }
    OPEN: ClassVar[tuple[str, ...]] = (State.ASKED, State.AGREED, State.SENT)

    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = models.PositiveSmallIntegerField()
    from_store = models.ForeignKey(
        "guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    from_warehouse = models.ForeignKey(Warehouse, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    to_store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)
    member = models.ForeignKey("crm.Member", null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    note = models.CharField(max_length=60, blank=True, default="")
    asked_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()  # what nobody answered or sent by then comes to its end
    answered_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    answered_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    key = models.CharField(max_length=64, unique=True)

    objects = TransferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1, quantity__lte=9), name="goods_transfer_quantity"),
            models.CheckConstraint(
                condition=Q(from_store__isnull=False, from_warehouse__isnull=True)
                | Q(from_store__isnull=True, from_warehouse__isnull=False),
                name="goods_transfer_one_source",
            ),
            models.CheckConstraint(condition=~Q(from_store=models.F("to_store")), name="goods_transfer_goes"),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "agreed", "sent"]) ^ Q(ended_at__isnull=False),
                name="goods_transfer_ended",
            ),
        ]
        indexes = [
            # What is promised there and not sent yet.
            models.Index(fields=["sku", "from_store"], name="goods_transfer_agreed", condition=Q(state="agreed")),
            models.Index(fields=["due_at"], name="goods_transfer_due", condition=Q(state__in=["asked", "agreed"])),
            models.Index(fields=["from_store", "-asked_at"], name="goods_transfer_from"),
            models.Index(fields=["to_store", "-asked_at"], name="goods_transfer_to"),
        ]

    def move_to(self, new: str, **stamps: Any) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, set()):
            raise Conflict(f"{self.get_state_display()} → {self.State(new).label}")
        if not TransferRequest.objects.filter(pk=self.pk, state=self.state).update(state=new, **stamps):
            raise Conflict(_("这条调货刚被处理过"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)
