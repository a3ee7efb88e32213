"""What the work on a garment costs, by each way a counter knows: cash, card, his stored value, his WeChat's payment code."""

import pytest
from django.test import Client

from crm.aftersale import services
from crm.aftersale.models import CareSlip, Ticket
from crm.members import shown
from crm.members.models import Member
from crm.orders.models import OrderLine
from crm.wallet import services as wallet
from crm.wallet.models import Account, LedgerEntry, Transfer
from tests.conftest import SandboxControl
from tests.crm.orders.checkout.conftest import Shop
from tests.factories.guides import sign_in
from yejibao.core import clock, outbox
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder, PayRefund

from .conftest import Photos

pytestmark = pytest.mark.django_db
FEE = 8000


@pytest.fixture
def ticket(shop: Shop, photos: Photos) -> Ticket:
    """Return a ticket whose garment is with us, to be paid for."""
    Member.objects.filter(pk=shop.member.pk).update(member_level="V1")
    shop.member.refresh_from_db()
    line = OrderLine.objects.select_related("order").get(order__sale=shop.paid((shop.suit, 1)))
    made = services.open_ticket(
        shop.member, kind="care", order=line.order, line=line, wish={"care_kind": "除味"}, actor=Actor.system(), now=clock.now()
    )  # fmt: skip
    services.receive(made, photos=photos(2, shop.guide), price_fen=FEE, actor=shop.guide, now=clock.now())
    return Ticket.objects.get(pk=made.pk)


def path_of(ticket: Ticket) -> str:
    return f"/g/tickets/{ticket.pk}/"


def sums() -> dict[str, int]:
    """Return what stands on each account of the house for this fee: debit less credit."""
    found: dict[str, int] = {}
    for entry in LedgerEntry.objects.filter(transfer__subject__startswith="ticket:"):
        found[entry.account] = found.get(entry.account, 0) + entry.side * entry.amount_fen
    return {account: fen for account, fen in found.items() if fen}


@pytest.mark.parametrize("way", ["cash", "card", "wallet"])
def test_over_the_counter_or_by_the_card_of_who_shows_his_code(
    client: Client, shop: Shop, ticket: Ticket, way: str
) -> None:
    sign_in(client, shop.org.guide)
    page = client.get(path_of(ticket)).content.decode()
    assert 'data-scan-into="shown_code"' in page and "收 ¥80.00" in page
    given = {"do": "fee", "way": way, "idempotency_key": "k1"}
    if way == "wallet":
        assert client.post(f"{path_of(ticket)}say/", given | {"idempotency_key": "k0"}).status_code == 409
        given["shown_code"] = shown.code_of(shop.member.member_no)
    for _twice in range(2):
        assert client.post(f"{path_of(ticket)}say/", given).status_code == 302
    slip = CareSlip.objects.get()
    assert (slip.fee_way, slip.fee_fen) == (way, 0)
    assert Transfer.objects.get(pk=slip.fee_transfer_id).provider == ("" if way == "wallet" else way)
    assert wallet.balance_of(shop.member).total_fen == 212000 - (FEE if way == "wallet" else 0)


def code_of(pay: SandboxControl, outcome: str = "success") -> str:
    return str(pay.post("auth-code", openid="oPayer", outcome=outcome)["auth_code"])


def test_his_payment_code_is_charged_once_and_given_back_when_we_spoil_it(
    client: Client, shop: Shop, ticket: Ticket, pay_sandbox: SandboxControl
) -> None:
    sign_in(client, shop.org.guide)
    path = f"{path_of(ticket)}fee-code/"
    assert client.post(path, {"auth_code": "12", "idempotency_key": "k0"}).status_code == 302
    assert not PayOrder.objects.exists()
    code = code_of(pay_sandbox)
    for number in range(2):
        assert client.post(path, {"auth_code": code, "idempotency_key": f"k{number}"}).status_code == 302
    outbox.drain_events()  # WeChat's own word comes as well
    slip = CareSlip.objects.get()
    assert (slip.fee_way, slip.fee_fen, PayOrder.objects.count()) == ("wechat", 0, 1)
    assert sums() == {Account.CASH_WECHAT: FEE, Account.REVENUE_CLEARING: -FEE}

    services.repair_own_damage(ticket, reason="扣子掉了", actor=shop.guide, now=clock.now())
    back = PayRefund.objects.get()
    assert (back.amount_fen, sums()) == (FEE, {Account.CASH_WECHAT: FEE, Account.REFUND_CLEARING: -FEE})
    for _twice in range(2):
        services.settle_fee_back(
            slip.pk, pay_refund_id=back.pk, amount_fen=FEE, provider_txn="50000001", now=clock.now()
        )
    assert sums() == {}


def test_cash_ends_the_waiting_and_money_nobody_wants_goes_back(shop: Shop, ticket: Ticket) -> None:
    order = services.begin_fee(ticket, actor=shop.guide, now=clock.now())
    PayOrder.objects.update(state="paid", transaction_id="4200001", paid_at=clock.now(), next_look_at=None)
    with pytest.raises(wechatpay.PaidAlready):  # its word is on its way
        services.take_fee(ticket, way="cash", key="k", actor=shop.guide, now=clock.now())
    services.repair_own_damage(ticket, reason="扣子掉了", actor=shop.guide, now=clock.now())
    slip = CareSlip.objects.get()
    services.settle_fee(slip.pk, pay_order_id=order.pk, transaction_id="4200001", now=clock.now())
    assert (PayRefund.objects.get().amount_fen, slip.fee_at, sums()) == (FEE, None, {})


def test_another_way_closes_the_order_at_wechat(shop: Shop, ticket: Ticket) -> None:
    order = services.begin_fee(ticket, actor=shop.guide, now=clock.now())
    services.take_fee(ticket, way="cash", key="k", actor=shop.guide, now=clock.now())
    order.refresh_from_db()
    assert order.state == "closed"


def test_a_fee_that_wechat_cannot_bring_back_is_ended_by_hand(
    client: Client, shop: Shop, ticket: Ticket, pay_sandbox: SandboxControl
) -> None:
    sign_in(client, shop.org.guide)
    client.post(f"{path_of(ticket)}fee-code/", {"auth_code": code_of(pay_sandbox), "idempotency_key": "k0"})
    outbox.drain_events()
    services.repair_own_damage(ticket, reason="扣子掉了", actor=shop.guide, now=clock.now())
    back = PayRefund.objects.get()
    assert sums() == {Account.CASH_WECHAT: FEE, Account.REFUND_CLEARING: -FEE}
    assert services.end_fee_back(back.pk, credit=Account.CASH_COUNTER, actor=shop.manager, now=clock.now())
    assert sums() == {Account.CASH_WECHAT: FEE, Account.CASH_COUNTER: -FEE}
    PayRefund.objects.update(key="late:1")
    assert not services.end_fee_back(back.pk, credit=Account.CASH_COUNTER, actor=shop.manager, now=clock.now())
