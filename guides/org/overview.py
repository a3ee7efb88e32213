"""What the back office shows of the organisation: the tree a level at a time, people found as one types, who holds what."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from yejibao.core import pinyin
from yejibao.core.personal import blind_indexes, normal_phone
from yejibao.core.scope import Actor

from .actors import role_book, role_facts, role_names
from .models import OrgUnit, RoleAssignment, Staff, Store
from .rights_words import PERMISSIONS

PAGE = 50
FOUND = 30  # of what is found as one types
PHONE_DIGITS = 11
SCOPES = {
    "self": _("本人"), "store": _("本店"), "stores_owned": _("名下门店"), "area": _("本区域"), "region": _("本大区"),
    "branch": _("本分公司"), "dept": _("本部门事项"), "all": _("全公司"),
}  # fmt: skip


# ---------------------------------------------------------------- the tree


@dataclass(frozen=True)
class Node:
    """A unit as the tree shows it, with what is below it."""

    unit: OrgUnit
    store: Store | None
    stores: int  # open ones
    people: int  # employed ones
    children: int
    head: str

    @property
    def is_closed(self) -> bool:
        return self.store is not None and self.store.closed_on is not None


# Below a unit = its path begins with that of the unit; `~` follows every digit and slash in the order of bytes.
_COUNTS = """
SELECT top.id,
    (SELECT count(*) FROM guides_orgunit u JOIN guides_store s ON s.unit_id = u.id
     WHERE u.path >= top.path AND u.path < top.path || '~' AND (s.closed_on IS NULL OR s.closed_on > %(day)s)),
    (SELECT count(*) FROM guides_orgunit u JOIN guides_staff p ON p.unit_id = u.id
     WHERE u.path >= top.path AND u.path < top.path || '~' AND p.state = ANY (%(employed)s)),
    (SELECT count(*) FROM guides_orgunit u WHERE u.parent_id = top.id AND (u.valid_to IS NULL OR u.valid_to > %(day)s)),
    coalesce((SELECT string_agg(DISTINCT p.name, '、') FROM guides_roleassignment held
     JOIN guides_staff p ON p.id = held.staff_id AND p.state = ANY (%(employed)s)
     WHERE held.unit_id = top.id AND held.role = ANY (%(heads)s)
       AND coalesce(held.starts_on, %(day)s) <= %(day)s AND coalesce(held.ends_on, %(day)s) >= %(day)s), '')
FROM guides_orgunit top WHERE top.id = ANY (%(ids)s)
"""
HEADS = ("store_manager", "area_supervisor", "region_manager", "branch_manager")


def nodes(units: Sequence[OrgUnit], *, day: date) -> list[Node]:
    """Return units with what is below each: two statements for any number of them."""
    if not units:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNTS,
            {"ids": [unit.pk for unit in units], "day": day, "employed": list(Staff.MAY_SIGN_IN), "heads": list(HEADS)},
        )
        counts = {row[0]: row[1:] for row in cursor.fetchall()}
    stores = {store.unit_id: store for store in Store.objects.filter(unit__in=[unit.pk for unit in units])}
    return [Node(unit, stores.get(unit.pk), *counts[unit.pk]) for unit in units]


def children_of(unit: OrgUnit, actor: Actor, *, day: date, with_ended: bool = False) -> list[Node]:
    """Return what hangs right below a unit, by code."""
    rows = OrgUnit.objects.visible_to(actor).filter(parent=unit)
    if not with_ended:
        rows = rows.exclude(valid_to__lte=day, store__isnull=True)
    return nodes(list(rows.order_by("code", "pk")), day=day)


def way_to(unit: OrgUnit) -> list[OrgUnit]:
    """Return the units above one, from the top."""
    ids = [int(part) for part in (unit.path or "").strip("/").split("/") if part]
    found = {one.pk: one for one in OrgUnit.objects.filter(pk__in=ids)}
    return [found[pk] for pk in ids if pk in found and pk != unit.pk]


def find_units(actor: Actor, text: str, *, level: str = "") -> list[OrgUnit]:
    """Return units found by name, code or the first letters of the name, in the order of the tree; the first few."""
    rows = OrgUnit.objects.visible_to(actor)
    if level:
        rows = rows.filter(level=level)
    return list(rows.filter(_unit_like(rows, text)).order_by("path")[:FOUND]) if text else []


def find_stores(stores: QuerySet[Store], text: str) -> list[Store]:
    """Return stores found by name, code or first letters, the first few by code; without words just the first few."""
    if text := text.strip()[:32]:
        asked = Q(name__icontains=text) | Q(short_name__icontains=text) | Q(code__istartswith=text)
        asked |= Q(city__icontains=text)
        if text.isascii() and text.isalnum():
            asked |= Q(pk__in=_spelt(stores.values_list("pk", "short_name"), text))
        stores = stores.filter(asked)
    return list(stores.order_by("code", "pk")[:FOUND])


def _unit_like(rows: QuerySet[OrgUnit], text: str) -> Q:
    text = text.strip()[:32]
    asked = Q(name__icontains=text) | Q(code__istartswith=text)
    if text.isascii() and text.isalnum():
        asked |= Q(pk__in=_spelt(rows.values_list("pk", "name"), text))
    return asked


def _spelt(rows: Any, text: str) -> list[int]:
    """Return the ids whose name has these first letters. Ten thousand names are read; a column for it would need upkeep.

    A character without a known reading (雯, 婷 of rarer names) stands for any letter.
    """
    letters = re.compile("".join(f"[{letter} ]" for letter in text.lower()))
    return [pk for pk, name in rows.iterator(chunk_size=5000) if letters.search(pinyin.initials(name))][:500]


# ---------------------------------------------------------------- people


@dataclass(frozen=True)
class Asked:
    """What a list of people is narrowed to."""

    text: str = ""
    state: str = ""  # one of Staff.State, or "employed"
    role: str = ""
    unit: OrgUnit | None = None
    is_private: bool = False  # `text` came in the body of the request: only then may it be a phone number


def find_people(actor: Actor, asked: Asked, *, day: date) -> QuerySet[Staff]:
    """Return the people an actor may look up, narrowed; newest entered first. A whole phone number is looked up too."""
    rows = Staff.objects.visible_to(actor).select_related("store", "unit").defer("phone", "password")
    if asked.state == "employed":
        rows = rows.employed()
    elif asked.state:
        rows = rows.filter(state=asked.state)
    if asked.role:
        rows = rows.holding(asked.role, day=day)
    if asked.unit is not None:
        rows = rows.filter(unit__path__startswith=asked.unit.path)
    if text := asked.text.strip()[:32]:
        rows = rows.filter(_person_like(rows, text, by_phone=asked.is_private and actor.may("account.manage")))
    return rows.order_by("-pk")


def _person_like(rows: QuerySet[Staff], text: str, *, by_phone: bool) -> Q:
    digits = text.replace(" ", "").replace("-", "")
    if by_phone and digits.isdecimal() and len(digits) >= PHONE_DIGITS:
        phone = normal_phone(digits)
        return Q(phone_index__in=blind_indexes(phone, purpose="phone")) if phone else Q(pk__in=())
    asked = Q(name__icontains=text) | Q(display_name__icontains=text) | Q(wecom_user_id__istartswith=text.casefold())
    if text.isascii() and text.isalpha():
        asked |= Q(pk__in=_spelt(rows.order_by().values_list("pk", "name"), text))
    return asked


def page_of_people(rows: QuerySet[Staff], *, before: int | None) -> tuple[list[Staff], int | None]:
    """Return a page and where the next begins."""
    found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


def roles_of(people: Collection[int], *, day: date) -> dict[int, list[RoleAssignment]]:
    """Return the roles each person holds on a day."""
    held: dict[int, list[RoleAssignment]] = {pk: [] for pk in people}
    rows = RoleAssignment.objects.filter(RoleAssignment.in_force(day), staff__in=people).select_related("unit")
    for row in rows.order_by("pk"):
        held[row.staff_id].append(row)
    return held


# ---------------------------------------------------------------- roles


@dataclass(frozen=True)
class RoleLine:
    """One of the roles with how many people hold it today."""

    key: str
    name: str
    scope: str
    level: str
    sees: str
    does: tuple[str, ...]
    people: int


def role_lines(*, day: date) -> list[RoleLine]:
    """Return all roles of the domain file, in its order, each with its holders' number."""
    counted = dict(
        RoleAssignment.objects.filter(RoleAssignment.in_force(day), staff__state__in=Staff.MAY_SIGN_IN)
        .values_list("role")
        .annotate(n=Count("staff", distinct=True))
        .order_by()
    )
    levels = dict(OrgUnit.Level.choices)
    return [
        RoleLine(
            row["key"], row["name"], str(SCOPES[row["scope"]]), str(levels[row["level"]]), row["sees"],
            tuple(row["does"]), counted.get(row["key"], 0),
        )
        for row in role_book()["roles"]
    ]  # fmt: skip


def holders(role: str, actor: Actor, *, day: date, before: int | None) -> tuple[list[RoleAssignment], int | None]:
    """Return a page of those who hold a role today, newest grant first."""
    rows = (
        RoleAssignment.objects.filter(RoleAssignment.in_force(day), role=role, staff__state__in=Staff.MAY_SIGN_IN)
        .filter(staff__in=Staff.objects.visible_to(actor))
        .select_related("staff", "unit", "dealer")
        .defer("staff__phone", "staff__password")
        .order_by("-pk")
    )
    found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


def reach_words(held: RoleAssignment) -> str:
    """Return how far a role of a person reaches: 本店 · 新街口店."""
    scope = role_facts(held.role)["scope"]
    where = "" if scope in ("all", "self") and held.unit.level != OrgUnit.Level.STORE else f" · {held.unit.name}"
    return f"{SCOPES[scope]}{where}"


def permission_table() -> list[tuple[str, str, list[bool]]]:
    """Return (key, name, held by each role in the file's order) of every permission."""
    book = role_book()
    return [(key, PERMISSIONS.get(key, key), [role in who for role in role_names()])
            for key, who in book["permissions"].items()]  # fmt: skip
