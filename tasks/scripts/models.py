"""Words to say: scripts of HQ, and how they were used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class ScriptQuerySet(models.QuerySet["Script"]):
    def in_force(self) -> ScriptQuerySet:
        """Scripts that may be offered now."""
        return self.filter(is_current=True, is_enabled=True)

    def visible_to(self, actor: Actor) -> ScriptQuerySet:
        """All scripts for those who publish them, what is said to members for all other staff."""
        if actor.may("script.publish"):
            return self
        return self.in_force().filter(audience="member") if actor.kind == "staff" else self.none()


class Script(models.Model):
    """话术. Texts may use only the variables of the domain file; `requires` names facts the text leans on."""

    key = models.CharField(max_length=48)
    version = models.PositiveIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    is_enabled = models.BooleanField(default=True)
    title = models.CharField(max_length=32, blank=True)
    task_type = models.CharField(max_length=32)
    node = models.CharField(max_length=16, blank=True)
    buyer = models.CharField(max_length=16, default="any")
    product = models.CharField(max_length=16, default="any")
    timing = models.CharField(max_length=16, default="any")
    channel = models.CharField(max_length=16, default="any")
    scene = ArrayField(models.CharField(max_length=32), default=list)
    requires = ArrayField(models.CharField(max_length=16), default=list)
    audience = models.CharField(max_length=10, default="member")  # member | internal
    tone = models.CharField(max_length=12, blank=True)  # warm | expert | brief
    text = models.TextField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    # members in the last 90 days, all versions of the key; written by the nightly count only
    used_90_count = models.PositiveIntegerField(default=0)
    replied_90_count = models.PositiveIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)

    objects = ScriptQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="script_key_version"),
            models.UniqueConstraint(fields=["key"], condition=Q(is_current=True), name="script_one_current"),
        ]
        indexes = [models.Index(fields=["task_type", "is_current"], name="script_type")]


class ScriptUse(models.Model):
    """A script went out to a member."""

    script = models.ForeignKey(Script, null=True, on_delete=models.SET_NULL, related_name="uses")
    script_key = models.CharField(max_length=48, blank=True)
    task = models.ForeignKey("tasks.Task", null=True, on_delete=models.CASCADE, related_name="script_uses")
    member = models.ForeignKey("crm.Member", on_delete=models.CASCADE, related_name="+", db_index=False)
    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    was_edited = models.BooleanField(default=False)
    text = models.TextField(blank=True)
    at = models.DateTimeField()
    replied_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["member", "script_key"], name="script_use_member"),
            models.Index(fields=["script_key", "at"], name="script_use_key"),
        ]


class ScriptFavouriteQuerySet(models.QuerySet["ScriptFavourite"]):
    def visible_to(self, actor: Actor) -> ScriptFavouriteQuerySet:
        """A guide's own favourites and wordings; nobody else's."""
        return self.filter(guide_id=actor.staff_id) if actor.staff_id else self.none()


class ScriptFavourite(models.Model):
    """A guide's own favourite, or her own wording (no script behind it)."""

    guide = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="script_favourites")
    script_key = models.CharField(
        max_length=48, blank=True, default=""
    )  # stays when HQ makes a new version; empty: own wording
    text = models.TextField(blank=True)
    node = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField()

    objects = ScriptFavouriteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["guide", "script_key"], condition=~Q(script_key=""), name="favourite_guide_script"
            ),
            models.CheckConstraint(
                condition=(Q(script_key="") & ~Q(text="")) | (~Q(script_key="") & Q(text="")),
                name="favourite_is_script_or_words",
            ),
        ]
