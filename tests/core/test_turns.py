"""Who is claimed next: urgent first, and each branch its share of what is equally urgent."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from tests.factories.guides import make_org
from yejibao.core import clock as product_clock
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.outbox import messages, turns
from yejibao.core.outbox.models import OutboxMessage
from yejibao.core.outbox.turns import Lane, share

NOW = parse_iso("2026-11-21 10:00")

_FILL = """
INSERT INTO core_outboxmessage (kind, dedupe_key, recipient, subject, due_at, priority, lane, state, body_bytes, body_sha,
    attempts, next_at, errmsg, msgid, created_at, closed_reason)
SELECT 'turns', concat_ws(':', %(lane)s, %(priority)s, i), 'u' || i, '', %(at)s, %(priority)s, %(lane)s, 'pending', 'x', 'x', 0,
    %(at)s + i * interval '1 ms', '', '', %(at)s, '' FROM generate_series(1, %(count)s) i
"""


class Wanted:
    def still_wanted(self, rows: Any, *, now: datetime) -> set[int]:
        return {row.pk for row in rows}


@pytest.fixture
def fill(db: None) -> Any:
    outbox.register_renderer("turns", Wanted())  # type: ignore[arg-type]

    def queue(lane: int, count: int, *, priority: int = 4, at: datetime = NOW - timedelta(hours=1)) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_FILL, {"lane": lane, "count": count, "priority": priority, "at": at})

    yield queue
    messages._renderers.pop("turns", None)


def claimed(limit: int, *, now: datetime = NOW) -> Counter[int]:
    return Counter(row.lane for row in messages.claim(now=now, limit=limit))


def test_ten_of_one_branch_do_not_wait_for_the_50000_of_another(fill: Any) -> None:
    fill(1, 50_000, at=NOW - timedelta(hours=2))
    fill(2, 10)
    assert claimed(500) == {1: 490, 2: 10}
    assert claimed(500) == {1: 500}


def test_those_that_have_much_share_alike(fill: Any) -> None:
    for lane, count in ((1, 400), (2, 400), (3, 30), (4, 1)):
        fill(lane, count)
    assert claimed(300) == {1: 135, 2: 134, 3: 30, 4: 1}
    assert claimed(300) == {1: 150, 2: 150}


def test_urgent_messages_go_first_whoever_they_belong_to(fill: Any) -> None:
    fill(1, 100, priority=4)
    fill(2, 60, priority=1)
    fill(3, 60, priority=1)
    assert claimed(100) == {2: 50, 3: 50}
    assert claimed(50) == {1: 30, 2: 10, 3: 10}


def test_the_oldest_of_a_branch_go_first_and_none_before_its_time(fill: Any) -> None:
    fill(1, 20)
    fill(2, 5, at=NOW + timedelta(minutes=5))
    rows = messages.claim(now=NOW, limit=8)
    assert [row.dedupe_key for row in rows] == [f"1:4:{number}" for number in range(1, 9)]


def test_the_work_of_a_claim_does_not_grow_with_what_waits(fill: Any) -> None:
    def rows_read() -> int:
        connection.connection.execute("SET enable_seqscan = off")
        connection.connection.execute("ANALYZE core_outboxmessage")  # what other tests left must not choose the plan
        total = 0
        with transaction.atomic(), connection.cursor() as cursor:
            parts = share(turns.due_lanes(now=NOW, limit=100), 100)
            columns = [[getattr(part, name) for part in parts] for name in Lane._fields]
            statements = ((turns._DUE, {"now": NOW, "limit": 100}), (turns._TAKE, [*columns, NOW]))
            for statement, params in statements:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", params)
                total += _scanned(cursor.fetchone()[0][0]["Plan"])
        return total

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE core_outboxmessage CASCADE")
    fill(1, 300)
    fill(2, 300)
    few = rows_read()
    fill(1, 20_000, at=NOW - timedelta(days=1), priority=5)
    fill(3, 20_000)
    fill(4, 20_000, at=NOW + timedelta(days=1))
    assert rows_read() <= few * 2 < 1000


def _scanned(plan: dict[str, Any]) -> int:
    own = plan["Actual Rows"] * plan["Actual Loops"] if "Scan" in plan["Node Type"] and "Relation Name" in plan else 0
    return int(own + plan.get("Rows Removed by Filter", 0)) + sum(_scanned(part) for part in plan.get("Plans", ()))


@pytest.mark.parametrize(
    ("due", "limit", "parts"),
    [
        ([(1, 1, 5)], 10, [(1, 1, 5)]),
        ([(1, 1, 11)], 10, [(1, 1, 10)]),
        ([(1, 1, 2), (1, 2, 10)], 10, [(1, 1, 2), (1, 2, 8)]),
        ([(1, 1, 4), (1, 2, 4), (1, 3, 4)], 2, [(1, 1, 1), (1, 2, 1)]),
        ([(1, 1, 3), (4, 1, 9)], 4, [(1, 1, 3), (4, 1, 1)]),
        ([], 10, []),
    ],
)
def test_shares(due: list[tuple[int, int, int]], limit: int, parts: list[tuple[int, int, int]]) -> None:
    assert share([Lane(*row) for row in due], limit) == [Lane(*row) for row in parts]


def test_a_message_stands_in_the_lane_of_its_recipients_branch(db: None) -> None:
    org = make_org()
    now = product_clock.now()
    outbox.enqueue(
        outbox.NewMessage("urge", f"lane:{name}", name, now) for name in (org.guide.wecom_user_id, "nobody.of.ours")
    )
    branch = int(org.store.unit.path.split("/")[1])
    lanes = dict(OutboxMessage.objects.values_list("recipient", "lane"))
    assert lanes == {org.guide.wecom_user_id: branch, "nobody.of.ours": turns.NO_LANE}
