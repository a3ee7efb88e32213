"""Telling people, in the transaction of what they are told of; reading; forgetting."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from guides.org.models import Staff
from yejibao.core import waiting
from yejibao.core.scope import Actor

from .models import Notification

KEPT, KEPT_UNREAD = timedelta(days=30), timedelta(days=90)
FORGET_ROWS = 5_000

waiting.count("notifications", "guides_notification one WHERE one.staff_id = person.id AND one.read_at IS NULL")

# What a statement that tells people ends with. It has to give the rows in order of (staff, key), so that two that tell the
# same people do not wait for each other in a circle.
COLUMNS = "staff_id, kind, key, title, text, url, at, message_id"
TOLD_AGAIN = """ON CONFLICT (staff_id, key) WHERE read_at IS NULL DO UPDATE SET kind = excluded.kind, title = excluded.title,
    text = excluded.text, url = excluded.url, at = excluded.at, message_id = excluded.message_id"""


@dataclass(frozen=True)
class Notice:
    """What somebody is told: one line, a second of detail, and where it leads. `key` names what it is about."""

    kind: str
    key: str
    title: str
    url: str
    text: str = ""

    def values(self) -> tuple[str, str, str, str, str]:
        """Return the columns. Raises ValueError for an address that is not ours."""
        if not self.url.startswith("/") or self.url.startswith("//"):
            raise ValueError("a notification leads to a page of ours")
        return self.kind, self.key[:64], self.title[:60], self.text[:200], self.url[:255]


def tell(people: QuerySet[Staff], notice: Notice, *, now: datetime) -> int:
    """Tell many people the same with one statement, however many they are; those who left are not told. Returns how many."""
    chosen, params = (
        people.filter(state__in=Staff.MAY_SIGN_IN).order_by().values("pk").distinct().query.sql_with_params()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO guides_notification ({COLUMNS})
            SELECT chosen.id, %s, %s, %s, %s, %s, %s, NULL FROM ({chosen}) AS chosen(id) ORDER BY chosen.id {TOLD_AGAIN}""",
            [*notice.values(), now, *params],
        )
        return cursor.rowcount


def tell_each(told: Sequence[tuple[int, Notice]], *, now: datetime, pushed: Sequence[str] = ()) -> int:
    """Tell each his own, as (staff id, notice), with one statement. Returns how many.

    `pushed` are the dedupe keys of the outbox messages that tell the same, in the same order: the page shows what came of
    them.
    """
    if not told:
        return 0
    keys = [*pushed, *[""] * (len(told) - len(pushed))]
    values = [notice.values() for _, notice in told]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO guides_notification ({COLUMNS})
            SELECT DISTINCT ON (n.staff_id, n.key) n.staff_id, n.kind, n.key, n.title, n.text, n.url, %s, m.id
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                AS n(staff_id, kind, key, title, text, url, pushed)
            LEFT JOIN core_outboxmessage m ON m.dedupe_key = n.pushed
            ORDER BY n.staff_id, n.key {TOLD_AGAIN}""",
            [now, [staff for staff, _ in told], *(list(column) for column in zip(*values, strict=True)), keys],
        )
        return cursor.rowcount


def mark_read(ids: Sequence[int], *, actor: Actor, now: datetime) -> int:
    """Mark some of one's own as read. Returns how many were not yet."""
    return Notification.objects.visible_to(actor).unread().filter(pk__in=ids).update(read_at=now)


@transaction.atomic
def mark_all_read(*, actor: Actor, kind: str, upto: datetime, now: datetime) -> int:
    """Mark all of one's own as read, of one kind where it is named, told until the page was made. Returns how many."""
    mine = Notification.objects.visible_to(actor).unread().filter(at__lte=upto)
    mine = mine.filter(kind=kind) if kind else mine
    # In the order in which they are told.
    ids = list(mine.order_by("key").select_for_update().values_list("pk", flat=True))
    return Notification.objects.filter(pk__in=ids, read_at=None).update(read_at=now)


def mark_opened(message: int, *, actor: Actor, now: datetime) -> int:
    """Mark as read what a push told, when its reader comes by it. Returns how many."""
    return Notification.objects.visible_to(actor).unread().filter(message_id=message).update(read_at=now)


def settle(key: str, *, now: datetime) -> int:
    """Mark as read, for all who were told, what waits for nobody any more. Returns how many."""
    ids = list(
        Notification.objects.filter(key=key, read_at=None)
        .order_by("staff_id")
        .select_for_update()
        .values_list("pk", flat=True)
    )
    return Notification.objects.filter(pk__in=ids, read_at=None).update(read_at=now)


def forget_old(*, now: datetime) -> int:
    """Drop what was read 30 days ago or stood unread for 90, a few thousand at a time. Returns how many."""
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """DELETE FROM guides_notification WHERE id IN (SELECT id FROM guides_notification
                WHERE at < %(read)s AND (read_at IS NOT NULL OR at < %(unread)s) LIMIT %(rows)s)""",
                {"read": now - KEPT, "unread": now - KEPT_UNREAD, "rows": FORGET_ROWS},
            )
            forgotten += cursor.rowcount
            if cursor.rowcount < FORGET_ROWS:
                return forgotten
