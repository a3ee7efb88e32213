"""A refund WeChat cannot bring back: paid by hand or given up, by two people, with the books right and the day at 0."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from crm.aftersale.services.settling import _back
from crm.finance import services
from crm.finance.models import RefundEnding
from crm.finance.services import EndsAlready, NotApproved
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import SaleRefund
from crm.portal.queries import orders_of
from crm.wallet.models import Account
from crm.wallet.services import trial_balance
from guides.approvals.models import Approval
from guides.approvals.services import OwnRequest, approve, refuse
from guides.org.models import Staff
from tests.crm.orders.proxy.test_sending import PIXEL
from tests.factories.guides import actor, holder_of, sign_in
from yejibao.core import clock, files
from yejibao.core.errors import Invalid
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayRefund

from .conftest import DAY, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def stuck(world: World) -> PayRefund:
    """The shirt of a sale paid by WeChat came back; the member's account there is gone."""
    sale = world.sell()
    checkout.refund_lines(sale, lines=[(2, 1)], key="r1", actor=world.shop.manager, now=clock.now())
    world.pay.post("refunds/next", outcome="ABNORMAL")
    world.settle()
    world.settle()
    refund = PayRefund.objects.get()
    assert (refund.state, refund.amount_fen) == ("abnormal", 29800)
    return refund


@pytest.fixture
def second(world: World) -> Staff:
    return holder_of("finance", world.shop.org)


def ask(world: World, refund: PayRefund, how: str = "paid") -> RefundEnding:
    return services.ask_ending(refund.pk, how=how, reason="会员注销了微信支付", actor=world.boss, now=clock.now())


def agree(person: Staff) -> None:
    approve(Approval.objects.get(state="asked"), actor=actor(person), now=clock.now())


def pay(world: World, refund: PayRefund, **facts: Any) -> RefundEnding:
    slip = files.keep(PIXEL, room="refund-payout", by_id=world.finance.pk, now=clock.now())
    facts = {"payout_ref": "2026112000123", "vouchers": [slip.name]} | facts
    services.ask_provider(refund.pk, actor=world.boss, now=clock.now())
    return services.pay_ending(refund.pk, actor=world.boss, now=clock.now(), **facts)


def balances() -> dict[str, int]:
    return {row.account: row.balance_fen for row in trial_balance(DAY).rows}


def test_paid_by_hand_it_leaves_by_the_counter_and_the_day_closes_with_0(
    world: World, stuck: PayRefund, second: Staff
) -> None:
    ask(world, stuck)
    with pytest.raises(OwnRequest):
        agree(world.finance)
    with pytest.raises(NotApproved):
        pay(world, stuck)
    with pytest.raises(EndsAlready):  # not sent once more meanwhile
        services.send_again(stuck.pk, actor=world.boss, now=clock.now())
    agree(second)
    assert balances()[Account.REFUND_CLEARING] == -29800  # owed until it is paid
    for wrong in ({"payout_ref": " "}, {"vouchers": []}):
        with pytest.raises(Invalid):
            pay(world, stuck, **wrong)
    done = pay(world, stuck)
    stuck.refresh_from_db()
    assert (done.state, stuck.state, SaleRefund.objects.get().state) == ("done", "paid_out", "done")
    held = balances()
    assert (held[Account.REFUND_CLEARING], held[Account.CASH_COUNTER], held[Account.SUSPENSE]) == (0, -29800, 0)
    day = world.count()
    assert (day.state, day.difference_fen, day.in_balance) == ("counted", 0, True)
    assert services.close_day(DAY, actor=world.boss, now=clock.now()).is_closed
    acts = ["finance.refund_end_asked", "finance.refund_end_approved", "pay.refund_ended", "finance.refund_end_done"]
    assert [AuditEntry.objects.filter(action=act).count() for act in acts] == [1, 1, 1, 1]


def test_given_up_it_stands_where_nobody_has_claimed_it_yet(world: World, stuck: PayRefund, second: Staff) -> None:
    ask(world, stuck, "given_up")
    agree(second)
    stuck.refresh_from_db()
    held = balances()
    assert (stuck.state, held[Account.REFUND_CLEARING], held[Account.SUSPENSE]) == ("given_up", 0, -29800)
    refund = SaleRefund.objects.get()
    assert (refund.state, refund.given_up_fen, refund.got_fen, refund.state_said) == ("done", 29800, 0, "没退成")
    assert [one.is_given_up for one in refund.parts.all()] == [True]
    day = world.count()
    assert (day.difference_fen, day.proof["sales"]["back"]) == (0, {})  # nothing went back to anybody


def test_what_was_given_up_reads_so_for_guide_and_member(
    world: World, stuck: PayRefund, second: Staff, client: Client
) -> None:
    ask(world, stuck, "given_up")
    agree(second)
    refund = SaleRefund.objects.get()
    sign_in(client, world.shop.org.guide)
    page = client.get(f"/g/till/refunds/{refund.pk}/").content.decode()
    assert "没退成" in page and "已到" not in page and "已退款" not in page
    receipt = client.get(f"/g/till/{refund.sale.public_id}/receipt/").content.decode()
    assert "没退成" in receipt
    (order,) = orders_of(Actor(kind="member", member_id=world.member.pk))
    assert (order.given_up_fen, order.refunded_fen) == (29800, 29800)
    assert _back(refund) == "¥298.00 没退成，财务停止了退款"
    refund.amount_fen = 39800
    assert (_back(refund), refund.state_said) == ("退了 ¥100.00，¥298.00 没退成，财务停止了退款", "只退成一部分")


def test_one_way_at_a_time_and_what_was_refused_may_be_asked_again(
    world: World, stuck: PayRefund, second: Staff
) -> None:
    ask(world, stuck)
    with pytest.raises(EndsAlready):
        ask(world, stuck, "given_up")
    refuse(Approval.objects.get(), actor=actor(second), now=clock.now(), answer="先再试一次")
    assert RefundEnding.objects.get().state == "dropped"
    services.send_again(stuck.pk, actor=world.boss, now=clock.now())
    with pytest.raises(wechatpay.NotStuck):  # it is on its way again
        ask(world, stuck)
    world.settle()
    world.settle()
    stuck.refresh_from_db()
    assert stuck.state == "success"


def test_what_wechat_brought_back_meanwhile_is_not_paid_again(world: World, stuck: PayRefund, second: Staff) -> None:
    ask(world, stuck)
    agree(second)
    world.pay.post("refunds/settle", out_refund_no=stuck.out_refund_no)
    with pytest.raises(wechatpay.NotStuck):
        pay(world, stuck)
    assert RefundEnding.objects.get().state == "dropped" and balances()[Account.CASH_COUNTER] == 0


def test_what_wechat_brings_back_after_that_is_booked_by_nobody_and_is_a_break_of_the_day(
    world: World, stuck: PayRefund, second: Staff
) -> None:
    ask(world, stuck)
    agree(second)
    pay(world, stuck)
    before = balances()
    world.pay.post("refunds/settle", out_refund_no=stuck.out_refund_no)
    assert wechatpay.ask_again(stuck.pk, now=clock.now()).error == "TWICE"
    stuck.refresh_from_db()
    assert (stuck.state, balances()) == ("paid_out", before)
    assert AuditEntry.objects.filter(action="pay.refund_twice").count() == 1
    day = world.count()
    assert {(one.source, one.difference_fen) for one in day.breaks.all()} == {("trade", -29800), ("fund", -29800)}


def test_the_page_asks_and_pays(client: Client, world: World, stuck: PayRefund, second: Staff) -> None:
    sign_in(client, world.finance)
    url = f"/hq/finance/refunds/{stuck.pk}/"
    assert "退不回去，另外处理" in client.get(url).content.decode()
    given = {"how": "paid", "reason": "会员注销了微信支付"}
    assert client.post(f"{url}end/", given).status_code == 400  # without a key
    assert client.post(f"{url}end/", given | {"idempotency_key": "e" * 16}).status_code == 302
    assert "等批准" in client.get(url).content.decode()
    agree(second)
    assert "付好了，入账" in client.get(url).content.decode()
    refused = client.post(f"{url}pay/", {"payout_ref": "20261120", "idempotency_key": "p" * 16})
    assert refused.status_code == 422 and "回单" in refused.content.decode()
    slip = SimpleUploadedFile("slip.png", PIXEL, "image/png")
    paid = client.post(f"{url}pay/", {"payout_ref": "20261120", "photo": slip, "idempotency_key": "q" * 16})
    assert paid.status_code == 302
    page = client.get(url).content.decode()
    assert "另外付了" in page and "20261120" in page
    assert sign_in(client, world.shop.org.manager).get(url).status_code in (403, 404)
