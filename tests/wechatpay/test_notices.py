"""Notices late, doubled, lost or forged leave the books right; hostile ones are all 4xx (reliability-security §7, §14)."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.conftest import SandboxControl
from yejibao.core.scope import Actor
from yejibao.wechatpay import services
from yejibao.wechatpay.models import PayNotice, PayOrder
from yejibao.wechatpay.notices import work_off
from yejibao.wechatpay.notices.refusals import refused_on
from yejibao.wechatpay.notices.services import tidy_up, try_notice_again

from .conftest import begin, tick, told

Wait = Callable[..., None]
URL = "/callbacks/wechatpay/1900000109/"


@pytest.fixture
def called(live_server: Any, settings: Any, pay: SandboxControl) -> SandboxControl:
    """The stand-in knows where the product is."""
    settings.PUBLIC_BASE_URL = live_server.url
    return pay


def ready(now: datetime, **facts: Any) -> PayOrder:
    order = begin(now, **facts)
    services.prepay(order, now=now)
    return order


def outcomes(pay: SandboxControl) -> list[tuple[str, list[int]]]:
    return [(one["forge"], one["tries"]) for one in pay.get("notices")["notices"]]


def settled(pay: SandboxControl, wait_until: Wait) -> None:
    wait_until(lambda: not pay.get("notices")["waiting"])


@pytest.mark.django_db(transaction=True)
def test_doubled_and_at_once_it_is_credited_once(called: SandboxControl, now: datetime, wait_until: Wait) -> None:
    order = ready(now)
    called.post("weather", copies=6)
    called.post("pay", out_trade_no=order.out_trade_no)
    settled(called, wait_until)
    assert {status for _, tries in outcomes(called) for status in tries} == {200}
    assert PayNotice.objects.count() == 1
    assert work_off(now=now) == {"done": 1}
    order.refresh_from_db()
    assert (order.state, len(told())) == ("paid", 1)
    called.post("notice", out_trade_no=order.out_trade_no, copies=2)  # hours later, sealed anew
    settled(called, wait_until)
    assert (PayNotice.objects.count(), work_off(now=now), len(told())) == (1, {}, 1)


@pytest.mark.django_db(transaction=True)
def test_late_and_lost_the_tick_was_quicker_and_the_books_are_the_same(
    called: SandboxControl, travel: Callable[..., datetime], now: datetime, wait_until: Wait
) -> None:
    order = ready(now)
    called.post("weather", lose=True)
    called.post("pay", out_trade_no=order.out_trade_no)
    tick(travel(now + timedelta(seconds=10)))
    order.refresh_from_db()
    assert (order.state, len(told())) == ("paid", 1)
    called.post("notice", out_trade_no=order.out_trade_no)  # a day late
    settled(called, wait_until)
    assert work_off(now=now + timedelta(days=1)) == {"done": 1}
    assert len(told()) == 1


@pytest.mark.django_db(transaction=True)
def test_forged_ones_are_turned_away_or_set_aside_and_credit_nothing(
    called: SandboxControl, now: datetime, wait_until: Wait
) -> None:
    order = ready(now)
    called.post("weather", lose=True)
    called.post("pay", out_trade_no=order.out_trade_no)
    at_door = {"signature": 401, "other_key": 401, "stale": 401, "future": 401, "probe": 401, "serial": 401,
               "tampered": 401, "algorithm": 401, "unsealed": 400, "mchid": 403, "appid": 403}  # fmt: skip
    inside = ("amount", "currency", "payer")  # with the platform's own key: genuine, but not of this order
    for forge in (*at_door, *inside):
        called.post("notice", out_trade_no=order.out_trade_no, forge=forge)
    settled(called, wait_until)
    answered = {forge: tries[0] for forge, tries in outcomes(called) if forge}
    assert answered == at_door | dict.fromkeys(inside, 200)
    assert work_off(now=now) == {"parked": 3}
    order.refresh_from_db()
    assert (order.state, told()) == ("paying", [])
    assert set(PayNotice.objects.values_list("error", flat=True)) == {
        "misfit amount",
        "misfit currency",
        "misfit payer",
    }
    assert refused_on(now)["signature"] == 3  # signature, other_key, tampered
    services.look(order, now=now)  # the truth is asked for
    order.refresh_from_db()
    assert (order.state, order.trouble, len(told())) == ("paid", "", 1)


@pytest.mark.django_db(transaction=True)
def test_a_refund_is_told_of_and_settled_once(called: SandboxControl, now: datetime, wait_until: Wait) -> None:
    order = ready(now)
    called.post("pay", out_trade_no=order.out_trade_no)
    called.post("weather", copies=3)
    settled(called, wait_until)
    work_off(now=now)
    order.refresh_from_db()
    refund = services.refund(order, amount_fen=9900, key="r", reason="退货", now=now)
    tick(now)
    wait_until(lambda: PayNotice.objects.filter(event_type="REFUND.SUCCESS").exists())
    settled(called, wait_until)
    called.post("notice", out_refund_no=refund.out_refund_no, forge="amount")
    settled(called, wait_until)
    assert work_off(now=now) == {"done": 2}  # the forged one came after: what is final stays
    refund.refresh_from_db()
    assert (refund.state, len(told("refund_settled"))) == ("success", 1)


@pytest.mark.django_db(transaction=True)
def test_numbers_of_nobody_are_kept_and_left_alone(called: SandboxControl, now: datetime, wait_until: Wait) -> None:
    order = ready(now)
    called.post("pay", out_trade_no=order.out_trade_no)
    settled(called, wait_until)
    PayOrder.objects.update(out_trade_no="P0OTHER")
    assert work_off(now=now) == {"unhandled": 1}
    notice = PayNotice.objects.get()
    assert notice.error == "no such number"
    PayOrder.objects.update(out_trade_no=order.out_trade_no)
    try_notice_again(notice.pk, actor=Actor.system(), now=now)
    assert work_off(now=now) == {"done": 1}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{}", {}, 400),
        (b"{}", {"Wechatpay-Signature": "x", "Wechatpay-Timestamp": "1", "Wechatpay-Nonce": "n", "Wechatpay-Serial": "s"}, 401),
        (b"\xff\xfe", {"Wechatpay-Signature": "é", "Wechatpay-Timestamp": "1", "Wechatpay-Nonce": "n", "Wechatpay-Serial": "s"}, 400),
        (b"{}", {"Wechatpay-Timestamp": "NaN"}, 401),
        (b"{}", {"Wechatpay-Timestamp": "1" * 40}, 401),
        (b"{}", {"Wechatpay-Signature": "====", "Wechatpay-Timestamp": ""}, 400),
        (b"{}", {"Wechatpay-Nonce": "n" * 2000}, 400),
        (b"x" * (256 * 1024 + 1), {}, 413),
    ],
)  # fmt: skip
def test_whatever_comes_is_a_4xx(client: Client, body: bytes, headers: dict[str, str], status: int) -> None:
    usual = {} if not headers else {
        "Wechatpay-Signature": "AAAA", "Wechatpay-Timestamp": "1", "Wechatpay-Nonce": "n",
        "Wechatpay-Serial": "PUB_KEY_ID_0119000001092026112200000000000000",
    }  # fmt: skip
    answer = client.post(URL, body, content_type="application/json", headers=usual | headers)
    assert (answer.status_code // 100, PayNotice.objects.count()) == (4, 0)
    assert answer.status_code == status or status == 401 and answer.status_code == 400
    assert json.loads(answer.content)["code"] == "FAIL"


@pytest.mark.django_db
def test_other_methods_and_merchants(client: Client, settings: Any) -> None:
    assert client.get(URL).status_code == 405
    assert client.post("/callbacks/wechatpay/1900009999/").status_code == 404
    settings.WECHATPAY_MCHID = ""
    assert client.post("/callbacks/wechatpay/1900000109/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_texts_go_after_a_month_digests_after_400_days(called: SandboxControl, now: datetime, wait_until: Wait) -> None:
    order = ready(now)
    called.post("pay", out_trade_no=order.out_trade_no)
    settled(called, wait_until)
    work_off(now=now)
    assert tidy_up(now=now + timedelta(days=29)) == {"cleared": 0, "deleted": 0}
    assert tidy_up(now=now + timedelta(days=31)) == {"cleared": 1, "deleted": 0}
    assert tidy_up(now=now + timedelta(days=401)) == {"cleared": 0, "deleted": 1}
