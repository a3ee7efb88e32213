"""备份与恢复: how old the newest backup is, what the drills proved, and after a restore the gate that a person opens."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.confirming import recently_confirmed
from yejibao.core import access, clock, desk, nav
from yejibao.core.errors import Invalid
from yejibao.core.models import DrillReport, SendingGate
from yejibao.core.outbox import gate
from yejibao.core.signs import BACKUP_OLD, DRILL_OLD, newest_backup

ROLES = ("sys_admin",)
SHOWN = 12


@never_cache
@require_GET
@access.roles(*ROLES)
def page(request: HttpRequest) -> HttpResponse:
    """The page; nothing here starts or deletes a backup: that is done on the server."""
    return render(request, "cockpit/backups.html", _context(clock.system_now()))


def _context(now: datetime) -> dict[str, Any]:
    backup, reports = newest_backup(), list(DrillReport.objects.order_by("-at", "-pk")[:SHOWN])
    proven = next((one for one in reports if one.is_well), None)
    return {
        "backup": backup, "reports": reports, "proven": proven, "as_of": now, "nav_current": "backups", "checks": gate.CHECKS,
        "backup_is_old": backup is None or now - backup.at > timedelta(seconds=BACKUP_OLD),
        "drill_is_old": proven is None or now - proven.at > timedelta(seconds=DRILL_OLD),
        "shut": SendingGate.objects.filter(opened_at=None).order_by("pk").first(),
        "opened": SendingGate.objects.exclude(opened_at=None).order_by("-opened_at").first(),
    }  # fmt: skip


@never_cache
@require_POST
@access.roles(*ROLES)
@recently_confirmed
def open_gate(request: HttpRequest) -> HttpResponse:
    """恢复发送: every check ticked, and who checked what in a sentence. The act is that of the command."""
    reason = request.POST.get("reason", "").strip()[:255]
    ticked = {text for text in request.POST.getlist("checked") if text.isdecimal()}

    def work() -> dict[str, Any]:
        if len(ticked) < len(gate.CHECKS):
            raise Invalid("每一件都核对过、打上勾，才能恢复发送")
        if len(reason) < 4:
            raise Invalid("写一句谁核对了什么")
        return {"was_shut": gate.open_gate(access.actor_of(request), reason=reason, now=clock.now())}

    answer, refusal = desk.attempt(request, {"reason": reason, "checked": sorted(ticked)}, work)
    if refusal is not None:
        context = _context(clock.system_now()) | {"refusal": desk.sentence(refusal), "reason": reason, "ticked": ticked}
        return render(request, "cockpit/backups.html", context, status=refusal.status)
    said = "闸开了，排队的提醒接着发" if answer["was_shut"] else "闸本来就开着"
    return desk.done(request, said, reverse("cockpit:backups"))


nav.add(
    "hq",
    key="backups",
    label="备份与恢复",
    icon="shield-check",
    url="cockpit:backups",
    order=89,
    group="系统",
    roles=ROLES,
)
