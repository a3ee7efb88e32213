"""A believable world: 8 stores, 36 people in the field, 1,200 members, a year of purchases, work in all states for today.

Everything enters through the product's own doors: orders are ingested on hold and released as the simulated days pass,
the tick opens tasks, simulated guides act by the rule of `replay`. Invented throughout; the same on every machine.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q

from crm.aftersale.replies.services import load_templates
from crm.catalogue.loading import load_catalogue
from crm.catalogue.models import StyleColor
from crm.catalogue.outfits.loading import load_outfits
from crm.corptags.services import want_all
from crm.members.models import FriendLink, Member
from crm.orders.services import ingest_orders
from crm.privacy.loading import load_texts
from crm.scoring.services import rank_tiers
from crm.tags.loading import load_tags
from guides.attendance.models import Shift
from guides.org.actors import actor_for, role_names
from guides.org.loading import load_org, read_spec
from guides.org.models import Staff
from tasks.cadences.loading import load_3369
from tasks.followups.models import Task
from tasks.followups.services import ask_skip, put_off, sample_spot_checks
from tasks.followups.tick import tick
from tasks.review.services import refresh_days
from tasks.scripts.loading import load_scripts
from yejibao.core import clock
from yejibao.core.errors import DomainError
from yejibao.core.personal import columns
from yejibao.wecom.sender import drain_messages

from . import (
    announcing,
    banking,
    benefits,
    checks,
    clocking,
    counting,
    fittings,
    garments,
    goods,
    leaving,
    mending,
    names,
    office,
    outfits,
    patrols,
    proxying,
    replay,
    selling,
    surveys,
    tickets,
    visits,
    wallet,
)
from .members import fill_cards
from .people import tell_sandbox
from .sandbox_control import SandboxControl

SEED = 20260101
MEMBERS = 1200
DAYS = 365
RECENT_DAYS = 14  # played closely
DILIGENCE = 1.2  # the demo's guides do more than those of the replay
MIDDLE_DAYS = 110  # played with two beats a day, those before with one
SOURCE = "pos"
# Not in the app's visible range at the platform: pushes to him fail, so that push health has something to show.
OUT_OF_RANGE = "taowei"
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


@dataclass(frozen=True)
class SignIn:
    """A person a newcomer may sign in as."""

    name: str
    role: str
    place: str
    userid: str


def sign_in_table() -> list[SignIn]:
    """Return a few people to start with: a guide, her manager and supervisor, HQ operations, the system's keeper."""
    day = clock.today()
    guide = Staff.objects.holding("guide", day=day).select_related("store__unit").order_by("store__code", "pk").first()
    if guide is None or guide.store is None:
        return []
    above = guide.store.unit.path or ""
    rows = [guide]
    for role in ("store_manager", "area_supervisor", "hq_operator", "sys_admin"):
        found = Staff.objects.holding(role, day=day).select_related("store", "unit").order_by("pk")
        rows.append(
            next((person for person in found if person.unit and above.startswith(person.unit.path or "-")), None)
        )
    return [
        SignIn(person.name, role_names()[role], person.unit.name, person.wecom_user_id)
        for person, role in zip(
            rows, ("guide", "store_manager", "area_supervisor", "hq_operator", "sys_admin"), strict=True
        )
        if person and person.unit
    ]


def build_company(*, say: Callable[[str], None], began: datetime) -> list[Staff]:
    """Load rules, scripts, goods and the organisation; return the guides, by store."""
    say("  规则、话术、商品 …")
    load_3369(now=began)
    load_scripts(now=began)
    load_texts(now=began)
    load_templates(now=began)
    load_tags(now=began)
    load_catalogue()
    load_outfits(now=began)
    say("  组织和人 …")
    load_org(read_spec(), now=began)
    guides = Staff.objects.filter(role_assignments__role="guide").select_related("store")
    return list(guides.order_by("store__code", "pk").distinct())


def build(
    *, say: Callable[[str], None], control: SandboxControl | None = None, days: int = DAYS, members: int = MEMBERS
) -> None:
    """Build the world up to the product's now. `control` is the stand-in of the platform, if it runs."""
    now = clock.now()
    today = clock.local_day(now)
    start = today - timedelta(days=days)
    dice = random.Random(SEED)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")  # a world that was cut short is built again from nothing
    began = clock.local_moment(start, time(8, 0))
    people = build_company(say=say, began=began)
    _shifts(people, start, today + timedelta(days=30))
    say(f"  {members:,} 位会员 …")
    _members(people, members, dice, began)
    say("  一年的购买 …")
    _orders(dice, start, now)
    say(f"  回放 {days} 天：到账、打开任务、导购跟进 …")
    _live(start, today, now, say)
    _today(people, now, dice)
    clocking.build(now=now)
    leaving.build(now=now)
    announcing.build(now=now)
    patrols.build(now=now)
    mending.build(now=now)
    office.build(now=now)
    goods.build(now=now)
    benefits.build(now=now)
    selling.build(now=now)
    wallet.build(now=now)
    outfits.build(now=now)
    counting.build(now=now)
    proxying.build(now=now)
    banking.build(now=now)
    tickets.build(now=now)
    checks.build(now=now)
    garments.build(now=now)
    surveys.build(now=now)
    visits.build(now=now)
    fittings.build(now=now)
    _finishing_touches(now)
    fill_cards(now)
    refresh_days(now=now)
    want_all()  # the tags go to the platform with the first beats
    if control:
        tell_sandbox(control, leave_out=[OUT_OF_RANGE])
        tick(now=now)
        drain_messages(now=now, seconds=30)


# ---------------------------------------------------------------- people


def _shifts(people: list[Staff], start: date, end: date) -> None:
    """Two rest days a week each, staggered, so that a store is never empty; nobody rests on the demo's first day."""
    rows, today = [], clock.today()
    for place, person in enumerate(people):
        day = start
        while day <= end:
            if day.weekday() in ((place * 2) % 7, (place * 2 + 3) % 7) and day != today:
                rows.append(Shift(staff=person, day=day, kind=Shift.Kind.REST))
            day += timedelta(days=1)
    Shift.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)


def _members(people: list[Staff], number: int, dice: random.Random, began: datetime) -> None:
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


def _orders(dice: random.Random, start: date, now: datetime) -> None:
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
            rows.append(_order(len(rows) + 1, member, day, at, shelf, top, dice))
    rows.sort(key=lambda row: row["paid_at"])
    for at in range(0, len(rows), 1000):
        ingest_orders(rows[at : at + 1000], source=SOURCE, now=now, hold=True)


def _order(
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


def _live(start: date, today: date, now: datetime, say: Callable[[str], None]) -> None:
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


def _today(people: list[Staff], now: datetime, dice: random.Random) -> None:
    """A few purchases of this hour, so that somebody has thanks to say right now: two for the first guide."""
    if not time(9, 45) <= now.astimezone(clock.SHANGHAI).time() < time(21, 20):
        return
    shelf = list(StyleColor.objects.order_by("sku_code"))
    heroes = [next(p for p in people if p.wecom_user_id == "linxiaowen"), people[0], people[-1], people[8], people[12]]
    rows = []
    for place, (guide, minutes) in enumerate(zip([heroes[0], *heroes], (11, 24, 6, 15, 9, 19), strict=False)):
        friends = Member.objects.filter(
            owner_guide=guide, friend_links__state="friend", do_not_contact=False, marketing_opt_out=[], gender="m",
        ).exclude(Q(last_contact_on=clock.local_day(now)) | Q(tasks__state="open")).order_by("tier_631_rank", "pk")  # fmt: skip
        member = friends[place % 2 : place % 2 + 1].first() if place else friends.first()
        if member is None:
            continue
        at = now - timedelta(minutes=minutes)
        row = _order(90000 + place, member, clock.local_day(now), at, shelf, TOPS[place % len(TOPS)], dice)
        rows.append(row | {"kind": "retail", "guide": guide.wecom_user_id, "is_delivery": False, "is_gift": False})
    ingest_orders(rows, source=SOURCE, now=now)
    tick(now=now)


def _finishing_touches(now: datetime) -> None:
    """What people did besides: outcomes and words of the last weeks, a few 稍后 and skip requests, the week's spot check."""
    with connection.cursor() as cursor:
        cursor.execute(_WORDS, {"since": now - timedelta(days=120)})
        cursor.execute(_OUTCOMES, {"since": now - timedelta(days=120)})
    reasons = ("guide_busy", "member_busy", "guide_busy", "waiting_goods", "agreed_later", "looking_up", "guide_busy")
    later = (
        Task.objects.filter(state="open", held_at=None, due_at__gt=now)
        .select_related("store", "assignee")
        .order_by("-pk")
    )
    for place, task in enumerate(later[5:47:3]):
        until = min(task.due_at, now + timedelta(hours=3 + place % 20)) - timedelta(minutes=30)
        _try(lambda task=task, until=until, place=place: put_off(
            task, actor=actor_for(task.assignee), until=until, reason=reasons[place % len(reasons)], now=now))  # fmt: skip
    overdue = (
        Task.objects.filter(state="open", held_at=None, due_at__lt=now)
        .select_related("store__unit", "assignee")
        .order_by("pk")
    )
    for task in overdue[:4]:
        _try(lambda task=task: ask_skip(task, actor=actor_for(task.assignee), reason="客人出差，下个月才回来", now=now))
    monday = clock.local_day(now) - timedelta(days=clock.local_day(now).weekday())
    sample_spot_checks(week=monday, share=0.05, now=now)


def _try(act: Callable[[], Any]) -> None:
    """Run a garnish of the demo; one that the rules refuse is simply not there."""
    try:
        act()
    except DomainError:
        return


_WORDS = """
INSERT INTO tasks_scriptuse (script_id, script_key, task_id, member_id, guide_id, was_edited, text, at, replied_at)
SELECT s.id, s.key, t.id, t.member_id, t.done_by_id, false, '', t.done_at,
    CASE WHEN t.id %% 10 < 4 THEN t.done_at + interval '50 minutes' END
FROM tasks_task t
CROSS JOIN LATERAL (
    SELECT s.id, s.key FROM tasks_script s WHERE s.is_current AND s.node = t.node AND s.requires = '{}'
      AND s.buyer IN ('any', t.context->>'buyer') AND s.product IN ('any', t.context->'items'->0->>'care')
    ORDER BY md5(s.key || t.id) LIMIT 1) s
WHERE t.state = 'done' AND t.node <> '' AND t.done_at >= %(since)s AND t.evidence_kind <> 'call_logged'
"""
_OUTCOMES = """
UPDATE tasks_task t SET outcome_at = t.done_at + interval '1 hour',
    outcome = CASE WHEN t.id %% 10 < 4 THEN CASE WHEN t.node = 'd3' THEN 'fit_ok' ELSE 'replied' END
                   WHEN t.id %% 10 = 4 AND t.node IN ('d30', 'd60', 'd90') THEN 'visit_booked' ELSE 'no_reply' END
WHERE t.state = 'done' AND t.node <> '' AND t.done_at >= %(since)s AND t.id %% 10 < 8
"""


def fresh_world() -> bool:
    """Tell whether nobody has been created yet."""
    return not Staff.objects.exists()


def has_sandbox() -> SandboxControl | None:
    """Return the control side of the configured stand-in if it answers."""
    if not settings.WECOM_SANDBOX_CONTROL:
        return None
    control = SandboxControl(settings.WECOM_SANDBOX_CONTROL)
    try:
        control.stats()
    except OSError:
        return None
    return control


__all__: Iterable[str] = ["SignIn", "build", "fresh_world", "has_sandbox", "sign_in_table"]
