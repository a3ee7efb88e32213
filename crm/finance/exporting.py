"""What finance takes along as a sheet: a day's 对账单, and 收款汇总 by store. Figures without a person."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from guides.exports.registry import Column, Exportable, Params, register
from yejibao.core import clock
from yejibao.core.scope import Actor

from .models import FinanceDay
from .pages import day_of
from .scoped import LEDGER, LINE_READERS, TAKINGS_READERS, TOTALS
from .takings import MONEY, StoreTaken, reach_of, sum_of, takings_by_store
from .takings_pages import number_of, range_of
from .wording import sheet_lines


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    return {"day": day_of(given.get("day", "")).isoformat()}


def _rows(actor: Actor, params: Params) -> list[dict[str, Any]]:
    day = FinanceDay.objects.visible_to(actor).filter(day=params["day"]).first()
    return sheet_lines(day) if day is not None else []


COLUMNS = (
    Column("项目", lambda row: row["section"], width=22),
    Column("明细", lambda row: row["label"], width=40),
    Column("金额（元）", lambda row: row["fen"], "yuan", 16),
    Column("说明", lambda row: row["note"], width=40),
)

register(
    Exportable(
        key="finance_day", title="对账单", permission=LEDGER, roles=LINE_READERS, columns=lambda actor, params: COLUMNS,
        rows=_rows, clean=_clean, describe=lambda params: str(params["day"]),
    )
)  # fmt: skip


# ---------------------------------------------------------------- 收款汇总


def _clean_takings(actor: Actor, given: Mapping[str, str]) -> Params:
    """Keep the unit and the days of the page. Raises NotFound for a unit out of reach."""
    unit = number_of(given.get("unit", ""))
    first, last = range_of(given, today=clock.local_day(clock.now()))
    reach_of(actor, unit)
    return {"unit": unit, "from": first.isoformat(), "to": last.isoformat()}


def _takings(actor: Actor, params: Params) -> list[StoreTaken]:
    return takings_by_store(actor, unit_id=params["unit"], first=day_of(params["from"]), last=day_of(params["to"]))


def _by_way(row: StoreTaken, *, way: str) -> int:
    return row.taken.by_way.get(way, 0)


TAKINGS_COLUMNS = (
    Column("分公司", lambda row: row.above(0), width=16),
    Column("大区", lambda row: row.above(1), width=16),
    Column("区域", lambda row: row.above(2), width=16),
    Column("门店编码", lambda row: row.code, width=12),
    Column("门店", lambda row: row.name, width=24),
    *(Column(str(way.label), partial(_by_way, way=way), "yuan", 14) for way in MONEY),
    Column("实收", lambda row: row.taken.money_fen, "yuan", 16),
    Column("其中储值充值", lambda row: row.taken.top_up_fen, "yuan", 16),
    Column("退回", lambda row: row.taken.back_fen, "yuan", 14),
    Column("储值卡消费", lambda row: row.taken.wallet_fen, "yuan", 14),
    Column("笔数", lambda row: row.taken.count, "number", 10),
)

register(
    Exportable(
        key="takings", title="收款汇总", permission=TOTALS, roles=TAKINGS_READERS, columns=lambda actor, params: TAKINGS_COLUMNS,
        rows=_takings, clean=_clean_takings, describe=lambda params: f"{params['from']} 至 {params['to']}", total=sum_of,
    )
)  # fmt: skip
