"""The board as its templates print it: fields of the heat map, lines, figures, and where each leads."""

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from guides.org.models import OrgUnit
from yejibao.core import clock, words
from yejibao.core.errors import NotFound

from .figures import TARGET, Figures, points
from .periods import Period
from .queries.board import NODES, Board, Row
from .queries.drill import step_name

LOW = 0.60  # design README: a cell below 60 % with something overdue is outlined


def number_of(text: str | None) -> int | None:
    """Read an id of the address; None where there is none. Raises NotFound for what is no number."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise NotFound()
    return int(text)


@dataclass(frozen=True)
class Cell:
    """One field of the heat map as the template prints it."""

    figure: str
    style: str
    alpha: str
    late: int
    href: str
    is_names: bool  # opens the list of names, not another board
    title: str
    spoken: str

    @property
    def drawn(self) -> SafeString:
        """The field as HTML: forty of them a page, each an include before."""
        inside = f"<span>{self.figure}{'' if self.style == 'na' else PERCENT}</span>"
        if self.late:
            inside += f"<small>超时 {self.late}</small>"
        looks, spoken = f'class="c {self.style}" style="--a:{self.alpha}"', escape(self.spoken)
        if not self.href:
            return mark_safe(f'<span {looks} role="img" aria-label="{spoken}">{inside}</span>')
        href, opens = escape(self.href), ""
        if self.is_names:
            opens = f' data-names hx-get="{href}" hx-target="#sheet-body" data-sheet="{escape(self.title)}"'
        return mark_safe(f'<a {looks} href="{href}"{opens} aria-label="{spoken}">{inside}</a>')


PERCENT = '<span class="pc-in">%</span>'


def query_of(period: Period, **facts: Any) -> str:
    """Return the query of a page of this room: its period, and what it is about."""
    if period.key == "range":
        asked: dict[str, Any] = {"from": period.start, "to": period.end}
    else:
        asked = {} if period.key == "week" else {"period": period.key}
    return "?" + urlencode({**{name: value for name, value in facts.items() if value not in (None, "")}, **asked})


def _cell(found: Figures, *, who: str, node: str, href: str, is_names: bool) -> Cell:
    share = found.completion
    if share is None:
        idle = found.upcoming_count
        spoken = f"{who} {node} 还没到时间，{idle} 件" if idle else f"{who} {node} 没有"
        return Cell("–", "na", "0", 0, href if idle and is_names else "", is_names, f"{who} · {node}", spoken)
    is_low, is_high = share < LOW and found.overdue_count > 0, share >= 0.75
    # Shades skip the middle, where neither dark nor white figures can be read.
    alpha = 0.0 if is_low else (0.78 + (share - 0.75) * 0.88 if is_high else 0.06 + share * 0.56)
    return Cell(
        figure=f"{(found.done_count * 200 + found.due_count) // (2 * found.due_count)}",
        style="low" if is_low else "w" if is_high else "", alpha=f"{alpha:.2f}", late=found.overdue_count, href=href,
        is_names=is_names, title=f"{who} · {node}",
        spoken=f"{who} {node} 完成 {found.completion_words}，超时 {found.overdue_count} 件",
    )  # fmt: skip


def line_of(board: Board, row: Row, period: Period, *, is_total: bool = False) -> dict[str, Any]:
    """Return a line of the heat map: cells, sums, and where its name leads."""
    names_url, board_url = reverse("tasks:review-names"), reverse("tasks:review")
    is_names = board.is_store and board.sees_names

    def href(task_type: str) -> str:
        if is_names:
            guide = None if is_total else row.pk
            return names_url + query_of(period, unit=board.unit.pk, guide=guide, type=task_type)
        return "" if board.is_store or is_total else board_url + query_of(period, unit=row.pk)

    total = row.total
    return {
        "pk": row.pk, "name": row.name, "is_gone": row.is_gone, "total": total, "href": href(""), "is_names": is_names,
        "cells": [
            _cell(row.by_type.get(key, Figures()), who=row.name, node=step_name(key), href=href(key), is_names=is_names)
            for key in NODES
        ],
    }  # fmt: skip


def kpis_of(board: Board) -> list[dict[str, Any]]:
    """Return the five figures on top of the PC page."""
    now, before, versus = board.figures, board.before, board.period.versus
    moved = points(now.completion, before.completion)
    reply_moved = points(now.reply, before.reply)
    return [
        {
            "name": "完成率", "value": now.completion_words, "trend": board.trend["completion"],
            "note": f"目标 {TARGET:.0%}" + (f"，{versus} {moved}" if moved else ""),
            "tone": _tone(now.completion, before.completion),
        },
        {
            "name": "超时", "value": f"{now.overdue_count} 件" if now.due_count else "—", "trend": board.trend["missed"],
            "note": f"另有 {now.expired_count} 件过期没做" if now.expired_count else "没有过期的" if now.due_count else "还没有到期的",
            "alarm": now.overdue_count > 0, "tone": "muted",
        },
        {
            "name": "会员回复率", "value": now.reply_words, "trend": board.trend["reply"],
            "note": f"触达 {now.reached_count} 人" + (f"，{versus} {reply_moved}" if reply_moved else ""),
            "tone": _tone(now.reply, before.reply),
        },
        {
            "name": "约到店", "value": "—" if now.booked is None else f"{now.booked} 人", "trend": board.trend["booked"],
            "note": "到店率 —", "tone": "muted",
        },
        {
            "name": "跟进成交", "value": words.wan(now.sales), "trend": board.trend["sales"],
            "note": f"{now.sales_count} 单，7 天内跟进过才算" if now.sales_count else "7 天内跟进过才算", "tone": "muted",
        },
    ]  # fmt: skip


def _tone(now: float | None, before: float | None) -> str:
    if now is None or before is None or now == before:
        return "muted"
    return "up" if now > before else "down"


def watched_of(board: Board, period: Period, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "guide_id": one.guide_id, "name": one.guide_name, "type": one.task_type, "count": one.count,
            "step": step_name(one.task_type),
            "note": f"最久{words.due_words(one.oldest_due_at, now)}" + (f"，多因{one.reason}" if one.reason else ""),
            "href": reverse("tasks:review-names")
            + query_of(period, unit=board.unit.pk, guide=one.guide_id, type=one.task_type),
        }
        for one in board.watched
    ]  # fmt: skip


def ring_of(figures: Figures) -> dict[str, Any]:
    share = figures.completion
    said = figures.completion_words
    return {
        "percent": None if share is None else share * 100, "figure": said.removesuffix("%"),
        "label": f"完成率 {said}，目标 {TARGET:.0%}",
    }  # fmt: skip


def as_of_words(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return words.NOTHING
    is_today = clock.local_day(moment) == clock.local_day(now)
    return words.clock_time(moment) if is_today else words.short_moment(moment, now)


def names_href(found: Board, period: Period, task_type: str) -> str:
    if not (found.is_store and found.sees_names):
        return ""
    return reverse("tasks:review-names") + query_of(period, unit=found.unit.pk, type=task_type)


def tab_href(key: str, unit: OrgUnit) -> str:
    return "?" + urlencode({"unit": unit.pk, "period": key})


def row_word(found: Board) -> str:
    below = {"hq": "分公司", "branch": "大区", "region": "区域", "area": "门店"}
    return below.get(str(found.unit.level), "下级")


def worst_field(lines: list[dict[str, Any]]) -> str:
    """Return the field with the most overdue: a wide screen opens it by itself."""
    fields = [(cell.late, cell.href) for line in lines for cell in line["cells"] if cell.late and cell.is_names]
    return max(fields, key=lambda pair: pair[0])[1] if fields else ""
