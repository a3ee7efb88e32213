"""The nightly look for data that cannot be right, and its page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member
from crm.quality import services
from crm.quality.models import QualityCount, QualityFinding, QualityRun
from crm.quality.services import look_on
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOON = parse_iso("2026-03-05 12:00")


def browser_of(role: str, org: Org) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))


def counts() -> dict[str, int]:
    return {key: count for key, count in QualityCount.objects.values_list("check_key", "count") if count}


def test_what_cannot_be_right_is_counted_and_shown_masked(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.travel(NOON)
    monkeypatch.setattr(services, "STEP", 3)
    org = make_org()
    good = {"owner": org.guide, "phone": "13800132075"}
    fine = make_member(**good, name="王建国", birth_month=5, birth_day=20, birth_year="1988")
    make_member(owner=org.guide, name="无号码")
    make_member(phone="13800132001", name="没门店")
    twin = {"owner": org.guide, "name": "李成双", "birth_month": 2, "birth_day": 3}
    make_member(**twin, phone="13800132002")
    make_member(**twin, phone="13800132003")
    make_member(owner=org.guide, name="张共用", phone="13800132075")
    make_member(owner=org.guide, name="赵月半", phone="13800132004", birth_month=2, birth_day=30)
    make_member(owner=org.guide, name="钱缺日", phone="13800132005", birth_month=2)
    make_member(owner=org.guide, name="孙太老", phone="13800132006", birth_month=1, birth_day=1, birth_year="1888")
    make_member(owner=org.guide, name="周未来", phone="13800132007", registered_at=NOON + timedelta(days=3))
    make_member(owner=org.guide, name="12345", phone="13800132008")
    Member.objects.filter(pk=make_member(name="吴合并").pk).update(status="merged")
    make_order(fine, paid_at="2023-01-01 10:00", guide=org.guide)
    make_order(fine, paid_at="2026-03-01 10:00", guide=org.guide, amount_fen=0)
    make_order(fine, paid_at="2026-03-01 10:00", guide=org.guide, amount_fen=60_000_000)
    make_order(None, paid_at="2026-03-01 10:00", store=org.store)

    look_on(now=NOON, budget=timedelta(minutes=1))

    assert counts() == {
        "no_phone": 1, "no_store": 1, "birth_day": 1, "no_birthday": 1, "birth_year": 1, "registered_late": 1, "odd_name": 1,
        "phone_twice": 2, "name_twice": 2, "sale_before_card": 1, "no_money": 1, "much_money": 1, "no_guide": 1,
    }  # fmt: skip
    assert set(QualityFinding.objects.filter(check_key="phone_twice").values_list("member__name", flat=True)) == {
        "王建国",
        "张共用",
    }
    assert look_on(now=NOON, budget=timedelta(minutes=1))["no_phone"] == 1, "one look a day"
    assert QualityRun.objects.count() == 1

    hq = browser_of("hq_operator", org)
    page = hq.get("/hq/quality/").content.decode()
    assert "没有手机号" in page and "手机号重复" in page
    page = hq.get("/hq/quality/phone_twice/").content.decode()
    assert ("王**" in page, "***2075" in page, "王建国" in page, "13800132075" in page) == (True, True, False, False)
    assert hq.get("/hq/quality/nonsense/").status_code == 404
    assert browser_of("guide", org).get("/hq/quality/").status_code == 403
    money = browser_of("finance", org)  # the owner of what is wrong with amounts
    assert "归你" in money.get("/hq/quality/").content.decode()
    assert money.get("/hq/quality/much_money/").status_code == 200
    assert money.get("/hq/quality/no_phone/").status_code == 403
    keeper = browser_of("sys_admin", org)  # owns what a clock got wrong; whose card it is, is not his to see
    page = keeper.get("/hq/quality/").content.decode()
    assert "归你" in page and "/hq/quality/registered_late/" not in page
    assert keeper.get("/hq/quality/registered_late/").status_code == 403


def test_a_look_that_was_stopped_goes_on(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.travel(NOON)
    monkeypatch.setattr(services, "STEP", 2)
    org = make_org()
    for _ in range(7):
        make_member(owner=org.guide)
    ticks = iter(range(10_000))
    monkeypatch.setattr(services.clock, "monotonic", lambda: float(next(ticks)))
    rounds = 0
    while not QualityRun.objects.filter(done_at__isnull=False).exists():
        look_on(now=NOON, budget=timedelta(seconds=20))
        rounds += 1
    assert rounds > 3
    assert counts() == {"no_phone": 7}
