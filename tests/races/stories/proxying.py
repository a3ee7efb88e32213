"""代客下单: two taps, two who say it was transferred, two who end it."""

from datetime import timedelta
from typing import Any

from crm.members.models import Member
from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import add_lines
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.services import OverTheDay, confirm_transfer, follow_orders, note_paid, open_basket, send_order
from tests.factories.checkout import make_sku
from tests.factories.portal import as_member
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core import files
from yejibao.core.files import StoredFile


def _voucher(world: World) -> Any:
    return StoredFile.objects.create(
        room="proxy", by_id=world.org.guide.pk, at=NOON, path="files/x", content_type="image/jpeg", size=1, sha256="x"
    ).name


def _basket(world: World, member: Member, price_fen: int = 300000) -> Sale:
    sku = make_sku(price_fen, store=world.org.store)
    sale = open_basket(member, actor=world.guide, now=NOON)
    return add_lines(sale, [(sku.code, 1)], actor=world.guide, now=NOON)


def _transferred(world: World, member: Member) -> ProxyOrder:
    assert files  # its room is declared
    return send_order(
        _basket(world, member),
        way="transfer",
        delivery="pickup",
        vouchers=[_voucher(world)],
        actor=world.guide,
        now=NOON,
    )


def two_taps_on_a_basket(world: World) -> None:
    member = world.member()
    both = overtaken(*[lambda: open_basket(member, actor=world.guide, now=NOON)] * 2)
    assert in_peace(both.first).pk == in_peace(both.second).pk


def two_fit_into_the_rest_of_a_day(world: World) -> None:
    baskets = [_basket(world, world.member()) for _ in range(2)]
    vouchers = [_voucher(world) for _ in range(2)]
    who = world.guide
    both = overtaken(
        *[
            lambda sale=sale, name=name: send_order(
                sale, way="transfer", delivery="pickup", vouchers=[name], actor=who, now=NOON
            )
            for sale, name in zip(baskets, vouchers, strict=True)
        ]
    )
    assert in_peace(both.first) and isinstance(both.second, OverTheDay)


def he_and_the_manager_say_it_was_transferred(world: World) -> None:
    member = world.member()
    proxy = _transferred(world, member)
    both = overtaken(
        lambda: confirm_transfer(proxy, member=member, key="he", actor=as_member(member), now=NOON),
        lambda: confirm_transfer(proxy, member=None, key="manager", actor=world.manager, now=NOON),
    )
    assert in_peace(both.first).confirmed_by_id is None and in_peace(both.second).confirmed_by_id is None


def it_is_told_once_that_he_paid(world: World) -> None:
    member = world.member()
    proxy = _transferred(world, member)
    confirm_transfer(proxy, member=member, key="he", actor=as_member(member), now=NOON)
    order = ProxyOrder.objects.get(pk=proxy.pk).sale.order_id
    both = overtaken(*[lambda: note_paid([order], now=NOON)] * 2)
    assert (in_peace(both.first), in_peace(both.second)) == (1, 0)


def two_beats_ask_the_manager(world: World) -> None:
    _transferred(world, world.member())
    late = NOON + timedelta(hours=25)
    both = overtaken(*[lambda: follow_orders(now=late)] * 2)
    assert (in_peace(both.first)["asked"], in_peace(both.second)["asked"]) == (1, 0)
