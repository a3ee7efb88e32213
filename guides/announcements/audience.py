"""Who is meant: units, roles, kinds and grades of store, and who is left out. One statement, however many they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from guides.org.actors import role_names
from guides.org.models import OrgUnit, Staff, Store

GRADES = ("A", "B", "C", "D")
MOST_UNITS = 200


@dataclass(frozen=True)
class Audience:
    """Empty lists leave nobody out. What is said of stores leaves out whoever works in none."""

    units: list[int] = field(default_factory=list)
    not_units: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    not_kinds: list[str] = field(default_factory=list)
    grades: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, facts: dict[str, Any]) -> Audience:
        """Return what a row holds; names that are no more are left out."""
        known = {name: list(facts.get(name, ())) for name in cls.__dataclass_fields__}
        return cls(**known)

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_whole_company(self) -> bool:
        """Tell whether no unit narrows it: that takes a second pair of eyes."""
        return not self.units


@dataclass(frozen=True)
class Count:
    """How many an audience would be."""

    people: int
    stores: int
    roles: list[tuple[str, int]]  # name and how many, the most first


# %(units)s and the others are arrays; an empty one asks for nothing. A person is where her store is.
CHOSEN = """
SELECT person.id, person.store_id FROM guides_staff person
LEFT JOIN guides_store store ON store.id = person.store_id
LEFT JOIN guides_orgunit unit ON unit.id = coalesce(store.unit_id, person.unit_id)
WHERE person.state = ANY (%(employed)s)
  AND (%(units)s::text[] = '{}' OR unit.path LIKE ANY (%(units)s))
  AND NOT (unit.path IS NOT NULL AND unit.path LIKE ANY (%(not_units)s::text[]))
  AND (%(kinds)s::text[] = '{}' OR store.kind = ANY (%(kinds)s))
  AND NOT coalesce(store.kind = ANY (%(not_kinds)s::text[]), false)
  AND (%(grades)s::text[] = '{}' OR store.grade = ANY (%(grades)s))
  AND (%(roles)s::text[] = '{}' OR EXISTS (SELECT 1 FROM guides_roleassignment held WHERE held.staff_id = person.id
       AND held.role = ANY (%(roles)s) AND coalesce(held.starts_on, %(day)s) <= %(day)s
       AND coalesce(held.ends_on, %(day)s) >= %(day)s))
"""
_COUNT = f"""
WITH chosen AS MATERIALIZED ({CHOSEN})
SELECT (SELECT count(*) FROM chosen), (SELECT count(DISTINCT store_id) FROM chosen),
    (SELECT coalesce(json_object_agg(role, number), '{{}}') FROM (
        SELECT held.role, count(DISTINCT held.staff_id) AS number FROM chosen
        JOIN guides_roleassignment held ON held.staff_id = chosen.id AND coalesce(held.starts_on, %(day)s) <= %(day)s
            AND coalesce(held.ends_on, %(day)s) >= %(day)s
        WHERE %(roles)s::text[] = '{{}}' OR held.role = ANY (%(roles)s) GROUP BY 1) each)
"""


def params_of(audience: Audience, *, day: date) -> dict[str, Any]:
    """Return the parameters of CHOSEN. A unit that is gone matches nobody."""
    wanted = {*audience.units, *audience.not_units}
    paths = dict(OrgUnit.objects.filter(pk__in=wanted).values_list("pk", "path")) if wanted else {}

    def prefixes(ids: Sequence[int]) -> list[str]:
        return [f"{paths.get(pk) or '-'}%" for pk in ids]

    return {
        "units": prefixes(audience.units), "not_units": prefixes(audience.not_units), "roles": audience.roles,
        "kinds": audience.kinds, "not_kinds": audience.not_kinds, "grades": audience.grades, "day": day,
        "employed": list(Staff.MAY_SIGN_IN),
    }  # fmt: skip


def count(audience: Audience, *, day: date) -> Count:
    """Return how many people an audience is at this moment, in how many stores, and of which roles."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, params_of(audience, day=day))
        people, stores, roles = cursor.fetchone()
    names = role_names()
    by_role = sorted(((names.get(role, role), number) for role, number in roles.items()), key=lambda one: -one[1])
    return Count(people, stores, by_role)


def clean(given: dict[str, Sequence[str]], *, reach: QuerySet[OrgUnit]) -> Audience:
    """Return what a form says, without what is unknown. `reach` are the units its publisher may name."""
    allowed: dict[int, OrgUnit] = {}
    ids = {
        int(one) for name in ("units", "not_units") for one in given.get(name, ()) if one.isdecimal() and len(one) < 18
    }
    if ids:
        allowed = {unit.pk: unit for unit in reach.filter(pk__in=ids)}

    def units(name: str) -> list[int]:
        chosen = [int(one) for one in given.get(name, ()) if one.isdecimal() and len(one) < 18]
        return list(dict.fromkeys(pk for pk in chosen if pk in allowed and allowed[pk].level != OrgUnit.Level.HQ))[
            :MOST_UNITS
        ]

    def known(name: str, values: Sequence[str]) -> list[str]:
        return [value for value in values if value in given.get(name, ())]

    kinds = list(Store.Kind.values)
    return Audience(
        units=units("units"), not_units=units("not_units"), roles=known("roles", list(role_names())),
        kinds=known("kinds", kinds), not_kinds=known("not_kinds", kinds), grades=known("grades", GRADES),
    )  # fmt: skip


def words_of(audience: Audience, *, units: dict[int, str]) -> str:
    """Return an audience in one line: 江苏分公司、浙江分公司的店长、导购，不含经销商店."""
    names = role_names()
    kinds = {value: str(label) for value, label in Store.Kind.choices}
    where = "、".join(units.get(pk, "已撤销的单位") for pk in audience.units) or "全公司"
    who = "、".join(names.get(role, role) for role in audience.roles) or "所有人"
    shops = "、".join(kinds[one] for one in audience.kinds)
    shops += ("、" if shops and audience.grades else "") + "、".join(f"{one} 级" for one in audience.grades)
    without = [units.get(pk, "已撤销的单位") for pk in audience.not_units] + [kinds[one] for one in audience.not_kinds]
    return f"{where} · {who}" + (f" · {shops}店" if shops else "") + (f"，不含{'、'.join(without)}" if without else "")
