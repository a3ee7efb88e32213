"""The promotion peak on one machine: purchases, due hands, pages and pushes at once, by the product's own processes.

A second has 150 purchases (one batch to the order feed), 150 hands of waiting cycles that fall due beside those the
purchases bring, and 170 requests of people at their desks. The stand-in of the platform and the crowd share the cores
with the product. Requests leave at their planned moments, so a server that falls behind is seen to.
"""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection

from bench import brand, desk, mixed_load, proc, world
from bench.figures import Options, Report, progress
from bench.mixed_report import DUE, LAGS, PURCHASES, REQUESTS, TABLES, Look, Play, Size, report
from bench.processes import Processes, cpu_seconds, free_port, started, turn_clock
from bench.push import LATENCY_MS, digest_minutes, heart_is_younger_than, wait_until
from bench.rig import BEAT, WORKER
from guides.org.models import Staff
from tasks.followups.models import Task
from yejibao import schedule
from yejibao.core import clock
from yejibao.core.management.commands.run_product import web_command
from yejibao.core.outbox.figures import event_figures, message_figures
from yejibao.intake.services import issue_token

BEAT_SECONDS = 35  # a hand is opened by the next tick, thirty seconds later at most, and that takes its time
RETURNING = 25  # of a hundred purchases are by members in a cycle
PEOPLE = 400  # at their desks


def main(options: Options) -> Report:
    own = options.parse(
        "mixed_peak",
        ("--factor", {"type": float, "default": 1.0, "help": "of all rates"}),
        ("--minutes", {"type": float, "default": 50 / 60 if options.quick else 10.0, "help": "of play"}),
    )
    shape = (1_000, 300, 100_000) if options.quick else (10_000, 3_000, 1_000_000)
    seconds = round(own.minutes * 60)
    size = Size(
        *shape, seconds=seconds, settled=min(120, seconds // 3), every=2 if options.quick else 5, factor=own.factor
    )
    fill(size)
    with started() as processes:
        play = Peak(processes, size).play()
    return report(play, size)


def fill(size: Size) -> None:
    """Fill a brand at its desks, and beside it the cycles that wait and members who have none."""
    brand.fill(guides=size.guides, stores=size.stores, done_a_day=1, orders_a_day=0.2)
    # Its open cards stay; its cycles would stand in the way of those of the same members.
    brand.sql("UPDATE tasks_enrollment SET status = 'cancelled'")
    world.members(size.waiting + size.purchases)
    world.enrollments(waiting=size.waiting, due=-(-size.due // 5) * 5, now=brand.MORNING)
    keep_back()
    schedule.install()
    brand.sql("VACUUM (ANALYZE) tasks_enrollment, tasks_task")


class Peak:
    """The processes, and those who keep them busy."""

    def __init__(self, processes: Processes, size: Size) -> None:
        self.processes, self.size = processes, size
        self.port = free_port()
        turn_clock(brand.MORNING)
        url = f"http://127.0.0.1:{self.port}"
        sandbox = processes.sandbox()
        sandbox.call("POST", "world", body={"people": [{"userid": name} for name in digest_minutes()]})
        sandbox.call("POST", "settings", body={"account_cap": 1_000_000})
        sandbox.call("POST", "fault", body={"api": "message/send", "latency": LATENCY_MS})
        begun = time.time()
        processes.run("web", web_command("127.0.0.1", self.port), PUBLIC_BASE_URL=url)
        processes.start("sender", "run_sender", PUBLIC_BASE_URL=url)
        processes.start("inbox", "run_inbox")
        processes.run("worker", WORKER, PUBLIC_BASE_URL=url)
        processes.run("beat", BEAT)
        self.token = issue_token("bench", now=clock.now())
        self.requests = requests(self.port)
        self.buyers = buyers(size)
        processes.wait_for("web", f"{url}/healthz")
        wait_until(lambda: heart_is_younger_than(begun + offset()), 60)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            postmaster = proc.parent(cursor.fetchone()[0])
        names = ("web", "worker", "beat", "sender", "inbox", "sandbox")
        self.roots = {name: processes.pid(name) for name in names} | {"postgres": postmaster}

    def play(self) -> Play:
        """Warm the pages up, then let everybody loose for the length of the play."""
        size, seen = self.size, Play()
        mixed_load.answers(mixed_load.start(self.port, self.requests, rate=50, seconds=3))
        spread(size, clock.now() + timedelta(seconds=1))
        progress(f"playing {size.seconds} s at factor {size.factor}")
        crowd = mixed_load.start(self.port, self.requests, rate=REQUESTS * size.factor, seconds=size.seconds)
        self.roots["crowd"] = crowd.pid
        begun = time.monotonic()
        till = threading.Thread(target=self._sell, args=(seen, begun), name="till")
        till.start()
        for turn in count():
            at = min(turn * size.every, size.seconds)
            time.sleep(max(0.0, begun + at - time.monotonic()))
            seen.looks.append(self._look(time.monotonic() - begun))
            if at >= size.seconds:
                break
        seen.handled = handled()
        till.join()
        seen.hits = mixed_load.answers(crowd)
        for name in ("web", "worker", "beat", "sender", "inbox", "sandbox"):
            self.processes.pid(name)  # raises if it died
        return seen

    def _sell(self, seen: Play, begun: float) -> None:
        """Hand the second's purchases to the feed, once a second; a batch that is late makes the next one late too."""
        a_batch = round(PURCHASES * self.size.factor)
        till = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        head = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        for second in range(self.size.seconds):
            time.sleep(max(0.0, begun + second - time.monotonic()))
            if time.monotonic() > begun + self.size.seconds:
                break  # what could not be handed over in time was not carried
            batch = [next(self.buyers) for _ in range(a_batch)]
            now, planned = clock.now(), begun + second
            rows = [sale(f"P{second:05}-{n}", *buyer, now=now) for n, buyer in enumerate(batch)]
            try:
                till.request("POST", "/api/v1/feed/orders", json.dumps({"orders": rows}), head)
                answer = till.getresponse()
                told = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError):
                seen.feed["batches failed"] += 1
                till.close()
                continue
            if answer.status == 200 and told["counts"]["refused"] and not seen.feed["refused"]:
                progress(f"refused: {next(row for row in told['results'] if row['result'] == 'refused')}")
            seen.feed_ms.append((time.monotonic() - planned) * 1000)
            if answer.status == 200:
                seen.feed.update(told["counts"])
            else:
                seen.feed["batches failed"] += 1
                seen.feed[f"status {answer.status}"] += 1

    def _look(self, at: float) -> Look:
        now = clock.now()
        with connection.cursor() as cursor:
            cursor.execute("SELECT min(next_due_at) FROM tasks_hand WHERE next_due_at <= %s", [now])
            oldest: datetime | None = cursor.fetchone()[0]
            cursor.execute(
                "SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_user_tables WHERE relname = ANY(%s)",
                [list(TABLES)],
            )
            dead = {name: (gone, alive) for name, gone, alive in cursor.fetchall()}
        messages = message_figures(now)
        hand = (now - oldest).total_seconds() if oldest else 0.0
        lags = (hand, messages["oldest_due_seconds"], event_figures(now)["oldest_waiting_seconds"])
        trees = proc.trees(self.roots)
        rss = {
            name: sum(map(proc.rss_mb, trees[name])) for name in trees if name not in ("postgres", "crowd", "sandbox")
        }
        cpu = {name: sum(map(cpu_seconds, pids)) for name, pids in trees.items()}
        cpu["bench"] = time.process_time()
        return Look(at, dict(zip(LAGS, lags, strict=True)), rss, dead, cpu, proc.busy(), messages["sent"])


# ---------------------------------------------------------------- who keeps them busy


def keep_back() -> None:
    """Put off the hands that stand due, or the first tick would open them all before the play begins."""
    brand.sql("CREATE TABLE bench_spread (id bigint PRIMARY KEY, at timestamptz)")
    brand.sql(
        "INSERT INTO bench_spread SELECT enrollment_id FROM tasks_hand WHERE next_due_at <= %(now)s", now=brand.MORNING
    )
    _set_due("interval '1 year' + %(start)s::timestamptz", start=brand.MORNING)


def spread(size: Size, start: datetime) -> None:
    """Let these hands fall due evenly over the play; remember when."""
    _set_due(
        "%(start)s::timestamptz + (row_number() OVER (ORDER BY md5(id::text)) - 1) * interval '1 second' / %(rate)s",
        start=start, rate=DUE * size.factor,
    )  # fmt: skip
    brand.sql("VACUUM (ANALYZE) tasks_hand, bench_spread")


def _set_due(moment: str, **facts: Any) -> None:
    brand.sql(
        f"UPDATE bench_spread b SET at = v.at FROM (SELECT id, {moment} AS at FROM bench_spread) v WHERE v.id = b.id",
        **facts,
    )
    brand.sql("UPDATE tasks_hand h SET next_due_at = b.at FROM bench_spread b WHERE b.id = h.enrollment_id")


def handled() -> float:
    """Return the share of the hands due a beat ago or longer that have been moved since."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT avg((h.next_due_at IS DISTINCT FROM b.at)::int)::float8 FROM bench_spread b"
            " LEFT JOIN tasks_hand h ON h.enrollment_id = b.id WHERE b.at <= %s",
            [clock.now() - timedelta(seconds=BEAT_SECONDS)],
        )
        share = cursor.fetchone()[0]
    return 1.0 if share is None else float(share)


def requests(port: int) -> list[tuple[str, str, str, str]]:
    """Return what people at their desks ask for: of 170, one the review page, the others three kinds of a guide's day."""
    guides = list(Staff.objects.filter(role_assignments__role="guide").order_by("pk")[:PEOPLE])
    managers = list(Staff.objects.filter(role_assignments__role="store_manager").order_by("pk")[:20])
    cookies = desk.signed_in([*guides, *managers], port=port)
    of_guide = dict(
        Task.objects.filter(state="open", assignee__in=guides).order_by("pk").values_list("assignee_id", "pk")
    )
    rows = []
    for number in range(REQUESTS * len(managers)):
        place = number % len(guides)
        if number % REQUESTS == REQUESTS - 1:
            rows.append(("review", "/m/review/", cookies[len(guides) + number // REQUESTS], "text/html"))
        elif number % 4 < 2:
            rows.append(("today", "/g/today/", cookies[place], "text/html"))
        elif number % 4 == 2:
            rows.append(("task", f"/g/tasks/{of_guide[guides[place].pk]}/", cookies[place], "text/html"))
        else:
            rows.append(("list", "/api/v1/tasks/", cookies[place], "application/json"))
    return rows


def buyers(size: Size) -> Iterator[tuple[str, str, str]]:
    """Return member, store and guide of each purchase to come, by the names a till knows."""
    found = []
    for has_cycle, share in (("", RETURNING), ("NOT", 100 - RETURNING)):
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT m.member_no, h.code, s.wecom_user_id FROM crm_member m
                JOIN guides_staff s ON s.id = m.owner_guide_id JOIN guides_store h ON h.id = s.store_id
                WHERE {has_cycle} EXISTS (SELECT FROM tasks_enrollment e WHERE e.member_id = m.id AND e.status = 'active')
                ORDER BY md5(m.member_no) LIMIT %s
                """,
                [size.purchases * share // 100 + 1000],
            )
            found.append(iter(cursor.fetchall()))
    returning, new = found
    return (next(returning if number % 100 < RETURNING else new) for number in count())


def sale(number: str, member: str, store: str, guide: str, *, now: datetime) -> dict[str, Any]:
    """Return one purchase as a till reports it."""
    name, color, size, _care, family, fen = world.STYLES[int(number[-1]) % len(world.STYLES)]
    line = {"item_name": name, "color": color, "size": size, "family": family, "quantity": 1, "paid_fen": fen}
    return {
        "number": number, "store": store, "guide": guide, "member": {"member_no": member}, "kind": "retail",
        "paid_at": now.isoformat(), "lines": [line],
    }  # fmt: skip


def offset() -> float:
    """Return by how many seconds the product's clock is ahead of the machine's."""
    return (clock.now() - clock.system_now()).total_seconds()
