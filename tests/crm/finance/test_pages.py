"""Finance's screen: who sees what, both sides of each equation, and acts that carry their key."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.finance.models import Break, FinanceDay
from crm.finance.wording import sheet_lines
from guides.exports.models import Export
from guides.exports.services import make_due
from tests.factories.guides import holder_of, sign_in
from yejibao.core import clock
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder, PayRefund

from .conftest import DAY, World

pytestmark = pytest.mark.django_db
KEY = {"Idempotency-Key": "5b7c2a54-0000-4000-8000-000000000001"}


@pytest.fixture
def counted(world: World) -> FinanceDay:
    world.top_up()
    return world.count()


@pytest.fixture
def broken(world: World) -> FinanceDay:
    world.top_up()
    world.pay.post("bill", day=DAY.isoformat(), drop=[PayOrder.objects.get().out_trade_no])
    return world.count()


def boss(client: Client, world: World) -> Client:
    return sign_in(client, world.finance)


def test_the_list_the_day_and_its_equations(client: Client, world: World, counted: FinanceDay) -> None:
    boss(client, world)
    listed = client.get("/hq/finance/").content.decode()
    assert "2026-11-20" in listed and "¥1,000.00" in listed and "已对账" in listed
    page = client.get(f"/hq/finance/days/{DAY}/").content.decode()
    for words in ("差异 ¥0.00，可以关账", "微信资金账单净额", "储值本金", "储值赠金", "试算平衡", "¥1,050.00"):
        assert words in page or words == "¥1,050.00"
    assert client.get("/hq/finance/days/2026-11-31/").status_code == 404
    assert client.get("/hq/finance/days/2020-01-01/").status_code == 404


def test_a_day_is_closed_once_and_only_with_a_key(client: Client, world: World, counted: FinanceDay) -> None:
    boss(client, world)
    url = f"/hq/finance/days/{DAY}/close/"
    assert client.post(url, {"note": "好"}).status_code == 400
    for _ in range(2):
        assert client.post(url, {"note": "好"}, headers=KEY).status_code == 302
    assert FinanceDay.objects.get().closed_by == world.finance
    assert "关账：好" in client.get(f"/hq/finance/days/{DAY}/").content.decode()


def test_a_break_is_taken_answered_and_the_day_closes(client: Client, world: World, broken: FinanceDay) -> None:
    boss(client, world)
    assert client.post(f"/hq/finance/days/{DAY}/close/", headers=KEY).status_code == 409
    assert "我们有，微信没有" in client.get("/hq/finance/breaks/").content.decode()
    for number, row in enumerate(Break.objects.order_by("pk")):
        page = client.get(f"/hq/finance/breaks/{row.pk}/").content.decode()
        assert ("挂账待查，做调整分录" in page) == (row.source == "fund")
        assert (
            client.post(f"/hq/finance/breaks/{row.pk}/take/", headers={"Idempotency-Key": f"t{number}"}).status_code
            == 302
        )
        url = f"/hq/finance/breaks/{row.pk}/answer/"
        refused = client.post(url, {"answer": "other"}, headers={"Idempotency-Key": f"w{number}"})
        assert refused.status_code == 422 and "写一句查到了什么、怎么办的" in refused.content.decode()
        told = {"answer": "next_day", "note": "在次日账单里"}
        assert client.post(url, told, headers={"Idempotency-Key": f"a{number}"}).status_code == 302
    assert client.post(f"/hq/finance/days/{DAY}/close/", headers={"Idempotency-Key": "c"}).status_code == 302
    assert "在次日账单里" in client.get(f"/hq/finance/breaks/{row.pk}/").content.decode()
    assert "跨日" in client.get("/hq/finance/breaks/?state=answered").content.decode()


def test_stuck_refunds_are_sent_again_by_a_button(client: Client, world: World, counted: FinanceDay) -> None:
    order = PayOrder.objects.get()
    refund = wechatpay.refund(order, amount_fen=100, key="r", reason="退货", now=clock.now())
    PayRefund.objects.update(state="abnormal", error="ABNORMAL", next_try_at=None)
    boss(client, world)
    assert refund.out_refund_no in client.get("/hq/finance/refunds/?stuck=1").content.decode()
    assert client.post(f"/hq/finance/refunds/{refund.pk}/again/", headers=KEY).status_code == 302
    refund.refresh_from_db()
    assert refund.next_try_at == clock.now()
    assert "正在重发" in client.get("/hq/finance/refunds/?stuck=1").content.decode()


def test_payments_are_found_by_either_number(client: Client, world: World, counted: FinanceDay) -> None:
    boss(client, world)
    order = PayOrder.objects.get()
    for words in ("", order.out_trade_no, order.transaction_id):
        assert order.out_trade_no in client.get("/hq/finance/payments/", {"q": words}).content.decode()
    assert order.out_trade_no not in client.get("/hq/finance/payments/?state=closed").content.decode()
    assert client.get("/hq/finance/payments/?state=nonsense").status_code == 404


def test_the_days_sheet_is_downloaded_as_it_stands_on_the_page(
    client: Client, world: World, counted: FinanceDay
) -> None:
    boss(client, world)
    asked = client.post("/me/exports/ask/finance_day/", {"day": str(DAY)}, headers=KEY)
    assert asked.status_code in (200, 302)
    make_due(now=clock.now(), budget=timedelta(seconds=20))
    made = Export.objects.get()
    assert (made.state, made.rows_total) == ("ready", len(sheet_lines(counted)))


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("hq_operator", {"days": 200, "day": 200, "breaks": 403}),
        ("store_manager", {"days": 403, "day": 403, "breaks": 403}),
    ],
)
def test_others_see_what_the_days_come_to_or_nothing(
    client: Client, world: World, counted: FinanceDay, role: str, seen: dict[str, int]
) -> None:
    sign_in(client, world.shop.org.manager if role == "store_manager" else holder_of(role, world.shop.org))
    urls = {"days": "/hq/finance/", "day": f"/hq/finance/days/{DAY}/", "breaks": "/hq/finance/breaks/"}
    assert {name: client.get(url).status_code for name, url in urls.items()} == seen
    assert client.post(f"/hq/finance/days/{DAY}/close/", headers=KEY).status_code == 403


@pytest.mark.parametrize("path", ["", "payments/", "refunds/", "breaks/"])
def test_each_list_needs_the_same_queries_for_any_length(
    client: Client, world: World, broken: FinanceDay, path: str, django_assert_max_num_queries: Any
) -> None:
    boss(client, world)
    client.get(f"/hq/finance/{path}")

    def count() -> int:
        with django_assert_max_num_queries(40) as seen:
            assert client.get(f"/hq/finance/{path}").status_code == 200
        return len(seen)

    before = count()
    order, day = PayOrder.objects.get(), FinanceDay.objects.get()
    wechatpay.refund(order, amount_fen=100, key="1", reason="x", now=clock.now())
    for number in range(3):
        wechatpay.refund(order, amount_fen=100, key=f"k{number}", reason="x", now=clock.now())
        wechatpay.begin(
            purpose="sale", subject=f"s{number}", amount_fen=1, description="x", way="native", now=clock.now()
        )  # fmt: skip
        FinanceDay.objects.create(day=day.day - timedelta(days=1 + number))
        Break.objects.create(
            day=day, source="trade", kind="missing_here", number=f"n{number}", theirs_fen=1, owner=world.finance, found_at=clock.now()
        )  # fmt: skip
    assert count() == before
