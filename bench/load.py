"""A lean HTTP/1.1 client for the benches of the pages: keep-alive connections on raw asyncio, in a process of its own.

    hits = play(port, requests, connections=32, seconds=8)      # requests: [(path, cookie), …], taken in turn

It reads of an answer its status and where it ends, no more, so that the two cores are left to the server. Closed loop: each
connection sends its next request when the answer to the last one is in.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import CHECKOUT, percentile


@dataclass(frozen=True)
class Hits:
    """What came back: answers a second, their latencies in milliseconds, and how many were not 200."""

    rate: float
    latencies: tuple[float, ...]
    bad: int
    bytes_each: float
    statuses: dict[str, int]

    def ms(self, share: float) -> float:
        return percentile(self.latencies, share)


def play(
    port: int, requests: Sequence[tuple[str, str]], *, connections: int = 32, seconds: float = 8, accept: str = "text/html"
) -> Hits:  # fmt: skip
    """Send requests for some seconds over that many connections; return what came back."""
    wanted = {
        "port": port,
        "requests": list(requests),
        "connections": connections,
        "seconds": seconds,
        "accept": accept,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=json.dumps(wanted), capture_output=True, text=True, cwd=CHECKOUT
    )
    if done.returncode:
        raise RuntimeError(f"load generator: {done.stderr[-2000:]}")
    facts = json.loads(done.stdout)
    return Hits(facts["rate"], tuple(facts["latencies"]), facts["bad"], facts["bytes_each"], facts["statuses"])


class Reading:
    """One answer as it comes in."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self._length = -1  # of the whole answer, once its head is in

    def begin(self) -> None:
        self.buffer.clear()
        self._length = -1

    @property
    def status(self) -> bytes:
        return bytes(self.buffer[9:12])

    def is_whole(self, data: bytes) -> bool:
        """Take in some bytes; tell whether the answer is complete."""
        self.buffer += data
        if self._length < 0:
            at = self.buffer.find(b"\r\n\r\n")
            if at < 0:
                return False
            head = bytes(self.buffer[:at]).lower()
            place = head.find(b"content-length:")
            self._length = at + 4 + int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        # An answer without a length comes in chunks, the last of them empty.
        return len(self.buffer) >= self._length if self._length else self.buffer.endswith(b"\r\n0\r\n\r\n")


class _Connection(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, notes how long it took, sends again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: "_Turns") -> None:
        self.loop, self.turns, self.ended = loop, take, loop.create_future()
        self.transport: asyncio.Transport | None = None
        self.reading = Reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        assert self.transport
        self.reading.begin()
        self.sent_at = time.perf_counter()
        self.transport.write(self.turns.next())

    def data_received(self, data: bytes) -> None:
        if self.reading.is_whole(data):
            now = time.perf_counter()
            self.turns.note(self.reading.status, (now - self.sent_at) * 1000, len(self.reading.buffer), now)
            if now < self.turns.ends_at:
                self._send()
            else:
                assert self.transport
                self.transport.close()
                self.ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed a connection"))


class _Turns:
    def __init__(self, wanted: dict[str, object]) -> None:
        port, accept = wanted["port"], wanted["accept"]
        rows: list[tuple[str, str]] = wanted["requests"]  # type: ignore[assignment]
        self.rows = [
            (
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: {accept}\r\n"
                + (f"Cookie: {cookie}\r\n" if cookie else "")
                + "\r\n"
            ).encode()
            for path, cookie in rows
        ]
        self.at = 0
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.bytes = 0
        self.starts_at = time.perf_counter()
        self.ends_at = self.starts_at + float(wanted["seconds"])  # type: ignore[arg-type]
        self.last_at = self.starts_at

    def next(self) -> bytes:
        self.at = (self.at + 1) % len(self.rows)
        return self.rows[self.at]

    def note(self, status: bytes, latency: float, size: int, now: float) -> None:
        self.statuses[status.decode()] += 1
        self.latencies.append(latency)
        self.bytes += size
        self.last_at = now


async def _run(wanted: dict[str, object]) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    turns = _Turns(wanted)
    connections = []
    for _ in range(int(wanted["connections"])):  # type: ignore[call-overload]
        _, one = await loop.create_connection(lambda: _Connection(loop, turns), "127.0.0.1", wanted["port"])  # type: ignore[arg-type]
        connections.append(one)
    await asyncio.gather(*(one.ended for one in connections))
    count = len(turns.latencies)
    return {
        "rate": count / (turns.last_at - turns.starts_at),
        "latencies": [round(one, 2) for one in turns.latencies],
        "bad": count - turns.statuses["200"],
        "bytes_each": turns.bytes / max(1, count),
        "statuses": turns.statuses,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(json.load(sys.stdin)))))
