"""我的订单 for the mini-program: what he bought, everywhere, with what was given back and the receipt."""

from __future__ import annotations

from django.urls import path, reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.aftersale.rules import SENDS_BACK, ends_at
from crm.orders.models import Order, OrderLine
from yejibao.core import clock
from yejibao.core.errors import NotFound

from . import queries
from .calls import BEFORE, MemberView, call, pageful

NUMBER = "NJ2611210001"  # of examples
A_LINE = {
    "line_no": 1, "sku_code": "Y26XZ01-NV-180", "item_name": "精纺羊毛西服", "color": "藏青", "size": "180/96A",
    "quantity": 1, "returned_quantity": 0, "paid_fen": 268000,
}  # fmt: skip
AN_ORDER = {
    "number": NUMBER, "kind": "retail", "kind_name": "门店", "status": "paid", "status_name": "已付款", "store": "新街口店",
    "paid_at": "2026-11-20T14:00:00+08:00", "is_delivery": False, "received_at": None, "paid_fen": 268000, "refunded_fen": 0, "given_up_fen": 0,
    "receipt": "/r/6f0b0f5e-0d8a-4a52-9c57-2f6f3b0a1c11/", "lines": [A_LINE],
}  # fmt: skip


class MemberOrderLineOut(serializers.ModelSerializer[OrderLine]):
    class Meta:
        model = OrderLine
        fields = ("line_no", "sku_code", "item_name", "color", "size", "quantity", "returned_quantity", "paid_fen")


class MemberOrderOut(serializers.ModelSerializer[Order]):
    store = serializers.CharField(source="store.short_name")
    kind_name = serializers.CharField(source="get_kind_display")
    status_name = serializers.CharField(source="get_status_display")
    given_up_fen = serializers.IntegerField(
        help_text="退款里没能退到会员手里、财务也不再退的；refunded_fen 里含这一部分"
    )
    lines = MemberOrderLineOut(many=True)
    receipt = serializers.SerializerMethodField(help_text="小票的网页；线下老收银的没有，是空的")

    def get_receipt(self, order: Order) -> str:
        sale = getattr(order, "sale", None)
        return reverse("crm:receipt", args=[sale.public_id]) if sale else ""

    class Meta:
        model = Order
        fields: tuple[str, ...] = (
            "number", "kind", "kind_name", "status", "status_name", "store", "paid_at", "is_delivery", "received_at", "paid_fen",
            "refunded_fen", "given_up_fen", "receipt", "lines",
        )  # fmt: skip


class MemberOrderWholeOut(MemberOrderOut):
    return_before = serializers.SerializerMethodField(help_text="在这以前可以退；包裹还在路上时为空，签收后起算")
    exchange_before = serializers.SerializerMethodField(help_text="在这以前可以换")

    def get_return_before(self, order: Order) -> str | None:
        return _iso(order, "return")

    def get_exchange_before(self, order: Order) -> str | None:
        return _iso(order, SENDS_BACK[1])

    class Meta(MemberOrderOut.Meta):
        fields = (*MemberOrderOut.Meta.fields, "return_before", "exchange_before")


def _iso(order: Order, kind: str) -> str | None:
    end = ends_at(order, kind=kind)
    return end.astimezone(clock.SHANGHAI).isoformat() if end else None


MemberOrdersOut = pageful("MemberOrdersOut", MemberOrderOut)


class Orders(MemberView):
    @call(
        "member_orders", "我的订单", gives=MemberOrdersOut, query=[BEFORE], answer={"results": [AN_ORDER], "before": ""},
        says="门店、商城、直播、代客下单都在一张单子里，新的在前。储值充值在 wallet/ 里。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.page(queries.orders_of(self.actor), "paid_at", MemberOrderOut)


class OneOrder(MemberView):
    @call(
        "member_order", "一张订单", gives=MemberOrderWholeOut, ids={"number": NUMBER},
        answer=AN_ORDER | {"return_before": "2026-11-27T22:00:00+08:00", "exchange_before": "2026-11-27T22:00:00+08:00"},
        says="比列表里多一件事：退换到什么时候。申请售后用 tickets/，带上单号和 line_no。",
    )  # fmt: skip
    def get(self, request: Request, number: str) -> Response:
        orders = queries.orders_of(self.actor).filter(number=number).order_by("-pk")
        order = orders.first() if number.isprintable() else None  # the database refuses a NUL
        if order is None:
            raise NotFound()
        return Response(MemberOrderWholeOut(order).data)


ROUTES = [
    path("api/v1/member/orders/", Orders.as_view(), name="member-orders"),
    path("api/v1/member/orders/<str:number>/", OneOrder.as_view(), name="member-order"),
]
