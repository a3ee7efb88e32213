"""一起带走: what goes with what he takes, by the library's outfits, in his size and in stock here, not what he has."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.catalogue.models import StyleColor
from crm.catalogue.outfits.models import Outfit
from crm.catalogue.outfits.together import Companion, companions
from crm.catalogue.outfits.wardrobe import wardrobe_of
from crm.catalogue.stock_models import StockLevel
from crm.members.models import Member
from crm.orders.checkout.models import SaleLine
from crm.orders.proxy.services import open_basket
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, sign_in

from .conftest import NOW, bought, stock_all

COAT, SHIRT, SHOES, TIE = "25WDY602-CG", "26SCS201-WH", "26SXZ951-BK", "26SPS972-NV"  # of 开年会, in winter
WORN = ("26MXF106-BE", "26SCS205-BL", "25WKZ906-BR", "26MXZ954-GY")  # tells his sizes, hangs in no such outfit


@pytest.fixture
def member(org: Org) -> Member:
    stock_all(org.store)
    found = make_member(owner=org.guide, name="王建平", salutation="王哥")
    make_friend(found)
    bought(found, *WORN)
    return found


def goes_with(member: Member, org: Org, *codes: str) -> list[Companion]:
    ids = [StyleColor.objects.get(sku_code=code).pk for code in codes]
    known = wardrobe_of(member, now=NOW)
    return companions(ids, known, store=org.store, is_personal=not member.no_profiling, now=NOW, who="他")


def codes(found: list[Companion]) -> list[tuple[str, str]]:
    return [(one.garment.sku_code, one.size) for one in found]


def test_what_the_outfits_show_with_it_in_his_size(member: Member, org: Org) -> None:
    found = goes_with(member, org, COAT)
    assert codes(found) == [(SHIRT, "41"), (SHOES, "42")]  # the suit of the outfit is dearer than what he takes
    assert (found[0].sku, found[0].here, found[0].price_fen) == (f"{SHIRT}-41", 3, 49800)
    assert found[0].why == "「开年会」里和这件羊毛大衣是一套"
    assert codes(goes_with(member, org, COAT, SHIRT, SHOES)) == [(TIE, "F"), ("26SPS971-BK", "110")]
    assert goes_with(member, org) == []


def test_not_what_hangs_elsewhere_nor_what_he_has(member: Member, org: Org) -> None:
    StockLevel.objects.filter(style__sku_code=SHIRT).update(store=org.other_store)
    assert codes(goes_with(member, org, COAT))[0] == (SHOES, "42")
    bought(member, "25WXZ955-BK")  # black leather shoes: his own go with it, by the rule of the week
    found = goes_with(member, org, COAT)
    assert codes(found)[0] == (TIE, "F")
    assert found[0].why == "配他 3 月买的黑皮鞋；「开年会」里和这件羊毛大衣是一套"


def test_who_wants_no_recommendation_is_told_what_anybody_is(member: Member, org: Org) -> None:
    bought(member, "25WXZ955-BK")
    member.no_profiling = True
    found = goes_with(member, org, COAT)
    assert codes(found) == [(SHIRT, "41"), (SHOES, "42")] and "买的" not in found[1].why


def test_a_piece_alike_stands_in_where_no_outfit_shows_the_very_piece(member: Member, org: Org) -> None:
    found = goes_with(member, org, "25WDY604-GY")  # a grey coat, as that of 开年会
    assert codes(found)[0] == (SHIRT, "41") and found[0].why == "「开年会」里和同色的羊毛大衣是一套"
    assert goes_with(member, org, "26MJK505-BE") == []  # a summer's jacket, in winter


def test_a_size_nobody_knows_is_not_guessed(org: Org) -> None:
    stock_all(org.store)
    assert codes(goes_with(make_member(owner=org.guide), org, COAT)) == [(TIE, "F")]


def test_the_statements_are_the_same_whatever_goes_with_it(member: Member, org: Org) -> None:
    def statements(*taken: str) -> int:
        with CaptureQueriesContext(connection) as run:
            goes_with(member, org, *taken)
        return len(run) - len(taken)  # the test's own look at each style

    one = statements(COAT)
    Outfit.objects.filter(key__startswith="wt_").update(season="四季")
    assert one == statements(COAT, "25WYR703-NV", "25WDY603-NV") == 2 + 5


def test_a_tap_puts_it_into_the_basket(client: Client, member: Member, org: Org) -> None:
    sale = open_basket(member, actor=actor(org.guide), now=NOW)
    sign_in(client, org.guide)
    style = StyleColor.objects.get(sku_code=COAT)
    url = f"/g/proxy/{sale.public_id}/"
    page = client.get(f"{url}?style={style.pk}").content.decode()
    assert "一起带走" in page and "「开年会」" in page
    given: dict[str, Any] = {"sku": f"{SHIRT}-41", "style": style.pk, "quantity": 1, "idempotency_key": "k" * 16}
    for _ in range(2):
        assert client.post(url, given).status_code == 302
    assert SaleLine.objects.get(sale=sale).sku.code == f"{SHIRT}-41"
    page = client.get(url).content.decode()  # no style open: what goes with the basket
    assert "一起带走" in page and "桑蚕丝领带" in page
