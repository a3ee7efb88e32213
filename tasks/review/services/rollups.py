"""Keep the daily figures: each minute what changed, at night everything again with a comparison."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from guides.org.models import Store
from yejibao.core import clock

from ..counting import ANSWERED, COLUMNS, SUMS, counts, wanted
from ..models import FiguresRun

log = logging.getLogger(__name__)

PAIRS_AT_ONCE = 20_000  # (day, store) pairs in one statement
CATCH_UP = timedelta(days=40)  # a clock that stood still longer is brought up to date by the nightly rebuild
LOCK = 0x7265766965  # one writer of the figures at a time


@transaction.atomic
def refresh_days(*, now: datetime) -> dict[str, int]:
    """Count again what changed since the last run: marked days, today, and the days since then. Each minute.

    A second run at the same time leaves at once; what it would have counted stays marked.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return {"busy": 1}
        cursor.execute(
            "WITH taken AS (DELETE FROM tasks_daymark RETURNING day, store_id) SELECT DISTINCT day, store_id FROM taken"
        )
        marks = set(cursor.fetchall())
    today = clock.local_day(now)
    ran_at = FiguresRun.objects.filter(pk=1).values_list("ran_at", flat=True).first()
    since = clock.local_day(ran_at) if ran_at and ran_at < now else today
    since = max(since, today - CATCH_UP)
    # Whatever falls due ages by itself, marked or not; days ahead are counted when they come.
    stores = list(Store.objects.order_by("pk").values_list("pk", flat=True))
    fresh = [since + timedelta(days=step) for step in range((today - since).days + 1)]
    pairs = [(day, store) for day in fresh for store in stores]
    pairs += sorted(pair for pair in marks if pair[0] < since)
    tally = _recount(pairs, now=now)
    FiguresRun.objects.update_or_create(pk=1, defaults={"ran_at": now})
    return {"marks": len(marks), **tally}


def rebuild_days(*, start: date, end: date, now: datetime) -> dict[str, int]:
    """Count every day of [start, end] from the tasks and say how many rows stood differently. One transaction a day."""
    stores = list(Store.objects.order_by("pk").values_list("pk", flat=True))
    total: Counter[str] = Counter()
    for step in range((end - start).days + 1):
        day = start + timedelta(days=step)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            total.update(_recount([(day, store) for store in stores], now=now))
        total["days"] += 1
    differences = total["changed"] + total["added"] + total["gone"]
    if differences:
        log.warning("daily figures %s..%s: %s rows stood differently", start, end, differences)
    return {"days": total["days"], "differences": differences}


def _recount(pairs: Sequence[tuple[date, int]], *, now: datetime) -> Counter[str]:
    """Bring the rows of these (day, store) pairs, and of the units above, to what the tasks say now."""
    tally: Counter[str] = Counter()
    with connection.cursor() as cursor:
        for at in range(0, len(pairs), PAIRS_AT_ONCE):
            some = pairs[at : at + PAIRS_AT_ONCE]
            cursor.execute(
                _replace(
                    "tasks_taskday", ("day", "guide_id", "store_id", "task_type"),
                    context=f"wanted AS MATERIALIZED ({wanted('%(days)s', '%(stores)s')})", fresh=counts(),
                    scope="EXISTS (SELECT 1 FROM wanted w WHERE w.day = d.day AND w.store_id = d.store_id)",
                ),
                {"days": [day for day, _ in some], "stores": [store for _, store in some], "now": now,
                 "answered": list(ANSWERED)},
            )  # fmt: skip
            tally.update(dict(zip(("changed", "added", "gone"), cursor.fetchone(), strict=True)))
        tally.update({f"unit_{what}": n for what, n in _resum(cursor, {day for day, _ in pairs}, now=now).items()})
    return tally


def _resum(cursor: object, days: Iterable[date], *, now: datetime) -> dict[str, int]:
    """Sum the rows of these days for each store's unit and all units above it."""
    fresh = f"""
        SELECT t.day, up.unit_id::bigint AS unit_id, t.task_type, {SUMS}
        FROM tasks_taskday t JOIN guides_store s ON s.id = t.store_id JOIN guides_orgunit o ON o.id = s.unit_id
        CROSS JOIN LATERAL unnest(string_to_array(trim(trailing '/' from o.path), '/')) AS up(unit_id)
        WHERE t.day = ANY(%(days)s) GROUP BY 1, 2, 3
    """
    cursor.execute(  # type: ignore[attr-defined]
        _replace(
            "tasks_unitday", ("day", "unit_id", "task_type"), context="", fresh=fresh, scope="d.day = ANY(%(days)s)"
        ),
        {"days": sorted(days), "now": now},
    )
    return dict(zip(("changed", "added", "gone"), cursor.fetchone(), strict=True))  # type: ignore[attr-defined]


def _replace(table: str, keys: tuple[str, ...], *, context: str, fresh: str, scope: str) -> str:
    """Return one statement that makes the rows of `table` within `scope` equal to `fresh`; touches only what differs.

    Answers (changed, added, gone). Not an upsert: that would write every row that stayed as it was.
    """
    same = " AND ".join(f"f.{key} = d.{key}" for key in keys)
    mine, theirs = (", ".join(f"{one}.{name}" for name in COLUMNS) for one in ("d", "f"))
    columns = ", ".join((*keys, *COLUMNS))
    return f"""
        WITH {context + "," if context else ""} fresh AS MATERIALIZED ({fresh}),
        gone AS (
            DELETE FROM {table} d WHERE {scope} AND NOT EXISTS (SELECT 1 FROM fresh f WHERE {same}) RETURNING 1
        ), changed AS (
            UPDATE {table} d SET {", ".join(f"{name} = f.{name}" for name in COLUMNS)}, computed_at = %(now)s
            FROM fresh f WHERE {same} AND ({mine}) IS DISTINCT FROM ({theirs}) RETURNING 1
        ), added AS (
            INSERT INTO {table} ({columns}, computed_at)
            SELECT {columns}, %(now)s FROM fresh f WHERE NOT EXISTS (SELECT 1 FROM {table} d WHERE {same}) RETURNING 1
        )
        SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM added), (SELECT count(*) FROM gone)
    """
