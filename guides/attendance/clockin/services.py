"""Clocking in and out, the consent to be located, and corrections asked and decided."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.attendance.calendar import Day, day_of
from guides.org.models import RoleAssignment, Staff, Store
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor

from . import flags, rules
from .fencing import Fix, Standing, standing
from .geo import Point, is_somewhere
from .judging import ROLES, judge
from .keeping import device_index, sealed, spot_index
from .models import ClockPunch, ClockRecord, LocationConsent, Side


class NotToday(Conflict):
    code, title = "clock.too_early", _("还没到打卡时间")


class NotInYet(Conflict):
    code, title = "clock.not_in", _("今天还没打上班卡")


class NoStore(Forbidden):
    code, title = "perm.clock_in", _("只有门店的同事在这里打卡")


class NotThere(Conflict):
    """The press proves no place. What remains is to say why (补卡, 外勤); nobody is turned away for good."""

    code, title = "clock.not_there", _("没认出你在店里")


# Why, and what to do about it; said under the button.
WORDS = {
    "no_fix": _("没取到位置。打开手机定位，允许企业微信使用，再点一次；连上门店 Wi-Fi 也能打。"),
    "no_fence": _("门店还没设打卡点，请店长在「考勤」里设一下。先写原因打卡，店长会看到。"),
    "stale": _("取到的位置太旧了，再点一次。"),
    "inexact": _("定位不够准。到门口或窗边再点一次，或者连上门店 Wi-Fi。"),
    "far": _("离门店 %(distance)s 米，超出打卡范围。在店里就再点一次，在外面办事可以写原因打卡。"),
    "no_consent": _("你没有同意取位置。连上门店 Wi-Fi 打卡，或者写原因打卡。"),
}


@dataclass(frozen=True)
class Taken:
    """A press that was taken. `is_new` False: she had clocked in already, this is what stands."""

    punch: ClockPunch
    record: ClockRecord
    is_new: bool


@transaction.atomic
def clock_in(
    *, actor: Actor, side: str, fix: Fix | None, bssid: str, device: str, key: str | None, now: datetime
) -> Taken:
    """Take a press of 上班 or 下班, by place or by the store's Wi-Fi; the server measures and uses its own clock.

    The first 上班 of a day stands, however often it is pressed; of 下班 the last. `key` makes a second press of the same
    request impossible. Raises NoStore, NotToday, NotInYet or NotThere (with why and how far).
    """
    person = _lock(actor)
    day = clock.local_day(now)
    plan = day_of(person, day)
    stores = stores_of(person, day)
    if side == Side.IN:
        _must_be_open(plan, day, now)
        pressed = ClockPunch.objects.filter(staff=person, day=day, side=Side.IN, counts=True)
        if (stands := pressed.order_by("at", "pk").first()) is not None:
            return Taken(stands, ClockRecord.objects.get(staff=person, day=day), False)
    elif not ClockRecord.objects.filter(staff=person, day=day, in_at__isnull=False).exists():
        raise NotInYet()
    has_consent = consent_of(person.pk) is not None
    if fix is not None and not (has_consent and is_somewhere(fix.latitude, fix.longitude)):
        fix = None  # what was not agreed to is not looked at
    where = standing(fix, bssid, store_ids=stores, now=now)
    if not where.is_there:
        why = "no_consent" if where.why == "no_fix" and not has_consent else where.why
        raise NotThere(WORDS[why] % {"distance": where.distance_m}, why=why, distance_m=where.distance_m)
    punch = _write(person, where, side=side, fix=fix, device=device, key=key, day=day, now=now)
    judge([(person.pk, day)], now=now)
    return Taken(punch, ClockRecord.objects.get(staff=person, day=day), True)


def _lock(actor: Actor) -> Staff:
    """Return the person, whose presses come one after the other. Raises NoStore."""
    if actor.staff_id is None or not actor.has_role(*ROLES):
        raise NoStore()
    locked = Staff.objects.select_for_update(of=("self",), no_key=True).select_related("store")
    person = locked.get(pk=actor.staff_id)
    if person.store_id is None or not person.is_active:
        raise NoStore()
    return person


def opens_at(plan: Day, day: date, now: datetime) -> datetime | None:
    """Return from when on one may clock in on a day; None where nothing is due, and any time will do."""
    if plan.starts_at is None:
        return None
    return clock.local_moment(day, plan.starts_at) - timedelta(minutes=rules.OPENS_BEFORE.at(now))


def _must_be_open(plan: Day, day: date, now: datetime) -> None:
    opens = opens_at(plan, day, now)
    if opens is not None and now < opens:
        local = opens.astimezone(clock.SHANGHAI)
        raise NotToday(_("%(hour)d:%(minute)02d 起可以打卡。") % {"hour": local.hour, "minute": local.minute})


def stores_of(person: Staff, day: date) -> list[int]:
    """Return where somebody works on a day: the own store, and those she helps in (临时支援)."""
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), staff=person, role__in=ROLES)
    lent = Store.objects.filter(unit__in=held.values("unit")).values_list("pk", flat=True)
    return sorted({*lent, *([person.store_id] if person.store_id else [])})


def _write(
    person: Staff,
    where: Standing,
    *,
    side: str,
    fix: Fix | None,
    device: str,
    key: str | None,
    day: date,
    now: datetime,
) -> ClockPunch:
    assert where.store_id is not None
    if where.by_wifi:
        fix = None  # the Wi-Fi said it all; a place that is not needed is not kept
    raw = Point(fix.latitude, fix.longitude) if fix else None
    point = fix.point if fix else None
    spot, phone = spot_index(raw) if raw else "", device_index(device)
    odd = flags.of_press(fix, staff_id=person.pk, spot=spot, device=phone, at=now, day=day, point=point)
    return ClockPunch.objects.create(
        staff=person, store_id=where.store_id, day=day, side=side, at=now, distance_m=where.distance_m,
        way=ClockPunch.Way.WIFI if where.by_wifi else ClockPunch.Way.PLACE, accuracy_m=fix.accuracy_m if fix else None,
        place=sealed(point, raw=raw, datum=fix.datum) if fix and point and raw else None, place_index=spot,
        device_index=phone, flags=odd, source_key=key, recorded_at=now,
    )  # fmt: skip


# ---------------------------------------------------------------- consent


def consent_of(staff_id: int) -> LocationConsent | None:
    """Return the consent in force; one to an older text is none."""
    return LocationConsent.objects.filter(staff_id=staff_id, version=rules.CONSENT_VERSION, ended_at=None).first()


@transaction.atomic
def agree_to_location(*, actor: Actor, now: datetime) -> None:
    """Note that somebody agreed to have his place taken at the tap."""
    person = _lock(actor)
    if consent_of(person.pk) is None:
        LocationConsent.objects.filter(staff=person, ended_at=None).update(ended_at=now)
        LocationConsent.objects.create(staff=person, version=rules.CONSENT_VERSION, given_at=now)
        audit.record(actor, "attendance.location_agreed", person, after={"version": rules.CONSENT_VERSION})


@transaction.atomic
def withdraw_location(*, actor: Actor, now: datetime) -> None:
    """Note that somebody no longer wants his place taken; Wi-Fi and a word of reason stay open to him."""
    person = _lock(actor)
    if LocationConsent.objects.filter(staff=person, ended_at=None).update(ended_at=now):
        audit.record(actor, "attendance.location_refused", person)
