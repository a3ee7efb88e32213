"""券: what it is worth (template), how many there are and who may give them (batch, quota), and each one (coupon)."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class CouponTemplateQuerySet(models.QuerySet["CouponTemplate"]):
    def visible_to(self, actor: Actor) -> CouponTemplateQuerySet:
        """Templates of HQ, and of the units an actor gives coupons in."""
        from ..scoped import batch_filter

        return self.filter(batch_filter(actor))


class CouponTemplate(models.Model):
    """券模板. What stands here is frozen once a batch of it runs: a coupon keeps the promise it was given with."""

    class Kind(models.TextChoices):
        AMOUNT = "amount", _("满减券")
        PERCENT = "percent", _("折扣券")

    class Validity(models.TextChoices):
        FIXED = "fixed", _("固定日期")
        DAYS = "days", _("领取后几天")

    class Channel(models.TextChoices):
        TILL = "till", _("门店")
        PROXY = "proxy", _("代客下单")
        MALL = "mall", _("商城")
        LIVE = "live", _("直播")

    name = models.CharField(max_length=40)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    amount_fen = models.BigIntegerField(null=True)
    percent_off = models.PositiveSmallIntegerField(null=True)  # 15 is 85 折
    cap_fen = models.BigIntegerField(null=True)  # of a percentage: it takes off no more than this
    threshold_fen = models.BigIntegerField(default=0)  # of what the coupon may be used on, after promotions
    # Empty means any of them.
    categories = ArrayField(models.CharField(max_length=32), default=list, blank=True)  # category_l1 or category_l2
    style_codes = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    member_levels = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    channels = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    excludes_promoted = models.BooleanField(default=False)  # 特价商品不参加
    validity = models.CharField(max_length=8, choices=Validity.choices, default=Validity.DAYS)
    starts_on = models.DateField(null=True)  # both days in
    ends_on = models.DateField(null=True)
    valid_days = models.PositiveSmallIntegerField(null=True)  # the day it is given counts as the first
    notes = models.CharField(max_length=255, blank=True)
    unit = models.ForeignKey("guides.OrgUnit", on_delete=models.PROTECT, related_name="+", db_index=False)
    made_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    made_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    objects = CouponTemplateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="amount", amount_fen__isnull=False, amount_fen__gt=0, percent_off=None, cap_fen=None)
                | Q(
                    kind="percent",
                    amount_fen=None,
                    percent_off__isnull=False,
                    percent_off__range=(1, 90),
                    cap_fen__isnull=False,
                    cap_fen__gt=0,
                ),
                name="coupon_template_worth",
            ),
            models.CheckConstraint(
                condition=Q(
                    validity="fixed",
                    starts_on__isnull=False,
                    ends_on__isnull=False,
                    starts_on__lte=F("ends_on"),
                    valid_days=None,
                )
                | Q(
                    validity="days", starts_on=None, ends_on=None, valid_days__isnull=False, valid_days__range=(1, 366)
                ),
                name="coupon_template_validity",
            ),
            models.CheckConstraint(condition=Q(threshold_fen__gte=0), name="coupon_template_threshold"),
        ]
        indexes = [models.Index(fields=["-made_at"], name="coupon_template_newest")]

    def __str__(self) -> str:
        return self.name


class CouponBatchQuerySet(models.QuerySet["CouponBatch"]):
    def visible_to(self, actor: Actor) -> CouponBatchQuerySet:
        """Batches of HQ, and of the units an actor gives coupons in."""
        from ..scoped import batch_filter

        return self.filter(batch_filter(actor))


class CouponBatch(models.Model):
    """券批次: so many coupons of a template, asked for by one person and let go by another.

    A branch's batch is cut out of HQ's (`parent`): its stock counts as taken there. `taken_count` is the guarded counter;
    whoever takes one changes this row, so a batch is never oversold.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("草稿")
        ASKED = "asked", _("待审批")
        RUNNING = "running", _("进行中")
        STOPPED = "stopped", _("已停发")  # coupons given out stay valid
        REFUSED = "refused", _("没同意")

    class Way(models.TextChoices):
        GUIDE = "guide", _("导购发")
        CLAIM = "claim", _("会员领")
        AUDIENCE = "audience", _("按人群发")
        POINTS = "points", _("积分兑")
        BIRTHDAY = "birthday", _("生日礼")
        WELCOME = "welcome", _("新好友领")  # by who came through a code that adds a friend

    class Bearer(models.TextChoices):
        BRAND = "brand", _("总部")
        BRANCH = "branch", _("分公司")
        STORE = "store", _("门店")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)  # of the page where members claim
    template = models.ForeignKey(CouponTemplate, on_delete=models.PROTECT, related_name="batches")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="parts", db_index=False)
    unit = models.ForeignKey("guides.OrgUnit", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=60)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    ways = ArrayField(models.CharField(max_length=8, choices=Way.choices))
    stock_count = models.IntegerField(null=True)  # null: as many as there are birthdays
    taken_count = models.IntegerField(default=0)  # given to members or cut off for a branch
    per_member = models.PositiveSmallIntegerField(default=1)
    guide_limit = models.IntegerField(null=True)  # a guide's share where she has no row of her own; null: none
    points_price = models.IntegerField(null=True)
    bearer = models.CharField(max_length=8, choices=Bearer.choices, default=Bearer.BRAND)
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    made_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    made_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    started_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    stopped_at = models.DateTimeField(null=True)

    objects = CouponBatchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(taken_count__gte=0) & (Q(stock_count=None) | Q(taken_count__lte=F("stock_count"))),
                name="coupon_batch_not_oversold",
            ),
            models.CheckConstraint(condition=Q(stock_count=None) | Q(stock_count__gt=0), name="coupon_batch_stock"),
            models.CheckConstraint(condition=Q(per_member__range=(1, 20)), name="coupon_batch_per_member"),
            models.CheckConstraint(condition=Q(opens_at__lt=F("closes_at")), name="coupon_batch_time"),
            models.CheckConstraint(
                condition=Q(points_price=None) | Q(points_price__gt=0), name="coupon_batch_points_price"
            ),
            # Nobody lets his own batch go; batches of the house itself (birthday) have no maker.
            models.CheckConstraint(
                condition=~Q(state="running")
                | Q(made_by=None)
                | (Q(started_by__isnull=False) & ~Q(started_by=F("made_by"))),
                name="coupon_batch_two_people",
            ),
            models.UniqueConstraint(fields=["name"], condition=Q(made_by=None), name="coupon_batch_of_the_house"),
        ]
        indexes = [
            models.Index(fields=["-made_at", "-id"], name="coupon_batch_newest"),
            models.Index(fields=["parent"], name="coupon_batch_parts", condition=Q(parent__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def last_day(self) -> date:
        """Return the last local day on which it is given out."""
        return clock.local_day(self.closes_at - timedelta(microseconds=1))

    @property
    def left_count(self) -> int | None:
        """Return how many are left, None where they do not end."""
        return None if self.stock_count is None else self.stock_count - self.taken_count


class CouponQuota(models.Model):
    """How many of a batch a branch, a store or a guide may give out."""

    batch = models.ForeignKey(CouponBatch, on_delete=models.CASCADE, related_name="quotas", db_index=False)
    unit = models.ForeignKey("guides.OrgUnit", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    staff = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    limit_count = models.IntegerField()
    used_count = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(unit=None, staff__isnull=False) | Q(unit__isnull=False, staff=None),
                name="coupon_quota_whose",
            ),
            models.CheckConstraint(
                condition=Q(used_count__gte=0, used_count__lte=F("limit_count")), name="coupon_quota_kept"
            ),
            models.UniqueConstraint(fields=["batch", "unit"], name="coupon_quota_unit"),
            models.UniqueConstraint(fields=["batch", "staff"], name="coupon_quota_staff"),
        ]


class CouponGuideDay(models.Model):
    """How many coupons a guide gave out on a local day, of all batches; the cap is a setting."""

    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    given_count = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["staff", "day"], name="coupon_guide_day")]


class CouponQuerySet(models.QuerySet["Coupon"]):
    def visible_to(self, actor: Actor) -> CouponQuerySet:
        """Coupons of members whose card an actor may open; a guide's own hand-outs besides."""
        from ..scoped import coupon_filter

        return self.filter(coupon_filter(actor))

    def with_terms(self) -> CouponQuerySet:
        return self.select_related("batch__template")


class Coupon(models.Model):
    """One coupon of one member. Whence it came stays on it: batch, issuer, way, and who bears its cost."""

    class State(models.TextChoices):
        USABLE = "usable", _("可用")
        HELD = "held", _("付款中")  # an order waits to be paid
        USED = "used", _("已使用")
        EXPIRED = "expired", _("已过期")
        VOID = "void", _("已作废")

    class Way(models.TextChoices):
        GUIDE = "guide", _("导购发")
        CLAIM = "claim", _("自己领")
        AUDIENCE = "audience", _("总部发")
        POINTS = "points", _("积分兑")
        BIRTHDAY = "birthday", _("生日礼")
        WELCOME = "welcome", _("加好友领")

    code = models.CharField(max_length=16, unique=True)
    batch = models.ForeignKey(CouponBatch, on_delete=models.PROTECT, related_name="coupons", db_index=False)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="coupons", db_index=False)
    nth = models.PositiveSmallIntegerField()  # of this batch for this member
    key = models.CharField(max_length=64)  # of the command that brought it
    way = models.CharField(max_length=8, choices=Way.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.USABLE)
    issuer = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    bearer_unit = models.ForeignKey("guides.OrgUnit", on_delete=models.PROTECT, related_name="+", db_index=False)
    issued_at = models.DateTimeField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()  # the first instant it is no longer valid
    is_grace = models.BooleanField(default=False)  # came back after its time: seven days more
    subject = models.CharField(max_length=48, blank=True)  # the sale that holds or used it: "sale:12"
    used_at = models.DateTimeField(null=True)
    discount_fen = models.BigIntegerField(default=0)  # what it took off there
    sales_fen = models.BigIntegerField(default=0)  # what was paid there, after it

    objects = CouponQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "member", "nth"], name="coupon_member_nth"),
            models.UniqueConstraint(fields=["batch", "member", "key"], name="coupon_member_key"),
            # models.yaml checkout_order: one per order
            models.UniqueConstraint(fields=["subject"], condition=~Q(subject=""), name="coupon_one_per_order"),
            models.CheckConstraint(
                condition=Q(state__in=["held", "used"]) & ~Q(subject="")
                | ~Q(state__in=["held", "used"]) & Q(subject=""),
                name="coupon_subject_of_state",
            ),
            models.CheckConstraint(
                condition=Q(state="used", used_at__isnull=False) | ~Q(state="used") & Q(used_at=None, discount_fen=0),
                name="coupon_used_at",
            ),
            models.CheckConstraint(
                condition=Q(valid_from__lt=F("valid_until"), discount_fen__gte=0, sales_fen__gte=0), name="coupon_time"
            ),
        ]
        indexes = [
            models.Index(fields=["member", "state", "valid_until"], name="coupon_of_member"),
            models.Index(fields=["batch", "state"], name="coupon_of_batch"),
            models.Index(fields=["issuer", "-issued_at"], name="coupon_of_issuer", condition=Q(issuer__isnull=False)),
            models.Index(fields=["valid_until"], name="coupon_ends", condition=Q(state="usable")),
        ]


class CouponMove(models.Model):
    """What happened to a coupon after it was given out. Append only: the database refuses changes."""

    class What(models.TextChoices):
        HELD = "held", _("付款中占用")
        RELEASED = "released", _("没付成，放回")
        USED = "used", _("核销")
        GIVEN_BACK = "given_back", _("整单退货，退回")
        KEPT_USED = "kept_used", _("部分退货，不退券")
        VOIDED = "voided", _("作废")

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="moves", db_index=False)
    what = models.CharField(max_length=12, choices=What.choices)
    subject = models.CharField(max_length=48, blank=True)
    key = models.CharField(max_length=64)
    discount_fen = models.BigIntegerField(default=0)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["coupon", "what", "key"], name="coupon_move_key")]


class CouponIssue(models.Model):
    """按人群发券: one batch to everybody a condition names, by a job, in parts. A stopped one goes on where it was."""

    class State(models.TextChoices):
        WAITING = "waiting", _("排队中")
        DONE = "done", _("发完了")
        SHORT = "short", _("库存不够，停下了")

    batch = models.ForeignKey(CouponBatch, on_delete=models.PROTECT, related_name="issues")
    conditions = models.JSONField(default=dict)
    scope_path = models.CharField(max_length=255, blank=True)  # of whoever asked; members outside are not meant
    asked_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    cursor = models.BigIntegerField(default=0)
    meant_count = models.IntegerField(default=0)
    given_count = models.IntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="coupon_issue_waiting", condition=Q(state="waiting"))]
