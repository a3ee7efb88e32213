"""顾客评价 as an export: figures by store, no words and nobody's name."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from guides.exports.registry import Column, Exportable, Params, register
from guides.org import matrix
from yejibao.core import clock
from yejibao.core.scope import Actor

from . import queries
from .queries import Figures, Group
from .rules import rules
from .scoped import FIGURES

KEY, MOST = "surveys", 5_001  # one more than may go out, so that too many is seen
COLUMNS = (
    Column("门店", lambda one: one.name, width=14),
    Column("请了", lambda one: one.figures.asked, "number"),
    Column("答了", lambda one: one.figures.answered, "number"),
    Column("答了的", lambda one: one.figures.response, "share"),
    Column("平均几星", lambda one: f"{one.figures.mean:.2f}" if one.figures.mean else None),
    Column("净好评", lambda one: one.figures.net, "number"),
    Column("五星", lambda one: one.figures.five, "number"),
    Column("四星", lambda one: one.figures.four, "number"),
    Column("低分", lambda one: one.figures.low, "number"),
)


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    kind = given.get("kind", "")
    span = queries.days_back(clock.now(), queries.days_of(given.get("days", "")), kind if kind in rules().kinds else "")
    return {"since": str(span.since), "until": str(span.until), "kind": span.kind}


def _rows(actor: Actor, params: Params) -> Iterable[Group]:
    since, until = date.fromisoformat(params["since"]), date.fromisoformat(params["until"])
    return queries.by_store(actor, queries.Span(since, until, params["kind"]), most=MOST)


def _describe(params: Params) -> str:
    kind = rules().kinds.get(params["kind"])
    return f"{kind.name if kind else '全部评价'} {params['since']} 至 {params['until']}"


def _total(rows: Sequence[Group]) -> Any:
    names = ("asked", "answered", "stars", "five", "four", "low")
    return Group(None, "合计", Figures(**{name: sum(getattr(row.figures, name) for row in rows) for name in names}))


register(
    Exportable(
        key=KEY, title="顾客评价", permission=FIGURES, roles=matrix.leaders(FIGURES), columns=lambda actor, params: COLUMNS, rows=_rows,
        clean=_clean, describe=_describe, total=_total,
    )
)  # fmt: skip
