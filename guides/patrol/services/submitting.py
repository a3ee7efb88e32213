"""Handing a patrol in: the rules, the score, what is to be mended, and the news of it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.events import PatrolSubmitted
from guides.org.models import Staff, Store
from guides.org.queries import managers_of_stores
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Invalid, Stale
from yejibao.core.scope import Actor

from ..models import CheckIn, ChecklistItem, Finding, ItemScore, PatrolPhoto, Visit
from ..queries import items_of
from ..scoring import PHOTO_AT, PROBLEM_AT, Result, Scored, deadline, result_of
from .syncing import VisitClosed
from .visiting import Arrival, check_in

SHORT = timedelta(minutes=20)  # a full patrol under that is marked 用时过短
SELF_LEAST = 5  # items of a self patrol: the morning's round looks at five


class NotComplete(Invalid):
    """Items that still want something; `errors` names each by its key."""

    code, title = "patrol.not_complete", _("还有几项没填好")


@transaction.atomic
def submit_visit(visit_id: int, *, rev: int, arrival: Arrival, summary: str, actor: Actor, now: datetime) -> Visit:
    """Hand a patrol in. `rev` is the newest the phone has seen of it.

    Raises VisitClosed, Stale where another phone changed it since, NotComplete, or NoReason for the place.
    """
    visit = Visit.objects.select_for_update(of=("self",)).select_related("store__unit", "checklist").get(pk=visit_id)
    if visit.state != Visit.State.DRAFT:
        raise VisitClosed()
    if rev != visit.rev:
        raise Stale(_("另一台手机刚改过，看一眼再提交。"), rev=visit.rev)
    items = items_of(visit)
    scores = {row.item_id: row for row in ItemScore.objects.filter(visit=visit)}
    if faults := _faults(visit, items, scores):
        raise NotComplete(_("一共 %(count)d 项。") % {"count": len(faults)}, errors=faults)
    result = result_of(
        Scored(item.weight, scores[item.pk].score, item.is_red_line) for item in items if item.pk in scores
    )
    if result is None:
        raise NotComplete(_("每一项都不适用，就没有分数了。"))
    check_in(visit, CheckIn.Moment.END, arrival, actor=actor, now=now)
    _close(visit, result, summary=summary, now=now)
    findings = _findings(visit, items, scores, now=now)
    audit.record(actor, "patrol.submitted", visit, after={"score": result.tenths, "findings": len(findings)})
    outbox.publish(
        PatrolSubmitted(
            visit_id=visit.pk, store_id=visit.store_id, kind=visit.kind, submitted_at=now.isoformat(),
            findings=[row.pk for row in findings if row.state == Finding.State.PENDING],
            red_lines=[row.pk for row in findings if row.is_red_line],
        )
    )  # fmt: skip
    return visit


def _faults(visit: Visit, items: Sequence[ChecklistItem], scores: dict[int, ItemScore]) -> list[dict[str, Any]]:
    """Return what is missing, item by item (scoring.not_applicable, scoring.problem_when)."""
    shown = PatrolPhoto.objects.filter(visit=visit, removed_at=None, purpose=PatrolPhoto.Purpose.ITEM)
    has_photo = {row.item_id for row in shown if not row.is_old}
    faults: list[tuple[str, str, str]] = []
    filled = 0
    for item in items:
        row = scores.get(item.pk)
        if row is None or (row.score is None and not row.is_na):
            if visit.kind != Visit.Kind.SELF:
                faults.append((item.key, "score", "还没打分"))
            continue
        filled += 1
        if row.is_na:
            if not row.na_reason:
                faults.append((item.key, "na_reason", "不适用要写原因"))
            continue
        assert row.score is not None
        if row.score <= PROBLEM_AT and not row.problem:
            faults.append((item.key, "problem", "写一下哪里不好"))
        if (row.score <= PHOTO_AT or item.photo == ChecklistItem.Photo.REQUIRED) and item.pk not in has_photo:
            faults.append((item.key, "photo", "要拍一张现场照片"))
    if visit.kind == Visit.Kind.SELF and filled < min(SELF_LEAST, len(items)):
        faults.append(("", "count", f"自主巡店至少填 {SELF_LEAST} 项"))
    return [{"field": key, "code": code, "message": message} for key, code, message in faults]


def _close(visit: Visit, result: Result, *, summary: str, now: datetime) -> None:
    year = clock.local_day(visit.started_at).year
    nth = None
    if visit.kind != Visit.Kind.SELF:
        # Two who hand in the same store at once come one after the other: each has a number of its own.
        Store.objects.select_for_update(of=("self",)).get(pk=visit.store_id)
        nth = Visit.objects.counted().filter(store_id=visit.store_id, year=year).count() + 1
    minutes = int((now - visit.started_at).total_seconds() // 60)
    is_full = visit.kind != Visit.Kind.SELF and not visit.department
    visit.move_to(
        Visit.State.SUBMITTED,
        ended_at=now, submitted_at=now, summary=summary.strip()[:500], store_grade=visit.store.grade, year=year,
        nth_this_year=nth, duration_minutes=minutes, is_too_short=is_full and now - visit.started_at < SHORT,
        score_tenths=result.tenths, uncapped_tenths=result.uncapped_tenths, grade=result.grade,
    )  # fmt: skip


def _findings(
    visit: Visit, items: Sequence[ChecklistItem], scores: dict[int, ItemScore], *, now: datetime
) -> list[Finding]:
    """Write a finding for each score of 3 or less; what was solved on the spot is closed as it is born."""
    day = clock.local_day(now)
    manager = managers_of_stores([visit.store_id], day=day).get(visit.store_id)
    duty = visit.store.duty_guide_id
    duty_guide = Staff.objects.employed().filter(pk=duty).values_list("pk", flat=True).first() if duty else None
    by_role = {"guide": duty_guide or manager, "store_manager": manager}
    rows = []
    for item in items:
        row = scores.get(item.pk)
        if row is None or row.score is None or row.score > PROBLEM_AT:
            continue
        rows.append(
            Finding(
                visit=visit, item_score=row, item=item, store_id=visit.store_id, score=row.score, problem=row.problem,
                is_red_line=item.is_red_line and row.score == 1, is_solved_on_spot=row.is_solved,
                owner_role=item.rectify_role, owner_id=row.owner_id or by_role.get(item.rectify_role, manager),
                state=Finding.State.ACCEPTED if row.is_solved else Finding.State.PENDING,
                opened_at=now, deadline_at=deadline(now, item.rectify_hours), closed_at=now if row.is_solved else None,
            )
        )  # fmt: skip
    return Finding.objects.bulk_create(rows)
