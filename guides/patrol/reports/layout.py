"""What a report says, in the fixed layout (patrol_checklist.yaml, report). Plain facts, JSON, as they are at the end of a visit.

A report page shows them with the findings as they stand today; the PDF shows them as they are here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core import clock
from yejibao.core.domain_files import read_yaml

from ..book import book, departments
from ..models import Coaching, Finding, ItemScore, Visit
from ..scoring import PROBLEM_AT, Scored, mean_tenths, mean_whole, words_of

ROWS_FILE = Path(__file__).parents[2] / "data" / "patrol_report_rows.yaml"
NONE = "无"
RESOLVED, FOLLOW_UP = "resolved", "follow_up"
CONCLUSIONS = {RESOLVED: "已解决", FOLLOW_UP: "待跟进"}
WHOLE = "门店巡店报告"


@dataclass(frozen=True)
class Material:
    """All a visit left behind, read once for all its reports."""

    visit: Visit
    scores: Sequence[ItemScore]  # with items, in the order of the checklist
    coachings: Sequence[Coaching]  # with items and guides
    findings: Sequence[Finding]  # with items and owners
    before: Visit | None  # the last patrol of the store before this one
    before_scores: Sequence[ItemScore] = ()
    prep: Sequence[tuple[str, str]] = ()  # what the figures were before he came: label, value
    manager: str = ""


@dataclass
class Row:
    """One line of the summary table."""

    name: str
    scored: list[Scored] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    coached: list[Coaching] = field(default_factory=list)
    findings: list[int] = field(default_factory=list)
    is_open: bool = False


@cache
def _named_rows(department: str) -> list[dict[str, Any]]:
    rows: dict[str, list[dict[str, Any]]] = read_yaml(ROWS_FILE)
    return rows.get(department, [])


@cache
def category_names() -> dict[str, str]:
    return {row["key"]: row["name"] for row in book()["categories"]}


@cache
def topic_names() -> dict[str, str]:
    return dict(book()["coaching"]["topics"])


def title_of(department: str) -> str:
    """Return 零售部门巡店报告, or 门店巡店报告 for the whole."""
    if not department:
        return WHOLE
    name = str(departments()[department]["name"])
    return f"{name}门巡店报告" if name.endswith("部") else f"{name}巡店报告"


def reads_sales(department: str) -> bool:
    """Tell whether a department reads a store's sales before it goes (departments.prep_data); of the whole everybody does."""
    return not department or "sales_performance" in departments()[department]["prep_data"]


def departments_of(material: Material) -> list[str]:
    """Return the departments that a visit touched, in the order of the file."""
    touched = {one.item.department for one in material.scores if one.score is not None}
    return [key for key in departments() if key in touched]


def score_of(material: Material, department: str) -> int:
    """Return a report's score in tenths: the visit's own, or that of the department's items."""
    if not department:
        return material.visit.score_tenths or 0
    return mean_tenths(_scored(one for one in material.scores if one.item.department == department)) or 0


def facts_of(material: Material, department: str) -> dict[str, Any]:
    """Return the facts of one report."""
    visit = material.visit
    own = [one for one in material.scores if not department or one.item.department == department]
    findings = [one for one in material.findings if not department or one.item.department == department]
    before = [one for one in material.before_scores if not department or one.item.department == department]
    known = [one for one in own if one.score is not None]
    return {
        "title": title_of(department),
        "header": _header(material, score_of(material, department)),
        "counts": {
            "checked": len(known), "good": sum((one.score or 0) > PROBLEM_AT for one in known), "problems": len(findings),
            "solved": sum(one.is_solved_on_spot for one in findings), "na": sum(one.is_na for one in own),
        },
        "before": _before(material, before, department),
        "categories": _categories(own, before),
        "rows": [_row_facts(row) for row in rows_of(material, department)],
        "problems": [_problem(one, material) for one in findings],
        "coaching": coaching_words(one for one in material.coachings if _is_of(one, department)),
        "prep": [list(pair) for pair in material.prep] if reads_sales(department) else [],
        "praise": visit.summary,
        "red_lines": [one.item.name for one in findings if one.is_red_line],
        "uncapped": words_of(visit.uncapped_tenths) if visit.uncapped_tenths != visit.score_tenths else "",
    }  # fmt: skip


def _header(material: Material, tenths: int) -> dict[str, Any]:
    visit = material.visit
    day = clock.local_day(visit.started_at)
    return {
        "store_name": visit.store.name, "store_short": visit.store.short_name, "store_code": visit.store.code,
        "store_grade": visit.store_grade or visit.store.grade, "patrol_date": day.isoformat(),
        "duration_hours": visit.duration_hours, "is_too_short": visit.is_too_short,
        "patroller": visit.patroller.name, "role": visit.role, "nth_this_year": visit.nth_this_year,
        "kind": visit.kind, "store_score": words_of(tenths), "grade": visit.grade, "manager": material.manager,
        "submitted_at": visit.submitted_at.isoformat() if visit.submitted_at else "",
    }  # fmt: skip


def _before(material: Material, scores: Sequence[ItemScore], department: str) -> dict[str, Any] | None:
    visit = material.before
    if visit is None or visit.submitted_at is None:
        return None
    tenths = mean_tenths(_scored(scores)) if department else visit.score_tenths
    if tenths is None:
        return None
    return {"tenths": tenths, "score": words_of(tenths), "day": clock.local_day(visit.started_at).isoformat()}


def _categories(scores: Sequence[ItemScore], before: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return each category's score to one decimal, with the last one's."""
    now, then = _by_category(scores), _by_category(before)
    found = []
    for key, name in category_names().items():
        if (tenths := mean_tenths(now.get(key, ()))) is None:
            continue
        last = mean_tenths(then.get(key, ()))
        found.append({"key": key, "name": name, "tenths": tenths, "score": words_of(tenths), "before": last})
    return found


def _by_category(scores: Iterable[ItemScore]) -> dict[str, list[Scored]]:
    found: dict[str, list[Scored]] = defaultdict(list)
    for one in scores:
        found[one.item.category].append(Scored(one.item.weight, one.score))
    return found


# ---------------------------------------------------------------- the summary table


def rows_of(material: Material, department: str) -> list[Row]:
    """Return the rows of the fixed layout: those the file names first, what they leave by category after them."""
    named = _named_rows(department)
    place = {key: at for at, row in enumerate(named) for key in row["items"]}
    rows = [Row(row["name"]) for row in named]
    by_category: dict[str, Row] = {}
    findings = {one.item_score_id: one for one in material.findings}
    for score in material.scores:
        item = score.item
        if item.key in place:
            row = rows[place[item.key]]
        elif not department or item.department == department:
            row = by_category.setdefault(item.category, Row(category_names()[item.category]))
        else:
            continue
        row.scored.append(Scored(item.weight, score.score))
        row.coached += [one for one in material.coachings if one.item_id == item.pk]
        if finding := findings.get(score.pk):
            row.findings.append(finding.pk)
            row.problems.append(finding.problem)
            row.is_open |= finding.state not in (Finding.State.ACCEPTED, Finding.State.WAIVED)
    order = list(category_names().values())
    return rows + sorted(by_category.values(), key=lambda row: order.index(row.name))


def _row_facts(row: Row) -> dict[str, Any]:
    score = mean_whole(row.scored)
    said = "；".join([*row.problems, *([f"带教：{words}"] if (words := coaching_words(row.coached)) else [])])
    return {
        "name": row.name, "score": score, "problem": said or ("本次未检查" if score is None else NONE),
        "findings": row.findings, "conclusion": FOLLOW_UP if row.is_open else RESOLVED,
    }  # fmt: skip


def coaching_words(coachings: Iterable[Coaching]) -> str:
    """Return 销售话术1人（导购1）；货品熟练度1人（导购3）: a person once a topic."""
    people: dict[str, list[str]] = defaultdict(list)
    for one in coachings:
        if one.guide.name not in people[one.topic]:
            people[one.topic].append(one.guide.name)
    names = topic_names()
    return "；".join(
        f"{names[topic]}{len(people[topic])}人（{'、'.join(people[topic])}）" for topic in names if topic in people
    )


def _problem(finding: Finding, material: Material) -> dict[str, Any]:
    score = next((one for one in material.scores if one.pk == finding.item_score_id), None)
    return {
        "finding": finding.pk, "item": finding.item.name, "category": category_names()[finding.item.category],
        "department": finding.item.department, "score": finding.score, "problem": finding.problem,
        "action": _action(score, material), "owner": finding.owner.name if finding.owner else "",
        "deadline": clock.local_day(finding.deadline_at).isoformat(), "solved": finding.is_solved_on_spot,
        "red_line": finding.is_red_line,
        "conclusion": RESOLVED if finding.state in (Finding.State.ACCEPTED, Finding.State.WAIVED) else FOLLOW_UP,
    }  # fmt: skip


def _action(score: ItemScore | None, material: Material) -> str:
    """Return what is to be done: the patroller's note, and who was taught."""
    if score is None:
        return ""
    words = coaching_words(one for one in material.coachings if one.item_id == score.item_id)
    return "；".join(part for part in (score.note, f"带教：{words}" if words else "") if part)


def _is_of(one: Coaching, department: str) -> bool:
    return not department or one.item is not None and one.item.department == department


def _scored(scores: Iterable[ItemScore]) -> list[Scored]:
    return [Scored(one.item.weight, one.score) for one in scores]
