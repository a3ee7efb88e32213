"""Writes to units, stores and dealers once they exist: rename, end, change a store's facts, open and close it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, clock, desk
from yejibao.core.errors import Conflict, Invalid, Stale
from yejibao.core.scope import Actor

from .granting import must_manage_accounts
from .models import Dealer, OrgUnit, RoleAssignment, Staff, Store, StoreChange
from .moving import FARTHEST, movable_people, transfer_staff
from .services import CodeTaken

Level = OrgUnit.Level
DEALER_FACTS = ("name", "contract_until")
STORE_FACTS = (
    "name", "short_name", "kind", "grade", "dealer_id", "area_m2", "opened_on", "decoration_version", "city",
    "address_short", "opens_at", "closes_at", "duty_guide_id",
)  # fmt: skip
GRADES = {"A": _("标杆/旗舰"), "B": _("主力"), "C": _("普通"), "D": _("待提升")}
EARLIEST, LATEST = time(9, 30), time(22, 0)


class StillUsed(Conflict):
    code, title = "org.still_used", _("下面还有人或门店，先安排好")


@transaction.atomic
def rename_unit(unit: OrgUnit, *, name: str, was: str, actor: Actor) -> OrgUnit:
    """Give a unit another name; of a store use edit_store. `was` is the name its editor saw. Raises Stale or Invalid."""
    must_manage_accounts(actor)
    name = name.strip()
    if not 0 < len(name) <= 64:
        raise Invalid(errors=[_wrong("name", _("名称要有 1 到 64 个字"))])
    if unit.level == Level.STORE:
        raise Invalid(_("门店的名称在门店资料里改。"))
    if name == was == unit.name:
        return unit
    if not OrgUnit.objects.filter(pk=unit.pk, name=was).update(name=name):
        raise Stale(_("刚刚有人改过这个名称，看过再改。"))
    audit.record(actor, "org.unit_renamed", unit, before={"name": was}, after={"name": name})
    unit.name = name
    return unit


@transaction.atomic
def end_unit(unit: OrgUnit, *, actor: Actor, now: datetime, reason: str) -> OrgUnit:
    """Take a unit under which nothing is left out of the tree; what happened in it stays. Raises StillUsed."""
    must_manage_accounts(actor)
    reason = desk.needs_reason(reason)
    held = OrgUnit.objects.select_for_update().get(pk=unit.pk)
    if held.level in (Level.HQ, Level.STORE):
        raise Invalid(_("总部不能撤销；门店请用关店。"))
    if held.valid_to is not None:
        raise Conflict(_("这个单位已经撤销了"))
    today = clock.local_day(now)
    below = OrgUnit.objects.below(held).exclude(pk=held.pk)
    if below.exclude(valid_to__lte=today).exists() or Staff.objects.employed().filter(unit=held).exists():
        raise StillUsed(_("下面还有单位、门店或在职的人，先调走再撤销。"))
    OrgUnit.objects.filter(pk=held.pk).update(valid_to=today)
    audit.record(actor, "org.unit_ended", held, after={"valid_to": str(today)}, reason=reason)
    held.valid_to = today
    return held


# ---------------------------------------------------------------- a store's facts


@transaction.atomic
def edit_store(store: Store, *, changes: Mapping[str, Any], seen: str, actor: Actor) -> Store:
    """Change facts of a store (those of STORE_FACTS); its unit bears the same name. Raises Stale or Invalid."""
    must_manage_accounts(actor)
    held = Store.objects.select_for_update(of=("self",)).get(pk=store.pk)
    desk.must_be_as_seen(held, STORE_FACTS, seen)
    changes = {name: value for name, value in changes.items() if name in STORE_FACTS}
    before = {name: getattr(held, name) for name in changes}
    for name, value in changes.items():
        setattr(held, name, value)
    _check_store(held)
    moved = [name for name in changes if before[name] != getattr(held, name)]
    if not moved:
        return held
    held.save(update_fields=[name.removesuffix("_id") for name in moved])
    if "name" in moved:
        OrgUnit.objects.filter(pk=held.unit_id).update(name=held.name)
    audit.record(
        actor, "org.store_changed", held, before={name: _plain(before[name]) for name in moved},
        after={name: _plain(getattr(held, name)) for name in moved},
    )  # fmt: skip
    return held


def _check_store(store: Store) -> None:
    wrong = []
    if not store.name.strip() or not store.short_name.strip():
        wrong.append(_wrong("name", _("店名和简称都要填")))
    if store.kind not in Store.Kind.values:
        wrong.append(_wrong("kind", _("选一种经营方式")))
    if store.grade not in GRADES:
        wrong.append(_wrong("grade", _("等级是 A、B、C 或 D")))
    if (store.kind == Store.Kind.DEALER) != (store.dealer_id is not None):
        wrong.append(_wrong("dealer", _("经销商门店要写明经销商，其他门店不能写")))
    if not EARLIEST <= store.opens_at < store.closes_at <= LATEST:
        wrong.append(_wrong("opens_at", _("营业时间要在 9:30 到 22:00 之内")))
    if store.duty_guide_id and not Staff.objects.employed().filter(pk=store.duty_guide_id, store=store).exists():
        wrong.append(_wrong("duty_guide", _("值班导购要是这家店在职的同事")))
    if wrong:
        raise Invalid(errors=wrong)


def _wrong(field: str, message: Any) -> dict[str, str]:
    return {"field": field, "code": "invalid", "message": str(message)}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, type(None))) else str(value)


# ---------------------------------------------------------------- opening and closing


@dataclass(frozen=True)
class Leaving:
    """Who still works in a store on the day it closes, and who of them can be moved along with it."""

    movable: list[Staff]  # guides without a plan: they go to the receiving store
    planned: list[Staff]  # are elsewhere by that day
    others: list[Staff]  # heads and others: somebody has to decide about each


def people_left(store: Store, *, on: date, actor: Actor) -> Leaving:
    """Return the employed people of a store, by what becomes of them if it closes on a day."""
    people = list(Staff.objects.employed().filter(store=store).order_by("pk").defer("phone", "password"))
    away = set(
        StoreChange.objects.filter(staff__in=people, state=StoreChange.State.PLANNED, starts_on__lte=on)
        .exclude(to_store=store)
        .values_list("staff_id", flat=True)
    )
    waiting = set(
        StoreChange.objects.filter(staff__in=people, state=StoreChange.State.PLANNED).values_list("staff_id", flat=True)
    )
    heads = RoleAssignment.objects.filter(RoleAssignment.in_force(on), role="store_manager", unit_id=store.unit_id)
    may = set(
        movable_people(actor, day=on)
        .filter(store=store)
        .exclude(pk__in=heads.values("staff_id"))  # a move takes the guide's role along, not that of a manager
        .values_list("pk", flat=True)
    )
    return Leaving(
        [one for one in people if one.pk in may and one.pk not in waiting],
        [one for one in people if one.pk in away],
        [one for one in people if one.pk not in away and (one.pk not in may or one.pk in waiting)],
    )


@transaction.atomic
def close_store(
    store: Store, *, on: date, receiver: Store | None, actor: Actor, now: datetime, reason: str
) -> dict[str, int]:
    """Close a store from a day on. Its guides work in the receiving store from that day; who is no guide must be gone.

    The members of those who move are handed over as with every move: the store being closed, the region's manager names
    who takes them (`receives_closed_store`). Raises StillUsed while somebody would be left behind, Invalid, Conflict.
    """
    must_manage_accounts(actor)
    reason, today = desk.needs_reason(reason), clock.local_day(now)
    OrgUnit.objects.select_for_update().get(pk=store.unit_id)  # nobody is entered under it meanwhile
    held = Store.objects.select_for_update(of=("self",)).get(pk=store.pk)
    if held.closed_on is not None:
        raise Conflict(_("这家店已经定了关店日期，先看最新的"))
    if not today <= on <= today + FARTHEST:
        raise Invalid(errors=[_wrong("on", _("关店日期选今天到三个月内"))])
    left = people_left(held, on=on, actor=actor)
    if left.others:
        names, count = "、".join(one.name for one in left.others[:5]), len(left.others)
        who = names if count <= 5 else _("%(names)s等 %(count)d 人") % {"names": names, "count": count}
        raise StillUsed(_("%(who)s还在这家店，先换岗、调店或办离职。") % {"who": who})
    if left.movable and receiver is None:
        raise Invalid(errors=[_wrong("store", _("选一家承接门店，%d 位导购从那天起过去上班") % len(left.movable))])
    if receiver is not None and (receiver.pk == held.pk or receiver.closed_on is not None):
        raise Invalid(errors=[_wrong("store", _("承接门店要是另一家在营业的店"))])
    for person in left.movable:
        assert receiver is not None
        transfer_staff(person, to=receiver, starts_on=on, actor=actor, now=now, reason=reason)
    Store.objects.filter(pk=held.pk).update(closed_on=on)
    OrgUnit.objects.filter(pk=held.unit_id).update(valid_to=on)
    audit.record(
        actor, "org.store_closed", held, before={"closed_on": None},
        after={"closed_on": str(on), "receiver_id": receiver.pk if receiver else None, "moved": len(left.movable)},
        reason=reason,
    )  # fmt: skip
    return {"moved": len(left.movable)}


@transaction.atomic
def reopen_store(store: Store, *, actor: Actor, now: datetime, reason: str) -> Store:
    """Take a closing back, planned or done; people and members stay where they are by now. Raises Conflict."""
    must_manage_accounts(actor)
    reason = desk.needs_reason(reason)
    held = Store.objects.select_for_update(of=("self",)).get(pk=store.pk)
    if held.closed_on is None:
        raise Conflict(_("这家店在营业"))
    before = held.closed_on
    Store.objects.filter(pk=held.pk).update(closed_on=None)
    OrgUnit.objects.filter(pk=held.unit_id).update(valid_to=None)
    audit.record(
        actor, "org.store_reopened", held, before={"closed_on": str(before)}, after={"closed_on": None}, reason=reason
    )
    held.closed_on = None
    return held


# ---------------------------------------------------------------- dealers


@transaction.atomic
def add_dealer(*, code: str, name: str, contract_until: date | None, actor: Actor) -> Dealer:
    """Enter a dealer. Raises CodeTaken or Invalid."""
    must_manage_accounts(actor)
    code, name = code.strip(), name.strip()
    _check_dealer(code, name)
    if Dealer.objects.filter(code=code).exists():
        raise CodeTaken(_("编号 %(code)s 已经有了") % {"code": code})
    dealer = Dealer.objects.create(code=code, name=name, contract_until=contract_until)
    audit.record(actor, "org.dealer_added", dealer, after={"code": code, "contract_until": _plain(contract_until)})
    return dealer


@transaction.atomic
def edit_dealer(dealer: Dealer, *, name: str, contract_until: date | None, seen: str, actor: Actor) -> Dealer:
    """Change a dealer's name or the end of his contract. Raises Stale or Invalid."""
    must_manage_accounts(actor)
    held = Dealer.objects.select_for_update().get(pk=dealer.pk)
    desk.must_be_as_seen(held, DEALER_FACTS, seen)
    name = name.strip()
    _check_dealer(held.code, name)
    before = {"name": held.name, "contract_until": _plain(held.contract_until)}
    held.name, held.contract_until = name, contract_until
    after = {"name": name, "contract_until": _plain(contract_until)}
    if before != after:
        held.save(update_fields=["name", "contract_until"])
        audit.record(actor, "org.dealer_changed", held, before=before, after=after)
    return held


def _check_dealer(code: str, name: str) -> None:
    if not 0 < len(code) <= 32 or not 0 < len(name) <= 64:
        raise Invalid(errors=[_wrong("name", _("编号和名称都要填"))])
