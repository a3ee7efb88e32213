"""What a manager does about the names behind a field: 催办, 转给, 改截止时间, and what waits for a decision."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from guides.org.models import Staff
from tasks.followups import hours
from tasks.followups.models import SkipRequest, SpotCheck, Task
from tasks.followups.services import decide_skip, judge_spot_check, move_due, reassign
from tasks.followups.services import urge as urge_tasks
from yejibao.core import access, clock, desk, hx, idempotency, words
from yejibao.core.errors import Invalid, NotFound

from . import queries, services
from .drawing import number_of, query_of
from .models import StoreWeek
from .names_pages import names_answer, store_of
from .periods import read_period
from .scoped import URGE_ROLES

MOST_PICKED = 200

Work = Callable[[datetime], dict[str, Any]]


def _once(request: HttpRequest, work: Work) -> dict[str, Any]:
    """Do one act, once per key; a refusal of a field says its sentence."""
    now = clock.now()
    asked = desk.posted(request.POST)

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
        response = names_answer(request, asked) if asked.get("tab") else HttpResponse(status=204)
        hx.toast(response, said, undo=undo)
        return hx.trigger(response, "review:changed")
    if "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse({"said": said, "undo": undo})
    hx.flash(request, said, undo=undo)
    period = read_period(asked, today=clock.today())
    return HttpResponseRedirect(back or reverse("tasks:review") + query_of(period, unit=number_of(asked.get("unit"))))


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
    store = store_of(access.actor_of(request), number_of(request.POST.get("unit")))
    period = read_period(request.POST.dict(), today=clock.local_day(now))
    field = queries.field_filter(store, number_of(request.POST.get("guide")), request.POST.get("type", "")[:32], period)
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
        wanted = number_of(request.POST.get("colleague"))
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
