"""Tickets are drawn each week; each is scored once, by somebody who did not answer it; who answered says that he has read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .models import ServiceCheck
from .rules import book
from .scoped import CHECK

LONGEST = 500


class OwnAnswer(Conflict):
    code, title = "ticket.own_check", _("自己答复的单，请同事来检")


@transaction.atomic
def draw_checks(*, week: date, now: datetime) -> int:
    """Draw from the tickets closed in the week of this Monday. Returns how many; the same week twice draws the same.

    A ticket's number decides, not chance. What nobody answered has nobody to learn from it.
    """
    rule = book()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO crm_servicecheck (ticket_id, week, store_id, answered_by_id, why, drawn_at)
            SELECT id, %(week)s, store_id, answered_by, CASE WHEN stars <= 2 THEN 'low' WHEN is_bad THEN 'reopened' ELSE 'drawn' END, %(now)s
            FROM (
                SELECT *, row_number() OVER (ORDER BY is_bad DESC, place, lot) AS turn,
                    count(*) FILTER (WHERE is_bad) OVER () AS bad, count(*) FILTER (WHERE NOT is_bad) OVER () AS others
                FROM (
                    SELECT t.id, t.store_id, t.stars, said.by_id AS answered_by, f.is_bad, md5(t.id || ':' || %(week)s::text) AS lot,
                        row_number() OVER (PARTITION BY f.is_bad, said.by_id ORDER BY md5(t.id || ':' || %(week)s::text)) AS place
                    FROM crm_ticket t
                    CROSS JOIN LATERAL (SELECT coalesce(t.stars <= 2, false) OR t.reopened_at IS NOT NULL AS is_bad) f
                    JOIN LATERAL (
                        SELECT s.by_id FROM crm_ticketstep s
                        WHERE s.ticket_id = t.id AND s.kind IN ('reply', 'proposal') AND s.by_id IS NOT NULL ORDER BY s.id LIMIT 1
                    ) said ON true
                    WHERE t.state = 'closed' AND t.closed_at >= %(start)s AND t.closed_at < %(end)s
                ) closed
            ) turns
            WHERE turn <= least(%(most)s, bad + greatest(%(least)s, ceil(others * %(share)s / 100.0)))
            ON CONFLICT (ticket_id) DO NOTHING
            """,
            {
                "week": week, "now": now, "start": clock.local_moment(week, time()),
                "end": clock.local_moment(week + timedelta(days=7), time()), "most": rule.most, "least": rule.least,
                "share": rule.share_percent,
            },
        )  # fmt: skip
        return cursor.rowcount


@transaction.atomic
def score_check(
    check: ServiceCheck, *, marks: Mapping[str, str], comment: str, actor: Actor, now: datetime
) -> ServiceCheck:
    """Score a drawn ticket and tell who answered it.

    Raises OwnAnswer, Invalid (a line without a mark, a line not done without a word), Conflict when somebody was faster.
    """
    if not actor.has_role("customer_service"):
        raise Forbidden(permission=CHECK)
    if check.answered_by_id == actor.staff_id:
        raise OwnAnswer()
    rule, words = book(), comment.strip()[:LONGEST]
    given = {item.key: marks.get(item.key, "") for item in rule.checklist}
    wrong = [
        {"field": item.key, "code": "required", "message": f"「{item.name}」还没选"}
        for item in rule.checklist
        if given[item.key] not in rule.marks
    ]
    if "no" in given.values() and len(words) < 2:
        wrong.append({"field": "comment", "code": "required", "message": "有没做到的，写一句怎样更好"})
    if wrong:
        raise Invalid(_("还差一点，请按提示补上"), errors=wrong)
    score = rule.score(given)
    waiting = ServiceCheck.objects.filter(pk=check.pk, checked_at=None)
    if not waiting.update(marks=given, score=score, comment=words, checked_by_id=actor.staff_id, checked_at=now):
        raise Conflict(_("同事已经检过这一张"))
    check.refresh_from_db()
    audit.record(actor, "ticket.checked", check.ticket, after={"score": score})
    title = f"售后质检：{score} 分" if score is not None else "售后质检有一句话给你"
    notice = Notice("ticket", f"check:{check.pk}", title, f"/tickets/{check.ticket_id}/", words or "看看做到了哪些")
    tell_and_push([(check.answered_by_id, notice)], now=now)
    return check


def mark_seen(check: ServiceCheck, *, actor: Actor, now: datetime) -> None:
    """我看过了, by who answered. Twice is like once. Raises Forbidden from anybody else."""
    if check.answered_by_id != actor.staff_id:
        raise Forbidden(permission="ticket.check_read")
    ServiceCheck.objects.filter(pk=check.pk, checked_at__isnull=False, seen_at=None).update(seen_at=now)
