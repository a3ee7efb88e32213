"""What the member does with it, and what follows: paid, refused, withdrawn, too late, transferred or not."""

from typing import Any

import pytest

from crm.catalogue.queries import available
from crm.events import OrderPaid
from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import close_expired, member_pays
from crm.orders.models import Order
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.queries import standing_of
from crm.orders.proxy.services import (
    OwnTransfer,
    confirm_transfer,
    dispute_transfer,
    follow_orders,
    note_opened,
    note_paid,
    refuse_order,
    withdraw_order,
)
from guides.notices.models import Notification
from tests.factories.crm import make_member
from tests.factories.guides import actor, sign_in
from tests.factories.portal import as_member
from yejibao.core import clock as product_clock
from yejibao.core.errors import Conflict, NotFound
from yejibao.core.outbox.models import OutboxEvent

from .conftest import Deal
from .test_sending import free, voucher


def pays(deal: Deal, proxy: ProxyOrder) -> Sale:
    """He pays the whole with his card."""
    return member_pays(
        proxy.sale, member=deal.member, use_wallet=True, key="pays", now=product_clock.now(), actor=deal.he
    )


def words(proxy: ProxyOrder) -> str:
    found = ProxyOrder.objects.with_people().get(pk=proxy.pk)
    return standing_of(found).words


def test_paid_by_card_it_is_an_order_of_hers_and_she_hears_it(deal: Deal) -> None:
    proxy = deal.send(way="wallet")
    note_opened(proxy.sale, member=deal.member, now=product_clock.now())
    assert words(proxy) == "他打开了"
    sale = pays(deal, proxy)
    order = Order.objects.get()
    assert (sale.state, order.kind, order.guide_id, order.paid_fen) == (
        Sale.State.PAID,
        "proxy",
        deal.org.guide.pk,
        189900,
    )
    assert OutboxEvent.objects.filter(topic=OrderPaid.topic).count() == 1
    assert note_paid([order.pk], now=product_clock.now()) == 1 and note_paid([order.pk], now=product_clock.now()) == 0
    assert words(proxy) == "付好了" and "王建平付好了" in Notification.objects.get(staff=deal.org.guide).title
    assert free(deal, deal.coat) == 1


def test_refused_all_goes_back_and_his_guide_is_told(deal: Deal) -> None:
    proxy = deal.send()
    refuse_order(proxy, member=deal.member, reason="颜色不合适", actor=deal.he, now=product_clock.now())
    assert (words(proxy), free(deal, deal.coat)) == ("他不要了", 2)
    assert Notification.objects.get(staff=deal.org.guide).text == "颜色不合适"
    with pytest.raises(Conflict):
        refuse_order(proxy, member=deal.member, reason="", actor=deal.he, now=product_clock.now())


def test_only_he_refuses_or_confirms(deal: Deal) -> None:
    proxy = deal.send(way="transfer", vouchers=voucher(deal))
    other = make_member(owner=deal.org.guide)
    for act in (
        lambda: refuse_order(proxy, member=other, reason="", actor=as_member(other), now=product_clock.now()),
        lambda: confirm_transfer(proxy, member=other, key="k", actor=as_member(other), now=product_clock.now()),
        lambda: dispute_transfer(proxy, member=other, actor=as_member(other), now=product_clock.now()),
    ):
        with pytest.raises(NotFound):
            act()


def test_withdrawn_its_pieces_are_free_again(deal: Deal) -> None:
    proxy = deal.send()
    withdraw_order(proxy, reason="", actor=deal.guide, now=product_clock.now())
    assert (words(proxy), free(deal, deal.coat)) == ("撤回了", 2)


def test_too_late_it_is_closed_and_she_hears_it(deal: Deal) -> None:
    proxy = deal.send()
    now = deal.clock.advance(hours=2, minutes=1)
    close_expired(now=now)
    assert follow_orders(now=now) == {"asked": 0, "ended": 1}
    assert follow_orders(now=now) == {"asked": 0, "ended": 0}
    assert (words(proxy), free(deal, deal.coat)) == ("过期没付", 2)
    assert "过期" in Notification.objects.get(staff=deal.org.guide).title


# ---------------------------------------------------------------- transferred to the guide


def test_a_transfer_is_paid_once_he_has_said_so(deal: Deal) -> None:
    proxy = deal.send(way="transfer", vouchers=voucher(deal))
    assert words(proxy) == "等他确认" and not Order.objects.exists()
    confirm_transfer(proxy, member=deal.member, key="said", actor=deal.he, now=product_clock.now())
    again = confirm_transfer(proxy, member=deal.member, key="said", actor=deal.he, now=product_clock.now())
    assert again.confirmed_by_id is None and words(proxy) == "转账确认了" and Order.objects.count() == 1
    assert list(proxy.sale.payments.values_list("way", "amount_fen")) == [("voucher", 189900)]


def test_she_does_not_say_herself_that_it_came(deal: Deal) -> None:
    proxy = deal.send(way="transfer", vouchers=voucher(deal))
    with pytest.raises(OwnTransfer):
        confirm_transfer(proxy, member=None, key="k", actor=deal.guide, now=product_clock.now())
    held = confirm_transfer(proxy, member=None, key="k", actor=actor(deal.org.manager), now=product_clock.now())
    assert held.confirmed_by_id == deal.org.manager.pk


def test_what_he_does_not_confirm_is_the_managers_after_a_day(deal: Deal) -> None:
    proxy = deal.send(way="transfer", vouchers=voucher(deal))
    assert follow_orders(now=deal.clock.advance(hours=23)) == {"asked": 0, "ended": 0}
    assert follow_orders(now=deal.clock.advance(hours=2)) == {"asked": 1, "ended": 0}
    assert follow_orders(now=product_clock.now()) == {"asked": 0, "ended": 0}
    told = Notification.objects.get(staff=deal.org.manager)
    assert "没确认转账" in told.title and told.url == f"/g/proxy/{proxy.sale.public_id}/state/"


def test_he_transferred_nothing_the_manager_hears_it_at_once(deal: Deal) -> None:
    proxy = deal.send(way="transfer", vouchers=voucher(deal))
    dispute_transfer(proxy, member=deal.member, actor=deal.he, now=product_clock.now())
    assert words(proxy) == "他说没转过" and "没有转过" in Notification.objects.get(staff=deal.org.manager).title
    with pytest.raises(Conflict):
        confirm_transfer(proxy, member=None, key="k", actor=actor(deal.org.manager), now=product_clock.now())


def test_the_manager_looks_at_it_and_says_yes(deal: Deal, client: Any) -> None:
    proxy = deal.send(way="transfer", vouchers=voucher(deal))
    at = f"/g/proxy/{proxy.sale.public_id}/"
    sign_in(client, deal.org.manager)
    assert "核对过了，算付好" in client.get(f"{at}state/").content.decode()
    client.post(f"{at}decide/", {"do": "confirm", "idempotency_key": "m1"})
    proxy.refresh_from_db()
    assert proxy.confirmed_by_id == deal.org.manager.pk
    assert (
        available([deal.coat.pk], [deal.org.store.pk], now=product_clock.now())[(deal.org.store.pk, deal.coat.pk)] == 1
    )
