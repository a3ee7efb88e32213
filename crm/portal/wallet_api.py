"""储值 for the mini-program: balance, history, the word only he can give for a top-up, and paying out a card."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.wallet import services as wallet
from crm.wallet.errors import (
    CapPassed,
    NothingToRefund,
    OldTerms,
    RealNameNeeded,
    RefundWaits,
    TooYoung,
    TopUpEnded,
)
from crm.wallet.models import CardRefund, TopUp, Transfer
from crm.wallet.queries import live_wallet, open_top_up
from crm.wallet.rules import terms_on
from yejibao.core import clock, idempotency
from yejibao.core.clock import local_day
from yejibao.core.errors import NotFound
from yejibao.wechatpay.services import NotPayable, PaidAlready, PayUnavailable

from .calls import BEFORE, MemberView, call, pageful
from .paying import look_at, payer_of, to_pay
from .queries import WalletLine, wallet_lines

TOP_UP = "3d805190-76e2-4f21-8c7d-2ea16e7f9a43"  # of examples
A_BALANCE = {"total_fen": 187400, "principal_fen": 186000, "gift_fen": 1400, "is_frozen": False}
A_TOP_UP = {
    "id": TOP_UP, "state": "asked", "method": "wechat", "principal_fen": 100000, "gift_fen": 5000,
    "ends_at": "2026-11-21T14:30:00+08:00", "needs_real_name": True,
    "terms": {"version": 1, "title": "储值卡章程", "text": "一、本卡为记名卡……"},
}  # fmt: skip
WHAT_WECHAT_TAKES = {
    "appId": "wx5a9db0c0de5a9db0", "timeStamp": "1795240800", "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "package": "prepay_id=wx21…", "signType": "RSA",
    "paySign": "oR9d8…",
}  # fmt: skip
PAYING = {"is_over": False, "params": WHAT_WECHAT_TAKES}
ASKED_OF_PAY = (NotPayable, PaidAlready, PayUnavailable)


class MemberBalanceOut(serializers.Serializer[Any]):
    total_fen = serializers.IntegerField()
    principal_fen = serializers.IntegerField(help_text="本金")
    gift_fen = serializers.IntegerField(help_text="赠金")
    is_frozen = serializers.BooleanField(help_text="冻结了：看得到，用不了")


class MemberWalletLineOut(serializers.Serializer[Any]):
    kind = serializers.CharField(source="row.kind")
    words = serializers.CharField()
    fen = serializers.IntegerField(help_text="对余额的增减，本金和赠金合计")
    gift_fen = serializers.IntegerField(source="row.gift_fen")
    at = serializers.DateTimeField(source="row.at")


class MemberTermsOut(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    title = serializers.CharField()
    text = serializers.CharField()


class MemberTopUpOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    state = serializers.ChoiceField(choices=TopUp.State.choices)
    method = serializers.ChoiceField(choices=TopUp.Method.choices)
    principal_fen = serializers.IntegerField()
    gift_fen = serializers.IntegerField()
    ends_at = serializers.DateTimeField(help_text="过了就要导购重新发起")
    needs_real_name = serializers.BooleanField(help_text="true：确认时要带 real_name")
    terms = MemberTermsOut(help_text="确认前要给会员看的章程")


class MemberWaitingTopUpOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    state = serializers.ChoiceField(choices=TopUp.State.choices)
    principal_fen = serializers.IntegerField()


MemberWalletOut = pageful(
    "MemberWalletOut", MemberWalletLineOut, balance=MemberBalanceOut(),
    waiting=MemberWaitingTopUpOut(allow_null=True, help_text="导购发起、等您确认的一笔充值；没有就是空"),
)  # fmt: skip


class Wallet(MemberView):
    @call(
        "member_wallet", "储值余额和明细", gives=MemberWalletOut, query=[BEFORE],
        answer={
            "balance": A_BALANCE, "waiting": {"id": TOP_UP, "state": "asked", "principal_fen": 100000},
            "results": [{"kind": "top_up", "words": "充值", "fen": 187400, "gift_fen": 1400, "at": "2026-11-02T16:00:00+08:00"}], "before": "",
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        member, now = self.member, clock.now()
        waiting = open_top_up(member, now=now)
        more = {
            "balance": MemberBalanceOut(wallet.balance_of(member)).data,
            "waiting": MemberWaitingTopUpOut(waiting).data if waiting else None,
        }
        return self.page(wallet_lines(Transfer.objects.visible_to(self.actor)), "at", _WalletLines, **more)


class _WalletLines(MemberWalletLineOut):
    """A movement as its member reads it, from the row."""

    def to_representation(self, instance: Transfer) -> Any:
        return super().to_representation(WalletLine(instance))


# ---------------------------------------------------------------- a top-up


class MemberRealNameIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=32)
    id_number = serializers.CharField(max_length=18)
    contact = serializers.CharField(max_length=16)


class MemberConfirmTopUpIn(serializers.Serializer[Any]):
    terms_version = serializers.IntegerField(min_value=1, max_value=32767, help_text="会员看过的章程版本")
    real_name = MemberRealNameIn(required=False, help_text="第一次充值要，见 needs_real_name")


class MemberPayOut(serializers.Serializer[Any]):
    is_over = serializers.BooleanField(help_text="true：不用再付了")
    params = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="原样交给 wx.requestPayment"
    )


class TopUpView(MemberView):
    def held(self, public_id: UUID) -> TopUp:
        return self.find(TopUp.objects.visible_to(self.actor).select_related("member"), public_id)

    def told(self, held: TopUp) -> Response:
        now = clock.now()
        facts = wallet.confirm_facts(held, now=now)
        held.needs_real_name, held.terms = facts.needs_real_name, terms_on(local_day(now))  # type: ignore[attr-defined]
        return Response(MemberTopUpOut(held).data)


class OneTopUp(TopUpView):
    @call(
        "member_top_up", "一笔等我确认的充值", gives=MemberTopUpOut, ids={"public_id": TOP_UP}, answer=A_TOP_UP,
        says="导购在店里发起，会员在自己手机上确认再付。付款后每 3 秒读它一次，到 settled 为止。",
    )  # fmt: skip
    def get(self, request: Request, public_id: UUID) -> Response:
        held = self.held(public_id)
        if held.state == TopUp.State.CONFIRMED and held.method == TopUp.Method.WECHAT:
            look_at("top_up", str(held.pk), now=clock.now())
            held.refresh_from_db(fields=["state"])
        return self.told(held)


class ConfirmTopUp(TopUpView):
    limit = "money"

    @call(
        "member_top_up_confirm", "确认充值", takes=MemberConfirmTopUpIn, gives=MemberTopUpOut, ids={"public_id": TOP_UP},
        asks={"第一次": {"terms_version": 1, "real_name": {"name": "王建平", "id_number": "110101198001011232", "contact": "13800132075"}}},
        answer=A_TOP_UP | {"state": "confirmed", "needs_real_name": False},
        refuses=[TopUpEnded, OldTerms, RealNameNeeded, TooYoung, CapPassed],
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        held = self.held(public_id)
        idempotency.must_have_key(request._request)
        given = self.given(MemberConfirmTopUpIn)
        said = given.get("real_name")
        # Not through `once`: what is kept with a key would hold what he says of himself. The state of the row decides.
        held = wallet.confirm_top_up(
            held, member=self.member, now=clock.now(), terms_version=given["terms_version"],
            real_name=wallet.RealName(**said) if said else None,
        )  # fmt: skip
        return self.told(held)


class PayTopUp(TopUpView):
    limit = "money"

    @call(
        "member_top_up_pay", "付充值的钱", gives=MemberPayOut, ids={"public_id": TOP_UP}, answer=PAYING,
        refuses=[TopUpEnded, *ASKED_OF_PAY],
        says="到店付现的（method=counter）不用调。同一笔再调还是同一张支付单。",
    )  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        held, now = self.held(public_id), clock.now()
        idempotency.must_have_key(request._request)
        is_paid = held.state == TopUp.State.SETTLED
        order = None if is_paid else wallet.pay_order_of(held, payer_openid=payer_of(self.session), now=now)
        return Response(MemberPayOut(to_pay(order, now=now)).data)


# ---------------------------------------------------------------- paying out a card


class MemberRefundQuoteOut(serializers.Serializer[Any]):
    principal_fen = serializers.IntegerField()
    gift_fen = serializers.IntegerField()
    pay_fen = serializers.IntegerField(help_text="今天退卡能拿到多少")
    taken_back_fen = serializers.IntegerField(help_text="赠金收回多少")
    may_be_cash = serializers.BooleanField(help_text="可以到店领现金（不足 100 元）")
    pay_before = serializers.DateField(help_text="最晚哪天付给您")


class MemberRefundIn(serializers.Serializer[Any]):
    way = serializers.ChoiceField(choices=CardRefund.Way.choices)
    payee_name = serializers.CharField(max_length=32, required=False, allow_blank=True, help_text="收款人，要是本人")
    payee_account = serializers.CharField(max_length=32, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=200)


class MemberRefundOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    state = serializers.ChoiceField(choices=CardRefund.State.choices)
    state_name = serializers.CharField(source="state_said")
    pay_fen = serializers.IntegerField()
    pay_before = serializers.DateField()


class MemberRefundPageOut(serializers.Serializer[Any]):
    quote = MemberRefundQuoteOut(help_text="卡已经清零、等银行转账时都是 0")
    asked = MemberRefundOut(allow_null=True, help_text="正在办的退卡，到钱转给他为止；没有就是空")


def _nothing_left(asked: CardRefund | None) -> dict[str, Any]:
    """Return the quote of a card that was emptied and whose money is on its way."""
    nothing = dict.fromkeys(("principal_fen", "gift_fen", "pay_fen", "taken_back_fen"), 0)
    return {**nothing, "may_be_cash": False, "pay_before": asked.pay_before if asked else None}


class Refund(MemberView):
    limit = {"post": "money"}

    def _card(self) -> Any:
        card = live_wallet(self.member)
        if card is None or not card.total_fen:
            raise NotFound(_("卡里没有可退的钱。"))
        return card

    @call(
        "member_wallet_refund", "退卡能退多少，办到哪了", gives=MemberRefundPageOut,
        answer={
            "quote": {"principal_fen": 186000, "gift_fen": 1400, "pay_fen": 186000, "taken_back_fen": 1400, "may_be_cash": False, "pay_before": "2026-12-01"},
            "asked": None,
        },
        refuses=[NotFound], says="卡里没有可退的钱、也没有正在办的退卡时答 404。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        card = live_wallet(self.member)
        asked = CardRefund.objects.visible_to(self.actor).under_way().filter(wallet=card).order_by("-pk").first()
        if card is None or asked is None:
            card = self._card()
        quote = wallet.quote_refund(card, now=clock.now()) if card.total_fen else _nothing_left(asked)
        return Response(MemberRefundPageOut({"quote": quote, "asked": asked}).data)

    @call(
        "member_wallet_refund_ask", "申请退卡", takes=MemberRefundIn, gives=MemberRefundOut, status=201,
        asks={"退到本人账户": {"way": "account", "payee_name": "王建平", "payee_account": "6222020000000000000", "reason": "搬家了，不方便来"}},
        answer={"id": "5fa27312-98a4-4b43-8e9f-40c389912c65", "state": "asked", "state_name": "待财务审批", "pay_fen": 186000, "pay_before": "2026-12-01"},
        refuses=[NotFound, NothingToRefund, RefundWaits], says="财务核对后付给本人同名账户；500 元以上要两位财务同意。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        card, said, now = self._card(), self.given(MemberRefundIn), clock.now()

        def work() -> dict[str, str]:
            asked = wallet.ask_refund(
                card, way=said["way"], reason=said["reason"], payee_name=said.get("payee_name", ""),
                payee_account=said.get("payee_account", ""), actor=self.actor, now=now,
            )  # fmt: skip
            return {"id": str(asked.public_id)}

        made = self.find(CardRefund.objects.visible_to(self.actor), self.once(said, work)["id"])
        return Response(MemberRefundOut(made).data, status=201)


ROUTES = [
    path("api/v1/member/wallet/", Wallet.as_view(), name="member-wallet"),
    path("api/v1/member/wallet/refund/", Refund.as_view(), name="member-wallet-refund"),
    path("api/v1/member/top-ups/<uuid:public_id>/", OneTopUp.as_view(), name="member-top-up"),
    path("api/v1/member/top-ups/<uuid:public_id>/confirm/", ConfirmTopUp.as_view(), name="member-top-up-confirm"),
    path("api/v1/member/top-ups/<uuid:public_id>/pay/", PayTopUp.as_view(), name="member-top-up-pay"),
]
