"""A store with a place and a Wi-Fi, and a guide who agreed to be located at the tap."""

from datetime import date, datetime
from typing import Any

import pytest

from guides.attendance.clockin.geo import Point
from guides.attendance.clockin.models import LocationConsent, StoreFence, StoreWifi
from guides.attendance.clockin.rules import CONSENT_VERSION
from guides.org.models import Staff, Store
from tests.factories.guides import Org, make_org
from yejibao.core.clock import parse_iso

SHOP = Point(32.041544, 118.784135)
BSSID = "5c:02:14:a0:00:10"
OPENED = parse_iso("2026-03-01 10:00")
WED = date(2026, 3, 11)
NORTH = 1 / 111_195  # degrees a metre


def at(text: str) -> datetime:
    return parse_iso(f"2026-03-11 {text}")


def set_place(
    store: Store, *, point: Point = SHOP, since: date = date(2026, 3, 1), radius: int | None = None
) -> StoreFence:
    return StoreFence.objects.create(
        store=store, latitude=point.latitude, longitude=point.longitude, given_latitude=point.latitude,
        given_longitude=point.longitude, given_datum="gcj02", radius_m=radius, since=since, set_at=OPENED,
    )  # fmt: skip


def agree(person: Staff) -> None:
    LocationConsent.objects.create(staff=person, version=CONSENT_VERSION, given_at=OPENED)


@pytest.fixture
def org(db: None, clock: Any) -> Org:
    clock.travel(at("09:24"))
    org = make_org()
    set_place(org.store)
    StoreWifi.objects.create(store=org.store, bssid=BSSID, label="收银台", set_at=OPENED)
    for person in (org.guide, org.manager):
        agree(person)
    return org
