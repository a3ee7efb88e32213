"""The process that works the inbox off: `manage.py run_inbox`. A few threads, one of them for what is urgent alone.

A greeting has to leave within 20 seconds of the event, whatever else waits: so it has a lane of its own, and neither the
queue of pushes nor the broker stands before it. The others wait for the platform most of the time, hence threads. One more
hands the departments' own events over as soon as they are committed: a new friend's first talk stands on the list at once.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from yejibao.core import heart
from yejibao.core.outbox import drain_events, events
from yejibao.core.outbox.nudge import channel

from .services import NUDGE
from .working import URGENT_BATCH, work_off

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # so late at most when Redis is gone
TURN_SECONDS = 20.0
HEARTBEAT_SECONDS = 5.0
USUAL_LANES = 3
EVENTS_POLL_SECONDS = 5.0  # the tick is the net under it
GATHER_SECONDS = 0.2  # what many commit side by side is handed over together


class Loop:
    """Runs until `stop` is set."""

    def __init__(self, stop: threading.Event, *, lanes: int = USUAL_LANES) -> None:
        self.stop = stop
        self.tally: Counter[str] = Counter()
        self._wakes: dict[str, list[threading.Event]] = {channel(NUDGE): [], channel(events.NUDGE): []}
        self._threads = [self._lane("urgent", self._work_urgent)]
        self._threads += [self._lane(f"usual-{number}", self._work_usual) for number in range(lanes)]
        self._threads.append(self._lane("events", self._hand_over, nudge=events.NUDGE, poll=EVENTS_POLL_SECONDS))
        self._threads.append(threading.Thread(target=self._listen, name="inbox-nudges", daemon=True))

    def run(self) -> None:
        """Show signs of life until told to stop; then let each lane end its batch."""
        for thread in self._threads:
            thread.start()
        while not self.stop.wait(HEARTBEAT_SECONDS):
            self._guarded(lambda: heart.beat("inbox", **self.tally))
        self._wake(*self._wakes)
        for thread in self._threads[:-1]:
            thread.join(15)
        connection.close()

    def _work_urgent(self) -> None:
        self.tally.update(work_off(seconds=TURN_SECONDS, urgent_only=True, batch=URGENT_BATCH))

    def _work_usual(self) -> None:
        self.tally.update(work_off(seconds=TURN_SECONDS))

    def _hand_over(self) -> None:
        self.stop.wait(GATHER_SECONDS)
        self.tally["events"] += sum(drain_events(seconds=TURN_SECONDS).values())

    def _lane(
        self, name: str, turn: Callable[[], None], *, nudge: str = NUDGE, poll: float = POLL_SECONDS
    ) -> threading.Thread:
        wake = threading.Event()
        self._wakes[channel(nudge)].append(wake)

        def keep_turning() -> None:
            while not self.stop.is_set():
                self._guarded(turn)
                wake.wait(poll)
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

    def _wake(self, *channels: str) -> None:
        for name in channels:
            for wake in self._wakes[name]:
                wake.set()

    def _listen(self) -> None:
        """Hear the nudges through Redis; without it the poll does it."""
        while not self.stop.is_set():
            try:
                with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2) as client:
                    pubsub = client.pubsub(ignore_subscribe_messages=True)
                    pubsub.subscribe(*self._wakes)
                    while not self.stop.is_set():
                        if heard := pubsub.get_message(timeout=2):
                            self._wake(heard["channel"].decode())
            except (redis.RedisError, OSError) as error:
                log.info("inbox: no nudges: %s", type(error).__name__)
            self.stop.wait(POLL_SECONDS * 5)
