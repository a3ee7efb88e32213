"""The machinery of a sweep: its parts are claimed by lease, a page and its cursor are written in one transaction.

Whoever runs `sweep` goes on where the last one stopped or died: a page is applied once more at worst, and applying is safe
to run twice. Pages are fetched side by side, written in one thread, several at a time.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

from django.db import close_old_connections, connection, transaction

from yejibao.core import clock

from ..errors import GatewayError, Kind
from .models import SyncPart, SyncRun

if TYPE_CHECKING:
    from ..gateway import Gateway

log = logging.getLogger(__name__)

PEOPLE_A_PART = 100
LEASE_SECONDS = 120
GATHER_SECONDS = 0.015
RESTARTS = 3  # of a part whose cursor died; then it waits for the next sweep
PAUSE = timedelta(seconds=30)
State = SyncRun.State


@dataclass(frozen=True)
class Fetched:
    """A page of whatever it is, with the cursor of the next; an empty one is the end."""

    rows: Sequence[Any]
    cursor: str


Fetch = Callable[[Sequence[str], str], Fetched]  # keys, cursor -> page; runs in threads, raises GatewayError
Apply = Callable[[Sequence[Any]], dict[str, int]]  # rows of several pages -> counts; inside a transaction
Finish = Callable[[SyncPart], dict[str, int]]  # a part is through; inside the transaction of its last page
End = Callable[[set[str]], dict[str, int]]  # all parts are through; gets who was found, may call the platform


@transaction.atomic
def begin(
    kind: str, keys: Sequence[str], *, now: datetime, actor_id: int | None = None, size: int = PEOPLE_A_PART
) -> SyncRun:
    """Start a sweep over these keys, or return the one of this kind that is running."""
    run, is_new = SyncRun.objects.get_or_create(
        kind=kind, state=State.RUNNING, defaults={"started_at": now, "actor_id": actor_id}
    )
    if is_new:
        parts = [list(keys[start : start + size]) for start in range(0, len(keys), size)]
        SyncPart.objects.bulk_create(
            [SyncPart(run=run, number=number, keys=part) for number, part in enumerate(parts)], batch_size=1000
        )
        run.parts_total = len(parts)
        run.save(update_fields=["parts_total"])
    return run


def stop(run: SyncRun, *, now: datetime) -> bool:
    """Stop a sweep; what was written stays. False if it was over."""
    ended = SyncRun.objects.filter(pk=run.pk, state=State.RUNNING)
    return bool(ended.update(state=State.STOPPED, finished_at=now, next_at=None))


def may_go_on(run: SyncRun | None, door: "Gateway", *, now: datetime) -> TypeGuard[SyncRun]:
    """Tell whether there is a run, nobody was asked to wait, and the platform lets us in; else put it off.

    The token is asked for here and not in each thread that fetches: they need no connection of their own then.
    """
    if run is None or (run.next_at and run.next_at > now):
        return False
    try:
        door.credentials.get()
    except GatewayError as error:
        put_off(run, error, now=now)
        return False
    return True


def put_off(run: SyncRun, error: GatewayError, *, now: datetime) -> datetime:
    """Let everybody wait as long as the platform says, half a minute where it says nothing. Returns until when."""
    until = now + (timedelta(seconds=error.retry_after) if error.retry_after else PAUSE)
    SyncRun.objects.filter(pk=run.pk).update(last_error=_words(error), next_at=until)
    return until


def _words(error: GatewayError) -> str:
    return f"{error.api} {error.kind} {error.code or ''}".strip()


@dataclass
class _Page:
    part: SyncPart
    future: "Future[Fetched]"

    @property
    def following(self) -> str:
        """The cursor of the next page; "" at the end, and where the platform said no."""
        return "" if self.future.exception() else self.future.result().cursor


@dataclass
class Sweep:
    """One process's share of a run."""

    run: SyncRun
    fetch: Fetch
    apply: Apply
    finish: Finish
    name: Callable[[Any], str] | None = None  # what a row is kept by for `end`
    end: End | None = None
    at_once: int = 8
    tally: Counter[str] = field(default_factory=Counter)
    _uncounted: int = 0  # calls not yet written to the run

    def go(self, *, seconds: float, now: datetime | None = None) -> dict[str, int]:
        """Read pages until the run is through, time is up, or the platform wants us to wait. Returns this share's counts."""
        deadline = clock.monotonic() + seconds
        pages: list[_Page] = []
        held_off: datetime | None = None
        with ThreadPoolExecutor(self.at_once, thread_name_prefix=f"sync-{self.run.kind}") as pool:
            while True:
                is_over = held_off is not None or clock.monotonic() >= deadline
                if not is_over and len(pages) < self.at_once:
                    pages += [self._ask(pool, part, part.cursor) for part in self._claim(self.at_once - len(pages))]
                if not pages:
                    break
                wait([page.future for page in pages], return_when=FIRST_COMPLETED)
                wait([page.future for page in pages], timeout=GATHER_SECONDS)  # what comes together is written together
                ready = [page for page in pages if page.future.done()]
                pages = [page for page in pages if not page.future.done()]
                goes_on = held_off is None and clock.monotonic() < deadline and self._goes_on()
                if goes_on:  # the next pages are on their way while these are written
                    pages += [self._ask(pool, page.part, page.following) for page in ready if page.following]
                following, pause = self._write(ready, now or clock.now())
                held_off = pause or held_off
                if not goes_on:
                    self._release(following)
                    held_off = held_off or clock.now()  # no more is asked for; what is on its way is written
        self._close(now or clock.now())
        return dict(self.tally)

    def _claim(self, limit: int) -> list[SyncPart]:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                -- In a CTE it is asked once: an IN may be asked again for each row, and then takes more than its limit.
                WITH due AS (
                    SELECT id FROM wecom_syncpart
                    WHERE run_id = %s AND NOT is_done AND (lease_until IS NULL OR lease_until < clock_timestamp())
                    ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED
                )
                UPDATE wecom_syncpart p SET lease_until = clock_timestamp() + %s * interval '1 second'
                FROM due WHERE p.id = due.id RETURNING p.id
                """,
                [self.run.pk, limit, LEASE_SECONDS],
            )
            ids = [row[0] for row in cursor.fetchall()]
        return list(SyncPart.objects.filter(pk__in=ids).order_by("number"))

    def _ask(self, pool: ThreadPoolExecutor, part: SyncPart, cursor: str) -> _Page:
        self.tally["calls"] += 1
        self._uncounted += 1
        return _Page(part, pool.submit(self._fetch, part.keys, cursor))

    def _fetch(self, keys: Sequence[str], cursor: str) -> Fetched:
        try:
            return self.fetch(keys, cursor)
        finally:
            close_old_connections()

    def _write(self, pages: Sequence[_Page], now: datetime) -> tuple[list[SyncPart], datetime | None]:
        """Write what came, in one transaction; return the parts that go on, and until when to pause if the platform says so."""
        came: list[tuple[_Page, Fetched]] = []
        pause: datetime | None = None
        failed: list[SyncPart] = []
        for page in pages:
            try:
                came.append((page, page.future.result()))
            except GatewayError as error:
                pause = max(filter(None, (pause, self._trouble(page, error, now))), default=None)
                failed.append(page.part)
        counts: Counter[str] = Counter()
        following: list[SyncPart] = []
        with transaction.atomic():
            rows = [row for _, fetched in came for row in fetched.rows]
            if rows:
                counts.update(self.apply(rows))
            counts["rows"] += len(rows)
            for page, fetched in came:
                part = page.part
                part.row_count += len(fetched.rows)
                if self.name:
                    part.found = sorted({*part.found, *map(self.name, fetched.rows)})
                part.cursor, part.is_done = fetched.cursor, not fetched.cursor
                if part.is_done:
                    counts.update(self.finish(part))
                else:
                    following.append(part)
                self._keep(part)
            self._count(counts, done=len(came) - len(following), now=now)
        self._release(failed)
        self.tally.update(counts)
        return following, pause

    def _keep(self, part: SyncPart) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE wecom_syncpart SET cursor = %s, is_done = %s, row_count = %s, found = %s, "
                "lease_until = CASE WHEN %s THEN NULL ELSE clock_timestamp() + %s * interval '1 second' END WHERE id = %s",
                [part.cursor, part.is_done, part.row_count, part.found, part.is_done, LEASE_SECONDS, part.pk],
            )

    def _count(self, counts: Counter[str], *, done: int, now: datetime) -> None:
        run = SyncRun.objects.select_for_update().get(pk=self.run.pk)
        run.counts = dict(Counter(run.counts) + counts + Counter(calls=self._uncounted))
        self._uncounted = 0
        run.parts_done += done
        run.moved_at = now
        run.save(update_fields=["counts", "parts_done", "moved_at"])

    def _trouble(self, page: _Page, error: GatewayError, now: datetime) -> datetime | None:
        """Decide what a failed page means: from the start again, over, or everybody waits."""
        part = page.part
        log.warning("sync %s part %s: %s", self.run.pk, part.number, error)
        words = _words(error)
        if error.code == 50100 and part.restarts < RESTARTS:
            SyncPart.objects.filter(pk=part.pk).update(cursor="", restarts=part.restarts + 1, row_count=0)
            SyncRun.objects.filter(pk=self.run.pk).update(last_error=words)
            return None
        if error.kind in (Kind.PERMANENT, Kind.ADMIN) or error.code == 50100:
            SyncPart.objects.filter(pk=part.pk).update(is_done=True)
            SyncRun.objects.filter(pk=self.run.pk).update(last_error=words)
            self._count(Counter(parts_failed=1), done=1, now=now)
            return None
        return put_off(self.run, error, now=now)

    def _release(self, parts: Sequence[SyncPart]) -> None:
        SyncPart.objects.filter(pk__in=[part.pk for part in parts]).update(lease_until=None)

    def _goes_on(self) -> bool:
        return SyncRun.objects.filter(pk=self.run.pk, state=State.RUNNING).exists()

    def _close(self, now: datetime) -> None:
        """End the run once all its parts are through; twice, by two processes, is like once."""
        if SyncPart.objects.filter(run=self.run, is_done=False).exists() or not self._goes_on():
            return
        if self.end:
            try:
                found = {one for part in self.run.parts.values_list("found", flat=True) for one in part}
                counts = Counter(self.end(found))
            except GatewayError as error:
                put_off(self.run, error, now=now)
                return
            with transaction.atomic():
                self._count(counts, done=0, now=now)
            self.tally.update(counts)
        SyncRun.objects.filter(pk=self.run.pk, state=State.RUNNING).update(
            state=State.DONE, finished_at=now, next_at=None
        )
