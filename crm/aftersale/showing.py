"""What the page of one ticket shows to whoever answers it: the same in the store and at the desk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from crm.catalogue.outfits.wardrobe import sizes_of
from crm.catalogue.showing import care_tips
from crm.members.models import Member
from crm.orders.checkout.services import needs_approval
from yejibao.core import access, live, panels
from yejibao.core.scope import Actor

from . import queries
from .access_rows import may_answer
from .checking.queries import check_of, marks_of
from .models import CareSlip, Ticket, TicketStep
from .remedies import MENDED
from .replies.filling import ready_for
from .rights import kept_of, rights_of
from .rules import rules
from .services.caring import TAKEN_IN, TO_INSPECT
from .solutions import solutions_of

FORMER = 5
SIZES = (("西服", "上衣"), ("衬衫", "衬衫"), ("裤装", "裤"), ("鞋", "鞋"))
YEAR = timedelta(days=365)
# What a tap on a state asks for; the rest moves on without words.
NEEDS_WORDS = ("closed", "rejected", "cancelled")
BY_WORDS = ("waiting_member",)  # comes of a proposal, not of a tap
BY_HAND = ("refunding",)  # comes of paying back


def slip_of(held: Ticket) -> CareSlip | None:
    """Return the slip that was read with the ticket."""
    return getattr(held, "slip", None)


def mark_of(held: Ticket, *extra: Any) -> str:
    """Return the mark of a ticket's live part, of what `with_standing` read: nothing more is asked while nothing happens."""
    return live.mark(held, held.last_step, slip_of(held), held.exchange, held.compensation, *extra)  # type: ignore[attr-defined]


def standing(request: HttpRequest, held: Ticket, *, now: datetime) -> dict[str, Any]:
    """Return what others change while one looks: state, clock, what may be done next, what was said. Three statements."""
    actor, lines = access.actor_of(request), queries.steps_of(held)
    answers = may_answer(actor, held)
    return {
        "ticket": held, "member": held.member, "lines": lines, "book": rules(), "state_name": rules().states[held.state],
        "may_answer": answers, "me": actor.staff_id, "slip": slip_of(held), "now": now,
        "nexts": next_steps(held) if answers else [], "heads_up": _heads_up(held, lines) if answers else "",
        "first": next((line for line in lines if line.row.kind == "opened"), None),
    }  # fmt: skip


def whole(request: HttpRequest, held: Ticket, facts: dict[str, Any], *, called: str, now: datetime) -> dict[str, Any]:
    """Return what a page shows besides: the member and his sizes, his rights, what to say, the ways out, what was found."""
    actor, line = access.actor_of(request), held.line
    remedies = queries.remedies(held)
    coverage = _coverage(held, now)
    found = {
        "rights": rights_of(held.order, now=now, kept=_kept(held)) if held.order else None,
        "tips": care_tips().get(line.care_key, "") if line else "",
        "sizes": his_sizes(held.member, now=now), "former": former(held, actor), "coverage": coverage, "remedies": remedies,
        "check": (check := check_of(held, actor)), "checked": marks_of(check) if check else [],
    }  # fmt: skip
    if not facts["may_answer"]:
        return found | {"hung": panels.render("ticket", request, ticket=held, now=now)}
    return found | {
        "stages": [one for one in Ticket.Stage.choices[1:] if _is_above(held, one[0])],
        "damage": _damage(held, actor, now=now),
        "solutions": solutions_of(held, remedies, care_days=coverage.days if coverage else 5, now=now),
        "ready": ready_for(held, by=called, now=now),
        "hung": panels.render("ticket", request, ticket=held, now=now),
        "takes_in": held.kind in TAKEN_IN and line is not None and facts["slip"] is None and held.state in TO_INSPECT and held.state != "new",
    }  # fmt: skip


def _heads_up(held: Ticket, lines: Sequence[queries.Line]) -> str:
    """Return what the house itself noted last, while nobody has done anything about it: a refund was refused."""
    last = lines[-1].row if lines else None
    is_news = last is not None and last.kind == TicketStep.Kind.NOTE and last.by_id is None
    return last.text if is_news and held.is_open and last is not None else ""


def _damage(held: Ticket, actor: Actor, *, now: datetime) -> dict[str, Any] | None:
    """Return what may be done for a piece we spoilt: mended, or paid for by what it is still worth. None where it is not with us."""
    slip, line = slip_of(held), held.line
    if slip is None or line is None or slip.collected_at is not None or held.compensation_id is not None:
        return None
    amount = queries.compensation_of(held, now=now)
    return {
        "may_mend": slip.coverage != CareSlip.Coverage.OURS, "days": rules().alteration_most_days, "amount_fen": amount,
        "paid_fen": line.paid_fen // line.quantity, "needs_approval": needs_approval(actor, amount, now=now),
    }  # fmt: skip


def next_steps(held: Ticket) -> list[tuple[str, str, bool]]:
    """Return (state, name, whether words are needed) of what may be tapped now."""
    book = rules()
    states = [
        one
        for one in book.after(held.state)
        if one not in (*BY_WORDS, *BY_HAND)
        and (held.state, one) != ("new", "responded")
        and not (one == "inspecting" and held.kind in TAKEN_IN)  # taking it in does that
        and not (one == "processing" and held.kind in MENDED and not _is_confirmed(held))
    ]
    return [(one, book.states[one], one in NEEDS_WORDS) for one in states if held.state != "closed"]


def _is_confirmed(held: Ticket) -> bool:
    slip = slip_of(held)
    return slip is not None and slip.confirmed_at is not None


def former(held: Ticket, actor: Any) -> list[Ticket]:
    """Return his tickets before this one, the newest first. One statement."""
    rows = (
        Ticket.objects.visible_to(actor)
        .filter(member=held.member_id, opened_at__lt=held.opened_at)
        .select_related("line")
    )
    return list(rows.order_by("-opened_at", "-pk")[:FORMER])


def his_sizes(member: Member, *, now: datetime) -> list[tuple[str, str]]:
    """Return what he wears: (上衣, 180/96A) … Two statements."""
    known = sizes_of(member, now=now)
    return [(name, known[category].size) for category, name in SIZES if category in known]


def _coverage(held: Ticket, now: datetime) -> Any:
    """Return who pays for the work on a piece before it comes in; None where there is no work."""
    line, wish = held.line, held.wish
    if line is None or held.kind not in TAKEN_IN:
        return None
    return queries.coverage_of(
        held.member,
        line,
        kind=held.kind,
        care_kind=wish.get("care_kind", ""),
        works=tuple(wish.get("works", ())),
        now=now,
        asked=held.asked,
    )


def _is_above(held: Ticket, stage: str) -> bool:
    order = list(Ticket.Stage.values)
    return order.index(stage) > order.index(held.stage)


def _kept(held: Ticket) -> str:
    """Return why its piece never comes back; asked only of what was made to measure, which is most of them."""
    line = held.line
    return kept_of(line.order, line) if line is not None and line.is_made_to_measure else ""
