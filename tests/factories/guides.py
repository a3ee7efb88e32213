"""Stores and people for tests."""

from itertools import count
from typing import Any

from guides.org.models import OrgUnit, RoleAssignment, Staff, Store

_serial = count(1)


def make_unit(level: str = OrgUnit.Level.AREA, *, parent: OrgUnit | None = None, **facts: Any) -> OrgUnit:
    """Return a unit below `parent`, with its path."""
    number = next(_serial)
    unit = OrgUnit.objects.create(
        level=level, parent=parent, code=facts.pop("code", f"u{number}"), name=facts.pop("name", f"组织{number}"), **facts
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


def make_staff(
    role: str = "guide", *, store: Store | None = None, unit: OrgUnit | None = None, **facts: Any
) -> Staff:
    """Return a person with a role over `unit`, or over the store (a new one if none is given)."""
    number = next(_serial)
    if unit is None:
        store = store or make_store()
        unit = store.unit
    facts.setdefault("wecom_user_id", f"staff{number}")
    facts.setdefault("name", "李敏")
    facts.setdefault("display_name", "小李")
    person = Staff.objects.create(store=store, unit=unit, **facts)
    RoleAssignment.objects.create(staff=person, role=role, unit=unit)
    return person
