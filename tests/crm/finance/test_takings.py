"""收款汇总: by way of payment, from the company to a store's days; the sum is what the accounts moved by."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.finance.exporting import TAKINGS_COLUMNS
from crm.finance.models import FinanceDay, Takings
from crm.finance.takings import Board, Taken, sum_of, takings_by_store, takings_of
from crm.orders.checkout import services as checkout
from crm.wallet import services as wallet
from crm.wallet.errors import NotAnOption
from crm.wallet.models import Transfer
from crm.wallet.services import trial_balance
from guides.exports.models import Export
from guides.exports.services import make_due
from guides.org.models import Staff, Store
from tests.factories.guides import actor, holder_of, make_store, make_unit, sign_in
from yejibao.core import clock
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .conftest import DAY, ID_NUMBER, World

pytestmark = pytest.mark.django_db


def board(person: Staff, unit: Any = None, *, first: Any = DAY, last: Any = DAY) -> Board:
    return takings_of(actor(person), unit_id=unit.pk if unit else None, first=first, last=last)


def take(store: Store, fen: int, key: str, account: str = "cash_counter") -> None:
    legs = [wallet.Leg(account, 1, fen), wallet.Leg("revenue_clearing", -1, fen)]
    wallet.book(
        kind="takings", key=key, legs=legs, subject="sale:0", store=store, actor=Actor.system("test"), now=clock.now()
    )


def a_day(world: World) -> None:
    """A top-up and a sale by WeChat, one paid in cash of which the shirt came back, one paid with the card."""
    world.top_up()
    world.sell()
    cash = world.shop.confirm(world.shop.sale(), way="cash")
    checkout.refund_lines(cash, lines=[(2, 1)], key="r1", actor=world.shop.manager, now=clock.now())
    world.shop.confirm(world.shop.sale((world.shop.shirt, 1), use_wallet=True), way="card")


def test_a_store_by_way_as_the_ledger_has_it(world: World) -> None:
    a_day(world)
    total = board(world.finance).total
    assert total.by_way == {"wechat": 100000 + 99600, "cash": 99600 - 29800, "wallet": 29800}
    assert (total.in_fen, total.back_fen, total.top_up_fen, total.count) == (299200, 29800, 100000, 4)
    moved = {row.account: row.balance_fen for row in trial_balance(DAY).rows}
    assert total.money_fen == moved["cash_wechat"] + moved["cash_counter"]


def test_a_counted_day_is_read_from_its_rows_and_says_the_same(world: World) -> None:
    a_day(world)
    live = board(world.finance)
    world.count()
    assert FinanceDay.objects.get().takings_at and Takings.objects.count() == 4
    assert board(world.finance) == live
    world.count()  # again: the same rows
    assert Takings.objects.count() == 4
    take(world.shop.org.store, 5000, "today")  # by now it is the next day: one counted, one live
    both = board(world.finance, last=DAY + timedelta(days=1))
    assert both.total.money_fen == live.total.money_fen + 5000


def test_down_to_a_stores_days_and_no_further_than_one_reads(world: World) -> None:
    org = world.shop.org
    far = make_store(
        area=make_unit("area", parent=make_unit("region", parent=make_unit("branch", parent=org.hq, name="浙江分公司")))
    )
    take(org.store, 1000, "a")
    take(org.other_store, 200, "b")
    take(far, 30, "c")
    found = board(world.finance)
    assert [(line.name, line.taken.money_fen) for line in found.lines] == [("江苏分公司", 1200), ("浙江分公司", 30)]
    assert [one.name for one in found.trail] == ["总部"] and found.stores == 3
    region = board(world.finance, org.region)
    assert {line.name: line.taken.money_fen for line in region.lines} == {"南京一区": 1000, "南京二区": 200}
    store = board(world.finance, org.store.unit)
    assert [(line.day, line.taken.money_fen) for line in store.lines] == [(DAY, 1000)]
    assert [one.name for one in store.trail] == ["总部", "江苏分公司", "南京大区", "南京一区", org.store.unit.name]
    branch = holder_of("branch_manager", org)
    own = board(branch)
    assert own.total.money_fen == 1200 and [one.name for one in own.trail] == ["江苏分公司"]
    for out_of_reach in (far.unit, far.unit.parent):
        with pytest.raises(NotFound):
            board(branch, out_of_reach)
    assert [line.day for line in board(org.manager).lines] == [DAY]  # a manager's own store, by day
    assert board(holder_of("dealer", org)).total == Taken()


def test_money_of_no_store_has_its_line_for_who_reads_all(world: World) -> None:
    legs = [wallet.Leg("cash_wechat", 1, 700), wallet.Leg("suspense", -1, 700)]
    wallet.book(kind="clearing", key="x", legs=legs, subject="break:1", actor=Actor.system("test"), now=clock.now())
    assert [(line.name, line.taken.money_fen) for line in board(world.finance).lines][-1] == ("不归哪家店", 700)
    assert board(holder_of("branch_manager", world.shop.org)).total.money_fen == 0


def test_as_many_statements_for_two_stores_as_for_forty(world: World) -> None:
    org = world.shop.org

    def statements() -> tuple[int, int]:
        who = actor(world.finance)
        with CaptureQueriesContext(connection) as page:
            takings_of(who, unit_id=org.hq.pk, first=DAY, last=DAY)
        with CaptureQueriesContext(connection) as sheet:
            takings_by_store(who, unit_id=None, first=DAY, last=DAY)
        return len(page), len(sheet)

    few = statements()
    for number in range(38):
        take(make_store(area=org.area if number % 2 else org.other_area), 100 + number, f"s{number}")
    assert few == statements() and few[0] <= 5 and few[1] <= 6


def test_the_page_and_the_sheet(client: Client, world: World) -> None:
    a_day(world)
    sign_in(client, world.finance)
    page = client.get(f"/hq/finance/takings/?from={DAY}&to={DAY}").content.decode()
    assert "收款汇总" in page and "江苏分公司" in page and "¥1,996.00" in page
    assert client.get("/hq/finance/takings/?unit=999999").status_code == 404
    assert client.get("/hq/finance/takings/?from=0001-01-01&to=0001-01-01").status_code == 200
    assert "上月" in client.get("/hq/finance/takings/?from=x&to=9999-99-99&unit=").content.decode()
    asked = {"from": str(DAY), "to": str(DAY), "unit": "", "reason": "月度对账", "idempotency_key": "k" * 16}
    assert client.post("/me/exports/ask/takings/", asked).status_code in (200, 302)
    rows = takings_by_store(actor(world.finance), unit_id=None, first=DAY, last=DAY)
    assert [(row.name, list(row.units), row.taken.money_fen) for row in rows][0] == (
        "南京新街口店", ["江苏分公司", "南京大区", "南京一区"], 269400,
    )  # fmt: skip
    assert [column.of(sum_of(rows)) for column in TAKINGS_COLUMNS][5:7] == [199600, 69800]
    make_due(now=clock.now(), budget=timedelta(seconds=20))
    assert Export.objects.get().state == Export.State.READY


def test_who_does_not_read_sums_gets_none(client: Client, world: World) -> None:
    for person in (world.shop.org.guide, holder_of("customer_service", world.shop.org)):
        assert sign_in(client, person).get("/hq/finance/takings/").status_code in (403, 404)


def test_what_a_counter_took_stands_by_how_it_was_paid(world: World) -> None:
    def top_up(way: str, fen: int) -> None:
        at = clock.now()
        asked = wallet.begin_top_up(
            world.member, method="counter", store=world.shop.org.store, guide=world.shop.org.guide, actor=world.shop.guide, now=at,
            amount_fen=fen,
        )  # fmt: skip
        said = wallet.RealName("王建平", ID_NUMBER, "13800132075")
        wallet.confirm_top_up(asked, member=world.member, now=at, terms_version=1, real_name=said)
        wallet.settle_top_up(
            asked,
            key=f"top-up:{asked.pk}",
            paid_by="counter",
            provider_ref="",
            counter_way=way,
            now=at,
            actor=world.shop.guide,
        )

    top_up("card", 30000)
    top_up("cash", 20000)
    top_up("", 10000)  # before it was asked
    undone = Transfer.objects.filter(kind="top_up", provider="cash").get()
    wallet.reverse_transfer(undone.pk, key="undo", reason="mistake", actor=world.boss, now=clock.now())
    take(world.shop.org.store, 5000, "fee")
    total = board(world.finance).total
    assert total.by_way == {"card": 30000, "cash": 0, "counter": 15000}
    with pytest.raises(NotAnOption):
        top_up("wechat", 10000)
