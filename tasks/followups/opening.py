"""The tick: claims due enrollments, judges each step by the rules of this moment, opens tasks and moves the hands.

One transaction a batch and one statement for the judgement, so two ticks, two workers or a killed one change nothing:
a step opens once (unique), a hand moves only from where it was claimed. What is not opened leaves its reason on the
enrollment. The order of the rules is that of followup_3369.yaml `skip_rules`; the first hit decides.
"""

import logging
from collections import Counter
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction

from tasks.cadences import items, moments
from yejibao.core import clock
from yejibao.core.sql import prepared

from .people import away, friends, manager, staffed

log = logging.getLogger("yejibao.engine")

OPEN_LOCK = 0x59_4A_42_03  # one opener at a time: the ceiling of a guide's day is counted across batches


def open_due(*, now: datetime, batch: int = 1000, budget: timedelta = timedelta(seconds=25)) -> dict[str, int]:
    """Open what is due, in batches, until nothing is or time is up. Returns counts by what happened.

    A batch that fails is halved until the one bad row stands alone; that one is put off an hour and logged as parked.
    """
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + budget.total_seconds()
    while clock.monotonic() < deadline:
        done = _open_batch(now, batch)
        if not done:
            break
        tally.update(done)
    return dict(tally)


def _open_batch(now: datetime, batch: int) -> Counter[str]:
    try:
        return _judge_and_move(now, batch)
    except DatabaseError as error:
        log.exception("a batch of %s failed to open; halving", batch)
        if batch > 1:
            return _open_batch(now, batch // 2)
        return _set_aside(now, why=_said(error))


def _said(error: DatabaseError) -> str:
    """Return which rule of the database said no, without any value of the row."""
    cause = error.__cause__
    rule = getattr(getattr(cause, "diag", None), "constraint_name", None)
    return rule or type(cause or error).__name__


def _set_aside(now: datetime, *, why: str = "") -> Counter[str]:
    """Put the one enrollment that cannot be opened off by an hour, with its mark, so that the others go on."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tasks_enrollment SET next_due_at = %(now)s + interval '1 hour',
                step_reasons = step_reasons || jsonb_build_object('parked', coalesce(step_reasons->>'parked', '0')::int + 1,
                                                                  'parked_why', %(why)s::text)
            WHERE id = (SELECT id FROM tasks_enrollment WHERE next_due_at <= %(now)s
                        ORDER BY next_due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
            """,
            {"now": now, "why": why},
        )
        return Counter(parked=cursor.rowcount) if cursor.rowcount else Counter()


@transaction.atomic
def _judge_and_move(now: datetime, batch: int) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [OPEN_LOCK])
        if not cursor.fetchone()[0]:
            return Counter()
        cursor.execute(
            "SELECT id FROM tasks_enrollment WHERE next_due_at <= %s ORDER BY next_due_at, id LIMIT %s "
            "FOR UPDATE SKIP LOCKED",
            [now, batch],
        )
        ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return Counter()
    today = clock.local_day(now)
    tally: Counter[str] = Counter()
    for action, reason, number in prepared(_OPEN, {"ids": ids, "now": now, "today": today}):
        tally[f"{action}:{reason}" if reason else action] += number
    return tally


# Facts -> person -> relation -> verdict -> ceiling -> tasks and hands. Rules are re-read from the published version, so an
# edit holds for hands that still stand under the old one.
_OPEN = f"""
WITH facts AS MATERIALIZED (   -- else its subqueries are planned again for each use
    SELECT e.*, step.id AS step_id, step.key AS step_key, step.task_type, step.nature, step.channels, step.assignee AS assignee_rule,
        coalesce((step.priority_by_buyer->>e.buyer)::int, step.priority) AS priority, step.always_shown, step.held_by_ticket,
        step.weekly_cap_exempt, step.friend_lost, step.may_wait_for_return, step.rest_day_grace, step.evidence_any_of, step.why,
        step.offset_minutes, step.due_day AS rule_due, step.open_day AS rule_open, step.expire_day AS rule_expire,
        step.timing_rules, published.id AS published_id, published.rules,
        m.status AS member_status, m.do_not_contact, m.marketing_opt_out, m.phone_consent, m.tier_631, m.member_level,
        m.owner_guide_id AS owner_now, ms.id AS main_store_id, ms.unit_id AS main_unit_id,
        ao.is_gift, ao.is_delivery, ao.status AS anchor_status,
        owner.state AS owner_state, owner.store_id AS owner_store_id,
        CASE WHEN {staffed("serving")} THEN e.serving_guide_id END AS serving_now,
        CASE WHEN {staffed("owner")} THEN m.owner_guide_id END AS owner_there,
        CASE WHEN {staffed("duty")} THEN ms.duty_guide_id END AS duty_now,
        {manager("ms.unit_id")} AS manager_id
    FROM tasks_enrollment e
    JOIN tasks_cadenceversion published ON published.cadence_id = e.cadence_id AND published.state = 'published'
    LEFT JOIN tasks_cadencestep step ON step.version_id = published.id AND step.key = e.next_step
    JOIN crm_member m ON m.id = e.member_id
    JOIN crm_order ao ON ao.id = e.anchor_order_id
    JOIN guides_store ms ON ms.id = coalesce(m.main_store_id, e.store_id)
    LEFT JOIN guides_staff owner ON owner.id = m.owner_guide_id
    LEFT JOIN guides_staff serving ON serving.id = e.serving_guide_id
    LEFT JOIN guides_staff duty ON duty.id = ms.duty_guide_id
    WHERE e.id = ANY(%(ids)s)
), people AS (
    SELECT f.*, who.cand, cs.state AS cand_state, cs.backup_guide_id, cs.store_id AS cand_store_id,
        coalesce(cs.store_id, f.main_store_id) AS hours_store_id
    FROM facts f
    CROSS JOIN LATERAL (SELECT CASE WHEN f.assignee_rule = 'serving_guide'
        THEN coalesce(f.serving_now, f.owner_there, f.duty_now, f.manager_id)
        ELSE coalesce(f.owner_now, f.serving_now, f.duty_now, f.manager_id) END AS cand) who
    LEFT JOIN guides_staff cs ON cs.id = who.cand
), times AS (
    SELECT p.*, hours.opens_at, hours.closes_at, hours.id AS assignee_store,
        CASE WHEN p.offset_minutes IS NULL THEN ds.open_at ELSE ft.open_at END AS step_open_at,
        CASE WHEN p.offset_minutes IS NULL THEN {moments.at("ds.due_day", "hours.closes_at")} ELSE ft.due_at END AS rule_due_at,
        CASE WHEN p.offset_minutes IS NULL THEN {moments.at("ds.expire_day", "hours.closes_at")} ELSE ft.expire_at END AS step_expire_at,
        coalesce(ft.timing, 'same_day') AS timing, coalesce(ft.is_late, false) AS is_late,
        ds.base_day, ds.due_day, ds.expire_day
    FROM people p
    JOIN guides_store hours ON hours.id = p.hours_store_id
    LEFT JOIN LATERAL (
        SELECT ft.* FROM (SELECT p.offset_minutes, p.timing_rules) step
        {moments.first_touch(touch="p.touch_at", known="p.known_at", hours="hours", step="step")}
        WHERE p.offset_minutes IS NOT NULL
    ) ft ON true
    LEFT JOIN LATERAL (
        SELECT ds.* FROM (SELECT p.rule_open AS open_day, p.rule_due AS due_day, p.rule_expire AS expire_day) step
        {moments.day_step(anchor="p.day_anchor_date", moved="(p.step_days->>p.step_key)::date", hours="hours", step="step")}
        WHERE p.offset_minutes IS NULL
    ) ds ON true
), duty AS (   -- rest days and leave over the due date (assignment.guide_on_leave)
    SELECT t.*, CASE WHEN t.offset_minutes IS NULL THEN greatest(t.due_day, %(today)s) ELSE %(today)s END AS watched_day
    FROM times t
), rested AS (
    SELECT d.*,
        CASE WHEN d.cand_state = 'leave' OR {away("d.cand", "d.watched_day")} THEN
            CASE WHEN d.cand_state = 'leave' THEN 'backup'
                 WHEN d.rest_day_grace > 0 AND NOT {away("d.cand", "d.watched_day + d.rest_day_grace")} THEN 'grace'
                 WHEN d.may_wait_for_return AND back.day IS NOT NULL THEN 'wait'
                 ELSE 'backup' END
            ELSE 'there' END AS presence,
        back.day AS back_on
    FROM duty d
    LEFT JOIN LATERAL (
        SELECT min(free)::date AS day FROM generate_series(d.watched_day + 1, d.expire_day, interval '1 day') free
        WHERE d.may_wait_for_return AND NOT {away("d.cand", "free::date")}
    ) back ON true
), assigned AS (
    SELECT r.*, coalesce(CASE WHEN r.presence = 'backup' THEN coalesce(helper.id, r.manager_id) ELSE r.cand END, r.manager_id) AS assignee,
        CASE r.presence
            WHEN 'grace' THEN {moments.at("r.watched_day + r.rest_day_grace", "r.closes_at")}
            WHEN 'wait' THEN {moments.at("r.back_on", "r.closes_at")}
            ELSE r.rule_due_at END AS wanted_due_at
    FROM rested r
    LEFT JOIN guides_staff helper ON helper.id = r.backup_guide_id AND helper.state = 'active'
        AND helper.store_id = r.cand_store_id AND NOT {away("helper.id", "r.watched_day")}
), related AS (
    SELECT a.*, link.state AS friend_state,
        EXISTS (SELECT 1 FROM tasks_reach rc WHERE rc.member_id = a.member_id AND rc.day = %(today)s) AS contacted_today,
        (SELECT count(*) FROM tasks_reach rc WHERE rc.member_id = a.member_id AND rc.day > %(today)s - 7) AS contacted_week,
        (SELECT count(*) FROM tasks_reach rc WHERE rc.member_id = a.member_id AND rc.day > %(today)s - 30
            AND rc.nature = 'marketing') AS marketed_month,
        tickets.blocking, tickets.altering, tickets.pickup_on, orders.left_count, newer.waits
    FROM assigned a
    LEFT JOIN LATERAL (   -- one who is being passed on to the heir is his friend in a day
        SELECT CASE WHEN fl.state = 'pending_transfer' THEN 'friend' ELSE fl.state END AS state FROM crm_friendlink fl
        WHERE fl.member_id = a.member_id AND (fl.guide_id = a.assignee
            OR a.assignee = a.owner_now AND fl.state = 'pending_transfer' AND fl.ended_at IS NULL)
        ORDER BY (fl.state IN ('friend', 'pending_transfer')) DESC, fl.id DESC LIMIT 1
    ) link ON true
    LEFT JOIN LATERAL (
        SELECT bool_or(tk.kind IN ('complaint', 'return')) AS blocking, bool_or(tk.kind = 'alteration') AS altering,
            max({moments.local_date("tk.pickup_at")}) FILTER (WHERE tk.kind = 'alteration') AS pickup_on
        FROM crm_ticket tk WHERE tk.member_id = a.member_id AND tk.state NOT IN ('closed', 'rejected', 'cancelled')
          AND (tk.order_id IS NULL OR EXISTS (SELECT 1 FROM tasks_enrollmentcause c
                                              WHERE c.order_id = tk.order_id AND c.enrollment_id = a.id))
    ) tickets ON true
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE o.status = 'paid' AND o.net_amount_fen > 0) AS left_count
        FROM tasks_enrollmentcause c JOIN crm_order o ON o.id = c.order_id WHERE c.enrollment_id = a.id
    ) orders ON true
    LEFT JOIN LATERAL (   -- a later full order that its event has not brought to the engine yet
        SELECT true AS waits FROM crm_order o
        WHERE a.kind = 'full' AND o.member_id = a.member_id AND o.paid_on > a.anchor_on AND o.status = 'paid'
          AND o.known_at IS NOT NULL AND o.net_amount_fen >= (a.rules->>'small_below_fen')::bigint
          AND a.rules->'kinds' ? o.kind
          AND NOT EXISTS (SELECT 1 FROM tasks_enrollmentcause c WHERE c.order_id = o.id AND c.cadence_id = a.cadence_id)
        LIMIT 1
    ) newer ON true
), judged AS (
    SELECT r.*, alter_to.day AS altered_day,
        coalesce(r.friend_state, '') AS friend,
        CASE
            WHEN r.step_id IS NULL THEN 'skip'                       -- the published rules have no such step any more
            WHEN r.step_open_at > %(now)s AND NOT r.is_late THEN 'later'   -- the rule moved it ahead, or the hand was early
            WHEN r.member_status <> 'active' THEN 'cancel'
            WHEN r.left_count = 0 THEN 'cancel'
            WHEN r.newer IS NOT NULL THEN 'wait'
            WHEN r.is_late OR r.step_expire_at < %(now)s THEN 'skip'
            WHEN alter_to.day > r.base_day THEN 'alter'
            WHEN r.do_not_contact THEN 'skip'
            WHEN r.nature <> 'service' AND r.marketing_opt_out && r.channels THEN 'skip'
            WHEN r.offset_minutes IS NULL AND r.cand_state IN ('resigned', 'disabled') THEN 'wait'   -- for the heir
            WHEN r.assignee IS NULL THEN 'wait'
            WHEN r.held_by_ticket AND r.blocking THEN 'hold'
            WHEN r.friend_state IN ('deleted_by_member', 'deleted_by_guide', 'blocked') THEN CASE
                WHEN r.phone_consent AND (r.friend_lost = 'call'
                    OR r.friend_lost = 'call_if_valued' AND r.tier_631 IN ('core', 'potential')) THEN 'open' ELSE 'skip' END
            WHEN r.friend_state IS NULL AND r.offset_minutes IS NULL AND NOT r.phone_consent THEN 'skip'
            WHEN r.contacted_today OR (NOT r.weekly_cap_exempt
                    AND r.contacted_week >= (r.rules->'caps'->>'member_per_7_days')::int)
                 OR (r.nature = 'marketing' AND r.marketed_month >= (r.rules->'caps'->>'member_marketing_per_30_days')::int)
                 THEN 'member_cap'
            ELSE 'open' END AS wish,
        CASE
            WHEN r.step_id IS NULL THEN 'rule_removed'
            WHEN r.member_status <> 'active' THEN 'member_deleted'
            WHEN r.left_count = 0 THEN 'returned_full'
            WHEN r.is_late OR r.step_expire_at < %(now)s THEN 'late_data'
            WHEN r.do_not_contact THEN 'do_not_contact'
            WHEN r.nature <> 'service' AND r.marketing_opt_out && r.channels THEN 'unsubscribed'
            WHEN r.friend_state IN ('deleted_by_member', 'deleted_by_guide', 'blocked') THEN 'friend_lost'
            WHEN r.friend_state IS NULL THEN 'no_channel'
            ELSE '' END AS why_not,
        {moments.at("%(today)s::date + 1", "r.opens_at")} AS tomorrow_at
    FROM (SELECT related.*, related.waits AS newer FROM related) r
    LEFT JOIN LATERAL (
        SELECT least(coalesce(r.pickup_on + 1, r.day_anchor_date + (r.rules->>'latest_alteration_day')::int),
                     r.day_anchor_date + (r.rules->>'latest_alteration_day')::int) AS day
        WHERE r.altering AND r.step_key = 'd3'
    ) alter_to ON true
), load AS (   -- what stands on the lists of the people in this batch
    SELECT t.assignee_id, count(*) AS all_open, count(*) FILTER (WHERE t.enrollment_id IS NOT NULL) AS cadence_open
    FROM tasks_task t
    WHERE t.state = 'open' AND t.held_at IS NULL
      AND t.assignee_id IN (SELECT assignee FROM judged UNION SELECT backup_guide_id FROM judged)
    GROUP BY t.assignee_id
), ranked AS (
    SELECT j.*, tier.rank AS tier_rank,
        greatest(0, least((j.rules->'caps'->>'guide_3369')::int - coalesce(l.cadence_open, 0),
                          (j.rules->'caps'->>'guide_shown')::int - coalesce(l.all_open, 0))) AS room,
        count(*) FILTER (WHERE j.wish = 'open' AND j.always_shown) OVER (PARTITION BY j.assignee) AS shown_anyway,
        row_number() OVER (PARTITION BY j.assignee, j.wish = 'open' AND NOT j.always_shown
                           ORDER BY j.priority, tier.rank, j.rule_due_at, j.member_level DESC, j.id) AS place
    FROM judged j
    LEFT JOIN load l ON l.assignee_id = j.assignee
    CROSS JOIN LATERAL (SELECT CASE j.tier_631 WHEN 'core' THEN 1 WHEN 'potential' THEN 2 WHEN 'common' THEN 3
                                               WHEN 'lapsed' THEN 4 ELSE 5 END AS rank) tier
), capped AS (
    SELECT r.*, CASE
            WHEN r.wish = 'member_cap' THEN CASE WHEN r.tomorrow_at <= r.step_expire_at THEN 'shift' ELSE 'skip' END
            WHEN r.wish = 'open' AND NOT r.always_shown AND r.place > r.room - r.shown_anyway THEN
                CASE WHEN r.tomorrow_at <= r.step_expire_at THEN 'shift'
                     WHEN backup.id IS NOT NULL THEN 'open' ELSE 'skip' END
            ELSE r.wish END AS action,
        CASE
            WHEN r.wish = 'member_cap' THEN 'member_cap'
            WHEN r.wish = 'open' AND NOT r.always_shown AND r.place > r.room - r.shown_anyway THEN 'guide_cap'
            WHEN r.wish IN ('skip', 'cancel') THEN r.why_not ELSE '' END AS reason,
        CASE WHEN r.wish = 'open' AND NOT r.always_shown AND r.place > r.room - r.shown_anyway AND r.tomorrow_at > r.step_expire_at
             THEN backup.id END AS overflow_to
    FROM ranked r
    LEFT JOIN LATERAL (
        SELECT b.id FROM guides_staff b LEFT JOIN load bl ON bl.assignee_id = b.id
        WHERE b.id = r.backup_guide_id AND b.state = 'active' AND NOT {away("b.id", "%(today)s")}
          AND coalesce(bl.all_open, 0) < (r.rules->'caps'->>'guide_shown')::int
          AND (r.phone_consent OR {friends("r.member_id", "b.id")})
    ) backup ON true
), verdict AS (
    SELECT c.*, coalesce(c.overflow_to, c.assignee) AS final_assignee, fs.store_id AS final_store,
        CASE WHEN c.overflow_to IS NOT NULL AND NOT {friends("c.member_id", "c.overflow_to")} THEN 'manual_call'
             WHEN c.friend = 'friend' THEN 'wecom_message'
             WHEN c.friend = '' AND c.offset_minutes IS NOT NULL THEN 'in_store'
             ELSE 'manual_call' END AS channel,
        least(greatest(c.wanted_due_at, CASE WHEN c.offset_minutes IS NULL THEN {moments.at("%(today)s", "c.closes_at")}
                                             ELSE c.wanted_due_at END), c.step_expire_at) AS due_at,
        array_position(c.plan, c.next_step) AS hand
    FROM capped c LEFT JOIN guides_staff fs ON fs.id = coalesce(c.overflow_to, c.assignee)
), opened AS (
    INSERT INTO tasks_task (task_type, node, enrollment_id, cadence_version_id, member_id, assignee_id, owner_guide_id, store_id,
        order_id, state, nature, channel, priority, tier_rank, open_at, due_at, expire_at, why, context, evidence_any_of,
        held_reason, held_at, hidden_reason, evidence_kind, outcome, closed_reason, tell_at, created_at)
    SELECT v.task_type, v.step_key, v.id, v.published_id, v.member_id, v.final_assignee, v.owner_now,
        coalesce(v.final_store, v.main_store_id), v.anchor_order_id, 'open', v.nature, v.channel, v.priority, v.tier_rank,
        greatest(v.step_open_at, %(now)s), v.due_at, v.step_expire_at,
        {items.why("v.why", "v.items", "(%(today)s)::date - v.anchor_on")},
        jsonb_build_object('items', v.items, 'timing', v.timing, 'buyer', v.buyer, 'gift', v.is_gift, 'delivery', v.is_delivery,
            'days_from', v.anchor_on)
            || CASE WHEN v.step_key = 'd3' AND v.carry_over_items <> '[]'::jsonb
                    THEN jsonb_build_object('carry_over_items', v.carry_over_items) ELSE '{{}}'::jsonb END,
        v.evidence_any_of, CASE WHEN v.action = 'hold' THEN 'aftersale' END, CASE WHEN v.action = 'hold' THEN %(now)s::timestamptz END,
        '', '', '', '', CASE WHEN v.action = 'hold' THEN NULL ELSE %(now)s::timestamptz END, %(now)s
    FROM verdict v WHERE v.action IN ('open', 'hold')
    ORDER BY v.id
    ON CONFLICT (enrollment_id, node) DO NOTHING
    RETURNING id, enrollment_id, node, assignee_id
), assigned_away AS (   -- a backup's task is a recorded act
    INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, at)
    SELECT o.id, CASE WHEN v.overflow_to IS NOT NULL THEN 'guide_cap' ELSE 'backup' END, '', v.cand, o.assignee_id, %(now)s
    FROM opened o JOIN verdict v ON v.id = o.enrollment_id
    WHERE v.cand IS NOT NULL AND o.assignee_id <> v.cand
), moved AS (
    UPDATE tasks_enrollment e SET
        next_step = CASE WHEN v.action IN ('open', 'hold', 'skip') THEN v.plan[v.hand + 1]
                         WHEN v.action = 'cancel' THEN NULL ELSE e.next_step END,
        next_due_at = CASE
            WHEN v.action IN ('open', 'hold', 'skip') THEN
                coalesce(next.open_at, CASE WHEN v.plan[v.hand + 1] IS NOT NULL THEN %(now)s::timestamptz END)
            WHEN v.action = 'cancel' THEN NULL
            WHEN v.action = 'shift' THEN v.tomorrow_at
            WHEN v.action = 'later' THEN v.step_open_at
            WHEN v.action = 'alter' THEN {moments.at("v.altered_day", "v.opens_at")}
            ELSE %(now)s + interval '10 minutes' END,
        step_days = CASE WHEN v.action = 'alter' THEN e.step_days || jsonb_build_object(v.step_key, v.altered_day) ELSE e.step_days END,
        steps_skipped = e.steps_skipped + (v.action = 'skip')::int,
        steps_cancelled = e.steps_cancelled + CASE WHEN v.action = 'cancel' THEN cardinality(v.plan) - v.hand + 1 ELSE 0 END,
        step_reasons = (CASE WHEN v.action = 'skip' THEN e.step_reasons || jsonb_build_object(v.next_step, v.reason)
                             ELSE e.step_reasons END) - ARRAY['parked', 'parked_why'],
        is_day_anchor_frozen = e.is_day_anchor_frozen OR (v.action IN ('open', 'hold', 'skip') AND v.offset_minutes IS NULL),
        status = CASE WHEN v.action = 'cancel' THEN 'cancelled'
                      WHEN v.action = 'skip' AND v.plan[v.hand + 1] IS NULL AND NOT EXISTS (
                          SELECT 1 FROM tasks_task t WHERE t.enrollment_id = e.id AND t.state = 'open') THEN 'completed'
                      ELSE e.status END,
        closed_at = CASE WHEN v.action = 'cancel' OR (v.action = 'skip' AND v.plan[v.hand + 1] IS NULL AND NOT EXISTS (
                          SELECT 1 FROM tasks_task t WHERE t.enrollment_id = e.id AND t.state = 'open')) THEN %(now)s ELSE e.closed_at END,
        closed_reason = CASE WHEN v.action = 'cancel' THEN v.reason ELSE e.closed_reason END
    FROM verdict v
    LEFT JOIN LATERAL (
        SELECT {moments.at("coalesce((v.step_days->>ns.key)::date, v.day_anchor_date + ns.open_day)", "coalesce(os.opens_at, v.opens_at)")} AS open_at
        FROM tasks_cadencestep ns LEFT JOIN guides_store os ON os.id = v.owner_store_id
        WHERE ns.version_id = v.published_id AND ns.key = v.plan[v.hand + 1]
    ) next ON true
    WHERE e.id = v.id AND e.next_step = v.next_step
    RETURNING e.id
), cancelled AS (
    UPDATE tasks_task t SET state = 'cancelled', closed_reason = v.reason, closed_at = %(now)s, tell_at = NULL,
        held_at = NULL, held_reason = NULL
    FROM verdict v WHERE v.action = 'cancel' AND t.enrollment_id = v.id AND t.state = 'open'
)
SELECT action, reason, count(*) FROM verdict GROUP BY action, reason
"""
