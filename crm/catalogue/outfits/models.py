"""The library of outfits, the weeks made of them, what a member's week was changed to, and who is credited."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class OutfitPlan(models.Model):
    """七天模板: seven outfits of a season, one a weekday. The domain file brings three; stylists change what hangs in them."""

    key = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=40)
    season = models.CharField(max_length=4)
    low_c = models.SmallIntegerField()
    high_c = models.SmallIntegerField()
    groups = ArrayField(models.CharField(max_length=20), default=list)  # models.yaml nine_groups

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(low_c__lte=F("high_c")), name="outfit_plan_warmth")]

    def __str__(self) -> str:
        return self.name


class OutfitQuerySet(models.QuerySet["Outfit"]):
    def visible_to(self, actor: Actor) -> OutfitQuerySet:
        """What is published is everybody's; stylists see all, and who proposed one sees what became of it."""
        from .scoped import outfit_filter

        return self.filter(outfit_filter(actor))

    def published(self) -> OutfitQuerySet:
        return self.filter(state=Outfit.State.PUBLISHED)

    def with_people(self) -> OutfitQuerySet:
        return self.select_related("plan", "author__store", "stylist")


class Outfit(models.Model):
    """一套搭配, in one version. Published words and pieces do not change: a change is a new version that takes its place."""

    class State(models.TextChoices):
        DRAFT = "draft", _("草稿")
        PROPOSED = "proposed", _("投稿待审")
        PUBLISHED = "published", _("已发布")
        REFUSED = "refused", _("未采纳")
        WITHDRAWN = "withdrawn", _("已下架")

    NEXT: ClassVar[dict[str, set[str]]] = {
        State.DRAFT: {State.PUBLISHED, State.WITHDRAWN},
        State.PROPOSED: {State.PUBLISHED, State.REFUSED},
        State.PUBLISHED: {State.WITHDRAWN},
    }
    SEASONS = ("春", "夏", "秋", "冬", "四季")
    OCCASIONS = ("通勤", "商务", "宴会", "休闲", "差旅", "户外")  # product_tags.yaml, occasion

    key = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField(default=1)
    plan = models.ForeignKey(OutfitPlan, null=True, on_delete=models.PROTECT, related_name="outfits", db_index=False)
    day = models.PositiveSmallIntegerField(null=True)  # 1 Monday … 7 Sunday, of its plan
    name = models.CharField(max_length=40)
    season = models.CharField(max_length=4)
    low_c = models.SmallIntegerField(null=True)
    high_c = models.SmallIntegerField(null=True)
    occasion = models.CharField(max_length=8)
    groups = ArrayField(models.CharField(max_length=20), default=list, blank=True)  # empty: for everybody
    reason = models.CharField(max_length=200)
    body_tip = models.CharField(max_length=120, blank=True)
    pitch = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    author = models.ForeignKey(  # the guide whose idea it was; null: the stylists'
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    stylist = models.ForeignKey(  # who wrote it, or decided on the proposal
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    proposed_at = models.DateTimeField(null=True)
    published_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # refused or withdrawn
    ended_why = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = OutfitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="outfit_key_version"),
            models.UniqueConstraint(fields=["key"], condition=Q(state="published"), name="outfit_key_published"),
            models.UniqueConstraint(fields=["plan", "day"], condition=Q(state="published"), name="outfit_one_a_day"),
            models.CheckConstraint(
                condition=Q(plan=None, day=None) | Q(plan__isnull=False, day__gte=1, day__lte=7), name="outfit_plan_and_day"
            ),
            models.CheckConstraint(condition=~Q(state="published") | Q(published_at__isnull=False), name="outfit_published_when"),
            models.CheckConstraint(
                condition=~Q(state__in=["refused", "withdrawn"]) | (Q(ended_at__isnull=False) & ~Q(ended_why="")),
                name="outfit_ended_why",
            ),
            models.CheckConstraint(condition=~Q(state="proposed") | Q(author__isnull=False), name="outfit_proposed_by"),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["state", "-updated_at", "-id"], name="outfit_list"),
            models.Index(fields=["author", "-created_at"], name="outfit_author", condition=Q(author__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        """What it is for, in a few words: what stands before the first dot of its name."""
        return self.name.partition("·")[0]

    def move_to(self, new: str, **stamps: object) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, ()):
            raise Conflict(
                _("「%(name)s」%(state)s，不能这样改") % {"name": self.name, "state": self.get_state_display()}
            )
        if not type(self).objects.filter(pk=self.pk, state=self.state).update(state=new, **stamps):
            raise Conflict(_("「%(name)s」刚被别人处理过") % {"name": self.name})
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)


class OutfitPiece(models.Model):
    """单品 of an outfit, from outside in."""

    outfit = models.ForeignKey(Outfit, on_delete=models.CASCADE, related_name="pieces", db_index=False)
    position = models.PositiveSmallIntegerField()
    style = models.ForeignKey("crm.StyleColor", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["outfit", "position"], name="outfit_piece_place"),
            models.UniqueConstraint(fields=["outfit", "style"], name="outfit_piece_once"),
        ]


class OutfitCredit(models.Model):
    """成长分 of a guide for a proposal that was adopted: once an outfit, and never taken back."""

    outfit = models.OneToOneField(Outfit, on_delete=models.PROTECT, related_name="credit")
    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="outfit_credits", db_index=False)
    points = models.PositiveSmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(points__gt=0), name="outfit_credit_counts")]
        indexes = [
            models.Index(fields=["guide", "-at"], name="outfit_credit_guide"),
            models.Index(fields=["-at"], name="outfit_credit_newest"),
        ]


class LookChoice(models.Model):
    """What a guide (or he himself) changed of one day of a member's week: another outfit, other pieces. The rest is computed."""

    member = models.ForeignKey("crm.Member", on_delete=models.CASCADE, related_name="look_choices", db_index=False)
    on = models.DateField()
    outfit = models.ForeignKey(Outfit, null=True, on_delete=models.SET_NULL, related_name="+")
    swaps = models.JSONField(default=dict)  # sku_code of the outfit -> sku_code worn instead
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "on"], name="look_choice_day")]


class LookShareQuerySet(models.QuerySet["LookShare"]):
    def visible_to(self, actor: Actor) -> LookShareQuerySet:
        """What a guide sent; and, of the members whose card he may open, what anybody sent."""
        from .scoped import share_filter

        return self.filter(share_filter(actor))


class LookShare(models.Model):
    """A day or a week sent to a member with its link: when it left, and when he opened it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    member = models.ForeignKey("crm.Member", on_delete=models.CASCADE, related_name="look_shares", db_index=False)
    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    starts_on = models.DateField()
    day = models.DateField(null=True)  # only this day; null: the week
    words = models.CharField(max_length=500)
    made_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)  # the client said so
    opened_at = models.DateTimeField(null=True)
    liked_at = models.DateTimeField(null=True)

    objects = LookShareQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["member", "-made_at"], name="look_share_newest")]
