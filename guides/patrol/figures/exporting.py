"""巡店统计 as an export: figures by store, by category or department; no row is a person's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from guides.exports.registry import Column, Exportable, Kind, Params, register
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from ..scoped import DO
from .queries import Line, Sums, open_unit, read_board

KEY = "patrol"
PARTS = {"units": "门店和组织", "categories": "检查类别", "by_department": "部门", "items": "问题最多的检查项"}
FIGURES: tuple[tuple[str, Kind, Callable[[Sums], Any]], ...] = (
    ("营业门店", "number", lambda s: s.stores), ("巡过的门店", "number", lambda s: s.visited),
    ("覆盖率", "share", lambda s: s.coverage), ("巡店次数", "number", lambda s: s.visits),
    ("自主巡店次数", "number", lambda s: s.selves), ("得分", "text", lambda s: s.score_words),
    ("问题", "number", lambda s: s.problems), ("还没解决", "number", lambda s: s.open),
    ("解决率", "share", lambda s: s.resolved_rate), ("到期整改", "number", lambda s: s.due),
    ("按时整改", "number", lambda s: s.on_time), ("整改按时率", "share", lambda s: s.on_time_rate),
)  # fmt: skip


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    """Return the unit, the month and the part of the page. Raises NotFound for what is out of sight or does not exist."""
    text, part = given.get("unit", ""), given.get("part", "units")
    if (text and not (text.isdecimal() and len(text) < 19)) or part not in PARTS:
        raise NotFound()
    unit = open_unit(actor, int(text) if text else None)
    try:
        month = date.fromisoformat(f"{given.get('month', '')}-01")
    except ValueError:
        raise NotFound() from None
    return {"unit": unit.pk, "unit_name": unit.name, "month": month.isoformat(), "part": part}


def _rows(actor: Actor, params: Params) -> Iterator[Line]:
    board = read_board(actor, open_unit(actor, params["unit"]), date.fromisoformat(params["month"]))
    return iter(getattr(board, params["part"]))


def _columns(actor: Actor, params: Params) -> Sequence[Column]:
    is_units = params["part"] == "units"
    chosen = (
        FIGURES
        if is_units
        else tuple(
            one
            for one in FIGURES
            if one[0] in ("得分", "问题", "还没解决", "解决率", "到期整改", "按时整改", "整改按时率")
        )
    )
    return [Column(PARTS[params["part"]], lambda line: line.name, width=18), *(_figure(*one) for one in chosen)]


def _figure(name: str, kind: Kind, of: Callable[[Sums], Any]) -> Column:
    return Column(name, lambda line: of(line.sums), kind, width=12)


def _describe(params: Params) -> str:
    return f"{params['unit_name']} {params['month'][:7]} {PARTS[params['part']]}"


register(
    Exportable(
        key=KEY, title="巡店统计", permission=DO, columns=_columns, rows=_rows, clean=_clean, describe=_describe,
    )
)  # fmt: skip
