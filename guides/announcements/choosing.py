"""A plain choice of audience for votes and meetings: one unit of one's own, roles, kinds of store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from guides.org.actors import role_names
from guides.org.models import OrgUnit, Store
from guides.org.scoped import EVERYBODY
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .audience import CHOSEN, Audience, clean, count, params_of, words_of
from .scoped import reach_of

MOST_UNITS = 400
FIRST_ROLES = (
    "guide",
    "store_manager",
    "area_supervisor",
    "region_manager",
    "branch_manager",
    "branch_member_manager",
    "dealer",
)


@dataclass(frozen=True)
class Choice:
    """What one may choose from. `whole` says that nothing chosen is the whole company."""

    units: list[OrgUnit]
    whole: bool
    roles: list[tuple[str, str]]
    kinds: list[tuple[str, str]]


@dataclass(frozen=True)
class Chosen:
    audience: Audience
    words: str
    unit: OrgUnit  # whose matter it is: HQ, or one's own


def choice_of(actor: Actor, action: str) -> Choice:
    """Return what an actor may choose from in an action: units above the store, or the stores where there are few."""
    reach = reach_of(actor, action, path="path", store="store")
    rows = OrgUnit.objects.filter(reach, valid_to=None).exclude(level=OrgUnit.Level.HQ)
    wide = reach == EVERYBODY
    if wide:
        rows = rows.filter(level__in=(OrgUnit.Level.BRANCH, OrgUnit.Level.REGION))
    names = role_names()
    return Choice(
        list(rows.order_by("path")[:MOST_UNITS]), wide, [(role, names[role]) for role in FIRST_ROLES],
        [(str(value), str(label)) for value, label in Store.Kind.choices],
    )  # fmt: skip


def read_choice(given: Mapping[str, Sequence[str]], *, actor: Actor, action: str, day: date) -> Chosen:
    """Return what was chosen, and whose matter it is. Raises Invalid where it is nobody, or nobody's of his."""
    choice = choice_of(actor, action)
    allowed = OrgUnit.objects.filter(pk__in=[unit.pk for unit in choice.units])
    audience = clean(dict(given), reach=allowed)
    if not choice.whole and not audience.units:
        if not choice.units:
            raise Invalid(_("没有你能选的门店"))
        audience = Audience(**audience.facts() | {"units": [choice.units[0].pk]})
    if not count(audience, day=day).people:
        raise Invalid(_("这样选一个人也没有，换一下范围"))
    by_id = {unit.pk: unit for unit in choice.units}
    unit = (
        by_id[audience.units[0]] if audience.units and not choice.whole else OrgUnit.objects.get(level=OrgUnit.Level.HQ)
    )
    words = words_of(audience, units={pk: one.name for pk, one in by_id.items()})
    return Chosen(audience, words[:200], unit)


def ids_after(audience: dict[str, Any], *, day: date, after: int, most: int) -> list[int]:
    """Return the next people of an audience, by id: for telling them a part at a time."""
    facts = params_of(Audience.read(audience), day=day)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM ({CHOSEN}) chosen WHERE id > %(after)s ORDER BY id LIMIT %(most)s",
            facts | {"after": after, "most": most},
        )
        return [row[0] for row in cursor.fetchall()]
