"""All writes to units, stores, people and roles."""

from datetime import date, datetime, time
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from guides.events import SignInChanged, StaffAwayChanged, StaffResigned
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Conflict, Invalid, Stale
from yejibao.core.personal import blind_index, normal_phone
from yejibao.core.scope import Actor

from .devices import end_sessions
from .granting import WrongPlace, grant_role, must_manage_accounts, must_stand
from .models import GIVEN_UP, Dealer, OrgUnit, OrgUnitMove, Staff, Store

MIN_PASSWORD = 10
Level = OrgUnit.Level
UPPER_LEVEL: dict[str, str] = {
    Level.BRANCH: Level.HQ,
    Level.REGION: Level.BRANCH,
    Level.AREA: Level.REGION,
    Level.STORE: Level.AREA,
}


class CodeTaken(Conflict):
    code, title = "org.code_taken", _("这个编号已经有了")


class AlreadyResigned(Conflict):
    code, title = "org.already_resigned", _("这位同事已经离职")


# ---------------------------------------------------------------- units and stores


@transaction.atomic
def create_unit(*, level: str, code: str, name: str, parent: OrgUnit | None, actor: Actor, now: datetime) -> OrgUnit:
    """Add a unit one level below its parent. Raises WrongPlace, UnitEnded or CodeTaken."""
    must_manage_accounts(actor)
    if parent is not None:  # its path must not move before ours is written
        parent = OrgUnit.objects.select_for_update().get(pk=parent.pk)
    _must_fit(level, parent)
    must_stand(parent, day=clock.local_day(now))
    if OrgUnit.objects.filter(code=code).exists():
        raise CodeTaken(_("编号 %(code)s 已经有了，换一个") % {"code": code})
    unit = OrgUnit.objects.create(level=level, code=code, name=name, parent=parent, valid_from=clock.local_day(now))
    unit.path = f"{parent.path if parent else ''}{unit.pk}/"
    unit.save(update_fields=["path"])
    audit.record(actor, "org.unit_created", unit, after={"level": level, "name": name, "path": unit.path})
    return unit


def _must_fit(level: str, parent: OrgUnit | None) -> None:
    needed = UPPER_LEVEL.get(level)
    if (parent.level if parent else None) != needed:
        above = Level(needed).label if needed else _("空")
        raise WrongPlace(_("%(level)s的上级应该是%(above)s。") % {"level": Level(level).label, "above": above})


@transaction.atomic
def create_store(
    *,
    area: OrgUnit,
    code: str,
    name: str,
    short_name: str,
    actor: Actor,
    now: datetime,
    kind: str = Store.Kind.SELF_OPERATED,
    dealer: Dealer | None = None,
    opens_at: time = time(9, 30),
    closes_at: time = time(22, 0),
    **facts: Any,
) -> Store:
    """Open a store in an area, with its unit. Hours lie within 09:30-22:00. Raises WrongPlace, CodeTaken or Invalid."""
    if (kind == Store.Kind.DEALER) != (dealer is not None):
        raise Invalid(_("经销商门店要写明经销商，其他门店不能写。"))
    if not time(9, 30) <= opens_at < closes_at <= time(22, 0):
        raise Invalid(_("营业时间要在 9:30 到 22:00 之内。"))
    unit = create_unit(level=Level.STORE, code=code, name=name, parent=area, actor=actor, now=now)
    return Store.objects.create(
        unit=unit,
        code=code,
        name=name,
        short_name=short_name,
        kind=kind,
        dealer=dealer,
        opens_at=opens_at,
        closes_at=closes_at,
        **facts,
    )


@transaction.atomic
def move_unit(
    unit: OrgUnit, *, to: OrgUnit, actor: Actor, reason: str, now: datetime, was: int | None = None
) -> OrgUnit:
    """Hang a unit under another parent of the same level; all below it moves along, what happened before stays.

    `was`: the parent its editor saw. Raises WrongPlace, UnitEnded or Stale. A move to where it is already changes nothing.
    """
    must_manage_accounts(actor)
    locked = {one.pk: one for one in OrgUnit.objects.select_for_update().filter(pk__in=[unit.pk, to.pk]).order_by("pk")}
    unit, to = locked[unit.pk], locked[to.pk]
    _must_fit(unit.level, to)
    if unit.parent_id == to.pk:
        return unit
    must_stand(to, day=clock.local_day(now))
    if was is not None and unit.parent_id != was:
        raise Stale(_("刚刚有人给它换了上级，看过再改。"))
    old_path, new_path, old_parent = unit.path or "", f"{to.path}{unit.pk}/", unit.parent_id
    OrgUnitMove.objects.create(
        unit=unit,
        from_parent_id=old_parent,
        to_parent=to,
        from_path=old_path,
        to_path=new_path,
        moved_on=clock.local_day(now),
        reason=reason,
    )
    OrgUnit.objects.filter(pk=unit.pk).update(parent=to)
    with connection.cursor() as cursor:  # ids and slashes only, so the prefix needs no escaping
        cursor.execute(
            "UPDATE guides_orgunit SET path = %s || substr(path, %s) WHERE path LIKE %s",
            [new_path, len(old_path) + 1, old_path + "%"],
        )
    audit.record(
        actor,
        "org.unit_moved",
        unit,
        before={"parent_id": old_parent, "path": old_path},
        after={"parent_id": to.pk, "path": new_path},
        reason=reason,
    )
    unit.parent, unit.path = to, new_path
    return unit


# ---------------------------------------------------------------- people


@transaction.atomic
def create_staff(
    *,
    wecom_user_id: str,
    name: str,
    role: str,
    unit: OrgUnit,
    actor: Actor,
    now: datetime,
    display_name: str = "",
    phone: str = "",
    backup: Staff | None = None,
    dealer: Dealer | None = None,
    digest_minute: int | None = None,
    joined_on: date | None = None,
) -> Staff:
    """Enter a person with a first role. `unit` is where he belongs: of a store's people the store's unit.

    Who left and comes back is entered again with his user id: the row of then keeps its past, and gives the account up.
    Raises CodeTaken for the user id of a colleague, WrongPlace or UnitEnded for a unit that does not fit, Invalid for the rest.
    """
    must_manage_accounts(actor)
    userid = wecom_user_id.strip().casefold()
    if not userid or not name.strip():
        raise Invalid(_("企业微信账号和姓名都要填。"))
    former = Staff.objects.select_for_update(no_key=True).filter(wecom_user_id=userid).first()
    if former is not None and former.state != Staff.State.RESIGNED:
        raise _account_taken(former)
    national = normal_phone(phone) if phone else ""
    if phone and not national:
        raise Invalid(_("手机号不对。"))
    store = Store.objects.filter(unit=unit).first()
    if backup is not None and (store is None or backup.store_id != store.pk):
        raise Invalid(_("代办人要是同一家店的同事。"))
    if former is not None:
        _give_up_account(former, actor=actor)
    person = Staff(
        wecom_user_id=userid,
        name=name.strip(),
        display_name=display_name.strip() or name.strip(),
        store=store,
        unit=unit,
        backup_guide=backup,
        phone=national,
        phone_index=blind_index(national, purpose="phone") if national else "",
        joined_on=joined_on or clock.local_day(now),
    )
    person.set_unusable_password()
    try:
        with transaction.atomic():
            person.save()
    except IntegrityError as error:  # two enter him at once
        raise CodeTaken(_("企业微信账号 %(userid)s 刚刚有人加过了。") % {"userid": userid}) from error
    # A full half hour would bring all digests at once: spread them, never on minute 0.
    person.digest_minute = digest_minute or 1 + person.pk % 29
    person.save(update_fields=["digest_minute"])
    audit.record(actor, "org.staff_created", person, after={"wecom_user_id": userid, "unit_id": unit.pk})
    grant_role(person, role=role, unit=unit, dealer=dealer, actor=actor, now=now)
    return person


def _account_taken(holder: Staff) -> CodeTaken:
    words = {"userid": holder.wecom_user_id, "name": holder.name, "state": holder.get_state_display()}
    return CodeTaken(_("企业微信账号 %(userid)s 已经是%(name)s的（%(state)s）") % words)


def _give_up_account(former: Staff, *, actor: Actor) -> None:
    """Let go of the user id of somebody who left, for the one who is entered now."""
    userid = former.wecom_user_id
    mark = f"{GIVEN_UP}{former.pk}"
    former.wecom_user_id = userid[: 64 - len(mark)] + mark
    former.save(update_fields=["wecom_user_id"])
    audit.record(
        actor, "org.staff_renamed", former, before={"wecom_user_id": userid}, after={"wecom_user_id": former.wecom_user_id},
        reason="同一个账号重新加人",
    )  # fmt: skip


@transaction.atomic
def resign_staff(person: Staff, *, actor: Actor, now: datetime, reason: str = "") -> Staff:
    """Note that a person left. He is refused from his next request on, and is nobody's backup any more.

    His roles stay as a record; every query leaves people out who are not employed. Raises AlreadyResigned.
    """
    must_manage_accounts(actor)
    changed = (
        Staff.objects.filter(pk=person.pk)
        .exclude(state=Staff.State.RESIGNED)
        .update(state=Staff.State.RESIGNED, resigned_at=now)
    )
    if not changed:
        raise AlreadyResigned(_("%(name)s已经离职了") % {"name": person.name})
    before = person.state
    person.state, person.resigned_at = Staff.State.RESIGNED, now
    Staff.objects.filter(backup_guide=person).update(backup_guide=None)
    Store.objects.filter(duty_guide=person).update(duty_guide=None)
    audit.record(
        actor, "org.staff_resigned", person, before={"state": before}, after={"state": person.state}, reason=reason
    )
    outbox.publish(StaffResigned(staff_id=person.pk, resigned_at=now.isoformat()))
    return person


@transaction.atomic
def set_staff_state(person: Staff, *, state: str, actor: Actor, now: datetime, reason: str = "") -> Staff:
    """Set 在职, 请假中, 调店中 or 停用. Leaving has its own act; who left comes back only by being entered again."""
    must_manage_accounts(actor)
    if state == Staff.State.RESIGNED:
        return resign_staff(person, actor=actor, now=now, reason=reason)
    if state not in Staff.State.values:
        raise Invalid(_("没有这种在职状态：%(state)s") % {"state": state})
    if not Staff.objects.filter(pk=person.pk).exclude(state=Staff.State.RESIGNED).update(state=state):
        raise AlreadyResigned(_("%(name)s已经离职了") % {"name": person.name})
    audit.record(
        actor, "org.staff_state", person, before={"state": person.state}, after={"state": state}, reason=reason
    )
    if state not in Staff.MAY_SIGN_IN:  # a session left over would live again with him
        end_sessions(person, actor=actor, reason=reason)
    if Staff.State.LEAVE in (person.state, state) and person.state != state:
        outbox.publish(StaffAwayChanged(staff_id=person.pk, days=[clock.local_day(now).isoformat()]))
    person.state = state
    return person


@transaction.atomic
def rename_staff(person: Staff, *, wecom_user_id: str, actor: Actor, reason: str = "") -> Staff:
    """Give a person the user id he now has in WeCom. Raises CodeTaken when somebody else has it.

    Done by hand it may open the account to another: the sessions end, he and the other administrators are told.
    """
    must_manage_accounts(actor)
    userid, before = wecom_user_id.strip().casefold(), person.wecom_user_id
    if userid == before:
        return person
    if holder := Staff.objects.filter(wecom_user_id=userid).first():
        raise _account_taken(holder)
    person.wecom_user_id = userid
    person.save(update_fields=["wecom_user_id"])
    audit.record(
        actor,
        "org.staff_renamed",
        person,
        before={"wecom_user_id": before},
        after={"wecom_user_id": userid},
        reason=reason,
    )
    if not actor.is_system:
        end_sessions(person, actor=actor, reason=reason)
        outbox.publish(SignInChanged(person.pk, "account", actor.staff_id))
    return person


@transaction.atomic
def set_password(person: Staff, *, password: str | None, actor: Actor, reason: str = "") -> None:
    """Give a person with a web role a password, or take it away (None); his sessions end, he is told. Raises Invalid."""
    must_manage_accounts(actor)
    if password is not None and len(password) < MIN_PASSWORD:
        raise Invalid(_("密码至少 %(count)d 个字。") % {"count": MIN_PASSWORD})
    person.set_password(password)
    person.save(update_fields=["password"])
    audit.record(actor, "org.password_set" if password else "org.password_removed", person, reason=reason)
    end_sessions(person, actor=actor, reason=reason)
    outbox.publish(SignInChanged(person.pk, "password" if password else "no_password", actor.staff_id))
