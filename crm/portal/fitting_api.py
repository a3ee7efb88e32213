"""量身定制 for the mini-program: free slots, an appointment, his word on measures and making, his size file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.tailoring import queries, services
from crm.tailoring.models import Fitting, FittingStep, MemberMeasure
from crm.tailoring.rules import rules
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.errors import Invalid, Stale

from .calls import BEFORE, MemberView, call, pageful

# Of examples: the store, and one for each state an act needs.
STORE = "NJXJK01"
BOOKED, MEASURED, MAKING = (
    "5b0c7d0e-41a6-4c2e-9a52-0d6f1b7e9c31", "6c1d8e1f-52b7-4d3f-8b63-1e7a2c8fad42", "7d2e9f20-63c8-4e40-9c74-2f8b3d90be53",
)  # fmt: skip
A_LINE = {"key": "chest", "name": "胸围", "cm": "96.5", "before_cm": ""}
A_FITTING = {
    "id": BOOKED, "number": "DZ261120-37", "state": "booked", "state_name": "已预约", "store": STORE, "store_name": "新街口店",
    "starts_at": "2026-11-24T14:00:00+08:00", "ends_at": "2026-11-24T15:00:00+08:00", "guide": "晓雯", "wish": "一套婚礼穿的西服",
    "garment": "", "promised_on": None, "is_late": False,
}  # fmt: skip
A_STEP = {
    "kind": "booked",
    "by": "我",
    "is_mine": True,
    "text": "11 月 24 日 周二 14:00 新街口店",
    "at": "2026-11-20T20:00:00+08:00",
}
A_WHOLE = A_FITTING | {
    "address": "中山路 1 号", "may": ["move", "cancel"], "move_until": "2026-11-24T10:00:00+08:00", "measures": [], "measure_note": "",
    "garment_key": "", "fabric": "", "styles": [], "works": [], "quantity": 1, "note": "", "price_fen": 0, "deposit_fen": 0,
    "first_promised_on": None, "terms": [], "terms_version": 0, "seen": "", "steps": [A_STEP],
}  # fmt: skip
TO_CONFIRM = A_WHOLE | {
    "id": MEASURED, "state": "measured", "state_name": "待确认", "garment": "藏青斜纹 衬衫，¥980", "garment_key": "shirt", "fabric": "藏青斜纹",
    "may": ["confirm", "cancel"], "move_until": None, "measures": [A_LINE], "price_fen": 98000, "terms": ["按下面的尺寸、面料和做法单独为您裁剪制作。"],
    "terms_version": 1, "seen": "b437f27a69ec51b6",
}  # fmt: skip


class MemberFittingOut(serializers.ModelSerializer[Fitting]):
    id = serializers.UUIDField(source="public_id")
    state_name = serializers.CharField(source="get_state_display")
    store = serializers.CharField(source="store.code", help_text="门店编号，约的时候用它")
    store_name = serializers.CharField(source="store.short_name")
    guide = serializers.SerializerMethodField(help_text="谁接待；「到店安排」：还没定")
    number = serializers.CharField(help_text="给人看的单号")
    garment = serializers.SerializerMethodField(help_text="做什么，一句话；空：还没量")
    is_late = serializers.BooleanField(help_text="答应的日子比原来晚了")

    def get_guide(self, fitting: Fitting) -> str:
        return services.serving_names(fitting)

    def get_garment(self, fitting: Fitting) -> str:
        return services.garment_words(fitting) if fitting.garment else ""

    class Meta:
        model = Fitting
        fields: tuple[str, ...] = (
            "id", "number", "state", "state_name", "store", "store_name", "starts_at", "ends_at", "guide", "wish", "garment", "promised_on",
            "is_late",
        )  # fmt: skip


class MemberMeasureLineOut(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    cm = serializers.CharField(source="words", help_text="厘米，最多一位小数")
    before_cm = serializers.CharField(source="before_words", allow_blank=True, help_text="上一次量的；空：没有")


class MemberFittingStepOut(serializers.ModelSerializer[FittingStep]):
    by = serializers.SerializerMethodField(help_text="谁；空：系统")
    is_mine = serializers.BooleanField(source="is_member")

    def get_by(self, step: FittingStep) -> str:
        if step.is_member:
            return "我"
        return step.by.display_name or step.by.name if step.by else ""

    class Meta:
        model = FittingStep
        fields = ("kind", "by", "is_mine", "text", "at")


class MemberFittingWholeOut(MemberFittingOut):
    address = serializers.CharField(source="store.address_short")
    may = serializers.SerializerMethodField(help_text="现在能做的：move、cancel、confirm")
    move_until = serializers.SerializerMethodField(help_text="自己改约、取消最晚什么时候；空：不能改了")
    measures = serializers.SerializerMethodField(help_text="量的尺寸；空：还没量")
    measure_note = serializers.CharField(source="measure.note", default="", help_text="体型要留意的")
    garment_key = serializers.CharField(source="garment")
    terms = serializers.SerializerMethodField(help_text="等他确认时给他看，逐条")
    terms_version = serializers.SerializerMethodField()
    seen = serializers.SerializerMethodField(help_text="确认时原样带回：确认的就是看到的这些")
    steps = serializers.SerializerMethodField(help_text="办到哪了，旧的在前")

    def get_may(self, fitting: Fitting) -> list[str]:
        return acts_of(fitting)

    def get_move_until(self, fitting: Fitting) -> str | None:
        if fitting.state != Fitting.State.BOOKED:
            return None
        return serializers.DateTimeField().to_representation(queries.may_move_until(fitting, now=clock.now()))

    @extend_schema_field(MemberMeasureLineOut(many=True))
    def get_measures(self, fitting: Fitting) -> list[dict[str, Any]]:
        if fitting.measure is None:
            return []
        before = queries.newest_measure(fitting.member_id, but=fitting.measure_id)
        lines = queries.measure_lines(fitting.measure.values, before.values if before else {})
        return [dict(row) for row in MemberMeasureLineOut(lines, many=True).data]

    def get_terms(self, fitting: Fitting) -> list[str]:
        return list(rules().terms) if fitting.state == Fitting.State.MEASURED else []

    def get_terms_version(self, fitting: Fitting) -> int:
        return rules().terms_version if fitting.state == Fitting.State.MEASURED else fitting.terms_version or 0

    def get_seen(self, fitting: Fitting) -> str:
        return services.mark_of(fitting) if fitting.state == Fitting.State.MEASURED else ""

    @extend_schema_field(MemberFittingStepOut(many=True))
    def get_steps(self, fitting: Fitting) -> list[dict[str, Any]]:
        return [dict(row) for row in MemberFittingStepOut(queries.steps_of(fitting, for_member=True), many=True).data]

    class Meta(MemberFittingOut.Meta):
        fields = (
            *MemberFittingOut.Meta.fields, "address", "may", "move_until", "measures", "measure_note", "garment_key", "fabric", "styles",
            "works", "quantity", "note", "price_fen", "deposit_fen", "first_promised_on", "terms", "terms_version", "seen", "steps",
        )  # fmt: skip


def acts_of(fitting: Fitting) -> list[str]:
    """Return what the member may do now."""
    now = clock.now()
    is_early = fitting.state == Fitting.State.BOOKED and now <= queries.may_move_until(fitting, now=now)
    can = {
        "move": is_early, "confirm": fitting.state == Fitting.State.MEASURED, "cancel": is_early or fitting.state == Fitting.State.MEASURED,
    }  # fmt: skip
    return [name for name, may in can.items() if may]


class MemberFittingStoreOut(serializers.ModelSerializer[Store]):
    store = serializers.CharField(source="code")
    name = serializers.CharField(source="short_name")
    address = serializers.CharField(source="address_short")

    class Meta:
        model = Store
        fields = ("store", "name", "address")


class MemberFittingSlotOut(serializers.Serializer[Any]):
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    left = serializers.IntegerField(help_text="还有几位；0：约满")


class MemberFittingDayOut(serializers.Serializer[Any]):
    day = serializers.DateField()
    slots = MemberFittingSlotOut(many=True)


class MemberFittingSlotsOut(serializers.Serializer[Any]):
    stores = MemberFittingStoreOut(many=True, help_text="能去的门店，自己的店在前")
    store = serializers.CharField(help_text="下面是这家店的时间")
    days = MemberFittingDayOut(many=True)


class MemberFittingIn(serializers.Serializer[Any]):
    store = serializers.CharField(max_length=32, help_text="门店编号")
    starts_at = serializers.DateTimeField(help_text="要正好是 slots/ 给的一个时间")
    wish = serializers.CharField(max_length=200, required=False, allow_blank=True, help_text="想做什么")


class MemberFittingMoveIn(serializers.Serializer[Any]):
    store = serializers.CharField(max_length=32, required=False, help_text="换门店时给")
    starts_at = serializers.DateTimeField()


class MemberFittingCancelIn(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class MemberFittingConfirmIn(serializers.Serializer[Any]):
    seen = serializers.CharField(max_length=16, help_text="读到的 seen，原样带回")
    agrees = serializers.BooleanField(help_text="会员勾了「开始制作后不退换」")


class MemberMeasureOut(serializers.Serializer[Any]):
    taken_at = serializers.DateTimeField(source="row.taken_at")
    store = serializers.CharField(source="row.store.short_name")
    note = serializers.CharField(source="row.note", allow_blank=True)
    confirmed_at = serializers.DateTimeField(source="row.confirmed_at", allow_null=True)
    lines = MemberMeasureLineOut(many=True)


class MemberSizeFileOut(serializers.Serializer[Any]):
    results = MemberMeasureOut(many=True, help_text="最近的在前，第一份是现在用的")


MemberFittingsOut = pageful("MemberFittingsOut", MemberFittingOut)


@contextmanager
def _named_as_asked() -> Iterator[None]:
    """Say what is wrong with a time of the field the body calls it by; the pages' forms call it a slot."""
    try:
        yield
    except Invalid as refusal:
        for error in refusal.errors:
            error["field"] = "starts_at" if error["field"] == "slot" else error["field"]
        raise


class FittingView(MemberView):
    limit = {"post": "word"}

    def rows(self) -> Any:
        return Fitting.objects.visible_to(self.actor).select_related("store", "guide", "measure")

    def whole(self, public_id: UUID | str, status: int = 200) -> Response:
        return Response(MemberFittingWholeOut(self.find(self.rows(), public_id)).data, status=status)

    def store_of(self, code: str) -> Store:
        """Return the store of a code among those he may go to. Raises Invalid."""
        for store in queries.stores_for(self.member, today=clock.today()):
            if store.code == code:
                return store
        raise Invalid(errors=[{"field": "store", "code": "choice", "message": "选一家列出来的门店"}])


class Fittings(FittingView):
    @call(
        "member_fittings", "我的量身定制", gives=MemberFittingsOut, query=[BEFORE], answer={"results": [A_FITTING], "before": ""},
        says="预约和做过的，最近约的在前。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.page(self.rows(), "starts_at", MemberFittingOut)

    @call(
        "member_fitting_book", "预约量体", takes=MemberFittingIn, gives=MemberFittingWholeOut, status=201,
        asks={"周三下午": {"store": STORE, "starts_at": "2026-11-25T14:00:00+08:00", "wish": "一套婚礼穿的西服"}},
        answer=A_WHOLE, refuses=[services.SlotGone, services.BookedAlready],
        says="一位会员同时只有一次预约；同一个时间约满答 409 fitting.slot_gone，再拿一次 slots/ 就好。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        said = self.given(MemberFittingIn)

        def work() -> dict[str, Any]:
            with _named_as_asked():
                made = services.book_fitting(
                    self.member, store=self.store_of(said["store"]), starts_at=said["starts_at"], wish=said.get("wish", ""),
                    actor=self.actor, now=clock.now(),
                )  # fmt: skip
            return {"id": str(made.public_id)}

        return self.whole(self.once(said, work)["id"], status=201)


class Slots(FittingView):
    @call(
        "member_fitting_slots", "哪天几点能量体", gives=MemberFittingSlotsOut,
        query=[OpenApiParameter("store", str, description="门店编号；不带、不在 stores 里就是第一家，答复的 store 说是哪家")],
        answer={
            "stores": [{"store": STORE, "name": "新街口店", "address": "中山路 1 号"}], "store": STORE,
            "days": [{"day": "2026-11-24", "slots": [{"starts_at": "2026-11-24T14:00:00+08:00", "ends_at": "2026-11-24T15:00:00+08:00", "left": 1}]}],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        stores = queries.stores_for(self.member, today=clock.today())
        asked = request.query_params.get("store", "")
        store = next((one for one in stores if one.code == asked), stores[0] if stores else None)
        days = queries.bookable(store, now=clock.now(), for_member=True) if store else []
        told = {"stores": stores, "store": store.code if store else "", "days": days}
        return Response(MemberFittingSlotsOut(told).data)


class OneFitting(FittingView):
    @call("member_fitting", "一次量身定制", gives=MemberFittingWholeOut, ids={"public_id": BOOKED}, answer=A_WHOLE)
    def get(self, request: Request, public_id: UUID) -> Response:
        return self.whole(public_id)


class MoveFitting(FittingView):
    @call(
        "member_fitting_move", "改约", takes=MemberFittingMoveIn, gives=MemberFittingWholeOut, ids={"public_id": BOOKED},
        asks={"晚一小时": {"starts_at": "2026-11-24T15:00:00+08:00"}}, answer=A_WHOLE, refuses=[services.SlotGone, services.TooLate],
        says="过了 move_until 答 409 fitting.too_late：请他联系导购。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        held, said = self.find(self.rows(), public_id), self.given(MemberFittingMoveIn)

        def work() -> dict[str, Any]:
            store = self.store_of(said["store"]) if said.get("store") else None
            with _named_as_asked():
                services.move_fitting(held, starts_at=said["starts_at"], store=store, actor=self.actor, now=clock.now())
            return {"id": str(public_id)}

        self.once(said, work)
        return self.whole(public_id)


class CancelFitting(FittingView):
    @call(
        "member_fitting_cancel", "取消", takes=MemberFittingCancelIn, gives=MemberFittingWholeOut, ids={"public_id": BOOKED},
        asks={"不来了": {"reason": "出差"}}, answer=A_WHOLE | {"state": "cancelled", "state_name": "已取消", "may": [], "move_until": None},
        refuses=[services.TooLate], says="到店前到 move_until，或量好还没确认时。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        held, said = self.find(self.rows(), public_id), self.given(MemberFittingCancelIn)

        def work() -> dict[str, Any]:
            services.cancel_fitting(held, reason=said.get("reason", ""), actor=self.actor, now=clock.now())
            return {"id": str(public_id)}

        self.once(said, work)
        return self.whole(public_id)


class ConfirmFitting(FittingView):
    @call(
        "member_fitting_confirm", "确认尺寸和制作", takes=MemberFittingConfirmIn, gives=MemberFittingWholeOut, ids={"public_id": MEASURED},
        asks={"看过了": {"seen": TO_CONFIRM["seen"], "agrees": True}},
        answer=TO_CONFIRM | {"state": "confirmed", "state_name": "已确认", "may": [], "terms": [], "seen": ""},
        refuses=[Stale], says="给他看尺寸、做法、价格和 terms 再确认；seen 不对说明导购刚改过（412 edit.stale），重读一遍。之后不退换。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        held, said = self.find(self.rows(), public_id), self.given(MemberFittingConfirmIn)
        if not said["agrees"]:
            raise Invalid(
                errors=[{"field": "agrees", "code": "required", "message": "请先看过并勾选「开始制作后不退换」"}]
            )

        def work() -> dict[str, Any]:
            services.confirm_by_member(held, seen=said["seen"], actor=self.actor, now=clock.now())
            return {"id": str(public_id)}

        self.once(said, work)
        return self.whole(public_id)


class Measures(MemberView):
    @call(
        "member_measures", "我的尺码档案", gives=MemberSizeFileOut,
        answer={"results": [{"taken_at": "2026-11-20T15:00:00+08:00", "store": "新街口店", "note": "", "confirmed_at": None, "lines": [A_LINE]}]},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        found: list[tuple[MemberMeasure, list[queries.Line]]] = queries.size_file(self.actor, self.member)
        return Response(MemberSizeFileOut({"results": [{"row": row, "lines": lines} for row, lines in found]}).data)


ROUTES = [
    path("api/v1/member/fittings/", Fittings.as_view(), name="member-fittings"),
    path("api/v1/member/fittings/slots/", Slots.as_view(), name="member-fitting-slots"),
    path("api/v1/member/fittings/<uuid:public_id>/", OneFitting.as_view(), name="member-fitting"),
    path("api/v1/member/fittings/<uuid:public_id>/move/", MoveFitting.as_view(), name="member-fitting-move"),
    path("api/v1/member/fittings/<uuid:public_id>/cancel/", CancelFitting.as_view(), name="member-fitting-cancel"),
    path("api/v1/member/fittings/<uuid:public_id>/confirm/", ConfirmFitting.as_view(), name="member-fitting-confirm"),
    path("api/v1/member/measures/", Measures.as_view(), name="member-measures"),
]
