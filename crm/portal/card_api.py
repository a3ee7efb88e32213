"""我的会员卡 for the mini-program: card and level, points, coupons."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.benefits import services as benefits
from crm.benefits.models import Coupon, LevelChange, PointsEntry
from crm.benefits.queries import (
    claimable,
    coupons_of,
    exchangeable,
    free_care_of,
    held_coupon,
    level_history,
    level_of,
    points_of,
)
from crm.benefits.rules import level_rule, levels
from crm.benefits.services import BrokenStep, HasOne, NotGiven, OutOfStock, PointsShort
from crm.members import shown
from yejibao.core import clock

from .calls import BEFORE, MemberView, call, pageful
from .codes import way_to_claim
from .queries import batch_for_members, batch_for_points, card_of
from .wallet_api import MemberBalanceOut

CLAIM, EXCHANGE = "1b6e3f7a-54c0-4d0f-8a5b-0c8f4c5e7d21", "2c7f408b-65d1-4e10-9b6c-1d905d6f8e32"  # of examples
SOME_POINTS = {"usable": 8420, "frozen": 1280, "expiring": 300, "expiring_on": "2026-12-31"}
A_COUPON = {
    "code": "7KQ2M4XHPB3T", "title": "大衣满减券", "worth": "¥100", "condition": "满 ¥1,000 可用", "state": "usable",
    "valid_from": "2026-11-01T00:00:00+08:00", "ends_on": "2026-12-31",
}  # fmt: skip


class MemberLevelOut(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    valid_until = serializers.DateField(allow_null=True)
    next_name = serializers.CharField(allow_blank=True, help_text="下一级；空：已经最高")
    missing_fen = serializers.IntegerField(help_text="半年里再消费多少升级，分")
    share = serializers.FloatField(help_text="离下一级的进度，0 到 1")


class MemberPointsOut(serializers.Serializer[Any]):
    usable = serializers.IntegerField()
    frozen = serializers.IntegerField(help_text="退货期内，还不能用")
    expiring = serializers.IntegerField()
    expiring_on = serializers.DateField(allow_null=True)


class MemberGuideOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    store = serializers.CharField()


A_LEVEL = {
    "key": "V4", "name": "白金会员", "valid_until": "2027-05-20", "next_name": "黑金会员", "missing_fen": 554000, "share": 0.5383,
}  # fmt: skip


class MemberMeOut(serializers.Serializer[Any]):
    """What stands on 会员中心. 631, RFM and life cycle are ours and never told."""

    member_no = serializers.CharField(help_text="会员号")
    code = serializers.CharField(help_text="会员码的内容，5 分钟内有效，结账时给店员扫；要显示它就每两分钟取一次")
    name = serializers.CharField()
    called = serializers.CharField(help_text="怎么称呼")
    level = MemberLevelOut()
    wallet = MemberBalanceOut()
    points = MemberPointsOut()
    coupon_count = serializers.IntegerField(help_text="现在能用的券")
    guide = MemberGuideOut(allow_null=True, help_text="专属导购；还没有时为空。详情和加好友见 guide/")


class Me(MemberView):
    @call(
        "member_me", "我的会员卡", gives=MemberMeOut, says="会员中心首屏要的都在这里，一次取全。",
        answer={
            "member_no": "M0001", "code": "YJM:M0001:1vMgHs:Zt3…", "name": "王建平", "called": "王哥",
            "level": A_LEVEL,
            "wallet": {"total_fen": 187400, "principal_fen": 186000, "gift_fen": 1400, "is_frozen": False},
            "points": SOME_POINTS, "coupon_count": 2, "guide": {"name": "晓雯", "store": "新街口店"},
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        card = card_of(self.member, now=clock.now())
        member, level, guide = card.member, card.level, card.guide
        told = {
            "member_no": member.member_no, "code": shown.code_of(member.member_no), "name": member.name, "called": member.called,
            "level": _standing(level),
            "wallet": card.balance, "points": card.points, "coupon_count": card.coupon_count,
            "guide": {"name": guide.display_name or guide.name, "store": guide.store.short_name} if guide and guide.store else None,
        }  # fmt: skip
        return Response(MemberMeOut(told).data)


# ---------------------------------------------------------------- level


class MemberLevelRuleOut(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    min_fen = serializers.IntegerField(help_text="半年消费到多少，分")
    rate = serializers.SerializerMethodField(help_text="一元积几分")
    birthday_coupon_fen = serializers.IntegerField()
    free_care_per_year = serializers.IntegerField(help_text="一年免费洗护几次")

    def get_rate(self, rule: Any) -> float:
        return float(rule.rate_tenths / 10)


class MemberLevelChangeOut(serializers.ModelSerializer[LevelChange]):
    from_name = serializers.SerializerMethodField()
    to_name = serializers.SerializerMethodField()
    words = serializers.CharField(source="get_reason_display")

    def get_from_name(self, row: LevelChange) -> str:
        return level_rule(row.from_level).name

    def get_to_name(self, row: LevelChange) -> str:
        return level_rule(row.to_level).name

    class Meta:
        model = LevelChange
        fields = ("from_name", "to_name", "reason", "words", "at")


class MemberStandingOut(serializers.Serializer[Any]):
    level = MemberLevelOut()
    free_care_left = serializers.IntegerField(help_text="今年还剩几次免费洗护")
    levels = MemberLevelRuleOut(many=True, help_text="各等级的门槛和权益，低的在前")
    history = MemberLevelChangeOut(many=True, help_text="最近二十次变化，新的在前")


def _standing(level: benefits.LevelStanding) -> dict[str, Any]:
    return {
        "key": level.level.key, "name": level.level.name, "valid_until": level.valid_until, "missing_fen": level.missing_fen,
        "next_name": level.next_level.name if level.next_level else "", "share": round(level.share, 4),
    }  # fmt: skip


class Level(MemberView):
    @call(
        "member_level", "我的等级和权益", gives=MemberStandingOut,
        answer={
            "level": A_LEVEL, "free_care_left": 3,
            "levels": [{"key": "V1", "name": "普通会员", "min_fen": 0, "rate": 1.0, "birthday_coupon_fen": 5000, "free_care_per_year": 0}],
            "history": [{"from_name": "金卡会员", "to_name": "白金会员", "reason": "upgrade", "words": "消费达标，升级", "at": "2026-08-02T15:20:00+08:00"}],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        member = self.member
        told = {
            "level": _standing(level_of(member)), "free_care_left": free_care_of(member, today=clock.today()).left,
            "levels": levels(), "history": level_history(member),
        }  # fmt: skip
        return Response(MemberStandingOut(told).data)


# ---------------------------------------------------------------- points


class MemberPointsEntryOut(serializers.ModelSerializer[PointsEntry]):
    words = serializers.CharField(source="get_kind_display")

    class Meta:
        model = PointsEntry
        fields = ("kind", "words", "points", "balance_after", "at")


MemberPointsListOut = pageful("MemberPointsListOut", MemberPointsEntryOut, points=MemberPointsOut())


class PointsList(MemberView):
    @call(
        "member_points", "积分和明细", gives=MemberPointsListOut, query=[BEFORE],
        answer={"points": SOME_POINTS, "results": [{"kind": "earn", "words": "消费得积分", "points": 1280, "balance_after": 9700, "at": "2026-11-20T14:00:00+08:00"}], "before": ""},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        points = MemberPointsOut(points_of(self.member, now=clock.now())).data
        return self.page(PointsEntry.objects.visible_to(self.actor), "at", MemberPointsEntryOut, points=points)


# ---------------------------------------------------------------- coupons


class MemberCouponOut(serializers.Serializer[Any]):
    code = serializers.CharField(source="coupon.code", help_text="付款时报它；线下也可以扫会员码")
    title = serializers.CharField(source="rule.title")
    worth = serializers.CharField(source="rule.worth", help_text="¥100 或 85 折")
    condition = serializers.CharField(source="rule.condition")
    state = serializers.ChoiceField(
        choices=["usable", "later", "held", "used", "expired", "void"],
        help_text="later 还没到日子；held 有一单正等付款占着它",
    )
    valid_from = serializers.DateTimeField(source="coupon.valid_from")
    ends_on = serializers.DateField(help_text="最后一天")


class MemberClaimableOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    closes_at = serializers.DateTimeField()


class MemberExchangeableOut(MemberClaimableOut):
    points_price = serializers.IntegerField(help_text="要多少积分")


class MemberCouponsOut(serializers.Serializer[Any]):
    results = MemberCouponOut(many=True)
    claimable = MemberClaimableOut(many=True, help_text="可以白领的；只在 which=usable 时有")
    exchangeable = MemberExchangeableOut(many=True, help_text="可以用积分换的；只在 which=usable 时有")


WHICH = OpenApiParameter("which", str, enum=["usable", "past"], description="不带就是可用的；past 是用过和过期的")


class Coupons(MemberView):
    @call(
        "member_coupons", "我的券，和可以领的", gives=MemberCouponsOut, query=[WHICH],
        answer={
            "results": [A_COUPON],
            "claimable": [{"id": CLAIM, "name": "双十一券", "closes_at": "2026-12-01T00:00:00+08:00"}],
            "exchangeable": [{"id": EXCHANGE, "name": "积分换券", "closes_at": "2026-12-01T00:00:00+08:00", "points_price": 500}],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        which = "past" if request.query_params.get("which") == "past" else "usable"
        member, now, is_now = self.member, clock.now(), which == "usable"
        told = {
            "results": coupons_of(member, now=now, which=which),
            "claimable": claimable(member, now=now) if is_now else [],
            "exchangeable": exchangeable(member, now=now) if is_now else [],
        }
        return Response(MemberCouponsOut(told).data)


class ClaimCoupon(MemberView):
    limit = "coupon"

    @call(
        "member_coupon_claim", "领一张券", gives=MemberCouponOut, status=201, ids={"public_id": CLAIM}, answer=A_COUPON,
        refuses=[NotGiven, OutOfStock, HasOne],
        says="public_id 来自 coupons/ 的 claimable、导购发的领券链接，或扫码页 codes/ 的 benefits。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        batch, now = batch_for_members(public_id), clock.now()
        way = way_to_claim(batch, self.member, now=now)

        def work() -> dict[str, str]:
            return {"code": benefits.claim(batch, self.member, key=self.key, now=now, way=way).code}

        return _got(self.once({}, work), self, now)


class ExchangeCoupon(MemberView):
    limit = "coupon"

    @call(
        "member_coupon_exchange", "用积分换一张券", gives=MemberCouponOut, status=201, ids={"public_id": EXCHANGE}, answer=A_COUPON,
        refuses=[NotGiven, OutOfStock, HasOne, PointsShort, BrokenStep],
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        batch, now = batch_for_points(public_id), clock.now()

        def work() -> dict[str, str]:
            return {"code": benefits.exchange(batch, self.member, key=self.key, now=now, actor=self.actor).code}

        return _got(self.once({}, work), self, now)


def _got(made: dict[str, str], view: MemberView, now: datetime) -> Response:
    coupon = Coupon.objects.visible_to(view.actor).with_terms().get(code=made["code"])
    return Response(MemberCouponOut(held_coupon(coupon, now=now)).data, status=201)


ROUTES = [
    path("api/v1/member/me/", Me.as_view(), name="member-me"),
    path("api/v1/member/level/", Level.as_view(), name="member-level"),
    path("api/v1/member/points/", PointsList.as_view(), name="member-points"),
    path("api/v1/member/coupons/", Coupons.as_view(), name="member-coupons"),
    path("api/v1/member/coupon-batches/<uuid:public_id>/claim/", ClaimCoupon.as_view(), name="member-claim"),
    path("api/v1/member/coupon-batches/<uuid:public_id>/exchange/", ExchangeCoupon.as_view(), name="member-exchange"),
]
