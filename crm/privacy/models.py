"""What members agreed to, what they asked of us, their rarer particulars, and how often each person looked at numbers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from guides.org import matrix
from yejibao.core.errors import Conflict
from yejibao.core.personal import EncryptedField

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class MemberParticulars(models.Model):
    """What only some members gave, for one purpose each: the ID number for a prepaid card, the address for a delivery."""

    member = models.OneToOneField("crm.Member", on_delete=models.CASCADE, related_name="particulars")
    id_number = EncryptedField(blank=True, default="", index="id_number_index", last_four="id_number_last4")
    id_number_index = models.CharField(max_length=32, blank=True, default="")
    id_number_last4 = models.CharField(max_length=4, blank=True, default="")
    address = EncryptedField(blank=True, default="")
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["id_number_index"], name="particulars_id", condition=~Q(id_number_index=""))]


class ConsentKind(models.TextChoices):
    PRIVACY = "privacy", _("隐私政策")
    MARKETING = "marketing", _("接收营销信息")
    PROFILING = "profiling", _("个性化推荐")
    LIVE_MATCHING = "live_matching", _("直播观看匹配")


class ConsentText(models.Model):
    """One version of what members are asked to agree to. Never changed: another wording is another version."""

    kind = models.CharField(max_length=16, choices=ConsentKind.choices)
    version = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=60)
    text = models.TextField()
    published_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "version"], name="consent_text_version")]

    def __str__(self) -> str:
        return f"{self.title} 第 {self.version} 版"


class ConsentRecord(models.Model):
    """A member agreed to a version, or took it back: when, where, and who wrote it down. Append only; the newest counts.

    What counts now stands in columns of the member, where statements that choose members read it.
    """

    class Channel(models.TextChoices):
        MINI_PROGRAM = "mini_program", _("小程序")
        STORE = "store", _("到店")
        WECOM = "wecom", _("企业微信聊天")
        PHONE = "phone", _("电话")
        HQ = "hq", _("总部客服")
        TILL = "till", _("收银系统")

    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="consents", db_index=False)
    kind = models.CharField(max_length=16, choices=ConsentKind.choices)
    text = models.ForeignKey(ConsentText, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_given = models.BooleanField()
    channel = models.CharField(max_length=16, choices=Channel.choices)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        indexes = [models.Index(fields=["member", "kind", "-at"], name="consent_member")]


class MemberRequestQuerySet(models.QuerySet["MemberRequest"]):
    def visible_to(self, actor: Actor) -> MemberRequestQuerySet:
        """Those who answer members for the whole brand see all; a member his own; nobody else any."""
        from crm.members.scoped import own_filter

        if actor.kind == "member":
            return self.filter(own_filter(actor))
        return self if actor.has_role(*MemberRequest.HANDLED_BY) else self.none()

    def unfinished(self) -> MemberRequestQuerySet:
        return self.filter(state__in=MemberRequest.UNFINISHED)


class MemberRequest(models.Model):
    """查阅复制 / 更正 / 删除: what a member asked of us about his own data. To be answered within 15 days."""

    class Kind(models.TextChoices):
        COPY = "copy", _("查阅复制")
        CORRECT = "correct", _("更正")
        DELETE = "delete", _("删除")

    class State(models.TextChoices):
        ASKED = "asked", _("待核实身份")
        CHECKED = "checked", _("待处理")
        APPROVED = "approved", _("今晚清除")  # a deletion that the second person agreed to
        DONE = "done", _("已办结")
        REFUSED = "refused", _("不能办")
        WITHDRAWN = "withdrawn", _("本人撤回")

    class Proof(models.TextChoices):
        SIGNED_IN = "signed_in", _("本人登录小程序")
        PHONE_CODE = "phone_code", _("留存手机号收验证码")
        CALLED_BACK = "called_back", _("回拨留存手机号核对")
        IN_STORE = "in_store", _("到店出示证件")

    HANDLED_BY: ClassVar[tuple[str, ...]] = matrix.holders("member.request")
    UNFINISHED: ClassVar[tuple[str, ...]] = (State.ASKED, State.CHECKED, State.APPROVED)
    NEXT: ClassVar[dict[str, set[str]]] = {
        State.ASKED: {State.CHECKED, State.REFUSED, State.WITHDRAWN},
        State.CHECKED: {State.APPROVED, State.DONE, State.REFUSED, State.WITHDRAWN},
        State.APPROVED: {State.DONE, State.WITHDRAWN},
    }

    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="requests", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    channel = models.CharField(max_length=16, choices=ConsentRecord.Channel.choices)
    wish = EncryptedField(blank=True, default="")  # his words; emptied when the request is over
    proof = models.CharField(max_length=16, choices=Proof.choices, blank=True)
    answer = models.CharField(max_length=200, blank=True)  # why not, or what was done; names nobody
    asked_at = models.DateTimeField()
    due_on = models.DateField()
    asked_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    checked_at = models.DateTimeField(null=True)
    checked_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    done_at = models.DateTimeField(null=True)

    objects = MemberRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "kind"],
                condition=Q(state__in=["asked", "checked", "approved"]),
                name="member_request_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "refused", "withdrawn"]) | Q(checked_at__isnull=False),
                name="member_request_identity_first",
            ),
        ]
        indexes = [
            # the list: what waits, the oldest promise first
            models.Index(
                fields=["due_on", "id"],
                name="member_request_waiting",
                condition=Q(state__in=["asked", "checked", "approved"]),
            ),
            models.Index(fields=["member"], name="member_request_member"),
        ]

    def move_to(self, new: str, **stamps: object) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, ()):
            raise Conflict(_("这件已经处理过了"))
        if not MemberRequest.objects.filter(pk=self.pk, state=self.state).update(state=new, **stamps):
            raise Conflict(_("这件刚被别人处理过"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)

    def days_left(self, today: date) -> int:
        return (self.due_on - today).days


class RevealDay(models.Model):
    """How many full numbers one person looked at on one day: counted in one statement, so that no two taps pass as one."""

    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    taps = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "staff"], name="reveal_day_staff")]
