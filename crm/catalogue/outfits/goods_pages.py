"""Picking pieces for an outfit: the search, and what the rules say of what is on the board. For guides and stylists alike."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.catalogue.queries import Filters, find_goods
from guides.org import matrix
from yejibao.core import access, desk, limits

from . import forms
from .queries import garment_of
from .rules import ROLE_NAMES, ROLES
from .scoped import PROPOSE, PUBLISH

WHO = (*matrix.holders(PUBLISH), *matrix.holders(PROPOSE))
FOUND = 12


@never_cache
@require_GET
@access.roles(*WHO)
@limits.by("search", given="q")
def goods(request: HttpRequest) -> HttpResponse:
    """Goods by style number, name or first letters, narrowed to a role."""
    words = request.GET.get("q", "").strip()[:32]
    role = request.GET.get("role", "")
    filters = Filters({"outfit_role": role}) if role in ROLES else None
    rows = [garment_of(one) for one in find_goods(words, access.actor_of(request), filters=filters)[: FOUND + 1]]
    context = {"rows": rows[:FOUND], "has_more": len(rows) > FOUND, "words": words, "roles": ROLE_NAMES, "role": role}
    return render(request, "outfits/goods.html", context)


@never_cache
@require_POST
@access.roles(*WHO)
def board(request: HttpRequest) -> HttpResponse:
    """The board with what was picked, and what the rules say of it. Writes nothing."""
    styles = forms.styles_of(request.POST)
    given = forms.words_of(request.POST)
    but = desk.chosen(request.POST.get("outfit")) or None
    context = forms.picked(styles, plan_id=given["plan_id"], day=given["day"], but=but)
    return render(request, "outfits/board.html", context)
