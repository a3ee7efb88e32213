"""The page beside the chat: a shell, filled with the panels every room hangs on it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, hx, panels

from . import panels as own_panels  # noqa: F401  hangs the room's panels
from .customers import NotYourCustomer, customer_of

WHO = ("guide", "store_manager")


@never_cache
@require_GET
@access.roles(*WHO)
def sidebar(request: HttpRequest) -> HttpResponse:
    """The chat toolbar. Without an id the page asks the client who is at the other end, and comes back with him."""
    external = request.GET.get("external_user_id", "").strip()[:64]
    if not external:
        return render(request, "sidebar/shell.html")
    is_fragment = hx.is_htmx(request)
    try:
        customer = customer_of(request.actor, external)  # type: ignore[attr-defined]
    except NotYourCustomer as refusal:
        template = "sidebar/stranger.html" if is_fragment else "sidebar/shell.html"
        return render(request, template, {"refusal": refusal}, status=refusal.status)
    now = clock.now()
    context = {"customer": customer, "now": now, "external": external}
    context["rendered"] = panels.render("sidebar", request, **context) if customer.member else []
    return render(request, "sidebar/customer.html" if is_fragment else "sidebar/shell.html", context)


@never_cache
@require_GET
@access.roles(*WHO)
def sidebar_panel(request: HttpRequest, name: str) -> HttpResponse:
    """One panel alone, after something happened to it."""
    customer = customer_of(request.actor, request.GET.get("external_user_id", "").strip()[:64])  # type: ignore[attr-defined]
    if customer.member is None:
        raise Http404
    context = {"customer": customer, "now": clock.now(), "external": customer.link.external_user_id, "alone": True}
    try:
        return HttpResponse(panels.render_one("sidebar", name, request, **context))
    except KeyError:
        raise Http404 from None
