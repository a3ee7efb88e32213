"""From the add event to the call of the welcome while 100,000 pushes wait, against the same path with no push waiting.

All of it is the product's: the stand-in calls back over HTTP, web takes the callback in, the inbox's process notes the
friend, asks the platform who he is, composes and calls, while the sender's process works through the queue. Counted from the
moment the stand-in made the code to the moment the call reached it. Two thirds come evenly, one third at once.
"""

import base64
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from bench.figures import Options, Report, at_most, interleaved, median, median_ratio, percentile, progress
from bench.processes import Processes, free_port, started

API = "externalcontact/send_welcome_msg"
WAITING = 100_000
GUIDES, STORES = 500, 100
LATENCY_MS, JITTER_MS = 80, 320  # of the platform's answers
WINDOW = 20.0
LOST = 60.0  # what a greeting counts that never left
KEY = base64.b64encode(b"yejibao-bench-welcome-callbacks!").decode().rstrip("=")


def main(options: Options) -> Report:
    asked = options.parse(
        "welcome", ("--friends", {"type": int, "default": 60 if options.quick else 300}),
        ("--rounds", {"type": int, "default": 1 if options.quick else 3}),
        ("--waiting", {"type": int, "default": WAITING}),
    )  # fmt: skip
    people = _fill()
    with started() as processes:
        bench = Bench(processes, people, friends=asked.friends, waiting=asked.waiting)
        waits: dict[str, list[list[float]]] = {"full": [], "empty": []}

        def side(name: str) -> float:
            waits[name].append(bench.round(is_full=name == "full"))
            return percentile(waits[name][-1], 0.99)

        seen = interleaved(asked.rounds, {"full": lambda: side("full"), "empty": lambda: side("empty")})
    value, limit = median(seen["full"]), median(seen["empty"])
    everything = [one for each in waits["full"] for one in each]
    late = sum(one >= WINDOW for one in everything)
    return Report(
        value=value, unit="s (p99, event to call)", limit=limit, limit_is="the same path and processes with no push waiting",
        ratio=median_ratio(seen["empty"], seen["full"]),
        goals=[at_most("p99 event to call, s", value, WINDOW), at_most("welcomes late or lost", late, 0)],
        more={
            "pushes_waiting": asked.waiting, "pushes_left": bench.left, "friends_a_round": asked.friends,
            "p50": round(percentile(everything, 0.5), 3), "slowest": round(max(everything), 3),
            "platform_answers_ms": [LATENCY_MS, LATENCY_MS + JITTER_MS],
        },
    )  # fmt: skip


def _fill() -> list[str]:
    from guides.org.loading import load_org, made_up_org
    from guides.org.models import Staff
    from tasks.scripts.loading import load_scripts

    now = timezone.now()
    shape = {"branches": 2, "regions": 4, "areas": 10, "stores": STORES}
    load_org(made_up_org(**shape, staff=GUIDES + STORES + 10), now=now)
    load_scripts(now=now)
    return list(Staff.objects.filter(role_assignments__role="guide").values_list("wecom_user_id", flat=True))


class Bench:
    """The processes, and one round of friends with or without a queue before them."""

    def __init__(self, processes: Processes, people: list[str], *, friends: int, waiting: int) -> None:
        from yejibao.core.management.commands.run_product import web_command

        os.environ |= {"WECOM_CALLBACK_TOKEN": "bench", "WECOM_CALLBACK_AES_KEY": KEY}
        self.people, self.friends, self.waiting = people, friends, waiting
        self.number, self.left = 0, 0
        self.control = processes.sandbox()
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        processes.run("web", web_command("127.0.0.1", port), PUBLIC_BASE_URL=base)
        processes.wait_for("web", f"{base}/healthz")
        processes.start("inbox", "run_inbox")
        processes.run("sender", [sys.executable, "-m", "bench.welcome"])
        self.control.call("POST", "world", body={"people": [{"userid": name, "name": name} for name in people]})
        receiver = {"url": f"{base}/wecom/callback/yejibao/", "token": "bench", "aes_key": KEY}
        self.control.call("POST", "receivers", body={"yejibao": receiver})
        # The pushes of a minute are kept too: a greeting among them must not be forgotten before it is read.
        self.control.call("POST", "settings", body={"keep_calls": 20_000})
        self._warm_up()
        order = {"api": "*", "latency": LATENCY_MS, "jitter": JITTER_MS}
        self.control.call("POST", "fault", body=order)

    def _warm_up(self) -> None:
        """Wait until all processes are up: until somebody has been greeted."""
        for _ in range(6):
            number = self._next()
            self._befriend(number)
            if max(self._waits({f"wmbench{number:07}"})) < LOST:
                progress("the processes are up")
                return
        raise RuntimeError("nobody is greeted")

    def round(self, *, is_full: bool) -> list[float]:
        """Return how long each friend of a round waited for his welcome."""
        self._queue(self.waiting if is_full else 0)
        time.sleep(3)
        for _ in range(60 if is_full else 0):  # the sender is at work on it before anybody is greeted
            if self._left() < self.waiting:
                break
            time.sleep(0.5)
        first = self.number
        evenly = self.friends * 2 // 3
        with ThreadPoolExecutor(16) as pool:
            for _ in range(evenly):
                pool.submit(self._befriend, self._next())
                time.sleep(0.1)
            for _ in range(self.friends - evenly):
                pool.submit(self._befriend, self._next())
        waits = self._waits({f"wmbench{one:07}" for one in range(first, self.number)})
        if is_full:
            self.left = self._left()
        return waits

    def _left(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM core_outboxmessage WHERE state IN ('pending', 'claimed')")
            return int(cursor.fetchone()[0])

    def _next(self) -> int:
        self.number += 1
        return self.number - 1

    def _befriend(self, number: int) -> None:
        body = {"userid": self.people[number % len(self.people)], "external_userid": f"wmbench{number:07}", "name": "云淡风轻",
                "add_way": 1}  # fmt: skip
        self.control.call("POST", "friend", body=body)

    def _waits(self, externals: set[str]) -> list[float]:
        deadline = time.monotonic() + WINDOW + 10
        while True:
            codes = {
                code: row for code, row in self.control.call("GET", "welcome_codes")["codes"].items()
                if row["external_userid"] in externals
            }  # fmt: skip
            called: dict[str, float] = {}
            for call in self.control.call("GET", "calls", query={"api": API})["calls"]:
                if (call.get("body") or {}).get("welcome_code") in codes:
                    called.setdefault(call["body"]["welcome_code"], call["at"])
            if len(called) >= len(externals) or time.monotonic() > deadline:
                return [called[code] - row["made_at"] if code in called else LOST for code, row in codes.items()]
            time.sleep(0.2)

    def _queue(self, count: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE core_outboxmessage CASCADE")
            cursor.execute(
                """
                INSERT INTO core_outboxmessage (kind, dedupe_key, recipient, subject, due_at, priority, state, body_bytes, body_sha,
                    attempts, next_at, errmsg, msgid, created_at, closed_reason)
                SELECT 'bench', 'bench:' || n, p.name, '', now(), 5, 'pending', convert_to(json_build_object('touser', p.name,
                        'agentid', %(agent)s, 'msgtype', 'text', 'text', json_build_object('content', 'n' || n))::text, 'UTF8'),
                    'x', 0, now(), '', '', now(), ''
                FROM generate_series(1, %(count)s) n JOIN unnest(%(people)s::text[]) WITH ORDINALITY AS p(name, place)
                    ON p.place = 1 + n %% %(heads)s
                """,
                {"agent": settings.WECOM_AGENT_ID, "count": count, "people": self.people, "heads": len(self.people)},
            )
            cursor.execute("ANALYZE core_outboxmessage")
        progress(f"{count:,} pushes wait")


class Plain:
    """Lets the sender's process take the bench's messages as they are."""

    def render(self, messages: Any, *, now: Any) -> dict[int, bytes | None]:
        return {}

    def still_wanted(self, messages: Any, *, now: Any) -> set[int]:
        return {message.pk for message in messages}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
    import django

    django.setup()
    from django.core.management import call_command

    from yejibao.core.outbox.messages import register_renderer

    register_renderer("bench", Plain())
    call_command("run_sender")
