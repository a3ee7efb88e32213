"""消息和隐私 for the mini-program: what he allows, the texts he agreed to, and what he asks about his own data."""

from __future__ import annotations

from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.privacy import services
from crm.privacy.copying import parts_of
from crm.privacy.models import ConsentKind, ConsentRecord, MemberRequest
from crm.privacy.queries import consents_of
from crm.privacy.services import ALLOWED, CHANNELS, AlreadyAsked, IsNeeded, NoText
from yejibao.core import clock, desk
from yejibao.core.errors import NotFound, Stale
from yejibao.wecom import miniprogram

from .calls import IF_MATCH, MemberView, call
from .services import OtherAccount, must_hold_the_phone
from .session_api import ASKED_OF_WECHAT, LOGIN_CODE

CHANNEL_CHOICES = tuple((key, str(name)) for key, name in CHANNELS.items())
HERE = ConsentRecord.Channel.MINI_PROGRAM
MARK = '"8f14e45fceea167a-9b74c9897bac770ffc029102a200c5de"'  # of examples: as an ETag looks
SOME_ALLOWED = {
    "channels": [{"key": "wecom_message", "name": "企业微信消息", "is_allowed": True}, {"key": "sms", "name": "短信", "is_allowed": False}],
    "profiling": True, "phone": True,
    "texts": [{
        "kind": "privacy", "title": "隐私政策", "version": 3, "text": "我们只收集……", "published_at": "2026-03-01T00:00:00+08:00", "agreed_version": 2,
        "is_given": True, "at": "2026-01-05T12:00:00+08:00",
    }],
}  # fmt: skip
A_REQUEST = {
    "kind": "delete", "kind_name": "删除", "state": "checked", "state_name": "待处理", "asked_at": "2026-11-21T14:00:00+08:00", "due_on": "2026-12-06",
    "answer": "",
}  # fmt: skip


class MemberChannelOut(serializers.Serializer[Any]):
    key = serializers.ChoiceField(choices=CHANNEL_CHOICES)
    name = serializers.CharField()
    is_allowed = serializers.BooleanField()


class MemberTextOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=ConsentKind.choices)
    title = serializers.CharField()
    version = serializers.IntegerField(help_text="现在的版本")
    text = serializers.CharField()
    published_at = serializers.DateTimeField()
    agreed_version = serializers.IntegerField(allow_null=True, help_text="您上次说话时是哪一版；空：还没有")
    is_given = serializers.BooleanField(allow_null=True, help_text="同意还是撤回；空：还没有说过")
    at = serializers.DateTimeField(allow_null=True)


class MemberConsentsOut(serializers.Serializer[Any]):
    channels = MemberChannelOut(many=True, help_text="新品和活动怎么告诉您，一种一个开关")
    profiling = serializers.BooleanField(help_text="按我的喜好推荐")
    phone = serializers.BooleanField(help_text="可以给我打电话，售后回访也算")
    texts = MemberTextOut(many=True, help_text="授权文本，和您同意的版本")


class MemberConsentsIn(serializers.Serializer[Any]):
    channels = serializers.ListField(
        child=serializers.ChoiceField(choices=CHANNEL_CHOICES), max_length=len(CHANNELS),
        help_text="开着的渠道；没列出来的就是关掉",
    )  # fmt: skip
    profiling = serializers.BooleanField()
    phone = serializers.BooleanField()


class MemberAgreeIn(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=ConsentKind.choices)
    is_given = serializers.BooleanField(
        help_text="true 同意现在的版本；false 撤回。隐私政策不能单独撤回，注销用 data-requests/"
    )


class MemberDataRequestOut(serializers.ModelSerializer[MemberRequest]):
    kind_name = serializers.CharField(source="get_kind_display")
    state_name = serializers.CharField(source="get_state_display")

    class Meta:
        model = MemberRequest
        fields = ("kind", "kind_name", "state", "state_name", "asked_at", "due_on", "answer")


class MemberDataRequestsOut(serializers.Serializer[Any]):
    results = MemberDataRequestOut(many=True, help_text="最近二十件，新的在前")


class MemberDataRequestIn(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=MemberRequest.Kind.choices)
    wish = serializers.CharField(
        max_length=500, required=False, allow_blank=True, help_text="更正：哪里不对、应该是什么"
    )


class MemberWithdrawIn(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=MemberRequest.Kind.choices)


class MemberCopyIn(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=256, help_text="wx.login 新给的 code：证明拿着手机的就是您")


class MemberCopySectionOut(serializers.Serializer[Any]):
    title = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField(child=serializers.CharField(allow_blank=True)))


class MemberCopyOut(serializers.Serializer[Any]):
    made_at = serializers.DateTimeField()
    sections = MemberCopySectionOut(many=True)


# ---------------------------------------------------------------- what he allows


class ConsentView(MemberView):
    def etag_of(self, body: bytes) -> str:
        """Return the mark of the switches with that of the whole: a new text is another answer, but no other sheet."""
        return f'"{desk.seen(self.member, ALLOWED)}-{super().etag_of(body).strip(chr(34))}"'

    def told(self) -> Response:
        member = self.member
        told = {
            "channels": [
                {"key": key, "name": str(name), "is_allowed": key not in member.marketing_opt_out} for key, name in CHANNELS.items()
            ],
            "profiling": not member.no_profiling, "phone": member.phone_consent,
            "texts": [_text(one) for one in consents_of(member) if one.newest],
        }  # fmt: skip
        return Response(MemberConsentsOut(told).data)


class Consents(ConsentView):
    limit = {"put": "word"}

    @call("member_consents", "我允许什么", gives=MemberConsentsOut, answer=SOME_ALLOWED,
          says="开关和授权文本。改开关时把答复的 ETag 放进 If-Match。")  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.told()

    @call(
        "member_consents_set", "改我允许什么", takes=MemberConsentsIn, gives=MemberConsentsOut, headers=[IF_MATCH],
        asks={"只留企业微信消息": {"channels": ["wecom_message"], "profiling": True, "phone": False}}, answer=SOME_ALLOWED,
        refuses=[Stale, NoText], has_key=False,
        says="整张表一起写，马上生效。同样的内容再写一次没有变化，所以不用 Idempotency-Key。",
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        said = self.given(MemberConsentsIn)
        seen = request.headers.get("If-Match", "").strip('"').partition("-")[0]
        held = services.set_allowed(
            self.member, refused=CHANNELS.keys() - set(said["channels"]), may_profile=said["profiling"], may_call=said["phone"],
            seen=seen, channel=HERE, actor=self.actor, now=clock.now(),
        )  # fmt: skip
        self.session.member = held
        return self.told()


def _text(one: Any) -> dict[str, Any]:
    text, record = one.newest, one.record
    return {
        "kind": one.kind, "title": text.title, "version": text.version, "text": text.text, "published_at": text.published_at,
        "agreed_version": record.text.version if record and record.text else None,
        "is_given": record.is_given if record else None, "at": record.at if record else None,
    }  # fmt: skip


class Agree(ConsentView):
    limit = "word"

    @call(
        "member_consent_give", "同意或撤回一份文本", takes=MemberAgreeIn, gives=MemberConsentsOut, answer=SOME_ALLOWED,
        asks={"同意新版隐私政策": {"kind": "privacy", "is_given": True}, "不要个性化推荐": {"kind": "profiling", "is_given": False}},
        refuses=[NoText, IsNeeded], says="记下版本、时间和渠道。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        said, member = self.given(MemberAgreeIn), self.member

        def work() -> dict[str, Any]:
            services.set_consent(member, **said, channel=HERE, actor=self.actor, now=clock.now())
            return {}

        self.once(said, work)
        member.refresh_from_db(fields=["marketing_opt_out", "no_profiling", "phone_consent"])
        return self.told()


# ---------------------------------------------------------------- what he asks about his data


class DataRequests(MemberView):
    limit = {"post": "word"}

    @call("member_data_requests", "我提过的要求", gives=MemberDataRequestsOut, answer={"results": [A_REQUEST]})
    def get(self, request: Request) -> Response:
        rows = MemberRequest.objects.visible_to(self.actor).order_by("-asked_at", "-pk")[:20]
        return Response(MemberDataRequestsOut({"results": rows}).data)

    @call(
        "member_data_request", "要一份、更正或删除我的信息", takes=MemberDataRequestIn, gives=MemberDataRequestOut, status=201,
        asks={"更正": {"kind": "correct", "wish": "生日应该是 3 月 12 日"}, "删除": {"kind": "delete"}}, answer=A_REQUEST,
        refuses=[AlreadyAsked],
        says="15 天内答复。删除前会核对没办完的售后和没退的储值，办完以前可以撤回。要一份的，可以马上用 data-requests/copy/ 自己取。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        said, member = self.given(MemberDataRequestIn), self.member

        def work() -> dict[str, Any]:
            asked = services.ask_himself(
                member, kind=said["kind"], wish=said.get("wish", ""), actor=self.actor, now=clock.now()
            )
            return {"id": asked.pk}

        made = MemberRequest.objects.visible_to(self.actor).get(pk=self.once(said, work)["id"])
        return Response(MemberDataRequestOut(made).data, status=201)


class WithdrawRequest(MemberView):
    limit = "word"

    @call(
        "member_data_request_withdraw", "撤回一件要求", takes=MemberWithdrawIn, gives=MemberDataRequestOut,
        asks={"不删了": {"kind": "copy"}}, answer=A_REQUEST | {"kind": "copy", "kind_name": "查阅复制", "state": "withdrawn", "state_name": "本人撤回"},
        refuses=[NotFound], says="没有这样一件没办完的，答 404。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        said = self.given(MemberWithdrawIn)
        mine = MemberRequest.objects.visible_to(self.actor)

        def work() -> dict[str, Any]:
            waiting = mine.unfinished().filter(kind=said["kind"]).first()
            if waiting is None:
                raise NotFound()
            services.withdraw_request(waiting, actor=self.actor, now=clock.now())
            return {"id": waiting.pk}

        return Response(MemberDataRequestOut(mine.get(pk=self.once(said, work)["id"])).data)


class OwnCopy(MemberView):
    limit = "login"

    @call(
        "member_copy", "取走我的全部信息", takes=MemberCopyIn, gives=MemberCopyOut, asks={"取一份": {"code": LOGIN_CODE}}, has_key=False,
        answer={"made_at": "2026-11-21T14:00:00+08:00", "sections": [{"title": "基本资料", "columns": ["项目", "内容"], "rows": [["姓名", "王建平"]]}]},
        refuses=[*ASKED_OF_WECHAT, OtherAccount],
        says="我们知道您的每一条，号码不打星。要一个新的登录 code，只有令牌取不走；一天最多五次。请不要存在本地。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        code, member, now = self.given(MemberCopyIn)["code"], self.member, clock.now()
        must_hold_the_phone(self.session, code, door=miniprogram.default())
        services.take_own_copy(member, actor=self.actor, now=now)
        member.refresh_from_db()
        sections = [{"title": title, "columns": columns, "rows": rows} for title, columns, rows in parts_of(member)]
        return Response(MemberCopyOut({"made_at": now, "sections": sections}).data)


ROUTES = [
    path("api/v1/member/consents/", Consents.as_view(), name="member-consents"),
    path("api/v1/member/consents/give/", Agree.as_view(), name="member-consent-give"),
    path("api/v1/member/data-requests/", DataRequests.as_view(), name="member-data-requests"),
    path("api/v1/member/data-requests/withdraw/", WithdrawRequest.as_view(), name="member-data-request-withdraw"),
    path("api/v1/member/data-requests/copy/", OwnCopy.as_view(), name="member-copy"),
]
