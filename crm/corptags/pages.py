"""企微标签: how our tags stand as corp tag groups of the platform, and what did not get there."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from yejibao.core import access, clock, hx, nav
from yejibao.core.errors import Malformed
from yejibao.core.scope import Actor
from yejibao.wecom import gateway
from yejibao.wecom.errors import GatewayError

from .overview import overview
from .services import retry_refused, start_comparison, start_tag_sync, stop_tag_sync, sync_tags

WHO = ("hq_operator", "hq_crm", "sys_admin")
AT_ONCE_SECONDS = 2.0  # so much is done before the page comes back; the rest goes on by itself


@never_cache
@require_GET
@access.roles(*WHO)
def corp_tags(request: HttpRequest) -> HttpResponse:
    """Groups, counts, states, errors; while something runs, its progress."""
    now = clock.now()
    context = {"view": overview(now=now), "now": now, "nav_current": "corp-tags"}
    return render(request, "corptags/part_tags.html" if hx.is_htmx(request) else "corptags/tags.html", context)


@require_POST
@access.roles(*WHO)
def sync(request: HttpRequest) -> HttpResponse:
    """立即同步, 停下, or 再试 what the platform refused."""
    act, actor, now = request.POST.get("act"), access.actor_of(request), clock.now()
    match act:
        case "start":
            said = _start(actor)
        case "stop":
            stop_tag_sync(actor=actor, now=now)
            said = "停下了，已经建好的留着"
        case "retry":
            said = f"{retry_refused(actor=actor, now=now)} 位好友马上再写一次"
        case _:
            raise Malformed()
    hx.flash(request, said)
    page = reverse("crm:corp-tags")
    return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)


def _start(actor: Actor) -> str:
    now, door = clock.now(), gateway.default()
    try:
        run = start_tag_sync(door=door, actor=actor, now=now)
        start_comparison(now=now, actor=actor)
        sync_tags(door=door, seconds=AT_ONCE_SECONDS)
    except GatewayError as error:
        return f"企业微信没有答应：{error.api} {error.code or ''}".strip()
    return f"开始同步 {run.parts_total} 个标签组，可以离开这一页"


nav.add(
    "hq", key="corp-tags", label="企微标签", icon="bookmark", url="crm:corp-tags", order=93, roles=WHO, group="系统"
)
