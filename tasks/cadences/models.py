"""Rhythms of follow-up: rules as rows, and one row with a clock hand per cycle.

Words as in the domain book: a cadence has versions, a version has steps (nodes); an enrollment is one member on one
cadence, started by one cause. A step becomes a Task row only when it opens.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

# For what points at a published edition: those stay for good, and only a draft, at which nothing points, is ever deleted. A
# real key would look through all rows at that moment, and lock the edition's one row at each insert.
NEVER_DELETED: dict[str, Any] = {"db_index": False, "db_constraint": False}


class Cadence(models.Model):
    """A rhythm, e.g. 3369."""

    key = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.key


class CadenceVersion(models.Model):
    """One edition of a cadence's rules; exactly one is published."""

    class State(models.TextChoices):
        DRAFT = "draft", _("草稿")
        PUBLISHED = "published", _("线上")
        RETIRED = "retired", _("历史")

    cadence = models.ForeignKey(Cadence, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    # {qualifying_kinds, small_below_fen, delivery_days, latest_alteration_day, caps: {...}} as loaded from the domain file
    rules = models.JSONField(default=dict)
    note = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField(null=True)
    published_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    recompute_after_id = models.BigIntegerField(
        null=True
    )  # hands up to this enrollment stand under this version; null: all do

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cadence", "number"], name="cadence_version_number"),
            models.UniqueConstraint(fields=["cadence"], condition=Q(state="published"), name="cadence_one_published"),
            models.UniqueConstraint(fields=["cadence"], condition=Q(state="draft"), name="cadence_one_draft"),
        ]


class CadenceStep(models.Model):
    """One node of a version. Days count from the day anchor (calendar days in Shanghai), minutes from the instant."""

    version = models.ForeignKey(CadenceVersion, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=16)  # m30 | d3 | …
    name = models.CharField(max_length=32)
    position = models.PositiveSmallIntegerField()
    purpose = models.TextField(blank=True)
    task_type = models.CharField(max_length=32)
    nature = models.CharField(max_length=10)  # service | mixed | marketing
    channels = ArrayField(models.CharField(max_length=16), default=list)
    buyers = ArrayField(models.CharField(max_length=8), default=list)  # purchase nodes that get this step
    in_small = models.BooleanField(default=False)  # a small order gets it too
    offset_minutes = models.PositiveIntegerField(null=True)  # first touch only
    open_day = models.PositiveSmallIntegerField(null=True)  # the others: opens on this day at store opening
    due_day = models.PositiveSmallIntegerField(null=True)  # due on this day at store closing
    expire_day = models.PositiveSmallIntegerField(null=True)  # expires on this day at store closing
    assignee = models.CharField(max_length=16)  # serving_guide | owner_guide
    priority = models.PositiveSmallIntegerField()
    priority_by_buyer = models.JSONField(default=dict)  # {"first": 2}
    may_wait_for_return = models.BooleanField(default=False)  # on leave: stays with him if he is back before it expires
    rest_day_grace = models.PositiveSmallIntegerField(default=0)  # days the due moves when the assignee rests on it
    weekly_cap_exempt = models.BooleanField(default=False)
    always_shown = models.BooleanField(default=False)  # outside the guide's daily ceiling
    held_by_ticket = models.BooleanField(default=False)  # opens held while a complaint or return ticket is open
    friend_lost = models.CharField(max_length=16)  # call | skip | call_if_valued
    evidence_any_of = ArrayField(models.CharField(max_length=24), default=list)
    outcome_chips = ArrayField(models.CharField(max_length=24), default=list)
    on_time_target = models.FloatField(default=0.8)
    reminders = models.JSONField(default=list)  # [{from: due|due_day|open_day…, minutes|day+time}], see loading.py
    escalation = models.JSONField(default=list)
    goals = ArrayField(models.CharField(max_length=32), default=list)
    tag_prompts = ArrayField(models.CharField(max_length=32), default=list)
    why = models.CharField(max_length=120)  # 为什么是他: {item} {days} {more}
    headline = models.CharField(max_length=40, blank=True)  # opening line of the task page
    timing_rules = models.JSONField(default=dict)  # first touch: late_within, late_soon, late, shifted_due (minutes)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="step_version_key"),
            models.UniqueConstraint(fields=["version", "position"], name="step_version_position"),
        ]


class Enrollment(models.Model):
    """One cycle: a member on a cadence, what it started from and how many of its steps ended unopened.

    What moves is apart (`Hand`): a move would write every index of this row anew, and those by member are strewn over the disk.
    """

    class Kind(models.TextChoices):
        FULL = "full", _("完整周期")
        SMALL = "small", _("小单")

    class Status(models.TextChoices):
        ACTIVE = "active", _("进行中")
        COMPLETED = "completed", _("已走完")
        SUPERSEDED = "superseded", _("已被新一轮替换")
        CANCELLED = "cancelled", _("已取消")

    cadence = models.ForeignKey(Cadence, on_delete=models.PROTECT, related_name="enrollments", db_index=False)
    cadence_version = models.ForeignKey(CadenceVersion, on_delete=models.DO_NOTHING, related_name="+", **NEVER_DELETED)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="enrollments")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    buyer = models.CharField(max_length=8)  # first | repeat | loyal: which steps are planned
    anchor_order = models.ForeignKey("crm.Order", on_delete=models.PROTECT, related_name="+", db_index=False)
    anchor_at = models.DateTimeField()
    anchor_on = models.DateField()  # local date of the anchor: one cycle a date
    touch_at = models.DateTimeField()  # what the first touch counts from; a small order's, if a full one absorbed it
    known_at = models.DateTimeField()  # when that order reached the system
    day_anchor_date = models.DateField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    plan = ArrayField(models.CharField(max_length=16))  # step keys, in order
    step_days = models.JSONField(default=dict)  # {"d3": "2025-03-08"}: days moved by exchange or alteration
    steps_planned = models.PositiveSmallIntegerField()
    steps_skipped = models.PositiveSmallIntegerField(default=0)
    steps_superseded = models.PositiveSmallIntegerField(default=0)
    steps_cancelled = models.PositiveSmallIntegerField(default=0)
    # {"d30": "no_channel"} for steps that ended unopened
    step_reasons = models.JSONField(default=dict)
    owner_guide = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    serving_guide = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)
    items = models.JSONField(default=list)  # [{line, name, color, size, care, fen}], dearest first: the hero leads
    carry_over_items = models.JSONField(default=list)
    superseded_by = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="supersedes", db_index=False
    )
    closed_reason = models.CharField(max_length=24, blank=True)
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["anchor_order", "cadence"], name="enrollment_cadence_cause"),
            # one active full cycle a member
            models.UniqueConstraint(
                fields=["cadence", "member"],
                condition=Q(status="active", kind="full"),
                name="enrollment_one_active_full",
            ),
            # one enrollment a member and date: same-day orders join it, unless it was cancelled (all of it returned)
            models.UniqueConstraint(
                fields=["cadence", "member", "anchor_on"],
                condition=~Q(status="cancelled"),
                name="enrollment_one_a_date",
            ),
        ]


class Hand(models.Model):
    """The clock hand of a running cycle: which step opens next, and when. Gone once it has passed the last step.

    A narrow row with two indexes, both of which grow in the order of purchases: 1.4 million moves a day find their pages
    in memory, whoever the members are. Written under the lock of its cycle.
    """

    enrollment = models.OneToOneField(
        Enrollment, primary_key=True, on_delete=models.CASCADE, related_name="hand", db_constraint=False
    )
    next_step = models.CharField(max_length=16)
    next_due_at = models.DateTimeField()
    parked_tries = models.PositiveSmallIntegerField(default=0)  # how often the step could not be opened
    parked_why = models.CharField(max_length=64, blank=True)  # which rule of the database said no

    class Meta:
        indexes = [
            models.Index(fields=["next_due_at"], name="hand_due"),  # open_due(): whose hand is due
            # push health: what the engine set aside
            models.Index(fields=["enrollment"], name="hand_parked", condition=Q(parked_tries__gt=0)),
        ]


class EnrollmentCause(models.Model):
    """Why an enrollment stands, or why there is none: one row per order, so a replay starts nothing twice."""

    class Role(models.TextChoices):
        ANCHOR = "anchor", _("开始一轮")
        JOINED = "joined", _("并入同日")
        SMALL = "small", _("小单")
        NOT_ELIGIBLE = "not_eligible", _("不跟进")

    cadence = models.ForeignKey(Cadence, on_delete=models.PROTECT, related_name="+", db_index=False)
    order = models.ForeignKey("crm.Order", on_delete=models.PROTECT, related_name="enrollment_causes", db_index=False)
    enrollment = models.ForeignKey(
        Enrollment, null=True, on_delete=models.PROTECT, related_name="causes", db_index=False
    )
    role = models.CharField(max_length=12, choices=Role.choices)
    reason = models.CharField(max_length=24, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "cadence"], name="cause_cadence_order")]
        indexes = [models.Index(fields=["enrollment"], name="cause_enrollment")]
