"""What time and other people do to open tasks: expiry, holds and their release, resignation, rest days. Set-based."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from tasks.cadences import moments
from tasks.cadences.changes import complete_walked
from yejibao.core import clock

from .labels import ON_ITS_PAGE
from .models import Task
from .opening import HANDOVER_HOLD_HOURS
from .people import away, friends, manager, staffed
from .reminders import plan_next
from .services.finishing import finish

_IS_INTRO = "t.task_type = 'handover_intro'"  # what the others wait for


def expire_tasks(*, now: datetime, batch: int = 5000) -> int:
    """Expire open tasks past their end; held ones wait. Completes the cycles that end with it. Returns how many."""
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                WITH old AS (
                    SELECT id FROM tasks_task WHERE state = 'open' AND held_at IS NULL AND expire_at < %(now)s
                    ORDER BY expire_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
                )
                UPDATE tasks_task t SET state = 'expired', closed_at = %(now)s, tell_at = NULL
                FROM old WHERE t.id = old.id RETURNING t.enrollment_id
                """,
                {"now": now, "batch": batch},
            )
            rows = [row[0] for row in cursor.fetchall()]
            complete_walked([pk for pk in rows if pk], now=now)
        total += len(rows)
        if len(rows) < batch:
            return total


def hold_for_tickets(member_ids: Sequence[int], *, now: datetime) -> int:
    """Hold open tasks of steps that wait while a complaint or return ticket of their cycle is open."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tasks_task t SET held_reason = 'aftersale', held_at = %(now)s, tell_at = NULL
            FROM tasks_cadencestep step
            WHERE t.member_id = ANY(%(members)s) AND t.state = 'open' AND t.held_at IS NULL
              AND step.version_id = t.cadence_version_id AND step.key = t.node AND step.held_by_ticket
              AND EXISTS (SELECT 1 FROM crm_ticket tk WHERE tk.member_id = t.member_id AND tk.kind IN ('complaint', 'return')
                AND tk.state NOT IN ('closed', 'rejected', 'cancelled')
                AND (tk.order_id IS NULL OR EXISTS (SELECT 1 FROM tasks_enrollmentcause c
                                                    WHERE c.order_id = tk.order_id AND c.enrollment_id = t.enrollment_id)))
            """,
            {"members": list(member_ids), "now": now},
        )
        return cursor.rowcount


@transaction.atomic
def release_held(*, now: datetime, ticket_days: int = 2) -> dict[str, int]:
    """Release tasks whose hold has ended: two days after the ticket closed, or once the heir has introduced
    himself (nobody to introduce to: at once), after 48 hours in any case.

    After a ticket: due = max(old due, 22:00 of the release date), at most expire_at; past its end -> skipped.
    After a hand-over: due = max(old due, 22:00 a day after the release), expire = max(old, new due + 3 days).
    What somebody works on at this moment is left to the next beat.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH ready AS (
                SELECT t.id, t.due_at AS old_due, t.expire_at, hours.closes_at, t.enrollment_id
                FROM tasks_task t JOIN guides_store hours ON hours.id = t.store_id
                CROSS JOIN LATERAL (
                    SELECT bool_or(tk.state NOT IN ('closed', 'rejected', 'cancelled')) AS is_open, max(tk.closed_at) AS closed_at
                    FROM crm_ticket tk WHERE tk.member_id = t.member_id AND tk.kind IN ('complaint', 'return')
                      AND (tk.order_id IS NULL OR EXISTS (SELECT 1 FROM tasks_enrollmentcause c
                                                    WHERE c.order_id = tk.order_id AND c.enrollment_id = t.enrollment_id))
                ) ticket
                WHERE t.held_at IS NOT NULL AND t.held_reason = 'aftersale' AND t.state = 'open' AND NOT coalesce(ticket.is_open, false)
                  AND coalesce(ticket.closed_at, t.held_at) + %(days)s * interval '1 day' <= %(now)s
                FOR UPDATE OF t SKIP LOCKED
            ), freed AS (
                UPDATE tasks_task t SET held_at = NULL, held_reason = NULL,
                    state = CASE WHEN r.expire_at < %(now)s THEN 'skipped' ELSE 'open' END,
                    closed_reason = CASE WHEN r.expire_at < %(now)s THEN 'aftersale_open' ELSE '' END,
                    closed_at = CASE WHEN r.expire_at < %(now)s THEN %(now)s::timestamptz END,
                    due_at = least(greatest(r.old_due, {moments.at(moments.local_date("%(now)s::timestamptz"), "r.closes_at")}), r.expire_at),
                    tell_at = CASE WHEN r.expire_at < %(now)s THEN NULL ELSE %(now)s::timestamptz END
                FROM ready r WHERE t.id = r.id
                RETURNING t.id, t.state, r.old_due, t.due_at AS new_due, t.enrollment_id
            ), kept AS (
                INSERT INTO tasks_taskmove (task_id, reason, note, old_due_at, new_due_at, at)
                SELECT id, 'aftersale', '', old_due, new_due, %(now)s FROM freed WHERE state = 'open'
            )
            SELECT state, enrollment_id FROM freed
            """,
            {"now": now, "days": ticket_days},
        )
        tickets = cursor.fetchall()
        cursor.execute(
            f"""
            WITH ready AS (
                SELECT t.id, t.due_at AS old_due, t.expire_at AS old_expire, hours.closes_at
                FROM tasks_task t JOIN guides_store hours ON hours.id = t.store_id
                WHERE t.held_at IS NOT NULL AND t.held_reason = 'handover' AND t.state = 'open'
                  AND (t.held_at <= %(now)s - %(hours)s * interval '1 hour' OR NOT EXISTS (
                      SELECT 1 FROM tasks_task i WHERE i.member_id = t.member_id AND i.task_type = 'handover_intro'
                        AND i.state = 'open' AND i.created_at > %(now)s - %(hours)s * interval '1 hour'))
                FOR UPDATE OF t SKIP LOCKED
            ), dated AS (
                SELECT r.*, greatest(r.old_due, {moments.at(moments.local_date("%(now)s::timestamptz") + " + 1", "r.closes_at")}) AS new_due
                FROM ready r
            ), freed AS (
                UPDATE tasks_task t SET held_at = NULL, held_reason = NULL, due_at = d.new_due, tell_at = %(now)s,
                    expire_at = greatest(d.old_expire, d.new_due + interval '3 days')
                FROM dated d WHERE t.id = d.id RETURNING t.id, d.old_due, d.new_due
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_due_at, new_due_at, at)
            SELECT id, 'handover', '', old_due, new_due, %(now)s FROM freed
            """,
            {"now": now, "hours": HANDOVER_HOLD_HOURS},
        )
        handed = cursor.rowcount
    complete_walked([pk for state, pk in tickets if state == "skipped" and pk], now=now)
    return {"aftersale": len(tickets), "handover": handed}


def hold_resigned(staff_id: int, *, now: datetime) -> int:
    """Hold the open tasks of a guide who resigned, overdue ones too, until the heir is named."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tasks_task SET held_reason = 'resigned', held_at = %s, tell_at = NULL "
            "WHERE assignee_id = %s AND state = 'open' AND held_at IS NULL",
            [now, staff_id],
        )
        return cursor.rowcount


def hand_to_heir(handover_id: int, *, now: datetime) -> int:
    """Give the open work of a handover to the new guides, held until they have introduced themselves. Each a recorded act.

    With a member goes what whoever had him before was to do, also where the handover was planned again. What else the
    leaver was to do (for members of others: he was serving or backup) goes to that member's owner, else to the heir; of one
    who only changed the store, what he had in the old one. What waits for a ticket goes on waiting for it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH h AS (SELECT * FROM crm_guidehandover WHERE id = %(handover)s), latest AS (
                SELECT DISTINCT ON (tr.member_id) tr.member_id, tr.from_guide_id, tr.to_guide_id
                FROM crm_ownershiptransfer tr WHERE tr.handover_id = %(handover)s ORDER BY tr.member_id, tr.id DESC
            ), work AS (
                SELECT t.id, t.assignee_id AS old, l.to_guide_id AS heir_id
                FROM latest l JOIN tasks_task t ON t.member_id = l.member_id AND t.assignee_id = l.from_guide_id
                WHERE t.state = 'open' AND l.to_guide_id <> l.from_guide_id
                UNION
                SELECT t.id, t.assignee_id, coalesce(
                    (SELECT o.id FROM guides_staff o WHERE o.id = m.owner_guide_id AND {staffed("o")}), h.heir_id)
                FROM h JOIN tasks_task t ON t.assignee_id = h.guide_id JOIN crm_member m ON m.id = t.member_id
                WHERE t.state = 'open' AND m.owner_guide_id IS DISTINCT FROM h.guide_id
                  AND (h.reason <> 'moved_store' OR t.store_id = h.store_id)
                  AND NOT EXISTS (SELECT 1 FROM latest l WHERE l.member_id = t.member_id)
            ), given AS (
                UPDATE tasks_task t SET assignee_id = heir.id, store_id = coalesce(heir.store_id, t.store_id), tell_at = NULL,
                    held_at = CASE WHEN t.held_reason = 'aftersale' OR {_IS_INTRO} THEN t.held_at ELSE %(now)s END,
                    held_reason = CASE WHEN t.held_reason = 'aftersale' OR {_IS_INTRO} THEN t.held_reason ELSE 'handover' END,
                    owner_guide_id = m.owner_guide_id,
                    channel = CASE WHEN {friends("t.member_id", "heir.id")} THEN 'wecom_message'
                                   WHEN m.phone_consent THEN 'manual_call' ELSE t.channel END
                FROM work w JOIN guides_staff heir ON heir.id = w.heir_id, crm_member m
                WHERE t.id = w.id AND m.id = t.member_id AND heir.id <> w.old
                RETURNING t.id, w.old, heir.id AS new
            ), along AS (   -- who stayed with her is her work in the new store
                UPDATE tasks_task t SET store_id = s.store_id FROM latest l JOIN guides_staff s ON s.id = l.to_guide_id
                WHERE l.to_guide_id = l.from_guide_id AND t.member_id = l.member_id AND t.assignee_id = s.id
                  AND t.state = 'open' AND s.store_id IS NOT NULL
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, at)
            SELECT id, 'heir', '', old, new, %(now)s FROM given
            """,
            {"handover": handover_id, "now": now},
        )
        return cursor.rowcount


def follow_untransferred(member_ids: Sequence[int], *, now: datetime) -> int:
    """Bring open work for members whose friend did not go over to a phone call; where that may not be, it ends."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE tasks_task t SET channel = 'manual_call',
                state = CASE WHEN m.phone_consent THEN 'open' ELSE 'skipped' END,
                closed_reason = CASE WHEN m.phone_consent THEN '' ELSE 'friend_lost' END,
                closed_at = CASE WHEN NOT m.phone_consent THEN %(now)s::timestamptz END,
                held_at = CASE WHEN m.phone_consent THEN t.held_at END,
                held_reason = CASE WHEN m.phone_consent THEN t.held_reason END,
                tell_at = CASE WHEN m.phone_consent THEN t.tell_at END
            FROM crm_member m WHERE m.id = t.member_id AND m.id = ANY(%(members)s) AND t.state = 'open'
              AND t.assignee_id = m.owner_guide_id AND t.channel = 'wecom_message' AND t.task_type <> ALL(%(answered)s)
              AND NOT {friends("t.member_id", "t.assignee_id")}
            RETURNING t.enrollment_id, t.state
            """,
            {"members": list(member_ids), "now": now, "answered": list(ON_ITS_PAGE)},
        )
        rows = cursor.fetchall()
    complete_walked([cycle for cycle, state in rows if cycle and state == "skipped"], now=now)
    return len(rows)


def follow_refusals(member_ids: Sequence[int], *, now: datetime) -> int:
    """Bring what the heir was to do for members who refused him to their new owner, the store manager: by phone or not at all."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH refused AS (
                SELECT DISTINCT ON (tr.member_id) tr.member_id, tr.from_guide_id, tr.to_guide_id, tr.reason
                FROM crm_ownershiptransfer tr WHERE tr.member_id = ANY(%(members)s) ORDER BY tr.member_id, tr.id DESC
            ), moved AS (
                UPDATE tasks_task t SET assignee_id = coalesce(r.to_guide_id, t.assignee_id), owner_guide_id = r.to_guide_id,
                    store_id = coalesce(s.store_id, t.store_id), channel = 'manual_call',
                    state = CASE WHEN ok.to_call THEN 'open' ELSE 'skipped' END,
                    closed_reason = CASE WHEN ok.to_call THEN '' ELSE 'friend_lost' END,
                    closed_at = CASE WHEN NOT ok.to_call THEN %(now)s::timestamptz END,
                    held_at = CASE WHEN ok.to_call THEN t.held_at END, held_reason = CASE WHEN ok.to_call THEN t.held_reason END,
                    tell_at = CASE WHEN ok.to_call AND t.held_at IS NULL THEN %(now)s::timestamptz END
                FROM refused r JOIN crm_member m ON m.id = r.member_id LEFT JOIN guides_staff s ON s.id = r.to_guide_id
                CROSS JOIN LATERAL (SELECT m.phone_consent AND r.to_guide_id IS NOT NULL AS to_call) ok
                WHERE r.reason = 'refused' AND t.member_id = r.member_id AND t.assignee_id = r.from_guide_id AND t.state = 'open'
                RETURNING t.id, t.enrollment_id, t.state, r.from_guide_id AS old, t.assignee_id AS new
            ), kept AS (
                INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, at)
                SELECT id, 'heir', '会员没有接受新的导购', old, new, %(now)s FROM moved WHERE state = 'open'
            )
            SELECT enrollment_id, state FROM moved
            """,
            {"members": list(member_ids), "now": now},
        )
        rows = cursor.fetchall()
    complete_walked([cycle for cycle, state in rows if cycle and state == "skipped"], now=now)
    return len(rows)


def cover_absence(staff_id: int, days: Sequence[str], *, now: datetime) -> int:
    """Apply the leave rules to open tasks of someone whose rest days changed, as if they opened now.

    A task due on such a day: d3 moves one day; d30-d90 wait for the return inside their window; else the backup, else the
    manager, who must be able to reach the member (else it stays). Each a recorded act.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH hit AS (
                SELECT t.id, t.assignee_id, t.due_at AS old_due, t.member_id, hours.closes_at, step.rest_day_grace,
                    step.may_wait_for_return, {moments.local_date("t.due_at")} AS due_day, {moments.local_date("t.expire_at")} AS last_day,
                    back.day AS back_on, coalesce(helper.id, {manager("hours.unit_id")}) AS cover_id, m.phone_consent
                FROM tasks_task t
                JOIN guides_store hours ON hours.id = t.store_id
                JOIN guides_staff person ON person.id = t.assignee_id
                JOIN crm_member m ON m.id = t.member_id
                LEFT JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
                LEFT JOIN guides_staff helper ON helper.id = person.backup_guide_id AND helper.state = 'active'
                    AND helper.store_id = person.store_id AND NOT {away("helper.id", moments.local_date("t.due_at"))}
                LEFT JOIN LATERAL (
                    SELECT min(d)::date AS day FROM generate_series({moments.local_date("t.due_at")} + 1,
                        {moments.local_date("t.expire_at")}, interval '1 day') d
                    WHERE NOT {away("t.assignee_id", "d::date")}
                ) back ON true
                WHERE t.assignee_id = %(staff)s AND t.state = 'open' AND t.held_at IS NULL
                  AND {moments.local_date("t.due_at")} = ANY(%(days)s::date[]) AND {away("t.assignee_id", moments.local_date("t.due_at"))}
                FOR UPDATE OF t
            ), decided AS (
                SELECT h.*, {friends("h.member_id", "h.cover_id")} AS is_friend, CASE WHEN h.rest_day_grace > 0 AND h.back_on = h.due_day + h.rest_day_grace
                                   OR h.may_wait_for_return AND h.back_on IS NOT NULL
                                 THEN {moments.at("h.back_on", "h.closes_at")} END AS new_due
                FROM hit h
            ), moved AS (
                UPDATE tasks_task t SET
                    due_at = coalesce(d.new_due, t.due_at),
                    assignee_id = CASE WHEN d.new_due IS NULL THEN coalesce(d.cover_id, t.assignee_id) ELSE t.assignee_id END,
                    tell_at = CASE WHEN d.new_due IS NULL THEN %(now)s::timestamptz ELSE t.tell_at END,
                    channel = CASE WHEN d.new_due IS NOT NULL OR d.is_friend THEN t.channel ELSE 'manual_call' END
                FROM decided d WHERE t.id = d.id AND (d.new_due IS NOT NULL OR d.is_friend OR d.phone_consent)
                RETURNING t.id, d.old_due, t.due_at AS new_due, d.assignee_id AS old, t.assignee_id AS new
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_due_at, new_due_at, old_assignee_id, new_assignee_id, at)
            SELECT id, CASE WHEN old <> new THEN 'backup' ELSE 'leave' END, '', old_due, new_due, old, new, %(now)s
            FROM moved WHERE old <> new OR old_due <> new_due RETURNING task_id, old_assignee_id = new_assignee_id
            """,
            {"staff": staff_id, "days": list(days), "now": now, "today": clock.local_day(now)},
        )
        moved = cursor.fetchall()
        plan_next([task for task, stays in moved if stays], now=now)
        return len(moved)


def follow_friends(member_id: int, guide_id: int, state: str, *, now: datetime) -> int:
    """A relation came or went: a new friend completes open first touches (level 3), a lost one changes the channel.

    Lost: m30 and d3 become a call where he agreed to calls, as does what a logged call may end and belongs to no cadence;
    the rest is skipped.
    """
    open_tasks = Task.objects.filter(member_id=member_id, state="open", assignee_id=guide_id)
    if state == "friend":
        first = list(
            open_tasks.filter(held_at=None, evidence_any_of__contains=["friend_added"]).values_list("pk", flat=True)
        )
        finish(first, kind="friend_added", level=3, now=now, is_auto=True, reached=False)
        Task.objects.filter(pk__in=first).update(outcome="friend_added", outcome_at=now)
        return open_tasks.filter(channel__in=["manual_call", "in_store"]).update(channel="wecom_message")
    return _after_friend_lost(member_id, guide_id, now=now)


def _after_friend_lost(member_id: int, guide_id: int, *, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH judged AS (
                SELECT t.id, m.phone_consent AND (step.friend_lost = 'call'
                    OR step.friend_lost = 'call_if_valued' AND m.tier_631 IN ('core', 'potential')
                    OR step.id IS NULL AND 'call_logged' = ANY (t.evidence_any_of)) AS may_call
                FROM tasks_task t JOIN crm_member m ON m.id = t.member_id
                LEFT JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
                WHERE t.member_id = %(member)s AND t.assignee_id = %(guide)s AND t.state = 'open'
                  AND t.task_type <> ALL(%(answered)s)
                FOR UPDATE OF t
            )
            UPDATE tasks_task t SET
                channel = CASE WHEN j.may_call THEN 'manual_call' ELSE t.channel END,
                state = CASE WHEN j.may_call THEN 'open' ELSE 'skipped' END,
                closed_reason = CASE WHEN j.may_call THEN t.closed_reason ELSE 'friend_lost' END,
                closed_at = CASE WHEN j.may_call THEN t.closed_at ELSE %(now)s END,
                tell_at = CASE WHEN j.may_call THEN t.tell_at END,
                held_at = CASE WHEN j.may_call THEN t.held_at END, held_reason = CASE WHEN j.may_call THEN t.held_reason END
            FROM judged j WHERE t.id = j.id RETURNING t.enrollment_id
            """,
            {"member": member_id, "guide": guide_id, "now": now, "answered": list(ON_ITS_PAGE)},
        )
        ended = [row[0] for row in cursor.fetchall() if row[0]]
    complete_walked(ended, now=now)
    return len(ended)


def skip_do_not_contact(member_ids: Sequence[int], *, now: datetime) -> int:
    """End the open tasks of members who said 别再打扰; their unopened steps are skipped as they come up."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tasks_task t SET state = 'skipped', closed_reason = 'do_not_contact', closed_at = %s, tell_at = NULL, "
            "held_at = NULL, held_reason = NULL FROM crm_member m WHERE m.id = t.member_id AND m.id = ANY(%s) "
            "AND m.do_not_contact AND t.state = 'open' AND t.task_type <> ALL(%s) RETURNING t.enrollment_id",
            [now, list(member_ids), list(ON_ITS_PAGE)],
        )
        ended = [row[0] for row in cursor.fetchall()]
    complete_walked([pk for pk in ended if pk], now=now)
    return len(ended)
