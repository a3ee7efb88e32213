"""巡店统计: /hq/patrol/ at the desk, /m/patrol/figures/ on the phone."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org import matrix
from yejibao.core import access, clock, nav
from yejibao.core.errors import NotFound

from ..book import departments
from ..pages import around
from ..scoped import DO, READ
from .exporting import KEY
from .months import first_of, next_month
from .queries import Board, Line, open_unit, read_board

READERS = tuple(role for role in matrix.holders(READ) if role != "guide")
MONTHS_BACK = 24
TARGETS = {"coverage": 0.9, "on_time": 0.9, "tenths": 42}  # models.yaml, target


def read_month(text: str, *, today: date) -> date:
    """Return the first day of ?month=2026-11, this month without one. Raises NotFound for one that cannot be."""
    if not text:
        return first_of(today)
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise NotFound() from None
    if not first_of(today - timedelta(days=31 * MONTHS_BACK)) <= month <= first_of(today):
        raise NotFound()
    return month


def _board(request: HttpRequest) -> Board:
    actor = access.actor_of(request)
    text = request.GET.get("unit", "")
    if text and not (text.isdecimal() and len(text) < 19):
        raise NotFound()
    unit = open_unit(actor, int(text) if text else None)
    return read_board(actor, unit, read_month(request.GET.get("month", "")[:7], today=clock.today()))


def _facts(board: Board) -> dict[str, Any]:
    most = max((one.sums.problems for one in board.categories), default=0)
    before = first_of(board.month - timedelta(days=1))
    after = next_month(board.month)
    return {
        "board": board, "total": board.total, "targets": TARGETS,
        "own_names": "、".join(str(departments()[key]["name"]) for key in board.own),
        "categories": [_bar(one, most) for one in board.categories],
        "by_department": [_bar(one, most) for one in board.by_department],
        "month_names": [f"{one.month} 月" for one in board.months],
        "trend": {
            "problems": [one.problems for one in board.trend],
            "coverage": [round((one.coverage or 0) * 100) for one in board.trend],
            "resolved": [round((one.resolved_rate or 0) * 100) for one in board.trend],
        },
        "month_text": f"{board.month:%Y-%m}", "before": f"{before:%Y-%m}",
        "after": f"{after:%Y-%m}" if after <= first_of(clock.today()) else "",
        "is_now": board.month == first_of(clock.today()), "export_key": KEY,
    }  # fmt: skip


def _bar(one: Line, most: int) -> dict[str, Any]:
    sums = one.sums
    return {
        "name": one.name, "key": one.key, "sums": sums, "score": sums.score_words,
        "width": round(100 * sums.problems / most) if most else 0,
    }  # fmt: skip


@never_cache
@require_GET
@access.roles(*READERS)
def board(request: HttpRequest) -> HttpResponse:
    """巡店统计 at the desk: coverage, scores, problems, rectification; ?unit= goes down, ?month= back."""
    facts = _facts(_board(request)) | {
        "nav_current": "patrol-board", "now": clock.now(), "can_export": access.actor_of(request).may(DO),
    }  # fmt: skip
    return render(request, "patrol/board.html", facts)


@never_cache
@require_GET
@access.roles(*READERS)
def phone(request: HttpRequest) -> HttpResponse:
    """The same on the phone."""
    return render(request, "patrol/figures_phone.html", _facts(_board(request)) | around(access.actor_of(request)))


nav.add(
    "hq",
    key="patrol-board",
    label="巡店统计",
    icon="clipboard-check",
    url="guides:patrol-board",
    order=45,
    roles=READERS,
)
