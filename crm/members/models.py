"""Members, their WeCom relations, and whose they are."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Collate
from django.utils.translation import gettext_lazy as _

from yejibao.core.personal import EncryptedField

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class MemberQuerySet(models.QuerySet["Member"]):
    def visible_to(self, actor: Actor) -> MemberQuerySet:
        """Members whose card this actor may open (reliability-security §3, row "member list / card")."""
        from .scoped import member_filter

        return self.filter(member_filter(actor))

    def listed_for(self, actor: Actor) -> MemberQuerySet:
        """Members who may stand on a list of this actor's: an area's supervisor has the list, and opens no card."""
        from .scoped import LIST, member_filter

        return self.filter(member_filter(actor, LIST))

    def may_be_told(self, channel: str) -> MemberQuerySet:
        """Members to whom marketing may go by a channel. Every audience begins here, in its own statement."""
        living = self.filter(status=Member.Status.ACTIVE, do_not_contact=False)
        return living.exclude(marketing_opt_out__contains=[channel])

    def may_be_profiled(self) -> MemberQuerySet:
        """Members who may be chosen by what they bought or seem to like; the others get what everybody gets, or nothing."""
        return self.filter(no_profiling=False)


class Member(models.Model):
    """会员. Scores (tier, level, node) are written by set-based jobs only."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("正常")
        CLOSED = "closed", _("已注销")
        MERGED = "merged", _("已合并")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    member_no = models.CharField(max_length=32)  # card number of the till
    name = models.CharField(max_length=32)
    salutation = models.CharField(max_length=16, blank=True)  # 王哥; empty: 姓 + 先生 / 女士
    gender = models.CharField(max_length=1, default="m")  # m | f | u
    phone = EncryptedField(blank=True, default="", index="phone_index", last_four="phone_last4")
    phone_index = models.CharField(max_length=32, blank=True, default="")
    phone_last4 = models.CharField(
        max_length=4, blank=True, default="", db_default=""
    )  # for lists: nothing is decrypted
    birth_month = models.PositiveSmallIntegerField(null=True)
    birth_day = models.PositiveSmallIntegerField(null=True)
    birth_year = EncryptedField(blank=True, default="")
    birthday_calendar = models.CharField(max_length=8, default="solar")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    is_employee = models.BooleanField(default=False)
    is_test = models.BooleanField(default=False)
    owner_guide = models.ForeignKey(
        "guides.Staff", null=True, blank=True, on_delete=models.PROTECT, related_name="members", db_index=False
    )
    main_store = models.ForeignKey(
        "guides.Store", null=True, blank=True, on_delete=models.PROTECT, related_name="members", db_index=False
    )
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    join_channel = models.CharField(max_length=32, blank=True)
    registered_at = models.DateTimeField(null=True)
    # consent
    do_not_contact = models.BooleanField(default=False)
    marketing_opt_out = ArrayField(models.CharField(max_length=16), default=list, blank=True)  # channels
    phone_consent = models.BooleanField(default=False)
    no_profiling = models.BooleanField(default=False, db_default=False)  # 不看个性化推荐
    live_matching = models.BooleanField(default=False, db_default=False)  # may be looked for among viewers of a live
    # scores (models.yaml); all computed
    member_level = models.CharField(max_length=2, default="V1")
    level_reached_at = models.DateTimeField(null=True)
    level_valid_until = models.DateField(null=True)
    spend_180_fen = models.BigIntegerField(default=0)
    tier_631 = models.CharField(max_length=12, default="unconsumed")
    tier_631_rank = models.IntegerField(null=True)
    tier_631_store = models.CharField(max_length=12, default="unconsumed")  # ranked inside main_store, a help for lists
    tier_631_computed_at = models.DateTimeField(null=True)
    purchase_node = models.CharField(max_length=8, default="none")
    purchase_count = models.IntegerField(default=0)  # purchase days in the lifetime
    lifecycle_stage = models.CharField(max_length=10, default="potential")
    last_purchase_on = models.DateField(null=True)
    spend_365_fen = models.BigIntegerField(default=0)
    last_contact_on = models.DateField(null=True)  # of the newest reach, for lists

    objects = MemberQuerySet.as_manager()

    class Meta:
        # Not `unique=True`: that brings a second index for prefixes, and nobody looks for the beginning of a card number.
        constraints = [models.UniqueConstraint(fields=["member_no"], name="member_number")]
        indexes = [
            models.Index(fields=["owner_guide", "status"], name="member_owner"),
            # the list of members: a store's, a tier's by the newest; how a name begins, in the order of its characters
            models.Index(fields=["main_store", "id"], name="member_of_store"),
            models.Index(fields=["tier_631", "id"], name="member_tier"),
            models.Index(Collate("name", "C"), F("id"), name="member_name"),
            models.Index(
                fields=["level_valid_until"], name="member_level_ends", condition=Q(level_valid_until__isnull=False)
            ),
            models.Index(fields=["phone_index"], name="member_phone", condition=~Q(phone_index="")),
            models.Index(fields=["merged_into"], name="member_merged", condition=Q(merged_into__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_vip(self) -> bool:
        """Tell whether his complaints reach the manager at once (aftersale.yaml): V4, V5 or 核心."""
        return self.tier_631 == "core" or self.member_level in ("V4", "V5")

    @property
    def called(self) -> str:
        """Return how he is addressed: 王哥, else 王先生 / 王女士."""
        return self.salutation or self.name[:1] + ("女士" if self.gender == "f" else "先生")


class MemberIdentity(models.Model):
    """One of the names under which systems know a member (OneID). A name belongs to one member at a time."""

    class Kind(models.TextChoices):
        CARD = "pos_card", _("会员卡号")
        PHONE = "phone", _("手机号")
        UNIONID = "unionid", _("微信 UnionID")
        OPENID = "openid", _("微信 OpenID")
        EXTERNAL = "external_user_id", _("企微外部联系人")

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="identities")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    value = models.CharField(max_length=128)  # of a phone its blind index; an openid with its app: "wx…:o…"
    source = models.CharField(max_length=16)  # till | wecom | mini_program | guide | hq
    added_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "value"], name="identity_kind_value")]
        indexes = [models.Index(fields=["member"], name="identity_member")]


class MemberMerge(models.Model):
    """Two members turned out to be one person. The act keeps what it moved, so that it can be taken back."""

    kept = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="merges")
    gone = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=255)
    moved = models.JSONField(default=dict)  # table -> ids of the rows that changed hands
    filled = models.JSONField(default=list)  # columns the kept one took over because he had none
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gone"], condition=Q(undone_at=None), name="merge_one_in_force")]
        indexes = [models.Index(fields=["-at"], name="merge_newest")]


class FriendLink(models.Model):
    """A WeCom relation between a guide and a customer, linked to a member where known."""

    class State(models.TextChoices):
        FRIEND = "friend", _("好友")
        DELETED_BY_MEMBER = "deleted_by_member", _("会员已删除导购")
        DELETED_BY_GUIDE = "deleted_by_guide", _("导购已删除会员")
        BLOCKED = "blocked", _("已拉黑")
        PENDING_TRANSFER = "pending_transfer", _("交接中")

    member = models.ForeignKey(Member, null=True, on_delete=models.CASCADE, related_name="friend_links", db_index=False)
    guide = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="friend_links", db_index=False)
    external_user_id = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=State.choices, default=State.FRIEND)
    remark = models.CharField(max_length=64, blank=True)
    added_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    readd_tried_at = models.DateTimeField(null=True)  # never re-add more than once in 30 days
    # what the platform says of it
    way = models.ForeignKey(
        "crm.ContactWay", null=True, on_delete=models.SET_NULL, related_name="friends", db_index=False
    )
    # the code's `state`: also of codes and links that are not ours
    way_token = models.CharField(max_length=64, blank=True, db_default="")
    add_way = models.PositiveSmallIntegerField(null=True)  # 1 QR code, 2 phone search … (externalcontact/get)
    # of the phones in the remark
    phone_indexes = ArrayField(models.CharField(max_length=32), default=list, db_default=[], blank=True)
    corp_tag_ids = ArrayField(models.CharField(max_length=64), default=list, db_default=[], blank=True)
    seen_at = models.DateTimeField(null=True)  # when the platform last listed it

    LOST = (State.DELETED_BY_MEMBER, State.DELETED_BY_GUIDE, State.BLOCKED)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["guide", "external_user_id"], name="friend_guide_external")]
        indexes = [
            models.Index(fields=["member", "guide"], name="friend_member_guide"),
            models.Index(fields=["external_user_id"], name="friend_external"),
            models.Index(fields=["guide", "-added_at"], name="friend_newest"),  # 新好友
            models.Index(fields=["way"], name="friend_way", condition=Q(way__isnull=False)),
        ]


class OwnershipTransfer(models.Model):
    """A member went from one own guide to another, and why. `moved_along`: he stayed with her when she changed the store."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="transfers")
    from_guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    to_guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=16)  # GuideHandover.reason | moved_along | first_purchase | manager | refused
    handover = models.ForeignKey("crm.GuideHandover", null=True, on_delete=models.PROTECT, related_name="transfers")
    at = models.DateTimeField()


class GuideHandoverQuerySet(models.QuerySet["GuideHandover"]):
    def visible_to(self, actor: Actor) -> GuideHandoverQuerySet:
        """Handovers in the stores whose members an actor may give; of closed stores also the region's."""
        from .scoped import handover_filter

        return self.filter(handover_filter(actor))


class GuideHandover(models.Model):
    """A guide gives her members away: who takes over whom. The manager confirms a plan; where nobody does within 24 h, the
    heir gets them all (not where she only goes away for long, or passes them on and stays)."""

    class Reason(models.TextChoices):
        RESIGNED = "resigned", _("离职")
        MOVED_STORE = "moved_store", _("调店")
        LONG_LEAVE = "long_leave", _("长假")
        GIVEN = "given", _("转交")  # she stays and works on; her members are wanted elsewhere

    class State(models.TextChoices):
        PROPOSED = "proposed", _("待店长确认")
        DONE = "done", _("已交接")
        WITHDRAWN = "withdrawn", _("不交了")

    NEVER_BY_ITSELF = (Reason.LONG_LEAVE, Reason.GIVEN)

    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="handovers")
    reason = models.CharField(max_length=12, choices=Reason.choices, default=Reason.RESIGNED, db_default="resigned")
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+")  # where she worked
    heir = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    plan = models.JSONField(default=dict, db_default={}, blank=True)  # as last saved (services/plans.py: Plan)
    version = models.PositiveIntegerField(default=0, db_default=0)  # counts the saved plans; 0: nobody has looked
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    left_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")

    objects = GuideHandoverQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["guide"], condition=Q(state="proposed"), name="handover_one_open"),
            models.UniqueConstraint(fields=["guide"], condition=Q(reason="resigned"), name="handover_resigned_once"),
        ]
        indexes = [models.Index(fields=["store", "state"], name="handover_store")]

    @property
    def is_resigned(self) -> bool:
        return self.reason == self.Reason.RESIGNED

    @property
    def waits_for_ever(self) -> bool:
        """Tell whether nothing goes over by itself: she still works here, and somebody has to want it."""
        return self.reason in self.NEVER_BY_ITSELF

    @property
    def may_go_along(self) -> bool:
        """Tell whether members may stay with her: who changes the store goes on working."""
        return self.reason == self.Reason.MOVED_STORE


class FriendTransfer(models.Model):
    """A friend is to go over to a colleague, through the platform: asked for, waited for 24 hours, settled.

    ASKED without an answer is what "nobody knows" looks like here: it is read back from the platform first, and asked again
    only where the platform has never heard of it.
    """

    class State(models.TextChoices):
        PLANNED = "planned", _("排队等转")
        ASKED = "asked", _("排队等转")  # nobody outside needs to tell the two apart
        WAITING = "waiting", _("等 24 小时")
        DONE = "done", _("已转好")
        REFUSED = "refused", _("会员不愿意换")
        TAKER_FULL = "taker_full", _("接手人的客户已满")
        FAILED = "failed", _("企业微信没有转")

    QUEUED = (State.PLANNED, State.ASKED)
    OPEN = (*QUEUED, State.WAITING)
    UNDONE = (State.REFUSED, State.TAKER_FULL, State.FAILED)  # somebody has to decide

    link = models.ForeignKey(FriendLink, on_delete=models.CASCADE, related_name="passed_on")
    giver = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    taker = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    handover = models.ForeignKey(GuideHandover, null=True, on_delete=models.PROTECT, related_name="friend_transfers")
    external_user_id = models.CharField(max_length=64)
    is_resigned = models.BooleanField()  # 离职继承, else 在职继承 (twice in 90 days)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PLANNED)
    code = models.IntegerField(null=True)  # the platform's errcode where it said no
    planned_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)  # when to ask, or to look what became of it
    handled_at = models.DateTimeField(null=True)  # refused, full or failed, and the manager has decided what to do

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["link"], condition=Q(state__in=["planned", "asked", "waiting"]), name="transfer_one_open"
            )
        ]
        indexes = [
            models.Index(fields=["next_at"], name="transfer_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["external_user_id", "asked_at"], name="transfer_of_customer"),
            models.Index(fields=["handover", "state"], name="transfer_handover"),
        ]
