"""One piece of an order for the mini-program's form of 申请售后: what may still be done for it, other sizes, other styles."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.aftersale.forms import sizes_of, ways_of
from crm.aftersale.goods import goods_instead
from crm.aftersale.models import Ticket
from crm.aftersale.rights import kept_of, rights_of
from crm.orders.models import Order, OrderLine
from yejibao.core import clock
from yejibao.core.errors import NotFound

from . import queries
from .calls import MemberView, call
from .order_api import NUMBER

A_STYLE = {
    "sku_code": "Y26XZ02-GR", "name": "羊毛双排扣西服", "color": "深灰", "price_fen": 298000, "difference_fen": 30000,
    "sizes": [{"code": "Y26XZ02-GR-180/96A", "size": "180/96A", "here": 1, "away": 0, "is_his": True}],
}  # fmt: skip
A_PIECE = {
    "item": "精纺羊毛西服 藏青 180/96A", "is_on_its_way": False, "return_days": 6, "exchange_days": 6, "quality_days": 29, "free_repair_days": 89,
    "free_alteration_days": 29,
    "ways": [{"kind": "exchange_size", "name": "换尺码", "note": "同款换码，不用补钱，还有 6 天", "is_open": True}],
    "sizes": [{"size": "185/100A", "here": 2, "away": 5}],
}  # fmt: skip


class MemberWayOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=Ticket.Kind.choices)
    name = serializers.CharField()
    note = serializers.CharField(help_text="对这一件来说是什么意思，给会员看")
    is_open = serializers.BooleanField(help_text="false：日子过了，不能选")


class MemberSizeLeftOut(serializers.Serializer[Any]):
    size = serializers.CharField(help_text="申请换尺码时放进 target_size")
    here = serializers.IntegerField(help_text="他买的那家店里现在有几件")
    away = serializers.IntegerField(help_text="仓库里有几件，调来 3 天")


def _days(words: str) -> Any:
    return serializers.IntegerField(allow_null=True, help_text=f"{words}还有几天，今天算 0；空：过了")


class MemberBoughtPieceOut(serializers.Serializer[Any]):
    item = serializers.CharField()
    is_on_its_way = serializers.BooleanField(help_text="包裹还在路上：天数从签收起算")
    return_days = _days("退货")
    exchange_days = _days("换货")
    quality_days = _days("质量问题可退可换可修，")
    free_repair_days = _days("质量问题免费修或换，")
    free_alteration_days = _days("裤长、袖长免费改一次，")
    ways = MemberWayOut(many=True, help_text="能怎么办，常用的在前；kind 用来申请")
    sizes = MemberSizeLeftOut(many=True, help_text="同款别的尺码，小的在前")


class MemberSizeInsteadOut(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="申请换款时放进 target_sku")
    size = serializers.CharField()
    here = serializers.IntegerField(help_text="店里现在有几件")
    away = serializers.IntegerField(help_text="仓库里有几件，调来 3 天")
    is_his = serializers.BooleanField(help_text="是他的码")


class MemberInsteadOut(serializers.Serializer[Any]):
    sku_code = serializers.CharField(source="style.sku_code", help_text="款色编码")
    name = serializers.CharField(source="style.name")
    color = serializers.CharField(source="style.color")
    price_fen = serializers.IntegerField()
    difference_fen = serializers.IntegerField(help_text="大约补多少，负数是退；券和积分换的时候再算准")
    sizes = MemberSizeInsteadOut(many=True)


class MemberInsteadsOut(serializers.Serializer[Any]):
    results = MemberInsteadOut(many=True, help_text="最多八款，店里有的在前")


QUERY = OpenApiParameter("q", str, description="款号、名字；不带就是同类的")


class PieceView(MemberView):
    def piece(self, number: str, line_no: int) -> tuple[Order, OrderLine]:
        """Return a piece he has of an order. Raises NotFound, of what was given back or exchanged as of what is not his."""
        orders = queries.orders_of(self.actor).filter(number=number) if number.isprintable() else Order.objects.none()
        for order in orders.order_by("-pk")[:1]:
            for line in order.lines.all():
                if line.line_no == line_no and line.returned_quantity < line.quantity:
                    return order, line
        raise NotFound()


class Piece(PieceView):
    @call(
        "member_piece", "买过的一件还能怎么办", gives=MemberBoughtPieceOut, ids={"number": NUMBER, "line_no": "1"}, answer=A_PIECE,
        says="申请售后前读它：退、换、修各还有几天，有哪些码可换。退掉、换掉的答 404。",
    )  # fmt: skip
    def get(self, request: Request, number: str, line_no: int) -> Response:
        (order, line), now = self.piece(number, line_no), clock.now()
        rights = rights_of(order, now=now, kept=kept_of(order, line))
        sizes = sizes_of(line, store_id=order.store_id, now=now)
        told = {
            "item": " ".join(part for part in (line.item_name, line.color, line.size) if part), "is_on_its_way": rights.is_on_its_way,
            "return_days": rights.send_back, "exchange_days": rights.exchange, "quality_days": rights.faulty,
            "free_repair_days": rights.free_repair, "free_alteration_days": rights.free_alteration,
            "ways": ways_of(self.member, rights, now=now),
            "sizes": [{"size": size, "here": here, "away": away} for size, here, away in sizes],
        }  # fmt: skip
        return Response(MemberBoughtPieceOut(told).data)


class Insteads(PieceView):
    limit = "search"

    @call(
        "member_piece_exchanges", "这一件能换成哪些款", gives=MemberInsteadsOut, query=[QUERY], ids={"number": NUMBER, "line_no": "1"},
        answer={"results": [A_STYLE]},
    )  # fmt: skip
    def get(self, request: Request, number: str, line_no: int) -> Response:
        order, line = self.piece(number, line_no)
        found = goods_instead(
            request.query_params.get("q", "").replace("\0", "")[:40], line=line, member=self.member, store=order.store, actor=self.actor, now=clock.now()
        )  # fmt: skip
        return Response(MemberInsteadsOut({"results": found}).data)


ROUTES = [
    path("api/v1/member/orders/<str:number>/lines/<int:line_no>/aftersale/", Piece.as_view(), name="member-piece"),
    path(
        "api/v1/member/orders/<str:number>/lines/<int:line_no>/exchanges/",
        Insteads.as_view(),
        name="member-piece-exchanges",
    ),
]
