"""调店: a guide works in another store from a day on. Where she sees, and who sees her, follows with the next request."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from guides.events import StaffMoved
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .granting import stores_in_hand
from .models import RoleAssignment, Staff, Store, StoreChange

FARTHEST = timedelta(days=92)
State = StoreChange.State


class NotYoursToMove(Forbidden):
    code, title = "perm.staff.move", _("你不能给这位同事调店")


class NotMovable(Invalid):
    code, title = "staff.not_movable", _("现在不能给他调店")


class MoveRunning(Conflict):
    code, title = "staff.move_planned", _("他已经有一次调店在等生效")


def movable_people(actor: Actor, *, day: date) -> QuerySet[Staff]:
    """Return the guides of stores an actor answers for, whom he may move."""
    return (
        Staff.objects.employed()
        .holding("guide", day=day)
        .filter(stores_in_hand(actor, path="store__unit__path", store="store_id"), store__isnull=False)
    )


def stores_to_move_to(actor: Actor, *, day: date) -> QuerySet[Store]:
    """Return the open stores an actor may move somebody to."""
    return Store.objects.filter(stores_in_hand(actor)).exclude(closed_on__lte=day)


@transaction.atomic
def transfer_staff(
    person: Staff, *, to: Store, starts_on: date, actor: Actor, now: datetime, reason: str = ""
) -> StoreChange:
    """Let a guide work in another store from a day on; today means at once. What her members do is planned then.

    Raises NotYoursToMove, NotMovable or MoveRunning.
    """
    today = local_day(now)
    held = Staff.objects.select_for_update(no_key=True, of=("self",)).get(pk=person.pk)
    if held.state not in Staff.MAY_SIGN_IN or held.store_id is None or held.store_id == to.pk:
        raise NotMovable()
    if not today <= starts_on <= today + FARTHEST:
        raise NotMovable(_("日期选今天到三个月内"))
    if not movable_people(actor, day=today).filter(pk=held.pk).exists():
        raise NotYoursToMove()
    if not stores_to_move_to(actor, day=starts_on).filter(pk=to.pk).exists():
        raise NotYoursToMove(_("只能调到你管的、在营业的门店"))
    try:
        with transaction.atomic():
            change = StoreChange.objects.create(
                staff=held, from_store_id=held.store_id, to_store=to, starts_on=starts_on, reason=reason[:255],
                by_id=actor.staff_id, at=now,
            )  # fmt: skip
    except IntegrityError:
        raise MoveRunning() from None
    audit.record(
        actor, "org.staff_move_planned", held, before={"store_id": held.store_id},
        after={"store_id": to.pk, "starts_on": str(starts_on)}, reason=reason,
    )  # fmt: skip
    if starts_on <= today:
        _apply(change, held, now=now)
    else:
        Staff.objects.filter(pk=held.pk).update(state=Staff.State.TRANSFERRED)
    person.refresh_from_db()
    return change


@transaction.atomic
def cancel_transfer(change: StoreChange, *, actor: Actor, now: datetime) -> StoreChange:
    """Take back a move that has not begun. Raises Conflict or NotYoursToMove."""
    person = Staff.objects.select_for_update(no_key=True, of=("self",)).get(pk=change.staff_id)
    if not movable_people(actor, day=local_day(now)).filter(pk=person.pk).exists():
        raise NotYoursToMove()
    if not StoreChange.objects.filter(pk=change.pk, state=State.PLANNED).update(state=State.CANCELLED):
        raise Conflict(_("这次调店已经生效或取消了"))
    Staff.objects.filter(pk=person.pk, state=Staff.State.TRANSFERRED).update(state=Staff.State.ACTIVE)
    audit.record(actor, "org.staff_move_cancelled", person, before={"store_id": change.to_store_id})
    change.refresh_from_db()
    return change


def apply_store_changes(*, now: datetime) -> dict[str, int]:
    """Let the moves whose day has come take effect."""
    tally = {"moved": 0, "dropped": 0}
    due = StoreChange.objects.filter(state=State.PLANNED, starts_on__lte=local_day(now))
    for pk, staff_id in list(due.order_by("pk").values_list("pk", "staff_id")):
        with transaction.atomic():
            person = Staff.objects.select_for_update(no_key=True, of=("self",)).get(pk=staff_id)
            change = StoreChange.objects.filter(pk=pk, state=State.PLANNED).first()
            if change is None:
                continue
            if person.state not in Staff.MAY_SIGN_IN:
                StoreChange.objects.filter(pk=pk).update(state=State.CANCELLED)
                tally["dropped"] += 1
                continue
            _apply(change, person, now=now)
            tally["moved"] += 1
    return tally


def _apply(change: StoreChange, person: Staff, *, now: datetime) -> None:
    """Move a locked person: store, unit and the guide's role; nobody in the old store counts on her any more."""
    stores = {one.pk: one for one in Store.objects.filter(pk__in=[change.from_store_id, change.to_store_id])}
    old, new = stores[change.from_store_id], stores[change.to_store_id]
    roles = RoleAssignment.objects.filter(staff=person, role="guide")
    roles.filter(unit_id=old.unit_id).update(ends_on=change.starts_on - timedelta(days=1))
    roles.update_or_create(
        staff=person, role="guide", unit_id=new.unit_id, defaults={"starts_on": change.starts_on, "ends_on": None}
    )
    person.store_id, person.unit_id, person.backup_guide_id = new.pk, new.unit_id, None
    if person.state == Staff.State.TRANSFERRED:
        person.state = Staff.State.ACTIVE
    person.save(update_fields=["store", "unit", "backup_guide", "state"])
    Staff.objects.filter(backup_guide=person).update(backup_guide=None)
    Store.objects.filter(duty_guide=person).exclude(pk=new.pk).update(duty_guide=None)
    StoreChange.objects.filter(pk=change.pk).update(state=State.DONE)
    change.state = State.DONE
    audit.record(
        Actor.system(), "org.staff_moved", person, before={"store_id": old.pk}, after={"store_id": new.pk},
        reason=change.reason,
    )  # fmt: skip
    outbox.publish(StaffMoved(person.pk, old.pk, new.pk, now.isoformat()))


def planned_moves(staff_ids: Collection[int]) -> dict[int, StoreChange]:
    """Return the move each of these people waits for."""
    rows = StoreChange.objects.filter(staff__in=staff_ids, state=State.PLANNED).select_related("to_store")
    return {row.staff_id: row for row in rows}
