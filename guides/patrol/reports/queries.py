"""Reports as pages show them: the facts of the day they were made, with the findings as they stand now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from yejibao.core.errors import NotFound
from yejibao.core.paging import page
from yejibao.core.scope import Actor

from ..models import Finding, PatrolPhoto
from .layout import FOLLOW_UP, RESOLVED
from .models import PatrolReport, ReportReader

PAGE = 20
CLOSED = (Finding.State.ACCEPTED, Finding.State.WAIVED)


@dataclass(frozen=True)
class Problem:
    """A problem of a report, with what has become of it."""

    facts: dict[str, Any]
    finding: Finding | None
    photo: str  # the address of the first photo, "" without one
    conclusion: str

    @property
    def is_resolved(self) -> bool:
        return self.conclusion == RESOLVED


@dataclass(frozen=True)
class Opened:
    """A report as its page shows it."""

    report: PatrolReport
    problems: list[Problem]
    rows: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    others: list[PatrolReport]  # all of the visit that this person may read, in order
    reading: list[dict[str, Any]]  # by department: who has read
    difference: int | None  # tenths against the last patrol

    @property
    def open_count(self) -> int:
        return sum(not one.is_resolved for one in self.problems)


def open_report(actor: Actor, pk: int) -> PatrolReport:
    """Return a report in sight. Raises NotFound."""
    found = PatrolReport.objects.visible_to(actor).select_related("visit__patroller", "store").filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


def read_report(actor: Actor, report: PatrolReport) -> Opened:
    """Return what its page shows. A fixed number of statements."""
    facts = report.facts
    ids = [one["finding"] for one in facts["problems"]] + [pk for row in facts["rows"] for pk in row["findings"]]
    findings = Finding.objects.filter(pk__in=ids).select_related("owner", "item").in_bulk()
    photos = first_photos(report.visit_id, {one.item_id for one in findings.values()})
    problems = [
        Problem(
            one, found := findings.get(one["finding"]), photos.get(found.item_id, "") if found else "",
            RESOLVED if found is None or found.state in CLOSED else FOLLOW_UP,
        )
        for one in facts["problems"]
    ]  # fmt: skip
    rows = [row | {"conclusion": _conclusion(row, findings)} for row in facts["rows"]]
    visible = PatrolReport.objects.visible_to(actor).filter(visit_id=report.visit_id)
    others = list(visible.defer("facts").order_by("pk"))
    before = facts["before"]
    return Opened(
        report=report, problems=problems, rows=rows,
        categories=[_bar(one) for one in facts["categories"]], others=others,
        reading=_reading(report), difference=report.score_tenths - before["tenths"] if before else None,
    )  # fmt: skip


def _conclusion(row: dict[str, Any], findings: dict[int, Finding]) -> str:
    """已解决 where nothing is left open (conclusion_rule)."""
    if row["score"] is None:
        return ""
    left = any(pk in findings and findings[pk].state not in CLOSED for pk in row["findings"])
    return FOLLOW_UP if left else RESOLVED


def _bar(one: dict[str, Any]) -> dict[str, Any]:
    before = one["before"]
    return one | {
        "width": one["tenths"] * 2, "is_low": one["tenths"] < 40,
        "mark": None if before is None else before * 2, "difference": None if before is None else one["tenths"] - before,
    }  # fmt: skip


def first_photos(visit_id: int, item_ids: Iterable[int]) -> dict[int, str]:
    """Return the small picture of the first photo of each item. One statement."""
    shown = PatrolPhoto.objects.filter(visit_id=visit_id, item_id__in=item_ids, removed_at=None, purpose="item")
    found: dict[int, str] = {}
    for item, name in shown.order_by("pk").values_list("item_id", "client_id"):
        found.setdefault(item or 0, f"/files/{name}/?small=1")
    return found


def _reading(report: PatrolReport) -> list[dict[str, Any]]:
    """Return who has read the reports of the visit: by department, and the heads by name."""
    readers = ReportReader.objects.filter(report__visit_id=report.visit_id).exclude(why=ReportReader.Why.PATROLLER)
    rows = readers.select_related("staff", "report").order_by("report_id", "read_at", "pk")
    groups: dict[tuple[str, str], list[ReportReader]] = defaultdict(list)
    for row in rows:
        if row.why == ReportReader.Why.DEPARTMENT:
            groups[("department", row.report.department)].append(row)
        elif row.report_id == report.pk:
            groups[(row.why, "")].append(row)
    return [
        {
            "why": why, "department": department, "name": str(ReportReader.Why(why).label), "readers": mine,
            "read": [one for one in mine if one.read_at], "count": len(mine),
        }
        for (why, department), mine in groups.items()
    ]  # fmt: skip


def page_of_reports(
    actor: Actor, *, store_id: int | None = None, department: str | None = None, before: str = ""
) -> tuple[Sequence[PatrolReport], str]:
    """Return reports in sight, the newest first, and where the next ones begin ("" at the end). One statement.

    Without a department the one of each visit that comes first for this reader: the whole, or his department's.
    """
    found = PatrolReport.objects.visible_to(actor)
    found = found.filter(store_id=store_id) if store_id else found
    if department is not None:
        found = found.filter(department=department)
    return page(found.select_related("store", "visit__patroller"), "made_at", before=before, size=PAGE)
