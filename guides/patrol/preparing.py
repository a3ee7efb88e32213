"""数据准备: the blocks of figures one reads of a store before one goes in (patrol_checklist.yaml, prep_data_blocks).

Who knows the figures supplies them (reminders/facts.py); a block of which nobody in this room knows the facts is a panel that an
upper room hangs on the slot `patrol.prep` under the block's key. A figure nobody can tell says why, and is never a nought.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from guides.org.models import Staff, Store
from yejibao.core import access, clock, panels, words

from .models import Finding, Visit
from .reminders.facts import Performance, ask

SLOT = "patrol.prep"
DASH = "—"
Line = tuple[str, str, str]  # name, value, what to know about it


@panels.panel(SLOT, order=10, name="sales_performance")
def sales_performance(request: HttpRequest, *, store: Store, **_: Any) -> panels.Answer:
    """门店销售业绩: the month to the end of yesterday."""
    now = clock.now()
    facts = _performance(store, now)
    lines: list[Line] = [
        ("本月净销售额", words.yuan(facts.month_fen), "到昨天为止"),
        _achievement(facts, now),
        ("客单价", words.yuan(facts.month_fen // facts.orders) if facts.orders else DASH, f"{facts.orders} 单"),
        ("连带率", f"{facts.items / facts.orders:.1f}" if facts.orders else DASH, f"{facts.items} 件"),
        ("件单价", words.yuan(facts.month_fen // facts.items) if facts.items else DASH, ""),
        ("进店转化率", _share(facts.orders, facts.visitors), f"进店 {facts.visitors} 人" if facts.visitors else "门口没有客流计数"),
        ("近 14 天同比", _growth(facts), "和去年同样的日子比"),
    ]  # fmt: skip
    return "patrol/figures.html", {"lines": lines}


@panels.panel(SLOT, order=20, name="sales_efficiency")
def sales_efficiency(request: HttpRequest, *, store: Store, **_: Any) -> panels.Answer:
    """坪效人效: the month's sales by square metre and by head on the roll."""
    now = clock.now()
    facts, today = _performance(store, now), clock.local_day(now)
    heads = Staff.objects.employed().filter(store=store).filter(Q(joined_on=None) | Q(joined_on__lt=today)).count()
    area = store.area_m2
    lines: list[Line] = [
        ("坪效", words.yuan(facts.month_fen // area) if area else DASH, f"{area} ㎡，本月到昨天" if area else "门店资料里没有面积"),
        ("人效", words.yuan(facts.month_fen // heads) if heads else DASH, f"{heads} 人在册，含店长"),
    ]  # fmt: skip
    return "patrol/figures.html", {"lines": lines}


@panels.panel(SLOT, order=50, name="task_progress")
def task_progress(request: HttpRequest, *, store: Store, **_: Any) -> panels.Answer:
    """导购任务: how much of what was due was done, the last two whole weeks."""
    now = clock.now()
    weeks = ask("member_tasks", [store.pk], now=now).get(store.pk)
    tags = ask("member_tags", [store.pk], now=now).get(store.pk)
    lines: list[Line] = []
    if weeks:
        (done, due), (done_before, due_before) = weeks
        lines += [
            ("上周任务完成率", _share(done, due), f"{done} / {due}"),
            ("前一周", _share(done_before, due_before), f"{done_before} / {due_before}"),
        ]
    if tags:
        filled, wanted = tags
        lines.append(("标签完整率", _share(filled, wanted), "必填标签"))
    return ("patrol/figures.html", {"lines": lines}) if lines else None


@panels.panel(SLOT, order=90, name="last_patrol")
def last_patrol(request: HttpRequest, *, store: Store, **_: Any) -> panels.Answer:
    """上次巡店: when, how well, and what of it is still open; only what this person may read."""
    actor = access.actor_of(request)
    visit = (
        Visit.objects.visible_to(actor).counted().filter(store=store).with_people().order_by("-submitted_at").first()
    )
    findings = Finding.objects.visible_to(actor).filter(store=store, closed_at=None).select_related("item")
    waiting = list(findings.order_by("deadline_at", "pk")[:6])
    return "patrol/last_patrol.html", {"visit": visit, "waiting": waiting, "now": clock.now()}


def _performance(store: Store, now: datetime) -> Performance:
    found: Performance = ask("performance", [store.pk], now=now).get(store.pk, Performance())
    return found


def _achievement(facts: Performance, now: datetime) -> Line:
    yesterday = clock.local_day(now) - timedelta(days=1)
    gone = clock.local_day(now).day - 1
    days = monthrange(yesterday.year, yesterday.month)[1] if gone else monthrange(now.year, now.month)[1]
    time_words = f"时间进度 {gone * 100 // days}%"
    if not facts.target_fen:
        return "达成率", DASH, f"还没有导入目标，{time_words}"
    return "达成率", _share(facts.month_fen, facts.target_fen), time_words


def _growth(facts: Performance) -> str:
    before = facts.recent_last_year_fen
    return f"{(facts.recent_fen - before) / before:+.0%}" if before else DASH


def _share(part: int, whole: int | None) -> str:
    return f"{part / whole:.0%}" if whole else DASH
