"""/me/notifications/: what one was told, with the way to it. Works whatever the platform's pushes do."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.pages import shell_of
from yejibao.core import access, clock, hx, nav, waiting
from yejibao.core.errors import NotFound

from . import services
from .models import Notification
from .queries import read_page, unread_by_kind


def _kind(value: str) -> str:
    return value if value in Notification.Kind else ""


@never_cache
@require_GET
@access.signed_in
def notifications(request: HttpRequest) -> HttpResponse:
    """消息: the newest first, by day, of one kind with ?kind=."""
    is_more = hx.is_htmx(request) and bool(request.GET.get("before"))
    return render(request, "notices/rows.html" if is_more else "notices/list.html", _facts(request, request.GET))


def _facts(request: HttpRequest, asked: Any) -> dict[str, Any]:
    actor, kind, only_unread = access.actor_of(request), _kind(asked.get("kind", "")), asked.get("unread") == "1"
    shell, is_more = shell_of(actor), bool(asked.get("before"))
    counts = {} if is_more else unread_by_kind(actor)  # the chips are there already when more is asked for
    kinds = [(key, name, counts.get(key, 0)) for key, name in Notification.Kind.choices]
    return {
        "page": read_page(actor, kind=kind, before=asked.get("before", "")[:64], only_unread=only_unread),
        "kind": kind,
        "only_unread": only_unread,
        "kinds": sorted(
            kinds, key=lambda one: (one[0] != kind, not one[2])
        ),  # the chosen one in sight, then what is unread
        "unread": unread_count(request) or 0,
        "is_first": not is_more,
        "now": clock.now(),
        "shell": shell,
        "nav_current": "notifications" if shell == "base/hq.html" else "me",
    }


@never_cache
@require_GET
@access.signed_in
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Go where a notification leads; it is read then."""
    found = Notification.objects.visible_to(access.actor_of(request)).filter(pk=pk).first()
    if found is None:
        raise NotFound()
    services.mark_read([found.pk], actor=access.actor_of(request), now=clock.now())
    return redirect(found.url)


@require_POST
@access.signed_in
def read_all(request: HttpRequest) -> HttpResponse:
    """全部已读, as far as the page showed them: what has come since stays."""
    now = clock.now()
    try:
        upto = min(now, datetime.fromisoformat(request.POST.get("upto", "")))
    except (ValueError, TypeError):
        upto = now
    kind = _kind(request.POST.get("kind", ""))
    count = services.mark_all_read(actor=access.actor_of(request), kind=kind, upto=upto, now=now)
    waiting.settle(request, "notifications", count)
    said = f"{count} 条标为已读" if count else "没有未读的了"
    if hx.is_htmx(request):
        return hx.toast(render(request, "notices/inside.html", _facts(request, request.POST)), said)
    hx.flash(request, said)
    return HttpResponseRedirect(reverse("guides:notifications") + (f"?kind={kind}" if kind else ""))


@require_POST
@access.signed_in
def opened(request: HttpRequest) -> HttpResponse:
    """Somebody came by the address of a push (?m=): what it told is read here, too."""
    number = request.GET.get("m", "")
    if number.isdecimal() and len(number) < 19:
        services.mark_opened(int(number), actor=access.actor_of(request), now=clock.now())
    return JsonResponse({})


def unread_count(request: HttpRequest) -> int | None:
    """Return how many are unread, as the query of the session counted them; from 100 on it is 100."""
    return waiting.of(request, "notifications") or None


nav.add("me", key="notifications", label="消息", icon="bell", url="guides:notifications", order=5, badge=unread_count)
nav.add(
    "hq",
    key="notifications",
    label="消息",
    icon="bell",
    url="guides:notifications",
    order=88,
    group="系统",
    badge=unread_count,
)
