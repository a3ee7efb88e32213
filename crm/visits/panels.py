"""What the room hangs on other pages: when a member comes, and the way to ask him; a scan in the store is his arrival."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from crm.catalogue.item_models import ItemCode
from crm.members.customers import Customer
from crm.members.models import Member
from guides.org import matrix
from yejibao.core import access
from yejibao.core.flat import address, section
from yejibao.core.panels import Answer, panel

from . import services
from .reads import NEXT_VISIT
from .scoped import INVITE


@panel("member", order=28, name="visits", reads=(NEXT_VISIT,))
@panel("sidebar", order=18, name="visits", reads=(NEXT_VISIT,))
def visits_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """到店: the visit he is asked to, or 邀约到店."""
    if customer.member is None:
        return None
    visit = NEXT_VISIT.of(request)
    may_invite = access.actor_of(request).has_role(*matrix.holders(INVITE))
    if visit is None and not may_invite:
        return None
    if visit is None:
        return section("visits", "到店", link=address("crm:visit-new", customer.member.public_id), words="约他到店")
    facts = {"visit": visit, "may_invite": may_invite, "now": now}
    return section("visits", "到店", body=render_to_string("visits/part_visit.html", facts))


@panel("item", order=5, name="visit")
def scanned_in_store(request: HttpRequest, *, item: ItemCode, member: Member | None, now: datetime, **_: Any) -> Answer:
    """He reads the label of a piece in the store he is asked to today: he is there, and somebody comes."""
    if member is None or item.sold_at is not None:
        return None
    visit = services.see_scan(member_id=member.pk, sku=item.sku, now=now)
    return ("visits/here.html", {"visit": visit, "now": now}) if visit else None
