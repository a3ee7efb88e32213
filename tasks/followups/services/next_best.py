"""A tap on 下一步 (crm/nextbest) makes a task of it: with its words, on the list, and proved like every other."""

from __future__ import annotations

import json
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.nextbest.rules import Action, rule_of
from tasks.cadences import moments
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from ..models import Task
from .creating import ASSIGNEE, INSERT, TIER, task_type

TAKEN = "task.next_best_taken"


class NothingToDo(Conflict):
    """The suggestion is no longer what is to be done next, or nobody can do it."""

    code, title = "task.next_best_gone", _("现在不用做这件了")


@transaction.atomic
def take_next_best(member: Member, action: Action, *, actor: Actor, now: datetime) -> Task:
    """Open the task of an action for the member's own guide, and return it; the same tap twice is one task.

    The caller has just chosen the action again from the facts of this moment. Due today, tomorrow once the store is closed;
    it runs out as the rule says. Raises NothingToDo where nobody is there who could reach him.
    """
    rule = rule_of(action.rule)
    assert rule is not None
    kind, day = task_type(rule.key), clock.local_day(now)
    key = f"next:{rule.key}:{member.pk}:{day}"
    opens = f"CASE WHEN {moments.local_time('%(now)s')} >= hours.closes_at THEN 1 ELSE 0 END"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{INSERT}
            SELECT %(kind)s, '', %(key)s, m.id, who.id, m.owner_guide_id, hours.id, NULL, 'open', %(nature)s, way.channel,
                %(priority)s, {TIER}, %(now)s, {moments.at("%(today)s::date + late.days", "hours.closes_at")},
                {moments.at("%(today)s::date + late.days + %(lasts)s", "hours.closes_at")}, %(why)s,
                jsonb_build_object('facts', %(facts)s::jsonb, 'scene', 'any'), %(evidence)s, NULL, '', '', '', '', NULL, %(now)s
            FROM crm_member m {ASSIGNEE} CROSS JOIN LATERAL (SELECT {opens} AS days) late
            WHERE m.id = %(member)s AND m.status = 'active' AND NOT m.do_not_contact AND way.channel IS NOT NULL
            ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
            """,
            {"kind": rule.key, "key": key, "member": member.pk, "now": now, "today": day, "lasts": rule.lasts_days,
             "nature": rule.nature, "priority": kind["priority"], "why": action.reason[:160],
             "facts": json.dumps(dict(action.facts)), "evidence": kind["evidence_any_of"]},
        )  # fmt: skip
        is_new = bool(cursor.rowcount)
    task = Task.objects.filter(dedupe_key=key).first()
    if task is None:
        raise NothingToDo(_("他现在没有能联系到的导购，先给他安排一位"))
    if is_new:
        audit.record(actor, TAKEN, task, after={"name": kind["name"], "guide": task.assignee_id})
    return task
