"""Payments, refunds and the day's books: told twice at once, closed while paid, counted by two."""

from datetime import date, timedelta
from typing import Any

from crm.finance.models import Break, FinanceDay, RefundEnding
from crm.finance.services import (
    Answered,
    EndsAlready,
    NotApproved,
    answer_break,
    ask_ending,
    close_day,
    days,
    pay_ending,
    send_again,
)
from crm.finance.services.reading import Read
from tests.crm.orders.proxy.test_sending import PIXEL
from tests.factories.guides import actor, holder_of
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core import files
from yejibao.core.models import OutboxEvent
from yejibao.core.scope import Actor
from yejibao.wechatpay import services
from yejibao.wechatpay.gateway import Payment, Refund
from yejibao.wechatpay.models import PayNotice, PayOrder, PayRefund
from yejibao.wechatpay.notices import services as notices
from yejibao.wechatpay.notices.crypto import Notice
from yejibao.wechatpay.services import polling, refunds, settling

ACTOR = Actor.system("race")
DAY = date(2025, 3, 3)


def _order(**facts: Any) -> PayOrder:
    words = {
        "purpose": "sale", "subject": "1", "amount_fen": 10000, "description": "x", "way": "native", "store_code": "",
    }  # fmt: skip
    return services.begin(**(words | facts), now=NOON)


def _paid_word(order: PayOrder) -> Payment:
    return Payment(
        order.out_trade_no, "SUCCESS", order.appid, order.mchid, f"T{order.pk}", order.amount_fen, "CNY", "oSomebody", NOON
    )  # fmt: skip


def _tell(order: PayOrder) -> Any:
    return settling.take_payment(_paid_word(order), by="notice", now=NOON)


def _paid() -> PayOrder:
    order = _order()
    _tell(order)
    return PayOrder.objects.get(pk=order.pk)


def _told(topic: str) -> int:
    return OutboxEvent.objects.filter(topic=f"wechatpay.{topic}").count()


def a_payment_told_by_notice_and_query_at_once(world: World) -> None:
    order = _order()
    both = overtaken(lambda: _tell(order), lambda: _tell(order))
    in_peace(both.second)
    order.refresh_from_db()
    assert (order.state, _told("payment_settled"), order.steps.count()) == ("paid", 1, 1)


def it_is_paid_while_the_business_gives_it_up(world: World) -> None:
    order = _order()
    both = overtaken(lambda: _tell(order), lambda: services.close(order, now=NOON))
    assert isinstance(both.second, services.PaidAlready)


def it_is_paid_while_the_platform_is_said_to_have_closed_it(world: World) -> None:
    order = _order()
    both = overtaken(lambda: _tell(order), lambda: settling.end(order.pk, by="expiry", now=NOON))
    in_peace(both.second)
    assert (_told("payment_settled"), _told("payment_closed")) == (1, 0)


def it_is_paid_while_a_code_is_said_to_wait_for_the_password(world: World) -> None:
    order = _order()
    both = overtaken(lambda: _tell(order), lambda: settling.mark_paying(order.pk, by="call", now=NOON))
    assert in_peace(both.second).state == "paid"


def two_cashiers_begin_anew(world: World) -> None:
    _order()
    both = overtaken(lambda: _order(amount_fen=9000), lambda: _order(amount_fen=8000))
    assert type(both.second) is services.OtherOpen
    assert PayOrder.objects.filter(state__in=PayOrder.OPEN).count() == 1


def two_refunds_of_more_than_is_left(world: World) -> None:
    order = _paid()

    def ask(key: str) -> PayRefund:
        return services.refund(order, amount_fen=6000, key=key, reason="x", now=NOON)

    both = overtaken(lambda: ask("a"), lambda: ask("b"))
    assert isinstance(both.second, services.MoreThanPaid)


def a_refund_told_by_notice_and_query_at_once(world: World) -> None:
    order = _paid()
    refund = services.refund(order, amount_fen=6000, key="a", reason="x", now=NOON)
    said = Refund(refund.out_refund_no, "SUCCESS", "R1", order.out_trade_no, order.mchid, 6000, NOON)
    both = overtaken(
        lambda: refunds.take_refund(said, by="notice", now=NOON), lambda: refunds.take_refund(said, by="query", now=NOON)
    )  # fmt: skip
    in_peace(both.second)
    order.refresh_from_db()
    assert (order.refunded_fen, _told("refund_settled")) == (6000, 1)


def a_refund_fails_while_it_is_told_to_be_done(world: World) -> None:
    from yejibao.wechatpay.errors import Kind, PayError

    order = _paid()
    refund = services.refund(order, amount_fen=6000, key="a", reason="x", now=NOON)
    said = Refund(refund.out_refund_no, "SUCCESS", "R1", order.out_trade_no, order.mchid, 6000, NOON)
    refused = PayError("INVALID_REQUEST", kind=Kind.PERMANENT)
    both = overtaken(
        lambda: refunds.take_refund(said, by="notice", now=NOON), lambda: refunds._failed(refund, refused, now=NOON)
    )  # fmt: skip
    in_peace(both.second)
    assert PayRefund.objects.get().state == "success"


def a_stuck_refund_is_sent_again_while_it_gets_through(world: World) -> None:
    order = _paid()
    refund = services.refund(order, amount_fen=6000, key="a", reason="x", now=NOON)
    PayRefund.objects.update(state="abnormal", next_try_at=None)
    said = Refund(refund.out_refund_no, "SUCCESS", "R1", order.out_trade_no, order.mchid, 6000, NOON)
    overtaken(
        lambda: refunds.take_refund(said, by="notice", now=NOON),
        lambda: services.try_again(refund.pk, actor=ACTOR, now=NOON),
    )
    assert PayRefund.objects.get().next_try_at is None


def _stuck(world: World) -> PayRefund:
    """Return a refund of nobody's money that is stuck."""
    refund = services.refund(_paid(), amount_fen=6000, key="a", reason="x", now=NOON)
    PayRefund.objects.update(state="abnormal", next_try_at=None)
    return refund


def a_refund_is_ended_by_hand_while_it_gets_through(world: World) -> None:
    refund = _stuck(world)
    order = refund.order
    said = Refund(refund.out_refund_no, "SUCCESS", "R1", order.out_trade_no, order.mchid, 6000, NOON)
    both = overtaken(
        lambda: refunds.take_refund(said, by="notice", now=NOON),
        lambda: services.end_by_hand(refund.pk, is_paid=True, actor=ACTOR, now=NOON, why="x"),
    )
    assert type(both.second) is services.NotStuck


def a_refund_is_sent_again_while_another_way_is_asked_for(world: World) -> None:
    refund, finance = _stuck(world), actor(holder_of("finance", world.org))
    both = overtaken(
        lambda: ask_ending(refund.pk, how="paid", reason="账户注销", actor=finance, now=NOON),
        lambda: send_again(refund.pk, actor=finance, now=NOON),
    )
    assert type(both.second) is EndsAlready


def two_who_pay_a_refund_by_hand(world: World) -> None:
    refund, finance = _stuck(world), actor(holder_of("finance", world.org))
    RefundEnding.objects.create(
        pay_refund=refund, how="paid", state="approved", amount_fen=6000, reason="x", asked_by_id=finance.staff_id, asked_at=NOON
    )  # fmt: skip

    def pay() -> RefundEnding:
        slip = files.keep(PIXEL, room="refund-payout", by_id=finance.staff_id, now=NOON)
        return pay_ending(refund.pk, payout_ref="B100", vouchers=[slip.name], actor=finance, now=NOON)

    both = overtaken(pay, pay)
    assert type(both.second) is NotApproved


def two_ticks_look_at_one_order(world: World) -> None:
    order = _order()
    PayOrder.objects.update(next_look_at=NOON)
    seen: list[int] = []

    def look() -> None:
        polling._drain(
            polling._ORDERS, lambda pk: bool(seen.append(pk)), "orders", polling.Counter(), now=NOON, deadline=float("inf")
        )  # fmt: skip

    both = overtaken(look, look)
    assert (seen, both.waited) == ([order.pk], False)


def _notice(number: str = "n1", plain: bytes = b'{"out_trade_no": "P1"}') -> Notice:
    return Notice(number, "TRANSACTION.SUCCESS", plain, {"out_trade_no": "P1"})


def a_notice_comes_twice_at_once(world: World) -> None:
    both = overtaken(lambda: notices.take_in(_notice(), now=NOON), lambda: notices.take_in(_notice("n2"), now=NOON))
    assert (both.first, both.second, PayNotice.objects.count()) == (True, False, 1)


def two_workers_take_a_notice(world: World) -> None:
    notices.take_in(_notice(), now=NOON)
    both = overtaken(lambda: notices.work_off(now=NOON), lambda: notices.work_off(now=NOON))
    assert (both.first, both.second, both.waited) == ({"unhandled": 1}, {}, False)


def two_who_try_a_notice_again(world: World) -> None:
    from yejibao.core.errors import Conflict

    notices.take_in(_notice(), now=NOON)
    notices.work_off(now=NOON)
    pk = PayNotice.objects.get().pk

    def again() -> None:
        notices.try_notice_again(pk, actor=ACTOR, now=NOON)

    assert isinstance(overtaken(again, again).second, Conflict)


# ---------------------------------------------------------------- the day's books


def _day() -> FinanceDay:
    """A day with one payment that no bill knows."""
    order = _paid()
    PayOrder.objects.filter(pk=order.pk).update(paid_at=NOON - timedelta(days=1))
    return FinanceDay.objects.create(day=DAY)


def two_who_count_a_day(world: World) -> None:
    day = _day()

    def count() -> FinanceDay:
        return days._count(day.pk, error="", now=NOON)

    in_peace(overtaken(count, count).second)
    assert (Break.objects.count(), FinanceDay.objects.get().runs) == (1, 2)


def two_who_bring_the_days_bills(world: World) -> None:
    day = FinanceDay.objects.create(day=DAY)

    def bring() -> None:
        days._keep(day.pk, {"trade": (b"x" * 32, Read((), 0, 0, 0))}, now=NOON)

    in_peace(overtaken(bring, bring).second)


def a_day_is_closed_while_it_is_counted(world: World) -> None:
    boss = world.guide
    day = _day()
    days._count(day.pk, error="", now=NOON)
    PayOrder.objects.update(paid_at=NOON)
    days._count(day.pk, error="", now=NOON)  # nothing open any more

    def count() -> None:
        PayOrder.objects.update(paid_at=NOON - timedelta(days=1))
        days._count(day.pk, error="", now=NOON)

    overtaken(count, lambda: close_day(DAY, actor=boss, now=NOON))
    assert FinanceDay.objects.get().state == "counted"


def two_who_answer_a_break(world: World) -> None:
    day = _day()
    days._count(day.pk, error="", now=NOON)
    pk = Break.objects.get().pk

    def answer(note: str) -> Break:
        return answer_break(pk, answer="other", note=note, actor=world.guide, now=NOON)

    both = overtaken(lambda: answer("one"), lambda: answer("two"))
    assert isinstance(both.second, Answered)
    assert Break.objects.get().note == "one"
