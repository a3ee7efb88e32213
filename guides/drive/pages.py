"""/g/drive/: what HQ shares, for all; /hq/drive/ for who keeps it."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org.actors import role_names
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk, files, hx, limits, nav
from yejibao.core.errors import Invalid, NotFound, Unavailable
from yejibao.core.scope import Actor
from yejibao.wecom.errors import GatewayError

from . import queries, services
from .models import DriveFile, DriveFolder, DriveUse
from .scoped import KEEP

Kind = DriveUse.Kind


def _shell(actor: Actor) -> dict[str, Any]:
    return shell_facts(actor, "drive")


@limits.by("search", given="q")
@never_cache
@require_GET
@access.signed_in
def drive(request: HttpRequest) -> HttpResponse:
    """微盘资料: the folders; with ?q= files by their names."""
    actor, q = access.actor_of(request), request.GET.get("q", "").strip()[:60]
    if hx.is_htmx(request):
        return render(request, "drive/found.html", {"rows": queries.search(q, actor), "q": q, "now": clock.now()})
    facts = {
        "folders": queries.folders_of(actor),
        "q": q,
        "rows": queries.search(q, actor) if q else [],
        "may_keep": actor.may(KEEP),
    }
    return render(request, "drive/list.html", facts | _shell(actor))


@never_cache
@require_GET
@access.signed_in
def folder(request: HttpRequest, pk: int) -> HttpResponse:
    """One folder, the newest first."""
    actor = access.actor_of(request)
    held = _folder(actor, pk)
    page = queries.page_of(held, actor, before=request.GET.get("before", "")[:64])
    is_more = hx.is_htmx(request) and bool(request.GET.get("before"))
    facts = {"folder": held, "page": page, "rows": page.rows, "may_keep": actor.may(KEEP)}
    return render(request, "drive/rows.html" if is_more else "drive/folder.html", facts | _shell(actor))


@never_cache
@require_GET
@access.signed_in
def file(request: HttpRequest, pk: int) -> HttpResponse:
    """One file: what it is, a look at it, open, download, forward."""
    actor = access.actor_of(request)
    held = _file(actor, pk)
    stored = next(iter(files.of(services.ROOM, [held.pk]).get(held.pk, [])), None)
    facts = {
        "file": held,
        "stored": stored,
        "may_keep": actor.may(KEEP),
        "users": queries.users_of(held) if actor.may(KEEP) else [],
    }
    return render(request, "drive/file.html", facts | _shell(actor))


@never_cache
@require_GET
@access.signed_in
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Open it, or with ?how=download save it; counted."""
    actor, now = access.actor_of(request), clock.now()
    held = _file(actor, pk)
    downloads = request.GET.get("how") == "download"
    stored = next(iter(files.of(services.ROOM, [held.pk]).get(held.pk, [])), None)
    if stored is not None:
        answer = files.response_of(stored, download=downloads)
        services.note_use(held, Kind.DOWNLOADED if downloads else Kind.OPENED, actor=actor, now=now)
        return answer
    try:
        link = services.link_of(held)
    except GatewayError:
        raise Unavailable("企业微信微盘现在打不开，过一会儿再试") from None
    if not link:
        raise NotFound()
    services.note_use(held, Kind.OPENED, actor=actor, now=now)
    return HttpResponseRedirect(link)


@require_POST
@access.signed_in
def forwarded(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that a file's address was copied to pass it on."""
    actor = access.actor_of(request)
    services.note_use(_file(actor, pk), Kind.FORWARDED, actor=actor, now=clock.now())
    return hx.toast(HttpResponse(status=204), "链接复制好了，去聊天里粘贴")


def _folder(actor: Actor, pk: int) -> DriveFolder:
    found = DriveFolder.objects.visible_to(actor).filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


def _file(actor: Actor, pk: int) -> DriveFile:
    found = DriveFile.objects.visible_to(actor).select_related("folder", "by").filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


# ---------------------------------------------------------------- who keeps


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(KEEP)
def edit_folder(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """A new folder, or one to change."""
    actor = access.actor_of(request)
    held = _folder(actor, pk) if pk else None
    facts: dict[str, Any] = {"folder": held, "roles": list(role_names().items()), "chosen": held.roles if held else []}
    if request.method == "GET":
        return render(request, "drive/edit_folder.html", facts | _shell(actor))
    given: dict[str, Any] = {"name": request.POST.get("name", ""), "roles": request.POST.getlist("roles"), "space": request.POST.get("space", ""),
             "open": request.POST.get("open", "")}  # fmt: skip

    def work() -> dict[str, Any]:
        kept = services.keep_folder(
            held, name=given["name"], roles=given["roles"], is_open=given["open"] == "1", space_id=given["space"], actor=actor,
            now=clock.now(),
        )  # fmt: skip
        return {"folder": kept.pk}

    answer, refusal = desk.attempt(request, given, work)
    if refusal is not None:
        facts |= {"refusal": desk.sentence(refusal), "chosen": given["roles"]}
        return render(request, "drive/edit_folder.html", facts | _shell(actor), status=refusal.status)
    return desk.done(request, "存好了", reverse("guides:drive-folder", args=[answer["folder"]]))


@require_POST
@access.permission(KEEP)
def read_space(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the folder's space of the platform now."""
    held = _folder(access.actor_of(request), pk)
    if not held.space_id:
        raise Invalid("这个文件夹没有关联微盘空间")
    services.read_spaces(now=clock.now(), only=held)
    held.refresh_from_db()
    return desk.done(request, held.read_error or "读好了", reverse("guides:drive-folder", args=[pk]))


@limits.by("upload")
@require_POST
@access.permission(KEEP)
def put(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a file or a link into a folder; with `instead_of` a new version."""
    actor, held = access.actor_of(request), _folder(access.actor_of(request), pk)
    number = desk.number(request.POST.get("instead_of"))
    old = _file(actor, number) if number else None
    names = files.take(
        request.FILES.getlist("photo"), request.POST.getlist("photos"), room=services.ROOM, actor=actor, now=clock.now()
    )
    upload = files.find(names[0], actor=actor) if names else None
    kept = services.put_file(
        held, name=request.POST.get("name", ""), note=request.POST.get("note", ""), link=request.POST.get("link", ""), upload=upload,
        instead_of=old, actor=actor, now=clock.now(),
    )  # fmt: skip
    return desk.done(request, "新版本放好了" if old else "放好了", reverse("guides:drive-file", args=[kept.pk]))


@require_POST
@access.permission(KEEP)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """拿掉"""
    actor = access.actor_of(request)
    held = _file(actor, pk)
    services.remove_file(held, actor=actor, now=clock.now())
    return desk.done(request, "拿掉了", reverse("guides:drive-folder", args=[held.folder_id]))


nav.add("tools", key="drive", label="资料", icon="folder", url="guides:drive", order=24)
nav.add("hq", key="drive", label="微盘资料", icon="folder", url="guides:drive", order=64)
