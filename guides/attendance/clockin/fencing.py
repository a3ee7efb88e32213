"""Is somebody at a store? By what the phone tells of itself; the server measures. Also for others who ask, as patrols do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from . import geo, rules
from .models import StoreFence, StoreWifi

Why = Literal["", "no_fix", "no_fence", "stale", "inexact", "far"]


@dataclass(frozen=True)
class Fix:
    """What a phone told at the tap: degrees in `datum`, how sure it is in metres, how old in seconds."""

    latitude: float
    longitude: float
    datum: str
    accuracy_m: float
    age_s: float = 0.0

    @property
    def point(self) -> geo.Point:
        """Return where it is in GCJ-02. Raises ValueError for an unknown datum."""
        return geo.to_gcj02(self.latitude, self.longitude, datum=self.datum)


@dataclass(frozen=True)
class Standing:
    """Where somebody stands. `why` is empty for "there"; the store is the one she is at, or nearest to."""

    why: Why
    store_id: int | None = None
    distance_m: int | None = None
    by_wifi: bool = False

    @property
    def is_there(self) -> bool:
        return not self.why


def standing(fix: Fix | None, bssid: str, *, store_ids: Collection[int], now: datetime) -> Standing:
    """Tell whether somebody is at one of these stores: on its Wi-Fi, or near enough by a fix that is fresh and sure."""
    fences = list(StoreFence.objects.filter(store_id__in=store_ids).order_by("store_id"))
    near = nearest(fix, fences)
    if station := geo.normal_bssid(bssid):
        held = StoreWifi.objects.filter(store_id__in=store_ids, bssid=station).order_by("store_id")
        if (store_id := held.values_list("store_id", flat=True).first()) is not None:
            return Standing("", store_id, near[1] if near and near[0].store_id == store_id else None, by_wifi=True)
    if fix is None:
        return Standing("no_fix")
    if near is None:
        return Standing("no_fence")
    fence, distance = near
    why = judged(fix, distance, radius=fence.radius_m or rules.RADIUS.at(now))
    return Standing(why, fence.store_id, distance)


def judged(fix: Fix, distance_m: float, *, radius: float) -> Why:
    """Return why a fix does not do; "" where it does: distance - min(accuracy, 100) <= radius (reliability-security §9)."""
    if fix.age_s > rules.FIX_AGE_MOST:
        return "stale"
    if not 0 <= fix.accuracy_m <= rules.ACCURACY_MOST:
        return "inexact"
    return "" if distance_m - min(fix.accuracy_m, rules.ACCURACY_FORGIVEN) <= radius else "far"


def nearest(fix: Fix | None, fences: Iterable[StoreFence]) -> tuple[StoreFence, int] | None:
    """Return the nearest of the places and the whole metres to it."""
    if fix is None:
        return None
    point = fix.point
    found = min(((geo.metres(point, fence.point), fence.pk, fence) for fence in fences), default=None)
    return (found[2], round(found[0])) if found else None
