"""A member's card as a guide opens it, all panels: signed in, scoped, masked; beside a bare Django view with one indexed query."""

from datetime import timedelta
from typing import Any

from bench import brand, desk
from bench.figures import Options, Report, at_least, at_most, median
from crm.aftersale.models import Ticket
from crm.benefits.models import Coupon, CouponBatch, CouponTemplate, PointsAccount, PointsLot
from crm.members.models import Member
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag, Tag
from crm.wallet.models import Wallet
from guides.org.models import OrgUnit, Staff
from tasks.followups.models import Reach, Task
from yejibao.core import clock

DATABASE = "pages"
KEEP = True
STATEMENTS = 2  # session and scope; the member with all that his panels read
SAID = {"style_preference": "商务", "occupation": "教师", "fit_preference": "修身", "hobby": "茶"}


def main(options: Options) -> Report:
    size = brand.filled(options)
    people = desk.guides(200)
    tasks = desk.first_tasks(people)
    cards = _cards(tasks)
    furnish(list(cards))
    with desk.served(product="yejibao.wsgi:application", bare="bench.bare:application") as ports:
        cookies = desk.signed_in(people, port=ports["product"])
        seen = desk.ask(options, {
            "product": (ports["product"], list(zip(cards.values(), cookies, strict=True))),
            "bare": (ports["bare"], [(f"/task/{pk}/", "") for pk in tasks]),
        })  # fmt: skip
        asked = desk.most_statements(_card_of)
    return Report(
        value=median(seen.rates["product"]), unit="cards/s", limit=median(seen.rates["bare"]),
        limit_is="a bare Django view with one indexed ORM query, no middleware, same server and pool",
        ratio=seen.ratio(),
        goals=[
            at_least("of the bare view", seen.ratio(), 0.25), at_most("p99 ms at 32 in parallel", seen.p99(), 250),
            at_most("statements with 1, 15 and 100 cards", max(asked.values()), STATEMENTS),
        ],
        more={**seen.more(), "statements": asked, "size": size},
    )  # fmt: skip


def _cards(tasks: list[int]) -> dict[int, str]:
    """Return the members of these tasks with the addresses of their cards, in the order of the tasks."""
    found = {pk: (member, card) for pk, member, card in
             Task.objects.filter(pk__in=tasks).values_list("pk", "member_id", "member__public_id")}  # fmt: skip
    return {found[pk][0]: f"/g/members/{found[pk][1]}/" for pk in tasks}


def _card_of(person: Staff) -> str:
    cards = _cards(desk.first_tasks([person]))
    furnish(list(cards))
    return next(iter(cards.values()))


# ---------------------------------------------------------------- what a member has of everything


def furnish(member_ids: list[int]) -> None:
    """Give these members tags, points, coupons, stored value and a word of last month, and every tenth a ticket: once."""
    load_tags(now=brand.MORNING - timedelta(days=400))
    new = set(member_ids) - set(PointsAccount.objects.filter(member_id__in=member_ids).values_list("pk", flat=True))
    members = list(Member.objects.filter(pk__in=new).order_by("pk"))
    now = brand.MORNING
    PointsAccount.objects.bulk_create([PointsAccount(member=one, balance=1_240, left_points=1_240) for one in members])
    PointsLot.objects.bulk_create([
        PointsLot(member=one, points=points, left_points=points, usable_from=now - timedelta(days=days),
                  expires_on=clock.local_day(now) + timedelta(days=days), made_at=now - timedelta(days=days))
        for one in members for points, days in ((840, 40), (400, 300))
    ])  # fmt: skip
    Wallet.objects.bulk_create([
        Wallet(member=one, card_no=f"86{one.pk:014}", principal_fen=186_000, gift_fen=12_000, opened_at=now - timedelta(days=90))
        for one in members
    ])  # fmt: skip
    batch = _batch()
    Coupon.objects.bulk_create([
        Coupon(code=f"B{one.pk:010}{nth}", batch=batch, member=one, nth=nth, key=f"bench:{nth}", way=Coupon.Way.CLAIM,
               bearer_unit=batch.unit, issued_at=now - timedelta(days=9), valid_from=now - timedelta(days=9),
               valid_until=now + timedelta(days=20 * nth))
        for one in members for nth in (1, 2)
    ])  # fmt: skip
    MemberTag.objects.bulk_create([
        MemberTag(member=one, tag=tag, source="GUIDE", values=[SAID[tag.key]], at=now - timedelta(days=30))
        for tag in Tag.objects.filter(key__in=SAID) for one in members
    ])  # fmt: skip
    Reach.objects.bulk_create([
        Reach(member=one, guide_id=one.owner_guide_id, channel="wecom_message", nature="service", level=2,
              at=now - timedelta(days=33), day=clock.local_day(now) - timedelta(days=33))
        for one in members
    ])  # fmt: skip
    Ticket.objects.bulk_create([
        Ticket(kind=Ticket.Kind.CARE, state="processing", member=one, store_id=one.main_store_id, guide_id=one.owner_guide_id,
               description="大衣送来干洗", opened_at=now - timedelta(days=2), first_reply_at=now - timedelta(days=2))
        for one in members[::10]
    ])  # fmt: skip


def _batch() -> CouponBatch:
    if found := CouponBatch.objects.filter(name="bench").first():
        return found
    facts: dict[str, Any] = {"unit": OrgUnit.objects.get(level="hq"), "made_at": brand.MORNING}
    template = CouponTemplate.objects.create(
        name="满 1000 减 100", kind=CouponTemplate.Kind.AMOUNT, amount_fen=10_000, threshold_fen=100_000,
        validity=CouponTemplate.Validity.DAYS, valid_days=60, **facts,
    )  # fmt: skip
    return CouponBatch.objects.create(
        name="bench", template=template, state=CouponBatch.State.RUNNING, ways=[CouponBatch.Way.CLAIM], per_member=2,
        opens_at=brand.MORNING - timedelta(days=60), closes_at=brand.MORNING + timedelta(days=60), started_at=brand.MORNING, **facts,
    )  # fmt: skip
