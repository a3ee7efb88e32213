"""The promotion peak on one machine: purchases, due hands, pages and pushes at once, by the product's own processes.

A second has 150 purchases (one batch to the order feed), 150 hands of waiting cycles that fall due beside those the
purchases bring, and 170 requests of people at their desks. The stand-in of the platform and the crowd share the cores
with the product. Requests leave at their planned moments, so a server that falls behind is seen to.
"""

import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import mean
from typing import Any

from django.db import connection

from bench import desk, mixed_load, world
from bench.figures import Goal, Options, Report, at_most, median, percentile, progress
from bench.mixed_load import Hit
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

PURCHASES, DUE, REQUESTS = 150, 150, 170  # a second, at factor 1
LAG_SECONDS, P99_MS, GROWTH = 60, 300, 0.10
LAG_GROWTH_SECONDS = 15  # half a beat: lags go up and down with the tick's thirty seconds
BEAT_SECONDS = 35  # a hand is opened by the next tick, thirty seconds later at most, and that takes its time
RETURNING = 25  # of a hundred purchases are by members in a cycle
PEOPLE = 400  # at their desks
TABLES = ("tasks_hand", "tasks_enrollment", "tasks_task", "core_outboxmessage")
LAGS = ("due hand", "push", "event")


@dataclass(frozen=True)
class Size:
    """How large the world is and how long the play."""

    guides: int
    stores: int
    waiting: int
    seconds: int
    settled: int  # seconds after which memory and dead rows must be flat
    every: float  # seconds between two looks
    factor: float

    @property
    def due(self) -> int:
        return round(DUE * self.factor * self.seconds)

    @property
    def purchases(self) -> int:
        return round(PURCHASES * self.factor * self.seconds)


@dataclass(frozen=True)
class Look:
    """How things stood at one moment of the play."""

    at: float
    lags: dict[str, float]
    rss_mb: dict[str, float]
    dead: dict[str, tuple[int, int]]  # dead rows, live rows
    cpu: dict[str, float]
    busy: float  # seconds the cores have worked for anybody
    sent: int


@dataclass
class Play:
    """What was seen of it all."""

    looks: list[Look] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    feed: Counter[str] = field(default_factory=Counter)
    feed_ms: list[float] = field(default_factory=list)
    handled: float = 0.0  # share of the hands due a beat ago or longer


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
    desk.fill(guides=size.guides, stores=size.stores, done_a_day=1, orders_a_day=0.2)
    # Its open cards stay; its cycles would stand in the way of those of the same members.
    desk.sql("UPDATE tasks_enrollment SET status = 'cancelled'")
    world.members(size.waiting + size.purchases)
    world.enrollments(waiting=size.waiting, due=-(-size.due // 5) * 5, now=desk.MORNING)
    keep_back()
    schedule.install()
    desk.sql("VACUUM (ANALYZE) tasks_enrollment, tasks_task")


class Peak:
    """The processes, and those who keep them busy."""

    def __init__(self, processes: Processes, size: Size) -> None:
        self.processes, self.size = processes, size
        self.port = free_port()
        turn_clock(desk.MORNING)
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
            postmaster = _parent(cursor.fetchone()[0])
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
        trees = _trees(self.roots)
        rss = {name: sum(map(_rss_mb, trees[name])) for name in trees if name not in ("postgres", "crowd", "sandbox")}
        cpu = {name: sum(map(cpu_seconds, pids)) for name, pids in trees.items()}
        cpu["bench"] = time.process_time()
        return Look(at, dict(zip(LAGS, lags, strict=True)), rss, dead, cpu, _busy(), messages["sent"])


# ---------------------------------------------------------------- who keeps them busy


def keep_back() -> None:
    """Put off the hands that stand due, or the first tick would open them all before the play begins."""
    desk.sql("CREATE TABLE bench_spread (id bigint PRIMARY KEY, at timestamptz)")
    desk.sql(
        "INSERT INTO bench_spread SELECT enrollment_id FROM tasks_hand WHERE next_due_at <= %(now)s", now=desk.MORNING
    )
    _set_due("interval '1 year' + %(start)s::timestamptz", start=desk.MORNING)


def spread(size: Size, start: datetime) -> None:
    """Let these hands fall due evenly over the play; remember when."""
    _set_due(
        "%(start)s::timestamptz + (row_number() OVER (ORDER BY md5(id::text)) - 1) * interval '1 second' / %(rate)s",
        start=start, rate=DUE * size.factor,
    )  # fmt: skip
    desk.sql("VACUUM (ANALYZE) tasks_hand, bench_spread")


def _set_due(moment: str, **facts: Any) -> None:
    desk.sql(
        f"UPDATE bench_spread b SET at = v.at FROM (SELECT id, {moment} AS at FROM bench_spread) v WHERE v.id = b.id",
        **facts,
    )
    desk.sql("UPDATE tasks_hand h SET next_due_at = b.at FROM bench_spread b WHERE b.id = h.enrollment_id")


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


# ---------------------------------------------------------------- what came of it


def report(play: Play, size: Size) -> Report:
    later = [look for look in play.looks if look.at >= size.settled]
    good = [hit for hit in play.hits if hit.status == 200]
    times = [hit.ms for hit in good] or [0.0]
    asked_requests = int(REQUESTS * size.factor * size.seconds)
    errors = len(play.hits) - len(good) + play.feed["refused"] + play.feed["batches failed"]
    in_time = sum(hit.planned_at + hit.ms / 1000 <= size.seconds + P99_MS / 1000 for hit in good)
    shares = {
        "purchases": play.feed["created"] / size.purchases,
        "due": play.handled,
        "requests": in_time / asked_requests,
    }
    grown = _growth(later)
    goals = [
        *(at_most(f"oldest {name}, s", max(look.lags[name] for look in later), LAG_SECONDS) for name in LAGS),
        *(at_most(f"{name}: growth of the lag, s", _lag_growth(later, name), LAG_GROWTH_SECONDS) for name in LAGS),
        at_most("p99 of the requests, ms", percentile(times, 0.99), P99_MS),
        at_most("errors", errors, 0),
        *(at_most(name, seen, GROWTH) for name, seen in grown.items()),
    ]
    used = _cpu(play.looks)
    busy = (play.looks[-1].busy - play.looks[0].busy) / (play.looks[-1].at - play.looks[0].at)
    return Report(
        value=min(shares.values()), unit="of the asked rates", limit=1.0,
        limit_is=f"{PURCHASES * size.factor:.0f} purchases, {DUE * size.factor:.0f} due hands beside theirs and "
        f"{REQUESTS * size.factor:.0f} requests a second for {size.seconds} s",
        goals=goals,
        more={
            "carried": {name: round(share, 4) for name, share in shares.items()},
            "gives_first": gives_first(play, size, goals),
            "p50_ms": round(percentile(times, 0.5), 1), "ms": _by_kind(good),
            "feed": dict(play.feed), "feed_ms": {"p50": round(median(play.feed_ms or [0])), "p99": round(percentile(play.feed_ms or [0], 0.99))},
            "lags_s": {name: [round(_near(play.looks, size.seconds * part).lags[name], 1) for part in (0.5, 1)] for name in LAGS},
            "pushes_a_second": round((play.looks[-1].sent - play.looks[0].sent) / play.looks[-1].at, 1),
            "cpu_of_a_core": used, "cores_used": round(sum(used.values()), 2),
            "cores_used_by_others": round(max(0.0, busy - sum(used.values())), 2), "cores": os.cpu_count(),
            "rss_mb": {name: [round(look.rss_mb[name]) for look in (play.looks[0], later[0], later[-1])] for name in later[0].rss_mb},
            "dead_rows": {name: [look.dead[name][0] for look in (play.looks[0], later[0], later[-1])] for name in TABLES},
            "statuses": dict(Counter(str(hit.status) for hit in play.hits)),
            "guides": size.guides, "waiting": size.waiting, "seconds": size.seconds, "factor": size.factor,
        },
    )  # fmt: skip


def _growth(later: Sequence[Look]) -> dict[str, float]:
    """Return how much memory and the dead rows' share of their tables grew after the play had settled, the worst of each."""
    few = max(1, len(later) // 5)
    first, last = later[:few], later[-few:]

    def change(of: Callable[[Look], float]) -> tuple[float, float]:
        return mean(map(of, first)), mean(map(of, last))

    memory, dead = [], []
    for name in later[0].rss_mb:
        before, after = change(lambda look, name=name: look.rss_mb[name])  # type: ignore[misc]
        memory.append(after / before - 1)
    for name in TABLES:
        before, after = change(lambda look, name=name: look.dead[name][0] / max(1, sum(look.dead[name])))  # type: ignore[misc]
        dead.append(after - before)
    return {"growth of a process's memory": max(memory), "growth of the dead share of a table": max(dead)}


def _lag_growth(later: Sequence[Look], name: str) -> float:
    """Return by how much the middle lag of the second half is above that of the first."""
    half = len(later) // 2
    return max(
        0.0, median([look.lags[name] for look in later[half:]]) - median([look.lags[name] for look in later[:half]])
    )


def _near(looks: Sequence[Look], at: float) -> Look:
    return min(looks, key=lambda look: abs(look.at - at))


def _cpu(looks: Sequence[Look]) -> dict[str, float]:
    """Return what each process used of a core, the hungriest first."""
    first, last = looks[0], looks[-1]
    used = {name: (last.cpu[name] - first.cpu[name]) / (last.at - first.at) for name in first.cpu}
    return {name: round(share, 3) for name, share in sorted(used.items(), key=lambda pair: -pair[1])}


def _by_kind(hits: Sequence[Hit]) -> dict[str, dict[str, float]]:
    found = {}
    for kind in sorted({hit.kind for hit in hits}):
        times = [hit.ms for hit in hits if hit.kind == kind]
        found[kind] = {"p50": round(percentile(times, 0.5), 1), "p99": round(percentile(times, 0.99), 1)}
    return found


def gives_first(play: Play, size: Size, goals: Sequence[Goal]) -> str:
    """Say what broke its bound first and when, or else what came nearest to it."""
    broke = [(look.at, f"oldest {name}") for look in play.looks for name in LAGS if look.lags[name] > LAG_SECONDS]
    for start in range(0, size.seconds, 10):
        part = [hit.ms for hit in play.hits if start <= hit.planned_at < start + 10 and hit.status]
        if part and percentile(part, 0.99) > P99_MS:
            broke.append((start, f"p99 of the requests ({percentile(part, 0.99):.0f} ms in ten seconds)"))
    broke += [(hit.planned_at, f"a {hit.kind} request ({hit.status})") for hit in play.hits if hit.status != 200]
    if broke:
        at, what = min(broke)
        return f"{what}, after {at:.0f} s"
    nearest = max((goal for goal in goals if goal.bound), key=lambda goal: goal.seen / goal.bound)
    return f"nothing; nearest to its bound: {nearest.name} ({nearest.seen:.3g} of {nearest.bound:g})"


# ---------------------------------------------------------------- processes


def _trees(roots: dict[str, int]) -> dict[str, list[int]]:
    """Return each process with all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        children.setdefault(_parent(int(entry.name)), []).append(int(entry.name))
    found = {}
    for name, root in roots.items():
        tree = [root]
        for pid in tree:
            tree += children.get(pid, [])
        found[name] = tree
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _busy() -> float:
    """Return for how many seconds the cores have worked since the start of the machine."""
    try:
        fields = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0
