"""The workbook of an export: what it is, who made it when, and cells that can do nothing but be read."""

import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import xlsxwriter

from yejibao.core import clock
from yejibao.core.sheets import defused

from .registry import Column

FORMATS = {"share": "0.0%", "yuan": "#,##0.00"}
HEAD_ROWS = 3


def shown(column: Column, row: Any) -> str:
    """Return a cell as a page shows it."""
    match value := column.of(row):
        case None:
            return "—"
        case int() if column.kind == "yuan":
            return f"{value / 100:,.2f}"
        case datetime():
            return f"{value.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}"
    return str(value)


def workbook(
    title: str, watermark: str, columns: Sequence[Column], rows: Iterable[Any], *, on_row: Callable[[int], None] = lambda done: None
) -> bytes:  # fmt: skip
    """Return the rows as xlsx under a title and a watermark, which also stands in the header and footer of each page."""
    out = io.BytesIO()
    # Row by row into a file of its own: memory does not grow with the rows.
    book = xlsxwriter.Workbook(
        out,
        {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    )
    bold, gray = book.add_format({"bold": True}), book.add_format({"font_color": "#686E76"})
    formats = {kind: book.add_format({"num_format": code}) for kind, code in FORMATS.items()}
    sheet = book.add_worksheet("导出")
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
    sheet.freeze_panes(HEAD_ROWS, 0)
    sheet.repeat_rows(HEAD_ROWS - 1)
    printed = watermark.replace("&", "&&")  # & begins a code there
    sheet.set_header(f"&C{printed}"[:255])
    sheet.set_footer(f"&L{printed}"[:240] + "&R&P / &N")
    sheet.write_string(0, 0, defused(title), bold)
    sheet.write_string(1, 0, defused(watermark), gray)
    for place, column in enumerate(columns):
        sheet.write_string(HEAD_ROWS - 1, place, column.label, bold)
    for number, row in enumerate(rows):
        for place, column in enumerate(columns):
            _write(sheet, HEAD_ROWS + number, place, column, column.of(row), formats)
        on_row(number + 1)
    book.close()
    return out.getvalue()


def _write(sheet: Any, row: int, place: int, column: Column, value: Any, formats: dict[str, Any]) -> None:
    match value:
        case None:
            sheet.write_string(row, place, "—")
        case bool():
            sheet.write_string(row, place, "是" if value else "否")
        case int() | float():
            sheet.write_number(row, place, value / 100 if column.kind == "yuan" else value, formats.get(column.kind))
        case datetime():
            sheet.write_string(row, place, f"{value.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}")
        case date():
            sheet.write_string(row, place, value.isoformat())
        case _:
            sheet.write_string(row, place, defused(str(value)))
