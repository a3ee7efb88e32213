"""到店确认: a member asked for a time himself, and one person's list holds it until somebody has answered. Set-based.

It opens with his asking, falls due when the store's manager is told that nobody answered (crm/visits/rules.py: CONFIRM_WITHIN),
and runs out when he meant to come. The answer is given on the visit's own page: yes, another time, or why not. Words in a chat
do not end it, and it needs no way to reach him: his own page shows the answer. Whoever has the visit in hand was told of it
below (crm/visits/telling.py); the task stands on the list without a push.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from crm.members.models import OwnershipTransfer
from crm.visits.models import Kind
from crm.visits.rules import CONFIRM_WITHIN
from tasks.cadences import moments
from yejibao.core import clock

from ..people import away, friends, manager, staffed
from .creating import INSERT, TIER, task_type
from .finishing import finish

CONFIRM = "visit_confirm"
ANSWERED = "visit_answered"
ANSWERED_LEVEL = 2  # the visit holds what was said, when and by whom
_ON_CONFLICT = "ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING"

# His last word: each time he chooses is a promise of its own, with a clock of its own.
_ASKED = """CROSS JOIN LATERAL (SELECT max(s.id) AS id FROM crm_visitstep s
    WHERE s.visit_id = v.id AND s.state = 'asked' AND s.is_member) said"""
# When the manager hears of it: two hours after he asked or before he comes, as soon as the store is open.
_DUE = f"""CROSS JOIN LATERAL (SELECT greatest(v.invited_at, least(v.invited_at + %(within)s, v.starts_at - %(within)s)) AS at) late
    CROSS JOIN LATERAL (SELECT least(v.starts_at, CASE
        WHEN {moments.local_time("late.at")} < place.opens_at THEN {moments.at(moments.local_date("late.at"), "place.opens_at")}
        WHEN {moments.local_time("late.at")} >= place.closes_at
            THEN {moments.at(f"{moments.local_date('late.at')} + 1", "place.opens_at")}
        ELSE late.at END) AS at) due"""


def _works(person: str) -> str:
    return f"{person}.state = 'active' AND NOT {away(f'{person}.id', moments.local_date('due.at'))}"


# His guide; on a day she is off her backup of that store, her manager; who has no guide is the manager's of the store he
# comes to. The same people as `stand_ins` (guides/attendance/calendar.py), who are told.
_WHO = f"""
    JOIN guides_store place ON place.id = v.store_id {_DUE}
    LEFT JOIN guides_staff hers ON hers.id = v.guide_id
    LEFT JOIN guides_store home ON home.id = hers.store_id
    CROSS JOIN LATERAL (SELECT c.id, c.store_id FROM (VALUES (1, hers.id), (2, hers.backup_guide_id), (3, {manager("home.unit_id")}),
            (4, {manager("place.unit_id")}), (5, hers.id)) AS can(rank, id) JOIN guides_staff c ON c.id = can.id
        WHERE CASE can.rank WHEN 1 THEN {_works("c")} WHEN 2 THEN {_works("c")} AND c.store_id = hers.store_id
                            ELSE {staffed("c")} END ORDER BY can.rank LIMIT 1) who
    JOIN guides_store hours ON hours.id = coalesce(who.store_id, v.store_id)
    CROSS JOIN LATERAL (SELECT CASE WHEN {friends("v.member_id", "who.id")} THEN 'wecom_message' ELSE 'manual_call' END AS channel) way
"""


@transaction.atomic
def follow_wishes(visit_ids: Sequence[int], *, now: datetime) -> None:
    """Open, finish and take back the tasks of these visits as they stand now; twice is like once."""
    ids = sorted(set(visit_ids))
    _end(ids, now=now)
    _open(ids, now=now)


def _end(ids: Sequence[int], *, now: datetime) -> None:
    """Answered by one of us: done by whoever answered. Anything else, and the time he chose instead, ends what was asked."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT t.id, v.id, answer.by_id FROM crm_visit v {_ASKED}
            JOIN tasks_task t ON t.member_id = v.member_id AND t.task_type = %(kind)s AND t.state = 'open'
                AND (t.context->>'visit')::bigint = v.id
            LEFT JOIN LATERAL (SELECT s.by_id FROM crm_visitstep s WHERE s.visit_id = v.id AND s.id > said.id AND s.by_id IS NOT NULL
                               ORDER BY s.id LIMIT 1) answer ON v.state <> 'asked' AND (t.context->>'step')::bigint = said.id
            WHERE v.id = ANY(%(ids)s) AND (v.state <> 'asked' OR (t.context->>'step')::bigint <> said.id) ORDER BY t.id
            """,
            {"ids": list(ids), "kind": CONFIRM},
        )
        ended = cursor.fetchall()
        taken_back = [task for task, _visit, by in ended if by is None]
        cursor.execute(
            """
            UPDATE tasks_task SET state = 'cancelled', closed_reason = 'visit_settled', closed_at = %(now)s, tell_at = NULL,
                held_at = NULL, held_reason = NULL WHERE id = ANY(%(ids)s) AND state = 'open'
            """,
            {"ids": taken_back, "now": now},
        )
    for task, visit, by in ended:  # a handful: those of one batch of events
        if by is not None:
            finish([task], kind=ANSWERED, level=ANSWERED_LEVEL, now=now, by=by, is_auto=True, reached=False,
                   payload={"visit": visit})  # fmt: skip


def _open(ids: Sequence[int], *, now: datetime) -> None:
    kind = task_type(CONFIRM)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':' || said.id, m.id, who.id, m.owner_guide_id, hours.id, NULL, 'open', 'service',
                way.channel, %(priority)s, {TIER}, v.invited_at, due.at, v.starts_at,
                '想' || to_char(v.starts_at AT TIME ZONE 'Asia/Shanghai', 'FMMM月FMDD日 HH24:MI') || '来'
                    || coalesce(nullif(place.short_name, ''), place.name) || '（' || (%(kinds)s::jsonb->>v.kind) || '），等你回一声',
                jsonb_build_object('visit', v.id, 'step', said.id), %(evidence)s, NULL, '', '', '', '', NULL, %(now)s
            FROM crm_visit v JOIN crm_member m ON m.id = v.member_id {_ASKED} {_WHO}
            WHERE v.id = ANY(%(ids)s) AND v.state = 'asked' AND v.starts_at > %(now)s AND m.status = 'active'
            {_ON_CONFLICT}
            """,
            _values(now) | {"ids": list(ids), "kind": CONFIRM, "priority": kind["priority"], "evidence": kind["evidence_any_of"],
                            "kinds": json.dumps({one.value: str(one.label) for one in Kind}, ensure_ascii=False)},
        )  # fmt: skip


def _values(now: datetime) -> dict[str, Any]:
    return {"now": now, "today": clock.local_day(now), "within": CONFIRM_WITHIN}


@transaction.atomic
def place_wishes(staff_ids: Sequence[int], *, now: datetime) -> int:
    """Give what members wait for to whoever answers now that these people are away, back or gone, or have heirs.

    Nothing is held for an introduction: he waits for a word today. What a manager gave to somebody else by hand stays there
    as long as that person does. Each a recorded act. Returns how many.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wish AS (
                SELECT v.id FROM crm_visit v WHERE v.guide_id = ANY(%(people)s) AND v.state = 'asked'
                UNION SELECT (t.context->>'visit')::bigint FROM tasks_task t
                WHERE t.assignee_id = ANY(%(people)s) AND t.state = 'open' AND t.task_type = %(kind)s
            ), hit AS (
                SELECT t.id, t.assignee_id AS old, who.id AS new, hours.id AS store_id, way.channel
                FROM wish JOIN crm_visit v ON v.id = wish.id {_WHO}
                JOIN tasks_task t ON t.member_id = v.member_id AND t.task_type = %(kind)s AND t.state = 'open'
                    AND (t.context->>'visit')::bigint = v.id
                WHERE (who.id <> t.assignee_id OR t.held_at IS NOT NULL) AND (t.assignee_id = ANY(%(people)s)
                    OR NOT EXISTS (SELECT 1 FROM tasks_taskmove mv WHERE mv.task_id = t.id AND mv.reason = 'reassign'))
                ORDER BY t.id FOR UPDATE OF t
            ), given AS (
                UPDATE tasks_task t SET assignee_id = h.new, store_id = h.store_id, channel = h.channel, tell_at = %(now)s,
                    held_at = NULL, held_reason = NULL FROM hit h WHERE t.id = h.id RETURNING t.id, h.old, h.new
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, at)
            SELECT id, 'backup', '', old, new, %(now)s FROM given WHERE old <> new
            """,
            _values(now) | {"people": sorted(set(staff_ids)), "kind": CONFIRM},
        )
        return cursor.rowcount


def place_handed(handover_id: int, *, now: datetime) -> int:
    """Give the wishes of the members of a handover to whoever has them now. After crm has handed their visits over."""
    handed = (
        OwnershipTransfer.objects.filter(handover=handover_id).values_list("from_guide_id", "to_guide_id").distinct()
    )
    return place_wishes([pk for pair in handed for pk in pair if pk], now=now)
