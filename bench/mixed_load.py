"""A crowd in a process of its own: requests leave at an even pace whether or not the last ones were answered.

    crowd = start(port, requests, rate=170, seconds=600)     # requests: [(kind, path, cookie, accept), …], taken in turn
    hits = answers(crowd)                                    # waits for its end

A request that finds no free connection waits for one, and that waiting counts: latencies run from the planned moment.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import CHECKOUT
from bench.load import Reading

CONNECTIONS = 64
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Hit:
    """One answer: of what kind, planned when (seconds from the start), how late in milliseconds; status 0 is none."""

    kind: str
    planned_at: float
    ms: float
    status: int


def start(
    port: int, requests: Sequence[tuple[str, str, str, str]], *, rate: float, seconds: float
) -> "subprocess.Popen[str]":
    """Begin to send."""
    wanted = {"port": port, "requests": list(requests), "rate": rate, "seconds": seconds}
    crowd = subprocess.Popen(
        [sys.executable, "-m", "bench.mixed_load"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT,
    )  # fmt: skip
    assert crowd.stdin
    crowd.stdin.write(json.dumps(wanted))
    crowd.stdin.close()
    crowd.stdin = None  # communicate() would flush it
    return crowd


def answers(crowd: "subprocess.Popen[str]") -> list[Hit]:
    """Wait for the end of a crowd; return what came back. Raises RuntimeError when it broke."""
    told, trouble = crowd.communicate()
    if crowd.returncode:
        raise RuntimeError(f"load generator: {trouble[-2000:]}")
    return [Hit(*row) for row in json.loads(told)]


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, crowd: "_Crowd") -> None:
        self.crowd = crowd
        self.reading = Reading()
        self.asked: tuple[str, float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.crowd.is_free(self)

    def ask(self, kind: str, planned_at: float, request: bytes) -> None:
        self.reading.begin()
        self.asked = (kind, planned_at)
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self.reading.is_whole(data):
            self._note(int(self.reading.status))
            self.crowd.is_free(self)

    def _note(self, status: int) -> None:
        if self.asked:
            self.crowd.note(*self.asked, status)
        self.asked = None

    def connection_lost(self, error: Exception | None) -> None:
        self._note(0)
        self.crowd.is_gone(self)


class _Crowd:
    def __init__(self, wanted: dict[str, Any]) -> None:
        port = wanted["port"]
        self.rows = [
            (kind, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: {accept}\r\nCookie: {cookie}\r\n\r\n".encode())
            for kind, path, cookie, accept in wanted["requests"]
        ]  # fmt: skip
        self.port, self.rate, self.count = port, wanted["rate"], int(wanted["rate"] * wanted["seconds"])
        self.free: deque[_Connection] = deque()
        self.waiting: deque[tuple[str, float, bytes]] = deque()
        self.hits: list[tuple[str, float, float, int]] = []
        self.openings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        for _ in range(CONNECTIONS):
            await self._open()
        self.begun = time.perf_counter()
        for number in range(self.count):
            planned_at = number / self.rate
            pause = self.begun + planned_at - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            kind, request = self.rows[number % len(self.rows)]
            self.waiting.append((kind, planned_at, request))
            if self.free:
                self.free.popleft().ask(*self.waiting.popleft())
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while len(self.hits) < self.count and time.perf_counter() < deadline:
            await asyncio.sleep(0.05)
        self.hits += [("unanswered", self.count / self.rate, 0.0, 0)] * (self.count - len(self.hits))

    async def _open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: _Connection(self), "127.0.0.1", self.port)

    def is_free(self, connection: _Connection) -> None:
        if self.waiting:
            connection.ask(*self.waiting.popleft())
        else:
            self.free.append(connection)

    def is_gone(self, connection: _Connection) -> None:
        if connection in self.free:
            self.free.remove(connection)
        opening = asyncio.get_running_loop().create_task(self._open())
        self.openings.add(opening)
        opening.add_done_callback(self.openings.discard)

    def note(self, kind: str, planned_at: float, status: int) -> None:
        late = (time.perf_counter() - self.begun - planned_at) * 1000
        self.hits.append((kind, round(planned_at, 3), round(late, 2), status))


async def _main() -> None:
    crowd = _Crowd(json.load(sys.stdin))
    await crowd.run()
    print(json.dumps(crowd.hits))


if __name__ == "__main__":
    asyncio.run(_main())
