"""/v3/refund/domestic/refunds: accepted first, done later; the same number never pays twice."""

import re
from typing import Any

from .state import Order, Refund, Refusal, State

NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}", re.ASCII)


def refund(state: State, body: dict[str, Any]) -> dict[str, Any]:
    """Ask for money back."""
    number, amount = body.get("out_refund_no"), body.get("amount") or {}
    if not isinstance(number, str) or not NUMBER.fullmatch(number):
        raise Refusal(400, "PARAM_ERROR", "商户退款单号不对")
    order = _order(state, body)
    wanted, total = amount.get("refund"), amount.get("total")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted <= 0 or total != order.total:
        raise Refusal(400, "PARAM_ERROR", "退款金额不对")
    held = state.refunds.get(number)
    if held is not None:
        if (held.out_trade_no, held.amount) != (order.out_trade_no, wanted):
            raise Refusal(400, "INVALID_REQUEST", "退款单号已用于另一笔退款")
        if held.status in ("ABNORMAL", "CLOSED"):  # tried again
            _start(state, held)
        return shape(state, held)
    others = [one for one in state.refunds.values() if one.out_trade_no == order.out_trade_no]
    if len(others) >= state.figures.refunds_most:
        raise Refusal(403, "RULE_LIMIT", "一笔订单最多退款 50 次")
    if any(state.clock.time() - one.created < state.figures.refund_gap_seconds for one in others):
        raise Refusal(429, "FREQUENCY_LIMITED", "同一订单两次退款要隔一分钟")
    if state.refunded(order) + wanted > order.total:
        raise Refusal(400, "INVALID_REQUEST", "退款总额超过了订单金额")
    if state.balance < wanted:
        raise Refusal(403, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起")
    made = state.refunds[number] = Refund(
        number, state.number("50300"), order.out_trade_no, wanted, str(body.get("reason") or ""),
        str(body.get("notify_url") or order.notify_url), state.clock.time(),
    )  # fmt: skip
    _start(state, made)
    return shape(state, made)


def query(state: State, number: str) -> dict[str, Any]:
    """Return a refund by our number."""
    held = state.refunds.get(number)
    if held is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return shape(state, held)


def shape(state: State, held: Refund) -> dict[str, Any]:
    """Return a refund as answers show it."""
    order = state.orders[held.out_trade_no]
    facts: dict[str, Any] = {
        "refund_id": held.refund_id, "out_refund_no": held.out_refund_no, "transaction_id": order.transaction_id,
        "out_trade_no": held.out_trade_no, "channel": "ORIGINAL", "user_received_account": "支付用户零钱",
        "create_time": state.clock.iso(held.created), "status": held.status, "funds_account": "AVAILABLE",
        "amount": {"total": order.total, "refund": held.amount, "payer_total": order.total, "payer_refund": held.amount,
                   "settlement_refund": held.amount, "settlement_total": order.total, "discount_refund": 0, "currency": "CNY"},
    }  # fmt: skip
    if held.status == "SUCCESS" and held.settled is not None:
        facts["success_time"] = state.clock.iso(held.settled)
    return facts


def _start(state: State, held: Refund) -> None:
    held.status, held.settled = "PROCESSING", None
    held.becomes = state.next_refunds.popleft() if state.next_refunds else "SUCCESS"
    held.ripe = state.clock.time() + state.figures.refund_seconds
    state.dirty = True


def _order(state: State, body: dict[str, Any]) -> Order:
    number, by_id = body.get("out_trade_no"), body.get("transaction_id")
    for order in state.orders.values():
        if order.transaction_id and (order.out_trade_no == number or order.transaction_id == by_id):
            return order
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在或者没有支付")
