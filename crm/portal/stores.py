"""门店: where the brand is, for who looks for a store or has none yet; his own first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.db.models import Q

from crm.members.models import Member
from guides.attendance.clockin.geo import Point, to_wgs84
from guides.attendance.clockin.models import StoreFence
from guides.org.models import Store
from yejibao.core.errors import Invalid

from .models import CodeVisit

SHOWN = 30


def stores_of(member: Member, *, today: date, query: str = "") -> list[Store]:
    """Return open stores: his own and his guide's first, then where a code he scanned led, then the others by town and name.

    `query` is a town, a name or a part of an address. Two statements.
    """
    places = [member.main_store_id, member.owner_guide.store_id if member.owner_guide else None]
    scanned = CodeVisit.objects.filter(member=member).order_by("-opened_at", "-pk")
    places += [one for both in scanned.values_list("way__store", "way__guide__store")[:3] for one in both]
    own = {one for one in places if one is not None}
    rows = Store.objects.filter(Q(closed_on=None) | Q(closed_on__gt=today), Q(opened_on=None) | Q(opened_on__lte=today))
    if wanted := query.replace("\0", "").strip()[:32]:  # the database refuses a NUL
        rows = rows.filter(
            Q(city__contains=wanted)
            | Q(name__contains=wanted)
            | Q(short_name__contains=wanted)
            | Q(address_short__contains=wanted)
        )
    first = list(rows.filter(pk__in=own).order_by("pk"))
    others = rows.exclude(pk__in=own).order_by("city", "short_name", "pk")[:SHOWN]
    return sorted(first, key=lambda one: one.pk != member.main_store_id) + list(others)


def with_spots(stores: Sequence[Store]) -> Sequence[Store]:
    """Tell of each store where a phone would say it stands (`spot`, degrees of WGS-84; "" for one nobody has placed yet).

    His own place stays on his phone, which reckons what is near (static/js/near.js). One statement.
    """
    found = {one.store_id: one for one in StoreFence.objects.filter(store__in=stores)}
    for store in stores:
        point = to_wgs84(Point(one.latitude, one.longitude)) if (one := found.get(store.pk)) else None
        store.spot = f"{point.latitude:.4f},{point.longitude:.4f}" if point else ""  # type: ignore[attr-defined]
    return stores


def store_named(code: str, *, today: date) -> Store | None:
    """Return the open store of a code; None for no code. Raises Invalid."""
    if not code:
        return None
    named = Store.objects.filter(code=code) if code.isprintable() else Store.objects.none()
    found = named.filter(Q(closed_on=None) | Q(closed_on__gt=today)).first()
    if found is None:
        raise Invalid(errors=[{"field": "store", "code": "choice", "message": "没有这家门店，从列表里选"}])
    return found
