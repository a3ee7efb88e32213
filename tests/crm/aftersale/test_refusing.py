"""Money that does not go back: the ticket is never stuck in 退款中, and everybody who has to go on hears why."""

import pytest

from crm.aftersale import services
from crm.aftersale.models import Ticket, TicketStep
from crm.orders.checkout.models import SaleRefund
from crm.orders.models import OrderLine
from guides.approvals import services as approvals
from guides.approvals.models import Approval
from guides.notices.models import Notification
from tests.crm.orders.checkout.conftest import Shop
from tests.crm.orders.checkout.test_waiting import NATIVE, pay_at_wechat, settle
from tests.factories import checkout as make
from tests.factories.guides import actor, make_staff
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayRefund

from .conftest import Photos

pytestmark = pytest.mark.django_db


def asked_back(shop: Shop) -> Ticket:
    """Return a ticket whose refund a guide has asked for: the manager has to approve it."""
    line = OrderLine.objects.select_related("order").get(order__sale=shop.paid((shop.suit, 1)))
    ticket = services.open_ticket(
        shop.member, kind="return", order=line.order, line=line, actor=Actor.system(), now=clock.now()
    )
    services.reply(ticket, "好的", actor=shop.guide, now=clock.now())
    assert "点头" in services.take_back(ticket, quantity=1, actor=shop.guide, now=clock.now())
    return Ticket.objects.get(pk=ticket.pk)


def told(who: Actor) -> list[str]:
    return list(Notification.objects.filter(staff=who.staff_id, kind="ticket").values_list("title", flat=True))


def go_on() -> dict[str, int]:
    return services.go_on_refused(now=clock.now())


def test_a_refused_refund_goes_back_to_who_answers_and_may_be_asked_again(shop: Shop) -> None:
    ticket = asked_back(shop)
    assert (ticket.state, go_on()["refunds_refused"]) == ("refunding", 0)
    approvals.refuse(Approval.objects.get(), actor=shop.manager, now=clock.now(), answer="吊牌剪了")
    assert go_on() == {"refunds_refused": 1, "refunds_stuck": 0} and go_on()["refunds_refused"] == 0
    ticket.refresh_from_db()
    assert (ticket.state, ticket.refund) == ("responded", None)
    assert any("没同意：吊牌剪了" in title for title in told(shop.guide))
    his = TicketStep.objects.filter(ticket=ticket, is_shown=True).latest("pk")
    assert "还没定下来" in his.text and "吊牌" not in his.text

    # Asked once more, with a better reason, and let go: the first refusal does not stand in its way.
    assert "点头" in services.take_back(ticket, quantity=1, actor=shop.guide, now=clock.now())
    approvals.approve(Approval.objects.get(state="asked"), actor=shop.manager, now=clock.now())
    assert services.close_refunded(now=clock.now()) == {"refunded": 1}
    ticket.refresh_from_db()
    assert ticket.refund is not None and (ticket.state, ticket.refund.amount_fen) == ("closed", 69800)
    assert list(SaleRefund.objects.order_by("pk").values_list("state", flat=True)) == ["refused", "done"]


@pytest.mark.parametrize("stage", ["manager", "service"])
def test_whoever_answers_by_now_hears_of_it(shop: Shop, stage: str) -> None:
    ticket = asked_back(shop)
    desk = actor(make_staff("customer_service", unit=shop.org.hq))
    Ticket.objects.filter(pk=ticket.pk).update(stage=stage)
    approvals.refuse(Approval.objects.get(), actor=shop.manager, now=clock.now(), answer="穿过了")
    go_on()
    who = {"manager": shop.manager, "service": desk}
    assert {name: any("穿过了" in title for title in told(one)) for name, one in who.items()} == {
        name: name == stage for name in who
    }


def test_a_refused_compensation_may_be_asked_for_again(shop: Shop, photos: Photos) -> None:
    coat = make.make_sku(399900, store=shop.org.store)
    line = OrderLine.objects.select_related("order").get(order__sale=shop.paid((coat, 1)))
    ticket = services.open_ticket(
        shop.member, kind="care", order=line.order, line=line, wish={"care_kind": "熨烫"}, actor=Actor.system(), now=clock.now()
    )  # fmt: skip
    services.receive(ticket, photos=photos(2, shop.guide), actor=shop.guide, now=clock.now())
    services.compensate(ticket, reason="烫焦了", actor=shop.manager, now=clock.now())
    finance = actor(make_staff("finance", unit=shop.org.hq))
    approvals.refuse(Approval.objects.get(), actor=finance, now=clock.now(), answer="先试着修")
    assert go_on()["refunds_refused"] == 1
    assert any("先试着修" in title for title in told(shop.guide))
    services.compensate(ticket, reason="修不了，师傅看过", actor=shop.manager, now=clock.now())
    approvals.approve(Approval.objects.get(state="asked"), actor=finance, now=clock.now())
    assert services.close_compensated(now=clock.now()) == {"made_good": 1}


def test_what_wechat_cannot_bring_is_told_once(shop: Shop) -> None:
    sale = shop.confirm(shop.sale((shop.suit, 1)), way=NATIVE)
    settle(sale, pay_at_wechat(sale))
    line = OrderLine.objects.select_related("order").get(order__sale=sale)
    ticket = services.open_ticket(
        shop.member, kind="return", order=line.order, line=line, actor=Actor.system(), now=clock.now()
    )
    services.reply(ticket, "好的", actor=shop.guide, now=clock.now())
    assert "原路退回" in services.take_back(ticket, quantity=1, actor=shop.manager, now=clock.now())
    finance = actor(make_staff("finance", unit=shop.org.hq))
    assert go_on()["refunds_stuck"] == 0
    PayRefund.objects.update(state="abnormal")
    assert [go_on()["refunds_stuck"] for _tick in range(2)] == [1, 0]
    assert [any("退不回去" in title for title in told(one)) for one in (shop.guide, finance)] == [True, True]
    ticket.refresh_from_db()
    assert ticket.state == "refunding"  # the money is owed: it is over once it is back
