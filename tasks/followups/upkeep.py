"""What time and other people do to open tasks: expiry, holds and their release, resignation, rest days. Set-based."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from tasks.cadences import moments
from tasks.cadences.changes import complete_walked
from yejibao.core import clock

from .models import Task
from .services.finishing import finish

HANDOVER_HOLD = timedelta(hours=48)


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
    """Release tasks whose hold has ended: two days after the ticket closed, or once the heir has introduced himself.

    After a ticket: due = max(old due, 22:00 of the release date), at most expire_at; past its end -> skipped.
    After a hand-over: due = max(old due, 22:00 a day after the release), expire = max(old, new due + 3 days).
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
                WHERE t.held_reason = 'aftersale' AND t.state = 'open' AND NOT coalesce(ticket.is_open, false)
                  AND coalesce(ticket.closed_at, t.held_at) + %(days)s * interval '1 day' <= %(now)s
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
                WHERE t.held_reason = 'handover' AND t.state = 'open'
                  AND (t.held_at <= %(now)s - %(hold)s OR EXISTS (
                      SELECT 1 FROM tasks_task i WHERE i.member_id = t.member_id AND i.task_type = 'handover_intro'
                        AND i.state <> 'open' AND i.created_at >= t.held_at))
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
            {"now": now, "hold": HANDOVER_HOLD},
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
    """Give held tasks to the new owners, still held until they have introduced themselves. Each a recorded act.

    A task for a member who is not the leaver's own (he was serving or backup) goes to that member's owner.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH given AS (
                UPDATE tasks_task t SET assignee_id = heir.id, store_id = coalesce(heir.store_id, t.store_id),
                    held_reason = 'handover', held_at = %(now)s,
                    owner_guide_id = m.owner_guide_id,
                    channel = CASE WHEN EXISTS (SELECT 1 FROM crm_friendlink fl WHERE fl.member_id = t.member_id
                        AND fl.guide_id = heir.id AND fl.state = 'friend') THEN 'wecom_message' ELSE 'manual_call' END
                FROM crm_guidehandover h, crm_member m, guides_staff heir
                WHERE h.id = %(handover)s AND t.assignee_id = h.guide_id AND t.state = 'open' AND t.held_reason = 'resigned'
                  AND m.id = t.member_id AND heir.id = CASE WHEN m.owner_guide_id = h.guide_id OR m.owner_guide_id IS NULL
                                                           THEN h.heir_id ELSE m.owner_guide_id END
                RETURNING t.id, h.guide_id AS old, heir.id AS new
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, at)
            SELECT id, 'heir', '', old, new, %(now)s FROM given
            """,
            {"handover": handover_id, "now": now},
        )
        return cursor.rowcount


def cover_absence(staff_id: int, days: Sequence[str], *, now: datetime) -> int:
    """Apply the leave rules to open tasks of someone whose rest days changed, as if they opened now.

    A task due on such a day: d3 moves one day; d30-d90 wait for the return inside their window; else the backup, else the
    manager. Each a recorded act.
    """
    from .opening import MANAGER, away

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH hit AS (
                SELECT t.id, t.assignee_id, t.due_at AS old_due, t.member_id, hours.closes_at, step.rest_day_grace,
                    step.may_wait_for_return, {moments.local_date("t.due_at")} AS due_day, {moments.local_date("t.expire_at")} AS last_day,
                    back.day AS back_on, helper.id AS helper_id, {MANAGER.format(store="hours")} AS manager_id
                FROM tasks_task t
                JOIN guides_store hours ON hours.id = t.store_id
                JOIN guides_staff person ON person.id = t.assignee_id
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
                SELECT h.*, CASE WHEN h.rest_day_grace > 0 AND h.back_on = h.due_day + h.rest_day_grace
                                   OR h.may_wait_for_return AND h.back_on IS NOT NULL
                                 THEN {moments.at("h.back_on", "h.closes_at")} END AS new_due
                FROM hit h
            ), moved AS (
                UPDATE tasks_task t SET
                    due_at = coalesce(d.new_due, t.due_at),
                    assignee_id = CASE WHEN d.new_due IS NULL THEN coalesce(d.helper_id, d.manager_id, t.assignee_id) ELSE t.assignee_id END,
                    tell_at = CASE WHEN d.new_due IS NULL THEN %(now)s::timestamptz ELSE t.tell_at END,
                    channel = CASE WHEN d.new_due IS NOT NULL OR EXISTS (SELECT 1 FROM crm_friendlink fl
                        WHERE fl.member_id = t.member_id AND fl.guide_id = coalesce(d.helper_id, d.manager_id) AND fl.state = 'friend')
                        THEN t.channel ELSE 'manual_call' END
                FROM decided d WHERE t.id = d.id
                RETURNING t.id, d.old_due, t.due_at AS new_due, d.assignee_id AS old, t.assignee_id AS new
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_due_at, new_due_at, old_assignee_id, new_assignee_id, at)
            SELECT id, CASE WHEN old <> new THEN 'backup' ELSE 'leave' END, '', old_due, new_due, old, new, %(now)s
            FROM moved WHERE old <> new OR old_due <> new_due
            """,
            {"staff": staff_id, "days": list(days), "now": now, "today": clock.local_day(now)},
        )
        return cursor.rowcount


def follow_friends(member_id: int, guide_id: int, state: str, *, now: datetime) -> int:
    """A relation came or went: a new friend completes open first touches (level 3), a lost one changes the channel.

    Lost: m30 and d3 become a call where he agreed to calls; the others are judged again when they are sent.
    """

    open_tasks = Task.objects.filter(member_id=member_id, state="open", assignee_id=guide_id, held_at=None)
    if state == "friend":
        first = list(open_tasks.filter(evidence_any_of__contains=["friend_added"]).values_list("pk", flat=True))
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
                    OR step.friend_lost = 'call_if_valued' AND m.tier_631 IN ('core', 'potential')) AS may_call
                FROM tasks_task t JOIN crm_member m ON m.id = t.member_id
                JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
                WHERE t.member_id = %(member)s AND t.assignee_id = %(guide)s AND t.state = 'open'
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
            {"member": member_id, "guide": guide_id, "now": now},
        )
        ended = [row[0] for row in cursor.fetchall() if row[0]]
    complete_walked(ended, now=now)
    return len(ended)


def skip_do_not_contact(member_ids: Sequence[int], *, now: datetime) -> int:
    """End the open tasks of members who said 别再打扰; their unopened steps are skipped as they come up."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tasks_task SET state = 'skipped', closed_reason = 'do_not_contact', closed_at = %s, tell_at = NULL, "
            "held_at = NULL, held_reason = NULL WHERE member_id = ANY(%s) AND state = 'open' RETURNING enrollment_id",
            [now, list(member_ids)],
        )
        ended = [row[0] for row in cursor.fetchall()]
    complete_walked([pk for pk in ended if pk], now=now)
    return len(ended)
