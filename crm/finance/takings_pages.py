"""收款汇总: what stores took by way of payment, from the company down to a store's days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org.pages import shell_facts
from yejibao.core import access, clock, nav

from .scoped import FIGURE_READERS, TAKINGS_READERS, reads_all
from .takings import LONGEST, MONEY, takings_of

EARLIEST = date(2000, 1, 1)
AT_STORES = ("store_manager",)


@never_cache
@require_GET
@access.roles(*TAKINGS_READERS)
def takings(request: HttpRequest) -> HttpResponse:
    """The units under one, or the days of a store; ?unit= leads down, ?from= and ?to= choose the days."""
    actor, today = access.actor_of(request), clock.local_day(clock.now())
    first, last = range_of(request.GET, today=today)
    board = takings_of(actor, unit_id=number_of(request.GET.get("unit", "")), first=first, last=last)
    facts: dict[str, Any] = {
        "board": board, "ways": [way.label for way in MONEY], "first": first, "last": last, "ranges": _ranges(today, first, last),
        "is_today": last == today, "longest": LONGEST, "reads_days": actor.has_role(*FIGURE_READERS), "reads_lines": reads_all(actor),
        "tab": "takings",
    }  # fmt: skip
    return render(request, "finance/takings.html", facts | shell_facts(actor, "finance-takings"))


def range_of(given: Any, *, today: date) -> tuple[date, date]:
    """Return the days that were asked for: no future ones, no more than LONGEST; today where nothing was."""
    last = max(min(_day(given.get("to"), today), today), EARLIEST)
    first = min(_day(given.get("from"), last), last)
    return max(first, last - timedelta(days=LONGEST - 1)), last


def number_of(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 12 else None


def _day(text: str | None, usual: date) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return usual


def _ranges(today: date, first: date, last: date) -> list[dict[str, Any]]:
    yesterday, month = today - timedelta(days=1), today.replace(day=1)
    before = month - timedelta(days=1)
    known = {
        "今天": (today, today),
        "昨天": (yesterday, yesterday),
        "本月": (month, today),
        "上月": (before.replace(day=1), before),
    }
    return [
        {"name": name, "first": start, "last": end, "is_on": (start, end) == (first, last)} for name, (start, end) in known.items()
    ]  # fmt: skip


nav.add(
    "hq", key="finance-takings", label="收款汇总", icon="table", url="crm:finance-takings", order=59, roles=TAKINGS_READERS
)  # fmt: skip
nav.add(
    "me", key="finance-takings", label="本店收款", icon="table", url="crm:finance-takings", order=34, roles=AT_STORES
)
