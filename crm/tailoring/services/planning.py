"""When a store measures, and how many at once: set by its manager."""

from __future__ import annotations

from datetime import date, datetime, time

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Store
from yejibao.core import audit, clock
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import FittingDay, FittingPlan
from ..scoped import PLAN, stores_of

MINUTES = (30, 45, 60, 90, 120)
MOST = 9


@transaction.atomic
def save_plan(
    store: Store, *, is_offered: bool, slot_minutes: int, capacity: int, first_at: time, last_at: time, actor: Actor, now: datetime
) -> FittingPlan:  # fmt: skip
    """Set the ordinary day of a store. What is booked already stays. Raises Invalid, Forbidden."""
    held = _hold(store, actor)
    wrong = []
    if slot_minutes not in MINUTES:
        wrong.append(_error("slot_minutes", _("请选择一位多久")))
    if not 1 <= capacity <= MOST:
        wrong.append(_error("capacity", _("同时 1 到 9 位")))
    if not held.opens_at <= first_at < last_at <= held.closes_at:
        hours = f"{held.opens_at:%H:%M}–{held.closes_at:%H:%M}"
        wrong.append(_error("first_at", _("要在门店营业时间 %(hours)s 里，先早后晚") % {"hours": hours}))
    if wrong:
        raise Invalid(_("有几处要改一下"), errors=wrong)
    facts = {
        "is_offered": is_offered, "slot_minutes": slot_minutes, "capacity": capacity, "first_at": first_at, "last_at": last_at,
        "changed_at": now, "changed_by_id": actor.staff_id,
    }  # fmt: skip
    before = FittingPlan.objects.filter(store=held).first()
    plan, _made = FittingPlan.objects.update_or_create(store=held, defaults=facts)
    audit.record(
        actor, "fitting.plan_changed", plan, after={"store_id": held.pk, "count": capacity, "limit": slot_minutes},
        before={"count": before.capacity, "limit": before.slot_minutes} if before else None,
    )  # fmt: skip
    return plan


@transaction.atomic
def save_day(
    store: Store, *, day: date, capacity: int | None, why: str, actor: Actor, now: datetime
) -> FittingDay | None:
    """Set one day apart: another number at once, 0 for none; None makes it a day like the others. Raises Invalid, Forbidden."""
    held = _hold(store, actor)
    if day < clock.local_day(now):
        raise Invalid(errors=[_error("day", _("选今天或以后的一天"))])
    if capacity is not None and not 0 <= capacity <= MOST:
        raise Invalid(errors=[_error("capacity", _("0 到 9 位，0 是这天不约"))])
    special = None
    if capacity is None:
        FittingDay.objects.filter(store=held, day=day).delete()
    else:
        facts = {"capacity": capacity, "why": why.strip()[:64], "changed_at": now, "changed_by_id": actor.staff_id}
        special, _made = FittingDay.objects.update_or_create(store=held, day=day, defaults=facts)
    audit.record(
        actor, "fitting.plan_changed", Store._meta.label, resource_id=str(held.pk),
        after={"store_id": held.pk, "starts_on": day.isoformat(), "count": capacity},
    )  # fmt: skip
    return special


def _hold(store: Store, actor: Actor) -> Store:
    """Return the store locked, as those who book lock it: nobody counts places while their number changes."""
    held = Store.objects.select_for_update(no_key=True).get(pk=store.pk)
    if not Store.objects.filter(stores_of(actor, PLAN), pk=held.pk).exists():
        raise Forbidden(permission=PLAN)
    return held


def _error(field: str, message: object) -> dict[str, str]:
    return {"field": field, "code": "range", "message": str(message)}
