"""The stand-in keeps the platform's rules; the gateway makes one kind of error of every way to say no."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from tests.conftest import SandboxControl
from yejibao.core import clock
from yejibao.core.clock import local_day
from yejibao.wechatpay import account, gateway
from yejibao.wechatpay.errors import Kind, PayError
from yejibao.wechatpay.gateway import Gateway, read_payment, read_refund

from .conftest import OPENID


def order(door: Gateway, number: str = "P00000001", **facts: Any) -> str:
    words = {"description": "衬衫", "amount_fen": 100, "openid": OPENID, "expires_at": clock.now() + timedelta(hours=2)}
    return door.order_jsapi(out_trade_no=number, **(words | facts))


def refused(work: Any) -> tuple[str, str]:
    with pytest.raises(PayError) as caught:
        work()
    return caught.value.code, str(caught.value.kind)


def test_a_number_is_one_order_for_ever(pay: SandboxControl, now: datetime) -> None:
    door = gateway.default()
    first, again = order(door), order(door)
    assert first != again and len(pay.get("orders")["orders"]) == 1
    assert refused(lambda: order(door, amount_fen=101)) == ("OUTTRADENOUSED", "permanent")
    pay.post("pay", prepay_id=again, openid=OPENID)
    assert refused(lambda: order(door)) == ("ORDERPAID", "permanent")
    assert refused(lambda: door.close("P00000001")) == ("ORDERPAID", "permanent")
    order(door, "P00000002")
    door.close("P00000002")
    door.close("P00000002")
    assert refused(lambda: order(door, "P00000002")) == ("ORDERCLOSED", "permanent")
    assert refused(lambda: door.query("P00000003")) == ("ORDERNOTEXIST", "permanent")
    assert refused(lambda: door.query_refund("R00000003")) == ("RESOURCENOTEXISTS", "permanent")


def test_an_end_too_near_is_moved_and_is_kept(pay: SandboxControl, now: datetime) -> None:
    order(gateway.default(), expires_at=now + timedelta(seconds=1))
    (held,) = pay.get("orders")["orders"]
    assert held["expires"] == (now + timedelta(minutes=1)).timestamp()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("WECHATPAY_MCHID", "1900009999"), ("WECHATPAY_SERIAL_NO", "00"), ("WECHATPAY_PRIVATE_KEY", "other")],
)
def test_who_is_not_the_merchant_is_not_let_in(
    pay: SandboxControl, now: datetime, settings: Any, setting: str, value: str
) -> None:
    # The stand-in's own key is one, and not the merchant's.
    setattr(settings, setting, account.own_key(account.PLATFORM) if value == "other" else value)
    assert refused(lambda: order(gateway.default())) == ("SIGNERROR", "admin")


def test_an_unsigned_call_is_refused(pay: SandboxControl) -> None:
    answer = requests.get(f"{pay.url}/v3/pay/transactions/out-trade-no/P1?mchid=1900000109", timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")


@pytest.mark.parametrize(
    ("fault", "kind", "may"),
    [
        ({"http": 502}, Kind.UNKNOWN, True),
        ({"reset": True}, Kind.UNKNOWN, True),
        ({"unsigned": True}, Kind.UNKNOWN, True),
        ({"code": "FREQUENCY_LIMITED", "http": 429}, Kind.THROTTLE, False),
        ({"code": "NOT_ENOUGH", "http": 403}, Kind.SHORT, False),
        ({"code": "NO_AUTH", "http": 403}, Kind.ADMIN, False),
        ({"code": "SYSTEM_ERROR", "http": 500}, Kind.UNKNOWN, True),
    ],
)
def test_each_way_to_say_no_is_one_error(
    pay: SandboxControl, now: datetime, fault: dict[str, Any], kind: Kind, may: bool
) -> None:
    pay.post("fault", api="jsapi", times=1, **fault)
    with pytest.raises(PayError) as caught:
        order(gateway.default())
    assert (caught.value.kind, caught.value.may_have_happened) == (kind, may)
    assert OPENID not in str(caught.value) and "衬衫" not in str(caught.value)


def test_nobody_there_is_surely_not_sent(now: datetime, settings: Any) -> None:
    settings.WECHATPAY_API_BASE = "http://127.0.0.1:9"
    assert refused(lambda: order(gateway.default())) == ("", "transient")


def test_the_bills_have_the_documented_columns_and_their_sums(pay: SandboxControl, now: datetime) -> None:
    door = gateway.default()
    pay.post("pay", prepay_id=order(door, amount_fen=12345), openid=OPENID)
    door.refund(out_refund_no="R1", out_trade_no="P00000001", amount_fen=345, total_fen=12345, reason="退货")
    door.query_refund("R1")
    day = local_day(now)
    assert refused(lambda: door.trade_bill(day)) == ("NOSTATEMENTEXIST", "permanent")
    pay.post("clock", now=(now + timedelta(days=1)).isoformat())
    trade = list(csv.reader(io.StringIO(door.trade_bill(day).decode("utf-8-sig"))))
    assert (len(trade[0]), trade[0][5], trade[0][6], trade[-2][0]) == (27, "微信订单号", "商户订单号", "总交易单数")
    assert trade[-1] == ["`2", "`123.45", "`3.45", "`0.00", "`0.72000", "`123.45", "`3.45"]
    fund = list(csv.reader(io.StringIO(door.fund_flow_bill(day).decode("utf-8-sig"))))
    assert [row[3] for row in fund[1:-2]] == ["`交易", "`扣除交易手续费", "`退款", "`退还交易手续费"]
    assert refused(lambda: door.trade_bill(day - timedelta(days=3))) == ("NOSTATEMENTEXIST", "permanent")


@pytest.mark.parametrize(
    "facts",
    [
        {}, {"out_trade_no": 1, "trade_state": "SUCCESS"}, {"out_trade_no": "P", "trade_state": None},
        {"out_trade_no": "P", "trade_state": "SUCCESS", "amount": {"total": "100"}},
        {"out_trade_no": "P", "trade_state": "SUCCESS", "amount": {"total": True}},
        {"out_trade_no": "P", "trade_state": "SUCCESS", "amount": [1]},
        {"out_trade_no": "P", "trade_state": "SUCCESS", "success_time": 5},
        {"out_trade_no": "P\0", "trade_state": "SUCCESS"}, {"out_trade_no": "P" * 200, "trade_state": "SUCCESS"},
    ],
)  # fmt: skip
def test_what_is_no_payment_is_not_read_as_one(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        read_payment(facts)
    with pytest.raises(ValueError):
        read_refund(facts)
