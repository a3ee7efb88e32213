"""Who saw what of whom, read from the audit trail: what has to be known within hours of a leak (PIPL art. 57)."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from crm.members.models import Member
from guides.org.models import Staff
from yejibao.core.audit import EXPORTED, LISTED
from yejibao.core.models import AuditEntry

# What each act shows of a member, in words; acts whose `resource_id` is the member.
ACTS: dict[str, tuple[str, ...]] = {
    "member.phone_revealed": ("手机号",),
    "member.revealed": (),  # its `after` names the field
    "member.copy_taken": ("全部信息",),
    "member.viewed": ("会员卡片",),
}
MANY = (LISTED, EXPORTED)  # over many at once; `after` holds each of their ids
FIELDS = {"phone": "手机号", "birth_year": "出生年", "id_number": "证件号", "address": "地址", "parcel": "收货地址"}


@dataclass
class Person:
    """One who looked."""

    staff: str
    name: str
    members: int = 0
    acts: Counter[str] = field(default_factory=Counter)


@dataclass
class Seen:
    """One member of whom something was seen."""

    member_id: str
    fields: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    first: str = ""
    last: str = ""
    times: int = 0


@dataclass(frozen=True)
class Exposed:
    """`lists` are exports and other acts over many members at once, one by one; who stood on them is among `members`."""

    people: Sequence[Person]
    members: Sequence[Seen]
    lists: Sequence[dict[str, Any]]


def exposed(*, since: datetime, until: datetime, actor: str = "", ip: str = "") -> Exposed:
    """Return who saw what of whom in `[since, until)`, of everybody or of one person or address. Raises LookupError."""
    condition = Q(action__in=(*ACTS, LISTED), resource=Member._meta.label) | Q(action__startswith="export.")
    entries = AuditEntry.objects.filter(condition, at__gte=since, at__lt=until)
    if actor:
        staff = Staff.objects.filter(wecom_user_id=actor.lower()).first()
        if staff is None:
            raise LookupError(f"没有 {actor} 这个人。")
        entries = entries.filter(actor_id=staff.pk, actor_kind="staff")
    if ip:
        entries = entries.filter(ip=ip)
    people: dict[int | None, Person] = {}
    members: dict[str, Seen] = {}
    pairs: dict[int | None, set[str]] = defaultdict(set)
    lists = []
    for one in entries.order_by("at", "pk").iterator():
        person = people.setdefault(one.actor_id, Person(str(one.actor_id or one.actor_kind), one.actor_name))
        person.acts[one.action] += 1
        if one.action not in ACTS:
            lists.append(_list_of(one, person))
        for member_id in _members_of(one):
            seen = members.setdefault(member_id, Seen(member_id, first=one.at.isoformat()))
            seen.fields |= _fields_of(one)
            seen.people.add(person.name)
            seen.last, seen.times = one.at.isoformat(), seen.times + 1
            pairs[one.actor_id].add(member_id)
    ids = dict(Staff.objects.filter(pk__in=[pk for pk in people if pk]).values_list("pk", "wecom_user_id"))
    for pk, person in people.items():
        person.staff, person.members = ids.get(pk or 0, person.staff), len(pairs[pk])
    by_members = sorted(people.values(), key=lambda one: (-one.members, one.staff))
    return Exposed(by_members, sorted(members.values(), key=lambda one: int(one.member_id)), lists)


def _list_of(one: AuditEntry, person: Person) -> dict[str, Any]:
    told = one.after or {}
    what = told.get("where") or told.get("list") or ""
    named = f"{one.resource} {one.resource_id}".strip() if one.resource_id else str(what)
    rows = len(told.get("ids", ())) if one.action in MANY else None
    return {
        "at": one.at.isoformat(),
        "staff": person.name,
        "action": one.action,
        "what": named,
        "list": what,
        "members": rows,
    }


def _members_of(one: AuditEntry) -> list[str]:
    if one.action in ACTS:
        return [one.resource_id]
    return [str(pk) for pk in (one.after or {}).get("ids", ())] if one.action in MANY else []


def _fields_of(one: AuditEntry) -> set[str]:
    told = one.after or {}
    if one.action == EXPORTED:
        return {"姓名", FIELDS["phone"]} if told.get("with_phone") else {"打码的名单"}
    if one.action == LISTED:
        return {"名单"}
    named = FIELDS.get(str(told.get("field")), "")
    return set(ACTS[one.action]) | ({named} if named else set())


def private(path: str, flags: int) -> int:
    """Open a file only its maker can read."""
    return os.open(path, flags, 0o600)
