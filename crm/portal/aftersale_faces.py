"""What 我的售后 says to the mini-program and takes from it: the shapes of crm/portal/aftersale_api.py, with their examples."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crm.aftersale import queries
from crm.aftersale.models import Ticket, TicketStep
from crm.aftersale.rules import confirm_words, rules
from crm.aftersale.services.answering import may_reopen
from crm.aftersale.showing import slip_of
from crm.orders.checkout.models import Exchange
from yejibao.core import clock

from .calls import pageful
from .order_api import NUMBER
from .photo_api import PHOTO
from .tickets import at_night

STATES = list(rules().states.items())
# Of examples: one for each state an act needs.
TICKET, OFFERED, CLOSED, RECEIVED = (
    "c619ea89-0f1b-42ba-bf06-b73a0f0f89dc", "d72afb9a-102c-43cb-8017-c84b10109aed", "e83b0cab-213d-44dc-9128-d95c2121abfe",
    "f94c1dbc-324e-45ed-8239-ea6d3232bcaf",
)  # fmt: skip
A_STEP = {
    "kind": "opened",
    "by": "我",
    "is_mine": True,
    "text": "袖子长了",
    "state_name": "待响应",
    "at": "2026-11-21T13:00:00+08:00",
    "photos": [PHOTO],
}
A_TICKET = {
    "id": TICKET, "number": "AS261121-37", "kind": "return", "kind_name": "退货", "state": "new", "state_name": "待响应",
    "opened_at": "2026-11-21T13:00:00+08:00", "closed_at": None, "item": "精纺羊毛西服 藏青 180/96A", "guide": "晓雯", "stars": None,
}  # fmt: skip
A_TICKET_WHOLE = A_TICKET | {
    "description": "袖子长了", "order": NUMBER, "line_no": 1, "store": "新街口店", "answer_before": "2026-11-21T13:30:00+08:00", "at_night": "",
    "result": "", "stage": "guide", "close_before": "2026-11-26T22:00:00+08:00", "promised_on": None, "bag_code": "", "fee_fen": 0,
    "confirms": [], "exchange": "", "may": ["say", "cancel"], "steps": [A_STEP],
}  # fmt: skip
AN_OFFER = A_STEP | {
    "kind": "proposal",
    "by": "晓雯",
    "is_mine": False,
    "text": "拿来退就好",
    "state_name": "待顾客",
    "photos": [],
}
HIS_YES = A_STEP | {"kind": "said", "text": "好", "state_name": "处理中", "photos": []}
AGREED = A_TICKET_WHOLE | {
    "id": OFFERED, "state": "responded", "state_name": "处理中", "steps": [A_STEP, AN_OFFER, HIS_YES],
}  # fmt: skip
OVER = A_TICKET_WHOLE | {
    "id": CLOSED, "state": "closed", "state_name": "已完成", "closed_at": "2026-11-21T15:00:00+08:00", "result": "退好了",
    "may": ["reopen"], "stars": 5,
}  # fmt: skip


class MemberTicketOut(serializers.ModelSerializer[Ticket]):
    id = serializers.UUIDField(source="public_id")
    number = serializers.CharField(help_text="给人看的单号")
    kind_name = serializers.CharField(source="get_kind_display")
    state = serializers.ChoiceField(choices=STATES)
    state_name = serializers.SerializerMethodField()
    item = serializers.SerializerMethodField(help_text="哪一件；空：没有指明")
    guide = serializers.SerializerMethodField(help_text="谁在办；空：门店或总部客服")

    def get_state_name(self, ticket: Ticket) -> str:
        return rules().states[ticket.state]

    def get_item(self, ticket: Ticket) -> str:
        line = ticket.line
        return " ".join(part for part in (line.item_name, line.color, line.size) if part) if line else ""

    def get_guide(self, ticket: Ticket) -> str:
        guide = ticket.guide if ticket.stage == Ticket.Stage.GUIDE else None
        return guide.display_name or guide.name if guide else ""

    class Meta:
        model = Ticket
        fields: tuple[str, ...] = (
            "id", "number", "kind", "kind_name", "state", "state_name", "opened_at", "closed_at", "item", "guide", "stars",
        )  # fmt: skip


class MemberTicketStepOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(source="row.kind", choices=TicketStep.Kind.choices)
    by = serializers.SerializerMethodField(help_text="谁说的；空：系统")
    is_mine = serializers.BooleanField(source="row.is_member")
    text = serializers.CharField(source="row.text")
    state_name = serializers.SerializerMethodField(help_text="到了哪一步；空：没有动")
    at = serializers.DateTimeField(source="row.at")
    photos = serializers.SerializerMethodField(help_text="照片的编号，用 photos/ 看")

    def get_by(self, line: queries.Line) -> str:
        if line.row.is_member:
            return "我"
        return line.row.by.display_name or line.row.by.name if line.row.by else ""

    def get_state_name(self, line: queries.Line) -> str:
        return rules().states.get(line.row.state, "")

    def get_photos(self, line: queries.Line) -> list[str]:
        return [str(photo.name) for photo in line.photos]


class MemberTicketWholeOut(MemberTicketOut):
    order = serializers.CharField(source="order.number", default="", help_text="单号")
    line_no = serializers.IntegerField(source="line.line_no", default=None, allow_null=True)
    store = serializers.CharField(source="store.short_name")
    answer_before = serializers.DateTimeField(
        source="first_due_at", allow_null=True, help_text="导购最晚什么时候回您第一句"
    )
    at_night = serializers.SerializerMethodField(help_text="夜里提的，先给会员看这一句；空：不用")
    stage = serializers.ChoiceField(choices=Ticket.Stage.choices, help_text="现在由谁回您")
    close_before = serializers.DateTimeField(source="closing_due_at", allow_null=True, help_text="答应最晚什么时候办完")
    promised_on = serializers.DateField(allow_null=True, help_text="衣服答应哪天弄好、调到；空：不是这一类，或者还没收")
    bag_code = serializers.SerializerMethodField(help_text="取衣码；空：衣服没有交给我们")
    fee_fen = serializers.SerializerMethodField(help_text="还要付的费用，取衣服时付")
    confirms = serializers.SerializerMethodField(
        help_text="开工前要会员确认的几条（瑕疵、尺寸、剪后不可退换、费用）；空：不用"
    )
    exchange = serializers.SerializerMethodField(
        help_text="换货的编号，用 exchanges/ 看；may 里有 pay 就等他补差价。空：没有换货"
    )
    may = serializers.SerializerMethodField(
        help_text="现在能做的：say、agree、pay（补差价，用 exchanges/）、confirm、cancel、rate、reopen"
    )
    steps = serializers.SerializerMethodField(help_text="办到哪了、谁说了什么，旧的在前")

    def get_at_night(self, ticket: Ticket) -> str:
        return at_night(ticket, clock.now())

    def get_bag_code(self, ticket: Ticket) -> str:
        slip = slip_of(ticket)
        return slip.bag_code if slip else ""

    def get_fee_fen(self, ticket: Ticket) -> int:
        slip = slip_of(ticket)
        return slip.fee_fen if slip else 0

    def get_confirms(self, ticket: Ticket) -> list[str]:
        return confirm_words(ticket) if waits_for_his_word(ticket) else []

    def get_exchange(self, ticket: Ticket) -> str:
        return str(ticket.exchange.public_id) if ticket.exchange else ""

    def get_may(self, ticket: Ticket) -> list[str]:
        return acts_of(ticket)

    @extend_schema_field(MemberTicketStepOut(many=True))
    def get_steps(self, ticket: Ticket) -> list[dict[str, Any]]:
        return [dict(row) for row in MemberTicketStepOut(queries.steps_of(ticket, for_member=True), many=True).data]

    class Meta(MemberTicketOut.Meta):
        fields = (
            *MemberTicketOut.Meta.fields, "description", "order", "line_no", "store", "answer_before", "at_night", "result", "stage",
            "close_before", "promised_on", "bag_code", "fee_fen", "confirms", "exchange", "may", "steps",
        )  # fmt: skip


def acts_of(ticket: Ticket) -> list[str]:
    """Return what the member may do with a ticket now."""
    nexts, exchange = rules().after(ticket.state), ticket.exchange
    pays = ticket.is_open and exchange is not None and exchange.state == Exchange.State.AWAITING_PAYMENT
    can = {
        "say": ticket.is_open, "agree": ticket.state == "waiting_member" and not pays, "pay": pays, "confirm": waits_for_his_word(ticket),
        "cancel": "cancelled" in nexts,
        "rate": ticket.state == "closed" and ticket.rated_at is None, "reopen": may_reopen(ticket, now=clock.now()),
    }  # fmt: skip
    return [name for name, is_so in can.items() if is_so]


def waits_for_his_word(ticket: Ticket) -> bool:
    """Tell whether his garment is with us and work on it waits for what he confirms."""
    slip = slip_of(ticket)
    return ticket.is_open and slip is not None and slip.confirmed_at is None


class MemberTicketKindOut(serializers.Serializer[Any]):
    kind = serializers.CharField()
    name = serializers.CharField()
    needs = serializers.ListField(child=serializers.CharField(), help_text="要哪些：字段名的意思见说明")


class MemberTroubleOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Ticket.Kind.choices)


class MemberTicketFormOut(serializers.Serializer[Any]):
    kinds = MemberTicketKindOut(many=True)
    troubles = MemberTroubleOut(many=True, help_text="哪里不对，和这样时多半要的；reason 可以填它的 name")
    works = serializers.ListField(child=serializers.CharField(), help_text="改衣改哪里")
    care_kinds = serializers.ListField(child=serializers.CharField(), help_text="护理方式")
    topics = serializers.ListField(child=serializers.CharField(), help_text="投诉什么")


class MemberTicketIn(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=Ticket.Kind.choices)
    order = serializers.CharField(max_length=64, required=False, allow_blank=True, help_text="单号")
    line_no = serializers.IntegerField(min_value=1, max_value=32767, required=False, help_text="那一单的第几行")
    description = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="退货：为什么")
    target_size = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        help_text="换尺码：换成哪个，aftersale/ 的 sizes 里选，别的不收",
    )
    target_sku = serializers.CharField(
        max_length=40, required=False, allow_blank=True, help_text="换款：exchanges/ 的 sizes 里那个 code"
    )
    works = serializers.ListField(
        child=serializers.CharField(max_length=16), max_length=8, required=False, help_text="改衣：改哪里"
    )
    measures = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="改衣：改多少")
    care_kind = serializers.CharField(max_length=16, required=False, allow_blank=True, help_text="护理：哪一种")
    topic = serializers.CharField(max_length=16, required=False, allow_blank=True, help_text="投诉：什么")
    is_about_guide = serializers.BooleanField(required=False, help_text="投诉导购本人：她看不到，店长直接处理")
    wants_manager = serializers.BooleanField(required=False, help_text="不经导购，请店长来处理")
    store = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        help_text="门店编号：会员还没有门店、又没有单号时要选一家，见 stores/",
    )
    photos = serializers.ListField(child=serializers.UUIDField(), max_length=9, required=False)


class MemberTicketSayIn(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=1000)
    photos = serializers.ListField(child=serializers.UUIDField(), max_length=9, required=False)


class MemberTicketAgreeIn(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=1000, required=False, allow_blank=True, help_text="可以不填")


class MemberTicketRateIn(serializers.Serializer[Any]):
    stars = serializers.IntegerField(min_value=1, max_value=5, help_text="两星以下，店长会再来找您")
    words = serializers.CharField(max_length=255, required=False, allow_blank=True)


MemberTicketsOut = pageful("MemberTicketsOut", MemberTicketOut)
