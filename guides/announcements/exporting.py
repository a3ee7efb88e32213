"""An announcement's readers as an export: who has read and confirmed it, by unit. Staff of one's reach, no members."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guides.exports.registry import Column, Exportable, Params, register
from yejibao.core import desk
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import queries
from .models import Announcement, AnnouncementReceipt
from .scoped import PUBLISH


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    held = Announcement.objects.visible_to(actor).filter(pk=desk.number(given.get("announcement")) or 0).first()
    if held is None:
        raise NotFound()
    unit = queries.open_unit(actor, desk.number(given.get("unit")))
    state = given.get("state", "")
    state = state if state in queries.STATES else ""
    return {"announcement": held.pk, "title": held.title, "unit": unit.pk, "unit_name": unit.name, "state": state}


def _rows(actor: Actor, params: Params) -> Iterator[AnnouncementReceipt]:
    held = Announcement.objects.visible_to(actor).filter(pk=params["announcement"]).first()
    if held is None:
        raise NotFound()
    return queries.export_rows(held, actor, params, unit=queries.open_unit(actor, params["unit"]))


def _columns(actor: Actor, params: Params) -> Sequence[Column]:
    def place(row: Any) -> str:
        return row.staff.store.short_name if row.staff.store else (row.staff.unit.name if row.staff.unit else "")

    return [
        Column("单位", place, width=18), Column("姓名", lambda row: row.staff.name), Column("告诉他", lambda row: row.told_at, "moment", 18),
        Column("读了", lambda row: row.read_at, "moment", 18), Column("确认", lambda row: row.confirmed_at, "moment", 18),
        Column("催过", lambda row: row.urge_count, "number", 8),
    ]  # fmt: skip


register(
    Exportable(
        key="announcement", title="公告阅读", permission=PUBLISH, columns=_columns, rows=_rows, clean=_clean,
        describe=lambda params: f"{params['title'][:30]} {params['unit_name']} {queries.STATES[params['state']]}",
    )
)  # fmt: skip
