"""Choosing a store: where each stands comes with the page, where he is stays on his phone; without it his own and his town's."""

from typing import Any

import pytest
from django.test import Client

from crm.members.queries import stores_near
from guides.attendance.clockin.geo import Point, metres
from guides.attendance.clockin.models import StoreFence
from tests.factories.crm import make_member, make_store
from tests.factories.guides import Org, make_org
from tests.factories.portal import sign_in_member
from yejibao.core import clock

pytestmark = pytest.mark.django_db
BUND = Point(31.2400, 121.4900)  # in GCJ-02, as the house keeps it


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def placed(org: Org) -> Any:
    return StoreFence.objects.create(
        store=org.store, latitude=BUND.latitude, longitude=BUND.longitude, given_latitude=BUND.latitude, given_longitude=BUND.longitude,
        given_datum="gcj02", since=clock.today(), set_at=clock.now(),
    )  # fmt: skip


@pytest.mark.parametrize("path", ["stores", "visits/new"])
def test_a_page_brings_the_places_as_a_phone_tells_them(client: Client, org: Org, placed: Any, path: str) -> None:
    org.store.city = "上海"
    org.store.save(update_fields=["city"])
    make_store(city="上海")  # nobody has placed it
    sign_in_member(client, make_member(owner=org.guide))
    page = client.get(f"/my/{path}/").content.decode()
    (told,) = [part.split('"')[0] for part in page.split('data-spot="')[1:]]
    north, east = map(float, told.split(","))
    assert 300 < metres(BUND, Point(north, east)) < 700  # the shift between the two datums there
    assert "看哪家近" in page and "js/near" in page


def test_without_his_place_it_is_his_own_then_town_by_town(org: Org) -> None:
    member = make_member(owner=org.guide)
    org.store.city = "上海"
    org.store.save(update_fields=["city"])
    member.main_store = make_store(city="南京")
    member.save(update_fields=["main_store"])
    others = [make_store(city=city) for city in ("南京", "上海", "南京")]
    found = stores_near(member, today=clock.today())
    assert {found[0], found[1]} == {org.store, member.main_store}
    assert [one.city for one in found[2:]] == sorted(one.city for one in others)
