"""Purchases to enrollments: the product's call on batches of 1,000, beside bare SQL of the same writes and bulk_create."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection, transaction
from django.db.models import Count
from psycopg.types.json import Jsonb

from bench import peers, world
from bench.figures import Options, Report, at_least, interleaved, median, median_ratio, progress, rate
from crm.orders.models import Order
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.models import Enrollment, EnrollmentCause, Hand
from tasks.cadences.rulebook import Rulebook, rules_of
from tasks.followups.models import Task
from yejibao.core import clock

BATCH = 1000


def main(options: Options) -> Report:
    rounds, each, waiting = (3, 4_000, 200_000) if options.quick else (5, 20_000, 1_000_000)
    by_orm = each // 4
    now = world.morning()
    clock.travel(now)
    shape = {"stores": 300, "guides": 1_000} if options.quick else {"stores": 3_000, "guides": 10_000}
    total = (rounds + 1) * (2 * each + by_orm)
    world.company(**shape, now=now)
    world.members(waiting + total)
    world.enrollments(waiting=waiting, due=0, now=now)
    world.orders(total, now=now)

    waiting_orders = iter(Order.objects.filter(enrollment_causes=None).order_by("pk").values_list("pk", flat=True))
    floor = Floor(now)
    sides: dict[str, tuple[Callable[[list[int]], None], int]] = {
        "product": (lambda ids: _product(ids, now), each),
        "bare": (floor.enroll, each),
        "bulk_create": (lambda ids: _with_bulk_create(ids, now), by_orm),
    }
    for enroll, count in sides.values():  # plans, caches
        enroll(_take(waiting_orders, count))
    figures = interleaved(
        rounds, {name: _rate_of(enroll, waiting_orders, count) for name, (enroll, count) in sides.items()}
    )
    _check(now)
    ratio = median_ratio(figures["product"], figures["bare"])
    others = peers.measure(
        purchases=1_000 if options.quick else 4_000,
        backlog=5_000 if options.quick else 500_000,
        due=200 if options.quick else 1_000,
        seconds=25 if options.quick else 300,
    )
    return Report(
        value=median(figures["product"]), unit="purchases/s", limit=median(figures["bare"]),
        limit_is="hand-written SQL, three statements a batch: the same look-ups, causes, enrollments and superseded cycles",
        ratio=ratio,
        goals=[
            at_least("of the bare SQL", ratio, 0.8),
            at_least("times bulk_create", median_ratio(figures["product"], figures["bulk_create"]), 6),
            *(
                at_least(f"times {name}", median(figures["product"]) / other["purchases_per_second"], 1)
                for name, other in others.items()
            ),
        ],
        more={"bulk_create_per_second": round(median(figures["bulk_create"])), "waiting": waiting, "batch": BATCH, "peers": others,
              "spread": [round(min(figures["product"])), round(max(figures["product"]))]},
    )  # fmt: skip


def _rate_of(enroll: Callable[[list[int]], None], orders: Iterator[int], count: int) -> Callable[[], float]:
    def measure() -> float:
        ids = _take(orders, count)

        def work() -> int:
            enroll(ids)
            return len(ids)

        return rate(work)

    return measure


def _take(orders: Iterator[int], count: int) -> list[int]:
    return [next(orders) for _ in range(count)]


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _product(ids: list[int], now: datetime) -> None:
    for batch in _batches(ids):
        enroll_orders(batch, now=now)


def _check(now: datetime) -> None:
    """All sides must have written the same: every purchase a cause, a new cycle, and its member's running one closed."""
    started = Enrollment.objects.filter(created_at=now)
    shapes = defaultdict(int)
    for kind, status, step in started.values_list("kind", "status", "hand__next_step"):
        shapes[kind, status, step] += 1
    progress(f"written: {dict(shapes)}")
    doubled = (
        Enrollment.objects.filter(status="active", kind="full", member__in=started.values("member"))
        .values("member")
        .annotate(n=Count("pk"))
        .filter(n__gt=1)
    )
    if doubled.exists():
        raise RuntimeError("a member runs through two cycles: the sides did not write the same")


# ---------------------------------------------------------------- the floor


class Floor:
    """What nobody can do without: read what a cycle needs, write causes and cycles, close those that were running."""

    def __init__(self, now: datetime) -> None:
        book = rules_of("3369")
        self.facts: dict[str, Any] = {
            "cadence": book.cadence_id, "version": book.version.pk, "now": now, "plans": Jsonb(book.plans),
            "small": book.rules["small_below_fen"], "kinds": book.rules["kinds"],
        }  # fmt: skip

    def enroll(self, ids: list[int]) -> None:
        for batch in _batches(ids):
            facts = self.facts | {"ids": list(batch)}
            with transaction.atomic(), psycopg.Cursor(connection.connection) as cursor:
                cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off")
                for statement in (_CAUSES, _CLOSE, _CYCLES):
                    cursor.execute(statement, facts, prepare=True)


_CAUSES = """
INSERT INTO tasks_enrollmentcause (cadence_id, order_id, enrollment_id, role, reason, created_at)
SELECT %(cadence)s, o.id, nextval('tasks_enrollment_id_seq'),
    CASE WHEN o.net_amount_fen < %(small)s THEN 'small' ELSE 'anchor' END, '', %(now)s
FROM crm_order o JOIN crm_member m ON m.id = o.member_id AND m.status = 'active' AND NOT m.is_employee
WHERE o.id = ANY(%(ids)s) AND o.known_at IS NOT NULL AND o.status = 'paid' AND o.net_amount_fen > 0 AND o.kind = ANY(%(kinds)s)
  AND NOT EXISTS (SELECT 1 FROM tasks_enrollment e WHERE e.member_id = o.member_id AND e.cadence_id = %(cadence)s
                  AND e.anchor_on >= o.paid_on AND e.status <> 'cancelled')
ON CONFLICT (cadence_id, order_id) DO NOTHING
"""
_CLOSE = """
WITH running AS (
    SELECT e.id, c.enrollment_id AS new_id, e.plan, h.next_step
    FROM tasks_enrollmentcause c JOIN crm_order o ON o.id = c.order_id
    JOIN tasks_enrollment e ON e.member_id = o.member_id AND e.cadence_id = %(cadence)s AND e.kind = 'full'
        AND e.status = 'active'
    JOIN tasks_hand h ON h.enrollment_id = e.id
    WHERE c.cadence_id = %(cadence)s AND c.order_id = ANY(%(ids)s)
), closed AS (
    UPDATE tasks_enrollment e SET status = 'superseded', superseded_by_id = r.new_id, closed_reason = 'repurchased',
        closed_at = %(now)s, steps_superseded = cardinality(r.plan) - array_position(r.plan, r.next_step) + 1
    FROM running r WHERE e.id = r.id
), hands AS (
    DELETE FROM tasks_hand h USING running r WHERE h.enrollment_id = r.id
)
UPDATE tasks_task t SET state = 'superseded', closed_reason = 'repurchased', closed_at = %(now)s, tell_at = NULL,
    superseded_by_id = r.new_id
FROM running r WHERE t.enrollment_id = r.id AND t.state = 'open'
"""
_CYCLES = """
WITH cycles AS (
    INSERT INTO tasks_enrollment (id, cadence_id, cadence_version_id, member_id, kind, buyer, anchor_order_id, anchor_at, anchor_on,
        touch_at, known_at, day_anchor_date, status, plan, step_days, steps_planned, steps_skipped, steps_superseded, steps_cancelled,
        step_reasons, owner_guide_id, serving_guide_id, store_id, items, carry_over_items, closed_reason, created_at)
    SELECT c.enrollment_id, %(cadence)s, %(version)s, o.member_id, CASE c.role WHEN 'small' THEN 'small' ELSE 'full' END, b.buyer,
        o.id, o.paid_at, o.paid_on, o.paid_at, o.known_at, o.paid_on, 'active', p.plan, '{}',
        cardinality(p.plan), 0, 0, 0, '{}', m.owner_guide_id, o.guide_id, o.store_id, l.items, '[]', '', %(now)s
    FROM tasks_enrollmentcause c
    JOIN crm_order o ON o.id = c.order_id
    JOIN crm_member m ON m.id = o.member_id
    JOIN guides_staff serving ON serving.id = o.guide_id
    JOIN guides_staff owner ON owner.id = m.owner_guide_id
    JOIN guides_store os ON os.id = owner.store_id
    JOIN guides_store hours ON hours.id = serving.store_id
    CROSS JOIN LATERAL (SELECT count(DISTINCT q.paid_on) AS days FROM crm_order q WHERE q.member_id = o.member_id
        AND q.paid_on <= o.paid_on AND q.status = 'paid' AND q.net_amount_fen > 0 AND q.known_at IS NOT NULL) d
    CROSS JOIN LATERAL (SELECT CASE WHEN d.days <= 1 THEN 'first' WHEN d.days <= 4 THEN 'repeat' ELSE 'loyal' END AS buyer) b
    CROSS JOIN LATERAL (SELECT ARRAY(SELECT jsonb_array_elements_text(
        %(plans)s::jsonb -> CASE c.role WHEN 'small' THEN 'small' ELSE b.buyer END))::varchar[] AS plan) p
    CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg(jsonb_build_object('line', i.id, 'name', i.item_name, 'color', i.color,
        'size', i.size, 'care', i.care_key, 'fen', i.paid_fen) ORDER BY i.paid_fen DESC, i.id), '[]') AS items
        FROM crm_orderline i WHERE i.order_id = o.id) l
    WHERE c.cadence_id = %(cadence)s AND c.order_id = ANY(%(ids)s)
    ORDER BY c.enrollment_id
    RETURNING id, store_id, serving_guide_id, known_at, anchor_on
)
INSERT INTO tasks_hand (enrollment_id, next_step, next_due_at, parked_tries, parked_why)
SELECT c.id, 'm30', greatest(c.known_at, (c.anchor_on + hours.opens_at) AT TIME ZONE 'Asia/Shanghai'), 0, ''
FROM cycles c JOIN guides_staff serving ON serving.id = c.serving_guide_id JOIN guides_store hours ON hours.id = serving.store_id
"""


# ---------------------------------------------------------------- what one would write first


def _with_bulk_create(ids: list[int], now: datetime) -> None:
    book = rules_of("3369")
    for batch in _batches(ids):
        with transaction.atomic():
            _one_bulk(batch, book, now)


def _one_bulk(ids: Sequence[int], book: Rulebook, now: datetime) -> None:
    """Read with select_related and prefetch_related, build the rows in Python, write them with bulk_create."""
    orders = list(
        Order.objects.filter(pk__in=ids, known_at__isnull=False)
        .select_related("member__owner_guide__store", "guide__store")
        .prefetch_related("lines")
        .order_by("pk")
    )
    members = [order.member_id for order in orders]
    days = dict(
        Order.objects.filter(member__in=members, status="paid", known_at__isnull=False)
        .values_list("member")
        .annotate(days=Count("paid_on", distinct=True))
        .values_list("member", "days")
    )
    cycles, dues = [], []
    for order in orders:
        assert order.member is not None and order.guide is not None and order.guide.store is not None
        bought = days[order.member_id]
        buyer = "first" if bought <= 1 else "repeat" if bought <= 4 else "loyal"
        plan = book.plans["small" if order.net_amount_fen < book.rules["small_below_fen"] else buyer]
        opens = clock.local_moment(order.paid_on, order.guide.store.opens_at)
        dues.append(max(order.known_at or now, opens))
        lines = sorted(order.lines.all(), key=lambda line: (-line.paid_fen, line.pk))
        cycles.append(
            Enrollment(
                cadence_id=book.cadence_id, cadence_version=book.version, member_id=order.member_id, buyer=buyer,
                kind="small" if len(plan) == 1 else "full", anchor_order=order, anchor_at=order.paid_at,
                anchor_on=order.paid_on, touch_at=order.paid_at, known_at=order.known_at, day_anchor_date=order.paid_on,
                plan=plan, steps_planned=len(plan),
                owner_guide_id=order.member.owner_guide_id, serving_guide_id=order.guide_id, store_id=order.store_id,
                items=[
                    {"line": line.pk, "name": line.item_name, "color": line.color, "size": line.size,
                     "care": line.care_key, "fen": line.paid_fen}
                    for line in lines
                ],
                created_at=now,
            )
        )  # fmt: skip
    running = Enrollment.objects.filter(member__in=members, status="active", kind="full")
    Task.objects.filter(enrollment__in=running, state="open").update(
        state="superseded", closed_reason="repurchased", closed_at=now
    )
    Hand.objects.filter(enrollment__in=running).delete()
    running.update(status="superseded", closed_reason="repurchased", closed_at=now)
    Enrollment.objects.bulk_create(cycles, batch_size=2000)
    hands = [Hand(enrollment=one, next_step="m30", next_due_at=due) for one, due in zip(cycles, dues, strict=True)]
    Hand.objects.bulk_create(hands, batch_size=2000)
    EnrollmentCause.objects.bulk_create(
        [
            EnrollmentCause(cadence_id=one.cadence_id, order_id=one.anchor_order_id, enrollment=one,
                            role="small" if one.kind == "small" else "anchor", created_at=now)
            for one in cycles
        ],
        batch_size=2000,
    )  # fmt: skip
