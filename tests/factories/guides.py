"""Stores and people for tests, through the ORM and without surprises.

Three people recur: the guide, her manager, a guide of another store (`make_org`).
"""

from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from itertools import count
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client

from guides.org.actors import actor_for
from guides.org.models import Dealer, OrgUnit, RoleAssignment, Staff, Store
from guides.org.sessions import CONFIRMED, ENDS_AT, ROLE, STAFF
from yejibao.core import clock
from yejibao.core.scope import Actor

_serial = count(1)


def make_unit(level: str = OrgUnit.Level.AREA, *, parent: OrgUnit | None = None, **facts: Any) -> OrgUnit:
    """Return a unit below `parent`, with its path."""
    number = next(_serial)
    unit = OrgUnit.objects.create(
        level=level,
        parent=parent,
        code=facts.pop("code", f"u{number}"),
        name=facts.pop("name", f"组织{number}"),
        **facts,
    )
    unit.path = f"{parent.path if parent else ''}{unit.pk}/"
    unit.save(update_fields=["path"])
    return unit


def make_store(*, area: OrgUnit | None = None, **facts: Any) -> Store:
    """Return a store with a unit of its own (below `area`)."""
    number = next(_serial)
    unit = make_unit(OrgUnit.Level.STORE, parent=area)
    facts.setdefault("code", f"S{number:04}")
    facts.setdefault("name", f"门店{number}")
    facts.setdefault("short_name", facts["name"])
    return Store.objects.create(unit=unit, **facts)


def make_dealer(**facts: Any) -> Dealer:
    number = next(_serial)
    return Dealer.objects.create(code=f"D{number}", name=f"经销商{number}", **facts)


def make_staff(
    role: str = "guide",
    *,
    store: Store | None = None,
    unit: OrgUnit | None = None,
    dealer: Dealer | None = None,
    **facts: Any,
) -> Staff:
    """Return a person with a role over `unit`, or over the store (a new one if none is given); no role for ""."""
    number = next(_serial)
    if unit is None:
        store = store or make_store()
        unit = store.unit
    facts.setdefault("wecom_user_id", f"staff{number}")
    facts.setdefault("name", "李敏")
    facts.setdefault("display_name", "小李")
    person = Staff.objects.create(store=store, unit=unit, **facts)
    if role:
        RoleAssignment.objects.create(staff=person, role=role, unit=unit, dealer=dealer)
    return person


@dataclass(frozen=True)
class Org:
    """One branch, one region, two areas with a store each, and the people who recur."""

    hq: OrgUnit
    branch: OrgUnit
    region: OrgUnit
    area: OrgUnit
    other_area: OrgUnit
    store: Store
    other_store: Store
    guide: Staff
    manager: Staff
    stranger: Staff  # a guide of the other store


def make_org() -> Org:
    """Return a small company: the guide 林晓雯, her manager 陈国栋, and 黄婷 of another store in another area."""
    units = _units_of_org()
    hq, branch, region, area, other_area, of_store, of_other = units
    number, other = next(_serial), next(_serial)
    store = Store(unit=of_store, code=f"S{number:04}", name="南京新街口店", short_name="新街口店")
    other_store = Store(unit=of_other, code=f"S{other:04}", name="苏州观前店", short_name="观前店")
    Store.objects.bulk_create([store, other_store])
    people = [
        Staff(store=at, unit=at.unit, wecom_user_id=f"staff{next(_serial)}", name=name, display_name=display_name)
        for at, name, display_name in (
            (store, "林晓雯", "晓雯"),
            (store, "陈国栋", "国栋"),
            (other_store, "黄婷", "小黄"),
        )
    ]
    guide, manager, stranger = Staff.objects.bulk_create(people)
    roles = (("guide", guide), ("store_manager", manager), ("guide", stranger))
    RoleAssignment.objects.bulk_create(
        RoleAssignment(staff=person, role=role, unit=person.unit) for role, person in roles
    )
    return Org(
        hq=hq, branch=branch, region=region, area=area, other_area=other_area, store=store, other_store=other_store,
        guide=guide, manager=manager, stranger=stranger,
    )  # fmt: skip


def _units_of_org() -> list[OrgUnit]:
    """Return the seven units at one go: a path is made of numbers, so these are drawn before. Most tests begin here."""
    rows = (  # level, name, place of the parent in this list
        ("hq", "总部", None), ("branch", "江苏分公司", 0), ("region", "南京大区", 1), ("area", "南京一区", 2),
        ("area", "南京二区", 2), ("store", "", 3), ("store", "", 4),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [OrgUnit._meta.db_table, len(rows)],
        )
        keys = [key for (key,) in cursor.fetchall()]
    units: list[OrgUnit] = []
    for key, (level, name, place) in zip(keys, rows, strict=True):
        number, parent = next(_serial), None if place is None else units[place]
        path = f"{parent.path if parent else ''}{key}/"
        units.append(
            OrgUnit(pk=key, level=level, parent=parent, code=f"u{number}", name=name or f"组织{number}", path=path)
        )
    return OrgUnit.objects.bulk_create(units)


def holder_of(role: str, org: Org) -> Staff:
    """Return a new person with a role where it belongs: in the org's store, area, region, branch or at HQ."""
    from guides.org.actors import role_facts

    if role == "dealer":
        dealer = make_dealer()
        make_store(area=org.area, kind="dealer", dealer=dealer)
        return make_staff(role, unit=org.hq, dealer=dealer)
    level = role_facts(role)["level"]
    if level == "store":
        return make_staff(role, store=org.store)
    return make_staff(role, unit=getattr(org, level))


def actor(person: Staff, **options: Any) -> Actor:
    """Return a person as an actor, as the database has him now."""
    return actor_for(person, **options)


def session_of(person: Staff, *, role: str = "", confirmed: bool = True) -> str:
    """Return the key of a new session of a person, as signing in makes it; for cookies of a browser."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[STAFF], session[ROLE] = person.pk, role
    session[ENDS_AT] = (clock.system_now() + timedelta(hours=24)).isoformat()
    if confirmed:  # as after a sign-in of this moment
        session[CONFIRMED] = {"way": "totp", "at": clock.system_now().isoformat()}
    session.save()
    return str(session.session_key)


def sign_in(client: Client, person: Staff, *, role: str = "", confirmed: bool = True) -> Client:
    """Return the client with a session of a person; `confirmed` as in guides/org/confirming.py."""
    client.cookies[settings.SESSION_COOKIE_NAME] = session_of(person, role=role, confirmed=confirmed)
    return client
