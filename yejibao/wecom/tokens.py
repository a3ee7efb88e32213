"""Access tokens and tickets: one fetch at a time in all processes, shared by the synchronous and asynchronous client.

Looked up in this process, then Redis, then the row in PostgreSQL; fetched under a PostgreSQL advisory lock. Redis is
only the quick copy: without it the lock and the row still let one process fetch and the others wait.
"""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from yejibao.core import clock

from .errors import CREDENTIAL_CODES, GatewayError, Kind
from .models import Credential
from .store import RedisGone, Store, default_store

log = logging.getLogger(__name__)

LOCK_SECONDS = 20.0  # longer than a fetch with both its timeouts
LOCK_POLL_SECONDS = 0.05
REFUSED_SECONDS = 60  # the platform blocks an address that keeps asking with a wrong secret
REPEAT_SECONDS = 30  # how long a token that came back although refused is not fetched again


@dataclass(frozen=True)
class App:
    """One self-built app of a corp."""

    corp_id: str
    agent_id: int
    secret: str

    def key(self, name: str) -> str:
        """Return the name under which a credential of this app is kept; two secrets never share one."""
        text = "\0".join((self.corp_id, str(self.agent_id), self.secret, name))
        return hashlib.sha256(text.encode()).hexdigest()[:40]


Fetch = Callable[[], tuple[str, int]]  # returns the value and its life in seconds; raises GatewayError


class Credentials:
    """Keeps one credential of one app (`name` is "token" or a kind of ticket)."""

    _held: ClassVar[dict[str, tuple[str, float]]] = {}  # key -> value, monotonic end
    _refused: ClassVar[dict[str, tuple[int, float]]] = {}
    _flights: ClassVar[dict[str, threading.Lock]] = {}
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, app: App, name: str, fetch: Fetch, *, store: Store | None = None) -> None:
        self.key = app.key(name)
        self.name = name
        self._fetch = fetch
        self._store = store or default_store()
        with self._guard:
            self._flight = self._flights.setdefault(self.key, threading.Lock())

    @classmethod
    def forget_process_copies(cls) -> None:
        """Drop what this process remembers; Redis and PostgreSQL keep theirs. For tests and after a fork."""
        cls._held.clear()
        cls._refused.clear()

    def get(self) -> str:
        """Return a value in force. Raises GatewayError when none can be had."""
        return self._from_process() or self._from_redis() or self._single_flight(bad="")

    def at_hand(self) -> str:
        """Return a value in force that needs no call and no lock; empty where there is none."""
        return self._from_process() or self._from_redis()

    def refresh(self, bad: str) -> str:
        """Return another value than the one just refused; whoever comes second gets what the first fetched.

        When the platform hands out the refused value again, it is returned and not asked for again for half a minute.
        """
        if self._held.get(self.key, ("", 0.0))[0] == bad:
            self._held.pop(self.key, None)
        value = self._from_redis()
        if value and value != bad:
            return value
        return self._single_flight(bad=bad)

    # ------------------------------------------------------------ look-ups
    def _from_process(self) -> str:
        value, end = self._held.get(self.key, ("", 0.0))
        return value if clock.monotonic() < end else ""

    def _from_redis(self) -> str:
        try:
            text = self._store.get(self._redis_key)
        except RedisGone:
            return ""
        if not text:
            return ""
        held = json.loads(text)
        left = held["until"] - time.time()
        if left <= 0:
            return ""
        self._held[self.key] = (held["value"], clock.monotonic() + left)
        return str(held["value"])

    @property
    def _redis_key(self) -> str:
        return self._store.key("credential", self.key)

    def _from_row(self, *, bad: str) -> str:
        """Return the shared row's value, with the refused one only if it has just come back from the platform."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT extract(epoch FROM expires_at - clock_timestamp()), is_repeated, "
                "extract(epoch FROM clock_timestamp() - changed_at) FROM wecom_credential WHERE key = %s",
                [self.key],
            )
            row = cursor.fetchone()
        if row is None or row[0] is None or row[0] <= 0:
            return ""
        value = str(Credential.objects.values_list("value", flat=True).get(key=self.key))
        if value != bad or (row[1] and row[2] < REPEAT_SECONDS):
            self._remember(value, float(row[0]))
            return value
        return ""

    # ------------------------------------------------------------ the one fetch
    def _single_flight(self, *, bad: str) -> str:
        with self._flight:
            value = self._from_process()
            if value and value != bad:
                return value
            with advisory_lock(self.key) as shared:
                if shared and (value := self._from_row(bad=bad)):
                    return value
                self._raise_if_refused()
                log.info("wecom: fetching %s", self.name)
                value, seconds = self._fetch_once()
                # Ends early by our clock, so that a call under way does not see it die.
                left = max(1.0, seconds - min(120.0, seconds / 10))
                self._remember(value, left)
                if shared:
                    self._write_row(value, left, repeated=value == bad)
                return value

    def _fetch_once(self) -> tuple[str, int]:
        try:
            return self._fetch()
        except GatewayError as error:
            if error.code in CREDENTIAL_CODES and self.name == "token":
                self._refused[self.key] = (error.code or 0, clock.monotonic() + REFUSED_SECONDS)
                error = GatewayError(error.code, error.message, kind=Kind.ADMIN, api=error.api)
                raise error from None
            raise

    def _raise_if_refused(self) -> None:
        code, until = self._refused.get(self.key, (0, 0.0))
        if clock.monotonic() < until:
            raise GatewayError(code, "the secret was refused a moment ago", kind=Kind.ADMIN, api="gettoken")

    def _remember(self, value: str, left: float) -> None:
        self._held[self.key] = (value, clock.monotonic() + left)
        with suppress(RedisGone):
            self._store.set(self._redis_key, json.dumps({"value": value, "until": time.time() + left}), int(left))

    def _write_row(self, value: str, left: float, *, repeated: bool) -> None:
        sealed = Credential._meta.get_field("value").get_prep_value(value)
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    """
                    INSERT INTO wecom_credential (key, value, expires_at, is_repeated, changed_at)
                    VALUES (%s, %s, clock_timestamp() + %s * interval '1 second', %s, clock_timestamp())
                    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at,
                        is_repeated = excluded.is_repeated, changed_at = excluded.changed_at
                    """,
                    [self.key, sealed, left, repeated],
                )
        except DatabaseError as error:
            log.warning("wecom: %s not shared: %s", self.name, type(error).__name__)


@contextmanager
def advisory_lock(key: str) -> Iterator[bool]:
    """Hold PostgreSQL's session lock of this name; yields False when the database is gone and nothing is locked.

    Asked for in short steps rather than in one waiting statement, which `statement_timeout` would cut. Raises
    GatewayError when another process holds it for longer than a fetch can take.
    """
    number = int.from_bytes(hashlib.sha256(f"wecom:{key}".encode()).digest()[:8], "big", signed=True)
    deadline = clock.monotonic() + LOCK_SECONDS
    try:
        while not _ask(f"SELECT pg_try_advisory_lock({number})"):
            if clock.monotonic() > deadline:
                raise GatewayError(None, "the credential is being fetched elsewhere", kind=Kind.TRANSIENT)
            time.sleep(LOCK_POLL_SECONDS)
        locked = True
    except (OperationalError, InterfaceError) as error:
        log.warning("wecom: no shared lock: %s", type(error).__name__)
        locked = False
    try:
        yield locked
    finally:
        if locked and not _worked(f"SELECT pg_advisory_unlock({number})"):
            # The lock belongs to the session, outlives a rollback, and the pool would lend the session out with it:
            # everybody would wait LOCK_SECONDS for nobody's fetch. It ends with the session.
            log.warning("wecom: shared lock given back with its connection")
            with suppress(DatabaseError, InterfaceError, psycopg.Error):
                if (session := connection.connection) is not None:
                    session.close()


def _worked(sql: str) -> bool:
    """Ask for a truth; False as well where the transaction around it has failed, or the connection is gone."""
    try:
        return _ask(sql)
    except (DatabaseError, InterfaceError):
        return False


def _ask(sql: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return bool(cursor.fetchone()[0])
