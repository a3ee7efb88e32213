"""一物一码 at the till: the very piece that was scanned is his once it is paid, and nobody's when it comes back."""

import pytest

from crm.catalogue.item_models import ItemBatch, ItemCode
from crm.catalogue.services import register_piece
from crm.orders.checkout import services
from crm.orders.checkout.models import Sale, SaleRefund
from guides.approvals import services as approvals
from guides.approvals.models import Approval
from tests.factories import checkout as make
from yejibao.core import clock
from yejibao.core.scope import Actor

from .conftest import Shop
from .test_refunding import back
from .test_waiting import NATIVE

ONE, TWO = "YJB0000001", "YJB0000002"


@pytest.fixture
def pieces(shop: Shop) -> list[ItemCode]:
    batch = ItemBatch.objects.create(key="labels", made_at=clock.now(), count=2)
    return [ItemCode.objects.create(code=code, sku=shop.suit, batch=batch) for code in (ONE, TWO)]


def scanned(shop: Shop, *pieces: ItemCode, member: bool = True) -> Sale:
    sale = shop.sale((shop.shirt, 1), member=member)
    for piece in pieces:
        services.add_piece(sale, piece, actor=shop.guide, now=clock.now())
    return sale


def buyers() -> dict[str, tuple[bool, int | None]]:
    """Return of each code whether it is sold, and whose it is."""
    return {one.code: (one.sold_at is not None, one.member_id) for one in ItemCode.objects.all()}


def test_a_piece_is_his_once_it_is_paid_and_not_before(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = scanned(shop, pieces[0])
    shop.confirm(sale, way=NATIVE)
    assert buyers() == {ONE: (False, None), TWO: (False, None)}
    services.pay_rest(sale, services.Pay("cash"), actor=shop.guide, now=clock.now())
    assert buyers() == {ONE: (True, shop.member.pk), TWO: (False, None)}
    assert ItemCode.objects.get(code=ONE).sold_in == shop.org.store


def test_what_was_given_up_marks_nothing(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = scanned(shop, pieces[0])
    shop.confirm(sale, way=NATIVE)
    services.close_sale(sale, reason="不要了", actor=shop.guide, now=clock.now())
    assert buyers() == {ONE: (False, None), TWO: (False, None)}


def test_sold_to_nobody_known_it_is_his_who_first_scans_it(shop: Shop, pieces: list[ItemCode]) -> None:
    shop.confirm(scanned(shop, pieces[0], member=False))
    assert buyers()[ONE] == (True, None)
    register_piece(ONE, shop.member, actor=Actor.system("test"), now=clock.now())
    assert buyers()[ONE] == (True, shop.member.pk)


def test_one_piece_in_two_baskets_is_his_who_pays_first(shop: Shop, pieces: list[ItemCode]) -> None:
    first, second = scanned(shop, pieces[0]), scanned(shop, pieces[0], member=False)
    shop.confirm(first)
    shop.confirm(second)
    assert buyers()[ONE] == (True, shop.member.pk)
    back(shop, second, (2, 1))  # what comes back of the other does not free it
    assert buyers()[ONE] == (True, shop.member.pk)


def test_all_of_it_comes_back_and_may_be_sold_again(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = shop.confirm(scanned(shop, *pieces))
    back(shop, sale, (2, 2))
    assert buyers() == {ONE: (False, None), TWO: (False, None)}
    shop.confirm(scanned(shop, pieces[0], member=False))
    assert buyers()[ONE] == (True, None)


def test_of_two_the_one_in_hand_is_freed(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = shop.confirm(scanned(shop, *pieces))
    back(shop, sale, (2, 1), codes=[ONE])
    assert buyers() == {ONE: (False, None), TWO: (True, shop.member.pk)}


def test_of_two_that_nobody_named_the_one_he_registered_stays_his(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = shop.confirm(scanned(shop, *pieces))
    register_piece(TWO, shop.member, actor=Actor.system("test"), now=clock.now())
    back(shop, sale, (2, 1))
    assert buyers() == {ONE: (False, None), TWO: (True, shop.member.pk)}


def test_of_one_scanned_and_one_not_the_scanned_one_stays_his(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = scanned(shop, pieces[0])
    services.add_lines(sale, [(shop.suit.code, 1)], actor=shop.guide, now=clock.now())
    shop.confirm(sale)
    back(shop, sale, (2, 1))
    assert buyers()[ONE] == (True, shop.member.pk)
    back(shop, sale, (2, 1), key="r2")
    assert buyers()[ONE] == (False, None)


def test_more_codes_than_pieces_come_back_free_no_more(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = shop.confirm(scanned(shop, *pieces))
    back(shop, sale, (2, 1), codes=[ONE, TWO])
    assert sorted(buyers().values(), key=str) == [(False, None), (True, shop.member.pk)]


def test_what_was_named_is_remembered_until_somebody_agrees(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = shop.confirm(scanned(shop, *pieces))
    refund = back(shop, sale, (2, 1), codes=[ONE], actor=shop.guide, note="尺码小了")
    assert refund.state == SaleRefund.State.ASKED and buyers()[ONE] == (True, shop.member.pk)
    approvals.approve(Approval.objects.get(), actor=shop.manager, now=clock.now())
    assert buyers() == {ONE: (False, None), TWO: (True, shop.member.pk)}


def test_a_piece_that_is_exchanged_is_nobodys_again(shop: Shop, pieces: list[ItemCode]) -> None:
    sale = shop.confirm(scanned(shop, pieces[0]))
    other = make.make_sku(69800, store=shop.org.store)
    services.exchange_piece(
        sale, 2, other, key="x1", actor=shop.manager, now=clock.now()
    )  # fmt: skip
    assert buyers()[ONE] == (False, None)
