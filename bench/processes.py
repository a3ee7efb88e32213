"""The product's own processes for the benches that need them: the stand-in of the platform, sender, web, worker, beat.

They are started as bin/run starts them, log into the scratch folder "bench", and share a clock that the bench may turn.
"""

import os
import shutil
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from django.conf import settings

from bench.figures import CHECKOUT, progress
from yejibao import devserv
from yejibao.core import clock
from yejibao.core.supervisor import Supervisor
from yejibao.demo.sandbox_control import SandboxControl

PATIENCE_SECONDS = 60


class Processes:
    """What was started; `pid(name)` to look at one, `hold` and `go_on` to stop one for a moment."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def start(self, name: str, *command: str, **env: str) -> None:
        """Start `manage.py COMMAND …`."""
        self.run(name, [sys.executable, "manage.py", *command], **env)

    def run(self, name: str, command: list[str], **env: str) -> None:
        self._supervisor.log_of(name).unlink(missing_ok=True)
        self._supervisor.start(name, command, **env)

    def sandbox(self) -> SandboxControl:
        """Start the stand-in on a free port; what is started after it, and this process, talk to it."""
        base = f"http://127.0.0.1:{free_port()}"
        self.start("sandbox", "run_sandbox", "--port", base.rpartition(":")[2])
        self.wait_for("sandbox", f"{base}/healthz")
        settings.WECOM_API_BASE = os.environ["WECOM_API_BASE"] = f"{base}/cgi-bin/"
        settings.WECOM_SANDBOX_CONTROL = os.environ["WECOM_SANDBOX_CONTROL"] = f"{base}/control/"
        return SandboxControl(f"{base}/control/")

    def wait_for(self, name: str, url: str) -> None:
        """Wait for the first answer. Raises RuntimeError with the end of the log when none comes."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._supervisor.children[name].is_alive:
            try:
                with opener.open(url, timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{name} does not answer:\n{self._supervisor.tail_of(name)}")

    def pid(self, name: str) -> int:
        process = self._supervisor.children[name].process
        assert process is not None and process.poll() is None, f"{name} died:\n{self._supervisor.tail_of(name)}"
        return process.pid

    def hold(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGCONT)

    def end(self, name: str) -> None:
        child = self._supervisor.children.pop(name)
        if child.process is not None:
            child.process.send_signal(signal.SIGCONT)
            child.process.terminate()
            child.process.wait(20)

    def log(self, name: str) -> str:
        return self._supervisor.log_of(name).read_text(errors="replace")


@contextmanager
def started() -> Iterator[Processes]:
    """Yield a place to start processes in; all of them end with the block."""
    folder = devserv.scratch_folder("bench") / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    supervisor = Supervisor(folder / "logs", cwd=CHECKOUT, say=progress)
    os.environ["LOG_LEVEL"] = "WARNING"
    settings.CLOCK_FILE = os.environ["YEJIBAO_CLOCK_FILE"] = str(folder / "clock.json")
    try:
        yield Processes(supervisor)
    finally:
        supervisor.stop()
        settings.CLOCK_FILE = ""


def turn_clock(moment: datetime) -> None:
    """Set the clock that all processes share; it runs on from there. They notice within a second."""
    clock.set_shared_offset((moment - clock.system_now()).total_seconds())


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """Return what a process and its ended children have used of a core so far (Linux; 0 elsewhere)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
