"""Money back: never more than was paid, always under the same number, final at SUCCESS alone."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.conftest import SandboxControl
from yejibao.core.idempotency import KeyMismatch
from yejibao.core.scope import Actor
from yejibao.wechatpay import services
from yejibao.wechatpay.models import PayOrder, PayRefund

from .conftest import paid, tick, told

pytestmark = pytest.mark.django_db

Travel = Callable[[datetime | str], datetime]


def ask(order: PayOrder, fen: int, now: datetime, key: str = "refund:1") -> PayRefund:
    return services.refund(order, amount_fen=fen, key=key, reason="退货", now=now)


def test_a_part_goes_back_and_then_the_rest(pay: SandboxControl, travel: Travel, now: datetime) -> None:
    order = paid(pay, now)
    first = ask(order, 9900, now)
    assert (first.state, told("refund")) == ("created", [])
    tick(now)
    first.refresh_from_db()
    assert first.state == "processing"  # accepted is not done
    tick(travel(now + timedelta(minutes=1)))
    first.refresh_from_db()
    order.refresh_from_db()
    assert (first.state, order.state, order.refunded_fen) == ("success", "paid", 9900)
    ask(order, 10000, travel(now + timedelta(minutes=5)), key="refund:2")
    for minute in (5, 6, 7):
        tick(travel(now + timedelta(minutes=minute)))
    order.refresh_from_db()
    assert (order.state, order.refunded_fen) == ("refunded", 19900)
    assert [facts["amount_fen"] for _, facts in told("refund_settled")] == [9900, 10000]
    assert told("refund_settled")[0][1]["refund_id"] == first.refund_id


def test_all_refunds_together_stay_within_what_was_paid(pay: SandboxControl, now: datetime) -> None:
    order = paid(pay, now)
    ask(order, 15000, now)
    with pytest.raises(services.MoreThanPaid):
        ask(order, 4901, now, key="refund:2")
    ask(order, 4900, now, key="refund:3")
    with pytest.raises(services.MoreThanPaid):
        ask(order, 1, now, key="refund:4")


def test_the_same_key_is_the_same_refund(pay: SandboxControl, now: datetime) -> None:
    order = paid(pay, now)
    assert ask(order, 100, now).pk == ask(order, 100, now).pk
    order.refresh_from_db()
    assert order.asked_back_fen == 100
    with pytest.raises(KeyMismatch):
        ask(order, 200, now)


@pytest.mark.parametrize(
    "fault",
    [{"reset": True, "after_effect": True}, {"http": 502}, {"code": "SYSTEM_ERROR", "http": 500, "after_effect": True}],
)
def test_a_lost_answer_never_pays_twice(
    pay: SandboxControl, travel: Travel, now: datetime, fault: dict[str, object]
) -> None:
    order = paid(pay, now)
    refund = ask(order, 19900, now)
    pay.post("fault", api="refund", times=1, **fault)
    tick(now)
    refund.refresh_from_db()
    assert refund.state == "created"
    for minute in (2, 4):
        tick(travel(now + timedelta(minutes=minute)))
    refund.refresh_from_db()
    assert refund.state == "success"
    assert len(pay.get("refunds")["refunds"]) == 1


@pytest.mark.parametrize(("outcome", "state"), [("ABNORMAL", "abnormal"), ("CLOSED", "closed")])
def test_a_refund_that_gets_stuck_waits_for_finance_and_goes_out_again_under_its_number(
    pay: SandboxControl, travel: Travel, now: datetime, outcome: str, state: str
) -> None:
    order = paid(pay, now)
    refund = ask(order, 5000, now)
    pay.post("refunds/next", outcome=outcome)
    tick(now)
    tick(travel(now + timedelta(minutes=1)))
    refund.refresh_from_db()
    assert (refund.state, refund.next_try_at, told("refund")) == (state, None, [])
    later = travel(now + timedelta(hours=1))
    assert tick(later) == {}  # nothing by itself
    services.try_again(refund.pk, actor=Actor.system(), now=later)
    tick(later)
    tick(travel(now + timedelta(hours=2)))
    refund.refresh_from_db()
    assert refund.state == "success" and len(told("refund_settled")) == 1
    assert len(pay.get("refunds")["refunds"]) == 1


def test_an_account_that_is_short_is_tried_again_each_hour(pay: SandboxControl, travel: Travel, now: datetime) -> None:
    order = paid(pay, now)
    refund = ask(order, 19900, now)
    pay.post("settings", balance_fen=-1)
    tick(now)
    refund.refresh_from_db()
    assert (refund.state, refund.error, refund.next_try_at) == ("created", "NOTENOUGH", now + timedelta(hours=1))
    pay.post("settings", balance_fen=100)
    tick(travel(now + timedelta(hours=1)))
    tick(travel(now + timedelta(hours=2)))
    refund.refresh_from_db()
    assert refund.state == "success"


def test_two_refunds_of_one_order_are_a_minute_apart(pay: SandboxControl, travel: Travel, now: datetime) -> None:
    pay.post("settings", refund_gap_seconds=60)
    order = paid(pay, now)
    ask(order, 100, now)
    second = ask(order, 200, now, key="refund:2")
    assert second.next_try_at == now + timedelta(minutes=1)
    tick(now)
    tick(travel(now + timedelta(minutes=1)))
    tick(travel(now + timedelta(minutes=3)))
    assert set(PayRefund.objects.values_list("state", flat=True)) == {"success"}


def test_a_year_after_the_payment_nothing_goes_back_this_way(pay: SandboxControl, now: datetime) -> None:
    order = paid(pay, now)
    with pytest.raises(Exception, match="一年"):
        ask(order, 100, now + timedelta(days=366))
