"""导出: one's own exports, a new one, the progress of one, the download."""

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org.confirming import recently_confirmed
from guides.org.pages import shell_of
from yejibao.core import access, clock, hx, idempotency, nav, words
from yejibao.core.errors import DomainError, Forbidden, NotFound

from . import services
from .models import Export
from .registry import find, offered_to

SHOWN = 50
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ASKED_HERE = ("csrfmiddlewaretoken", "idempotency_key", "reason", "with_phone")


@never_cache
@require_GET
@access.signed_in
def exports(request: HttpRequest) -> HttpResponse:
    """What I exported lately, and what can be exported from here."""
    actor, now = access.actor_of(request), clock.now()
    own = list(Export.objects.visible_to(actor).order_by("-asked_at", "-pk")[:SHOWN])
    today = clock.local_day(now)
    used = [one for one in own if one.asked_on == today and one.state not in Export.NOT_COUNTED]
    context = {
        "exports": own, "offered": offered_to(actor), "used": len(used), "most": services.A_DAY.at(now),
        "rows_today": sum(one.rows_total for one in used if not one.is_going_on), "most_rows": services.MOST_ROWS,
        "shell": shell_of(actor), "nav_current": "exports",
    }  # fmt: skip
    return render(request, "exports/list.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@access.signed_in
@recently_confirmed
def ask(request: HttpRequest, key: str) -> HttpResponse:
    """新的导出: what, why, with or without phone numbers. A list's own page posts its filters here."""
    actor, one = access.actor_of(request), find(key)
    if one is None:
        raise NotFound()
    if not one.open_to(actor):
        raise Forbidden(permission=one.permission)
    given = {name: str(value) for name, value in (request.POST or request.GET).items() if name not in ASKED_HERE}
    context = {
        "one": one, "given": given, "reason": request.POST.get("reason", ""), "most": services.MOST_ROWS,
        "shell": shell_of(actor), "nav_current": "exports",
    }  # fmt: skip
    if request.method == "GET":
        if not one.question:
            raise NotFound()
        return render(request, "exports/ask.html", context)
    reason, with_phone = request.POST.get("reason", ""), bool(request.POST.get("with_phone"))

    def work() -> dict[str, Any]:
        export = services.ask_export(key, given, actor=actor, now=clock.now(), reason=reason, with_phone=with_phone)
        return {"export": export.pk}

    try:
        answer, _replayed = idempotency.once(request, {**given, "reason": reason, "phone": with_phone}, work)
    except DomainError as refusal:
        if refusal.status not in (409, 422) or not one.question:
            raise
        context["refusal"] = refusal.detail or refusal.title
        return render(request, "exports/ask.html", context, status=refusal.status)
    return HttpResponseRedirect(reverse("guides:export", args=[answer["export"]]))


@never_cache
@require_GET
@access.signed_in
def export(request: HttpRequest, pk: int) -> HttpResponse:
    """One export: how far it is, the download, what happened. Asked by htmx every two seconds while it is made."""
    one = _own(request, pk)
    context = {
        "export": one, "file_until": one.ready_at + services.FILE_LASTS if one.ready_at else None,
        "link_minutes": int(services.LINK_LASTS.total_seconds() // 60),
        "shell": shell_of(access.actor_of(request)), "nav_current": "exports", "is_part": hx.is_htmx(request),
    }  # fmt: skip
    return render(request, "exports/part_export.html" if hx.is_htmx(request) else "exports/export.html", context)


@never_cache
@require_GET
@access.signed_in
def asked(request: HttpRequest, pk: int) -> HttpResponse:
    """What an export would hold, for whoever has to say yes or no: how many rows of what, the first ones masked."""
    actor = access.actor_of(request)
    export, approval = services.asked_of(pk, actor=actor)
    one = find(export.kind)
    titles, rows = services.sample_of(export, actor=actor)
    context = {
        "export": export, "approval": approval, "what": one.describe(export.params) if one else "", "titles": titles, "rows": rows,
        "asked_role": words.role_name(export.params.get("asked_role", export.working_role)),
        "rows_today": services.rows_of_day(export.staff_id, now=clock.now()),
        "shell": shell_of(actor), "nav_current": "approvals",
    }  # fmt: skip
    return render(request, "exports/asked.html", context)


@never_cache
@require_POST
@access.signed_in
@recently_confirmed
def download(request: HttpRequest, pk: int) -> HttpResponse:
    """下载: makes the link that is good once and leads to it."""
    one = _own(request, pk)
    secret = services.make_link(one, actor=access.actor_of(request), now=clock.now())
    return HttpResponseRedirect(reverse("guides:export-file", args=[pk, secret]))


@never_cache
@require_GET
@access.signed_in
def file(request: HttpRequest, pk: int, secret: str) -> HttpResponse:
    """The workbook, once."""
    one = _own(request, pk)
    content = services.take(one, secret, actor=access.actor_of(request), now=clock.now())
    response = HttpResponse(content, content_type=XLSX)
    name = quote(f"{one.title}.xlsx".replace("/", "-"))
    response["Content-Disposition"] = f"attachment; filename=\"export-{pk}.xlsx\"; filename*=UTF-8''{name}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


def _own(request: HttpRequest, pk: int) -> Export:
    found = Export.objects.visible_to(access.actor_of(request)).filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


nav.add(
    "hq", key="exports", label="导出", icon="download", url="guides:exports", order=84, group="系统",
    roles=("hq_operator", "branch_member_manager", "finance"),
)  # fmt: skip
nav.add(
    "me",
    key="exports",
    label="我的导出",
    icon="download",
    url="guides:exports",
    order=75,
    permission="task.progress_view",
)
