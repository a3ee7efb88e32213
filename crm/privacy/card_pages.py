"""On a member's page: his number in full by a tap with a reason, and what he allows."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.members.customers import Customer, member_of
from crm.members.models import Member
from yejibao.core import access, clock, desk, hx
from yejibao.core.panels import Answer, panel

from . import queries, services
from .models import ConsentRecord
from .services.consents import CHANNELS
from .services.revealing import REASONS

WHO = ("guide", "store_manager")


@panel("member", order=80, name="privacy")
def privacy_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """联系与授权: what he allows in a line each, with the two sheets."""
    member = customer.member
    if member is None or not customer.may_see_card:
        return None
    refused = [str(name) for key, name in CHANNELS.items() if key in member.marketing_opt_out]
    return "privacy/panel.html", {"member": member, "refused": refused, "all_refused": len(refused) == len(CHANNELS)}


def _member(request: HttpRequest, public_id: UUID) -> Member:
    found = member_of(access.actor_of(request), public_id).member
    assert found is not None
    return found


def _sheet(request: HttpRequest, template: str, title: str, member: Member, **facts: Any) -> HttpResponse:
    """Answer the inside of a sheet, or without htmx the same on a page of its own."""
    shell = "base/guide.html" if access.actor_of(request).working_role == "guide" else "base/manager.html"
    context = {"member": member, "now": clock.now(), "title": title, "shell": shell, "nav_current": "members"} | facts
    if hx.is_htmx(request):
        return render(request, template, context)
    return render(request, "privacy/sheet_page.html", context | {"inside": template})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WHO)
def number(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """看号码: choose why; the number shows once, and the tap is on record."""
    member = _member(request, public_id)
    shown = ""
    if request.method == "POST":
        reason = request.POST.get("reason", "").strip()[:120]
        shown = services.reveal_phone(member, actor=access.actor_of(request), reason=reason, now=clock.now())
    answer = _sheet(request, "privacy/sheet_number.html", "看号码", member, number=shown, reasons=REASONS)
    answer["Cache-Control"] = "no-store"
    return answer


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WHO)
def allows(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """他同意什么: as he says it to the guide, each as easily taken back as given."""
    actor, now = access.actor_of(request), clock.now()
    member = _member(request, public_id)
    if request.method == "POST":
        channel = ConsentRecord.Channel.STORE if request.POST.get("where") == "store" else ConsentRecord.Channel.WECOM
        allows = request.POST.getlist("allows")
        services.set_allowed(
            member, refused=CHANNELS.keys() - set(request.POST.getlist("channels")), may_profile="profiling" in allows,
            may_call="phone" in allows, seen=request.POST.get("seen", ""), channel=channel, actor=actor, now=now,
        )  # fmt: skip
        page = reverse("crm:member", args=[public_id])
        hx.flash(request, "记下了，马上生效")
        return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)
    channels = [(key, name, key not in member.marketing_opt_out) for key, name in CHANNELS.items()]
    return _sheet(
        request,
        "privacy/sheet_allows.html",
        "他同意什么",
        member,
        channels=channels,
        consents=queries.consents_of(member),
        seen=desk.seen(member, services.ALLOWED),
    )
