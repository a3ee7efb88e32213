"""Tags of one member, set with the thumb: the sheet with all of them, a tap, and the tap taken back."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.customers import Customer, member_of
from crm.members.opening import about
from crm.members.shells import card_url
from guides.org import matrix
from guides.org.pages import shell_of
from yejibao.core import access, clock, hx, idempotency
from yejibao.core.errors import Invalid

from .desk import Row, desk_of
from .editing import Tapped, put_back, tap
from .panels import tags_of

WHO = matrix.holders("member.edit_tag")
PANEL = "tags-card"


@never_cache
@require_GET
@access.roles(*WHO)
def editor(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """编辑: every tag a guide may fill in, by group. htmx gets the inside of a sheet, or with `?panel=1` the panel anew."""
    customer = member_of(access.actor_of(request), public_id)
    if request.GET.get("panel") and hx.is_htmx(request):
        return HttpResponse(_panel(request, customer))
    actor = access.actor_of(request)
    assert customer.member is not None
    shell = {"shell": shell_of(actor), "card": card_url(actor, customer.member), "nav_current": "members"}
    context = _editor_facts(customer) | shell
    return render(request, "tags/editor.html" if hx.is_htmx(request) else "tags/page.html", context)


@require_POST
@access.roles(*WHO)
def change(request: HttpRequest, public_id: UUID, key: str) -> HttpResponse:
    """A tap: `put` or `drop` a value, or `text` for tags that are written. The answer fits what was tapped on."""
    customer = member_of(access.actor_of(request), public_id)
    value, is_wanted = _tapped(request)
    actor, now = access.actor_of(request), clock.now()
    assert customer.member is not None
    member = customer.member

    def work() -> dict[str, Any]:
        return _told(tap(member, key, value, is_wanted=is_wanted, actor=actor, now=now))

    answer, _replayed = idempotency.once(request, {"value": value, "on": is_wanted}, work)
    return _answer(request, customer, key, answer)


@require_POST
@access.roles(*WHO)
def back(request: HttpRequest, public_id: UUID, key: str) -> HttpResponse:
    """撤销 of a tap; the address carries what was said before, and what the tap made of it."""
    customer = member_of(access.actor_of(request), public_id)
    was, made = request.GET.getlist("was")[:20], request.GET.getlist("made")[:20]
    actor, now = access.actor_of(request), clock.now()
    assert customer.member is not None
    put_back(customer.member, key, was=was, made=made, actor=actor, now=now)
    return _answer(request, customer, key, {"said": "", "was": was, "made": was})


def _tapped(request: HttpRequest) -> tuple[str, bool]:
    """Return the value and whether it is wanted; an emptied field takes the tag back. Raises Invalid."""
    sent = request.POST
    if "text" in sent:
        value = sent["text"].strip()[:60]
        return value or sent.get("held", "")[:60], bool(value)
    for name, is_wanted in (("put", True), ("drop", False)):
        if value := sent.get(name, "").strip()[:60]:
            return value, is_wanted
    raise Invalid("选一个值", errors=[{"field": "put", "code": "required", "message": "选一个值"}])


def _told(done: Tapped) -> dict[str, Any]:
    return {"said": done.sentence, "was": list(done.before), "made": list(done.after)}


def _answer(request: HttpRequest, customer: Customer, key: str, told: dict[str, Any]) -> HttpResponse:
    """Answer in the place that asked: the panel anew, one row of the sheet, or the page."""
    assert customer.member is not None
    public_id = customer.member.public_id
    undo = ""
    if told["said"] and told["was"] != told["made"]:
        asked = urlencode({"was": told["was"], "made": told["made"]}, doseq=True)
        undo = f"{reverse('crm:member-tag-back', args=[public_id, key])}?{asked}"
    target = request.headers.get("HX-Target", "")
    if not hx.is_htmx(request):
        hx.flash(request, told["said"] or "改回去了")
        return HttpResponseRedirect(reverse("crm:member-tags", args=[public_id]))
    if target == PANEL:
        response = HttpResponse(_panel(request, customer))
    else:
        row = next((one for one in desk_of(customer.member).rows if one.key == key), None)
        response = render(request, "tags/row.html", {"row": row, "member": customer.member})
        hx.trigger(response, "tags:changed")
        target = f"tag-{key}"
    return hx.toast(response, told["said"], undo=undo, target=f"#{target}") if told["said"] else response


def _panel(request: HttpRequest, customer: Customer) -> SafeString:
    about(request, customer)
    return tags_of(request, customer, now=clock.now())


def _editor_facts(customer: Customer) -> dict[str, Any]:
    assert customer.member is not None
    desk = desk_of(customer.member)
    groups: dict[str, list[Row]] = {}
    for row in desk.rows:
        groups.setdefault("先填这些" if row.is_required else row.group, []).append(row)
    first = sorted(groups.items(), key=lambda one: one[0] != "先填这些")
    return {"member": customer.member, "customer": customer, "groups": first, "missing": desk.missing}
