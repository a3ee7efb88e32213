"""The sheets of privacy: on a page of theirs, or over the page somebody stands on. Other rooms show theirs the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from crm.members.models import Member
from crm.members.shells import card_url
from guides.org.pages import shell_of
from yejibao.core import access, clock, hx

REASON = 120  # characters of a reason that are kept


def sheet(request: HttpRequest, template: str, title: str, member: Member, **facts: Any) -> HttpResponse:
    """Answer the inside of a sheet, or without htmx the same on a page of its own."""
    actor = access.actor_of(request)
    context = {"member": member, "now": clock.now(), "title": title, "nav_current": "members"} | facts
    if hx.is_htmx(request):
        return render(request, template, context)
    page = {"shell": shell_of(actor), "inside": template, "card": card_url(actor, member)}
    return render(request, "privacy/sheet_page.html", context | page)


def reveal_sheet(
    request: HttpRequest, member: Member, what: str, *, label: str, masked: str, reasons: Sequence[str], show: Callable[[str], str]
) -> HttpResponse:  # fmt: skip
    """Ask why, then show once what `show` returns for the reason; `masked` is what stands there until then, "" for nothing."""
    shown = show(request.POST.get("reason", "").strip()[:REASON]) if request.method == "POST" else ""
    facts = {"what": what, "label": label, "masked": masked, "reasons": reasons, "shown": shown}
    answer = sheet(request, "privacy/sheet_reveal.html", f"看{label}", member, **facts)
    answer["Cache-Control"] = "no-store"
    return answer
