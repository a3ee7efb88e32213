"""What happens by itself: a clock that ran out calls the next (aftersale.yaml, escalation); a silent member ends it."""

from datetime import datetime

from django.db import transaction

from yejibao.core.one_by_one import work_off
from yejibao.core.scope import Actor

from .. import telling
from ..models import Ticket
from ..rules import SILENT_AFTER
from .answering import pass_on
from .moving import close_ticket

AT_ONCE = 100
Stage, Clock = Ticket.Stage, Ticket.Clock
SILENT = "顾客未回复"


def pass_up_late(*, now: datetime) -> dict[str, int]:
    """Call the next of every ticket whose clock ran out: the manager, the service desk, those above. Each minute."""
    passed = 0
    while batch := _batch(now):
        passed += batch
        if batch < AT_ONCE:
            break
    return {"passed": passed}


@transaction.atomic
def _batch(now: datetime) -> int:
    late = Ticket.objects.filter(clock_at__lte=now).select_related("member", "store").order_by("clock_at")
    due = list(late.select_for_update(of=("self",), skip_locked=True)[:AT_ONCE])
    for ticket in due:
        _next(ticket, now=now)
    return len(due)


def _next(ticket: Ticket, *, now: datetime) -> None:
    match ticket.clock:
        case Clock.FIRST if ticket.stage == Stage.GUIDE:
            pass_on(ticket, Stage.MANAGER, now=now, reason="首次响应超时")
        case Clock.FIRST | Clock.MANAGER if ticket.stage != Stage.SERVICE:
            pass_on(ticket, Stage.SERVICE, now=now, reason="店长没有在时限内接手")
        case Clock.FIRST | Clock.MANAGER:  # the desk's from the start: a word is still wanted
            _go_on(ticket, Clock.PROPOSAL, ticket.proposal_due_at)
            telling.tell(
                ticket, telling.holders(telling.SERVICE, now=now), f"还没首响：{ticket.member.called}", now=now
            )
        case Clock.PROPOSAL:
            if ticket.stage != Stage.SERVICE:
                pass_on(ticket, Stage.SERVICE, now=now, reason="没有在时限内给出办法")
            else:
                people = telling.answering(ticket, now=now)
                telling.tell(ticket, people, f"还没给出办法：{ticket.member.called}", now=now)
            _go_on(ticket, Clock.CLOSING, ticket.closing_due_at)
        case _:
            _go_on(ticket, Clock.CLOSING, None)
            above = telling.head_of(ticket, "area_supervisor", now=now)
            people = [*telling.holders(telling.SERVICE, now=now), above]
            telling.tell(ticket, people, f"过了承诺的日子还没办完：{ticket.member.called}", now=now)


def _go_on(ticket: Ticket, clock: str, at: datetime | None) -> None:
    Ticket.objects.filter(pk=ticket.pk).update(clock=clock, clock_at=at)


def close_silent(*, now: datetime) -> dict[str, int]:
    """Close what has waited seven days for a word of the member. Hourly."""
    silent = Ticket.objects.filter(state="waiting_member", waiting_since__lte=now - SILENT_AFTER)

    def close(held: Ticket) -> None:
        close_ticket(held, actor=Actor.system("aftersale"), now=now, reason=SILENT)

    return {"closed": work_off(silent, close, most=1000)}
