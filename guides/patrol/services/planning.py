"""The month's plan: who goes where on which day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from yejibao.core import clock
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import PlannedVisit
from ..queries import stores_in_plan
from ..scoped import department_of

MOST_A_DAY = 4  # plan.monthly: a route has at most four stores a day
FARTHEST = timedelta(days=100)


class PlanRefused(Invalid):
    code, title = "patrol.plan", _("这样排不了")


@transaction.atomic
def plan_visits(
    store_ids: Collection[int], *, day: date, is_full: bool, note: str, actor: Actor, now: datetime
) -> list[PlannedVisit]:
    """Plan one's own visits to stores on a day; what is planned already stays. Raises PlanRefused or Forbidden."""
    if not actor.may("patrol.do") or actor.staff_id is None:
        raise Forbidden(permission="patrol.do")
    today = clock.local_day(now)
    if not today <= day <= today + FARTHEST:
        raise PlanRefused(_("只能排今天起 100 天以内的。"))
    stores = list(stores_in_plan(actor).filter(pk__in=store_ids))
    if not stores or len(stores) < len(set(store_ids)):
        raise PlanRefused(_("有门店不归你巡，或者已经关店。"))
    Staff.objects.select_for_update(of=("self",)).get(pk=actor.staff_id)  # two taps at once do not make five stores
    there = {
        row.store_id: row for row in PlannedVisit.objects.filter(patroller_id=actor.staff_id, day=day, dropped_at=None)
    }
    fresh = [store for store in stores if store.pk not in there]
    if len(there) + len(fresh) > MOST_A_DAY:
        raise PlanRefused(
            _("一天最多 %(most)d 家店，这天已经排了 %(count)d 家。") % {"most": MOST_A_DAY, "count": len(there)}
        )
    department = "" if is_full else next((found for role in sorted(actor.roles) if (found := department_of(role))), "")
    return PlannedVisit.objects.bulk_create(
        PlannedVisit(
            patroller_id=actor.staff_id, store=store, day=day, department=department, note=note.strip()[:120],
            made_by_id=actor.staff_id, made_at=now,
        )
        for store in fresh
    )  # fmt: skip


def drop_planned(row: PlannedVisit, *, actor: Actor, now: datetime) -> None:
    """Take one's own plan back. Raises Forbidden for another's; again is the same."""
    if row.patroller_id != actor.staff_id:
        raise Forbidden(_("只能改自己的计划。"), permission="patrol.do")
    PlannedVisit.objects.filter(pk=row.pk, dropped_at=None).update(dropped_at=now)
