"""Who came to a meeting, as a workbook."""

from collections.abc import Iterable, Mapping
from typing import Any

from guides.exports.registry import Column, Exportable, Params, register
from yejibao.core import clock
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import Meeting
from .queries import people_of
from .scoped import PLAN, keeper_filter

KEY = "meeting"


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    number = given.get("meeting", "")
    rows = Meeting.objects.filter(
        keeper_filter(actor), pk=int(number) if number.isdecimal() and len(number) < 18 else 0
    )
    meeting = rows.first()
    if meeting is None:
        raise NotFound()
    day = meeting.starts_at.astimezone(clock.SHANGHAI)
    return {"meeting": meeting.pk, "title": meeting.title, "day": f"{day:%Y-%m-%d %H:%M}"}


def _rows(actor: Actor, params: Params) -> Iterable[Any]:
    meeting = Meeting.objects.filter(keeper_filter(actor), pk=params["meeting"]).first()
    return people_of(meeting).iterator(chunk_size=1000) if meeting else ()


def _columns(actor: Actor, params: Params) -> list[Column]:
    return [
        Column("姓名", lambda row: row.staff.name),
        Column(
            "门店或部门", lambda row: row.staff.store.name if row.staff.store else str(row.staff.unit or ""), width=20
        ),
        Column("签到", lambda row: row.signed_in_at, "moment", width=18),
        Column(
            "企业微信会议里的分钟数",
            lambda row: None if row.joined_seconds is None else row.joined_seconds // 60,
            "number",
            width=22,
        ),
        Column("到会", lambda row: bool(row.signed_in_at or row.joined_seconds)),
    ]


register(
    Exportable(
        key=KEY, title="会议出席", permission=PLAN, columns=_columns, rows=_rows, clean=_clean,
        describe=lambda params: f"{params['title']} {params['day']}",
    )
)  # fmt: skip
