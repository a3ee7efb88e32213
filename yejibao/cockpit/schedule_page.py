"""任务与计划: every entry of the schedule with its last run and its next, what runs long just now, and the two acts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_celery_beat.models import PeriodicTask

from guides.org.confirming import recently_confirmed
from tasks.cadences.models import CadenceVersion
from tasks.cadences.recompute import progress as recompute_progress
from yejibao.core import access, beats, clock, desk, hx, nav, progress
from yejibao.core.audit_words import action_words
from yejibao.core.errors import DomainError, NotFound
from yejibao.core.models import AuditEntry
from yejibao.wecom.syncing.models import SyncRun

from .job_words import WHAT_FOR, count_words

ROLES = ("sys_admin",)
MANAGE = "account.manage"
SAID = ("出错", "没按时跑", "停着", "正常", "还没跑过")


@progress.source
def sweeps(now: datetime) -> Iterable[progress.Running]:
    for run in SyncRun.objects.filter(state=SyncRun.State.RUNNING).order_by("pk"):
        yield progress.Running(
            f"同步{run.get_kind_display()}", run.parts_done, run.parts_total, run.started_at, run.last_error,
            reverse("crm:friends-sync"),
        )  # fmt: skip


@progress.source
def recomputes(now: datetime) -> Iterable[progress.Running]:
    rows = CadenceVersion.objects.filter(state="published", recompute_after_id__isnull=False).select_related("cadence")
    for version in rows:
        stands = recompute_progress(version)
        yield progress.Running(
            f"按新规则重算 {version.cadence.key} 第 {version.number} 版", stands.total - stands.left, stands.total,
            version.published_at,
        )  # fmt: skip


@never_cache
@require_GET
@access.roles(*ROLES)
def page(request: HttpRequest) -> HttpResponse:
    """The whole page; asked by htmx every half minute, only its middle."""
    now = clock.system_now()
    lines = sorted(beats.beats(now=now), key=lambda one: SAID.index(one.said) if one.said in SAID[:3] else 3)
    counts = [(said, n) for said in SAID[:3] if (n := sum(one.said == said for one in lines))]
    context = {
        "lines": [(one, WHAT_FOR.get(one.entry.task, ""), count_words(one.counts, one.entry.task)) for one in lines], "counts": counts,
        "running": progress.running(clock.now()), "system_now": now, "nav_current": "jobs", "is_part": hx.is_htmx(request),
    }  # fmt: skip
    return render(request, "cockpit/part_jobs.html" if hx.is_htmx(request) else "cockpit/jobs.html", context)


@never_cache
@require_GET
@access.roles(*ROLES)
def job(request: HttpRequest, pk: int) -> HttpResponse:
    return _job(request, pk)


def _job(request: HttpRequest, pk: int, refusal: DomainError | None = None) -> HttpResponse:
    now = clock.system_now()
    beat = beats.beat_of(pk, now=now)
    if beat is None:
        raise NotFound()
    acts = AuditEntry.objects.filter(resource="job", resource_id=beat.entry.task).order_by("-pk")[:10]
    context = {
        "beat": beat, "what_for": WHAT_FOR.get(beat.entry.task, ""), "counted": count_words(beat.counts, beat.entry.task),
        "acts": [(row, action_words(row.action)) for row in acts], "system_now": now, "nav_current": "jobs",
        "refusal": desk.sentence(refusal) if refusal else "", "post": request.POST,
    }  # fmt: skip
    return render(request, "cockpit/job.html", context, status=refusal.status if refusal else 200)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    entry: PeriodicTask = get_object_or_404(PeriodicTask, pk=pk)
    on, reason = request.POST.get("on") == "1", request.POST.get("reason", "")

    def work() -> dict[str, Any]:
        beats.switch(entry, on=on, actor=access.actor_of(request), reason=reason, now=clock.now())
        return {}

    _answer, refusal = desk.attempt(request, {"on": on, "reason": reason}, work)
    if refusal is not None:
        return _job(request, pk, refusal)
    return desk.done(request, f"{entry.name}{'启用了' if on else '停了'}", reverse("cockpit:job", args=[pk]))


@require_POST
@access.permission(MANAGE)
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """Run it once now. Not through the store of answers: nothing is created, and the second tap is held by the limit."""
    entry: PeriodicTask = get_object_or_404(PeriodicTask, pk=pk)
    try:
        beats.run_now(entry, actor=access.actor_of(request), reason=request.POST.get("reason", ""))
    except DomainError as refusal:
        if refusal.status not in (*desk.SHOWN, 429, 503):
            raise
        return _job(request, pk, refusal)
    return desk.done(request, f"{entry.name}排上队了，跑完这里会更新", reverse("cockpit:job", args=[pk]))


nav.add("hq", key="jobs", label="任务与计划", icon="timer", url="cockpit:jobs", order=89, roles=ROLES, group="系统")
