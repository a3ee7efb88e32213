"""考勤 as an export: a row a person and day, of whom the asker may read."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from django.db.models import QuerySet

from guides.exports.registry import Column, Exportable, Params, register
from yejibao.core import clock, desk
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor
from yejibao.core.words import clock_time

from .flags import WORDS
from .models import ClockPunch, ClockRecord
from .queries import units_of
from .scoped import BOARD, READ

KEY = "attendance"
LONGEST = timedelta(days=31)


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    """Return the unit and the days, this month's up to today where none are named. Raises NotFound or Invalid."""
    text = given.get("unit", "")
    unit = units_of(actor).filter(pk=int(text)).first() if text.isdecimal() and len(text) <= 18 else None
    if unit is None:
        raise NotFound()
    today = clock.today()
    start, end = desk.day(given.get("from", "")) or today.replace(day=1), desk.day(given.get("to", "")) or today
    if not timedelta() <= end - start < LONGEST:
        raise Invalid("一次最多导出 31 天")
    return {"unit": unit.path, "unit_name": unit.name, "from": str(start), "to": str(end)}


def _found(actor: Actor, params: Params) -> QuerySet[ClockRecord]:
    return ClockRecord.objects.visible_to(actor).filter(
        store__unit__path__startswith=params["unit"], day__gte=params["from"], day__lte=params["to"]
    )


def _rows(actor: Actor, params: Params) -> Iterator[ClockRecord]:
    found = _found(actor, params).select_related("staff", "store").order_by("store__code", "day", "staff_id")
    return found.iterator(chunk_size=1000)


def _count(actor: Actor, params: Params, most: int) -> int:
    return _found(actor, params).order_by().values("pk")[:most].count()


def _columns(actor: Actor, params: Params) -> Sequence[Column]:
    return [
        Column("门店", lambda row: row.store.short_name, width=16), Column("姓名", lambda row: row.staff.name),
        Column("日期", lambda row: row.day, "day"), Column("结果", lambda row: row.get_state_display()),
        Column("应到", lambda row: clock_time(row.starts_at) if row.starts_at else None),
        Column("上班卡", lambda row: clock_time(row.in_at) if row.in_at else None),
        Column("下班卡", lambda row: clock_time(row.out_at) if row.out_at else None),
        Column("晚了几分钟", lambda row: row.late_minutes or None, "number"),
        Column("怎么打的", lambda row: str(dict(ClockPunch.Way.choices).get(row.way, "")) or None),
        Column("看一眼", lambda row: "；".join(WORDS.get(flag, flag) for flag in row.flags) or None, width=24),
    ]  # fmt: skip


register(
    Exportable(
        key=KEY, title="考勤", permission=READ, roles=BOARD, columns=_columns, rows=_rows, clean=_clean, count=_count,
        describe=lambda params: f"{params['unit_name']} {params['from']} 至 {params['to']}",
    )
)  # fmt: skip
