"""操作记录 as an export, for the system's keeper (审计导出); the export is itself on record."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from guides.exports.registry import Column, Exportable, Params, register
from yejibao.core import clock, desk, words
from yejibao.core.audit_words import GROUPS
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from . import queries

CHUNK = 500
LONGEST = 92


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    today = clock.today()
    since, until = desk.day(given.get("from")) or today, desk.day(given.get("to")) or today
    if (until - since).days > LONGEST or since > until:
        raise Invalid(f"选一段日子，最多 {LONGEST} 天")
    group, person = given.get("group", ""), given.get("person", "")
    if (group and group not in GROUPS) or (person and not (person.isdecimal() and len(person) < 19)):
        raise NotFound()
    return {"from": str(since), "to": str(until), "group": group, "person": int(person) if person else None}


def _rows(actor: Actor, params: Params) -> Iterator[Any]:
    since, until = (date.fromisoformat(params[name]) for name in ("from", "to"))
    filters = queries.Filters(since, until, params["person"], params["group"])
    found = filters.apply(queries.entries_for(actor)).order_by("-at", "-pk")
    chunk = []
    for entry in found.iterator(chunk_size=CHUNK):
        chunk.append(entry)
        if len(chunk) == CHUNK:
            yield from queries.lines_of(chunk, actor)
            chunk = []
    yield from queries.lines_of(chunk, actor)


def _columns(actor: Actor, params: Params) -> Sequence[Column]:
    return [
        Column("时间", lambda line: line.entry.at, "moment", width=17),
        Column("谁", lambda line: line.entry.actor_name or "没有登录"),
        Column("岗位", lambda line: words.role_name(line.entry.working_role)),
        Column("代谁做", lambda line: line.on_behalf_of),
        Column("做了什么", lambda line: line.what, width=20),
        Column("对象", lambda line: line.about, width=24),
        Column("之前", lambda line: line.before, width=30),
        Column("之后", lambda line: line.after, width=30),
        Column("原因", lambda line: line.entry.reason, width=24),
        Column("结果", lambda line: line.entry.get_result_display()),
        Column("范围", lambda line: line.scope),
        Column("地址", lambda line: line.entry.ip),
        Column("设备", lambda line: line.entry.device, width=18),
        Column("请求编号", lambda line: line.entry.request_id, width=18),
    ]


register(
    Exportable(
        key="audit", title="操作记录", permission="account.manage", columns=_columns, rows=_rows, clean=_clean,
        describe=lambda params: f"{params['from']} 至 {params['to']} {GROUPS.get(params['group'], '')}".strip(),
    )
)  # fmt: skip
