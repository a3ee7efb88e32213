"""法定节假日 and 调休: seeded from a library, changed by HQ.

The law fixes the holidays, the State Council says each autumn which weekends are worked for the next year. Until then the
library knows the first and not the second (`is_arranged`), and HQ can enter by hand what was published.
"""

import re
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, desk
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

from .models import Holiday

KEEPERS = ("hq_retail", "sys_admin")  # 标准与制度, 参数 (org_and_roles.yaml)
AHEAD_YEARS = 1
_ASIDE = re.compile(r"（.*?）|\(.*?\)")
_MOVED = "休息日"  # 休息日（由 2026-10-10 调休）
_NEAR = timedelta(days=12)


class NotYourCalendar(Forbidden):
    code, title = "perm.holidays", _("节假日由零售部和系统管理员维护")


@cache
def _library(year: int) -> Any:
    import holidays  # 8 MB and a second of start: only where holidays are seeded

    return holidays.country_holidays("CN", years=(year - 1, year, year + 1), language="zh_CN")


def read_library(year: int) -> list[Holiday]:
    """Return the marked days of a year as the library knows them, unsaved, in order."""
    book = _library(year)
    named = {day: text for day, text in sorted(book.items()) if not text.startswith(_MOVED)}
    found = []
    for day, text in sorted(book.items()):
        if day.year != year:
            continue
        moved = text.startswith(_MOVED)
        own_day = not moved and not _ASIDE.search(text)
        kind = Holiday.Kind.STATUTORY if own_day else Holiday.Kind.BRIDGE
        found.append(Holiday(day=day, kind=kind, name=_nearest(day, named) if moved else _plain(text)))
    worked = [day for day in getattr(book, "weekend_workdays", ()) if day.year == year]
    found += [Holiday(day=day, kind=Holiday.Kind.WORKDAY, name=_nearest(day, named)) for day in worked]
    return sorted(found, key=lambda one: one.day)


def _plain(text: str) -> str:
    """Return 春节 of 春节（补假）; 除夕 without 农历."""
    return _ASIDE.sub("", text).removeprefix("农历").strip()[:16]


def _nearest(day: date, named: dict[date, str]) -> str:
    near = min(named, key=lambda other: abs(other - day), default=None)
    return _plain(named[near]) if near and abs(near - day) <= _NEAR else "调休"


@transaction.atomic
def seed_holidays(*, today: date) -> dict[str, int]:
    """Bring this year and the next from the library; HQ's own words stay. Safe to run every night."""
    changed = 0
    for year in range(today.year, today.year + AHEAD_YEARS + 1):
        rows = read_library(year)
        known = {row.day: row for row in Holiday.objects.filter(day__year=year)}
        wanted = {row.day: row for row in rows}
        gone = [row.pk for day, row in known.items() if day not in wanted and not row.is_own_word]
        new = [
            row for day, row in wanted.items()
            if (old := known.get(day)) is None or not old.is_own_word and (old.kind, old.name) != (row.kind, row.name)
        ]  # fmt: skip
        Holiday.objects.filter(pk__in=gone).delete()
        Holiday.objects.bulk_create(new, update_conflicts=True, unique_fields=["day"], update_fields=["kind", "name"])
        changed += len(gone) + len(new)
    return {"changed": changed}


def is_arranged(year: int) -> bool:
    """Tell whether it is known which weekends of a year are worked."""
    return Holiday.objects.filter(day__year=year, kind=Holiday.Kind.WORKDAY).exists()


@transaction.atomic
def set_holiday(day: date, *, kind: str, name: str, reason: str, actor: Actor, now: datetime) -> None:
    """Say what a day is; it stands over the library. Raises NotYourCalendar or Invalid."""
    if not actor.has_role(*KEEPERS):
        raise NotYourCalendar()
    reason = desk.needs_reason(reason)
    if kind not in Holiday.Kind.values:
        raise Invalid(_("没有这种日子"))
    is_plain = kind == Holiday.Kind.ORDINARY
    if not is_plain and not name.strip():
        raise Invalid(_("写一下是什么节"), errors=[{"field": "name", "code": "required", "message": "写一下是什么节"}])
    before = Holiday.objects.filter(day=day).values("kind", "name").first()
    facts = {"kind": kind, "name": "" if is_plain else name.strip()[:16]}
    Holiday.objects.update_or_create(day=day, defaults=facts | {"is_own_word": True})
    audit.record(
        actor, "attendance.holiday_set", "guides.Holiday", resource_id=str(day), before=dict(before or {}), after=facts,
        reason=reason,
    )  # fmt: skip
