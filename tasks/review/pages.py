"""任务复盘: the board on phone and PC. The names behind a field are in names_pages, what a manager does about them in act_pages."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tasks.followups.models import Task
from yejibao.core import access, clock, nav, words
from yejibao.core.scope import Actor

from . import queries
from .drawing import (
    as_of_words,
    kpis_of,
    line_of,
    names_href,
    number_of,
    query_of,
    ring_of,
    row_word,
    tab_href,
    watched_of,
    worst_field,
)
from .figures import TARGET
from .periods import LONGEST, NAMES, read_period
from .queries.board import NODES
from .scoped import URGE_ROLES, VIEW, covers

BADGE_DAYS = timedelta(days=14)
PERIOD_TABS = ("today", "week", "month")
PLACES = {"hq": "全公司", "branch": "分公司", "region": "大区", "area": "区域", "store": "门店"}


@never_cache
@require_GET
@access.permission(VIEW)
def board(request: HttpRequest) -> HttpResponse:
    """The board of a store, or of what lies above: by guide, or by the units below."""
    actor, now = access.actor_of(request), clock.now()
    today = clock.local_day(now)
    period = read_period(request.GET.dict(), today=today)
    unit = queries.open_unit(actor, number_of(request.GET.get("unit")))
    found = queries.board_of(actor, unit, period, now=now)
    waiting = queries.waiting_for(actor, unit, day=today)
    lines = [line_of(found, row, period) for row in found.rows]
    reasons_total = sum(count for _, count in found.reasons)
    store = unit.store if found.is_store else None
    context = {
        "board": found, "unit": unit, "place": store.short_name if store else unit.name, "now": now, "period": period,
        "trail": queries.trail_of(actor, unit), "lines": lines, "total": line_of(found, found.total, period, is_total=True),
        "as_of_words": as_of_words(found.as_of, now), "ring": ring_of(found.figures), "nodes": NODES.values(), "kpis": kpis_of(found), "figures": found.figures, "waiting": waiting,
        "watched": watched_of(found, period, now),
        "watch_count": len(found.watched) + len(waiting.requests) + len(waiting.checks),
        "by_overdue": sorted(
            (line for line in lines if not line["total"].is_empty), key=lambda line: -line["total"].overdue_count
        ),
        "others": [
            {"name": name, "figures": figures, "href": names_href(found, period, key)} for key, name, figures in found.others
        ],
        "reasons": [(name, round(100 * count / reasons_total), count) for name, count in found.reasons],
        "bars": [[one.done_count for _, one in found.bars], [one.missed_count for _, one in found.bars]],
        "bar_names": [words.weekday(day) if len(found.bars) <= 7 else f"{day.month}-{day.day}" for day, _ in found.bars],
        "has_bars": any(one.due_count for _, one in found.bars),
        "tabs": [
            {"name": NAMES[key], "is_on": period.key == key, "href": tab_href(key, unit)} for key in PERIOD_TABS
        ],
        "target": round(TARGET * 100), "today": today, "longest": LONGEST,
        "row_word": "导购" if found.is_store else row_word(found),
        "export_of": {"unit": unit.pk, "from": period.start, "to": period.end},
        "query": query_of(period, unit=unit.pk), "worst": worst_field(lines),
        "can_urge": covers(actor, URGE_ROLES, unit), "can_talk": covers(actor, ("branch_member_manager",), unit),
        "nav_current": "review", "nav_area": _nav_area(actor), "is_empty": found.figures.is_empty,
        "store_path": "" if found.is_store else reverse("tasks:review"),
    }  # fmt: skip
    return render(request, "review/board.html", context)


def _nav_area(actor: Actor) -> str:
    """Managers of a store keep their own places on a wide screen; everybody above those of HQ."""
    return "manager" if actor.working_role in ("store_manager", "area_supervisor") else "hq"


# ---------------------------------------------------------------- navigation


def _badge(request: HttpRequest) -> int | None:
    """The overdue tasks of the manager's own store."""
    actor = access.actor_of(request)
    if actor.working_role != "store_manager" or not actor.store_id:
        return None
    now = clock.now()
    late = Task.objects.visible_to(actor).filter(store_id=actor.store_id, state=Task.State.OPEN, held_at=None)
    return late.filter(due_at__lte=now, due_at__gt=now - BADGE_DAYS).count() or None


nav.add(
    "manager",
    key="review",
    label="复盘",
    icon="list-checks",
    url="tasks:review",
    order=20,
    permission=VIEW,
    badge=_badge,
)
nav.add("hq", key="review", label="任务复盘", icon="list-checks", url="tasks:review", order=20, permission=VIEW)
