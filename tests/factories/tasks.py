"""The engine in the hands of a test: rules loaded, orders enrolled, the tick beaten at a moment."""

from datetime import datetime, timedelta
from typing import Any

from crm.orders.models import Order
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.loading import load_3369
from tasks.cadences.models import CadenceVersion, Enrollment, Hand
from tasks.followups.models import Task
from tasks.followups.opening import open_due
from yejibao.core.clock import SHANGHAI, parse_iso

LOADED_AT = parse_iso("2024-01-01 00:00")


def load_rules() -> CadenceVersion:
    """Return the published rules of 3369, loaded from the domain file."""
    return load_3369(now=LOADED_AT)


def enroll(*orders: Order, at: str | datetime | None = None) -> dict[str, int]:
    """Bring orders to the engine, at the moment the last of them became known unless told otherwise."""
    moment = parse_iso(at) if isinstance(at, str) else at or max(order.known_at or order.paid_at for order in orders)
    return enroll_orders([order.pk for order in orders], now=moment)


def open_at(moment: str | datetime) -> dict[str, int]:
    """Beat the opener once at a moment (Shanghai text)."""
    return open_due(now=parse_iso(moment) if isinstance(moment, str) else moment)


def hand(enrollment: Enrollment) -> tuple[str | None, str | None]:
    """Return where the clock hand stands, as (step, Shanghai text)."""
    enrollment.refresh_from_db()
    found = Hand.objects.filter(enrollment=enrollment).first()
    return (found.next_step, local(found.next_due_at)) if found else (None, None)


def put_hand(*enrollments: Enrollment, step: str, due: str | datetime, skipped: int = 0) -> None:
    """Put the hands of cycles before a step, with so many behind them that left no task."""
    due_at = parse_iso(due) if isinstance(due, str) else due
    for enrollment in enrollments:
        Hand.objects.update_or_create(enrollment=enrollment, defaults={"next_step": step, "next_due_at": due_at})
        Enrollment.objects.filter(pk=enrollment.pk).update(steps_skipped=skipped)


def local(moment: datetime | None) -> str | None:
    """Return an instant as Shanghai text, to the minute."""
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if moment else None


def open_until(moment: str, *, start: str | None = None, every: timedelta = timedelta(hours=1)) -> None:
    """Beat the opener from `start` (or the first waiting hand) to a moment, as production would."""
    end = parse_iso(moment)
    while True:
        first = (
            Hand.objects.filter(next_due_at__lte=end).order_by("next_due_at").values_list("next_due_at", flat=True)[:1]
        )
        if not first:
            return
        open_due(now=first[0])


def task_of(enrollment: Enrollment, node: str) -> Task:
    """Return the task of a step."""
    return Task.objects.get(enrollment=enrollment, node=node)


def make_task(member: Any, assignee: Any, **facts: Any) -> Task:
    """Return an open task as the engine would have made it, without an enrollment unless given."""
    now = facts.pop("now", parse_iso("2025-03-04 10:00"))
    facts.setdefault("task_type", "followup_d3")
    facts.setdefault(
        "node", facts["task_type"].removeprefix("followup_") if facts["task_type"].startswith("followup") else ""
    )
    facts.setdefault("open_at", now)
    facts.setdefault("due_at", now + timedelta(hours=8))
    facts.setdefault("expire_at", facts["due_at"] + timedelta(days=3))
    facts.setdefault("priority", 2)
    facts.setdefault("why", "藏青羊毛套西到手 3 天，问一句合不合身")
    facts.setdefault("evidence_any_of", ["chat_sent", "call_logged"])
    facts.setdefault("context", {"items": [{"name": "羊毛套西", "color": "藏青", "size": "175/92A", "care": "suit_wool", "fen": 128000}],
                                 "timing": "same_day", "buyer": "first", "gift": False, "delivery": False})  # fmt: skip
    return Task.objects.create(
        member=member, assignee=assignee, owner_guide=member.owner_guide, store=assignee.store, created_at=now, **facts
    )
