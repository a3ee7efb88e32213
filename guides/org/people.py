"""Writes to a person's own facts from the back office: names and backup, phone, another post."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.events import StaffMoved
from yejibao.core import audit, clock, desk, outbox
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.personal import blind_index, normal_phone
from yejibao.core.scope import Actor

from .actors import role_facts
from .granting import OwnRole, end_role, grant_role, must_manage_accounts
from .models import OrgUnit, RoleAssignment, Staff, Store, StoreChange

FACTS = ("name", "display_name", "backup_guide_id", "digest_minute", "joined_on")


@transaction.atomic
def edit_person(person: Staff, *, changes: Mapping[str, Any], seen: str, actor: Actor) -> Staff:
    """Change a person's names, backup, joining day or digest minute. Raises Stale or Invalid."""
    must_manage_accounts(actor)
    held = Staff.objects.select_for_update(no_key=True, of=("self",)).defer("phone", "password").get(pk=person.pk)
    desk.must_be_as_seen(held, FACTS, seen)
    changes = {name: value for name, value in changes.items() if name in FACTS}
    before = {name: getattr(held, name) for name in changes}
    for name, value in changes.items():
        setattr(held, name, value)
    _check(held)
    moved = [name for name in changes if before[name] != getattr(held, name)]
    if moved:
        held.save(update_fields=[name.removesuffix("_id") for name in moved])
        names_only = {"name", "display_name"}  # who it is stands beside; what he was called is nobody's business here
        audit.record(
            actor, "org.staff_edited", held,
            before={name: None if before[name] is None else str(before[name]) for name in moved if name not in names_only},
            after={name: str(getattr(held, name) or "") for name in moved if name not in names_only}
            | {"fields": moved},
        )  # fmt: skip
    return held


def _check(person: Staff) -> None:
    if not person.name.strip() or not person.display_name.strip():
        raise Invalid(errors=[_wrong("name", _("姓名和称呼都要填"))])
    if not 1 <= person.digest_minute <= 29:
        raise Invalid(errors=[_wrong("digest_minute", _("摘要分钟是 1 到 29"))])
    if person.backup_guide_id is None:
        return
    mates = Staff.objects.employed().filter(store_id=person.store_id, store__isnull=False).exclude(pk=person.pk)
    if not mates.filter(pk=person.backup_guide_id).exists():
        raise Invalid(errors=[_wrong("backup", _("代办人要是同一家店在职的同事"))])


def _wrong(field: str, message: Any) -> dict[str, str]:
    return {"field": field, "code": "invalid", "message": str(message)}


@transaction.atomic
def set_phone(person: Staff, *, phone: str, actor: Actor) -> None:
    """Write a person's phone anew; empty takes it away. It is never shown in full. Raises Invalid."""
    must_manage_accounts(actor)
    national = normal_phone(phone) if phone.strip() else ""
    if phone.strip() and not national:
        raise Invalid(errors=[_wrong("phone", _("手机号不对"))])
    person.phone = national
    person.phone_index = blind_index(national, purpose="phone") if national else ""
    person.save(update_fields=["phone", "phone_index"])
    audit.record(actor, "org.staff_phone", person, after={"has_phone": bool(national)})


@transaction.atomic
def change_post(person: Staff, *, role: str, unit: OrgUnit, actor: Actor, now: datetime, reason: str) -> RoleAssignment:
    """换岗: from now on a person holds another role and belongs to its unit; the roles he had for ever end yesterday.

    What he keeps of members in a store he leaves is handed over as with a move. A guide who stays one moves by
    transfer_staff. Raises OwnRole, WrongPlace, Conflict or Invalid.
    """
    must_manage_accounts(actor)
    if actor.staff_id == person.pk:
        raise OwnRole()
    reason, today = desk.needs_reason(reason), clock.local_day(now)
    held = Staff.objects.select_for_update(no_key=True, of=("self",)).defer("phone", "password").get(pk=person.pk)
    if held.state not in Staff.MAY_SIGN_IN:
        raise Conflict(_("离职或停用的人不能换岗"))
    if StoreChange.objects.filter(staff=held, state=StoreChange.State.PLANNED).exists():
        raise Conflict(_("他有一次调店在等生效，先取消再换岗"))
    if role == "dealer" or "web" not in role_facts(role)["device"] and role_facts(role)["level"] != unit.level:
        raise Invalid(_("经销商岗位请在「加岗位」里加。") if role == "dealer" else _("这个岗位不能设在这里。"))
    store = Store.objects.filter(unit=unit).first()
    standing = RoleAssignment.objects.filter(RoleAssignment.in_force(today), staff=held, ends_on=None)
    was_guide_at = standing.filter(role="guide").values_list("unit_id", flat=True).first()
    if role == "guide" and was_guide_at not in (None, unit.pk):
        raise Invalid(_("导购换店请用「调店」，会员才有人接。"))
    if store is not None and store.closed_on is not None:
        raise Invalid(_("这家店已经或将要关店。"))
    for old in standing.exclude(role=role, unit=unit):
        end_role(old, actor=actor, now=now, last_day=today - timedelta(days=1), reason=reason)
    granted = grant_role(held, role=role, unit=unit, actor=actor, now=now, starts_on=today, reason=reason)
    _settle_in(held, unit, store, actor=actor, now=now, reason=reason)
    return granted


def _settle_in(
    person: Staff, unit: OrgUnit, store: Store | None, *, actor: Actor, now: datetime, reason: str
) -> None:  # fmt: skip
    old_store_id, before = person.store_id, {"unit_id": person.unit_id, "store_id": person.store_id}
    new_store_id = store.pk if store else None
    if person.unit_id == unit.pk and old_store_id == new_store_id:
        return
    person.unit, person.store, person.backup_guide = unit, store, None
    person.save(update_fields=["unit", "store", "backup_guide"])
    Staff.objects.filter(backup_guide=person).exclude(store_id=new_store_id).update(backup_guide=None)
    Store.objects.filter(duty_guide=person).exclude(pk=new_store_id or 0).update(duty_guide=None)
    audit.record(
        actor, "org.staff_post", person, before=before, after={"unit_id": unit.pk, "store_id": new_store_id},
        reason=reason,
    )  # fmt: skip
    if old_store_id and old_store_id != new_store_id:
        outbox.publish(StaffMoved(person.pk, old_store_id, new_store_id or old_store_id, now.isoformat()))
