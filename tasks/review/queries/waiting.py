"""What waits for the reader's decision: skip requests and spot checks."""

from dataclasses import dataclass, field
from datetime import date

from django.db.models import Exists, OuterRef, Q, QuerySet

from guides.org.models import OrgUnit, RoleAssignment, Staff
from tasks.followups.models import SkipRequest, SpotCheck, TaskEvidence
from yejibao.core.personal import mask_name
from yejibao.core.scope import Actor

from ..scoped import FULL_NAME_ROLES, covers
from .drill import EVIDENCE_NAMES, bought, step_name

SHOWN = 20


@dataclass(frozen=True)
class Request:
    """A guide asks to skip a task."""

    pk: int
    asker_id: int
    asker_name: str
    member_name: str
    step_name: str
    reason: str
    bought: str
    due_at: object


@dataclass(frozen=True)
class Check:
    """A task done with manual evidence, sampled for this manager."""

    pk: int
    guide_id: int
    guide_name: str
    member_name: str
    step_name: str
    evidence_name: str
    said: str  # what the guide wrote down
    done_at: object


@dataclass
class Waiting:
    requests: list[Request] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


def waiting_for(actor: Actor, unit: OrgUnit, *, day: date) -> Waiting:
    """Return the requests and checks under a unit that this actor decides on. Nobody decides on his own."""
    waiting = Waiting()
    unmasked = covers(actor, FULL_NAME_ROLES, unit)
    manages, supervises = unmasked, covers(actor, ("area_supervisor",), unit)
    if manages or supervises:
        waiting.requests = [
            Request(
                pk=one.pk, asker_id=one.asked_by_id, asker_name=one.asked_by.name,
                member_name=one.task.member.name if unmasked else mask_name(one.task.member.name),
                step_name=step_name(one.task.task_type), reason=one.reason, bought=bought(one.task), due_at=one.task.due_at,
            )
            for one in _requests(actor, unit, manages=manages, supervises=supervises, day=day)
        ]  # fmt: skip
        waiting.checks = _checks(actor, unit, manages=manages, supervises=supervises, unmasked=unmasked, day=day)
    return waiting


def _is_head(person: str, store: str, day: date) -> Exists:
    """Tell whether somebody (OuterRef path) manages the store of a row."""
    return Exists(_heads(store, day).filter(staff=OuterRef(person)))


def _heads(store: str, day: date) -> QuerySet[RoleAssignment]:
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role="store_manager")
    return held.filter(unit_id=OuterRef(f"{store}__unit_id"), staff__state__in=Staff.MAY_SIGN_IN)


def _decided_by(above: Q, *, manages: bool, supervises: bool) -> Q:
    """Return what a reader decides on: the manager what is not above the store, the supervisor what is."""
    return (~above if manages else Q(pk=None)) | (above if supervises else Q(pk=None))


def _requests(actor: Actor, unit: OrgUnit, *, manages: bool, supervises: bool, day: date) -> list[SkipRequest]:
    asked = (
        SkipRequest.objects.filter(
            state=SkipRequest.State.ASKED, task__state="open", task__store__unit__path__startswith=unit.path or "-"
        )
        .exclude(asked_by_id=actor.staff_id)
        .annotate(by_head=_is_head("asked_by_id", "task__store", day), is_led=Exists(_heads("task__store", day)))
        .filter(_decided_by(Q(by_head=True) | Q(is_led=False), manages=manages, supervises=supervises))
    )
    return list(asked.select_related("task__member", "task__order", "asked_by").order_by("asked_at", "pk")[:SHOWN])


def _checks(actor: Actor, unit: OrgUnit, *, manages: bool, supervises: bool, unmasked: bool, day: date) -> list[Check]:
    said = TaskEvidence.objects.filter(task=OuterRef("task_id"), is_auto=False).order_by("-at", "-pk")
    rows = (
        SpotCheck.objects.filter(
            state=SpotCheck.State.WAITING, task__state="done", store__unit__path__startswith=unit.path or "-"
        )
        .exclude(task__done_by_id=actor.staff_id)
        .annotate(by_head=_is_head("task__done_by_id", "store", day), is_led=Exists(_heads("store", day)))
        .filter(_decided_by(Q(by_head=True) | Q(is_led=False), manages=manages, supervises=supervises))
        .annotate(payload=said.values("payload")[:1])
        .select_related("task__member", "task__assignee")
        .order_by("week", "pk")[:SHOWN]
    )
    return [
        Check(
            pk=one.pk, guide_id=one.task.assignee_id, guide_name=one.task.assignee.name,
            member_name=one.task.member.name if unmasked else mask_name(one.task.member.name),
            step_name=step_name(one.task.task_type), evidence_name=EVIDENCE_NAMES.get(one.task.evidence_kind, "手动确认"),
            said=(one.payload or {}).get("note", ""), done_at=one.task.done_at,
        )
        for one in rows
    ]  # fmt: skip
