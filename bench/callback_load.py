"""The platform's hand in a process of its own: posts callbacks over keep-alive connections as fast as they are answered.

    hits = play(port, connections=20, seconds=8, start=0)

Every request is another event, sealed before the clock starts. Raw asyncio, so that the two cores are left to the server.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.figures import CHECKOUT, percentile

TOKEN, AES_KEY = "benchBenchBenchBenchBenchBench12", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"


@dataclass(frozen=True)
class Hits:
    """What came back: answers a second, their latencies in milliseconds, and how many were not 200."""

    rate: float
    latencies: tuple[float, ...]
    bad: int

    def ms(self, share: float) -> float:
        return percentile(self.latencies, share)


def play(port: int, *, connections: int, seconds: float, start: int, count: int) -> Hits:
    """Post `count` events at most for some seconds; each has a number from `start` on."""
    wanted = {"port": port, "connections": connections, "seconds": seconds, "start": start, "count": count}
    done = subprocess.run(
        [sys.executable, "-m", "bench.callback_load"],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
    )
    if done.returncode:
        raise RuntimeError(f"load generator: {done.stderr[-2000:]}")
    facts = json.loads(done.stdout)
    return Hits(facts["rate"], tuple(facts["latencies"]), facts["bad"])


def seal(start: int, count: int, port: int) -> list[bytes]:
    """Return requests as bytes."""
    from yejibao.wecom.sandbox.callbacks import Receiver, element

    corp = "ww5a9db0c0de5a9db0"
    receiver = Receiver("yejibao", "", TOKEN, AES_KEY)
    rows = []
    for number in range(start, start + count):
        message = element(
            "xml",
            {
                "ToUserName": corp, "FromUserName": "sys", "CreateTime": 1764000000 + number // 10, "MsgType": "event",
                "Event": "change_external_contact", "ChangeType": "edit_external_contact",
                "UserID": f"guide{number % 10_000}", "ExternalUserID": f"wmEAlECwAAHrbWYDetiw3TfZ{number:08}",
            },
        )  # fmt: skip
        query, body = receiver.seal(corp, message, str(1764000000 + number))
        rows.append(
            f"POST /wecom/callback/yejibao/?{urlencode(query)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
    return rows


class _Connection(asyncio.Protocol):
    """One connection: posts, waits for the whole answer, notes how long it took, posts again."""

    def __init__(self, play: "_Play") -> None:
        self.play, self.ended = play, asyncio.get_running_loop().create_future()
        self.buffer, self.length, self.sent_at = bytearray(), -1, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        if not self.play.rows or time.perf_counter() >= self.play.ends_at:
            self.transport.close()
            self.ended.set_result(None)
            return
        self.buffer.clear()
        self.length = -1
        self.sent_at = time.perf_counter()
        self.transport.write(self.play.rows.pop())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        at = self.buffer.find(b"\r\n\r\n")
        if at >= 0 and self.length < 0:
            head = bytes(self.buffer[:at]).lower()
            place = head.find(b"content-length:")
            self.length = at + 4 + int(head[place + 15 :].split(b"\r\n", 1)[0])
        if 0 <= self.length <= len(self.buffer):
            self.play.note(bytes(self.buffer[9:12]), self.sent_at)
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed a connection"))


class _Play:
    def __init__(self, rows: list[bytes], seconds: float) -> None:
        self.rows, self.latencies = rows, list[float]()
        self.statuses: Counter[bytes] = Counter()
        self.begun = self.last = time.perf_counter()
        self.ends_at = self.begun + seconds

    def note(self, status: bytes, sent_at: float) -> None:
        self.last = time.perf_counter()
        self.latencies.append(round((self.last - sent_at) * 1000, 2))
        self.statuses[status] += 1


async def _run(wanted: dict[str, int]) -> dict[str, object]:
    rows = seal(wanted["start"], wanted["count"], wanted["port"])
    play = _Play(rows, wanted["seconds"])
    loop, ends = asyncio.get_running_loop(), []
    for _ in range(wanted["connections"]):
        _, one = await loop.create_connection(lambda: _Connection(play), "127.0.0.1", wanted["port"])
        ends.append(one.ended)
    await asyncio.gather(*ends)
    count = len(play.latencies)
    return {"rate": count / (play.last - play.begun), "latencies": play.latencies, "bad": count - play.statuses[b"200"]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(json.load(sys.stdin)))))
