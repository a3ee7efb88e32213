"""Which stores are near another: by the places that clocking in knows, else by the town."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import F, FloatField, Q
from django.db.models.expressions import RawSQL

from guides.attendance.clockin.geo import Point, metres
from guides.attendance.clockin.models import StoreFence
from guides.org.models import Store

NEAR_MOST = 30  # stores that are asked for stock at all


@dataclass(frozen=True)
class Near:
    """A store as seen from another. `metres` is None where one of the two has no place yet; then the town has to do."""

    store_id: int
    name: str
    city: str
    metres: int | None


def near_stores(store: Store | None, *, day: date, most: int = NEAR_MOST) -> list[Near]:
    """Return the open stores nearest to one, itself left out: the nearest first, then those of its town, then others.

    Reads 3,000 places in one pass and sorts them by a flat distance, which is right to the order within a few hundred
    kilometres; what is shown is the distance on the ground.
    """
    others = Store.objects.filter(Q(closed_on=None) | Q(closed_on__gt=day)).exclude(pk=store.pk if store else 0)
    here = StoreFence.objects.filter(store=store).first() if store else None
    if here is None:
        city = store.city if store else ""
        rows = others.annotate(away=RawSQL("guides_store.city <> %s", [city])).order_by("away", "code")[:most]
        return [Near(one.pk, one.short_name, one.city, None) for one in rows]
    flat = RawSQL(
        "(latitude - %s) ^ 2 + ((longitude - %s) * cos(radians(%s))) ^ 2",
        [here.latitude, here.longitude, here.latitude],
        output_field=FloatField(),
    )
    placed = (
        others.filter(fence__isnull=False)
        .annotate(flat=flat, north=F("fence__latitude"), east=F("fence__longitude"))
        .order_by("flat", "pk")[:most]
    )
    start = Point(here.latitude, here.longitude)
    found = [Near(one.pk, one.short_name, one.city, round(metres(start, Point(one.north, one.east)))) for one in placed]
    if len(found) < most:  # stores nobody has placed yet
        rest = others.filter(fence=None).order_by("code")[: most - len(found)]
        found += [Near(one.pk, one.short_name, one.city, None) for one in rest]
    return found
