"""From orders to enrollments: a handful of set-based statements for a whole batch.

An order leaves exactly one `EnrollmentCause`, so replaying a month starts nothing new. Orders of one member in one batch
are taken in the order they were paid, one a round: most batches need one round.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from yejibao.core import clock
from yejibao.core.sql import prepared

from . import items, moments
from .rulebook import Rulebook, rules_of

ENROLL_LOCK = 0x59_4A_42_02  # one enroller at a time: the cycle of a member has one history


def enroll_orders(order_ids: Sequence[int], *, cadence: str = "3369", now: datetime | None = None) -> dict[str, int]:
    """Start, join or refuse: give each order its cause. Safe to run twice. Returns counts by role."""
    now = now or clock.now()
    book = rules_of(cadence)
    tally: Counter[str] = Counter()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ENROLL_LOCK])
        prepared(_LOCK_RUNNING, {"ids": list(order_ids), "cadence": book.cadence_id})
        while tally.total() < len(set(order_ids)):  # most batches are done in one round
            roles = _one_round(book, list(order_ids), now)
            if not roles:
                break
            tally.update(roles)
    return dict(tally)


def _one_round(book: Rulebook, order_ids: list[int], now: datetime) -> dict[str, int]:
    """Handle the oldest unhandled order of each member. Returns counts by role, empty when none is left."""
    rules = book.rules
    facts = {
        "ids": order_ids, "cadence": book.cadence_id, "now": now,
        "kinds": rules["kinds"], "small": rules["small_below_fen"],
    }  # fmt: skip
    caused = prepared(_CLASSIFY, facts)
    if not caused:
        return {}
    counts = Counter(role for _, _, role, _ in caused)
    starting = [order for order, _, _, how in caused if how in ("new_full", "new_small")]
    absorbing = [order for order, _, _, how in caused if how == "absorb"]
    joining = [enrollment for _, enrollment, _, how in caused if how == "join"]
    facts |= {
        "starting": starting, "absorbing": absorbing, "anchors": starting + absorbing, "version": book.version.pk,
        "plans": Jsonb(book.plans), "first_key": book.first_key, "delivery_days": rules["delivery_days"],
    }  # fmt: skip
    if starting or absorbing:
        carried = {str(pk): json.loads(items_of) for pk, items_of in prepared(_SUPERSEDE, facts) if items_of}
        facts["carried"] = Jsonb(carried)
    if starting:
        prepared(_START, facts)
    if absorbing:
        prepared(_ABSORB, facts)
    items.refresh_items(sorted({pk for pk in joining if pk} | {pk for _, pk, _, how in caused if how == "absorb"}))
    return dict(counts)


# The running cycles of these members, before anything is read of them and in a statement of its own (changes.py): what
# the opener or a guide has just done to their tasks is seen by all that follows.
_LOCK_RUNNING = """
SELECT e.id FROM tasks_enrollment e
WHERE e.cadence_id = %(cadence)s AND e.status = 'active'
  AND e.member_id IN (SELECT o.member_id FROM crm_order o WHERE o.id = ANY(%(ids)s))
ORDER BY e.id FOR NO KEY UPDATE
"""

# The role of each order, written as its cause. A new enrollment's id is drawn here and used by _START, so that the cause
# is written once (the foreign key is checked at commit).
_CLASSIFY = """
WITH waiting AS (
    SELECT DISTINCT ON (coalesce(o.member_id, -o.id)) o.*
    FROM crm_order o
    WHERE o.id = ANY(%(ids)s) AND o.known_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM tasks_enrollmentcause c WHERE c.cadence_id = %(cadence)s AND c.order_id = o.id)
    ORDER BY coalesce(o.member_id, -o.id), o.paid_at, o.id
), judged AS (
    SELECT o.id, o.member_id, o.net_amount_fen < %(small)s AS is_small, same.id AS same_id, same.kind AS same_kind,
        CASE WHEN o.member_id IS NULL THEN 'no_member'
             WHEN m.status <> 'active' THEN 'member_inactive'
             WHEN o.status <> 'paid' OR o.net_amount_fen <= 0 THEN 'amount_zero'
             WHEN o.kind <> ALL(%(kinds)s) THEN 'order_kind'
             WHEN m.is_employee THEN 'employee'
             WHEN same.id IS NULL AND o.paid_on < newest.day THEN 'older_than_cycle'
             ELSE '' END AS reason,
        coalesce(o.paid_on < newest.day, false) AS is_older
    FROM waiting o
    LEFT JOIN crm_member m ON m.id = o.member_id
    LEFT JOIN tasks_enrollment same ON same.member_id = o.member_id AND same.cadence_id = %(cadence)s
        AND same.anchor_on = o.paid_on AND same.status <> 'cancelled'
    LEFT JOIN LATERAL (
        SELECT max(e.anchor_on) AS day FROM tasks_enrollment e
        WHERE e.member_id = o.member_id AND e.cadence_id = %(cadence)s AND e.kind = 'full' AND e.status <> 'cancelled'
    ) newest ON true
), decided AS (
    SELECT j.*, CASE
        WHEN reason <> '' THEN 'refuse'
        WHEN same_id IS NULL THEN CASE WHEN is_small THEN 'new_small' ELSE 'new_full' END
        WHEN same_kind = 'small' AND NOT is_small AND NOT is_older THEN 'absorb'
        ELSE 'join' END AS how
    FROM judged j
), written AS (
    INSERT INTO tasks_enrollmentcause (cadence_id, order_id, enrollment_id, role, reason, created_at)
    SELECT %(cadence)s, id,
        CASE WHEN how IN ('new_full', 'new_small') THEN nextval('tasks_enrollment_id_seq')
             WHEN how = 'refuse' THEN NULL ELSE same_id END,
        CASE WHEN how = 'refuse' THEN 'not_eligible' WHEN is_small THEN 'small'
             WHEN how = 'join' THEN 'joined' ELSE 'anchor' END,
        reason, %(now)s
    FROM decided ORDER BY id
    ON CONFLICT (cadence_id, order_id) DO NOTHING
    RETURNING order_id, enrollment_id, role
)
SELECT w.order_id, w.enrollment_id, w.role, d.how FROM written w JOIN decided d ON d.id = w.order_id
"""

# A new full cycle ends the running one of an earlier date. Its fit question, if nobody asked it yet, is carried over.
_SUPERSEDE = """
WITH fresh AS (
    SELECT c.enrollment_id AS new_id, o.member_id FROM tasks_enrollmentcause c JOIN crm_order o ON o.id = c.order_id
    WHERE c.cadence_id = %(cadence)s AND c.order_id = ANY(%(anchors)s) AND c.role = 'anchor'
), running AS (
    SELECT e.id, f.new_id, e.plan, h.next_step, e.items, e.carry_over_items
    FROM tasks_enrollment e JOIN fresh f ON f.member_id = e.member_id LEFT JOIN tasks_hand h ON h.enrollment_id = e.id
    WHERE e.cadence_id = %(cadence)s AND e.kind = 'full' AND e.status = 'active' AND e.id <> f.new_id
), closed AS (
    UPDATE tasks_enrollment e SET status = 'superseded', superseded_by_id = r.new_id, closed_reason = 'repurchased',
        closed_at = %(now)s, steps_superseded = CASE WHEN r.next_step IS NULL THEN 0
            ELSE cardinality(r.plan) - array_position(r.plan, r.next_step) + 1 END
    FROM running r WHERE e.id = r.id
), hands AS (
    DELETE FROM tasks_hand h USING running r WHERE h.enrollment_id = r.id
), open_d3 AS (
    SELECT t.enrollment_id FROM tasks_task t JOIN running r ON r.id = t.enrollment_id
    WHERE t.node = 'd3' AND t.state = 'open'
), tasks AS (
    UPDATE tasks_task t SET state = 'superseded', closed_reason = 'repurchased', closed_at = %(now)s, tell_at = NULL,
        superseded_by_id = r.new_id, held_at = NULL, held_reason = NULL
    FROM running r WHERE t.enrollment_id = r.id AND t.state = 'open'
)
SELECT r.new_id, CASE WHEN array_position(r.plan, r.next_step) <= array_position(r.plan, 'd3')
                        OR EXISTS (SELECT 1 FROM open_d3 WHERE open_d3.enrollment_id = r.id)
                      THEN r.items || r.carry_over_items END
FROM running r
"""

_PURCHASE_DAYS = """
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT p.paid_on) AS days FROM crm_order p
        WHERE p.member_id = o.member_id AND p.paid_on <= o.paid_on AND p.status = 'paid' AND p.net_amount_fen > 0
          AND p.kind = ANY(%(kinds)s) AND p.known_at IS NOT NULL
    ) bought
    CROSS JOIN LATERAL (SELECT CASE WHEN bought.days <= 1 THEN 'first' WHEN bought.days <= 4 THEN 'repeat'
                               ELSE 'loyal' END AS buyer) node
"""

_FIRST_TOUCH = moments.first_touch(touch="o.paid_at", known="o.known_at", hours="hours", step="step")

# The step after the first touch opens on its day at the opening of the own guide's store.
_SECOND = f"""
    LEFT JOIN tasks_cadencestep second ON second.version_id = %(version)s
        AND second.key = chosen.plan[array_position(chosen.plan, %(first_key)s) + 1]
    CROSS JOIN LATERAL (SELECT CASE WHEN o.is_delivery
        THEN coalesce({moments.local_date("o.received_at")}, o.paid_on + %(delivery_days)s) ELSE o.paid_on END AS day) anchor
    CROSS JOIN LATERAL (SELECT {moments.at("anchor.day + second.open_day", "coalesce(os.opens_at, hours.opens_at)")} AS open_at
    ) later
"""

# The hand of a cycle whose first touch came too late stands before the second step, or there is none.
_START = f"""
WITH starting AS MATERIALIZED (
    SELECT c.enrollment_id, o.member_id, chosen.kind, node.buyer, o.id AS order_id, o.paid_at, o.paid_on, o.known_at, anchor.day,
        chosen.plan, ft.is_late, ft.is_late AND second.id IS NULL AS is_through, m.owner_guide_id, o.guide_id, o.store_id,
        items.list AS items,
        CASE WHEN ft.is_late THEN second.key ELSE %(first_key)s END AS next_step,
        CASE WHEN ft.is_late THEN later.open_at ELSE ft.open_at END AS next_due_at
    FROM tasks_enrollmentcause c
    JOIN crm_order o ON o.id = c.order_id
    JOIN crm_member m ON m.id = o.member_id
    JOIN tasks_cadencestep step ON step.version_id = %(version)s AND step.key = %(first_key)s
    LEFT JOIN guides_staff serving ON serving.id = o.guide_id
    LEFT JOIN guides_staff owner ON owner.id = m.owner_guide_id
    LEFT JOIN guides_store os ON os.id = owner.store_id
    JOIN guides_store hours ON hours.id = coalesce(serving.store_id, o.store_id)
{_PURCHASE_DAYS}
    CROSS JOIN LATERAL (SELECT CASE c.role WHEN 'anchor' THEN 'full' ELSE 'small' END AS kind,
        ARRAY(SELECT jsonb_array_elements_text(%(plans)s::jsonb -> CASE c.role WHEN 'anchor' THEN node.buyer ELSE 'small' END))
            ::varchar[] AS plan) chosen
{_FIRST_TOUCH}
{_SECOND}
    {items.of_order("o.id")}
    WHERE c.cadence_id = %(cadence)s AND c.order_id = ANY(%(starting)s)
    ORDER BY c.enrollment_id
), hands AS (
    INSERT INTO tasks_hand (enrollment_id, next_step, next_due_at, parked_tries, parked_why)
    SELECT s.enrollment_id, s.next_step, s.next_due_at, 0, '' FROM starting s WHERE NOT s.is_through
)
INSERT INTO tasks_enrollment (id, cadence_id, cadence_version_id, member_id, kind, buyer, anchor_order_id, anchor_at, anchor_on,
    touch_at, known_at, day_anchor_date, status, plan, step_days, steps_planned, steps_skipped, steps_superseded, steps_cancelled,
    step_reasons, owner_guide_id, serving_guide_id, store_id, items, carry_over_items, closed_reason, closed_at, created_at)
SELECT s.enrollment_id, %(cadence)s, %(version)s, s.member_id, s.kind, s.buyer, s.order_id, s.paid_at, s.paid_on,
    s.paid_at, s.known_at, s.day, CASE WHEN s.is_through THEN 'completed' ELSE 'active' END, s.plan,
    '{{}}'::jsonb, cardinality(s.plan), s.is_late::int, 0, 0,
    CASE WHEN s.is_late THEN jsonb_build_object(%(first_key)s::text, 'late_data') ELSE '{{}}'::jsonb END,
    s.owner_guide_id, s.guide_id, s.store_id, s.items,
    coalesce(%(carried)s::jsonb -> s.enrollment_id::text, '[]'::jsonb), '',
    CASE WHEN s.is_through THEN %(now)s::timestamptz END, %(now)s
FROM starting s
"""

# A full order later on the date of a small one: the same enrollment grows. Its first touch stays as it is.
_ABSORB = f"""
WITH absorbing AS MATERIALIZED (
    SELECT c.enrollment_id, o.id AS order_id, o.paid_at, o.guide_id, node.buyer, anchor.day, chosen.plan, m.owner_guide_id,
        second.key AS second_key, later.open_at AS second_open_at
    FROM tasks_enrollmentcause c
    JOIN crm_order o ON o.id = c.order_id
    JOIN crm_member m ON m.id = o.member_id
    LEFT JOIN guides_staff owner ON owner.id = m.owner_guide_id
    LEFT JOIN guides_store os ON os.id = owner.store_id
    JOIN guides_store hours ON hours.id = o.store_id
    {_PURCHASE_DAYS}
    CROSS JOIN LATERAL (SELECT ARRAY(SELECT jsonb_array_elements_text(%(plans)s::jsonb -> node.buyer))::varchar[] AS plan) chosen
    {_SECOND}
    WHERE c.cadence_id = %(cadence)s AND c.order_id = ANY(%(absorbing)s)
), hands AS (   -- one that was through with its only step goes on
    INSERT INTO tasks_hand (enrollment_id, next_step, next_due_at, parked_tries, parked_why)
    SELECT f.enrollment_id, f.second_key, f.second_open_at, 0, '' FROM absorbing f
    WHERE f.second_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tasks_hand h WHERE h.enrollment_id = f.enrollment_id)
)
UPDATE tasks_enrollment e SET kind = 'full', buyer = f.buyer, anchor_order_id = f.order_id, anchor_at = f.paid_at,
    day_anchor_date = f.day, status = 'active', plan = f.plan, steps_planned = cardinality(f.plan), closed_at = NULL,
    owner_guide_id = f.owner_guide_id, serving_guide_id = coalesce(f.guide_id, e.serving_guide_id),
    carry_over_items = coalesce(%(carried)s::jsonb -> e.id::text, '[]'::jsonb)
FROM absorbing f
WHERE e.id = f.enrollment_id
"""
