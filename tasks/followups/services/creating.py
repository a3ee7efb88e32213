"""Tasks that do not come from a cadence: care after a return, the introduction after a hand-over. Set-based."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db import connection

from tasks.cadences import moments
from tasks.cadences.loading import read_book
from yejibao.core import clock

from ..people import friends, manager, staffed

INTROS_A_DAY = 20  # handover_intro: "20 per day", VIP first


@cache
def task_type(key: str) -> dict[str, Any]:
    """Return a task kind of task_types.yaml."""
    return next(row for row in read_book("task_types")["task_types"] if row["key"] == key)


INSERT = """
INSERT INTO tasks_task (task_type, node, dedupe_key, member_id, assignee_id, owner_guide_id, store_id, order_id, state, nature,
    channel, priority, tier_rank, open_at, due_at, expire_at, why, context, evidence_any_of, hidden_until, hidden_reason,
    evidence_kind, outcome, closed_reason, tell_at, created_at)
"""

# The own guide, else her store's manager; nobody there or no way to reach the member: no task.
ASSIGNEE = f"""
    LEFT JOIN guides_store own_store ON own_store.id = m.main_store_id
    CROSS JOIN LATERAL (SELECT coalesce(
        (SELECT s.id FROM guides_staff s WHERE s.id = m.owner_guide_id AND {staffed("s")}), {manager("own_store.unit_id")}) AS id) who
    JOIN guides_staff person ON person.id = who.id
    JOIN guides_store hours ON hours.id = coalesce(person.store_id, m.main_store_id)
    CROSS JOIN LATERAL (SELECT CASE WHEN {friends("m.id", "who.id")} THEN 'wecom_message'
                                    WHEN m.phone_consent THEN 'manual_call' END AS channel) way
"""

TIER = "CASE m.tier_631 WHEN 'core' THEN 1 WHEN 'potential' THEN 2 WHEN 'common' THEN 3 WHEN 'lapsed' THEN 4 ELSE 5 END"


def open_care_tasks(enrollment_ids: Sequence[int], *, returned_on: date, now: datetime) -> int:
    """Open one aftersale_care task for each cancelled cycle: next day 09:30, due 22:00, expires two days later."""
    if not enrollment_ids:
        return 0
    kind = task_type("aftersale_care")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT 'aftersale_care', '', 'aftersale_care:' || e.anchor_order_id, m.id, who.id, m.owner_guide_id,
                hours.id, e.anchor_order_id, 'open', 'service', way.channel, %(priority)s, {TIER},
                {moments.at("%(day)s::date + 1", "hours.opens_at")}, {moments.at("%(day)s::date + 1", "hours.closes_at")},
                {moments.at("%(day)s::date + 3", "hours.closes_at")},
                '刚退了货，问一句哪里没照顾好，不提买东西',
                jsonb_build_object('items', e.items, 'scene', 'return'), %(evidence)s,
                {moments.at("%(day)s::date + 1", "hours.opens_at")}, '', '', '', '',
                {moments.at("%(day)s::date + 1", "hours.opens_at")}, %(now)s
            FROM tasks_enrollment e JOIN crm_member m ON m.id = e.member_id {ASSIGNEE}
            WHERE e.id = ANY(%(ids)s) AND m.status = 'active' AND NOT m.do_not_contact AND way.channel IS NOT NULL
            ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
            """,
            {"ids": list(enrollment_ids), "day": returned_on, "now": now, "priority": kind["priority"],
             "evidence": kind["evidence_any_of"], "today": clock.local_day(now)},
        )  # fmt: skip
        return cursor.rowcount


def open_handover_intros(handover_id: int, *, now: datetime) -> int:
    """Open the introductions of the new guides, VIP first, twenty a day each; those of later days are hidden until then.

    What a guide has open from another handover counts. A member who went to another one once more gets a new one, unless
    the former's is still open and has come along.
    """
    kind = task_type("handover_intro")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH latest AS (
                SELECT DISTINCT ON (tr.member_id) tr.id, tr.member_id, tr.from_guide_id, tr.to_guide_id, h.reason
                FROM crm_ownershiptransfer tr JOIN crm_guidehandover h ON h.id = tr.handover_id
                WHERE tr.handover_id = %(handover)s ORDER BY tr.member_id, tr.id DESC
            ), moved AS (
                SELECT l.id, l.member_id, l.reason, row_number() OVER (
                    PARTITION BY m.owner_guide_id ORDER BY {TIER}, m.member_level DESC, m.id) - 1 + coalesce(his.count, 0) AS place
                FROM latest l JOIN crm_member m ON m.id = l.member_id
                LEFT JOIN (SELECT i.assignee_id, count(*) FROM tasks_task i
                           WHERE i.task_type = 'handover_intro' AND i.state = 'open' GROUP BY i.assignee_id) his
                    ON his.assignee_id = m.owner_guide_id
                WHERE m.status = 'active' AND NOT m.do_not_contact AND l.from_guide_id IS DISTINCT FROM l.to_guide_id
                  AND NOT EXISTS (SELECT 1 FROM tasks_task i WHERE i.member_id = l.member_id
                      AND i.task_type = 'handover_intro' AND i.state = 'open')
            )
            {INSERT}
            SELECT 'handover_intro', '', 'handover_intro:' || %(handover)s || ':' || moved.id, m.id, who.id, m.owner_guide_id,
                hours.id, NULL, 'open', 'service', way.channel, %(priority)s, {TIER}, %(now)s,
                {moments.at("days.day + 2", "hours.closes_at")}, {moments.at("days.day + 7", "hours.closes_at")},
                CASE moved.reason WHEN 'moved_store' THEN '原来的导购调去别的店了' WHEN 'long_leave' THEN '原来的导购要休一段长假'
                    WHEN 'given' THEN '原来的导购转给你照顾' ELSE '原来的导购离职了' END || '，先认识一下，别急着谈衣服',
                jsonb_build_object('handover', %(handover)s, 'reason', moved.reason, 'scene',
                    CASE WHEN moved.reason IN ('resigned', 'moved_store') THEN 'work_change' ELSE '' END), %(evidence)s,
                CASE WHEN moved.place >= %(a_day)s THEN {moments.at("days.day", "hours.opens_at")} END, '', '', '', '',
                greatest(%(now)s, {moments.at("days.day", "hours.opens_at")}), %(now)s
            FROM moved JOIN crm_member m ON m.id = moved.member_id {ASSIGNEE}
            CROSS JOIN LATERAL (SELECT {moments.local_date("%(now)s")} + (moved.place / %(a_day)s)::int AS day) days
            WHERE way.channel IS NOT NULL AND who.id IS DISTINCT FROM (SELECT guide_id FROM crm_guidehandover WHERE id = %(handover)s)
            ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
            """,
            {"handover": handover_id, "now": now, "a_day": INTROS_A_DAY, "priority": kind["priority"],
             "evidence": kind["evidence_any_of"], "today": clock.local_day(now)},
        )  # fmt: skip
        return cursor.rowcount
