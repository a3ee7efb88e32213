"""The plan of a handover: who takes over whom, worked out by the database for any number of members.

A plan is a choice, not a list: which colleagues take part, and what goes to one of them whole. Whom each member gets follows
from it in one statement, so a plan never grows stale: shown, changed or confirmed, it is about the members of that moment.
Whoever is a colleague's friend already, or bought from him, goes to him; the others are dealt out, the best first, so that
everybody ends with an even share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from crm.members.models import GuideHandover
from crm.members.services.passing_on import MOVED_TWICE, ON_JOB_SPAN, UNDER_WAY
from yejibao.core import tunables

TIERS = ("core", "potential", "common", "lapsed", "unconsumed")  # models.yaml: tier_631, the best first
# Friends a person may have unless the company asked for more (domain README, platform facts).
ROOM = tunables.number(
    "friends-room", group="好友", name="一位导购最多加多少好友", unit="位", default=5_000, least=1_000, most=20_000,
    why="企业向企业微信申请过提额的才改；交接方案按它提醒装不下",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Who takes part, which groups (tiers) and which members go whole to one. To the leaver herself: they go along."""

    takers: tuple[int, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, handover: GuideHandover) -> Plan | None:
        """Return the plan as last saved; None where nobody has saved one."""
        kept = handover.plan
        if not kept:
            return None
        return cls(
            tuple(kept.get("takers", ())),
            dict(kept.get("groups", {})),
            {int(pk): taker for pk, taker in kept.get("members", {}).items()},
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "takers": list(self.takers),
            "groups": dict(self.groups),
            "members": {str(k): v for k, v in self.members.items()},
        }

    @property
    def people(self) -> set[int]:
        """Everybody the plan names."""
        return {*self.takers, *self.groups.values(), *self.members.values()}

    @property
    def heir_id(self) -> int | None:
        """Who gets what belongs to no group: closed cards, friends nobody knows."""
        return next(iter(self.takers), None) or next(iter(self.groups.values()), None)


_RANK = "array_position(%(tiers)s::text[], {}.tier_631)"

# mine -> what is fixed -> whom a taker knows -> the rest in even shares. One row a member: (id, tier, is_active, taker, why).
ASSIGNED = f"""
mine AS MATERIALIZED (
    SELECT m.id, m.tier_631 AS tier, {_RANK.format("m")} AS rank, m.member_level AS level, m.status = 'active' AS is_active
    FROM crm_member m WHERE m.owner_guide_id = %(guide)s
), takers AS MATERIALIZED (
    SELECT t.id, t.place, (SELECT count(*) FROM crm_member o WHERE o.owner_guide_id = t.id AND o.status = 'active') AS load
    FROM unnest(%(takers)s::bigint[]) WITH ORDINALITY AS t(id, place)
), fixed AS MATERIALIZED (
    SELECT mine.id, coalesce(one.taker, its.taker, CASE WHEN NOT mine.is_active THEN %(heir)s::bigint END) AS taker
    FROM mine
    LEFT JOIN unnest(%(members)s::bigint[], %(member_takers)s::bigint[]) AS one(id, taker) ON one.id = mine.id
    LEFT JOIN unnest(%(groups)s::text[], %(group_takers)s::bigint[]) AS its(tier, taker)
        ON its.tier = mine.tier AND mine.is_active
), known AS MATERIALIZED (
    SELECT DISTINCT ON (k.id) k.id, k.taker, k.why FROM (
        SELECT mine.id, fl.guide_id AS taker, 'friend' AS why, fl.added_at AS at
        FROM mine JOIN crm_friendlink fl ON fl.member_id = mine.id
        WHERE fl.guide_id = ANY(%(takers)s) AND fl.state = 'friend' AND fl.ended_at IS NULL
        UNION ALL
        SELECT mine.id, o.guide_id, 'served', o.paid_at FROM mine JOIN crm_order o ON o.member_id = mine.id
        WHERE o.guide_id = ANY(%(takers)s) AND o.status = 'paid'
    ) k ORDER BY k.id, k.why, k.at DESC
), settled AS MATERIALIZED (
    SELECT f.id, coalesce(f.taker, k.taker) AS taker, CASE WHEN f.taker IS NOT NULL THEN 'fixed' ELSE k.why END AS why
    FROM fixed f LEFT JOIN known k ON k.id = f.id
), rest AS (
    SELECT s.id, row_number() OVER (ORDER BY mine.rank, mine.level DESC, mine.id) AS place
    FROM settled s JOIN mine ON mine.id = s.id WHERE s.taker IS NULL
), seats AS (
    SELECT t.id AS taker, row_number() OVER (ORDER BY coalesce(has.number, 0) + n.number, t.load, t.place) AS place
    FROM takers t
    LEFT JOIN (SELECT taker, count(*) AS number FROM settled GROUP BY taker) has ON has.taker = t.id
    CROSS JOIN generate_series(1, (SELECT count(*)::int FROM rest)) AS n(number)
), assigned AS (
    SELECT mine.id, mine.tier, mine.is_active, coalesce(s.taker, seats.taker) AS taker, coalesce(s.why, 'share') AS why
    FROM mine JOIN settled s ON s.id = mine.id
    LEFT JOIN rest ON rest.id = mine.id LEFT JOIN seats ON seats.place = rest.place
)
"""


def facts_of(handover: GuideHandover, plan: Plan) -> dict[str, Any]:
    """Return the parameters of ASSIGNED."""
    return {
        "guide": handover.guide_id,
        "takers": list(plan.takers),
        "heir": plan.heir_id,
        "tiers": list(TIERS),
        "groups": list(plan.groups),
        "group_takers": list(plan.groups.values()),
        "members": list(plan.members),
        "member_takers": list(plan.members.values()),
    }


@dataclass(frozen=True)
class Share:
    """How many active members of a group go to one person, and how many of these he knows already."""

    tier: str
    taker_id: int | None
    count: int
    known: int


def shares_of(handover: GuideHandover, plan: Plan) -> list[Share]:
    """Return who would get how many of which group, with one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH {ASSIGNED}
            SELECT tier, taker, count(*), count(*) FILTER (WHERE why IN ('friend', 'served'))
            FROM assigned WHERE is_active GROUP BY tier, taker ORDER BY array_position(%(tiers)s::text[], tier), taker
            """,
            facts_of(handover, plan),
        )
        return [Share(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class Limits:
    """What the platform will do with her WeCom friends, seen beforehand. Each counts customers."""

    friends: int  # her friends on the platform
    movable: int  # those it passes on at once
    moved_twice: int  # it passes on nobody a third time within 90 days (of people who still work here)
    allowed_from: datetime | None  # when the first of these may be moved again
    under_way: int  # a transfer of his runs already; ours waits for its 24 hours
    strangers: int  # friends no till knows
    without_friend: int  # her members who are no friends of hers: there is nothing to pass on, a phone call remains


def limits_of(handover: GuideHandover, *, now: datetime) -> Limits:
    """Return the platform's limits for all friends of the leaver, with one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH hers AS MATERIALIZED (
                SELECT f.external_user_id, f.member_id, NOT %(resigned)s AND {MOVED_TWICE} AS moved_twice, {UNDER_WAY} AS under_way
                FROM crm_friendlink f
                WHERE f.guide_id = %(guide)s AND f.ended_at IS NULL AND f.state IN ('friend', 'pending_transfer')
            )
            SELECT count(*), count(*) FILTER (WHERE NOT moved_twice AND NOT under_way), count(*) FILTER (WHERE moved_twice),
                (SELECT min(second.asked_at) FROM (
                    SELECT (array_agg(t.asked_at ORDER BY t.asked_at DESC))[2] AS asked_at FROM crm_friendtransfer t
                    WHERE t.external_user_id IN (SELECT external_user_id FROM hers WHERE moved_twice)
                      AND NOT t.is_resigned AND t.asked_at > %(since)s AND t.state <> 'failed' GROUP BY t.external_user_id) second),
                count(*) FILTER (WHERE under_way AND NOT moved_twice), count(*) FILTER (WHERE member_id IS NULL),
                (SELECT count(*) FROM crm_member m WHERE m.owner_guide_id = %(guide)s AND m.status = 'active'
                    AND NOT EXISTS (SELECT 1 FROM hers WHERE hers.member_id = m.id))
            FROM hers
            """,
            {"guide": handover.guide_id, "resigned": handover.is_resigned, "since": now - ON_JOB_SPAN},
        )
        friends, movable, twice, second, under_way, strangers, without = cursor.fetchone()
    return Limits(friends, movable, twice, second + ON_JOB_SPAN if second else None, under_way, strangers, without)


def give_members(handover: GuideHandover, plan: Plan, *, now: datetime) -> tuple[dict[int, int], int]:
    """Move the members as the plan says, with a row for each; return how many each new guide got, and how many went along.

    One statement. Who goes along keeps his guide and gets her new store as his main store.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH {ASSIGNED}, given AS (
                UPDATE crm_member m SET owner_guide_id = a.taker, main_store_id = CASE WHEN a.taker = %(guide)s
                    THEN coalesce((SELECT s.store_id FROM guides_staff s WHERE s.id = %(guide)s), m.main_store_id)
                    ELSE m.main_store_id END
                FROM assigned a WHERE m.id = a.id AND a.taker IS NOT NULL RETURNING m.id, m.owner_guide_id
            ), kept AS (
                INSERT INTO crm_ownershiptransfer (member_id, from_guide_id, to_guide_id, reason, handover_id, at)
                SELECT id, %(guide)s, owner_guide_id, CASE WHEN owner_guide_id = %(guide)s THEN 'moved_along' ELSE %(reason)s END,
                    %(handover)s, %(now)s
                FROM given RETURNING to_guide_id
            )
            SELECT to_guide_id, count(*) FROM kept GROUP BY to_guide_id
            """,
            facts_of(handover, plan) | {"reason": handover.reason, "handover": handover.pk, "now": now},
        )
        moved = dict(cursor.fetchall())
    along = moved.pop(handover.guide_id, 0)
    return moved, along


def friend_counts(staff_ids: Sequence[int]) -> dict[int, int]:
    """Return how many friends each person has, for the platform's ceiling."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT guide_id, count(*) FROM crm_friendlink WHERE guide_id = ANY(%s) AND ended_at IS NULL "
            "AND state = 'friend' GROUP BY guide_id",
            [list(staff_ids)],
        )
        return dict(cursor.fetchall())
