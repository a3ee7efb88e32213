"""Clocking in: one press of a day, one judgement of it, one 缺卡."""

from datetime import date, timedelta

from guides.attendance.clockin.fencing import Fix
from guides.attendance.clockin.judging import judge, mark_missing
from guides.attendance.clockin.models import ClockPunch, ClockRecord, LocationConsent, Side, StoreFence
from guides.attendance.clockin.platform import merge
from guides.attendance.clockin.rules import CONSENT_VERSION
from guides.attendance.clockin.services import Taken, clock_in
from guides.org.models import Staff
from tests.factories.guides import actor, make_staff, make_store
from tests.races.at_once import overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day, parse_iso
from yejibao.wecom.checkin import CheckIn

DAY = local_day(NOON)
FIX = Fix(32.041544, 118.784135, "gcj02", 12.5)


def _someone(world: World) -> Staff:
    """Return a guide of a new store with a place (the company's tables stay between races)."""
    store = make_store(area=world.org.area)
    StoreFence.objects.create(
        store=store, latitude=32.041544, longitude=118.784135, given_latitude=32.041544, given_longitude=118.784135,
        given_datum="gcj02", since=date(2025, 1, 1), set_at=NOON,
    )  # fmt: skip
    person = make_staff(store=store)
    LocationConsent.objects.create(staff=person, version=CONSENT_VERSION, given_at=NOON)
    return person


def two_taps_at_once(world: World) -> None:
    person = _someone(world)
    who = actor(person)

    def tap() -> Taken:
        return clock_in(actor=who, side="in", fix=FIX, bssid="", device="", key=None, now=NOON)

    both = overtaken(tap, tap)
    assert isinstance(both.second, Taken) and not both.second.is_new
    assert ClockPunch.objects.filter(staff=person).count() == 1


def a_correction_counts_as_she_leaves(world: World) -> None:
    """The one who judges last has seen the other's punch."""
    person = _someone(world)

    def punch(side: str, text: str) -> None:
        at = parse_iso(f"{DAY} {text}")
        ClockPunch.objects.create(
            staff=person, store=person.store, day=DAY, side=side, at=at, way="correction", recorded_at=NOON
        )
        judge([(person.pk, DAY)], now=NOON)

    punch(Side.IN, "09:40")
    overtaken(lambda: punch(Side.IN, "09:20"), lambda: punch(Side.OUT, "18:30"))
    record = ClockRecord.objects.get(staff=person)
    assert (record.in_at, record.late_minutes) == (parse_iso(f"{DAY} 09:20"), 0)


def two_who_close_a_day(world: World) -> None:
    ClockRecord.objects.all().delete()  # of the people of earlier races
    person = _someone(world)
    late = NOON + timedelta(hours=11)
    both = overtaken(lambda: mark_missing(DAY, now=late), lambda: mark_missing(DAY, now=late))
    assert person.pk in both.first and both.second == []


def a_press_read_twice(world: World) -> None:
    person = _someone(world)
    told = [(person, CheckIn(person.wecom_user_id, "上班打卡", (), NOON, f"wecom:{person.pk}"))]
    both = overtaken(lambda: merge(told, now=NOON), lambda: merge(told, now=NOON))
    assert isinstance(both.second, int) and ClockPunch.objects.filter(staff=person).count() == 1
