"""How an event loop waits, and where the calls run that it may not make itself."""

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from django.db import close_old_connections

from yejibao.core import clock

T = TypeVar("T")


class Pace(Protocol):
    """The sender's time: the product's clock and real waits, or a moment that waiting moves."""

    def now(self) -> datetime: ...

    async def until(self, moment: datetime) -> None: ...


class LivePace:
    """Time passes by itself."""

    def now(self) -> datetime:
        return clock.now()

    async def until(self, moment: datetime) -> None:
        if (seconds := (moment - clock.now()).total_seconds()) > 0:
            await asyncio.sleep(seconds)


class SimulatedPace:
    """A moment; waiting moves it and takes no time."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    async def until(self, moment: datetime) -> None:
        self.moment = max(self.moment, moment)


class Beside(Protocol):
    """Runs a synchronous call that may use the database, off the event loop."""

    async def __call__(self, call: Callable[[], Any]) -> Any: ...


class DatabaseThreads:
    """A few threads with a connection each, made anew when it died: results are written while the next lot is rendered."""

    def __init__(self, threads: int = 3) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sender-db")

    async def __call__(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, call)

    @staticmethod
    def _run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            close_old_connections()

    def close(self) -> None:
        """End the threads; each has given its connection back after its last call."""
        self._pool.shutdown(wait=True)


def run_with_caller_serving(work: Callable[[Beside], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on an event loop in another thread while this one runs its database calls.

    So they see the caller's own transaction, and it works where this thread has a loop already.
    """
    wanted: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any], asyncio.AbstractEventLoop] | None]
    wanted = queue.SimpleQueue()
    ending: list[tuple[Any, BaseException | None]] = []

    async def beside(call: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        wanted.put((call, future, loop))
        return await future

    def run() -> None:
        try:
            ending.append((asyncio.run(work(beside)), None))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            ending.append((None, error))
        finally:
            wanted.put(None)

    thread = threading.Thread(target=run, name="sender-loop", daemon=True)
    thread.start()
    while (item := wanted.get()) is not None:
        call, future, loop = item
        try:
            value = call()
        except Exception as error:  # noqa: BLE001 - handed to the loop
            loop.call_soon_threadsafe(_fail, future, error)
        else:
            loop.call_soon_threadsafe(_fulfil, future, value)
    thread.join()
    outcome, failure = ending[0]
    if failure is not None:
        raise failure
    return cast(T, outcome)


def _fulfil(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
