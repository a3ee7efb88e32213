"""What comes by itself: birthdays, free care, word of what ends."""

from datetime import date
from typing import Any

import pytest

from crm.benefits.models import Coupon
from crm.benefits.queries import free_care_of
from crm.benefits.services import UsedUp, give_back_benefit, give_birthday_coupons, tell_of_endings, use_free_care
from crm.members.models import Member
from guides.notices.models import Notification
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor
from yejibao.core.clock import parse_iso

from .conftest import NOW

pytestmark = pytest.mark.django_db


def test_birthday_coupons_come_fifteen_days_before_once_a_year_by_the_level(org: Org) -> None:
    soon = make_member(store=org.store, birth_month=6, birth_day=25, member_level="V3")
    make_member(store=org.store, birth_month=6, birth_day=26)
    lunar = make_member(store=org.store, birth_month=6, birth_day=20, birthday_calendar="lunar")
    assert give_birthday_coupons(now=NOW) == {"birthday_coupons": 1}
    Member.objects.filter(pk=soon.pk).update(member_level="V4")
    assert give_birthday_coupons(now=NOW) == {"birthday_coupons": 0}
    coupon = Coupon.objects.with_terms().get(member=soon)
    assert (coupon.batch.template.amount_fen, coupon.way) == (12_000, "birthday")
    assert (coupon.valid_from, coupon.valid_until) == (parse_iso("2025-06-10 00:00"), parse_iso("2025-07-11 00:00"))
    assert not Coupon.objects.filter(member=lunar).exists()


def test_free_care_is_counted_by_the_year_and_the_level(org: Org) -> None:
    member = make_member(owner=org.guide, member_level="V3")
    use: dict[str, Any] = {"subject": "ticket:1", "actor": actor(org.guide), "now": NOW}
    first = use_free_care(member, key="a", **use)
    assert use_free_care(member, key="a", **use) == first
    use_free_care(member, key="b", **use)
    with pytest.raises(UsedUp):
        use_free_care(member, key="c", **use)
    give_back_benefit(first, actor=actor(org.guide), now=NOW, reason="单子撤了")
    assert free_care_of(member, today=date(2025, 6, 10)).left == 1
    use_free_care(member, key="d", **use)
    use_free_care(member, key="e", **use | {"now": parse_iso("2026-01-01 10:00")})


def test_a_guide_hears_of_what_ends_soon_once(org: Org, member: Member) -> None:
    make_coupon(member, make_batch(make_template(valid_days=6)))  # ends with 06-15
    make_coupon(make_member(owner=org.stranger), make_batch(make_template(valid_days=9)))
    falls = {"member_level": "V2", "level_valid_until": date(2025, 7, 10)}
    make_member(owner=org.guide, spend_180_fen=99_999, **falls)
    make_member(owner=org.guide, spend_180_fen=100_000, **falls)
    assert tell_of_endings(now=NOW) == {"guides_told": 2}
    told = Notification.objects.filter(staff=org.guide).order_by("title").values_list("title", flat=True)
    assert list(told) == ["1 位会员 7-10 要降级", "1 位会员的券 6-15 到期"]
    give_points(member, 100, on=date(2024, 3, 1))
    december = tell_of_endings(now=parse_iso("2025-12-01 09:05"))
    assert december == {"guides_told": 1}
