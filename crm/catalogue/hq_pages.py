"""商品部's desk: styles, what they cost and when, their tags, story and pictures; sheets of item codes."""

from __future__ import annotations

import io
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org import matrix
from guides.org.models import Store
from yejibao.core import access, clock, desk, files, hx, limits, nav
from yejibao.core.errors import Invalid
from yejibao.core.money import fen_of

from . import services, showing
from .item_models import ItemBatch, ItemCode
from .models import ProductTag, Sku, StyleColor, StylePrice
from .pages import NARROWED
from .queries import Filters, find_goods, goods_of
from .queries.finding import COLUMNS, tags_of
from .scoped import EDIT, ITEMS

WHO = tuple(dict.fromkeys((*matrix.holders(EDIT), *matrix.holders(ITEMS))))
PAGE = 40
BATCHES, CODES_MOST = 30, 500
STORE_KINDS = dict(Store.Kind.choices)


@never_cache
@require_GET
@access.roles(*WHO)
@limits.by("search", given="q")
def goods(request: HttpRequest) -> HttpResponse:
    """商品: the table, narrowed by columns and by any tag; imports are the intake's."""
    actor, now = access.actor_of(request), clock.now()
    words = request.GET.get("q", "").strip()[:50]
    tag, value = request.GET.get("tag", "")[:32], request.GET.get("value", "")[:32]
    values = {key: request.GET.get(key, "")[:32] for key in NARROWED if request.GET.get(key)}
    rows = find_goods(words, actor, filters=Filters(values | ({tag: value} if tag and value else {})))
    after = request.GET.get("after", "")
    if not words and after.isdigit() and len(after) < 12:
        rows = rows.filter(pk__lt=int(after))
    found = list(rows[: PAGE + 1])
    shown = found[:PAGE]
    tags = list(ProductTag.objects.order_by("place"))
    coming = StylePrice.objects.filter(style__in=shown, during__endswith__gt=now).values_list("style_id", flat=True)
    open_ended = StylePrice.objects.filter(style__in=shown, during__upper_inf=True).values_list("style_id", flat=True)
    priced = {*coming, *open_ended}
    context = {
        "cards": [card | {"has_prices": card["style"].pk in priced} for card in showing.cards(shown, store=None, totals=None, now=now)],
        "q": words, "values": values, "tag": tag, "value": value, "now": now, "nav_current": "goods",
        "columns": [one for one in tags if one.key in NARROWED], "tags": [one for one in tags if one.key not in COLUMNS],
        "next": shown[-1].pk if len(found) > PAGE and not words else None,
        "query": urlencode(values | ({"tag": tag, "value": value} if tag else {})),
        "count": StyleColor.objects.count() if not words and not values and not tag else None,
    }  # fmt: skip
    return render(request, "goods/hq_list.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*WHO)
def style(request: HttpRequest, pk: int) -> HttpResponse:
    """One style-colour: its story (POST changes it), prices, tags, pictures, sizes."""
    one = get_object_or_404(StyleColor, pk=pk)
    refusal = None
    if request.method == "POST":
        story, points = request.POST.get("words", ""), request.POST.get("selling_points", "")
        _answer, refusal = desk.attempt(
            request, {"story": story, "points": points},
            lambda: {"id": services.edit_style(one, story=story, selling_points=points, actor=access.actor_of(request)).pk},
        )  # fmt: skip
        if refusal is None:
            hx.flash(request, str(_("存好了")))
            return HttpResponseRedirect(request.path)
    return _style_page(request, one, refusal=desk.sentence(refusal) if refusal else "")


def _style_page(request: HttpRequest, one: StyleColor, *, refusal: str = "", where: str = "story") -> HttpResponse:
    now = clock.now()
    prices = list(
        StylePrice.objects.filter(style=one).select_related("store", "set_by").order_by("-during", "-pk")[:40]
    )
    carried = {tag.key: values for tag, values in tags_of(one)}
    context = {
        "style": one, "now": now, "nav_current": "goods", "refusal": refusal, "where": where, "store_kinds": STORE_KINDS,
        "prices": [{"row": row, "is_over": row.is_over(now), "has_begun": row.during.lower <= now} for row in prices],
        "tags": [_tag_line(tag, carried.get(tag.key, [])) for tag in ProductTag.objects.order_by("place")],
        "colors": goods_of(one.style_no), "pictures": files.of(showing.ROOM, [one.pk]).get(one.pk, []),
        "skus": list(one.skus.order_by("pk")), "care": showing.care_tips().get(one.care_key, ""), "kinds": StylePrice.Kind.choices,
        "tomorrow": clock.local_day(now) + timedelta(days=1), "typed": request.POST if refusal else {},
    }  # fmt: skip
    return render(request, "goods/hq_style.html", context, status=422 if refusal else 200)


def _tag_line(tag: ProductTag, values: list[str]) -> dict[str, Any]:
    return {
        "tag": tag, "values": values, "group": ProductTag.GROUPS.get(tag.group, ""), "is_several": tag.value_type == "multi_enum",
        "may_set": tag.key not in COLUMNS and tag.kind == ProductTag.Kind.FACT,
        "choices": tag.values or (["是", "否"] if tag.value_type == "bool" else []),
    }  # fmt: skip


# ---------------------------------------------------------------- prices


@require_POST
@access.roles(*matrix.holders(EDIT))
def add_price(request: HttpRequest, pk: int) -> HttpResponse:
    """Plan a price."""
    one, now, post = get_object_or_404(StyleColor, pk=pk), clock.now(), request.POST

    def work() -> dict[str, Any]:
        store = None
        if code := post.get("store", "").strip():
            store = Store.objects.filter(code=code).first()
            if store is None:
                raise Invalid(_("没有这家门店：%(code)s") % {"code": code[:32]})
        row = services.set_price(
            one, kind=_one_of(post.get("kind", ""), StylePrice.Kind.values), price_fen=_fen(post.get("price", "")),
            starts_at=_moment(post.get("starts_on", ""), now), ends_at=_day_after(post.get("ends_on", "")),
            store_kind=_one_of(post.get("store_kind", ""), ("", *STORE_KINDS)), store=store, name=post.get("name", ""),
            actor=access.actor_of(request), now=now,
        )  # fmt: skip
        return {"id": row.pk}

    content = {
        name: post.get(name, "") for name in ("kind", "price", "starts_on", "ends_on", "store_kind", "store", "name")
    }
    _answer, refusal = desk.attempt(request, content | {"style": pk}, work)
    if refusal is not None:
        return _style_page(request, one, refusal=desk.sentence(refusal), where="prices")
    hx.flash(request, str(_("价格排好了")))
    return HttpResponseRedirect(f"{reverse('crm:hq-goods-style', args=[pk])}#prices")


def _one_of(value: str, known: Any) -> str:
    if value not in known:
        raise Invalid(_("选一个范围。"))
    return value


def _fen(text: str) -> int:
    """Return what somebody typed in yuan as fen. Raises Invalid."""
    try:
        return fen_of(text)
    except ValueError as error:
        raise Invalid(_("价格写成 1280 或 1280.50。")) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(_("日子没选对。")) from error


def _moment(text: str, now: datetime) -> datetime:
    """Return the beginning of a day; of today: now, since what was sold this morning had its price."""
    day = _day(text)
    return now if day == clock.local_day(now) else clock.local_moment(day, time(0))


def _day_after(text: str) -> datetime | None:
    """Return the end of the last day a price holds; None where it has none."""
    return clock.local_moment(_day(text) + timedelta(days=1), time(0)) if text.strip() else None


@require_POST
@access.roles(*matrix.holders(EDIT))
def end_a_price(request: HttpRequest, pk: int) -> HttpResponse:
    """End a price now, or take back one that has not begun."""
    row = get_object_or_404(StylePrice.objects.select_related("style", "store"), pk=pk)
    style_id = row.style_id

    def work() -> dict[str, Any]:
        services.end_price(row, actor=access.actor_of(request), now=clock.now())
        return {"id": pk}

    _answer, refusal = desk.attempt(request, {"end": pk}, work)
    hx.flash(request, desk.sentence(refusal) if refusal else str(_("结束了")))
    return HttpResponseRedirect(f"{reverse('crm:hq-goods-style', args=[style_id])}#prices")


# ---------------------------------------------------------------- tags and pictures


@require_POST
@access.roles(*matrix.holders(EDIT))
def tag(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the values of one tag."""
    one = get_object_or_404(StyleColor, pk=pk)
    row = get_object_or_404(ProductTag, key=request.POST.get("tag", "")[:32])
    values = [value[:64] for value in request.POST.getlist("values")[:20]]

    def work() -> dict[str, Any]:
        services.set_tag(one, row, values, actor=access.actor_of(request), now=clock.now())
        return {"id": row.pk}

    _answer, refusal = desk.attempt(request, {"tag": row.key, "values": values, "style": pk}, work)
    hx.flash(request, desk.sentence(refusal) if refusal else str(_("标签存好了")))
    return HttpResponseRedirect(f"{reverse('crm:hq-goods-style', args=[pk])}#tag-{row.key}")


@require_POST
@access.roles(*matrix.holders(EDIT))
@limits.by("upload")
def pictures(request: HttpRequest, pk: int) -> HttpResponse:
    """Hang pictures on a style; with `remove` take them all down. The silhouette stands in until there is one."""
    one, actor, now = get_object_or_404(StyleColor, pk=pk), access.actor_of(request), clock.now()
    names = files.take(
        request.FILES.getlist("photo"), request.POST.getlist("photos"), room=showing.ROOM, actor=actor, now=now
    )
    removes = request.POST.get("remove") == "1"
    if names or removes:
        services.picture_style(one, names, removes=removes, actor=actor)
        hx.flash(request, str(_("照片拿下了") if removes else _("照片挂好了")))
    return HttpResponseRedirect(f"{reverse('crm:hq-goods-style', args=[pk])}#photos")


# ---------------------------------------------------------------- item codes


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*matrix.holders(ITEMS))
def codes(request: HttpRequest) -> HttpResponse:
    """一物一码: the batches made or brought in; POST makes one for a size."""
    refusal = None
    if request.method == "POST":
        post, now = request.POST, clock.now()

        def work() -> dict[str, Any]:
            sku = Sku.objects.filter(code=post.get("sku", "").strip().upper()).first()
            if sku is None:
                raise Invalid(_("没有这个 SKU。写款色码-尺码，如 25FXF101-NV-180/96A。"))
            count = post.get("count", "")
            key = post.get("idempotency_key", "") or f"codes:{now.isoformat()}"
            batch = services.make_codes(
                sku, int(count) if count.isdigit() and len(count) < 6 else 0, note=post.get("note", ""), key=key[:64],
                actor=access.actor_of(request), now=now,
            )  # fmt: skip
            return {"id": batch.pk}

        asked = {name: post.get(name, "") for name in ("sku", "count", "note")}
        answer, refusal = desk.attempt(request, asked, work)
        if refusal is None:
            return HttpResponseRedirect(reverse("crm:hq-item-sheet", args=[answer["id"]]))
    batches = list(ItemBatch.objects.select_related("made_by").order_by("-pk")[:BATCHES])
    first = {
        item.batch_id: item
        for item in ItemCode.objects.filter(batch__in=batches).select_related("sku__style").distinct("batch_id").order_by("batch_id", "pk")
    }  # fmt: skip
    context = {
        "lines": [{"batch": one, "item": first.get(one.pk)} for one in batches], "now": clock.now(), "nav_current": "item-codes",
        "refusal": desk.sentence(refusal) if refusal else "", "typed": request.POST if refusal else {}, "sku": request.GET.get("sku", "")[:40],
    }  # fmt: skip
    return render(request, "goods/hq_codes.html", context, status=422 if refusal else 200)


@never_cache
@require_GET
@access.roles(*matrix.holders(ITEMS))
def sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """A sheet of labels to be printed: the code as a QR picture, style, size and number beneath."""
    batch = get_object_or_404(ItemBatch, pk=pk)
    items = list(ItemCode.objects.filter(batch=batch).select_related("sku__style").order_by("pk")[:CODES_MOST])
    lines = [{"item": item, "qr": _qr(reverse("crm:item", args=[item.code]))} for item in items]
    context = {"batch": batch, "lines": lines, "now": clock.now(), "nav_current": "item-codes"}
    return render(request, "goods/hq_sheet.html", context)


def _qr(path: str) -> SafeString:
    """Return the picture of an address of ours as inline SVG."""
    out = io.BytesIO()
    segno.make(f"{settings.PUBLIC_BASE_URL}{path}", error="m").save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=1
    )
    return mark_safe(out.getvalue().decode())


nav.add("hq", key="goods", label="商品", icon="shirt", url="crm:hq-goods", order=72, roles=WHO)
nav.add("hq", key="item-codes", label="一物一码", icon="qr-code", url="crm:hq-item-codes", order=73, roles=WHO)
