"""What a member's page and his mini-program both say and do about a ticket."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from crm.aftersale import services
from crm.aftersale.models import Ticket, TicketStep
from crm.aftersale.rules import ANSWER_AT_NIGHT
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


def at_night(held: Ticket, now: datetime) -> str:
    """Return what a request of the night is answered by itself (aftersale.yaml, created_at_night); "" by day."""
    at = held.opened_at.astimezone(SHANGHAI).time()
    waits = held.state == "new" and not held.store.opens_at <= at < held.store.closes_at
    return ANSWER_AT_NIGHT if waits and held.first_due_at and now < held.first_due_at else ""
