"""请假: a guide asks and follows hers; whoever decides sees what waits, who is away, and what a yes would leave of the store."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from guides.org.models import Staff
from guides.org.pages import shell_of
from guides.org.queries import HEADS
from yejibao.core import access, clock, desk, nav, words
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from . import leave, leave_words
from .calendar import away_days
from .leave_deciders import may_decide
from .leave_models import LeaveRequest

WRITERS = ("guide", "store_manager")
SHOWN = 30
WATCHED_DAYS = 14  # of a long leave, the first ones are looked at


# ---------------------------------------------------------------- one's own


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WRITERS)
def own_leaves(request: HttpRequest) -> HttpResponse:
    """我的请假: ask, and what became of it."""
    actor, now = access.actor_of(request), clock.now()
    person = _me(actor)
    refusal = None
    if request.method == "POST":
        content = {name: request.POST.get(name, "") for name in FIELDS}

        def work() -> dict[str, Any]:
            made = leave.ask_leave(person, _wish(request.POST, person), actor=actor, now=now)
            return {"page": reverse("guides:leave", args=[made.pk])}

        answer, refusal = desk.attempt(request, content, work)
        if refusal is None:
            return desk.done(request, "交上去了，批了会告诉你", answer["page"])
    rows = LeaveRequest.objects.filter(staff=person).with_people().order_by("-starts_on", "-pk")[:SHOWN]
    facts = {
        "cards": [_card(row) for row in rows], "post": request.POST, "refusal": refusal,
        "errors": _errors(refusal), **_form(person, now),
    }  # fmt: skip
    return render(request, "leave/own.html", facts | _shell(actor), status=refusal.status if refusal else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WRITERS)
def own_leave(request: HttpRequest, pk: int) -> HttpResponse:
    """One of one's own: changed and handed in again while it waits; taken back, ended early."""
    actor, now = access.actor_of(request), clock.now()
    person = _me(actor)
    row = LeaveRequest.objects.filter(staff=person, pk=pk).with_people().first()
    if row is None:
        raise NotFound()
    refusal = None
    if request.method == "POST":
        content = {name: request.POST.get(name, "") for name in (*FIELDS, "do", "back_on")}
        acts = {"change": _change, "withdraw": _withdraw, "end": _end}
        act = acts.get(request.POST.get("do", ""))
        if act is None:
            raise Invalid("没看懂要做什么，重新点一下")
        answer, refusal = desk.attempt(request, content, lambda: act(row, request.POST, actor, now))
        if refusal is None:
            return desk.done(request, answer["said"], reverse("guides:leave", args=[pk]))
        row.refresh_from_db()
    today = clock.local_day(now)
    facts = {
        "card": _card(row), "post": request.POST or _as_post(row), "refusal": refusal, "errors": _errors(refusal),
        "is_waiting": row.state in LeaveRequest.WAITING, "can_end": _can_end(row, today), **_form(person, now),
    }  # fmt: skip
    return render(request, "leave/own_one.html", facts | _shell(actor), status=refusal.status if refusal else 200)


def _change(row: LeaveRequest, post: QueryDict, actor: Actor, now: datetime) -> dict[str, Any]:
    leave.change_leave(row, _wish(post, row.staff), actor=actor, now=now)
    return {"said": "改好了，重新交给店长" if actor.working_role == "guide" else "改好了，重新交上去"}


def _withdraw(row: LeaveRequest, post: QueryDict, actor: Actor, now: datetime) -> dict[str, Any]:
    leave.withdraw_leave(row, actor=actor, now=now)
    return {"said": "撤回了"}


def _end(row: LeaveRequest, post: QueryDict, actor: Actor, now: datetime) -> dict[str, Any]:
    ended = leave.end_leave(row, back_on=_day(post.get("back_on", "")), actor=actor, now=now)
    if ended.state == LeaveRequest.State.CANCELLED:
        return {"said": "这次假取消了"}
    return {"said": f"{ended.back_on:%m-%d} 起照常上班"}


# ---------------------------------------------------------------- whoever decides


@never_cache
@require_GET
@access.roles(*HEADS)
def leaves(request: HttpRequest) -> HttpResponse:
    """What waits for me, who is away now or soon; with ?of=done what was decided."""
    actor, now = access.actor_of(request), clock.now()
    today = clock.local_day(now)
    seen = LeaveRequest.objects.visible_to(actor).exclude(staff_id=actor.staff_id or 0).with_people()
    of = "done" if request.GET.get("of") == "done" else ""
    waiting: list[dict[str, Any]] = []
    if of:
        rows = seen.exclude(state=LeaveRequest.State.ASKED).order_by("-asked_at", "-pk")
    else:
        asked = seen.filter(state=LeaveRequest.State.ASKED).order_by("asked_at", "pk")[: SHOWN + 1]
        waiting = [_card(row) for row in asked]
        rows = seen.filter(state=LeaveRequest.State.APPROVED, ends_on__gte=today).exclude(back_on__lte=today)
        rows = rows.order_by("starts_on", "pk")
    found = list(rows[: SHOWN + 1])
    facts = {
        "of": of, "waiting": waiting[:SHOWN], "cards": [_card(row) for row in found[:SHOWN]],
        "is_cut": len(found) > SHOWN or len(waiting) > SHOWN, "shown": SHOWN, "today": today,
    }  # fmt: skip
    return render(request, "leave/list.html", facts | _shell(actor))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*HEADS)
def decide_leave(request: HttpRequest, pk: int) -> HttpResponse:
    """One request: who, which days, what it leaves of the store, and the three answers."""
    actor, now = access.actor_of(request), clock.now()
    row = _seen(actor, pk)
    refusal = None
    if request.method == "POST":
        content = {name: request.POST.get(name, "") for name in ("do", "answer", "backup", "back_on")}
        answer, refusal = desk.attempt(request, content, lambda: _decide(row, request.POST, actor, now))
        if refusal is None:
            return desk.done(request, answer["said"], reverse("guides:leaves"))
        row = _seen(actor, pk)
    today = clock.local_day(now)
    may = may_decide(row, actor, day=today)
    facts = {
        "card": _card(row), "refusal": refusal, "errors": _errors(refusal), "post": request.POST,
        "may_decide": may and row.state == LeaveRequest.State.ASKED, "can_end": may and _can_end(row, today),
        "troubles": _troubles(row, today) if row.state in LeaveRequest.WAITING else [],
        "colleagues": _colleagues(row.staff), "today": today, "last": row.last_on, "first": max(today, row.starts_on),
    }  # fmt: skip
    return render(request, "leave/one.html", facts | _shell(actor), status=refusal.status if refusal else 200)


def _decide(row: LeaveRequest, post: QueryDict, actor: Actor, now: datetime) -> dict[str, Any]:
    answer, who = post.get("answer", ""), row.staff.name
    match post.get("do", ""):
        case "approve":
            backup = _colleagues(row.staff).filter(pk=desk.chosen(post.get("backup"))).first()
            made = leave.approve_leave(row, actor=actor, now=now, answer=answer, backup=backup)
            who_covers = f"，活由{made.backup.name}代办" if made.backup else ""
            return {"said": f"批准了{who}请假{who_covers}"}
        case "refuse":
            leave.refuse_leave(row, actor=actor, now=now, answer=answer)
            return {"said": f"没同意，{who}会看到原因"}
        case "return":
            leave.return_leave(row, actor=actor, now=now, answer=answer)
            return {"said": f"退回去了，等{who}补充"}
        case "end":
            return _end(row, post, actor, now) | {"said": f"{who}的假改好了"}
    raise Invalid("没看懂要做什么，重新点一下")


def _seen(actor: Actor, pk: int) -> LeaveRequest:
    row = LeaveRequest.objects.visible_to(actor).with_people().filter(pk=pk).first()
    if row is None:
        raise NotFound()
    return row


@dataclass(frozen=True)
class Trouble:
    """One thing a yes would bring about."""

    days: str
    said: str
    is_grave: bool


def _troubles(row: LeaveRequest, today: date) -> list[Trouble]:
    """Say on which of the days nobody else is in the store, or the backup is away too; three statements."""
    days = [day for day, half in row.halves().items() if day >= today and not half][:WATCHED_DAYS]
    if not days:
        return []
    mates = list(_colleagues(row.staff))
    backup = row.backup or row.staff.backup_guide
    away = away_days([one.pk for one in mates], days[0], days[-1] + timedelta(days=1))
    alone = [day for day in days if mates and all(day in away.get(one.pk, ()) for one in mates)]
    found = []
    if not mates or alone:
        found.append(Trouble(_days(alone or days), "店里没有别人上班", True))
    if backup is None:
        found.append(Trouble("", "没有代办人，任务会转给店长", False))
    elif both := [day for day in days if day in away.get(backup.pk, ())]:
        found.append(Trouble(_days(both), f"{backup.name}也不在，任务会转给店长", False))
    return found


def _days(days: list[date]) -> str:
    return "、".join(f"{day:%m-%d} {words.weekday(day)}" for day in days[:4]) + ("…" if len(days) > 4 else "")


# ---------------------------------------------------------------- what both share


FIELDS = ("kind", "starts_on", "ends_on", "starts_at_noon", "ends_at_noon", "backup", "reason")


def _me(actor: Actor) -> Staff:
    found = Staff.objects.filter(pk=actor.staff_id).select_related("store", "backup_guide").first()
    if found is None or found.store_id is None:
        raise NotFound("没有门店的同事走企业微信审批请假")
    return found


def _colleagues(person: Staff) -> Any:
    return Staff.objects.employed().filter(store_id=person.store_id or 0).exclude(pk=person.pk).order_by("pk")


def _wish(post: QueryDict, person: Staff) -> leave.Wish:
    first = _day(post.get("starts_on", ""))
    backup = _colleagues(person).filter(pk=desk.chosen(post.get("backup"))).first()
    return leave.Wish(
        kind=post.get("kind", ""), starts_on=first, ends_on=_day(post.get("ends_on", "") or str(first)),
        reason=post.get("reason", ""), starts_at_noon=post.get("starts_at_noon") == "1",
        ends_at_noon=post.get("ends_at_noon") == "1", backup=backup,
    )  # fmt: skip


def _day(text: str) -> date:
    found = desk.day(text)
    if found is None:
        raise Invalid("选一下日期", errors=[{"field": "starts_on", "code": "required", "message": "选一下日期"}])
    return found


def _as_post(row: LeaveRequest) -> dict[str, str]:
    """Return a request as its form would have sent it."""
    return {
        "kind": row.kind, "starts_on": str(row.starts_on), "ends_on": str(row.ends_on), "reason": row.reason,
        "starts_at_noon": "1" if row.starts_at_noon else "", "ends_at_noon": "1" if row.ends_at_noon else "",
        "backup": str(row.backup_id or ""),
    }  # fmt: skip


def _form(person: Staff, now: datetime) -> dict[str, Any]:
    today = clock.local_day(now)
    return {
        "kinds": LeaveRequest.Kind.choices, "colleagues": _colleagues(person), "standing": person.backup_guide,
        "today": today, "earliest": today - timedelta(days=leave.BACKDATED.at(now)),
    }  # fmt: skip


def _card(row: LeaveRequest) -> dict[str, Any]:
    tone = {"approved": "green", "asked": "amber", "returned": "amber", "refused": "red"}.get(row.state, "")
    return {"row": row, "span": leave_words.span(row), "length": leave_words.length(row), "tone": tone}


def _can_end(row: LeaveRequest, today: date) -> bool:
    return row.state == LeaveRequest.State.APPROVED and row.last_on >= today


def _errors(refusal: Any) -> dict[str, str]:
    return {one["field"]: one["message"] for one in refusal.errors} if refusal else {}


def _shell(actor: Actor) -> dict[str, Any]:
    return {"shell": shell_of(actor), "now": clock.now(), "nav_current": "leave"}


def waiting_count(request: HttpRequest) -> int | None:
    """Return how many requests wait for this person, None for none."""
    actor = access.actor_of(request)
    mine = LeaveRequest.objects.filter(approver_id=actor.staff_id or 0, state=LeaveRequest.State.ASKED)
    return mine.count() or None


nav.add("tools", key="leave", label="请假", icon="calendar-days", url="guides:own-leaves", order=60, roles=WRITERS)
nav.add(
    "me",
    key="leaves",
    label="请假审批",
    icon="calendar-days",
    url="guides:leaves",
    order=8,
    roles=HEADS,
    badge=waiting_count,
)
