"""POST over HTTP/1.1 to one host, many at a time, on kept connections: what a sender needs of an HTTP client, and no more.

A call of aiohttp costs a sender more than all else it does for a message (0.39 ms of CPU with it, 0.19 with this), so
this is an asyncio protocol on httptools, the parser that uvicorn uses. No redirects, cookies, proxies or compression.
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

IDLE_SECONDS = 15.0  # an older connection is not used again: its other end may be closing it
LARGEST_ANSWER = 4 * 2**20


class NotSent(OSError):
    """There was no connection: surely nothing has left."""


class Lost(OSError):
    """The request may have left, and no whole answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came."""

    status: int
    body: bytes


class Wire:
    """Connections to the host of one base address; as many as there are calls at once."""

    def __init__(self, base: str, *, connect_seconds: float) -> None:
        parts = urlsplit(base)
        self._host = parts.hostname or ""
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._ssl else 80)
        self._authority = parts.netloc.rpartition("@")[2]
        self._connect_seconds = connect_seconds
        self._idle: list[_Line] = []
        self._is_closed = False

    def head(self, target: str) -> bytes:
        """Return the head of a POST of JSON up to its length; kept by the caller, as it is the same for all."""
        return (
            f"POST {target} HTTP/1.1\r\nHost: {self._authority}\r\nContent-Type: application/json\r\n"
            "Accept: application/json\r\nContent-Length: "
        ).encode("ascii")

    async def post(self, head: bytes, body: bytes, *, seconds: float) -> Answer:
        """Send and return the answer. Raises NotSent, Lost, or TimeoutError when no whole answer came in time."""
        line = self._take() or await self._open()
        answer = await line.call(b"%b%d\r\n\r\n%b" % (head, len(body), body), seconds)
        if self._is_closed:
            line.abort()
        elif line.is_usable:
            line.idle_since = asyncio.get_running_loop().time()
            self._idle.append(line)
        return answer

    def close(self) -> None:
        """Close what is idle now, and the rest after its call."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().abort()

    def _take(self) -> "_Line | None":
        # The latest first, so that those that are no longer needed grow old.
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            line = self._idle.pop()
            if line.is_usable and line.idle_since > oldest:
                return line
            line.abort()
        return None

    async def _open(self) -> "_Line":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, line = await loop.create_connection(
                    _Line, self._host, self._port, happy_eyeballs_delay=0.25,
                    ssl=self._ssl, server_hostname=self._host if self._ssl else None,
                )  # fmt: skip
        except (OSError, TimeoutError) as error:
            raise NotSent(type(error).__name__) from None
        return line


class _Line(asyncio.Protocol):
    """One connection and the one call that is on it."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.is_usable = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None

    async def call(self, request: bytes, seconds: float) -> Answer:
        if not self.is_usable or self._transport is None:
            raise NotSent("the connection was closed")
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._size = 0
        self._answer = answer = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._fail, TimeoutError("no answer in time"))
        try:
            self._transport.write(request)
            return await answer
        except asyncio.CancelledError:
            self.abort()  # an answer to nobody must not be taken for the next call's
            raise
        finally:
            timer.cancel()
            self._answer = None

    def abort(self) -> None:
        self.is_usable = False
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        self.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # ------------------------------------------------------------ asyncio.Protocol
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport, self.is_usable = transport, True

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.abort()  # nobody has asked
            return
        self._size += len(data)
        if self._size > LARGEST_ANSWER:
            self._fail(Lost("the answer is too large"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Lost(type(error).__name__))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(Lost(type(error).__name__ if error else "closed without an answer"))

    # ------------------------------------------------------------ httptools
    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # 100 Continue: the answer is still to come
        if self._answer is None or self._answer.done():
            self.abort()  # a second answer to one question: nothing on this connection can be trusted
            return
        if self.is_usable and not self._parser.should_keep_alive():
            self.is_usable = False
            if self._transport is not None:
                self._transport.close()
        self._answer.set_result(Answer(status, b"".join(self._parts)))
