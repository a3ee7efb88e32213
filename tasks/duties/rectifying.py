"""巡店整改 as a duty: opened for what a patrol found, finished with photos and a word, closed when nobody wants it any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.events import PatrolFinding
from guides.patrol.models import Finding
from yejibao.core import clock, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.events import DutyFinished
from yejibao.core.scope import Actor

from .models import Duty
from .services import NewDuty, close_duties, open_duties

KIND = "patrol_rectify"
ENDS_AFTER = timedelta(days=7)  # task_types.yaml patrol_rectify: expire "+7 days"
MAY_STAND_IN = ("store_manager", "area_supervisor")


class NotYourDuty(Forbidden):
    code, title = "perm.duty", _("这件整改不归你做")


class AlreadyDone(Conflict):
    code, title = "duty.done", _("这件整改已经提交过了")


def key_of(finding_id: int, round: int) -> str:
    return f"finding:{finding_id}:{round}"


def follow(events: Sequence[PatrolFinding], *, now: datetime) -> dict[str, int]:
    """Open what is to be mended and close what is not any more, in the order it happened. Twice is like once."""
    opened = closed = 0
    for event in events:
        if event.round > 1 or event.what == "closed":
            last = event.round if event.what == "closed" else event.round - 1
            for round in range(1, last + 1):
                closed += close_duties(KIND, key_of(event.finding_id, round), now=now, state=Duty.State.CANCELLED)
        if event.what == "closed" or event.owner_id is None:
            continue
        due_at = clock.parse_iso(event.due_at)
        new = NewDuty(
            assignee_id=event.owner_id, task_type=KIND, key=key_of(event.finding_id, event.round), title=event.title,
            url=f"/g/rectify/{event.finding_id}/", due_at=due_at, expire_at=max(due_at, now) + ENDS_AFTER, why=event.why,
        )  # fmt: skip
        opened += open_duties([new], now=now)
    return {"opened": opened, "closed": closed}


def duty_of(finding: Finding, *, round: int) -> Duty | None:
    """Return the piece of work that stands for this round of a finding; late or not, it can be done."""
    rows = Duty.objects.filter(task_type=KIND, key=key_of(finding.pk, round)).exclude(state=Duty.State.CANCELLED)
    return rows.select_related("assignee").order_by("-pk").first()


def may_finish(duty: Duty, actor: Actor, *, store_path: str) -> bool:
    """Tell whether it is his own, or he heads the store it is in."""
    if duty.assignee_id == actor.staff_id:
        return True
    return any(grant.path and store_path.startswith(grant.path) for grant in actor.reach(*MAY_STAND_IN))


@transaction.atomic
def finish_duty(duty: Duty, *, actor: Actor, note: str, names: Sequence[UUID], store_path: str, now: datetime) -> Duty:
    """Hand in what was mended: a word and at least one photo. Late is still taken; twice is not.

    Raises NotYourDuty, Invalid or AlreadyDone.
    """
    if actor.staff_id is None or not may_finish(duty, actor, store_path=store_path):
        raise NotYourDuty()
    note = note.strip()
    faults = []
    if len(note) < 2:
        faults.append({"field": "note", "code": "required", "message": "写一句改了什么"})
    if not names:
        faults.append({"field": "photos", "code": "required", "message": "拍一张改好以后的照片"})
    if faults:
        raise Invalid(_("还差一点"), errors=faults)
    waiting = Duty.objects.filter(pk=duty.pk, state__in=(Duty.State.OPEN, Duty.State.EXPIRED))
    if not waiting.update(state=Duty.State.DONE, closed_at=now):
        raise AlreadyDone()
    duty.state, duty.closed_at = Duty.State.DONE, now
    event = DutyFinished(
        task_type=KIND, key=duty.key, by_id=actor.staff_id, note=note[:255], at=now.isoformat(),
        files=[str(name) for name in names],
    )  # fmt: skip
    outbox.publish(event)
    return duty
