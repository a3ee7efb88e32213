"""Queued messages to the stand-in of the platform over HTTP at 50 ms an answer, against a bare asynchronous client.

The product's side is all of it: the tick's statement queues digests and urgent cards, the sender's own process claims,
renders, asks the budgets, posts and settles. The limit is a loop of aiohttp that posts the very same bytes to the same
stand-in with as many calls in flight. What is proved is proved by what the stand-in received and when: at most one digest
a guide and window, and, in a run in which the limits bite, no call beyond them in any second or minute.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import requests
from django.conf import settings
from django.db import connection

from bench import brand
from bench.figures import Goal, Options, Report, at_least, at_most, interleaved, median, median_ratio, percentile
from bench.processes import Processes, cpu_seconds, started, turn_clock
from guides.org.models import Staff
from yejibao.core.clock import SHANGHAI
from yejibao.core.models import Heartbeat
from yejibao.core.outbox.nudge import nudge
from yejibao.demo.sandbox_control import SandboxControl
from yejibao.wecom import gateway
from yejibao.wecom.budgets import MEMBER_MINUTE
from yejibao.wecom.messages import url_of

LATENCY_MS = 50
IN_FLIGHT = 256
NOT_BITING = 1_000_000
ONE_AT_A_TIME = 50
STEADY_RATE = 300  # messages a second that fall due in the run that measures how long one is on its way
URGENT_EACH = 60  # messages to each of a few guides in the run in which the limits bite
WINDOW = timedelta(minutes=30)


@dataclass
class Run:
    """What the product did with one lot."""

    rate: float
    messages: int
    sender_cpu: float  # seconds a message
    received: list[dict[str, Any]]


def main(options: Options) -> Report:
    asked = options.parse("push", ("--guides", {"type": int, "default": 2_000 if options.quick else 10_000}),
                          ("--rounds", {"type": int, "default": 3}))  # fmt: skip
    brand.fill(guides=asked.guides, stores=max(1, asked.guides * 3 // 10), done_a_day=0, orders_a_day=0.02)
    with started() as processes:
        bench = Bench(processes)
        runs: list[Run] = []
        bodies: list[bytes] = []

        def product() -> float:
            runs.append(bench.drain())
            bodies[:] = bench.bodies()
            return runs[-1].rate

        def bare() -> float:
            return bench.bare(bodies)

        rates = interleaved(asked.rounds, {"product": product, "bare": bare})
        slow = bench.one_at_a_time(bodies[:ONE_AT_A_TIME])
        on_the_way = bench.steady(seconds=5 if options.quick else 20)
        paced = bench.paced(quota=400, helpings=2 if options.quick else 3)
    value = median(rates["product"])
    digests = [message for run in runs for message in run.received if is_digest(message)]
    goals = [
        at_least("product / bare client", median_ratio(rates["product"], rates["bare"]), 0.7),
        at_least("product / one at a time", value / slow, 50),
        at_most("digests a guide and window", most_a_window(digests), 1),
        *paced.goals,
    ]
    return Report(
        value=value, unit="messages/s", limit=median(rates["bare"]),
        limit_is=f"bare aiohttp client, {IN_FLIGHT} in flight, same stand-in, same bodies, {LATENCY_MS} ms an answer",
        ratio=median_ratio(rates["product"], rates["bare"]), goals=goals,
        more={
            "rounds": {name: [round(rate) for rate in each] for name, each in rates.items()},
            "messages_a_round": [run.messages for run in runs],
            "digests": len(digests),
            "one_at_a_time": round(slow, 1),
            "sender_cpu_ms_a_message": round(1000 * median([run.sender_cpu for run in runs]), 3),
            "due_to_receiver_s": {"p50": round(percentile(on_the_way, 0.5), 3), "p99": round(percentile(on_the_way, 0.99), 3)},
            "paced": paced.facts,
        },
    )  # fmt: skip


@dataclass
class Paced:
    goals: list[Goal]
    facts: dict[str, Any]


class Bench:
    """The processes, and a day's clock that goes on from window to window."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.now = brand.MORNING.replace(minute=45)  # a lot is queued a quarter before its windows begin
        turn_clock(self.now)
        self.sandbox: SandboxControl = processes.sandbox()
        people = [{"userid": name} for name in digest_minutes()]
        self.sandbox.call("POST", "world", body={"people": people})
        self.sandbox.call("POST", "settings", body={"account_cap": 1_000_000})
        self.sandbox.call("POST", "fault", body={"api": "message/send", "latency": LATENCY_MS})
        # There is no beat in this run: without a sign of life of the tick the sender would run it, and do its work as well.
        brand.sql(
            "INSERT INTO core_heartbeat (name, at, facts) VALUES (%(name)s, clock_timestamp() + interval '1 day', '{}')"
            " ON CONFLICT (name) DO UPDATE SET at = excluded.at",
            name=f"{Heartbeat.JOB}{settings.SENDER_WAKE_TICK}",
        )
        self._sender(NOT_BITING)

    def _sender(self, quota: int) -> None:
        self.processes.start("sender", "run_sender", WECOM_SENDS_PER_SECOND=str(quota))
        begun = time.time()
        wait_until(lambda: heart_is_younger_than(begun), 60)

    def _hold(self) -> None:
        """Stop the sender for a while, in no moment in which it holds a lock."""
        while True:
            self.processes.hold("sender")
            time.sleep(0.01)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND state <> 'idle' AND backend_type = 'client backend'"
                )
                if cursor.fetchone() == (0,):
                    return
            self.processes.go_on("sender")
            time.sleep(0.02)

    # ------------------------------------------------------------ the product
    def queue(self) -> int:
        """Let the guides' tasks want to be told in six beats, five minutes apart; return how many messages that makes."""
        from tasks.followups.push import queue_notices

        brand.sql("TRUNCATE core_outboxmessage CASCADE")
        for beat in range(6):
            now = self.now + timedelta(minutes=2 * beat)
            # One to five of her tasks a guide, and for each fifth an urgent one.
            brand.sql(
                """
                UPDATE tasks_task SET tell_at = %(now)s FROM (
                    SELECT id, row_number() OVER (PARTITION BY assignee_id, priority = 1 ORDER BY id) n FROM tasks_task WHERE state = 'open'
                ) o WHERE o.id = tasks_task.id AND (id + assignee_id) %% 6 = %(beat)s
                  AND CASE WHEN priority = 1 THEN n = 1 AND assignee_id %% 5 = 0 ELSE n <= 1 + assignee_id %% 5 END
                """.replace("(id +", "(tasks_task.id +"),
                now=now, beat=beat,
            )  # fmt: skip
            queue_notices(now=now)
        brand.sql("VACUUM (ANALYZE) core_outboxmessage, tasks_task, tasks_tasknotice")
        return count("true")

    def drain(self) -> Run:
        """Queue a lot, let its windows begin, and let the sender loose on it."""
        self._hold()
        messages = self.queue()
        self.now += timedelta(minutes=26)
        turn_clock(self.now)
        self.sandbox.call("DELETE", "received")
        before = cpu_seconds(self.processes.pid("sender"))
        begun = time.perf_counter()
        self.processes.go_on("sender")
        nudge("messages")
        wait_until(lambda: count("state IN ('pending', 'unknown')") + count("state = 'claimed'") == 0, 120)
        seconds = time.perf_counter() - begun
        cpu = cpu_seconds(self.processes.pid("sender")) - before
        received = self.received()
        assert len(received) == messages == count("state = 'sent'"), (len(received), messages, count("state = 'sent'"))
        self.now += timedelta(minutes=4)
        return Run(messages / seconds, messages, cpu / messages, received)

    def received(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.sandbox.call("GET", "received")["messages"]
        return messages

    def bodies(self) -> list[bytes]:
        """Return the bytes the product has sent, in its order."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT body_bytes FROM core_outboxmessage WHERE state = 'sent' ORDER BY priority, due_at, id"
            )
            return [bytes(body) for (body,) in cursor.fetchall()]

    # ------------------------------------------------------------ what it is compared with
    def bare(self, bodies: Sequence[bytes]) -> float:
        """Post them as fast as an event loop with aiohttp can; return messages a second."""
        self.sandbox.call("DELETE", "received")
        return asyncio.run(post_all(send_address(), bodies))

    def one_at_a_time(self, bodies: Sequence[bytes]) -> float:
        """Post them one after the other with requests, as a job of a worker would."""
        self.sandbox.call("DELETE", "received")
        address = send_address()
        with requests.Session() as session:
            session.trust_env = False
            begun = time.perf_counter()
            for body in bodies:
                answer = session.post(address, data=body, headers={"Content-Type": "application/json"}, timeout=10)
                assert answer.json()["errcode"] == 0
            return len(bodies) / (time.perf_counter() - begun)

    # ------------------------------------------------------------ how long one is on its way
    def steady(self, *, seconds: int) -> list[float]:
        """Let messages fall due at an even pace; return how many seconds after that each was at the receiver."""
        self._hold()
        self.queue()
        brand.sql(
            "DELETE FROM core_outboxmessage WHERE id NOT IN (SELECT id FROM core_outboxmessage ORDER BY id LIMIT %(most)s)",
            most=STEADY_RATE * seconds,
        )
        self.now += timedelta(minutes=26)
        self.sandbox.call("DELETE", "received")
        turn_clock(self.now)
        brand.sql(
            """
            UPDATE core_outboxmessage m SET due_at = at, next_at = at FROM (
                SELECT id, %(now)s::timestamptz + interval '3 seconds' + row_number() OVER (ORDER BY random()) * interval '1 second' / %(rate)s AS at
                FROM core_outboxmessage
            ) v WHERE v.id = m.id
            """,
            now=self.now, rate=STEADY_RATE,
        )  # fmt: skip
        self.processes.go_on("sender")
        wanted = count("true")
        wait_until(lambda: count("state = 'sent'") >= wanted, seconds + 60)
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, extract(epoch FROM due_at)::float8 FROM core_outboxmessage WHERE state = 'sent'")
            due = dict(cursor.fetchall())
        self.now += timedelta(minutes=4)
        return [one["arrived"] - due[number_of(one)] for one in self.received() if number_of(one) in due]

    # ------------------------------------------------------------ the limits, biting
    def paced(self, *, quota: int, helpings: int) -> Paced:
        """Send with a small budget a second and far too much for some guides; look at it from the receiver's side."""
        self.processes.end("sender")
        self.queue()
        names = list(digest_minutes())[:30]
        brand.sql(
            """
            INSERT INTO core_outboxmessage (kind, dedupe_key, recipient, subject, due_at, not_after, priority, state, body_sha, attempts,
                next_at, errmsg, msgid, created_at, closed_reason)
            SELECT 'task', 'task:' || t.id || '#' || n, s.wecom_user_id, 'task:' || t.id, %(now)s, NULL, 1, 'pending', '', 0,
                %(now)s, '', '', %(now)s, ''
            FROM generate_series(1, %(each)s) n CROSS JOIN tasks_task t JOIN guides_staff s ON s.id = t.assignee_id
            WHERE s.wecom_user_id = ANY(%(names)s) AND t.priority = 1 AND t.state = 'open'
            """,
            now=self.now, each=URGENT_EACH // 2, names=names,
        )  # fmt: skip
        self.now += timedelta(minutes=26)
        turn_clock(self.now)
        self.sandbox.call("DELETE", "received")
        self._sender(quota)
        wanted = helpings * MEMBER_MINUTE
        wait_until(lambda: min(self._count_of(names).values()) >= wanted, 65 * helpings)
        self.processes.end("sender")
        received = self.received()
        arrivals = sorted(one["arrived"] for one in received)
        urgent = {name: sorted(one["arrived"] for one in received if one["recipients"] == [name]) for name in names}
        full = [at for at in arrivals if at < arrivals[0] + 45]  # before the second helping
        full = full[: len(full) * 9 // 10]  # while there was always one more to send
        in_second, in_minute = most_in(arrivals, 1.0), max(most_in(each, 60.0) for each in urgent.values())
        gaps = [each[MEMBER_MINUTE] - each[0] for each in urgent.values()]
        return Paced(
            goals=[
                at_most("calls in any second", in_second, quota),
                at_least("quota of the second used", (len(full) - 1) / (full[-1] - full[0]) / quota, 0.95),
                at_most("calls to one guide in any minute", in_minute, MEMBER_MINUTE),
                at_least("quota of the minute used", min(60 / gap for gap in gaps), 0.95),
            ],
            facts={"quota_a_second": quota, "quota_a_guide_and_minute": MEMBER_MINUTE, "messages": len(received),
                   "seconds": round(arrivals[-1] - arrivals[0])},
        )  # fmt: skip

    def _count_of(self, names: Iterable[str]) -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT recipient, count(*) FROM core_outboxmessage WHERE state = 'sent' GROUP BY 1")
            return dict.fromkeys(names, 0) | {name: number for name, number in cursor.fetchall() if name in names}


# ---------------------------------------------------------------- the bare client


async def post_all(address: str, bodies: Sequence[bytes]) -> float:
    """Keep IN_FLIGHT calls going until all bodies are posted; return messages a second."""
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    waiting = iter(bodies)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

        async def work() -> None:
            for body in waiting:
                async with session.post(address, data=body) as answer:
                    assert (await answer.json())["errcode"] == 0

        begun = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return len(bodies) / (time.perf_counter() - begun)


def send_address() -> str:
    return f"{settings.WECOM_API_BASE}message/send?access_token={gateway.default().credentials.get()}"


# ---------------------------------------------------------------- small things


def digest_minutes() -> dict[str, int]:
    """Return the guides by user id, each with the minute at which her digests begin."""
    guides = Staff.objects.filter(role_assignments__role="guide").order_by("pk")
    return dict(guides.values_list("wecom_user_id", "digest_minute"))


def is_digest(message: dict[str, Any]) -> bool:
    return "/g/today/" in url_of(message["request"])


def number_of(message: dict[str, Any]) -> int:
    """Return the number a message carries in its address."""
    return int(url_of(message["request"]).rpartition("m=")[2])


def most_a_window(digests: Iterable[dict[str, Any]]) -> int:
    """Return the most digests one guide got in one of her windows: half hours from a minute of her own after opening."""
    found: Counter[tuple[str, int]] = Counter()
    minutes = digest_minutes()
    opening = brand.MORNING.astimezone(SHANGHAI).replace(hour=9, minute=30).timestamp()
    for one in digests:
        (name,) = one["recipients"]
        first = opening + 60 * (1 + minutes[name] % 10)
        found[name, int((one["arrived"] - first) // WINDOW.total_seconds())] += 1
    return max(found.values())


def most_in(stamps: Sequence[float], length: float) -> int:
    """Return the most of these ascending moments in any half-open window of a length."""
    most = first = 0
    for last, stamp in enumerate(stamps):
        while stamp - stamps[first] >= length:
            first += 1
        most = max(most, last - first + 1)
    return most


def count(where: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM core_outboxmessage WHERE {where}")
        return int(cursor.fetchone()[0])


def heart_is_younger_than(moment: float) -> bool:
    """Tell whether the sender has shown life since (epoch seconds)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT at > to_timestamp(%s) FROM core_heartbeat WHERE name = 'sender'", [moment])
        row = cursor.fetchone()
    return bool(row and row[0])


def wait_until(done: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done after {seconds:.0f} s")
        time.sleep(0.05)
