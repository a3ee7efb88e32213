"""The way into the mini-program: who holds the phone, and out again, here or everywhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import path, reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from yejibao.core import access, clock
from yejibao.wecom import miniprogram

from . import services
from .calls import MemberView, call
from .places import safe_return
from .services import CodeRefused, KnownAlready, NoMiniProgram, OtherMember, PlatformSilent
from .sessions import TICKET_LIFE, end_session, give_ticket, sign_out_everywhere

ASKED_OF_WECHAT = (CodeRefused, NoMiniProgram, PlatformSilent)
LOGIN_CODE, PHONE_CODE = "0a1b2c3d4e5f", "9f8e7d6c5b4a"  # of examples
SIGNED_IN = {"token": "yjm_3mJ0…", "expires_at": "2026-11-28T14:00:00+08:00", "needs_phone": False}


class MemberCodeIn(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=256, help_text="wx.login 给的 code，五分钟内用一次")


class MemberPhoneIn(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=256, help_text="getPhoneNumber 给的 code，不是登录那个")
    name = serializers.CharField(max_length=32, required=False, allow_blank=True, help_text="新会员怎么称呼，可不填")


class MemberSignedInOut(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="放进 Authorization: Bearer；只给这一次，请存好")
    expires_at = serializers.DateTimeField()
    needs_phone = serializers.BooleanField(
        help_text="true：还不知道是哪位会员，先调 phone/；在那以前只有 phone/、codes/ 能用，别的都答 401"
    )


class MemberSignedOutOut(serializers.Serializer[Any]):
    ended = serializers.IntegerField(help_text="退出了几处，连这一处")


class MemberEntryIn(serializers.Serializer[Any]):
    next = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="要打开的会员页，如 /my/wallet/"
    )


class MemberEntryOut(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="放进 web-view 的 src，前面加上域名；用一次")
    expires_in = serializers.IntegerField(help_text="秒")


class Login(MemberView):
    access = access.Anonymous(why="a login code of WeChat is what proves who it is")
    authentication_classes = ()
    limit = "login"

    @call(
        "member_login", "用 wx.login 的 code 登录", takes=MemberCodeIn, gives=MemberSignedInOut, has_key=False,
        says="每次打开小程序时调一次，或者等哪个请求答 401 auth.required 再调。令牌七天有效，到期重新登录。",
        asks={"登录": {"code": LOGIN_CODE}}, answer=SIGNED_IN, refuses=ASKED_OF_WECHAT,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        code = self.given(MemberCodeIn)["code"]
        found = services.sign_in(
            code, door=miniprogram.default(), facts=self.facts, now=clock.system_now(), at=clock.now()
        )
        told = {"token": found.token, "expires_at": found.session.ends_at, "needs_phone": found.needs_phone}
        return Response(MemberSignedInOut(told).data)


class Phone(MemberView):
    access = access.Token(why="a session of the mini-program that does not know its member yet")
    limit = "login"

    @call(
        "member_phone", "用手机号认出会员，没有就开卡", takes=MemberPhoneIn, has_key=False,
        says="登录答 needs_phone 时调。同一个令牌接着用，不用重新登录。",
        asks={"绑定": {"code": PHONE_CODE, "name": "王先生"}}, refuses=(*ASKED_OF_WECHAT, KnownAlready, OtherMember),
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        session, said = self.session, self.given(MemberPhoneIn)
        services.bind_phone(
            session, said["code"], name=said.get("name", ""), door=miniprogram.default(), facts=self.facts, at=clock.now()
        )  # fmt: skip
        return Response(status=204)


class Logout(MemberView):
    limit = "login"

    @call("member_logout", "退出登录", has_key=False, says="只退这一处。令牌立刻失效。")
    def post(self, request: Request) -> Response:
        end_session(self.session, facts=self.facts)
        return Response(status=204)


class LogoutEverywhere(MemberView):
    limit = "login"

    @call(
        "member_logout_everywhere", "在所有地方退出登录", gives=MemberSignedOutOut, has_key=False, answer={"ended": 3},
        says="手机丢了、换号了用它：这个会员的小程序和网页会话全部失效，连这一个。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        return Response(MemberSignedOutOut({"ended": sign_out_everywhere(self.member, facts=self.facts)}).data)


class WebTicket(MemberView):
    limit = "login"

    @call(
        "member_web_ticket", "打开会员网页的一次性入口", takes=MemberEntryIn, gives=MemberEntryOut, has_key=False,
        says="还没有做成原生页面的，用 web-view 打开同样功能的网页。",
        asks={"储值页": {"next": "/my/wallet/"}},
        answer={"url": "/my/enter/?ticket=Zk9vQ2x1YnM1d3hYQ0hJb3Nq&next=%2Fmy%2Fwallet%2F", "expires_in": 60},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        onward = safe_return(self.given(MemberEntryIn).get("next", ""))
        query = urlencode({"ticket": give_ticket(self.session, now=clock.system_now()), "next": onward})
        url = f"{reverse('crm:my-enter')}?{query}"
        return Response(MemberEntryOut({"url": url, "expires_in": int(TICKET_LIFE.total_seconds())}).data)


ROUTES = [
    path("api/v1/member/login/", Login.as_view(), name="member-login"),
    path("api/v1/member/phone/", Phone.as_view(), name="member-phone"),
    path("api/v1/member/logout/", Logout.as_view(), name="member-logout"),
    path("api/v1/member/logout-everywhere/", LogoutEverywhere.as_view(), name="member-logout-everywhere"),
    path("api/v1/member/web-ticket/", WebTicket.as_view(), name="member-web-ticket"),
]
