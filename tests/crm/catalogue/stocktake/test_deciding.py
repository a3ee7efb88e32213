"""What differs: with what was sold meanwhile, counted again by another, decided by another, and then the stock."""

from datetime import timedelta
from typing import Any

import pytest

from crm.catalogue.stock_models import StockLevel, StockMovement
from crm.catalogue.stocktake.models import Stocktake, StocktakeLine
from crm.catalogue.stocktake.queries import clashes, differences, sums_of
from crm.catalogue.stocktake.services import (
    AlreadyRuns,
    CountedAlone,
    PhonesWait,
    Unsettled,
    approve_stocktake,
    ask_recount,
    cancel_stocktake,
    close_round,
    create_stocktake,
    expire_stocktakes,
    go_on_counting,
    settle_clash,
    settle_late,
    start_stocktake,
)
from guides.notices.models import Notification
from tests.factories.guides import actor, holder_of, make_staff
from tests.factories.stocktake import SHIRT, SUIT, Phone, begin, make_sku, move
from yejibao.core import clock as product_clock
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import AuditEntry

from .conftest import Shop, both, counted


def line(shop: Shop, sku: Any) -> tuple[int, int | None, int, int | None]:
    row = StocktakeLine.objects.get(sku=sku)
    return row.book, row.counted, row.moved, row.difference


def test_what_differs_is_counted_less_book_the_dearest_first(shop: Shop) -> None:
    stocktake = counted(shop, suits=4, shirts=13)
    assert (line(shop, shop.suit), line(shop, shop.shirt)) == ((5, 4, 0, -1), (10, 13, 0, 3))
    rows, _after = differences(StocktakeLine.objects.all())
    assert [(row.sku_id, row.amount_fen) for row in rows] == [(shop.suit.pk, 258000), (shop.shirt.pk, 149700)]
    rows, _after = differences(StocktakeLine.objects.all(), by="pieces")
    assert [row.sku_id for row in rows] == [shop.shirt.pk, shop.suit.pk]
    sums = sums_of(stocktake)
    assert (sums["gain_pieces"], sums["loss_pieces"], sums["gain_fen"], sums["loss_fen"]) == (3, 1, 149700, 258000)


def test_the_list_is_read_on_behind_its_mark(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    skus = [make_sku(f"25FXX{n:03}-BK-175/92A", name=f"款{n}", price_fen=10000) for n in range(5)]
    StocktakeLine.objects.bulk_create(
        StocktakeLine(stocktake=stocktake, sku=sku, counted=1, difference=1, amount_fen=10000) for sku in skus
    )
    first, mark = differences(StocktakeLine.objects.all(), size=3)
    rest, end = differences(StocktakeLine.objects.all(), size=3, after=mark)
    assert len({row.pk for row in (*first, *rest)}) == 5 and end == ""


# ---------------------------------------------------------------- sold and returned meanwhile


def test_what_was_sold_before_it_was_scanned_is_no_loss(shop: Shop) -> None:
    stocktake, mine, _hers = both(shop)
    move(shop.org.store, shop.suit, -1, at=shop.clock.advance(minutes=1))
    shop.clock.advance(minutes=1)
    mine.scan(SUIT, quantity=4)
    mine.bring()
    close_round(stocktake, actor=actor(shop.org.manager), now=shop.clock.advance(minutes=1))
    assert line(shop, shop.suit) == (5, 4, -1, 0)


def test_what_was_sold_after_it_was_scanned_is_still_on_the_count(shop: Shop) -> None:
    stocktake, mine, _hers = both(shop)
    mine.scan(SUIT, quantity=5)
    mine.bring()
    move(shop.org.store, shop.suit, -1, at=shop.clock.advance(minutes=1))
    close_round(stocktake, actor=actor(shop.org.manager), now=shop.clock.advance(minutes=1))
    assert line(shop, shop.suit) == (5, 5, 0, 0)


def test_a_return_counts_where_it_came_before_the_scan(shop: Shop) -> None:
    stocktake, mine, _hers = both(shop)
    move(shop.org.store, shop.suit, 1, at=shop.clock.advance(minutes=1), kind="returned")
    shop.clock.advance(minutes=1)
    mine.scan(SUIT, quantity=6)
    mine.bring()
    close_round(stocktake, actor=actor(shop.org.manager), now=shop.clock.advance(minutes=1))
    assert line(shop, shop.suit) == (5, 6, 1, 0)


def test_what_moved_while_it_was_being_counted_is_said(shop: Shop) -> None:
    stocktake, mine, _hers = both(shop)
    mine.scan(SUIT, quantity=3)
    mine.bring()
    move(shop.org.store, shop.suit, -1, at=shop.clock.advance(minutes=1))
    shop.clock.advance(minutes=1)
    mine.scan(SUIT)
    mine.bring()
    close_round(stocktake, actor=actor(shop.org.manager), now=shop.clock.advance(minutes=1))
    assert StocktakeLine.objects.get(sku=shop.suit).moved_between == 1


def test_a_feed_that_came_meanwhile_is_said_and_changes_no_book(shop: Shop) -> None:
    stocktake, mine, _hers = both(shop)
    mine.scan(SUIT, quantity=5)
    mine.bring()
    StockLevel.objects.filter(style=shop.suit.style).update(quantity=7, as_of=shop.clock.advance(minutes=1))
    close_round(stocktake, actor=actor(shop.org.manager), now=shop.clock.advance(minutes=1))
    assert line(shop, shop.suit) == (5, 5, 0, 0) and StocktakeLine.objects.get(sku=shop.suit).drift == 2


# ---------------------------------------------------------------- closing


def test_who_ends_it_is_told_of_phones_that_still_hold_scans(shop: Shop) -> None:
    stocktake, mine, _hers = both(shop)
    mine.bring(waiting=7)
    with pytest.raises(PhonesWait):
        close_round(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    close_round(stocktake, actor=actor(shop.org.manager), anyway=True, now=product_clock.now())
    with pytest.raises(Conflict):
        close_round(stocktake, actor=actor(shop.org.manager), anyway=True, now=product_clock.now())


def test_a_phone_that_was_not_heard_of_is_named_too(shop: Shop) -> None:
    stocktake, mine, _hers = both(shop)
    mine.bring()
    with pytest.raises(PhonesWait):
        close_round(stocktake, actor=actor(shop.other), now=shop.clock.advance(minutes=10))


def test_only_who_counts_or_looks_after_it_ends_it(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    with pytest.raises(Forbidden):
        close_round(stocktake, actor=actor(shop.other), now=product_clock.now())


def test_what_came_late_is_counted_or_left_out(shop: Shop) -> None:
    stocktake, mine, hers = both(shop)
    mine.scan(SUIT, quantity=4)
    mine.bring()
    hers.scan(SUIT)
    close_round(stocktake, actor=actor(shop.org.manager), anyway=True, now=shop.clock.advance(minutes=1))
    hers.bring()
    with pytest.raises(Unsettled):
        approve_stocktake(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    settle_late(stocktake, take=True, actor=actor(shop.org.manager), now=product_clock.now())
    assert line(shop, shop.suit) == (5, 5, 0, 0)


def test_two_who_counted_one_place_are_asked_about(shop: Shop) -> None:
    stocktake, mine, hers = both(shop)
    hers.zone = mine.zone
    for phone in (mine, hers):
        phone.scan(SUIT, quantity=5)
        phone.bring()
    close_round(stocktake, actor=actor(shop.org.manager), anyway=True, now=shop.clock.advance(minutes=1))
    assert line(shop, shop.suit) == (5, 10, 0, 5)
    (clash,) = clashes(stocktake)
    assert [(one["name"], one["pieces"]) for one in clash["people"]] == [("林晓雯", 5), ("李敏", 5)]
    with pytest.raises(Unsettled):
        approve_stocktake(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    settle_clash(stocktake, line_id=clash["line"], zone=clash["zone"], keep=shop.other.pk, actor=actor(shop.org.manager),
                 now=product_clock.now())  # fmt: skip
    assert line(shop, shop.suit) == (5, 5, 0, 0) and clashes(stocktake) == []


def test_different_pieces_in_one_place_both_count(shop: Shop) -> None:
    stocktake, mine, hers = both(shop)
    hers.zone = mine.zone
    for phone in (mine, hers):
        phone.scan(SUIT, quantity=2)
        phone.bring()
    close_round(stocktake, actor=actor(shop.org.manager), anyway=True, now=shop.clock.advance(minutes=1))
    (clash,) = clashes(stocktake)
    settle_clash(stocktake, line_id=clash["line"], zone=clash["zone"], keep=None, actor=actor(shop.org.manager),
                 now=product_clock.now())  # fmt: skip
    assert line(shop, shop.suit) == (5, 4, 0, -1) and clashes(stocktake) == []


def test_counting_may_go_on_until_it_was_counted_again(shop: Shop) -> None:
    stocktake = counted(shop)
    go_on_counting(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    phone = Phone(stocktake, shop.org.guide)
    phone.scan(SUIT)
    phone.bring()
    close_round(stocktake, actor=actor(shop.org.manager), anyway=True, now=shop.clock.advance(minutes=1))
    assert line(shop, shop.suit) == (5, 5, 0, 0)


# ---------------------------------------------------------------- counted again


def recount(shop: Shop, stocktake: Stocktake, person: Any) -> Stocktake:
    return ask_recount(
        stocktake,
        sku_ids=[shop.suit.pk],
        recounter_id=person.pk,
        actor=actor(shop.org.manager),
        now=product_clock.now(),
    )


def test_a_recount_is_somebody_elses_and_holds_instead(shop: Shop) -> None:
    stocktake = counted(shop, suits=3)
    with pytest.raises(Invalid):
        recount(shop, stocktake, shop.org.guide)  # she counted them
    held = recount(shop, stocktake, shop.other)
    phone = Phone(held, shop.other)
    name = str(phone.scan(SHIRT, round=2))
    phone.scan(SUIT, quantity=5, round=2)
    came = phone.bring()
    assert [one["id"] for one in came.refused] == [name]  # only what was chosen is counted again
    close_round(held, actor=actor(shop.other), now=shop.clock.advance(minutes=1))
    row = StocktakeLine.objects.get(sku=shop.suit)
    assert (row.round, row.first_counted, row.counted, row.difference, row.wants_recount) == (2, 3, 5, 0, False)
    assert line(shop, shop.shirt) == (10, 10, 0, 0)


def test_in_a_recount_nobody_else_counts(shop: Shop) -> None:
    stocktake = counted(shop, suits=3)
    held = recount(shop, stocktake, shop.other)
    phone = Phone(held, shop.org.guide)
    phone.scan(SUIT, round=2)
    assert len(phone.bring().refused) == 1
    late = str(phone.scan(SUIT, round=1))  # of the first round, from a phone without the net
    assert phone.bring().scans[late]["is_late"]


# ---------------------------------------------------------------- the second person


def test_approved_the_stock_is_what_was_counted(shop: Shop) -> None:
    stocktake = counted(shop, suits=4, shirts=12)
    held = approve_stocktake(stocktake, note="盘过库房", actor=actor(shop.org.manager), now=product_clock.now())
    moves = StockMovement.objects.order_by("sku_id").values_list("sku_id", "change", "kind", "subject")
    assert list(moves) == [
        (shop.suit.pk, -1, "counted", f"stocktake:{held.pk}"), (shop.shirt.pk, 2, "counted", f"stocktake:{held.pk}")
    ]  # fmt: skip
    assert (held.state, held.loss_fen, held.gain_pieces, held.counted_pieces) == ("approved", 258000, 2, 16)
    assert AuditEntry.objects.filter(action="stocktake.approved").count() == 1
    with pytest.raises(Conflict):
        approve_stocktake(stocktake, actor=actor(shop.org.manager), now=product_clock.now())


def test_who_counted_alone_does_not_approve_but_the_merchandiser_may(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.manager])
    phone = Phone(stocktake, shop.org.manager)
    phone.scan(SUIT, quantity=5)
    phone.bring()
    close_round(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    with pytest.raises(CountedAlone):
        approve_stocktake(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    merch = holder_of("hq_merch", shop.org)
    assert approve_stocktake(stocktake, actor=actor(merch), now=product_clock.now()).ended_by_id == merch.pk


def test_a_guide_does_not_approve_and_another_manager_does_not_either(shop: Shop) -> None:
    stocktake = counted(shop)
    for person in (shop.org.guide, make_staff("store_manager", store=shop.org.other_store)):
        with pytest.raises(Forbidden):
            approve_stocktake(stocktake, actor=actor(person), now=product_clock.now())


def test_what_nobody_scanned_is_not_written_off(shop: Shop) -> None:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide])
    close_round(stocktake, actor=actor(shop.org.manager), now=product_clock.now())
    with pytest.raises(Unsettled):
        approve_stocktake(stocktake, actor=actor(shop.org.manager), now=product_clock.now())


# ---------------------------------------------------------------- asked for, called off, forgotten


def test_one_runs_in_a_store_at_a_time(shop: Shop) -> None:
    begin(shop.org.store, shop.org.manager, [shop.org.guide])
    with pytest.raises(AlreadyRuns):
        begin(shop.org.store, shop.org.manager, [shop.other])


def test_it_begins_on_its_day(shop: Shop) -> None:
    now = product_clock.now()
    made = create_stocktake(
        store=shop.org.store, categories=[], day=product_clock.local_day(now) + timedelta(days=2),
        counters=[shop.org.guide.pk], actor=actor(shop.org.manager), now=now,
    )  # fmt: skip
    with pytest.raises(Conflict):
        start_stocktake(made, actor=actor(shop.org.guide), now=now)
    assert Notification.objects.get(staff=shop.org.guide).url == f"/g/stocktakes/{made.public_id}/"


@pytest.mark.parametrize(
    "wrong", [{"counters": []}, {"categories": ["火箭"]}, {"days": -1}, {"days": 60}, {"foreign": True}]
)
def test_it_is_asked_for_with_people_of_the_store_its_goods_and_a_day(shop: Shop, wrong: dict[str, Any]) -> None:
    now = product_clock.now()
    people = [shop.org.stranger.pk] if "foreign" in wrong else wrong.get("counters", [shop.org.guide.pk])
    with pytest.raises(Invalid):
        create_stocktake(
            store=shop.org.store, categories=wrong.get("categories", []), counters=people, actor=actor(shop.org.manager),
            day=product_clock.local_day(now) + timedelta(days=wrong.get("days", 0)), now=now,
        )  # fmt: skip


def test_what_nobody_decided_ends_by_itself_and_moves_nothing(shop: Shop) -> None:
    stocktake = counted(shop)
    assert expire_stocktakes(now=shop.clock.advance(days=6)) == {"expired": 0}
    assert expire_stocktakes(now=shop.clock.advance(days=2)) == {"expired": 1}
    stocktake.refresh_from_db()
    assert stocktake.state == "expired" and not StockMovement.objects.exists()


def test_called_off_with_a_reason(shop: Shop) -> None:
    stocktake = counted(shop)
    with pytest.raises(Invalid):
        cancel_stocktake(stocktake, reason=" ", actor=actor(shop.org.manager), now=product_clock.now())
    held = cancel_stocktake(stocktake, reason="盘错了日子", actor=actor(shop.org.manager), now=product_clock.now())
    assert held.state == "cancelled" and not StockMovement.objects.exists()
