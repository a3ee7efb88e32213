"""What a member's page and his mini-program both say and do about a ticket."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from crm.aftersale import services
from crm.aftersale.models import Ticket, TicketStep
from crm.aftersale.queries import Line
from crm.aftersale.rules import ANSWER_AT_NIGHT, rules
from yejibao.core.clock import SHANGHAI
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor


class NotAsked(Conflict):
    code, title = "ticket.not_asked", _("这一步刚刚变了，看一下最新的进度")


def agree(held: Ticket, words: str, *, actor: Actor, now: datetime) -> TicketStep:
    """He agrees to what was offered. Raises NotAsked where nothing is."""
    if held.state != "waiting_member":
        raise NotAsked()
    return services.member_says(held, words or str(_("可以，就这么办")), actor=actor, now=now)


def state_names() -> dict[str, str]:
    """Return the states as his own pages say them: what our people call 待顾客 waits for him who reads it."""
    return rules().states | {"new": str(_("等我们回您")), "waiting_member": str(_("等您点头"))}


def offered(held: Ticket, lines: Sequence[Line]) -> str:
    """Return the words of what was offered last, while they wait for his yes."""
    said = [line.row.text for line in lines if line.row.kind == TicketStep.Kind.PROPOSAL]
    return said[-1] if said and held.state == "waiting_member" else ""


def at_night(held: Ticket, now: datetime) -> str:
    """Return what a request of the night is answered by itself (aftersale.yaml, created_at_night); "" by day."""
    at = held.opened_at.astimezone(SHANGHAI).time()
    waits = held.state == "new" and not held.store.opens_at <= at < held.store.closes_at
    return ANSWER_AT_NIGHT if waits and held.first_due_at and now < held.first_due_at else ""
