"""代客单 of a store for its manager, and for those who read orders: what waits, what was transferred to whom."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org.pages import shell_facts
from yejibao.core import access, hx, nav, paging

from .models import ProxyOrder
from .queries import standing_of

PAGE = 20
MANAGERS = ("store_manager",)


def asking(request: HttpRequest) -> int | None:
    """Return how many transfers wait for the manager's look."""
    waits = ProxyOrder.objects.visible_to(access.actor_of(request)).open().filter(escalated_at__isnull=False)
    return waits.count() or None


@never_cache
@require_GET
@access.roles(*MANAGERS)
def store_orders(request: HttpRequest) -> HttpResponse:
    """All of the store, the newest first; ?of=open what is not over, ?of=transfer what was paid to guides."""
    actor, of = access.actor_of(request), request.GET.get("of", "")
    rows = ProxyOrder.objects.visible_to(actor).with_people()
    if of == "open":
        rows = rows.open()
    elif of == "transfer":
        rows = rows.filter(way=ProxyOrder.Way.TRANSFER)
    else:
        of = ""
    found, before = paging.page(rows, "sent_at", before=request.GET.get("before", ""), size=PAGE)
    facts = {"orders": [(row, standing_of(row)) for row in found], "before": before, "of": of, "with_guide": True}
    template = "proxy/rows.html" if hx.is_htmx(request) else "proxy/store.html"
    return render(request, template, facts | shell_facts(actor, "proxy-orders"))


nav.add(
    "me", key="proxy-orders", label="代客单", icon="shopping-bag", url="crm:proxy-orders", order=33, roles=MANAGERS, badge=asking
)  # fmt: skip
