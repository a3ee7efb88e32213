"""What an invitation to the store wants of a guide: asking (邀约到店), reminding (到店提醒); and what it proves. Set-based.

Kinds and times are those of task_types.yaml: visit_invite, visit_reminder. An answer is evidence of level 4 for the task that
asked, whichever it was; what he buys is credited to it as well (credit.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from tasks.cadences import moments
from tasks.cadences.loading import read_book
from yejibao.core import clock

from ..models import Task
from ..people import away, friends, manager, staffed
from .creating import INSERT, TIER, task_type
from .finishing import add_evidence, finish

INVITE, REMINDER = "visit_invite", "visit_reminder"
BOOKED = "visit_booked"
BOOKED_LEVEL = 4  # followup_3369.yaml evidence_levels
REMINDS_EARLIEST = "time '10:00'"
A_DAY, A_DAY_AT_MOST = (
    10,
    30,
)  # invitations of one list a guide gets a day: beside her other work, and never above the ceiling
_ON_CONFLICT = "ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING"


def cause_of(task_id: int) -> str:
    """Return how a visit names the task that asked for it."""
    return f"task:{task_id}"


@transaction.atomic
def follow_visits(visit_ids: Sequence[int], *, now: datetime) -> None:
    """Prove, remind and take back as these visits stand now; twice is like once."""
    ids = sorted(set(visit_ids))
    prove_booked(ids, now=now)
    _take_back(ids, now=now)
    _remind(ids, now=now)


def prove_booked(visit_ids: Sequence[int], *, now: datetime) -> int:
    """He said he comes: level 4 for the task that asked, once a visit; one that wants no more is done with it. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.id, v.id, v.starts_at, %(booked)s = ANY (t.evidence_any_of) FROM crm_visit v
            CROSS JOIN LATERAL (
                SELECT a.id, a.evidence_any_of FROM tasks_task a WHERE a.id = CASE WHEN v.cause LIKE 'task:%%' THEN substr(v.cause, 6)::bigint END
                UNION SELECT a.id, a.evidence_any_of FROM tasks_task a WHERE a.dedupe_key = %(kind)s || ':visit:' || v.id
            ) t
            WHERE v.id = ANY(%(ids)s) AND v.accepted_at IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM tasks_taskevidence e WHERE e.task_id = t.id AND e.kind = %(booked)s
                              AND (e.payload->>'visit')::bigint = v.id)
            ORDER BY t.id
            """,
            {"ids": list(visit_ids), "kind": INVITE, "booked": BOOKED},
        )
        rows = cursor.fetchall()
    for task, visit, starts_at, is_what_it_wants in rows:  # a handful: those of one batch of events
        proof: dict[str, Any] = {"kind": BOOKED, "level": BOOKED_LEVEL, "now": now, "is_auto": True}
        proof["payload"] = {"visit": visit, "visit_at": starts_at.isoformat()}
        if is_what_it_wants:
            finish([task], reached=False, **proof)
        else:
            add_evidence(Task.objects.get(pk=task), **proof)
    return len(rows)


def _take_back(ids: Sequence[int], *, now: datetime) -> None:
    """Nobody is asked who has answered, and nobody reminded who is there, comes not, or comes at another time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH hit AS (
                SELECT t.id FROM crm_visit v JOIN tasks_task t
                    ON t.dedupe_key = ANY (ARRAY[%(invite)s || ':visit:' || v.id]
                       || ARRAY(SELECT %(reminder)s || ':visit:' || v.id || ':' || n FROM generate_series(0, v.moved_count) n))
                WHERE v.id = ANY(%(ids)s) AND t.state = 'open' AND (
                    t.task_type = %(invite)s AND v.state NOT IN ('planned', 'invited')
                    OR t.task_type = %(reminder)s AND (v.state <> 'accepted'
                        OR t.dedupe_key <> %(reminder)s || ':visit:' || v.id || ':' || v.moved_count))
                ORDER BY t.id FOR UPDATE OF t
            )
            UPDATE tasks_task t SET state = 'cancelled', closed_reason = 'visit_settled', closed_at = %(now)s, tell_at = NULL,
                held_at = NULL, held_reason = NULL FROM hit h WHERE t.id = h.id
            """,
            {"ids": list(ids), "now": now, "invite": INVITE, "reminder": REMINDER},
        )


def _remind(ids: Sequence[int], *, now: datetime) -> None:
    """到店提醒: on the day at opening, due two hours before (10:00 at the earliest), gone when he should be there.

    Who said it within those two hours needs no reminder; nor does who can be reached by nobody.
    """
    kind = task_type(REMINDER)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':visit:' || v.id || ':' || v.moved_count, m.id, who.id, m.owner_guide_id, hours.id, NULL,
                'open', 'service', way.channel, %(priority)s, {TIER}, greatest(first.at, %(now)s),
                least(greatest(first.due_at, %(now)s), v.starts_at), v.starts_at,
                '约了今天 ' || to_char(v.starts_at AT TIME ZONE 'Asia/Shanghai', 'HH24:MI') || ' 到店，提醒一句',
                jsonb_build_object('visit', v.id, 'scene', 'any', 'facts', jsonb_build_object('visit_time',
                    to_char(v.starts_at AT TIME ZONE 'Asia/Shanghai', 'FMMM"月"FMDD"日" HH24:MI'))),
                %(evidence)s, CASE WHEN first.at > %(now)s THEN first.at END, '', '', '', '', greatest(first.at, %(now)s), %(now)s
            FROM crm_visit v JOIN crm_member m ON m.id = v.member_id {_who("v", "v.day")}
            CROSS JOIN LATERAL (SELECT {moments.at("v.day", "hours.opens_at")} AS at,
                greatest(v.starts_at - interval '2 hours', {moments.at("v.day", REMINDS_EARLIEST)}) AS due_at) first
            WHERE v.id = ANY(%(ids)s) AND v.state = 'accepted' AND v.wants_reminder AND m.status = 'active'
              AND way.channel IS NOT NULL AND v.starts_at > %(now)s
              AND NOT (v.starts_at - interval '2 hours' <= coalesce(
                  (SELECT max(s.at) FROM crm_visitstep s WHERE s.visit_id = v.id AND s.state = 'accepted'), %(now)s))
            {_ON_CONFLICT}
            """,
            {"ids": list(ids), "kind": REMINDER, "now": now, "today": clock.local_day(now), "priority": kind["priority"],
             "evidence": kind["evidence_any_of"]},
        )  # fmt: skip


def _who(visit: str, day: str) -> str:
    """Return the joins for who speaks to him: the visit's guide, or on a day she is off her backup, the manager, whoever can.

    `who`, `hours` and `way` as in creating.ASSIGNEE. Where nobody else can reach him it stays with her.
    """
    reach = f"({friends('m.id', 'c.id')} OR m.phone_consent)"
    return f"""
    JOIN guides_store place ON place.id = {visit}.store_id
    LEFT JOIN guides_staff hers ON hers.id = {visit}.guide_id
    CROSS JOIN LATERAL (SELECT c.id FROM (VALUES (1, hers.id), (2, hers.backup_guide_id), (3, {manager("place.unit_id")}), (4, hers.id))
            AS can(rank, id) JOIN guides_staff c ON c.id = can.id
        WHERE {staffed("c")} AND {reach} AND (can.rank = 4 OR c.state <> 'leave' AND NOT {away("c.id", day)}) ORDER BY can.rank LIMIT 1) who
    JOIN guides_staff person ON person.id = who.id
    JOIN guides_store hours ON hours.id = coalesce(person.store_id, {visit}.store_id)
    CROSS JOIN LATERAL (SELECT CASE WHEN {friends("m.id", "who.id")} THEN 'wecom_message'
                                    WHEN m.phone_consent THEN 'manual_call' END AS channel) way
    """


@transaction.atomic
def open_invites(group_id: int, first_id: int, last_id: int, *, now: datetime) -> int:
    """Open the tasks of a part of a manager's list: some a day for each guide, the most valuable members first.

    Members who have heard enough of us (caps), whom nobody can reach, or for whom no day is left before he should come are not
    asked; their visits stay planned and end by themselves. Safe to run twice. Returns how many.
    """
    kind, caps = task_type(INVITE), read_book("followup_3369")["caps"]["per_member"]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH planned AS (
                SELECT v.id, v.member_id, v.guide_id, v.store_id, v.starts_at, v.day, v.public_id, g.title, g.asks_on
                FROM crm_visit v JOIN crm_visitgroup g ON g.id = v.group_id
                WHERE v.group_id = %(group)s AND v.id BETWEEN %(first)s AND %(last)s AND v.state = 'planned'
            ), reachable AS (
                SELECT p.id, p.starts_at, p.day, p.public_id, p.title, p.member_id, who.id AS who_id, hours.id AS store_id, hours.opens_at, hours.closes_at, way.channel, {TIER} AS tier,
                    m.member_level, m.owner_guide_id,
                    greatest(p.asks_on, {moments.local_date("%(now)s")}
                        + ({moments.local_time("%(now)s")} >= hours.closes_at - interval '1 hour')::int) AS first_day
                FROM planned p JOIN crm_member m ON m.id = p.member_id {_who("p", moments.local_date("%(now)s"))}
                WHERE m.status = 'active' AND NOT m.do_not_contact AND way.channel IS NOT NULL
                  AND NOT m.marketing_opt_out @> ARRAY[way.channel]::varchar[]
                  AND (SELECT count(*) FROM tasks_reach r WHERE r.member_id = m.id
                       AND r.day > {moments.local_date("%(now)s")} - 7) < %(week)s
                  AND (SELECT count(*) FROM tasks_reach r WHERE r.member_id = m.id AND r.nature = 'marketing'
                       AND r.day > {moments.local_date("%(now)s")} - 30) < %(month)s
            ), placed AS (
                SELECT r.*, greatest(r.day - r.first_day, 1) AS days, coalesce(his.count, 0) + row_number() OVER (
                    PARTITION BY r.who_id ORDER BY r.tier, r.member_level DESC, r.id) - 1 AS place,
                    coalesce(his.count, 0) + count(*) OVER (PARTITION BY r.who_id) AS hers
                FROM reachable r LEFT JOIN LATERAL (SELECT count(*) FROM tasks_task i WHERE i.assignee_id = r.who_id
                    AND i.state = 'open' AND i.task_type = %(kind)s) his ON true
            ), dated AS (
                SELECT p.*, p.first_day + (p.place / least(%(most)s, greatest(%(a_day)s, ceil(p.hers::numeric / p.days)::int)))::int
                    AS on_day FROM placed p
            )
            {INSERT}
            SELECT %(kind)s, '', %(kind)s || ':visit:' || d.id, d.member_id, d.who_id, d.owner_guide_id, d.store_id, NULL, 'open',
                'marketing', d.channel, %(priority)s, d.tier, greatest(t.open_at, %(now)s),
                least({moments.at("d.on_day", "d.closes_at")}, t.end_at), t.end_at, left('请他' || to_char(d.starts_at AT TIME ZONE
                    'Asia/Shanghai', 'FMMM月FMDD日 HH24:MI') || '来店：' || d.title, 160),
                jsonb_build_object('visit', d.id, 'scene', 'any', 'link', %(base)s || '/my/visits/' || d.public_id || '/',
                    'facts', jsonb_build_object('event_name', d.title, 'event_date', to_char(d.day, 'FMMM"月"FMDD"日"'))),
                %(evidence)s, CASE WHEN t.open_at > %(now)s THEN t.open_at END, '', '', '', '', greatest(t.open_at, %(now)s), %(now)s
            FROM dated d
            CROSS JOIN LATERAL (SELECT {moments.at("d.on_day", "d.opens_at")} AS open_at, CASE WHEN d.on_day = d.day
                THEN d.starts_at - interval '1 hour' ELSE {moments.at("d.day - 1", "d.closes_at")} END AS end_at) t
            WHERE d.on_day <= greatest(d.day - 1, d.first_day) AND t.end_at > greatest(t.open_at, %(now)s)
            {_ON_CONFLICT}
            """,
            {"group": group_id, "first": first_id, "last": last_id, "now": now, "today": clock.local_day(now), "kind": INVITE,
             "priority": kind["priority"], "evidence": kind["evidence_any_of"], "a_day": A_DAY, "most": A_DAY_AT_MOST,
             "week": caps["contacts_per_7_days"], "month": caps["marketing_contacts_per_30_days"], "base": settings.PUBLIC_BASE_URL},
        )  # fmt: skip
        return cursor.rowcount


@transaction.atomic
def call_back(group_id: int, first_id: int, last_id: int, *, now: datetime) -> int:
    """End the tasks of a list that was stopped, for whoever was not told yet. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH hit AS (
                SELECT t.id FROM crm_visit v JOIN tasks_task t ON t.dedupe_key = %(kind)s || ':visit:' || v.id
                WHERE v.group_id = %(group)s AND v.id BETWEEN %(first)s AND %(last)s AND v.state = 'cancelled' AND t.state = 'open'
                ORDER BY t.id FOR UPDATE OF t
            )
            UPDATE tasks_task t SET state = 'cancelled', closed_reason = 'visit_settled', closed_at = %(now)s, tell_at = NULL,
                held_at = NULL, held_reason = NULL FROM hit h WHERE t.id = h.id
            """,
            {"group": group_id, "first": first_id, "last": last_id, "now": now, "kind": INVITE},
        )
        return cursor.rowcount
