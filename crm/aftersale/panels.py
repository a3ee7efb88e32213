"""What the room hangs on other pages: a member's tickets that are not over, the ticket a task is about."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from crm.members.customers import Customer
from yejibao.core import access
from yejibao.core.flat import address, section
from yejibao.core.panels import Answer, panel

from .models import Ticket
from .reads import OPEN_TICKETS
from .rules import rules

ASKERS = ("guide", "store_manager")  # who asks on a member's behalf


@panel("member", order=25, name="tickets", reads=(OPEN_TICKETS,))
@panel("hq-member", order=15, name="tickets", reads=(OPEN_TICKETS,))
@panel("sidebar", order=15, name="tickets", reads=(OPEN_TICKETS,))
def tickets_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """售后: what is being done for him, and the way to ask for something on his behalf."""
    if customer.member is None:
        return None
    found, may_ask = OPEN_TICKETS.of(request), access.actor_of(request).has_role(*ASKERS)
    if not found and not may_ask:
        return None
    link = address("crm:ticket-new", customer.member.public_id) if may_ask else ""
    rows = ""
    if found:
        rows = render_to_string("aftersale/part_open.html", {"tickets": found, "states": rules().states, "now": now})
    return section("tickets", "售后", link=link, words="帮他申请售后", body=rows)


@panel("task", order=10, name="ticket")
def task_panel(request: HttpRequest, *, task: Any, now: datetime, **_: Any) -> Answer:
    """The ticket a task is about: what he said, by when, and the way to it. One statement, for such tasks alone."""
    number = task.context.get("ticket")
    if not isinstance(number, int):
        return None
    rows = Ticket.objects.visible_to(access.actor_of(request)).select_related("line", "order", "member")
    found = rows.filter(pk=number).first()
    return ("aftersale/task_panel.html", {"ticket": found, "states": rules().states, "now": now}) if found else None
