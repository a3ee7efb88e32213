"""The demo's days of WeChat Pay: two that are closed, and yesterday's with something that does not fit and a stuck refund."""

import pytest

from crm.finance.models import Break, FinanceDay
from crm.finance.queries import stuck_refunds
from crm.orders.checkout.models import SaleRefund
from tests.conftest import SandboxControl, TestClock
from tests.factories import checkout as make
from tests.factories.crm import make_member
from tests.factories.guides import holder_of, make_org
from yejibao.demo import banking

pytestmark = pytest.mark.django_db


def test_three_days_were_paid_by_wechat(pay_sandbox: SandboxControl, clock: TestClock) -> None:
    now = clock.travel("2026-11-23 10:10")
    pay_sandbox.post("settings", refund_seconds=0)
    org = make_org()
    boss = holder_of("finance", org)
    for _ in range(6):
        make_member(owner=org.guide)
        make.make_sku(69800, store=org.store, pieces=30)
    banking.build(now=now)
    days = {str(row.day): (row.state, row.closed_by) for row in FinanceDay.objects.all()}
    assert days == {"2026-11-20": ("closed", boss), "2026-11-21": ("closed", boss), "2026-11-22": ("counted", None)}
    assert {(one.source, one.kind) for one in Break.objects.all()} == {
        ("trade", "missing_there"),
        ("fund", "missing_there"),
    }
    assert list(SaleRefund.objects.order_by("pk").values_list("state", flat=True)) == ["done", "paying"]
    assert list(stuck_refunds().values_list("state", flat=True)) == ["abnormal"]


def test_without_the_stand_in_nothing_is_built(db: None, clock: TestClock, settings: object) -> None:
    now = clock.travel("2026-11-23 10:10")
    settings.WECHATPAY_SANDBOX_CONTROL = "http://127.0.0.1:9/control/"  # type: ignore[attr-defined]
    holder_of("finance", make_org())
    banking.build(now=now)
    assert FinanceDay.objects.count() == 0
