"""我的售后 for the mini-program: a request, the talk about it, its end and its stars."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from crm.aftersale import queries, services
from crm.aftersale.forms import TROUBLES
from crm.aftersale.models import Ticket
from crm.aftersale.rules import rules
from crm.aftersale.services import NoSuchStep, NotToReceive, PieceHasTicket, ReopenedAlready
from crm.members.models import Member
from crm.orders.models import OrderLine
from crm.surveys.models import Survey
from crm.surveys.services import AnsweredAlready, Given, rate_ticket
from yejibao.core import clock, files
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.files.keeping import NotUploaded

from .aftersale_faces import (
    A_TICKET,
    A_TICKET_WHOLE,
    AGREED,
    CLOSED,
    OFFERED,
    OVER,
    RECEIVED,
    TICKET,
    MemberTicketAgreeIn,
    MemberTicketFormOut,
    MemberTicketIn,
    MemberTicketOut,
    MemberTicketRateIn,
    MemberTicketSayIn,
    MemberTicketsOut,
    MemberTicketWholeOut,
)
from .calls import BEFORE, MemberView, call
from .order_api import NUMBER
from .photo_api import PHOTO
from .stores import store_named
from .tickets import NotAsked, agree

CHANNEL = "mini_program"


class TicketView(MemberView):
    limit: Any = {"post": "word"}

    def ticket(self, public_id: UUID | str) -> Ticket:
        people = ("member", "store", "guide", "line", "order__store", "exchange", "slip")
        return self.find(Ticket.objects.visible_to(self.actor).select_related(*people), public_id)

    def told(self, public_id: UUID | str, *, status: int = 200) -> Response:
        return Response(MemberTicketWholeOut(self.ticket(public_id)).data, status=status)

    def photos(self, said: dict[str, Any]) -> list[UUID]:
        names = [str(one) for one in said.get("photos", ())]
        return files.take((), names, room=queries.ROOM, actor=self.actor, now=clock.now())

    def line(self, said: dict[str, Any]) -> tuple[Any, OrderLine | None]:
        """Return the order and the line the body names. Raises NotFound for one that is not his."""
        if not said.get("order"):
            return None, None
        lines = OrderLine.objects.select_related("order__store", "order__guide")
        rows = list(lines.filter(order__member=self.member, order__number=said["order"]).order_by("order", "line_no"))
        if not rows:
            raise NotFound()
        chosen = next((row for row in rows if row.line_no == said.get("line_no")), None)
        if said.get("line_no") and chosen is None:
            raise NotFound()
        return rows[0].order, chosen


class TicketForm(MemberView):
    @call(
        "member_ticket_kinds", "能申请哪些售后，各要填什么", gives=MemberTicketFormOut,
        answer={
            "kinds": [{"kind": "return", "name": "退货", "needs": ["order", "items", "reason", "photos_optional"]}],
            "troubles": [{"name": "尺码不合", "kind": "exchange_size"}], "works": ["裤长"], "care_kinds": ["干洗"], "topics": ["质量"],
        },
        says=(
            "needs：order 单号；item、items 单号加 line_no；order_or_item 两者之一；reason、description、target_size、works、measures、"
            "care_kind、topic 同名字段；target_item 是 target_sku；photos_required 至少一张照片，photos_optional 可以不传。少了什么，答 422，"
            "errors 一次说全。某一件还能怎么办、有哪些码和款可换，见 orders/{number}/lines/{line_no}/aftersale/。"
        ),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        book = rules()
        kinds = [{"kind": key, "name": name, "needs": book.needs.get(key, ())} for key, name in book.names.items()]
        told = {
            "kinds": kinds,
            "troubles": [{"name": name, "kind": kind} for name, kind in TROUBLES],
            "works": book.works,
            "care_kinds": book.care_kinds,
            "topics": book.topics,
        }
        return Response(MemberTicketFormOut(told).data)


class Tickets(TicketView):
    @call(
        "member_tickets",
        "我的售后",
        gives=MemberTicketsOut,
        query=[BEFORE],
        answer={"results": [A_TICKET], "before": ""},
    )
    def get(self, request: Request) -> Response:
        rows = Ticket.objects.visible_to(self.actor).select_related("line", "guide")
        return self.page(rows, "opened_at", MemberTicketOut)

    @call(
        "member_ticket_open", "申请售后", takes=MemberTicketIn, gives=MemberTicketWholeOut, status=201,
        asks={
            "退货": {"kind": "return", "order": NUMBER, "line_no": 1, "reason": "尺码不合", "description": "袖子长了", "photos": [PHOTO]},
            "换尺码": {"kind": "exchange_size", "order": NUMBER, "line_no": 1, "target_size": "185/100A", "photos": [PHOTO]},
            "改衣": {"kind": "alteration", "order": NUMBER, "line_no": 1, "works": ["袖长"], "measures": "短 2 厘米"},
            "清洗保养": {"kind": "care", "order": NUMBER, "line_no": 1, "care_kind": "干洗", "photos": [PHOTO]},
            "投诉": {"kind": "complaint", "topic": "售后慢", "description": "三天没有人回我"},
            "咨询": {"kind": "consult", "description": "羊毛西服怎么收纳"},
        },
        answer=A_TICKET_WHOLE,
        refuses=[NotFound, NotUploaded, PieceHasTicket], says="一件衣服同时只有一张没办完的售后单，再提答 409 ticket.piece_open，ticket 是那张的 id，接着在那张里说。先到会员自己的导购手上，营业时间里开始计时。要填什么见 tickets/kinds/；照片先用 photos/ 传。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        said = self.given(MemberTicketIn)
        (order, line), photos, now = self.line(said), self.photos(said), clock.now()
        store = store_named(said.get("store", ""), today=clock.today())
        wish = {
            name: said[name] for name in ("reason", "target_size", "target_sku", "works", "measures", "care_kind") if said.get(name)
        }  # fmt: skip

        def work() -> dict[str, str]:
            made = _ask(
                self.member, kind=said["kind"], actor=self.actor, now=now, channel=CHANNEL, order=order, line=line, store=store,
                topic=said.get("topic", ""), description=said.get("description", "").strip(), wish=wish, photos=photos,
                is_about_guide=said.get("is_about_guide", False), wants_manager=said.get("wants_manager", False),
            )  # fmt: skip
            return {"id": str(made.public_id)}

        return self.told(self.once(said, work)["id"], status=201)


def _ask(member: Member, **said: Any) -> Ticket:
    """Open a ticket; what is wrong with a piece is said of the field the body calls it by. Raises Invalid."""
    try:
        return services.ask(member, **said)
    except Invalid as refusal:
        for error in refusal.errors:
            error["field"] = "line_no" if error["field"] == "line" else error["field"]
        raise


class OneTicket(TicketView):
    @call(
        "member_ticket", "一张售后单，办到哪了", gives=MemberTicketWholeOut, ids={"public_id": TICKET}, answer=A_TICKET_WHOLE,
        says="页面开着时每 5 秒带 If-None-Match 读一次，没变答 304。",
    )  # fmt: skip
    def get(self, request: Request, public_id: UUID) -> Response:
        return self.told(public_id)


class ActOnTicket(TicketView):
    """One act of the member on his ticket: once per key, answered with the ticket as it is then."""

    def act(self, public_id: UUID, said: dict[str, Any], work: Any) -> Response:
        held = self.ticket(public_id)

        def once() -> dict[str, Any]:
            work(held)
            return {}

        self.once(said, once)
        return self.told(public_id)


class SayOnTicket(ActOnTicket):
    @call(
        "member_ticket_say", "再说一句，补照片", takes=MemberTicketSayIn, gives=MemberTicketWholeOut, ids={"public_id": TICKET},
        asks={"一句": {"text": "衣服我今天带过来", "photos": []}}, answer=A_TICKET_WHOLE, refuses=[ReopenedAlready, PieceHasTicket, Conflict, NotUploaded],
        says="办完的单子 7 天里说一句，就是重新打开（只有一次），见 reopen/。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        said = self.given(MemberTicketSayIn)
        photos = self.photos(said)
        return self.act(
            public_id, said,
            lambda held: services.member_says(held, said["text"], actor=self.actor, now=clock.now(), photos=photos),
        )  # fmt: skip


class AgreeOnTicket(ActOnTicket):
    @call(
        "member_ticket_agree", "同意导购给的办法", takes=MemberTicketAgreeIn, gives=MemberTicketWholeOut, ids={"public_id": OFFERED},
        asks={"同意": {"text": ""}}, answer=AGREED,
        refuses=[NotAsked], says="may 里有 agree 时能用。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        said = self.given(MemberTicketAgreeIn)
        return self.act(
            public_id, said, lambda held: agree(held, said.get("text", ""), actor=self.actor, now=clock.now())
        )


class ConfirmTicket(ActOnTicket):
    @call(
        "member_ticket_confirm", "确认瑕疵登记和尺寸，可以动手了", gives=MemberTicketWholeOut, ids={"public_id": RECEIVED},
        answer=A_TICKET_WHOLE | {"id": RECEIVED, "kind": "care", "kind_name": "清洗保养", "state": "inspecting", "state_name": "检验中", "may": ["say"]}, refuses=[NotToReceive],
        says="confirms 里的每一条都给会员看过再调。改过的尺寸剪了不能复原。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        return self.act(public_id, {}, lambda held: services.confirm_slip(held, actor=self.actor, now=clock.now()))


class CancelTicket(ActOnTicket):
    @call(
        "member_ticket_cancel", "撤销", gives=MemberTicketWholeOut, ids={"public_id": TICKET},
        answer=A_TICKET_WHOLE | {"state": "cancelled", "state_name": "已撤销", "may": []}, refuses=[NoSuchStep],
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        return self.act(
            public_id, {},
            lambda held: services.cancel_by_member(held, actor=self.actor, now=clock.now(), reason="会员撤销"),
        )  # fmt: skip


class RateTicket(ActOnTicket):
    @call(
        "member_ticket_rate", "评价", takes=MemberTicketRateIn, gives=MemberTicketWholeOut, ids={"public_id": CLOSED},
        asks={"五星": {"stars": 5, "words": "很快"}}, answer=OVER,
        refuses=[AnsweredAlready, Conflict], says="办完以后评一次；评过了答 409 survey.answered_already，还没办完答 409 conflict。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        said = self.given(MemberTicketRateIn)
        return self.act(
            public_id, said,
            lambda held: rate_ticket(
                held, Given(said["stars"], words=said.get("words", "")), way=Survey.Way.APP, actor=self.actor, now=clock.now()
            ),
        )  # fmt: skip


class ReopenTicket(ActOnTicket):
    @call(
        "member_ticket_reopen", "没有解决，重新打开", takes=MemberTicketSayIn, gives=MemberTicketWholeOut, ids={"public_id": CLOSED},
        asks={"还是不行": {"text": "换回来的还是长", "photos": []}},
        answer=A_TICKET_WHOLE | {"id": CLOSED, "state": "responded", "state_name": "处理中", "may": ["say", "cancel"]},
        refuses=[ReopenedAlready, PieceHasTicket, NotAsked, NotUploaded],
        says="办完 7 天以内，一次。直接到总部客服和区域督导那里。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        said = self.given(MemberTicketSayIn)
        photos = self.photos(said)

        def work(held: Ticket) -> None:
            if held.is_open:
                raise NotAsked()
            services.member_says(held, said["text"], actor=self.actor, now=clock.now(), photos=photos)

        return self.act(public_id, said, work)


ROUTES = [
    path("api/v1/member/tickets/", Tickets.as_view(), name="member-tickets"),
    path("api/v1/member/tickets/kinds/", TicketForm.as_view(), name="member-ticket-kinds"),
    path("api/v1/member/tickets/<uuid:public_id>/", OneTicket.as_view(), name="member-ticket"),
    path("api/v1/member/tickets/<uuid:public_id>/say/", SayOnTicket.as_view(), name="member-ticket-say"),
    path("api/v1/member/tickets/<uuid:public_id>/agree/", AgreeOnTicket.as_view(), name="member-ticket-agree"),
    path("api/v1/member/tickets/<uuid:public_id>/confirm/", ConfirmTicket.as_view(), name="member-ticket-confirm"),
    path("api/v1/member/tickets/<uuid:public_id>/cancel/", CancelTicket.as_view(), name="member-ticket-cancel"),
    path("api/v1/member/tickets/<uuid:public_id>/rate/", RateTicket.as_view(), name="member-ticket-rate"),
    path("api/v1/member/tickets/<uuid:public_id>/reopen/", ReopenTicket.as_view(), name="member-ticket-reopen"),
]
