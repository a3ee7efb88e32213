"""The list of members for those above a store: what is asked for, and one page of it, by indexes alone however many there are.

No page counts. Without words the newest stand first; of many stores the newest of each are merged, so that a region whose
members all joined long ago costs what any other does. A name is looked for by how it begins, in the order of its characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Collate

from guides.org.models import OrgUnit, Staff, Store
from guides.org.overview import Asked as PeopleAsked
from guides.org.overview import find_people, find_stores, find_units
from yejibao.core import clock
from yejibao.core.personal import blind_indexes, normal_phone
from yejibao.core.scope import Actor

from .models import Member
from .scoped import lists_tickets, stores_to_list

PAGE = 50
CHOICES = 12  # units and people of a name, to choose from
# So many stores are read one by one: with a tier each may have to be read whole to fill a page, without one it has a page at hand.
FEW, MANY = 40, 400
BEHIND_ALL = 2**63 - 1
LAST = "\U0010ffff"  # behind every character a name may have
ACTIVE = Member.Status.ACTIVE
SHOWN = (
    "public_id", "member_no", "name", "phone_last4", "tier_631", "member_level", "last_purchase_on", "spend_365_fen",
    "main_store__short_name", "owner_guide__name",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What a list is narrowed to. `words`: a whole phone, a card number, or how a name begins."""

    words: str = ""
    unit: OrgUnit | None = None
    guide: Staff | None = None
    tier: str = ""


@dataclass(frozen=True)
class Within:
    """Units and people of a name, where a list is to be narrowed to one of them."""

    units: Sequence[OrgUnit] = field(default_factory=list)
    people: Sequence[Staff] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.units) + len(self.people)


def find_within(actor: Actor, text: str) -> Within:
    """Return the units and colleagues in the actor's sight that a text may mean; one that is called just so alone."""
    if not (text := text.strip()[:32]):
        return Within()
    stores = find_stores(Store.objects.visible_to(actor).select_related("unit"), text)[:CHOICES]
    found = {one.pk: one for one in [*find_units(actor, text)[:CHOICES], *(store.unit for store in stores)]}
    units = list(found.values())[:CHOICES]
    people = list(find_people(actor, PeopleAsked(text), day=clock.today()).filter(store__isnull=False)[:CHOICES])
    called = {store.unit_id for store in stores if text in (store.name, store.short_name, store.code)}
    if same := [one for one in units if text in (one.name, one.code) or one.pk in called]:
        return Within(units=same, people=[one for one in people if one.name == text])
    return Within(units, people)


def find_members(actor: Actor, asked: Asked, *, before: int | None) -> tuple[list[Member], int | None]:
    """Return a page of members and the id of its last one, where another page may follow. `before`: such an id."""
    if asked.words:
        rows, more = _by_words(actor, asked, before)
    else:
        rows, more = _newest(actor, asked, before)
    return list(rows), more


def _rows() -> QuerySet[Member]:
    return Member.objects.filter(status=ACTIVE).select_related("main_store", "owner_guide").only(*SHOWN)


def _narrowed(actor: Actor, asked: Asked) -> Q:
    """Return the condition for what this actor may list of what is asked for."""
    stores = _stores(actor, asked.unit)
    condition = Q() if stores is None else Q(main_store__in=stores)
    if lists_tickets(actor) and stores is not None:
        with_ticket = Q(pk__in=Member.objects.filter(tickets__isnull=False).values("pk"))
        condition |= with_ticket & Q(main_store__unit__path__startswith=asked.unit.path) if asked.unit else with_ticket
    if asked.guide:
        condition &= Q(owner_guide=asked.guide)
    return condition & Q(tier_631=asked.tier) if asked.tier else condition


def _stores(actor: Actor, unit: OrgUnit | None) -> list[int] | None:
    """Return the stores the list is of; None for all there are, and members without one."""
    within = stores_to_list(actor)
    if unit is None:
        return within
    under = set(Store.objects.filter(unit__path__startswith=unit.path or "-").values_list("pk", flat=True))
    return sorted(under if within is None else under & set(within))


# ---------------------------------------------------------------- by a phone, a number, a name


def _by_words(actor: Actor, asked: Asked, before: int | None) -> tuple[Sequence[Member], int | None]:
    words, rows = asked.words, _rows().filter(_narrowed(actor, asked))
    if phone := normal_phone(words):
        return list(rows.filter(phone_index__in=blind_indexes(phone, purpose="phone")).order_by("-pk")[:PAGE]), None
    if words.isascii() and (found := list(rows.filter(member_no__in={words, words.upper()}).order_by("pk")[:PAGE])):
        return found, None
    rows = rows.annotate(spelt=Collate("name", "C")).filter(spelt__gte=words, spelt__lt=words + LAST)
    if before and (last := rows.filter(pk=before).values_list("name", flat=True).first()):
        rows = rows.filter(Q(spelt__gt=last) | Q(spelt=last, pk__gt=before), spelt__gte=last)
    return _cut(list(rows.order_by("spelt", "pk")[: PAGE + 1]))


# ---------------------------------------------------------------- the newest


def _newest(actor: Actor, asked: Asked, before: int | None) -> tuple[Sequence[Member], int | None]:
    stores = _stores(actor, asked.unit)
    if asked.guide or (stores is not None and lists_tickets(actor)):
        rows = _rows().filter(_narrowed(actor, asked))
        return _cut(list((rows.filter(pk__lt=before) if before else rows).order_by("-pk")[: PAGE + 1]))
    ids = _newest_ids(stores, tier=asked.tier, before=before)
    found = {one.pk: one for one in _rows().filter(pk__in=ids)}
    return _cut([found[pk] for pk in ids if pk in found])


def _newest_ids(stores: Sequence[int] | None, *, tier: str, before: int | None) -> list[int]:
    """Return the newest members of some stores, of a tier: of few stores a page of each, merged; of many in the order of all."""
    each = stores is not None and len(stores) <= (FEW if tier else MANY)
    earlier = "AND m.id < %(before)s" if before else ""
    if each:
        statement = f"""
            SELECT found.id FROM unnest(%(stores)s::bigint[]) AS s (id) CROSS JOIN LATERAL (
                SELECT m.id FROM crm_member m WHERE m.main_store_id = s.id AND m.status = 'active' {earlier}
                    {"AND m.tier_631 = %(tier)s" if tier else ""}
                ORDER BY m.id DESC LIMIT %(most)s
            ) found ORDER BY found.id DESC LIMIT %(most)s
        """
    else:
        # A pair, not `tier_631 = …`: with that the planner walks the primary key, and where a tier is of old members only
        # it walks nearly all of it.
        of_tier = "AND (m.tier_631, m.id) > (%(tier)s, 0) AND (m.tier_631, m.id) < (%(tier)s, %(before)s)"
        statement = f"""
            SELECT m.id FROM crm_member m WHERE m.status = 'active' {of_tier if tier else earlier}
                {"" if stores is None else "AND m.main_store_id = ANY(%(stores)s)"}
            ORDER BY {"m.tier_631 DESC," if tier else ""} m.id DESC LIMIT %(most)s
        """
    with connection.cursor() as cursor:
        cursor.execute(
            statement, {"stores": list(stores or ()), "tier": tier, "before": before or BEHIND_ALL, "most": PAGE + 1}
        )  # fmt: skip
        return [pk for (pk,) in cursor.fetchall()]


def _cut(found: list[Member]) -> tuple[list[Member], int | None]:
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None
