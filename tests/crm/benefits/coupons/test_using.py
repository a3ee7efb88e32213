"""From the choice at the till to the figures: held, released, used once, given back."""

from datetime import date

import pytest

from crm.benefits.models import CouponMove
from crm.benefits.queries import coupons_of, figures_of, told_coupons
from crm.benefits.services import LineFacts, NotUsable, expire_due, give_back, hold, redeem, release, usable
from crm.members.models import Member
from tests.factories.benefits import make_batch, make_coupon, make_template
from tests.factories.crm import make_member
from yejibao.core.clock import parse_iso

from .conftest import AT, NOW, SYSTEM, State

pytestmark = pytest.mark.django_db


def test_the_best_coupon_leads_and_the_others_say_why_not(member: Member) -> None:
    big = make_coupon(member, make_batch(make_template("大", amount_fen=20_000, threshold_fen=200_000)))
    small = make_coupon(member, make_batch(make_template("小", amount_fen=3_000, threshold_fen=0)))
    fold = make_coupon(member, make_batch(make_template("折", percent_off=15, threshold_fen=0)))
    mall = make_coupon(member, make_batch(make_template("商城", channels=["mall"])))
    make_coupon(make_member())
    found = usable(member, [LineFacts(100_000)], channel="till", now=NOW)
    assert [(one.coupon, one.discount_fen, one.why_not) for one in found] == [
        (fold, 15_000, ""), (small, 3_000, ""), (big, 0, "还差 ¥1,000"), (mall, 0, "这个渠道不能用"),
    ]  # fmt: skip


def test_a_coupon_is_held_released_and_used_once(member: Member) -> None:
    coupon = make_coupon(member)
    hold(coupon, subject="sale:1", key="h1", **AT)
    with pytest.raises(NotUsable, match="另一单"):
        redeem(coupon, subject="sale:2", key="u", **AT)
    release(coupon, subject="sale:1", key="r1", **AT)
    release(coupon, subject="sale:1", key="r1", **AT)
    hold(coupon, subject="sale:2", key="h2", **AT)
    rule = redeem(coupon, subject="sale:2", key="u", discount_fen=10_000, sales_fen=90_000, **AT)
    assert redeem(coupon, subject="sale:2", key="u", **AT) == rule
    with pytest.raises(NotUsable, match="用过"):
        redeem(coupon, subject="sale:3", key="v", **AT)
    coupon.refresh_from_db()
    assert (coupon.state, coupon.subject, coupon.discount_fen) == (State.USED, "sale:2", 10_000)
    told = CouponMove.objects.filter(coupon=coupon).order_by("pk").values_list("what", flat=True)
    assert list(told) == ["held", "released", "held", "used"]


def test_one_order_takes_one_coupon(member: Member) -> None:
    first, second = make_coupon(member), make_coupon(member)
    redeem(first, subject="sale:1", key="a", **AT)
    with pytest.raises(NotUsable, match="一单只能用一张"):
        redeem(second, subject="sale:1", key="b", **AT)


def test_a_held_coupon_may_be_paid_with_after_its_time_a_free_one_not(member: Member) -> None:
    held, free = make_coupon(member), make_coupon(member)
    hold(held, subject="sale:1", key="h", **AT)
    late = {"now": parse_iso("2025-07-10 00:10"), "actor": SYSTEM}
    assert expire_due(now=late["now"]) == {"coupons_expired": 1}
    redeem(held, subject="sale:1", key="u", **late)
    with pytest.raises(NotUsable, match="过期"):
        redeem(free, subject="sale:2", key="u", **late)


def test_a_full_return_gives_the_coupon_back_a_part_does_not(member: Member) -> None:
    part, whole, late = make_coupon(member), make_coupon(member), make_coupon(member)
    for number, one in enumerate((part, whole, late)):
        redeem(one, subject=f"sale:{number}", key="u", discount_fen=10_000, **AT)
    give_back(part, subject="sale:0", key="r", full=False, **AT)
    give_back(whole, subject="sale:1", key="r", full=True, **AT)
    give_back(whole, subject="sale:1", key="r", full=True, **AT)
    after = parse_iso("2025-08-01 15:00")
    give_back(late, subject="sale:2", key="r", full=True, now=after, actor=SYSTEM)
    for one in (part, whole, late):
        one.refresh_from_db()
    assert (part.state, part.discount_fen) == (State.USED, 10_000)
    assert (whole.state, whole.subject, whole.is_grace, whole.valid_until) == (
        State.USABLE,
        "",
        False,
        parse_iso("2025-07-10 00:00"),
    )
    assert (late.state, late.is_grace, late.valid_until) == (State.USABLE, True, parse_iso("2025-08-09 00:00"))
    redeem(whole, subject="sale:9", key="u2", **AT)


def test_figures_and_lists(member: Member) -> None:
    batch = make_batch(per_member=3)
    used, near = make_coupon(member, batch), make_coupon(member, make_batch(make_template(valid_days=5)))
    make_coupon(make_member(), batch)
    redeem(used, subject="sale:1", key="u", discount_fen=10_000, sales_fen=90_000, **AT)
    figures = figures_of([batch.pk])[batch.pk]
    assert (figures.issued, figures.members, figures.claimed, figures.used, figures.use_rate) == (2, 2, 2, 1, 0.5)
    assert (figures.sales_fen, figures.cost_fen) == (90_000, 10_000)
    assert [(one.coupon, one.is_near_end, one.ends_on) for one in coupons_of(member, now=NOW)] == [
        (near, True, date(2025, 6, 14))
    ]
    assert [one.coupon for one in coupons_of(member, now=NOW, which="past")] == [used]
    assert told_coupons([member.pk], now=NOW) == {member.pk: near}
