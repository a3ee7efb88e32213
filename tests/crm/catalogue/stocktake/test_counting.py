"""Several phones on one stocktake: nothing counts twice, nothing is lost, whatever came late is said."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from crm.catalogue.item_models import ItemBatch, ItemCode
from crm.catalogue.stocktake.models import Stocktake, StocktakeLine, StocktakeScan
from crm.catalogue.stocktake.services import StocktakeClosed, cancel_stocktake, close_round, start_stocktake
from tests.factories.guides import actor, sign_in
from tests.factories.stocktake import SHIRT, SUIT, Phone, begin, move
from yejibao.core import clock as product_clock
from yejibao.core.errors import Invalid

from .conftest import Shop


def label(shop: Shop, *codes: str) -> None:
    batch = ItemBatch.objects.create(key="labels", made_at=product_clock.now(), count=len(codes))
    ItemCode.objects.bulk_create(ItemCode(code=code, sku=shop.suit, batch=batch) for code in codes)


def test_a_batch_that_comes_twice_counts_once(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    phone.scan(SUIT, SUIT, SHIRT)
    first, again = phone.bring(keep=True), phone.bring()
    assert sorted(first.taken) == sorted(again.taken) and StocktakeScan.objects.count() == 3
    assert again.progress["pieces"] == 3 and again.progress["sizes"] == 2


def test_a_piece_with_its_own_code_counts_once_whoever_scans_it(shop: Shop) -> None:
    label(shop, "YJB0001", "YJB0002")
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide, shop.other])
    mine, hers = Phone(stocktake, shop.org.guide), Phone(stocktake, shop.other, zone="B 区")
    mine.scan("YJB0001", "YJB0002")
    mine.bring()
    name = str(hers.scan("https://yjb.example/i/YJB0002/"))
    came = hers.bring()
    assert (came.scans[name]["by"], came.scans[name]["zone"]) == ("林晓雯", "A 区")
    assert came.progress["pieces"] == 2
    assert {one["name"]: one["pieces"] for one in came.progress["people"]} == {"李敏": 0, "林晓雯": 2}


def test_taking_back_the_first_scan_of_a_piece_lets_the_second_count(shop: Shop) -> None:
    label(shop, "YJB0001")
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide, shop.other])
    mine, hers = Phone(stocktake, shop.org.guide), Phone(stocktake, shop.other)
    name = mine.scan("YJB0001")
    mine.bring()
    hers.scan("YJB0001")
    hers.bring()
    mine.undo(name)
    assert mine.bring().progress["pieces"] == 1
    close_round(stocktake, actor=actor(shop.org.manager), anyway=True, now=product_clock.now())
    assert StocktakeLine.objects.get(sku=shop.suit).counted == 1


def test_sizes_without_own_codes_add_up_over_places_and_people(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide, shop.other])
    mine, hers = Phone(stocktake, shop.org.guide), Phone(stocktake, shop.other, zone="库房")
    mine.scan(SHIRT, quantity=6)
    mine.bring()
    hers.scan(SHIRT, SHIRT)
    assert hers.bring().progress["pieces"] == 8


def test_one_takes_back_ones_own_scans_only_and_in_any_order(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide, shop.other])
    mine, hers = Phone(stocktake, shop.org.guide), Phone(stocktake, shop.other)
    name = mine.scan(SUIT)
    mine.undo(name)  # both in one batch
    assert mine.bring().progress["pieces"] == 0
    kept = mine.scan(SUIT)
    mine.bring()
    hers.undo(kept)
    assert hers.bring().progress["pieces"] == 1


def test_what_nobody_knows_and_what_is_not_asked_for_is_named(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide], categories=["西服"])
    phone = Phone(stocktake, shop.org.guide)
    odd, outside = str(phone.scan("6901234567892")), str(phone.scan(SHIRT))
    came = phone.bring()
    assert (came.scans[odd]["name"], came.scans[outside]["outside"]) == (None, True)
    assert came.progress["unknown"] == 1
    close_round(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    assert list(StocktakeLine.objects.values_list("sku__code", "book", "counted")) == [(SUIT, 5, 0)]


def test_a_label_of_the_factory_is_read_too(shop: Shop) -> None:
    shop.suit.barcode = "6901234567892"
    shop.suit.save(update_fields=["barcode"])
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    phone.scan("6901234567892")
    assert phone.bring().progress["pieces"] == 1


# ---------------------------------------------------------------- without the net


def test_scans_of_ten_minutes_without_the_net_arrive_with_their_own_time(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    at = shop.clock.advance(minutes=1)
    phone.scan(SUIT)
    shop.clock.advance(minutes=10)
    phone.bring()
    scan = StocktakeScan.objects.get()
    assert scan.scanned_at == at and scan.received_at == at + timedelta(minutes=10) and not scan.is_late


def test_a_clock_that_is_wrong_stays_within_the_count(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    now = shop.clock.advance(minutes=5)
    phone.scan(SUIT, at=now - timedelta(days=3))
    phone.scan(SUIT, at=now + timedelta(days=3))
    phone.bring()
    held = StocktakeScan.objects.order_by("scanned_at").values_list("scanned_at", flat=True)
    assert list(held) == [stocktake.started_at, now]


def test_what_comes_after_counting_ended_does_not_count_until_somebody_says_so(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    name = str(phone.scan(SUIT))
    close_round(stocktake, actor=actor(shop.org.manager), now=shop.clock.advance(minutes=1))
    came = phone.bring()
    assert came.scans[name]["is_late"] and came.progress["late"] == 1
    assert StocktakeLine.objects.get(sku=shop.suit).counted == 0


def test_what_comes_after_its_end_stays_on_the_phone(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    phone.scan(SUIT)
    cancel_stocktake(stocktake, reason="货还没到齐", actor=actor(shop.org.manager), now=product_clock.now())
    with pytest.raises(StocktakeClosed):
        phone.bring()
    phone.scans = []
    assert phone.bring().taken == []  # who asks for nothing hears how it stands


@pytest.mark.parametrize(
    "scan",
    [
        {"id": "no-uuid"}, {"code": ""}, {"code": "x" * 65}, {"code": "a\x00b"}, {"quantity": 0}, {"quantity": 1000},
        {"quantity": True}, {"quantity": "2"}, {"at": "yesterday"}, {"round": 0}, {"zone": "\x00"},
    ],
)  # fmt: skip
def test_a_batch_with_nonsense_is_refused_whole(shop: Shop, scan: dict[str, Any]) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    phone.scan(SUIT, SUIT)
    phone.scans[1] |= scan
    with pytest.raises(Invalid):
        phone.bring()
    assert not StocktakeScan.objects.exists()


# ---------------------------------------------------------------- the book


def test_the_book_is_the_feed_and_what_was_known_since_and_is_frozen(shop: Shop) -> None:
    now = product_clock.now()
    move(shop.org.store, shop.suit, -1, at=now - timedelta(minutes=5))
    move(shop.org.store, shop.suit, -1, at=now - timedelta(hours=1))  # before the feed: it knows
    move(shop.org.other_store, shop.suit, -1, at=now - timedelta(minutes=5))
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    assert dict(stocktake.lines.values_list("sku__code", "book")) == {SUIT: 4, SHIRT: 10}
    assert start_stocktake(stocktake, actor=actor(shop.other), now=now).started_at == now  # begun once


@pytest.mark.parametrize("rows", [1, 40])
def test_a_batch_needs_the_same_statements_for_any_number_of_scans(
    shop: Shop, rows: int, django_assert_num_queries: Any
) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    phone = Phone(stocktake, shop.org.guide)
    phone.scan(*[SUIT] * rows)
    who, said, now = actor(shop.org.guide), phone.said(), product_clock.now()
    from crm.catalogue.stocktake.services import take_scans

    with django_assert_num_queries(8):  # savepoint, lock, take, tell, phone, count twice, release
        take_scans(stocktake, said, actor=who, now=now)


def test_twenty_thousand_scans_are_closed_with_a_few_statements(shop: Shop, django_assert_max_num_queries: Any) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    now = product_clock.now()
    StocktakeScan.objects.bulk_create(
        StocktakeScan(stocktake=stocktake, client_id=uuid4(), staff=shop.org.guide, zone="A 区", code=SUIT, sku=shop.suit,
                      scanned_at=now, received_at=now)
        for _ in range(20_000)
    )  # fmt: skip
    with django_assert_max_num_queries(24):
        close_round(stocktake, actor=actor(shop.org.manager), now=now)
    assert StocktakeLine.objects.get(sku=shop.suit).counted == 20_000


def test_the_page_of_who_counts_says_nothing_of_the_book_or_prices(shop: Shop, client: Any) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    sign_in(client, shop.org.guide)
    page = client.get(f"/g/stocktakes/{stocktake.public_id}/")
    assert page.status_code == 200 and SUIT in page.content.decode()
    assert "2,580" not in page.content.decode() and "账面" not in page.content.decode()
    sign_in(client, shop.other)  # nobody asked her
    assert client.get(f"/g/stocktakes/{stocktake.public_id}/").status_code == 404
    assert Stocktake.objects.visible_to(actor(shop.org.stranger)).count() == 0
