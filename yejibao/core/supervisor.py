"""The children of bin/run: start, keep alive, stop. Knows nothing of what they do."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOG_LIMIT = 20 * 2**20
STEADY_SECONDS = 60  # who lived this long has not failed at starting
LOUD_AFTER = 3  # deaths in a row after which a child's log is shown

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Child:
    """One process and its recent fate."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_again_at: float | None = None
    deaths: int = 0  # in a row, without a steady time between

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Starts children in sessions of their own: Ctrl-C reaches this process alone, and the order of ending is ours."""

    def __init__(self, logs: Path, *, cwd: Path, say: Callable[[str], None], longest_pause: float = 30.0) -> None:
        self.logs = logs
        self.cwd = cwd
        self.say = say
        self.longest_pause = longest_pause  # seconds before a child that dies again and again is started once more
        self.children: dict[str, Child] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: list[str], **env: str) -> None:
        """Add a child and start it."""
        child = self.children[name] = Child(name, command, env)
        log = self.log_of(name)
        if log.exists() and log.stat().st_size > LOG_LIMIT // 4:
            os.replace(log, log.with_suffix(".log.1"))
        self._spawn(child)

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def tail_of(self, name: str, lines: int = 20) -> str:
        """Return the last lines of a child's log."""
        try:
            with open(self.log_of(name), "rb") as f:
                f.seek(max(0, f.seek(0, os.SEEK_END) - 8192))
                return "\n".join(f.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def watch(self) -> None:
        """Look once: notice deaths, start again whose pause is over, keep logs short. Call every half second or so."""
        now = time.monotonic()
        for child in self.children.values():
            if child.is_alive:
                if child.deaths and now - child.started > STEADY_SECONDS:
                    child.deaths = 0
                continue
            if child.start_again_at is None:
                self._bury(child, now)
            elif now >= child.start_again_at:
                self._spawn(child)
        for child in self.children.values():
            self._shorten(self.log_of(child.name))

    def restart(self, name: str, why: str) -> None:
        """End a child that lives but does nothing; `watch` starts it again."""
        self.say(f"! {name} {why}，重新启动")
        self._signal(self.children[name], signal.SIGKILL)

    def stop(self, *, patience: float = 7.0) -> None:
        """Ask all to end, wait, then kill what is left, grandchildren included."""
        for child in self.children.values():
            if child.is_alive:
                self._signal(child, signal.SIGTERM, group=False)
        deadline = time.monotonic() + patience
        for child in self.children.values():
            if child.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.05, deadline - time.monotonic()))
        for child in self.children.values():
            self._signal(child, signal.SIGKILL)
            if child.process is not None:
                child.process.wait()

    def _spawn(self, child: Child) -> None:
        with open(self.log_of(child.name), "ab") as log:
            child.process = subprocess.Popen(
                child.command,
                cwd=self.cwd,
                env=os.environ | child.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent if _libc else None,
            )
        child.started, child.start_again_at = time.monotonic(), None

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None
        self._signal(child, signal.SIGKILL)  # whatever of its group is left
        if now - child.started > STEADY_SECONDS:
            child.deaths = 0
        child.deaths += 1
        pause = min(self.longest_pause, 2.0 ** (child.deaths - 1))
        child.start_again_at = now + pause
        self.say(f"! {child.name} 意外退出（{child.process.returncode}），{pause:.0f} 秒后重新启动")
        if child.deaths == LOUD_AFTER:
            self.say(f"! {child.name} 连续退出 {LOUD_AFTER} 次，日志 {self.log_of(child.name)} 的最后几行：")
            self.say(self.tail_of(child.name))

    def _signal(self, child: Child, number: int, *, group: bool = True) -> None:
        if child.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(child.process.pid, number)
            else:
                child.process.send_signal(number)

    def _shorten(self, log: Path) -> None:
        with contextlib.suppress(OSError):
            if log.stat().st_size > LOG_LIMIT:  # children append, so their next line starts the emptied file
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)


def _end_with_parent() -> None:
    """Let the kernel send SIGTERM to this child when bin/run itself is killed."""
    assert _libc is not None
    _libc.prctl(1, signal.SIGTERM)
