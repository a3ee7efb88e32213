"""A ticket of somebody who is not there today is answered by the backup, else the store manager; then it comes back.

Same order as followup_3369.assignment; who is away and who stands in says the one calendar (guides/attendance).
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from guides.attendance.calendar import stand_ins
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import clock

from .models import Ticket


@transaction.atomic
def follow_roster(*, now: datetime, staff_ids: Collection[int] | None = None) -> int:
    """Bring open tickets to whoever stands in for their guide today, and back to who is there again. Returns how many moved.

    Of these people, or of everybody with an open ticket. Whoever gets some is told once. Run twice it changes nothing.
    """
    tickets = Ticket.objects.unfinished().filter(guide__isnull=False)
    if staff_ids is not None:
        tickets = tickets.filter(Q(guide__in=staff_ids) | Q(covers_for__in=staff_ids))
    own_of = dict(tickets.annotate(own=Coalesce("covers_for_id", "guide_id")).values_list("pk", "own"))
    answering = stand_ins(set(own_of.values()), clock.local_day(now))
    wanted = {pk: who for pk, own in own_of.items() if (who := answering.get(own)) is not None}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH hit AS (
                SELECT t.id, coalesce(t.covers_for_id, t.guide_id) AS own, a.who
                FROM unnest(%s::bigint[], %s::bigint[]) AS a(id, who) JOIN crm_ticket t ON t.id = a.id
                WHERE t.state <> ALL (%s) AND t.guide_id <> a.who
                ORDER BY t.id FOR UPDATE OF t
            )
            UPDATE crm_ticket t SET guide_id = h.who, covers_for_id = CASE WHEN h.who <> h.own THEN h.own END
            FROM hit h WHERE t.id = h.id RETURNING t.guide_id, t.covers_for_id
            """,
            [list(wanted), list(wanted.values()), list(Ticket.CLOSED_STATES)],
        )
        moved = cursor.fetchall()
    _tell(moved, now=now)
    return len(moved)


def _tell(moved: Collection[tuple[int, int | None]], *, now: datetime) -> None:
    day = clock.local_day(now)
    given = Counter(who for who, covers_for in moved if covers_for)
    back = Counter(who for who, covers_for in moved if not covers_for)
    told = [
        (
            who,
            Notice(
                "ticket", f"tickets:{day}", f"{count} 张售后单今天由你代办", "/g/members/", "同事今天不在，顾客等着回复"
            ),
        )
        for who, count in sorted(given.items())
    ]
    told += [
        (who, Notice("ticket", f"tickets:{day}", f"{count} 张售后单回到你这里", "/g/members/"))
        for who, count in sorted(back.items())
        if who not in given
    ]
    tell_and_push(told, now=now, priority=2)
