"""Files of orders, in batches of 1,000 and in constant memory; running one again changes nothing."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol, TextIO

from yejibao.intake import kinds
from yejibao.intake.kinds import RawRow
from yejibao.intake.models import Batch
from yejibao.intake.services import close_batch, file_source, open_batch, take
from yejibao.intake.stage import Answer
from yejibao.intake.tables import FileRefused, Table

from .cdnow import CdnowMap
from .ingest import MAX_ROWS
from .maps import FileOrder, load_map

TITLES = {
    "number": "单号", "store": "门店", "guide": "导购", "member": "会员", "member.phone": "会员手机号", "member.member_no": "会员号",
    "member.name": "会员姓名", "kind": "订单类型", "paid_at": "付款时间", "received_at": "签收时间", "status": "订单状态",
    "paid_fen": "实付金额", "is_gift": "是否送礼", "is_delivery": "是否配送", "note": "备注", "lines": "商品行",
    "line_no": "行号", "sku": "款色码", "item_name": "品名", "color": "颜色", "size": "尺码", "family": "品类",
    "care_key": "洗护类别", "quantity": "件数", "refund_fen": "退款金额", "returns": "退货", "at": "时间", "exchanges": "换货",
}  # fmt: skip
AGAIN = "文件前面已经有这个单号；同一张单的各行要连在一起"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class OrderMap(Protocol):
    """What turns a table into orders."""

    @property
    def name(self) -> str: ...

    @property
    def is_sorted_by_customer(self) -> bool: ...

    def orders(self, table: Table) -> Iterator[FileOrder]: ...


@dataclass(frozen=True)
class Refusal:
    """A row that was refused: where it stands and why."""

    line: int
    number: str
    field: str
    code: str
    reason: str

    @property
    def title(self) -> str:
        """Return what people call the field; an item's field is named without the item, the line says which."""
        return TITLES.get(self.field) or TITLES.get(self.field.rpartition(".")[2], self.field)


def open_map(name: str) -> OrderMap:
    """Return a column map by name or YAML file. Raises FileRefused."""
    return CdnowMap() if name == "cdnow" else load_map(name)


def import_orders(
    path: Path,
    *,
    order_map: OrderMap,
    source: str,
    now: datetime,
    hold: bool = False,
    is_dry_run: bool = False,
    customers: int | None = None,
    on_refusal: Callable[[Refusal], None] = lambda refusal: None,
    on_progress: Callable[[int, Counter[str]], None] = lambda position, counts: None,
) -> Counter[str]:
    """Take in a file of orders and return how many were created, same, changed and refused.

    `customers` takes only the first so many different customers of the file. A number that stands twice in the file is
    refused the second time. Raises FileRefused when the file as a whole cannot be read.
    """
    table = Table(path)
    batch = open_batch(
        kinds.get("orders"),
        file_source(now=now, name=source),
        way=Batch.Way.COMMAND,
        now=now,
        file_name=path.name[-128:],
    )
    counts: Counter[str] = Counter(created=0, same=0, changed=0, refused=0)
    orders = _first_customers(order_map.orders(table), customers, stop=order_map.is_sorted_by_customer)
    with closing(_Seen()) as seen:
        while part := list(islice(orders, MAX_ROWS)):
            for order, answer in _take(part, seen, batch=batch, now=now, hold=hold, is_dry_run=is_dry_run):
                counts[answer.outcome] += 1
                for error in answer.errors if answer.outcome == "refused" else ():
                    line = order.line_of(error["field"])
                    on_refusal(Refusal(line, answer.key, error["field"], error["code"], error["message"]))
            on_progress(table.position, counts)
    if is_dry_run:
        batch.delete()
    else:
        close_batch(batch, now=now)
    return counts


def _take(
    orders: list[FileOrder], seen: _Seen, *, batch: Batch, now: datetime, hold: bool, is_dry_run: bool
) -> Iterator[tuple[FileOrder, Answer]]:
    again = seen.again([order.row["number"] for order in orders])
    rows = []
    for place, order in enumerate(orders):
        row = RawRow(order.line, order.row, order.fault, lines=tuple(order.lines))
        if not order.fault and place in again:
            row = replace(row, fault=AGAIN, fault_code="order.duplicate_in_file", fault_field="number")
        rows.append(row)
    yield from zip(orders, take(batch, rows, now=now, hold=hold, is_dry_run=is_dry_run), strict=True)


def _first_customers(orders: Iterator[FileOrder], most: int | None, *, stop: bool) -> Iterator[FileOrder]:
    if most is None:
        yield from orders
        return
    known: set[str] = set()
    for order in orders:
        if order.customer not in known:
            if len(known) >= most and stop:
                return
            if len(known) >= most:
                continue
            known.add(order.customer)
        yield order


class _Seen:
    """The numbers a file has had so far, on disk: a file of any length takes the same memory."""

    def __init__(self) -> None:
        self.store = sqlite3.connect("")  # a private temporary file
        self.store.execute("CREATE TABLE seen (number TEXT PRIMARY KEY) WITHOUT ROWID")

    def again(self, numbers: list[str]) -> set[int]:
        """Remember numbers and return the places of those that were there before."""
        found = set()
        for place, number in enumerate(numbers):
            if number and not self.store.execute("INSERT OR IGNORE INTO seen VALUES (?)", [_storable(number)]).rowcount:
                found.add(place)
        return found

    def close(self) -> None:
        self.store.close()


def _storable(number: str) -> str:
    return number.encode("utf-8", "backslashreplace").decode()


class RefusalFile:
    """A CSV of refused rows for Excel: line, order, field, code and reason. Made when the first one comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        path.unlink(missing_ok=True)  # of a former run
        self._file: TextIO | None = None

    def add(self, refusal: Refusal) -> None:
        """Append one row; cells that Excel would take for a formula are made text."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8-sig", newline="")
            csv.writer(self._file).writerow(["行号", "单号", "字段", "原因代码", "原因"])
        cells = [str(refusal.line), refusal.number, refusal.title, refusal.code, refusal.reason]
        csv.writer(self._file).writerow([f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in cells])
        self.count += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


__all__ = ["FileRefused", "Refusal", "RefusalFile", "import_orders", "open_map"]
