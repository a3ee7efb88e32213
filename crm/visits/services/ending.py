"""What ends by itself: who did not come, who never answered, stores that closed; and whose a visit is when guides change. Set-based."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from crm.events import VisitChanged
from crm.members.models import OwnershipTransfer
from crm.visits.models import Visit
from yejibao.core import clock, outbox

from .pieces import let_go

AT_ONCE = 1000
CLOSED = "门店停业了"
UNCONFIRMED = "没来得及跟您定下来，请再约一个时间"

# A visit is over when its store closes that evening; one that stands for a store that has closed for good, at once.
_END = """
WITH due AS (
    SELECT v.id, v.state = 'asked' AS is_asked, s.closed_on IS NOT NULL AND v.day >= s.closed_on AS is_closed FROM crm_visit v JOIN guides_store s ON s.id = v.store_id
    WHERE v.state IN ('planned', 'asked', 'invited', 'accepted')
      AND ((v.day + s.closes_at) AT TIME ZONE 'Asia/Shanghai' <= %(now)s OR s.closed_on <= %(today)s AND v.day >= s.closed_on)
    ORDER BY v.id LIMIT %(most)s FOR UPDATE OF v SKIP LOCKED
), ended AS (
    UPDATE crm_visit v SET closed_at = %(now)s, reason = CASE WHEN d.is_closed THEN %(closed)s WHEN d.is_asked THEN %(unconfirmed)s ELSE '' END,
        state = CASE WHEN d.is_closed THEN 'cancelled' WHEN v.state = 'accepted' THEN 'no_show'
                     WHEN v.state IN ('planned', 'asked') THEN 'cancelled' ELSE 'no_answer' END
    FROM due d WHERE v.id = d.id RETURNING v.id, v.state, v.reason
)
INSERT INTO crm_visitstep (visit_id, state, at, is_member, words)
SELECT id, state, %(now)s, false, reason FROM ended ORDER BY id RETURNING visit_id
"""


def end_past(*, now: datetime) -> dict[str, int]:
    """End visits whose evening has come, some thousand at a time. Each ten minutes; safe to run twice."""
    ended = 0
    while batch := _end_batch(now):
        ended += batch
        if batch < AT_ONCE:
            break
    return {"visits_ended": ended}


@transaction.atomic
def _end_batch(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _END,
            {"now": now, "today": clock.local_day(now), "most": AT_ONCE, "closed": CLOSED, "unconfirmed": UNCONFIRMED},
        )
        ids = [pk for (pk,) in cursor.fetchall()]
    let_go(ids, now=now)
    outbox.publish_many(VisitChanged(pk) for pk in ids)
    return len(ids)


@transaction.atomic
def follow_owners(member_ids: Sequence[int]) -> int:
    """A member has another guide: open visits go along, so that somebody stands there for him. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH hit AS (
                SELECT v.id, m.owner_guide_id FROM crm_visit v JOIN crm_member m ON m.id = v.member_id
                WHERE v.member_id = ANY(%(ids)s) AND v.state IN ('planned', 'asked', 'invited', 'accepted')
                  AND m.owner_guide_id IS NOT NULL AND v.guide_id IS DISTINCT FROM m.owner_guide_id
                ORDER BY v.id FOR UPDATE OF v
            )
            UPDATE crm_visit v SET guide_id = h.owner_guide_id FROM hit h WHERE v.id = h.id
            """,
            {"ids": sorted(set(member_ids))},
        )
        return cursor.rowcount


def follow_handovers(handover_ids: Sequence[int]) -> int:
    """The members of somebody who left, or changed the store, have new guides: their visits go along. Returns how many."""
    moved = OwnershipTransfer.objects.filter(handover__in=handover_ids)
    return follow_owners(list(moved.values_list("member_id", flat=True).distinct()))


@transaction.atomic
def end_of_members(member_ids: Sequence[int], *, now: datetime, reason: str) -> int:
    """Call off the open visits of members who closed their card or want to be left alone; what they agreed to or asked for stays theirs."""
    rows = Visit.objects.open().filter(member__in=member_ids).order_by("pk").select_for_update()
    own = (Visit.State.ACCEPTED, Visit.State.ASKED)
    ids = [row.pk for row in rows if row.state not in own or reason == "closed"]
    Visit.objects.filter(pk__in=ids).update(state=Visit.State.CANCELLED, closed_at=now, reason="")
    let_go(ids, now=now)
    outbox.publish_many(VisitChanged(pk) for pk in ids)
    return len(ids)
