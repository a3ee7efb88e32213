"""A thousand phones want one of two hundred coupons in the same moment: two hundred get one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from bench.ledger_storm import wider_pool
from crm.benefits.models import Coupon
from crm.benefits.services import OutOfStock, claim
from crm.members.models import Member
from tests.factories.benefits import make_batch
from yejibao.core.clock import parse_iso

NOW = parse_iso("2026-11-20 12:00")
CLAIMS, STOCK, AT_ONCE = 1_000, 200, 16


@pytest.mark.django_db(transaction=True)
def test_a_thousand_claims_of_two_hundred_coupons() -> None:
    batch = make_batch(stock=STOCK)
    members = Member.objects.bulk_create([Member(member_no=f"rush-{n}", name="王建国") for n in range(CLAIMS)])
    wider_pool(AT_ONCE + 4)

    def tap(some: list[Member]) -> int:
        refused = 0
        try:
            for member in some:
                try:
                    claim(batch, member, key="tap", now=NOW)
                except OutOfStock:
                    refused += 1
        finally:
            connections.close_all()
        return refused

    with ThreadPoolExecutor(AT_ONCE) as pool:
        refused = sum(pool.map(tap, [members[part::AT_ONCE] for part in range(AT_ONCE)]))
    batch.refresh_from_db()
    assert (refused, batch.taken_count, Coupon.objects.filter(batch=batch).count()) == (CLAIMS - STOCK, STOCK, STOCK)
    assert Coupon.objects.filter(batch=batch).values("member").distinct().count() == STOCK
