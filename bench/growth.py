"""How cost grows: a purchase and a task at 1, 10 and 30 million cycles, pages by guides, sizes, vacuum after a day."""

import time
from datetime import datetime
from typing import Any

from django.db import connection

from bench import enrol, growth_pages, open_due, world
from bench.figures import Options, Report, at_most, median, progress, rate
from crm.orders.models import Order
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.models import Enrollment
from yejibao.core import clock

SIZES, QUICK_SIZES = (1_000_000, 10_000_000, 30_000_000), (100_000, 300_000)
DAY_OF_CHANGES, QUICK_DAY = 1_400_000, 60_000
TABLES = ("crm_order", "tasks_enrollment", "tasks_enrollmentcause", "tasks_task")


def main(options: Options) -> Report:
    sizes = tuple(int(size) for size in options.rest) or (QUICK_SIZES if options.quick else SIZES)
    rounds, batches = (3, 2) if options.quick else (5, 4)
    now = world.morning()
    clock.travel(now)
    shape = {"stores": 900, "guides": 3_000} if options.quick else {"stores": 3_000, "guides": 10_000}
    world.company(**shape, now=now)
    world.members(sizes[-1] + 3 * len(sizes) * enrol.BATCH * batches * (rounds + 1))
    seen = [_at(size, rounds, batches, now) for size in sizes]
    vacuum = _a_day_of_changes(min(QUICK_DAY if options.quick else DAY_OF_CHANGES, sizes[-1] // 2))
    pages = growth_pages.page_rows((100,) if options.quick else (100, 1_000, 10_000))
    first, last = seen[0], seen[-1]
    by_task = last["open_ms"] / first["open_ms"]
    return Report(
        value=by_task, unit=f"times the cost of a task at {first['waiting']:,} cycles, at {last['waiting']:,}",
        limit=1.0, limit_is="the smallest size of the same run",
        goals=[
            at_most("cost of an opened task", by_task, 1.3),
            at_most("cost of a purchase", last["enrol_ms"] / first["enrol_ms"], 1.3),
        ],
        more={"tables": [_growth_table(seen), _pages_table(pages), _vacuum_table(vacuum)]},
    )  # fmt: skip


def _at(waiting: int, rounds: int, batches: int, now: datetime) -> dict[str, Any]:
    """Let the tables grow to so many waiting cycles; return the cost of one purchase and one opened task there, in ms.

    Once as the fill left it, with most rows on the disk, and then with those in memory that a day's work looks at.
    """
    count, part = open_due.BATCH * batches, enrol.BATCH * batches
    there = Enrollment.objects.filter(status="active").count()
    world.enrollments(waiting=waiting - there, due=open_due.due_hands(rounds, batches), now=now)
    last = Order.objects.latest("pk").pk
    world.orders(part * (rounds + 1), now=now)
    ids = list(Order.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True))

    def enroll(turn: int) -> int:
        for start in range(turn * part, (turn + 1) * part, enrol.BATCH):
            enroll_orders(ids[start : start + enrol.BATCH], now=now)
        return part

    cold_open = rate(lambda: open_due.product(count, now))
    open_due.bare(count, now)
    world.warm(now=now, after_order=last)
    opening = open_due.both_sides(waiting, rounds, batches, now)  # first: what is enrolled now is due at once
    enroll(0)  # plans, caches
    progress(f"measuring at {waiting:,}")
    enrolled = [rate(lambda turn=turn: enroll(turn)) for turn in range(1, rounds + 1)]  # type: ignore[misc]
    progress(f"measured at {waiting:,}: {median(enrolled):,.0f} purchases/s")
    left = Enrollment.objects.filter(next_due_at__lte=now).count()
    open_due.product(left, now)
    return {
        "waiting": waiting, "enrol_ms": 1000 / median(enrolled), "open_ms": 1000 / opening["product_per_second"],
        "of_bare": opening["ratio"], "cold_open_ms": 1000 / cold_open, **_sizes_of(),
    }  # fmt: skip


def _sizes_of() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE relname = ANY(%s)",
            [list(TABLES)],
        )
        return {name: (table, indexes) for name, table, indexes in cursor.fetchall()}


def _growth_table(seen: list[dict[str, Any]]) -> dict[str, Any]:
    def megabytes(row: dict[str, Any], name: str) -> str:
        table, indexes = row[name]
        return f"{table / 2**20:,.0f} + {indexes / 2**20:,.0f}"

    return {
        "title": "Growth: cost in the product's own calls, sizes as table + indexes in MiB.",
        "head": ["cycles waiting", "ms a purchase", "ms an opened task (from disk)", "of bare SQL", "enrollments", "causes", "orders"],
        "rows": [
            [f"{row['waiting']:,}", f"{row['enrol_ms']:.3f}",
             f"{row['open_ms']:.3f} ({row['cold_open_ms']:.2f})", row["of_bare"],
             megabytes(row, "tasks_enrollment"), megabytes(row, "tasks_enrollmentcause"), megabytes(row, "crm_order")]
            for row in seen
        ],
    }  # fmt: skip


def _pages_table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": "One page, asked by one browser at a time (median, ms).",
        "head": ["guides", "tasks", "今日", "a task", "JSON list", "review of a region"],
        "rows": [
            [
                f"{row['guides']:,}",
                f"{row['tasks']:,}",
                *(row[f"{name}_ms"] for name in ("today", "task", "list", "review")),
            ]
            for row in rows
        ],
    }


# ---------------------------------------------------------------- a day's changes


def _a_day_of_changes(changes: int) -> dict[str, Any]:
    """Move as many hands as a full day does, let nobody clean up, and measure what a VACUUM then finds and costs."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_enrollment SET (autovacuum_enabled = off)")
        cursor.execute("VACUUM tasks_enrollment")
        before = _sizes_of()["tasks_enrollment"]
        cursor.execute("SELECT min(id) FROM tasks_enrollment WHERE next_due_at IS NOT NULL")
        first = int(cursor.fetchone()[0])
        started, done, step = time.perf_counter(), 0, 10_000
        while done < changes:
            cursor.execute(
                "UPDATE tasks_enrollment SET next_due_at = next_due_at + interval '1 day', steps_skipped = steps_skipped + 1"
                " WHERE id >= %s AND id < %s AND next_due_at IS NOT NULL",
                [first, first + step],
            )
            done, first = done + max(cursor.rowcount, 1), first + step
        changed = time.perf_counter() - started
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT n_dead_tup, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tasks_enrollment'")
        dead, _hot = cursor.fetchone()
        after = _sizes_of()["tasks_enrollment"]
        started = time.perf_counter()
        cursor.execute("VACUUM tasks_enrollment")
        cleaned = time.perf_counter() - started
        cursor.execute("ALTER TABLE tasks_enrollment RESET (autovacuum_enabled)")
    return {"changes": done, "seconds": changed, "dead": dead, "grown": sum(after) / sum(before), "vacuum": cleaned}


def _vacuum_table(day: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "A day's changes to the enrollments with nobody cleaning up, then one VACUUM.",
        "head": ["hands moved", "seconds", "dead rows", "size after ÷ before", "VACUUM seconds"],
        "rows": [
            [f"{day['changes']:,}", round(day["seconds"], 1), f"{day['dead']:,}", round(day["grown"], 2), round(day["vacuum"], 1)]
        ],
    }  # fmt: skip
