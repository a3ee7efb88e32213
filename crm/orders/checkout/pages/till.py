"""收银: the day's sales of the store, and a basket on the phone. Nothing but codes, quantities and choices comes from the client."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.catalogue.item_models import ItemCode
from crm.catalogue.queries import available, find_goods, price_of_styles
from crm.catalogue.queries.finding import sku_of
from crm.catalogue.services import item_of
from crm.members.models import Member
from guides.org.models import Staff
from yejibao.core import access, audit, clock, desk, hx, idempotency, limits, nav, paging
from yejibao.core.errors import DomainError, NotFound

from .. import services
from ..finding import shoppers
from ..models import Sale, SaleMoved, SaleRefund
from .parts import basket, basket_facts, own_store, shell, till_sale

PAGE = 30
FOUND_MOST = 12
EMPTY = Q(state=Sale.State.DRAFT, lines=None)


# ---------------------------------------------------------------- the day


@never_cache
@require_GET
@access.permission("order.cashier")
def till(request: HttpRequest) -> HttpResponse:
    """The store's sales of today, what is open, and returns that wait."""
    actor, now = access.actor_of(request), clock.now()
    store = own_store(actor)
    begins = clock.local_moment(clock.local_day(now), time())
    day = Sale.objects.visible_to(actor).filter(store=store, channel=Sale.Channel.TILL)
    sold = day.filter(state__in=Sale.SOLD, paid_at__gte=begins, paid_at__lt=begins + timedelta(days=1)).with_people()
    rows, before = paging.page(sold, "paid_at", before=request.GET.get("before", "")[:64], size=PAGE)
    context = shell(request) | {"rows": rows, "before": before}
    if hx.is_htmx(request) and request.GET.get("before"):
        return render(request, "till/rows.html", context)
    mine = day.filter(
        Q(guide_id=actor.staff_id) | Q(state=Sale.State.AWAITING_PAYMENT), state__in=Sale.OPEN, expires_at__gt=now
    )
    totals = sold.aggregate(paid=Sum("paid_fen"), back=Sum("refunded_fen"))
    waiting = SaleRefund.objects.visible_to(actor).filter(store=store, state=SaleRefund.State.ASKED)
    return render(
        request,
        "till/till.html",
        context
        | {
            "store": store, "count": sold.count(), "paid_fen": (totals["paid"] or 0) - (totals["back"] or 0),
            "open": mine.exclude(EMPTY).with_people().annotate(pieces=Sum("lines__quantity")).order_by("-created_at", "-pk")[:10],
            "asked": waiting.select_related("order").order_by("-asked_at", "-pk")[:10],
        },
    )  # fmt: skip


@require_POST
@access.permission("order.cashier")
def begin(request: HttpRequest) -> HttpResponse:
    """开单: an empty basket, for a member where the page came from one; one that she opened and left empty is taken up again."""
    actor, now = access.actor_of(request), clock.now()
    store = own_store(actor)
    member = None
    if number := desk.number(request.POST.get("member")):
        member = Member.objects.visible_to(actor).filter(pk=number).first()
    guide = store.staff.filter(pk=actor.staff_id or 0).first()
    left = Sale.objects.filter(
        EMPTY, channel=Sale.Channel.TILL, store=store, guide=guide, member=member, expires_at__gt=now
    )
    sale = left.order_by("-pk").first() or services.start_sale(
        channel=Sale.Channel.TILL, store=store, guide=guide, member=member, actor=actor, now=now
    )
    return redirect("crm:till-sale", public_id=sale.public_id)


# ---------------------------------------------------------------- one basket


@never_cache
@require_GET
@access.permission("order.cashier")
def sale(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A sale where it stands: the basket, the waiting, the receipt."""
    found, now = till_sale(request, public_id), clock.now()
    match found.state:
        case Sale.State.DRAFT:
            return render(request, "till/sale.html", basket_facts(request, found, now=now))
        case Sale.State.AWAITING_PAYMENT:
            return HttpResponseRedirect(reverse("crm:till-wait", args=[public_id]))
        case Sale.State.CLOSED:
            return render(request, "till/closed.html", shell(request) | {"sale": found})
    return HttpResponseRedirect(reverse("crm:till-receipt", args=[public_id]))


@require_POST
@access.permission("order.cashier")
def lines(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Put a piece in (what was scanned or typed), or change how many. What is no code is looked for as a name."""
    held, now = till_sale(request, public_id), clock.now()
    code = request.POST.get("code", "").strip()[:200]
    quantity = desk.number(request.POST.get("quantity", "1"))
    if (piece := item_of(code)) is not None:
        return _scanned(request, held, piece, now=now)
    sku = sku_of(code)
    if sku is None:
        found = list(find_goods(code[:50], access.actor_of(request))[:FOUND_MOST]) if code else []
        return basket(request, held, typed=code, goods=_offered(held, found, now=now), is_unknown=not found)
    change = -1 if request.POST.get("way") == "less" else (quantity or 1)

    def work() -> dict[str, Any]:
        services.add_lines(held, [(sku.code, change)], actor=access.actor_of(request), now=now)
        return {"sku": sku.code}

    # A piece scanned without the net is sent until it arrived: under its key it is put in once.
    idempotency.once(request, {"sale": str(public_id), "code": sku.code, "change": change}, work)
    return basket(request, held)


def _scanned(request: HttpRequest, held: Sale, piece: ItemCode, *, now: datetime) -> HttpResponse:
    """Put the very piece in whose code was read: once it is paid, it is his."""

    def work() -> dict[str, Any]:
        services.add_piece(held, piece, actor=access.actor_of(request), now=now)
        return {"piece": piece.pk}

    try:
        idempotency.once(request, {"sale": str(held.public_id), "piece": piece.code}, work)
    except services.PieceTwice as refusal:
        return basket(
            request, held, said=_("%(title)s，码尾 %(tail)s") % {"title": refusal.title, "tail": piece.code[-4:]}
        )
    said = _("这个码登记过卖出，先按款号和尺码收；核对一下吊牌是不是这件的") if piece.sold_at else ""
    return basket(request, held, said=said)


def _offered(held: Sale, styles: list[Any], *, now: Any) -> list[dict[str, Any]]:
    """Return goods to choose from, each with its sizes and how many lie here."""
    prices = price_of_styles([one.pk for one in styles], store=held.store, at=now)
    skus = [(style, list(style.skus.order_by("pk"))) for style in styles]
    here = available([sku.pk for _style, some in skus for sku in some], [held.store_id], now=now)
    return [
        {
            "style": style,
            "price": prices.get(style.pk),
            "sizes": [(sku, here.get((held.store_id, sku.pk), 0)) for sku in some],
        }
        for style, some in skus
    ]


@require_POST
@access.permission("order.cashier")
@limits.by("search", given="q")
def member(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Say whose basket it is: by his code, his phone, the end of it, his name; or nobody's."""
    actor, held, now = access.actor_of(request), till_sale(request, public_id), clock.now()
    if request.POST.get("drop"):
        services.set_member(held, None, actor=actor, now=now)
        return basket(request, held)
    if chosen := desk.number(request.POST.get("member")):
        near = Member.objects.filter(
            Q(pk__in=Member.objects.visible_to(actor).values("pk")) | Q(main_store_id=held.store_id)
        )
        one = near.filter(pk=chosen).first()
        if one is None:
            raise NotFound()
        services.set_member(held, one, actor=actor, now=now)
        return basket(request, held)
    text = request.POST.get("q", "").strip()[:160]
    found = shoppers(text, actor=actor, store=held.store)
    if len(found.members) == 1 and (found.has_shown_code or len(text) > 4):
        one = found.members[0]
        audit.record(actor, "sale.member_found", one, after={"has_shown_code": found.has_shown_code})
        services.set_member(held, one, actor=actor, now=now, has_shown_code=found.has_shown_code)
        return basket(request, held, is_recognised=True)
    said = (
        _("会员码过期了，请他刷新一下再扫") if found.is_forged else "" if found.members else _("没有找到，换手机号试试")
    )
    return basket(request, held, asked=text, shoppers=found.members, shopper_said=said)


@require_POST
@access.permission("order.cashier")
def choice(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Choose coupon, points, card. Only what the form names changes."""
    held, given = till_sale(request, public_id), request.POST
    if guide := desk.number(given.get("guide"), empty=0):
        who = Staff.objects.employed().filter(pk=guide, store_id=held.store_id).first()
        if who is None:
            raise NotFound()
        services.set_guide(held, who, actor=access.actor_of(request), now=clock.now())
        return basket(request, held)
    wanted: dict[str, Any] = {}
    if "coupon" in given:
        wanted["coupon_id"] = desk.number(given["coupon"])
    if "points" in given:
        wanted["points"] = desk.number(given["points"]) or 0
    if "wallet" in given:
        wanted["use_wallet"] = given["wallet"] == "1"
    try:
        services.choose(held, actor=access.actor_of(request), now=clock.now(), **wanted)
    except DomainError as refusal:
        return basket(request, held, said=str(refusal.title))
    return basket(request, held)


@require_POST
@access.permission("order.cashier")
def drop(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """不要了: the basket is closed."""
    held = till_sale(request, public_id)
    try:
        services.close_sale(held, reason="不要了", actor=access.actor_of(request), now=clock.now())
    except SaleMoved:  # it was paid on another phone: its page says so
        return redirect("crm:till-sale", public_id=public_id)
    hx.flash(request, "这一单不要了")
    return redirect("crm:till")


nav.add("tools", key="till", label="收银", icon="scan-barcode", url="crm:till", order=15, permission="order.cashier")
