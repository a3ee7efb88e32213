"""A day is proved against the provider's bills, its breaks are answered, it is closed; counting again changes nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from crm.finance import services
from crm.finance.models import Bill, BillLine, Break, FinanceDay
from crm.finance.takings import takings_of
from crm.finance.wording import blocks, sheet_lines
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import SalePayment
from crm.wallet import services as wallet
from crm.wallet.models import CardPayout, CardRefund, LedgerEntry, Transfer
from crm.wallet.queries import live_wallet
from tests.factories import checkout as make
from tests.factories.guides import actor, holder_of
from yejibao.core import clock
from yejibao.core.errors import Invalid
from yejibao.core.models import AuditEntry
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from .conftest import DAY, OPENID, World

pytestmark = pytest.mark.django_db


def found(day: FinanceDay) -> list[tuple[str, str, str]]:
    return [(one.source, one.kind, one.state) for one in day.breaks.order_by("source", "kind", "number")]


def test_top_up_sale_with_everything_half_returned_and_the_day_closes_at_0(world: World) -> None:
    assert world.top_up().state == "settled"
    coupon = make.give_coupon(world.member, 10000)
    sale = world.sell(coupon_id=coupon.pk, points=5000, use_wallet=20000)
    assert (sale.state, sale.paid_fen, sale.due_fen) == ("paid", 84600, 64600)
    refund = checkout.refund_lines(sale, [(2, 1)], key="back", actor=world.shop.manager, now=clock.now())
    assert (refund.state, refund.amount_fen) == ("paying", 25312)
    world.settle()
    world.settle()
    refund.refresh_from_db()
    assert refund.state == "done"
    day = world.count()
    assert (day.state, day.difference_fen, day.in_balance, found(day)) == ("counted", 0, True, [])
    wechat, (principal, gift) = day.proof["wechat"], day.proof["card"]
    back = refund.amount_fen - refund.wallet_fen
    assert wechat["theirs_fen"] == wechat["ours_fen"] == wechat["booked_fen"] == 100000 + 64600 - back
    assert wechat["orders_fen"] - wechat["refunds_fen"] == wechat["trade"]["in_fen"] - wechat["trade"]["out_fen"]
    assert principal["topped_up_fen"] == 100000 and gift["topped_up_fen"] == 5000
    held = wallet.balance_of(world.member)
    assert (principal["closing_fen"], gift["closing_fen"]) == (held.principal_fen, held.gift_fen)
    assert principal["spent_fen"] + gift["spent_fen"] == 20000
    assert day.proof["sales"] == {
        "count": 1, "lines_fen": 84600, "taken": {"wallet": 20000, "wechat_link": 64600}, "taken_fen": 84600,
        "back": {"wallet": refund.wallet_fen, "wechat_link": back}, "back_fen": 25312,
    }  # fmt: skip
    assert not any(block.is_off for block in blocks(day))
    closed = services.close_day(DAY, actor=world.boss, now=clock.now(), note="一切正常")
    assert (closed.state, closed.closed_by) == ("closed", world.finance)
    assert services.close_day(DAY, actor=world.boss, now=clock.now()).pk == closed.pk
    assert AuditEntry.objects.filter(action="finance.day_closed").count() == 1
    assert len(sheet_lines(day)) > 20


def test_counting_again_is_counting_once(world: World) -> None:
    world.top_up()
    first = world.count()
    rows = list(Bill.objects.values_list("pk", flat=True)), list(BillLine.objects.values_list("pk", flat=True))
    world.pay.post("bill", day=DAY.isoformat())
    second = services.reconcile(DAY, now=clock.now())
    assert (second.pk, second.runs, second.proof) == (first.pk, 2, first.proof)
    assert rows == (
        list(Bill.objects.values_list("pk", flat=True)),
        list(BillLine.objects.values_list("pk", flat=True)),
    )
    services.close_day(DAY, actor=world.boss, now=clock.now())
    world.pay.post("bill", day=DAY.isoformat(), drop=[PayOrder.objects.get().out_trade_no])
    third = services.reconcile(DAY, now=clock.now())
    assert (third.state, third.runs, third.breaks.count()) == ("closed", 2, 0)


@pytest.mark.parametrize(
    ("bill", "kinds"),
    [
        ("drop", {("trade", "missing_there"), ("fund", "missing_there")}),
        ("change", {("trade", "amount_differs"), ("fund", "amount_differs")}),
        ("add", {("trade", "missing_here"), ("fund", "missing_here")}),
    ],
)
def test_what_does_not_fit_is_a_row_with_an_owner(world: World, bill: str, kinds: set[tuple[str, str]]) -> None:
    world.top_up()
    number = PayOrder.objects.get().out_trade_no
    orders: dict[str, Any] = {
        "drop": {"drop": [number]}, "change": {"change": {number: {"fen": 100100}}},
        "add": {"add": [{"number": "X0000001", "id": "4200009", "fen": 5000, "at": clock.now().timestamp()}]},
    }  # fmt: skip
    world.pay.post("bill", day=DAY.isoformat(), **orders[bill])
    day = world.count()
    assert {(one.source, one.kind) for one in day.breaks.all()} == kinds
    assert {one.owner for one in day.breaks.all()} == {world.finance}
    assert day.difference_fen == {"drop": 200000, "change": 200, "add": 10000}[bill]
    with pytest.raises(services.StillOpen):
        services.close_day(DAY, actor=world.boss, now=clock.now())


def test_an_answered_day_closes_and_the_closing_entry_stands_in_suspense(world: World) -> None:
    world.top_up()
    world.pay.post(
        "bill", day=DAY.isoformat(), add=[{"number": "X0000001", "id": "4200009", "fen": 5000, "at": clock.now().timestamp()}]
    )  # fmt: skip
    day = world.count()
    trade, fund = day.breaks.get(source="trade"), day.breaks.get(source="fund")
    with pytest.raises(Invalid):
        services.answer_break(trade.pk, answer="provider", note=" ", actor=world.boss, now=clock.now())
    with pytest.raises(services.NotBookable):
        services.answer_break(trade.pk, answer="booked", note="", actor=world.boss, now=clock.now())
    services.answer_break(
        trade.pk, answer="provider", note="微信说是误入账，次日冲回", actor=world.boss, now=clock.now()
    )
    fund = services.answer_break(fund.pk, answer="booked", note="", actor=world.boss, now=clock.now())
    legs = LedgerEntry.objects.filter(transfer=fund.transfer).values_list("account", "side", "amount_fen")
    assert set(legs) == {("cash_wechat", 1, 5000), ("suspense", -1, 5000)}
    with pytest.raises(services.Answered):
        services.answer_break(fund.pk, answer="booked", note="", actor=world.boss, now=clock.now())
    again = services.reconcile(DAY, now=clock.now())
    assert (again.difference_fen, {state for *_x, state in found(again)}) == (0, {"answered"})
    assert services.close_day(DAY, actor=world.boss, now=clock.now()).is_closed
    with pytest.raises(services.DayClosed):
        services.take_break(trade.pk, actor=world.boss)
    tomorrow = world.count(DAY + timedelta(days=1))  # the adjustment itself breaks nothing on the day it was made
    assert (tomorrow.breaks.count(), tomorrow.proof["wechat"]["adjusted_fen"]) == (0, 5000)


def test_a_break_that_is_gone_heals_and_comes_back_open(world: World) -> None:
    world.top_up()
    number = PayOrder.objects.get().out_trade_no
    world.pay.post("bill", day=DAY.isoformat(), drop=[number])
    assert world.count().breaks.filter(state="open").count() == 2
    world.pay.post("bill", day=DAY.isoformat())
    day = services.reconcile(DAY, now=clock.now())
    assert (day.difference_fen, {state for *_x, state in found(day)}) == (0, {"healed"})
    world.pay.post("bill", day=DAY.isoformat(), drop=[number])
    assert services.reconcile(DAY, now=clock.now()).breaks.filter(state="open").count() == 2
    assert Break.objects.count() == 2


def test_a_payment_we_never_heard_of_is_asked_for_before_it_becomes_a_break(world: World) -> None:
    asked = world.top_up(is_paid=False)
    order = wallet.pay_order_of(asked, payer_openid=OPENID, now=clock.now())
    wechatpay.prepay(order, now=clock.now())
    world.pay.post("pay", out_trade_no=order.out_trade_no)
    PayOrder.objects.update(next_look_at=None)  # no tick ever looked, no notice ever came
    day = world.count()
    order.refresh_from_db()
    assert order.state == "paid"
    assert {(one.source, one.kind) for one in day.breaks.all()} == {("fund", "missing_here")}  # not booked yet
    world.settle()
    day = services.reconcile(DAY, now=clock.now())
    assert (day.difference_fen, {state for *_x, state in found(day)}) == (0, {"healed"})
    assert Transfer.objects.get(provider="wechatpay").subject == f"top_up:{asked.pk}"


def test_what_the_bill_says_is_paid_and_nobody_answers_for_differs_in_state(world: World) -> None:
    asked = world.top_up(is_paid=False)
    order = wallet.pay_order_of(asked, payer_openid=OPENID, now=clock.now())
    wechatpay.prepay(order, now=clock.now())
    world.pay.post("pay", out_trade_no=order.out_trade_no)
    PayOrder.objects.update(next_look_at=None)
    world.pay.post("fault", api="query", http=502)
    day = world.count()
    assert {(one.source, one.kind, one.ours_said) for one in day.breaks.all()} == {
        ("trade", "state_differs", "paying"), ("fund", "missing_here", ""),
    }  # fmt: skip


def test_a_sale_whose_payments_are_not_its_lines_is_a_break(world: World) -> None:
    sale = world.sell()
    SalePayment.objects.filter(sale=sale).update(amount_fen=99000)
    day = world.count()
    assert [(one.source, one.kind, one.difference_fen) for one in day.breaks.all()] == [
        ("sales", "amount_differs", -600)
    ]


def test_a_notice_after_midnight_breaks_nothing(world: World) -> None:
    world.travel(f"{DAY} 23:58")
    asked = world.top_up(is_paid=False)
    order = wallet.pay_order_of(asked, payer_openid=OPENID, now=clock.now())
    wechatpay.prepay(order, now=clock.now())
    world.pay.post("pay", out_trade_no=order.out_trade_no)
    world.settle(minutes=4)
    asked.refresh_from_db()
    assert asked.state == "settled"
    first = world.count()
    wechat = first.proof["wechat"]
    assert (first.difference_fen, wechat["booked_fen"], wechat["elsewhere_fen"], wechat["theirs_fen"]) == (
        0,
        0,
        100000,
        100000,
    )
    second = world.count(DAY + timedelta(days=1))
    wechat = second.proof["wechat"]
    assert (second.difference_fen, wechat["booked_fen"], wechat["others_fen"], wechat["theirs_fen"]) == (
        0,
        100000,
        100000,
        0,
    )


def test_money_that_came_after_the_end_stands_in_suspense_until_it_is_back(world: World) -> None:
    sale = world.sell(is_paid=False)
    order = PayOrder.objects.get()
    wechatpay.prepay(order, now=clock.now())
    checkout.close_sale(sale, reason="会员不要了", actor=world.shop.guide, now=clock.now())
    world.pay.post("pay", out_trade_no=order.out_trade_no)
    world.settle()
    assert suspense() == -99600
    world.settle()
    world.settle()
    assert suspense() == 0
    day = world.count()
    assert (day.difference_fen, found(day), day.proof["sales"]["count"]) == (0, [], 0)


def suspense() -> int:
    return sum(one.side * one.amount_fen for one in LedgerEntry.objects.filter(account="suspense"))


def test_a_day_without_money_needs_no_bill(world: World) -> None:
    day = world.count()
    assert (day.state, day.difference_fen, day.proof["wechat"]["theirs_fen"]) == ("counted", 0, 0)
    assert services.close_day(DAY, actor=world.boss, now=clock.now()).is_closed


def test_before_ten_there_is_no_bill_and_the_day_waits(world: World) -> None:
    world.top_up()
    world.travel(f"{DAY + timedelta(days=1)} 09:00")
    day = services.reconcile(DAY, now=clock.now())
    assert (day.state, day.error, day.breaks.count()) == ("waiting", "账单还没生成", 0)
    with pytest.raises(services.NoBill):
        services.close_day(DAY, actor=world.boss, now=clock.now())
    world.travel(f"{DAY + timedelta(days=1)} 10:30")
    assert services.reconcile_due(now=clock.now()) == {"days": 1, "breaks": 0, "waiting": 0}
    assert FinanceDay.objects.get().state == "counted"


@pytest.mark.parametrize("fault", [{"http": 502}, {"reset": True}])
def test_a_platform_that_is_away_makes_the_day_wait(world: World, fault: dict[str, object]) -> None:
    world.top_up()
    world.travel(f"{DAY + timedelta(days=1)} 10:30")
    world.pay.post("fault", api="*bill", **fault)
    day = services.reconcile(DAY, now=clock.now())
    assert (day.state, day.error) == ("waiting", "微信支付没有给账单")


def test_today_is_not_counted(world: World) -> None:
    with pytest.raises(services.NotYetOver):
        services.reconcile(DAY, now=clock.now())


def test_a_ledger_that_is_off_is_not_closed(world: World) -> None:
    world.count()
    FinanceDay.objects.update(in_balance=False)
    with pytest.raises(services.OutOfBalance):
        services.close_day(DAY, actor=world.boss, now=clock.now())


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"state": "closed"}, "finance_day_closed_in_order"),
        ({"difference_fen": -1}, "finance_day_difference"),
    ],
)
def test_the_database_refuses_a_day_closed_out_of_order(
    world: World, facts: dict[str, object], constraint: str
) -> None:
    world.count()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        FinanceDay.objects.update(**facts)


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"state": "answered"}, "finance_break_ended_how"),
        ({"state": "healed"}, "finance_break_ended_how"),
        ({"answer": "booked", "state": "answered", "ended_at": "2026-11-21T00:00Z"}, "finance_break"),
    ],
)
def test_the_database_refuses_a_break_ended_in_silence(world: World, facts: dict[str, object], constraint: str) -> None:
    world.top_up()
    world.pay.post("bill", day=DAY.isoformat(), drop=[PayOrder.objects.get().out_trade_no])
    world.count()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Break.objects.update(**facts)


def test_a_card_paid_out_by_bank_is_owed_until_it_is_transferred(world: World) -> None:
    world.top_up()
    at = clock.now()
    card = live_wallet(world.member)
    assert card is not None
    asked = wallet.ask_refund(
        card, way="account", payee_name="王建平", payee_account="6222021234567890", reason="搬走了", store=world.shop.org.store,
        actor=world.shop.guide, now=at,
    )  # fmt: skip
    for one in (world.finance, holder_of("finance", world.shop.org)):
        wallet.approve_refund(asked, actor=actor(one), now=at)
    paid = wallet.pay_refund(asked, key="out", actor=world.boss, now=at)
    day = world.count()
    owed = {
        "opening_fen": 0,
        "owed_fen": 100000,
        "paid_fen": 0,
        "closing_fen": 100000,
        "cards_fen": 100000,
        "waiting_fen": 100000,
        "waiting": 1,
    }
    assert (day.proof["payable"], day.difference_fen) == (owed, 0) and not any(block.is_off for block in blocks(day))
    wallet.settle_payout(paid, bank_ref="B20261121", actor=world.boss, now=clock.now())
    after = DAY + timedelta(days=1)
    assert services.reconcile(DAY, now=clock.now()).proof["payable"] == owed  # that night it was still owed
    taken = takings_of(world.boss, unit_id=None, first=after, last=after).total
    assert (taken.by_way["bank"], taken.money_fen, taken.top_up_fen) == (-100000, -100000, -100000)
    day = world.count(after)
    assert day.proof["payable"]["opening_fen"] == day.proof["payable"]["paid_fen"] == 100000
    assert (day.proof["payable"]["closing_fen"], day.proof["payable"]["waiting"], day.difference_fen) == (0, 0, 0)
    CardRefund.objects.filter(pk=paid.pk).update(transferred_at=None)
    CardPayout.objects.filter(refund=paid).delete()  # somebody's hand in the rows: the ledger says something else
    day = services.reconcile(after, now=clock.now())
    assert found(day) == [("ledger", "amount_differs", "open")] and day.difference_fen == 100000
    assert [block.title for block in blocks(day) if block.is_off] == ["退款待付"]
