"""Cycles the engine set aside because they could not be opened: shown to HQ, tried again on demand."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from yejibao.core import audit
from yejibao.core.scope import Actor

from .models import Enrollment, Hand
from .publishing import step_label

SHOWN = 50


@dataclass(frozen=True)
class Parked:
    """One cycle that waits for a person: its step, how often it failed, and which rule of the database said no."""

    pk: int
    member_name: str
    step: str
    tries: int
    why: str
    next_try_at: datetime

    @property
    def step_name(self) -> str:
        return f"{step_label(self.step)}回访"


def rows() -> QuerySet[Hand]:
    """Return the hands of the cycles set aside."""
    return Hand.objects.filter(parked_tries__gt=0)


def count_parked() -> int:
    return rows().count()


def list_parked() -> list[Parked]:
    """Return the cycles set aside, the oldest try first; `SHOWN` at most."""
    return [
        Parked(one.pk, one.enrollment.member.name, one.next_step, one.parked_tries, one.parked_why, one.next_due_at)
        for one in rows().select_related("enrollment__member").order_by("next_due_at", "pk")[:SHOWN]
    ]


@transaction.atomic
def retry_parked(ids: list[int] | None = None, *, actor: Actor, now: datetime) -> int:
    """Let the engine look at cycles set aside at its next beat, all of them unless told which. Returns how many."""
    waiting = Enrollment.objects.filter(hand__parked_tries__gt=0)
    if ids is not None:
        waiting = waiting.filter(pk__in=ids)
    locked = waiting.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    found = list(locked.values_list("pk", flat=True))
    if found:
        rows().filter(pk__in=found).update(next_due_at=now)  # asked again: before the lock one may have been opened
        audit.record(
            actor, "enrollment.retried", Enrollment._meta.label, after={"count": len(found), "ids": found[:1000]}
        )
    return len(found)
