"""促销, for HQ: what holds, what is to come, what is over; a new one, and an early end."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from crm.benefits.rules import levels
from guides.org import matrix
from guides.org.models import OrgUnit
from yejibao.core import access, clock, desk, nav, paging
from yejibao.core.errors import DomainError, Invalid, NotFound

from .. import services
from ..models import Promotion
from ..services.promoting import KEEP, PromotionFacts

WHO = matrix.holders(KEEP)
PAGE = 40
STEP = re.compile(r"满?\s*(\d{1,7})\s*元?\s*减\s*(\d{1,7})\s*元?")
YUAN = re.compile(r"\d{1,7}(\.\d{1,2})?")


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*WHO)
def promotions(request: HttpRequest) -> HttpResponse:
    """The list, the newest beginning first, and the form for one more."""
    now, refusal = clock.now(), None
    if request.method == "POST":
        refusal = _made(request, now)
        if refusal is None:
            return desk.done(request, str(_("促销建好了")), reverse("crm:hq-promotions"))
    which = request.GET.get("which", "")
    rows = Promotion.objects.visible_to(access.actor_of(request)).select_related("unit", "gift_sku__style", "made_by")
    over = Q(ends_at__lte=now) | Q(ended_early_at__isnull=False)
    rows = rows.filter(over) if which == "past" else rows.exclude(over)
    shown, before = paging.page(rows, "starts_at", before=request.GET.get("before", "")[:64], size=PAGE)
    context = {
        "rows": [{"one": one, "what": words_of(one), "for_whom": scope_words(one), "is_on": one.starts_at <= now} for one in shown],
        "before": before, "which": which, "refusal": refusal, "given": request.POST, "picked": request.POST.getlist("levels"), "levels": levels(), "kinds": Promotion.Kind.choices,
        "wrong": {one["field"]: one["message"] for one in refusal.errors} if refusal else {},
        "units": OrgUnit.objects.filter(level__in=["branch", "region"]).order_by("path"), "now": now, "nav_current": "promotions",
    }  # fmt: skip
    return render(request, "till/promotions.html", context, status=refusal.status if refusal else 200)


@require_POST
@access.roles(*WHO)
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """End one early."""
    one = Promotion.objects.visible_to(access.actor_of(request)).filter(pk=pk).first()
    if one is None:
        raise NotFound()

    def work() -> dict[str, Any]:
        services.end_promotion(
            one, reason=request.POST.get("reason", ""), actor=access.actor_of(request), now=clock.now()
        )
        return {"ended": one.pk}

    _answer, refusal = desk.attempt(request, {"promotion": pk, "reason": request.POST.get("reason", "")}, work)
    said = desk.sentence(refusal) if refusal else str(_("促销结束了，收银马上按原价"))
    return desk.done(request, said, reverse("crm:hq-promotions"))


def _made(request: HttpRequest, now: datetime) -> DomainError | None:
    """Make what the form says, or return what is wrong with it."""
    try:
        facts = _read(request.POST, now)
    except Invalid as refusal:
        return refusal
    content = desk.posted(request.POST)
    actor = access.actor_of(request)
    made = desk.attempt(
        request, content, lambda: {"promotion": services.make_promotion(facts, actor=actor, now=now).pk}
    )
    return made[1]


def _read(given: Any, now: datetime) -> PromotionFacts:
    unit = OrgUnit.objects.filter(pk=desk.number(given.get("unit"), empty=0) or 0).first()
    wrong: list[dict[str, str]] = []
    known = {level.key for level in levels()}
    price = given.get("price", "").strip()
    if price and not YUAN.fullmatch(price):
        wrong.append({"field": "price", "code": "invalid", "message": str(_("写成 199 或 199.50"))})
    percent = given.get("percent", "").strip()
    threshold = given.get("threshold", "").strip()
    facts = PromotionFacts(
        name=given.get("name", ""),
        kind=given.get("kind", ""),
        starts_at=_moment(given.get("starts_at", ""), "starts_at", wrong) or now,
        ends_at=_moment(given.get("ends_at", ""), "ends_at", wrong),
        unit=unit,
        members_only=given.get("members_only") == "1",
        levels=[key for key in given.getlist("levels") if key in known],
        styles=_several(given.get("styles", "").upper()),
        categories=_several(given.get("categories", "")),
        price_fen=_fen(price) if price and not wrong else None,
        percent=int(percent) if percent.isdecimal() and len(percent) < 4 else 0,
        is_final=given.get("is_final") == "1",
        steps=[(int(a) * 100, int(b) * 100) for a, b in STEP.findall(given.get("steps", ""))],
        gift=given.get("gift", "").strip().upper()[:40],
        threshold_fen=_fen(threshold) if YUAN.fullmatch(threshold) else 0,
    )
    if wrong:
        raise Invalid(errors=wrong)
    return facts


def _fen(text: str) -> int:
    whole, _dot, cents = text.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0") or 0)


def _several(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,，、;；]+", text.strip()) if part][:50]


def _moment(text: str, name: str, wrong: list[dict[str, str]]) -> datetime | None:
    if not text.strip():
        return None
    try:
        return clock.parse_iso(text.strip())
    except ValueError:
        wrong.append({"field": name, "code": "invalid", "message": str(_("时间不对"))})
        return None


def words_of(one: Promotion) -> str:
    """Return in words what a promotion gives."""
    match one.kind:
        case Promotion.Kind.ITEM if one.price_fen is not None:
            return f"一口价 {one.price_fen / 100:g} 元{_final(one)}"
        case Promotion.Kind.ITEM:
            return f"减 {one.percent}%{_final(one)}"
        case Promotion.Kind.ORDER:
            return "，".join(f"满 {threshold / 100:g} 减 {off / 100:g}" for threshold, off in one.steps)
    gift = one.gift_sku
    return f"满 {one.threshold_fen / 100:g} 送{gift.style.name if gift else ''}"


def _final(one: Promotion) -> str:
    return "，不退不换" if one.is_final else ""


def scope_words(one: Promotion) -> str:
    """Return in words where and for whom it holds."""
    goods = "、".join([*one.categories, *one.styles]) or "全部商品"
    people = "、".join(one.levels) if one.levels else "会员" if one.members_only else "所有顾客"
    return f"{one.unit.name if one.unit else '全国'} · {goods} · {people}"


nav.add("hq", key="promotions", label="促销", icon="hand-coins", url="crm:hq-promotions", order=57, roles=WHO)
