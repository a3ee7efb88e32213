"""A believable world: 8 stores, 36 people in the field, 1,200 members, a year of purchases, work in all states for today.

Everything enters through the product's own doors: orders are ingested on hold and released as the simulated days pass,
the tick opens tasks, simulated guides act by the rule of `replay`. Invented throughout; the same on every machine.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q

from crm.aftersale.replies.services import load_templates
from crm.catalogue.loading import load_catalogue
from crm.catalogue.models import StyleColor
from crm.catalogue.outfits.loading import load_outfits
from crm.corptags.services import want_all
from crm.members.models import Member
from crm.orders.services import ingest_orders
from crm.privacy.loading import load_texts
from crm.tags.loading import load_tags
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
    office,
    outfits,
    patrols,
    proxying,
    selling,
    surveys,
    tickets,
    visits,
    wallet,
    year,
)
from .members import fill_cards
from .people import tell_sandbox
from .sandbox_control import SandboxControl

SEED = 20260101
MEMBERS = 1200
DAYS = 365
# Not in the app's visible range at the platform: pushes to him fail, so that push health has something to show.
OUT_OF_RANGE = "taowei"


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
    year.plan_shifts(people, start, today + timedelta(days=30))
    say(f"  {members:,} 位会员 …")
    year.make_members(people, members, dice, began)
    say("  一年的购买 …")
    year.buy(dice, start, now)
    say(f"  回放 {days} 天：到账、打开任务、导购跟进 …")
    year.live(start, today, now, say)
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
        row = year.order_row(
            90000 + place, member, clock.local_day(now), at, shelf, year.TOPS[place % len(year.TOPS)], dice
        )
        rows.append(row | {"kind": "retail", "guide": guide.wecom_user_id, "is_delivery": False, "is_gift": False})
    ingest_orders(rows, source=year.SOURCE, now=now)
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
