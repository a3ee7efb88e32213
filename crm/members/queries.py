"""What a guide sees of a member at one glance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet

from crm.members.models import FriendLink, Member
from guides.org.models import Staff, Store
from yejibao.core import clock, reading, together
from yejibao.core.scope import Actor

STORES_SHOWN = 12


@dataclass(frozen=True)
class Card:
    """The figures of a member's card. Sizes: per family the commonest of his last three, else the newest."""

    sizes: dict[str, str]
    order_count_365: int
    spend_365_fen: int
    last_paid_on: date | None
    member_since: date | None


def _card(row: list[Any] | None) -> Card:
    sizes, count, spent, last, first, registered = row or ({}, 0, 0, None, None, None)
    since = clock.local_day(clock.parse_iso(registered)) if registered else _day(first)
    return Card(sizes, count, spent, _day(last), since)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def stores_near(member: Member, *, today: date, among: QuerySet[Store] | None = None) -> list[Store]:
    """Return where he may come: his own store and his guide's first, then others of their town. Two statements."""
    own = [pk for pk in (member.main_store_id, member.owner_guide.store_id if member.owner_guide else None) if pk]
    rows = (Store.objects.all() if among is None else among).filter(
        Q(closed_on=None) | Q(closed_on__gt=today), Q(opened_on=None) | Q(opened_on__lte=today)
    )
    cities = [city for city in Store.objects.filter(pk__in=own).values_list("city", flat=True) if city]
    near = rows.filter(Q(pk__in=own) | Q(city__in=cities)).order_by("city", "code")[: STORES_SHOWN * 2]
    return sorted(near, key=lambda one: (one.pk not in own, one.city, one.code))[:STORES_SHOWN]


# A member's sizes by family and his year (W365 of models.yaml).
FIGURES = together.Read(
    "figures",
    """
    (WITH mine AS (
        SELECT id, paid_at, paid_on, net_amount_fen FROM crm_order
        WHERE member_id = m.id AND status = 'paid' AND net_amount_fen > 0 AND known_at IS NOT NULL
          AND kind IN ('retail', 'mall', 'proxy', 'live')
    ), items AS (
        SELECT l.family, l.size, row_number() OVER (
                   PARTITION BY l.family ORDER BY o.paid_at DESC, o.id DESC, l.line_no) AS place
        FROM mine o JOIN crm_orderline l ON l.order_id = o.id
        WHERE l.size <> '' AND l.family <> '' AND l.replaced_by_id IS NULL AND l.quantity > l.returned_quantity
    ), votes AS (
        SELECT family, size, count(*) AS times, min(place) AS newest FROM items WHERE place <= 3 GROUP BY family, size
    ), chosen AS (
        SELECT DISTINCT ON (family) family, size FROM votes ORDER BY family, times DESC, newest
    )
    SELECT json_build_array((SELECT coalesce(json_object_agg(family, size), '{}') FROM chosen),
           count(*) FILTER (WHERE paid_on >= %(today)s::date - 365),
           coalesce(sum(net_amount_fen) FILTER (WHERE paid_on >= %(today)s::date - 365), 0)::bigint,
           max(paid_on), min(paid_on), m.registered_at)
    FROM mine)
    """,
    _card,
)


def card(member: Member, now: datetime) -> Card:
    """Return a member's sizes by family and his year, with one query."""
    return FIGURES.about(ONE, facts(member, now=now))


# ---------------------------------------------------------------- the row a member's page is of

ONE = "crm_member m WHERE m.id = %(member)s"


def facts(member: Member | int, *, now: datetime, actor: Actor | None = None) -> dict[str, Any]:
    """Return the parameters that every read about a member may name."""
    return {
        "member": getattr(member, "pk", member), "now": now, "today": clock.local_day(now),
        "me": (actor.staff_id or 0) if actor else 0,
    }  # fmt: skip


def _person(row: list[Any] | None) -> Member | None:
    if row is None:
        return None
    whole, store, owner = row
    member = reading.row_of(Member, whole)
    for sealed in (Member._meta.get_field("phone"), Member._meta.get_field("birth_year")):
        setattr(member, sealed.attname, sealed.from_db_value(whole[sealed.column], None, None))
    member.main_store = reading.row_of(Store, store) if store else None
    member.owner_guide = reading.row_of(Staff, owner) if owner else None
    return member


# He himself with his store and his guide.
PERSON = together.Read(
    "person",
    """json_build_array(to_json(m), (SELECT to_json(s) FROM guides_store s WHERE s.id = m.main_store_id),
    (SELECT (to_jsonb(g) - '{phone,password}'::text[])::json FROM guides_staff g WHERE g.id = m.owner_guide_id))""",
    _person,
)
# His relation to whoever asks, the newest first.
LINK = together.Read(
    "link",
    together.first("crm_friendlink x WHERE x.member_id = m.id AND x.guide_id = %(me)s", "x.added_at DESC, x.id DESC"),
    lambda row: reading.row_of(FriendLink, row) if row else None,
)
