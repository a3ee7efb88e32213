"""Who holds which role over which unit, and for how long. What changes here holds from the person's next request on."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from guides.events import StaffLent
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .actors import role_facts, role_names
from .devices import end_sessions
from .models import Dealer, OrgUnit, RoleAssignment, Staff, Store
from .scoped import EVERYBODY, under_grants

# Who answers for both stores may lend somebody, or move him: org_and_roles.yaml names no role for it.
MOVERS = ("area_supervisor", "region_manager", "branch_manager")
LENT_ROLES = ("guide", "store_manager")
LONGEST_LOAN = timedelta(days=92)
ROLE_CHANGED = "岗位变了"  # why sessions end: who comes in again sees the menu and the pages he has now


class WrongPlace(Invalid):
    code, title = "org.wrong_place", _("组织层级不对")


class OwnRole(Forbidden):
    code, title = "perm.account.own_role", _("自己的岗位要由别的管理员来改")


class NotYoursToLend(Forbidden):
    code, title = "perm.staff.lend", _("你不能安排这位同事去支援")


class NotLendable(Invalid):
    code, title = "staff.not_lendable", _("现在不能这样安排支援")


class UnitEnded(Conflict):
    code, title = "org.unit_ended", _("这里已经撤销或关店")


def must_stand(unit: OrgUnit | None, *, day: date) -> None:
    """Raise UnitEnded for a unit that is no more: nobody is entered there and nothing is hung under it."""
    if unit is not None and unit.valid_to is not None and unit.valid_to <= day:
        raise UnitEnded(_("%(name)s已经撤销或关店，选一个还在的。") % {"name": unit.name})


def must_manage_accounts(actor: Actor) -> None:
    """Raise Forbidden for whoever does not look after accounts."""
    if not actor.may("account.manage"):
        raise Forbidden(_("组织和账号由系统管理员维护。"), permission="account.manage")


@transaction.atomic
def grant_role(
    person: Staff,
    *,
    role: str,
    unit: OrgUnit,
    actor: Actor,
    now: datetime,
    dealer: Dealer | None = None,
    starts_on: date | None = None,
    ends_on: date | None = None,
    reason: str = "",
) -> RoleAssignment:
    """Give a person a role over a unit, for ever or from-to (both days included). Granting again changes the dates.

    Nobody grants himself one: an administrator would see with it what his own role keeps from him. Raises OwnRole, Invalid,
    WrongPlace, UnitEnded, or Conflict for whoever left.
    """
    must_manage_accounts(actor)
    _must_be_another(actor, person)
    must_stand(unit, day=local_day(now))
    if person.state == Staff.State.RESIGNED:
        raise Conflict(_("他已经离职了，回来上班要重新加人。"))
    if role not in role_names():
        raise Invalid(_("没有这个岗位：%(role)s") % {"role": role})
    level = role_facts(role)["level"]
    if role == "dealer":
        if dealer is None:
            raise Invalid(_("经销商岗位要写明是哪一家经销商。"))
    elif unit.level != level:
        named = {"role": role_names()[role], "level": OrgUnit.Level(level).label}
        raise WrongPlace(_("%(role)s只能设在%(level)s上。") % named)
    if starts_on and ends_on and ends_on < starts_on:
        raise Invalid(_("结束日期早于开始日期。"))
    return _hold(person, role, unit, actor, dealer=dealer, starts_on=starts_on, ends_on=ends_on, reason=reason)


@transaction.atomic
def end_role(
    held: RoleAssignment, *, actor: Actor, now: datetime, last_day: date | None = None, reason: str = ""
) -> RoleAssignment:
    """End a role after a day, at once where none is named. The row stays: it tells who held what. Raises OwnRole."""
    must_manage_accounts(actor)
    _must_be_another(actor, held.staff)
    before = _facts(held)
    held.ends_on = last_day or local_day(now) - timedelta(days=1)
    held.save(update_fields=["ends_on"])
    audit.record(actor, "org.role_ended", held.staff, before=before, after=_facts(held), reason=reason)
    others = RoleAssignment.objects.filter(RoleAssignment.in_force(local_day(now)), staff=held.staff)
    if others.exists():  # who has none left is told so at his next request, and that ends it
        end_sessions(held.staff, actor=actor, reason=ROLE_CHANGED)
    return held


@transaction.atomic
def lend_to_store(
    person: Staff,
    *,
    store: Store,
    starts_on: date,
    ends_on: date,
    actor: Actor,
    now: datetime,
    role: str = "guide",
    reason: str = "",
) -> RoleAssignment:
    """临时支援: let a person work in a second store from-to, both days included. Her own store stays; it ends by itself.

    By an administrator, or by whoever answers for both stores. Raises NotYoursToLend or NotLendable.
    """
    today = local_day(now)
    if ends_on < starts_on:
        raise NotLendable(_("最后一天早于第一天"))
    if role not in LENT_ROLES or not today <= starts_on <= ends_on <= starts_on + LONGEST_LOAN:
        raise NotLendable(_("日期从今天起，最多三个月"))
    held = Staff.objects.select_related("store").get(pk=person.pk)
    if held.state not in Staff.MAY_SIGN_IN or held.store is None or held.store_id == store.pk:
        raise NotLendable(_("只能安排在职的门店同事去别的店"))
    if store.closed_on is not None and store.closed_on <= ends_on:
        raise NotLendable(_("这家店已经或将要关店"))
    _must_be_another(actor, held)
    if Store.objects.filter(stores_in_hand(actor), pk__in=[held.store_id, store.pk]).count() < 2:
        raise NotYoursToLend(_("两家店都归你管才能安排"))
    standing = RoleAssignment.objects.filter(staff=held, role=role, unit_id=store.unit_id, ends_on=None)
    if standing.exists():
        raise NotLendable(_("他在那家店已经有长期岗位"))
    lent = _hold(held, role, store.unit, actor, dealer=None, starts_on=starts_on, ends_on=ends_on, reason=reason)
    outbox.publish(StaffLent(held.pk, store.pk, role, starts_on.isoformat(), ends_on.isoformat(), now.isoformat()))
    return lent


def stores_in_hand(actor: Actor, *, path: str = "unit__path", store: str = "pk") -> Q:
    """Return the condition for stores between which an actor may lend and move people."""
    if actor.may("account.manage"):
        return EVERYBODY
    return under_grants(actor.reach(*MOVERS), path=path, store=store)


def _must_be_another(actor: Actor, person: Staff) -> None:
    if actor.staff_id == person.pk:
        raise OwnRole()


def _facts(held: RoleAssignment) -> dict[str, object]:
    days = {"starts_on": str(held.starts_on or ""), "ends_on": str(held.ends_on or "")}
    return {"role": held.role, "unit_id": held.unit_id, "dealer_id": held.dealer_id} | days


def _hold(person: Staff, role: str, unit: OrgUnit, actor: Actor, *, reason: str, **facts: object) -> RoleAssignment:
    before = RoleAssignment.objects.filter(staff=person, role=role, unit=unit).first()
    held, is_new = RoleAssignment.objects.update_or_create(staff=person, role=role, unit=unit, defaults=facts)
    action = "org.role_assigned" if is_new else "org.role_changed"
    audit.record(
        actor, action, person, before=_facts(before) if before else None, after=_facts(held), reason=reason
    )  # fmt: skip
    end_sessions(person, actor=actor, reason=ROLE_CHANGED)
    return held
