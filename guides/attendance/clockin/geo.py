"""Where a point is: the two datums in use in China, the distance between points, the address of a Wi-Fi station.

A phone tells WGS-84; maps sold in China, and the platform when asked for gcj02, tell GCJ-02, 50 to 500 m off. Everything here
is kept and compared in GCJ-02; this is the one place that turns one into the other. Source of the series: the published
reverse engineering of the datum (eviltransform); outside China both are the same.
"""

import math
import re
from dataclasses import dataclass

GCJ02, WGS84 = "gcj02", "wgs84"
EARTH_METRES = 6_371_000.0
AXIS, ECCENTRICITY_2 = 6_378_245.0, 0.00669342162296594323  # Krasovsky 1940
GRID_DEGREES = 0.001  # about 100 m
_BSSID = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class Point:
    """Degrees north and east, in GCJ-02 unless a name says otherwise."""

    latitude: float
    longitude: float


def is_somewhere(latitude: float, longitude: float) -> bool:
    """Tell whether these are degrees at all. 0, 0 is what broken phones tell."""
    whole = math.isfinite(latitude) and math.isfinite(longitude)
    return whole and abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0)


def to_gcj02(latitude: float, longitude: float, *, datum: str) -> Point:
    """Return a point of either datum in GCJ-02. Raises ValueError for another datum."""
    if datum == GCJ02:
        return Point(latitude, longitude)
    if datum != WGS84:
        raise ValueError(f"no such datum: {datum}")
    north, east = _shift(latitude, longitude)
    return Point(latitude + north, longitude + east)


def to_wgs84(point: Point) -> Point:
    """Return what a phone would tell at a point of GCJ-02, to a millimetre or so."""
    latitude, longitude = point.latitude, point.longitude
    for _ in range(8):  # the shift changes slowly: each round divides what is left by hundreds
        there = to_gcj02(latitude, longitude, datum=WGS84)
        latitude, longitude = latitude + point.latitude - there.latitude, longitude + point.longitude - there.longitude
    return Point(latitude, longitude)


def metres(one: Point, other: Point) -> float:
    """Return the distance on the ground. Both in the same datum."""
    south, north = math.radians(one.latitude), math.radians(other.latitude)
    up, along = (north - south) / 2, math.radians(other.longitude - one.longitude) / 2
    chord = math.sin(up) ** 2 + math.cos(south) * math.cos(north) * math.sin(along) ** 2
    return 2 * EARTH_METRES * math.asin(min(1.0, math.sqrt(chord)))


def on_grid(point: Point) -> Point:
    """Return the corner of the 100 m grid: what is left of a place after half a year."""
    return Point(round(round(point.latitude / GRID_DEGREES) * GRID_DEGREES, 3),
                 round(round(point.longitude / GRID_DEGREES) * GRID_DEGREES, 3))  # fmt: skip


def normal_bssid(text: str) -> str:
    """Return `00:1a:2b:3c:4d:5e`; empty if it is none, or one that phones tell when they may not tell."""
    found = text.strip().lower().replace("-", ":")
    if ":" in found:
        found = ":".join(part.zfill(2) for part in found.split(":"))
    elif len(found) == 12:
        found = ":".join(found[at : at + 2] for at in range(0, 12, 2))
    if not _BSSID.fullmatch(found) or found in ("00:00:00:00:00:00", "02:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"):
        return ""
    return found


def _shift(latitude: float, longitude: float) -> tuple[float, float]:
    """Return how far GCJ-02 lies from WGS-84 here, in degrees north and east."""
    if not (0.8293 <= latitude <= 55.8271 and 72.004 <= longitude <= 137.8347):
        return 0.0, 0.0
    x, y = longitude - 105.0, latitude - 35.0
    wave = 20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north += (wave + 20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east += (wave + 20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    angle = math.radians(latitude)
    bend = 1 - ECCENTRICITY_2 * math.sin(angle) ** 2
    north_metres = AXIS * (1 - ECCENTRICITY_2) / (bend * math.sqrt(bend))
    east_metres = AXIS / math.sqrt(bend) * math.cos(angle)
    return math.degrees(north / north_metres), math.degrees(east / east_metres)
