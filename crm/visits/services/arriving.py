"""He is there: the guide taps it, or it is seen by itself (he paid, he scanned a piece of the store). What he buys closes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import Sku
from crm.catalogue.queries import free_at
from crm.events import VisitChanged
from crm.visits import rules
from crm.visits.models import Visit
from crm.visits.telling import tell_guide
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor

from ..scoped import INVITE, act_filter
from .steps import held, leave_trace

State, SeenBy = Visit.State, Visit.SeenBy
SYSTEM = Actor.system("visits")
SLIP = timedelta(minutes=30)  # so long a tap may be taken back
TOLD = (State.ASKED, State.INVITED, State.ACCEPTED)  # he knows of it


@transaction.atomic
def arrive(visit: Visit, *, actor: Actor, now: datetime) -> Visit:
    """到店了, tapped by anybody of the store, on the day or one beside it. Raises Conflict on other days. Twice is once."""
    if not Visit.objects.filter(act_filter(actor), pk=visit.pk).exists():
        raise Forbidden(permission=INVITE)
    row = held(visit)
    if row.state in Visit.CAME:
        return row
    if abs((clock.local_day(now) - row.day).days) > rules.AROUND_DAYS:
        raise Conflict(_("不是约的那几天。先把时间改成今天，再点到店"))
    return _arrive(row, SeenBy.GUIDE, actor=actor, now=now)


def _arrive(row: Visit, seen_by: str, *, actor: Actor, now: datetime) -> Visit:
    before = row.state
    row.move_to(
        State.ARRIVED, arrived_at=now, seen_by=seen_by, invited_at=row.invited_at or now, closed_at=None, reason=""
    )
    leave_trace(row, "visit.arrived", actor=actor, now=now, before=before, words=str(SeenBy(seen_by).label))
    if row.guide_id and row.guide_id != actor.staff_id:
        tell_guide(row, f"{row.member.called}到店了", now=now, text="他约的是你，去接一下")
    return row


@transaction.atomic
def take_back_arrival(visit: Visit, *, actor: Actor, now: datetime) -> Visit:
    """点错了: within half an hour, while nothing was bought."""
    if not Visit.objects.filter(act_filter(actor), pk=visit.pk).exists():
        raise Forbidden(permission=INVITE)
    row = held(visit)
    if row.state != State.ARRIVED or row.arrived_at is None or now > row.arrived_at + SLIP:
        raise Conflict(_("过了撤回的时间"))
    row.move_to(State.ACCEPTED, arrived_at=None, seen_by="", accepted_at=row.accepted_at or row.arrived_at)
    leave_trace(row, "visit.arrival_undone", actor=actor, now=now, before=State.ARRIVED)
    return row


@transaction.atomic
def see_scan(*, member_id: int, sku: Sku, now: datetime) -> Visit | None:
    """He scanned the label of a piece that hangs in the store he is asked to today: he is there. None in all other cases."""
    found = Visit.objects.filter(member_id=member_id, day=clock.local_day(now), state__in=TOLD).first()
    if found is None:
        return None
    level = free_at(sku.pk, store_id=found.store_id, now=now)
    row = held(found)
    if level is None or level.free < 1 or row.state not in TOLD:
        return None
    return _arrive(row, SeenBy.SCAN, actor=SYSTEM, now=now)


# The sale of each visit: of the day or one beside it in that store (he came, too), or within the days after he was seen there.
_BOUGHT = """
WITH sold AS (
    SELECT o.id, o.member_id, o.store_id, o.kind, o.paid_at, o.paid_on FROM crm_order o
    WHERE o.id = ANY(%(ids)s) AND o.member_id IS NOT NULL AND o.status = 'paid' AND o.net_amount_fen > 0
      AND o.kind = ANY(%(kinds)s) AND NOT EXISTS (SELECT 1 FROM crm_visit v WHERE v.order_id = o.id)
), locked AS (
    SELECT v.* FROM crm_visit v WHERE v.member_id IN (SELECT member_id FROM sold)
      AND v.state IN ('asked', 'invited', 'accepted', 'no_show', 'no_answer', 'arrived') ORDER BY v.id FOR UPDATE
), pairs AS (
    SELECT v.id, v.state, s.id AS order_id, s.paid_at, v.starts_at FROM sold s JOIN locked v ON v.member_id = s.member_id
    WHERE v.state = 'arrived' AND s.paid_on >= (v.arrived_at AT TIME ZONE 'Asia/Shanghai')::date
            AND s.paid_at <= v.arrived_at + %(days)s * interval '1 day'
       OR v.state <> 'arrived' AND s.kind = 'retail' AND s.store_id = v.store_id AND s.paid_at >= v.invited_at
            AND s.paid_on BETWEEN v.day - %(around)s AND v.day + %(around)s
), of_orders AS (   -- one order, one visit: the one he came for last
    SELECT DISTINCT ON (order_id) * FROM pairs ORDER BY order_id, (state = 'arrived') DESC, starts_at DESC, id
), of_visits AS (
    SELECT DISTINCT ON (id) * FROM of_orders ORDER BY id, paid_at, order_id
), moved AS (
    UPDATE crm_visit v SET state = 'bought', order_id = h.order_id, bought_at = h.paid_at, closed_at = NULL, reason = '',
        arrived_at = coalesce(v.arrived_at, h.paid_at), seen_by = CASE WHEN v.arrived_at IS NULL THEN 'order' ELSE v.seen_by END
    FROM of_visits h WHERE v.id = h.id RETURNING v.id, h.state AS before
)
INSERT INTO crm_visitstep (visit_id, state, at, is_member, words)
SELECT id, 'bought', %(now)s, false, CASE WHEN before = 'arrived' THEN '' ELSE '买单时看到他来了' END FROM moved ORDER BY id
RETURNING visit_id
"""


@transaction.atomic
def follow_orders(order_ids: Sequence[int], *, now: datetime) -> int:
    """Close visits with what was bought: set-based; an order that has closed one closes no other. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            _BOUGHT,
            {"ids": list(order_ids), "kinds": list(rules.LINE_HOLDERS), "now": now, "around": rules.AROUND_DAYS,
             "days": rules.BUYS_WITHIN.at(now)},
        )  # fmt: skip
        ids = [pk for (pk,) in cursor.fetchall()]
    for pk in ids:
        audit.record(SYSTEM, "visit.bought", Visit._meta.label, resource_id=str(pk), after={"state": State.BOUGHT})
    outbox.publish_many(VisitChanged(pk) for pk in ids)
    return len(ids)


@transaction.atomic
def follow_returns(order_ids: Sequence[int], *, now: datetime) -> int:
    """All of a visit's sale came back: he was there, and bought nothing. Returns how many visits."""
    rows = Visit.objects.filter(order__in=order_ids, state=State.BOUGHT).select_for_update(of=("self",)).order_by("pk")
    found = list(rows)
    for row in found:
        row.move_to(State.ARRIVED, order=None, bought_at=None)
        leave_trace(row, "visit.returned", actor=SYSTEM, now=now, before=State.BOUGHT)
    return len(found)
