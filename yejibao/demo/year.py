"""The year behind the demo: who worked when, who became a member, what was bought, and how the days passed."""

import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from crm.catalogue.models import StyleColor
from crm.members.models import FriendLink, Member
from crm.orders.services import ingest_orders
from crm.scoring.services import rank_tiers
from guides.attendance.models import Shift
from guides.org.models import Staff
from yejibao.core import clock
from yejibao.core.personal import columns

from . import names, replay

RECENT_DAYS = 14  # played closely
MIDDLE_DAYS = 110  # played with two beats a day, those before with one
DILIGENCE = 1.2  # the demo's guides do more than those of the replay
SOURCE = "pos"
SEASONS = {
    1: "冬",
    2: "冬",
    3: "春",
    4: "春",
    5: "春",
    6: "夏",
    7: "夏",
    8: "夏",
    9: "秋",
    10: "秋",
    11: "冬",
    12: "冬",
}
TOPS = ("170/88A", "175/92A", "175/96A", "180/96A", "180/100A", "185/104A")
SIZES = {"shirt": ("39", "40", "41", "42"), "trousers": ("31", "32", "33", "34"), "shoes": ("40", "41", "42", "43"),
         "accessory": ("均码",)}  # fmt: skip


# ---------------------------------------------------------------- people


def plan_shifts(people: list[Staff], start: date, end: date) -> None:
    """Two rest days a week each, staggered, so that a store is never empty; nobody rests on the demo's first day."""
    rows, today = [], clock.today()
    for place, person in enumerate(people):
        day = start
        while day <= end:
            if day.weekday() in ((place * 2) % 7, (place * 2 + 3) % 7) and day != today:
                rows.append(Shift(staff=person, day=day, kind=Shift.Kind.REST))
            day += timedelta(days=1)
    Shift.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)


def make_members(people: list[Staff], number: int, dice: random.Random, began: datetime) -> None:
    rows = []
    for n in range(1, number + 1):
        owner = people[(n * 7 + n // 13) % len(people)]
        name, gender = names.full_name(n)
        phone = names.phone(n)
        rows.append(
            Member(
                member_no=f"M{n:06}", name=name, gender=gender, salutation=names.salutation(name, gender, n),
                **columns(Member, "phone", phone), birth_month=n % 12 + 1, birth_day=n % 28 + 1,
                birth_year=str(1968 + n % 34), owner_guide=owner, main_store=owner.store, join_channel="store",
                registered_at=began - timedelta(days=dice.randrange(0, 1500)), phone_consent=dice.random() < 0.7,
                do_not_contact=dice.random() < 0.01,
                marketing_opt_out=["wecom_message", "manual_call"] if dice.random() < 0.03 else [],
            )
        )  # fmt: skip
    Member.objects.bulk_create(rows, batch_size=500)
    links = []
    for member in rows:
        roll = dice.random()
        if roll < 0.86:
            links.append(
                FriendLink(
                    member=member, guide_id=member.owner_guide_id, external_user_id=f"wmYJ{member.public_id.hex[:24]}",
                    state=FriendLink.State.FRIEND if roll < 0.82 else FriendLink.State.DELETED_BY_MEMBER,
                    added_at=member.registered_at, ended_at=None if roll < 0.82 else began,
                )
            )  # fmt: skip
    FriendLink.objects.bulk_create(links, batch_size=500)


# ---------------------------------------------------------------- purchases


def buy(dice: random.Random, start: date, now: datetime) -> None:
    """Ingest a year of purchases on hold: most buy once to three times, some often, by season and hour of a real store."""
    shelf = list(StyleColor.objects.order_by("sku_code"))
    members = list(Member.objects.select_related("owner_guide__store", "main_store").order_by("pk"))
    days = (clock.local_day(now) - start).days
    rows: list[dict[str, Any]] = []
    for member in members:
        visits = dice.choices((0, 1, 2, 3, 4, 6, 9), (8, 34, 25, 15, 9, 6, 3))[0]
        top = dice.choice(TOPS)
        for _ in range(visits):
            day = start + timedelta(days=1 + int((days - 1) * dice.random() ** 0.6))  # business grows
            at = clock.local_moment(day, time(10, 0)) + timedelta(minutes=int(dice.triangular(0, 700, 520)))
            rows.append(order_row(len(rows) + 1, member, day, at, shelf, top, dice))
    rows.sort(key=lambda row: row["paid_at"])
    for at in range(0, len(rows), 1000):
        ingest_orders(rows[at : at + 1000], source=SOURCE, now=now, hold=True)


def order_row(
    number: int, member: Member, day: date, at: datetime, shelf: list[StyleColor], top: str, dice: random.Random
) -> dict[str, Any]:
    season = SEASONS[day.month]
    fitting = [style for style in shelf if style.season in (season, "四季")]
    lines = []
    for line_no in range(1, dice.choices((1, 2, 3), (58, 30, 12))[0] + 1):
        style = dice.choice(fitting)
        sizes = SIZES.get(style.care_key, (top,))
        lines.append(
            {
                "line_no": line_no, "sku": style.sku_code, "item_name": style.name, "color": style.color,
                "size": sizes[member.pk % len(sizes)], "quantity": 1,
                "paid_fen": style.price_fen * dice.choice((100, 100, 95, 88, 80)) // 100 // 100 * 100,
            }
        )  # fmt: skip
    is_mall = dice.random() < 0.12
    guide = member.owner_guide
    assert guide is not None and guide.store is not None
    return {
        "number": f"{day:%y%m%d}{number:05}",
        "store": guide.store.code,
        "guide": None if is_mall else guide.wecom_user_id,
        "member": {"member_no": member.member_no},
        "kind": "mall" if is_mall else "retail",
        "paid_at": at.astimezone(clock.SHANGHAI).isoformat(),
        "is_gift": member.gender == "f" and dice.random() < 0.6,
        "is_delivery": is_mall,
        "lines": lines,
    }


# ---------------------------------------------------------------- the year passes


def live(start: date, today: date, now: datetime, say: Callable[[str], None]) -> None:
    """Play the year: one beat a day at first, then two, closely towards the end, and today up to now."""
    close = max(start, today - timedelta(days=RECENT_DAYS))
    middle = max(start, today - timedelta(days=MIDDLE_DAYS))
    far = {"beats": (time(20, 30),), "tells": False}
    near = {"beats": (time(13, 0), time(20, 30)), "tells": False}
    told = 0
    for first, end, how in ((start, middle, far), (middle, close, near), (close, today, {"every": timedelta(hours=2)})):
        for played in replay.play(first, end - timedelta(days=1), **({"tells": False, "share": DILIGENCE} | how)):  # type: ignore[arg-type]
            done = ((first - start).days + played.days) * 100 // max(1, (today - start).days)
            if done >= told + 20:
                told = done - done % 20
                say(f"    {told}%")
    moment = clock.local_moment(today, replay.OPENING)
    while moment <= now - timedelta(minutes=20):
        replay.beat(moment, timedelta(minutes=30), None, tells=False, share=0.6)
        moment += timedelta(minutes=30)
    clock.release()
    # Production ranks at month end; the demo as of yesterday, so that a newcomer does not meet last month's 未消费.
    rank_tiers(as_of=today - timedelta(days=1), now=now, budget=timedelta(minutes=1))
