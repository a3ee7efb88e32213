"""The sender's signs of life: that it runs, how its clock stands to the database's, and whether the tick does."""

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from yejibao.core import clock, logs
from yejibao.core.models import Heartbeat

from .beside import Beside

log = logging.getLogger(__name__)

SHOW_SECONDS = 5.0
TICK_LATE_SECONDS = 60.0
CLOCK_OFF_SECONDS = 2.0


class LifeSigns:
    """Shows every five seconds that the sender lives, with its `facts`; runs the tick when beat does not."""

    def __init__(self, beside: Beside, facts: Callable[[], Mapping[str, float]]) -> None:
        self.is_clock_off = False  # then nothing may be sent: what is due is told by our clock
        self._beside = beside
        self._facts = facts
        self._off = 0.0  # of our clock from the database's

    async def keep_showing(self) -> None:
        started = clock.monotonic()
        woken = -TICK_LATE_SECONDS
        while True:
            try:
                tick_age, off = await self._beside(self._heartbeat)
                if self.is_clock_off != (off > CLOCK_OFF_SECONDS):
                    self.is_clock_off = off > CLOCK_OFF_SECONDS
                    log.error(
                        "sender: clock is %.1f s off the database, sending %s",
                        off,
                        "stops" if self.is_clock_off else "goes on",
                    )
                late = clock.monotonic() - started if tick_age is None else tick_age
                if late > TICK_LATE_SECONDS and clock.monotonic() - woken >= TICK_LATE_SECONDS / 2:
                    woken = clock.monotonic()
                    self._wake_tick(late)
            except Exception as error:  # noqa: BLE001 - a missed sign of life is shown by its absence
                log.warning("sender: no heartbeat: %s", type(error).__name__)
            await asyncio.sleep(SHOW_SECONDS)

    def _heartbeat(self) -> tuple[float | None, float]:
        """Write our sign of life; return the tick's age in seconds, and how far our clock is off the database's."""
        own = {"clock_off_seconds": round(self._off, 1), "sender": f"{socket.gethostname()}:{os.getpid()}"}
        before = clock.system_now().timestamp()
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO core_heartbeat (name, at, facts) VALUES ('sender', clock_timestamp(), %s)
                ON CONFLICT (name) DO UPDATE SET at = excluded.at, facts = excluded.facts
                RETURNING extract(epoch FROM clock_timestamp())::float8,
                    (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM core_heartbeat WHERE name = %s)
                """,
                [json.dumps(own | dict(self._facts())), f"{Heartbeat.JOB}{settings.SENDER_WAKE_TICK}"],
            )
            database, tick_age = cursor.fetchone()
        after = clock.system_now().timestamp()
        self._off = max(0.0, before - database, database - after)
        return tick_age, self._off

    def _wake_tick(self, late: float) -> None:
        path = getattr(settings, "SENDER_WAKE_TICK", "")
        if not path:
            return
        log.warning("sender: no tick for %.0f s, running it here", late)

        def run() -> None:
            logs.start(job=path, by="sender")
            try:
                import_string(path)()
            except Exception:
                log.exception("sender: the tick failed")
            finally:
                connection.close()

        threading.Thread(target=run, name="tick", daemon=True).start()
