"""What every act on a visit leaves: a line of its story, an audit row, and word to the departments above."""

from __future__ import annotations

from datetime import datetime

from crm.events import VisitChanged
from crm.visits.models import Visit, VisitStep
from yejibao.core import audit, outbox
from yejibao.core.scope import Actor


def held(visit: Visit) -> Visit:
    """Return the visit locked and as it is now, with its people; two taps at once come one after the other."""
    rows = Visit.objects.select_for_update(of=("self",)).select_related("member", "store", "guide", "group")
    return rows.get(pk=visit.pk)


def leave_trace(
    visit: Visit, action: str, *, actor: Actor, now: datetime, before: str = "", words: str = "",
    old_starts_at: datetime | None = None,
) -> None:  # fmt: skip
    """Write down what happened to a visit, whoever did it, and tell the departments above."""
    VisitStep.objects.create(
        visit=visit, state=visit.state, at=now, by_id=actor.staff_id, is_member=actor.kind == "member",
        old_starts_at=old_starts_at, words=words[:60],
    )  # fmt: skip
    audit.record(
        actor, action, visit, before={"state": before} if before else None,
        after={"state": visit.state, "starts_at": visit.starts_at.isoformat(), "member": visit.member_id}, reason=words[:60],
    )  # fmt: skip
    outbox.publish(VisitChanged(visit.pk))
