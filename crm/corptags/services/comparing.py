"""The comparison of all friends, nightly or when the groups have changed: what no event told of comes right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Max, Min

from crm.members.models import FriendLink
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wecom.syncing import runs
from yejibao.wecom.syncing.models import SyncRun
from yejibao.wecom.syncing.runs import Fetched

from ..queries import WANTED, is_on, said_sources
from .following import AGAIN, COLUMNS, READ, SOME_TIME

KIND = SyncRun.Kind.MARKS
A_PART = 20_000  # ids of relations
NIGHTS = 7  # of a company with very many friends a seventh is compared each night
MANY_PARTS = 70

_DIFFERS = f"""
WITH mine AS (
    SELECT f.id, f.member_id, f.corp_tag_ids FROM crm_friendlink f JOIN crm_member m ON m.id = f.member_id
    WHERE f.id >= %(first)s AND f.id < %(past)s AND f.state = 'friend' AND m.owner_guide_id = f.guide_id
), wanted AS (
    {WANTED.format(members="IN (SELECT member_id FROM mine)")}
), held AS (
    SELECT f.id, array_agg(c.tag_id ORDER BY c.tag_id) AS ids FROM mine f CROSS JOIN LATERAL unnest(f.corp_tag_ids) AS u(tag)
    JOIN crm_corptag c ON c.tag_id = u.tag AND c.value_id IS NOT NULL AND c.gone_at IS NULL GROUP BY f.id
)
{COLUMNS}
SELECT f.id, '{{}}', 0, %(priority)s, %(now)s, 0, 0, NULL
FROM mine f LEFT JOIN wanted w ON w.member_id = f.member_id LEFT JOIN held h ON h.id = f.id
WHERE coalesce(w.ids, '{{}}') <> coalesce(h.ids, '{{}}') ORDER BY f.id
{AGAIN}
"""


def start_comparison(*, now: datetime, actor: Actor, is_full: bool = True) -> SyncRun | None:
    """Begin to compare all friends' tags, or (not `is_full`) tonight's share of very many. None where nothing is mapped."""
    if not is_on():
        return None
    ends = FriendLink.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return None
    parts = [f"{start}-{start + A_PART}" for start in range(ends["first"], ends["last"] + 1, A_PART)]
    if not is_full and len(parts) > MANY_PARTS:
        parts = parts[clock.local_day(now).toordinal() % NIGHTS :: NIGHTS]
    return runs.begin(KIND, parts, now=now, actor_id=actor.staff_id, size=1)


def compare_after_making(*, now: datetime) -> SyncRun | None:
    """Begin a comparison where the last sweep made tags that some members had values for all along."""
    made = SyncRun.objects.filter(kind=SyncRun.Kind.TAGS).order_by("-started_at", "-pk").first()
    if made is None or made.finished_at is None or not made.counts.get("made"):
        return None
    if SyncRun.objects.filter(kind=KIND, started_at__gte=made.finished_at).exists():
        return None
    return start_comparison(now=now, actor=Actor.system())


def compare(*, now: datetime | None = None, seconds: float = 50.0) -> dict[str, int]:
    """Go on with the comparison that runs. Returns counts; what differs is due, and settled by whoever settles friends."""
    run = SyncRun.objects.filter(kind=KIND, state=SyncRun.State.RUNNING).first()
    if run is None:
        return {}
    sweep = runs.Sweep(
        run,
        fetch=lambda keys, _cursor: Fetched(list(keys), ""),
        apply=partial(_compare, now=now or clock.now()),
        finish=lambda _part: {},
        at_once=1,
    )
    return sweep.go(seconds=seconds, now=now)


def _compare(ranges: Sequence[str], *, now: datetime) -> dict[str, int]:
    tally: Counter[str] = Counter()
    for one in ranges:
        first, _, past = one.partition("-")
        where: dict[str, Any] = {"first": int(first), "past": int(past), "now": now, "priority": SOME_TIME}
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM crm_friendlink WHERE id >= %(first)s AND id < %(past)s AND state = 'friend'",
                where,
            )
            tally["friends"] += cursor.fetchone()[0]
            cursor.execute(READ.format(which="f.id >= %(first)s AND f.id < %(past)s"), where)
            tally["unheard"] += cursor.rowcount
            cursor.execute(_DIFFERS, where | {"said": said_sources()})
            tally["differ"] += cursor.rowcount
    return dict(tally)
