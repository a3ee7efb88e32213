"""Who may send data, what was sent, and the rows that were refused. The staging table is here too; it is never read by others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict
from yejibao.core.personal import EncryptedField

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class OfKinds(models.QuerySet[Any]):
    def visible_to(self, actor: Actor) -> Any:
        """What is of kinds that the actor's roles take care of."""
        from .kinds import kinds_of

        if actor.is_system:
            return self
        return self.filter(kind__in=[kind.key for kind in kinds_of(actor)])


class SourceQuerySet(models.QuerySet["Source"]):
    def visible_to(self, actor: Actor) -> SourceQuerySet:
        """Sources that may send something the actor's roles take care of; the system's keeper sees them all."""
        from .kinds import KEEPERS, kinds_of

        if actor.is_system or actor.has_role(*KEEPERS):
            return self
        return self.filter(kinds__overlap=[kind.key for kind in kinds_of(actor)])


class Source(models.Model):
    """A system that may send data (till, ERP, mall …), or the files of our own people. Only the hash of its token is kept."""

    name = models.CharField(max_length=32, unique=True)  # with a row's key it tells one row from another
    label = models.CharField(max_length=32, blank=True)
    token_sha = models.CharField(max_length=64, unique=True, null=True)  # null: nothing comes by API
    is_active = models.BooleanField(default=True)
    kinds = ArrayField(models.CharField(max_length=16), default=list)
    posts_per_minute = models.PositiveIntegerField(default=6000)
    rows_per_day = models.PositiveIntegerField(default=5_000_000)
    owner = models.ForeignKey("guides.Staff", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    tells_counts = models.BooleanField(default=False)  # it reports each day how many rows it sent
    created_at = models.DateTimeField()

    objects = SourceQuerySet.as_manager()

    def __str__(self) -> str:
        return self.label or self.name


class Batch(models.Model):
    """Rows of one kind that came together: staged, checked, taken over. The counts are what the source is told."""

    class Way(models.TextChoices):
        API = "api", _("接口")
        FILE = "file", _("上传文件")
        COMMAND = "command", _("命令导入")
        RETRY = "retry", _("改正后重试")

    class State(models.TextChoices):
        STAGING = "staging", _("读取中")
        CHECKING = "checking", _("检查中")
        CHECKED = "checked", _("待确认")
        COMMITTING = "committing", _("导入中")
        DONE = "done", _("已完成")
        CANCELLED = "cancelled", _("已取消")
        FAILED = "failed", _("读不了")

    NEXT: ClassVar[dict[str, set[str]]] = {
        State.STAGING: {State.CHECKING, State.CANCELLED, State.FAILED},
        State.CHECKING: {State.CHECKED, State.CANCELLED, State.FAILED, State.STAGING},
        State.CHECKED: {State.COMMITTING, State.CANCELLED, State.STAGING},
        State.COMMITTING: {State.DONE, State.CANCELLED},
    }
    MOVING = (State.STAGING, State.CHECKING, State.COMMITTING)

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="batches", db_index=False)
    kind = models.CharField(max_length=16)
    way = models.CharField(max_length=8, choices=Way.choices)
    state = models.CharField(max_length=12, choices=State.choices)
    day = models.DateField()  # local day on which it came
    file_name = models.CharField(max_length=128, blank=True)
    content_sha = models.CharField(max_length=64, blank=True)
    row_count = models.PositiveIntegerField(default=0)
    hand = models.PositiveIntegerField(default=0)  # rows up to this place are through the present state
    created_count = models.PositiveIntegerField(default=0)
    changed_count = models.PositiveIntegerField(default=0)
    same_count = models.PositiveIntegerField(default=0)
    refused_count = models.PositiveIntegerField(default=0)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    moved_at = models.DateTimeField()  # of the hand or the state, by the machine's clock
    done_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=255, blank=True)

    objects = OfKinds.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["source", "day"], name="intake_batch_day"),
            models.Index(fields=["-id"], name="intake_batch_files", condition=Q(way__in=["file", "command"])),
            models.Index(
                fields=["id"], name="intake_batch_moving", condition=Q(state__in=["staging", "checking", "committing"])
            ),
        ]

    @property
    def good_count(self) -> int:
        return self.created_count + self.changed_count + self.same_count

    def move_to(self, new: str, **stamps: Any) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, ()):
            raise Conflict(_("这一批现在是「%(state)s」，不能这样做") % {"state": self.get_state_display()})
        stamps = {"hand": 0, **stamps, "state": new}
        if not Batch.objects.filter(pk=self.pk, state=self.state).update(**stamps):
            raise Conflict(_("这一批刚被处理过"))
        for name, value in stamps.items():
            setattr(self, name, value)


class Upload(models.Model):
    """The file of a batch, compressed and encrypted, until all of it is taken over: a killed worker reads it again."""

    batch = models.OneToOneField(Batch, primary_key=True, on_delete=models.CASCADE, related_name="upload")
    content = EncryptedField()


class StagedRow(models.Model):
    """A row on its way in. UNLOGGED: after a crash of the database the file is read again. No foreign key, for COPY's sake."""

    pk = models.CompositePrimaryKey("batch", "place")
    batch = models.BigIntegerField()
    place = models.PositiveIntegerField()  # 1, 2, 3 … in the order of the file
    line = models.PositiveIntegerField()  # of the file
    key = models.CharField(max_length=128)  # the natural key of its kind; empty where it could not be read
    cells = models.JSONField()  # values by field; personal ones are encrypted
    errors = models.JSONField(null=True)  # [{field, code, message}]
    outcome = models.CharField(max_length=8, null=True)  # created | changed | same | refused

    class Meta:
        indexes = [
            models.Index(fields=["batch", "key"], name="intake_staged_key"),
        ]


class RefusedRow(models.Model):
    """A row that was not taken over, until it is corrected, comes again in order, or somebody closes it with a reason."""

    class State(models.TextChoices):
        OPEN = "open", _("待处理")
        FIXED = "fixed", _("已补上")
        CLOSED = "closed", _("已关闭")

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="refused", db_index=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="refused")
    kind = models.CharField(max_length=16)
    place = models.PositiveIntegerField()
    line = models.PositiveIntegerField()
    key = models.CharField(max_length=128, blank=True)
    cells = models.JSONField()
    errors = models.JSONField()
    code = models.CharField(max_length=64)  # of the first error, for sums by cause
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    owner = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    tries = models.PositiveIntegerField(default=1)
    refused_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    reason = models.CharField(max_length=255, blank=True)

    objects = OfKinds.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(  # what comes again in error is the same matter
                fields=["source", "kind", "key"],
                condition=Q(state="open") & ~Q(key=""),
                name="intake_refused_open_once",
            )
        ]
        indexes = [models.Index(fields=["kind", "-id"], name="intake_refused_open", condition=Q(state="open"))]


class DayQuerySet(OfKinds):
    def visible_to(self, actor: Actor) -> Any:
        """Sums of the kinds the actor's roles take care of; the system's keeper sees all sums."""
        from .kinds import KEEPERS

        return self if actor.has_role(*KEEPERS) else super().visible_to(actor)


class SourceDay(models.Model):
    """What a source says it sent on a day, and what came: received = taken over + refused, or a row was lost."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="days", db_index=False)
    kind = models.CharField(max_length=16)
    day = models.DateField()
    told = models.PositiveIntegerField(null=True)
    told_at = models.DateTimeField(null=True)
    received = models.PositiveIntegerField(default=0)
    committed = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)

    objects = DayQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "kind", "day"], name="intake_source_day")]
        indexes = [models.Index(fields=["-day"], name="intake_day")]
