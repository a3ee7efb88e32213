"""The other side of the stand-in: the payer's phone, what goes wrong, what it got. JSON under /control/."""

import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from . import orders
from .notices import FORGERIES, Notices
from .state import Fault, Order, State

Body = dict[str, Any]


class Rejected(Exception):
    """A control request that makes no sense; becomes HTTP 4xx with a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def reset(state: State, notices: Notices, body: Body) -> Body:
    """Forget everything."""
    state.reset()
    notices.reset()
    return {}


def settings(state: State, notices: Notices, body: Body) -> Body:
    """Change limits by their names in `Figures`."""
    for name, value in body.items():
        if not hasattr(state.figures, name):
            raise Rejected(422, f"no such figure: {name}")
        setattr(state.figures, name, type(getattr(state.figures, name))(value))
    return {"figures": asdict(state.figures)}


def set_clock(state: State, notices: Notices, body: Body) -> Body:
    """Set the time: {"now": ISO or epoch seconds or null}. Signatures go by the machine's clock all the same."""
    value = body.get("now")
    state.clock.set(datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value)
    state.ripen()
    return {"now": state.clock.time()}


def get_clock(state: State, notices: Notices, body: Body) -> Body:
    return {"now": state.clock.time()}


# ---------------------------------------------------------------- the payer's phone


def pay(state: State, notices: Notices, body: Body) -> Body:
    """Pay an order: {"prepay_id" (jsapi) | "code_url" (native) | "out_trade_no", "openid"}."""
    held = _found(state, body)
    openid = str(body.get("openid") or held.openid or "oSandboxPayer")
    if held.trade_type == "JSAPI" and held.openid != openid:
        raise Rejected(403, "下单的人和付款的人不是同一个")
    if held.transaction_id:
        raise Rejected(409, "已经付过了")
    if held.state not in ("NOTPAY", "USERPAYING") or held.expires <= state.clock.time():
        raise Rejected(409, "订单已关闭或者过期，请重新下单")
    if not held.prepay_id and not held.code_url and held.trade_type != "MICROPAY":
        raise Rejected(409, "还没有调起支付")
    orders.pay(state, held, openid)
    return {"order": asdict(held)}


def show_code(state: State, notices: Notices, body: Body) -> Body:
    """Show a payment code: {"openid", "outcome": success | paying | payerror | short}."""
    code = f"13{secrets.randbelow(10**16):016d}"
    state.codes[code] = {
        "openid": str(body.get("openid") or "oSandboxPayer"), "outcome": str(body.get("outcome") or "success"), "used": False,
        "ends": state.clock.time() + state.figures.code_seconds,
    }  # fmt: skip
    return {"auth_code": code}


def decide(state: State, notices: Notices, body: Body) -> Body:
    """A payer who is asked for his password: {"out_trade_no", "outcome": success | payerror}."""
    held = _found(state, body)
    if held.state != "USERPAYING":
        raise Rejected(409, "nobody is asked for a password")
    if body.get("outcome") == "payerror":
        held.state, held.decides = "PAYERROR", None
    else:
        orders.pay(state, held, held.openid)
    return {"order": asdict(held)}


# ---------------------------------------------------------------- what goes wrong


def add_fault(state: State, notices: Notices, body: Body) -> Body:
    """Order a misbehaviour: {"api": "jsapi"…, "code" | "http" | "hang" | "reset" | "unsigned", "after_effect", "times"}."""
    try:
        fault = Fault.parse(state.fault_number + 1, body)
    except (TypeError, ValueError) as error:
        raise Rejected(422, str(error)) from None
    state.fault_number += 1
    state.faults.append(fault)
    return {"id": fault.id}


def delete_faults(state: State, notices: Notices, body: Body) -> Body:
    state.faults = []
    return {}


def set_weather(state: State, notices: Notices, body: Body) -> Body:
    """What happens to notices: {"lose": true} | {"copies": 2} | {"late": seconds} | {"forge": kind}, and {"times": n}."""
    if body.get("forge") and body["forge"] not in FORGERIES:
        raise Rejected(422, f"one of {sorted(FORGERIES)}")
    notices.weather = dict(body)
    return {"weather": notices.weather}


def send_notice(state: State, notices: Notices, body: Body) -> Body:
    """Call about an order or refund now: {"out_trade_no" | "out_refund_no", "forge", "copies"}."""
    if body.get("forge") and body["forge"] not in FORGERIES:
        raise Rejected(422, f"one of {sorted(FORGERIES)}")
    kind = "refund" if body.get("out_refund_no") else "order"
    number = str(body.get("out_refund_no") or body.get("out_trade_no") or "")
    if number not in (state.refunds if kind == "refund" else state.orders):
        raise Rejected(404, "no such number")
    records = [
        notices.tell(kind, number, forge=str(body.get("forge") or "")) for _ in range(int(body.get("copies", 1)))
    ]
    return {"seqs": [record["seq"] for record in records]}


def next_refunds(state: State, notices: Notices, body: Body) -> Body:
    """How the next refunds end: {"outcome": SUCCESS | PROCESSING | ABNORMAL | CLOSED, "times": 1}."""
    outcome = str(body.get("outcome", "SUCCESS")).upper()
    if outcome not in ("SUCCESS", "PROCESSING", "ABNORMAL", "CLOSED"):
        raise Rejected(422, "SUCCESS, PROCESSING, ABNORMAL or CLOSED")
    state.next_refunds.extend([outcome] * int(body.get("times", 1)))
    return {}


def settle_refund(state: State, notices: Notices, body: Body) -> Body:
    """End a refund that hangs: {"out_refund_no", "outcome"}."""
    held = state.refunds.get(str(body.get("out_refund_no")))
    if held is None:
        raise Rejected(404, "no such number")
    held.status, held.becomes, held.ripe = "PROCESSING", str(body.get("outcome", "SUCCESS")).upper(), 0.0
    state.ripen()
    return {"refund": asdict(held)}


def change_bill(state: State, notices: Notices, body: Body) -> Body:
    """Let a day's bill say otherwise: {"day", "drop": [number], "change": {number: {"fen": …}}, "add": [{…}]}."""
    day = str(body.pop("day"))
    state.bill_changes[day] = body
    return {}


# ---------------------------------------------------------------- looking


def list_orders(state: State, notices: Notices, body: Body) -> Body:
    rows = [asdict(one) for one in state.orders.values() if not body.get("openid") or one.openid == body["openid"]]
    return {"orders": rows[-int(body.get("limit", 200)) :]}


def list_refunds(state: State, notices: Notices, body: Body) -> Body:
    return {"refunds": [asdict(one) for one in state.refunds.values()]}


def list_notices(state: State, notices: Notices, body: Body) -> Body:
    return {"notices": list(notices.records), "waiting": notices.waiting}


def list_calls(state: State, notices: Notices, body: Body) -> Body:
    return {"calls": list(state.calls)}


def _found(state: State, body: Body) -> Order:
    for name in ("out_trade_no", "prepay_id", "code_url"):
        if value := body.get(name):
            for held in state.orders.values():
                if getattr(held, name) == value:
                    return held
    raise Rejected(404, "没有这个订单")


ROUTES: dict[tuple[str, str], Callable[[State, Notices, Body], Body]] = {
    ("POST", "reset"): reset,
    ("POST", "settings"): settings,
    ("POST", "clock"): set_clock,
    ("GET", "clock"): get_clock,
    ("POST", "pay"): pay,
    ("POST", "auth-code"): show_code,
    ("POST", "decide"): decide,
    ("POST", "fault"): add_fault,
    ("DELETE", "fault"): delete_faults,
    ("POST", "weather"): set_weather,
    ("POST", "notice"): send_notice,
    ("POST", "refunds/next"): next_refunds,
    ("POST", "refunds/settle"): settle_refund,
    ("POST", "bill"): change_bill,
    ("GET", "orders"): list_orders,
    ("GET", "refunds"): list_refunds,
    ("GET", "notices"): list_notices,
    ("GET", "calls"): list_calls,
}
