"""Two connections at the same moment."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Barrier, Event, Thread
from typing import Any, NamedTuple

from django.db import DatabaseError, connection, connections, transaction

PATIENCE = 10.0  # seconds until somebody who neither waits nor gets on is a failure of the test


class Other:
    """Work in a thread with a connection of its own; `answer` is what it returned or raised."""

    def __init__(self, work: Callable[[], Any], *, ready: Callable[[], Any] = lambda: None) -> None:
        self.answer: Any = None
        self._work, self._ready = work, ready
        self._pid: int | None = None
        self._connected = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with connection.cursor() as cursor:
                with suppress(DatabaseError):  # only a superuser may; others find a deadlock after a second
                    cursor.execute("SET deadlock_timeout = '30ms'")
                cursor.execute("SELECT pg_backend_pid()")
                (self._pid,) = cursor.fetchone()
            self._connected.set()
            self._ready()
            self.answer = self._work()
        except Exception as error:  # noqa: BLE001  the test looks at it
            self.answer = error
        finally:
            self._connected.set()
            connections.close_all()

    def settle(self) -> bool:
        """Return once it waits for a lock (True) or is through (False)."""
        self._connected.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while self._thread.is_alive() and time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted)", [self._pid])
                if cursor.fetchone()[0]:
                    return True
            time.sleep(0.003)
        return False

    def result(self) -> Any:
        """Wait for the end and return what it returned or raised."""
        self._thread.join(30)
        return self.answer


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run functions in threads with connections of their own, started together; return what each returned or raised."""
    barrier = Barrier(len(works))
    others = [Other(work, ready=lambda: barrier.wait(PATIENCE)) for work in works]
    return [other.result() for other in others]


def in_peace(answer: Any) -> Any:
    """Return an answer that is no error."""
    assert not isinstance(answer, Exception), repr(answer)
    return answer


class Overtaken(NamedTuple):
    """What both returned or raised, and whether the second had to wait for the first to commit."""

    first: Any
    second: Any
    waited: bool


def overtaken(first: Callable[[], Any], second: Callable[[], Any]) -> Overtaken:
    """Run `second` in another connection while what `first` wrote is not committed.

    `first` commits once `second` waits for a lock of it, or is through: so a race has one course, each time.
    """
    with transaction.atomic():
        before = first()
        other = Other(second)
        waited = other.settle()
    return Overtaken(before, other.result(), waited)


def queued(hold: str, ids: Sequence[int], *works: Callable[[], Any]) -> list[Any]:
    """Let works wait, one after the other, while we hold the rows of a table; let go, and return what each returned.

    Who comes first in the queue gets the rows first; what he took on the way there he holds meanwhile: in this way two
    that take the same rows in different order meet each time, not once in a thousand.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {hold} WHERE id = ANY(%s) FOR UPDATE", [list(ids)])
        others = []
        for work in works:
            others.append(Other(work))
            others[-1].settle()
    return [other.result() for other in others]
