"""搭配库 on the PC: stylists keep the library, judge what guides hand in, and see their weeks."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from yejibao.core import access, clock, desk, hx, nav, paging
from yejibao.core.errors import NotFound

from . import drawing, forms, services
from .models import Outfit, OutfitCredit, OutfitPiece, OutfitPlan
from .queries import pieces_of
from .rules import DAYS
from .scoped import PUBLISH
from .wardrobe import group_names

PAGE = 24
BEST = 10


@never_cache
@require_GET
@access.permission(PUBLISH)
def library(request: HttpRequest) -> HttpResponse:
    """The library by state, season, occasion and words, the last touched first."""
    asked = {name: request.GET.get(name, "")[:40] for name in ("state", "season", "occasion", "q")}
    outfits = Outfit.objects.visible_to(access.actor_of(request)).with_people()
    asked["state"] = asked["state"] if asked["state"] in Outfit.State.values else Outfit.State.PUBLISHED
    for name in ("season", "occasion"):
        if asked[name]:
            outfits = outfits.filter(**{name: asked[name]})
    if asked["q"]:
        outfits = outfits.filter(name__icontains=asked["q"])
    counts = dict(outfits.order_by().values_list("state").annotate(Count("pk")))
    rows, before = paging.page(
        outfits.filter(state=asked["state"]), "updated_at", before=request.GET.get("before", ""), size=PAGE
    )
    params = "&".join(f"{name}={value}" for name, value in asked.items() if value)
    context = {
        "rows": rows, "boards": drawing.with_pieces(rows), "asked": asked, "more": f"?{params}&before={before}" if before else "",
        "states": [(value, label, counts.get(value, 0)) for value, label in Outfit.State.choices],
        "seasons": Outfit.SEASONS, "occasions": Outfit.OCCASIONS, "days": DAYS, "now": clock.now(),
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "outfits/hq_rows.html", context)
    context |= {"plans": _plans(), "best": _best()}
    return render(request, "outfits/hq_library.html", context)


def _plans() -> list[dict[str, Any]]:
    """Return the weeks with what hangs on each day."""
    hung = {(one.plan_id, one.day): one for one in Outfit.objects.published().filter(plan__isnull=False)}
    return [
        {"plan": plan, "days": [(name, hung.get((plan.pk, place))) for place, name in enumerate(DAYS, 1)]}
        for plan in OutfitPlan.objects.order_by("pk")
    ]


def _best() -> list[OutfitCredit]:
    """Return whose ideas were taken up lately."""
    return list(OutfitCredit.objects.select_related("outfit", "guide__store").order_by("-at", "-pk")[:BEST])


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(PUBLISH)
def new(request: HttpRequest) -> HttpResponse:
    """新搭配"""
    actor, now = access.actor_of(request), clock.now()
    given, styles = forms.words_of(request.POST), forms.styles_of(request.POST)
    context = _editor({"given": given, "outfit": None})
    if request.method == "GET":
        return render(request, "outfits/hq_edit.html", context | forms.picked([]))

    def work() -> dict[str, Any]:
        return {"outfit": services.start_draft(given, styles, actor=actor, now=now).pk}

    answer, refusal = desk.attempt(request, given | {"styles": styles}, work)
    if refusal is not None:
        context |= {"refusal": forms.sentences(refusal)} | forms.picked(
            styles, plan_id=given["plan_id"], day=given["day"]
        )
        return render(request, "outfits/hq_edit.html", context, status=refusal.status)
    return desk.done(request, "存成草稿了", reverse("crm:hq-outfit", args=[answer["outfit"]]))


def _editor(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {
        "seasons": Outfit.SEASONS, "occasions": Outfit.OCCASIONS, "groups": group_names(), "days": DAYS,
        "plans": list(OutfitPlan.objects.order_by("pk")), "now": clock.now(),
    }  # fmt: skip


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(PUBLISH)
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One outfit: drafts and proposals are edited here; what is published is read, withdrawn or renewed."""
    actor, now, held = access.actor_of(request), clock.now(), _held(request, pk)
    is_open = held.state in (Outfit.State.DRAFT, Outfit.State.PROPOSED)
    own = list(OutfitPiece.objects.filter(outfit=held).order_by("position").values_list("style_id", flat=True))
    given = {name: getattr(held, name) for name in (*forms.WORDS, "groups", "plan_id", "day")}
    context = _editor({"outfit": held, "given": given, "is_open": is_open})
    before = Outfit.objects.filter(key=held.key).exclude(pk=held.pk).order_by("-version")
    context |= {
        "versions": list(before),
        "credit": OutfitCredit.objects.select_related("guide").filter(outfit=held).first(),
    }
    published = next((one.pk for one in context["versions"] if one.state == Outfit.State.PUBLISHED), None)
    if request.method == "GET" or not is_open:
        but = held.pk if held.state == Outfit.State.PUBLISHED else published
        context |= forms.picked(own, plan_id=held.plan_id or 0, day=held.day or 0, but=but)
        context["lay"] = drawing.lay_garments(pieces_of([held])[held.pk])
        return render(request, "outfits/hq_edit.html" if is_open else "outfits/hq_one.html", context)
    typed, styles = forms.words_of(request.POST), forms.styles_of(request.POST)

    def work() -> dict[str, Any]:
        services.edit_outfit(held, typed, styles, actor=actor, now=now)
        return {"said": "存好了"}

    answer, refusal = desk.attempt(request, typed | {"styles": styles}, work)
    if refusal is not None:
        context |= {"refusal": forms.sentences(refusal), "given": typed}
        context |= forms.picked(styles, plan_id=typed["plan_id"], day=typed["day"], but=published)
        return render(request, "outfits/hq_edit.html", context, status=refusal.status)
    return desk.done(request, answer["said"], request.path)


@require_POST
@access.permission(PUBLISH)
def act(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """发布, 下架, 出新版本; 采纳 or 不采纳 of a proposal."""
    actor, now, held = access.actor_of(request), clock.now(), _held(request, pk)
    why = request.POST.get("why", "")

    def work() -> dict[str, Any]:
        match what:
            case "publish":
                return _told(services.publish(held, actor=actor, now=now), "发布了，导购和会员马上看得到")
            case "withdraw":
                return _told(services.withdraw(held, why=why, actor=actor, now=now), "下架了")
            case "version":
                return _told(services.new_version(held, actor=actor, now=now), "新版本是草稿，改好再发布")
            case "adopt":
                return _told(services.adopt(held, actor=actor, now=now), "采纳了，署了导购的名字")
            case "refuse":
                return _told(services.refuse(held, why=why, actor=actor, now=now), "告诉她了")
        raise NotFound()

    answer, refusal = desk.attempt(request, {"why": why}, work)
    if refusal is not None:
        return desk.done(request, forms.sentences(refusal), reverse("crm:hq-outfit", args=[pk]))
    return desk.done(request, answer["said"], reverse("crm:hq-outfit", args=[answer["outfit"]]))


def _told(outfit: Outfit, said: str) -> dict[str, Any]:
    return {"outfit": outfit.pk, "said": said}


def _held(request: HttpRequest, pk: int) -> Outfit:
    held = Outfit.objects.visible_to(access.actor_of(request)).with_people().filter(pk=pk).first()
    if held is None:
        raise NotFound()
    return held


@nav.kept
def _waiting(request: HttpRequest) -> int | None:
    """Return how many proposals wait for a stylist."""
    return Outfit.objects.filter(state=Outfit.State.PROPOSED).count() or None


nav.add(
    "hq",
    key="outfits",
    label="搭配库",
    icon="shirt",
    url="crm:hq-outfits",
    order=46,
    permission=PUBLISH,
    badge=_waiting,
)
