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
from .models import Visit
from .reads import NEXT_VISIT
from .scoped import INVITE
from .telling import slot_words


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


@panel("task", order=10, name="visit")
def task_panel(request: HttpRequest, *, task: Any, now: datetime, **_: Any) -> Answer:
    """The visit a task is about: when, what for, and while he waits for a word, the answers. One statement, for such tasks alone."""
    number = task.context.get("visit")
    if not isinstance(number, int):
        return None
    rows = Visit.objects.visible_to(access.actor_of(request)).with_people()
    found = rows.filter(pk=number).first()
    return ("visits/task_panel.html", {"visit": found, "slot": slot_words(found, now=now)}) if found else None
