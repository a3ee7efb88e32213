"""公告 for its readers: the list, one announcement, the tap that confirms, the banner on 今日; and for managers their stores."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org import matrix
from guides.org.models import OrgUnit
from guides.org.pages import shell_facts, shell_of
from yejibao.core import access, clock, desk, files, hx, idempotency, nav, waiting
from yejibao.core.errors import NotFound
from yejibao.core.panels import Answer, panel
from yejibao.core.scope import Actor

from . import queries, services
from .models import Announcement
from .scoped import BOARD, PUBLISH, URGE, announcement_filter, publisher_filter
from .services.drafting import ROOM
from .wording import html_of, minutes_to_read

managers_only = access.roles(
    "store_manager", "area_supervisor", "region_manager", "branch_manager", "branch_member_manager"
)


def _shell(actor: Actor) -> dict[str, Any]:
    return shell_facts(actor, "announcements-own")


# ---------------------------------------------------------------- reading


@never_cache
@require_GET
@access.signed_in
def own_list(request: HttpRequest) -> HttpResponse:
    """公告: what I was told, pinned first, then the newest."""
    actor, now = access.actor_of(request), clock.now()
    before = request.GET.get("before", "")[:64]
    pinned, lines, more = queries.own_page(actor, now=now, before=before)
    is_more = hx.is_htmx(request) and bool(before)
    facts = {
        "pinned": pinned, "lines": lines, "more": more, "is_first": not before,
        "waiting": 0 if is_more else queries.waiting_count(actor.staff_id or 0),
        "has_board": actor.has_role(*managers_roles()),
    }  # fmt: skip
    return render(
        request, "announcements/own_rows.html" if is_more else "announcements/own.html", facts | _shell(actor)
    )


def managers_roles() -> tuple[str, ...]:
    """Return the roles of the field that look after others' reading."""
    return tuple(role for role, right in matrix.rights(BOARD).items() if right.reach not in ("own", "all"))


@never_cache
@require_GET
@access.signed_in
def announcement(request: HttpRequest, pk: int) -> HttpResponse:
    """One announcement. Opening it is reading it; a publisher sees his draft as its readers would."""
    actor, now = access.actor_of(request), clock.now()
    held = _seen(actor, pk)
    receipt = services.mark_read(held, actor=actor, now=now)
    if receipt is None and not (held.is_told or _is_publisher(actor, held)):
        raise NotFound()
    left = 0
    if receipt and receipt.read_at and not receipt.confirmed_at:
        left = max(0, round((receipt.read_at + timedelta(seconds=held.min_read_seconds) - now).total_seconds()))
    context = {
        "held": held, "receipt": receipt, "html": html_of(held.body), "minutes": minutes_to_read(held.body), "left": left,
        "files": files.of(ROOM, [held.pk]).get(held.pk, []), "is_gone": held.state == Announcement.State.WITHDRAWN,
        "is_preview": receipt is None, "author_unit": held.unit.name,
    }  # fmt: skip
    return render(request, "announcements/one.html", context | _shell(actor))


@require_POST
@access.signed_in
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """我知道了"""
    actor = access.actor_of(request)
    held = _seen(actor, pk)
    services.confirm(held, actor=actor, now=clock.now())
    left = queries.waiting_count(actor.staff_id or 0)
    said = f"记下了，还有 {left} 条要看" if left else "记下了"
    return desk.done(request, said, reverse("guides:announcements"))


def _seen(actor: Actor, pk: int) -> Announcement:
    found = (
        Announcement.objects.filter(announcement_filter(actor)).select_related("author", "unit").filter(pk=pk).first()
    )
    if found is None:
        raise NotFound()
    return found


def _is_publisher(actor: Actor, held: Announcement) -> bool:
    return Announcement.objects.filter(publisher_filter(actor), pk=held.pk).exists()


@panel("today", order=12, name="announcement", waits="announcements")
def banner(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """The one announcement to read first. One statement."""
    line, left = queries.loudest(access.actor_of(request).staff_id or 0, now=now)
    return ("announcements/banner.html", {"line": line, "waiting": left, "now": now}) if line else None


@panel("after_clock_in", order=10, name="announcement", waits="announcements")
def first_to_read(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """The same, among what to do once one has clocked in."""
    line, _waiting = queries.loudest(access.actor_of(request).staff_id or 0, now=now)
    return ("announcements/first.html", {"line": line}) if line else None


def _badge(request: HttpRequest) -> int | None:
    return waiting.of(request, "announcements") or None


# ---------------------------------------------------------------- a manager's people


@never_cache
@require_GET
@managers_only
def manager_list(request: HttpRequest) -> HttpResponse:
    """本店公告: how far each announcement is with one's own people."""
    actor, now = access.actor_of(request), clock.now()
    held = list(
        Announcement.objects.visible_to(actor)
        .filter(state=Announcement.State.PUBLISHED)
        .order_by("-published_at", "-pk")[:30]
    )
    root = queries.open_unit(actor, None)
    counts = queries.tallies([one.pk for one in held], prefixes=queries.prefixes_of(actor))
    rows = [{"held": one, "tally": counts[one.pk]} for one in held if one.pk in counts]
    return render(request, "announcements/manager.html", {"rows": rows, "root": root} | _shell(actor) | {"now": now})


@never_cache
@require_GET
@managers_only
def manager_board(request: HttpRequest, pk: int) -> HttpResponse:
    """Who of one's people has not read it; by store where there are several."""
    actor = access.actor_of(request)
    context = board_facts(request, _seen(actor, pk), actor)
    return render(request, "announcements/manager_board.html", context | _shell(actor))


@require_POST
@access.roles(*matrix.holders(URGE))
def urge(request: HttpRequest, pk: int) -> HttpResponse:
    """催读: those who have not read it, in a unit or of the names that were ticked."""
    actor, now = access.actor_of(request), clock.now()
    held = _seen(actor, pk)
    unit_pk = desk.number(request.POST.get("unit"))
    unit = queries.open_unit(actor, unit_pk) if unit_pk is not None else None
    people = [int(one) for one in request.POST.getlist("staff") if one.isdecimal() and len(one) < 18] or None

    def work() -> dict[str, Any]:
        result = services.urge(held, actor=actor, now=now, unit=unit, staff_ids=people)
        return {"sent": result.sent, "waits": result.waits_for_morning, "too_soon": result.too_soon}

    answer, _replayed = idempotency.once(request, {"unit": unit_pk, "staff": people}, work)
    response = HttpResponseRedirect(_back(request, actor, held))
    if hx.is_htmx(request):
        response = HttpResponse(status=204)
        return hx.trigger(hx.toast(response, _said(answer)), "announcement:urged")
    hx.flash(request, _said(answer))
    return response


def _back(request: HttpRequest, actor: Actor, held: Announcement) -> str:
    if actor.may(PUBLISH) and shell_of(actor) == "base/hq.html":
        return reverse("guides:announcement-board", args=[held.pk])
    return reverse("guides:manager-announcement", args=[held.pk])


def _said(answer: dict[str, Any]) -> str:
    parts = []
    if answer["sent"]:
        parts.append(f"催了 {answer['sent']:,} 人")
    if answer["waits"]:
        parts.append(f"{answer['waits']:,} 人明早开店后提醒")
    if answer["too_soon"]:
        parts.append(f"{answer['too_soon']:,} 人两小时内催过，没有再催")
    return "，".join(parts) or "都看过了，不用催"


def board_facts(request: HttpRequest, held: Announcement, actor: Actor) -> dict[str, Any]:
    """Return what a board shows: the units below the one looked at, names, and how far the pushes are."""
    unit = queries.open_unit(actor, desk.number(request.GET.get("unit")))
    state = request.GET.get("state", "left")
    state = state if state in queries.STATES else "left"
    lines = [] if unit.level == OrgUnit.Level.STORE else queries.board_of(held, unit)
    own = queries.tally_of(held, actor, unit)
    shows_names = unit.level == OrgUnit.Level.STORE or request.GET.get("names") == "1" or not lines
    names, after = (
        queries.names_page(
            held, actor, unit=unit, state=state, after=desk.number(request.GET.get("after"), empty=0) or 0
        )
        if shows_names
        else ([], 0)
    )
    return {
        "held": held, "unit": unit, "trail": queries.trail_of(actor, unit), "lines": lines, "tally": own, "state": state,
        "states": list(queries.STATES.items()), "names": names, "after": after, "shows_names": shows_names,
        "may_urge": held.is_told and actor.has_role(*matrix.holders(URGE)), "now": clock.now(),
    }  # fmt: skip


nav.add("tools", key="announcements", label="公告", icon="megaphone", url="guides:announcements", order=8, badge=_badge)
nav.add(
    "me", key="announcements-store", label="公告谁没读", icon="megaphone", url="guides:manager-announcements", order=7,
    roles=("store_manager", "area_supervisor", "region_manager", "branch_manager", "branch_member_manager"),
)  # fmt: skip
