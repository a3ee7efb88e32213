"""What another piece costs more, for the mini-program: told, and paid from his card and by WeChat."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.orders.checkout.models import Exchange
from crm.orders.checkout.services import PriceChanged, member_pays_exchange
from crm.wallet.errors import CardFrozen
from crm.wallet.queries import balance_of
from yejibao.core import clock

from .calls import MemberView, call
from .offers import LinkOver
from .paying import exchange_of, look_at_exchange, payer_of, to_pay, waited_for
from .wallet_api import ASKED_OF_PAY, PAYING, MemberPayOut

EXCHANGE = "b619d089-0f1b-42ba-bf06-b73a1f1f8acb"  # of examples
AN_EXCHANGE = {
    "id": EXCHANGE, "state": "awaiting_payment", "was": "精纺羊毛西服 藏青 180/96A", "name": "精纺羊毛西服", "color": "深灰", "size": "180/96A",
    "due_fen": 30000, "back_fen": 0, "card_fen": 187400, "expires_at": "2026-11-22T14:00:00+08:00",
}  # fmt: skip
STATES = [*Exchange.State.choices, ("paying", "微信付款中")]


class MemberExchangeOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    state = serializers.ChoiceField(
        source="now_state",
        choices=STATES,
        help_text="asked 门店在走流程；awaiting_payment 等您补差价；paying 微信付款中；done 换好了；closed 没有换，没有扣钱",
    )
    was = serializers.CharField(help_text="换下来的那件")
    name = serializers.CharField(source="sku.style.name")
    color = serializers.CharField(source="sku.style.color")
    size = serializers.CharField(source="sku.size")
    due_fen = serializers.IntegerField(help_text="要补多少；付款时原样带回")
    back_fen = serializers.IntegerField(help_text="退多少，原路回去")
    card_fen = serializers.IntegerField(help_text="储值卡里能用多少")
    expires_at = serializers.DateTimeField(allow_null=True)


class MemberPayExchangeIn(serializers.Serializer[Any]):
    use_wallet = serializers.BooleanField(required=False, help_text="先用储值，不够的微信付")
    due_fen = serializers.IntegerField(min_value=0, max_value=10**11, help_text="会员看到的差价，不一样就不扣")


class ExchangeView(MemberView):
    def row(self, public_id: UUID) -> Exchange:
        return exchange_of(self.actor, public_id)


class OneExchange(ExchangeView):
    @call(
        "member_exchange", "换货要补的差价", gives=MemberExchangeOut, ids={"public_id": EXCHANGE}, answer=AN_EXCHANGE,
        says="换更贵的款时，导购办好后会员在这里补差价。付款后每 3 秒读它一次，到 done 为止。",
    )  # fmt: skip
    def get(self, request: Request, public_id: UUID) -> Response:
        row, now = self.row(public_id), clock.now()
        was = row.order.lines.filter(line_no=row.line_no).first()
        row.now_state = look_at_exchange(row, now=now)  # type: ignore[attr-defined]
        row.card_fen = balance_of(self.member).usable_fen  # type: ignore[attr-defined]
        row.was = " ".join(part for part in (was.item_name, was.color, was.size) if part) if was else ""  # type: ignore[attr-defined]
        return Response(MemberExchangeOut(row).data)


class PayExchange(ExchangeView):
    limit = "money"

    @call(
        "member_exchange_pay", "补换货的差价", takes=MemberPayExchangeIn, gives=MemberPayOut, ids={"public_id": EXCHANGE},
        asks={"全部微信付": {"use_wallet": False, "due_fen": 30000}}, answer=PAYING, refuses=[PriceChanged, LinkOver, CardFrozen, *ASKED_OF_PAY],
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        row, said, key, now = self.row(public_id), self.given(MemberPayExchangeIn), self.key, clock.now()

        def work() -> dict[str, str]:
            paid = member_pays_exchange(
                row, member=self.member, use_wallet=said.get("use_wallet", False), payer_openid=payer_of(self.session), key=key,
                actor=self.actor, now=now, expected_due_fen=said["due_fen"],
            )  # fmt: skip
            return {"state": paid.state}

        if waited_for(row) is None:
            self.once(said, work)
        return Response(MemberPayOut(to_pay(waited_for(row), now=now)).data)


ROUTES = [
    path("api/v1/member/exchanges/<uuid:public_id>/", OneExchange.as_view(), name="member-exchange-one"),
    path("api/v1/member/exchanges/<uuid:public_id>/pay/", PayExchange.as_view(), name="member-exchange-pay"),
]
