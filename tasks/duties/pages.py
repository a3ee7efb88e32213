"""/g/rectify/: what somebody mends, with the photo of before beside the one he takes now."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from guides.org.pages import shell_of
from guides.patrol.rectify.models import PHOTOS
from guides.patrol.rectify.queries import OPEN, open_rectification, read_story
from yejibao.core import access, clock, files, hx, idempotency
from yejibao.core.errors import Conflict, DomainError
from yejibao.core.scope import Actor

from . import rectifying
from .models import Duty

WHO = ("guide", "store_manager", "area_supervisor")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WHO)
def rectify(request: HttpRequest, finding: int) -> HttpResponse:
    """整改: what is wrong, how it should be, and what it looks like now."""
    actor, now = access.actor_of(request), clock.now()
    row = open_rectification(actor, finding)
    duty = rectifying.duty_of(row.finding, round=row.round)
    path = row.finding.store.unit.path or "-"
    waits = duty is not None and duty.state in (Duty.State.OPEN, Duty.State.EXPIRED) and row.finding.state in OPEN
    can_do = waits and duty is not None and rectifying.may_finish(duty, actor, store_path=path)
    facts: dict[str, Any] = {
        "story": read_story(actor, row, now=now), "row": row, "finding": row.finding, "duty": duty, "can_do": can_do,
        "shell": shell_of(actor), "nav_current": "today" if actor.working_role == "guide" else "patrol", "now": now,
        "photo_room": PHOTOS, "note": request.POST.get("note", "")[:255], "is_handed_in": _is_handed_in(row, duty),
    }  # fmt: skip
    if request.method != "POST":
        return render(request, "duties/rectify.html", facts)
    if duty is None:
        raise Conflict("这件整改还没派出来，等几秒再试")
    try:
        _hand_in(request, duty, actor=actor, store_path=path)
    except DomainError as refusal:
        if refusal.status != 422 or "text/html" not in request.headers.get("Accept", "text/html"):
            raise
        facts["refusal"] = "，".join(str(one["message"]) for one in refusal.errors) or refusal.detail or refusal.title
        return render(request, "duties/rectify.html", facts, status=422)
    hx.flash(request, "提交了，等巡店人复查")
    return HttpResponseRedirect(reverse("tasks:rectify", args=[finding]))


def _hand_in(request: HttpRequest, duty: Duty, *, actor: Actor, store_path: str) -> None:
    note, sent, now = request.POST.get("note", ""), request.POST.getlist("photos"), clock.now()

    def work() -> dict[str, Any]:
        names = files.take(request.FILES.getlist("photo"), sent, room=PHOTOS, actor=actor, now=now)
        rectifying.finish_duty(duty, actor=actor, note=note, names=names, store_path=store_path, now=now)
        return {"duty": duty.pk}

    idempotency.once(request, {"note": note, "photos": sent}, work)


def _is_handed_in(row: Any, duty: Duty | None) -> bool:
    """Tell whether it was handed in, and the event is only on its way to the finding."""
    return duty is not None and duty.state == Duty.State.DONE and row.finding.state in OPEN
