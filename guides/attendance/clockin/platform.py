"""企业微信打卡 as another source: where the company uses it, what was pressed there counts here too.

Off unless the setting says how often. Every pull reads yesterday and today again: what is known already stays as it is.
"""

from datetime import datetime, time, timedelta

from django.db import transaction

from guides.org.models import RoleAssignment, Staff
from yejibao.core import clock
from yejibao.wecom import checkin
from yejibao.wecom.checkin import CheckIn
from yejibao.wecom.gateway import Gateway

from . import rules
from .judging import ROLES, judge
from .models import ClockPunch, Side

SIDES = {checkin.ON_DUTY: Side.IN, checkin.OFF_DUTY: Side.OUT}
FLAGS = {
    checkin.WRONG_TIME: "wrong_time", checkin.WRONG_PLACE: "elsewhere", checkin.WRONG_WIFI: "elsewhere",
    checkin.OTHER_DEVICE: "device",
}  # fmt: skip


def is_due(now: datetime) -> bool:
    """Tell whether this is a minute for a pull: the setting is on, and so many minutes of the day are over."""
    every = rules.PLATFORM_EVERY.at(now)
    local = now.astimezone(clock.SHANGHAI)
    return every > 0 and (local.hour * 60 + local.minute) % every == 0


def pull(*, door: Gateway, now: datetime, seconds: float = 50.0) -> dict[str, int]:
    """Read the presses of everybody who clocks in, 100 people a call, and let them count. Stops by itself.

    A call that fails is the next pull's: nothing is lost, since each reads two days. Raises GatewayError.
    """
    deadline = clock.monotonic() + seconds
    today = clock.local_day(now)
    start = clock.local_moment(today - timedelta(days=1), time(0))
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(today), role__in=ROLES)
    people = Staff.objects.employed().filter(store__isnull=False, pk__in=held.values("staff_id"))
    known = {one.wecom_user_id: one for one in people.only("wecom_user_id", "store_id").order_by("pk")}
    counts = {"read": 0, "new": 0, "unknown": 0}
    for part in checkin.in_calls(list(known)):
        if clock.monotonic() > deadline:
            break
        presses, unknown = checkin.known_check_ins(door, part, start=start, end=now)
        counts["read"] += len(presses)
        counts["unknown"] += len(unknown)
        counts["new"] += merge([(known[one.userid], one) for one in presses if one.userid in known], now=now)
    return counts


@transaction.atomic
def merge(presses: list[tuple[Staff, CheckIn]], *, now: datetime) -> int:
    """Write presses that are not known yet and judge their days. Returns how many are new.

    Seen elsewhere by the platform, a press is kept and does not count; a missed one is no press.
    """
    rows = [
        ClockPunch(
            staff=person, store_id=person.store_id or 0, day=clock.local_day(one.at), side=SIDES[one.kind], at=one.at,
            way=ClockPunch.Way.PLATFORM, counts=one.is_in_place, source_key=one.key, recorded_at=now,
            flags=sorted({FLAGS[told] for told in one.exceptions if told in FLAGS}),
        )
        for person, one in presses if one.is_press and one.kind in SIDES and person.store_id
    ]  # fmt: skip
    keys = [row.source_key for row in rows]
    there = set(ClockPunch.objects.filter(source_key__in=keys).values_list("source_key", flat=True))
    new = {row.source_key: row for row in rows if row.source_key not in there}
    ClockPunch.objects.bulk_create(new.values(), ignore_conflicts=True, batch_size=1000)
    judge({(row.staff_id, row.day) for row in new.values() if row.counts}, now=now)
    return len(new)
