"""/v3/bill: the day's orders and refunds, and the day's movements of the merchant's account, as the platform writes them."""

import csv
import gzip
import hashlib
import io
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from .state import CHINA, Refusal, State

TRADE_HEAD = (
    "交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识", "交易类型", "交易状态", "付款银行", "货币种类",
    "应结订单金额", "代金券金额", "微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态", "商品名称", "商户数据包", "手续费",
    "费率", "订单金额", "申请退款金额", "费率备注",
)  # fmt: skip
TRADE_SUMS = (
    "总交易单数",
    "应结订单总金额",
    "退款总金额",
    "充值券退款总金额",
    "手续费总金额",
    "订单总金额",
    "申请退款总金额",
)
FUND_HEAD = (
    "记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "资金变更提交申请人", "备注", "业务凭证号",
)  # fmt: skip
FUND_SUMS = ("资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额")


def apply(state: State, kind: str, query: dict[str, str]) -> dict[str, Any]:
    """Return where a day's bill is fetched."""
    day = query.get("bill_date", "")
    try:
        ready = datetime.fromisoformat(day).replace(tzinfo=CHINA) + timedelta(days=1, hours=state.figures.bill_hour)
    except ValueError:
        raise Refusal(400, "PARAM_ERROR", "账单日期不对") from None
    if state.clock.time() < ready.timestamp():
        raise Refusal(400, "NO_STATEMENT_EXIST", "账单还没有生成，次日 10 点后再来")
    content = trade(state, day) if kind == "tradebill" else fund_flow(state, day)
    if content is None:
        raise Refusal(400, "NO_STATEMENT_EXIST", "这一天没有账单")
    token = secrets.token_urlsafe(24)
    state.files[token] = gzip.compress(content)
    while len(state.files) > 50:
        del state.files[next(iter(state.files))]
    return {
        "download_url": f"{state.own_url}/v3/billdownload/file?token={token}",
        "hash_type": "SHA1",
        "hash_value": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
    }


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def lines(state: State, day: str) -> list[dict[str, Any]]:
    """Return what happened on a day: payments and refunds that got through; `control/bill` may tell otherwise."""
    rows: list[dict[str, Any]] = []
    for order in state.orders.values():
        if order.paid is not None and order.state != "REVOKED" and state.clock.day(order.paid) == day:
            rows.append(
                {"kind": "pay", "at": order.paid, "number": order.out_trade_no, "id": order.transaction_id, "fen": order.total,
                 "openid": order.openid, "type": order.trade_type, "what": order.description}
            )  # fmt: skip
    for refund in state.refunds.values():
        if refund.status == "SUCCESS" and refund.settled is not None and state.clock.day(refund.settled) == day:
            order = state.orders[refund.out_trade_no]
            rows.append(
                {"kind": "refund", "at": refund.settled, "number": order.out_trade_no, "id": order.transaction_id,
                 "fen": order.total, "openid": order.openid, "type": order.trade_type, "what": order.description,
                 "refund": refund.out_refund_no, "refund_id": refund.refund_id, "back": refund.amount}
            )  # fmt: skip
    changes = state.bill_changes.get(day, {})
    rows = [row for row in rows if (row.get("refund") or row["number"]) not in changes.get("drop", ())]
    for row in rows:
        row |= changes.get("change", {}).get(row.get("refund") or row["number"], {})
    rows += [
        {"kind": "pay", "at": state.clock.time(), "openid": "o", "type": "JSAPI", "what": "不认识的一笔"} | extra
        for extra in changes.get("add", ())
    ]
    return sorted(rows, key=lambda row: (row["at"], row["number"]))


def _written(head: tuple[str, ...], rows: list[list[str]], sums: tuple[str, ...], totals: list[str]) -> bytes:
    out = io.StringIO()
    out.write("﻿")
    out.write(",".join(head) + "\r\n")
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL)
    for row in rows:
        writer.writerow([f"`{cell}" for cell in row])  # so that no spreadsheet rounds a number
    out.write(",".join(sums) + "\r\n")
    writer.writerow([f"`{cell}" for cell in totals])
    return out.getvalue().encode()


def _fee(state: State, fen: int) -> int:
    return (fen * state.figures.fee_per_mille + 500) // 1000


def trade(state: State, day: str) -> bytes | None:
    rows, merchant = [], state.merchant
    found = lines(state, day)
    for row in found:
        is_pay, back = row["kind"] == "pay", row.get("back", 0)
        fee = _fee(state, row["fen"]) if is_pay else -_fee(state, back)
        rows.append([
            _at(row["at"]), merchant.appid, merchant.mchid, "0", "", row["id"], row["number"], row["openid"], row["type"],
            "SUCCESS" if is_pay else "REFUND", "OTHERS", "CNY", _yuan(row["fen"]) if is_pay else "0.00", "0.00",
            row.get("refund_id", "0"), row.get("refund", "0"), _yuan(back), "0.00", "" if is_pay else "ORIGINAL",
            "" if is_pay else "SUCCESS", row["what"], "", f"{'-' if fee < 0 else ''}{abs(fee) // 100}.{abs(fee) % 100:02d}000",
            f"{state.figures.fee_per_mille / 10:.2f}%", _yuan(row["fen"]) if is_pay else "0.00", _yuan(back), "",
        ])  # fmt: skip
    if not rows:
        return None
    paid = sum(row["fen"] for row in found if row["kind"] == "pay")
    back = sum(row.get("back", 0) for row in found)
    fees = sum(_fee(state, row["fen"]) if row["kind"] == "pay" else -_fee(state, row["back"]) for row in found)
    totals = [str(len(rows)), _yuan(paid), _yuan(back), "0.00", f"{_yuan(abs(fees))}000", _yuan(paid), _yuan(back)]
    return _written(TRADE_HEAD, rows, TRADE_SUMS, totals)


def fund_flow(state: State, day: str) -> bytes | None:
    rows: list[list[str]] = []
    balance, taken, given, ins, outs = state.figures.balance_fen, 0, 0, 0, 0
    for row in lines(state, day):
        is_pay = row["kind"] == "pay"
        fen = row["fen"] if is_pay else row["back"]
        fee = _fee(state, fen)
        moves = [
            ("交易", "交易", is_pay, fen),
            ("扣除交易手续费" if is_pay else "退还交易手续费", "扣除交易手续费", not is_pay, fee),
        ]
        if not is_pay:
            moves[0] = ("退款", "退款", False, fen)
        for name, kind, is_in, amount in moves:
            if not amount:
                continue
            balance += amount if is_in else -amount
            taken, given = taken + amount * is_in, given + amount * (not is_in)
            ins, outs = ins + is_in, outs + (not is_in)
            rows.append([
                _at(row["at"]), row["id"] if is_pay else row["refund_id"], str(len(rows) + 1).zfill(10), name, kind,
                "收入" if is_in else "支出", _yuan(amount), _yuan(balance), "system", "",
                row["number"] if is_pay else row["refund"],
            ])  # fmt: skip
    if not rows:
        return None
    return _written(FUND_HEAD, rows, FUND_SUMS, [str(len(rows)), str(ins), _yuan(taken), str(outs), _yuan(given)])
