"""Due hands to tasks: the product's call, batches of 1,000, beside bare claim-and-insert SQL, with millions waiting."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
from django.db import connection, transaction

from bench import world
from bench.figures import Options, Report, at_least, at_most, interleaved, median, median_ratio, progress, rate
from crm.orders.models import Order
from tasks.cadences import moments
from tasks.cadences.models import Enrollment, Hand
from tasks.followups.opening import open_due
from tasks.followups.people import away
from yejibao.core import clock

BATCH = 1000


def main(options: Options) -> Report:
    sizes, rounds, batches = ((50_000, 200_000), 3, 2) if options.quick else ((1_000_000, 10_000_000, 30_000_000), 6, 4)
    if options.rest:
        sizes = tuple(int(size) for size in options.rest)
    now = world.morning()
    clock.travel(now)
    shape = {"stores": 900, "guides": 3_000} if options.quick else {"stores": 3_000, "guides": 10_000}
    world.company(**shape, now=now)
    world.members(sizes[-1] + 2 * len(sizes) * BATCH * batches * (rounds + 1))  # some cycles end meanwhile
    _at(min(sizes[0] // 4, 100_000), 2, 1, now)  # a new server is slow for both sides at first, and would measure that
    seen = [_at(size, rounds, batches, now) for size in sizes]
    first, last = seen[0], seen[-1]
    growth = first["product_per_second"] / last["product_per_second"]
    return Report(
        value=first["product_per_second"], unit="hands/s", limit=first["bare_per_second"], ratio=first["ratio"],
        limit_is="hand-written SQL, two statements a batch: the same claim, look-ups, tasks and moved hands; it judges only "
        "what decides these rows, not the rules that hit none of them",
        goals=[
            at_least("of the bare SQL", first["ratio"], 0.8),
            at_most(f"cost of a task with {last['waiting']:,} waiting, times that with {first['waiting']:,}", growth, 1.3),
        ],
        more={"batch": BATCH, "sizes": seen},
    )  # fmt: skip


def _at(waiting: int, rounds: int, batches: int, now: datetime) -> dict[str, Any]:
    """Let the tables grow to so many waiting cycles and measure both sides there."""
    there = Enrollment.objects.filter(status="active").count()
    world.enrollments(waiting=waiting - there, due=due_hands(rounds, batches), now=now)
    product(BATCH * batches, now)
    bare(BATCH * batches, now)  # plans, caches
    world.warm(now=now, after_order=Order.objects.latest("pk").pk)
    return both_sides(waiting, rounds, batches, now)


def due_hands(rounds: int, batches: int) -> int:
    """Return how many hands must be due for both sides: a call each to warm up, and one a round."""
    return 2 * BATCH * batches * (rounds + 1)


def both_sides(waiting: int, rounds: int, batches: int, now: datetime) -> dict[str, Any]:
    """Open all that is due, the sides in turn, with so many cycles waiting."""
    count = BATCH * batches
    sides = {"product": lambda: product(count, now), "bare": lambda: bare(count, now)}
    world.settle("tasks_task", "tasks_taskmove")
    before = _wal()
    progress(f"measuring at {waiting:,}")
    figures = interleaved(rounds, {name: (lambda side=side: rate(side)) for name, side in sides.items()})
    progress(f"measured at {waiting:,}")
    written = _wal() - before
    left = Hand.objects.filter(next_due_at__lte=now).count()
    if left:
        raise RuntimeError(f"{left} hands are still due: a side did not move what it claimed")
    return {
        "waiting": waiting, "product_per_second": round(median(figures["product"])), "bare_per_second": round(median(figures["bare"])),
        "ratio": round(median_ratio(figures["product"], figures["bare"]), 3),
        "spread": [round(min(figures["product"])), round(max(figures["product"]))],
        "wal_bytes_a_hand": round(written / (2 * count * rounds)), **_sizes(),
    }  # fmt: skip


def product(count: int, now: datetime) -> int:
    """Open what is due, `count` hands of it: the tick's own call, stopped after its batches."""
    done = 0
    while done < count:
        done += sum(open_due(now=now, batch=BATCH, budget=timedelta(microseconds=1)).values())
    return done


def _wal() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return int(cursor.fetchone()[0])


def _sizes() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_table_size('tasks_enrollment') / 1000000, pg_indexes_size('tasks_enrollment') / 1000000,"
            " pg_table_size('tasks_enrollment') + pg_indexes_size('tasks_enrollment')"
        )
        table, indexes, total = cursor.fetchone()
    return {
        "enrollment_mb": table,
        "enrollment_indexes_mb": indexes,
        "bytes_a_cycle": round(total / Enrollment.objects.count()),
    }


# ---------------------------------------------------------------- the floor


def bare(count: int, now: datetime) -> int:
    facts = {"now": now, "today": clock.local_day(now)}
    done = 0
    while done < count:
        with transaction.atomic(), psycopg.Cursor(connection.connection) as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off")
            cursor.execute(_CLAIM, facts | {"batch": BATCH})
            ids = [row[0] for row in cursor.fetchall()]
            cursor.execute(_OPEN, facts | {"ids": ids}, prepare=True)
        if not ids:
            raise RuntimeError("nothing is due any more")
        done += len(ids)
    return done


_CLAIM = """
SELECT h.enrollment_id FROM tasks_hand h JOIN tasks_enrollment e ON e.id = h.enrollment_id
WHERE h.next_due_at <= %(now)s ORDER BY h.next_due_at LIMIT %(batch)s FOR NO KEY UPDATE SKIP LOCKED
"""
# Reads what the product reads (member, order, own guide, hours, roster, friends, reaches, tickets, later orders, lists) and
# writes what it writes.
_OPEN = f"""
WITH read AS MATERIALIZED (
    SELECT e.id, e.member_id, e.anchor_order_id, h.next_step, e.anchor_on, e.items, e.buyer, e.step_reasons, e.plan, e.day_anchor_date,
        step.task_type, step.nature, step.why, step.evidence_any_of, step.offset_minutes, step.always_shown, step.version_id,
        coalesce((step.priority_by_buyer->>e.buyer)::int, step.priority) AS priority, m.tier_631, m.owner_guide_id, owner.store_id,
        hours.opens_at, hours.closes_at, ao.is_gift, ao.is_delivery, due.open_at, due.due_at, due.expire_at, link.is_friend,
        CASE WHEN {away("owner.id", "due.day")} AND (step.rest_day_grace = 0 OR {away("owner.id", "due.day + step.rest_day_grace")})
                AND NOT step.may_wait_for_return
            THEN coalesce((SELECT b.id FROM guides_staff b WHERE b.id = owner.backup_guide_id AND b.state = 'active'
                AND NOT {away("b.id", "due.day")}), owner.id) ELSE owner.id END AS assignee_id,
        CASE WHEN step.held_by_ticket AND tk.blocking THEN 'hold'
             WHEN link.is_friend IS NULL AND step.offset_minutes IS NULL AND NOT m.phone_consent THEN 'skip'
             WHEN reached.today > 0 OR reached.week >= 99 OR later.waits OR ao.status <> 'paid' OR m.status <> 'active' THEN 'wait'
             ELSE 'open' END AS action
    FROM tasks_enrollment e
    JOIN tasks_hand h ON h.enrollment_id = e.id
    JOIN tasks_cadenceversion v ON v.cadence_id = e.cadence_id AND v.state = 'published'
    JOIN tasks_cadencestep step ON step.version_id = v.id AND step.key = h.next_step
    JOIN crm_member m ON m.id = e.member_id
    JOIN crm_order ao ON ao.id = e.anchor_order_id
    JOIN guides_staff owner ON owner.id = m.owner_guide_id
    JOIN guides_store hours ON hours.id = owner.store_id
    CROSS JOIN LATERAL (SELECT coalesce(e.anchor_on + step.due_day, %(today)s) AS day,
        coalesce({moments.at("e.day_anchor_date + step.open_day", "hours.opens_at")}, e.touch_at) AS open_at,
        coalesce({moments.at("e.day_anchor_date + step.due_day", "hours.closes_at")},
                 e.touch_at + step.offset_minutes * interval '1 minute') AS due_at,
        {moments.at("coalesce(e.day_anchor_date + step.expire_day, %(today)s)", "hours.closes_at")} AS expire_at OFFSET 0) due
    LEFT JOIN LATERAL (SELECT bool_or(fl.state = 'friend') AS is_friend FROM crm_friendlink fl
        WHERE fl.member_id = e.member_id AND fl.guide_id = owner.id) link ON true
    LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE rc.day = %(today)s) AS today, count(*) FILTER (WHERE rc.day > %(today)s - 7) AS week
        FROM tasks_reach rc WHERE rc.member_id = e.member_id AND rc.day > %(today)s - 30) reached ON true
    LEFT JOIN LATERAL (SELECT bool_or(tk.kind IN ('complaint', 'return')) AS blocking FROM crm_ticket tk
        WHERE tk.member_id = e.member_id AND tk.state NOT IN ('closed', 'rejected', 'cancelled')) tk ON true
    LEFT JOIN LATERAL (SELECT true AS waits FROM crm_order o WHERE o.member_id = e.member_id AND o.paid_at > e.anchor_at
        AND o.paid_on > e.anchor_on AND o.status = 'paid' LIMIT 1) later ON true
    WHERE e.id = ANY(%(ids)s) AND h.enrollment_id = ANY(%(ids)s)
), placed AS (
    SELECT r.*, r.plan[array_position(r.plan, r.next_step) + 1] AS following,
        r.action = 'open' AND NOT r.always_shown AND 20 - listed.n < row_number() OVER (
            PARTITION BY r.assignee_id ORDER BY r.priority, r.due_at, r.id) AS is_over
    FROM read r LEFT JOIN LATERAL (SELECT count(*) AS n FROM (SELECT 1 FROM tasks_task t WHERE t.assignee_id = r.assignee_id
        AND t.state = 'open' AND t.held_at IS NULL LIMIT 30) t WHERE NOT r.always_shown) listed ON true
), opened AS (
    INSERT INTO tasks_task (task_type, node, enrollment_id, cadence_version_id, member_id, assignee_id, owner_guide_id, store_id,
        order_id, state, nature, channel, priority, tier_rank, open_at, due_at, expire_at, why, context, evidence_any_of,
        held_reason, held_at, hidden_reason, evidence_kind, outcome, closed_reason, tell_at, created_at)
    SELECT r.task_type, r.next_step, r.id, r.version_id, r.member_id, r.assignee_id, r.owner_guide_id, r.store_id, r.anchor_order_id,
        'open', r.nature, CASE WHEN r.is_friend THEN 'wecom_message' ELSE 'manual_call' END, r.priority,
        CASE r.tier_631 WHEN 'core' THEN 1 WHEN 'potential' THEN 2 ELSE 3 END, greatest(r.open_at, %(now)s),
        least(greatest(r.due_at, %(now)s), r.expire_at), r.expire_at,
        left(replace(r.why, '{{item}}', coalesce(r.items->0->>'name', '')), 160),
        jsonb_build_object('items', r.items, 'timing', 'same_day', 'buyer', r.buyer, 'gift', r.is_gift, 'delivery', r.is_delivery,
            'days_from', r.anchor_on),
        r.evidence_any_of, CASE WHEN r.action = 'hold' THEN 'aftersale' END, CASE WHEN r.action = 'hold' THEN %(now)s::timestamptz END,
        '', '', '', '', CASE WHEN r.action = 'open' THEN %(now)s::timestamptz END, %(now)s
    FROM placed r WHERE r.action IN ('open', 'hold') ORDER BY r.id
    ON CONFLICT (enrollment_id, node) DO NOTHING
    RETURNING id, assignee_id, owner_guide_id
), handed AS (
    INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, at)
    SELECT o.id, 'backup', '', o.owner_guide_id, o.assignee_id, %(now)s FROM opened o WHERE o.assignee_id <> o.owner_guide_id
), noted AS (
    UPDATE tasks_enrollment e SET steps_skipped = e.steps_skipped + 1,
        step_reasons = r.step_reasons || jsonb_build_object(r.next_step, 'no_channel'),
        status = CASE WHEN r.following IS NULL THEN 'completed' ELSE e.status END
    FROM placed r WHERE e.id = r.id AND r.action = 'skip'
), passed AS (
    DELETE FROM tasks_hand h USING placed r WHERE h.enrollment_id = r.id AND h.next_step = r.next_step AND r.following IS NULL
)
UPDATE tasks_hand h SET next_step = r.following,
    next_due_at = {moments.at("r.day_anchor_date + ns.open_day", "r.opens_at")}
FROM placed r JOIN tasks_cadencestep ns ON ns.version_id = r.version_id AND ns.key = r.following
WHERE h.enrollment_id = r.id AND h.next_step = r.next_step
"""
