"""任务复盘: the board on phone and PC, the names behind a field, and what a manager does about them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from html import escape
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.models import OrgUnit, Staff, Store
from tasks.followups import hours
from tasks.followups.models import SkipRequest, SpotCheck, Task
from tasks.followups.services import decide_skip, judge_spot_check, move_due, reassign
from tasks.followups.services import urge as urge_tasks
from yejibao.core import access, audit, clock, hx, idempotency, nav, words
from yejibao.core.errors import Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

from . import queries, services
from .figures import TARGET, Figures, points
from .models import StoreWeek
from .periods import LONGEST, NAMES, Period, read_period
from .queries.board import NODES, Board, Row
from .queries.drill import TABS, step_name
from .scoped import NAME_ROLES, URGE_ROLES, VIEW, covers, own_kind

MOST_PICKED = 200
BADGE_DAYS = timedelta(days=14)
LOW = 0.60  # design README: a cell below 60 % with something overdue is outlined
NEW_DUES = (time(20, 0), time(12, 0))  # proposals for a new due time: this evening, tomorrow noon and evening


def _number(text: str | None) -> int | None:
    """Read an id of the address; None where there is none. Raises NotFound for what is no number."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise NotFound()
    return int(text)


# ---------------------------------------------------------------- the board


@dataclass(frozen=True)
class Cell:
    """One field of the heat map as the template prints it."""

    figure: str
    style: str
    alpha: str
    late: int
    href: str
    is_names: bool  # opens the list of names, not another board
    title: str
    spoken: str

    @property
    def drawn(self) -> SafeString:
        """The field as HTML: forty of them a page, each an include before."""
        inside = f"<span>{self.figure}{'' if self.style == 'na' else PERCENT}</span>"
        if self.late:
            inside += f"<small>超时 {self.late}</small>"
        looks, spoken = f'class="c {self.style}" style="--a:{self.alpha}"', escape(self.spoken)
        if not self.href:
            return mark_safe(f'<span {looks} role="img" aria-label="{spoken}">{inside}</span>')
        href, opens = escape(self.href), ""
        if self.is_names:
            opens = f' data-names hx-get="{href}" hx-target="#sheet-body" data-sheet="{escape(self.title)}"'
        return mark_safe(f'<a {looks} href="{href}"{opens} aria-label="{spoken}">{inside}</a>')


PERCENT = '<span class="pc-in">%</span>'


def _query(period: Period, **facts: Any) -> str:
    """Return the query of a page of this room: its period, and what it is about."""
    if period.key == "range":
        asked: dict[str, Any] = {"from": period.start, "to": period.end}
    else:
        asked = {} if period.key == "week" else {"period": period.key}
    return "?" + urlencode({**{name: value for name, value in facts.items() if value not in (None, "")}, **asked})


def _cell(found: Figures, *, who: str, node: str, href: str, is_names: bool) -> Cell:
    share = found.completion
    if share is None:
        idle = found.upcoming_count
        spoken = f"{who} {node} 还没到时间，{idle} 件" if idle else f"{who} {node} 没有"
        return Cell("–", "na", "0", 0, href if idle and is_names else "", is_names, f"{who} · {node}", spoken)
    is_low, is_high = share < LOW and found.overdue_count > 0, share >= 0.75
    # Shades skip the middle, where neither dark nor white figures can be read.
    alpha = 0.0 if is_low else (0.78 + (share - 0.75) * 0.88 if is_high else 0.06 + share * 0.56)
    return Cell(
        figure=f"{(found.done_count * 200 + found.due_count) // (2 * found.due_count)}",
        style="low" if is_low else "w" if is_high else "", alpha=f"{alpha:.2f}", late=found.overdue_count, href=href,
        is_names=is_names, title=f"{who} · {node}",
        spoken=f"{who} {node} 完成 {found.completion_words}，超时 {found.overdue_count} 件",
    )  # fmt: skip


def _line(board: Board, row: Row, period: Period, *, is_total: bool = False) -> dict[str, Any]:
    """Return a line of the heat map: cells, sums, and where its name leads."""
    names_url, board_url = reverse("tasks:review-names"), reverse("tasks:review")
    is_names = board.is_store and board.sees_names

    def href(task_type: str) -> str:
        if is_names:
            guide = None if is_total else row.pk
            return names_url + _query(period, unit=board.unit.pk, guide=guide, type=task_type)
        return "" if board.is_store or is_total else board_url + _query(period, unit=row.pk)

    total = row.total
    return {
        "pk": row.pk, "name": row.name, "is_gone": row.is_gone, "total": total, "href": href(""), "is_names": is_names,
        "cells": [
            _cell(row.by_type.get(key, Figures()), who=row.name, node=step_name(key), href=href(key), is_names=is_names)
            for key in NODES
        ],
    }  # fmt: skip


def _kpis(board: Board) -> list[dict[str, Any]]:
    """Return the five figures on top of the PC page."""
    now, before, versus = board.figures, board.before, board.period.versus
    moved = points(now.completion, before.completion)
    reply_moved = points(now.reply, before.reply)
    return [
        {
            "name": "完成率", "value": now.completion_words, "trend": board.trend["completion"],
            "note": f"目标 {TARGET:.0%}" + (f"，{versus} {moved}" if moved else ""),
            "tone": _tone(now.completion, before.completion),
        },
        {
            "name": "超时", "value": f"{now.overdue_count} 件" if now.due_count else "—", "trend": board.trend["missed"],
            "note": f"另有 {now.expired_count} 件过期没做" if now.expired_count else "没有过期的" if now.due_count else "还没有到期的",
            "alarm": now.overdue_count > 0, "tone": "muted",
        },
        {
            "name": "会员回复率", "value": now.reply_words, "trend": board.trend["reply"],
            "note": f"触达 {now.reached_count} 人" + (f"，{versus} {reply_moved}" if reply_moved else ""),
            "tone": _tone(now.reply, before.reply),
        },
        {
            "name": "约到店", "value": "—" if now.booked is None else f"{now.booked} 人", "trend": board.trend["booked"],
            "note": "到店率 —", "tone": "muted",
        },
        {
            "name": "跟进成交", "value": words.wan(now.sales), "trend": board.trend["sales"],
            "note": f"{now.sales_count} 单，7 天内跟进过才算" if now.sales_count else "7 天内跟进过才算", "tone": "muted",
        },
    ]  # fmt: skip


def _tone(now: float | None, before: float | None) -> str:
    if now is None or before is None or now == before:
        return "muted"
    return "up" if now > before else "down"


def _watched(board: Board, period: Period, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "guide_id": one.guide_id, "name": one.guide_name, "type": one.task_type, "count": one.count,
            "step": step_name(one.task_type),
            "note": f"最久{words.due_words(one.oldest_due_at, now)}" + (f"，多因{one.reason}" if one.reason else ""),
            "href": reverse("tasks:review-names")
            + _query(period, unit=board.unit.pk, guide=one.guide_id, type=one.task_type),
        }
        for one in board.watched
    ]  # fmt: skip


def _ring(figures: Figures) -> dict[str, Any]:
    share = figures.completion
    said = figures.completion_words
    return {
        "percent": None if share is None else share * 100, "figure": said.removesuffix("%"),
        "label": f"完成率 {said}，目标 {TARGET:.0%}",
    }  # fmt: skip


def _as_of(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return words.NOTHING
    is_today = clock.local_day(moment) == clock.local_day(now)
    return words.clock_time(moment) if is_today else words.short_moment(moment, now)


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
    unit = queries.open_unit(actor, _number(request.GET.get("unit")))
    found = queries.board_of(actor, unit, period, now=now)
    waiting = queries.waiting_for(actor, unit, day=today)
    lines = [_line(found, row, period) for row in found.rows]
    reasons_total = sum(count for _, count in found.reasons)
    store = unit.store if found.is_store else None
    context = {
        "board": found, "unit": unit, "place": store.short_name if store else unit.name, "now": now, "period": period,
        "trail": queries.trail_of(actor, unit), "lines": lines, "total": _line(found, found.total, period, is_total=True),
        "as_of_words": _as_of(found.as_of, now), "ring": _ring(found.figures), "nodes": NODES.values(), "kpis": _kpis(found), "figures": found.figures, "waiting": waiting,
        "watched": _watched(found, period, now),
        "watch_count": len(found.watched) + len(waiting.requests) + len(waiting.checks),
        "by_overdue": sorted(
            (line for line in lines if not line["total"].is_empty), key=lambda line: -line["total"].overdue_count
        ),
        "others": [
            {"name": name, "figures": figures, "href": _names_href(found, period, key)} for key, name, figures in found.others
        ],
        "reasons": [(name, round(100 * count / reasons_total), count) for name, count in found.reasons],
        "bars": [[one.done_count for _, one in found.bars], [one.missed_count for _, one in found.bars]],
        "bar_names": [words.weekday(day) if len(found.bars) <= 7 else f"{day.month}-{day.day}" for day, _ in found.bars],
        "has_bars": any(one.due_count for _, one in found.bars),
        "tabs": [
            {"name": NAMES[key], "is_on": period.key == key, "href": _tab(key, unit)} for key in PERIOD_TABS
        ],
        "target": round(TARGET * 100), "today": today, "longest": LONGEST,
        "row_word": "导购" if found.is_store else _row_word(found),
        "export_of": {"unit": unit.pk, "from": period.start, "to": period.end},
        "query": _query(period, unit=unit.pk), "worst": _worst(lines),
        "can_urge": covers(actor, URGE_ROLES, unit), "can_talk": covers(actor, ("branch_member_manager",), unit),
        "nav_current": "review", "nav_area": _nav_area(actor), "is_empty": found.figures.is_empty,
        "store_path": "" if found.is_store else reverse("tasks:review"),
    }  # fmt: skip
    return render(request, "review/board.html", context)


def _names_href(found: Board, period: Period, task_type: str) -> str:
    if not (found.is_store and found.sees_names):
        return ""
    return reverse("tasks:review-names") + _query(period, unit=found.unit.pk, type=task_type)


def _tab(key: str, unit: OrgUnit) -> str:
    return "?" + urlencode({"unit": unit.pk, "period": key})


def _row_word(found: Board) -> str:
    below = {"hq": "分公司", "branch": "大区", "region": "区域", "area": "门店"}
    return below.get(str(found.unit.level), "下级")


def _worst(lines: list[dict[str, Any]]) -> str:
    """Return the field with the most overdue: a wide screen opens it by itself."""
    fields = [(cell.late, cell.href) for line in lines for cell in line["cells"] if cell.late and cell.is_names]
    return max(fields, key=lambda pair: pair[0])[1] if fields else ""


def _nav_area(actor: Actor) -> str:
    """Managers of a store keep their own places on a wide screen; everybody above those of HQ."""
    return "manager" if actor.working_role in ("store_manager", "area_supervisor") else "hq"


# ---------------------------------------------------------------- the names behind a field


@never_cache
@require_GET
@access.permission(VIEW)
def names(request: HttpRequest) -> HttpResponse:
    """Who is behind a field. A sheet on the phone, the column beside the map on a wide screen, else a page."""
    return _names(request, request.GET.dict())


def _store_of(actor: Actor, unit_id: int | None) -> Store:
    unit = queries.open_unit(actor, unit_id)
    if unit.level != OrgUnit.Level.STORE:
        raise NotFound()
    if not covers(actor, NAME_ROLES, unit) or own_kind(actor, unit):
        raise Forbidden("这里只看数字，名单由店长和督导看", permission="followup.read")
    unit.store.unit = unit
    return unit.store


def _guide_of(store: Store, guide_id: int | None) -> Staff | None:
    if guide_id is None:
        return None
    theirs = Exists(Task.objects.filter(assignee=OuterRef("pk"), store=store))
    guide = Staff.objects.filter(Q(store=store) | theirs, pk=guide_id).first()
    if guide is None:
        raise NotFound()
    return guide


def _names(request: HttpRequest, asked: dict[str, str]) -> HttpResponse:
    actor, now = access.actor_of(request), clock.now()
    period = read_period(asked, today=clock.local_day(now))
    store = _store_of(actor, _number(asked.get("unit")))
    guide = _guide_of(store, _number(asked.get("guide")))
    task_type = asked.get("type", "")[:32]
    drill = queries.drill_of(actor, store, guide=guide, task_type=task_type, period=period, now=now)
    tab = asked.get("tab", "")
    if tab not in TABS:
        tab = next((key for key in ("late", "todo", "done") if drill.lists[key]), "late")
    audit.saw_members(actor, sorted({one.member_id for one in drill.lists[tab]}), where="任务复盘名单")
    facts = {"unit": store.unit_id, "guide": guide.pk if guide else None, "type": task_type}
    can_pick = tab in ("late", "todo") and bool(drill.lists[tab]) and (drill.can_urge or drill.can_move)
    context = {
        "drill": drill, "store": store, "guide": guide, "now": now, "tab": tab, "shown": drill.lists[tab], "can_pick": can_pick,
        "title": f"{guide.name if guide else store.short_name} · {drill.step_name}",
        "tabs": [
            {"key": key, "name": name, "count": len(drill.lists[key]), "is_on": key == tab,
             "href": reverse("tasks:review-names") + _query(period, **facts, tab=key)}
            for key, name in TABS.items() if drill.lists[key] or key in ("late", "todo", "done")
        ],
        "fields": {**facts, "tab": tab, "period": "" if period.key == "range" else period.key,
                   "from": period.start if period.key == "range" else "", "to": period.end if period.key == "range" else ""},
        "colleagues": drill.colleagues[:12], "backup_id": guide.backup_guide_id if guide else None,
        "new_dues": _new_dues(store, now), "first_due": _local_text(now), "opens": store.opens_at, "closes": store.closes_at,
        "opens_tasks": _opens_tasks(actor, store), "whose": _pronoun(guide),
        "back": reverse("tasks:review") + _query(period, unit=store.unit_id), "nav_current": "review",
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "review/names.html", context)
    return render(request, "review/names_page.html", context)


def _pronoun(guide: Staff | None) -> str:
    return guide.name if guide else "各自"


def _opens_tasks(actor: Actor, store: Store) -> bool:
    return covers(actor, ("store_manager",), store.unit)


def _local_text(moment: datetime) -> str:
    return moment.astimezone(clock.SHANGHAI).strftime("%Y-%m-%dT%H:%M")


def _new_dues(store: Store, now: datetime) -> list[dict[str, str]]:
    """Return proposals for a new due time inside the store's hours."""
    today = clock.local_day(now)
    evening, noon = NEW_DUES
    wishes = [(today, evening), (today + timedelta(days=1), noon), (today + timedelta(days=1), evening)]
    found = []
    for day, at in wishes:
        moment = clock.local_moment(day, at)
        if moment > now + timedelta(minutes=30) and hours.is_open(store, moment):
            found.append({"value": _local_text(moment), "name": words.short_moment(moment, now)})
    return found


# ---------------------------------------------------------------- acts


Work = Callable[[datetime], dict[str, Any]]


def _once(request: HttpRequest, work: Work) -> dict[str, Any]:
    """Do one act, once per key; a refusal of a field says its sentence."""
    now = clock.now()
    asked = {key: value for key, value in request.POST.lists() if key not in ("csrfmiddlewaretoken", "idempotency_key")}

    def plain() -> dict[str, Any]:
        try:
            return work(now)
        except Invalid as refusal:
            if not refusal.detail and refusal.errors:
                raise Invalid(refusal.errors[0]["message"], errors=refusal.errors) from refusal
            raise

    answer, _ = idempotency.once(request, asked, plain)
    return answer


def _answer(request: HttpRequest, said: str, *, undo: str = "", back: str = "") -> HttpResponse:
    """Say what happened in the caller's way: the list anew with a toast, a toast, JSON, or a redirect."""
    asked = request.POST.dict()
    if hx.is_htmx(request):
        response = _names(request, asked) if asked.get("tab") else HttpResponse(status=204)
        hx.toast(response, said, undo=undo)
        return hx.trigger(response, "review:changed")
    if "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse({"said": said, "undo": undo})
    hx.flash(request, said, undo=undo)
    period = read_period(asked, today=clock.today())
    return HttpResponseRedirect(back or reverse("tasks:review") + _query(period, unit=_number(asked.get("unit"))))


def _picked(request: HttpRequest, now: datetime) -> list[Task]:
    """Return the tasks an act is about: those ticked, or all overdue ones of a field. Raises NotFound for any out of sight."""
    ids = {int(one) for one in request.POST.getlist("task") if one.isdecimal() and len(one) < 19}
    readable = queries.named_tasks(access.actor_of(request)).select_related("store__unit", "assignee")
    if ids:
        if len(ids) > MOST_PICKED:
            raise Invalid(f"一次最多选 {MOST_PICKED} 件")
        found = list(readable.filter(pk__in=ids).order_by("due_at", "pk"))
        if len(found) != len(ids):
            raise NotFound()
        return found
    if not request.POST.get("all"):
        raise Invalid("先选几件")
    store = _store_of(access.actor_of(request), _number(request.POST.get("unit")))
    period = read_period(request.POST.dict(), today=clock.local_day(now))
    field = queries.field_filter(store, _number(request.POST.get("guide")), request.POST.get("type", "")[:32], period)
    late = readable.filter(field, state=Task.State.OPEN, held_at=None, due_at__lte=now)
    return list(late.order_by("due_at", "pk")[:MOST_PICKED])


@require_POST
@access.roles(*URGE_ROLES)
def urge(request: HttpRequest) -> HttpResponse:
    """催办: one message a person; what was urged within two hours is left out and said so."""

    def work(now: datetime) -> dict[str, Any]:
        picked = _picked(request, now)
        tasks = [task for task in picked if task.state == Task.State.OPEN and task.held_at is None]
        result = urge_tasks(tasks, actor=access.actor_of(request), now=now)
        whose = {task.assignee_id: task.assignee.name for task in tasks}
        who = next(iter(whose.values())) if len(whose) == 1 else f"{len(whose)} 位同事"
        parts = []
        if result.sent:
            parts.append(f"催了{who} {result.sent} 件")
        if result.waits_for_morning:
            opens = words.clock_time(hours.next_opening(tasks[0].store, now))
            parts.append(f"现在免打扰，{result.waits_for_morning} 件 {opens} 以后再发给{who}")
        if result.too_soon:
            parts.append(
                f"{result.too_soon} 件两小时内催过，没有再催" if parts else f"这 {result.too_soon} 件两小时内都催过了"
            )
        if len(picked) > len(tasks):
            parts.append(f"{len(picked) - len(tasks)} 件已经不用催了")
        return {"said": "，".join(parts) or "没有要催的"}

    return _answer(request, _once(request, work)["said"])


@require_POST
@access.permission("task.dispatch")
def hand_over(request: HttpRequest) -> HttpResponse:
    """转给: to a colleague of the store, at once, with a way back."""

    def work(now: datetime) -> dict[str, Any]:
        tasks = _picked(request, now)
        wanted = _number(request.POST.get("colleague"))
        to = Staff.objects.visible_to(access.actor_of(request)).filter(pk=wanted).first() if wanted else None
        if to is None:
            raise Invalid("选一位同事")
        moved = reassign(
            tasks, actor=access.actor_of(request), to=to, reason=request.POST.get("reason", "").strip()[:120], now=now
        )
        if not moved:
            raise Invalid("这几件已经做完，或者本来就是他的")
        return {"said": f"{moved} 件转给了{to.name}", "at": now.isoformat()}

    answer = _once(request, work)
    undo = reverse("tasks:review-undo") + "?" + urlencode({"at": answer["at"]})
    return _answer(request, answer["said"], undo=undo)


@require_POST
@access.permission("task.dispatch")
def undo_hand_over(request: HttpRequest) -> HttpResponse:
    """撤销 of a hand-over a moment ago."""
    try:
        moved_at = parse_datetime(request.GET.get("at", ""))
    except ValueError:
        moved_at = None
    if moved_at is None or moved_at.tzinfo is None:
        raise NotFound()

    def work(now: datetime) -> dict[str, Any]:
        back = services.undo_reassign(actor=access.actor_of(request), moved_at=moved_at, now=now)
        return {"said": f"{back} 件还给了原来的导购" if back else "没有可以撤销的"}

    return _answer(request, _once(request, work)["said"])


@require_POST
@access.permission("task.dispatch")
def due(request: HttpRequest) -> HttpResponse:
    """改截止时间: a recorded act, within the store's hours and before the tasks expire."""

    def work(now: datetime) -> dict[str, Any]:
        tasks = _picked(request, now)
        moment = _moment(request.POST.get("due_other") or request.POST.get("due_at") or "")
        last = min((task.expire_at for task in tasks), default=now)
        if moment > last:
            raise Invalid(f"最晚到 {words.short_moment(last, now)}，过了这些任务就失效了")
        moved = move_due(
            tasks,
            actor=access.actor_of(request),
            due_at=moment,
            reason=request.POST.get("reason", "").strip() or "店长改时间",
            now=now,
        )
        return {"said": f"{moved} 件改到 {words.short_moment(moment, now)}"}

    return _answer(request, _once(request, work)["said"])


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise Invalid("选一个新的截止时间")
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.SHANGHAI)


@require_POST
@access.permission("task.approve_skip")
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve or refuse a skip request, with a sentence for the guide."""
    asked = _found(SkipRequest.objects.filter(task__in=queries.named_tasks(access.actor_of(request)), pk=pk).select_related(
        "task__store__unit", "task__member", "asked_by"))  # fmt: skip

    def work(now: datetime) -> dict[str, Any]:
        approve, answer = request.POST.get("approve") == "1", request.POST.get("answer", "").strip()[:120]
        if not approve and len(answer) < 2:
            raise Invalid("不同意要说一句为什么")
        decide_skip(asked, actor=access.actor_of(request), approve=approve, answer=answer, now=now)
        return {"said": f"{asked.asked_by.name}的申请{'已批准，这件不做了' if approve else '没同意，任务还在'}"}

    return _answer(request, _once(request, work)["said"])


@require_POST
@access.roles("store_manager", "area_supervisor")
def judge(request: HttpRequest, pk: int) -> HttpResponse:
    """属实 or 不属实."""
    check = _found(SpotCheck.objects.filter(task__in=queries.named_tasks(access.actor_of(request)), pk=pk).select_related(
        "task__store__unit", "task__assignee"))  # fmt: skip

    def work(now: datetime) -> dict[str, Any]:
        accept = request.POST.get("accept") == "1"
        judge_spot_check(
            check,
            actor=access.actor_of(request),
            accept=accept,
            note=request.POST.get("note", "").strip()[:120],
            now=now,
        )
        if accept:
            return {"said": "记为属实"}
        is_open = check.task.state == Task.State.OPEN
        return {"said": f"记为不属实，{'任务退回给' + check.task.assignee.name if is_open else '这件算没做'}"}

    return _answer(request, _once(request, work)["said"])


@require_POST
@access.roles("branch_member_manager")
def talk(request: HttpRequest, pk: int) -> HttpResponse:
    """Record the talk with a store that stayed behind."""
    week = _found(StoreWeek.objects.visible_to(access.actor_of(request)).filter(pk=pk).select_related("store__unit"))

    def work(now: datetime) -> dict[str, Any]:
        services.record_talk(week, actor=access.actor_of(request), note=request.POST.get("note", ""), now=now)
        return {"said": f"{week.store.short_name}的谈话记下了"}

    return _answer(request, _once(request, work)["said"])


def _found(rows: Any) -> Any:
    """Return the one row, or answer as if it did not exist."""
    found = rows.first()
    if found is None:
        raise NotFound()
    return found


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
