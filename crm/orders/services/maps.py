"""Column maps: which column of a file feeds which field of a feed row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from crm.orders.models import Order
from yejibao.core.domain_files import read_yaml
from yejibao.intake.reading import fen, moment
from yejibao.intake.tables import FileRefused, Table, TableRow

MAPS = Path(__file__).resolve().parents[2] / "data" / "order_maps"
REQUIRED = ("number", "store", "paid_at")
TEXTS = ("number", "store", "guide", "note")
LINE_TEXTS = ("sku", "item_name", "color", "size", "family", "care_key")
FIELDS = frozenset(
    (*TEXTS, *LINE_TEXTS, "member_no", "phone", "member_name", "kind", "paid_at", "line_no", "quantity", "paid_yuan",
     "paid_fen", "is_gift", "is_delivery", "received_at", "status", "return_number", "returned_at", "return_quantity",
     "refund_yuan")
)  # fmt: skip
KINDS: dict[str, str] = {str(label): value for value, label in Order.Kind.choices}
STATUSES = {"已付款": "paid", "已完成": "paid", "正常": "paid", "已作废": "void", "作废": "void"}
FLAGS = {"是": True, "否": False, "1": True, "0": False, "true": True, "false": False, "y": True, "n": False}


@dataclass(slots=True)
class FileOrder:
    """One order of a file: a feed row, and the lines of the file it stands on."""

    line: int
    row: dict[str, Any]
    customer: str = ""
    lines: list[int] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)
    fault: str = ""

    def line_of(self, field_name: str) -> int:
        """Return the line of the file that a complaint about `lines.2.paid_fen` means."""
        match = re.match(r"lines\.(\d+)\.", field_name)
        return self.lines[int(match[1])] if match and int(match[1]) < len(self.lines) else self.line


@dataclass(frozen=True)
class ColumnMap:
    name: str
    columns: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, Any]
    is_sorted_by_customer: bool = False

    def orders(self, table: Table) -> Iterator[FileOrder]:
        """Return the orders of a table: rows that follow each other with one number are its items."""
        titles = self._titles(table)
        current: FileOrder | None = None
        for row in table:
            facts = {name: row.cells.get(title, "") for name, title in titles.items()}
            number = facts["number"]
            if current and (row.fault or not number or number != current.row["number"]):
                yield current
                current = None
            if row.fault:
                yield FileOrder(row.line, {"number": number}, cells=row.cells, fault=row.fault)
            elif current is None:
                current = self._order(row, facts)
            else:
                _add_line(current, row.line, facts)
        if current:
            yield current

    def _titles(self, table: Table) -> dict[str, str]:
        """Return field -> title for this file. Raises FileRefused for missing and for ambiguous columns."""
        titles: dict[str, str] = {}
        for name, aliases in self.columns.items():
            there = [title for title in aliases if title in table.titles]
            if len(there) > 1:
                raise FileRefused(f"这几列说的是同一件事，请只留一列：{'、'.join(there)}")
            if there:
                titles[name] = there[0]
        missing = [self.columns[name][0] for name in REQUIRED if name not in titles and name not in self.defaults]
        if "paid_fen" not in titles and "paid_yuan" not in titles:
            missing.append(next(self.columns[name][0] for name in ("paid_yuan", "paid_fen") if name in self.columns))
        if missing:
            raise FileRefused(f"缺少列：{'、'.join(missing)}。文件里有：{'、'.join(filter(None, table.titles))}")
        if "paid_fen" in titles and "paid_yuan" in titles:
            raise FileRefused(f"金额请只留一列：{titles['paid_fen']}、{titles['paid_yuan']}")
        return titles

    def _order(self, table_row: TableRow, facts: dict[str, str]) -> FileOrder:
        given = {name: value for name, value in facts.items() if value}
        given = {**self.defaults, **given}
        row: dict[str, Any] = {name: given[name] for name in TEXTS if name in given}
        row["kind"] = KINDS.get(given.get("kind", ""), given.get("kind"))
        row["status"] = STATUSES.get(given.get("status", ""), given.get("status", "paid"))
        row["paid_at"] = moment(given.get("paid_at", ""))
        row["lines"] = []
        row["number"] = facts["number"]
        for name in ("is_gift", "is_delivery"):
            if name in given:
                row[name] = FLAGS.get(str(given[name]).lower(), given[name])
        if "received_at" in given:
            row["received_at"] = moment(given["received_at"])
        member = {to: given[name] for name, to in _MEMBER.items() if name in given}
        if member:
            row["member"] = member
        customer = given.get("member_no") or given.get("phone") or ""
        order = FileOrder(table_row.line, row, customer=customer, cells=table_row.cells)
        _add_line(order, table_row.line, facts)
        return order


_MEMBER = {"member_no": "member_no", "phone": "phone", "member_name": "name"}


def _add_line(order: FileOrder, line: int, facts: dict[str, str]) -> None:
    """Add an item, and what came back of it. What cannot be read stays text, and the feed refuses it by name."""
    place = len(order.row["lines"]) + 1
    item: dict[str, Any] = {name: facts[name] for name in LINE_TEXTS if facts.get(name)}
    item["line_no"] = whole(facts.get("line_no", "")) or place
    item["quantity"] = whole(facts.get("quantity", "")) or 1
    item["paid_fen"] = fen(facts["paid_yuan"]) if facts.get("paid_yuan") else whole(facts.get("paid_fen", ""))
    order.row["lines"].append(item)
    order.lines.append(line)
    if facts.get("return_number"):
        returns = order.row.setdefault("returns", [])
        one = next((known for known in returns if known["number"] == facts["return_number"]), None)
        if one is None:
            one = {"number": facts["return_number"], "at": moment(facts.get("returned_at", "")), "lines": []}
            returns.append(one)
        quantity = whole(facts.get("return_quantity", "")) or item["quantity"]
        refund = fen(facts["refund_yuan"]) if facts.get("refund_yuan") else item["paid_fen"]
        one["lines"].append({"line_no": item["line_no"], "quantity": quantity, "refund_fen": refund})


def whole(text: str) -> Any:
    """Return a whole number, None for nothing, or the text itself where it is none."""
    if not text:
        return None
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text


def load_map(name: str) -> ColumnMap:
    """Return a built-in map by name, or one from a YAML file. Raises FileRefused."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else MAPS / f"{name}.yaml"
    if not path.is_file():
        known = "、".join(sorted([*(one.stem for one in MAPS.glob("*.yaml")), "cdnow"]))
        raise FileRefused(f"没有列名对照表 {name}（自带的有：{known}；也可以给一个 .yaml 文件）")
    try:
        book = read_yaml(path)
        columns = {str(key): _aliases(value) for key, value in book["columns"].items()}
        defaults = dict(book.get("defaults") or {})
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise FileRefused(f"列名对照表 {path} 读不懂：要有 columns，每个字段写一个或几个列名") from error
    unknown = sorted({*columns, *defaults} - FIELDS)
    if unknown:
        raise FileRefused(f"列名对照表里有不认识的字段：{'、'.join(unknown)}。可用的有：{'、'.join(sorted(FIELDS))}")
    absent = [name for name in REQUIRED if name not in columns and name not in defaults]
    if absent or not {"paid_yuan", "paid_fen"} & columns.keys():
        raise FileRefused(f"列名对照表缺少字段：{'、'.join(absent) or 'paid_yuan 或 paid_fen'}")
    return ColumnMap(path.stem, columns, {key: str(value) for key, value in defaults.items()})


def _aliases(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(title) for title in value)


__all__ = ["ColumnMap", "FileOrder", "fen", "load_map", "moment", "whole"]
