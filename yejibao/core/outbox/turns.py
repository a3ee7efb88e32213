"""Whose turn it is: urgent messages first, and among equally urgent ones each lane its share.

A lane is whoever shares the platform's budget with others: the branch of the recipient (core does not know branches, the
floor above says who stands in which). One with 50,000 messages waiting takes what the others leave, and one with ten waits
for a claim and not for the 50,000. The cost depends on the lanes and the size of the claim, not on how much waits.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from django.db import connection

from ..sql import prepared
from .models import OutboxMessage

NO_LANE = 0
_lanes_of: list[Callable[[Collection[str]], Mapping[str, int]]] = []


def register_lanes(lanes_of: Callable[[Collection[str]], Mapping[str, int]]) -> None:
    """Name who knows the lanes of recipients; whom it leaves out stands in none."""
    _lanes_of[:] = [lanes_of]


def lanes_of(recipients: Collection[str]) -> Mapping[str, int]:
    """Return the lane of each recipient that has one."""
    return _lanes_of[0](recipients) if _lanes_of and recipients else {}


class Lane(NamedTuple):
    """What is due of one urgency and lane. Counted up to an equal share; above it, it stands for all a claim could take."""

    priority: int
    lane: int
    due: int


# From one pair to the next by the index, however much waits in each; then as many rows of each as could be its share.
# Rows are compared whole and not column by column: equal columns would let the planner take them out of the order, and it
# would read everybody's rows by their time for the few of one lane.
_DUE = """
WITH RECURSIVE lane AS (
    (SELECT priority, lane FROM core_outboxmessage WHERE state IN ('pending', 'unknown') ORDER BY priority, lane LIMIT 1)
    UNION ALL
    SELECT following.priority, following.lane FROM lane CROSS JOIN LATERAL (
        SELECT m.priority, m.lane FROM core_outboxmessage m
        WHERE m.state IN ('pending', 'unknown') AND (m.priority, m.lane) > (lane.priority, lane.lane)
        ORDER BY m.priority, m.lane LIMIT 1) following
), shared AS (
    SELECT priority, lane, ceil(%(limit)s::numeric / count(*) OVER (PARTITION BY priority))::int + 1 AS most FROM lane
)
SELECT shared.priority, shared.lane, CASE WHEN due.number = shared.most THEN %(limit)s ELSE due.number END AS due
FROM shared CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT 1 FROM core_outboxmessage m
        WHERE m.state IN ('pending', 'unknown')
          AND (m.priority, m.lane, m.next_at) >= (shared.priority, shared.lane, '-infinity'::timestamptz)
          AND (m.priority, m.lane, m.next_at) <= (shared.priority, shared.lane, %(now)s)
        ORDER BY m.priority, m.lane, m.next_at LIMIT shared.most) rows) due
WHERE due.number > 0 ORDER BY shared.priority, shared.lane
"""
# The oldest of each lane, locked; what another sender has in hand is passed by.
_TAKE = """
SELECT m.* FROM unnest(%s::smallint[], %s::int[], %s::int[]) AS part(priority, lane, most) CROSS JOIN LATERAL (
    SELECT * FROM core_outboxmessage m
    WHERE m.state IN ('pending', 'unknown')
      AND (m.priority, m.lane, m.next_at) >= (part.priority, part.lane, '-infinity'::timestamptz)
      AND (m.priority, m.lane, m.next_at) <= (part.priority, part.lane, %s)
    ORDER BY m.priority, m.lane, m.next_at LIMIT part.most FOR UPDATE SKIP LOCKED) m
"""


def take(*, now: datetime, limit: int) -> list[OutboxMessage]:
    """Lock and return what is to be claimed next, `limit` rows at most. Needs an open transaction."""
    parts = share(due_lanes(now=now, limit=limit), limit)
    if not parts:
        return []
    columns = [[getattr(part, name) for part in parts] for name in Lane._fields]
    return list(OutboxMessage.objects.raw(_TAKE, [*columns, now]))


def due_lanes(*, now: datetime, limit: int) -> list[Lane]:
    """Return which lanes have something due, the most urgent first. Needs an open transaction."""
    return [Lane(*row) for row in prepared(_DUE, {"now": now, "limit": limit})]


def share(lanes: Collection[Lane], limit: int) -> list[Lane]:
    """Return how many rows each lane gives to a claim of `limit`.

    Urgency is strict. Within one, each lane has an equal share; what a lane does not need is shared by the others.
    """
    parts: list[Lane] = []
    for _, group in groupby(lanes, key=lambda lane: lane.priority):
        fewest_first = sorted(group, key=lambda lane: lane.due)
        for place, lane in enumerate(fewest_first):
            part = min(lane.due, -(-limit // (len(fewest_first) - place)))  # of what is left, by those that are left
            if part > 0:
                parts.append(lane._replace(due=part))
                limit -= part
        if limit <= 0:
            break
    return parts


def waiting_by_lane(*, now: datetime) -> list[tuple[int, int, datetime]]:
    """Return (lane, due messages, the oldest's moment) of the lanes that wait, the longest queue first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lane, count(*), min(next_at) FROM core_outboxmessage"
            " WHERE state IN ('pending', 'unknown') AND next_at <= %s GROUP BY lane ORDER BY 2 DESC, 1",
            [now],
        )
        return cursor.fetchall()
