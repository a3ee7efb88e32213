"""What the room hangs on other pages: a member's size file and what is made for him, and the way to an appointment."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from crm.members.customers import Customer
from guides.org import matrix
from yejibao.core import access
from yejibao.core.flat import address, section
from yejibao.core.panels import Answer, panel

from . import queries
from .reads import FITTINGS, MEASURE
from .scoped import SERVE


@panel("member", order=46, name="fittings", reads=(FITTINGS, MEASURE))
@panel("sidebar", order=46, name="fittings", reads=(FITTINGS, MEASURE))
def fittings_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """量身定制: the next appointment or what is being made; his measures; 约量体."""
    return _panel(request, customer, now)


@panel("hq-member", order=46, name="fittings", reads=(FITTINGS, MEASURE))
def hq_fittings_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """The same for HQ, where there is something."""
    return _panel(request, customer, now, is_hq=True)


def _panel(request: HttpRequest, customer: Customer, now: datetime, *, is_hq: bool = False) -> Answer:
    if customer.member is None or not customer.may_see_card:
        return None
    actor = access.actor_of(request)
    rows, newest = FITTINGS.of(request), MEASURE.of(request)
    may_serve = not is_hq and actor.has_role(*matrix.holders(SERVE))
    if not rows and newest is None and not may_serve:
        return None
    body = ""
    if rows or newest:
        lines = queries.measure_lines(newest.values, {}) if newest else []
        facts = {"fittings": rows, "measure": newest, "lines": lines, "may_serve": may_serve, "now": now}
        body = render_to_string("fittings/part_held.html", facts)
    may_book = may_serve and not any(one.state == "booked" for one in rows)
    link = address("crm:fitting-new", customer.member.public_id) if may_book else ""
    return section("fittings", "量身定制", link=link, words="约量体", body=body)
