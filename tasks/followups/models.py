"""The task and what gathers around it: evidence, moves, reach, pushes, requests."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from tasks.cadences.models import NEVER_DELETED
from yejibao.core.errors import Conflict

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class TaskQuerySet(models.QuerySet["Task"]):
    def visible_to(self, actor: Actor) -> TaskQuerySet:
        """Tasks the actor may read: his own, or those of the stores in his scope."""
        from .scoped import task_filter

        return self.filter(task_filter(actor))

    def with_people(self) -> TaskQuerySet:
        return self.select_related("member", "assignee", "store")

    def listed(self, now: datetime) -> TaskQuerySet:
        """Open tasks that stand on a guide's list now: not held, not put off."""
        return self.filter(state="open", held_at=None).filter(Q(hidden_until=None) | Q(hidden_until__lte=now))


class Task(models.Model):
    """What a guide does next for one member. Overdue, held and later are not states: they are derived."""

    class State(models.TextChoices):
        OPEN = "open", _("待办")
        DONE = "done", _("已完成")
        EXPIRED = "expired", _("已失效")
        SKIPPED = "skipped", _("已跳过")
        SUPERSEDED = "superseded", _("已替换")
        CANCELLED = "cancelled", _("已取消")

    NEXT: ClassVar[dict[str, set[str]]] = {
        State.OPEN: {State.DONE, State.EXPIRED, State.SKIPPED, State.SUPERSEDED, State.CANCELLED},
        State.DONE: {State.OPEN, State.EXPIRED},  # undo within seconds, or a rejected spot check
    }

    class Channel(models.TextChoices):
        WECOM = "wecom_message", _("企微消息")
        CALL = "manual_call", _("电话")
        IN_STORE = "in_store", _("当面")

    task_type = models.CharField(max_length=32)
    node = models.CharField(max_length=16, blank=True)  # m30 … d90 for 3369
    # Each index costs a fifth of the rate at which tasks open, so only those that a query names are kept.
    enrollment = models.ForeignKey(
        "tasks.Enrollment", null=True, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    cadence_version = models.ForeignKey(
        "tasks.CadenceVersion", null=True, on_delete=models.DO_NOTHING, related_name="+", **NEVER_DELETED
    )
    dedupe_key = models.CharField(max_length=64, null=True)  # kinds without an enrollment: kind + trigger
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="tasks")
    assignee = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="tasks", db_index=False)
    owner_guide = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    store = models.ForeignKey(  # the assignee's
        "guides.Store", on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    order = models.ForeignKey("crm.Order", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    nature = models.CharField(max_length=10, default="service")
    channel = models.CharField(max_length=16, choices=Channel.choices, default=Channel.WECOM)
    priority = models.PositiveSmallIntegerField()
    tier_rank = models.PositiveSmallIntegerField(default=5)  # core 1 … unconsumed 5, as it stood at opening
    open_at = models.DateTimeField()
    due_at = models.DateTimeField()
    expire_at = models.DateTimeField()
    why = models.CharField(max_length=160)
    context = models.JSONField(default=dict)  # {items, timing, buyer, gift, carry_over_items, …}
    evidence_any_of = ArrayField(models.CharField(max_length=24), default=list)
    held_reason = models.CharField(max_length=12, null=True)  # aftersale | resigned | handover
    held_at = models.DateTimeField(null=True)
    hidden_until = models.DateTimeField(null=True)
    hidden_reason = models.CharField(max_length=16, blank=True)
    done_at = models.DateTimeField(null=True)
    done_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    undo_until = models.DateTimeField(null=True)
    evidence_kind = models.CharField(max_length=24, blank=True)
    evidence_level = models.SmallIntegerField(null=True)
    evidence_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=24, blank=True)
    outcome_at = models.DateTimeField(null=True)
    closed_reason = models.CharField(max_length=24, blank=True)
    closed_at = models.DateTimeField(null=True)
    superseded_by = models.ForeignKey(
        "tasks.Enrollment", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    tell_at = models.DateTimeField(null=True)  # when the assignee is to be told (opened, reminder); null: told
    escalated_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    objects = TaskQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["enrollment", "node"], name="task_step_opens_once"),
            models.UniqueConstraint(
                fields=["dedupe_key"], condition=Q(dedupe_key__isnull=False), name="task_trigger_once"
            ),
            models.CheckConstraint(condition=~Q(state="done") | Q(done_at__isnull=False), name="task_done_has_time"),
            models.CheckConstraint(condition=Q(due_at__lte=F("expire_at")), name="task_due_before_expiry"),
            models.CheckConstraint(
                condition=Q(held_at=None, held_reason=None) | Q(held_at__isnull=False, held_reason__isnull=False),
                name="task_held_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["assignee", "state", "due_at"], name="task_assignee"),  # 今日, board of a guide
            models.Index(  # what she did today, without the month behind it
                F("assignee"),
                Coalesce("done_at", "closed_at", "expire_at"),
                name="task_ended",
                condition=Q(state__in=("done", "expired")),
            ),
            models.Index(fields=["store", "due_at"], name="task_store_due"),  # board of a store, its daily figures
            models.Index(fields=["expire_at"], name="task_expiring", condition=Q(state="open")),
            models.Index(fields=["tell_at"], name="task_to_tell", condition=Q(tell_at__isnull=False)),
            # escalate() and the morning lists: late and not yet told of
            models.Index(fields=["due_at"], name="task_late", condition=Q(state="open", escalated_at=None)),
            models.Index(fields=["held_at"], name="task_held", condition=Q(held_at__isnull=False)),  # release_held()
            # a step that opens looks whether the member waits for an introduction; holds only these
            models.Index(fields=["member"], name="task_intro", condition=Q(task_type="handover_intro", state="open")),
        ]

    def move_to(self, new: str, **stamps: Any) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, ()):
            raise Conflict(_("任务刚被处理过"))
        if not Task.objects.filter(pk=self.pk, state=self.state).update(state=new, **stamps):
            raise Conflict(_("任务刚被处理过"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)


class TaskEvidence(models.Model):
    """Proof of work on a task. The task keeps the highest level; all rows stay."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="evidence", db_index=False)
    kind = models.CharField(max_length=24)
    level = models.SmallIntegerField()
    payload = models.JSONField(default=dict)
    is_auto = models.BooleanField(default=False)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    on_behalf_of = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        indexes = [
            models.Index(fields=["task"], name="evidence_task"),
            models.Index(fields=["at"], name="evidence_sales", condition=Q(kind="order_linked")),  # figures of a day
        ]


class TaskMove(models.Model):
    """A recorded act: the due time, the assignee or a hold changed, with reason, old value and actor."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="moves", db_index=False)
    reason = models.CharField(
        max_length=24
    )  # backup | heir | reassign | cap | aftersale | exchange | alteration | manager
    note = models.CharField(max_length=255, blank=True)
    old_due_at = models.DateTimeField(null=True)
    new_due_at = models.DateTimeField(null=True)
    old_assignee = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    new_assignee = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["task"], name="move_task")]


class Reach(models.Model):
    """The member was reached: a message left for him or a call connected. Caps count these."""

    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="reaches", db_index=False)
    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    task = models.ForeignKey(Task, null=True, on_delete=models.PROTECT, related_name="reaches", db_index=False)
    channel = models.CharField(max_length=16)
    state = models.CharField(max_length=10, default="sent")
    nature = models.CharField(max_length=10)
    level = models.SmallIntegerField()
    at = models.DateTimeField()
    day = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task"], name="reach_once_a_task")]
        indexes = [models.Index(fields=["member", "-day"], name="reach_member_day")]


class PendingSend(models.Model):
    """What the guide is about to send: prepared in the workbench, sent by one tap in the chat (design README §7)."""

    task = models.ForeignKey(Task, null=True, on_delete=models.CASCADE, related_name="pending_sends")
    member = models.ForeignKey("crm.Member", on_delete=models.CASCADE, related_name="+")
    guide = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+")
    script = models.ForeignKey("tasks.Script", null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "guide"], condition=Q(used_at=None), name="pending_one_a_chat")
        ]


class TaskNotice(models.Model):
    """Which tasks a pushed message named."""

    message = models.ForeignKey("core.OutboxMessage", on_delete=models.CASCADE, related_name="+", db_index=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="notices", db_index=False)
    kind = models.CharField(max_length=12)  # opened | reminder | escalation | urge

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "task"], name="notice_message_task")]
        indexes = [models.Index(fields=["task"], name="notice_task")]


class CardClick(models.Model):
    """A button pressed on a task's card in the chat, and what she was told; told again it is answered as the first time."""

    key = models.CharField(max_length=64, unique=True)  # of the press: a hash of its response code
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="+", db_index=False)
    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+", db_index=False)
    button = models.CharField(max_length=16)  # done | later
    was_done = models.BooleanField()  # whether the press did something to the task
    said = models.CharField(max_length=120)
    done = models.CharField(max_length=10, blank=True)  # words of the dead button; "" = it may be pressed again
    clicked_at = models.DateTimeField()
    is_unsure = models.BooleanField(default=False)  # a change of the card may have arrived: nobody answered
    answered_at = models.DateTimeField(null=True)


class Urge(models.Model):
    """催办: at most once per task in two hours, whoever taps."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="urges")
    by = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()


class SkipRequest(models.Model):
    """A guide asks to skip a task; her manager (or the supervisor, for a manager's own) decides."""

    class State(models.TextChoices):
        ASKED = "asked", _("待批")
        APPROVED = "approved", _("已批准")
        REFUSED = "refused", _("不同意")

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="skip_requests")
    asked_by = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task"], condition=Q(state="asked"), name="skip_one_open_request")
        ]


class SpotCheck(models.Model):
    """One of the 5 % of done tasks with manual evidence that the manager looks at each week."""

    class State(models.TextChoices):
        WAITING = "waiting", _("待抽查")
        ACCEPTED = "accepted", _("属实")
        REJECTED = "rejected", _("不属实")

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="spot_checks")
    week = models.DateField()  # the Monday
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    checked_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    checked_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task"], name="spot_check_once")]
