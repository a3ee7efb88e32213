"""A manager asks many: whom he means is counted first, then planned in parts; each guide asks her own, some a day."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from crm.benefits.services import Conditions
from crm.benefits.services.audiences import meant_by
from crm.events import VisitsPlanned
from crm.members.models import Member
from crm.visits import rules
from crm.visits.models import Kind, VisitGroup
from crm.visits.scoped import GROUP, group_filter
from guides.org import matrix
from guides.org.models import OrgUnit
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

AT_ONCE = 5_000
MOST = 200_000
CHANNEL = "wecom_message"


@dataclass(frozen=True)
class GroupPlan:
    """What a manager asks for."""

    title: str
    kind: str
    starts_at: datetime
    ends_at: datetime
    asks_on: date


def reach_of(actor: Actor, unit: OrgUnit) -> str:
    """Return the path within which an actor asks, "" for the whole company. Raises Forbidden for a unit out of his reach."""
    grants = actor.reach(*matrix.leaders(GROUP))
    if actor.is_system or any(grant.reach == "all" for grant in grants):
        return ""
    paths = [grant.path for grant in grants if grant.path and (unit.path or "").startswith(grant.path)]
    if not paths:
        raise Forbidden(permission=GROUP)
    return min(paths, key=len)


def meant(conditions: Conditions, *, scope_path: str) -> QuerySet[Member]:
    """Return whom a list means, before those who may not be asked are left out."""
    return meant_by(conditions, scope_path=scope_path)


@transaction.atomic
def plan_group(plan: GroupPlan, conditions: Conditions, *, unit: OrgUnit, actor: Actor, now: datetime) -> VisitGroup:
    """Ask all members the conditions name to come; guides find them among their tasks. Raises Invalid with the fields at fault.

    Who is not to be asked is left out with the reason: left alone, opted out, nobody to ask him, asked lately, a complaint open.
    """
    path = reach_of(actor, unit)
    _must_make_sense(plan, now)
    count = meant(conditions, scope_path=path).count()
    if not count:
        raise Invalid(errors=[{"field": "levels", "code": "nobody", "message": str(_("没有这样的会员"))}])
    if count > MOST:
        raise Invalid(errors=[{"field": "levels", "code": "many", "message": str(_("人太多了，缩小一点范围"))}])
    group = VisitGroup.objects.create(
        title=plan.title.strip()[:40], kind=plan.kind, starts_at=plan.starts_at, ends_at=plan.ends_at, asks_on=plan.asks_on,
        conditions=asdict(conditions), scope_path=path, unit=unit, made_by_id=actor.staff_id, made_at=now, meant_count=count,
    )  # fmt: skip
    audit.record(actor, "visit.group_planned", group, after={"count": count, "conditions": asdict(conditions)})
    return group


def _must_make_sense(plan: GroupPlan, now: datetime) -> None:
    day, wrong = clock.local_day(plan.starts_at), []
    if len(plan.title.strip()) < 2:
        wrong.append(("title", _("写一句请他们来做什么")))
    if plan.kind not in Kind.values:
        wrong.append(("kind", _("选一种")))
    if plan.starts_at <= now or day > clock.local_day(now) + timedelta(days=rules.FARTHEST_DAYS):
        wrong.append(("starts_at", _("选今天以后、60 天以内的时间")))
    elif plan.ends_at <= plan.starts_at or clock.local_day(plan.ends_at) != day:
        wrong.append(("ends_at", _("结束要在当天，晚于开始")))
    if not clock.local_day(now) <= plan.asks_on <= day:
        wrong.append(("asks_on", _("从哪天开始邀约？要在到店那天之前")))
    if wrong:
        raise Invalid(errors=[{"field": name, "code": "invalid", "message": str(said)} for name, said in wrong])


@transaction.atomic
def stop_group(group: VisitGroup, *, actor: Actor, now: datetime) -> int:
    """停: who was not told yet is not asked any more; who was keeps his invitation. Returns how many were called back."""
    if not VisitGroup.objects.filter(group_filter(actor), pk=group.pk).exists():
        raise Forbidden(permission=GROUP)
    row = VisitGroup.objects.select_for_update().get(pk=group.pk)
    if row.state == VisitGroup.State.STOPPED:
        raise Conflict(_("已经停了"))
    VisitGroup.objects.filter(pk=row.pk).update(state=VisitGroup.State.STOPPED, finished_at=now)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crm_visit SET state = 'cancelled', closed_at = %s WHERE group_id = %s AND state = 'planned' RETURNING id",
            [now, row.pk],
        )
        ids = [pk for (pk,) in cursor.fetchall()]
    audit.record(actor, "visit.group_stopped", row, after={"count": len(ids)})
    if ids:
        outbox.publish(VisitsPlanned(row.pk, min(ids), max(ids)))
    return len(ids)


# Of a part of the members: who is asked, by whom, and why the others are not. One statement a part.
_PLAN = """
WITH judged AS (
    SELECT m.id, g.id AS guide_id, m.main_store_id, CASE
        WHEN m.do_not_contact THEN 'do_not_contact'
        WHEN m.marketing_opt_out @> ARRAY[%(channel)s]::varchar[] THEN 'unsubscribed'
        WHEN m.is_employee OR s.id IS NULL OR g.id IS NULL THEN 'no_guide'
        WHEN s.closed_on <= %(day)s OR s.opens_at > %(starts)s OR s.closes_at < %(ends)s THEN 'store_closed'
        WHEN EXISTS (SELECT 1 FROM crm_visit v WHERE v.member_id = m.id AND v.state IN ('planned', 'asked', 'invited', 'accepted'))
            THEN 'invited'
        WHEN EXISTS (SELECT 1 FROM crm_visit v WHERE v.member_id = m.id AND v.invited_at > %(since)s) THEN 'lately'
        WHEN EXISTS (SELECT 1 FROM crm_ticket t WHERE t.member_id = m.id AND t.kind IN ('complaint', 'return')
                     AND t.state NOT IN ('closed', 'rejected', 'cancelled')) THEN 'aftersale'
        ELSE '' END AS why_not
    FROM crm_member m LEFT JOIN guides_store s ON s.id = m.main_store_id
    LEFT JOIN guides_staff g ON g.id = m.owner_guide_id AND g.state IN ('active', 'leave', 'transferred')
    WHERE m.id = ANY(%(ids)s)
), planned AS (
    INSERT INTO crm_visit (member_id, store_id, guide_id, kind, source, group_id, words, state, starts_at, ends_at, day,
        wants_reminder, made_at, made_by_id)
    SELECT j.id, j.main_store_id, j.guide_id, %(kind)s, 'group', %(group)s, %(title)s, 'planned', %(starts_at)s, %(ends_at)s, %(day)s,
        true, %(now)s, %(by)s
    FROM judged j WHERE j.why_not = '' ORDER BY j.id
    ON CONFLICT (member_id) WHERE state IN ('planned', 'asked', 'invited', 'accepted') DO NOTHING
    RETURNING id
)
SELECT (SELECT count(*) FROM planned), (SELECT min(id) FROM planned), (SELECT max(id) FROM planned),
    (SELECT coalesce(jsonb_object_agg(why_not, n), '{}')::text FROM (
        SELECT why_not, count(*) AS n FROM judged WHERE why_not <> '' GROUP BY why_not) left_out)
"""


def go_on_with_groups(*, now: datetime, budget: timedelta = timedelta(seconds=20)) -> dict[str, int]:
    """Plan what was asked, some thousand members a transaction; stops by itself and goes on at the next beat."""
    deadline = clock.monotonic() + budget.total_seconds()
    planned = 0
    while clock.monotonic() < deadline:
        with transaction.atomic():
            waiting = VisitGroup.objects.filter(state=VisitGroup.State.RUNNING).order_by("pk")
            group = waiting.select_for_update(of=("self",), skip_locked=True).first()
            if group is None:
                break
            planned += _next_part(group, now=now)
    return {"visits_planned": planned}


def _next_part(group: VisitGroup, *, now: datetime) -> int:
    following = meant(Conditions(**group.conditions), scope_path=group.scope_path).filter(pk__gt=group.cursor)
    ids = list(following.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    if not ids:
        VisitGroup.objects.filter(pk=group.pk).update(state=VisitGroup.State.DONE, finished_at=now)
        return 0
    count, first, last, left_out = _plan_part(group, ids, now)
    for why, number in left_out.items():
        group.left_out[why] = group.left_out.get(why, 0) + number
    group.cursor, group.planned_count = ids[-1], group.planned_count + count
    group.save(update_fields=["cursor", "planned_count", "left_out"])
    if count:
        outbox.publish(VisitsPlanned(group.pk, first, last))
    return count


def _plan_part(group: VisitGroup, ids: list[int], now: datetime) -> tuple[int, int, int, dict[str, int]]:
    starts_at, ends_at = (at.astimezone(clock.SHANGHAI) for at in (group.starts_at, group.ends_at))
    values: dict[str, Any] = {
        "ids": ids, "channel": CHANNEL, "day": starts_at.date(), "starts": starts_at.time(), "ends": ends_at.time(),
        "since": now - timedelta(days=rules.COOLDOWN_DAYS), "kind": group.kind, "group": group.pk, "title": group.title,
        "starts_at": group.starts_at, "ends_at": group.ends_at, "now": now, "by": group.made_by_id,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_PLAN, values)
        count, first, last, left_out = cursor.fetchone()
    return count, first, last, json.loads(left_out)
