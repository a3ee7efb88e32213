"""Stored value, top-ups and the sales a guide sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale
from crm.orders.proxy.models import ProxyOrder
from crm.portal.offer_api import SALE, TRANSFER_SALE
from crm.portal.wallet_api import TOP_UP
from crm.wallet.models import TopUp
from crm.wallet.services import RealName, begin_top_up, confirm_top_up
from tests.factories.checkout import make_sku
from tests.factories.guides import actor
from tests.factories.wallet import id_number, make_holder, make_wallet

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    make_wallet(it.member, now=it.now, principal_fen=186000, gift_fen=1400, store=it.org.store)
    facts = {"store": it.org.store, "guide": it.org.guide, "actor": actor(it.org.guide), "now": it.now}
    asked = begin_top_up(it.member, tier="t1000", method="wechat", **facts)
    TopUp.objects.filter(pk=asked.pk).update(public_id=TOP_UP)
    for public_id, way in ((SALE, "link"), (TRANSFER_SALE, "transfer")):
        _sent(it, public_id, way)


def _sent(it: ExampleWorld, public_id: str, way: str) -> None:
    """A basket the guide sent, with the row that says how."""
    who, store = actor(it.org.guide), it.org.store
    sku = make_sku(100000, store=store, size="180/96A")
    sale = checkout.start_sale(
        channel="proxy", store=store, guide=it.org.guide, member=it.member, actor=who, now=it.now
    )
    checkout.set_lines(sale, [(sku.code, 1)], actor=who, now=it.now)
    held = checkout.offer_to_member(sale, actor=who, now=it.now)
    ProxyOrder.objects.create(
        sale=held, store=store, guide=it.org.guide, member=it.member, way=way, delivery="pickup", amount_fen=100000,
        day=it.now.date(), sent_at=it.now, expires_at=held.expires_at,
    )  # fmt: skip
    Sale.objects.filter(pk=held.pk).update(public_id=public_id)


def _confirmed(it: ExampleWorld) -> None:
    held = TopUp.objects.get(public_id=TOP_UP)
    confirm_top_up(
        held, member=it.member, now=it.now, terms_version=1, real_name=RealName("王建平", id_number(), "13800132075")
    )


def _registered(it: ExampleWorld) -> None:
    make_holder(it.member, now=it.now, name="王建平")


PREPARE = {"member_top_up_pay": _confirmed, "member_wallet_refund_ask": _registered}
