"""Cycles the engine set aside because they could not be opened: shown to HQ, tried again on demand."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from yejibao.core import audit
from yejibao.core.scope import Actor

from .models import Enrollment
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


def rows() -> QuerySet[Enrollment]:
    """Return the cycles set aside."""
    return Enrollment.objects.filter(step_reasons__has_key="parked", next_due_at__isnull=False)


def count_parked() -> int:
    return rows().count()


def list_parked() -> list[Parked]:
    """Return the cycles set aside, the oldest try first; `SHOWN` at most."""
    return [
        Parked(
            one.pk, one.member.name, one.next_step or "", int(one.step_reasons["parked"]),
            str(one.step_reasons.get("parked_why", "")), one.next_due_at,
        )
        for one in rows().select_related("member").order_by("next_due_at", "pk")[:SHOWN]
        if one.next_due_at
    ]  # fmt: skip


@transaction.atomic
def retry_parked(ids: list[int] | None = None, *, actor: Actor, now: datetime) -> int:
    """Let the engine look at cycles set aside at its next beat, all of them unless told which. Returns how many."""
    waiting = rows() if ids is None else rows().filter(pk__in=ids)
    found = list(waiting.order_by("pk").select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
    if found:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE tasks_enrollment SET next_due_at = %s WHERE id = ANY(%s)", [now, found])
        audit.record(
            actor, "enrollment.retried", Enrollment._meta.label, after={"count": len(found), "ids": found[:1000]}
        )
    return len(found)
