"""离职交接: the manager names who takes over the members of a guide who left."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.services import choose_heir
from yejibao.core import access, clock, hx, idempotency, nav, panels
from yejibao.core.errors import Invalid, NotFound

from .absence_pages import title_for
from .handovers import done_handovers, friend_figures, open_count, waiting_handovers
from .models import GuideHandover
from .services import AlreadyHandedOver

WHO = ("store_manager", "region_manager")  # the region's for what a closed store leaves


@never_cache
@require_GET
@access.roles(*WHO)
def handovers(request: HttpRequest) -> HttpResponse:
    """Who left, who takes over by himself if nobody chooses, and what was handed over in the last 30 days."""
    return render(request, "members/handovers.html", _facts(request, clock.now()))


@require_POST
@access.roles(*WHO)
def heir(request: HttpRequest, pk: int) -> HttpResponse:
    """交给他: name the heir and hand over at once."""
    actor = access.actor_of(request)
    now = clock.now()
    handover = GuideHandover.objects.visible_to(actor).select_related("guide").filter(pk=pk).first()
    if handover is None:
        raise NotFound()
    chosen = request.POST.get("heir", "")

    def work() -> dict[str, Any]:
        found = waiting_handovers(actor, now=now, pk=pk)
        if not found:
            raise AlreadyHandedOver()
        people = {str(one.person.pk): one.person for one in found[0].candidates}
        if chosen not in people:
            raise Invalid("从名单里选一位")
        choose_heir(handover, heir=people[chosen], actor=actor, now=now)
        count, name = found[0].member_count, people[chosen].name
        return {"said": f"{handover.guide.name}的 {count} 位会员交给{name}了" if count else f"交给{name}了"}

    answer, _ = idempotency.once(request, {"heir": chosen}, work)
    hx.flash(request, answer["said"])  # the whole page comes anew: the count on the tab bar changed, too
    page = reverse("crm:handovers")
    return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)


def _facts(request: HttpRequest, now: datetime) -> dict[str, Any]:
    actor = access.actor_of(request)
    waiting = waiting_handovers(actor, now=now)
    request.open_handover_count = len(waiting)  # type: ignore[attr-defined]
    guides = {one.handover.guide_id: one.handover.guide.name for one in waiting}
    done = list(done_handovers(actor, now=now))
    friends = friend_figures([one.pk for one in done])
    return {
        "waiting": waiting,
        "done": [(one, friends.get(one.pk)) for one in done],
        "rendered": panels.render("handover", request, guides=guides) if guides else [],
        "new_label": title_for(actor),
        "now": now,
        "nav_current": "handovers",
    }


def _badge(request: HttpRequest) -> int | None:
    actor = access.actor_of(request)
    if actor.working_role not in WHO:
        return None
    known: int | None = getattr(request, "open_handover_count", None)
    return (open_count(actor) if known is None else known) or None


nav.add(
    "manager", key="handovers", label="交接", icon="repeat", url="crm:handovers", order=40, roles=WHO, badge=_badge
)  # fmt: skip
