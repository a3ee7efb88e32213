"""/files/: a file for whoever sees the row it belongs to, and the door by which scripts bring one ahead of its form."""

import uuid
from collections.abc import Collection

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from .. import access, clock, limits
from ..errors import Forbidden, Invalid
from . import keeping
from .models import StoredFile
from .reading import response_of


@require_GET
@access.signed_in
def file(request: HttpRequest, name: uuid.UUID) -> HttpResponse:
    """The bytes; with ?small=1 the small one of a photo, with ?download=1 to be saved."""
    found = keeping.find(name, actor=access.actor_of(request))
    return response_of(found, small=bool(request.GET.get("small")), download=bool(request.GET.get("download")))


@limits.by("upload")
@require_POST
@access.signed_in
def upload(request: HttpRequest) -> JsonResponse:
    """Take `file` for `room`, under `name` (a UUID of the sender's own, so that it may try again). Answers where it is."""
    kept = take_upload(request)
    return told(kept, kept.url, kept.small_url)


def take_upload(request: HttpRequest, *, rooms: Collection[str] | None = None) -> StoredFile:
    """Keep what a script sends ahead of its form; `rooms` narrows for which. Raises Forbidden, Invalid and as `keep` does."""
    actor, key = access.actor_of(request), request.POST.get("room", "")
    home = keeping.home_of(key)
    if not home.may_add(actor) or rooms is not None and key not in rooms:
        raise Forbidden(permission="file.add")
    given = request.FILES.get("file")
    if given is None:
        raise Invalid("没有收到文件")
    try:
        name = uuid.UUID(request.POST["name"]) if request.POST.get("name") else None
    except ValueError:
        raise Invalid("文件编号不对") from None
    return keeping.keep_upload(given, home=home, actor=actor, now=clock.now(), name=name)


def told(kept: StoredFile, url: str, small_url: str) -> JsonResponse:
    """Answer the script where its file is."""
    facts = {"name": str(kept.name), "url": url, "small_url": small_url, "title": kept.title, "kind": kept.kind}
    return JsonResponse(facts, status=201)
