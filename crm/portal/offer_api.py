"""A sale that was sent to him, for the mini-program: priced with his own choice, paid, refused. Prices are the server's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.orders.checkout.models import Sale, SaleMoved
from crm.orders.checkout.services import CouponUnusable, PriceChanged
from crm.orders.checkout.services.selling import PointsUnusable
from crm.orders.checkout.services.taking import CardMoved, StockGone
from crm.orders.proxy import services as proxies
from crm.orders.proxy.models import ProxyOrder
from crm.wallet.errors import BalanceShort, CardFrozen
from yejibao.core import clock
from yejibao.core.errors import Conflict, NotFound

from . import offers
from .calls import PAGE, MemberView, call
from .offers import LinkOver
from .paying import to_pay
from .wallet_api import ASKED_OF_PAY, PAYING, MemberPayOut

SALE, TRANSFER_SALE = "60b38423-a9b5-4c54-9fa0-51d49aa23d76", "71c49534-bac6-4d65-8ab1-62e5abb34e87"  # of examples
A_SALE = {
    "id": SALE, "state": "awaiting_member", "is_over": False, "expires_at": "2026-11-22T14:00:00+08:00", "way": "link",
    "coupon": "", "use_points": False, "use_wallet": False, "state_name": "等您确认",
    "lines": [{"name": "精纺羊毛西服", "color": "藏青", "size": "180/96A", "quantity": 1, "is_gift": False, "tag_fen": 100000, "paid_fen": 100000}],
    "coupons": [{"code": "7KQ2M4XHPB3T", "title": "大衣满减券", "discount_fen": 10000, "why_not": ""}],
    "tag_fen": 100000, "promotion_fen": 0, "coupon_fen": 0, "points": 0, "points_fen": 0, "wallet_fen": 0, "due_fen": 100000,
}  # fmt: skip


STATE_NAMES: dict[str, str] = {
    Sale.State.DRAFT: "还没发来", Sale.State.AWAITING_MEMBER: "等您确认", Sale.State.AWAITING_PAYMENT: "等您付款", Sale.State.PAID: "已付款",
    Sale.State.CLOSED: "已失效", Sale.State.REFUNDED: "已退款",
}  # fmt: skip


class MemberSaleLineOut(serializers.Serializer[Any]):
    name = serializers.CharField(source="row.sku.style.name")
    color = serializers.CharField(source="row.sku.style.color")
    size = serializers.CharField(source="row.sku.size")
    quantity = serializers.IntegerField(source="row.quantity")
    is_gift = serializers.BooleanField(source="row.is_gift")
    tag_fen = serializers.IntegerField(source="line.tag_fen")
    paid_fen = serializers.IntegerField(source="line.paid_fen")


class MemberCouponChoiceOut(serializers.Serializer[Any]):
    code = serializers.CharField(source="coupon.code")
    title = serializers.CharField(source="rule.title")
    discount_fen = serializers.IntegerField()
    why_not = serializers.CharField(allow_blank=True, help_text="空：能用")


class MemberSaleOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Sale.State.choices)
    is_over = serializers.BooleanField(help_text="链接过期或关闭了，没有扣钱")
    expires_at = serializers.DateTimeField(allow_null=True)
    way = serializers.ChoiceField(
        choices=["link", "wallet", "transfer", ""],
        help_text="transfer：已转账给导购的，用 transferred/ 说付没付，不能选券",
    )
    state_name = serializers.SerializerMethodField(help_text="给会员看的一个词")
    coupon = serializers.CharField(allow_blank=True, help_text="下面的价钱用了哪张券，付款时原样带回；空：没用")
    use_points = serializers.BooleanField(help_text="下面的价钱用没用积分，付款时原样带回")
    use_wallet = serializers.BooleanField(help_text="下面的价钱用没用储值，付款时原样带回")
    lines = MemberSaleLineOut(many=True)
    coupons = MemberCouponChoiceOut(many=True, help_text="他有的券，省得多的在前；等他付的时候才有")
    tag_fen = serializers.IntegerField(help_text="吊牌价合计")
    promotion_fen = serializers.IntegerField()
    coupon_fen = serializers.IntegerField()
    points = serializers.IntegerField(help_text="用了多少积分")
    points_fen = serializers.IntegerField()
    wallet_fen = serializers.IntegerField()
    due_fen = serializers.IntegerField(help_text="还要微信付多少；确认时原样带回 due_fen")

    def get_state_name(self, told: dict[str, Any]) -> str:
        return "已失效" if told["is_over"] else STATE_NAMES[told["state"]]


class MemberWaitingSaleOut(serializers.ModelSerializer[Sale]):
    id = serializers.UUIDField(source="public_id")
    state_name = serializers.SerializerMethodField(help_text="给会员看的一个词")
    store = serializers.CharField(source="store.short_name")
    guide = serializers.SerializerMethodField(help_text="谁发来的；空：会员自己挑的")

    def get_state_name(self, sale: Sale) -> str:
        return STATE_NAMES[sale.state]

    def get_guide(self, sale: Sale) -> str:
        return (sale.guide.display_name or sale.guide.name) if sale.guide else ""

    class Meta:
        model = Sale
        fields = ("id", "state", "state_name", "store", "guide", "expires_at")


class MemberWaitingSalesOut(serializers.Serializer[Any]):
    results = MemberWaitingSaleOut(many=True, help_text="先到期的在前，最多二十单；价钱用 sales/{id}/ 看")


class MemberChoiceIn(serializers.Serializer[Any]):
    coupon = serializers.CharField(max_length=16, required=False, allow_blank=True, help_text="券码；空：不用券")
    use_points = serializers.BooleanField(required=False)
    use_wallet = serializers.BooleanField(required=False)
    due_fen = serializers.IntegerField(min_value=0, max_value=10**11, help_text="会员看到的金额，不一样就不扣")


class MemberRefuseSaleIn(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=100, help_text="如：" + "、".join(offers.REFUSALS))


class MemberTransferredIn(serializers.Serializer[Any]):
    has_paid = serializers.BooleanField(help_text="true：我转给导购了；false：我没有转，店长会来问")


COUPON = OpenApiParameter("coupon", str, description="券码；带了任何一个选择，就按选择算价")
USE_POINTS = OpenApiParameter("use_points", bool)
USE_WALLET = OpenApiParameter("use_wallet", bool)
YES = ("true", "1", "True")


class SaleView(MemberView):
    def sale(self, public_id: UUID) -> Sale:
        return offers.sale_of(self.actor, public_id)

    def proxy(self, public_id: UUID) -> tuple[Sale, ProxyOrder]:
        sale = self.sale(public_id)
        proxy = offers.proxy_of(sale)
        if proxy is None:
            raise NotFound()
        return sale, proxy

    def told(self, sale: Sale, chosen: offers.Chosen | None = None) -> Response:
        return Response(MemberSaleOut(offers.told(sale, chosen, now=clock.now())).data)


class WaitingSales(SaleView):
    @call(
        "member_sales", "等我付的单", gives=MemberWaitingSalesOut,
        answer={
            "results": [
                {"id": SALE, "state": "awaiting_member", "state_name": "等您确认", "store": "新街口店", "guide": "晓雯", "expires_at": A_SALE["expires_at"]},
            ],
        },
        says="导购发来的、会员自己挑了还没付的。付过的在 orders/ 里。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return Response(
            MemberWaitingSalesOut({"results": offers.waiting_for(self.actor, now=clock.now(), upto=PAGE)}).data
        )


class OneSale(SaleView):
    @call(
        "member_sale", "导购发来的一单，按我的选择算价", gives=MemberSaleOut, query=[COUPON, USE_POINTS, USE_WALLET],
        ids={"public_id": SALE}, answer=A_SALE,
        says="不带参数时按导购建议的、或最合算的券算，用了哪张看 coupon。付款后每 3 秒读它一次，到 paid 为止。",
    )  # fmt: skip
    def get(self, request: Request, public_id: UUID) -> Response:
        sale, now, query = self.sale(public_id), clock.now(), request.query_params
        offers.look(sale, now=now)
        offers.note_opened(sale, member=self.member, now=now)
        chosen = None
        if {"coupon", "use_points", "use_wallet"} & query.keys():
            chosen = offers.Chosen(
                query.get("coupon", "")[:16], query.get("use_points") in YES, query.get("use_wallet") in YES
            )
        return self.told(sale, chosen)


class PaySale(SaleView):
    limit = "money"

    @call(
        "member_sale_pay", "付这一单", takes=MemberChoiceIn, gives=MemberPayOut, ids={"public_id": SALE},
        asks={"全部微信付": {"coupon": "", "use_points": False, "use_wallet": False, "due_fen": 100000}}, answer=PAYING,
        refuses=[LinkOver, PriceChanged, CouponUnusable, PointsUnusable, CardMoved, StockGone, SaleMoved, BalanceShort, CardFrozen, *ASKED_OF_PAY],
        says="券、积分、储值在这一步扣；剩下的拿 params 去付。金额和会员看到的不一样就答 sale.price_changed，什么也不扣。"
        "扣过以后再调，答的是同一张支付单新签的 params。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        sale, now, key = self.sale(public_id), clock.now(), self.key
        said = self.given(MemberChoiceIn)
        chosen = offers.Chosen(said.get("coupon", ""), said.get("use_points", False), said.get("use_wallet", False))
        if sale.state == Sale.State.AWAITING_MEMBER:
            self.once(
                said,
                lambda: offers.confirm(sale, chosen, member=self.member, session=self.session, due_fen=said["due_fen"], key=key,
                                       actor=self.actor, now=now),
            )  # fmt: skip
            sale.refresh_from_db()
        elif sale.state == Sale.State.AWAITING_PAYMENT and said["due_fen"] != sale.due_fen:
            raise PriceChanged()  # chosen otherwise since: what waits is what was taken before
        return Response(MemberPayOut(to_pay(offers.order_of(sale), now=now)).data)


class RefuseSale(SaleView):
    limit = "money"

    @call(
        "member_sale_refuse", "不要这一单", takes=MemberRefuseSaleIn, gives=MemberSaleOut, ids={"public_id": SALE},
        asks={"价格": {"reason": "价格再看看"}}, answer=A_SALE | {"state": "closed", "state_name": "已失效", "is_over": True, "coupons": []}, refuses=[Conflict],
        says="导购会知道为什么。没有扣过钱。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        (sale, proxy), said = self.proxy(public_id), self.given(MemberRefuseSaleIn)

        def work() -> dict[str, Any]:
            proxies.refuse_order(proxy, member=self.member, reason=said["reason"], actor=self.actor, now=clock.now())
            return {}

        self.once(said, work)
        sale.refresh_from_db()
        return self.told(sale)


class TransferredSale(SaleView):
    limit = "money"

    @call(
        "member_sale_transferred", "说一声转给导购的钱付没付", takes=MemberTransferredIn, gives=MemberSaleOut,
        ids={"public_id": TRANSFER_SALE}, asks={"付过了": {"has_paid": True}},
        answer=A_SALE | {"id": TRANSFER_SALE, "state": "paid", "state_name": "已付款", "way": "transfer", "coupons": []}, refuses=[Conflict],
        says="只用于 way=transfer 的单：会员自己说付过了才算付过；说没付，店长马上知道。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        (sale, proxy), said, key = self.proxy(public_id), self.given(MemberTransferredIn), self.key

        def work() -> dict[str, Any]:
            facts: dict[str, Any] = {"member": self.member, "actor": self.actor, "now": clock.now()}
            if said["has_paid"]:
                proxies.confirm_transfer(proxy, key=key, **facts)
            else:
                proxies.dispute_transfer(proxy, **facts)
            return {}

        self.once(said, work)
        sale.refresh_from_db()
        return self.told(sale)


ROUTES = [
    path("api/v1/member/sales/", WaitingSales.as_view(), name="member-sales"),
    path("api/v1/member/sales/<uuid:public_id>/", OneSale.as_view(), name="member-sale"),
    path("api/v1/member/sales/<uuid:public_id>/pay/", PaySale.as_view(), name="member-sale-pay"),
    path("api/v1/member/sales/<uuid:public_id>/refuse/", RefuseSale.as_view(), name="member-sale-refuse"),
    path(
        "api/v1/member/sales/<uuid:public_id>/transferred/", TransferredSale.as_view(), name="member-sale-transferred"
    ),
]
