"""数据接入: files in, and what adds up. Rows that were refused: refused_pages.py; who may send: cockpit/sources_page.py."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from yejibao.core import access, clock, hx, limits, nav
from yejibao.core.errors import Forbidden, Invalid, NotFound

from . import kinds
from .blank import blank_sheet
from .models import Batch
from .page_parts import CARERS, WHO, badge, keys_of, kinds_of, labels, tabs, wake
from .queries import days, errors_file, row_errors
from .services import cancel, confirm, file_source, upload

SHOWN = 100


# ---------------------------------------------------------------- files


@never_cache
@require_GET
@access.roles(*WHO)
def home(request: HttpRequest) -> HttpResponse:
    """数据接入: upload a file, get a template, see what was uploaded."""
    mine = kinds_of(request)
    batches = list(
        Batch.objects.visible_to(access.actor_of(request))
        .filter(way__in=(Batch.Way.FILE, Batch.Way.COMMAND))
        .select_related("source", "by")
        .order_by("-pk")[:20]
    )
    chosen = request.GET.get("kind", "")
    return render(
        request,
        "intake/home.html",
        tabs(request, "home")
        | {"kinds": mine, "chosen": next((one for one in mine if one.key == chosen), mine[0] if mine else None),
           "batches": [(one, labels().get(one.kind, one.kind)) for one in batches]},
    )  # fmt: skip


@require_POST
@access.roles(*CARERS)
@limits.by("upload")
def send_file(request: HttpRequest) -> HttpResponse:
    """Take a file in; the page of its batch shows what becomes of it."""
    actor, now = access.actor_of(request), clock.now()
    kind = kinds.find(request.POST.get("kind", ""))
    file = request.FILES.get("file")
    if kind is None or file is None:
        raise Invalid(
            "选好数据种类和文件再上传", errors=[{"field": "file", "code": "input.required", "message": "选一个文件"}]
        )
    if kind not in kinds_of(request):
        raise Forbidden(permission="intake.keep")
    batch, former = upload(
        file.read(), name=file.name or "file", kind=kind, source=file_source(now=now), actor=actor, now=now
    )
    wake()
    if former:
        hx.flash(
            request, f"这个文件 {former.created_at.astimezone(clock.SHANGHAI):%m-%d %H:%M} 导入过，已有的行不会重复"
        )
    return HttpResponseRedirect(reverse("intake:batch", args=[batch.pk]))


def _batch(request: HttpRequest, pk: int) -> Batch:
    found: Batch | None = (
        Batch.objects.visible_to(access.actor_of(request)).select_related("source", "by").filter(pk=pk).first()
    )
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_GET
@access.roles(*CARERS)
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    """One file: how far it is, what would become of its rows, what is wrong with which."""
    found = _batch(request, pk)
    kind = kinds.get(found.kind)
    is_moving = found.state in Batch.MOVING
    errors = row_errors(found, limit=SHOWN) if found.refused_count and not is_moving else []
    facts = {
        "batch": found, "kind": kind, "is_moving": is_moving, "errors": errors[:SHOWN],
        "total": found.row_count if found.state != Batch.State.STAGING else 0,
        "is_committed": found.state in (Batch.State.DONE, Batch.State.COMMITTING, Batch.State.CANCELLED),
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "intake/part_batch.html", facts)
    return render(request, "intake/batch.html", facts | tabs(request, "home"))


@require_POST
@access.roles(*CARERS)
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a checked file over, or stop one."""
    found, actor = _batch(request, pk), access.actor_of(request)
    match request.POST.get("act"):
        case "confirm":
            confirm(found, actor=actor)
            wake()
        case "cancel":
            cancel(found, actor=actor, now=clock.now())
            hx.flash(request, "已取消" if not found.good_count else f"已停下，前面 {found.good_count:,} 行已经导入")
        case _:
            raise Invalid("没有这个操作")
    return HttpResponseRedirect(reverse("intake:batch", args=[pk]))


@never_cache
@require_GET
@access.roles(*CARERS)
def batch_errors(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is wrong with a file, as a file."""
    found = _batch(request, pk)
    response = HttpResponse(errors_file(row_errors(found, limit=200_000)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="refused-{found.pk}.csv"'
    return response


@require_GET
@access.roles(*CARERS)
def template(request: HttpRequest, key: str) -> HttpResponse:
    """An Excel file with the right titles, a sample row and what each column takes."""
    kind = next((one for one in kinds_of(request) if one.key == key), None)
    if kind is None:
        raise NotFound()
    response = HttpResponse(
        blank_sheet(kind), content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    response["Content-Disposition"] = f'attachment; filename="{kind.key}.xlsx"'
    return response


# ---------------------------------------------------------------- reconciliation


@never_cache
@require_GET
@access.roles(*WHO)
def reconciliation(request: HttpRequest) -> HttpResponse:
    """对账: told, received, taken over and refused, by source and day."""
    now = clock.now()
    only = request.GET.get("all") != "1"
    found = days(keys_of(request), now=now, since=clock.local_day(now) - timedelta(days=31), only_breaks=only)
    lines = [(one, labels().get(one.kind, one.kind)) for one in found]
    breaks = sum(one.is_break for one in found)
    return render(request, "intake/days.html", tabs(request, "days") | {"lines": lines, "only": only, "breaks": breaks})


nav.add(
    "hq",
    key="intake",
    label="数据接入",
    icon="download",
    url="intake:home",
    order=62,
    roles=WHO,
    badge=nav.kept(badge),
    loud=False,
)
