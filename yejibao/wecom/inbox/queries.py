"""What the inbox screen, /statusz and /metrics show. No text of an event ever leaves this room."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Max, Min, Q

from .models import HAS_TEXT, InboxEntry, Mirror
from .receivers import refused_on

State = InboxEntry.State
PAGE = 50
SPAN = 50_000  # ids that one page of the list looks through at most: a rare kind must not read the whole table
EVERY_ID = 2**62
LATE_SECONDS = 120


@dataclass(frozen=True)
class KindRow:
    """One kind of callback in a stretch of time."""

    kind: str
    total: int
    done: int
    waiting: int
    unhandled: int
    parked: int
    last_at: datetime | None


@dataclass(frozen=True)
class Standing:
    """How the inbox is at this moment."""

    waiting: int
    oldest_due_at: datetime | None
    in_hand: int
    parked: int
    unhandled: int
    last_received_at: datetime | None

    def lag_seconds(self, now: datetime) -> float:
        """Return for how long the oldest due entry has waited."""
        return max(0.0, (now - self.oldest_due_at).total_seconds()) if self.oldest_due_at else 0.0


def standing(*, now: datetime) -> Standing:
    """Return what waits and what wants a person. Reads partial indexes only."""
    waiting = InboxEntry.objects.filter(state=State.WAITING).aggregate(
        number=Count("pk"), oldest=Min("next_at", filter=Q(next_at__lte=now)),
        in_hand=Count("pk", filter=Q(claim_token__isnull=False)),
    )  # fmt: skip
    trouble = dict(
        InboxEntry.objects.filter(state__in=[State.PARKED, State.UNHANDLED])
        .values_list("state")
        .annotate(n=Count("pk"))
    )
    newest = InboxEntry.objects.order_by("-pk").values_list("received_at", flat=True).first()
    return Standing(
        waiting["number"], waiting["oldest"], waiting["in_hand"], trouble.get(State.PARKED, 0),
        trouble.get(State.UNHANDLED, 0), newest,
    )  # fmt: skip


def kinds_since(since: datetime) -> list[KindRow]:
    """Return the kinds that came since a moment, the busiest first."""
    rows = (
        InboxEntry.objects.filter(received_at__gte=since)
        .values("kind")
        .annotate(
            total=Count("pk"),
            done=Count("pk", filter=Q(state=State.DONE)),
            waiting=Count("pk", filter=Q(state=State.WAITING)),
            unhandled=Count("pk", filter=Q(state=State.UNHANDLED)),
            parked=Count("pk", filter=Q(state=State.PARKED)),
            last_at=Max("received_at"),
        )  # fmt: skip
        .order_by("-total", "kind")
    )
    return [KindRow(**row) for row in rows]


def list_trouble(*, kind: str | None = None, before: int | None = None) -> tuple[list[InboxEntry], int | None]:
    """Return a page of entries that want a person, the newest first, and where the next page begins."""
    rows = InboxEntry.objects.filter(state__in=[State.PARKED, State.UNHANDLED]).defer("body", "digest").order_by("-id")
    rows = rows if kind is None else rows.filter(kind=kind)
    found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


@dataclass(frozen=True)
class EntryPage:
    """A page of the list. `before` is where the next one begins; `is_cut`: fewer than fit, older ones not looked at yet."""

    entries: Sequence[InboxEntry]
    before: int | None
    is_cut: bool


def list_entries(*, kind: str | None = None, state: str = "", before: int | None = None) -> EntryPage:
    """Return the latest entries, without their text; `has_text` tells whether one can be replayed. Two statements."""
    newest = InboxEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    top = min(before or EVERY_ID, newest + 1)
    rows = InboxEntry.objects.filter(pk__gte=top - SPAN, pk__lt=top)
    rows = rows if kind is None else rows.filter(kind=kind)
    rows = rows.filter(state=state) if state else rows
    found = list(rows.annotate(has_text=HAS_TEXT).defer("body", "digest").order_by("-pk")[: PAGE + 1])
    if len(found) > PAGE:
        return EntryPage(found[:PAGE], found[PAGE - 1].pk, is_cut=False)
    return EntryPage(found, top - SPAN if top > SPAN else None, is_cut=top > SPAN)


@dataclass(frozen=True)
class Wanted:
    """What somebody wants worked off again: ids from `first` to `last`, both included; the rest narrows it."""

    first: int = 1
    last: int = EVERY_ID
    since: datetime | None = None
    until: datetime | None = None
    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    source: str = ""


# Why something in a range is not replayed.
LEFT_OUT = {
    "waiting": "本来就在等待处理", "no_text": "正文已过保存期，没法再处理", "state": "状态不在要重放的之内", "kind": "类型不在要重放的之内",
    "source": "来自别的应用",
}  # fmt: skip

_WOULD_REPLAY = """
SELECT CASE WHEN %(source)s <> '' AND source <> %(source)s THEN 'source'
    WHEN cardinality(%(kinds)s::text[]) > 0 AND kind <> ALL (%(kinds)s) THEN 'kind'
    WHEN state = 'waiting' THEN 'waiting'
    WHEN cardinality(%(states)s::text[]) > 0 AND state <> ALL (%(states)s) THEN 'state'
    WHEN body = '' THEN 'no_text' ELSE 'replay' END AS what, count(*)
FROM wecom_inboxentry
WHERE id BETWEEN %(first)s AND %(last)s AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s)
GROUP BY 1
"""


def would_replay(wanted: Wanted) -> dict[str, int]:
    """Return how many entries of a range a replay takes, and how many not, by the reason; {"replay": 3, "no_text": 1}."""
    with connection.cursor() as cursor:
        cursor.execute(_WOULD_REPLAY, asdict(wanted) | {"kinds": list(wanted.kinds), "states": list(wanted.states)})
        return dict(cursor.fetchall())


def stored_kinds(kinds: Sequence[str]) -> set[str]:
    """Return which of these kinds ever came."""
    return set(InboxEntry.objects.filter(kind__in=kinds).values_list("kind", flat=True).distinct())


def refused(now: datetime) -> dict[str, int]:
    """Return what was turned away today and yesterday, by reason."""
    tally: dict[str, int] = {}
    for day in (now, now - timedelta(days=1)):
        for name, number in refused_on(day).items():
            reason = name.rpartition("/")[2]
            tally[reason] = tally.get(reason, 0) + number
    return tally


def warnings() -> list[Mirror]:
    """Return what the platform last said of our apps' standing, where it is a warning."""
    good = ("reopen_inactive_agent", "active_restored")
    return list(Mirror.objects.filter(kind="app").exclude(state__in=good).order_by("-happened_at"))
