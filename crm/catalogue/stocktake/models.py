"""A stocktake: the book as it stood when counting began, every scan there was, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class StocktakeQuerySet(models.QuerySet["Stocktake"]):
    def visible_to(self, actor: Actor) -> StocktakeQuerySet:
        """A guide: those he counts in; the manager: her store's; 商品部: all."""
        from .scoped import stocktake_filter

        return self.filter(stocktake_filter(actor))

    def with_people(self) -> StocktakeQuerySet:
        return self.select_related("store", "created_by", "closed_by", "recounter", "ended_by")


class Stocktake(models.Model):
    """One count of a store, whole or some categories. The book is frozen when the first person begins."""

    class State(models.TextChoices):
        PLANNED = "planned", _("还没开始")
        COUNTING = "counting", _("盘点中")
        REVIEW = "review", _("看差异")
        RECOUNT = "recount", _("复盘中")
        APPROVED = "approved", _("已入账")
        CANCELLED = "cancelled", _("已取消")
        EXPIRED = "expired", _("已过期")

    RUNNING: ClassVar[tuple[str, ...]] = (State.COUNTING, State.REVIEW, State.RECOUNT)
    OPEN: ClassVar[tuple[str, ...]] = (State.PLANNED, *RUNNING)
    SCANNED: ClassVar[tuple[str, ...]] = (State.COUNTING, State.RECOUNT)
    NEXT: ClassVar[dict[str, set[str]]] = {
        State.PLANNED: {State.COUNTING, State.CANCELLED, State.EXPIRED},
        State.COUNTING: {State.REVIEW, State.CANCELLED, State.EXPIRED},
        State.REVIEW: {State.COUNTING, State.RECOUNT, State.APPROVED, State.CANCELLED, State.EXPIRED},
        State.RECOUNT: {State.REVIEW, State.CANCELLED, State.EXPIRED},
    }

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="stocktakes")
    categories = ArrayField(models.CharField(max_length=16), default=list, blank=True)  # empty: the whole store
    day = models.DateField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.PLANNED)
    round = models.PositiveSmallIntegerField(default=1)  # 1 the count, 2 and on: recounts
    created_by = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    ends_at = models.DateTimeField()  # then it expires by itself
    started_at = models.DateTimeField(null=True)  # the book's moment
    closed_at = models.DateTimeField(null=True)  # of the last round
    closed_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    recounter = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)  # approved, cancelled or expired
    ended_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=255, blank=True)  # why cancelled; what the approver added
    # What was approved, kept as it was said.
    book_pieces = models.IntegerField(default=0)
    counted_pieces = models.IntegerField(default=0)
    gain_pieces = models.IntegerField(default=0)
    loss_pieces = models.IntegerField(default=0)
    gain_fen = models.BigIntegerField(default=0)
    loss_fen = models.BigIntegerField(default=0)

    objects = StocktakeQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two at once in one store would adjust the same pieces twice.
            models.UniqueConstraint(
                fields=["store"], condition=Q(state__in=("counting", "review", "recount")), name="stocktake_one_runs"
            ),
            models.CheckConstraint(
                condition=Q(state__in=("planned", "cancelled", "expired")) | Q(started_at__isnull=False),
                name="stocktake_running_has_begun",
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(ended_by__isnull=False, closed_by__isnull=False),
                name="stocktake_approved_by_somebody",
            ),
            models.CheckConstraint(condition=Q(round__gte=1), name="stocktake_round"),
        ]
        indexes = [
            models.Index(fields=["store", "-created_at"], name="stocktake_of_store"),
            models.Index(fields=["-created_at"], name="stocktake_newest"),  # HQ's list
            models.Index(
                fields=["ends_at"],
                condition=Q(state__in=("planned", "counting", "review", "recount")),
                name="stocktake_ends",
            ),
        ]

    @property
    def is_running(self) -> bool:
        return self.state in self.RUNNING

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def title(self) -> str:
        """全店, or what is counted."""
        return "、".join(self.categories) if self.categories else str(_("全店"))

    def move_to(self, new: str, **stamps: Any) -> None:
        """Move on. Raises Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, ()):
            raise Conflict(_("这次盘点现在是「%(state)s」，做不了这一步") % {"state": self.get_state_display()})
        if not type(self).objects.filter(pk=self.pk, state=self.state, round=self.round).update(state=new, **stamps):
            raise Conflict(_("这次盘点刚被处理过，看过再点"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)


class StocktakeCounter(models.Model):
    """Who is asked to count."""

    stocktake = models.ForeignKey(Stocktake, on_delete=models.CASCADE, related_name="counters")
    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stocktake", "staff"], name="stocktake_counter_once")]
        indexes = [models.Index(fields=["staff"], name="stocktake_counts")]


class OfStocktake(models.QuerySet[Any]):
    def visible_to(self, actor: Actor) -> OfStocktake:
        """What belongs to a stocktake is seen by who looks after it; a guide counts blind."""
        from .scoped import part_filter

        return self.filter(part_filter(actor))


class StocktakeLine(models.Model):
    """One size of one style-colour: what the book said when counting began, and what was there.

    `difference` = `counted` - (`book` + `moved`): what was sold or came back before its last piece was scanned is no loss.
    """

    stocktake = models.ForeignKey(Stocktake, on_delete=models.CASCADE, related_name="lines", db_index=False)
    sku = models.ForeignKey("crm.Sku", on_delete=models.PROTECT, related_name="+")
    book = models.IntegerField(default=0)
    price_fen = models.BigIntegerField(default=0)  # of the tag, as it was then
    round = models.PositiveSmallIntegerField(default=1)  # whose count holds
    counted = models.IntegerField(null=True)
    first_counted = models.IntegerField(null=True)  # of the round before, where it was counted again
    moved = models.IntegerField(default=0)  # sold (-), returned and received (+) since the book was frozen
    moved_between = models.IntegerField(default=0)  # pieces moved between its first and its last scan: worth a recount
    drift = models.IntegerField(default=0)  # what the stock system says now beyond book and movements: a feed came in
    difference = models.IntegerField(null=True)
    amount_fen = models.BigIntegerField(default=0)  # |difference| at the tag's price
    wants_recount = models.BooleanField(default=False)
    is_settled = models.BooleanField(default=False)  # somebody looked at two who counted it in one place

    objects = OfStocktake.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stocktake", "sku"], name="stocktake_line_once"),
            models.CheckConstraint(
                condition=Q(difference=None) | Q(difference=F("counted") - F("book") - F("moved")),
                name="stocktake_difference_is_what_it_says",
            ),
            models.CheckConstraint(condition=Q(amount_fen__gte=0), name="stocktake_amount"),
        ]
        indexes = [
            models.Index(
                fields=["stocktake", "-amount_fen", "-id"], condition=~Q(difference=0), name="stocktake_differences"
            )
        ]


class StocktakeScan(models.Model):
    """One scan, or a quantity typed in. The phone names it before it sends it: sent again it is the same.

    A piece with a code of its own counts once in a round, whoever scanned it and however often; of what has only a size's
    code, the quantities of all places and people add up. Nothing is deleted: what was taken back has `voided_at`.
    """

    stocktake = models.ForeignKey(Stocktake, on_delete=models.CASCADE, related_name="scans", db_index=False)
    client_id = models.UUIDField(unique=True, default=uuid4)
    round = models.PositiveSmallIntegerField(default=1)
    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    device = models.CharField(max_length=36, blank=True)
    zone = models.CharField(max_length=16, blank=True)
    code = models.CharField(max_length=64)
    sku = models.ForeignKey("crm.Sku", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    piece = models.CharField(max_length=64, blank=True)  # the garment's own code; "" where only its size is known
    quantity = models.PositiveSmallIntegerField(default=1)
    is_manual = models.BooleanField(default=False)
    scanned_at = models.DateTimeField()  # as the phone says
    received_at = models.DateTimeField()
    is_late = models.BooleanField(default=False)  # came when counting was over; does not count until somebody says so
    voided_at = models.DateTimeField(null=True)
    voided_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)

    objects = OfStocktake.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1, quantity__lte=999), name="stocktake_scan_quantity"),
            models.CheckConstraint(condition=Q(piece="") | Q(quantity=1), name="stocktake_piece_is_one"),
        ]
        indexes = [
            # The live count and the close read all scans of a round; a recount those of its sizes.
            models.Index(fields=["stocktake", "round", "sku"], name="stocktake_scans"),
            models.Index(fields=["stocktake", "piece"], condition=~Q(piece=""), name="stocktake_pieces"),
        ]


class StocktakePhone(models.Model):
    """A phone that counts: when it was last heard, and how much it still kept to itself then."""

    stocktake = models.ForeignKey(Stocktake, on_delete=models.CASCADE, related_name="phones", db_index=False)
    device = models.CharField(max_length=36)
    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    zone = models.CharField(max_length=16, blank=True)
    waiting = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stocktake", "device"], name="stocktake_phone_once")]
