"""A report as A4 (design 14b) and as one long picture: the facts of the day it was made, fonts embedded, nothing fetched."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Sequence
from typing import Any

from django.core.cache import cache
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextMode
from fpdf.fonts import FontFace

from yejibao.core import clock
from yejibao.core.fonts import font_path

from .layout import CONCLUSIONS, FOLLOW_UP
from .models import PatrolReport, ReportReader

logging.getLogger("fontTools").setLevel(logging.WARNING)  # a line for each table of each font it cuts down

KEPT_SECONDS = 3600  # of a report that does not change; who may have it is asked each time
LEFT, TOP, WIDTH, BOTTOM = 14.0, 12.0, 182.0, 18.0
INK, SUB, MUTED = (29, 34, 40), (77, 84, 93), (104, 110, 118)
NAVY, CAMEL, CAMEL_TEXT, BRICK = (31, 51, 80), (180, 133, 74), (124, 82, 34), (192, 106, 85)
RED, GREEN, AMBER = (176, 54, 41), (31, 106, 73), (135, 82, 8)
LINE, FILL, FILL_2, TRACK = (211, 204, 191), (244, 242, 237), (250, 248, 244), (236, 231, 222)
SHORT = {
    "facade": "门头", "display": "陈列", "mannequin": "模特", "lighting": "灯光", "hygiene": "卫生", "cashier": "收银",
    "fitting": "试衣", "warehouse": "仓库", "guide_service": "服务", "member_crm": "会员", "price_material": "价签", "safety": "安全",
}  # fmt: skip
PIXELS_A_MM = 5.0
MOST_PAGES = 6  # of the long picture


def pdf_of(report: PatrolReport) -> bytes:
    """Return the PDF of a report; kept for an hour, as drawing it takes a second or two."""
    read_at = _manager_read(report)
    key = f"patrol-report:{report.pk}:{read_at:%s}" if read_at else f"patrol-report:{report.pk}"
    kept: bytes | None = cache.get(key)
    if kept is None:
        kept = draw(report, read_at=clock.local_day(read_at).isoformat() if read_at else "")
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def picture_of(report: PatrolReport) -> bytes:
    """Return all pages under each other as one JPEG, for sending in a chat."""
    import pypdfium2  # type: ignore[import-untyped]
    from PIL import Image

    with pypdfium2.PdfDocument(pdf_of(report)) as document:
        pages = [
            document[place].render(scale=PIXELS_A_MM * 25.4 / 72).to_pil().convert("RGB")
            for place in range(min(len(document), MOST_PAGES))
        ]
    whole = Image.new("RGB", (pages[0].width, sum(page.height for page in pages)), "white")
    top = 0
    for page in pages:
        whole.paste(page, (0, top))
        top += page.height
    out = io.BytesIO()
    whole.save(out, "JPEG", quality=84, optimize=True)
    return out.getvalue()


def _manager_read(report: PatrolReport) -> Any:
    mine = ReportReader.objects.filter(report=report, why=ReportReader.Why.STORE)
    return mine.values_list("read_at", flat=True).first()


class Paper(FPDF):
    """A4 with our fonts and a line at the foot of each page."""

    def __init__(self, number: str, made_on: str) -> None:
        super().__init__(format="A4")
        self.number, self.made_on = number, made_on
        self.set_margins(LEFT, TOP, LEFT)
        self.set_auto_page_break(True, margin=BOTTOM)
        self.add_font("sans", "", font_path("sans"))
        self.add_font("serif", "", font_path("serif"))
        self.set_draw_color(*LINE)
        self.set_line_width(0.2)

    def footer(self) -> None:
        self.set_y(-12)
        self.say(self.number, size=7.5, color=MUTED, width=WIDTH / 2)
        self.say(
            f"{self.made_on} 生成　第 {self.page_no()} / {{nb}} 页", size=7.5, color=MUTED, width=WIDTH / 2, align="R"
        )

    def say(
        self, text: str, *, size: float = 9, color: Sequence[int] = INK, font: str = "sans", width: float = 0,
        align: str = "L", height: float = 5, bold: bool = False,
    ) -> None:  # fmt: skip
        """Write one line where the pen stands, and move it to the right."""
        self.set_font(font, size=size)
        self.set_text_color(*color)
        with self.local_context(**_bold(color) if bold else {}):
            self.cell(width or self.get_string_width(text) + 1, height, text, align=align)

    def heading(self, text: str) -> None:
        """A bar and a word; on the next page where nothing would follow it here."""
        self.set_y(self.get_y() + 4)
        if self.get_y() > self.h - BOTTOM - 24:
            self.add_page()
        top = self.get_y()
        self.set_fill_color(*NAVY)
        self.rect(LEFT, top + 0.6, 1.1, 4.4, style="F")
        self.set_xy(LEFT + 3, top)
        self.say(text, size=12.5, font="serif", height=5.6, bold=True)
        self.set_xy(LEFT, top + 8)


def _bold(color: Sequence[int]) -> dict[str, Any]:
    """The packaged fonts have one weight; a thin outline makes the other."""
    return {"text_mode": TextMode.FILL_STROKE, "line_width": 0.18, "draw_color": tuple(color)}


def draw(report: PatrolReport, *, read_at: str = "") -> bytes:
    """Draw a report anew."""
    facts, header = report.facts, report.facts["header"]
    made = report.made_at.astimezone(clock.SHANGHAI)
    paper = Paper(f"报告号 {report.number}", f"{made:%Y-%m-%d %H:%M}")
    paper.set_title(f"{header['store_name']} {facts['title']}")
    paper.set_creation_date(made)
    paper.set_lang("zh-CN")
    paper.add_page()
    _masthead(paper, facts)
    _about(paper, header)
    if facts["prep"]:
        paper.heading("来之前的数据")
        _prep(paper, facts["prep"])
    if facts["categories"]:
        _scores(paper, facts["categories"])
    if facts["rows"]:
        paper.heading("巡店汇总")
        _summary(paper, facts["rows"])
    if facts["problems"]:
        paper.heading("问题汇总")
        _problems(paper, facts["problems"])
    for title, text in (("带教", facts["coaching"]), ("小结", facts["praise"])):
        if text:
            paper.heading(title)
            paper.set_font("sans", size=9)
            paper.set_text_color(*INK)
            paper.multi_cell(WIDTH, 5.2, text)
    _signatures(paper, header, read_at)
    return bytes(paper.output())


def _masthead(paper: Paper, facts: dict[str, Any]) -> None:
    header, before = facts["header"], facts["before"]
    top = TOP
    paper.set_xy(LEFT, top)
    paper.set_char_spacing(1.6)
    paper.say("业绩宝 · 巡店", size=8.5, color=CAMEL_TEXT)
    paper.set_xy(LEFT, top + 5)
    paper.say(facts["title"], size=20, font="serif", height=11, bold=True)
    paper.set_char_spacing(0)
    paper.set_xy(LEFT, top)
    paper.say(header["store_score"], size=32, color=NAVY, width=WIDTH, align="R", height=12, bold=True)
    paper.set_xy(LEFT, top + 12)
    note = "满分 5" + (f"　上次 {before['score']}" if before else "　第一次巡店")
    if facts["uncapped"]:
        note = f"红线封顶，原 {facts['uncapped']}　" + note
    paper.say(note, size=8.5, color=MUTED, width=WIDTH, align="R")
    paper.set_draw_color(*NAVY)
    paper.set_line_width(0.5)
    paper.line(LEFT, top + 19, LEFT + WIDTH, top + 19)
    paper.set_draw_color(*LINE)
    paper.set_line_width(0.2)
    paper.set_xy(LEFT, top + 23)


def _about(paper: Paper, header: dict[str, Any]) -> None:
    nth = f"第 {header['nth_this_year']} 次" if header["nth_this_year"] else "自主巡店，不计"
    hours = f"{header['duration_hours']} 小时" + ("（用时过短）" if header["is_too_short"] else "")
    pairs = (
        (("门店名称", f"{header['store_name']}（{header['store_code']}）"), ("店铺等级", header["store_grade"]),
         ("巡店日期", header["patrol_date"])),
        (("巡店人", header["patroller"]), ("巡店时长", hours), ("本年度巡店次数", nth)),
    )  # fmt: skip
    label = FontFace(color=MUTED, fill_color=FILL_2)
    paper.set_font("sans", size=8.6)
    paper.set_text_color(*INK)
    paper.set_fill_color(255)
    with paper.table(
        col_widths=(22, 52, 20, 28, 28, 32), width=WIDTH, line_height=5, padding=(1.4, 2), first_row_as_headings=False,
        borders_layout=TableBordersLayout.ALL, align="L", text_align="L",
    ) as table:  # fmt: skip
        for line in pairs:
            row = table.row()
            for name, value in line:
                row.cell(name, style=label)
                row.cell(str(value))


def _prep(paper: Paper, pairs: Sequence[Sequence[str]]) -> None:
    shown = [(str(name), str(value)) for name, value in pairs[:8]]
    head = FontFace(color=SUB, fill_color=FILL)
    paper.set_font("sans", size=8.6)
    paper.set_text_color(*INK)
    paper.set_fill_color(255)
    with paper.table(
        width=WIDTH, line_height=5, padding=(1.2, 2), headings_style=head, text_align="L", align="L"
    ) as table:
        for at in (0, 1):
            row = table.row()
            for pair in shown:
                row.cell(pair[at])


def _scores(paper: Paper, categories: Sequence[dict[str, Any]]) -> None:
    paper.heading("各类得分")
    top, step, left, track = paper.get_y(), 5.6, LEFT + 38, 56.0
    if top + step * len(categories) > paper.h - BOTTOM:
        paper.add_page()
        top = paper.get_y()
    for place, one in enumerate(categories):
        y = top + place * step
        paper.set_xy(LEFT, y)
        paper.say(one["name"], size=8.2, width=37)
        paper.set_fill_color(*TRACK)
        paper.rect(left, y + 1.6, track, 1.9, style="F")
        paper.set_fill_color(*(BRICK if one["tenths"] < 40 else NAVY))
        paper.rect(left, y + 1.6, track * one["tenths"] / 50, 1.9, style="F")
        if one["before"] is not None:
            paper.set_fill_color(*CAMEL)
            paper.rect(left + track * one["before"] / 50 - 0.25, y + 0.8, 0.5, 3.5, style="F")
        paper.set_xy(left + track + 2, y)
        paper.say(one["score"], size=9, width=8, bold=True)
        if one["before"] is not None and (gap := one["tenths"] - one["before"]):
            paper.say(signed(gap), size=8.2, color=GREEN if gap > 0 else RED, width=9)
    ends = top + step * len(categories)
    paper.set_xy(LEFT, ends)
    paper.say("竖线为上次得分", size=7.5, color=MUTED, height=4.4)
    if len(categories) > 2:
        _radar(paper, categories, middle=(LEFT + WIDTH - 33, top + max(27, (ends - top) / 2)), radius=23)
    paper.set_xy(LEFT, max(ends + 4, top + 54 if len(categories) > 2 else 0))


def signed(tenths: int) -> str:
    """Return +0.3 or -0.1."""
    return f"{'+' if tenths > 0 else '-'}{abs(tenths) // 10}.{abs(tenths) % 10}"


def _radar(paper: Paper, categories: Sequence[dict[str, Any]], *, middle: tuple[float, float], radius: float) -> None:
    turns = [2 * math.pi * place / len(categories) for place in range(len(categories))]

    def ring(lengths: Sequence[float]) -> list[tuple[float, float]]:
        return [
            (middle[0] + length * math.sin(turn), middle[1] - length * math.cos(turn))
            for length, turn in zip(lengths, turns, strict=True)
        ]

    paper.set_draw_color(*TRACK)
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        paper.polygon(ring([radius * share] * len(turns)), style="D")
    if all(one["before"] is not None for one in categories):
        paper.set_draw_color(*CAMEL)
        paper.set_dash_pattern(dash=0.8, gap=0.8)
        paper.polygon(ring([radius * one["before"] / 50 for one in categories]), style="D")
        paper.set_dash_pattern()
    paper.set_draw_color(*NAVY)
    paper.set_line_width(0.5)
    paper.polygon(ring([radius * one["tenths"] / 50 for one in categories]), style="D")
    paper.set_line_width(0.2)
    paper.set_draw_color(*LINE)
    for one, (x, y) in zip(categories, ring([radius + 4.5] * len(turns)), strict=True):
        paper.set_xy(x - 7, y - 2.2)
        paper.say(SHORT.get(one["key"], one["name"][:2]), size=7.5, color=SUB, width=14, align="C", height=4.4)


def _conclusion(key: str) -> tuple[str, FontFace]:
    return CONCLUSIONS.get(key, ""), FontFace(color=AMBER if key == FOLLOW_UP else GREEN)


def _table(paper: Paper, heads: Sequence[str], widths: Sequence[float], rows: Sequence[Sequence[Any]]) -> None:
    """Draw a table; a cell is a text, or a text with its face. The head is said again on each page."""
    head = FontFace(color=SUB, fill_color=FILL)
    paper.set_font("sans", size=8.4)
    paper.set_text_color(*INK)
    paper.set_fill_color(255)
    with paper.table(
        col_widths=tuple(widths), width=WIDTH, line_height=4.6, padding=(0.9, 1.8), headings_style=head, text_align="L",
        align="L", v_align="T",
    ) as table:  # fmt: skip
        for line in (heads, *rows):
            row = table.row()
            for cell in line:
                text, face = cell if isinstance(cell, tuple) else (cell, None)
                row.cell(str(text), style=face)


def _summary(paper: Paper, rows: Sequence[dict[str, Any]]) -> None:
    _table(
        paper, ("类别", "得分", "存在问题", "结论"), (40, 14, 108, 20),
        [
            (row["name"], "—" if row["score"] is None else row["score"], row["problem"],
             _conclusion("" if row["score"] is None else row["conclusion"]))
            for row in rows
        ],
    )  # fmt: skip


def _problems(paper: Paper, problems: Sequence[dict[str, Any]]) -> None:
    _table(
        paper, ("类别", "得分", "存在问题", "改进办法", "负责人", "期限", "结论"), (24, 12, 56, 42, 18, 14, 16),
        [
            (one["category"], one["score"], one["problem"], one["action"] or "—", one["owner"] or "—",
             "当场" if one["solved"] else one["deadline"][5:], _conclusion(one["conclusion"]))
            for one in problems
        ],
    )  # fmt: skip


def _signatures(paper: Paper, header: dict[str, Any], read_at: str) -> None:
    if paper.get_y() > paper.h - BOTTOM - 16:
        paper.add_page()
    paper.set_y(max(paper.get_y() + 6, paper.h - BOTTOM - 14))
    top = paper.get_y()
    paper.line(LEFT, top, LEFT + WIDTH, top)
    paper.set_xy(LEFT, top + 3)
    paper.say("店长：", size=9, color=SUB, height=7)
    paper.say(header["manager"] or "　　　　", size=13, font="serif", height=7)
    paper.say(f"　{read_at} 已阅" if read_at else "　未阅", size=9, color=SUB, height=7)
    paper.set_xy(LEFT + WIDTH / 2, top + 3)
    paper.say("巡店人：", size=9, color=SUB, height=7)
    paper.say(header["patroller"], size=13, font="serif", height=7)
    paper.say(f"　{header['submitted_at'][:10]}", size=9, color=SUB, height=7)
