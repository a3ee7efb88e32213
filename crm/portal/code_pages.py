"""/i/c/<token>/: what a printed code opens where the mini-program does not: who it is, the welcome benefit, her code to press."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.benefits.coupon_rules import template_rule
from yejibao.core import access, clock, limits

from .codes import open_code
from .places import session_of


@never_cache
@require_GET
@access.anonymous("whoever scans a printed code is on his way in; it shows what stands beside the code anyway")
@limits.by("search")
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """The guide or the store, what a newcomer is given, and the code that adds her; where he came from is noted."""
    now = clock.now()
    code = open_code(token[:30], session=session_of(request), now=now)
    gifts = [(batch, template_rule(batch.template)) for batch in code.batches]
    return render(request, "member/code.html", {"code": code, "gifts": gifts, "now": now})
