"""The product's processes on servers of their own, to be killed, cut and starved: for tests/faults and bench/chaos.

    with running(devserv.scratch_folder("faults"), 2000) as house:
        batch = house.release(1000)
        house.kill("worker")
        house.cut_redis(seconds=5)
        house.until_normal(batch)

Processes are started as in production, and again within the two seconds of the systemd units when they die. What counts
is the receiver's own record: which number was shown how often.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from bench.figures import CHECKOUT, progress
from yejibao import devserv
from yejibao.core.supervisor import Supervisor

RESTART_SECONDS = 2.0  # RestartSec of deploy/systemd
MANAGE = [sys.executable, "manage.py"]
CELERY = [sys.executable, "-m", "celery", "-A", "yejibao"]
WORKER = [*CELERY, "worker", "-Q", "default,nightly", "--concurrency", "2", "--without-gossip", "--without-mingle"]
BEAT = [*CELERY, "beat", "--pidfile", ""]
SENDER = [*MANAGE, "run_sender"]
BUILD = """
from django.core.management import call_command
from yejibao.schedule import install
call_command("migrate", verbosity=0)
install()
call_command("seed_due", {count})
call_command("issue_token", "--role", "guide", "--unit", "s0")
"""


class Rig:
    """A running house. A batch is the range of numbers of one `release`."""

    def __init__(self, servers: devserv.Servers, *, say: Callable[[str], None] = progress) -> None:
        self.servers, self._say, self._began = servers, say, time.monotonic()
        self.supervisor = Supervisor(servers.home / "logs", cwd=CHECKOUT, say=self.say, longest_pause=RESTART_SECONDS)
        self.env = {
            "DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "YEJIBAO_DATA": str(servers.home),
            "YEJIBAO_CLOCK_FILE": str(servers.home / "clock.json"), "YEJIBAO_SLOT": "rig", "LOG_LEVEL": "INFO",
            "YEJIBAO_ENV": "", "YEJIBAO_THROWAWAY": "", "PYTEST_XDIST_WORKER": "", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        self.shown: Counter[int] = Counter()  # how often the receiver showed a number
        self.suppressed: Counter[int] = Counter()  # how often its duplicate check kept one from being shown again
        self.kills: Counter[str] = Counter()
        self.most_unknown = 0
        self._seen = 0
        self.released = 0  # numbers up to this one are due or done
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._ended, self._watching = threading.Event(), threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._token = ""
        self.answers: list[tuple[float, int]] = []  # of a page asked for twice a second: when, and its status

    def say(self, text: str) -> None:
        self._say(f"{time.monotonic() - self._began:4.0f} s  {text}")

    # ------------------------------------------------------------ start and end

    def start(self, count: int, *, every: int) -> None:
        """Bring the house up: stand-in, tables, `count` follow-ups that are kept back, worker, two beats, sender."""
        threading.Thread(target=self._watch, name="rig-watch", daemon=True).start()
        self._start("sandbox", [*MANAGE, "run_sandbox", "--port", "0"])
        self.wait(lambda: "listening on" in self.log("sandbox"), 60, "the stand-in listens")
        self.address = re.findall(r"listening on (\S+)", self.log("sandbox"))[-1].rstrip("/")
        self.env |= {"WECOM_API_BASE": f"{self.address}/cgi-bin/", "WECOM_SANDBOX_CONTROL": f"{self.address}/control/"}
        self._token = re.findall(r"yjs_\w+", self.manage("shell", "-v", "0", "-c", BUILD.format(count=count)))[-1]
        self.beat_every(every)
        self.ask("update tasks_hand set next_due_at = next_due_at + interval '1 year'")
        for name, command in {"worker": WORKER, "beat": BEAT, "beat2": BEAT, "sender": SENDER}.items():
            self._start(name, command)
        self.say(f"{count:,} follow-ups wait")

    def start_web(self) -> None:
        """Start the web process too, and ask it for a guide's list twice a second from now on."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        server = ["granian", "--interface", "wsgi", "--port", str(port), "--workers", "1", "--blocking-threads", "4"]
        self._start("web", [sys.executable, "-m", *server, "--log-level", "warning", "yejibao.wsgi:application"])
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/tasks/", headers={"Authorization": f"Bearer {self._token}"}
        )

        def probe() -> None:
            while not self._ended.wait(0.5):
                asked_at = time.monotonic()
                try:
                    with self._direct.open(request, timeout=20) as answer:
                        status = answer.status
                except urllib.error.HTTPError as error:
                    status = error.code
                except OSError:
                    status = 0
                self.answers.append((asked_at, status))

        threading.Thread(target=probe, name="rig-web", daemon=True).start()
        self.wait(lambda: any(status == 200 for _, status in self.answers), 60, "the page answers")

    def page_back_after(self, moment: float) -> float:
        """Return for how many seconds after a moment the page still failed."""
        return max(
            [asked_at - moment for asked_at, status in self.answers if status != 200 and asked_at > moment], default=0.0
        )

    def _start(self, name: str, command: list[str]) -> None:
        with self._watching:
            self.supervisor.start(name, command, **self.env)

    def _watch(self) -> None:
        # Children that this thread starts again end with it, so it lives as long as the house.
        while not self._ended.wait(0.2):
            with self._watching:
                self.supervisor.watch()

    def stop(self) -> None:
        self._ended.set()
        for child in self.supervisor.children.values():
            with contextlib.suppress(OSError):
                os.kill(child.process.pid if child.process else 0, signal.SIGCONT)
        self.supervisor.stop(patience=1.0)

    # ------------------------------------------------------------ in the hands of its user

    def manage(self, *command: str) -> str:
        """Run a management command of this house and return what it prints."""
        done = subprocess.run(
            [*MANAGE, *command], cwd=CHECKOUT, env=os.environ | self.env, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(command)}: {done.stderr[-3000:]}")
        return done.stdout

    def release(self, count: int) -> range:
        """Make that many more of the follow-ups due now; return their numbers."""
        batch = range(self.released + 1, self.released + count + 1)
        rows = self.ask(
            "update tasks_hand h set next_due_at = h.next_due_at - interval '1 year'"
            " from tasks_enrollment e join crm_order o on o.id = e.anchor_order_id"
            " where h.enrollment_id = e.id and o.number::int between %s and %s and h.next_step = 'm30' returning e.id",
            [batch.start, batch.stop - 1],
        )
        assert len(rows) == count, f"only {len(rows)} were left"
        self.released += count
        return batch

    def beat_every(self, seconds: int) -> None:
        """Set the pause between two ticks (30 s in production); running beats notice."""
        self.ask(
            "update django_celery_beat_intervalschedule i set every = %s from django_celery_beat_periodictask t"
            " where t.interval_id = i.id and t.task in ('tasks.followups.jobs.open_due_tasks', 'yejibao.core.jobs.heartbeat')",
            [seconds],
        )
        self.ask("update django_celery_beat_periodictasks set last_update = now()")

    def ask(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement on the house's database over a connection of its own."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self.servers.database_url, autocommit=True, connect_timeout=3)
            cursor = self._connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error:
            self._connection = None  # the next question finds out whether it is back
            raise

    def control(self, method: str, path: str, **facts: Any) -> dict[str, Any]:
        """Call the stand-in's control side."""
        query = f"?{urlencode(facts)}" if method == "GET" and facts else ""
        data = json.dumps(facts).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.address}/control/{path}{query}", data=data, method=method)
        with self._direct.open(request, timeout=30) as answer:
            told: dict[str, Any] = json.loads(answer.read())
            return told

    def log(self, name: str) -> str:
        try:
            return self.supervisor.log_of(name).read_text(errors="replace")
        except OSError:
            return ""

    def wait(self, condition: Callable[[], Any], seconds: float, what: str, *, every: float = 0.1) -> float:
        """Wait for a condition, whatever is down meanwhile; return the seconds it took. Raises TimeoutError."""
        started = time.monotonic()
        while True:
            with contextlib.suppress(psycopg.Error, OSError):
                if condition():
                    return time.monotonic() - started
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}\n{self.picture()}")
            time.sleep(every)

    # ------------------------------------------------------------ faults

    def kill(self, name: str) -> None:
        """Kill a process as the kernel would; the supervisor buries its group and starts it again."""
        child = self.supervisor.children[name]
        self.wait(lambda: child.is_alive, 60, f"{name} lives", every=0.02)
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGKILL)
        self.kills[name] += 1

    def kill_pool_process(self) -> bool:
        """Kill one of the worker's own children, in which the jobs run."""
        worker = self.supervisor.children["worker"].process
        children = _children(worker.pid) if worker else []
        for pid in children[-1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills["pool process"] += 1
        return bool(children)

    def kill_while(self, name: str, statement: str, *, seconds: float = 60) -> bool:
        """Kill a process while the database works on a statement of its; False when none was seen in time."""
        deadline = time.monotonic() + seconds
        with psycopg.connect(self.servers.database_url, autocommit=True) as connection:
            while time.monotonic() < deadline:
                running = connection.execute(
                    "select 1 from pg_stat_activity where state <> 'idle' and strpos(query, %s) > 0 and pid <> pg_backend_pid()",
                    [statement],
                ).fetchone()
                if running:
                    self.kill(name)
                    return True
                time.sleep(0.003)
        return False

    def cut_redis(self, *, seconds: float) -> None:
        """Lose all that Redis holds, then Redis itself for some seconds."""
        self.servers._valkey("FLUSHALL")
        time.sleep(min(1.0, seconds))
        self.servers._valkey("SHUTDOWN NOSAVE")
        time.sleep(seconds)
        self.servers._ensure_valkey()

    def flush_redis(self) -> None:
        """Lose all that Redis holds, while everybody stays connected."""
        self.servers._valkey("FLUSHALL")

    def cut_postgres(self, *, seconds: float = 0.0) -> None:
        """Crash PostgreSQL in the middle of everything; it recovers from its log when it starts again."""
        data = self.servers._cluster()
        devserv._pg(self.servers._pg_bin() / "pg_ctl", "-D", data, "-w", "-t", 20, "-m", "immediate", "stop")
        self._connection = None
        time.sleep(seconds)
        self.servers._ensure_postgres()

    def fault(self, api: str = "message/send", **order: Any) -> None:
        """Order a misbehaviour of the platform, until `heal`."""
        self.control("POST", "fault", api=api, **order)

    def heal(self) -> None:
        self.control("DELETE", "faults")

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a process for the length of a block, as a virtual machine that is moved stands still."""
        process = self.supervisor.children[name].process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGCONT)

    # ------------------------------------------------------------ what came of it

    def calls(self) -> int:
        """Return how many messages anybody tried to send."""
        return int(self.control("GET", "stats")["calls"].get("message/send", 0))

    def look(self) -> None:
        """Read what the receiver got since the last look."""
        for record in self.control("GET", "received", after=self._seen)["messages"]:
            self._seen = max(self._seen, record["seq"])
            for number in re.findall(r"编号#(\d{6,})", json.dumps(record["request"], ensure_ascii=False)):
                for flag in record["flags"].values():
                    self.shown[int(number)] += flag == "delivered"
                    self.suppressed[int(number)] += flag == "duplicate"

    def lost(self, batch: range) -> list[int]:
        """Return the numbers the receiver never showed."""
        return [number for number in batch if not self.shown[number]]

    def doubled(self) -> list[int]:
        """Return the numbers the receiver showed more than once."""
        return [number for number, times in self.shown.items() if times > 1]

    def states(self, batch: range | None = None) -> Counter[str]:
        """Return messages by state, all or those of a batch."""
        if batch is None:
            return Counter(dict(self.ask("select state, count(*) from core_outboxmessage group by state")))
        rows = self.ask(
            "select m.state, count(*) from core_outboxmessage m join tasks_task t on m.subject = 'task:' || t.id"
            " join crm_order o on o.id = t.order_id where o.source = 'seed' and o.number::int between %s and %s group by 1",
            [batch.start, batch.stop - 1],
        )
        return Counter(dict(rows))

    def missing(self) -> int:
        """Return what the engine's proof of conservation misses."""
        return int(json.loads(self.manage("prove_conservation", "--json"))["missing"])

    def figures(self) -> dict[str, Any]:
        """Return what the operators' command says of the outbox."""
        told: dict[str, Any] = json.loads(self.manage("outbox", "--json"))
        return told

    def is_normal(self, batch: range) -> bool:
        """Tell whether all of a batch arrived and our own books say so."""
        states = self.states(batch)
        self.most_unknown = max(self.most_unknown, states["unknown"])
        self.look()
        return not self.lost(batch) and states["sent"] == len(batch)

    def until_normal(self, batch: range, *, seconds: float = 120) -> float:
        """Wait for that; return how long it took. Raises TimeoutError."""
        return self.wait(lambda: self.is_normal(batch), seconds, f"all of {batch} arrived", every=0.25)

    def picture(self) -> str:
        """Return how things stand, for a failure's text."""
        with contextlib.suppress(psycopg.Error, OSError):
            self.look()
            waiting = self.ask("select count(*) from tasks_hand where next_step = 'm30'")[0][0]
            lines = [
                f"shown {len(self.shown)}, not opened {waiting}, messages {dict(self.states())}, kills {dict(self.kills)}"
            ]
            return "\n".join(
                lines + [f"--- {name}\n{self.supervisor.tail_of(name, 12)}" for name in self.supervisor.children]
            )
        return "\n".join(f"--- {name}\n{self.supervisor.tail_of(name, 12)}" for name in self.supervisor.children)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


@contextlib.contextmanager
def running(folder: Path, count: int, *, every: int = 30, say: Callable[[str], None] = progress) -> Iterator[Rig]:
    """Yield a house built anew in a folder, with `count` follow-ups to release; all of it ends with the block."""
    shutil.rmtree(folder, ignore_errors=True)
    # Durable, but for the disk: what was committed must outlive a crash of PostgreSQL, not one of the machine.
    before = os.environ.get("YEJIBAO_PG_OPTIONS", "")
    # Statements are recognised by their text, so all of it is shown.
    os.environ["YEJIBAO_PG_OPTIONS"] = "-c fsync=off -c full_page_writes=off -c track_activity_query_size=16384"
    servers = devserv.Servers(folder)
    try:
        with servers.lease():
            house = Rig(servers, say=say)
            try:
                house.start(count, every=every)
                yield house
            finally:
                house.stop()
    finally:
        os.environ["YEJIBAO_PG_OPTIONS"] = before
