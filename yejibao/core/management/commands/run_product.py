"""bin/run: the whole product on one machine. The house (servers, ports, addresses) is open by the time this runs."""

import contextlib
import json
import logging
import math
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand
from django.db import ProgrammingError, connection

from yejibao import house
from yejibao.core import clock
from yejibao.core.supervisor import Supervisor

PATIENCE_SECONDS = 600  # for the first answer of the web process; a busy machine is slow, not broken
SAID_EVERY_SECONDS = 30  # while it waits, so that a person knows that it lives
# After so long without a heartbeat a process hangs. The worker also does the nightly jobs, and may for once be busy.
SILENCE_SECONDS = {"sender": 90, "beat": 120, "worker": 300, "inbox": 90}


class Command(BaseCommand):
    help = "Start everything: servers, web, worker, sender, beat, and the sandbox unless WECOM_* settings are given."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        house.product_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.port, self.host = options["port"], options["host"]
        self.data = Path(os.environ["YEJIBAO_DATA"])
        logging.disable(logging.INFO)  # this process speaks to a person; its children have log files
        self.is_demo = bool(settings.WECOM_SANDBOX_CONTROL)
        self._unfinished = self.data / "demo-unfinished"
        self.silent_since: dict[str, float] = {}
        supervisor = Supervisor(self.data / "logs", cwd=settings.BASE_DIR, say=self.say)
        try:
            self._start(supervisor, with_demo=self.is_demo and not options["no_demo"])
            self._introduce(time.monotonic() - house.STARTED)
            self._stay(supervisor)
        except KeyboardInterrupt:
            self.say("")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # one request to end is enough
                signal.signal(number, signal.SIG_IGN)
            self.say("· 正在停止 …")
            supervisor.stop()
            connection.close()
            self.say(f"· 已停止，数据保留在 {self.data}")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    # ------------------------------------------------------------ start

    def _start(self, supervisor: Supervisor, *, with_demo: bool) -> None:
        """Bring up what a person sees first, the background after it."""
        python, manage = sys.executable, [sys.executable, "manage.py"]
        counts = str(self.data / "metrics")
        shutil.rmtree(counts, ignore_errors=True)  # of processes that are gone
        commands = get_commands()
        self._keep_daytime()
        if self.is_demo and "run_sandbox" in commands:
            state = str(self.data / "sandbox.json")
            home = f"http://{self._local_host()}:{self.port}"
            port = ["--port", str(self.port + 1)]
            supervisor.start("sandbox", [*manage, "run_sandbox", *port, "--state", state, "--calls-back", home])
            state, port = str(self.data / "pay-sandbox.json"), ["--port", str(self.port + 2)]
            supervisor.start("pay-sandbox", [*manage, "run_pay_sandbox", *port, "--state", state])
        must_build = with_demo and "build_demo" in commands and not self._has_people()
        if not must_build:  # the web process reads its code while the tables are brought up to date
            supervisor.start("web", web_command(self.host, self.port), METRICS_DIR=counts)
        self.say("· 更新数据库结构 …")
        call_command("migrate", interactive=False, verbosity=0)
        if must_build:
            if "run_sandbox" in commands:
                self._wait_for(supervisor, "sandbox", f"http://127.0.0.1:{self.port + 1}/control/clock")
                self._wait_for(supervisor, "pay-sandbox", f"http://127.0.0.1:{self.port + 2}/healthz")
            self._build_demo()
            supervisor.start("web", web_command(self.host, self.port), METRICS_DIR=counts)
        self.say("· 启动网页 …")
        self._wait_for(supervisor, "web", f"http://{self._local_host()}:{self.port}/readyz")
        house.looks_by_itself = True  # from here on nothing takes long
        celery = [python, "-m", "celery", "-A", "yejibao"]
        if "run_sender" in commands:
            supervisor.start("sender", [*manage, "run_sender"])
        if "run_inbox" in commands:
            supervisor.start("inbox", [*manage, "run_inbox"])
        queues = ["-Q", "default,nightly", "--concurrency", "2", "--without-gossip", "--without-mingle"]
        supervisor.start("worker", [*celery, "worker", *queues, "--loglevel", "INFO"])
        supervisor.start("beat", [*celery, "beat", "--pidfile", "", "--loglevel", "INFO"])

    def _has_people(self) -> bool:
        """Tell whether somebody lives here: then nothing is built. An unfinished demo does not count."""
        if self._unfinished.exists():
            return False
        try:
            return get_user_model().objects.exists()
        except ProgrammingError:  # no tables yet
            return False

    def _build_demo(self) -> None:
        if self._unfinished.exists():
            self.say("· 上次的演示数据没有生成完，清空后重新生成 …")
            call_command("flush", interactive=False, verbosity=0)
        self.say("· 生成演示数据（只在首次） …")
        self._unfinished.touch()
        with connection.cursor() as cursor:
            cursor.execute("set synchronous_commit to off")  # a power cut only means: build it again
        call_command("build_demo", stdout=self.stdout)
        connection.close()
        self._unfinished.unlink()

    def _wait_for(self, supervisor: Supervisor, name: str, url: str) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        begun = said = time.monotonic()
        answer = "没有应答"
        while (now := time.monotonic()) < begun + PATIENCE_SECONDS:
            try:
                with opener.open(url, timeout=30):
                    return
            except urllib.error.HTTPError as error:
                answer = f"回答 {error.code}：{error.read(500).decode(errors='replace')}"
            except OSError:  # refused or too slow: nobody is helped by Python's words for it
                answer = "没有应答"
            if house.asked_to_stop:
                raise KeyboardInterrupt
            supervisor.watch()
            if now - said >= SAID_EVERY_SECONDS:
                said = now
                self.say(
                    f"· {name} 还在启动，已等 {now - begun:.0f} 秒（机器忙时会慢一些，日志 {supervisor.log_of(name)}）…"
                )
            time.sleep(0.15)
        self.say(supervisor.tail_of(name))
        house.give_up(
            f"{name} 等了 {PATIENCE_SECONDS} 秒还没有就绪（{answer}）。先看日志 {supervisor.log_of(name)}；"
            "机器太忙的话，等它空一些再运行一次 bin/run。"
        )

    def _local_host(self) -> str:
        return "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host

    # ------------------------------------------------------------ stay

    def _stay(self, supervisor: Supervisor) -> None:
        look_at_clock = look_at_hearts = time.monotonic() + 30
        while not house.asked_to_stop:
            supervisor.watch()
            now = time.monotonic()
            if now >= look_at_clock:
                look_at_clock = now + 30
                self._keep_daytime()
            if now >= look_at_hearts:
                look_at_hearts = now + 15
                self._restart_silent(supervisor)
            time.sleep(0.5)

    def _keep_daytime(self) -> None:
        """In the demo it is always daytime: move the shared clock on, never back."""
        if not self.is_demo or not settings.CLOCK_FILE:
            return
        if _read_clock(Path(settings.CLOCK_FILE)).get("kept_until", 0) > time.time():
            return  # a person turned the clock, to look at the night perhaps
        before = timedelta(seconds=_read_clock(Path(settings.CLOCK_FILE)).get("offset_seconds", 0.0))
        after = house.demo_offset(datetime.now(UTC), before)
        if after != before or not Path(settings.CLOCK_FILE).exists():
            clock.set_shared_offset(after.total_seconds())
            if after != before:
                self.say(f"· 演示时间调到 {clock.now().astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}")

    def _restart_silent(self, supervisor: Supervisor) -> None:
        """Restart a process whose heartbeat stopped while it lives: two looks in a row, so that a laptop may sleep."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("select name, extract(epoch from clock_timestamp() - at) from core_heartbeat")
                ages = {name: float(age) for name, age in cursor.fetchall()}
        except Exception as error:  # noqa: BLE001  the database is away: that is not the children's fault
            connection.close()
            self.stderr.write(f"heartbeats: {error}")
            return
        for name, limit in SILENCE_SECONDS.items():
            child, age = supervisor.children.get(name), ages.get(name, math.inf)
            beat_since_start = child is not None and child.is_alive and age < time.monotonic() - child.started
            if not beat_since_start or age < limit:
                self.silent_since.pop(name, None)
            elif name not in self.silent_since:
                self.silent_since[name] = time.monotonic()
            else:
                del self.silent_since[name]
                supervisor.restart(name, f"已 {age:.0f} 秒没有心跳")

    # ------------------------------------------------------------ words

    def _introduce(self, seconds: float) -> None:
        base = settings.PUBLIC_BASE_URL
        self.say("")
        self.say(f"✓ 业绩宝已就绪（{seconds:.0f} 秒）")
        if self.is_demo:
            self.say(f"  演示时间   {clock.now().astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}（总是白天）")
            self.say(f"  企业微信   {base}/sandbox/      选一个人登录，收推送、聊天、看待办")
            self.say("  下面的地址要先登录：打开后点「企业微信扫码登录」，选谁的手机来扫")
        self.say(f"  导购端     {base}/g/today/")
        self.say(f"  店长端     {base}/m/review/")
        self.say(f"  总部后台   {base}/hq/")
        self.say(f"  接口文档   {base}/api/docs/    系统健康 {base}/hq/health/")
        people = _sign_in_table()
        if people and self.is_demo:
            self.say("")
            self.say("  可以登录的人：")
            for person in people:
                self.say("    " + "  ".join(str(part) for part in astuple(person) if part))
        self.say("")
        self.say(f"  数据 {self.data}   日志 {self.data / 'logs'}   Ctrl-C 停止")


def web_command(host: str, port: int, *, application: str = "yejibao.wsgi:application") -> list[str]:
    """Return how the web server is started; benches put a bare application behind the same one."""
    workers = min(4, max(2, os.cpu_count() or 2))
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port),
        "--workers", str(workers), "--blocking-threads", str(settings.WEB_PLACES), "--respawn-failed-workers",
        "--workers-kill-timeout", "5", "--no-ws", "--log-level", "warning", application,
    ]  # fmt: skip


def _read_clock(path: Path) -> dict[str, float]:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(path.read_text()))
    return {}


def _sign_in_table() -> list[Any]:
    """Return who can sign in, as the demo world says it; core knows the demo only by this name."""
    if find_spec("yejibao.demo.world") is None:
        return []
    table = getattr(import_module("yejibao.demo.world"), "sign_in_table", None)
    return list(table()) if table else []
