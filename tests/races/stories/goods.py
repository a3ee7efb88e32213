"""Goods: the last piece, asked for by two; a transfer with two ends; a piece of its own with two owners."""

from datetime import timedelta
from itertools import count
from typing import Any

from crm.catalogue import services
from crm.catalogue.item_models import ItemBatch, ItemCode
from crm.catalogue.models import ProductTag, Sku, StyleTag
from crm.catalogue.queries import available
from crm.catalogue.stock_models import Reservation, StockMovement, TransferRequest
from tests.factories.crm import make_member, make_order
from tests.factories.goods import SIZE, make_goods, make_stock, sku_of
from tests.factories.guides import actor, make_store
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

SYSTEM = Actor.system("race")
_serial = count(1)


def _one_piece(world: World) -> Sku:
    """Return a size of which the guide's store has one, and the other store one."""
    style = make_goods(f"25FXF{next(_serial):03}-NV")
    for store in (world.org.store, world.org.other_store):
        make_stock(style, store, 1, as_of=NOON - timedelta(hours=1))
    return sku_of(style)


def _keep(world: World, sku: Sku, key: str) -> Any:
    member = make_member(owner=world.org.guide)
    return lambda: services.reserve(sku, world.org.store, 1, member=member, key=key, actor=world.guide, now=NOON)


def two_who_keep_the_last_piece(world: World) -> None:
    sku = _one_piece(world)
    both = overtaken(_keep(world, sku, "a"), _keep(world, sku, "b"))
    assert isinstance(both.second, services.OutOfStock) and Reservation.objects.holding().filter(sku=sku).count() == 1


def _ask(world: World, sku: Sku, key: str) -> TransferRequest:
    return services.ask_transfer(
        sku, source=world.org.other_store, to_store=world.org.store, member=make_member(owner=world.org.guide), key=key,
        actor=world.guide, now=NOON,
    )  # fmt: skip


def two_requests_for_the_last_piece_agreed_to(world: World) -> None:
    sku = _one_piece(world)
    rows, who = [_ask(world, sku, key) for key in "ab"], actor(world.org.stranger)
    both = overtaken(*[lambda row=row: services.answer_transfer(row, agrees=True, actor=who, now=NOON) for row in rows])
    assert isinstance(both.second, services.OutOfStock)
    assert TransferRequest.objects.filter(sku=sku, state="agreed").count() == 1


def a_request_agreed_to_and_withdrawn(world: World) -> None:
    sku = _one_piece(world)
    row, who = _ask(world, sku, "a"), actor(world.org.stranger)
    stale = TransferRequest.objects.select_related("sku", "from_store", "to_store").get(pk=row.pk)
    both = overtaken(
        lambda: services.cancel_transfer(row, actor=world.guide, now=NOON),
        lambda: services.answer_transfer(stale, agrees=True, actor=who, now=NOON),
    )
    assert isinstance(both.second, Conflict) and TransferRequest.objects.get(pk=row.pk).state == "cancelled"


def a_kept_piece_put_back_by_two(world: World) -> None:
    kept = _keep(world, _one_piece(world), "a")()
    both = overtaken(*[lambda: services.release(kept, actor=world.guide, now=NOON)] * 2)
    assert isinstance(both.second, Conflict)


def a_sale_told_twice(world: World) -> None:
    sku = _one_piece(world)
    sale = {"subject": "sale:1", "key": "a", "now": NOON, "actor": SYSTEM}
    both = overtaken(*[lambda: services.sold(world.org.store, [(sku, 1)], **sale)] * 2)
    assert (in_peace(both.first), in_peace(both.second)) == (1, 0)
    assert StockMovement.objects.filter(sku=sku).count() == 1


def two_first_movements_of_a_place(world: World) -> None:
    sku, store = _one_piece(world), make_store()
    both = overtaken(
        *[lambda key=key: services.returned(store, [(sku, 1)], subject="s", key=key, now=NOON, actor=SYSTEM)
          for key in "ab"]
    )  # fmt: skip
    assert (in_peace(both.first), in_peace(both.second)) == (1, 1)
    assert available([sku.pk], [store.pk], now=NOON) == {(store.pk, sku.pk): 2}


def two_who_expire_a_promise(world: World) -> None:
    kept = _keep(world, _one_piece(world), "a")()
    both = overtaken(*[lambda: services.expire_reservations(now=kept.until)] * 2)
    assert (both.first, both.second, both.waited) == (1, 0, False)


def two_who_expire_a_request(world: World) -> None:
    row = _ask(world, _one_piece(world), "a")
    both = overtaken(*[lambda: services.expire_transfers(now=row.due_at)] * 2)
    assert (both.first, both.second, both.waited) == (1, 0, False)


def _piece(sku: Sku, **facts: Any) -> ItemCode:
    batch = ItemBatch.objects.create(key=f"b{ItemBatch.objects.count()}", made_at=NOON, count=1)
    return ItemCode.objects.create(code=f"RACE{ItemCode.objects.count():04}", sku=sku, batch=batch, **facts)


def two_who_register_a_piece(world: World) -> None:
    sku = _one_piece(world)
    item = _piece(sku, sold_at=NOON)
    one, other = make_member(), make_member()
    both = overtaken(
        *[lambda who=who: services.register_piece(item.code, who, actor=SYSTEM, now=NOON) for who in (one, other)]
    )
    assert isinstance(both.second, services.AlreadyRegistered) and ItemCode.objects.get(pk=item.pk).member == one


def two_pieces_of_one_purchase(world: World) -> None:
    sku, member = _one_piece(world), make_member()
    make_order(member, paid_at=NOON, store=world.org.store, lines=[{"sku_code": sku.style.sku_code, "size": SIZE}])
    items = [_piece(sku), _piece(sku)]
    both = overtaken(
        *[lambda item=item: services.register_piece(item.code, member, actor=SYSTEM, now=NOON) for item in items]
    )
    assert isinstance(both.second, services.NotYours)


def codes_made_twice(world: World) -> None:
    sku = _one_piece(world)
    both = overtaken(*[lambda: services.make_codes(sku, 2, key="same", actor=SYSTEM, now=NOON)] * 2)
    assert (in_peace(both.first).pk, ItemCode.objects.filter(sku=sku).count()) == (in_peace(both.second).pk, 2)


def two_who_end_a_price(world: World) -> None:
    style = _one_piece(world).style
    row = services.set_price(
        style, kind="promotion", price_fen=1000, starts_at=NOON, ends_at=NOON + timedelta(days=2), actor=SYSTEM, now=NOON
    )  # fmt: skip
    later = NOON + timedelta(days=1)
    both = overtaken(*[lambda: services.end_price(row, actor=SYSTEM, now=later)] * 2)
    assert isinstance(both.second, Conflict)


def two_who_set_a_tag(world: World) -> None:
    style = _one_piece(world).style
    tag, _new = ProductTag.objects.get_or_create(
        key="race", defaults={"name": "赛", "group": "product", "subgroup": "design", "kind": "fact", "value_type": "enum",
                              "source": "DRP", "values": ["甲", "乙", "丙"], "place": 99},
    )  # fmt: skip
    services.set_tag(style, tag, ["丙"], actor=SYSTEM, now=NOON)
    both = overtaken(
        *[lambda value=value: services.set_tag(style, tag, [value], actor=SYSTEM, now=NOON) for value in "甲乙"]
    )
    in_peace(both.second)
    assert list(StyleTag.objects.filter(style=style).values_list("value", flat=True)) == ["乙"]
