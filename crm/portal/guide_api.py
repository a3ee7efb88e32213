"""我的导购 for the mini-program: who she is, adding her as a friend, and the page a scanned code opens."""

from __future__ import annotations

from typing import Any, cast

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.benefits.coupon_rules import template_rule
from crm.benefits.models import CouponBatch
from guides.attendance import calendar
from yejibao.core import access, clock
from yejibao.core.clock import local_day
from yejibao.core.errors import NotFound, SignInRequired

from .calls import MemberView, call
from .card_api import CLAIM
from .codes import OpenedCode, guide_of, open_code, qr_of
from .models import MemberSession

TOKEN = "g5b1d0c8a7e64f29"  # of examples
A_QR = "data:image/png;base64,iVBORw0KGgo…"


class MemberOwnGuideOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    store = serializers.CharField()
    is_in_today = serializers.BooleanField(help_text="今天在店")
    is_friend = serializers.BooleanField(help_text="已经是企业微信好友")
    qr = serializers.CharField(
        allow_blank=True, help_text="加她的二维码（data: 图片），长按识别；已是好友或还没有建好时为空"
    )


class MemberBenefitOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id", help_text="用 coupon-batches/ 领")
    title = serializers.SerializerMethodField()
    worth = serializers.SerializerMethodField(help_text="¥100 或 85 折")
    condition = serializers.SerializerMethodField()
    closes_at = serializers.DateTimeField()

    def get_title(self, batch: CouponBatch) -> str:
        return str(template_rule(batch.template).title)

    def get_worth(self, batch: CouponBatch) -> str:
        return str(template_rule(batch.template).worth)

    def get_condition(self, batch: CouponBatch) -> str:
        return str(template_rule(batch.template).condition)


class MemberCodeOut(serializers.Serializer[Any]):
    kind = serializers.CharField(source="way.kind")
    kind_name = serializers.CharField(source="way.get_kind_display")
    guide = serializers.SerializerMethodField(help_text="加的是谁；空：门店里的一位")
    store = serializers.SerializerMethodField()
    benefits = MemberBenefitOut(source="batches", many=True, help_text="新好友礼；领之前要先知道手机号（phone/）")
    needs_phone = serializers.SerializerMethodField(help_text="true：还不知道是哪位会员")
    is_friend = serializers.BooleanField()
    qr = serializers.CharField(help_text="加好友的二维码（data: 图片），长按识别。从这里加的，来源会记到这个码上")

    def get_guide(self, code: OpenedCode) -> str:
        return code.guide.display_name or code.guide.name if code.guide else ""

    def get_store(self, code: OpenedCode) -> str:
        return code.store.short_name if code.store else ""

    def get_needs_phone(self, code: OpenedCode) -> bool:
        return code.member is None


class OwnGuide(MemberView):
    @call(
        "member_guide", "我的专属导购", gives=MemberOwnGuideOut, refuses=[NotFound], says="还没有专属导购时答 404。",
        answer={"name": "晓雯", "store": "新街口店", "is_in_today": True, "is_friend": False, "qr": A_QR},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        own = guide_of(self.member)
        if own is None or own.guide.store is None:
            raise NotFound()
        told = {
            "name": own.guide.display_name or own.guide.name, "store": own.guide.store.short_name, "is_friend": own.is_friend,
            "is_in_today": calendar.day_of(own.guide, local_day(clock.now())).hours is not None,
            "qr": qr_of(own.code) if own.code else "",
        }  # fmt: skip
        return Response(MemberOwnGuideOut(told).data)


class OpenCode(MemberView):
    access = access.Token(why="whoever scanned a code is on his way in: an account of WeChat, not yet a member")
    limit = "word"

    @call(
        "member_code_open", "扫码进来的页面", gives=MemberCodeOut, ids={"token": TOKEN}, has_key=False,
        answer={
            "kind": "guide", "kind_name": "导购码", "guide": "晓雯", "store": "新街口店", "needs_phone": False, "is_friend": False, "qr": A_QR,
            "benefits": [{"id": CLAIM, "title": "新好友礼", "worth": "¥100", "condition": "满 ¥1,000 可用", "closes_at": "2026-12-01T00:00:00+08:00"}],
        },
        says=(
            "导购码、门店码、直播码、包裹码、活动码印的是 /i/c/{token}/ 这个链接；微信后台把它配成「扫普通链接二维码打开小程序」，"
            "小程序取出 token 调这里。不用先知道会员是谁（登录后就能调），谁从哪个码来的记下来。"
        ),
    )  # fmt: skip
    def post(self, request: Request, token: str) -> Response:
        session = cast("MemberSession | None", request.auth)
        if session is None:
            raise SignInRequired()
        return Response(MemberCodeOut(open_code(token[:30], session=session, now=clock.now())).data)


ROUTES = [
    path("api/v1/member/guide/", OwnGuide.as_view(), name="member-guide"),
    path("api/v1/member/codes/<str:token>/open/", OpenCode.as_view(), name="member-code-open"),
]
