"""The process that works the inbox off: `manage.py run_inbox`. A few threads, one of them for what is urgent alone.

A greeting has to leave within 20 seconds of the event, whatever else waits: so it has a lane of its own, and neither the
queue of pushes nor the broker stands before it. The others wait for the platform most of the time, hence threads.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from yejibao.core import heart
from yejibao.core.outbox.nudge import channel

from .services import NUDGE
from .working import URGENT_BATCH, work_off

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # so late at most when Redis is gone
TURN_SECONDS = 20.0
HEARTBEAT_SECONDS = 5.0
USUAL_LANES = 3


class Loop:
    """Runs until `stop` is set."""

    def __init__(self, stop: threading.Event, *, lanes: int = USUAL_LANES) -> None:
        self.stop = stop
        self.tally: Counter[str] = Counter()
        self._wakes: list[threading.Event] = []
        self._threads = [self._lane("urgent", urgent_only=True)]
        self._threads += [self._lane(f"usual-{number}", urgent_only=False) for number in range(lanes)]
        self._threads.append(threading.Thread(target=self._listen, name="inbox-nudges", daemon=True))

    def run(self) -> None:
        """Show signs of life until told to stop; then let each lane end its batch."""
        for thread in self._threads:
            thread.start()
        while not self.stop.wait(HEARTBEAT_SECONDS):
            self._guarded(lambda: heart.beat("inbox", **self.tally))
        self._wake_all()
        for thread in self._threads[:-1]:
            thread.join(15)
        connection.close()

    def _lane(self, name: str, *, urgent_only: bool) -> threading.Thread:
        wake = threading.Event()
        self._wakes.append(wake)

        def turn() -> None:
            counts = (
                work_off(seconds=TURN_SECONDS, urgent_only=True, batch=URGENT_BATCH)
                if urgent_only
                else work_off(seconds=TURN_SECONDS)
            )
            self.tally.update(counts)

        def keep_turning() -> None:
            while not self.stop.is_set():
                self._guarded(turn)
                wake.wait(POLL_SECONDS)
                wake.clear()
            connection.close()

        return threading.Thread(target=keep_turning, name=f"inbox-{name}", daemon=True)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Ride out a database that is away; a lane that ended would be missed by nobody."""
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            log.warning("inbox: database: %s", type(error).__name__)
            self.stop.wait(POLL_SECONDS)
        except Exception:
            log.exception("inbox: a turn failed")
            self.stop.wait(POLL_SECONDS)
        finally:
            close_old_connections()

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake.set()

    def _listen(self) -> None:
        """Hear the nudges through Redis; without it the poll does it."""
        while not self.stop.is_set():
            try:
                with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2) as client:
                    pubsub = client.pubsub(ignore_subscribe_messages=True)
                    pubsub.subscribe(channel(NUDGE))
                    while not self.stop.is_set():
                        if pubsub.get_message(timeout=2):
                            self._wake_all()
            except (redis.RedisError, OSError) as error:
                log.info("inbox: no nudges: %s", type(error).__name__)
            self.stop.wait(POLL_SECONDS * 5)
