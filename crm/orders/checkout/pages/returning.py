"""退货: find the order, choose the pieces, see what goes back where, confirm."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from crm.catalogue.item_models import ItemCode
from crm.catalogue.services import item_of
from crm.orders.models import Order, OrderLine
from crm.orders.scoped import READ
from guides.org import matrix
from guides.org.models import Store
from yejibao.core import access, clock, desk, hx, idempotency, limits
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.scope import Actor

from .. import bars, finding, returns, services
from ..models import Sale, SalePayment, SaleRefund
from ..queries import reckon_return, skus_of_lines
from ..reversal import NothingLeft
from .parts import own_store, shell

Reason = SaleRefund.Reason


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.permission("order.cashier")
@limits.by("search", given="q")
def find(request: HttpRequest) -> HttpResponse:
    """退货: by the number on the receipt, or by whose it is. What is typed comes in the body: it may be a phone."""
    actor, now = access.actor_of(request), clock.now()
    given = request.POST if request.method == "POST" else request.GET
    store, typed = own_store(actor), given.get("q", "").strip()[:160]
    orders = finding.orders_to_return(typed, actor=actor, store=store, now=now) if typed else []
    found: list[dict[str, Any]] = [
        {"order": one, "pass": finding.pass_for(one, actor=actor), "why_not": _why_not(one, store, now)}
        for one in orders
    ]
    lines: dict[int, list[OrderLine]] = {}
    for line in OrderLine.objects.filter(order__in=orders).order_by("line_no"):
        lines.setdefault(line.order_id, []).append(line)
    piece = item_of(typed) if typed else None
    for row in found:
        row["lines"] = lines.get(row["order"].pk, [])
        row["chosen"] = _chosen_by(piece, row["order"], row["lines"]) if piece else ""
    template = "till/part_found.html" if hx.is_htmx(request) else "till/returns.html"
    return render(request, template, shell(request) | {"q": typed, "found": found})


def _chosen_by(piece: ItemCode, order: Order, lines: list[OrderLine]) -> str:
    """Return the end of the address at which the piece that was scanned is chosen already, "" where it is none of this order."""
    skus = skus_of_lines(order, Sale.objects.filter(order=order).first())
    for line in lines:
        if (
            skus.get(line.line_no) == piece.sku_id
            and not line.replaced_by_id
            and line.quantity > line.returned_quantity
        ):
            return "?" + urlencode({f"line-{line.line_no}": 1, "piece": piece.code})
    return ""


def _why_not(order: Order, store: Store, now: datetime) -> str:
    """Return why nothing of an order may come back here today, "" where something may."""
    try:
        returns.must_be_sold(order)
        returns.must_be_of_the_kind(order, store)
        returns.must_be_in_time(order, is_faulty=True, now=now)
    except DomainError as refusal:
        return refusal.detail or str(refusal.title)
    return ""


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission("order.cashier")
@limits.by("money", given="idempotency_key")
def take_back(request: HttpRequest, ticket: str) -> HttpResponse:
    """One order: which pieces, why, and what goes back; nothing moves before it is confirmed."""
    actor, now = access.actor_of(request), clock.now()
    store = own_store(actor)
    order = finding.order_of_pass(ticket, actor=actor)
    if order is None:
        raise NotFound(_("请重新找一下这张单"))
    if request.method == "POST":
        return _confirmed(request, order, ticket, store=store, actor=actor)
    context = _facts(request, order, store=store, actor=actor, now=now) | {"pass": ticket}
    if hx.is_htmx(request):
        return render(request, "till/part_return.html", context)
    return render(request, "till/return.html", shell(request) | context)


def _confirmed(request: HttpRequest, order: Order, ticket: str, *, store: Store, actor: Actor) -> HttpResponse:
    key = idempotency.must_have_key(request)
    pieces, reason = _pieces(request.POST), _reason(request.POST)
    if request.POST.get("checked") != "1":
        raise Invalid(_("先看一下衣服：吊牌和配件齐全，没穿过没洗过（质量问题除外）"))
    note, codes = request.POST.get("note", "").strip()[:200], request.POST.getlist("piece")[:99]

    def work() -> dict[str, Any]:
        refund = services.refund_lines(
            Sale.objects.filter(order=order).first() or order, pieces.items(), key=f"till:{key}"[:64], actor=actor, now=clock.now(),
            reason=reason, note=note, store=store, sealed=pieces if request.POST.get("sealed") == "1" else (), codes=codes,
        )  # fmt: skip
        return {"refund": refund.pk}

    content = {
        "order": order.pk,
        "pieces": sorted(pieces.items()),
        "reason": reason,
        "note": note,
        "codes": sorted(codes),
    }
    try:
        answer, _replayed = idempotency.once(request, content, work)
    except DomainError as refusal:
        if refusal.status not in (409, 422):
            raise
        context = _facts(request, order, store=store, actor=actor, now=clock.now()) | {
            "pass": ticket,
            "refusal": refusal,
        }
        return render(request, "till/return.html", shell(request) | context, status=refusal.status)
    return redirect("crm:till-refund", pk=answer["refund"])


def _facts(request: HttpRequest, order: Order, *, store: Store, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return the order's lines with how many are chosen, and what that would give back."""
    given = request.POST if request.method == "POST" else request.GET
    pieces, reason = _pieces(given), _reason(given)
    sale = Sale.objects.filter(order=order).prefetch_related("payments").first()
    codes, skus = (services.pieces_at_home(sale), skus_of_lines(order, sale)) if sale else ({}, {})
    gifts = set(sale.lines.filter(is_gift=True).values_list("line_no", flat=True)) if sale else set()
    rows = [
        {
            "line": line, "left": 0 if line.replaced_by_id else line.quantity - line.returned_quantity, "chosen": pieces.get(line.line_no, 0),
            "each_fen": line.paid_fen // line.quantity, "is_gift": line.line_no in gifts,
            "codes": [] if line.replaced_by_id else codes.get(skus.get(line.line_no, 0), []),
        }
        for line in OrderLine.objects.filter(order=order).order_by("line_no")
    ]  # fmt: skip
    back, why_not = None, _why_not(order, store, now)
    if pieces and not why_not:
        try:
            returns.must_be_in_time(order, is_faulty=reason == Reason.QUALITY, now=now)
            back = reckon_return(order, sale, pieces)
        except NothingLeft:
            why_not = str(_("没有这么多可退"))
        except DomainError as refusal:
            why_not = refusal.detail or str(refusal.title)
    if back and (
        barred := next(
            (
                words
                for words in bars.why_not(order, pieces, is_faulty=reason == Reason.QUALITY, sealed=pieces).values()
            ),
            "",
        )
    ):
        back, why_not = None, barred
    if back and pieces and gifts.issuperset(pieces) and not back.is_full:
        back, why_not = None, str(_("赠品不能单独退"))
    return {
        "order": order, "sale": sale, "rows": rows, "reason": reason, "reasons": [(one, Reason(one).label) for one in SaleRefund.RETURNS],
        "asks_sealed": bool(bars.sealed_lines(order)), "back": back, "why_not": why_not,
        "ways": _ways(sale, back.other_fen) if sale and back else [], "note": given.get("note", "")[:200],
        "codes": given.getlist("piece"),
        "needs_approval": bool(back and services.needs_approval(actor, back.amount_fen, now=now)), "ends_at": returns.ends_at(order),
    }  # fmt: skip


def _ways(sale: Sale, other_fen: int) -> list[tuple[str, int]]:
    """Return by which ways the money beside the card goes back: WeChat first, then what came over the counter."""
    paid = [
        one
        for one in sale.payments.all()
        if one.state == SalePayment.State.SETTLED and one.way != SalePayment.Way.WALLET
    ]
    parts = []
    for payment in sorted(paid, key=lambda one: (one.way not in SalePayment.WECHAT, one.pk)):
        part = min(other_fen, payment.amount_fen - payment.refunded_fen)
        if part:
            parts.append((payment.get_way_display(), part))
            other_fen -= part
    return parts


def _pieces(given: Any) -> dict[int, int]:
    """Return which pieces a form names: `line-3=2`."""
    found: dict[int, int] = {}
    for name, value in given.items():
        number = desk.number(name.removeprefix("line-")) if name.startswith("line-") else None
        count = desk.number(value) if number else None
        if number and count and number < 1000 and count < 1000:
            found[number] = count
    return found


def _reason(given: Any) -> str:
    reason = given.get("reason", "")
    return reason if reason in SaleRefund.RETURNS else Reason.NO_REASON


@never_cache
@require_GET
@access.roles(*matrix.holders(READ))
def refund(request: HttpRequest, pk: int) -> HttpResponse:
    """One return: what came back, what went back, and how far that is."""
    actor = access.actor_of(request)
    rows = SaleRefund.objects.visible_to(actor).select_related("order__member", "order__store", "store", "sale", "by")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound()
    lines = {line.line_no: line for line in OrderLine.objects.filter(order=found.order)}
    parts = found.parts.select_related("payment").order_by("pk")
    given = [
        {"line": lines.get(one.line_no), "quantity": one.quantity, "amount_fen": one.amount_fen}
        for one in found.lines.order_by("line_no")
    ]
    return render(request, "till/refund.html", shell(request) | {"refund": found, "given": given, "parts": parts})
