"""What nobody taps: lateness told upwards, checks that are due, work of people who left, stores that closed.

Each step claims its rows by the UPDATE that marks them, so that two workers tell nobody twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from guides.org.models import Staff
from guides.org.queries import heads_of_stores
from yejibao.core import clock
from yejibao.core.scope import Actor

from ..models import Finding
from . import people, telling
from .models import FindingStep, Rectification
from .services import assign_rectification, waive_rectification

OPEN = (Finding.State.PENDING, Finding.State.REJECTED)
# patrol_checklist.yaml rectification.overdue: who hears of it how long after the deadline
LATE = ((1, timedelta(hours=24), "area_supervisor"), (2, timedelta(hours=72), "region_manager"))
AT_ONCE = 500
NAMED = 3


def follow_findings(*, now: datetime) -> dict[str, int]:
    """Do all of it once. Returns how many of each."""
    return {
        "moved": move_from_who_left(now=now),
        "closed": waive_of_closed_stores(now=now),
        "late": sum(_tell_late(level, after, role, now=now) for level, after, role in LATE),
        "unchecked": _tell_unchecked(now=now),
    }


@transaction.atomic
def _tell_late(level: int, after: timedelta, role: str, *, now: datetime) -> int:
    late = Rectification.objects.filter(
        finding__state__in=OPEN, finding__deadline_at__lte=now - after, waits_since=None, told_late__lt=level
    )
    rows = list(late.with_finding().order_by("finding__deadline_at", "pk")[:AT_ONCE])
    claimed = [one for one in rows if late.filter(pk=one.pk).update(told_late=level)]
    return _tell_heads(claimed, role, kind=FindingStep.Kind.LATE, word="项整改逾期", now=now)


@transaction.atomic
def _tell_unchecked(*, now: datetime) -> int:
    waits = Rectification.objects.filter(
        finding__state=Finding.State.SUBMITTED, submitted_at__lte=now - people.CHECK_WITHIN, told_unchecked_at=None
    )
    rows = list(waits.with_finding().order_by("submitted_at", "pk")[:AT_ONCE])
    claimed = [one for one in rows if waits.filter(pk=one.pk).update(told_unchecked_at=now)]
    return _tell_heads(claimed, "area_supervisor", kind=FindingStep.Kind.UNCHECKED, word="项整改两天没人复查", now=now)


def _tell_heads(rows: Iterable[Rectification], role: str, *, kind: str, word: str, now: datetime) -> int:
    """One word to each head for all rows of a store; each row keeps that it was told."""
    rows = list(rows)
    heads = heads_of_stores({one.finding.store_id for one in rows}, role=role, day=clock.local_day(now))
    by_store: dict[int, list[Finding]] = defaultdict(list)
    for one in rows:
        by_store[one.finding.store_id].append(one.finding)
    told = []
    for store, findings in by_store.items():
        if head := heads.get(store):
            names = "、".join(one.item.name for one in findings[:NAMED]) + ("等" if len(findings) > NAMED else "")
            title = f"{findings[0].store.short_name}有 {len(findings)} {word}"
            told.append((head, telling.notice(findings[0].pk, title, names, key=f"{kind}:{store}:{role}"[:64])))
    FindingStep.objects.bulk_create(
        FindingStep(finding=one.finding, kind=kind, at=now, note=_said(role)) for one in rows
    )
    telling.tell(told, now=now)
    return len(rows)


def _said(role: str) -> str:
    return {"area_supervisor": "已告诉区长", "region_manager": "已告诉大区经理"}[role]


def move_from_who_left(*, now: datetime, staff_ids: Iterable[int] | None = None) -> int:
    """Give what somebody who left had to mend, or nobody had, to the store's duty guide, its manager or its supervisor."""
    nobody = Q(finding__owner=None) | ~Q(finding__owner__state__in=Staff.MAY_SIGN_IN)
    rows = Rectification.objects.filter(nobody, finding__state__in=OPEN)
    if staff_ids is not None:
        rows = rows.filter(finding__owner_id__in=list(staff_ids))
    moved, day = 0, clock.local_day(now)
    for one in rows.with_finding().order_by("pk")[:AT_ONCE]:
        heir = people.mender_of(one.finding.store, one.finding.owner_role, day=day)
        if heir is None or heir == one.finding.owner_id:
            continue
        assign_rectification(one, to=heir, actor=Actor.system(), now=now)
        moved += 1
    return moved


def waive_of_closed_stores(*, now: datetime) -> int:
    """A store that closed mends nothing any more."""
    rows = Rectification.objects.filter(finding__store__closed_on__lte=clock.local_day(now))
    rows = rows.exclude(finding__state__in=(Finding.State.ACCEPTED, Finding.State.WAIVED))
    closed = list(rows.with_finding().order_by("pk")[:AT_ONCE])
    for one in closed:
        waive_rectification(one, actor=Actor.system(), now=now, reason="门店已关")
    return len(closed)
