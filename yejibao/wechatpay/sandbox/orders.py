"""/v3/pay/transactions: orders under numbers that are unique for ever, payment codes, queries, close, reverse."""

import json
import re
import secrets
from datetime import datetime
from typing import Any

from .state import Order, Refusal, State

NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}", re.ASCII)
LEAST_SECONDS = 60  # an earlier end is moved


def order(state: State, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """JSAPI and Native: make the order, or another prepay_id for the same one."""
    number, words = _number(state, body), json.dumps(body, sort_keys=True)
    held = state.orders.get(number)
    if held is not None:
        if held.state == "CLOSED":
            raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
        if held.state != "NOTPAY":
            raise Refusal(400, "ORDERPAID", "该订单已支付")
        if held.words != words:
            raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复")
    if not body.get("notify_url") or len(body["notify_url"]) > 255 or "?" in body["notify_url"]:
        raise Refusal(400, "PARAM_ERROR", "notify_url 不对")
    openid = str((body.get("payer") or {}).get("openid") or "")
    if kind == "jsapi" and not openid:
        raise Refusal(400, "PARAM_ERROR", "payer.openid 不能为空")
    if held is None:
        held = _new(state, number, "JSAPI" if kind == "jsapi" else "NATIVE", body, openid, words)
    if held.expires <= state.clock.time():
        raise Refusal(400, "INVALID_REQUEST", "订单已过期，请换单号")
    if kind == "jsapi":
        held.prepay_id = "wx" + secrets.token_hex(15)
        return {"prepay_id": held.prepay_id}
    held.code_url = held.code_url or f"weixin://wxpay/bizpayurl?pr={secrets.token_urlsafe(8)}"
    return {"code_url": held.code_url}


def take_code(state: State, body: dict[str, Any]) -> dict[str, Any]:
    """Codepay: charge the code on the payer's phone."""
    number = _number(state, body)
    if number in state.orders:
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复")
    if not (body.get("scene_info") or {}).get("store_info"):
        raise Refusal(400, "PARAM_ERROR", "scene_info.store_info 不能为空")
    code = str((body.get("payer") or {}).get("auth_code") or "")
    held = state.codes.get(code)
    if held is None or not re.fullmatch(r"1[0-5]\d{16}", code):
        raise Refusal(400, "PARAM_ERROR", "付款码无效")
    if held["used"] or held["ends"] <= state.clock.time():
        raise Refusal(400, "INVALID_REQUEST", "付款码已过期，请刷新后再试")
    held["used"] = True
    made = _new(state, number, "MICROPAY", body, held["openid"], json.dumps(body, sort_keys=True))
    match held["outcome"]:
        case "success":
            pay(state, made, held["openid"])
        case "paying":
            made.state, made.decides = "USERPAYING", state.clock.time() + state.figures.paying_seconds
        case "payerror":
            made.state = "PAYERROR"
            raise Refusal(403, "TRADE_ERROR", "支付失败，请换一张卡")
        case "short":
            made.state = "PAYERROR"
            raise Refusal(403, "NOTENOUGH", "余额不足")
    return shape(state, made)


def query(state: State, number: str) -> dict[str, Any]:
    """Return an order by our number."""
    return shape(state, _found(state, number))


def query_by_id(state: State, transaction_id: str) -> dict[str, Any]:
    """Return an order by the platform's number."""
    for held in state.orders.values():
        if held.transaction_id == transaction_id:
            return shape(state, held)
    raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")


def close(state: State, number: str) -> None:
    """Close an unpaid order; a closed one again is fine."""
    held = _found(state, number)
    if held.transaction_id:
        raise Refusal(400, "ORDERPAID", "该订单已支付")
    if held.state == "USERPAYING":
        raise Refusal(400, "USERPAYING", "用户支付中")
    held.state, state.dirty = "CLOSED", True


def reverse(state: State, number: str) -> None:
    """Undo a payment code's order: closed when unpaid, paid back when paid."""
    held = _found(state, number)
    if held.trade_type != "MICROPAY":
        raise Refusal(400, "INVALID_REQUEST", "只能撤销付款码支付")
    held.state, held.decides, state.dirty = "REVOKED", None, True


def pay(state: State, held: Order, openid: str) -> None:
    """The payer pays. From here the money is the merchant's."""
    held.state, held.paid, held.decides = "SUCCESS", state.clock.time(), None
    held.transaction_id, held.openid = state.number("42000"), openid
    state.dirty = True
    if held.trade_type != "MICROPAY":
        state.to_tell.append(("order", held.out_trade_no))


def shape(state: State, held: Order) -> dict[str, Any]:
    """Return an order as answers and notices show it."""
    facts: dict[str, Any] = {
        "appid": state.merchant.appid, "mchid": state.merchant.mchid, "out_trade_no": held.out_trade_no,
        "trade_type": held.trade_type, "trade_state": held.state, "trade_state_desc": held.state, "attach": "",
        "amount": {"total": held.total, "currency": "CNY"},
    }  # fmt: skip
    if held.openid and (held.transaction_id or held.trade_type == "JSAPI"):
        facts["payer"] = {"openid": held.openid}
    if held.transaction_id and held.paid is not None:
        if held.state == "SUCCESS" and state.refunded(held):
            facts["trade_state"] = facts["trade_state_desc"] = "REFUND"
        facts |= {
            "transaction_id": held.transaction_id,
            "bank_type": "OTHERS",
            "success_time": state.clock.iso(held.paid),
            "amount": {"total": held.total, "payer_total": held.total, "currency": "CNY", "payer_currency": "CNY"},
        }
    return facts


def _found(state: State, number: str) -> Order:
    held = state.orders.get(number)
    if held is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    return held


def _number(state: State, body: dict[str, Any]) -> str:
    if body.get("appid") != state.merchant.appid or body.get("mchid") != state.merchant.mchid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配")
    number, amount = body.get("out_trade_no"), body.get("amount") or {}
    if not isinstance(number, str) or not NUMBER.fullmatch(number):
        raise Refusal(400, "PARAM_ERROR", "商户订单号不对")
    total = amount.get("total")
    if not isinstance(total, int) or isinstance(total, bool) or total <= 0 or amount.get("currency", "CNY") != "CNY":
        raise Refusal(400, "PARAM_ERROR", "金额不对")
    description = body.get("description")
    if not isinstance(description, str) or not 0 < len(description) <= 127:
        raise Refusal(400, "PARAM_ERROR", "商品描述不对")
    return number


def _new(state: State, number: str, kind: str, body: dict[str, Any], openid: str, words: str) -> Order:
    now = state.clock.time()
    ends = now + state.figures.order_days * 86_400
    if text := body.get("time_expire"):
        try:
            ends = max(datetime.fromisoformat(text).timestamp(), now + LEAST_SECONDS)
        except (TypeError, ValueError):
            raise Refusal(400, "PARAM_ERROR", "time_expire 不对") from None
    state.dirty = True
    held = state.orders[number] = Order(
        number, kind, body["description"], body["amount"]["total"], openid, str(body.get("notify_url") or ""), now, ends, words,
        store=str(((body.get("scene_info") or {}).get("store_info") or {}).get("out_id") or ""),
    )  # fmt: skip
    return held
