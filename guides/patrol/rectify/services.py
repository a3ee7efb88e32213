"""All writes of rectification: pending -> submitted -> accepted or sent back (patrol_checklist.yaml, rectification).

The work itself is a duty of tasks: `PatrolFinding` asks for it, `DutyFinished` brings what was done (guides/handlers.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from guides.events import PatrolFinding
from guides.org.models import RoleAssignment, Staff
from guides.org.queries import heads_of_stores
from yejibao.core import audit, clock, files, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..book import departments
from ..figures.services import mark_due
from ..models import Finding
from ..scoring import deadline
from . import people, telling
from .models import PHOTOS, FindingStep, Rectification

State, Kind = Finding.State, FindingStep.Kind
RETURN_HOURS = 24
REPEATS, REPEAT_DAYS = 3, timedelta(days=90)
LOW = 2

MENDERS = ("guide", "store_manager", "area_supervisor")

files.room(
    PHOTOS,
    rows=lambda actor: FindingStep.objects.visible_to(actor),
    may_add=lambda actor: actor.has_role(*MENDERS) or actor.may(people.CHECK),
)


class NotYoursToCheck(Forbidden):
    code, title = "perm.rectification.check", _("这件整改不归你复查")


class NotYoursToLead(Forbidden):
    code, title = "perm.rectification.lead", _("这件整改要店长或区长来安排")


class JustChanged(Conflict):
    code, title = "rectification.changed", _("这件整改刚被处理过")


class Machine:
    """Which state may follow which; one guarded UPDATE lets one of two clicks win."""

    NEXT: ClassVar[dict[str, set[str]]] = {
        State.PENDING: {State.SUBMITTED, State.WAIVED},
        State.REJECTED: {State.SUBMITTED, State.WAIVED},
        State.SUBMITTED: {State.ACCEPTED, State.REJECTED, State.WAIVED},
    }

    @classmethod
    def move(cls, finding: Finding, new: str, **stamps: Any) -> None:
        """Move on, or raise JustChanged."""
        if new not in cls.NEXT.get(finding.state, ()):
            raise JustChanged(_("它现在是「%(state)s」") % {"state": finding.get_state_display()})
        moved = Finding.objects.filter(pk=finding.pk, state=finding.state)
        if not moved.update(state=new, **stamps):
            raise JustChanged()
        for name, value in {"state": new, **stamps}.items():
            setattr(finding, name, value)


# ---------------------------------------------------------------- opening


@transaction.atomic
def open_rectifications(finding_ids: Sequence[int], *, now: datetime) -> int:
    """Ask somebody to mend each finding; again it opens none twice. Returns how many are new."""
    waiting = Finding.objects.filter(pk__in=finding_ids, rectification=None).exclude(state__in=("accepted", "waived"))
    findings = list(waiting.select_related("item", "store__unit", "visit__patroller", "owner").order_by("pk"))
    lows, day = _low_counts(findings), clock.local_day(now)
    rows = []
    for finding in findings:
        if finding.owner is None or not finding.owner.is_active:
            finding.owner_id = people.mender_of(finding.store, finding.owner_role, day=day)
            Finding.objects.filter(pk=finding.pk).update(owner_id=finding.owner_id)
        rows.append(
            Rectification(
                finding=finding, first_deadline_at=finding.deadline_at, low_count=lows.get(finding.pk, 0),
                checker_id=people.checker_of(finding, submitted_by=finding.owner_id, day=day),
            )
        )  # fmt: skip
    Rectification.objects.bulk_create(rows)
    FindingStep.objects.bulk_create(
        FindingStep(finding=one, kind=Kind.OPENED, at=now, by_id=one.visit.patroller_id, note=one.problem[:255])
        for one in findings
    )
    outbox.publish_many(_event(one, "opened", 1) for one in findings)
    mark_due([(at, one.store_id) for one in findings for at in (one.opened_at, one.deadline_at)])
    _tell_owners(findings, now=now)
    _tell_of_repeats([one for one in findings if lows.get(one.pk, 0) >= REPEATS], lows, now=now)
    return len(findings)


def _low_counts(findings: Sequence[Finding]) -> dict[int, int]:
    """Return how often each finding's item was <= 2 in its store within 90 days, itself included. One statement."""
    low = [one for one in findings if one.score <= LOW]
    if not low:
        return {}
    found = Finding.objects.filter(
        store_id=low[0].store_id, item__key__in={one.item.key for one in low}, score__lte=LOW,
        opened_at__gt=low[0].opened_at - REPEAT_DAYS, opened_at__lte=low[0].opened_at,
    ).exclude(state=State.WAIVED)  # fmt: skip
    counts = dict(found.values_list("item__key").annotate(n=Count("pk")))
    return {one.pk: counts.get(one.item.key, 0) for one in low}


def _tell_owners(findings: Sequence[Finding], *, now: datetime) -> None:
    """One word to each person for all he has to mend of one visit."""
    by_owner = Counter(one.owner_id for one in findings if one.owner_id)
    told = []
    for owner, count in by_owner.items():
        mine = sorted((one for one in findings if one.owner_id == owner), key=lambda one: (one.deadline_at, one.pk))
        first, when = mine[0], _by(mine[0].deadline_at)
        title = f"{first.store.short_name}有 {count} 项要整改" if count > 1 else f"整改：{first.item.name}"
        text = f"最急的是「{first.item.name}」，{when}" if count > 1 else f"{first.problem[:80]}，{when}"
        key = f"visit_findings:{first.visit_id}" if count > 1 else ""
        one = telling.notice(first.pk, title, text, key=key)
        told.append((owner, one))
    telling.tell(told, now=now)


def _tell_of_repeats(findings: Sequence[Finding], lows: dict[int, int], *, now: datetime) -> None:
    """The third time the same item is <= 2 in 90 days: the region's manager and the department hear of it."""
    if not findings:
        return
    day = clock.local_day(now)
    regions = heads_of_stores([one.store_id for one in findings], role="region_manager", day=day)
    told = []
    for one in findings:
        said = telling.notice(
            one.pk, f"{one.store.short_name}「{one.item.name}」90 天内第 {lows[one.pk]} 次低分",
            f"这次 {one.score} 分：{one.problem[:120]}", key=f"repeated:{one.pk}",
        )  # fmt: skip
        heard = {regions.get(one.store_id), *people_of_department(one.item.department, day=day)}
        told += [(staff, said) for staff in heard if staff]
    telling.tell(told, now=now)


def people_of_department(department: str, *, day: Any) -> list[int]:
    """Return who works in a department of HQ."""
    role = departments().get(department, {}).get("role", "")
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role=role)
    return list(
        Staff.objects.employed().filter(pk__in=held.values("staff_id")).order_by("pk").values_list("pk", flat=True)
    )


# ---------------------------------------------------------------- mending and checking


@transaction.atomic
def submit_rectification(
    finding_id: int, *, round: int, by_id: int, note: str, names: Collection[UUID], at: datetime
) -> bool:
    """Take what was done to a finding, with its photos; the checker is asked. Returns False where it is not wanted any more.

    It comes from a finished duty, in the order things happened: what belongs to a former round is left out.
    """
    found = Rectification.objects.with_finding().filter(pk=finding_id).first()
    if found is None or found.round != round or found.finding.state not in (State.PENDING, State.REJECTED):
        return False
    finding = found.finding
    Machine.move(finding, State.SUBMITTED)
    checker = people.checker_of(finding, submitted_by=by_id, day=clock.local_day(at))
    Rectification.objects.filter(pk=finding_id).update(
        submitted_at=at,
        submitted_by_id=by_id,
        checker_id=checker,
        waits_for="",
        waits_since=None,
        told_unchecked_at=None,
    )
    step = _step(finding, Kind.SUBMITTED, at=at, by_id=by_id, note=note)
    files.attach(names, room=PHOTOS, owner_id=step.pk, by_id=by_id)
    _mark(finding)
    if checker:
        late = "，超过了期限" if at > finding.deadline_at else ""
        said = f"{finding.store.short_name}「{finding.item.name}」整改好了，等你复查"
        telling.tell([(checker, telling.notice(finding.pk, said, f"{note[:120]}{late}"))], now=at)
    return True


@transaction.atomic
def accept_rectification(found: Rectification, *, actor: Actor, now: datetime, note: str = "") -> Rectification:
    """复查通过. On time is what was handed in, the last time, by the deadline. Raises NotYoursToCheck or JustChanged."""
    if not people.may_check(found, actor, now=now):
        raise NotYoursToCheck()
    finding = found.finding
    Machine.move(finding, State.ACCEPTED, closed_at=now)
    is_on_time = found.submitted_at is not None and found.submitted_at <= finding.deadline_at
    Rectification.objects.filter(pk=found.pk).update(is_on_time=is_on_time, closed_by_id=actor.staff_id)
    found.is_on_time, found.closed_by_id = is_on_time, actor.staff_id
    _step(finding, Kind.ACCEPTED, at=now, by_id=actor.staff_id, note=note)
    _close(found, now=now)
    audit.record(actor, "rectification.accepted", finding, after={"on_time": is_on_time})
    _tell_mender(found, f"复查通过：{finding.item.name}", note or "辛苦了", by=actor, now=now)
    return found


@transaction.atomic
def return_rectification(
    found: Rectification, *, actor: Actor, now: datetime, reason: str, names: Collection[UUID] = ()
) -> Rectification:
    """复查退回, with a word why: the deadline moves on by 24 hours. Raises NotYoursToCheck, Invalid or JustChanged."""
    if not people.may_check(found, actor, now=now):
        raise NotYoursToCheck()
    reason = _needs(reason, "写一句哪里还没改好")
    finding = found.finding
    # The rule's 24 hours, never less than a day from now: who checks late takes nothing from who mends.
    until = deadline(max(finding.deadline_at, now), RETURN_HOURS)
    Machine.move(finding, State.REJECTED, deadline_at=until)
    _next_round(found, returned_count=found.returned_count + 1, submitted_at=None, told_late=0)
    step = _step(finding, Kind.REJECTED, at=now, by_id=actor.staff_id, note=reason)
    files.attach(names, room=PHOTOS, owner_id=step.pk, by_id=actor.staff_id)
    outbox.publish(_event(finding, "returned", found.round, why=f"退回：{reason}"))
    _mark(finding)
    audit.record(actor, "rectification.returned", finding, reason=reason)
    _tell_mender(found, f"退回重改：{finding.item.name}", f"{reason[:120]}，{_by(until)}", by=actor, now=now)
    return found


@transaction.atomic
def waive_rectification(found: Rectification, *, actor: Actor, now: datetime, reason: str) -> Rectification:
    """不用整改了: whoever may check it takes the finding back, with a reason. Raises Forbidden, Invalid or JustChanged."""
    if not actor.is_system and not may_waive(found, actor, now=now):
        raise NotYoursToCheck()
    reason = _needs(reason, "写一句为什么不用整改")
    finding = found.finding
    Machine.move(finding, State.WAIVED, closed_at=now)
    Rectification.objects.filter(pk=found.pk).update(closed_by_id=actor.staff_id, waits_for="", waits_since=None)
    _step(finding, Kind.WAIVED, at=now, by_id=actor.staff_id, note=reason)
    _close(found, now=now)
    audit.record(actor, "rectification.waived", finding, reason=reason)
    _tell_mender(found, f"不用整改了：{finding.item.name}", reason, by=actor, now=now)
    return found


def may_waive(found: Rectification, actor: Actor, *, now: datetime) -> bool:
    """The patroller himself, who found it; else whoever might check it now."""
    own = found.finding.visit.patroller_id == actor.staff_id and people.may_check_by_role(found.finding.visit.role)
    return own or people.may_check(found, actor, now=now)


# ---------------------------------------------------------------- who mends, and what it waits for


@transaction.atomic
def assign_rectification(found: Rectification, *, to: int, actor: Actor, now: datetime) -> Rectification:
    """换人整改, inside the store; the system may name whoever answers for it. Raises NotYoursToLead, Invalid or JustChanged."""
    finding = found.finding
    if not actor.is_system and not people.may_lead(finding, actor):
        raise NotYoursToLead()
    able = Q(state__in=Staff.MAY_SIGN_IN) if actor.is_system else people.may_mend(finding.store)
    person = Staff.objects.filter(able, pk=to).distinct().first()
    if person is None:
        raise Invalid(_("只能交给这家店的人"))
    if person.pk == finding.owner_id:
        return found
    open_states = (State.PENDING, State.REJECTED)
    if not Finding.objects.filter(pk=finding.pk, state__in=open_states, owner_id=finding.owner_id).update(owner=person):
        raise JustChanged()
    before, finding.owner = finding.owner_id, person
    _next_round(found)
    _step(finding, Kind.MOVED, at=now, by_id=actor.staff_id, note=f"交给{person.name}")
    outbox.publish(_event(finding, "moved", found.round))
    audit.record(actor, "rectification.moved", finding, before={"owner": before}, after={"owner": to})
    text = f"{finding.problem[:80]}，{_by(finding.deadline_at)}"
    telling.tell([(to, telling.notice(finding.pk, f"交给你整改：{finding.item.name}", text))], now=now)
    return found


@transaction.atomic
def let_wait(found: Rectification, *, actor: Actor, now: datetime, waits_for: str) -> Rectification:
    """等总部处理: it needs money or a workman, HQ was called. The deadline stands still until it goes on."""
    finding = found.finding
    if not people.may_lead(finding, actor):
        raise NotYoursToLead()
    waits_for = _needs(waits_for, "写一句在等什么，比如报修单号")
    waiting = Rectification.objects.filter(pk=found.pk, waits_since=None, finding__state__in=("pending", "rejected"))
    if not waiting.update(waits_for=waits_for[:120], waits_since=now):
        raise JustChanged()
    found.waits_for, found.waits_since = waits_for[:120], now
    _step(finding, Kind.WAITS, at=now, by_id=actor.staff_id, note=waits_for)
    audit.record(actor, "rectification.waits", finding, reason=waits_for)
    return found


@transaction.atomic
def resume(found: Rectification, *, actor: Actor, now: datetime) -> Rectification:
    """继续整改: the deadline moves on by the time that was waited."""
    finding, since = found.finding, found.waits_since
    if not people.may_lead(finding, actor):
        raise NotYoursToLead()
    if since is None or not Rectification.objects.filter(pk=found.pk, waits_since=since).update(
        waits_for="", waits_since=None
    ):
        raise JustChanged()
    before = finding.deadline_at
    finding.deadline_at = deadline(before + (now - since), 0)
    Finding.objects.filter(pk=finding.pk).update(deadline_at=finding.deadline_at)
    found.waits_for, found.waits_since = "", None
    _next_round(found)
    _step(finding, Kind.RESUMED, at=now, by_id=actor.staff_id, note=f"期限顺延到 {_day(finding.deadline_at)}")
    outbox.publish(_event(finding, "moved", found.round))
    mark_due([(before, finding.store_id), (finding.deadline_at, finding.store_id)])
    audit.record(actor, "rectification.resumed", finding)
    return found


# ---------------------------------------------------------------- small parts


def _next_round(found: Rectification, **stamps: Any) -> None:
    """Begin another piece of work. Raises JustChanged where somebody else has."""
    mine = Rectification.objects.filter(pk=found.pk, round=found.round)
    if not mine.update(round=found.round + 1, **stamps):
        raise JustChanged()
    for name, value in {"round": found.round + 1, **stamps}.items():
        setattr(found, name, value)


def _close(found: Rectification, *, now: datetime) -> None:
    outbox.publish(_event(found.finding, "closed", found.round))
    _mark(found.finding)


def _event(finding: Finding, what: str, round: int, *, why: str = "") -> PatrolFinding:
    return PatrolFinding(
        finding_id=finding.pk, round=round, what=what, owner_id=finding.owner_id, title=finding.item.name,
        why=(why or finding.problem)[:160], due_at=finding.deadline_at.isoformat(), store_id=finding.store_id,
    )  # fmt: skip


def _step(finding: Finding, kind: str, *, at: datetime, by_id: int | None, note: str = "") -> FindingStep:
    return FindingStep.objects.create(finding=finding, kind=kind, at=at, by_id=by_id, note=note.strip()[:255])


def _mark(finding: Finding) -> None:
    mark_due([(finding.opened_at, finding.store_id), (finding.deadline_at, finding.store_id)])


def _tell_mender(found: Rectification, title: str, text: str, *, by: Actor, now: datetime) -> None:
    people_told = {one for one in (found.finding.owner_id, found.submitted_by_id) if one and one != by.staff_id}
    said = telling.notice(found.finding.pk, title, text)
    telling.tell([(staff, said) for staff in sorted(people_told)], now=now)


def _needs(text: str, ask: str) -> str:
    text = text.strip()
    if len(text) < 2:
        raise Invalid(_(ask), errors=[{"field": "note", "code": "required", "message": ask}])
    return text[:255]


def _by(moment: datetime) -> str:
    return f"{_day(moment)} 前"


def _day(moment: datetime) -> str:
    local = moment.astimezone(clock.SHANGHAI)
    return f"{local.month}-{local.day} {local:%H:%M}"
