"""Datums against published points, distances against known ones, Wi-Fi addresses as phones write them."""

import pytest

from guides.attendance.clockin import geo
from guides.attendance.clockin.geo import Point, metres, normal_bssid, to_gcj02, to_wgs84

# Of eviltransform's own tests: WGS-84 and what maps in China show there.
KNOWN = [
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
]


@pytest.mark.parametrize("raw, shown", KNOWN)
def test_a_phone_s_place_on_a_chinese_map(raw: tuple[float, float], shown: tuple[float, float]) -> None:
    found = to_gcj02(*raw, datum="wgs84")
    assert metres(found, Point(*shown)) < 0.01
    assert 50 < metres(found, Point(*raw)) < 700, "a mix-up would decide wrongly with a radius of 300 m"


@pytest.mark.parametrize("raw, shown", KNOWN)
def test_and_back_to_a_millimetre(raw: tuple[float, float], shown: tuple[float, float]) -> None:
    assert metres(to_wgs84(Point(*shown)), Point(*raw)) < 0.002


def test_what_is_gcj02_stays_and_outside_china_both_are_the_same() -> None:
    assert to_gcj02(32.041544, 118.784135, datum="gcj02") == Point(32.041544, 118.784135)
    assert to_gcj02(48.8566, 2.3522, datum="wgs84") == Point(48.8566, 2.3522)
    with pytest.raises(ValueError, match="bd09"):
        to_gcj02(32.0, 118.0, datum="bd09")


def test_distances_on_the_ground() -> None:
    assert metres(Point(32.0, 118.0), Point(32.0, 118.0)) == 0
    assert metres(Point(32.0, 118.0), Point(33.0, 118.0)) == pytest.approx(111_195, abs=1)
    assert metres(Point(0.0, 179.9995), Point(0.0, -179.9995)) == pytest.approx(111.2, abs=0.1)  # over the date line
    assert metres(Point(90.0, 0.0), Point(-90.0, 0.0)) == pytest.approx(20_015_087, abs=10)


def test_half_a_year_later_a_grid_is_left() -> None:
    point = Point(32.041544, 118.784135)
    assert geo.on_grid(point) == Point(32.042, 118.784)
    assert metres(point, geo.on_grid(point)) < 80


@pytest.mark.parametrize("bad", [(0, 0), (91, 118), (32, 181), (float("nan"), 118), (32, float("inf"))])
def test_what_is_no_place(bad: tuple[float, float]) -> None:
    assert not geo.is_somewhere(*bad)


@pytest.mark.parametrize(
    "text, found",
    [
        ("5C:02:14:A0:00:10", "5c:02:14:a0:00:10"), ("5c-02-14-a0-00-10", "5c:02:14:a0:00:10"), ("5c0214a00010", "5c:02:14:a0:00:10"),
        ("5c:2:14:a0:0:10", "5c:02:14:a0:00:10"), ("02:00:00:00:00:00", ""), ("00:00:00:00:00:00", ""), ("", ""),
        ("5c:02:14:a0:00", ""), ("5c:02:14:a0:00:1g", ""), ("门店", ""),
    ],
)  # fmt: skip
def test_a_wifi_s_address(text: str, found: str) -> None:
    assert normal_bssid(text) == found
