"""考勤 of the demo: where the stores are, two weeks of presses with their late and missing days, and this morning so far."""

import random
from datetime import date, datetime, time, timedelta

from guides.attendance.calendar import days_of
from guides.attendance.clockin.corrections import ask_correction
from guides.attendance.clockin.geo import Point
from guides.attendance.clockin.judging import ROLES, judge, mark_missing
from guides.attendance.clockin.models import ClockPunch, ClockRecord, Side, StoreFence, StoreWifi
from guides.org.actors import actor_for
from guides.org.models import RoleAssignment, Staff, Store
from yejibao.core import clock
from yejibao.core.errors import DomainError

DAYS = 14
# GCJ-02, near enough to the streets of demo_org.yaml; a store not named here is somewhere in Nanjing.
PLACES = {
    "NJ001": (32.041544, 118.784135), "NJ002": (32.043880, 118.783210), "NJ003": (32.009780, 118.729340),
    "NJ004": (31.934650, 118.839510), "SZ001": (31.311120, 120.628340), "SZ002": (31.320460, 120.710920),
    "QZ001": (24.906240, 118.589470), "QZ002": (24.781530, 118.552280),
}  # fmt: skip
FIRST = Point(32.05, 118.79)
LATE_TODAY, FORGETFUL = "guoyuhang", "mali"  # the one comes late, the other asks to have a day mended
NOT_YET = "linxiaowen"  # whose phone a newcomer holds: she has still to clock in


def build(*, now: datetime) -> None:
    """Build it up to now. Safe to run once; the world is built anew or not at all."""
    dice, today = random.Random(411), clock.local_day(now)
    first = today - timedelta(days=DAYS)
    _places(first - timedelta(days=1), now)
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(today), role__in=ROLES)
    people = list(
        Staff.objects.employed()
        .filter(store__isnull=False, pk__in=held.values("staff_id"))
        .select_related("store")
        .order_by("pk")
    )
    plans = days_of(people, first, today + timedelta(days=1))
    rows: list[ClockPunch] = []
    for (staff_id, day), plan in plans.items():
        person = next(one for one in people if one.pk == staff_id)
        if plan.starts_at is not None and plan.ends_at is not None:
            rows += _presses(person, day, plan.starts_at, plan.ends_at, dice, now)
    ClockPunch.objects.bulk_create(rows, batch_size=1000)
    judge({(row.staff_id, row.day) for row in rows}, now=now)
    for number in range(DAYS):
        mark_missing(first + timedelta(days=number), now=now)
    _ask(today, now)


def _places(since: date, now: datetime) -> None:
    for number, store in enumerate(Store.objects.order_by("code")):
        north, east = PLACES.get(store.code, (FIRST.latitude + number / 500, FIRST.longitude + number / 500))
        StoreFence.objects.get_or_create(
            store=store,
            defaults={
                "latitude": north, "longitude": east, "given_latitude": north, "given_longitude": east,
                "given_datum": "gcj02", "since": since, "set_at": now - timedelta(days=DAYS + 1),
            },
        )  # fmt: skip
        StoreWifi.objects.get_or_create(
            store=store, bssid=f"5c:02:14:a0:{number:02x}:10", defaults={"label": "收银台", "set_at": now - timedelta(days=DAYS)}
        )  # fmt: skip


def _presses(
    person: Staff, day: date, starts: time, ends: time, dice: random.Random, now: datetime
) -> list[ClockPunch]:
    """Return what a person pressed on a day: mostly on time, now and then late, rarely nothing."""
    begins, is_today = clock.local_moment(day, starts), day == clock.local_day(now)
    roll = dice.random()
    early = timedelta(minutes=dice.randrange(1, 22), seconds=dice.randrange(60))
    at = begins - early if roll < 0.9 else begins + timedelta(minutes=dice.randrange(2, 25))
    if is_today and person.wecom_user_id == LATE_TODAY:
        at, roll = begins + timedelta(minutes=11), 0.95
    if roll > 0.97 or at > now or (is_today and person.wecom_user_id == NOT_YET):
        return []
    if day == clock.local_day(now) - timedelta(days=2) and person.wecom_user_id == FORGETFUL:
        return []
    found = [_press(person, day, Side.IN, at, dice)]
    out = clock.local_moment(day, ends) + timedelta(minutes=dice.randrange(1, 15))
    if out < now and dice.random() < 0.9:
        found.append(_press(person, day, Side.OUT, out, dice))
    return found


def _press(person: Staff, day: date, side: str, at: datetime, dice: random.Random) -> ClockPunch:
    by_wifi = dice.random() < 0.4
    return ClockPunch(
        staff=person, store_id=person.store_id or 0, day=day, side=side, at=at, recorded_at=at,
        way=ClockPunch.Way.WIFI if by_wifi else ClockPunch.Way.PLACE,
        distance_m=None if by_wifi else dice.randrange(4, 70), accuracy_m=None if by_wifi else dice.randrange(81, 399) / 10,
    )  # fmt: skip


def _ask(today: date, now: datetime) -> None:
    """Let the forgetful one ask for the last day she has a 缺卡 on."""
    person = Staff.objects.filter(wecom_user_id=FORGETFUL).select_related("store").first()
    if person is None or person.store is None:
        return
    missing = (
        ClockRecord.objects.filter(staff=person, state="missing", day__gte=today - timedelta(days=6))
        .order_by("-day")
        .first()
    )
    if missing is None or missing.starts_at is None:
        return
    try:
        ask_correction(
            actor=actor_for(person), side=Side.IN, at=missing.starts_at - timedelta(minutes=6), sort="phone",
            reason="早上手机没电，在店里充上才开机，同事都看到我了", now=now,
        )  # fmt: skip
    except DomainError:
        return
