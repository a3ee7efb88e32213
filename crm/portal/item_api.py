"""一物一码 for the mini-program: what a garment is whose code was scanned, making it his, asking for another."""

from __future__ import annotations

from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.catalogue import showing
from crm.catalogue.item_models import ItemCode
from crm.catalogue.item_pages import piece_of, what_it_is
from crm.catalogue.queries import Price, goods_of, price_of_styles
from crm.catalogue.services import ask_for, register_piece
from crm.catalogue.services.items import AlreadyRegistered, NotYours
from crm.catalogue.services.wishing import NobodyToAsk
from yejibao.core import clock

from .calls import MemberView, call
from .looks import NoStore
from .outfit_api import MemberSaidOut
from .scanned import NotInStock, buy_scanned

CODE, FRESH = "X2K9M4P7QT", "Y3L8N5R6SV"  # of examples: his own, and one nobody has registered
AN_ITEM = {
    "code": CODE, "what": "mine", "name": "精纺羊毛西服", "color": "藏青", "size": "180/96A", "sku_code": "Y26XZ01-NV", "price_fen": 268000,
    "fabric": "羊毛", "story": "", "selling_points": "", "care": "干洗为主，一季1-2次", "style": "商务", "colors": [{"sku_code": "Y26XZ01-NV", "color": "藏青"}],
}  # fmt: skip


class MemberColorOut(serializers.Serializer[Any]):
    sku_code = serializers.CharField()
    color = serializers.CharField()


class MemberItemOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    what = serializers.ChoiceField(
        choices=["fresh", "mine", "taken"], help_text="fresh 还没有人登记；mine 是您的；taken 已有人登记"
    )
    name = serializers.CharField()
    color = serializers.CharField()
    size = serializers.CharField()
    sku_code = serializers.CharField(help_text="款色编码")
    price_fen = serializers.IntegerField()
    fabric = serializers.CharField(allow_blank=True)
    story = serializers.CharField(allow_blank=True)
    selling_points = serializers.CharField(allow_blank=True)
    care = serializers.CharField(allow_blank=True, help_text="怎么洗护")
    style = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    colors = MemberColorOut(many=True, help_text="同款的颜色")


class ItemView(MemberView):
    def told(self, code: str) -> Response:
        piece, now = piece_of(code), clock.now()
        style, store = piece.sku.style, self.member.main_store or piece.sold_in
        price = price_of_styles([style.pk], store=store, at=now).get(style.pk, Price(style.price_fen))
        told = {
            "code": piece.code, "what": what_it_is(piece, self.actor), "name": style.name, "color": style.color, "size": piece.sku.size,
            "sku_code": style.sku_code, "price_fen": price.fen, "fabric": style.fabric_detail or style.fabric_main, "story": style.story,
            "selling_points": style.selling_points, "care": showing.care_tips().get(style.care_key, ""),
            "style": showing.STYLE_WORDS.get(style.style_tag, ""),
            "colors": [{"sku_code": one.sku_code, "color": one.color} for one in goods_of(style.style_no)],
        }  # fmt: skip
        return Response(MemberItemOut(told).data)


class Item(ItemView):
    limit = "search"

    @call("member_item", "扫到的一件衣服", gives=MemberItemOut, ids={"code": CODE}, answer=AN_ITEM,
          says="吊牌上一物一码的二维码是 /i/{code}/，取出 code 调这里。")  # fmt: skip
    def get(self, request: Request, code: str) -> Response:
        return self.told(code)


class RegisterItem(ItemView):
    limit = "search"

    @call(
        "member_item_register", "这件是我的", gives=MemberItemOut, ids={"code": FRESH}, answer=AN_ITEM | {"code": FRESH},
        refuses=[NotYours, AlreadyRegistered], says="洗护、改衣、退换都认登记过的这一件。",
    )  # fmt: skip
    def post(self, request: Request, code: str) -> Response:
        piece = piece_of(code)

        def work() -> dict[str, Any]:
            return {"item": register_piece(piece.code, self.member, actor=self.actor, now=clock.now()).pk}

        self.once({"item": piece.pk}, work)
        return self.told(code)


class AskItem(ItemView):
    limit = "look"

    @call("member_item_ask", "想要这件", gives=MemberSaidOut, ids={"code": CODE}, answer={"said": "告诉晓雯了"},
          refuses=[NobodyToAsk], says="他的导购知道了，找货、留货、回他。")  # fmt: skip
    def post(self, request: Request, code: str) -> Response:
        piece: ItemCode = piece_of(code)

        def work() -> dict[str, Any]:
            guide = ask_for(piece.sku, self.member, actor=self.actor, now=clock.now())
            return {"said": f"告诉{guide.display_name or guide.name}了"}

        return Response(MemberSaidOut(self.once({"ask": piece.pk}, work)).data)


class MemberItemBuyIn(serializers.Serializer[Any]):
    size = serializers.CharField(
        max_length=16, help_text="尺码，没写就是扫到的这个码", required=False, allow_blank=True
    )


class MemberItemSaleOut(serializers.Serializer[Any]):
    sale = serializers.UUIDField(help_text="之后看价、选券、付款都用 sales/{sale}/")


class BuyItem(ItemView):
    limit = "money"

    @call(
        "member_item_buy", "买这件", takes=MemberItemBuyIn, gives=MemberItemSaleOut, status=201, ids={"code": CODE},
        asks={"买扫到的这个码": {}, "说好尺码": {"size": "180/96A"}}, answer={"sale": "93e6b756-dce8-4f87-8cd3-8407cdd56ea9"},
        refuses=[NoStore, NotInStock], says="会员常去的店有这个码才能买，付款前替他留着（默认 30 分钟，到点放回），付好到店取；没付完再调是同一单。断码就调 ask/，请导购去调。",
    )  # fmt: skip
    def post(self, request: Request, code: str) -> Response:
        piece, said = piece_of(code), self.given(MemberItemBuyIn)
        size = said.get("size") or piece.sku.size

        def work() -> dict[str, Any]:
            sale = buy_scanned(piece, self.member, size=size, actor=self.actor, now=clock.now())
            return {"sale": str(sale.public_id)}

        return Response(MemberItemSaleOut(self.once({"buy": piece.pk, "size": size}, work)).data, status=201)


ROUTES = [
    path("api/v1/member/items/<str:code>/", Item.as_view(), name="member-item"),
    path("api/v1/member/items/<str:code>/register/", RegisterItem.as_view(), name="member-item-register"),
    path("api/v1/member/items/<str:code>/buy/", BuyItem.as_view(), name="member-item-buy"),
    path("api/v1/member/items/<str:code>/ask/", AskItem.as_view(), name="member-item-ask"),
]
