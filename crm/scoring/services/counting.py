"""Purchase days, node, life-cycle stage and level of members (models.yaml lifecycle, purchase_node, member_level).

Set-based: at once for members whose orders changed, each night for everybody by ranges of ids. Only rows whose values
differ are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from crm.benefits.services import LevelStep, note_levels
from crm.members.models import Member
from crm.members.services import lock_members
from crm.scoring.config import Config, config
from crm.scoring.models import ScoringRun
from crm.scoring.services.runs import advance_run, finish_run, take_run
from yejibao.core import clock

COUNTED = ("purchase_count", "purchase_node", "lifecycle_stage", "last_purchase_on", "spend_365_fen", "spend_180_fen")

# A purchase (models.yaml common.purchase); `o` is the order, `m` its member, :as_of the day of the run.
PURCHASE = """
    o.known_at IS NOT NULL AND o.status = 'paid' AND o.net_amount_fen > 0 AND o.kind = ANY(%(kinds)s)
    AND NOT m.is_employee AND NOT m.is_test"""

_WANTED = f"""
    WITH days AS (
        SELECT m.id, count(DISTINCT o.paid_on) AS purchase_count, max(o.paid_on) AS last_purchase_on,
               coalesce(sum(o.net_amount_fen)
                        FILTER (WHERE o.paid_on >= %(as_of)s - %(year_days)s), 0) AS spend_365_fen,
               coalesce(sum(o.net_amount_fen)
                        FILTER (WHERE o.paid_on >= %(as_of)s - %(level_days)s), 0) AS spend_180_fen
        FROM crm_member m
        LEFT JOIN crm_order o ON o.member_id = m.id AND o.paid_on <= %(as_of)s AND {PURCHASE}
        WHERE {{which}} GROUP BY m.id
    ), wanted AS (
        SELECT id, purchase_count, last_purchase_on, spend_365_fen, spend_180_fen,
               CASE WHEN purchase_count = 0 THEN 'none' WHEN purchase_count = 1 THEN 'first'
                    WHEN purchase_count < %(loyal_from)s THEN 'repeat' ELSE 'loyal' END AS purchase_node,
               CASE WHEN purchase_count = 0 THEN 'potential'
                    WHEN %(as_of)s - last_purchase_on <= %(active_days)s
                    THEN CASE WHEN purchase_count = 1 THEN 'new' ELSE 'active' END
                    WHEN %(as_of)s - last_purchase_on <= %(dormant_days)s THEN 'dormant'
                    ELSE 'churned' END AS lifecycle_stage,
               (SELECT key FROM unnest(%(levels)s::text[], %(floors)s::bigint[]) AS l(key, floor)
                WHERE floor <= spend_180_fen ORDER BY floor DESC LIMIT 1) AS earned
        FROM days
    ), scored AS (
        SELECT w.*, m.member_level AS level_before,
               CASE WHEN w.earned > m.member_level THEN w.earned
                    WHEN m.id = ANY(%(refunded)s::bigint[]) AND w.earned < m.member_level
                         AND m.spend_180_fen >= own.floor
                         AND %(as_of)s - (m.level_reached_at AT TIME ZONE 'Asia/Shanghai')::date <= %(refund_days)s
                    THEN w.earned
                    ELSE m.member_level END AS member_level
        FROM wanted w JOIN crm_member m ON m.id = w.id
        LEFT JOIN unnest(%(levels)s::text[], %(floors)s::bigint[]) AS own(key, floor) ON own.key = m.member_level
    )"""
_DIFFERS = """
    (m.purchase_count, m.purchase_node, m.lifecycle_stage, m.last_purchase_on, m.spend_365_fen, m.spend_180_fen,
     m.member_level)
    IS DISTINCT FROM (s.purchase_count, s.purchase_node, s.lifecycle_stage, s.last_purchase_on, s.spend_365_fen,
                      s.spend_180_fen, s.member_level)"""
_UPDATE = f"""
    UPDATE crm_member m SET
        purchase_count = s.purchase_count, purchase_node = s.purchase_node, lifecycle_stage = s.lifecycle_stage,
        last_purchase_on = s.last_purchase_on, spend_365_fen = s.spend_365_fen, spend_180_fen = s.spend_180_fen,
        member_level = s.member_level,
        level_reached_at = CASE WHEN s.member_level = m.member_level THEN m.level_reached_at ELSE %(now)s END,
        level_valid_until = CASE WHEN s.member_level = m.member_level THEN m.level_valid_until
                                 WHEN s.member_level = %(lowest)s THEN NULL
                                 ELSE %(as_of)s + %(level_days)s END
    FROM scored s WHERE m.id = s.id AND {_DIFFERS}
    RETURNING m.id, s.level_before, m.member_level, m.spend_180_fen, m.level_valid_until"""


def _facts(rules: Config, as_of: date) -> dict[str, Any]:
    return {
        "as_of": as_of,
        "kinds": list(rules.purchase_kinds),
        "active_days": rules.active_days,
        "dormant_days": rules.dormant_days,
        "year_days": rules.year_days,
        "level_days": rules.level_days,
        "refund_days": rules.refund_days,
        "loyal_from": rules.loyal_from,
        "levels": [level.key for level in rules.levels],
        "floors": [level.min_fen for level in rules.levels],
        "lowest": rules.lowest.key,
        "refunded": [],
    }


@transaction.atomic
def recount_members(
    member_ids: Iterable[int], *, as_of: date, now: datetime | None = None, refunded: Collection[int | None] = ()
) -> int:
    """Count these members again, as of the end of a local day; return how many rows changed.

    A level rises at once; it falls back at once only for `refunded` members, whose money went back, and only if it was
    reached in the last 30 days. `now` stamps a new level (default: the clock).
    """
    ids = lock_members(member_ids)
    if not ids:
        return 0
    facts = _facts(config(), as_of) | {"ids": ids, "now": now or clock.now(), "refunded": [pk for pk in refunded if pk]}
    with connection.cursor() as cursor:
        cursor.execute(_WANTED.format(which="m.id = ANY(%(ids)s)") + _UPDATE, facts)
        changed = cursor.fetchall()
    note_levels(
        [
            LevelStep(pk, before, after, "upgrade" if after > before else "refund", fen, valid_until)
            for pk, before, after, fen, valid_until in changed
            if after != before
        ],
        now=facts["now"],
    )
    return len(changed)


def recount_all(*, as_of: date, now: datetime, budget: timedelta, batch: int = 20_000) -> dict[str, int]:
    """Count everybody by ranges of ids; a run that was stopped goes on where it was, a finished one does nothing.

    Looks first and locks only those whose values differ: a night without purchases moves a few stages, not every row.
    """
    deadline = clock.monotonic() + budget.total_seconds()
    tally = {"members": 0, "changed": 0, "is_finished": 0}
    while clock.monotonic() < deadline:
        with transaction.atomic():
            run = take_run("purchase_node", as_of=as_of, now=now)
            if run is None:
                break
            following = Member.objects.filter(pk__gt=run.cursor).order_by("pk")[:batch]
            last = following.aggregate(last=Max("pk"))["last"]
            if last is None:
                finish_run(run, now=now)
                tally["is_finished"] = 1
                break
            facts = _facts(config(), as_of) | {"low": run.cursor, "high": last}
            with connection.cursor() as cursor:
                which = "m.id > %(low)s AND m.id <= %(high)s"
                cursor.execute(
                    _WANTED.format(which=which)
                    + f"SELECT s.id FROM scored s JOIN crm_member m ON m.id = s.id WHERE {_DIFFERS}",
                    facts,
                )
                differing = [pk for (pk,) in cursor.fetchall()]
            changed = recount_members(differing, as_of=as_of, now=now)
            tally["changed"] += changed
            tally["members"] += last - run.cursor
            advance_run(run, cursor=last, changed=changed)
    return tally


@transaction.atomic
def settle_levels(*, as_of: date, now: datetime, batch: int = 5_000) -> dict[str, int]:
    """Renew or lower the levels whose validity ended by the end of a local day (member_level keep, downgrade).

    Renewed for 180 days if the last 180 days still carry the level; else one level down, for 180 days.
    """
    rules = config()
    tally = {"renewed": 0, "lowered": 0}
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH ending AS (
                    SELECT m.id, m.member_level, m.level_valid_until FROM crm_member m
                    WHERE m.level_valid_until <= %(as_of)s ORDER BY m.id LIMIT %(batch)s FOR NO KEY UPDATE
                ), spent AS (
                    SELECT e.id, e.member_level, e.level_valid_until AS ended_on,
                           coalesce(sum(o.net_amount_fen), 0) AS fen
                    FROM ending e JOIN crm_member m ON m.id = e.id
                    LEFT JOIN crm_order o ON o.member_id = e.id AND o.paid_on <= e.level_valid_until
                         AND o.paid_on >= e.level_valid_until - %(level_days)s AND {PURCHASE}
                    GROUP BY e.id, e.member_level, e.level_valid_until
                ), decided AS (
                    SELECT s.id, s.ended_on, s.fen, s.member_level AS level_before, s.fen >= l.floor AS is_kept,
                           CASE WHEN s.fen >= l.floor THEN s.member_level ELSE l.below END AS level
                    FROM spent s
                    JOIN unnest(%(levels)s::text[], %(floors)s::bigint[], %(below)s::text[]) AS l(key, floor, below)
                         ON l.key = s.member_level
                )
                UPDATE crm_member m SET member_level = d.level,
                       level_reached_at = CASE WHEN d.is_kept THEN m.level_reached_at ELSE %(now)s END,
                       level_valid_until = CASE WHEN d.level = %(lowest)s THEN NULL ELSE d.ended_on + %(level_days)s END
                FROM decided d WHERE m.id = d.id
                RETURNING m.id, d.level_before, d.level, d.is_kept, d.fen, m.level_valid_until
                """,
                _facts(rules, as_of) | {"now": now, "batch": batch, "below": [level.below for level in rules.levels]},
            )
            settled = cursor.fetchall()
        kept = [is_kept for _, _, _, is_kept, _, _ in settled]
        note_levels(
            [
                LevelStep(pk, before, after, "renewed" if is_kept else "lowered", fen, valid_until)
                for pk, before, after, is_kept, fen, valid_until in settled
            ],
            now=now,
        )
        tally["renewed"] += sum(kept)
        tally["lowered"] += len(kept) - sum(kept)
        if len(kept) < batch:
            break
    run, _ = ScoringRun.objects.get_or_create(
        model="member_level", as_of=as_of, defaults={"started_at": now, "config_version": rules.version}
    )
    run.counts = {name: run.counts.get(name, 0) + count for name, count in tally.items()}
    run.finished_at = now
    run.save(update_fields=["counts", "finished_at"])
    return tally
