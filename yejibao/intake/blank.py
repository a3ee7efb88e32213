"""The empty file one fills in: the right titles, a sample row, and what each column takes."""

from __future__ import annotations

from io import BytesIO

import xlsxwriter

from . import kinds
from .kinds import Kind
from .reading import shown_value

FORMS = {
    "text": "文字", "code": "编码，不能有空格", "whole": "整数", "fen": "金额，元", "day": "日期，如 2026-03-01",
    "moment": "时间，如 2026-03-01 15:00", "birthday": "1988-05-20，不知道年份写 05-20", "flag": "是 或 否", "phone": "手机号",
}  # fmt: skip


def blank_sheet(kind: Kind) -> bytes:
    """Return the workbook of a kind."""
    content = BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False}) as book:
        text, head = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@"})
        sheet, notes = book.add_worksheet(kind.label), book.add_worksheet("填写说明")
        rows = kind.template or (
            tuple(one.label for one in kind.fields),
            tuple(_sample(one) for one in kind.fields),
        )
        sheet.set_column(0, len(rows[0]) - 1, 18, text)
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row, head if place == 0 else text)
        notes.set_column(0, 0, 18)
        notes.set_column(1, 2, 40)
        notes.write_row(0, 0, ("列", "填什么", "说明"), head)
        for place, one in enumerate(kind.fields, 1):
            takes = "、".join(one.choices) if one.form == "choice" else FORMS.get(one.form, "文字")
            notes.write_row(place, 0, (one.label + ("（必填）" if one.required else ""), takes, one.help))
    return content.getvalue()


def _sample(one: kinds.Field) -> str:
    value = kinds.example_of(one)
    if one.form == "moment":
        return "2026-03-01 15:00"
    if one.form == "fen" and isinstance(value, int):
        return f"{value / 100:.2f}"
    return (
        shown_value(kinds.Field(one.name, one.label, one.form, choices=one.choices, mask="none"), value)
        if one.required or one.example != ""
        else ""
    )
