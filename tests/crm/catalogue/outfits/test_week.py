"""A member's week: what he owns, his sizes, where it hangs, what it costs, why; the same statements for any member."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.outfits import services, words
from crm.catalogue.outfits.loading import load_outfits
from crm.catalogue.outfits.models import LookChoice, Outfit, OutfitPlan
from crm.catalogue.outfits.queries import MemberWeek, plan_of, swaps_for, week_of
from crm.catalogue.outfits.rules import blocking, faults_of, week_faults
from crm.catalogue.outfits.wardrobe import sizes_of, wardrobe_of
from crm.catalogue.stock_models import StockLevel
from crm.members.models import Member
from crm.members.queries import card
from crm.orders.models import Order, OrderLine
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag, Tag
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor
from yejibao.core.errors import Conflict, NotFound

from .conftest import NOW, SIZES, bought, stock_all

TODAY = date(2026, 11, 23)


@pytest.fixture
def member(org: Org) -> Member:
    stock_all(org.store)
    return make_member(owner=org.guide, name="王建平", salutation="王哥")


def week(member: Member, org: Org, **facts: Any) -> MemberWeek:
    return week_of(member, **({"start": TODAY, "store": org.store, "now": NOW} | facts))


def test_the_season_picks_the_plan_and_days_go_by_their_weekday(member: Member, org: Org) -> None:
    found = week(member, org, start=TODAY - timedelta(days=1))
    assert (found.plan and found.plan.key, [look.weekday for look in found.looks][:2]) == (
        "winter_warm",
        ["周日", "周一"],
    )
    assert found.looks[1].outfit and found.looks[1].outfit.key == "wt_mon"
    assert [week(member, org, start=date(2026, month, 5)).plan.key for month in (4, 7, 10)] == [  # type: ignore[union-attr]
        "autumn_commute", "summer_light", "autumn_commute",
    ]  # fmt: skip


def test_his_group_decides_between_plans_of_a_season(member: Member, org: Org) -> None:
    other = OutfitPlan.objects.create(
        key="a_young", name="年轻", season="冬", low_c=0, high_c=10, groups=["young_trend"]
    )
    Outfit.objects.filter(key="sm_sun").update(plan=other, day=1, season="冬")
    assert week(member, org).plan.key == "a_young"  # type: ignore[union-attr]  # nothing known of him: by name
    load_tags(now=NOW)
    tag = Tag.objects.get(key="consumer_group9")
    MemberTag.objects.create(member=member, tag=tag, source="GUIDE", values=["稳健商务"], at=NOW)
    found = week(member, org)
    assert (found.group, found.plan and found.plan.key) == ("mature_classic", "winter_warm")
    assert "稳健商务" in words.why_week(found, who="您")


def test_without_an_answer_his_group_is_what_he_bought(member: Member, org: Org) -> None:
    assert week(member, org).group == ""
    bought(member, "25FXF102-NV", "26SCS201-WH")
    assert week(member, org).group == "mature_classic"


def test_what_he_owns_is_worn_with_its_day_and_not_paid_again(member: Member, org: Org) -> None:
    bought(member, "25FXF102-BK")
    look = week(member, org).looks[0]
    suit = next(piece for piece in look.pieces if piece.style.category_l2 == "套西")
    assert (suit.owned, suit.bought_on, suit.kind) == (True, date(2026, 3, 12), "owned")
    assert look.missing_fen == look.price_fen - 328000
    assert "用上您 3 月买的黑套西" in look.reasons
    assert words.piece_words(suit, who="您", today=TODAY) == "03-12 买的"


@pytest.mark.parametrize("how", ["returned", "exchanged", "gift", "void", "not_known", "elses"])
def test_what_is_not_his_any_more_is_not_owned(member: Member, org: Org, how: str) -> None:
    owner = make_member(owner=org.guide) if how == "elses" else member
    order = bought(owner, "25FXF102-BK", "26SXZ951-BK", is_gift=how == "gift", held=how == "not_known")
    line, other = OrderLine.objects.filter(order=order).order_by("line_no")
    if how == "returned":
        OrderLine.objects.filter(pk=line.pk).update(returned_quantity=1)
    if how == "exchanged":
        OrderLine.objects.filter(pk=line.pk).update(replaced_by=other)
    if how == "void":
        Order.objects.filter(pk=order.pk).update(status=Order.Status.VOID)
    suit = week(member, org).looks[0].pieces[1]
    assert (suit.style.category_l2, suit.owned) == ("套西", False)


def test_an_order_of_our_own_till_names_the_size_and_counts_as_well(member: Member, org: Org) -> None:
    order = bought(member, "25FXF102-BK")
    sku = Sku.objects.get(style__sku_code="25FXF102-BK", size="180/96A")
    OrderLine.objects.filter(order=order).update(sku_code=sku.code)
    assert [one.garment.sku_code for one in wardrobe_of(member, now=NOW).owned] == ["25FXF102-BK"]


def test_sizes_are_those_of_his_card_and_say_how_they_are_known(member: Member) -> None:
    bought(member, "25FXF102-BK", "26SCS201-WH", at="2026-01-05 12:00")
    bought(member, "25FXF101-NV", "26SKZ901-BK", at="2026-02-05 12:00")
    found = sizes_of(member, now=NOW)
    assert {name: found[name].size for name in ("西服", "衬衫", "裤装")} == card(member, NOW).sizes
    assert (found["西服"].why, found["大衣"].why) == ("最近 2 件西服都是 180/96A", "还没买过大衣，按西服的 180/96A")
    assert (found["腰带"].size, "裤腰 33" in found["腰带"].why, "鞋" in found) == ("110", True, False)


def test_the_size_file_serves_where_he_bought_nothing(member: Member) -> None:
    load_tags(now=NOW)
    for key, value in (("size_top", "185/100A"), ("size_shoe", "43")):
        MemberTag.objects.create(member=member, tag=Tag.objects.get(key=key), source="GUIDE", values=[value], at=NOW)
    found = sizes_of(member, now=NOW)
    assert (found["羽绒"].size, found["鞋"].why) == ("185/100A", "档案里记的鞋码是 43")


def test_a_size_that_hangs_nowhere_is_swapped_or_flagged_and_says_so(member: Member, org: Org) -> None:
    bought(member, "26SCS201-BL")  # a shirt of another colour: 41 is his
    white = StyleColor.objects.get(sku_code="26SCS201-WH")
    StockLevel.objects.filter(style=white, size="41").update(quantity=0)
    shirt = next(piece for piece in week(member, org).looks[0].pieces if piece.style.category_l1 == "衬衫")
    assert (shirt.kind, shirt.swap_of and shirt.swap_of.sku_code, shirt.size) == ("swapped", "26SCS201-WH", "41")
    assert "免烫高支白衬衫 白 41 断码，换成同色" in words.piece_words(shirt, who="您")
    StockLevel.objects.filter(style__category_l1="衬衫", style__color_family="白").update(quantity=0)
    shirt = next(piece for piece in week(member, org).looks[0].pieces if piece.style.category_l1 == "衬衫")
    assert (shirt.kind, shirt.alternative is not None, shirt.alternative_size) == ("out", True, "41")


def test_it_says_where_a_piece_hangs(member: Member, org: Org) -> None:
    bought(member, "25FXF101-NV")
    coat = StyleColor.objects.get(sku_code="25WDY602-CG")
    own = StockLevel.objects.filter(style=coat, store=org.store)
    assert words.hangs_words(week(member, org).looks[0].pieces[0]) == "本店 180/96A 有 3 件"
    own.update(quantity=0)
    StockLevel.objects.create(store=org.other_store, style=coat, size="180/96A", quantity=1, as_of=NOW, source="test")
    assert words.hangs_words(week(member, org).looks[0].pieces[0]) == "本店没有 180/96A，观前店有 1 件"


def test_who_wants_nothing_personal_gets_what_everybody_gets(member: Member, org: Org) -> None:
    bought(member, "25FXF102-BK")
    Member.objects.filter(pk=member.pk).update(no_profiling=True)
    member.refresh_from_db()
    found = week(member, org)
    assert (found.is_personal, found.group, found.owned_count) == (False, "", 0)
    assert all("买的" not in reason for look in found.looks for reason in look.reasons)
    assert "个性化推荐" in words.why_week(found, who="您")


def test_a_week_keeps_the_rules_whatever_he_owns(member: Member, org: Org) -> None:
    bought(
        member, "25FXF102-BK", "26SXZ952-BK", "26SXZ952-BR", "26SCS201-WH", "26SKZ902-CG", "26SPS971-BK", "25WDY603-NV"
    )
    looks = [[piece.style for piece in look.pieces] for look in week(member, org).looks]
    assert week_faults(looks, is_round=False) == []
    assert [blocking(faults_of(look)) for look in looks] == [[]] * 7


@pytest.mark.parametrize("orders", [0, 3])
def test_a_week_takes_the_same_statements_for_any_member(member: Member, org: Org, orders: int) -> None:
    for place in range(orders):
        bought(member, "25FXF102-BK", "26SXZ952-BK", "26SCS201-WH", at=f"2026-0{place + 2}-05 12:00")
    guide = actor(org.guide)
    with CaptureQueriesContext(connection) as seen:
        plan_of(member, start=TODAY, actor=guide, now=NOW)
    assert len(seen) == 13


# ---------------------------------------------------------------- what a guide changes


def test_another_outfit_another_piece_and_back(member: Member, org: Org) -> None:
    guide, found = actor(org.guide), week(member, org)
    first = found.looks[0].outfit
    name = services.choose_outfit(found, TODAY, actor=guide, now=NOW)
    again = week(member, org)
    assert (again.looks[0].outfit and again.looks[0].outfit.name, again.looks[0].is_chosen) == (name, True)
    assert first and name != first.name
    shown = again.looks[0].pieces[0].shown.sku_code
    option = swaps_for(again, TODAY, shown)[0]
    services.choose_piece(again, TODAY, shown=shown, instead=option.style.sku_code, actor=guide, now=NOW)
    piece = week(member, org).looks[0].pieces[0]
    assert (piece.style.sku_code, piece.is_chosen) == (option.style.sku_code, True)
    assert services.take_back(member, TODAY, actor=guide, now=NOW)
    assert week(member, org).looks[0].outfit == first
    assert LookChoice.objects.count() == 0


def test_tapping_on_shows_each_outfit_once_and_comes_round(member: Member, org: Org) -> None:
    guide, seen = actor(org.guide), []
    for _ in range(5):
        seen.append(services.choose_outfit(week(member, org), TODAY, actor=guide, now=NOW))
    assert len(seen[:2]) == len(set(seen[:2]))


def test_what_he_owns_stands_first_among_the_swaps(member: Member, org: Org) -> None:
    bought(member, "25WDY603-BK")
    found = week(member, org)
    options = swaps_for(found, TODAY, "25WDY602-CG")
    assert (options[0].style.sku_code, options[0].owned) == ("25WDY603-BK", True)
    assert {option.style.category_l1 for option in options} == {"大衣"}
    with pytest.raises(NotFound):
        swaps_for(found, TODAY, "26MTP307-BK")


def test_a_piece_that_does_not_fit_is_refused(member: Member, org: Org) -> None:
    found = week(member, org)
    with pytest.raises(Conflict):
        services.choose_piece(found, TODAY, shown="25WDY602-CG", instead="26SXZ951-BK", actor=actor(org.guide), now=NOW)


def test_loading_twice_is_like_once_and_leaves_what_stylists_did(org: Org) -> None:
    Outfit.objects.filter(key="wt_mon").update(name="改过")
    assert load_outfits(now=NOW) == {"new": 0, "held": 21, "without_goods": 0}
    assert (Outfit.objects.get(key="wt_mon").name, OutfitPlan.objects.count()) == ("改过", 3)
    assert SIZES["鞋"] == "42"
