"""来源: which systems may send what, who looks after them, how much they may send; each with a page of its own.

Stands here and not with the intake, since who changes a source shows once more that it is he (guides/org/confirming.py).
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org.confirming import recently_confirmed
from guides.org.models import Staff
from yejibao.core import access, clock, desk
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.intake import kinds
from yejibao.intake.models import Source, SourceDay
from yejibao.intake.page_parts import WHO, labels, tabs
from yejibao.intake.services import SEEN, change_token, revoke_token, save_source

FIELDS = ("name", "label", "owner", "posts_per_minute", "rows_per_day", "tells_counts")


@never_cache
@require_GET
@access.roles(*WHO)
def sources(request: HttpRequest) -> HttpResponse:
    """All sources he takes care of, and when each sent last."""
    found = Source.objects.visible_to(access.actor_of(request)).select_related("owner").order_by("name")
    days = SourceDay.objects.filter(received__gt=0).order_by("source", "-day").distinct("source")
    last, names = dict(days.values_list("source", "day")), labels()
    lines = [(one, "、".join(names.get(key, key) for key in one.kinds), last.get(one.pk)) for one in found]
    return render(request, "intake/sources.html", tabs(request, "sources") | {"lines": lines})


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*kinds.KEEPERS)
@recently_confirmed
def new_source(request: HttpRequest) -> HttpResponse:
    """A source that is not there yet; it has no token before one is given out on its page."""
    return _edit(request, None)


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*kinds.KEEPERS)
@recently_confirmed
def source(request: HttpRequest, pk: int) -> HttpResponse:
    """One source: what it may do, as it stands."""
    return _edit(request, _found(pk))


@never_cache
@require_POST
@access.roles(*kinds.KEEPERS)
@recently_confirmed
def token(request: HttpRequest, pk: int) -> HttpResponse:
    """A new token, shown this once."""
    held = _found(pk)
    try:
        given = change_token(held, seen=request.POST.get("seen", ""), actor=access.actor_of(request), now=clock.now())
    except DomainError as refusal:
        if refusal.status not in desk.SHOWN:
            raise
        return _page(request, _found(pk), {}, refusal)
    return _page(request, _found(pk), {}, token=given)


@require_POST
@access.roles(*kinds.KEEPERS)
@recently_confirmed
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Nothing more is taken from it."""
    held = _found(pk)
    revoke_token(held.name, actor=access.actor_of(request))
    return desk.done(request, f"{held} 已停用", reverse("cockpit:source", args=[pk]))


def _found(pk: int) -> Source:
    held: Source | None = Source.objects.select_related("owner").filter(pk=pk).first()
    if held is None:
        raise NotFound()
    return held


def _edit(request: HttpRequest, held: Source | None) -> HttpResponse:
    if request.method == "GET":
        return _page(request, held, _values(held))
    post = request.POST
    typed = {name: post.get(name, "").strip() for name in FIELDS} | {"kinds": post.getlist("kinds")}
    name = held.name if held else typed["name"]

    def work() -> dict[str, Any]:
        saved = save_source(
            name=name, label=typed["label"], may_send=typed["kinds"], posts_per_minute=_number(typed["posts_per_minute"]),
            rows_per_day=_number(typed["rows_per_day"]), tells_counts=typed["tells_counts"] == "on", owner_id=_owner(typed["owner"]),
            seen=post.get("seen", "") if held else "", actor=access.actor_of(request), now=clock.now(),
        )  # fmt: skip
        return {"source": saved.pk}

    answer, refusal = desk.attempt(request, typed | {"seen": post.get("seen", "")}, work)
    if refusal is not None:
        is_old = refusal.status == 412  # somebody was faster: what stands there now, not what was typed over it
        held = _found(held.pk) if held else None
        return _page(request, held, _values(held) if is_old else typed, refusal)
    return desk.done(request, f"{name} 已保存", reverse("cockpit:source", args=[answer["source"]]))


def _values(held: Source | None) -> dict[str, Any]:
    if held is None:
        one = Source()
        return {"posts_per_minute": one.posts_per_minute, "rows_per_day": one.rows_per_day, "kinds": []}
    return {
        "label": held.label, "kinds": held.kinds, "owner": held.owner.wecom_user_id if held.owner else "",
        "posts_per_minute": held.posts_per_minute, "rows_per_day": held.rows_per_day, "tells_counts": held.tells_counts,
    }  # fmt: skip


def _page(
    request: HttpRequest,
    held: Source | None,
    values: dict[str, Any],
    refusal: DomainError | None = None,
    token: str = "",
) -> HttpResponse:
    context = tabs(request, "sources") | {
        "one": held, "values": values or _values(held), "seen": desk.seen(held, SEEN) if held else "", "token": token,
        "all_kinds": kinds.all_kinds(), "refusal": desk.sentence(refusal) if refusal else "", "nav_current": "intake",
    }  # fmt: skip
    return render(request, "intake/source.html", context, status=refusal.status if refusal else 200)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _owner(userid: str) -> int | None:
    if not userid:
        return None
    found = Staff.objects.filter(wecom_user_id=userid.lower()).values_list("pk", flat=True).first()
    if found is None:
        raise Invalid(
            "没有这个人", errors=[{"field": "owner", "code": "input.unknown", "message": "没有这个企业微信账号"}]
        )
    return int(found)
