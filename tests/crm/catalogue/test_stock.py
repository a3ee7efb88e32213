"""Where pieces are now: the feed, what came and went since, what is promised; keeping and asking; pieces of their own."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.catalogue import services
from crm.catalogue.item_models import ItemCode
from crm.catalogue.models import StyleColor
from crm.catalogue.queries import available, far_stores, free_at, near_stores, stock_by_size
from crm.catalogue.services import AlreadyRegistered, NotYours, OutOfStock
from crm.catalogue.stock_models import Reservation, StockLevel, StockMovement, TransferRequest, Warehouse
from guides.notices.models import Notification
from guides.org.models import Store
from tests.factories.crm import make_member, make_order
from tests.factories.goods import SIZE, make_goods, make_stock, place_store, sku_of
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SYSTEM = Actor.system()
State = TransferRequest.State


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def style() -> StyleColor:
    return make_goods()


def free(style: StyleColor, store: Store, *, now: Any = NOW, size: str = SIZE) -> int:
    sku = sku_of(style, size)
    return available([sku.pk], [store.pk], now=now).get((store.pk, sku.pk), 0)


# ---------------------------------------------------------------- live


def test_what_we_sell_between_two_feeds_is_gone_at_once_and_the_feed_covers_it_later(
    org: Org, style: StyleColor
) -> None:
    level = make_stock(style, org.store, 3, as_of=NOW)
    sale = {"subject": "sale:1", "now": NOW + HOUR, "actor": SYSTEM}
    assert services.sold(org.store, [(sku_of(style), 2)], key="a", **sale) == 1
    assert services.sold(org.store, [(sku_of(style), 2)], key="a", **sale) == 0  # the same sale once more
    assert free(style, org.store, now=NOW + HOUR) == 1
    services.returned(org.store, [(sku_of(style), 1)], key="r", subject="sale:1", now=NOW + 2 * HOUR, actor=SYSTEM)
    assert free(style, org.store, now=NOW + 2 * HOUR) == 2
    StockLevel.objects.filter(pk=level.pk).update(quantity=1, as_of=NOW + HOUR)  # a feed that knows of the sale only
    assert free(style, org.store, now=NOW + 3 * HOUR) == 2
    StockLevel.objects.filter(pk=level.pk).update(quantity=5, as_of=NOW + 3 * HOUR)
    assert free(style, org.store, now=NOW + 3 * HOUR) == 5


def test_a_till_may_sell_what_the_books_do_not_have_and_nothing_is_shown_below_nothing(
    org: Org, style: StyleColor
) -> None:
    services.sold(org.store, [(sku_of(style), 1)], subject="sale:1", key="a", now=NOW, actor=SYSTEM)
    services.returned(org.other_store, [(sku_of(style), 1)], subject="sale:1", key="b", now=NOW, actor=SYSTEM)
    assert (free(style, org.store), free(style, org.other_store)) == (0, 1)  # a place no feed has named yet


def test_a_movement_is_never_changed_and_stands_in_one_place(org: Org, style: StyleColor) -> None:
    services.sold(org.store, [(sku_of(style), 1)], subject="sale:1", key="a", now=NOW, actor=SYSTEM)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        StockMovement.objects.update(change=5)
    with pytest.raises(IntegrityError, match="movement_one_place"), transaction.atomic():
        StockMovement.objects.create(sku=sku_of(style), change=1, kind="sold", subject="x", key="y", at=NOW)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["sold", "returned", "feed"]), st.integers(1, 3)), max_size=8))
def test_free_is_always_the_last_feed_and_what_happened_since(acts: list[tuple[str, int]]) -> None:
    """Against a model of three lines: the books of a place, whatever happens in whatever order."""
    with transaction.atomic():
        style, store, expected = make_goods("99XXX999-NV"), make_store(), 5
        level = make_stock(style, store, 5, as_of=NOW)
        for nth, (act, count) in enumerate(acts, 1):
            now = NOW + nth * HOUR
            if act == "feed":
                StockLevel.objects.filter(pk=level.pk).update(quantity=count, as_of=now)
                expected = count
            else:
                way = services.sold if act == "sold" else services.returned
                way(store, [(sku_of(style), count)], subject="s", key=f"k{nth}", now=now, actor=SYSTEM)
                expected += -count if act == "sold" else count
            assert free(style, store, now=now) == max(0, expected)
        transaction.set_rollback(True)


# ---------------------------------------------------------------- one style, seen from a store


def test_a_style_is_seen_here_near_by_distance_and_in_the_warehouse(org: Org, style: StyleColor) -> None:
    far_away, close = make_store(short_name="上海店", city="上海"), make_store(short_name="隔壁店", city="南京")
    for store, place in (
        (org.store, (32.04, 118.78)),
        (org.other_store, (31.30, 120.62)),
        (close, (32.05, 118.79)),
        (far_away, (31.23, 121.47)),
    ):
        place_store(store, *place, now=NOW)
        make_stock(
            style, store, 0 if store == org.store else 2, as_of=NOW - HOUR, in_transit=1 if store == org.store else 0
        )
    depot = Warehouse.objects.create(code="WH1", name="华东总仓", city="苏州")
    make_stock(style, depot, 40, as_of=NOW)
    stock = stock_by_size(style, store=org.store, actor=actor(org.guide), now=NOW)
    assert stock.sizes == ["165/84A", "170/88A", "175/92A", "180/96A", "185/100A", "190/104A"]
    assert stock.own is not None and (stock.own.sizes, stock.own.in_transit) == ({SIZE: 0}, {SIZE: 1})
    assert [(one.name, one.sizes[SIZE]) for one in stock.elsewhere(SIZE)] == [
        ("隔壁店", 2), ("观前店", 2), ("上海店", 2), ("华东总仓", 40),
    ]  # fmt: skip
    assert [one.away for one in stock.elsewhere(SIZE)][::3] == ["1.5 公里", "苏州"]
    assert stock.as_of == NOW - HOUR
    assert [one.name for one in far_stores(sku_of(style).pk, style, SIZE, store=org.store, now=NOW)] == [
        "隔壁店",
        "观前店",
        "上海店",
    ]
    dealer = actor(holder_of("dealer", org))
    assert stock_by_size(style, store=None, actor=dealer, now=NOW).elsewhere(SIZE) == []  # his own stores only


@pytest.mark.parametrize("stores", [1, 6])
def test_a_style_needs_the_same_statements_for_any_number_of_stores(
    org: Org, style: StyleColor, stores: int, django_assert_num_queries: Any
) -> None:
    """On 1.4 million levels of 3,000 stores: by (store, style) and by (style) of warehouses, 31 stores in a millisecond."""
    for _ in range(stores):
        make_stock(style, make_store(), 2, as_of=NOW)
    make_stock(style, org.store, 2, as_of=NOW)
    who = actor(org.guide)
    with django_assert_num_queries(
        6
    ):  # sizes; where we are; who is near; levels; which of them one may see; warehouses
        assert len(stock_by_size(style, store=org.store, actor=who, now=NOW).near) == stores


def test_stores_without_a_place_are_told_by_their_town(org: Org) -> None:
    Store.objects.filter(pk=org.store.pk).update(city="南京")
    org.store.refresh_from_db()
    near = make_store(city="南京", short_name="同城店")
    assert [one.name for one in near_stores(org.store, day=local_day(NOW))][0] == near.short_name


# ---------------------------------------------------------------- keeping


def keep(style: StyleColor, org: Org, *, key: str = "k", now: Any = NOW, **facts: Any) -> Reservation:
    facts.setdefault("member", make_member(owner=org.guide))
    return services.reserve(sku_of(style), org.store, 1, key=key, actor=actor(org.guide), now=now, **facts)


def test_a_kept_piece_is_promised_until_its_moment(org: Org, style: StyleColor) -> None:
    make_stock(style, org.store, 1, as_of=NOW)
    kept = keep(style, org)
    assert kept.until == parse_iso("2026-03-03 22:00") and free(style, org.store) == 0
    assert keep(style, org, member=kept.member).pk == kept.pk  # the same request
    with pytest.raises(OutOfStock) as refusal:
        keep(style, org, key="other")
    assert refusal.value.problem()["available"] == 0
    assert free(style, org.store, now=kept.until) == 1  # not a minute longer, whether or not the job has run
    assert services.expire_reservations(now=kept.until) == 1 and services.expire_reservations(now=kept.until) == 0
    kept.refresh_from_db()
    assert (kept.state, Notification.objects.get(staff=org.guide).kind) == ("expired", "goods")
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["stock.reserved"]


def test_a_kept_piece_is_put_back_once_or_taken_with_the_sale(org: Org, style: StyleColor) -> None:
    make_stock(style, org.store, 2, as_of=NOW)
    first, second = keep(style, org), keep(style, org, key="2")
    services.release(first, actor=actor(org.manager), now=NOW)
    with pytest.raises(Conflict):
        services.release(first, actor=actor(org.manager), now=NOW)
    services.sold(
        org.store, [(sku_of(style), 1)], subject="sale:1", key="s", now=NOW + HOUR, actor=SYSTEM, member=second.member
    )
    second.refresh_from_db()
    assert (first.state, second.state, free(style, org.store, now=NOW + HOUR)) == ("released", "taken", 1)


def test_who_may_keep_what_and_until_when(org: Org, style: StyleColor) -> None:
    make_stock(style, org.store, 1, as_of=NOW)
    for who in (org.stranger, holder_of("area_supervisor", org), holder_of("hq_merch", org)):
        with pytest.raises(Forbidden):
            services.reserve(sku_of(style), org.store, 1, member=make_member(), key="k", actor=actor(who), now=NOW)
    for until in (NOW, NOW + 30 * DAY):
        with pytest.raises(Invalid):
            keep(style, org, until=until)


# ---------------------------------------------------------------- asking another place


def ask(style: StyleColor, org: Org, source: Any, *, key: str = "t", **facts: Any) -> TransferRequest:
    return services.ask_transfer(
        sku_of(style), source=source, to_store=org.store, key=key, actor=actor(org.guide), now=NOW, **facts
    )


def test_a_piece_goes_from_store_to_store_and_is_kept_for_whom_it_was_asked(org: Org, style: StyleColor) -> None:
    make_stock(style, org.other_store, 1, as_of=NOW)
    member, there = make_member(owner=org.guide), actor(org.stranger)
    asked = ask(style, org, org.other_store, member=member)
    assert ask(style, org, org.other_store, member=member).pk == asked.pk
    with pytest.raises(Conflict):
        ask(style, org, org.other_store, member=member, key="again")
    assert Notification.objects.get(staff=org.stranger).title == "新街口店 想调一件"
    with pytest.raises(Forbidden):
        services.answer_transfer(asked, agrees=True, actor=actor(org.guide), now=NOW)  # not for another store
    services.answer_transfer(asked, agrees=True, actor=there, now=NOW)
    assert free(style, org.other_store) == 0  # held there
    assert Notification.objects.get(staff=org.guide).title == "观前店：同意调货"
    services.send_transfer(asked, actor=there, now=NOW + HOUR)
    with pytest.raises(Conflict):
        services.cancel_transfer(asked, actor=actor(org.guide), now=NOW + HOUR)
    services.receive_transfer(asked, actor=actor(org.guide), now=NOW + 2 * HOUR)
    sku = sku_of(style)
    here, gone = (
        free_at(sku.pk, store_id=org.store.pk, now=NOW + 2 * HOUR),
        free_at(sku.pk, store_id=org.other_store.pk, now=NOW + 2 * HOUR),
    )
    assert here is not None and gone is not None
    assert (here.on_hand, here.promised, gone.on_hand) == (1, 1, 0)
    assert Reservation.objects.get().member == member
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["transfer.asked", "transfer.agreed", "transfer.sent", "transfer.received", "stock.reserved"]


def test_none_left_nobody_answers_or_nobody_sends(org: Org, style: StyleColor) -> None:
    make_stock(style, org.other_store, 1, as_of=NOW)
    with pytest.raises(OutOfStock):
        ask(style, org, make_store())
    refused = services.answer_transfer(
        ask(style, org, org.other_store), agrees=False, actor=actor(org.stranger), now=NOW
    )
    silent, slow = (
        ask(style, org, org.other_store, key="2"),
        ask(style, org, org.other_store, key="3", member=make_member()),
    )
    services.answer_transfer(slow, agrees=True, actor=actor(org.stranger), now=NOW)
    with pytest.raises(OutOfStock):  # the one piece is promised
        services.answer_transfer(silent, agrees=True, actor=actor(org.stranger), now=NOW)
    assert services.expire_transfers(now=NOW + 2 * DAY) == 1
    assert services.expire_transfers(now=NOW + 4 * DAY) == 1
    states = {one.pk: one.state for one in TransferRequest.objects.all()}
    assert states == {refused.pk: "refused", silent.pk: "expired", slow.pk: "expired"}
    assert free(style, org.other_store, now=NOW + 4 * DAY) == 1


def test_a_warehouse_is_answered_for_by_the_merchandisers(org: Org, style: StyleColor) -> None:
    depot = Warehouse.objects.create(code="WH1", name="华东总仓")
    make_stock(style, depot, 4, as_of=NOW)
    merch = holder_of("hq_merch", org)
    asked = ask(style, org, depot)
    assert Notification.objects.get(staff=merch).key == f"transfer:{asked.pk}"
    assert list(TransferRequest.objects.answerable_by(actor(merch))) == [asked]
    assert not TransferRequest.objects.answerable_by(actor(org.manager)).exists()
    services.answer_transfer(asked, agrees=True, actor=actor(merch), now=NOW)
    services.send_transfer(asked, actor=actor(merch), now=NOW + HOUR)
    level = free_at(sku_of(style).pk, warehouse_id=depot.pk, now=NOW + HOUR)
    assert level is not None and level.on_hand == 3


# ---------------------------------------------------------------- pieces of their own


def piece(style: StyleColor, org: Org, **facts: Any) -> ItemCode:
    batch = services.make_codes(sku_of(style), 2, key="b", actor=actor(holder_of("hq_merch", org)), now=NOW)
    first = batch.items.order_by("pk").first()
    assert first is not None
    ItemCode.objects.filter(pk=first.pk).update(**facts)
    return ItemCode.objects.get(pk=first.pk)


def test_codes_are_made_once_a_key(org: Org, style: StyleColor) -> None:
    merch = actor(holder_of("hq_merch", org))
    first = services.make_codes(sku_of(style), 3, key="b", actor=merch, now=NOW)
    assert (
        services.make_codes(sku_of(style), 3, key="b", actor=merch, now=NOW) == first and ItemCode.objects.count() == 3
    )
    with pytest.raises(Forbidden):
        services.make_codes(sku_of(style), 3, key="c", actor=actor(org.manager), now=NOW)
    for count in (0, 501):
        with pytest.raises(Invalid):
            services.make_codes(sku_of(style), count, key="d", actor=merch, now=NOW)


def test_the_first_scan_of_a_sold_piece_makes_it_his_and_nobody_elses(org: Org, style: StyleColor) -> None:
    member, other, one = make_member(), make_member(), piece(style, org)
    with pytest.raises(NotYours):
        services.register_piece(one.code, member, actor=SYSTEM, now=NOW)  # not sold
    services.sold(
        org.store,
        [(sku_of(style), 1)],
        subject="sale:1",
        key="s",
        now=NOW,
        actor=SYSTEM,
        member=member,
        item_codes=[one.code],
    )
    with pytest.raises(NotYours):
        services.register_piece(one.code, other, actor=SYSTEM, now=NOW)  # the till knew who bought it
    mine = services.register_piece(one.code, member, actor=SYSTEM, now=NOW)
    assert (mine.member, mine.registered_at) == (member, NOW)
    assert services.register_piece(one.code, member, actor=SYSTEM, now=NOW + DAY).registered_at == NOW  # once
    with pytest.raises(AlreadyRegistered):
        services.register_piece(one.code, other, actor=SYSTEM, now=NOW)
    services.returned(
        org.store, [(sku_of(style), 1)], subject="sale:1", key="r", now=NOW + DAY, actor=SYSTEM, item_codes=[one.code]
    )
    one.refresh_from_db()
    assert (one.member, one.sold_at, one.registered_at) == (None, None, None)


def test_who_bought_the_size_registers_as_many_as_he_bought(org: Org, style: StyleColor) -> None:
    member, one = make_member(), piece(style, org)
    line = {"sku_code": style.sku_code, "size": SIZE, "quantity": 1}
    make_order(member, store=org.store, paid_at=NOW - DAY, lines=[line])
    assert services.register_piece(one.code, member, actor=SYSTEM, now=NOW).sold_at == NOW - DAY
    second = ItemCode.objects.exclude(pk=one.pk).get()
    with pytest.raises(NotYours):  # he bought one
        services.register_piece(second.code, member, actor=SYSTEM, now=NOW)


def test_no_owner_without_a_sale(org: Org, style: StyleColor) -> None:
    one = piece(style, org)
    for facts in ({"member": make_member()}, {"registered_at": NOW, "sold_at": NOW}):
        with pytest.raises(IntegrityError, match="item_"), transaction.atomic():
            ItemCode.objects.filter(pk=one.pk).update(**facts)


def test_the_plan_of_free_pieces_goes_by_indexes_alone(style: StyleColor, org: Org) -> None:
    """Four lookups a size and place, none of which reads a table: what keeps a million levels as fast as ten."""
    from crm.catalogue.queries.stock import _LEVELS

    sql = _LEVELS.format(place="store", where="level.store_id = ANY(%(stores)s) AND level.style_id = %(style)s")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}", {"stores": [org.store.pk], "style": style.pk, "now": NOW})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan and plan.count("Index") >= 5, plan


def test_staff_of_a_store_see_its_promises_and_no_others(org: Org, style: StyleColor) -> None:
    make_stock(style, org.store, 1, as_of=NOW)
    keep(style, org)
    sees = {
        who: Reservation.objects.visible_to(actor(who)).count()
        for who in (org.guide, org.manager, org.stranger, make_staff())
    }
    assert list(sees.values()) == [1, 1, 0, 0]
