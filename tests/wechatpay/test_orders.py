"""An order is written, paid, found out about, closed: over a real socket, with every way a call can fail."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db import IntegrityError, transaction

from tests.conftest import SandboxControl
from yejibao.wechatpay import account, services
from yejibao.wechatpay.models import PayOrder, PayStep
from yejibao.wechatpay.services.orders import CodeRefused

from .conftest import OPENID, begin, paid, steps, tick, told

pytestmark = pytest.mark.django_db

Travel = Callable[[datetime | str], datetime]


def test_a_member_pays_in_the_mini_program(pay: SandboxControl, now: datetime) -> None:
    order = begin(now)
    params = services.prepay(order, now=now)
    said = "\n".join([params["appId"], params["timeStamp"], params["nonceStr"], params["package"], ""])
    ours = account.public_half(account.configured().private_key)
    load_pem_public_key(ours.encode()).verify(  # type: ignore[union-attr, call-arg]
        base64.b64decode(params["paySign"]),
        said.encode(),
        PKCS1v15(),
        SHA256(),  # type: ignore[arg-type]
    )
    assert params["signType"] == "RSA"
    pay.post("pay", prepay_id=params["package"].removeprefix("prepay_id="), openid=OPENID)
    order = services.look(order, now=now)
    assert (order.state, order.paid_at, order.next_look_at) == ("paid", now, None)
    assert steps(order) == [("created", "paying", "call"), ("paying", "paid", "query")]
    assert told() == [
        (
            "payment_settled",
            {
                "pay_order_id": order.pk, "purpose": "sale", "subject": "1", "amount_fen": 19900,
                "transaction_id": order.transaction_id, "paid_at": now.isoformat(),
            },
        )
    ]  # fmt: skip


def test_only_the_member_who_was_asked_can_pay(pay: SandboxControl, now: datetime) -> None:
    order = begin(now)
    services.prepay(order, now=now)
    with pytest.raises(Exception, match="403"):
        pay.post("pay", out_trade_no=order.out_trade_no, openid="oSomebodyElse")


def test_a_code_on_the_screen_is_scanned_and_paid(pay: SandboxControl, now: datetime) -> None:
    order = begin(now, way="native", payer_openid="")
    code_url = services.prepay(order, now=now)["code_url"]
    assert code_url.startswith("weixin://wxpay/") and services.prepay(order, now=now)["code_url"] == code_url
    pay.post("pay", code_url=code_url, openid="oWhoever")
    order = services.look(order, now=now)
    assert (order.state, order.payer_openid) == ("paid", "oWhoever")


def test_the_number_stands_before_the_call_and_a_lost_answer_is_asked_for_by_it(
    pay: SandboxControl, now: datetime
) -> None:
    order = begin(now)
    pay.post("fault", api="jsapi", reset=True, after_effect=True, times=1)
    with pytest.raises(services.PayUnavailable):
        services.prepay(order, now=now)
    order.refresh_from_db()
    assert order.state == "created" and order.next_look_at == now + timedelta(seconds=10)
    services.prepay(order, now=now)
    assert len(pay.get("orders")["orders"]) == 1
    assert services.look(order, now=now).state == "paying"


@pytest.mark.parametrize(
    "fault", [{"http": 502}, {"reset": True}, {"unsigned": True}, {"code": "SYSTEM_ERROR", "http": 500}]
)
def test_a_platform_that_does_not_answer_changes_nothing(
    pay: SandboxControl, now: datetime, fault: dict[str, object]
) -> None:
    order = begin(now)
    services.prepay(order, now=now)
    pay.post("pay", out_trade_no=order.out_trade_no)
    pay.post("fault", api="query", times=1, **fault)
    assert services.look(order, now=now).state == "paying"
    assert told() == []
    assert services.look(order, now=now).state == "paying"  # within three seconds nobody asks again
    assert services.look(order, now=now + timedelta(seconds=3)).state == "paid"


def test_open_orders_are_looked_at_ever_less_until_they_expire(
    pay: SandboxControl, travel: Travel, now: datetime
) -> None:
    order = begin(now, expires_at=now + timedelta(hours=3))
    services.prepay(order, now=now)
    seen = []
    for _ in range(9):
        order.refresh_from_db()
        if order.next_look_at is None:
            break
        seen.append(order.next_look_at - now)
        tick(travel(order.next_look_at))
    minutes = [pause.total_seconds() / 60 for pause in seen]
    assert minutes == pytest.approx([1 / 6, 4 / 6, 10 / 6, 20 / 3, 65 / 3, 245 / 3, 425 / 3, 180 + 5 / 60], abs=0.01)
    assert order.state == "closed"
    assert [name for name, _ in told()] == ["payment_closed"]
    assert pay.get("orders")["orders"][0]["state"] == "CLOSED"


def test_a_payment_nobody_told_us_of_is_found_by_the_tick(pay: SandboxControl, travel: Travel, now: datetime) -> None:
    pay.post("weather", lose=True)
    order = begin(now)
    services.prepay(order, now=now)
    pay.post("pay", out_trade_no=order.out_trade_no)
    assert tick(now) == {}
    assert tick(travel(now + timedelta(seconds=10))) == {"orders": 1}
    order.refresh_from_db()
    assert order.state == "paid" and len(told("payment_settled")) == 1


def test_while_the_platform_is_down_the_tick_tries_one_and_leaves_the_rest(
    pay: SandboxControl, travel: Travel, now: datetime
) -> None:
    orders = [begin(now, subject=str(number)) for number in range(3)]
    for order in orders:
        services.prepay(order, now=now)
    pay.post("fault", api="*", http=503)
    assert tick(travel(now + timedelta(minutes=1))) == {"unanswered": 1}
    assert len(pay.get("calls")["calls"]) == 3  # the orders: the failed look never got to the answer
    pay.delete("fault")
    assert tick(travel(now + timedelta(minutes=3))) == {"orders": 3}


# ---------------------------------------------------------------- payment codes


def test_a_payment_code_is_charged_at_once(pay: SandboxControl, now: datetime) -> None:
    order = begin(now, way="codepay", payer_openid="", store_code="SH012")
    order = services.take_code(order, _code(pay), now=now)
    assert (order.state, order.payer_openid) == ("paid", OPENID)
    assert len(told("payment_settled")) == 1


def test_a_member_who_types_his_password_is_waited_for(pay: SandboxControl, now: datetime) -> None:
    order = begin(now, way="codepay", payer_openid="")
    code = _code(pay, "paying")
    order = services.take_code(order, code, now=now)
    assert order.state == "paying"
    with pytest.raises(services.OtherOpen):
        begin(now, way="native", payer_openid="")
    pay.post("decide", out_trade_no=order.out_trade_no, outcome="success")
    assert services.look(order, now=now).state == "paid"


def test_a_member_who_gives_up_ends_the_order(pay: SandboxControl, now: datetime) -> None:
    order = begin(now, way="codepay", payer_openid="")
    order = services.take_code(order, _code(pay, "paying"), now=now)
    pay.post("decide", out_trade_no=order.out_trade_no, outcome="payerror")
    assert services.look(order, now=now).state == "closed"
    assert [name for name, _ in told()] == ["payment_closed"]


def test_a_payment_code_nobody_knows_the_end_of_is_undone_after_45_seconds(
    pay: SandboxControl, travel: Travel, now: datetime
) -> None:
    order = begin(now, way="codepay", payer_openid="")
    pay.post("fault", api="codepay", reset=True, after_effect=True, times=1)
    pay.post("settings", paying_seconds=3600)
    assert services.take_code(order, _code(pay, "paying"), now=now).state == "paying"
    for second in (10, 20, 30, 40):
        tick(travel(now + timedelta(seconds=second)))
    order.refresh_from_db()
    assert order.state == "paying"
    tick(travel(now + timedelta(seconds=51)))
    order.refresh_from_db()
    assert order.state == "closed"
    assert pay.get("orders")["orders"][0]["state"] == "REVOKED"


@pytest.mark.parametrize("outcome", ["payerror", "short"])
def test_a_code_that_is_no_good_ends_the_order_and_the_next_has_a_new_number(
    pay: SandboxControl, now: datetime, outcome: str
) -> None:
    order = begin(now, way="codepay", payer_openid="")
    with pytest.raises(CodeRefused):
        services.take_code(order, _code(pay, outcome), now=now)
    order.refresh_from_db()
    again = begin(now, way="codepay", payer_openid="")
    assert order.state == "closed" and again.out_trade_no != order.out_trade_no
    with pytest.raises(CodeRefused):
        services.take_code(again, "999999999999999999", now=now)


def _code(pay: SandboxControl, outcome: str = "success") -> str:
    return str(pay.post("auth-code", openid=OPENID, outcome=outcome)["auth_code"])


# ---------------------------------------------------------------- given up, and paid all the same


def test_what_is_paid_after_the_order_was_closed_goes_back_and_is_credited_to_nobody(
    pay: SandboxControl, travel: Travel, now: datetime
) -> None:
    order = begin(now)
    services.prepay(order, now=now)
    services.close(order, now=now, why="会员不要了")
    pay.post("pay", out_trade_no=order.out_trade_no)  # before the platform heard of it
    tick(now)
    order.refresh_from_db()
    assert (order.state, order.asked_back_fen) == ("late", 19900)
    tick(travel(now + timedelta(minutes=1)))
    order.refresh_from_db()
    assert (order.state, order.refunded_fen) == ("refunded", 19900)
    assert [one["amount"] for one in pay.get("refunds")["refunds"]] == [19900]
    # Neither paid nor closed nor refunded for those above: the caller closed it himself. The books hear of it.
    assert [name for name, _ in told()] == ["payment_late", "late_returned"]


def test_a_closed_order_is_closed_at_the_platform_too(pay: SandboxControl, now: datetime) -> None:
    order = begin(now)
    services.prepay(order, now=now)
    services.close(order, now=now)
    tick(now)
    order.refresh_from_db()
    assert (order.state, order.next_look_at) == ("closed", None)
    with pytest.raises(Exception, match="409"):
        pay.post("pay", out_trade_no=order.out_trade_no)
    with pytest.raises(services.NotPayable):
        services.prepay(order, now=now)


def test_what_is_paid_is_not_closed(pay: SandboxControl, now: datetime) -> None:
    order = paid(pay, now)
    with pytest.raises(services.PaidAlready):
        services.close(order, now=now)


def test_begun_again_in_the_same_words_it_is_the_same_order(pay: SandboxControl, now: datetime) -> None:
    first = begin(now)
    assert begin(now).pk == first.pk
    other = begin(now, amount_fen=100)
    first.refresh_from_db()
    assert (first.state, other.state) == ("closed", "created") and told() == []
    services.prepay(other, now=now)
    pay.post("pay", out_trade_no=other.out_trade_no)
    services.look(other, now=now)
    with pytest.raises(services.PaidAlready):
        begin(now)


def test_an_order_that_has_expired_is_not_asked_for(pay: SandboxControl, now: datetime) -> None:
    order = begin(now, expires_at=now + timedelta(minutes=5))
    with pytest.raises(services.NotPayable):
        services.prepay(order, now=now + timedelta(minutes=5))


# ---------------------------------------------------------------- what the database itself refuses


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"amount_fen": 0}, "pay_order_amount"),
        ({"refunded_fen": 1}, "pay_order_back_within_paid"),
        ({"asked_back_fen": 19901}, "pay_order_back_within_paid"),
        ({"transaction_id": None}, "pay_order_money_has_number"),
        ({"state": "closed", "closed_at": None}, "pay_order_closed_when"),
    ],
)
def test_the_database_refuses_figures_that_cannot_be(
    pay: SandboxControl, now: datetime, facts: dict[str, object], constraint: str
) -> None:
    order = paid(pay, now)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        PayOrder.objects.filter(pk=order.pk).update(**facts)


def test_one_payment_of_the_platform_settles_one_order(pay: SandboxControl, now: datetime) -> None:
    first, second = paid(pay, now), paid(pay, now, subject="2")
    with pytest.raises(IntegrityError, match="transaction_id"), transaction.atomic():
        PayOrder.objects.filter(pk=second.pk).update(transaction_id=first.transaction_id)
    with pytest.raises(IntegrityError, match="pay_order_one_for"), transaction.atomic():
        PayOrder.objects.filter(pk=second.pk).update(subject="1")


def test_steps_are_append_only(pay: SandboxControl, now: datetime) -> None:
    order = paid(pay, now)
    for act in (PayStep.objects.filter(order=order).delete, lambda: PayStep.objects.update(why="x")):
        with pytest.raises(Exception, match="append only"), transaction.atomic():
            act()
