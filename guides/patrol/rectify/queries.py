"""Reads of rectification: what waits for whom, one finding with its story, an item's history in a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from yejibao.core import clock, files
from yejibao.core.errors import NotFound
from yejibao.core.paging import page
from yejibao.core.scope import Actor

from ..models import Finding, PatrolPhoto
from ..scoring import PROBLEM_AT
from .models import PHOTOS, FindingStep, Rectification
from .people import CHECK_WITHIN, may_check, may_lead

PAGE = 20
State = Finding.State
OPEN = (State.PENDING, State.REJECTED)
LISTS = {
    "mine": "我来改", "check": "待我复查", "open": "待整改", "late": "已逾期", "submitted": "待复查", "done": "已解决",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One rectification in a list."""

    row: Rectification
    label: str
    tone: str
    photo: str

    @property
    def finding(self) -> Finding:
        return self.row.finding


@dataclass(frozen=True)
class Step:
    """One thing that happened, with its photos."""

    step: FindingStep
    photos: list[files.StoredFile]

    @property
    def tone(self) -> str:
        kind = FindingStep.Kind
        return {kind.ACCEPTED: "ok", kind.REJECTED: "now", kind.LATE: "now", kind.SUBMITTED: "info"}.get(
            FindingStep.Kind(self.step.kind), ""
        )


@dataclass(frozen=True)
class Seen:
    """How an item did at one patrol of a store."""

    visit_id: int
    at: datetime
    score: int | None
    problem: str
    state: str  # of its finding, "" without one


@dataclass(frozen=True)
class Story:
    """A finding as its page shows it."""

    row: Rectification
    label: str
    tone: str
    before: list[UUID]
    steps: list[Step]
    history: list[Seen]
    can_check: bool
    can_lead: bool
    is_mine: bool

    @property
    def finding(self) -> Finding:
        return self.row.finding

    @property
    def is_open(self) -> bool:
        return self.finding.state in OPEN

    @property
    def after(self) -> list[files.StoredFile]:
        """The photos that were handed in last."""
        done = [one for one in self.steps if one.step.kind == FindingStep.Kind.SUBMITTED]
        return done[-1].photos if done else []


def label_of(finding: Finding, *, waits: bool, now: datetime) -> tuple[str, str]:
    """Return the state in a word, with its tone: 已逾期 is derived (rectification.states)."""
    if finding.state in OPEN and waits:
        return "等总部处理", "blue"
    if finding.state in OPEN and finding.deadline_at < now:
        return "已逾期", "red"
    tones = {State.PENDING: "amber", State.REJECTED: "red", State.SUBMITTED: "blue", State.ACCEPTED: "green"}
    return str(finding.get_state_display()), tones.get(State(finding.state), "")


def list_filter(key: str, actor: Actor, *, now: datetime) -> Q:
    """Return the condition of one of LISTS."""
    match key:
        case "mine":
            return Q(finding__owner_id=actor.staff_id or 0, finding__state__in=OPEN)
        case "check":
            return Q(checker_id=actor.staff_id or 0, finding__state=State.SUBMITTED)
        case "late":
            return Q(finding__state__in=OPEN, finding__deadline_at__lt=now, waits_since=None)
        case "submitted":
            return Q(finding__state=State.SUBMITTED)
        case "done":
            return Q(finding__state__in=(State.ACCEPTED, State.WAIVED))
    return Q(finding__state__in=OPEN)


def page_of_findings(
    actor: Actor, *, key: str, now: datetime, store_id: int | None = None, visit_id: int | None = None, before: str = ""
) -> tuple[list[Line], str]:
    """Return a page: what is open by its deadline, the nearest first; what is over the newest first. Two statements."""
    found = Rectification.objects.visible_to(actor).filter(list_filter(key, actor, now=now))
    found = found.filter(finding__store_id=store_id) if store_id else found
    found = found.filter(finding__visit_id=visit_id) if visit_id else found
    is_over, at = key == "done", "finding__closed_at" if key == "done" else "finding__deadline_at"
    rows, more = page(found.with_finding(), at, before=before, size=PAGE, is_rising=not is_over)
    photos = _first_photos(rows)
    lines = []
    for row in rows:
        label, tone = label_of(row.finding, waits=row.waits_since is not None, now=now)
        lines.append(Line(row, label, tone, photos.get((row.finding.visit_id, row.finding.item_id), "")))
    return lines, more


def counts_of(actor: Actor, *, now: datetime) -> dict[str, int]:
    """Return how many stand in each list that is not over. One statement."""
    keys = ("mine", "check", "open", "late", "submitted")
    seen = Rectification.objects.visible_to(actor)
    parts = [seen.filter(list_filter(key, actor, now=now)).order_by().values("pk")[:100] for key in keys]
    return {key: part.count() for key, part in zip(keys, parts, strict=True)}


def _first_photos(rows: list[Rectification]) -> dict[tuple[int, int], str]:
    visits, items = {row.finding.visit_id for row in rows}, {row.finding.item_id for row in rows}
    shown = PatrolPhoto.objects.filter(visit_id__in=visits, item_id__in=items, removed_at=None, purpose="item")
    found: dict[tuple[int, int], str] = {}
    for visit, item, name in shown.order_by("pk").values_list("visit_id", "item_id", "client_id"):
        found.setdefault((visit, item or 0), f"/files/{name}/?small=1")
    return found


# ---------------------------------------------------------------- one finding


def open_rectification(actor: Actor, finding_id: int) -> Rectification:
    """Return a rectification in sight. Raises NotFound."""
    found = Rectification.objects.visible_to(actor).with_finding().filter(pk=finding_id).first()
    if found is None:
        raise NotFound()
    return found


def read_story(actor: Actor, row: Rectification, *, now: datetime) -> Story:
    """Return what the page of a finding shows."""
    finding = row.finding
    steps = list(FindingStep.objects.filter(finding=finding).select_related("by").order_by("pk"))
    photos = files.of(PHOTOS, [one.pk for one in steps])
    shown = PatrolPhoto.objects.filter(
        visit_id=finding.visit_id, item_id=finding.item_id, removed_at=None, purpose="item"
    )
    label, tone = label_of(finding, waits=row.waits_since is not None, now=now)
    return Story(
        row=row, label=label, tone=tone, before=list(shown.order_by("pk").values_list("client_id", flat=True)),
        steps=[Step(one, photos.get(one.pk, [])) for one in steps],
        history=item_history(finding.store_id, finding.item.key),
        can_check=finding.state == State.SUBMITTED and may_check(row, actor, now=now),
        can_lead=finding.state in OPEN and may_lead(finding, actor), is_mine=finding.owner_id == actor.staff_id,
    )  # fmt: skip


def waits_too_long(row: Rectification, *, now: datetime) -> bool:
    return bool(row.submitted_at and row.submitted_at + CHECK_WITHIN <= now)


# ---------------------------------------------------------------- an item's history in a store


def item_history(store_id: int, item_key: str, *, most: int = 8) -> list[Seen]:
    """Return how an item did at the last patrols of a store, the newest first; self patrols are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT v.id, v.submitted_at, s.score, coalesce(f.problem, ''), coalesce(f.state, '')
            FROM guides_visit v JOIN guides_itemscore s ON s.visit_id = v.id
            JOIN guides_checklistitem i ON i.id = s.item_id AND i.key = %(item)s
            LEFT JOIN guides_finding f ON f.item_score_id = s.id
            WHERE v.store_id = %(store)s AND v.state = 'submitted' AND v.kind <> 'self'
            ORDER BY v.submitted_at DESC, v.id DESC LIMIT %(most)s
            """,
            {"store": store_id, "item": item_key, "most": most},
        )
        return [Seen(*row) for row in cursor.fetchall()]


def last_of_items(store_id: int, *, before: datetime | None = None, days: int = 400) -> dict[str, Seen]:
    """Return by item key how it did the last time it was scored in a store: what has changed since. One statement.

    For the page of a visit: a small hint beside each item (`hint_of`). `before`: seen from an older visit.
    """
    until = before or clock.now() + timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (i.key) i.key, v.id, v.submitted_at, s.score, coalesce(f.problem, ''), coalesce(f.state, '')
            FROM guides_visit v JOIN guides_itemscore s ON s.visit_id = v.id AND s.score IS NOT NULL
            JOIN guides_checklistitem i ON i.id = s.item_id
            LEFT JOIN guides_finding f ON f.item_score_id = s.id
            WHERE v.store_id = %(store)s AND v.state = 'submitted' AND v.kind <> 'self'
              AND v.submitted_at > %(since)s AND v.submitted_at < %(before)s
            ORDER BY i.key, v.submitted_at DESC, v.id DESC
            """,
            {"store": store_id, "before": until, "since": until - timedelta(days=days)},
        )
        return {key: Seen(*row) for key, *row in cursor.fetchall()}


def hint_of(seen: Seen | None, *, now: datetime) -> str:
    """Return one short line for an item: 上次 2 分，还没改好：橱窗缺配饰."""
    if seen is None or seen.score is None:
        return ""
    if seen.score > PROBLEM_AT or not seen.state:
        return f"上次 {seen.score} 分"
    became = {State.ACCEPTED: "已改好", State.WAIVED: "不用整改", State.SUBMITTED: "等复查"}.get(
        State(seen.state), "还没改好"
    )
    return f"上次 {seen.score} 分，{became}：{seen.problem[:40]}"


def open_of_store(store_ids: QuerySet[Any] | list[int], *, now: datetime) -> dict[str, int]:
    """Return how many findings of stores are open, late, and wait for a check. One statement."""
    with_state = Finding.objects.filter(store_id__in=store_ids, closed_at=None, rectification__isnull=False)
    rows = with_state.values_list("state", "deadline_at", "rectification__waits_since")
    found = {"open": 0, "late": 0, "submitted": 0}
    for state, deadline, waits in rows:
        if state == State.SUBMITTED:
            found["submitted"] += 1
        else:
            found["open"] += 1
            found["late"] += waits is None and deadline < now
    return found
