"""/hq/service/replies/: the ready sentences, kept by the service desk."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from yejibao.core import access, clock, desk
from yejibao.core.errors import NotFound

from ..rules import rules
from . import services
from .filling import NAMES
from .models import ReplyTemplate

NEW = "new"
KEEPERS = ("customer_service",)


@never_cache
@require_GET
@access.roles(*KEEPERS)
def templates(request: HttpRequest) -> HttpResponse:
    """All of them, a few dozen at most; those put away last."""
    rows = ReplyTemplate.objects.select_related("changed_by").order_by("-is_open", "place", "pk")
    facts = {"rows": rows, "kinds": rules().names, "now": clock.now(), "nav_current": "service"}
    return render(request, "aftersale/replies.html", facts)


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*KEEPERS)
def template(request: HttpRequest, key: str) -> HttpResponse:
    """Change one, or add one under the key `new`."""
    row = None if key == NEW else ReplyTemplate.objects.filter(key=key).first()
    if row is None and key != NEW:
        raise NotFound()
    facts: dict[str, Any] = {"row": row, "names": NAMES, "kinds": rules().names.items(), "nav_current": "service"}
    if request.method == "GET":
        return render(request, "aftersale/reply.html", facts | {"given": row, "chosen": row.kinds if row else []})
    given: dict[str, Any] = {
        "name": request.POST.get("name", ""), "text": request.POST.get("text", ""), "kinds": request.POST.getlist("kinds"),
        "is_open": request.POST.get("is_open") == "1",
    }  # fmt: skip

    def work() -> dict[str, Any]:
        saved = services.save_template(row, **given, actor=access.actor_of(request), now=clock.now())
        return {"key": saved.key}

    _answer, refusal = desk.attempt(request, given, work)
    if refusal is None:
        return desk.done(request, "存好了", reverse("crm:service-replies"))
    facts |= {"given": given, "chosen": given["kinds"], "refusal": desk.sentence(refusal)}
    return render(request, "aftersale/reply.html", facts, status=refusal.status)
