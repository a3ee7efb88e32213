"""The list of tasks for programs: one statement, rendered by PostgreSQL, paged by cursor (performance.md §3.6)."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from tasks.cadences import moments
from tasks.followups.models import Task
from tasks.scripts.words import NODE_LABELS, kind_names
from yejibao.core import clock, reading, words
from yejibao.core.errors import Malformed
from yejibao.core.scope import Actor

from ..scoped import visible_ids

PAGE = 20


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page as JSON text; `next_cursor` is None on the last one."""

    results: str
    next_cursor: str | None
    as_of: datetime


# Ascending in every part, so that one row comparison finds what follows. Sections as on 今日 (words.urgency).
_KEY = f"""CASE WHEN t.due_at < %(soon)s THEN 1
    WHEN {moments.local_date("t.due_at - interval '1 second'")} = %(today)s THEN 2 ELSE 3 END,
    t.priority, t.tier_rank, t.due_at, -coalesce(nullif(substr(m.member_level, 2), ''), '0')::int, t.id"""

_BODY = """json_build_object(
    'id', t.id, 'type', t.task_type, 'node', t.node,
    'label', coalesce(%(nodes)s::jsonb ->> t.node, %(kinds)s::jsonb ->> t.task_type, ''),
    'state', t.state, 'section', (ARRAY['now', 'today', 'week'])[k.section], 'is_overdue', t.state = 'open' AND t.due_at < %(as_of)s,
    'priority', t.priority, 'channel', t.channel, 'open_at', t.open_at, 'due_at', t.due_at, 'expire_at', t.expire_at,
    'done_at', t.done_at, 'hidden_until', t.hidden_until, 'outcome', t.outcome, 'evidence_level', t.evidence_level,
    'why', t.why,
    'member', json_build_object('id', m.public_id, 'name', m.name, 'called', coalesce(nullif(m.salutation, ''),
        left(m.name, 1) || CASE m.gender WHEN 'f' THEN '女士' ELSE '先生' END), 'tier', m.tier_631, 'level', m.member_level),
    'assignee', (SELECT json_build_object('id', s.id, 'name', s.name) FROM guides_staff s WHERE s.id = t.assignee_id))"""

# What stands on a list now (TaskQuerySet.listed), or all of another state. The state is no parameter: with one, PostgreSQL
# cannot tell how few rows are open and plans the statement anew for each guide.
_LISTED = "t.held_at IS NULL AND (t.hidden_until IS NULL OR t.hidden_until <= %(now)s)"


def list_tasks(
    actor: Actor, *, now: datetime, state: Task.State = Task.State.OPEN, kind: str = "", is_own: bool = False,
    cursor: str = "", size: int = PAGE,
) -> TaskPage:  # fmt: skip
    """Return a page of the tasks the actor may see, in the order of 今日; `is_own`: only those assigned to him.

    The sections stand as they were when the first page was read. Raises Malformed for a cursor that is none of ours.
    """
    as_of, after = _decode(cursor) if cursor else (now, ())
    visible = visible_ids(actor)
    if visible is None:
        return TaskPage("[]", None, as_of)
    ids, facts = reading.named(*visible, "scope")
    facts |= {"now": now, "as_of": as_of, "soon": as_of + words.SOON, "today": clock.local_day(as_of), "size": size}
    facts |= {f"after{place}": value for place, value in enumerate(after)}
    facts |= {"nodes": _labels()[0], "kinds": _labels()[1], "kind": kind, "me": actor.staff_id}
    follows = ", ".join(f"%(after{place})s" for place in range(len(after)))
    conditions = [
        f"t.id IN ({ids})", f"t.state = '{Task.State(state).value}'", _LISTED if state == Task.State.OPEN else "",
        "t.task_type = %(kind)s" if kind else "", "t.assignee_id = %(me)s::bigint" if is_own else "",
        f"(k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id) > ({follows})" if after else "",
    ]  # fmt: skip
    sql = f"""
        WITH page AS (
            SELECT {_BODY} AS body, jsonb_build_array(k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id) AS key,
                row_number() OVER (ORDER BY k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id) AS place
            FROM tasks_task t
            JOIN crm_member m ON m.id = t.member_id
            CROSS JOIN LATERAL (SELECT {_KEY}) k(section, priority, tier_rank, due_at, level, id)
            WHERE {" AND ".join(filter(None, conditions))}
            ORDER BY k.section, k.priority, k.tier_rank, k.due_at, k.level, k.id LIMIT %(size)s + 1
        )
        SELECT coalesce(json_agg(body ORDER BY place) FILTER (WHERE place <= %(size)s), '[]')::text,
            (array_agg(key ORDER BY place))[%(size)s], count(*) FROM page
    """
    with reading.cursor() as db:
        db.execute(sql, facts)
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
