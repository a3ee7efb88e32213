"""Codes that add friends, what the platform says of a customer, and pairs that a person has to decide on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class ContactWayQuerySet(models.QuerySet["ContactWay"]):
    def visible_to(self, actor: Actor) -> ContactWayQuerySet:
        """A guide's own codes and her store's; managers and HQ: those in their scope."""
        from .scoped import way_filter

        return self.filter(way_filter(actor))


class ContactWay(models.Model):
    """加好友码: a QR code of the platform that adds somebody as a friend; its token tells where the friend came from."""

    class Kind(models.TextChoices):
        GUIDE = "guide", _("导购码")
        STORE = "store", _("门店码")
        LIVE = "live", _("直播码")
        PARCEL = "parcel", _("包裹码")
        EVENT = "event", _("活动码")

    class State(models.TextChoices):
        WANTED = "wanted", _("待创建")
        ASKED = "asked", _("创建中")  # the call left; until an answer comes nobody knows whether it had its effect
        READY = "ready", _("可用")
        FAILED = "failed", _("没有建成")
        RETIRED = "retired", _("已停用")

    kind = models.CharField(max_length=8, choices=Kind.choices)
    name = models.CharField(max_length=30)  # what lists call it; also its remark on the platform
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="contact_ways")
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="contact_ways")
    token = models.CharField(max_length=30, unique=True)  # the platform's `state`, comes back with each friend
    user_ids = ArrayField(models.CharField(max_length=64), default=list)  # who is added, as the platform was last told
    config_id = models.CharField(max_length=64, blank=True)
    qr_url = models.CharField(max_length=512, blank=True)
    picture = models.BinaryField(null=True)  # PNG, fetched once
    state = models.CharField(max_length=8, choices=State.choices, default=State.WANTED)
    next_at = models.DateTimeField(null=True)  # when to call the platform about it; null: nothing to do
    lease_until = models.DateTimeField(null=True)  # PostgreSQL's clock
    attempts = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)  # when the first call left whose answer is missing
    errcode = models.IntegerField(null=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    retired_at = models.DateTimeField(null=True)

    objects = ContactWayQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["guide"], condition=Q(kind="guide", retired_at=None), name="way_one_a_guide"
            ),
            models.UniqueConstraint(
                fields=["store"], condition=Q(kind="store", retired_at=None), name="way_one_a_store"
            ),
            models.UniqueConstraint(fields=["config_id"], condition=~Q(config_id=""), name="way_config"),
            models.CheckConstraint(condition=Q(guide__isnull=False) | Q(store__isnull=False), name="way_has_somebody"),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="way_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["store", "kind"], name="way_store_kind"),
        ]

    @property
    def is_live(self) -> bool:
        """Tell whether a scan adds a friend."""
        return self.state == self.State.READY


class Contact(models.Model):
    """A customer as the platform knows him, once for the whole company; whose friend he is stands in FriendLink."""

    external_user_id = models.CharField(max_length=64, unique=True)
    unionid = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=64, blank=True)  # his own name in WeChat
    is_wecom = models.BooleanField(default=False)  # somebody of another company, not a WeChat user
    read_at = models.DateTimeField(null=True)
    stale_at = models.DateTimeField(null=True)  # an event said that something changed; null: nothing to read
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["unionid"], name="contact_unionid", condition=~Q(unionid="")),
            models.Index(fields=["stale_at"], name="contact_stale", condition=Q(stale_at__isnull=False)),
        ]


class LinkReviewQuerySet(models.QuerySet["LinkReview"]):
    def visible_to(self, actor: Actor) -> LinkReviewQuerySet:
        """Open questions about friends of the people an actor answers for; HQ's operators see all."""
        from .scoped import review_filter

        return self.filter(review_filter(actor))


class LinkReview(models.Model):
    """A friend whose signs point to different members. A person says who he is."""

    class Reason(models.TextChoices):
        PHONES = "phones", _("备注的手机号是几位会员的")
        PHONE_DIFFERS = "phone_differs", _("微信和手机号对不上同一位")
        UNIONID_DIFFERS = "unionid_differs", _("微信号属于另一位会员")

    class State(models.TextChoices):
        OPEN = "open", _("待确认")
        LINKED = "linked", _("已确认")
        MERGED = "merged", _("是同一个人")
        NOBODY = "nobody", _("都不是")

    ANSWERS: ClassVar[tuple[str, ...]] = (State.LINKED, State.MERGED, State.NOBODY)

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="reviews")
    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")  # whose friend he is
    reason = models.CharField(max_length=16, choices=Reason.choices)
    candidate_ids = ArrayField(models.BigIntegerField(), default=list)  # the surer sign first
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    member = models.ForeignKey("crm.Member", null=True, on_delete=models.PROTECT, related_name="+")
    merge = models.ForeignKey("crm.MemberMerge", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")

    objects = LinkReviewQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact"], condition=Q(state="open"), name="review_one_open")]
        indexes = [models.Index(fields=["guide"], name="review_open_guide", condition=Q(state="open"))]
