"""Invitations in the demo: three weeks of people asked, some of whom came and bought; today's and tomorrow's; a manager's list.

Every step goes through the product's own services, each at its own moment.
"""

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from crm.benefits.services import Conditions
from crm.members.models import Member
from crm.orders.models import Order
from crm.portal.sessions import member_actor
from crm.visits import services
from crm.visits.models import Kind, Visit
from crm.visits.services import GroupPlan
from guides.notices.models import Notification
from guides.org.actors import actor_for
from guides.org.models import RoleAssignment, Staff, Store
from yejibao.core import clock
from yejibao.core.models import OutboxMessage

SEED = 28
WORDS = ("新到的羊毛大衣有您的码", "上次看的那套到了", "来把裤长改一下", "")
BACK = 21  # days
BOUGHT, ALONE = 14, 10  # who bought, and who did not come or did not answer


def build(*, now: datetime) -> None:
    """Let guides of the first two stores have asked their members."""
    if Visit.objects.exists():
        return
    dice = random.Random(SEED)
    stores = list(Store.objects.filter(closed_on=None).select_related("unit").order_by("code")[:2])
    asked: set[int] = set()
    for store in stores:
        _who_bought(store, now, dice, asked)
        _who_did_not(store, now, dice, asked)
        services.end_past(now=now)
        _coming(store, now, dice, asked)
        _want_to_come(store, now, asked)
    if stores:
        _list(stores[0], now)
    # What happened then was told then.
    OutboxMessage.objects.filter(
        kind="notice", subject__contains=":visit:", due_at__lt=now - timedelta(hours=2)
    ).delete()
    Notification.objects.filter(key__startswith="visit:", at__lt=now - timedelta(days=1)).update(
        read_at=now, message=None
    )


def _who_bought(store: Store, now: datetime, dice: random.Random, asked: set[int]) -> None:
    """Ask those who did buy, the day before."""
    since = clock.local_day(now) - timedelta(days=BACK)
    orders = Order.objects.filter(
        store=store, kind="retail", status="paid", net_amount_fen__gt=0, paid_on__gte=since, paid_at__lt=now - timedelta(hours=1),
        known_at__isnull=False, member__status="active", member__owner_guide__store=store, member__do_not_contact=False,
    )  # fmt: skip
    for order in orders.select_related("member__owner_guide").order_by("-paid_at")[: BOUGHT * 3 : 3]:
        member = order.member
        if member is None or member.pk in asked:
            continue
        slot = clock.local_moment(order.paid_on, _hour(order.paid_at, store))
        before = clock.local_moment(order.paid_on - timedelta(days=1), time(11, dice.randrange(60)))
        visit = _ask(member, slot, before, dice)
        if visit is None:
            continue
        asked.add(member.pk)
        services.accept(visit, actor=member_actor(member), now=before + timedelta(minutes=dice.randrange(5, 90)))
        if dice.random() < 0.6 and order.paid_at > slot:
            services.arrive(
                visit, actor=actor_for(_guide(member)), now=max(slot, order.paid_at - timedelta(minutes=25))
            )
        services.follow_orders([order.pk], now=order.paid_at)


def _who_did_not(store: Store, now: datetime, dice: random.Random, asked: set[int]) -> None:
    for place, member in enumerate(_members(store, ALONE, asked)):
        day = clock.local_day(now) - timedelta(days=1 + place * 2 % BACK)
        before = clock.local_moment(day - timedelta(days=1), time(14, dice.randrange(60)))
        visit = _ask(member, clock.local_moment(day, time(15, 0)), before, dice)
        if visit is None:
            continue
        asked.add(member.pk)
        later, him = before + timedelta(minutes=40), member_actor(member)
        if place % 5 == 1:
            services.decline(visit, actor=him, now=later, reason="出差")
        elif place % 5 in (0, 2):
            services.accept(visit, actor=him, now=later)
            if place % 5 == 2:
                services.arrive(visit, actor=actor_for(_guide(member)), now=visit.starts_at)
        elif place % 5 == 3:
            services.note_opened(visit, actor=him, now=later)


def _coming(store: Store, now: datetime, dice: random.Random, asked: set[int]) -> None:
    """Today's later hours, tomorrow and the day after."""
    today, rows = clock.local_day(now), _members(store, 9, asked)
    for place, member in enumerate(rows):
        day, hour = today + timedelta(days=place // 3), 14 + place % 3 * 2
        slot = clock.local_moment(day, time(hour, 30))
        if slot <= now + timedelta(minutes=10):
            slot += timedelta(days=1)
        visit = _ask(member, slot, now - timedelta(hours=2 + place), dice)
        if visit is not None and place % 3 != 2:
            services.accept(visit, actor=member_actor(member), now=now - timedelta(hours=1))


def _want_to_come(store: Store, now: datetime, asked: set[int]) -> None:
    """Two asked on their own phones: one has an answer, the other waits for it."""
    day = clock.local_day(now) + timedelta(days=2)
    for place, (member, words) in enumerate(
        zip(_members(store, 2, asked), ("想看看羊毛大衣", "裤长再改一下"), strict=False)
    ):
        if Visit.objects.open().filter(member=member).exists():
            continue
        asked.add(member.pk)
        at = now - timedelta(minutes=40)
        with clock.travelled(at):
            visit = services.ask_to_come(
                member, store=store, starts_at=clock.local_moment(day, time(15 + place, 0)), words=words, actor=member_actor(member),
                now=at,
            )  # fmt: skip
        if place:
            services.accept(visit, actor=actor_for(_guide(member)), now=now - timedelta(minutes=15))


def _ask(member: Member, slot: datetime, at: datetime, dice: random.Random) -> Visit | None:
    if Visit.objects.open().filter(member=member).exists():
        return None
    with clock.travelled(at):
        return services.invite(
            member,
            starts_at=slot,
            actor=actor_for(_guide(member)),
            now=at,
            kind=dice.choice(Kind.values),
            words=dice.choice(WORDS),
        )


def _guide(member: Member) -> Staff:
    assert member.owner_guide is not None
    return member.owner_guide


def _hour(at: datetime, store: Store) -> time:
    """Return the half hour before somebody paid, within the store's hours."""
    local = at.astimezone(clock.SHANGHAI)
    wanted = time(local.hour, 30 if local.minute >= 30 else 0)
    return min(max(wanted, store.opens_at), time(store.closes_at.hour - 1, 0))


def _members(store: Store, count: int, asked: set[int]) -> Sequence[Member]:
    """Return members of the store's guides that nobody has asked yet, those of the guide on show first."""
    found = Member.objects.filter(
        owner_guide__store=store, owner_guide__state="active", status="active", do_not_contact=False
    ).exclude(pk__in=asked)
    return list(
        found.select_related("owner_guide").order_by("owner_guide_id", "-last_purchase_on", "pk")[: count * 4 : 4]
    )


def _list(store: Store, now: datetime) -> None:
    """The manager has asked her best members to an evening."""
    held = RoleAssignment.objects.filter(
        RoleAssignment.in_force(clock.local_day(now)), role="store_manager", unit=store.unit
    )
    boss = held.select_related("staff").order_by("pk").first()
    if boss is None:
        return
    day: date = clock.local_day(now) + timedelta(days=5)
    plan = GroupPlan(
        "冬季新款品鉴，到店有茶", Kind.EVENT, clock.local_moment(day, time(14, 0)), clock.local_moment(day, time(17, 0)),
        clock.local_day(now),
    )  # fmt: skip
    wanted = Conditions(levels=["V4", "V5"], unit_id=store.unit_id)
    if not services.meant(wanted, scope_path=store.unit.path or "").exists():
        return
    services.plan_group(plan, wanted, unit=store.unit, actor=actor_for(boss.staff), now=now)
    services.go_on_with_groups(now=now)
