"""代客下单 on the guide's phone: 1 选货 (05), 2 确认收款 (05b), 3 how it stands. Every price is the server's."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.catalogue import showing
from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.outfits.together import companions
from crm.catalogue.outfits.wardrobe import wardrobe_of
from crm.catalogue.outfits.words import HE
from crm.catalogue.queries import find_goods, goods_of, price_of_styles, stock_by_size, totals_of
from crm.catalogue.services import sku_of_scan
from crm.members.customers import find_members, member_of
from guides.org import matrix
from guides.org.pages import shell_of
from yejibao.core import access, clock, desk, files, hx, idempotency, limits, nav
from yejibao.core.errors import DomainError, Invalid, NotFound

from ..checkout import services as checkout
from ..checkout.models import Sale, SaleLine
from ..checkout.queries import Priced, coupon_choices, means_of, on_hand, priced
from . import services
from .models import ProxyOrder
from .queries import asked_for, baskets_of, masked_address, sent_order, standing_of, under_way
from .scoped import PROXY
from .services.sending import ROOM

SELLERS = matrix.holders(PROXY)
FOUND = 12
NO_COUPON = "none"
Way = ProxyOrder.Way


def _shell(request: HttpRequest, **facts: Any) -> dict[str, Any]:
    return {"shell": shell_of(access.actor_of(request)), "nav_current": "goods", "now": clock.now()} | facts


def _basket(request: HttpRequest, public_id: UUID) -> Sale:
    """Return a basket of one's own that was not sent yet. Raises NotFound."""
    actor = access.actor_of(request)
    mine = Sale.objects.visible_to(actor).filter(
        channel=Sale.Channel.PROXY, guide_id=actor.staff_id or 0, public_id=public_id
    )
    sale = mine.select_related("store__unit", "guide", "member", "coupon").filter(member__isnull=False).first()
    if sale is None:
        raise NotFound()
    return sale


def _sent(request: HttpRequest, public_id: UUID) -> ProxyOrder:
    return sent_order(access.actor_of(request), public_id)


# ---------------------------------------------------------------- for whom


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*SELLERS)
@limits.by("search", given="q")
def home(request: HttpRequest) -> HttpResponse:
    """What is under way, and whom to order for. The words come in the body: they may be a phone."""
    actor, now = access.actor_of(request), clock.now()
    words = request.POST.get("q", "").strip()[:32]
    found = list(find_members(actor, words)[:8]) if words else []
    if hx.is_htmx(request):
        return render(request, "proxy/members.html", {"members": found, "words": words})
    rows = list(under_way(actor)[:20])
    facts = {"orders": [(row, standing_of(row)) for row in rows], "baskets": list(baskets_of(actor, now=now)[:10]),
             "members": found, "words": words}  # fmt: skip
    return render(request, "proxy/home.html", _shell(request, **facts))


@require_POST
@access.roles(*SELLERS)
def start(request: HttpRequest) -> HttpResponse:
    """给他下单: her basket for this member, and straight to a style where one was chosen."""
    actor = access.actor_of(request)
    try:
        name = UUID(request.POST.get("member", ""))
    except ValueError:
        raise NotFound() from None
    member = member_of(actor, name).member
    assert member is not None
    sale = services.open_basket(member, actor=actor, now=clock.now())
    style = request.POST.get("style", "")
    at = reverse("crm:proxy", args=[sale.public_id]) + (
        f"?style={int(style)}" if style.isdecimal() and len(style) < 12 else ""
    )
    return hx.redirect(at) if hx.is_htmx(request) else HttpResponseRedirect(at)


# ---------------------------------------------------------------- 1 选货


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*SELLERS)
@limits.by("search", given="q")
def basket(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Find a style, see where its sizes are, put it in."""
    actor, now, sale = access.actor_of(request), clock.now(), _basket(request, public_id)
    if sale.state != Sale.State.DRAFT:
        return HttpResponseRedirect(reverse("crm:proxy-state", args=[public_id]))
    refusal = None
    if request.method == "POST":
        if request.POST.get("ask"):
            return _ask(request, sale)
        code, quantity = request.POST.get("sku", "")[:64], desk.chosen(request.POST.get("quantity", "1")) or 1
        _answer, refusal = desk.attempt(
            request, {"sku": code, "quantity": quantity},
            lambda: {"pk": checkout.add_lines(sale, [(code, quantity)], actor=actor, now=now).pk},
        )  # fmt: skip
        if refusal is None:
            return desk.done(request, "放进去了", f"{request.path}?style={desk.chosen(request.POST.get('style'))}")
    words = request.GET.get("q", "").strip()[:200]
    facts: dict[str, Any] = {"sale": sale, "member": sale.member, "q": words, "refusal": refusal, "step": 1}
    assert sale.member is not None
    known = wardrobe_of(sale.member, now=now)
    facts |= {"sizes": {name: one.size for name, one in known.sizes.items()}, "means": means_of(sale.member, now=now)}
    facts |= _sum(sale, now)
    style, size = _wanted(request, words)
    if style is not None:
        facts |= _style_facts(sale, style, size, facts["sizes"], actor, now)
    elif words:
        rows = list(find_goods(words[:50], actor)[:FOUND])
        totals = totals_of([one.pk for one in rows], sale.store_id, now=now)
        facts["found"] = showing.cards(rows, store=sale.store, totals=totals, now=now)
    if style is not None or not words:
        taken = [line.sku.style_id for line, _share in facts["found_price"].rows if not line.is_gift]
        facts["together"] = companions(
            [style.pk, *taken] if style else taken, known, store=sale.store, is_personal=not sale.member.no_profiling, now=now, who=HE
        )  # fmt: skip
    status = refusal.status if refusal else 200
    return render(request, "proxy/basket.html", _shell(request, **facts), status=status)


def _ask(request: HttpRequest, sale: Sale) -> HttpResponse:
    """调货 at one tap: what the store lacks of a size in the basket is asked of the nearest that has it; `more` puts one in first."""
    actor, now, post = access.actor_of(request), clock.now(), request.POST
    sku = Sku.objects.select_related("style").filter(code=post.get("sku", "")[:64]).first()
    if sku is None:
        raise NotFound()
    key = post.get("idempotency_key", "") or request.headers.get("Idempotency-Key", "") or uuid4().hex

    @transaction.atomic  # what nobody can send is not put in either
    def work() -> dict[str, Any]:
        if post.get("more"):
            checkout.add_lines(sale, [(sku.code, 1)], actor=actor, now=now)
        asked = services.ask_for_rest(sale, sku.pk, key=f"proxy:{key}"[:64], actor=actor, now=now)
        return {"place": str(asked.from_store or asked.from_warehouse) if asked else ""}

    answer, refusal = desk.attempt(request, {"sku": sku.code, "more": post.get("more", "")}, work)
    if refusal is not None:
        said = desk.sentence(refusal)
    else:
        said = f"问了{answer['place']}，到了会提醒你，单子先留着" if answer["place"] else "已经在调了，到了会提醒你"
    there = (
        _pay_page(sale, without_coupon=False)
        if post.get("back") == "pay"
        else f"{request.path}?{urlencode({'style': sku.style_id, 'size': sku.size})}"
    )
    return desk.done(request, said, there)


def _his(sizes: dict[str, str], style: StyleColor) -> str:
    return sizes.get(style.category_l1) or sizes.get(style.category_l2) or ""


def _wanted(request: HttpRequest, words: str) -> tuple[StyleColor | None, str]:
    """Return the style the page is about, and its size where a tag was scanned."""
    number = request.GET.get("style", "")
    if number.isdecimal() and len(number) < 12:
        return StyleColor.objects.filter(pk=int(number)).first(), request.GET.get("size", "")[:16]
    if not words:
        return None, ""
    sku = sku_of_scan(words)
    return (sku.style, sku.size) if sku else (None, "")


def _style_facts(
    sale: Sale, style: StyleColor, size: str, sizes: dict[str, str], actor: Any, now: Any
) -> dict[str, Any]:
    stock = stock_by_size(style, store=sale.store, actor=actor, now=now)
    his = _his(sizes, style)
    size = size or his
    size = size if size in stock.skus else ""
    price = price_of_styles([style.pk], store=sale.store, at=now)[style.pk]
    known = Sku.objects.filter(pk=stock.skus[size]).first() if size else None
    cells = showing.size_cells(stock, size)
    return {
        "style": style, "price": price, "colors": showing_colors(style), "stock": stock, "size": size, "sku": known,
        "cells": cells, "here": next((cell["here"] for cell in cells if cell["size"] == size), 0),
        "his": his, "places": showing.places_of(stock, size) if size else [], "sku_id": stock.skus.get(size),
    }  # fmt: skip


def showing_colors(style: StyleColor) -> list[dict[str, Any]]:
    """Return the colours of a style with the dot each is shown as."""
    return [{"style": one, "dot": showing.DOTS.get(one.color_family, "#9A9A94")} for one in goods_of(style.style_no)]


def _sum(sale: Sale, now: Any) -> dict[str, Any]:
    """Return what is in the basket and about what he pays: with the coupon that will be proposed."""
    found = _counted(priced(sale, now=now), now)
    choices = coupon_choices(found, now=now) if sale.coupon_id is None else []
    return {
        "found_price": found, "pieces": sum(line.quantity for line in found.lines if not line.is_gift),
        "about_fen": found.quote.paid_fen - next((one.discount_fen for one in choices if one.is_usable), 0),
    }  # fmt: skip


def _counted(found: Priced, now: Any) -> Priced:
    """Note on each line of a basket how many the store has of it, where that is too few: then another one has to send them first."""
    there = on_hand(found.sale, {line.sku_id for line in found.lines}, now=now)
    for line in found.lines:
        line.too_few = there[line.sku_id] if there[line.sku_id] < line.quantity else None  # type: ignore[attr-defined]
    few = [line for line in found.lines if line.too_few is not None]  # type: ignore[attr-defined]
    if few:
        asked = asked_for(found.sale, {line.sku_id for line in few}).select_related("from_store", "from_warehouse")
        coming = {one.sku_id: one for one in reversed(asked)}
        for line in few:
            line.coming = coming.get(line.sku_id)  # type: ignore[attr-defined]
    return found


# ---------------------------------------------------------------- 2 确认收款


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*SELLERS)
def checkout_page(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The lines, the way to him, what he saves, how he pays. A change comes back with the new prices."""
    actor, now, sale = access.actor_of(request), clock.now(), _basket(request, public_id)
    if sale.state != Sale.State.DRAFT:
        return HttpResponseRedirect(reverse("crm:proxy-state", args=[public_id]))
    if request.method == "POST":
        try:
            _change(request, sale, actor, now)
        except DomainError as refusal:
            if refusal.status not in desk.SHOWN:
                raise
            hx.flash(request, desk.sentence(refusal))
        return HttpResponseRedirect(_pay_page(sale, without_coupon=_wants_no_coupon(request)))
    return render(request, "proxy/pay.html", _pay_facts(request, sale, now))


def _wants_no_coupon(request: HttpRequest) -> bool:
    """Tell whether she left the coupon out by hand: the address says so until she chooses one, or comes from 选货 again."""
    if request.POST.get("do") == "coupon":
        return not request.POST.get("coupon")
    return request.GET.get("coupon") == NO_COUPON


def _pay_page(sale: Sale, *, without_coupon: bool) -> str:
    return reverse("crm:proxy-pay", args=[sale.public_id]) + (f"?coupon={NO_COUPON}" if without_coupon else "")


def _change(request: HttpRequest, sale: Sale, actor: Any, now: Any) -> None:
    """Change a quantity, the coupon or the points of a basket. Raises Invalid."""
    post = request.POST
    match post.get("do"):
        case "more" | "less":
            line = (
                SaleLine.objects.filter(sale=sale, pk=desk.chosen(post.get("line")), is_gift=False)
                .select_related("sku")
                .first()
            )
            if line is not None:
                checkout.add_lines(sale, [(line.sku.code, 1 if post["do"] == "more" else -1)], actor=actor, now=now)
        case "coupon":
            checkout.choose(sale, coupon_id=desk.chosen(post.get("coupon")) or None, actor=actor, now=now)
        case "points":
            checkout.choose(
                sale, points=priced(sale, now=now).quote.points_most if post.get("points") else 0, actor=actor, now=now
            )
        case _:
            raise Invalid("没看懂要做什么，重新点一下")


def _pay_facts(request: HttpRequest, sale: Sale, now: Any, refusal: Any = None) -> dict[str, Any]:
    without_coupon = sale.coupon_id is None if refusal else _wants_no_coupon(request)
    if request.method == "GET" and not without_coupon:
        sale = services.propose_best(sale, actor=access.actor_of(request), now=now)
    found = _counted(priced(sale, now=now), now)
    quote, means = found.quote, means_of(sale.member, now=now)
    choices = coupon_choices(found, now=now)
    chosen = next((one for one in choices if one.coupon.pk == sale.coupon_id), None)
    used = services.transferred_today(sale.guide_id or 0, now=now)
    most = services.TRANSFER_A_DAY.at(now) * 100
    return _shell(
        request, sale=sale, member=sale.member, rows=found.rows, pieces=sum(line.quantity for line in found.lines), quote=quote, means=means, choices=[one for one in choices if one.is_usable],
        coupon=chosen, card_is_enough=bool(quote.paid_fen) and means.wallet_fen >= quote.paid_fen,
        card_after=means.wallet_fen - quote.paid_fen, transfer_left=max(0, most - used), offer_name=found.offer_name,
        link_hours=services.LINK_HOURS.at(now), refusal=refusal, errors={one["field"]: one["message"] for one in refusal.errors} if refusal else {},
        post=request.POST, room=ROOM, step=2, here=_pay_page(sale, without_coupon=without_coupon), deliveries=ProxyOrder.Delivery.choices,
    )  # fmt: skip


@limits.by("money")
@require_POST
@access.permission(PROXY)
def send(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """发确认单给他: prices hold from here, pieces are kept; once per key."""
    actor, now, sale = access.actor_of(request), clock.now(), _basket(request, public_id)
    idempotency.must_have_key(request)
    post = request.POST
    way, delivery, address = post.get("way", ""), post.get("delivery", ""), post.get("address", "")
    vouchers = []
    if way == Way.TRANSFER:
        vouchers = files.take(request.FILES.getlist("photo"), post.getlist("photos"), room=ROOM, actor=actor, now=now)
    content = {"way": way, "delivery": delivery, "address": address}

    def work() -> dict[str, Any]:
        proxy = services.send_order(
            sale, way=way, delivery=delivery, address=address, vouchers=vouchers, actor=actor, now=now
        )
        return {"pk": proxy.pk}

    _answer, refusal = desk.attempt(request, content, work)
    if refusal is not None:
        sale = _basket(request, public_id)
        return render(request, "proxy/pay.html", _pay_facts(request, sale, now, refusal), status=refusal.status)
    return desk.done(request, "单子备好了，发给他吧", reverse("crm:proxy-state", args=[public_id]))


# ---------------------------------------------------------------- 3 how it stands


@never_cache
@require_GET
@access.roles(*SELLERS)
def state(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What he did with it so far; the page asks again by itself. With htmx only the part that changes."""
    proxy, actor, now = _sent(request, public_id), access.actor_of(request), clock.now()
    facts = {
        "proxy": proxy, "sale": proxy.sale, "standing": standing_of(proxy), "is_mine": proxy.guide_id == actor.staff_id, "step": 3,
        "is_manager": actor.has_role("store_manager") and proxy.guide_id != actor.staff_id, "address": masked_address(proxy.address),
        "lines": list(SaleLine.objects.filter(sale=proxy.sale).select_related("sku__style").order_by("line_no")),
        "vouchers": files.of(ROOM, [proxy.pk]).get(proxy.pk, []), "message": _message(proxy), "member": proxy.member,
    }  # fmt: skip
    if hx.is_htmx(request):
        answer = render(request, "proxy/part_state.html", facts | {"now": now})
        if not facts["standing"].is_open:  # with it go the buttons around the part: 撤回, 再发一次
            answer["HX-Refresh"] = "true"
        return answer
    return render(request, "proxy/state.html", _shell(request, **facts))


def _message(proxy: ProxyOrder) -> dict[str, Any]:
    """Return what goes into the chat: a card, and the same in words for the clipboard."""
    called = proxy.member.called
    link = f"{settings.PUBLIC_BASE_URL}{reverse('crm:my-pay', args=[proxy.sale.public_id])}"
    amount = f"{proxy.amount_fen / 100:,.2f}".removesuffix(".00")
    title = f"{called}，您的单子 ¥{amount}"
    said = {
        Way.LINK: "点开核对，微信里就能付", Way.WALLET: "用储值付，点开确认一下就好", Way.TRANSFER: "点开确认一下您已经转给我",
    }[Way(proxy.way)]  # fmt: skip
    image = f"{settings.PUBLIC_BASE_URL}{static('img/coupon.png')}"
    return {
        "card": {"title": title, "desc": said, "link": link, "imgUrl": image},
        "text": f"{title}。{said}：{link}",
        "called": called,
    }


@require_POST
@access.roles(*SELLERS)
def told(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The link went out in her chat; she alone says so."""
    proxy, actor = _sent(request, public_id), access.actor_of(request)
    if proxy.guide_id != actor.staff_id:
        raise NotFound()
    services.mark_told(proxy, actor=actor, now=clock.now())
    return HttpResponse(status=204)


@limits.by("money")
@require_POST
@access.permission(PROXY)
def decide(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """撤回, or what the manager says of a transfer."""
    proxy, actor, now = _sent(request, public_id), access.actor_of(request), clock.now()
    key = idempotency.must_have_key(request)
    act, reason = request.POST.get("do", ""), request.POST.get("reason", "")
    is_manager = actor.has_role("store_manager") and actor.store_id == proxy.store_id
    if act not in ("withdraw", "confirm") or not (proxy.guide_id == actor.staff_id or is_manager):
        raise NotFound()

    def work() -> dict[str, Any]:
        if act == "withdraw":
            services.withdraw_order(proxy, reason=reason, actor=actor, now=now)
            return {"said": "撤回了，货放回去了"}
        services.confirm_transfer(proxy, member=None, key=key, actor=actor, now=now)
        return {"said": "确认了，这一单算付好"}

    answer, refusal = desk.attempt(request, {"do": act, "reason": reason}, work)
    said = desk.sentence(refusal) if refusal else answer["said"]
    return desk.done(request, said, reverse("crm:proxy-state", args=[public_id]))


def open_orders(request: HttpRequest) -> int | None:
    return under_way(access.actor_of(request)).count() or None


nav.add("sidebar", key="proxy", label="下单", icon="shopping-bag", url="crm:proxy-home", order=30, roles=SELLERS)
nav.add(
    "tools",
    key="proxy",
    label="代客下单",
    icon="shopping-bag",
    url="crm:proxy-home",
    order=34,
    roles=SELLERS,
    badge=open_orders,
    loud=False,
)
