"""The demo's morning at the till."""

from crm.orders.checkout.models import Promotion, Sale, SaleRefund
from crm.orders.models import Order
from tests.conftest import TestClock
from tests.factories import checkout as make
from tests.factories.crm import make_member
from tests.factories.guides import make_org
from yejibao.demo import selling


def test_the_first_store_has_sold_something_by_ten(db: None, clock: TestClock) -> None:
    now = clock.travel("2026-11-23 10:10")
    org = make_org()
    for _one in range(8):
        make_member(owner=org.guide)
        make.make_sku(88000, store=org.store)
    selling.build(now=now)
    here = Sale.objects.filter(store=org.store)
    assert sorted(here.values_list("state", flat=True)) == ["draft", "paid", "paid", "paid", "paid"]
    assert SaleRefund.objects.get(store=org.store).state == "done"
    assert Order.objects.filter(source="own_till", paid_on="2026-11-23", store=org.store).count() == 4
    assert Promotion.objects.count() == 3
