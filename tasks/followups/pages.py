"""The task page, with the acts a guide taps. Every act works as a plain form, too."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.privacy.services import reveal_phone
from crm.visits.models import Visit
from crm.visits.pages import chosen_skus, moment_of, time_choices
from guides.org.pages import shell_of
from tasks.scripts.ranking import Offered, offer
from tasks.scripts.words import TONE_LABELS
from yejibao.core import access, clock, hx, idempotency, words
from yejibao.core.errors import Invalid
from yejibao.core.panels import render as render_panels

from . import hours, open_task, services
from .acts import prepare, state_of
from .handover_pack import pack_of
from .labels import CALL_RESULTS, LATER_REASONS, ON_ITS_PAGE, OUTCOMES
from .later import beyond_due, later_moments
from .models import Task
from .open_task import Choice, Sheet
from .queries import next_card, open_story, read_task
from .services import visit_tasks
from .ticket_pages import fit_of

guides_only = access.roles("guide", "store_manager")
SKIP_IDEAS = ("他最近出差", "他说过别打扰", "已经当面聊过", "家里有事")
VISIT_IDEA = time(15, 0)
ABOUT = {"ticket", "visit"}


def _shell(request: HttpRequest) -> str:
    """Managers do their own tasks under their own tab bar."""
    return shell_of(access.actor_of(request))


# ---------------------------------------------------------------- one task


@never_cache
@require_GET
@guides_only
def task(request: HttpRequest, pk: int) -> HttpResponse:
    """One task: who, why now, what to say, and what came of it."""
    return _task_page(request, pk, clock.now())


def _task_page(request: HttpRequest, pk: int, now: datetime) -> HttpResponse:
    story = open_story(access.actor_of(request), pk, now=now)
    found = story.task
    is_mine = found.assignee_id == access.actor_of(request).staff_id
    context: dict[str, Any] = {
        "story": story, "task": found, "member": found.member, "now": now, "is_mine": is_mine, "nav_current": "today",
        "may_open_card": found.state == Task.State.OPEN or not is_mine or found.member.owner_guide_id == found.assignee_id,
        "shell": _shell(request), "is_done": found.state == Task.State.DONE,
        "opens": found.store.opens_at.strftime("%H:%M"),
        # The ticket or visit it is about, where there is one: most tasks are about nothing but the member.
        "about": render_panels("task", request, task=found, now=now) if found.context.keys() & ABOUT else [],
    }  # fmt: skip
    if story.can_do and found.task_type in ON_ITS_PAGE:
        look = Sheet(
            story=story, choice=_chooser(request, []), now=now, opens=context["opens"], elapsed=_elapsed(found, now),
            is_mine=is_mine, may_open_card=context["may_open_card"], csrf_token=get_token(request), by_hand=False,
        )  # fmt: skip
        context |= {"csrf_token": look.csrf_token, "head": open_task.head(look), "rest": open_task.past(look)}
    elif story.can_do:
        picked = request.GET.get("script", "")[:48]
        offers = offer(found, guide=found.assignee, now=now, also=picked, words=story.words)
        sheet = Sheet(
            story=story, choice=_chooser(request, offers), now=now, opens=context["opens"], elapsed=_elapsed(found, now),
            is_mine=is_mine, may_open_card=context["may_open_card"], csrf_token=get_token(request),
            by_hand=request.GET.get("by") == "hand" or story.pending is not None,
        )  # fmt: skip
        context |= {"csrf_token": sheet.csrf_token, "head": open_task.head(sheet), "rest": open_task.rest(sheet)}
        if found.task_type == "handover_intro":  # other tasks lead to the member's page, which has it too
            context["pack"] = pack_of(found.member, now=now)
    else:
        context["strip"] = open_task.member_strip(story, may_open_card=context["may_open_card"])
        context["traces"] = open_task.traces(story, now)
        context["next"] = next_card(found.assignee_id, after=found, now=now) if is_mine else None
        context["lead"] = _lead(found)
        context["fit"] = fit_of(found, actor=access.actor_of(request), now=now)
        context |= _visit_facts(found, now)
    return render(request, "tasks/task.html", context)


def _visit_facts(found: Task, now: datetime) -> dict[str, Any]:
    """Return what 约到店 asks or shows: the visit that came of this task, else when the store is open."""
    if found.outcome != "visit_booked":
        return {}
    visit = (
        Visit.objects.filter(cause=visit_tasks.cause_of(found.pk), member_id=found.member_id).order_by("-pk").first()
    )
    if visit is not None:
        return {"visit": visit}
    idea = f"{clock.local_day(now) + timedelta(days=1)}T{VISIT_IDEA:%H:%M}"
    return {"times": time_choices(found.store, now=now), "idea": idea, "given": {}, "chosen": []}


def _chooser(request: HttpRequest, offers: list[Offered]) -> Choice:
    """Return the scripts on offer and the one shown: ?script= or ?tone= choose it without a script."""
    key, tone = request.GET.get("script", ""), request.GET.get("tone", "")
    chosen = next((one for one in offers if one.key == key), None)
    chosen = chosen or next((one for one in offers if one.tone == tone), offers[0] if offers else None)
    tones = [(name, label) for name, label in TONE_LABELS.items() if any(one.tone == name for one in offers)]
    place = offers.index(chosen) + 1 if chosen else 0
    return Choice(
        offers=offers,
        chosen=chosen,
        after=offers[place % len(offers)] if len(offers) > 1 else None,
        place=place,
        tones=tones if len(tones) > 1 else [],
        is_editing=request.GET.get("edit") == "1",
    )


def _lead(found: Task) -> str:
    """Return how long before or after its due a task was done: 提前 16 分完成."""
    if found.done_at is None:
        return ""
    minutes = int((found.due_at - found.done_at).total_seconds() // 60)
    return f"提前 {words.minutes_words(minutes)}完成" if minutes >= 0 else f"晚了 {words.minutes_words(-minutes)}"


def _elapsed(found: Task, now: datetime) -> int | None:
    """Return how much of the first touch's window is gone, in percent; None where minutes do not count."""
    if found.state != Task.State.OPEN or words.urgency(found.due_at, now) != "now":
        return None
    window = (found.due_at - found.open_at).total_seconds()
    return max(4, min(100, round(100 * (now - found.open_at).total_seconds() / window))) if window > 0 else 100


@never_cache
@require_GET
@guides_only
def menu(request: HttpRequest, pk: int) -> HttpResponse:
    """The card's ⋯: the acts that need no chat."""
    return _sheet(request, pk, "tasks/sheet_menu.html", "还能做什么")


def _sheet(request: HttpRequest, pk: int, template: str, title: str, **facts: Any) -> HttpResponse:
    """Answer the inside of a sheet, or without htmx the same on a page of its own."""
    now = clock.now()
    found = read_task(access.actor_of(request), pk)
    context = {"task": found, "member": found.member, "now": now, "title": title, "shell": _shell(request)} | facts
    context |= {"is_open_hours": hours.is_open(found.store, now), "opens": found.store.opens_at.strftime("%H:%M")}
    context |= {"nav_current": "today", "can_do": found.state == Task.State.OPEN and found.held_at is None}
    if hx.is_htmx(request):
        return render(request, template, context)
    return render(request, "tasks/sheet_page.html", context | {"inside": template})


# ---------------------------------------------------------------- acts


def _act(
    request: HttpRequest,
    pk: int,
    work: Callable[[Task, datetime], dict[str, Any]],
    *,
    said: str,
    can_undo: bool = False,
) -> HttpResponse:
    """Do one act, once per key, and answer in the caller's way: the page anew, a toast, or a redirect."""
    now = clock.now()
    found = read_task(access.actor_of(request), pk)
    wanted = {
        name: value for name, value in request.POST.lists() if name not in ("csrfmiddlewaretoken", "idempotency_key")
    }
    answer, _ = idempotency.once(request, wanted, lambda: work(found, now), keeping=(services.NotSendable,))
    said = str(answer.pop("said", "") or said)
    undo_url = reverse("tasks:task-undo", args=[pk]) if can_undo and answer.get("undo_until") else ""
    if hx.is_htmx(request):
        inside_page = request.headers.get("HX-Target") == "task-page"
        response = _task_page(request, pk, now) if inside_page else HttpResponse(status=204)
        hx.toast(response, said, undo=undo_url)
        if not inside_page:
            hx.close_sheet(hx.trigger(response, "tasks:changed"))
        return response
    if "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse(answer)
    hx.flash(request, said, undo=undo_url)
    return HttpResponseRedirect(reverse("tasks:task", args=[pk]))


def _care(request: HttpRequest) -> bool:
    return request.POST.get("care") == "1"


def _also(request: HttpRequest) -> list[int]:
    return [int(one) for one in request.POST.getlist("also") if one.isdecimal()]


@require_POST
@guides_only
def send(request: HttpRequest, pk: int) -> HttpResponse:
    """去聊天发送 without a script: the text is kept for the chat, and shown to be copied."""
    found, now = read_task(access.actor_of(request), pk), clock.now()
    text, key = request.POST.get("text", "")[:2000], request.POST.get("script_key", "")[:48]
    idempotency.once(
        request, {"text": text, "script_key": key},
        lambda: prepare(found, actor=access.actor_of(request), script_key=key, text=text, now=now), keeping=(services.NotSendable,),
    )  # fmt: skip
    return HttpResponseRedirect(reverse("tasks:task", args=[pk]) + "?by=hand#by-hand")


@require_POST
@guides_only
def claimed(request: HttpRequest, pk: int) -> HttpResponse:
    """我发了: pasted by hand."""

    def work(found: Task, now: datetime) -> dict[str, Any]:
        services.record_claimed(
            found, actor=access.actor_of(request), now=now, text=request.POST.get("text", "")[:2000],
            script_key=request.POST.get("script_key", "")[:48], also=_also(request), care_mode=_care(request),
        )  # fmt: skip
        return state_of(found) | {"said": f"{found.member.called} 记为已发，结果随时能点"}

    return _act(request, pk, work, said="记为已发", can_undo=True)


@require_http_methods(["GET", "HEAD", "POST"])
@guides_only
def call(request: HttpRequest, pk: int) -> HttpResponse:
    """电话: the number on a logged tap, then what came of it."""
    if request.method != "POST":
        return _sheet(request, pk, "tasks/sheet_call.html", "打电话", results=CALL_RESULTS.items(), number="")

    def work(found: Task, now: datetime) -> dict[str, Any]:
        result, note = request.POST.get("result", ""), request.POST.get("note", "")[:500]
        services.log_call(found, actor=access.actor_of(request), result=result, note=note, now=now, also=_also(request))
        said = f"记下了：{CALL_RESULTS[result]}"
        if found.state == Task.State.OPEN:
            said += "。改天再打一次，还没接就算做完"
        return state_of(found) | {"said": said}

    return _act(request, pk, work, said="记下了", can_undo=True)


@require_POST
@guides_only
def phone(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the number: only where he agreed to calls, and every look is on record."""
    found = read_task(access.actor_of(request), pk)
    if not found.member.phone_consent:
        raise Invalid("他没有同意电话联系")
    number = reveal_phone(found.member, actor=access.actor_of(request), reason=f"任务回访 {found.pk}", now=clock.now())
    response = _sheet(request, pk, "tasks/sheet_call.html", "打电话", results=CALL_RESULTS.items(), number=number)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@guides_only
def outcome(request: HttpRequest, pk: int) -> HttpResponse:
    """结果: one tap; only 约到店 asks when."""
    key = request.POST.get("outcome", "")

    def work(found: Task, now: datetime) -> dict[str, Any]:
        at = request.POST.get("starts_at", "")
        services.set_outcome(
            found, actor=access.actor_of(request), outcome=key, now=now, visit_at=moment_of(at) if at else None,
            sku_ids=chosen_skus(request), wants_reminder=request.POST.get("reminder") == "1",
        )  # fmt: skip
        return state_of(found) | {"said": _said_of(found.member.called, key)}

    return _act(request, pk, work, said="记下了")


def _said_of(called: str, key: str) -> str:
    if key == "do_not_disturb":
        return f"记下了，以后谁都不再打扰{called}"
    return f"{called} 标记为{OUTCOMES.get(key, '')}"


def _moment(request: HttpRequest, name: str) -> datetime | None:
    """Read a `datetime-local` field as Shanghai time. Raises Invalid."""
    text = request.POST.get(name, "")
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise Invalid("时间没看懂，重新选一下")
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.SHANGHAI)


@require_POST
@guides_only
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """撤销 within seconds."""

    def work(found: Task, now: datetime) -> dict[str, Any]:
        return state_of(services.undo(found, actor=access.actor_of(request), now=now))

    return _act(request, pk, work, said="已撤销，任务还在")


@require_http_methods(["GET", "HEAD", "POST"])
@guides_only
def later(request: HttpRequest, pk: int) -> HttpResponse:
    """稍后: hide the card until a time, with one reason."""
    if request.method != "POST":
        found, now = read_task(access.actor_of(request), pk), clock.now()
        moments = later_moments(found, now)
        return _sheet(
            request, pk, "tasks/sheet_later.html", "稍后，为什么？", moments=moments, reasons=LATER_REASONS.items(),
            latest=found.expire_at,
        )  # fmt: skip

    def work(found: Task, now: datetime) -> dict[str, Any]:
        until = _moment(request, "until_other") or _moment(request, "until")
        if until is None:
            raise Invalid("选一个时间", errors=[{"field": "until", "code": "required", "message": "选一个时间"}])
        services.put_off(
            found, actor=access.actor_of(request), until=until, reason=request.POST.get("reason", ""), now=now
        )
        over = beyond_due(found, now)
        return state_of(found) | {"said": f"{found.member.called} 到 {words.short_moment(until, now)} 再提醒你{over}"}

    return _act(request, pk, work, said="收起来了")


@require_http_methods(["GET", "HEAD", "POST"])
@guides_only
def skip(request: HttpRequest, pk: int) -> HttpResponse:
    """申请跳过: the store manager decides."""
    if request.method != "POST":
        return _sheet(request, pk, "tasks/sheet_skip.html", "申请跳过，为什么？", ideas=SKIP_IDEAS)

    def work(found: Task, now: datetime) -> dict[str, Any]:
        reason = request.POST.get("reason_other", "").strip() or request.POST.get("reason", "")
        asked = services.ask_skip(found, actor=access.actor_of(request), reason=reason, now=now)
        return {"id": asked.pk, "state": asked.state}

    return _act(request, pk, work, said="已交给店长，批了就从今日拿掉")
