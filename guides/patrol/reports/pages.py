"""/m/patrol/reports/: the reports within reach, one of them, and the same as A4 or as one picture."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org import matrix
from yejibao.core import access, clock, hx
from yejibao.core.errors import NotFound
from yejibao.core.panels import Answer, panel

from ..book import departments
from ..pages import SLOT_HOME, around
from ..scoped import READ, own_departments
from . import pdf
from .layout import CONCLUSIONS
from .models import PatrolReport, ReportReader
from .pdf import signed
from .queries import Opened, open_report, page_of_reports, read_report
from .services import mark_report_read

READERS = matrix.holders(READ)
SHOWN_PROBLEMS = 3
HOME_ROWS = 3


@never_cache
@require_GET
@access.roles(*READERS)
def reports(request: HttpRequest) -> HttpResponse:
    """巡店报告: the newest first; ?department= one department's, ?store= one store's."""
    actor = access.actor_of(request)
    mine = own_departments(actor)
    chosen = request.GET.get("department", mine[0] if len(mine) == 1 else "")
    if chosen and chosen not in departments():
        raise NotFound()
    store = request.GET.get("store", "")
    if store and not (store.isdecimal() and len(store) < 19):
        raise NotFound()
    rows, following = page_of_reports(
        actor, store_id=int(store) if store else None, department=None if mine and not chosen else chosen,
        before=request.GET.get("before", "")[:64],
    )  # fmt: skip
    facts: dict[str, Any] = {"reports": rows, "next_url": ""}
    if following:
        facts["next_url"] = f"{request.path}?department={chosen}&store={store}&before={following}"
    if request.GET.get("before") and hx.is_htmx(request):
        return render(request, "patrol/report_rows.html", facts)
    names = [("", "整店")] + [(key, one["name"]) for key, one in departments().items() if key != "franchise"]
    facts |= {"chosen": chosen, "departments": names if not mine else [(key, _name(key)) for key in mine]}
    return render(request, "patrol/reports.html", facts | around(actor))


@never_cache
@require_GET
@access.roles(*READERS)
def report(request: HttpRequest, pk: int) -> HttpResponse:
    """One report. Whoever it was shared with has read it then."""
    actor, now = access.actor_of(request), clock.now()
    found = open_report(actor, pk)
    mark_report_read(found, actor=actor, now=now)
    return render(request, "patrol/report.html", _facts(read_report(actor, found)) | around(actor))


def _facts(opened: Opened) -> dict[str, Any]:
    facts = opened.report.facts
    return {
        "opened": opened, "report": opened.report, "facts": facts, "header": facts["header"], "counts": facts["counts"],
        "shown": opened.problems[:SHOWN_PROBLEMS], "folded": opened.problems[SHOWN_PROBLEMS:],
        "rows": [row | {"conclusion_name": CONCLUSIONS.get(row["conclusion"], "")} for row in opened.rows],
        "categories": [
            one | {"gap": signed(one["difference"]) if one["difference"] else ""} for one in opened.categories
        ],
        "gap": signed(opened.difference) if opened.difference else "",
        "tabs": [{"pk": one.pk, "name": _name(one.department)} for one in opened.others],
        "reading": [one | {"name": _name(one["department"]) if one["department"] else one["name"]} for one in opened.reading],
    }  # fmt: skip


def _name(department: str) -> str:
    return str(departments()[department]["name"]) if department else "整店"


@require_GET
@access.roles(*READERS)
def as_pdf(request: HttpRequest, pk: int) -> HttpResponse:
    """A4"""
    found = open_report(access.actor_of(request), pk)
    return _download(pdf.pdf_of(found), found, "application/pdf", "pdf")


@require_GET
@access.roles(*READERS)
def as_picture(request: HttpRequest, pk: int) -> HttpResponse:
    """长图"""
    found = open_report(access.actor_of(request), pk)
    return _download(pdf.picture_of(found), found, "image/jpeg", "jpg")


def _download(content: bytes, report: PatrolReport, kind: str, ending: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    header = report.facts["header"]
    name = quote(f"{header['store_short']}{report.title}{header['patrol_date']}.{ending}".replace("/", "-"))
    response["Content-Disposition"] = f"inline; filename=\"report-{report.pk}.{ending}\"; filename*=UTF-8''{name}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'" if ending == "pdf" else "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-store"
    return response


@panel(SLOT_HOME, order=20, name="reports")
def reports_panel(request: HttpRequest, **_: Any) -> Answer:
    """The reports that were shared with one and wait to be read."""
    waiting = ReportReader.objects.filter(staff_id=access.actor_of(request).staff_id or 0, read_at=None)
    waiting = waiting.filter(report__in=PatrolReport.objects.visible_to(access.actor_of(request)))
    rows = list(
        waiting.select_related("report__store", "report__visit__patroller").order_by("-report_id")[: HOME_ROWS + 1]
    )
    return "patrol/panel_reports.html", {
        "rows": rows[:HOME_ROWS], "has_more": len(rows) > HOME_ROWS, "now": clock.now(), "url": reverse("guides:patrol-reports"),
    }  # fmt: skip
