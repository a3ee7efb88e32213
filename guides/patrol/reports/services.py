"""Making reports at the end of a visit, sharing them, noting who read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.models import RoleAssignment, Staff
from guides.org.queries import heads_of_stores
from yejibao.core import clock, words
from yejibao.core.scope import Actor

from ..book import departments
from ..figures.services import mark_due
from ..models import Coaching, Finding, ItemScore, Visit
from ..reminders import facts as known
from ..reminders.facts import Performance
from ..scoped import FRANCHISE
from . import layout
from .layout import Material
from .models import PatrolReport, ReportReader

Why = ReportReader.Why
HEADS = ((Why.STORE, "store_manager"), (Why.AREA, "area_supervisor"), (Why.REGION, "region_manager"))


@transaction.atomic
def make_reports(visit_id: int, *, now: datetime) -> list[PatrolReport]:
    """Make and share the reports of a visit that was handed in: one a department it touched, and the whole.

    A self patrol has the whole alone, for the store and its supervisor. Made once: again returns what is there.
    """
    visit = Visit.objects.select_for_update(of=("self",)).with_people().get(pk=visit_id, state=Visit.State.SUBMITTED)
    made = list(PatrolReport.objects.filter(visit=visit).order_by("pk"))
    if made:
        return made
    material = read_material(visit)
    keys = [""] if visit.kind == Visit.Kind.SELF else ["", *layout.departments_of(material)]
    day = clock.local_day(visit.started_at)
    reports = []
    for place, department in enumerate(keys):
        facts = layout.facts_of(material, department)
        reports.append(
            PatrolReport(
                visit=visit, department=department, store=visit.store, title=facts["title"], made_at=now, facts=facts,
                number=f"PR-{visit.store.code}-{day:%m%d}-{visit.pk}" + (f"-{place}" if place else ""),
                score_tenths=layout.score_of(material, department), problem_count=facts["counts"]["problems"],
            )
        )  # fmt: skip
    PatrolReport.objects.bulk_create(reports)
    _share(visit, reports, now=now)
    mark_due([(visit.submitted_at or now, visit.store_id)])
    return reports


def read_material(visit: Visit) -> Material:
    """Read what a visit left behind. A fixed number of statements."""
    before = (
        Visit.objects.filter(store_id=visit.store_id, state=Visit.State.SUBMITTED, submitted_at__lt=visit.submitted_at)
        .filter(kind=Visit.Kind.SELF) if visit.kind == Visit.Kind.SELF
        else Visit.objects.counted().filter(store_id=visit.store_id, submitted_at__lt=visit.submitted_at)
    ).filter(department__in={"", visit.department}).order_by("-submitted_at", "-pk").first()  # fmt: skip
    managers = heads_of_stores([visit.store_id], role="store_manager", day=clock.local_day(visit.started_at))
    manager = Staff.objects.filter(pk=managers.get(visit.store_id)).values_list("name", flat=True).first()
    return Material(
        visit=visit,
        scores=_scores(visit),
        coachings=list(
            Coaching.objects.filter(visit=visit, removed_at=None).select_related("item", "guide").order_by("pk")
        ),
        findings=list(Finding.objects.filter(visit=visit).select_related("item", "owner").order_by("item__seq", "pk")),
        before=before,
        before_scores=_scores(before) if before else [],
        manager=manager or "",
        prep=_prep_of(visit),
    )


def _prep_of(visit: Visit) -> list[tuple[str, str]]:
    """Return 来之前的数据: how the store sells this month, as far as a room above says so."""
    found = known.ask("performance", [visit.store_id], now=visit.started_at)
    sold: Performance | None = found.get(visit.store_id)
    if sold is None or not sold.orders:
        return []
    rows = [("本月净销售", words.yuan(sold.month_fen)), ("客单价", words.yuan(sold.month_fen // sold.orders))]
    if sold.target_fen:
        rows.insert(0, ("本月达成", words.pct(sold.month_fen / sold.target_fen)))
    rows.append(("连带率", f"{sold.items / sold.orders:.1f}"))
    if sold.items:
        rows.append(("件单价", words.yuan(sold.month_fen // sold.items)))
    if sold.visitors:
        rows.append(("进店转化率", words.pct(sold.orders / sold.visitors)))
    return rows


def _scores(visit: Visit) -> list[ItemScore]:
    return list(ItemScore.objects.filter(visit=visit).select_related("item").order_by("item__seq"))


def _share(visit: Visit, reports: list[PatrolReport], *, now: datetime) -> None:
    """Share with the department's people and with those who head the store; each is told once, of what is his."""
    day = clock.local_day(now)
    heads = {why: heads_of_stores([visit.store_id], role=role, day=day).get(visit.store_id) for why, role in HEADS}
    by_department = {} if visit.kind == Visit.Kind.SELF else _people_by_department(visit, reports, day=day)
    readers: list[ReportReader] = []
    told: dict[int, PatrolReport] = {}
    for report in reports:
        mine: dict[int, str] = {visit.patroller_id: Why.PATROLLER}
        mine |= {staff: why for why, staff in heads.items() if staff}
        mine |= dict.fromkeys(by_department.get(report.department, ()), Why.DEPARTMENT)
        for staff, why in mine.items():
            read_at = now if staff == visit.patroller_id else None
            readers.append(ReportReader(report=report, staff_id=staff, why=why, read_at=read_at))
            told.setdefault(staff, report)  # the whole comes first
    told.pop(visit.patroller_id, None)
    ReportReader.objects.bulk_create(readers, batch_size=1000)
    tell_and_push([(staff, _notice(visit, report)) for staff, report in told.items()], now=now)


def _people_by_department(visit: Visit, reports: list[PatrolReport], *, day: Any) -> dict[str, list[int]]:
    """Return who works in the departments of these reports; 特许经销部 reads the whole of a dealer's store."""
    roles = {departments()[one.department]["role"]: one.department for one in reports if one.department}
    if visit.store.kind == "dealer":
        roles[departments()[FRANCHISE]["role"]] = ""
    held = RoleAssignment.objects.filter(
        RoleAssignment.in_force(day), role__in=roles, staff__state__in=Staff.MAY_SIGN_IN
    )
    found: dict[str, list[int]] = {}
    for role, staff in held.order_by("staff_id").values_list("role", "staff_id"):
        found.setdefault(roles[role], []).append(staff)
    return found


def _notice(visit: Visit, report: PatrolReport) -> Notice:
    counts = report.facts["counts"]
    left = counts["problems"] - counts["solved"]
    text = f"{visit.patroller.name}巡店，{counts['problems']} 个问题" + (f"，{left} 个待跟进" if left else "，都已解决")
    score = report.facts["header"]["store_score"]
    title = f"{visit.store.short_name}{report.title.removeprefix('门店')} {score} 分"
    return Notice("rectification", f"patrol_report:{visit.pk}", title, f"/m/patrol/reports/{report.pk}/", text)


def mark_report_read(report: PatrolReport, *, actor: Actor, now: datetime) -> bool:
    """Note that somebody it was shared with has opened it. Returns whether it was the first time."""
    mine = ReportReader.objects.filter(report=report, staff_id=actor.staff_id or 0, read_at=None)
    return bool(mine.update(read_at=now))
