"""The page beside the chat, the list of members and one member: shells, filled with the panels every room hangs on them."""

from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from guides.org.pages import shell_of
from yejibao.core import access, clock, hx, limits, nav, panels
from yejibao.wecom import jssdk

from . import panels as own_panels  # noqa: F401  hangs the room's panels
from .customers import Customer, NotYourCustomer, customer_of, find_members
from .opening import about, open_card

WHO = ("guide", "store_manager")
PAGE = 30


@never_cache
@require_GET
@access.roles(*WHO)
def sidebar(request: HttpRequest) -> HttpResponse:
    """The chat toolbar. Without an id the page asks the client who is at the other end, and comes back with him."""
    external = request.GET.get("external_user_id", "").strip()[:64]
    if not external:
        return render(request, "sidebar/shell.html", {"signed": _signed(request)})
    return beside(request, external)


def _signed(request: HttpRequest) -> dict[str, object]:
    """Return what the JS-SDK will ask for, for this very address: two requests less before the first panel shows."""
    url = request.build_absolute_uri()
    own = "" if settings.PRODUCTION else f"{request.scheme}://{request.get_host()}"
    try:
        found = jssdk.signatures_at_hand(url, also=own)
    except jssdk.ForeignUrl:
        return {}
    return {"url": url} | {kind: one.as_json() for kind, one in found.items()}


def beside(request: HttpRequest, external: str) -> HttpResponse:
    """Answer all panels for the customer of a chat at once: inside the page for htmx, else as a page.

    Of somebody who is no friend of hers nothing is said, not even whether there is such a customer.
    """
    is_fragment = hx.is_htmx(request)
    try:
        customer = customer_of(access.actor_of(request), external)
    except NotYourCustomer as refusal:
        template = "sidebar/stranger.html" if is_fragment else "sidebar/shell.html"
        return render(request, template, {"refusal": refusal}, status=refusal.status)
    context = {"customer": customer, "now": clock.now(), "external": external}
    about(request, customer, "sidebar", "sidebar-assets")
    context["rendered"] = panels.render(_slot(customer), request, **context)
    if is_fragment:
        return render(request, "sidebar/customer.html", context)
    return render(request, "sidebar/shell.html", context | {"signed": _signed(request)})


@never_cache
@require_GET
@access.roles(*WHO)
def sidebar_panel(request: HttpRequest, name: str) -> HttpResponse:
    """One panel alone, after something happened to it."""
    external = request.GET.get("external_user_id", "").strip()[:64]
    customer = customer_of(access.actor_of(request), external)
    context = {"customer": customer, "now": clock.now(), "external": external, "alone": True}
    about(request, customer)
    try:
        return HttpResponse(panels.render_one(_slot(customer), name, request, **context))
    except KeyError:
        raise Http404 from None


def _slot(customer: Customer) -> str:
    return "sidebar" if customer.member else "sidebar-unknown"


# ---------------------------------------------------------------- 会员


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WHO)
@limits.by("search", given="q")
def members(request: HttpRequest) -> HttpResponse:
    """会员: a guide's own, a manager's store's; htmx asks for the next page or for what a search finds.

    What rooms hang on it stands above the unsearched list. What is searched for is often a phone, so it comes in the body,
    never in the address: histories, proxies and logs keep addresses.
    """
    words = request.POST.get("q", "").strip()[:32]
    asked = request.POST if request.method == "POST" else request.GET
    page = int(number) if (number := asked.get("page", "1")).isdigit() and len(number) < 5 else 1
    found = list(find_members(access.actor_of(request), words)[max(0, page - 1) * PAGE :][: PAGE + 1])
    context = {
        "members": found[:PAGE],
        "next_page": page + 1 if len(found) > PAGE else 0,
        "q": words,
        "page": page,
        "now": clock.now(),
        "nav_current": "members",
        "shell": shell_of(access.actor_of(request)),
    }
    if hx.is_htmx(request):
        return render(request, "members/rows.html", context)
    above = panels.render("members", request, now=context["now"]) if not words and page == 1 else []
    return render(request, "members/list.html", context | {"above": above})


@never_cache
@require_GET
@access.roles(*WHO)
def member(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One member: who he is, what is to be done for him, what he bought."""
    customer = open_card(request, public_id, "member")
    now = clock.now()
    facts = {
        "rendered": SafeString("\n".join(panels.render("member", request, customer=customer, now=now))), "now": now, "nav_current": "members",
        "shell": shell_of(access.actor_of(request)), "has_token": settings.CSRF_COOKIE_NAME in request.COOKIES,
    }  # fmt: skip
    return render(request, "members/member.html", facts)


nav.add("guide", key="members", label="会员", icon="book-user", url="crm:members", order=20)
nav.add("sidebar", key="members", label="会员", icon="book-user", url="crm:members", order=60)
