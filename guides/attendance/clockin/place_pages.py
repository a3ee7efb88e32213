"""打卡点 of one's stores: where a store is, how near is near, and its Wi-Fi."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org import matrix
from guides.org.models import Store
from guides.org.pages import shell_of
from yejibao.core import access, clock, hx
from yejibao.core.errors import DomainError, Invalid, NotFound

from . import places, rules
from .models import Datum, StoreWifi
from .queries import places_of
from .scoped import PLACES, placed_stores

WHO = matrix.holders(PLACES)
SHOWN = 50


@never_cache
@require_GET
@access.roles(*WHO)
def place_list(request: HttpRequest) -> HttpResponse:
    """The stores one may set, those without a place first; one store alone is opened at once."""
    actor = access.actor_of(request)
    today = clock.today()
    mine = Store.objects.filter(placed_stores(actor)).exclude(closed_on__lte=today)
    if query := request.GET.get("q", "").strip()[:32]:
        mine = mine.filter(name__icontains=query)
    elif len(ids := list(mine.values_list("pk", flat=True)[:2])) == 1:
        return redirect("guides:clock-place", ids[0])
    missing = mine.filter(fence=None, wifis=None)
    without, total = missing.count(), mine.count()
    rows = places_of(missing.order_by("code", "pk")[:SHOWN]) if without else []
    if len(rows) < SHOWN:
        rest = mine.exclude(pk__in=[row.store.pk for row in rows]).order_by("code", "pk")
        rows += places_of(rest[: SHOWN - len(rows)])
    facts = {
        "rows": rows, "total": total, "without": without, "shown": SHOWN, "q": query, "radius": rules.RADIUS.at(clock.now()),
        "shell": shell_of(actor), "nav_current": "attendance",
    }  # fmt: skip
    return render(request, "clockin/places.html", facts)


@never_cache
@require_GET
@access.roles(*WHO)
def place_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One store's place."""
    return _page(request, _store(request, pk))


def _store(request: HttpRequest, pk: int) -> Store:
    store = Store.objects.filter(placed_stores(access.actor_of(request)), pk=pk).first()
    if store is None:
        raise NotFound()
    return store


def _page(request: HttpRequest, store: Store, refusal: DomainError | None = None) -> HttpResponse:
    actor = access.actor_of(request)
    (place,) = places_of(Store.objects.filter(pk=store.pk))
    facts: dict[str, Any] = {
        "place": place, "store": store, "refusal": refusal.detail or refusal.title if refusal else "", "datums": Datum.choices,
        "given": request.POST, "radius": rules.RADIUS.at(clock.now()), "least": places.RADIUS_LEAST, "most": places.RADIUS_MOST,
        "has_many": Store.objects.filter(placed_stores(actor))[:2].count() > 1, "shell": shell_of(actor), "nav_current": "attendance",
    }  # fmt: skip
    return render(request, "clockin/place.html", facts, status=refusal.status if refusal else 200)


@require_POST
@access.roles(*WHO)
def set_fence(request: HttpRequest, pk: int) -> HttpResponse:
    """Save where the store is and how near counts."""
    actor, store, post = access.actor_of(request), _store(request, pk), request.POST
    try:
        radius = _number(post.get("radius", "")) if post.get("radius", "").strip() else None
        latitude, longitude = _number(post.get("latitude", "")), _number(post.get("longitude", ""))
        places.set_fence(
            store, latitude=latitude, longitude=longitude, datum=post.get("datum", ""), actor=actor, now=clock.now(),
            radius_m=None if radius is None else int(radius) if abs(radius) < 10_000 else 10_000,
        )  # fmt: skip
    except Invalid as refusal:
        return _page(request, store, refusal)
    hx.flash(request, f"{store.short_name}的打卡点存好了")
    return redirect("guides:clock-place", store.pk)


def _number(text: str) -> float:
    try:
        number = float(text.strip())
    except ValueError:
        raise Invalid("纬度、经度不对，像 32.041544、118.784135") from None
    if number != number:  # nan
        raise Invalid("纬度、经度不对，像 32.041544、118.784135")
    return number


@require_POST
@access.roles(*WHO)
def add_wifi(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a Wi-Fi of the store."""
    actor, store = access.actor_of(request), _store(request, pk)
    try:
        places.add_wifi(
            store, bssid=request.POST.get("bssid", "")[:32], label=request.POST.get("label", ""), actor=actor, now=clock.now()
        )  # fmt: skip
    except DomainError as refusal:
        if refusal.status not in (409, 422):
            raise
        return _page(request, store, refusal)
    hx.flash(request, "Wi-Fi 加好了")
    return redirect("guides:clock-place", store.pk)


@require_POST
@access.roles(*WHO)
def drop_wifi(request: HttpRequest, pk: int, wifi: int) -> HttpResponse:
    """Take a Wi-Fi away."""
    actor, store = access.actor_of(request), _store(request, pk)
    row = StoreWifi.objects.select_related("store").filter(pk=wifi, store=store).first()
    if row is None:
        raise NotFound()
    places.drop_wifi(row, actor=actor)
    hx.flash(request, "Wi-Fi 去掉了")
    return redirect("guides:clock-place", store.pk)
