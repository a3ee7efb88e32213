"""评价 for the mini-program: what he may say something to, his one answer, and whether he wants to be asked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.surveys import queries, services
from crm.surveys.models import Survey
from crm.surveys.rules import Kind, rules
from crm.surveys.services import AnsweredAlready, Given, SurveyOver
from yejibao.core import clock

from .calls import BEFORE, MemberView, call, pageful

WAITING, SAID = "5d0c1f0e-7b1e-4f59-8a5b-6f3f0d9b2a11", "5d0c1f0e-7b1e-4f59-8a5b-6f3f0d9b2a12"  # of examples
CHIPS = [{"key": chip.key, "name": chip.name} for chip in rules().kinds["purchase"].good]
BAD_CHIPS = [{"key": chip.key, "name": chip.name} for chip in rules().kinds["purchase"].bad]
A_SURVEY = {
    "id": WAITING, "kind": "purchase", "kind_name": "购买", "state": "waiting", "question": "这次买得怎么样？", "store": "新街口店",
    "guide_name": "晓雯", "about_at": "2026-11-19T14:00:00+08:00", "asked_at": "2026-11-21T10:00:00+08:00",
    "expires_at": "2026-12-05T10:00:00+08:00", "may_be_anonymous": True, "good": CHIPS, "bad": BAD_CHIPS, "answered_at": None,
    "stars": None, "reasons": [], "words": "", "is_anonymous": False, "reply": "", "replied_at": None,
}  # fmt: skip
AN_ANSWER = A_SURVEY | {
    "id": SAID, "state": "answered", "answered_at": "2026-11-21T11:00:00+08:00", "stars": 5, "reasons": ["fits"], "words": "很合身",
    "reply": "谢谢您，天冷了常来坐坐。", "replied_at": "2026-11-21T12:00:00+08:00",
}  # fmt: skip
STATES = ("waiting", "answered", "over")


class MemberChipOut(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()


class MemberSurveyOut(serializers.ModelSerializer[Survey]):
    id = serializers.UUIDField(source="public_id")
    kind_name = serializers.CharField(source="get_kind_display")
    state = serializers.SerializerMethodField(help_text="waiting 等他评，answered 评过了，over 过期了")
    question = serializers.SerializerMethodField()
    store = serializers.CharField(source="store.short_name")
    guide_name = serializers.SerializerMethodField(help_text="当次服务他的导购，可能没有")
    may_be_anonymous = serializers.SerializerMethodField(help_text="能不能对导购匿名")
    good = serializers.SerializerMethodField(help_text="四星五星时给他点的原因；三星两边都给")
    bad = serializers.SerializerMethodField(help_text="一星二星时给他点的原因")

    def get_state(self, one: Survey) -> str:
        if one.answered_at:
            return "answered"
        return "waiting" if one.expires_at > clock.now() else "over"

    def get_question(self, one: Survey) -> str:
        return _kind(one).question

    def get_guide_name(self, one: Survey) -> str:
        return (one.guide.display_name or one.guide.name) if one.guide else ""

    def get_may_be_anonymous(self, one: Survey) -> bool:
        return _kind(one).may_be_anonymous

    @extend_schema_field(MemberChipOut(many=True))
    def get_good(self, one: Survey) -> list[dict[str, str]]:
        return [{"key": chip.key, "name": chip.name} for chip in _kind(one).good]

    @extend_schema_field(MemberChipOut(many=True))
    def get_bad(self, one: Survey) -> list[dict[str, str]]:
        return [{"key": chip.key, "name": chip.name} for chip in _kind(one).bad]

    class Meta:
        model = Survey
        fields = (
            "id", "kind", "kind_name", "state", "question", "store", "guide_name", "about_at", "asked_at", "expires_at", "may_be_anonymous",
            "good", "bad", "answered_at", "stars", "reasons", "words", "is_anonymous", "reply", "replied_at",
        )  # fmt: skip


def _kind(one: Survey) -> Kind:
    return rules().kinds[one.kind]


class MemberSurveyIn(serializers.Serializer[Any]):
    stars = serializers.IntegerField(min_value=1, max_value=5)
    reasons = serializers.ListField(
        child=serializers.CharField(max_length=16), max_length=20, required=False, help_text="good、bad 里的 key"
    )
    words = serializers.CharField(max_length=300, required=False, allow_blank=True)
    is_anonymous = serializers.BooleanField(required=False, help_text="不让导购知道是他；售后评价没有这一项")


class MemberAskingOut(serializers.Serializer[Any]):
    is_wanted = serializers.BooleanField(help_text="false：以后不用问我")


MemberSurveysOut = pageful(
    "MemberSurveysOut", MemberSurveyOut, is_wanted=serializers.BooleanField(help_text="还请不请他评价")
)


class SurveyView(MemberView):
    """Base of the calls below: a member's own surveys."""

    limit = {"post": "word", "put": "word"}

    def one(self, public_id: UUID) -> Survey:
        return self.find(Survey.objects.visible_to(self.actor).select_related("store", "guide", "member"), public_id)


class Surveys(SurveyView):
    @call(
        "member_surveys", "我的评价", gives=MemberSurveysOut, query=[BEFORE],
        answer={"is_wanted": True, "results": [A_SURVEY, AN_ANSWER], "before": ""},
        says="请他评的和评过的，新的在前。购买两天后、售后办完一天后、定制取走一天后会有，一个月最多两次。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        rows = Survey.objects.visible_to(self.actor).select_related("store", "guide")
        return self.page(rows, "asked_at", MemberSurveyOut, is_wanted=not queries.is_refused(self.member.pk))


class OneSurvey(SurveyView):
    @call("member_survey", "一份评价", gives=MemberSurveyOut, ids={"public_id": WAITING}, answer=A_SURVEY)
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(MemberSurveyOut(self.one(public_id)).data)


class AnswerSurvey(SurveyView):
    @call(
        "member_survey_answer", "提交评价", takes=MemberSurveyIn, gives=MemberSurveyOut, ids={"public_id": WAITING},
        asks={"五星": {"stars": 5, "reasons": ["fits"], "words": "很合身"}},
        answer=AN_ANSWER | {"id": WAITING, "reply": "", "replied_at": None}, refuses=[AnsweredAlready, SurveyOver],
        says="一份只能评一次。两星及以下店长马上收到，会打电话来。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        said, survey = self.given(MemberSurveyIn), self.one(public_id)

        def work() -> dict[str, Any]:
            services.answer(survey, Given(**said), way=Survey.Way.APP, actor=self.actor, now=clock.now())
            return {"id": str(public_id)}

        self.once({"id": str(public_id), **said}, work)
        return Response(MemberSurveyOut(self.one(public_id)).data)


class Asking(SurveyView):
    @call(
        "member_survey_asking", "还请不请他评价", takes=MemberAskingOut, gives=MemberAskingOut,
        asks={"以后不用问我": {"is_wanted": False}}, answer={"is_wanted": False},
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        said = self.given(MemberAskingOut)

        def work() -> dict[str, Any]:
            services.want_surveys(self.member.pk, is_wanted=said["is_wanted"], actor=self.actor, now=clock.now())
            return {}

        self.once(said, work)
        return Response(said)


ROUTES = [
    path("api/v1/member/surveys/", Surveys.as_view(), name="member-surveys"),
    path("api/v1/member/surveys/asking/", Asking.as_view(), name="member-survey-asking"),
    path("api/v1/member/surveys/<uuid:public_id>/", OneSurvey.as_view(), name="member-survey"),
    path("api/v1/member/surveys/<uuid:public_id>/answer/", AnswerSurvey.as_view(), name="member-survey-answer"),
]
