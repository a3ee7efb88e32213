"""/hq/announcements/: writing, publishing, and the board of who has read what."""

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.approvals.models import Approval
from guides.org import matrix
from guides.org.actors import role_facts, role_names
from guides.org.models import OrgUnit, Store
from yejibao.core import access, clock, desk, files, hx, limits, nav, words
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.scope import Actor

from . import audience as audiences
from . import forms, queries, services
from .audience import Audience
from .models import Announcement
from .pages import board_facts
from .rules import samples
from .scoped import BOARD, PUBLISH
from .services.drafting import ROOM
from .services.publishing import APPROVAL
from .wording import html_of, minutes_to_read

publishers = access.permission(PUBLISH)
board_readers = access.roles(*matrix.holders(BOARD))
FOUND = 8
State = Announcement.State


# ---------------------------------------------------------------- the list


@never_cache
@require_GET
@publishers
def announcements(request: HttpRequest) -> HttpResponse:
    """公告: what is being written, what was sent, how much of it is read and where it is not."""
    actor, now = access.actor_of(request), clock.now()
    before = request.GET.get("before", "")[:64]
    told, more = queries.told_page(actor, before=before)
    context = {
        "rows": _rows(told), "more": more, "is_first": not before, "drafts": [] if before else queries.drafts(actor),
        "samples": list(samples().values()), "now": now, "nav_current": "announcements",
    }  # fmt: skip
    return render(request, "announcements/list.html", context)


def _rows(told: list[Announcement]) -> list[dict[str, Any]]:
    counts, names = queries.tallies([one.pk for one in told]), queries.unit_names(told)
    return [
        {"held": one, "tally": counts[one.pk], "to": audiences.words_of(Audience.read(one.audience), units=names)}
        for one in told
    ]


@require_POST
@publishers
def new(request: HttpRequest) -> HttpResponse:
    """写公告: an empty draft, from a sample, or once more what another one said."""
    actor, now = access.actor_of(request), clock.now()
    copied = desk.number(request.POST.get("copy"))
    origin = _editable(actor, copied) if copied is not None else None
    held = services.begin(actor=actor, now=now, sample=request.POST.get("sample", "")[:48], copy_of=origin)
    return HttpResponseRedirect(reverse("guides:announcement-edit", args=[held.pk]))


# ---------------------------------------------------------------- the composer


@never_cache
@require_http_methods(["GET", "POST"])
@publishers
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The composer. A POST saves; with `act` it also publishes, schedules, shows it to oneself or throws it away."""
    actor, now = access.actor_of(request), clock.now()
    held = _editable(actor, pk)
    if request.method == "GET":
        if not held.is_open:
            return HttpResponseRedirect(reverse("guides:announcement-board", args=[pk]))
        return render(request, "announcements/edit.html", _composer(request, held, actor, now))
    act, seen = request.POST.get("act", ""), desk.chosen(request.POST.get("version"))
    if hx.is_htmx(request) and act in ("", "save"):
        return _autosave(request, held, actor, seen, now)
    answer, refusal = desk.attempt(
        request, desk.posted(request.POST), lambda: _act(request, held, actor, act, seen, now)
    )
    if refusal is not None:
        if refusal.status == 412:
            held.refresh_from_db()  # the newest stands on the page; what was typed is kept beside it
        context = _composer(request, held, actor, now, refusal=refusal)
        return render(request, "announcements/edit.html", context, status=refusal.status)
    return desk.done(request, answer["said"], answer["to"])


def _autosave(request: HttpRequest, held: Announcement, actor: Actor, seen: int, now: datetime) -> HttpResponse:
    """Save as it is typed, and answer what stands beside the form: how many it would be, and how it will look."""
    try:
        draft = forms.read_draft(request.POST, reach=services.reach_units(actor))
        held = services.save_draft(held, draft, seen=seen, actor=actor, now=now)
    except DomainError as refusal:
        if refusal.status not in desk.SHOWN:
            raise
        held.refresh_from_db()
        facts = _aside(held, now) | {
            "refusal": desk.sentence(refusal),
            "is_stale": refusal.status == 412,
            "is_part": True,
        }
        return render(request, "announcements/part_aside.html", facts | {"version": seen})
    return render(request, "announcements/part_aside.html", _aside(held, now) | {"is_part": True})


@transaction.atomic
def _act(request: HttpRequest, held: Announcement, actor: Actor, act: str, seen: int, now: datetime) -> dict[str, Any]:
    """Save what the form holds and do what its button says. Returns what was done and where to go."""
    board, composer = (
        reverse("guides:announcement-board", args=[held.pk]),
        reverse("guides:announcement-edit", args=[held.pk]),
    )
    if act == "drop":
        services.drop_draft(held, actor=actor)
        return {"said": "草稿删掉了", "to": reverse("guides:announcements-hq")}
    draft = forms.read_draft(request.POST, reach=services.reach_units(actor))
    held = services.save_draft(held, draft, seen=seen, actor=actor, now=now)
    match act:
        case "publish" | "schedule":
            at = forms.read_moment(request.POST.get("publish_at", "")) if act == "schedule" else None
            if act == "schedule" and at is None:
                raise Invalid(errors=[{"field": "publish_at", "code": "required", "message": "选一个定时发布的时间"}])
            held = services.publish(
                held, seen=held.version, actor=actor, now=now, at=at, reason=request.POST.get("reason", "")[:200]
            )
            return {"said": _published(held), "to": board}
        case "try":
            services.show_to_self(held, actor=actor, now=now)
            return {"said": "发到你的企业微信了，打开看看", "to": composer}
        case _:
            return {"said": "草稿存好了", "to": composer}


def _published(held: Announcement) -> str:
    match held.state:
        case State.ASKED:
            return "发给全公司要管理层批准，已经提交；批准后自动发出"
        case State.SCHEDULED:
            return f"定好了，{words.short_moment(held.publish_at, clock.now())} 自动发出"
        case _:
            return f"发布了，正在送到 {held.audience_count:,} 人"


def _composer(
    request: HttpRequest, held: Announcement, actor: Actor, now: datetime, *, refusal: DomainError | None = None
) -> dict[str, Any]:
    """Return the composer's facts; after a refusal with what was typed."""
    if refusal is not None and refusal.status != 412:
        draft = forms.read_draft(request.POST, reach=services.reach_units(actor))
        for name, value in draft.columns().items():
            setattr(held, name, value)
    wanted = Audience.read(held.audience)
    names = queries.unit_names([held])
    branches = services.reach_units(actor).filter(level=OrgUnit.Level.BRANCH).order_by("path")[:40]
    told, _more = queries.told_page(actor, most=3)
    return _aside(held, now) | {
        "wanted": wanted, "units": [(pk, names.get(pk, "已撤销的单位")) for pk in wanted.units],
        "not_units": [(pk, names.get(pk, "已撤销的单位")) for pk in wanted.not_units],
        "branches": [one for one in branches if one.pk not in wanted.units], "roles": [(key, name) for key, name in role_names().items() if role_facts(key)["level"] != "hq"],
        "hq_roles": [(key, name) for key, name in role_names().items() if role_facts(key)["level"] == "hq"],
        "kinds": Store.Kind.choices, "grades": audiences.GRADES, "levels": Announcement.Level.choices,
        "hours": forms.with_own(forms.HOURS, held.deadline_hours, "小时内读完"),
        "days": forms.with_own(forms.DAYS, held.pinned_days, "天置顶"),
        "seconds": forms.with_own(forms.SECONDS, held.min_read_seconds, "秒"),
        "files": files.of(ROOM, [held.pk]).get(held.pk, []), "rows": _rows(told),
        "refusal": desk.sentence(refusal) if refusal else "", "is_stale": refusal is not None and refusal.status == 412,
        "wrong": {one["field"]: one["message"] for one in refusal.errors} if refusal else {},
        "typed": request.POST.get("body", "") if refusal is not None and refusal.status == 412 else "",
        "reason": request.POST.get("reason", ""), "publish_at": request.POST.get("publish_at", ""),
        "nav_current": "announcements", "is_part": False,
    }  # fmt: skip


def _aside(held: Announcement, now: datetime) -> dict[str, Any]:
    """Return the live count and the preview."""
    wanted = Audience.read(held.audience)
    return {
        "held": held, "count": audiences.count(wanted, day=clock.local_day(now)), "html": html_of(held.body),
        "minutes": minutes_to_read(held.body), "now": now, "version": held.version, "saved_at": held.updated_at,
        "is_company": wanted.is_whole_company, "previewed": files.of(ROOM, [held.pk]).get(held.pk, []),
    }  # fmt: skip


@require_GET
@publishers
def find_units(request: HttpRequest) -> HttpResponse:
    """Units and stores a publisher may name, found as he types."""
    actor, asked = access.actor_of(request), request.GET.get("q", "").strip()[:32]
    units = services.reach_units(actor).exclude(level=OrgUnit.Level.HQ)
    found = units.filter(name__icontains=asked).order_by("path")[:FOUND] if asked else []
    return render(request, "announcements/part_units.html", {"found": found, "asked": asked})


@limits.by("upload")
@require_POST
@publishers
def add_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Pictures and documents of a draft."""
    actor, now = access.actor_of(request), clock.now()
    held = _editable(actor, pk)
    said = ""
    try:
        services.add_files(held, request.FILES.getlist("file"), request.POST.getlist("name"), actor=actor, now=now)
    except DomainError as refusal:
        if refusal.status not in (*desk.SHOWN, 413):
            raise
        said = desk.sentence(refusal)
    return _files(request, held, said)


@require_POST
@publishers
def drop_file(request: HttpRequest, pk: int, name: uuid.UUID) -> HttpResponse:
    """Take one off again."""
    actor = access.actor_of(request)
    held = _editable(actor, pk)
    services.drop_file(held, name, actor=actor)
    return _files(request, held, "")


def _files(request: HttpRequest, held: Announcement, said: str) -> HttpResponse:
    if not hx.is_htmx(request):
        if said:
            hx.flash(request, said)
        return HttpResponseRedirect(reverse("guides:announcement-edit", args=[held.pk]))
    context = {"held": held, "files": files.of(ROOM, [held.pk]).get(held.pk, []), "said": said}
    return render(request, "announcements/part_files.html", context)


# ---------------------------------------------------------------- the board


@never_cache
@require_GET
@board_readers
def board(request: HttpRequest, pk: int) -> HttpResponse:
    """One announcement: how far it is sent and read, by unit down to names."""
    actor = access.actor_of(request)
    held = Announcement.objects.visible_to(actor).select_related("author", "unit", "withdrawn_by").filter(pk=pk).first()
    if held is None:
        raise NotFound()
    context = board_facts(request, held, actor)
    waits = (
        Approval.objects.filter(kind=APPROVAL, key=held.key).order_by("-pk").first()
        if held.state == State.ASKED
        else None
    )
    context |= {
        "to": audiences.words_of(Audience.read(held.audience), units=queries.unit_names([held])), "html": html_of(held.body),
        "files": files.of(ROOM, [held.pk]).get(held.pk, []), "pushed": queries.pushed(held) if held.published_at else None,
        "may_edit": Announcement.objects.editable_by(actor).filter(pk=pk).exists(), "approval": waits,
        "told": queries.receipt_count(held), "nav_current": "announcements",
    }  # fmt: skip
    context["is_going"] = held.is_told and (
        held.spread_at is None or bool(context["pushed"] and context["pushed"].waiting)
    )
    if hx.is_htmx(request) and request.GET.get("part") == "progress":
        return render(request, "announcements/part_progress.html", context)
    return render(request, "announcements/board.html", context)


@require_POST
@publishers
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """What is done with one that is out, or about to be: pin, withdraw, make a draft again."""
    actor, now = access.actor_of(request), clock.now()
    held = _editable(actor, pk)
    what, reason = request.POST.get("act", ""), request.POST.get("reason", "")

    def work() -> dict[str, Any]:
        match what:
            case "withdraw":
                services.withdraw(held, actor=actor, now=now, reason=reason)
                return {"said": "撤回了，手机上马上看不到"}
            case "pin":
                days = forms.number(request.POST.get("days")) or 0
                services.pin(held, days=days, actor=actor, now=now)
                return {"said": f"置顶 {days} 天" if days else "不置顶了"}
            case "unschedule":
                services.unschedule(held, actor=actor, now=now)
                return {"said": "不定时了，又是草稿"}
        raise NotFound()

    answer, refusal = desk.attempt(request, {"act": what, "reason": reason, "days": request.POST.get("days", "")}, work)
    to = reverse(
        "guides:announcement-edit" if what == "unschedule" and not refusal else "guides:announcement-board", args=[pk]
    )
    return desk.done(request, desk.sentence(refusal) if refusal else answer["said"], to)


def _editable(actor: Actor, pk: int) -> Announcement:
    found = Announcement.objects.editable_by(actor).select_related("author", "unit").filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


nav.add(
    "hq",
    key="announcements",
    label="公告",
    icon="megaphone",
    url="guides:announcements-hq",
    order=45,
    permission=PUBLISH,
)
nav.add(
    "hq",
    key="announcements-own",
    label="给我的公告",
    icon="megaphone",
    url="guides:announcements",
    order=86,
    group="系统",
)
