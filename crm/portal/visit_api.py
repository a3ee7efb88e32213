"""到店预约 for the mini-program: his invitations, one of them and his answer; and he asks to come himself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.members.models import Member
from crm.visits import queries, rules, services
from crm.visits.models import Kind, Visit, VisitPiece
from crm.visits.pages import moment_of
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.errors import Conflict, Invalid

from .calls import BEFORE, MemberView, call
from .fitting_api import STORE, MemberFittingStoreOut
from .visit_pages import may_answer

VISIT = "018f3b8e-6d2a-7c41-9f5e-2b1d8c0a7e70"
STATES = [(one.value, one.label) for one in Visit.State if one != Visit.State.PLANNED]  # he hears nothing of a plan


class MemberVisitPieceOut(serializers.ModelSerializer[VisitPiece]):
    name = serializers.CharField(source="sku.style.name")
    color = serializers.CharField(source="sku.style.color")
    size = serializers.CharField(source="sku.size")
    is_kept = serializers.SerializerMethodField(help_text="已经留好；快到日子才留，没货的不留")

    def get_is_kept(self, piece: VisitPiece) -> bool:
        return piece.reservation is not None and piece.reservation.state == "held"

    class Meta:
        model = VisitPiece
        fields = ("name", "color", "size", "is_kept")


class MemberVisitOut(serializers.ModelSerializer[Visit]):
    id = serializers.UUIDField(source="public_id")
    store = serializers.CharField(source="store.short_name")
    address = serializers.CharField(source="store.address_short")
    guide = serializers.SerializerMethodField(help_text="约您的导购；没有就是空")
    kind = serializers.ChoiceField(choices=Kind.choices)
    kind_name = serializers.CharField(source="get_kind_display")
    state = serializers.ChoiceField(choices=STATES)
    state_name = serializers.CharField(source="get_state_display")
    can_answer = serializers.SerializerMethodField(help_text="还能回话；能点哪几个看 may")
    may = serializers.SerializerMethodField(help_text="现在能做的：accept、move、decline")
    is_mine = serializers.SerializerMethodField(
        help_text="会员自己约的；state 是 asked 时等导购确认，她可能改个时间再问"
    )
    pieces = MemberVisitPieceOut(many=True, help_text="给您留的")

    def get_guide(self, visit: Visit) -> str:
        return (visit.guide.display_name or visit.guide.name) if visit.guide else ""

    def get_is_mine(self, visit: Visit) -> bool:
        return visit.source == Visit.Source.MEMBER

    def get_can_answer(self, visit: Visit) -> bool:
        return may_answer(visit, now=clock.now())

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=("accept", "move", "decline"))))
    def get_may(self, visit: Visit) -> list[str]:
        return acts_of(visit)

    class Meta:
        model = Visit
        fields = (
            "id", "state", "state_name", "kind", "kind_name", "words", "store", "address", "guide", "starts_at", "ends_at",
            "is_own_answer", "can_answer", "may", "is_mine", "reason", "pieces",
        )  # fmt: skip


def acts_of(visit: Visit) -> list[str]:
    """Return what the member may do now: say yes where somebody else named the time, and take back a no or a yes."""
    if not may_answer(visit, now=clock.now()):
        return []
    waits = visit.state == Visit.State.ACCEPTED and not visit.is_own_answer  # the guide wrote it down for him
    can = {
        "accept": visit.state in (Visit.State.INVITED, Visit.State.DECLINED) or waits, "move": True, "decline": visit.state != Visit.State.DECLINED,
    }  # fmt: skip
    return [name for name, is_so in can.items() if is_so]


class MemberVisitsOut(serializers.Serializer[Any]):
    results = MemberVisitOut(many=True)
    before = serializers.CharField(allow_blank=True, help_text="下一页用它；空就是没有了")


class MemberVisitStoreOut(MemberFittingStoreOut):
    pass


class MemberVisitDayOut(serializers.Serializer[Any]):
    day = serializers.DateField()
    times = serializers.ListField(child=serializers.DateTimeField())


class MemberVisitTimesOut(serializers.Serializer[Any]):
    stores = MemberVisitStoreOut(many=True, help_text="能去的门店，自己的店在前")
    store = serializers.CharField(help_text="下面是这家店的时间；空：附近没有门店")
    days = MemberVisitDayOut(many=True)


class MemberVisitIn(serializers.Serializer[Any]):
    store = serializers.CharField(max_length=32, help_text="门店编号，times/ 里列出来的")
    starts_at = serializers.DateTimeField(help_text="店里营业的时间，60 天以内")
    kind = serializers.ChoiceField(choices=Kind.choices, required=False, default=Kind.TRYON, help_text="来做什么")
    words = serializers.CharField(max_length=60, required=False, allow_blank=True, default="", help_text="说一句")


class MemberVisitMoveIn(serializers.Serializer[Any]):
    starts_at = serializers.DateTimeField(help_text="店里营业的时间，60 天以内")


class MemberVisitDeclineIn(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")


ONE = {
    "id": VISIT, "state": "invited", "state_name": "已邀约", "kind": "tryon", "kind_name": "试穿", "words": "新到的羊毛大衣",
    "store": "万象城店", "address": "", "guide": "林晓雯", "starts_at": "2026-11-28T15:00:00+08:00",
    "ends_at": "2026-11-28T16:00:00+08:00", "is_own_answer": False, "can_answer": True, "may": ["accept", "move", "decline"], "is_mine": False, "reason": "", "pieces": [],
}  # fmt: skip
COMING = ONE | {"state": "accepted", "state_name": "已应约", "is_own_answer": True, "may": ["move", "decline"]}
WISH = ONE | {
    "state": "asked", "state_name": "等确认", "is_own_answer": True, "is_mine": True, "may": ["move", "decline"], "words": "想看看羊毛大衣",
    "starts_at": "2026-11-26T15:00:00+08:00", "ends_at": "2026-11-26T16:00:00+08:00",
}  # fmt: skip


def _rows(actor: Any) -> Any:
    return _with_pieces(Visit.objects.visible_to(actor))


def _own(actor: Any) -> Any:
    """Return all of his own, of which he knows the id: one of a manager's list is found by its link first."""
    return _with_pieces(Visit.objects.filter(member_id=actor.member_id or 0))


def _with_pieces(rows: Any) -> Any:
    return rows.with_people().prefetch_related("pieces__sku__style", "pieces__reservation")


class Visits(MemberView):
    limit = {"post": "word"}

    @call(
        "member_visits", "我的到店邀约", gives=MemberVisitsOut, query=[BEFORE], answer={"results": [ONE], "before": ""},
        says="约您到店的时间，和自己约的，新的在前。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.page(_rows(self.actor), "starts_at", MemberVisitOut)

    @call(
        "member_visit_ask", "预约到店", takes=MemberVisitIn, gives=MemberVisitOut, status=201,
        asks={"周四下午试大衣": {"store": STORE, "starts_at": "2026-11-26T15:00:00+08:00", "kind": "tryon", "words": "想看看羊毛大衣"}},
        answer=WISH, refuses=[services.InvitedAlready, Invalid],
        says="会员自己约。导购确认后 state 变成 accepted；她可能换个时间再问（invited），也可能说明为什么不行（cancelled）。"
        "一位会员同时只有一次；已经约着的答 409 visit.open，visit 是那一次的 id。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        said = self.given(MemberVisitIn)

        def work() -> dict[str, Any]:
            made = services.ask_to_come(
                self.member, store=store_of(self.member, said["store"]), starts_at=said["starts_at"], kind=said["kind"],
                words=said["words"], actor=self.actor, now=clock.now(),
            )  # fmt: skip
            return {"id": str(made.public_id)}

        return Response(MemberVisitOut(self.find(_own(self.actor), self.once(said, work)["id"])).data, status=201)


def store_of(member: Member, code: str) -> Store:
    """Return the store of a code among those he may come to. Raises Invalid."""
    for store in queries.stores_to_choose(member, today=clock.today()):
        if store.code == code:
            return store
    raise Invalid(errors=[{"field": "store", "code": "choice", "message": "选一家列出来的门店"}])


class VisitTimes(MemberView):
    @call(
        "member_visit_times", "哪天几点能来", gives=MemberVisitTimesOut,
        query=[OpenApiParameter("store", str, description="门店编号；不带、不在 stores 里就是第一家，答复的 store 说是哪家")],
        answer={
            "stores": [{"store": STORE, "name": "万象城店", "address": ""}], "store": STORE,
            "days": [{"day": "2026-11-26", "times": ["2026-11-26T15:00:00+08:00"]}],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        now, asked = clock.now(), request.query_params.get("store", "")
        stores = queries.stores_to_choose(self.member, today=clock.local_day(now))
        store = next((one for one in stores if one.code == asked), stores[0] if stores else None)
        days = (
            [(day, rules.times_to_choose(store, day, now=now)) for day in rules.days_to_choose(store, now=now)]
            if store
            else []
        )
        told = {
            "stores": stores, "store": store.code if store else "",
            "days": [{"day": day, "times": [moment_of(f"{day}T{at}") for at in ats]} for day, ats in days],
        }  # fmt: skip
        return Response(MemberVisitTimesOut(told).data)


class OneVisit(MemberView):
    @call("member_visit", "一次到店邀约", gives=MemberVisitOut, ids={"public_id": VISIT}, answer=ONE)
    def get(self, request: Request, public_id: UUID) -> Response:
        services.note_opened(self.find(_own(self.actor), public_id), actor=self.actor, now=clock.now())
        return Response(MemberVisitOut(self.find(_own(self.actor), public_id)).data)


class AcceptVisit(MemberView):
    limit = {"post": "word"}

    @call(
        "member_visit_accept",
        "去",
        gives=MemberVisitOut,
        ids={"public_id": VISIT},
        answer=COMING,
        refuses=[Conflict],
        says="may 里有 accept 时能用。说过去不了的，时间没到以前还能改主意。",
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        held = self.find(_own(self.actor), public_id)
        self.once({}, lambda: {"id": str(services.accept(held, actor=self.actor, now=clock.now()).public_id)})
        return Response(MemberVisitOut(self.find(_own(self.actor), public_id)).data)


class MoveVisit(MemberView):
    limit = {"post": "word"}

    @call(
        "member_visit_move", "换个时间", takes=MemberVisitMoveIn, gives=MemberVisitOut, ids={"public_id": VISIT},
        asks={"改到周日": {"starts_at": "2026-11-29T16:00:00+08:00"}},
        answer=COMING | {"starts_at": "2026-11-29T16:00:00+08:00", "ends_at": "2026-11-29T17:00:00+08:00"},
        says="导购约的，您选的时间直接算应约；自己约的还在等她确认，换过再等。", refuses=[Conflict, Invalid],
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        said, held = self.given(MemberVisitMoveIn), self.find(_rows(self.actor), public_id)

        def work() -> dict[str, Any]:
            moved = services.move_visit(held, starts_at=said["starts_at"], actor=self.actor, now=clock.now())
            return {"id": str(moved.public_id)}

        self.once(said, work)
        return Response(MemberVisitOut(self.find(_own(self.actor), public_id)).data)


class DeclineVisit(MemberView):
    limit = {"post": "word"}

    @call(
        "member_visit_decline", "去不了", takes=MemberVisitDeclineIn, gives=MemberVisitOut, ids={"public_id": VISIT},
        asks={"出差": {"reason": "那几天出差"}},
        answer=ONE | {"state": "declined", "state_name": "来不了", "is_own_answer": True, "may": ["accept", "move"], "reason": "那几天出差"},
        refuses=[Conflict], says="自己约的要取消，也用它。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        said, held = self.given(MemberVisitDeclineIn), self.find(_rows(self.actor), public_id)

        def work() -> dict[str, Any]:
            gone = services.decline(held, actor=self.actor, now=clock.now(), reason=said["reason"])
            return {"id": str(gone.public_id)}

        self.once(said, work)
        return Response(MemberVisitOut(self.find(_own(self.actor), public_id)).data)


ROUTES = [
    path("api/v1/member/visits/", Visits.as_view(), name="member-visits"),
    path("api/v1/member/visits/times/", VisitTimes.as_view(), name="member-visit-times"),
    path("api/v1/member/visits/<uuid:public_id>/", OneVisit.as_view(), name="member-visit"),
    path("api/v1/member/visits/<uuid:public_id>/accept/", AcceptVisit.as_view(), name="member-visit-accept"),
    path("api/v1/member/visits/<uuid:public_id>/move/", MoveVisit.as_view(), name="member-visit-move"),
    path("api/v1/member/visits/<uuid:public_id>/decline/", DeclineVisit.as_view(), name="member-visit-decline"),
]
