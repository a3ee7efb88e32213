"""The list of tasks for programs: one statement, rendered by PostgreSQL, paged by cursor (performance.md §3.6)."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.core.exceptions import EmptyResultSet

from tasks.cadences import moments
from tasks.followups.models import TaskQuerySet
from tasks.scripts.words import NODE_LABELS, kind_names
from yejibao.core import clock, reading, words
from yejibao.core.errors import Malformed

PAGE = 20


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page as JSON text; `next_cursor` is None on the last one."""

    results: str
    next_cursor: str | None
    as_of: datetime


# Ascending in every part, so that one row comparison finds what follows. Sections as on 今日 (words.urgency).
_KEY = f"""CASE WHEN t.due_at < %s THEN 1
    WHEN {moments.local_date("t.due_at - interval '1 second'")} = %s THEN 2 ELSE 3 END,
    t.priority, t.tier_rank, t.due_at, -coalesce(nullif(substr(m.member_level, 2), ''), '0')::int, t.id"""

_BODY = """json_build_object(
    'id', t.id, 'type', t.task_type, 'node', t.node, 'label', coalesce(%s::jsonb ->> t.node, %s::jsonb ->> t.task_type, ''),
    'state', t.state, 'section', (ARRAY['now', 'today', 'week'])[k.section], 'is_overdue', t.state = 'open' AND t.due_at < %s,
    'priority', t.priority, 'channel', t.channel, 'open_at', t.open_at, 'due_at', t.due_at, 'expire_at', t.expire_at,
    'done_at', t.done_at, 'hidden_until', t.hidden_until, 'outcome', t.outcome, 'evidence_level', t.evidence_level,
    'why', t.why,
    'member', json_build_object('id', m.public_id, 'name', m.name, 'called', coalesce(nullif(m.salutation, ''),
        left(m.name, 1) || CASE m.gender WHEN 'f' THEN '女士' ELSE '先生' END), 'tier', m.tier_631, 'level', m.member_level),
    'assignee', json_build_object('id', s.id, 'name', s.name))"""


def list_tasks(scope: TaskQuerySet, *, now: datetime, cursor: str = "", size: int = PAGE) -> TaskPage:
    """Return a page of the tasks in `scope` (already narrowed to what the actor may see), in the order of 今日.

    The sections stand as they were when the first page was read. Raises Malformed for a cursor that is none of ours.
    """
    as_of, after = _decode(cursor) if cursor else (now, None)
    try:
        ids, params = scope.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return TaskPage("[]", None, as_of)
    soon, today = as_of + words.SOON, clock.local_day(as_of)
    follows = (
        "WHERE (k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id) > (%s, %s, %s, %s, %s, %s)"
        if after
        else ""
    )
    sql = f"""
        WITH page AS (
            SELECT {_BODY} AS body, jsonb_build_array(k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id) AS key,
                row_number() OVER (ORDER BY k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id) AS place
            FROM tasks_task t
            JOIN crm_member m ON m.id = t.member_id
            JOIN guides_staff s ON s.id = t.assignee_id
            CROSS JOIN LATERAL (SELECT {_KEY}) k(section, priority, tier_rank, due_at, level, id)
            {follows}{" AND" if after else "WHERE"} t.id IN ({ids})
            ORDER BY k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id LIMIT %s
        )
        SELECT coalesce(json_agg(body ORDER BY place) FILTER (WHERE place <= %s), '[]')::text,
            (array_agg(key ORDER BY place))[%s], count(*) FROM page
    """
    with reading.cursor() as db:
        db.execute(sql, [*_labels(), as_of, soon, today, *(after or ()), *params, size + 1, size, size])
        results, last, found = db.fetchone()
    key = json.loads(last) if isinstance(last, str) else last
    return TaskPage(results, _encode(as_of, key) if found > size else None, as_of)


@cache
def _labels() -> tuple[str, str]:
    """Return the names of steps and of kinds as JSON."""
    return json.dumps(NODE_LABELS), json.dumps(kind_names())


def _encode(as_of: datetime, key: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([as_of.isoformat(), *key]).encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, tuple[Any, ...]]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        as_of, section, priority, tier_rank, due_at, level, pk = json.loads(text)
        numbers = [section, priority, tier_rank, level, pk]
        if not all(type(number) is int and abs(number) < 2**62 for number in numbers):
            raise ValueError(cursor)
        moment = datetime.fromisoformat(as_of)
        due = datetime.fromisoformat(due_at)
        if moment.tzinfo is None or due.tzinfo is None or abs(moment - clock.now()) > timedelta(days=366):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error) as error:
        raise Malformed("cursor 不对，请从第一页重新取") from error
    return moment, (section, priority, tier_rank, due, level, pk)
