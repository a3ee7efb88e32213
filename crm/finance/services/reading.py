"""Reads the provider's bills (wecom-api §12.2): CSV with Chinese heads, a backtick before each value, sums in the last line."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from yejibao.core.clock import parse_iso

from ..models import Bill, BillLine

Kind = BillLine.Kind
YUAN = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,8}))?", re.ASCII)


class NotABill(ValueError):
    """What came is no bill as we know it: told, never guessed at."""


@dataclass(frozen=True)
class Line:
    """One payment, refund or fee of a bill. `amount_fen` > 0 came in, < 0 went out."""

    kind: str
    number: str
    platform_id: str
    amount_fen: int
    fee_fen: int
    state: str
    at: datetime


@dataclass(frozen=True)
class Read:
    """A bill as it says itself."""

    lines: tuple[Line, ...]
    in_fen: int
    out_fen: int
    fee_fen: int


def fen(text: str) -> int:
    """Return yuan as fen; fees have five decimals and are rounded half up. Raises NotABill."""
    found = YUAN.fullmatch(text.strip())
    if found is None:
        raise NotABill("amount")
    sign, whole, decimals = found.groups()
    hundredths, rest = int((decimals or "").ljust(3, "0")[:2]), (decimals or "").ljust(3, "0")[2]
    amount = int(whole) * 100 + hundredths + (rest >= "5")
    return -amount if sign else amount


def read_trade(content: bytes) -> Read:
    """Read a trade bill (ALL): payments, and refunds that got through. Raises NotABill."""
    lines, fees = [], 0
    for row in _rows(content, "交易时间", "总交易单数"):
        at, fee = parse_iso(row["交易时间"]), fen(row["手续费"])
        fees += fee
        if row["交易状态"] == "REFUND":
            lines.append(
                Line(
                    Kind.REFUND,
                    row["商户退款单号"],
                    row["微信退款单号"],
                    -fen(row["退款金额"]),
                    fee,
                    row["退款状态"],
                    at,
                )
            )
        elif row["交易状态"] in ("SUCCESS", "REVOKED"):
            lines.append(
                Line(Kind.PAY, row["商户订单号"], row["微信订单号"], fen(row["订单金额"]), fee, row["交易状态"], at)
            )
        else:
            raise NotABill("state")
    return _read(lines, fees)


def read_fund(content: bytes) -> Read:
    """Read a fund-flow bill: what moved on the merchant's account. Raises NotABill."""
    lines, fees = [], 0
    for row in _rows(content, "记账时间", "资金流水总笔数"):
        if row["收支类型"] not in ("收入", "支出"):
            raise NotABill("direction")
        amount = fen(row["收支金额(元)"]) * (1 if row["收支类型"] == "收入" else -1)
        kind = _kind_of(row["业务名称"])
        fees -= amount if kind == Kind.FEE else 0
        lines.append(
            Line(kind, row["业务凭证号"], row["微信支付业务单号"], amount, 0, row["业务名称"][:16], parse_iso(row["记账时间"]))
        )  # fmt: skip
    return _read(lines, fees)


READERS = {Bill.Kind.TRADE: read_trade, Bill.Kind.FUND: read_fund}


def _kind_of(name: str) -> str:
    if "手续费" in name:
        return Kind.FEE
    return {"交易": Kind.PAY, "退款": Kind.REFUND}.get(name, Kind.OTHER)


def _read(lines: list[Line], fees: int) -> Read:
    money = [line.amount_fen for line in lines if line.kind in (Kind.PAY, Kind.REFUND)]
    return Read(tuple(lines), sum(fen for fen in money if fen > 0), -sum(fen for fen in money if fen < 0), fees)


def _rows(content: bytes, first: str, sums: str) -> Iterator[dict[str, str]]:
    """Yield the rows by the names of the head, and compare their count with the one the bill ends with."""
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
        head = [cell.strip() for cell in next(rows, [])]
        if not head or head[0] != first:
            raise NotABill("head")
        for count, cells in enumerate(rows):
            if cells and cells[0] == sums:
                told = [cell.lstrip("`") for cell in next(rows, [])]
                if not told or told[0] != str(count):
                    raise NotABill("count")
                return
            if len(cells) != len(head):
                raise NotABill("row")
            yield {name: cell.lstrip("`").strip() for name, cell in zip(head, cells, strict=True)}
    except (UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise NotABill(str(error)) from None
    raise NotABill("cut off")
