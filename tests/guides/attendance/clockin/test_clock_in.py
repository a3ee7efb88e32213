"""A press: what is taken, what is not and why, and what the day comes to."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection

from guides.attendance.clockin import fencing
from guides.attendance.clockin.fencing import Fix, judged, standing
from guides.attendance.clockin.geo import to_wgs84
from guides.attendance.clockin.keeping import WHOLE_FOR, coarsen, opened
from guides.attendance.clockin.models import ClockPunch, ClockRecord, LocationConsent, StoreFence
from guides.attendance.clockin.services import NoStore, NotInYet, NotThere, NotToday, clock_in, withdraw_location
from guides.attendance.models import Shift, ShiftTime
from guides.org.models import RoleAssignment, Staff
from guides.org.services import resign_staff
from tests.factories.guides import Org, actor, make_staff, make_store
from yejibao.core.models import SettingChange
from yejibao.core.scope import Actor

from .conftest import BSSID, NORTH, SHOP, WED, at, set_place

pytestmark = pytest.mark.django_db


def fix(north_m: float = 12, *, accuracy: float = 23.5, age: float = 0.4, datum: str = "gcj02") -> Fix:
    point = type(SHOP)(SHOP.latitude + north_m * NORTH, SHOP.longitude)
    point = point if datum == "gcj02" else to_wgs84(point)
    return Fix(point.latitude, point.longitude, datum, accuracy, age)


def press(
    person: Staff,
    when: str | Any = "09:24",
    *,
    side: str = "in",
    where: Fix | None = None,
    bssid: str = "",
    device: str = "",
) -> Any:
    moment = at(when) if isinstance(when, str) else when
    return clock_in(actor=actor(person), side=side, fix=where, bssid=bssid, device=device, key=None, now=moment)


def why(person: Staff, **facts: Any) -> str:
    with pytest.raises(NotThere) as refused:
        press(person, **facts)
    assert refused.value.detail
    return str(refused.value.extra["why"])


# ---------------------------------------------------------------- in the shop


def test_she_clocks_in_twelve_metres_from_the_till(org: Org) -> None:
    taken = press(org.guide, where=fix(12))
    assert (taken.record.state, taken.record.late_minutes, taken.punch.distance_m, taken.punch.way) == (
        "normal",
        0,
        12,
        "place",
    )
    assert (taken.record.in_at, taken.record.starts_at, taken.punch.store) == (at("09:24"), at("09:30"), org.store)


@pytest.mark.parametrize(
    "when, state, late",
    [
        ("09:00", "normal", 0),
        ("09:30", "normal", 0),
        ("09:30:59", "normal", 0),
        ("09:31", "late", 1),
        ("21:59", "late", 749),
    ],
)
def test_late_by_the_minute(org: Org, when: str, state: str, late: int) -> None:
    record = press(org.guide, when, where=fix()).record
    assert (record.state, record.late_minutes) == (state, late)


def test_minutes_that_are_forgiven_are_a_setting(org: Org) -> None:
    SettingChange.objects.create(
        key="clock-grace", number=1, value=5, starts_at=at("00:00"), changed_at=at("00:00"), reason="商场电梯"
    )
    assert press(org.guide, "09:35", where=fix()).record.state == "normal"
    assert press(org.manager, "09:36", where=fix()).record.late_minutes == 6


def test_before_nine_the_button_says_when(org: Org) -> None:
    with pytest.raises(NotToday, match="9:00 起"):
        press(org.guide, "08:59:59", where=fix())
    assert not ClockPunch.objects.exists()


def test_the_first_press_stands_and_the_second_hears_it(org: Org) -> None:
    first = press(org.guide, "09:24", where=fix())
    again = press(org.guide, "09:41", where=fix())
    assert (again.is_new, again.punch.pk, again.record.state) == (False, first.punch.pk, "normal")
    assert ClockPunch.objects.count() == 1


def test_of_leaving_the_last_press_stands(org: Org) -> None:
    with pytest.raises(NotInYet):
        press(org.guide, "18:31", side="out", where=fix())
    press(org.guide, where=fix())
    for when in ("18:31", "18:40"):
        record = press(org.guide, when, side="out", where=fix()).record
    assert (record.out_at, record.state) == (at("18:40"), "normal")


def test_on_a_shift_of_her_own(org: Org) -> None:
    late = ShiftTime.objects.create(name="试验晚班", short="试", starts_at="13:00", ends_at="21:30")
    Shift.objects.create(staff=org.guide, day=WED, kind="work", time=late)
    with pytest.raises(NotToday, match="12:30 起"):
        press(org.guide, "09:24", where=fix())
    assert press(org.guide, "13:04", where=fix()).record.late_minutes == 4


def test_a_morning_s_leave_begins_the_day_at_noon(org: Org) -> None:
    Shift.objects.create(staff=org.guide, day=WED, kind="work", half_off="am")
    assert press(org.guide, "13:20", where=fix()).record.state == "normal"


def test_on_a_rest_day_nothing_is_late(org: Org) -> None:
    Shift.objects.create(staff=org.guide, day=WED, kind="rest")
    record = press(org.guide, "11:00", where=fix()).record
    assert (record.state, record.starts_at) == ("normal", None)


# ---------------------------------------------------------------- where


# distance - min(accuracy, 100) <= 300, accuracy <= 200 m, fix <= 60 s old (reliability-security §9)
@pytest.mark.parametrize(
    "distance, accuracy, age, found",
    [
        (300, 0, 0, ""), (300.5, 0, 0, "far"), (320, 20, 0, ""), (320.5, 20, 0, "far"), (400, 100, 0, ""), (400, 150, 0, ""),
        (401, 150, 0, "far"), (401, 200, 0, "far"), (12, 200, 0, ""), (12, 200.1, 0, "inexact"), (12, -1, 0, "inexact"),
        (12, 20, 60, ""), (12, 20, 60.1, "stale"), (12, float("nan"), 0, "inexact"),
    ],
)  # fmt: skip
def test_at_the_border(distance: float, accuracy: float, age: float, found: str) -> None:
    assert judged(Fix(0, 0, "gcj02", accuracy, age), distance, radius=300) == found


def test_each_way_of_not_being_there_says_what_to_do(org: Org) -> None:
    assert why(org.guide, where=fix(2000)) == "far"
    assert why(org.guide, where=fix(accuracy=300)) == "inexact"
    assert why(org.guide, where=fix(age=90)) == "stale"
    assert why(org.guide, where=None) == "no_fix"
    StoreFence.objects.all().delete()
    assert why(org.guide, where=fix()) == "no_fence"
    assert not ClockPunch.objects.exists() and not ClockRecord.objects.exists()


def test_the_other_datum_is_turned_and_a_mix_up_would_show(org: Org) -> None:
    assert press(org.guide, where=fix(12, datum="wgs84")).punch.distance_m == 12
    raw = fix(12, datum="wgs84")
    told_wrong = Fix(raw.latitude, raw.longitude, "gcj02", 5.0)
    assert standing(told_wrong, "", store_ids=[org.store.pk], now=at("09:24")).why == "far"


def test_the_store_s_own_radius(org: Org) -> None:
    StoreFence.objects.update(radius_m=50)
    assert why(org.guide, where=fix(80, accuracy=9.9)) == "far"
    assert press(org.guide, where=fix(55, accuracy=9.9)).record.state == "normal"


def test_the_store_s_wifi_is_enough(org: Org) -> None:
    taken = press(org.guide, where=None, bssid="5C-02-14-A0-00-10")
    assert (taken.punch.way, taken.punch.distance_m, taken.punch.place) == ("wifi", None, None)
    assert why(org.manager, where=None, bssid="5c:02:14:a0:00:11") == "no_fix"


def test_on_wifi_no_place_is_kept(org: Org) -> None:
    punch = press(org.guide, where=fix(12), bssid=BSSID).punch
    assert (punch.way, punch.place, punch.place_index, punch.accuracy_m) == ("wifi", None, "", None)


def test_a_helper_clocks_in_where_she_is_lent(org: Org) -> None:
    set_place(org.other_store, point=type(SHOP)(31.311120, 120.628340))
    far = fix()
    there = Fix(31.311120, 120.628340, "gcj02", 12.5)
    assert why(org.guide, where=there) == "far"
    RoleAssignment.objects.create(staff=org.guide, role="guide", unit=org.other_store.unit, starts_on=WED, ends_on=WED)
    assert press(org.guide, where=there).punch.store == org.other_store
    assert press(org.manager, where=far).punch.store == org.store


# ---------------------------------------------------------------- who


def test_who_was_moved_clocks_in_at_the_new_store(org: Org) -> None:
    store = make_store(area=org.area)
    set_place(store, point=type(SHOP)(32.2, 118.9))
    Staff.objects.filter(pk=org.guide.pk).update(store=store, unit=store.unit)
    RoleAssignment.objects.filter(staff=org.guide).update(unit=store.unit)
    person = Staff.objects.get(pk=org.guide.pk)
    assert why(person, where=fix()) == "far"
    assert press(person, where=Fix(32.2, 118.9, "gcj02", 12.5)).record.store == store


def test_who_left_or_has_no_store_does_not(org: Org) -> None:
    who = actor(org.guide)
    resign_staff(org.guide, actor=Actor.system(), now=at("09:20"))
    with pytest.raises(NoStore):
        clock_in(actor=who, side="in", fix=fix(), bssid="", device="", key=None, now=at("09:24"))
    office = make_staff("hq_retail", unit=org.hq)
    with pytest.raises(NoStore):
        press(office, where=fix())


def test_the_day_is_the_server_s(org: Org) -> None:
    Shift.objects.create(staff=org.guide, day=WED, kind="rest")
    Shift.objects.create(staff=org.guide, day=WED + timedelta(days=1), kind="rest")
    assert press(org.guide, "23:59:59", where=fix()).punch.day == WED
    assert press(org.guide, at("23:59:59") + timedelta(seconds=1), where=fix()).punch.day == date(2026, 3, 12)
    assert ClockRecord.objects.count() == 2


# ---------------------------------------------------------------- privacy


def test_without_consent_no_place_is_looked_at(org: Org) -> None:
    withdraw_location(actor=actor(org.guide), now=at("09:20"))
    assert why(org.guide, where=fix()) == "no_consent"
    assert press(org.guide, where=fix(), bssid=BSSID).punch.place is None
    assert LocationConsent.objects.get(staff=org.guide).ended_at == at("09:20")


def test_the_place_is_sealed_and_coarse_after_half_a_year(org: Org) -> None:
    punch = press(org.guide, where=fix(12)).punch
    with connection.cursor() as cursor:
        cursor.execute("SELECT p::text FROM guides_clockpunch p")
        (stored,) = cursor.fetchone()
    assert "32.04" not in stored and "118.78" not in stored
    assert opened(ClockPunch.objects.get().place).latitude == pytest.approx(SHOP.latitude, abs=0.001)  # type: ignore[union-attr]
    assert coarsen(now=punch.at + WHOLE_FOR) == {"coarsened": 0}
    assert coarsen(now=punch.at + WHOLE_FOR + timedelta(seconds=1)) == {"coarsened": 1}
    left = ClockPunch.objects.get()
    assert (left.place, left.place_index, left.is_coarse) == ("32.042000,118.784000;;", "", True)
    assert coarsen(now=punch.at + timedelta(days=400)) == {"coarsened": 0}


# ---------------------------------------------------------------- odd, and shown


def test_the_very_same_spot_on_three_days_is_shown_and_counts(org: Org) -> None:
    flags = []
    for day in (9, 10, 11):
        taken = press(org.guide, at("09:24").replace(day=day), where=fix(12, accuracy=23.5 + day / 10))
        flags.append(taken.record.flags)
    assert flags == [[], [], ["same_spot"]] and taken.record.state == "normal"


def test_round_accuracy_speed_and_one_phone_for_two(org: Org) -> None:
    assert press(org.guide, where=fix(12, accuracy=10), device="p1").record.flags == ["round_accuracy"]
    assert press(org.manager, "09:26", where=fix(13), device="p1").record.flags == ["same_phone"]
    set_place(org.other_store, point=type(SHOP)(31.311120, 120.628340))
    Staff.objects.filter(pk=org.guide.pk).update(store=org.other_store)
    moved = press(org.guide, "10:00", side="out", where=Fix(31.311120, 120.628340, "gcj02", 12.5)).punch
    assert moved.flags == ["too_fast"]


def test_the_store_s_fix_is_measured_in_few_statements(org: Org, django_assert_max_num_queries: Any) -> None:
    who = actor(org.guide)
    with django_assert_max_num_queries(32):
        clock_in(actor=who, side="in", fix=fix(), bssid="", device="p", key="k", now=at("09:24"))


def test_the_nearest_of_two_places(org: Org) -> None:
    other = make_store(area=org.area)
    set_place(other, point=type(SHOP)(SHOP.latitude + 500 * NORTH, SHOP.longitude))
    found = standing(fix(400), "", store_ids=[org.store.pk, other.pk], now=at("09:24"))
    assert (found.store_id, found.distance_m, found.is_there) == (other.pk, 100, True)
    assert fencing.standing(None, "", store_ids=[], now=at("09:24")).why == "no_fix"
