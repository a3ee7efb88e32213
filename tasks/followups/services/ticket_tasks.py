"""What an after-sale ticket wants of a guide: the first word, a reminder that it is ready, a question afterwards. Set-based.

Kinds and times are those of task_types.yaml: aftersale_first_response, pickup_reminder, aftersale_care, survey_low_score.
Whoever answers was told of the ticket itself (crm/aftersale/telling.py); the tasks stand on the list without a push.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from crm.aftersale.models import Ticket
from tasks.cadences import moments
from yejibao.core import clock

from ..people import friends, manager, staffed
from .creating import ASSIGNEE, INSERT, TIER, task_type
from .finishing import finish

FIRST, CARE, PICKUP, LOW = "aftersale_first_response", "aftersale_care", "pickup_reminder", "survey_low_score"
ANSWERED = "ticket_replied"
ANSWERED_LEVEL = 2  # the ticket holds what was said, and when
PICKUP_AGAIN = (0, 7, 15)  # days; "repeat at +7 and +15 days if not picked up"
CARED_FOR = (
    "return",
    "exchange_size",
    "exchange_item",
    "quality",
    "alteration",
    "care",
    "repair",
    "complaint",
    "logistics",
)
_ON_CONFLICT = "ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING"


@transaction.atomic
def follow_tickets(ticket_ids: Sequence[int], *, now: datetime) -> None:
    """Open, finish and take back the tasks of these tickets as they stand now; twice is like once."""
    ids = sorted(set(ticket_ids))
    _open_first_words(ids, now=now)
    _finish_answered(ids, now=now)
    _take_back(ids, now=now)
    _remind_of_pickup(ids, now=now)
    _care(ids, now=now)
    _call_who_was_unhappy(ids, now=now)


def _values(kind: str, ids: Sequence[int], now: datetime) -> dict[str, Any]:
    facts = task_type(kind)
    return {
        "ids": list(ids), "now": now, "today": clock.local_day(now), "kind": kind, "priority": facts["priority"],
        "evidence": facts["evidence_any_of"], "closed": list(Ticket.CLOSED_STATES),
    }  # fmt: skip


def _open_first_words(ids: Sequence[int], *, now: datetime) -> None:
    """The one who answers finds it among his tasks, first of all, until the first word is said."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':' || tk.id, m.id, who.id, m.owner_guide_id, tk.store_id, tk.order_id, 'open', 'service',
                CASE WHEN {friends("m.id", "who.id")} THEN 'wecom_message' ELSE 'manual_call' END, %(priority)s, {TIER},
                tk.opened_at, coalesce(tk.first_due_at, tk.opened_at), greatest(tk.closing_due_at, tk.first_due_at, tk.opened_at),
                '他提了售后，在等您的第一句话', jsonb_build_object('ticket', tk.id, 'scene', 'any'), %(evidence)s, NULL, '', '', '', '',
                NULL, %(now)s
            FROM crm_ticket tk JOIN crm_member m ON m.id = tk.member_id JOIN guides_staff who ON who.id = tk.guide_id
            WHERE tk.id = ANY(%(ids)s) AND tk.state = 'new' AND tk.stage = 'guide' AND NOT tk.is_about_guide AND {staffed("who")}
            {_ON_CONFLICT}
            """,
            _values(FIRST, ids, now),
        )


def _finish_answered(ids: Sequence[int], *, now: datetime) -> None:
    """The first word is the proof: done by whoever said it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.id, coalesce(said.by_id, t.assignee_id)
            FROM crm_ticket tk JOIN tasks_task t ON t.dedupe_key IN (%(kind)s || ':' || tk.id, %(low)s || ':' || tk.id) AND t.state = 'open'
            LEFT JOIN LATERAL (SELECT s.by_id FROM crm_ticketstep s WHERE s.ticket_id = tk.id AND s.kind IN ('reply', 'proposal')
                               ORDER BY s.id LIMIT 1) said ON true
            WHERE tk.id = ANY(%(ids)s) AND tk.first_reply_at IS NOT NULL
            """,
            {"ids": list(ids), "kind": FIRST, "low": LOW},
        )
        answered = cursor.fetchall()
    for task, by in answered:  # a handful: those of one batch of events
        finish([task], kind=ANSWERED, level=ANSWERED_LEVEL, now=now, by=by, is_auto=True)


def _take_back(ids: Sequence[int], *, now: datetime) -> None:
    """What another answers now, or nobody any more, is no task of hers; what was collected wants no reminder."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tasks_task t SET state = 'cancelled', closed_reason = CASE WHEN tk.state = ANY(%(closed)s)
                THEN 'ticket_closed' ELSE 'ticket_passed' END, closed_at = %(now)s, tell_at = NULL, held_at = NULL, held_reason = NULL
            FROM crm_ticket tk
            WHERE tk.id = ANY(%(ids)s) AND t.state = 'open' AND (
                t.dedupe_key = %(first)s || ':' || tk.id
                    AND (tk.state = ANY(%(closed)s) OR tk.stage <> 'guide' AND tk.first_reply_at IS NULL)
                OR t.dedupe_key = %(low)s || ':' || tk.id AND tk.state = ANY(%(closed)s)
                OR t.dedupe_key = ANY (ARRAY(SELECT %(pickup)s || ':' || tk.id || ':' || d FROM unnest(%(days)s::int[]) d))
                    AND tk.state <> 'ready')
            """,
            {"ids": list(ids), "closed": list(Ticket.CLOSED_STATES), "now": now, "first": FIRST, "low": LOW, "pickup": PICKUP,
             "days": list(PICKUP_AGAIN)},
        )  # fmt: skip


def _remind_of_pickup(ids: Sequence[int], *, now: datetime) -> None:
    """可以来取了: at once (in quiet hours the next morning), and again after 7 and 15 days while it hangs there."""
    due = f"CASE WHEN {moments.local_time('first.open_at')} >= hours.closes_at - interval '2 hours' OR d.day > 0 "
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':' || tk.id || ':' || d.day, m.id, who.id, m.owner_guide_id, hours.id, tk.order_id,
                'open', 'service', way.channel, %(priority)s, {TIER}, first.open_at,
                {due} THEN {moments.at(f"{moments.local_date('first.open_at')}", "hours.closes_at")}
                    ELSE first.open_at + interval '2 hours' END,
                {moments.at(f"{moments.local_date('first.open_at')} + 3", "hours.closes_at")},
                CASE WHEN d.day = 0 THEN '他的衣服好了，告诉他可以来取' ELSE '衣服好了 ' || d.day || ' 天，他还没来取' END,
                jsonb_build_object('ticket', tk.id, 'scene', CASE tk.kind WHEN 'alteration' THEN 'alteration' ELSE 'care' END),
                %(evidence)s, CASE WHEN first.open_at > %(now)s THEN first.open_at END, '', '', '', '', first.open_at, %(now)s
            FROM crm_ticket tk JOIN crm_member m ON m.id = tk.member_id {ASSIGNEE}
            CROSS JOIN unnest(%(days)s::int[]) AS d(day)
            CROSS JOIN LATERAL (SELECT CASE
                WHEN d.day > 0 THEN {moments.at(f"{moments.local_date('%(now)s')} + d.day", "hours.opens_at")}
                WHEN {moments.local_time("%(now)s")} < hours.opens_at THEN {moments.at(moments.local_date("%(now)s"), "hours.opens_at")}
                WHEN {moments.local_time("%(now)s")} >= hours.closes_at
                    THEN {moments.at(f"{moments.local_date('%(now)s')} + 1", "hours.opens_at")}
                ELSE %(now)s END AS open_at) first
            WHERE tk.id = ANY(%(ids)s) AND tk.state = 'ready' AND m.status = 'active' AND way.channel IS NOT NULL
            {_ON_CONFLICT}
            """,
            _values(PICKUP, ids, now) | {"days": list(PICKUP_AGAIN)},
        )


def _care(ids: Sequence[int], *, now: datetime) -> None:
    """The day after it was closed: is all well now. Not beside the question that a cancelled cycle of the order asks already."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':ticket:' || tk.id, m.id, who.id, m.owner_guide_id, hours.id, tk.order_id, 'open',
                'service', way.channel, %(priority)s, {TIER},
                {moments.at("closed.day + 1", "hours.opens_at")}, {moments.at("closed.day + 1", "hours.closes_at")},
                {moments.at("closed.day + 3", "hours.closes_at")}, '售后办完了，问一句还满意吗，不提买东西',
                jsonb_build_object('ticket', tk.id, 'scene', CASE WHEN tk.kind = 'return' THEN 'return'
                    WHEN tk.kind IN ('exchange_size', 'exchange_item') THEN 'exchange' ELSE 'done' END),
                %(evidence)s, {moments.at("closed.day + 1", "hours.opens_at")}, '', '', '', '',
                {moments.at("closed.day + 1", "hours.opens_at")}, %(now)s
            FROM crm_ticket tk JOIN crm_member m ON m.id = tk.member_id {ASSIGNEE}
            CROSS JOIN LATERAL (SELECT {moments.local_date("tk.closed_at")} AS day) closed
            WHERE tk.id = ANY(%(ids)s) AND tk.state = 'closed' AND tk.kind = ANY(%(kinds)s) AND m.status = 'active'
              AND NOT m.do_not_contact AND way.channel IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM tasks_task o WHERE o.dedupe_key = %(kind)s || ':' || tk.order_id)
            {_ON_CONFLICT}
            """,
            _values(CARE, ids, now) | {"kinds": list(CARED_FOR)},
        )


def _call_who_was_unhappy(ids: Sequence[int], *, now: datetime) -> None:
    """Two stars or fewer for a purchase or a service: the store manager calls within two hours (in quiet hours the next morning).

    The call is the first word of the complaint that his stars became: said there, the task is done, and the other way round.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(kind)s || ':' || tk.id, m.id, who.id, m.owner_guide_id, tk.store_id, tk.order_id, 'open', 'service',
                'manual_call', %(priority)s, {TIER}, first.open_at, first.due_at,
                {moments.at(f"{moments.local_date('first.open_at')} + 2", "store.closes_at")},
                '他' || coalesce('打了 ' || said.stars || ' 星', '给了低分') || '，打个电话听他说', jsonb_build_object('ticket', tk.id), %(evidence)s,
                CASE WHEN first.open_at > %(now)s THEN first.open_at END, '', '', '', '', first.open_at, %(now)s
            FROM crm_ticket tk JOIN crm_member m ON m.id = tk.member_id JOIN guides_store store ON store.id = tk.store_id
            LEFT JOIN crm_survey said ON said.complaint_id = tk.id
            CROSS JOIN LATERAL (SELECT {manager("store.unit_id")} AS id) who
            CROSS JOIN LATERAL (SELECT CASE
                WHEN {moments.local_time("%(now)s")} < store.opens_at
                    THEN {moments.at(moments.local_date("%(now)s"), "store.opens_at")}
                WHEN {moments.local_time("%(now)s")} >= store.closes_at
                    THEN {moments.at(f"{moments.local_date('%(now)s')} + 1", "store.opens_at")}
                ELSE %(now)s END AS open_at) o
            CROSS JOIN LATERAL (SELECT o.open_at, o.open_at + CASE WHEN o.open_at > %(now)s THEN interval '1 hour'
                ELSE interval '2 hours' END AS due_at) first
            WHERE tk.id = ANY(%(ids)s) AND tk.channel = 'survey_low_score' AND tk.state = 'new' AND who.id IS NOT NULL AND m.status = 'active'
            {_ON_CONFLICT}
            """,
            _values(LOW, ids, now),
        )
