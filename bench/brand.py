"""The brand the benches of the pages ask for: 10,000 guides in 3,000 stores, in a working morning.

Each guide has exactly 15 open tasks of 15 members and a month of tasks behind them, the orders they came of, and the daily
figures as the product's own job counts them. Filled by SQL once and kept: the benches of the pages share one database and one
moment (MORNING), whatever day it is.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from bench import world
from bench.figures import Options, progress
from crm.orders.models import Order, OrderLine
from guides.org.models import OrgUnit, RoleAssignment, Staff
from tasks.cadences.models import CadenceVersion, Enrollment
from tasks.followups.models import Task, TaskEvidence
from tasks.review.models import FiguresRun
from tasks.review.services import rebuild_days
from tasks.scripts.loading import load_scripts
from yejibao.core import clock

DATABASE = "pages"
MORNING = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)  # a Friday, 10:30 in Shanghai
CARDS = 15
DAYS = 30
# Where the members of a guide's 15 cards stand, the oldest purchases first: node, how many, days since, priority.
MIX = (("d90", 2, 90, 3), ("d60", 3, 60, 3), ("d30", 4, 30, 3), ("d3", 4, 3, 2), ("m30", 2, 0, 1))
QUICK = {"guides": 1_000, "stores": 300, "done_a_day": 5, "orders_a_day": 0.5}
FULL = {"guides": 10_000, "stores": 3_000, "done_a_day": 5, "orders_a_day": 1}


def sql(text: str, **facts: Any) -> int:
    """Run one statement; return its row count."""
    with connection.cursor() as cursor:
        cursor.execute(text, facts)
        return int(cursor.rowcount)


def filled(options: Options) -> dict[str, Any]:
    """Fill the tables unless they are, 10,000 guides or for a quick look 1,000; return the size."""
    size: dict[str, Any] = QUICK if options.quick else FULL
    there = _filled_with()
    if not there or there["guides"] < size["guides"]:  # a quick look takes the large brand where it stands
        fill(**size)
        there = _filled_with()
    assert there
    return there


def fill(*, guides: int, stores: int, done_a_day: int, orders_a_day: float) -> None:
    """Fill the tables: `done_a_day` tasks closed a guide and day of the month, beside her 15 open ones."""
    wanted = {
        "guides": guides,
        "stores": stores,
        "done_a_day": done_a_day,
        "orders_a_day": orders_a_day,
        "cards": CARDS,
    }
    started = time.monotonic()
    _empty()
    world.company(stores=stores, guides=guides, now=MORNING - timedelta(days=400))
    load_scripts(now=MORNING - timedelta(days=400))
    _heads()
    world.members(CARDS * guides)
    counts = {"guides": guides, "members": CARDS * guides}
    with world._filling(Order, OrderLine, Enrollment, Task, TaskEvidence):
        _orders(counts, sold=round(50 * orders_a_day), rate=orders_a_day)
        _closed_tasks(counts, done_a_day)
        _open_tasks(counts)
    progress(f"tasks and what is around them: {time.monotonic() - started:.0f} s")
    _figures()
    sql("CREATE TABLE bench_desk (facts jsonb)")
    sql("INSERT INTO bench_desk VALUES (%(facts)s)", facts=Jsonb(wanted))
    tasks = (done_a_day * DAYS + CARDS) * guides
    progress(f"filled in {time.monotonic() - started:.0f} s: {guides:,} guides, {stores:,} stores, {tasks:,} tasks")


def _filled_with() -> dict[str, Any] | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('bench_desk')")
        if cursor.fetchone()[0] is None:
            return None
        cursor.execute("SELECT facts::text FROM bench_desk")
        return dict(json.loads(cursor.fetchone()[0]))


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public' "
            "AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission', 'bench_desk')"
        )
        cursor.execute(f"TRUNCATE {cursor.fetchone()[0]} RESTART IDENTITY CASCADE")
        cursor.execute("DROP TABLE IF EXISTS bench_desk")


def _heads() -> None:
    """Give the company the people who read the boards above the stores' managers."""
    for level, role in (("hq", "hq_operator"), ("branch", "branch_member_manager"), ("region", "region_manager")):
        for unit in OrgUnit.objects.filter(level=level).order_by("pk"):
            person = Staff.objects.create(
                wecom_user_id=f"head-{unit.code}", name="周明", display_name="周明", unit=unit
            )
            RoleAssignment.objects.create(staff=person, role=role, unit=unit)


def _nodes(column: str) -> str:
    """Return SQL for a column of MIX by `k`, the member's place among the 15 of her guide."""
    at = {"node": 0, "days": 2, "priority": 3}[column]
    values = [repr(row[at]) for row in MIX for _ in range(row[1])]
    assert len(values) == CARDS
    return f"(ARRAY[{', '.join(values)}])[1 + k]"


def _of_members() -> str:
    """Return a FROM clause of all members `i` with their guide `g`, place `k` and the purchase their card is about."""
    return f"""
    generate_series(1, %(members)s::bigint) i CROSS JOIN LATERAL (SELECT ((i - 1) / %(guides)s)::int AS k) k0
    CROSS JOIN LATERAL (SELECT %(now)s::timestamptz - {_nodes("days")} * interval '1 day'
        - (%(guides)s - i %% %(guides)s) * interval '25 minutes' / %(guides)s AS paid_at) k1
    JOIN bench_guide g ON g.n = {world._guide_of("i")}"""


def _orders(counts: dict[str, int], *, sold: int, rate: float) -> None:
    """Append the purchases behind the open cards (number i of member i), then what else each guide sold in 50 days."""
    params = {**counts, "now": MORNING, "sold": sold, "rate": rate}
    order = {
        "source": "'bench'", "number": "'B' || i", "store_id": "g.store_id", "guide_id": "g.id", "paid_at": "paid_at",
        "paid_on": "(paid_at AT TIME ZONE 'Asia/Shanghai')::date", "known_at": "paid_at", "paid_fen": "167900",
        "net_amount_fen": "167900", "content_sha": "md5(i::text)", "created_at": "paid_at", "id": "i",
    }  # fmt: skip
    world._fill(Order, order | {"member_id": "i"}, _of_members(), params)
    others = f"""
    generate_series(%(members)s::bigint + 1, %(members)s::bigint + %(sold)s * %(guides)s) i
    CROSS JOIN LATERAL (SELECT 1 + i %% %(members)s AS member) k0
    CROSS JOIN LATERAL (SELECT %(now)s::timestamptz - (%(sold)s - (i - %(members)s - 1) / %(guides)s)
        * interval '1 day' / %(rate)s + interval '2 hours' AS paid_at) k1
    JOIN bench_guide g ON g.n = {world._guide_of("member")}"""
    world._fill(Order, order | {"member_id": "member"}, others, params)
    line = {
        "id": "2 * i - 2 + no", "order_id": "i", "line_no": "no", "item_name": world._style("i + no", 1),
        "color": world._style("i + no", 2), "size": world._style("i + no", 3), "care_key": world._style("i + no", 4),
        "family": world._style("i + no", 5), "paid_fen": "CASE no WHEN 1 THEN 128000 ELSE 39900 END",
    }  # fmt: skip
    lines = "generate_series(1, %(members)s::bigint + %(sold)s * %(guides)s) i CROSS JOIN generate_series(1, 2) no"
    world._fill(OrderLine, line, lines, params)


def _task(node: str) -> dict[str, str]:
    """Return the columns that open and closed tasks fill alike."""
    return {
        "task_type": f"'followup_' || {node}", "node": node, "cadence_version_id": "%(version)s", "member_id": "member",
        "assignee_id": "g.id", "owner_guide_id": "g.id", "store_id": "g.store_id", "order_id": "member",
        "tier_rank": "1 + member %% 5", "why": "'藏青羊毛套西到手 3 天，问一句合不合身'",
        "context": "(%(contexts)s::jsonb[])[1 + member %% 8]", "evidence_any_of": "'{chat_sent,call_logged}'::varchar[]",
    }  # fmt: skip


def _params(counts: dict[str, int], **more: Any) -> dict[str, Any]:
    version = CadenceVersion.objects.get(state="published")
    about = {"timing": "same_day", "buyer": "first", "gift": False, "delivery": False, "days_from": "2026-10-20"}
    contexts = [Jsonb({**about, "items": world._items(number)}) for number in range(8)]
    return {
        **counts, "now": MORNING, "today": clock.local_day(MORNING), "version": version.pk, "cadence": version.cadence_id,
        "contexts": contexts, **more,
    }  # fmt: skip


def _closed_tasks(counts: dict[str, int], done_a_day: int) -> None:
    """Append a month of tasks, day by day: of ten, seven done in time, one done late, one expired, one superseded."""
    params = _params(counts, a_day=done_a_day, days=DAYS)
    source = f"""
    generate_series(0, %(days)s * %(a_day)s * %(guides)s::bigint - 1) i
    CROSS JOIN LATERAL (SELECT i / (%(a_day)s * %(guides)s) AS day, i / %(guides)s AS slot, i %% %(guides)s AS place) s0
    CROSS JOIN LATERAL (SELECT 1 + slot %% {CARDS} * %(guides)s + place AS member, (place + slot) %% 10 AS lot,
        (%(today)s::date - (%(days)s - day)::int + time '22:00') AT TIME ZONE 'Asia/Shanghai' AS due_at,
        (ARRAY['m30', 'd3', 'd30', 'd60', 'd90'])[1 + (place + slot) %% 5] AS node) s1
    CROSS JOIN LATERAL (SELECT CASE WHEN lot < 8 THEN 'done' WHEN lot = 8 THEN 'expired' ELSE 'superseded' END AS state,
        CASE WHEN lot < 7 THEN due_at - (1 + lot) * interval '1 hour' WHEN lot = 7 THEN due_at + interval '12 hours' END AS done_at) s2
    JOIN bench_guide g ON g.n = {world._guide_of("member")}"""
    task = _task("node") | {
        "id": "1 + i", "state": "state", "priority": "2", "open_at": "due_at - interval '10 hours'", "due_at": "due_at",
        "expire_at": "due_at + interval '3 days'", "created_at": "due_at - interval '10 hours'", "done_at": "done_at",
        "done_by_id": "CASE WHEN lot < 8 THEN g.id END", "evidence_kind": "CASE WHEN lot < 8 THEN 'chat_sent' ELSE '' END",
        "evidence_level": "CASE WHEN lot < 8 THEN 2 END", "evidence_at": "done_at",
        "outcome": "CASE WHEN lot %% 3 = 0 AND lot < 8 THEN 'replied' ELSE '' END",
        "outcome_at": "CASE WHEN lot %% 3 = 0 AND lot < 8 THEN done_at + interval '2 hours' END",
        "closed_reason": "CASE WHEN lot = 9 THEN 'repurchased' ELSE '' END", "closed_at": "CASE WHEN lot > 7 THEN due_at END",
    }  # fmt: skip
    world._fill(Task, task, source, params)
    proof = {"id": "t.id", "task_id": "t.id", "kind": "'chat_sent'", "level": "2", "is_auto": "true", "at": "t.done_at", "by_id": "t.done_by_id"}  # fmt: skip
    world._fill(TaskEvidence, proof, "tasks_task t WHERE t.state = 'done'", params)
    sale = proof | {
        "id": "%(days)s * %(a_day)s * %(guides)s + t.id", "kind": "'order_linked'", "level": "5", "by_id": "NULL",
        "at": "t.done_at + interval '5 hours'", "payload": "jsonb_build_object('order', t.order_id, 'fen', 39900)",
    }  # fmt: skip
    world._fill(TaskEvidence, sale, "tasks_task t WHERE t.state = 'done' AND t.id %% 25 = 0", params)


def _open_tasks(counts: dict[str, int]) -> None:
    """Append a cycle and an open task for each member: 15 cards a guide, two of them due within minutes."""
    params = _params(counts, plan=["m30", "d3", "d30", "d60", "d90"])
    cycle = {
        "id": "i", "cadence_id": "%(cadence)s", "cadence_version_id": "%(version)s", "member_id": "i", "kind": "'full'",
        "buyer": "'first'", "anchor_order_id": "i", "anchor_at": "paid_at", "touch_at": "paid_at", "known_at": "paid_at",
        "anchor_on": "(paid_at AT TIME ZONE 'Asia/Shanghai')::date", "day_anchor_date": "(paid_at AT TIME ZONE 'Asia/Shanghai')::date",
        "plan": "%(plan)s::varchar[]", "steps_planned": "5", "owner_guide_id": "g.id",
        "serving_guide_id": "g.id", "store_id": "g.store_id", "created_at": "paid_at",
    }  # fmt: skip
    world._fill(Enrollment, cycle, _of_members(), params)
    first = (Task.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    task = _task(_nodes("node")) | {
        "id": f"{first - 1} + i", "enrollment_id": "i", "state": "'open'", "priority": _nodes("priority"),
        "open_at": "due_at - interval '12 hours'", "due_at": "due_at", "expire_at": "due_at + interval '3 days'",
        "created_at": "due_at - interval '12 hours'",
    }  # fmt: skip
    due = f"""CROSS JOIN LATERAL (SELECT i AS member, CASE WHEN {_nodes("days")} = 0 THEN %(now)s::timestamptz + interval '10 minutes'
        ELSE (%(today)s::date + k %% 3 + time '22:00') AT TIME ZONE 'Asia/Shanghai' END AS due_at) t"""
    world._fill(Task, task, f"{_of_members()} {due}", params)


def _figures() -> None:
    """Count the days as the product's own job does."""
    started = time.monotonic()
    today = clock.local_day(MORNING)
    rebuild_days(start=today - timedelta(days=DAYS), end=today + timedelta(days=2), now=MORNING)
    FiguresRun.objects.update_or_create(pk=1, defaults={"ran_at": MORNING})
    sql("VACUUM (ANALYZE) tasks_taskday, tasks_unitday, tasks_daymark")
    progress(f"daily figures of {DAYS} days by the product's job: {time.monotonic() - started:.0f} s")
