"""Which friends are to be passed on through the platform, and to whom: planned with the handover, or for one by hand.

What of it the platform does: `transfers`. Of people who still work here it moves a customer twice in 90 days at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from crm.members.models import FriendLink, FriendTransfer
from guides.org.models import Staff
from yejibao.core.errors import Conflict
from yejibao.wecom import transfers as platform

State = FriendTransfer.State
ON_JOB_TIMES, ON_JOB_SPAN = 2, timedelta(days=90)
PLATFORM_HOURS = 24  # how long the platform waits for the customer

# Of a relation `f`: it may not be passed on a third time in 90 days (%(since)s); another transfer of the customer runs.
MOVED_TWICE = """(SELECT count(*) >= 2 FROM crm_friendtransfer b WHERE b.external_user_id = f.external_user_id
    AND NOT b.is_resigned AND b.asked_at > %(since)s AND b.state <> 'failed')"""
UNDER_WAY = """EXISTS (SELECT 1 FROM crm_friendtransfer b WHERE b.external_user_id = f.external_user_id
    AND b.state IN ('asked', 'waiting') AND b.link_id <> f.id)"""


class MovedTwice(Conflict):
    code, title = "transfer.too_often", _("90 天内已经换过两次导购，企业微信不让再换")


def plan(
    links: Sequence[int], *, taker: Staff, is_resigned: bool, now: datetime, handover_id: int | None = None
) -> int:
    """Plan the transfer of friends to a colleague; one that is under way stays as it is. Returns how many were planned.

    Raises MovedTwice where one of them has been moved twice in 90 days by people who still work here.
    """
    if not is_resigned:
        _check_span(links, now)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO crm_friendtransfer (link_id, giver_id, taker_id, handover_id, external_user_id, is_resigned, state,
                planned_at, next_at)
            SELECT f.id, f.guide_id, %(taker)s, %(handover)s, f.external_user_id, %(resigned)s, 'planned', %(now)s, %(now)s
            FROM crm_friendlink f
            WHERE f.id = ANY(%(links)s) AND f.ended_at IS NULL AND f.state IN ('friend', 'pending_transfer')
            ORDER BY f.id
            ON CONFLICT (link_id) WHERE state IN ('planned', 'asked', 'waiting') DO NOTHING
            """,
            {"links": list(links), "taker": taker.pk, "handover": handover_id, "resigned": is_resigned, "now": now},
        )
        planned: int = cursor.rowcount
    return planned


def _check_span(links: Sequence[int], now: datetime) -> None:
    people = FriendLink.objects.filter(pk__in=links).values("external_user_id")
    moved = (
        FriendTransfer.objects.filter(external_user_id__in=people, is_resigned=False, asked_at__gt=now - ON_JOB_SPAN)
        .exclude(state=State.FAILED)
        .values("external_user_id")
        .annotate(times=Count("pk"))
        .filter(times__gte=ON_JOB_TIMES)
    )
    if moved.exists():
        raise MovedTwice()


def plan_handover(handover_id: int, *, heir_id: int | None, now: datetime) -> dict[str, int]:
    """Plan the transfers of a handover whose members have just got their new guides. Returns counts by state.

    A friend goes where his member went; one nobody knows to the heir, but stays with a guide who only changed the store. Of
    people who still work here: who is the taker's friend already stays untouched, who was moved twice in 90 days is noted
    as refused by the platform, so that the manager sees him. While another transfer of his runs, ours waits for its end.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH h AS (SELECT * FROM crm_guidehandover WHERE id = %(handover)s), wanted AS (
                SELECT f.id, f.guide_id, f.external_user_id, who.id AS taker_id, h.reason = 'resigned' AS is_resigned,
                    h.reason <> 'resigned' AND {MOVED_TWICE} AS moved_twice,
                    (SELECT max(b.asked_at) FROM crm_friendtransfer b WHERE b.external_user_id = f.external_user_id
                        AND b.state IN ('asked', 'waiting') AND b.link_id <> f.id) AS other_asked_at
                FROM h JOIN crm_friendlink f ON f.guide_id = h.guide_id AND f.ended_at IS NULL
                    AND f.state IN ('friend', 'pending_transfer')
                LEFT JOIN crm_member m ON m.id = f.member_id
                CROSS JOIN LATERAL (SELECT coalesce(
                    (SELECT s.id FROM guides_staff s WHERE s.id = m.owner_guide_id
                        AND s.state IN ('active', 'leave', 'transferred') AND s.store_id IS NOT NULL
                        AND (s.id <> h.guide_id OR h.reason = 'moved_store')),
                    CASE WHEN h.reason <> 'moved_store' THEN %(heir)s::bigint END) AS id) who
                WHERE who.id <> h.guide_id AND (h.reason = 'resigned' OR NOT EXISTS (
                    SELECT 1 FROM crm_friendlink his WHERE his.guide_id = who.id AND his.external_user_id = f.external_user_id
                        AND his.state = 'friend' AND his.ended_at IS NULL))
            ), planned AS (
                INSERT INTO crm_friendtransfer (link_id, giver_id, taker_id, handover_id, external_user_id, is_resigned, state,
                    code, planned_at, settled_at, next_at)
                SELECT id, guide_id, taker_id, %(handover)s, external_user_id, is_resigned,
                    CASE WHEN moved_twice THEN 'failed' ELSE 'planned' END, CASE WHEN moved_twice THEN %(too_often)s END, %(now)s,
                    CASE WHEN moved_twice THEN %(now)s::timestamptz END,
                    CASE WHEN NOT moved_twice THEN greatest(%(now)s, other_asked_at + %(hours)s * interval '1 hour') END
                FROM wanted ORDER BY id
                ON CONFLICT (link_id) WHERE state IN ('planned', 'asked', 'waiting') DO NOTHING
                RETURNING link_id, state
            ), marked AS (
                UPDATE crm_friendlink f SET state = 'pending_transfer' FROM planned p WHERE f.id = p.link_id AND p.state = 'planned'
            )
            SELECT state, count(*) FROM planned GROUP BY state
            """,
            {
                "handover": handover_id, "heir": heir_id, "now": now, "since": now - ON_JOB_SPAN, "hours": PLATFORM_HOURS,
                "too_often": platform.TOO_OFTEN,
            },
        )  # fmt: skip
        return dict(cursor.fetchall())


def plan_again(ids: Sequence[int], *, taker_id: int, now: datetime) -> int:
    """Plan transfers that did not succeed once more, to the same or another taker. Returns how many were planned.

    A customer who refused is asked again after the platform's day. A third time within 90 days nobody can be moved: that is
    noted as the platform's answer would be.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH planned AS (
                INSERT INTO crm_friendtransfer (link_id, giver_id, taker_id, handover_id, external_user_id, is_resigned, state,
                    code, planned_at, settled_at, next_at)
                SELECT f.id, old.giver_id, %(taker)s, old.handover_id, f.external_user_id, old.is_resigned, CASE WHEN twice.no THEN 'failed' ELSE 'planned' END,
                    CASE WHEN twice.no THEN %(too_often)s END, %(now)s, CASE WHEN twice.no THEN %(now)s::timestamptz END,
                    CASE WHEN NOT twice.no THEN greatest(%(now)s, CASE WHEN old.state = 'refused' THEN old.asked_at + %(hours)s * interval '1 hour' END) END
                FROM crm_friendtransfer old JOIN crm_friendlink f ON f.id = old.link_id
                CROSS JOIN LATERAL (SELECT NOT old.is_resigned AND {MOVED_TWICE} AS no) twice
                WHERE old.id = ANY(%(ids)s) ORDER BY old.id
                ON CONFLICT (link_id) WHERE state IN ('planned', 'asked', 'waiting') DO NOTHING
                RETURNING link_id, state
            )
            UPDATE crm_friendlink f SET state = 'pending_transfer', ended_at = NULL
            FROM planned p WHERE f.id = p.link_id AND p.state = 'planned'
            """,
            {
                "ids": list(ids), "taker": taker_id, "now": now, "since": now - ON_JOB_SPAN, "hours": PLATFORM_HOURS,
                "too_often": platform.TOO_OFTEN,
            },
        )  # fmt: skip
        planned: int = cursor.rowcount
    return planned
