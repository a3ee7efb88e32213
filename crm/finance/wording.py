"""The proof of a day in words: equations with both their sides, for the page and for the sheet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crm.orders.checkout.models import SalePayment
from crm.wallet.models import Account

from .models import Bill, FinanceDay

PURPOSES = {"top_up": "储值充值", "sale": "销售收款", "exchange": "换货补差价", "care": "洗护改衣收费"}

# What the platform, or our own comparison, says of a refund that does not get through.
REFUND_ERRORS = {
    "ABNORMAL": "会员的收款账户用不了，要重发或另外退",
    "CLOSED": "微信关闭了这笔退款",
    "NOTENOUGH": "商户账户余额不足，每小时再试",
    "MISFIT": "微信说的金额和我们的不一样",
    "TWICE": "已经另外处理过，微信又退成功了：多付的一笔要收回",
    "SYSTEMERROR": "微信系统忙，会再试",
    "FREQUENCYLIMITED": "退得太密，会再试",
}
MISFITS = {
    "amount": "金额不一样", "currency": "币种不一样", "payer": "付款人不一样", "appid": "不是我们的小程序", "mchid": "不是我们的商户号",
    "transaction": "微信单号不一样",
}  # fmt: skip


def refund_error(code: str) -> str:
    """Return why a refund does not get through; an unknown code as it is, for whoever asks WeChat."""
    return REFUND_ERRORS.get(
        code, f"微信拒绝了（{code}）" if code.isupper() else "微信没有应答，会再试" if code else ""
    )


def notice_error(error: str) -> str:
    """Return why a notice was set aside."""
    return MISFITS.get(error.removeprefix("misfit "), "处理失败五次，请系统管理员看日志")


def notice_kind(event: str) -> str:
    return {
        "TRANSACTION.SUCCESS": "支付成功",
        "REFUND.SUCCESS": "退款成功",
        "REFUND.ABNORMAL": "退款异常",
        "REFUND.CLOSED": "退款关闭",
    }.get(event, event)


@dataclass(frozen=True)
class Line:
    """One line of an equation. `sign`: + − = or "" for what is only told."""

    label: str
    fen: int | None
    sign: str = ""
    note: str = ""
    is_total: bool = False
    is_off: bool = False


@dataclass(frozen=True)
class Block:
    """One equation."""

    title: str
    lines: tuple[Line, ...]
    note: str = ""

    @property
    def is_off(self) -> bool:
        return any(line.is_off for line in self.lines)


def blocks(day: FinanceDay) -> list[Block]:
    """Return the equations of a day as they were counted."""
    proof = day.proof
    if not proof:
        return []
    payable = [_payable(proof["payable"])] if "payable" in proof else []  # days that were closed before it was counted
    return [_wechat(proof["wechat"]), *map(_card, proof["card"]), _sales(proof["sales"]), *payable]


def _wechat(facts: dict[str, Any]) -> Block:
    theirs, ours = facts["theirs_fen"], facts["ours_fen"]
    lines = [Line("台账：当天记的微信收款净额", facts["booked_fen"])]
    if facts["elsewhere_fen"]:
        lines.append(Line("当天的款，记在别的日子", facts["elsewhere_fen"], "+", "跨零点才收到通知"))
    if facts["others_fen"]:
        lines.append(Line("别的日子的款，记在当天", facts["others_fen"], "−"))
    if facts["adjusted_fen"]:
        lines.append(Line("当天做的调整分录", facts["adjusted_fen"], "−"))
    lines.append(Line("应该出现在资金账单里", ours, "=", is_total=True))
    lines.append(Line("微信资金账单净额", theirs, note=_bill_note(facts["fund"])))
    if theirs is not None:
        lines.append(Line("差", theirs - ours, "=", is_total=True, is_off=theirs != ours))
    orders, trade = facts["orders_fen"] - facts["refunds_fen"], facts["trade"]
    lines.append(Line("支付单收款减退款", orders, note="，".join(_orders(facts))))
    if trade is not None:
        net = trade["in_fen"] - trade["out_fen"]
        lines.append(Line("微信交易账单收款减退款", net, note=_bill_note(trade)))
        lines.append(Line("差", net - orders, "=", is_total=True, is_off=net != orders))
    return Block("微信收款", tuple(lines), "手续费由微信另扣，不进台账。")


def _orders(facts: dict[str, Any]) -> Iterator[str]:
    for row in facts["orders"]:
        yield f"{PURPOSES.get(row['purpose'], row['purpose'])} {row['count']} 笔"
    if facts["refunds"]:
        yield f"退款 {facts['refunds']} 笔"


def _bill_note(bill: dict[str, int] | None) -> str:
    if bill is None:
        return "账单还没到"
    return f"{bill['lines']} 行，手续费 {bill['fee_fen'] / 100:,.2f} 元" if bill["lines"] else "当天没有流水"


def _card(row: dict[str, Any]) -> Block:
    is_gift = row["part"] == Account.GIFT
    lines = [
        Line("期初", row["opening_fen"]),
        Line("赠送" if is_gift else "充值", row["topped_up_fen"], "+"),
        Line("消费", row["spent_fen"], "−"),
        Line("退货退回卡里", row["returned_fen"], "+"),
        Line("退卡收回" if is_gift else "退卡", row["refunded_fen"], "−"),
    ]
    if row["corrected_fen"]:
        lines.append(Line("冲正", row["corrected_fen"], "+"))
    total = (
        row["opening_fen"] + row["topped_up_fen"] - row["spent_fen"] + row["returned_fen"] - row["refunded_fen"]
        + row["corrected_fen"]
    )  # fmt: skip
    lines.append(Line("期末", row["closing_fen"], "=", is_total=True, is_off=total != row["closing_fen"]))
    return Block("储值赠金" if is_gift else "储值本金", tuple(lines))


def _sales(facts: dict[str, Any]) -> Block:
    ways = dict(SalePayment.Way.choices)
    lines = [Line(str(ways.get(way, way)), fen, "+") for way, fen in sorted(facts["taken"].items())]
    lines.append(Line("各种方式收到", facts["taken_fen"], "=", is_total=True))
    lines.append(Line("销售单商品行应收", facts["lines_fen"], note=f"{facts['count']} 单"))
    difference = facts["taken_fen"] - facts["lines_fen"]
    lines.append(Line("差", difference, "=", is_total=True, is_off=bool(difference)))
    lines += [
        Line(f"退回：{ways.get(way, way)}", fen, note="当天办完的退货") for way, fen in sorted(facts["back"].items())
    ]
    return Block("销售", tuple(lines))


def _payable(facts: dict[str, int]) -> Block:
    cards, waiting = facts["cards_fen"], facts["waiting_fen"]
    lines = [
        Line("期初", facts["opening_fen"]),
        Line("新增要付的", facts["owed_fen"], "+"),
        Line("付出去的", facts["paid_fen"], "−", "也含财务停止退款、转到待查的"),
        Line("期末", facts["closing_fen"], "=", is_total=True),
        Line("台账：其中储值退卡待付", cards),
        Line("等银行转账的退卡", waiting, note=f"{facts['waiting']} 笔"),
        Line("差", cards - waiting, "=", is_total=True, is_off=cards != waiting),
    ]
    return Block("退款待付", tuple(lines), "还没付到会员手里的钱：退卡等银行转账，退货等微信退回。")


def accounts(day: FinanceDay) -> list[dict[str, Any]]:
    """Return the trial balance with the names of the accounts."""
    names = dict(Account.choices)
    return [row | {"name": names.get(row["account"], row["account"])} for row in day.proof.get("accounts", ())]


def sheet_lines(day: FinanceDay) -> list[dict[str, Any]]:
    """Return section, line, amount and remark of everything the page shows: the day's sheet."""
    rows: list[dict[str, Any]] = []
    for block in blocks(day):
        rows += [
            {"section": block.title, "label": f"{line.sign} {line.label}".strip(), "fen": line.fen, "note": line.note}
            for line in block.lines
        ]
    rows += [
        {"section": "试算平衡", "label": row["name"], "fen": row["balance_fen"], "note": "借方余额为正，贷方余额为负"}
        for row in accounts(day)
    ]
    rows += [
        {"section": f"差异：{one.get_source_display()}", "label": f"{one.get_kind_display()} {one.number}",
         "fen": one.difference_fen, "note": f"{one.get_state_display()} {one.get_answer_display()} {one.note}".strip()}
        for one in day.breaks.order_by("source", "number")
    ]  # fmt: skip
    kinds = dict(Bill.Kind.choices)
    rows += [
        {"section": "账单", "label": str(kinds[bill.kind]), "fen": bill.in_fen - bill.out_fen,
         "note": f"{bill.lines_count} 行 SHA-256 {bytes(bill.digest).hex()[:16]}"}
        for bill in day.bills.order_by("kind")
    ]  # fmt: skip
    return rows
