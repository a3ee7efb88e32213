"""How cost grows: a purchase and a task at 1, 10 and 30 million cycles, sizes, vacuum after a day (pages: growth_pages).

Each size is measured in turn with a world of the smallest in a database beside it.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.db import connection

from bench import enrol, open_due, world
from bench.beside import Beside
from bench.figures import Options, Report, at_most, interleaved, median, median_ratio, progress, rate
from crm.orders.models import Order
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.models import Enrollment, Hand
from yejibao.core import clock

SIZES, QUICK_SIZES = (1_000_000, 10_000_000, 30_000_000), (100_000, 300_000)
DAY_OF_CHANGES, QUICK_DAY = 1_400_000, 60_000
TABLES = ("crm_order", "tasks_enrollment", "tasks_hand", "tasks_enrollmentcause", "tasks_task")


def main(options: Options) -> Report:
    sizes = tuple(int(size) for size in options.rest) or (QUICK_SIZES if options.quick else SIZES)
    rounds, batches = (3, 2) if options.quick else (5, 4)
    now = world.morning()
    clock.travel(now)
    company: dict[str, Any] = {"stores": 900, "guides": 3_000} if options.quick else {"stores": 3_000, "guides": 10_000}
    small = Side("small", Beside("small"), rounds, batches, now)
    grown = Side("grown", nullcontext(), rounds, batches, now)
    small.found(sizes[0], stages=len(sizes) - 1, company=company)
    small.grow(sizes[0], stages=len(sizes) - 1)
    grown.found(sizes[-1], stages=len(sizes) - 1, company=company)
    seen = grow_in_turn(small, grown, sizes, rounds)
    vacuum = _a_day_of_changes(min(QUICK_DAY if options.quick else DAY_OF_CHANGES, sizes[-1] // 2))
    last = seen[-1]
    return Report(
        value=last["open_growth"], unit=f"times the cost of a task at {sizes[0]:,} cycles, at {last['waiting']:,}",
        limit=1.0, limit_is=f"a world of {sizes[0]:,} cycles in a database beside it, measured in turn",
        goals=[at_most("cost of an opened task", last["open_growth"], 1.3)],
        more={"tables": [_growth_table(seen), _vacuum_table(vacuum)]},
    )  # fmt: skip


class Side:
    """One world: its hands that stand due and its purchases that nobody enrolled yet, taken a portion at a time."""

    def __init__(
        self, name: str, place: AbstractContextManager[None], rounds: int, batches: int, now: datetime
    ) -> None:
        self.name, self.place, self.now = name, place, now
        self.tasks, self.purchases = open_due.BATCH * batches, enrol.BATCH * batches
        self.turns = rounds + 1  # one to warm up
        self.unenrolled: list[int] = []  # orders

    def found(self, size: int, *, stages: int, company: dict[str, Any]) -> None:
        """Make a company with members for so many cycles and for all that is bought meanwhile."""
        with self.place:
            world.company(**company, now=self.now)
            world.members(size + 3 * stages * self.turns * max(self.purchases, 2 * self.tasks))

    def grow(self, size: int, *, stages: int) -> None:
        """Let the world grow to so many waiting cycles, with work for so many stages."""
        with self.place:
            there = Enrollment.objects.filter(status="active").count()
            due = 2 * self.tasks * self.turns * stages  # both sides of open_due
            world.enrollments(waiting=size - there, due=due, now=self.now)
            last = Order.objects.latest("pk").pk
            world.orders(self.purchases * self.turns * stages, now=self.now)
            self.unenrolled = list(Order.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True))

    def warm_up(self) -> None:
        """Let memory hold what is looked at, and the caches plans: those for tables that were empty are bad ones."""
        with self.place:
            world.warm(now=self.now, after_order=self.unenrolled[0] - 1)
        self.open()
        with self.place:
            world.settle("tasks_task", "tasks_taskmove", "tasks_hand")
        self.open_bare()

    def open(self) -> float:
        """Return milliseconds of one opened task."""
        with self.place:
            return 1000 / rate(lambda: open_due.product(self.tasks, self.now))

    def open_bare(self) -> float:
        """Return milliseconds of one task opened by the bare SQL."""
        with self.place:
            return 1000 / rate(lambda: open_due.bare(self.tasks, self.now))

    def enrol(self) -> float:
        """Return milliseconds of one purchase."""
        ids, self.unenrolled = self.unenrolled[: self.purchases], self.unenrolled[self.purchases :]

        def enroll() -> int:
            for start in range(0, len(ids), enrol.BATCH):
                enroll_orders(ids[start : start + enrol.BATCH], now=self.now)
            return len(ids)

        with self.place:
            return 1000 / rate(enroll)

    def clear(self) -> None:
        """Open what is left of this stage."""
        with self.place:
            open_due.product(Hand.objects.filter(next_due_at__lte=self.now).count(), self.now)


def grow_in_turn(small: Side, grown: Side, sizes: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Let one world grow from size to size, each measured beside the small one. The first row is that of the small one."""
    rows = []
    for size in sizes[1:]:
        grown.grow(size, stages=1)
        first, row = _in_turn(small, grown, size, rounds)
        rows.append(row)
    return [{"waiting": sizes[0], **first}, *rows]


def _in_turn(small: Side, grown: Side, size: int, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure both worlds a round at a time: first tasks, since what is enrolled now is due at once."""
    for side in (small, grown):
        side.warm_up()
    progress(f"measuring at {size:,}")
    opening = interleaved(
        rounds, {"small": small.open, "grown": grown.open, "small_bare": small.open_bare, "grown_bare": grown.open_bare}
    )
    for side in (small, grown):
        side.enrol()
    enrolling = interleaved(rounds, {"small": small.enrol, "grown": grown.enrol})
    progress(f"measured at {size:,}")
    grown.clear()

    def row(name: str) -> dict[str, Any]:
        opened, enrolled = opening[name], enrolling[name]
        return {
            "open_ms": median(opened), "open_growth": median_ratio(opened, opening["small"]),
            "of_bare": median_ratio(opening[f"{name}_bare"], opened),
            "enrol_ms": median(enrolled), "enrol_growth": median_ratio(enrolled, enrolling["small"]),
        }  # fmt: skip

    with small.place:
        small_sizes = _sizes_of()
    return row("small") | small_sizes, {"waiting": size} | row("grown") | _sizes_of()


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
        "title": "Growth: cost in the product's own calls, in brackets times that of the small world measured in turn; sizes as"
        " table + indexes in MiB.",
        "head": ["cycles waiting", "ms a purchase", "ms an opened task", "of bare SQL", "enrollments", "hands", "causes", "orders"],
        "rows": [
            [f"{row['waiting']:,}", f"{row['enrol_ms']:.3f} ({row['enrol_growth']:.2f})",
             f"{row['open_ms']:.3f} ({row['open_growth']:.2f})", f"{row['of_bare']:.2f}",
             *(megabytes(row, name) for name in ("tasks_enrollment", "tasks_hand", "tasks_enrollmentcause", "crm_order"))]
            for row in seen
        ],
    }  # fmt: skip


# ---------------------------------------------------------------- a day's changes


def _a_day_of_changes(changes: int) -> dict[str, Any]:
    """Move as many hands as a full day does, let nobody clean up, and measure what a VACUUM then finds and costs."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_hand SET (autovacuum_enabled = off)")
        cursor.execute("VACUUM tasks_hand")
        before = _sizes_of()["tasks_hand"]
        cursor.execute("SELECT min(enrollment_id) FROM tasks_hand")
        first = int(cursor.fetchone()[0])
        started, done, step = time.perf_counter(), 0, 10_000
        while done < changes:
            cursor.execute(
                "UPDATE tasks_hand SET next_due_at = next_due_at + interval '1 day'"
                " WHERE enrollment_id >= %s AND enrollment_id < %s",
                [first, first + step],
            )
            done, first = done + max(cursor.rowcount, 1), first + step
        changed = time.perf_counter() - started
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT n_dead_tup, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tasks_hand'")
        dead, _hot = cursor.fetchone()
        after = _sizes_of()["tasks_hand"]
        started = time.perf_counter()
        cursor.execute("VACUUM tasks_hand")
        cleaned = time.perf_counter() - started
        cursor.execute("ALTER TABLE tasks_hand RESET (autovacuum_enabled)")
    return {"changes": done, "seconds": changed, "dead": dead, "grown": sum(after) / sum(before), "vacuum": cleaned}


def _vacuum_table(day: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "A day's moves of the hands with nobody cleaning up, then one VACUUM.",
        "head": ["hands moved", "seconds", "dead rows", "size after ÷ before", "VACUUM seconds"],
        "rows": [
            [f"{day['changes']:,}", round(day["seconds"], 1), f"{day['dead']:,}", round(day["grown"], 2), round(day["vacuum"], 1)]
        ],
    }  # fmt: skip
