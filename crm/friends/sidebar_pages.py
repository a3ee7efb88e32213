"""Acts of a guide in the chat with a friend nobody knows as a member: find him, say who he is, open a card."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from crm.members.customers import customer_of, find_members, member_of
from crm.members.pages import beside
from yejibao.core import access, clock, hx, idempotency, limits
from yejibao.core.errors import DomainError, Invalid

from .services.knowing import recognise, register_friend, take_back

WHO = ("guide", "store_manager")
FOUND_SHOWN = 8


def _external(request: HttpRequest) -> str:
    return (request.POST.get("external_user_id") or request.GET.get("external_user_id") or "").strip()[:64]


@never_cache
@require_POST
@access.roles(*WHO)
@limits.by("search", given="q")
def find(request: HttpRequest) -> HttpResponse:
    """Members whose card she may open, by name or by the whole phone number; for a friend of hers only.

    The words come in the body: addresses are kept by histories and logs, and these may be a phone.
    """
    customer = customer_of(access.actor_of(request), _external(request))
    words = request.POST.get("q", "").strip()[:32]
    found = []
    if words:
        found = list(find_members(access.actor_of(request), words)[:FOUND_SHOWN])
    context = {"members": found, "words": words, "link": customer.link, "now": clock.now()}
    return render(request, "sidebar/unknown_rows.html", context)


@require_POST
@access.roles(*WHO)
def link(request: HttpRequest) -> HttpResponse:
    """就是他: one tap, with undo."""
    actor, now = access.actor_of(request), clock.now()
    customer = customer_of(actor, _external(request))
    member = member_of(actor, _public_id(request.POST.get("member", ""))).member
    assert member is not None

    def work() -> dict[str, Any]:
        recognise(customer, member, actor=actor, now=now)
        return {"said": f"对上了：{member.name}"}

    told, _replayed = idempotency.once(request, {"who": _external(request), "member": member.pk}, work)
    asked = urlencode({"external_user_id": _external(request), "member": member.public_id})
    return _answer(request, told["said"], undo=f"{reverse('crm:sidebar-unlink')}?{asked}")


@require_POST
@access.roles(*WHO)
def unlink(request: HttpRequest) -> HttpResponse:
    """撤销 of 就是他."""
    actor = access.actor_of(request)
    customer = customer_of(actor, _external(request))
    member = member_of(actor, _public_id(request.GET.get("member", ""))).member
    assert member is not None
    take_back(customer, member, actor=actor, now=clock.now())
    return _answer(request, "")


@require_POST
@access.roles(*WHO)
@limits.by("register")
def register(request: HttpRequest) -> HttpResponse:
    """新会员: a card with his name; where his phone is known already, he is linked by it."""
    actor, now = access.actor_of(request), clock.now()
    customer = customer_of(actor, _external(request))
    given = {name: request.POST.get(name, "").strip()[:32] for name in ("name", "phone", "gender")}

    def work() -> dict[str, Any]:
        register_friend(customer, **given, actor=actor, now=now)
        return {"said": "记好了"}

    try:
        told, _replayed = idempotency.once(request, given | {"who": _external(request)}, work)
    except DomainError as refusal:  # a stored answer comes back as a plain one
        if refusal.status != Invalid.status or not (hx.is_htmx(request) and refusal.errors):
            raise
        errors = {one["field"]: one["message"] for one in refusal.errors}
        context = {"link": customer.link, "card_name": given["name"], "given": given, "errors": errors}
        answer = render(request, "sidebar/unknown_new.html", context, status=422)
        answer["HX-Retarget"], answer["HX-Reswap"] = "#who-new", "outerHTML"
        return answer
    return _answer(request, told["said"])


def _public_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("从名单里选一位") from None


def _answer(request: HttpRequest, said: str, *, undo: str = "") -> HttpResponse:
    """The page beside the chat anew, as he is known now."""
    external = _external(request)
    if not hx.is_htmx(request):
        if said:
            hx.flash(request, said, undo=undo)
        return HttpResponseRedirect(f"{reverse('crm:sidebar')}?{urlencode({'external_user_id': external})}")
    response = beside(request, external)
    return hx.toast(response, said, undo=undo, target="#sidebar", swap="innerHTML") if said else response
