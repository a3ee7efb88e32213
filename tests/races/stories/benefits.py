"""券和积分: the last coupon, two claims of one member, two tills, two phones of one guide, points spent twice."""

from datetime import timedelta

from crm.benefits.models import (
    Coupon,
    CouponBatch,
    CouponGuideDay,
    CouponIssue,
    CouponQuota,
    PointsAccount,
    PointsEntry,
)
from crm.benefits.services import (
    Conditions,
    NotUsable,
    OutOfStock,
    PointsShort,
    QuotaUsed,
    UsedUp,
    ask_issue,
    claim,
    expire_due,
    give_back,
    go_on_with_issues,
    hand_out,
    issue,
    redeem,
    spend_points,
    stop_batch,
    use_free_care,
)
from crm.benefits.services.batches import Plan, ask_batch, set_quota
from crm.members.models import Member
from crm.orders.services import settle_points
from guides.approvals.models import Approval
from guides.approvals.services import approve
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template
from tests.factories.guides import actor, make_staff
from tests.races.at_once import at_once, in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.scope import Actor

SYSTEM = Actor.system()
AT = {"now": NOON, "actor": SYSTEM}
PHONES, EACH = 6, 30


def many_for_the_last_coupons(world: World) -> None:
    """Six phones, thirty members each, all at once, and forty coupons: each goes to one, and the counter says so."""
    batch = make_batch(stock=40)
    members = [world.member() for _ in range(PHONES * EACH)]

    def tap(some: list[Member]) -> int:
        refused = 0
        for one in some:
            try:
                claim(batch, one, key="tap", now=NOON)
            except OutOfStock:
                refused += 1
        return refused

    refused = at_once(*[lambda part=part: tap(members[part::PHONES]) for part in range(PHONES)])
    batch.refresh_from_db()
    assert Coupon.objects.filter(batch=batch).count() == 40 == batch.taken_count
    assert sum(in_peace(one) for one in refused) == PHONES * EACH - 40


def two_taps_of_one_member(world: World) -> None:
    batch, member = make_batch(stock=4), world.member()
    both = overtaken(*[lambda: claim(batch, member, key="tap", now=NOON)] * 2)
    batch.refresh_from_db()
    assert in_peace(both.first).pk == in_peace(both.second).pk
    assert batch.taken_count == 1 == Coupon.objects.filter(batch=batch).count()


def two_claims_of_one_member(world: World) -> None:
    batch, member = make_batch(stock=4), world.member()
    overtaken(*[lambda key=key: claim(batch, member, key=key, now=NOON) for key in ("here", "there")])
    assert Coupon.objects.filter(batch=batch, member=member).count() == 1


def an_audience_while_members_claim(world: World) -> None:
    batch, members = make_batch(stock=2), [world.member() for _ in range(3)]
    both = overtaken(
        lambda: claim(batch, members[0], key="tap", now=NOON),
        lambda: issue(batch, [one.pk for one in members[1:]], issuer=None, key="all", **AT),
    )
    assert isinstance(both.second, OutOfStock)


def two_sales_want_one_coupon(world: World) -> None:
    coupon = make_coupon(world.member())
    both = overtaken(*[lambda sale=sale: redeem(coupon, subject=f"sale:{sale}", key="pay", **AT) for sale in (1, 2)])
    in_peace(both.first)
    assert isinstance(both.second, NotUsable)


def one_sale_takes_two_coupons(world: World) -> None:
    member = world.member()
    coupons = [make_coupon(member), make_coupon(member)]
    both = overtaken(*[lambda one=one: redeem(one, subject="sale:1", key="pay", **AT) for one in coupons])
    assert isinstance(both.second, NotUsable)
    assert Coupon.objects.filter(state="used").count() == 1


def a_return_told_twice(world: World) -> None:
    coupon = make_coupon(world.member())
    redeem(coupon, subject="sale:1", key="pay", **AT)
    both = overtaken(*[lambda: give_back(coupon, subject="sale:1", key="back", full=True, **AT)] * 2)
    assert in_peace(both.second).state == Coupon.State.USABLE


def two_nights_end_coupons(world: World) -> None:
    make_coupon(world.member())
    late = NOON + timedelta(days=60)
    both = overtaken(lambda: expire_due(now=late), lambda: expire_due(now=late))
    assert not both.waited
    assert in_peace(both.first)["coupons_expired"] + in_peace(both.second)["coupons_expired"] == 1


def two_guides_and_the_last_of_their_store(world: World) -> None:
    batch, colleague = make_batch(), make_staff(store=world.org.store)
    CouponQuota.objects.create(batch=batch, unit=world.org.store.unit, limit_count=1)
    givers = ((world.org.guide, world.member()), (colleague, world.member()))
    both = overtaken(
        *[
            lambda who=who, one=one: hand_out(batch, one, guide=who, key="tap", actor=actor(who), now=NOON)
            for who, one in givers
        ]
    )
    in_peace(both.first)
    assert isinstance(both.second, QuotaUsed)


def the_first_share_of_a_guide_made_twice(world: World) -> None:
    batch, members = make_batch(guide_limit=5), [world.member(), world.member()]
    both = overtaken(
        *[
            lambda one=one: hand_out(batch, one, guide=world.org.guide, key="tap", actor=world.guide, now=NOON)
            for one in members
        ]
    )
    in_peace(both.first), in_peace(both.second)
    assert CouponQuota.objects.get(staff=world.org.guide).used_count == 2


def the_first_coupon_of_a_day_counted_twice(world: World) -> None:
    members = [world.member(), world.member()]
    batches = [make_batch(), make_batch()]
    both = overtaken(
        *[
            lambda batch=batch, one=one: hand_out(
                batch, one, guide=world.org.guide, key="tap", actor=world.guide, now=NOON
            )
            for batch, one in zip(batches, members, strict=True)
        ]
    )
    in_peace(both.first), in_peace(both.second)
    assert CouponGuideDay.objects.get(staff=world.org.guide).given_count == 2


def points_spent_by_two_tills(world: World) -> None:
    member = world.member()
    PointsAccount.objects.create(member=member)
    give_points(member, 500)
    both = overtaken(
        *[lambda sale=sale: spend_points(member, 400, key=f"s{sale}", subject=f"sale:{sale}", **AT) for sale in (1, 2)]
    )
    in_peace(both.first)
    assert isinstance(both.second, PointsShort)


def an_order_settled_by_two(world: World) -> None:
    member = world.member()
    PointsAccount.objects.create(member=member)
    order = world.buy(member, amount_fen=100_000)
    both = overtaken(*[lambda: settle_points([order.pk], now=NOON)] * 2)
    in_peace(both.first), in_peace(both.second)
    assert PointsEntry.objects.filter(subject=f"order:{order.pk}").count() == 1


def two_workers_give_one_audience(world: World) -> None:
    operator = make_staff("hq_operator", unit=world.org.hq)
    world.member()
    ask_issue(make_batch(unit=world.org.hq), Conditions(), actor=actor(operator), now=NOON)
    both = overtaken(lambda: go_on_with_issues(now=NOON), lambda: go_on_with_issues(now=NOON))
    assert not both.waited
    assert in_peace(both.second) == {"coupons_issued": 0}
    assert CouponIssue.objects.get().state == CouponIssue.State.DONE


def stopped_twice(world: World) -> None:
    operator = actor(make_staff("hq_operator", unit=world.org.hq))
    parent = make_batch(stock=100, unit=world.org.hq, taken_count=60)
    part = make_batch(parent.template, stock=60, unit=world.org.branch, parent=parent)
    CouponQuota.objects.create(batch=parent, unit=world.org.branch, limit_count=60, used_count=60)
    overtaken(*[lambda: stop_batch(part, reason="不发了", actor=operator, now=NOON)] * 2)
    parent.refresh_from_db()
    assert parent.taken_count == 0


def a_share_set_by_two(world: World) -> None:
    operator = actor(make_staff("hq_operator", unit=world.org.hq))
    batch = make_batch(unit=world.org.hq)
    both = overtaken(
        *[
            lambda limit=limit: set_quota(batch, limit=limit, unit=world.org.branch, actor=operator, now=NOON)
            for limit in (5, 9)
        ]
    )
    in_peace(both.second)
    assert list(CouponQuota.objects.filter(batch=batch).values_list("limit_count", flat=True)) == [9]


def two_shares_of_one_stock(world: World) -> None:
    """Two batches of a branch are agreed to at once: HQ's share is enough for one."""
    template = make_template(unit=world.org.hq)
    parent = make_batch(template, stock=100, unit=world.org.hq)
    CouponQuota.objects.create(batch=parent, unit=world.org.branch, limit_count=100)
    maker, boss = (make_staff(role, unit=world.org.branch) for role in ("branch_member_manager", "branch_manager"))
    plan = Plan(name="一半多", ways=["guide"], stock_count=60, opens_at=NOON, closes_at=NOON + timedelta(days=9))
    wanted = [ask_batch(template, plan, parent=parent, reason="上新", actor=actor(maker), now=NOON) for _ in range(2)]
    asked = list(Approval.objects.filter(key__in=[f"batch:{one.pk}" for one in wanted]).order_by("-pk")[:2])
    overtaken(*[lambda one=one: approve(one, actor=actor(boss), now=NOON) for one in asked])
    parent.refresh_from_db()
    assert (
        parent.taken_count
        == 60
        == sum(one.stock_count or 0 for one in CouponBatch.objects.filter(parent=parent, state="running"))
    )


def the_last_free_care(world: World) -> None:
    member = world.member(member_level="V2")
    both = overtaken(
        *[
            lambda key=key: use_free_care(member, subject=f"ticket:{key}", key=key, actor=world.guide, now=NOON)
            for key in "ab"
        ]
    )
    in_peace(both.first)
    assert isinstance(both.second, UsedUp)
