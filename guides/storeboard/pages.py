"""看板 of a store, /m/board/: a shell; each room hangs what it knows of the store on it (slot `manager.board`)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org.models import Store
from yejibao.core import access, clock, nav
from yejibao.core.errors import NotFound
from yejibao.core.panels import render as render_panels

WHO = ("store_manager",)
SLOT = "manager.board"


@never_cache
@require_GET
@access.roles(*WHO)
def board(request: HttpRequest) -> HttpResponse:
    """今天 of one's store: sales, who is there, what waits for a yes, patrol."""
    actor, now = access.actor_of(request), clock.now()
    store = Store.objects.visible_to(actor).filter(pk=actor.store_id).first() if actor.store_id else None
    if store is None:
        raise NotFound()
    panels = render_panels(SLOT, request, store=store, store_ids=[store.pk], now=now)
    return render(
        request, "storeboard/board.html", {"store": store, "panels": panels, "now": now, "nav_current": "board"}
    )


nav.add("manager", key="board", label="看板", icon="layout-dashboard", url="guides:store-board", order=1, roles=WHO)
