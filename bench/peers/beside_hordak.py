"""The peer of the ledger's benches: django-hordak in a process and a database of its own, one turn at a time."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from bench import figures
from bench.figures import progress
from bench.peers import own_database


class Hordak:
    """A process that holds hordak's accounts. `turn` is a side for `interleaved`; None where the peers are not installed."""

    def __init__(self, *, accounts: int, connections: int) -> None:
        python = figures.peers_python()
        self.process: subprocess.Popen[str] | None = None
        if python is None:
            progress("peers are not installed: --peers installs them")
            return
        own_database()
        facts = settings.DATABASES["default"]
        database = {name: facts[name] for name in ("USER", "PASSWORD", "HOST", "PORT")} | {
            "NAME": f"{facts['NAME']}_peers"
        }
        task = {"database": database, "accounts": accounts, "connections": connections}
        self.process = subprocess.Popen(
            [python, Path(__file__).parent / "hordak_ledger.py", json.dumps(task)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1"},
        )  # fmt: skip
        if self._read() != "ready":
            progress("hordak did not start")
            self.process = None

    def _read(self) -> str:
        assert self.process is not None and self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def turn(self, seconds: float, what: str = "same") -> Callable[[], float]:
        """Return a side that books what the product books (`same`), or hordak's own transfer of `two` legs."""

        def measure() -> float:
            assert self.process is not None and self.process.stdin is not None
            self.process.stdin.write(f"{seconds} {what}\n")
            self.process.stdin.flush()
            return float(self._read())

        return measure

    def end(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(30)
