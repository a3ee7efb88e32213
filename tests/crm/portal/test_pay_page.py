"""The link to pay on a member's phone: prices of the server, once, his alone; and what he says of an order his guide sent."""

from datetime import timedelta

import pytest
from django.test import Client

from crm.benefits.models import Coupon
from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale
from crm.orders.proxy.models import ProxyOrder
from tests.conftest import TestClock
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template
from tests.factories.checkout import give_card, make_sku
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor
from tests.factories.portal import sign_in_member
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry

from .test_pages import posted, shown

pytestmark = pytest.mark.django_db


def offered(member: Member, org: Org, *, hours: int = 2) -> Sale:
    now, who = product_clock.now(), actor(org.guide)
    sku = make_sku(100000, store=org.store)
    sale = checkout.start_sale(channel="proxy", store=org.store, guide=org.guide, member=member, actor=who, now=now)
    checkout.set_lines(sale, [(sku.code, 1)], actor=who, now=now)
    return checkout.offer_to_member(sale, actor=who, now=now, until=now + timedelta(hours=hours))


def test_the_pay_page_prices_what_he_chooses_on_the_server(phone: Client, member: Member, org: Org) -> None:
    give_points(member, 5000)
    give_card(member, 30000, 3000)
    make_coupon(member, make_batch(make_template("满 500 减 100")))
    path = f"/my/pay/{offered(member, org).public_id}/"
    first = shown(phone.get(path))
    assert "抗皱羊毛修身套西" in first and "还要付 ¥900.00" in first  # the best coupon stands there already
    htmx = {"HX-Request": "true"}
    assert "还要付 ¥1,000.00" in shown(phone.get(path, {"chosen": "1", "coupon": ""}, headers=htmx))
    code = Coupon.objects.get().code
    everything = shown(phone.get(path, {"chosen": "1", "coupon": code, "points": "1", "wallet": "1"}, headers=htmx))
    # 100000 - 10000 = 90000; points: 5000 = 5000 fen; card: 33000
    assert "还要付 ¥520.00" in everything and "−¥50.00" in everything and "−¥330.00" in everything
    assert "还要付 ¥1,000.00" in shown(phone.get(path, {"chosen": "1", "coupon": "NOTMINE"}, headers=htmx))


def test_paid_by_card_at_once_and_only_once(phone: Client, member: Member, org: Org) -> None:
    give_card(member, 200000)
    sale = offered(member, org)
    path, fields = f"/my/pay/{sale.public_id}/", {"chosen": "1", "wallet": "1", "due": "0"}
    assert phone.post(f"{path}confirm/", fields).status_code == 400
    assert phone.post(f"{path}confirm/", fields | {"idempotency_key": "k"}).status_code == 302
    assert phone.post(f"{path}confirm/", fields | {"idempotency_key": "k"}).status_code == 302
    other = phone.post(f"{path}confirm/", fields | {"idempotency_key": "k2"})
    sale.refresh_from_db()
    assert (sale.state, sale.principal_fen, other.status_code) == ("paid", 100000, 409)
    assert "付好了 ¥1,000.00" in shown(phone.get(path))
    assert phone.get(f"{path}state/").json() == {"state": "paid"}
    row = AuditEntry.objects.get(action="sale.confirmed")
    assert (row.actor_kind, row.actor_id) == ("member", member.pk)


def test_a_price_other_than_the_one_he_saw_is_refused(phone: Client, member: Member, org: Org) -> None:
    sale = offered(member, org)
    refused = posted(phone, f"/my/pay/{sale.public_id}/confirm/", chosen="1", due="1")
    assert refused.status_code == 409 and Sale.objects.get().state == "awaiting_member"


def test_an_expired_link_takes_nothing(phone: Client, member: Member, org: Org, clock: TestClock) -> None:
    give_card(member, 200000)
    sale = offered(member, org, hours=1)
    clock.advance(hours=1)
    path = f"/my/pay/{sale.public_id}/"
    assert "链接过期" in shown(phone.get(path))
    assert posted(phone, f"{path}confirm/", chosen="1", wallet="1").status_code == 409
    assert Sale.objects.get().state == "awaiting_member"


def test_another_members_sale_and_a_basket_nobody_sent_are_not_there(phone: Client, org: Org, member: Member) -> None:
    foreign = offered(make_member(owner=org.guide), org)
    who, now = actor(org.guide), product_clock.now()
    draft = checkout.start_sale(channel="proxy", store=org.store, guide=org.guide, member=member, actor=who, now=now)
    for sale in (foreign, draft):
        assert phone.get(f"/my/pay/{sale.public_id}/").status_code == 404
        assert posted(phone, f"/my/pay/{sale.public_id}/confirm/", chosen="1").status_code == 404


# ---------------------------------------------------------------- what a guide ordered for him


def sent(member: Member, org: Org, *, way: str) -> ProxyOrder:
    """Return an order a guide sent: by link, or as transferred to her."""
    sale = offered(member, org)
    return ProxyOrder.objects.create(
        sale=sale, store=org.store, guide=org.guide, member=member, way=way, amount_fen=100000, sent_at=product_clock.now(),
        expires_at=sale.expires_at, day=product_clock.today(),
    )  # fmt: skip


def test_opening_the_link_is_noted_and_he_may_say_no(phone: Client, member: Member, org: Org) -> None:
    proxy = sent(member, org, way="link")
    path = f"/my/pay/{proxy.sale.public_id}/"
    assert "这一单我不要" in shown(phone.get(path))
    assert posted(phone, f"{path}refuse/", reason="颜色不喜欢").status_code == 302
    proxy.refresh_from_db()
    assert proxy.opened_at and proxy.refused_at and proxy.reason == "颜色不喜欢"
    assert Sale.objects.get().state == "closed"


def test_only_he_says_that_he_transferred_the_money(phone: Client, member: Member, org: Org) -> None:
    proxy = sent(member, org, way="transfer")
    path = f"/my/pay/{proxy.sale.public_id}/"
    assert "转给导购了吗" in shown(phone.get(path))
    stranger = sign_in_member(Client(), make_member())
    assert posted(stranger, f"{path}transferred/").status_code == 404
    assert phone.post(f"{path}transferred/").status_code == 400
    assert posted(phone, f"{path}transferred/").status_code == 302
    assert Sale.objects.get().state == "paid" and "付好了" in shown(phone.get(path))


def test_what_he_denies_is_not_paid(phone: Client, member: Member, org: Org) -> None:
    proxy = sent(member, org, way="transfer")
    path = f"/my/pay/{proxy.sale.public_id}/"
    posted(phone, f"{path}not-transferred/")
    proxy.refresh_from_db()
    assert proxy.disputed_at is not None and Sale.objects.get().state == "awaiting_member"
    assert "店长正在核实" in shown(phone.get(path)) and "我转过" in shown(phone.get(path))
    assert posted(phone, f"{path}transferred/").status_code == 302  # he found out that he had
    assert Sale.objects.get().state == "paid"
