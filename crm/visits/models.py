"""邀约到店 (a patrol's visit is guides.Visit): who was asked to come and when, what he said, whether he came, what he bought; and the lists of a group."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class VisitGroupQuerySet(models.QuerySet["VisitGroup"]):
    def visible_to(self, actor: Actor) -> VisitGroupQuerySet:
        """Lists that were made for stores in one's scope."""
        from .scoped import group_filter

        return self.filter(group_filter(actor))


class MemberVisitQuerySet(models.QuerySet["Visit"]):
    def visible_to(self, actor: Actor) -> MemberVisitQuerySet:
        """A guide's own and those of his members, and who comes to his store today; leaders: of their stores."""
        from .scoped import visit_filter

        return self.filter(visit_filter(actor))

    def counted_for(self, actor: Actor) -> MemberVisitQuerySet:
        """Visits that count in this actor's figures."""
        from .scoped import figures_filter

        return self.filter(figures_filter(actor))

    def open(self) -> MemberVisitQuerySet:
        return self.filter(state__in=Visit.OPEN)

    def with_people(self) -> MemberVisitQuerySet:
        return self.select_related("member", "store", "guide", "group")


class Kind(models.TextChoices):
    """What he is asked to come for."""

    TRYON = "tryon", _("试穿")
    NEW = "new_arrival", _("上新")
    EVENT = "event", _("活动")
    CARE = "care", _("养护")
    OTHER = "other", _("来坐坐")


class VisitGroup(models.Model):
    """A manager asks many at once: what for, when, and who is meant. Worked off in parts, so it goes on after a stop."""

    class State(models.TextChoices):
        RUNNING = "running", _("正在分给导购")
        DONE = "done", _("分好了")
        STOPPED = "stopped", _("停了")

    title = models.CharField(max_length=40)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.EVENT)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    asks_on = models.DateField()  # the first day on which guides ask
    conditions = models.JSONField(default=dict)  # crm.benefits.services.Conditions
    scope_path = models.TextField(blank=True)  # the reach of whoever made it
    unit = models.ForeignKey("guides.OrgUnit", on_delete=models.PROTECT, related_name="+", db_index=False)
    made_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    made_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    cursor = models.BigIntegerField(default=0)  # the last member that was looked at
    meant_count = models.IntegerField(default=0)
    planned_count = models.IntegerField(default=0)
    left_out = models.JSONField(default=dict)  # reason -> how many
    finished_at = models.DateTimeField(null=True)

    objects = VisitGroupQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="member_visit_group_slot")]
        indexes = [
            models.Index(fields=["id"], name="member_visit_group_running", condition=Q(state="running")),
            models.Index(fields=["unit", "-made_at"], name="member_visit_group_unit"),
        ]

    def __str__(self) -> str:
        return self.title


class Visit(models.Model):
    """One member, one time to come. The stamps tell the chain: invited, accepted, arrived, bought."""

    class State(models.TextChoices):
        PLANNED = "planned", _("待邀约")  # of a group: nobody has told him yet
        ASKED = "asked", _("等确认")  # he wants to come: his guide says yes, or offers another time
        INVITED = "invited", _("已邀约")
        ACCEPTED = "accepted", _("已应约")
        ARRIVED = "arrived", _("已到店")
        BOUGHT = "bought", _("已成交")
        DECLINED = "declined", _("来不了")
        NO_SHOW = "no_show", _("没有来")
        NO_ANSWER = "no_answer", _("没回音")
        CANCELLED = "cancelled", _("已取消")

    OPEN = (State.PLANNED, State.ASKED, State.INVITED, State.ACCEPTED)
    CAME = (State.ARRIVED, State.BOUGHT)
    NEXT: ClassVar[dict[str, set[str]]] = {
        State.PLANNED: {State.INVITED, State.ACCEPTED, State.ARRIVED, State.DECLINED, State.NO_ANSWER, State.CANCELLED},
        State.ASKED: {State.INVITED, State.ACCEPTED, State.ARRIVED, State.DECLINED, State.CANCELLED},
        State.INVITED: {State.ACCEPTED, State.ARRIVED, State.DECLINED, State.NO_ANSWER, State.CANCELLED},
        State.ACCEPTED: {State.ARRIVED, State.DECLINED, State.NO_SHOW, State.CANCELLED},
        State.DECLINED: {State.ACCEPTED, State.ASKED},  # he thought better of it
        State.NO_SHOW: {State.ARRIVED},  # the day after still counts (visit_show_rate)
        State.NO_ANSWER: {State.ARRIVED},
        State.ARRIVED: {State.BOUGHT, State.ACCEPTED},  # the latter: a slip of the thumb, taken back
        State.BOUGHT: {State.ARRIVED},  # all of it came back
    }

    class Source(models.TextChoices):
        GUIDE = "guide", _("导购邀约")
        TASK = "task", _("任务里约的")
        GROUP = "group", _("集体邀约")
        MEMBER = "member", _("他自己约的")

    class SeenBy(models.TextChoices):
        """How it was known that he came."""

        GUIDE = "guide", _("导购点的")
        ORDER = "order", _("他买单了")
        SCAN = "scan", _("他扫了店里的吊牌")

    public_id = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="visits", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="visits", db_index=False)
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="visits")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.TRYON)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.GUIDE)
    group = models.ForeignKey(VisitGroup, null=True, on_delete=models.PROTECT, related_name="visits", db_index=False)
    cause = models.CharField(max_length=32, blank=True, default="", db_default="")  # who asked: "task:77"
    words = models.CharField(max_length=120, blank=True, default="", db_default="")  # to the member: 新到的羊毛大衣
    state = models.CharField(max_length=10, choices=State.choices, default=State.INVITED)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    day = models.DateField()  # the local date of starts_at
    wants_reminder = models.BooleanField(default=True, db_default=True)
    is_own_answer = models.BooleanField(default=False, db_default=False)  # on his phone; else the guide says so
    moved_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    invited_at = models.DateTimeField(null=True)  # or when he asked for it himself
    raised_at = models.DateTimeField(null=True)  # nobody confirmed what he asked for: the manager was told
    opened_at = models.DateTimeField(null=True)  # he looked at the link
    accepted_at = models.DateTimeField(null=True)
    arrived_at = models.DateTimeField(null=True)
    seen_by = models.CharField(max_length=6, choices=SeenBy.choices, blank=True, default="", db_default="")
    bought_at = models.DateTimeField(null=True)
    order = models.ForeignKey("crm.Order", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    closed_at = models.DateTimeField(null=True)  # when it ended without his coming
    reason = models.CharField(max_length=60, blank=True, default="", db_default="")  # why he cannot come, why cancelled

    objects = MemberVisitQuerySet.as_manager()

    class Meta:
        constraints = [
            # One invitation at a time: who is asked twice for two days is bothered, and nobody knows which he meant.
            models.UniqueConstraint(
                fields=["member"],
                condition=Q(state__in=["planned", "asked", "invited", "accepted"]),
                name="member_visit_one_open",
            ),
            models.UniqueConstraint(fields=["order"], condition=Q(order__isnull=False), name="member_visit_order_once"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="member_visit_slot"),
            models.CheckConstraint(
                condition=~Q(state="accepted") | Q(accepted_at__isnull=False), name="member_visit_accepted_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["arrived", "bought"]) | Q(arrived_at__isnull=False),
                name="member_visit_arrived_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="bought") | Q(bought_at__isnull=False, order__isnull=False),
                name="member_visit_bought_has_order",
            ),
        ]
        indexes = [
            models.Index(fields=["store", "day"], name="member_visit_store_day"),  # today's list, figures of stores
            models.Index(fields=["day"], name="member_visit_day"),  # figures of the company
            models.Index(fields=["member", "-starts_at"], name="member_visit_member"),
            models.Index(fields=["group", "id"], name="member_visit_group", condition=Q(group__isnull=False)),
            models.Index(
                fields=["ends_at"],
                name="member_visit_open_ends",
                condition=Q(state__in=["planned", "asked", "invited", "accepted"]),
            ),
            models.Index(
                fields=["invited_at"], name="member_visit_asked", condition=Q(state="asked", raised_at__isnull=True)
            ),
        ]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def is_wish(self) -> bool:
        """Tell whether a time he chooses waits for his guide's word: he asked himself, and nobody has agreed to any yet."""
        is_his = self.source == self.Source.MEMBER and self.accepted_at is None
        return self.state == self.State.ASKED or (is_his and self.state == self.State.DECLINED)

    def move_to(self, new: str, **stamps: Any) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, ()):
            raise Conflict(_("这次到店现在是「%(state)s」，刷新一下再看") % {"state": self.get_state_display()})
        if not Visit.objects.filter(pk=self.pk, state=self.state).update(state=new, **stamps):
            raise Conflict(_("刚被别人处理过，刷新一下再看"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)


class VisitStep(models.Model):
    """One thing that happened to a visit: what it became, by whom, and the time it stood at before."""

    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="steps", db_index=False)
    state = models.CharField(max_length=10, choices=Visit.State.choices)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_member = models.BooleanField(default=False)
    old_starts_at = models.DateTimeField(null=True)  # moved
    words = models.CharField(max_length=60, blank=True)

    class Meta:
        indexes = [models.Index(fields=["visit", "id"], name="member_visit_step_visit")]


class VisitPiece(models.Model):
    """A piece to be set aside for a visit. It is kept as soon as the day is near enough (crm/catalogue: goods-kept-days)."""

    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="pieces", db_index=False)
    sku = models.ForeignKey("crm.Sku", on_delete=models.PROTECT, related_name="+", db_index=False)
    reservation = models.OneToOneField(
        "crm.Reservation", null=True, on_delete=models.SET_NULL, related_name="visit_piece"
    )
    is_missing = models.BooleanField(default=False, db_default=False)  # there was none left

    class Meta:
        constraints = [models.UniqueConstraint(fields=["visit", "sku"], name="member_visit_piece_once")]
        indexes = [
            models.Index(
                fields=["visit"], name="member_visit_piece_to_keep", condition=Q(reservation=None, is_missing=False)
            )
        ]
