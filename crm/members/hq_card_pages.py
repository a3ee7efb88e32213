"""A member's card at HQ: who he is and whose, masked; each room hangs on it what its part of the matrix lets this person see."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org import matrix
from yejibao.core import access, clock, panels, reading, together
from yejibao.core.panels import Answer, panel
from yejibao.core.personal import mask_mobiles, mask_name

from .customers import Customer, level_names
from .models import Member
from .opening import open_card
from .panels import member_for
from .queries import FIGURES
from .scoped import CARD

# Whom he was merged into.
INTO = together.Read(
    "into",
    together.first("crm_member x WHERE x.id = m.merged_into_id", columns="x.id, x.public_id, x.member_no"),
    lambda row: reading.row_of(Member, row) if row else None,
)
AT_HQ = tuple(role for role in matrix.holders(CARD) if role not in matrix.owners(CARD))


@never_cache
@require_GET
@access.roles(*AT_HQ)
def hq_member(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One member; what he bought and what is to be done for him on the left, who he is and what he allows beside it."""
    customer = open_card(request, public_id, "hq-member", "hq-member-aside")
    context: dict[str, Any] = {"customer": customer, "now": clock.now()}
    main = panels.render("hq-member", request, **context)
    aside = panels.render("hq-member-aside", request, **context)
    member = customer.member
    assert member is not None
    context |= {"name": mask_name(member.name), "member": member, "nav_current": "members"}
    return render(request, "members/hq_member.html", context | {"main": main, "aside": aside})


@panel("hq-member-aside", order=10, name="profile", reads=(FIGURES, INTO))
def profile_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """Card number, level, store and guide, birthday without its year, since when."""
    member = customer.member
    if member is None:
        return None
    figures = FIGURES.of(request)
    return "members/hq_profile.html", {
        "member": member, "name": mask_name(member.name), "number": mask_mobiles(member.member_no), "into": INTO.of(request),
        "level": level_names().get(member.member_level, ""), "since": member_for(figures, now),
        "orders": figures.order_count_365,
    }  # fmt: skip
