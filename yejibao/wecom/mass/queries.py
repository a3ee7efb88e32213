"""What became of what was asked: for campaigns and their pages."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from .models import MassSend


@dataclass(frozen=True)
class Standing:
    """All parts of one plan together."""

    states: dict[str, int]  # parts by state
    senders: int
    confirmed: int
    targets: dict[str, int]  # by state
    read_at: datetime | None  # as old is the oldest of it


def standing(key: str) -> Standing:
    """Return how a plan stands."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, count(*), min(read_at) FROM wecom_masssend WHERE key = %s GROUP BY 1", [key])
        states = cursor.fetchall()
        cursor.execute(
            "SELECT count(DISTINCT s.userid), count(DISTINCT s.userid) FILTER (WHERE s.has_sent) FROM wecom_masssender s"
            " JOIN wecom_masssend m ON m.id = s.send_id WHERE m.key = %s",
            [key],
        )
        senders, confirmed = cursor.fetchone()
        cursor.execute(
            "SELECT t.state, count(*) FROM wecom_masstarget t JOIN wecom_masssend m ON m.id = t.send_id WHERE m.key = %s"
            " GROUP BY 1",
            [key],
        )
        targets = dict(cursor.fetchall())
    read = [at for _, _, at in states if at]
    return Standing(
        {state: count for state, count, _ in states}, senders, confirmed, targets, min(read) if read else None
    )


def by_sender(key: str) -> dict[str, dict[str, int]]:
    """Return for each who was asked: {"confirmed": 0 or more parts, "parts": …, "sent": customers reached, …}."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.userid, count(DISTINCT s.send_id), count(DISTINCT s.send_id) FILTER (WHERE s.has_sent),
                count(t.id) FILTER (WHERE t.state = 'sent'), count(t.id)
            FROM wecom_masssend m JOIN wecom_masssender s ON s.send_id = m.id
            LEFT JOIN wecom_masstarget t ON t.send_id = m.id AND t.userid = s.userid
            WHERE m.key = %s GROUP BY 1 ORDER BY 1
            """,
            [key],
        )
        names = ("parts", "confirmed", "sent", "targets")
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in cursor.fetchall()}


def newest_of(userid: str, *, limit: int = 20) -> list[MassSend]:
    """Return the newest sends one member was asked for by name."""
    return list(MassSend.objects.filter(sender=userid.casefold()).order_by("-pk")[:limit])
