"""What is only kept for a time is cleared every night: each room says which columns, after how long.

    wear_out("tasks_scriptuse", "at", timedelta(days=730), "text = ''")        # None instead of words: the row goes

Rows are walked once in the order of their ids, which grow with time; how far a table has come stands in a heartbeat, so that
a night costs what became old since the last one, whatever the table's size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from . import clock
from .models import Heartbeat

AT_ONCE = 5_000
HANDS = "wearing"


@dataclass(frozen=True)
class Rule:
    """`words` is what an UPDATE sets; None deletes. `only` narrows the rows it is done to."""

    table: str
    column: str
    after: timedelta
    words: str | None
    only: str = "true"


_rules: dict[str, Rule] = {}


def wear_out(table: str, column: str, after: timedelta, words: str | None, *, only: str = "true") -> None:
    """Say what becomes of a table's rows once they are so old by one of their columns."""
    _rules[table] = Rule(table, column, after, words, only)


def rules() -> Iterator[Rule]:
    yield from sorted(_rules.values(), key=lambda rule: rule.table)


def run(*, now: datetime, seconds: float = 600.0) -> dict[str, int]:
    """Do what is due, a bounded batch a transaction, until done or time is up; returns the rows by table."""
    deadline = clock.monotonic() + seconds
    counts: dict[str, int] = {}
    for rule in rules():
        while clock.monotonic() < deadline:
            done = _batch(rule, now)
            if done is None:
                break
            counts[rule.table] = counts.get(rule.table, 0) + done
    return counts


@transaction.atomic
def _batch(rule: Rule, now: datetime) -> int | None:
    """Do one batch behind the hand and move it; None where nothing there is old enough yet."""
    Heartbeat.objects.get_or_create(name=HANDS, defaults={"at": clock.system_now()})
    hands = Heartbeat.objects.select_for_update().get(name=HANDS)  # two runs take turns
    hand = int(hands.facts.get(rule.table, 0))
    until = now - rule.after
    with connection.cursor() as cursor:
        # The oldest that is still young ends the batch: ids and times grow together, or nearly.
        cursor.execute(
            f"WITH next AS (SELECT id, {rule.column} AS at FROM {rule.table} WHERE id > %(hand)s ORDER BY id LIMIT %(most)s) "
            "SELECT max(id) FROM next WHERE id < coalesce((SELECT min(id) FROM next WHERE at >= %(until)s), 9223372036854775807)",
            {"hand": hand, "until": until, "most": AT_ONCE},
        )
        last = cursor.fetchone()[0]
        if last is None:
            return None
        act = f"DELETE FROM {rule.table}" if rule.words is None else f"UPDATE {rule.table} SET {rule.words}"
        cursor.execute(
            f"{act} WHERE id > %s AND id <= %s AND {rule.column} < %s AND ({rule.only})", [hand, last, until]
        )
        done = cursor.rowcount
    hands.facts, hands.at = hands.facts | {rule.table: last}, clock.system_now()
    hands.save(update_fields=["facts", "at"])
    return int(done)
