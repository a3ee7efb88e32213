"""Two connections at the same moment."""

import time
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

from django.db import connection, connections, transaction


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run functions in threads with connections of their own, started together; return what each returned or raised."""
    barrier = Barrier(len(works))
    answers: list[Any] = [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(10)
            answers[place] = work()
        except Exception as error:  # noqa: BLE001  the test looks at it
            answers[place] = error
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def overtaken(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Run `second` in another connection while what `first` wrote is not committed; return both answers.

    `second` has to wait for a lock of `first`, or be through, before `first` commits.
    """
    answers: list[Any] = [None, None]

    def run() -> None:
        try:
            answers[1] = second()
        except Exception as error:  # noqa: BLE001  the test looks at it
            answers[1] = error
        finally:
            connections.close_all()

    thread = Thread(target=run)
    with transaction.atomic():
        answers[0] = first()
        thread.start()
        deadline = time.monotonic() + 10
        while thread.is_alive() and not _somebody_waits() and time.monotonic() < deadline:
            time.sleep(0.02)
    thread.join(30)
    return answers


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])
