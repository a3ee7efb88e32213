"""Reads over visits: what a phone needs to know, what stands on the first page, who was where this month."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max, Q, QuerySet

from guides.org.models import Staff, Store
from yejibao.core import clock
from yejibao.core.scope import Actor

from .book import book
from .models import ChecklistItem, Coaching, ItemScore, PatrolPhoto, PlannedVisit, Synced, Visit
from .scoped import stores_of_own, stores_to_patrol

MIDNIGHT = time(0, 0)
# What a guide may look at in her own store (patrol_kinds.self.items).
GUIDE_CATEGORIES = ("hygiene", "display", "fitting", "cashier")


def items_of(visit: Visit) -> list[ChecklistItem]:
    """Return the items of a visit, in order: all, those of one department, or those a guide may score."""
    items = ChecklistItem.objects.filter(checklist_id=visit.checklist_id)
    if visit.department:
        items = items.filter(department=visit.department)
    if visit.kind == Visit.Kind.SELF and visit.role == "guide":
        items = items.filter(category__in=GUIDE_CATEGORIES)
    return list(items.order_by("seq"))


def people_of(store: Store) -> QuerySet[Staff]:
    """Return who works in a store and may be taught or given something to mend."""
    return Staff.objects.employed().filter(store=store).order_by("pk")


def value_of(row: Synced) -> dict[str, Any]:
    """Return what a phone keeps of a row that is synced: its revision, whose it is, and the value itself."""
    known: dict[str, Any] = {
        "rev": row.rev,
        "by": row.changed_by.name if row.changed_by else "",
        "by_id": row.changed_by_id,
        "at": row.changed_at.isoformat() if row.changed_at else None,
        "device": row.device,
    }
    if isinstance(row, ItemScore):
        known["value"] = {
            "score": row.score, "is_na": row.is_na, "na_reason": row.na_reason, "problem": row.problem, "note": row.note,
            "is_solved": row.is_solved, "owner": row.owner_id,
        }  # fmt: skip
    elif isinstance(row, Coaching):
        known["value"] = {
            "topic": row.topic, "minutes": row.minutes, "guide": row.guide_id, "note": row.note,
            "item": row.item.key if row.item else "", "needs_course": row.needs_course, "removed": row.removed_at is not None,
        }  # fmt: skip
    return known


def changes_since(visit: Visit, known: int) -> dict[str, Any]:
    """Return everything of a visit that is newer than a revision: by key for items, by the phone's own id for the rest."""
    scores = ItemScore.objects.filter(visit=visit, visit_rev__gt=known).select_related("item", "changed_by")
    taught = Coaching.objects.filter(visit=visit, visit_rev__gt=known).select_related("item", "changed_by")
    photos = PatrolPhoto.objects.filter(visit=visit, visit_rev__gt=known, purpose="item").select_related("item")
    return {
        "state": visit.state,
        "rev": visit.rev,
        "items": {row.item.key: value_of(row) for row in scores},
        "coachings": {str(row.client_id): value_of(row) for row in taught.order_by("pk")},
        "photos": [
            {
                "id": str(row.client_id), "item": row.item.key if row.item else "", "taken_at": row.taken_at.isoformat(),
                "flags": row.flags, "removed": row.removed_at is not None,
            }
            for row in photos.order_by("pk")
        ],
    }  # fmt: skip


def hints_of(item: ChecklistItem) -> list[str]:
    """Return the short words of what may be wrong, out of the texts of scores 3 and 1: taps instead of typing."""
    words = []
    for score in ("3", "1"):
        words += [part.strip() for part in re.split("[、，；]|或", item.standard.get(score, ""))]
    return [word for word in dict.fromkeys(words) if 2 <= len(word) <= 12][:6]


# ---------------------------------------------------------------- the proof of the kept scores

_SCORES = """
WITH sums AS (
    SELECT v.id, v.score_tenths, v.uncapped_tenths, sum(i.weight * s.score) AS total, sum(i.weight) AS weight,
        bool_or(i.is_red_line AND s.score = 1) AS is_red
    FROM guides_visit v
    JOIN guides_itemscore s ON s.visit_id = v.id AND NOT s.is_na AND s.score IS NOT NULL
    JOIN guides_checklistitem i ON i.id = s.item_id
    WHERE v.state = 'submitted' AND v.submitted_at >= %(since)s
    GROUP BY v.id
), counted AS (
    SELECT *, floor(total * 10.0 / weight + 0.5)::int AS tenths FROM sums
)
SELECT id FROM counted
WHERE uncapped_tenths <> tenths OR score_tenths <> CASE WHEN is_red THEN least(tenths, 34) ELSE tenths END
ORDER BY id
"""


def wrong_scores(since: Any) -> list[int]:
    """Return the visits handed in since then whose kept score is not what the database adds up itself."""
    with connection.cursor() as cursor:
        cursor.execute(_SCORES, {"since": since})
        return [pk for (pk,) in cursor.fetchall()]


# ---------------------------------------------------------------- plan and coverage


@dataclass
class Covered:
    """How one store stands in a month: who was there, who will be, since when nobody was."""

    store: Store
    limit_days: int
    last_on: date | None = None
    visits: list[Visit] = field(default_factory=list)
    planned: list[PlannedVisit] = field(default_factory=list)
    today: date = date.min

    @property
    def days_since(self) -> int | None:
        return (self.today - self.last_on).days if self.last_on else None

    @property
    def is_covered(self) -> bool:
        return bool(self.visits)

    @property
    def is_late(self) -> bool:
        """Nobody within the days its grade allows; a store nobody was ever in is late from the first day on."""
        since = self.days_since
        return since is None or since > self.limit_days

    @property
    def tone(self) -> str:
        return "green" if self.is_covered else "red" if self.is_late and not self.planned else "amber"


def limits() -> dict[str, int]:
    """Return after how many days a store of each grade wants a patrol (smart_reminders.low_frequency)."""
    return {"A": 30, "B": 30, "C": 45, "D": 60}


def month_of(day: date) -> tuple[date, date]:
    """Return the first day of a day's month and of the next."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def stores_in_plan(actor: Actor) -> QuerySet[Store]:
    """Return the stores somebody may plan for and patrol; of departments all, of others those in reach."""
    return Store.objects.filter(stores_to_patrol(actor), closed_on=None).select_related("unit").order_by("code")


def stores_for_self(actor: Actor) -> QuerySet[Store]:
    """Return the stores where somebody may do a self patrol."""
    return Store.objects.filter(stores_of_own(actor), closed_on=None).order_by("code")


def coverage(stores: list[Store], *, first: date, actor: Actor, today: date, department: str = "") -> list[Covered]:
    """Return how these stores stand in the month that begins on `first`; three statements for any number of stores.

    `department`: only visits that looked at its items count, its own and whole ones.
    """
    start, end = month_of(first)
    ids = [store.pk for store in stores]
    limit = limits()
    found = {store.pk: Covered(store, limit.get(store.grade, 60), today=today) for store in stores}
    counted = Visit.objects.counted().filter(store_id__in=ids)
    if department:
        counted = counted.filter(department__in=("", department))
    for pk, at in counted.values_list("store_id").annotate(last=Max("started_at")).order_by():
        found[pk].last_on = clock.local_day(at)
    since, until = clock.local_moment(start, MIDNIGHT), clock.local_moment(end, MIDNIGHT)
    for visit in (
        counted.filter(started_at__gte=since, started_at__lt=until).select_related("patroller").order_by("started_at")
    ):
        found[visit.store_id].visits.append(visit)
    planned = PlannedVisit.objects.visible_to(actor).filter(
        store_id__in=ids, day__gte=start, day__lt=end, dropped_at=None
    )
    for row in planned.select_related("patroller").order_by("day", "pk"):
        found[row.store_id].planned.append(row)
    return [found[pk] for pk in ids]


def plan_of_month(actor: Actor, *, first: date) -> dict[date, list[PlannedVisit]]:
    """Return one's own plan of a month by day, each row with who else means to be there that day (`others`)."""
    start, end = month_of(first)
    mine = list(
        PlannedVisit.objects.filter(patroller_id=actor.staff_id, day__gte=start, day__lt=end, dropped_at=None)
        .select_related("store")
        .order_by("day", "store__code")
    )
    others: dict[tuple[int, date], list[str]] = defaultdict(list)
    condition = Q()
    for row in mine:
        condition |= Q(store_id=row.store_id, day=row.day)
    if mine:
        same = PlannedVisit.objects.filter(condition, dropped_at=None).exclude(patroller_id=actor.staff_id)
        for row in same.select_related("patroller").order_by("pk"):
            others[row.store_id, row.day].append(
                row.patroller.name + (f"（{department_name(row.department)}）" if row.department else "")
            )
    done = set(
        Visit.objects.filter(planned__in=[row.pk for row in mine], state=Visit.State.SUBMITTED).values_list(
            "planned_id", flat=True
        )
    )
    days: dict[date, list[PlannedVisit]] = defaultdict(list)
    for row in mine:
        row.others = others[row.store_id, row.day]  # type: ignore[attr-defined]
        row.is_done = row.pk in done  # type: ignore[attr-defined]
        days[row.day].append(row)
    return dict(days)


def department_name(key: str) -> str:
    """Return 陈列部, or nothing for all items."""
    return str(book()["departments"].get(key, {}).get("name", key))


def category_names() -> dict[str, str]:
    return {row["key"]: row["name"] for row in book()["categories"]}


def topics_of(visit: Visit) -> dict[str, str]:
    """Return what may be taught on a visit, 销售话术 first: the database does not keep the order of the file."""
    held: dict[str, str] = visit.checklist.facts.get("coaching", {}).get("topics", {})
    order = list(book()["coaching"]["topics"])
    return dict(sorted(held.items(), key=lambda one: (order.index(one[0]) if one[0] in order else len(order), one[0])))
