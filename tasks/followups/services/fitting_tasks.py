"""What an appointment to be measured wants of his own guide: a reminder on the day, a word at each step, 可以来取. Set-based.

Kinds and times are those of task_types.yaml: visit_reminder, fitting_progress, pickup_reminder. Who serves him was told of it
in 消息 (crm/tailoring); the tasks stand on the list of his own guide, whose chat he knows, without a push.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from tasks.cadences import moments
from yejibao.core import clock

from .creating import ASSIGNEE, INSERT, TIER, task_type

REMINDER, PROGRESS, PICKUP = "visit_reminder", "fitting_progress", "pickup_reminder"
PICKUP_AGAIN = (0, 7, 15)  # days; task_types.yaml, "repeat at +7 and +15 days if not picked up"
REMINDS_EARLIEST = "time '10:00'"
_ON_CONFLICT = "ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING"
_TZ = "AT TIME ZONE 'Asia/Shanghai'"

# The last thing of which he is told, and the words that fit it: measures to confirm, in the making, later than promised.
_TOLD = """
    CROSS JOIN LATERAL (SELECT s.id, CASE WHEN s.kind = 'delayed' THEN 'delayed' WHEN s.state = 'measured' THEN 'confirm'
            ELSE 'making' END AS scene
        FROM crm_fittingstep s WHERE s.fitting_id = f.id AND s.is_shown AND (s.kind = 'delayed' OR s.kind = 'step' AND s.state = f.state)
        ORDER BY s.id DESC LIMIT 1) told
"""
# A word may go out now, or with the next opening.
_NEXT = f"""
    CROSS JOIN LATERAL (SELECT CASE
        WHEN {moments.local_time("%(now)s")} < hours.opens_at THEN {moments.at(moments.local_date("%(now)s"), "hours.opens_at")}
        WHEN {moments.local_time("%(now)s")} >= hours.closes_at THEN {moments.at(f"{moments.local_date('%(now)s')} + 1", "hours.opens_at")}
        ELSE %(now)s END AS open_at) next
    CROSS JOIN LATERAL (SELECT {moments.local_date("next.open_at")} AS day) on_day
"""
# `+2 h (quiet hours: next 10:30)`
_DUE = f"""least(next.open_at + CASE WHEN next.open_at > %(now)s THEN interval '1 hour' ELSE interval '2 hours' END,
    {moments.at("on_day.day", "hours.closes_at")})"""


@transaction.atomic
def follow_fittings(fitting_ids: Sequence[int], *, now: datetime) -> None:
    """Open and take back the tasks of these fittings as they stand now; twice is like once."""
    ids = sorted(set(fitting_ids))
    _take_back(ids, now=now)
    _remind(ids, now=now)
    _tell(ids, now=now)
    _remind_of_pickup(ids, now=now)


def _values(kind: str, ids: Sequence[int], now: datetime) -> dict[str, Any]:
    facts = task_type(kind)
    return {
        "ids": list(ids), "now": now, "today": clock.local_day(now), "kind": kind, "priority": facts["priority"],
        "evidence": facts["evidence_any_of"],
    }  # fmt: skip


def _take_back(ids: Sequence[int], *, now: datetime) -> None:
    """Nobody is reminded who comes at another time or not at all, nor told what is past, nor asked to fetch what he has."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH hit AS (
                SELECT t.id FROM crm_fitting f JOIN tasks_task t ON t.member_id = f.member_id AND t.state = 'open'
                    AND t.task_type = ANY(%(kinds)s) AND (t.context->>'fitting')::bigint = f.id
                WHERE f.id = ANY(%(ids)s) AND CASE t.task_type
                    WHEN %(reminder)s THEN f.state <> 'booked' OR (t.context->>'time')::int <> f.moved_count
                    WHEN %(pickup)s THEN f.state <> 'ready'
                    ELSE t.context->>'of' <> f.state OR EXISTS (SELECT 1 FROM crm_fittingstep s WHERE s.fitting_id = f.id
                        AND s.kind = 'delayed' AND s.id > (t.context->>'step')::bigint) END
                ORDER BY t.id FOR UPDATE OF t
            )
            UPDATE tasks_task t SET state = 'cancelled', closed_reason = 'fitting_went_on', closed_at = %(now)s, tell_at = NULL,
                held_at = NULL, held_reason = NULL FROM hit h WHERE t.id = h.id
            """,
            {
                "ids": list(ids),
                "now": now,
                "kinds": [REMINDER, PROGRESS, PICKUP],
                "reminder": REMINDER,
                "pickup": PICKUP,
            },
        )


def _remind(ids: Sequence[int], *, now: datetime) -> None:
    """On the day at opening, due two hours before (10:00 at the earliest), gone when he should be there."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':fitting:' || f.id || ':' || f.moved_count, m.id, who.id, m.owner_guide_id, hours.id, NULL,
                'open', 'service', way.channel, %(priority)s, {TIER}, greatest(first.at, %(now)s),
                least(greatest(first.due_at, %(now)s), f.starts_at), f.starts_at,
                '约了 ' || to_char(f.starts_at {_TZ}, 'HH24:MI') || ' 来量体，提醒一句',
                jsonb_build_object('fitting', f.id, 'time', f.moved_count, 'scene', 'any', 'facts', jsonb_build_object('visit_time',
                    to_char(f.starts_at {_TZ}, 'FMMM"月"FMDD"日" HH24:MI'))),
                %(evidence)s, CASE WHEN first.at > %(now)s THEN first.at END, '', '', '', '', greatest(first.at, %(now)s), %(now)s
            FROM crm_fitting f JOIN crm_member m ON m.id = f.member_id {ASSIGNEE}
            CROSS JOIN LATERAL (SELECT {moments.at(moments.local_date("f.starts_at"), "hours.opens_at")} AS at,
                greatest(f.starts_at - interval '2 hours', {moments.at(moments.local_date("f.starts_at"), REMINDS_EARLIEST)}) AS due_at) first
            WHERE f.id = ANY(%(ids)s) AND f.state = 'booked' AND m.status = 'active' AND way.channel IS NOT NULL AND f.starts_at > %(now)s
              AND f.starts_at - f.booked_at > interval '3 hours'  -- who books for this very hour knows of it
            {_ON_CONFLICT}
            """,
            _values(REMINDER, ids, now),
        )


def _tell(ids: Sequence[int], *, now: datetime) -> None:
    """请您确认, 开始做了, 要晚几天: one task a step, told by the one he knows; what he reads on his phone it says as well."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':' || told.id, m.id, who.id, m.owner_guide_id, hours.id, NULL, 'open', 'service',
                way.channel, %(priority)s, {TIER}, next.open_at, {_DUE}, {moments.at("on_day.day + 2", "hours.closes_at")},
                CASE told.scene WHEN 'confirm' THEN '量好了，请他在手机上确认尺寸和做法' WHEN 'delayed' THEN '他的定制要晚几天，早点告诉他'
                    ELSE '他的定制开始做了，告诉他哪天好' END,
                jsonb_build_object('fitting', f.id, 'step', told.id, 'of', f.state, 'scene', told.scene, 'facts', jsonb_strip_nulls(
                    jsonb_build_object('pickup_date', to_char(f.promised_on, 'FMMM"月"FMDD"日"'), 'ticket_item', nullif(f.fabric, '')))),
                %(evidence)s, CASE WHEN next.open_at > %(now)s THEN next.open_at END, '', '', '', '', next.open_at, %(now)s
            FROM crm_fitting f JOIN crm_member m ON m.id = f.member_id {ASSIGNEE} {_TOLD} {_NEXT}
            WHERE f.id = ANY(%(ids)s) AND f.state IN ('measured', 'making') AND m.status = 'active' AND way.channel IS NOT NULL
            {_ON_CONFLICT}
            """,
            _values(PROGRESS, ids, now),
        )


def _remind_of_pickup(ids: Sequence[int], *, now: datetime) -> None:
    """可以来试穿取衣了: at once (in quiet hours the next morning), and again after 7 and 15 days while it hangs there."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':fitting:' || f.id || ':' || extract(epoch FROM f.ready_at)::bigint || ':' || d.day, m.id, who.id,
                m.owner_guide_id, hours.id, NULL, 'open', 'service', way.channel, %(priority)s, {TIER}, first.open_at,
                CASE WHEN d.day = 0 THEN {_DUE} ELSE {moments.at("first.day", "hours.closes_at")} END,
                {moments.at("first.day + 3", "hours.closes_at")},
                CASE WHEN d.day = 0 THEN '他的定制做好了，请他来试穿' ELSE '定制做好 ' || d.day || ' 天，他还没来取' END,
                jsonb_build_object('fitting', f.id, 'scene', 'fitting', 'facts', jsonb_build_object('pickup_date',
                    to_char(first.day, 'FMMM"月"FMDD"日"'), 'ticket_item', f.fabric)),
                %(evidence)s, CASE WHEN first.open_at > %(now)s THEN first.open_at END, '', '', '', '', first.open_at, %(now)s
            FROM crm_fitting f JOIN crm_member m ON m.id = f.member_id {ASSIGNEE}
            CROSS JOIN unnest(%(days)s::int[]) AS d(day) {_NEXT}
            CROSS JOIN LATERAL (SELECT on_day.day + d.day AS day,
                CASE WHEN d.day = 0 THEN next.open_at ELSE {moments.at("on_day.day + d.day", "hours.opens_at")} END AS open_at) first
            WHERE f.id = ANY(%(ids)s) AND f.state = 'ready' AND m.status = 'active' AND way.channel IS NOT NULL
            {_ON_CONFLICT}
            """,
            _values(PICKUP, ids, now) | {"days": list(PICKUP_AGAIN)},
        )
