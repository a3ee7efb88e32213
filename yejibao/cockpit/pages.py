"""推送健康: what failed and why, and the two buttons that do something about it. The acts are the outbox's own services."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tasks.cadences.parked import count_parked, retry_parked
from yejibao.core import access, clock, hx, idempotency, nav, words
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.models import OutboxEvent, OutboxMessage
from yejibao.core.outbox import deciding, events

from . import push_flow, push_health
from .causes import CAUSES, cause_of

ROLES = ("hq_operator", "sys_admin")
AT_ONCE = 20_000  # messages one button takes; the rest stay on the list
REASONS = ("已经当面说了", "这条过时了", "人已离职", "会员已不跟进")


# ---------------------------------------------------------------- the page


@never_cache
@require_GET
@access.roles(*ROLES)
def push(request: HttpRequest) -> HttpResponse:
    """The whole page; asked by htmx every half minute, only its middle."""
    range_ = request.GET.get("range", "today")
    if range_ not in push_flow.RANGES:
        raise NotFound()
    now = clock.now()
    current, earlier, bars = push_flow.flow(range_, now=now)
    queue = push_health.queue(now=now)
    troubles = push_health.troubles()
    parked_events, parked_cycles = push_health.parked_events(), push_health.parked_cycles()
    resendable = sum(one.count for one in troubles if one.cause.is_resendable)
    context = {
        "range": range_, "ranges": [(key, name) for key, (_, name) in push_flow.RANGES.items()],
        "range_name": push_flow.RANGES[range_][1],
        "before_name": {"today": "昨天", "7": "前 7 天", "30": "前 30 天"}[range_],
        "flow": current, "earlier": earlier, "bars": bars, "is_today": range_ == "today",
        "kinds": [(push_health.KINDS.get(kind, kind), n) for kind, n in current.kinds.most_common(2) if n],
        "queue": queue, "oldest": queue.oldest_words(now), "troubles": troubles,
        "branch_queues": push_health.branch_queues(now=now) if queue.waiting or queue.retrying or queue.unknown else [],
        "dead": sum(one.count for one in troubles), "resendable": resendable, "upto": push_health.newest_dead(),
        "retried": push_health.retried_causes(), "parked_events": parked_events, "parked_cycles": parked_cycles,
        "parked_events_count": push_health.count_parked_events(), "parked_cycles_count": count_parked(),
        "channels": push_health.channels(now=now), "proof": push_health.proof(now=now),
        "matters": len(troubles) + bool(parked_events) + bool(parked_cycles), "nav_current": "push",
        "is_part": hx.is_htmx(request), "house_troubles": push_health.house_troubles(now=now),
    }  # fmt: skip
    return render(request, "cockpit/part_push.html" if hx.is_htmx(request) else "cockpit/push.html", context)


@never_cache
@require_GET
@access.roles(*ROLES)
def cause(request: HttpRequest, key: str) -> HttpResponse:
    """The single messages behind a cause, each with its two buttons."""
    found = next((one for one in push_health.troubles() if one.cause.key == key), None)
    if found is None and key not in CAUSES:
        raise NotFound()
    lines, more = push_health.list_messages(key, before=_number(request.GET.get("before")))
    context = {
        "trouble": found, "cause": cause_of(key), "lines": lines, "reasons": REASONS, "nav_current": "push",
        "next_url": f"{request.path}?before={more}" if more else "", "is_first": "before" not in request.GET,
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "cockpit/part_lines.html", context)
    return render(request, "cockpit/cause.html", context)


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise NotFound()
    return int(text)


# ---------------------------------------------------------------- many at once


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*ROLES)
def resend(request: HttpRequest) -> HttpResponse:
    """重发: all that can be resent, or those of one cause; the button repeats the number it is about."""
    key = (request.POST if request.method == "POST" else request.GET).get("cause", "")
    troubles = [one for one in push_health.troubles() if (one.cause.key == key if key else one.cause.is_resendable)]
    now = clock.now()
    due_at = push_health.may_leave_at(now)
    if request.method == "GET":
        context = {
            "troubles": troubles, "count": sum(one.count for one in troubles), "cause": cause_of(key) if key else None,
            "upto": max((one.upto for one in troubles), default=0), "waits_until": due_at if due_at > now else None,
            "nav_current": "push",
        }  # fmt: skip
        return render(request, "cockpit/resend.html", context)
    upto = _upto(request)
    actor = access.actor_of(request)

    def work() -> dict[str, Any]:
        rows = push_health.messages_of([one.cause.key for one in troubles], upto=upto)
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        return {"count": len(deciding.resend_many(ids, actor=actor, now=now, due_at=due_at))}

    answer, _ = idempotency.once(request, {"cause": key, "upto": upto}, work)
    return _done(request, _resent_words(answer["count"], due_at if due_at > now else None))


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*ROLES)
def close(request: HttpRequest) -> HttpResponse:
    """关闭 all messages of one cause, with a reason."""
    key = (request.POST if request.method == "POST" else request.GET).get("cause", "")
    found = next((one for one in push_health.troubles() if one.cause.key == key), None)
    if found is None:
        raise NotFound("这一类已经没有要处理的了")
    context = {"trouble": found, "upto": found.upto, "reasons": REASONS, "nav_current": "push"}
    if request.method == "GET":
        return render(request, "cockpit/close.html", context)
    reason, upto, actor = _reason(request), _upto(request), access.actor_of(request)

    def work() -> dict[str, Any]:
        ids = list(push_health.messages_of([key], upto=upto).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        return {"count": deciding.close_many(ids, actor=actor, reason=reason)}

    try:
        answer, _ = idempotency.once(request, {"cause": key, "upto": upto, "reason": reason}, work)
    except Invalid as refusal:
        context |= {"error": refusal.errors[0]["message"] if refusal.errors else str(refusal.title), "upto": upto}
        return render(request, "cockpit/close.html", context, status=422)
    return _done(request, f"{answer['count']} 条关闭了")


def _upto(request: HttpRequest) -> int:
    upto = _number(request.POST.get("upto"))
    if upto is None:
        raise Invalid(errors=[{"field": "upto", "code": "required", "message": "先看一眼要处理多少条"}])
    return upto


def _reason(request: HttpRequest) -> str:
    return (request.POST.get("reason_other", "").strip() or request.POST.get("reason", "")).strip()[:255]


def _resent_words(count: int, waits_until: Any) -> str:
    if not count:
        return "这些刚被处理过，没有要重发的了"
    when = f"，{words.short_moment(waits_until)} 起发出" if waits_until else ""
    return f"{count} 条重新排队了{when}"


def _done(request: HttpRequest, said: str, *, to: str = "") -> HttpResponse:
    push_health.forget_matters()
    hx.flash(request, said)
    url = to or reverse("cockpit:push")
    return hx.redirect(url) if hx.is_htmx(request) else HttpResponseRedirect(url)


# ---------------------------------------------------------------- one message


@require_POST
@access.roles(*ROLES)
def resend_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one message again."""
    message = get_object_or_404(OutboxMessage.objects.defer("body_bytes"), pk=pk)
    now = clock.now()
    due_at = push_health.may_leave_at(now)
    actor = access.actor_of(request)

    def work() -> dict[str, Any]:
        return {"fresh": deciding.resend(message, actor=actor, now=now, due_at=due_at).pk}

    idempotency.once(request, {"message": pk}, work)
    return _gone(request, pk, _resent_words(1, due_at if due_at > now else None))


@require_POST
@access.roles(*ROLES)
def close_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Give up on one message, with a reason."""
    message = get_object_or_404(OutboxMessage.objects.defer("body_bytes"), pk=pk)
    reason, actor = _reason(request), access.actor_of(request)

    def work() -> dict[str, Any]:
        deciding.close(message, actor=actor, reason=reason)
        return {}

    idempotency.once(request, {"message": pk, "reason": reason}, work)
    return _gone(request, pk, "关闭了")


def _gone(request: HttpRequest, pk: int, said: str) -> HttpResponse:
    """Take the line off the list."""
    if hx.is_htmx(request):
        push_health.forget_matters()
        return hx.toast(HttpResponse(""), said)
    key = request.POST.get("cause", "")
    known = any(one.cause.key == key for one in push_health.troubles())
    return _done(request, said, to=reverse("cockpit:push-cause", args=[key]) if known else "")


# ---------------------------------------------------------------- what was set aside inside the house


@require_POST
@access.roles(*ROLES)
def retry_events(request: HttpRequest) -> HttpResponse:
    """Hand the news set aside to their departments again."""
    ids = list(OutboxEvent.objects.filter(done_at=None, parked_at__isnull=False).values_list("pk", flat=True))
    number = events.retry_events(ids, actor=access.actor_of(request))
    return _done(request, f"{number} 条系统通知再交给部门办了" if number else "已经没有要重试的了")


@require_POST
@access.roles(*ROLES)
def close_event(request: HttpRequest, pk: int) -> HttpResponse:
    """Give up on one piece of news, with a reason."""
    get_object_or_404(OutboxEvent, pk=pk)
    if not events.close_events([pk], actor=access.actor_of(request), reason=_reason(request)):
        raise Conflict("这条刚被处理过")
    return _done(request, "关闭了")


@require_POST
@access.roles(*ROLES)
def retry_cycles(request: HttpRequest) -> HttpResponse:
    """Let the engine look again at the cycles it set aside."""
    number = retry_parked(actor=access.actor_of(request), now=clock.now())
    return _done(request, f"{number} 位会员的下一步马上再试" if number else "已经没有要重试的了")


def _badge(request: HttpRequest) -> int | None:
    return push_health.open_matters() or None


nav.add(
    "hq", key="push", label="推送健康", icon="activity", url="cockpit:push", order=85, group="系统", roles=ROLES,
    badge=_badge,
)  # fmt: skip
