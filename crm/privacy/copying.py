"""A member's own copy: everything the house knows of him, in one file he can read.

Each room adds its section (`section`), upper departments too. The file is made as it leaves and kept nowhere.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from crm.aftersale.models import CareSlip, Ticket, TicketStep
from crm.aftersale.rules import rules
from crm.benefits.models import Coupon, LevelChange, PointsEntry
from crm.members.customers import level_names
from crm.members.exporting import TIERS
from crm.members.models import FriendLink, Member
from crm.orders.models import Order
from crm.privacy.models import ConsentRecord, MemberParticulars, MemberRequest
from crm.scoring.config import stage_names
from crm.tags.models import MemberTag
from crm.tags.rules import book
from guides.org.actors import role_names
from yejibao.core import words
from yejibao.core.clock import local_day
from yejibao.core.models import AuditEntry

Rows = Iterable[Sequence[Any]]
Build = Callable[[Member], Rows]
SHOWN = 1000  # rows of a section; nobody has bought more often


@dataclass(frozen=True)
class Section:
    order: int
    title: str
    columns: tuple[str, ...]
    build: Build


_sections: list[Section] = []


def section(title: str, *columns: str, order: int) -> Callable[[Build], Build]:
    """Register what one room knows of a member, as rows under these headings."""

    def register(build: Build) -> Build:
        _sections.append(Section(order, title, columns, build))
        return build

    return register


def render_copy(member: Member, *, now: datetime) -> str:
    """Return the file: an HTML page that needs nothing from anywhere."""
    facts = {"brand": settings.BRAND_NAME, "parts": parts_of(member), "now": now}
    return render_to_string("privacy/copy.html", facts)


def parts_of(member: Member) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
    """Return everything there is as (title, headings, rows of text)."""
    return [
        (one.title, one.columns, [[_said(cell) for cell in row] for row in list(one.build(member))[:SHOWN]])
        for one in sorted(_sections, key=lambda one: one.order)
    ]


def _said(cell: Any) -> str:
    if isinstance(cell, datetime):
        return f"{local_day(cell)} {words.clock_time(cell)}"
    return "" if cell is None else str(cell)


@section("基本资料", "项目", "内容", order=10)
def _basics(member: Member) -> Rows:
    month_day = f"{member.birth_month} 月 {member.birth_day} 日" if member.birth_month else ""
    month_day += "（农历）" if month_day and member.birthday_calendar == "lunar" else ""
    year = f"{member.birth_year} 年 " if member.birth_year else ""
    particulars = MemberParticulars.objects.filter(member=member).first() or MemberParticulars()
    facts = {
        "姓名": member.name, "称呼": member.called, "会员卡号": member.member_no, "手机号": member.phone,
        "生日": f"{year}{month_day}", "证件号": particulars.id_number, "地址": particulars.address,
        "性别": {"m": "男", "f": "女"}.get(member.gender, ""), "入会": member.registered_at, "入会渠道": _channel(member),
        "主门店": member.main_store or "", "专属导购": member.owner_guide.display_name if member.owner_guide else "",
        "会员等级": level_names().get(member.member_level, ""), "消费分层": TIERS.get(member.tier_631, ""),
        "消费阶段": stage_names().get(member.lifecycle_stage, ""),
        "别再打扰": "是" if member.do_not_contact else "否", "接受电话": "是" if member.phone_consent else "否",
        "不看个性化推荐": "是" if member.no_profiling else "否",
    }  # fmt: skip
    return [(name, value) for name, value in facts.items() if value not in ("", None)]


def _channel(member: Member) -> str:
    names = dict(ConsentRecord.Channel.choices)
    return str(names.get(member.join_channel, "其他系统" if member.join_channel else ""))


@section("授权记录", "时间", "项目", "版本", "同意还是撤回", "渠道", order=20)
def _consents(member: Member) -> Rows:
    for one in ConsentRecord.objects.filter(member=member).select_related("text").order_by("at", "pk"):
        version = f"第 {one.text.version} 版" if one.text else ""
        yield one.at, one.get_kind_display(), version, "同意" if one.is_given else "撤回", one.get_channel_display()


@section("标签", "标签", "内容", "来源", "时间", order=30)
def _tags(member: Member) -> Rows:
    for one in (
        MemberTag.objects.filter(member=member, is_effective=True).select_related("tag").order_by("tag__position", "pk")
    ):
        yield one.tag.name, "、".join(one.values), book()["sources"].get(one.source, "系统按规则算的"), one.at


@section("订单", "时间", "门店", "单号", "货品", "实付（元）", "交代", order=40)
def _orders(member: Member) -> Rows:
    orders = Order.objects.filter(member=member).select_related("store").prefetch_related("lines")
    for one in orders.order_by("-paid_at", "-pk")[:SHOWN]:
        items = "、".join(f"{line.item_name} {line.size} ×{line.quantity}".strip() for line in one.lines.all())
        yield one.paid_at, one.store.short_name, one.number, items, f"{one.net_amount_fen / 100:.2f}", one.guide_note


@section("积分", "时间", "事项", "积分", "余额", order=42)
def _points(member: Member) -> Rows:
    for one in PointsEntry.objects.filter(member=member).order_by("-pk")[:SHOWN]:
        yield one.at, one.get_kind_display(), one.points, one.balance_after


@section("优惠券", "得到的时间", "券", "怎么来的", "有效期到", "状态", order=44)
def _coupons(member: Member) -> Rows:
    for one in Coupon.objects.filter(member=member).with_terms().order_by("-issued_at", "-pk")[:SHOWN]:
        yield one.issued_at, one.batch.template.name, one.get_way_display(), one.valid_until, one.get_state_display()


@section("等级变化", "时间", "从", "到", "原因", order=46)
def _levels(member: Member) -> Rows:
    for one in LevelChange.objects.filter(member=member).order_by("-at", "-pk")[:SHOWN]:
        yield one.at, one.from_level, one.to_level, one.get_reason_display()


@section("售后", "时间", "类别", "状态", "说明", "结果", "你的评价", order=50)
def _tickets(member: Member) -> Rows:
    for one in Ticket.objects.filter(member=member).order_by("-opened_at", "-pk"):
        rated = f"{one.stars} 星 {one.rating_words}".strip() if one.stars else one.rating_words
        yield (
            one.opened_at,
            one.get_kind_display(),
            rules().states.get(one.state, ""),
            one.description,
            one.result,
            rated,
        )


@section("售后里说的话", "时间", "谁", "内容", order=50)
def _said_on_tickets(member: Member) -> Rows:
    steps = TicketStep.objects.filter(ticket__member=member).exclude(text="").exclude(kind=TicketStep.Kind.NOTE)
    for one in steps.order_by("-at", "-pk")[:SHOWN]:
        yield one.at, "你" if one.is_member else "我们", one.text


@section("送来的衣服", "时间", "做什么", "瑕疵登记", "尺寸", order=51)
def _slips(member: Member) -> Rows:
    for one in CareSlip.objects.filter(ticket__member=member).order_by("-received_at", "-pk"):
        yield one.received_at, one.works, one.flaws, one.measures


@section("你向我们提过的要求", "时间", "要什么", "你说的", "办得怎样", "答复", order=85)
def _requests(member: Member) -> Rows:
    for one in MemberRequest.objects.filter(member=member).order_by("-asked_at", "-pk"):
        yield one.asked_at, one.get_kind_display(), one.wish, one.get_state_display(), one.answer


@section("企业微信好友", "加好友时间", "门店", "导购给你的备注", "现在", order=60)
def _friends(member: Member) -> Rows:
    for one in FriendLink.objects.filter(member=member).select_related("guide__store").order_by("added_at", "pk"):
        yield one.added_at, one.guide.store or "", one.remark, one.get_state_display()


@section("谁看过你的完整号码", "时间", "岗位", "原因", order=90)
def _reveals(member: Member) -> Rows:
    entries = AuditEntry.objects.filter(
        resource=Member._meta.label, resource_id=str(member.pk), action__in=("member.phone_revealed", "member.revealed")
    )
    for one in entries.order_by("-at", "-pk")[:SHOWN]:
        yield one.at, role_names().get(one.working_role, "系统"), one.reason
