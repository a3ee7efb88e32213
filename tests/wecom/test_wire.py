"""The HTTP client under the sender, against servers that behave badly: every ending is one of three, none is a hang."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.wecom.running import run
from yejibao.wecom.wire import Answer, Lost, NotSent, Wire

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def talk(handler: Handler, *bodies: bytes, seconds: float = 2.0, pause: float = 0.0) -> list[Any]:
    """Post the bodies one after the other; return what came of each, and at the end how many connections there were."""

    async def main() -> list[Any]:
        connections = 0

        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            try:
                await handler(reader, writer)
            except (asyncio.IncompleteReadError, OSError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(count, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wire = Wire(f"http://127.0.0.1:{port}/cgi-bin/", connect_seconds=1.0)
        head = wire.head("/cgi-bin/message/send?access_token=t")
        endings: list[Any] = []
        for body in bodies:
            try:
                endings.append(await wire.post(head, body, seconds=seconds))
            except (NotSent, Lost, TimeoutError) as error:
                endings.append(type(error))
            await asyncio.sleep(pause)
        wire.close()
        server.close()
        return [*endings, connections]

    return run(main())


def answering(*parts: bytes, then_close: bool = False) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
            if then_close:
                return

    return handle


def test_the_request_is_whole_and_the_connection_is_kept() -> None:
    seen = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await read_request(reader))
            writer.write(OK)

    assert talk(handle, b'{"a":1}', "{“二”}".encode()) == [Answer(200, b"ok"), Answer(200, b"ok"), 1]
    head, _, body = seen[1].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /cgi-bin/message/send?access_token=t HTTP/1.1\r\nHost: 127.0.0.1:")
    assert body == "{“二”}".encode()


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([OK[:7], OK[7:30], OK[30:]], Answer(200, b"ok")),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"],
            Answer(200, b"ok"),
        ),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], Answer(200, b"ok")),
        ([b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"], Answer(502, b"")),
    ],
)
def test_answers_in_pieces(parts: list[bytes], answer: Answer) -> None:
    assert talk(answering(*parts), b"{}", b"{}") == [answer, answer, 1]


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [OK[:-1]],
        [b"HTTP/1.1 200 OK\r\nContent-Le"],
        [b"SSH-2.0-OpenSSH\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 5_000_000],
        [b"HTTP/1.1 200 OK\r\n" + b"X-Long: y\r\n" * 500_000],
    ],
    ids=["nothing", "too short", "half a head", "no HTTP", "too large", "endless head"],
)
def test_no_whole_answer_may_have_left(parts: list[bytes]) -> None:
    assert talk(answering(*parts, then_close=True), b"{}", b"{}") == [Lost, Lost, 2]


def test_a_silent_server_is_left_and_its_late_answer_goes_to_nobody() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        await asyncio.sleep(0.4 if request.endswith(b"slow") else 0)
        writer.write(OK)

    assert talk(handle, b"slow", b"quick", seconds=0.2) == [TimeoutError, Answer(200, b"ok"), 2]


def test_a_server_that_says_close_is_called_anew() -> None:
    closing = answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    assert talk(closing, b"{}", b"{}") == [Answer(200, b"ok"), Answer(200, b"ok"), 2]


def test_a_connection_closed_while_idle_is_not_used() -> None:
    assert talk(answering(OK, then_close=True), b"{}", b"{}", pause=0.05) == [Answer(200, b"ok"), Answer(200, b"ok"), 2]


@pytest.mark.parametrize("more", [[OK + OK], [OK, OK]], ids=["at once", "a moment later"])
def test_two_answers_to_one_question_end_the_connection(more: list[bytes]) -> None:
    """Else the second would be taken for the answer to the next message."""
    assert talk(answering(*more), b"{}", b"{}", pause=0.05) == [Answer(200, b"ok"), Answer(200, b"ok"), 2]


def test_nobody_there_is_surely_not_sent() -> None:
    async def main() -> None:
        wire = Wire("http://127.0.0.1:1/", connect_seconds=1.0)
        with pytest.raises(NotSent):
            await wire.post(wire.head("/"), b"{}", seconds=1.0)

    run(main())


def test_a_cancelled_call_takes_its_connection_with_it() -> None:
    async def main() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            assert await reader.read() is not None  # until the other end is gone
            gone.set()
            writer.close()

        gone = asyncio.Event()
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        wire = Wire(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", connect_seconds=1.0)
        call = asyncio.create_task(wire.post(wire.head("/"), b"{}", seconds=5.0))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(2):
            await gone.wait()
        server.close()

    run(main())
