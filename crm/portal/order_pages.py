"""我的订单: what the member bought, everywhere, with what was given back. Receipts are the till's (crm/orders/checkout)."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.members.models import Member
from yejibao.core import access, clock, hx, nav, paging
from yejibao.core.panels import Answer, panel

from .queries import orders_of

PAGE = 10

nav.add("member", key="orders", label="订单", icon="package", url="crm:my-orders", order=30)
nav.add("member-tools", key="orders", label="我的订单", icon="package", url="crm:my-orders", order=10)


@never_cache
@require_GET
@access.member
def orders(request: HttpRequest) -> HttpResponse:
    """The newest first; the next ones are fetched when one gets there."""
    rows, before = paging.page(
        orders_of(access.actor_of(request)), "paid_at", before=request.GET.get("before", ""), size=PAGE
    )
    more = f"{reverse('crm:my-orders')}?before={before}" if before else ""
    context = {"orders": rows, "more": more, "nav_current": "orders", "now": clock.now()}
    return render(request, "member/part_orders.html" if hx.is_htmx(request) else "member/orders.html", context)


@panel("my-below", order=10, name="last-order")
def last_order_panel(request: HttpRequest, *, member: Member, **_: Any) -> Answer:
    """最近一单: one line of it, and the way to all."""
    order = orders_of(access.actor_of(request)).order_by("-paid_at", "-pk").first()
    lines = list(order.lines.all()) if order else []
    return (
        ("member/part_last_order.html", {"order": order, "line": lines[0], "others": len(lines) - 1}) if lines else None
    )
