"""Tasks that do not come from a cadence: care after a return, the introduction after a hand-over. Set-based."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.db import connection

from tasks.cadences import moments
from yejibao.core import clock

from ..people import friends, manager, staffed

TYPES_FILE = Path(__file__).parents[2] / "data" / "task_types.yaml"
INTROS_A_DAY = 20  # handover_intro: "20 per day", VIP first


@cache
def task_type(key: str) -> dict[str, Any]:
    """Return a task kind of task_types.yaml."""
    return next(row for row in yaml.safe_load(TYPES_FILE.read_text())["task_types"] if row["key"] == key)


_INSERT = """
INSERT INTO tasks_task (task_type, node, dedupe_key, member_id, assignee_id, owner_guide_id, store_id, order_id, state, nature,
    channel, priority, tier_rank, open_at, due_at, expire_at, why, context, evidence_any_of, hidden_until, hidden_reason,
    evidence_kind, outcome, closed_reason, tell_at, created_at)
"""

# The own guide, else her store's manager; nobody there or no way to reach the member: no task.
_ASSIGNEE = f"""
    LEFT JOIN guides_store own_store ON own_store.id = m.main_store_id
    CROSS JOIN LATERAL (SELECT coalesce(
        (SELECT s.id FROM guides_staff s WHERE s.id = m.owner_guide_id AND {staffed("s")}), {manager("own_store.unit_id")}) AS id) who
    JOIN guides_staff person ON person.id = who.id
    JOIN guides_store hours ON hours.id = coalesce(person.store_id, m.main_store_id)
    CROSS JOIN LATERAL (SELECT CASE WHEN {friends("m.id", "who.id")} THEN 'wecom_message'
                                    WHEN m.phone_consent THEN 'manual_call' END AS channel) way
"""

_TIER = (
    "CASE m.tier_631 WHEN 'core' THEN 1 WHEN 'potential' THEN 2 WHEN 'common' THEN 3 WHEN 'lapsed' THEN 4 ELSE 5 END"
)


def open_care_tasks(enrollment_ids: Sequence[int], *, returned_on: date, now: datetime) -> int:
    """Open one aftersale_care task for each cancelled cycle: next day 09:30, due 22:00, expires two days later."""
    if not enrollment_ids:
        return 0
    kind = task_type("aftersale_care")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{_INSERT}
            SELECT 'aftersale_care', '', 'aftersale_care:' || e.anchor_order_id, m.id, who.id, m.owner_guide_id,
                hours.id, e.anchor_order_id, 'open', 'service', way.channel, %(priority)s, {_TIER},
                {moments.at("%(day)s::date + 1", "hours.opens_at")}, {moments.at("%(day)s::date + 1", "hours.closes_at")},
                {moments.at("%(day)s::date + 3", "hours.closes_at")},
                '刚退了货，问一句哪里没照顾好，不提买东西',
                jsonb_build_object('items', e.items, 'scene', 'return'), %(evidence)s,
                {moments.at("%(day)s::date + 1", "hours.opens_at")}, '', '', '', '',
                {moments.at("%(day)s::date + 1", "hours.opens_at")}, %(now)s
            FROM tasks_enrollment e JOIN crm_member m ON m.id = e.member_id {_ASSIGNEE}
            WHERE e.id = ANY(%(ids)s) AND m.status = 'active' AND NOT m.do_not_contact AND way.channel IS NOT NULL
            ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
            """,
            {"ids": list(enrollment_ids), "day": returned_on, "now": now, "priority": kind["priority"],
             "evidence": kind["evidence_any_of"], "today": clock.local_day(now)},
        )  # fmt: skip
        return cursor.rowcount


def open_handover_intros(handover_id: int, *, now: datetime) -> int:
    """Open the introductions of an heir, VIP first, twenty a day; those of later days are hidden until then."""
    kind = task_type("handover_intro")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                SELECT t.member_id, row_number() OVER (ORDER BY {_TIER}, m.member_level DESC, m.id) - 1 AS place
                FROM crm_ownershiptransfer t JOIN crm_member m ON m.id = t.member_id
                WHERE t.handover_id = %(handover)s AND m.status = 'active' AND NOT m.do_not_contact
            )
            {_INSERT}
            SELECT 'handover_intro', '', 'handover_intro:' || %(handover)s || ':' || m.id, m.id, who.id, m.owner_guide_id, hours.id,
                NULL, 'open', 'service', way.channel, %(priority)s, {_TIER}, %(now)s,
                {moments.at("days.day + 2", "hours.closes_at")}, {moments.at("days.day + 7", "hours.closes_at")},
                '原来的导购离开了，先认识一下，别急着谈衣服', jsonb_build_object('handover', %(handover)s), %(evidence)s,
                CASE WHEN moved.place >= %(a_day)s THEN {moments.at("days.day", "hours.opens_at")} END, '', '', '', '',
                greatest(%(now)s, {moments.at("days.day", "hours.opens_at")}), %(now)s
            FROM moved JOIN crm_member m ON m.id = moved.member_id {_ASSIGNEE}
            CROSS JOIN LATERAL (SELECT {moments.local_date("%(now)s")} + (moved.place / %(a_day)s)::int AS day) days
            WHERE way.channel IS NOT NULL
            ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
            """,
            {"handover": handover_id, "now": now, "a_day": INTROS_A_DAY, "priority": kind["priority"],
             "evidence": kind["evidence_any_of"], "today": clock.local_day(now)},
        )  # fmt: skip
        return cursor.rowcount
