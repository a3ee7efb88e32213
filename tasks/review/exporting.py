"""任务复盘 as an export: figures by store, guide and step, never by member."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from guides.exports.registry import Column, Exportable, Kind, Params, register
from guides.org.models import OrgUnit
from yejibao.core import clock
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import queries
from .figures import Figures, rate
from .periods import Period, read_period
from .scoped import own_kind

KEY = "review"
MOST = 5_001  # one more than may go out, so that too many is seen
FIGURES: tuple[tuple[str, Kind, Callable[[Figures], Any]], ...] = (
    ("应做", "number", lambda f: f.due_count), ("完成", "number", lambda f: f.done_count), ("完成率", "share", lambda f: f.completion),
    ("准时完成", "number", lambda f: f.on_time_count), ("准时率", "share", lambda f: f.on_time),
    ("超时", "number", lambda f: f.overdue_count), ("过期没做", "number", lambda f: f.expired_count),
    ("待做", "number", lambda f: f.upcoming_count), ("暂缓", "number", lambda f: f.held_count),
    ("触达", "number", lambda f: f.reached_count), ("触达率", "share", lambda f: rate(f.reached_count, f.targeted_count)),
    ("回复", "number", lambda f: f.replied_count), ("回复率", "share", lambda f: f.reply), ("约到店", "number", lambda f: f.booked_count),
    ("跟进成交单数", "number", lambda f: f.sales_count), ("跟进成交（元）", "yuan", lambda f: f.sales_fen),
)  # fmt: skip


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    """Return the unit and the days of a board. Raises NotFound for a unit out of sight."""
    text = given.get("unit", "")
    if text and not (text.isdecimal() and len(text) <= 18):
        raise NotFound()
    unit = queries.open_unit(actor, int(text) if text else None)
    period = read_period(dict(given), today=clock.today())
    name = unit.store.short_name if unit.level == OrgUnit.Level.STORE else unit.name
    return {"unit": unit.pk, "unit_name": name, "from": str(period.start), "to": str(period.end)}


def _read(actor: Actor, params: Params) -> tuple[OrgUnit, Period]:
    return queries.open_unit(actor, params["unit"]), read_period(params, today=clock.today())


def _rows(actor: Actor, params: Params) -> Iterator[Any]:
    unit, period = _read(actor, params)
    board = queries.board_of(actor, unit, period, now=clock.now())
    return iter(queries.export_lines(board, period, kind=own_kind(actor, unit), most=MOST))


def _columns(actor: Actor, params: Params) -> Sequence[Column]:
    unit, period = _read(actor, params)
    by_guide = queries.board_of(actor, unit, period, now=clock.now()).sees_guides
    places = [("门店", 0), ("导购", 1), ("步骤", 2)] if by_guide else [("门店", 0), ("步骤", 2)]
    return [*(_place(name, at) for name, at in places), *(_figure(*one) for one in FIGURES)]


def _place(name: str, at: int) -> Column:
    return Column(name, lambda row: row[at], width=14)


def _figure(name: str, kind: Kind, of: Callable[[Figures], Any]) -> Column:
    return Column(name, lambda row: of(row[3]), kind, width=10)


def _total(rows: Sequence[Any]) -> Any:
    total = Figures()
    for row in rows:
        total.add(row[3])
    return "合计", "", "", total


register(
    Exportable(
        key=KEY, title="任务复盘", permission="task.progress_view", columns=_columns, rows=_rows, clean=_clean,
        describe=lambda params: f"{params['unit_name']} {params['from']} 至 {params['to']}", total=_total,
    )
)  # fmt: skip
