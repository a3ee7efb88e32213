"""Where the pretended phone is: in the shop, in front of it, far off. The client page answers getLocation and Wi-Fi with it."""

from typing import Any

from guides.attendance.clockin.geo import Point, to_wgs84
from guides.attendance.clockin.models import StoreFence, StoreWifi
from guides.org.models import Staff

NOWHERE_SET = Point(32.0415, 118.7841)  # Nanjing, where a store has no place yet
NORTH_METRE, EAST_METRE = 1 / 111_195, 1 / 94_000  # degrees, near enough at these latitudes


def spots(person: Staff) -> list[dict[str, Any]]:
    """Return the places to choose from: key, name, degrees in both datums, how sure the phone is, its Wi-Fi; None for no fix."""
    fence = StoreFence.objects.filter(store=person.store_id).first()
    middle = fence.point if fence else NOWHERE_SET
    wifi = StoreWifi.objects.filter(store=person.store_id).order_by("pk").values_list("bssid", flat=True).first() or ""
    return [
        _spot("shop", "在店里", _away(middle, 8, 9), 23.5, wifi),
        _spot("door", "在店里，没连 Wi-Fi", _away(middle, 8, 9), 23.5, ""),
        _spot("wifi", "在店里，没开定位", None, 0, wifi),
        _spot("vague", "定位不准（300 米）", _away(middle, 60, 80), 300.5, ""),
        _spot("far", "离店 2 公里", _away(middle, 1400, 1420), 31.5, ""),
        _spot("off", "没开定位，也没连 Wi-Fi", None, 0, ""),
    ]


def _away(point: Point, north: float, east: float) -> Point:
    return Point(point.latitude + north * NORTH_METRE, point.longitude + east * EAST_METRE)


def _spot(key: str, name: str, point: Point | None, accuracy: float, wifi: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"key": key, "name": name, "accuracy": accuracy, "wifi": wifi, "gcj02": None, "wgs84": None}
    if point is not None:
        raw = to_wgs84(point)
        facts |= {"gcj02": [point.latitude, point.longitude], "wgs84": [raw.latitude, raw.longitude]}
    return facts
