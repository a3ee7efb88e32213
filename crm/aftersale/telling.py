"""Who hears of a ticket: people of the store, those above it, the service desk. In 消息 and by a push of the app."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.models import RoleAssignment
from guides.org.queries import heads_of_stores
from yejibao.core import clock

from .models import Ticket

SERVICE, FINANCE = "customer_service", "finance"


def manager_of(ticket: Ticket, *, now: datetime) -> int | None:
    return heads_of_stores([ticket.store_id], role="store_manager", day=clock.local_day(now)).get(ticket.store_id)


def head_of(ticket: Ticket, role: str, *, now: datetime) -> int | None:
    """Return who holds a role over the ticket's store."""
    return heads_of_stores([ticket.store_id], role=role, day=clock.local_day(now)).get(ticket.store_id)


def holders(role: str, *, now: datetime) -> list[int]:
    """Return everybody who holds a role of HQ today: a handful."""
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(clock.local_day(now)), role=role)
    return list(held.order_by("staff_id").values_list("staff_id", flat=True).distinct())


def answering(ticket: Ticket, *, now: datetime) -> list[int | None]:
    """Return who answers a ticket now: its guide, the store's manager, at the desk whoever has it, else all of the desk."""
    if ticket.stage == Ticket.Stage.SERVICE:
        return [ticket.served_by_id] if ticket.served_by_id else [*holders(SERVICE, now=now)]
    return [manager_of(ticket, now=now) if ticket.stage == Ticket.Stage.MANAGER else ticket.guide_id]


def tell(
    ticket: Ticket, people: Iterable[int | None], title: str, *, now: datetime, but: Collection[int | None] = ()
) -> None:
    """Tell each of these people once where the ticket stands; of a member only how he is called."""
    wanted = dict.fromkeys(one for one in people if one is not None and one not in but)
    # A ticket page of his own kind waits behind one address: /tickets/… leads each to the page of his role.
    notice = Notice("ticket", f"ticket:{ticket.pk}", title, f"/tickets/{ticket.pk}/", _about(ticket))
    tell_and_push([(one, notice) for one in wanted], now=now, priority=1 if ticket.priority == 1 else 2)


def _about(ticket: Ticket) -> str:
    return f"{ticket.member.called} · {ticket.get_kind_display()} · {ticket.number}"
