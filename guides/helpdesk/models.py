"""呼叫总部: what a store asks HQ, who answers when, and what the next who asks finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class HelpCategory(models.Model):
    """What one may ask about: whose matter it is and how fast it is answered. From data/call_hq.yaml, edited by HQ."""

    key = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=32)
    responder = models.CharField(max_length=32)  # a role
    first_response_minutes = models.PositiveIntegerField()
    solve_hours = models.PositiveIntegerField()
    is_for_dealers = models.BooleanField(default=True)
    sample = models.CharField(max_length=120, blank=True)
    place = models.PositiveSmallIntegerField(default=0)
    is_open = models.BooleanField(default=True)
    # Rung first; nobody named: whoever of the role has the fewest open questions.
    duty = models.ForeignKey("guides.Staff", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The head of the department, rung when the time is over; nobody named: the whole role once more.
    head = models.ForeignKey("guides.Staff", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    edited_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class HqCallQuerySet(models.QuerySet["HqCall"]):
    def visible_to(self, actor: Actor) -> HqCallQuerySet:
        """One's own, those of one's stores where one heads or owns them, and what one's department answers."""
        from .scoped import call_filter

        return self.filter(call_filter(actor))

    def answered_by(self, actor: Actor) -> HqCallQuerySet:
        """What is for this person to answer: by role, as head, or because somebody gave it to him."""
        from .scoped import answer_filter

        return self.filter(answer_filter(actor))

    def with_people(self) -> HqCallQuerySet:
        return self.select_related("category", "asker", "store", "assignee")


class HqCall(models.Model):
    """One question to HQ and what became of it. Its clock stands still at night; `ring_at` is when the next is rung."""

    class State(models.TextChoices):
        OPEN = "open", _("待答复")
        ANSWERING = "answering", _("处理中")
        ANSWERED = "answered", _("已答复")
        CLOSED = "closed", _("已解决")
        REOPENED = "reopened", _("再次提问")

    class Ring(models.IntegerChoices):
        DUTY = 0, _("值班人")
        ALL = 1, _("全部门")
        HEAD = 2, _("负责人")
        LATE = 3, _("到期没解决")

    WAITING = (State.OPEN, State.ANSWERING, State.REOPENED)
    NEXT = {
        State.OPEN: {State.ANSWERING, State.ANSWERED, State.CLOSED},
        State.ANSWERING: {State.ANSWERED, State.OPEN, State.CLOSED},
        State.ANSWERED: {State.CLOSED, State.REOPENED},
        State.REOPENED: {State.ANSWERING, State.ANSWERED, State.OPEN, State.CLOSED},
        State.CLOSED: {State.REOPENED},
    }

    category = models.ForeignKey(HelpCategory, on_delete=models.PROTECT, related_name="calls")
    asker = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    asker_role = models.CharField(max_length=32)
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+")
    question = models.TextField()
    words = ArrayField(models.CharField(max_length=8), default=list)  # searching.py
    is_urgent = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    assignee = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()  # of the first answer, anew where it was asked again
    solve_due_at = models.DateTimeField()
    ring = models.PositiveSmallIntegerField(choices=Ring.choices, default=Ring.DUTY)  # who has been rung so far
    ring_at = models.DateTimeField(null=True)
    first_answer_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    touched_at = models.DateTimeField()
    rating = models.PositiveSmallIntegerField(null=True)
    rated_at = models.DateTimeField(null=True)
    reopen_count = models.PositiveSmallIntegerField(default=0)

    objects = HqCallQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(rating=None) | Q(rating__gte=1, rating__lte=5), name="hq_call_stars"),
            models.CheckConstraint(condition=Q(state="closed") ^ Q(closed_at=None), name="hq_call_closed_has_time"),
            models.CheckConstraint(condition=Q(due_at__lte=F("solve_due_at")), name="hq_call_answer_before_solution"),
        ]
        indexes = [
            models.Index(fields=["asker", "-asked_at", "-id"], name="hq_call_of_asker"),
            models.Index(fields=["store", "-asked_at", "-id"], name="hq_call_of_store"),
            # The queue of a department, the nearest due first.
            models.Index(fields=["category", "due_at", "id"], name="hq_call_waiting",
                         condition=Q(state__in=("open", "answering", "reopened"))),
            models.Index(fields=["category", "-touched_at", "-id"], name="hq_call_of_category"),
            models.Index(fields=["assignee", "due_at", "id"], name="hq_call_of_answerer",
                         condition=Q(assignee__isnull=False)),
            models.Index(fields=["ring_at"], name="hq_call_ringing", condition=Q(ring_at__isnull=False)),
            models.Index(fields=["answered_at"], name="hq_call_unrated", condition=Q(state="answered")),
            GinIndex(fields=["words"], name="hq_call_words"),
        ]  # fmt: skip

    @property
    def is_waiting(self) -> bool:
        return self.state in self.WAITING

    @property
    def key(self) -> str:
        """Return what notifications of it are about."""
        return f"hq_call:{self.pk}"

    def move_to(self, new: str, **stamps: Any) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new != self.state and new not in self.NEXT[self.State(self.state)]:
            raise Conflict(_("这个问题刚被处理过，看过最新的再操作"))
        seen = {"state": self.state, "assignee_id": self.assignee_id}
        if not type(self).objects.filter(pk=self.pk, **seen).update(state=new, **stamps):
            raise Conflict(_("这个问题刚被处理过，看过最新的再操作"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)


class HqCallMessageQuerySet(models.QuerySet["HqCallMessage"]):
    def visible_to(self, actor: Actor) -> HqCallMessageQuerySet:
        """The lines of threads in sight."""
        return self.filter(call__in=HqCall.objects.visible_to(actor))


class HqCallMessage(models.Model):
    """One line of a thread: words of somebody, or what happened. Its photos are files of the room `helpdesk`."""

    class Event(models.TextChoices):
        SAID = "said", _("说")
        ANSWERED = "answered", _("答复")
        TAKEN = "taken", _("接手")
        PASSED_ON = "passed_on", _("转给别人")
        RUNG = "rung", _("升级")
        RATED = "rated", _("评价")
        REOPENED = "reopened", _("再次提问")
        CLOSED = "closed", _("已解决")

    call = models.ForeignKey(HqCall, on_delete=models.CASCADE, related_name="messages", db_index=False)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")  # null: the system
    event = models.CharField(max_length=10, choices=Event.choices, default=Event.SAID)
    text = models.TextField(blank=True)
    at = models.DateTimeField()

    objects = HqCallMessageQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["call", "id"], name="hq_call_thread")]


class KnowledgeDraftQuerySet(models.QuerySet["KnowledgeDraft"]):
    def visible_to(self, actor: Actor) -> KnowledgeDraftQuerySet:
        """Answers kept for all who may ask about such things; who answers sees those of his department too."""
        from .scoped import draft_filter

        return self.filter(draft_filter(actor))


class KnowledgeDraft(models.Model):
    """An answer worth keeping, without names: found before the next one rings, and what the knowledge base takes over."""

    class State(models.TextChoices):
        KEPT = "kept", _("已沉淀")
        ACCEPTED = "accepted", _("已收入知识库")
        REFUSED = "refused", _("不再推荐")

    call = models.OneToOneField(HqCall, null=True, on_delete=models.SET_NULL, related_name="draft")
    category = models.ForeignKey(HelpCategory, on_delete=models.PROTECT, related_name="+")
    question = models.CharField(max_length=200)
    answer = models.TextField()
    words = ArrayField(models.CharField(max_length=8), default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    kept_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    kept_at = models.DateTimeField()
    helped_count = models.PositiveIntegerField(default=0)

    objects = KnowledgeDraftQuerySet.as_manager()

    class Meta:
        indexes = [
            GinIndex(fields=["words"], name="knowledge_draft_words"),
            models.Index(fields=["-kept_at", "-id"], name="knowledge_draft_newest"),
        ]


class AnswerHelped(models.Model):
    """A former answer was enough: nobody had to be rung. One a person and answer."""

    draft = models.ForeignKey(KnowledgeDraft, on_delete=models.CASCADE, related_name="+", db_index=False)
    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["draft", "staff"], name="answer_helped_once")]
