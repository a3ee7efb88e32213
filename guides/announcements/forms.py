"""The composer's form as what is saved, and the other way round."""

from datetime import datetime

from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from yejibao.core import clock
from yejibao.core.errors import Invalid

from . import audience as audiences
from .models import Announcement
from .services import Draft

HOURS = ((None, "当天 22:00 前读完"), (4, "4 小时内读完"), (10, "10 小时内读完"), (12, "12 小时内读完"), (24, "一天内读完"), (48, "两天内读完"), (72, "三天内读完"), (168, "一周内读完"))  # fmt: skip
DAYS = (
    (0, "不置顶"),
    (1, "置顶 1 天"),
    (2, "置顶 2 天"),
    (3, "置顶 3 天"),
    (5, "置顶 5 天"),
    (7, "置顶一周"),
    (30, "置顶一个月"),
)
SECONDS = ((0, "不限"), (20, "20 秒"), (30, "30 秒"), (45, "45 秒"), (60, "1 分钟"), (120, "2 分钟"))


def with_own(choices: tuple[tuple[int | None, str], ...], value: int | None, unit: str) -> list[tuple[int | None, str]]:
    """Return the choices, and the value of a draft where it is none of them: saving must not change it."""
    own = [] if value in dict(choices) else [(value, f"{value} {unit}")]
    return [*choices, *own]


def number(text: str | None) -> int | None:
    """Return a number of a field; None for none, and -1 for what is none, which no rule allows."""
    text = (text or "").strip()
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else -1


def read_draft(posted: QueryDict, *, reach: object) -> Draft:
    """Return what was typed. Whether it is allowed is told when it is saved."""
    given = {name: posted.getlist(name) for name in ("units", "not_units", "roles", "kinds", "not_kinds", "grades")}
    level = posted.get("level", "")
    return Draft(
        title=posted.get("title", "").strip(),
        body=posted.get("body", "").replace("\r\n", "\n").strip(),
        level=level if level in Announcement.Level else Announcement.Level.NORMAL,
        audience=audiences.clean(given, reach=reach),  # type: ignore[arg-type]
        needs_confirm=bool(posted.get("needs_confirm")),
        min_read_seconds=number(posted.get("min_read_seconds")) or 0,
        deadline_hours=number(posted.get("deadline_hours")),
        pinned_days=number(posted.get("pinned_days")) or 0,
        tells_managers=bool(posted.get("tells_managers")),
    )


def read_moment(text: str) -> datetime | None:
    """Return a `datetime-local` field as Shanghai time, None for an empty one. Raises Invalid."""
    if not text.strip():
        return None
    try:
        moment = parse_datetime(text.strip())
    except ValueError:
        moment = None
    if moment is None:
        raise Invalid(errors=[{"field": "publish_at", "code": "invalid", "message": "定时要写成日期和时间"}])
    return clock.local_moment(moment.date(), moment.time()) if moment.tzinfo is None else moment
