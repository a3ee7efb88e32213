"""Keeping the figures: marked where something changes, counted by a job, set-based, from the rows themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from yejibao.core import clock

from .models import FiguresDue
from .months import TZ, first_of, next_month

AT_ONCE = 500  # stores' months in one transaction
Month = tuple[date, int]  # its first day, the store


def mark_due(changed: Iterable[tuple[datetime | date, int]]) -> None:
    """Note that something changed in the months of these (moment, store); call in the transaction of the change."""
    rows = {(first_of(moment), store) for moment, store in changed}
    FiguresDue.objects.bulk_create(FiguresDue(month=month, store_id=store) for month, store in sorted(rows))


def count_due(*, seconds: float = 50.0) -> dict[str, int]:
    """Count what was marked, oldest mark first, until nothing is left or time is up."""
    counted, ends = 0, clock.monotonic() + seconds
    while clock.monotonic() < ends:
        with transaction.atomic():
            marks = list(FiguresDue.objects.order_by("pk").values_list("pk", "month", "store_id")[: AT_ONCE * 4])
            wanted = sorted({(month, store) for _, month, store in marks})[:AT_ONCE]
            chosen = set(wanted)
            # The marks go before the rows are read: what changes meanwhile leaves a mark of its own.
            FiguresDue.objects.filter(pk__in=[pk for pk, *row in marks if tuple(row) in chosen]).delete()
            count_months(wanted)
        counted += len(wanted)
        if not wanted:
            break
    return {"counted": counted}


def count_again(*, now: datetime, months: int = 2) -> dict[str, int]:
    """Count the last months of all stores anew: the nightly proof that no mark was lost."""
    month, total = first_of(now), 0
    for _ in range(months):
        ends = next_month(month)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT DISTINCT store_id FROM guides_visit WHERE state = 'submitted'
                    AND submitted_at >= %(month)s::timestamp AT TIME ZONE {TZ} AND submitted_at < %(ends)s::timestamp AT TIME ZONE {TZ}
                UNION SELECT store_id FROM guides_finding
                WHERE deadline_at >= %(month)s::timestamp AT TIME ZONE {TZ} AND deadline_at < %(ends)s::timestamp AT TIME ZONE {TZ}
                   OR opened_at >= %(month)s::timestamp AT TIME ZONE {TZ} AND opened_at < %(ends)s::timestamp AT TIME ZONE {TZ}""",
                {"month": month, "ends": ends},
            )
            stores = sorted(row[0] for row in cursor.fetchall())
        for first in range(0, len(stores), AT_ONCE):
            with transaction.atomic():
                count_months([(month, store) for store in stores[first : first + AT_ONCE]])
        total += len(stores)
        month = first_of(month - timedelta(days=1))
    return {"counted": total}


def count_months(wanted: Sequence[Month]) -> None:
    """Count stores' months and keep the rows. Two statements for any number."""
    if not wanted:
        return
    facts: dict[str, Any] = {"months": [month for month, _ in wanted], "stores": [store for _, store in wanted]}
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS, facts)
        cursor.execute(_ITEMS, facts)


_WANTED = f"""
WITH wanted AS (
    SELECT month, store_id, month::timestamp AT TIME ZONE {TZ} AS starts,
        (month + interval '1 month')::timestamp AT TIME ZONE {TZ} AS ends
    FROM unnest(%(months)s::date[], %(stores)s::bigint[]) AS w(month, store_id)
), visits AS MATERIALIZED (
    SELECT w.month, v.id, v.store_id, v.kind, v.score_tenths, v.submitted_at
    FROM wanted w JOIN guides_visit v ON v.store_id = w.store_id AND v.state = 'submitted'
        AND v.submitted_at >= w.starts AND v.submitted_at < w.ends
)"""

_MONTHS = f"""{_WANTED}
INSERT INTO guides_patrolmonth (month, store_id, visit_count, self_count, last_tenths, finding_count, solved_count, accepted_count,
    due_count, on_time_count, coached_count)
SELECT w.month, w.store_id, coalesce(v.visits, 0), coalesce(v.selves, 0), v.last_tenths, coalesce(f.found, 0),
    coalesce(f.solved, 0), coalesce(f.accepted, 0), coalesce(d.due, 0), coalesce(d.on_time, 0), coalesce(c.coached, 0)
FROM wanted w
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE kind <> 'self') AS visits, count(*) FILTER (WHERE kind = 'self') AS selves,
        (array_agg(score_tenths ORDER BY submitted_at DESC, id DESC) FILTER (WHERE kind <> 'self'))[1] AS last_tenths
    FROM visits WHERE month = w.month AND store_id = w.store_id
) v ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS found, count(*) FILTER (WHERE f.is_solved_on_spot) AS solved,
        count(*) FILTER (WHERE f.state = 'accepted' AND NOT f.is_solved_on_spot) AS accepted
    FROM guides_finding f JOIN guides_visit v ON v.id = f.visit_id AND v.kind <> 'self'
    WHERE f.store_id = w.store_id AND f.opened_at >= w.starts AND f.opened_at < w.ends AND f.state <> 'waived'
) f ON true
LEFT JOIN LATERAL (   -- models.yaml rectify_on_time_rate
    SELECT count(*) AS due, count(*) FILTER (WHERE r.is_on_time) AS on_time
    FROM guides_finding f JOIN guides_visit v ON v.id = f.visit_id AND v.kind <> 'self'
    JOIN guides_rectification r ON r.finding_id = f.id
    WHERE f.store_id = w.store_id AND f.deadline_at >= w.starts AND f.deadline_at < w.ends AND f.state <> 'waived'
) d ON true
LEFT JOIN LATERAL (
    SELECT count(DISTINCT (c.visit_id, c.guide_id, c.topic)) AS coached
    FROM visits v JOIN guides_coaching c ON c.visit_id = v.id AND c.removed_at IS NULL
    WHERE v.month = w.month AND v.store_id = w.store_id AND v.kind <> 'self'
) c ON true
ON CONFLICT (month, store_id) DO UPDATE SET visit_count = excluded.visit_count, self_count = excluded.self_count,
    last_tenths = excluded.last_tenths, finding_count = excluded.finding_count, solved_count = excluded.solved_count,
    accepted_count = excluded.accepted_count, due_count = excluded.due_count, on_time_count = excluded.on_time_count,
    coached_count = excluded.coached_count
"""

_ITEMS = f"""{_WANTED}
INSERT INTO guides_patrolitemmonth (month, store_id, item_key, category, department, weight_sum, score_sum, scored_count,
    problem_count, open_count, due_count, on_time_count)
SELECT month, store_id, key, min(category), min(department), sum(weight), sum(score), sum(scored), sum(problems), sum(open),
    sum(due), sum(on_time)
FROM (
    SELECT v.month, v.store_id, i.key, i.category, i.department, i.weight AS weight, i.weight * s.score AS score, 1 AS scored,
        (f.id IS NOT NULL)::int AS problems, coalesce(f.state <> 'accepted', false)::int AS open, 0 AS due, 0 AS on_time
    FROM visits v JOIN guides_itemscore s ON s.visit_id = v.id AND s.score IS NOT NULL
    JOIN guides_checklistitem i ON i.id = s.item_id
    LEFT JOIN guides_finding f ON f.item_score_id = s.id AND f.state <> 'waived'
    WHERE v.kind <> 'self'
    UNION ALL
    SELECT w.month, w.store_id, i.key, i.category, i.department, 0, 0, 0, 0, 0, 1, coalesce(r.is_on_time, false)::int
    FROM wanted w JOIN guides_finding f ON f.store_id = w.store_id AND f.deadline_at >= w.starts AND f.deadline_at < w.ends
        AND f.state <> 'waived'
    JOIN guides_visit v ON v.id = f.visit_id AND v.kind <> 'self'
    JOIN guides_rectification r ON r.finding_id = f.id
    JOIN guides_checklistitem i ON i.id = f.item_id
) parts
GROUP BY month, store_id, key ORDER BY month, store_id, key
ON CONFLICT (month, store_id, item_key) DO UPDATE SET category = excluded.category, department = excluded.department,
    weight_sum = excluded.weight_sum, score_sum = excluded.score_sum, scored_count = excluded.scored_count,
    problem_count = excluded.problem_count, open_count = excluded.open_count, due_count = excluded.due_count,
    on_time_count = excluded.on_time_count
"""
