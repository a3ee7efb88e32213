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

HANDOVER_HOLD_HOURS = 48  # task_types.yaml, handover_intro: other tasks of the member wait for it, 48 h at most
OPEN_LOCK = 0x59_4A_42_03  # one opener at a time: the ceiling of a guide's day is counted across batches

# The due cycles that nobody else holds, with their hands. The cycle's lock is what everybody takes (tasks/cadences/changes.py).
CLAIM = """
SELECT h.enrollment_id FROM tasks_hand h JOIN tasks_enrollment e ON e.id = h.enrollment_id
WHERE h.next_due_at <= %(now)s ORDER BY h.next_due_at LIMIT %(batch)s FOR NO KEY UPDATE SKIP LOCKED
"""


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
            f"""
            UPDATE tasks_hand SET next_due_at = %(now)s + interval '1 hour', parked_tries = parked_tries + 1,
                parked_why = left(%(why)s, 64)
            WHERE enrollment_id = ({CLAIM})
            """,
            {"now": now, "why": why, "batch": 1},
        )
        return Counter(parked=cursor.rowcount) if cursor.rowcount else Counter()


@transaction.atomic
def _judge_and_move(now: datetime, batch: int) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [OPEN_LOCK])
        if not cursor.fetchone()[0]:
            return Counter()
        cursor.execute(CLAIM, {"now": now, "batch": batch})
        ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return Counter()
    today = clock.local_day(now)
    tally: Counter[str] = Counter()
    for action, reason, number in prepared(_OPEN, {"ids": ids, "now": now, "today": today}):
        tally[f"{action}:{reason}" if reason else action] += number
    return tally


# ---------------------------------------------------------------- the statement, in pieces

_SERVING = f"(SELECT s.id FROM guides_staff s WHERE s.id = e.serving_guide_id AND {staffed('s')})"
_DUTY = f"""(SELECT s.id FROM guides_store st JOIN guides_staff s ON s.id = st.duty_guide_id
             WHERE st.id = coalesce(m.main_store_id, e.store_id) AND {staffed("s")})"""
_MANAGER = manager("(SELECT st.unit_id FROM guides_store st WHERE st.id = {})")
# What stands on somebody's list, counted up to a number.
_LISTED = """SELECT count(*) AS all_open, count(t.enrollment_id) AS cadence_open FROM (
        SELECT enrollment_id FROM tasks_task WHERE assignee_id = {} AND state = 'open' AND held_at IS NULL LIMIT {}) t"""
_TOMORROW = moments.at("%(today)s::date + 1", "{}.opens_at")
# A later step opens with the own guide's store.
_OWNERS_OPENING = """CASE WHEN v.owner_store_id = v.hours_store_id THEN v.opens_at ELSE
            coalesce((SELECT os.opens_at FROM guides_store os WHERE os.id = v.owner_store_id), v.opens_at) END"""

# Rules -> facts -> person -> relation -> verdict -> ceiling -> tasks and hands. Rules are re-read from the published version,
# so an edit holds for hands that still stand under the old one. What only few rows need (a manager, a backup, the day somebody
# is back) stands in a CASE or behind a condition, where it is looked up for those alone. `OFFSET 0` ends a lateral whose
# columns are used more than once: without it each use would work them out again.
_OPEN = f"""
WITH book AS MATERIALIZED (
    SELECT v.cadence_id, v.id AS published_id, v.rules->'kinds' AS kinds, (v.rules->>'small_below_fen')::bigint AS small_below_fen,
        (v.rules->>'latest_alteration_day')::int AS latest_alteration_day, (caps->>'guide_3369')::int AS guide_3369,
        (caps->>'guide_shown')::int AS guide_shown, (caps->>'member_per_7_days')::int AS member_per_7_days,
        (caps->>'member_marketing_per_30_days')::int AS member_marketing_per_30_days
    FROM tasks_cadenceversion v CROSS JOIN LATERAL (SELECT v.rules->'caps' AS caps) c WHERE v.state = 'published'
), steps AS MATERIALIZED (
    SELECT step.* FROM book JOIN tasks_cadencestep step ON step.version_id = book.published_id
), facts AS MATERIALIZED (
    SELECT e.id, e.cadence_id, e.member_id, e.kind, e.buyer, e.anchor_order_id, e.anchor_at, e.anchor_on, e.touch_at, e.known_at,
        e.day_anchor_date, e.plan, h.next_step, e.step_days, e.items, e.carry_over_items, step.id AS step_id, step.key AS step_key, step.task_type, step.nature, step.channels,
        coalesce((step.priority_by_buyer->>e.buyer)::int, step.priority) AS priority, step.always_shown, step.held_by_ticket,
        step.weekly_cap_exempt, step.friend_lost, step.may_wait_for_return, step.rest_day_grace, step.evidence_any_of, step.why,
        step.offset_minutes, step.due_day AS rule_due, step.open_day AS rule_open, step.expire_day AS rule_expire,
        step.timing_rules, book.published_id, book.kinds, book.small_below_fen, book.latest_alteration_day, book.guide_3369,
        book.guide_shown, book.member_per_7_days, book.member_marketing_per_30_days,
        m.status AS member_status, m.do_not_contact, m.marketing_opt_out, m.phone_consent, m.tier_631, m.member_level,
        m.owner_guide_id AS owner_now, coalesce(m.main_store_id, e.store_id) AS main_store_id, ao.is_gift, ao.is_delivery,
        ao.status = 'paid' AND ao.net_amount_fen > 0 OR EXISTS (
            SELECT 1 FROM tasks_enrollmentcause c JOIN crm_order o ON o.id = c.order_id
            WHERE c.enrollment_id = e.id AND o.status = 'paid' AND o.net_amount_fen > 0) AS is_bought,
        owner.store_id AS owner_store_id,
        CASE WHEN step.assignee = 'serving_guide'
            THEN coalesce({_SERVING}, CASE WHEN {staffed("owner")} THEN owner.id END, {_DUTY}, {_MANAGER.format("coalesce(m.main_store_id, e.store_id)")})
            ELSE coalesce(m.owner_guide_id, {_SERVING}, {_DUTY}, {_MANAGER.format("coalesce(m.main_store_id, e.store_id)")}) END AS cand
    FROM tasks_enrollment e
    JOIN tasks_hand h ON h.enrollment_id = e.id
    JOIN book ON book.cadence_id = e.cadence_id
    LEFT JOIN steps step ON step.version_id = book.published_id AND step.key = h.next_step
    JOIN crm_member m ON m.id = e.member_id
    JOIN crm_order ao ON ao.id = e.anchor_order_id
    LEFT JOIN guides_staff owner ON owner.id = m.owner_guide_id
    WHERE e.id = ANY(%(ids)s) AND h.enrollment_id = ANY(%(ids)s)
), assigned AS (   -- when it opens and ends, and who is there: rest days and leave over the due date (assignment.guide_on_leave)
    SELECT f.*, cs.state AS cand_state, cs.backup_guide_id, cs.store_id AS cand_store_id, hours.id AS hours_store_id,
        hours.opens_at, hours.closes_at, coalesce(ft.timing, 'same_day') AS timing, coalesce(ft.is_late, false) AS is_late,
        ds.base_day, t.step_open_at, t.step_expire_at, t.rule_due_at, who.assignee, who.wanted_due_at
    FROM facts f
    LEFT JOIN guides_staff cs ON cs.id = f.cand
    JOIN guides_store hours ON hours.id = coalesce(cs.store_id, f.main_store_id)
    LEFT JOIN LATERAL (
        SELECT ft.* FROM (SELECT f.offset_minutes, f.timing_rules) step
        {moments.first_touch(touch="f.touch_at", known="f.known_at", hours="hours", step="step")}
        WHERE f.offset_minutes IS NOT NULL OFFSET 0
    ) ft ON true
    LEFT JOIN LATERAL (
        SELECT ds.*, greatest(ds.due_day, %(today)s) AS watched_day
        FROM (SELECT f.rule_open AS open_day, f.rule_due AS due_day, f.rule_expire AS expire_day) step
        {moments.day_step(anchor="f.day_anchor_date", moved="(f.step_days->>f.step_key)::date", hours="hours", step="step")}
        WHERE f.offset_minutes IS NULL OFFSET 0
    ) ds ON true
    CROSS JOIN LATERAL (SELECT
        CASE WHEN f.offset_minutes IS NULL THEN ds.open_at ELSE ft.open_at END AS step_open_at,
        CASE WHEN f.offset_minutes IS NULL THEN {moments.at("ds.due_day", "hours.closes_at")} ELSE ft.due_at END AS rule_due_at,
        CASE WHEN f.offset_minutes IS NULL THEN {moments.at("ds.expire_day", "hours.closes_at")} ELSE ft.expire_at END AS step_expire_at,
        CASE WHEN f.offset_minutes IS NULL THEN ds.watched_day ELSE %(today)s END AS watched_day OFFSET 0
    ) t
    CROSS JOIN LATERAL (SELECT cs.state = 'leave' OR {away("f.cand", "t.watched_day")} AS now OFFSET 0) gone
    LEFT JOIN LATERAL (
        SELECT t.watched_day + ahead AS day FROM generate_series(1, ds.expire_day - t.watched_day) ahead
        WHERE gone.now AND f.may_wait_for_return AND NOT {away("f.cand", "t.watched_day + ahead")} LIMIT 1
    ) back ON true
    CROSS JOIN LATERAL (SELECT CASE WHEN NOT coalesce(gone.now, false) THEN 'there'
        WHEN cs.state = 'leave' THEN 'backup'
        WHEN f.rest_day_grace > 0 AND NOT {away("f.cand", "t.watched_day + f.rest_day_grace")} THEN 'grace'
        WHEN f.may_wait_for_return AND back.day IS NOT NULL THEN 'wait'
        ELSE 'backup' END AS presence OFFSET 0
    ) p
    CROSS JOIN LATERAL (SELECT
        CASE p.presence WHEN 'backup' THEN coalesce((
            SELECT helper.id FROM guides_staff helper WHERE helper.id = cs.backup_guide_id AND helper.state = 'active'
              AND helper.store_id = cs.store_id AND NOT {away("helper.id", "t.watched_day")}), {_MANAGER.format("f.main_store_id")})
            ELSE f.cand END AS assignee,
        CASE p.presence WHEN 'grace' THEN {moments.at("t.watched_day + f.rest_day_grace", "hours.closes_at")}
            WHEN 'wait' THEN {moments.at("back.day", "hours.closes_at")}
            ELSE t.rule_due_at END AS wanted_due_at OFFSET 0
    ) who
), related AS (
    SELECT a.*, link.is_friend, reached.today AS contacted_today, reached.week AS contacted_week, reached.marketed AS marketed_month,
        tickets.blocking, newer.waits, alter_to.day AS altered_day, intro.waits AS is_introducing
    FROM assigned a
    LEFT JOIN LATERAL (   -- null: never a friend; one who is being passed on to the heir is his friend in a day
        SELECT bool_or(fl.state IN ('friend', 'pending_transfer')) AS is_friend FROM crm_friendlink fl
        WHERE fl.member_id = a.member_id AND (fl.guide_id = a.assignee
            OR a.assignee = a.owner_now AND fl.state = 'pending_transfer' AND fl.ended_at IS NULL)
    ) link ON true
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE rc.day = %(today)s) AS today, count(*) FILTER (WHERE rc.day > %(today)s - 7) AS week,
            count(*) FILTER (WHERE rc.nature = 'marketing') AS marketed
        FROM tasks_reach rc WHERE rc.member_id = a.member_id AND rc.day > %(today)s - 30
    ) reached ON true
    LEFT JOIN LATERAL (
        SELECT bool_or(tk.kind IN ('complaint', 'return')) AS blocking, bool_or(tk.kind = 'alteration') AS altering,
            max({moments.local_date("tk.pickup_at")}) FILTER (WHERE tk.kind = 'alteration') AS pickup_on
        FROM crm_ticket tk WHERE tk.member_id = a.member_id AND tk.state NOT IN ('closed', 'rejected', 'cancelled')
          AND (tk.order_id IS NULL OR EXISTS (SELECT 1 FROM tasks_enrollmentcause c
                                              WHERE c.order_id = tk.order_id AND c.enrollment_id = a.id))
    ) tickets ON true
    LEFT JOIN LATERAL (   -- his new guide has not introduced himself yet
        SELECT true AS waits FROM tasks_task i
        WHERE i.member_id = a.member_id AND i.task_type = 'handover_intro' AND i.state = 'open' AND a.offset_minutes IS NULL
          AND i.created_at > %(now)s::timestamptz - interval '{HANDOVER_HOLD_HOURS} hours'
        LIMIT 1
    ) intro ON true
    LEFT JOIN LATERAL (   -- a later full order that its event has not brought to the engine yet
        SELECT true AS waits FROM crm_order o
        WHERE a.kind = 'full' AND o.member_id = a.member_id AND o.paid_at > a.anchor_at AND o.paid_on > a.anchor_on
          AND o.status = 'paid' AND o.known_at IS NOT NULL AND o.net_amount_fen >= a.small_below_fen AND a.kinds ? o.kind
          AND NOT EXISTS (SELECT 1 FROM tasks_enrollmentcause c WHERE c.order_id = o.id AND c.cadence_id = a.cadence_id)
        LIMIT 1
    ) newer ON true
    LEFT JOIN LATERAL (
        SELECT least(coalesce(tickets.pickup_on + 1, a.day_anchor_date + a.latest_alteration_day),
                     a.day_anchor_date + a.latest_alteration_day) AS day
        WHERE tickets.altering AND a.step_key = 'd3' OFFSET 0
    ) alter_to ON true
), judged AS (
    SELECT r.*,
        CASE
            WHEN r.step_id IS NULL THEN 'skip'                       -- the published rules have no such step any more
            WHEN r.step_open_at > %(now)s AND NOT r.is_late THEN 'later'   -- the rule moved it ahead, or the hand was early
            WHEN r.member_status <> 'active' THEN 'cancel'
            WHEN NOT r.is_bought THEN 'cancel'
            WHEN r.waits THEN 'wait'
            WHEN r.is_late OR r.step_expire_at < %(now)s THEN 'skip'
            WHEN r.altered_day > r.base_day THEN 'alter'
            WHEN r.do_not_contact THEN 'skip'
            WHEN r.nature <> 'service' AND r.marketing_opt_out && r.channels THEN 'skip'
            WHEN r.offset_minutes IS NULL AND r.cand_state IN ('resigned', 'disabled') THEN 'wait'   -- for the heir
            WHEN r.assignee IS NULL THEN 'wait'
            WHEN r.held_by_ticket AND r.blocking OR r.is_introducing THEN 'hold'
            WHEN NOT r.is_friend THEN CASE
                WHEN r.phone_consent AND (r.friend_lost = 'call'
                    OR r.friend_lost = 'call_if_valued' AND r.tier_631 IN ('core', 'potential')) THEN 'open' ELSE 'skip' END
            WHEN r.is_friend IS NULL AND r.offset_minutes IS NULL AND NOT r.phone_consent THEN 'skip'
            WHEN r.contacted_today > 0 OR (NOT r.weekly_cap_exempt AND r.contacted_week >= r.member_per_7_days)
                 OR (r.nature = 'marketing' AND r.marketed_month >= r.member_marketing_per_30_days) THEN 'member_cap'
            ELSE 'open' END AS wish,
        CASE
            WHEN r.step_id IS NULL THEN 'rule_removed'
            WHEN r.member_status <> 'active' THEN 'member_deleted'
            WHEN NOT r.is_bought THEN 'returned_full'
            WHEN r.is_late OR r.step_expire_at < %(now)s THEN 'late_data'
            WHEN r.do_not_contact THEN 'do_not_contact'
            WHEN r.nature <> 'service' AND r.marketing_opt_out && r.channels THEN 'unsubscribed'
            WHEN NOT r.is_friend THEN 'friend_lost'
            WHEN r.is_friend IS NULL THEN 'no_channel'
            ELSE '' END AS why_not,
        CASE r.tier_631 WHEN 'core' THEN 1 WHEN 'potential' THEN 2 WHEN 'common' THEN 3 WHEN 'lapsed' THEN 4 ELSE 5 END AS tier_rank
    FROM related r
), load AS (   -- what stands on the lists of those whose ceiling counts; beyond it nobody needs the number
    SELECT busy.assignee, n.all_open, n.cadence_open
    FROM (SELECT DISTINCT assignee FROM judged WHERE wish = 'open' AND NOT always_shown) busy
    CROSS JOIN LATERAL ({_LISTED.format("busy.assignee", "(SELECT max(guide_shown) FROM book)")}) n
), ranked AS (
    SELECT j.*,
        greatest(0, least(j.guide_3369 - l.cadence_open, j.guide_shown - l.all_open)) AS room,
        count(*) FILTER (WHERE j.wish = 'open' AND j.always_shown) OVER (PARTITION BY j.assignee) AS shown_anyway,
        row_number() OVER (PARTITION BY j.assignee, j.wish = 'open' AND NOT j.always_shown
                           ORDER BY j.priority, j.tier_rank, j.rule_due_at, j.member_level DESC, j.id) AS place
    FROM judged j
    LEFT JOIN load l ON l.assignee = j.assignee
), capped AS (
    SELECT r.*, backup.id AS overflow_to,
        CASE WHEN over.its_member OR over.his_day THEN
                CASE WHEN {_TOMORROW.format("r")} <= r.step_expire_at THEN 'shift' WHEN backup.id IS NOT NULL THEN 'open' ELSE 'skip' END
            ELSE r.wish END AS action,
        CASE WHEN over.its_member THEN 'member_cap' WHEN over.his_day THEN 'guide_cap'
             WHEN r.wish IN ('skip', 'cancel') THEN r.why_not ELSE '' END AS reason
    FROM ranked r
    CROSS JOIN LATERAL (SELECT r.wish = 'member_cap' AS its_member,
        r.wish = 'open' AND NOT r.always_shown AND r.place > r.room - r.shown_anyway AS his_day OFFSET 0) over
    CROSS JOIN LATERAL (SELECT CASE WHEN over.his_day AND {_TOMORROW.format("r")} > r.step_expire_at THEN (
        SELECT b.id FROM guides_staff b
        WHERE b.id = r.backup_guide_id AND b.state = 'active' AND NOT {away("b.id", "%(today)s")}
          AND (SELECT all_open FROM ({_LISTED.format("b.id", "r.guide_shown")}) his) < r.guide_shown
          AND (r.phone_consent OR {friends("r.member_id", "b.id")})) END AS id OFFSET 0
    ) backup
), verdict AS (
    SELECT c.*, coalesce(c.overflow_to, c.assignee) AS final_assignee,
        CASE WHEN coalesce(c.overflow_to, c.assignee) = c.cand THEN c.cand_store_id
             ELSE (SELECT s.store_id FROM guides_staff s WHERE s.id = coalesce(c.overflow_to, c.assignee)) END AS final_store,
        CASE WHEN c.overflow_to IS NOT NULL AND NOT {friends("c.member_id", "c.overflow_to")} THEN 'manual_call'
             WHEN c.is_friend THEN 'wecom_message'
             WHEN c.is_friend IS NULL AND c.offset_minutes IS NOT NULL THEN 'in_store'
             ELSE 'manual_call' END AS channel,
        least(greatest(c.wanted_due_at, CASE WHEN c.offset_minutes IS NULL THEN {moments.at("%(today)s", "c.closes_at")}
                                             ELSE c.wanted_due_at END), c.step_expire_at) AS due_at,
        hand.place AS hand, c.plan[hand.place + 1] AS following,
        c.action IN ('open', 'hold', 'skip') AND c.plan[hand.place + 1] IS NULL OR c.action = 'cancel' AS is_last
    FROM capped c CROSS JOIN LATERAL (SELECT array_position(c.plan, c.next_step) AS place OFFSET 0) hand
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
        v.evidence_any_of, CASE WHEN v.action = 'hold' THEN CASE WHEN v.held_by_ticket AND v.blocking THEN 'aftersale' ELSE 'handover' END END,
        CASE WHEN v.action = 'hold' THEN %(now)s::timestamptz END,
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
    UPDATE tasks_hand h SET
        next_step = CASE WHEN v.action IN ('open', 'hold', 'skip') THEN v.following ELSE h.next_step END,
        next_due_at = CASE
            WHEN v.action IN ('open', 'hold', 'skip') THEN coalesce(next.open_at, %(now)s)
            WHEN v.action = 'shift' THEN {_TOMORROW.format("v")}
            WHEN v.action = 'later' THEN v.step_open_at
            WHEN v.action = 'alter' THEN {moments.at("v.altered_day", "v.opens_at")}
            ELSE %(now)s + interval '10 minutes' END,
        parked_tries = 0, parked_why = ''
    FROM verdict v
    LEFT JOIN LATERAL (
        SELECT {moments.at("coalesce((v.step_days->>ns.key)::date, v.day_anchor_date + ns.open_day)", _OWNERS_OPENING)} AS open_at
        FROM steps ns WHERE ns.version_id = v.published_id AND ns.key = v.following
    ) next ON true
    WHERE h.enrollment_id = v.id AND h.next_step = v.next_step AND NOT v.is_last
    RETURNING h.enrollment_id
), passed AS (
    DELETE FROM tasks_hand h USING verdict v WHERE h.enrollment_id = v.id AND h.next_step = v.next_step AND v.is_last
    RETURNING h.enrollment_id
), noted AS (   -- what the cycle itself keeps; most moves leave it as it is
    UPDATE tasks_enrollment e SET
        step_days = CASE WHEN v.action = 'alter' THEN e.step_days || jsonb_build_object(v.step_key, v.altered_day) ELSE e.step_days END,
        steps_skipped = e.steps_skipped + (v.action = 'skip')::int,
        steps_cancelled = e.steps_cancelled + CASE WHEN v.action = 'cancel' THEN cardinality(v.plan) - v.hand + 1 ELSE 0 END,
        step_reasons = CASE WHEN v.action = 'skip' THEN e.step_reasons || jsonb_build_object(v.next_step, v.reason)
                            ELSE e.step_reasons END,
        status = CASE WHEN v.action = 'cancel' THEN 'cancelled' WHEN walked.through THEN 'completed' ELSE e.status END,
        closed_at = CASE WHEN v.action = 'cancel' OR walked.through THEN %(now)s ELSE e.closed_at END,
        closed_reason = CASE WHEN v.action = 'cancel' THEN v.reason ELSE e.closed_reason END
    FROM (SELECT enrollment_id FROM moved UNION ALL SELECT enrollment_id FROM passed) hand
    JOIN verdict v ON v.id = hand.enrollment_id AND v.action IN ('skip', 'cancel', 'alter')
    CROSS JOIN LATERAL (   -- the last step was skipped and nothing of the cycle is open
        SELECT CASE WHEN v.action = 'skip' AND v.following IS NULL THEN NOT EXISTS (
            SELECT 1 FROM (SELECT t.state FROM tasks_task t WHERE t.enrollment_id = v.id OFFSET 0) t WHERE t.state = 'open')
            END AS through OFFSET 0
    ) walked
    WHERE e.id = v.id
), cancelled AS (
    UPDATE tasks_task t SET state = 'cancelled', closed_reason = v.reason, closed_at = %(now)s, tell_at = NULL,
        held_at = NULL, held_reason = NULL
    FROM verdict v WHERE v.action = 'cancel' AND t.enrollment_id = v.id AND t.state = 'open'
)
SELECT action, reason, count(*) FROM verdict GROUP BY action, reason
"""
