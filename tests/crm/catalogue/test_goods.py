"""Sizes of a range, prices by date, tags, and how goods are found."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from crm.catalogue.computing import RULES, compute_tags
from crm.catalogue.loading import load_catalogue, load_product_tags
from crm.catalogue.models import ProductTag, Sku, StyleColor, StylePrice, StyleTag
from crm.catalogue.queries import Filters, Price, find_goods, price_of, price_of_styles
from crm.catalogue.queries.finding import COLUMNS, sku_of, tags_of
from crm.catalogue.services import PriceOverlap, end_price, set_price, set_tag
from crm.catalogue.sizes import barcode_of, place_of, sizes_of
from tests.factories.crm import make_member, make_order
from tests.factories.goods import SIZE, make_goods, make_stock
from tests.factories.goods import sku_of as size_of
from tests.factories.guides import make_store
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
DAY = timedelta(days=1)
SYSTEM = Actor.system()


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("size_range", "sizes"),
    [
        ("165/84A-190/104A", ["165/84A", "170/88A", "175/92A", "180/96A", "185/100A", "190/104A"]),
        ("38-41", ["38", "39", "40", "41"]),
        ("105-125", ["105", "110", "115", "120", "125"]),
        ("F", ["F"]),
        ("190/104A-165/84A", []),
        ("S-XL", []),
        ("", []),
    ],
)
def test_sizes_of_a_range(size_range: str, sizes: list[str]) -> None:
    assert sizes_of(size_range) == sizes


def test_sizes_stand_in_order_of_their_numbers() -> None:
    assert sorted(["185/100A", "165/84A", "180/96A"], key=place_of) == ["165/84A", "180/96A", "185/100A"]


def test_own_barcodes_are_ean_13() -> None:
    assert (barcode_of(1), barcode_of(12345678901)) == ("2000000000015", "2123456789010")


def test_every_style_of_the_catalogue_gets_its_sizes_with_a_number_each_and_again_no_more() -> None:
    load_catalogue()
    assert not StyleColor.objects.filter(skus=None).exists()
    counts = {row.size_range: row.skus.count() for row in StyleColor.objects.prefetch_related("skus")}
    assert counts == {"165/84A-190/104A": 6, "38-44": 7, "29-40": 12, "38-45": 8, "105-125": 5, "F": 1}
    skus, numbers = Sku.objects.count(), set(Sku.objects.values_list("barcode", flat=True))
    assert (len(numbers), "" in numbers) == (skus, False)
    load_catalogue()
    assert Sku.objects.count() == skus
    bands = {row.price_band: row.price_fen for row in StyleColor.objects.order_by("price_fen")}
    assert bands["200以下"] < 20000 <= bands["200-399"] < 40000 and bands["2000以上"] >= 200000


# ---------------------------------------------------------------- prices


@pytest.fixture
def style() -> StyleColor:
    return make_goods()


def price(
    style: StyleColor, fen: int, start: int, end: int | None, kind: str = "promotion", **where: Any
) -> StylePrice:
    return set_price(
        style, kind=kind, price_fen=fen, starts_at=NOW + start * DAY, ends_at=None if end is None else NOW + end * DAY,
        actor=SYSTEM, now=NOW, **where,
    )  # fmt: skip


def test_the_narrowest_price_that_holds_counts(style: StyleColor) -> None:
    own, dealers, other = make_store(), make_store(kind="dealer"), make_store()
    price(style, 200000, 1, 5, name="全国")
    price(style, 190000, 2, 4, store_kind="dealer", name="经销")
    price(style, 150000, 3, 4, store=own, name="店庆")
    price(style, 240000, 4, None, kind="tag")

    def at(day: float, store: Any) -> Price:
        return price_of_styles([style.pk], store=store, at=NOW + day * DAY)[style.pk]

    tag = Price(258000)
    assert [at(0, own), at(1, own), at(2.5, own), at(3.5, own)] == [
        tag, Price(258000, 200000, "全国"), Price(258000, 200000, "全国"), Price(258000, 150000, "店庆"),
    ]  # fmt: skip
    assert (at(3.5, dealers), at(3.5, other), at(3.5, None)) == (
        Price(258000, 190000, "经销"), Price(258000, 200000, "全国"), Price(258000, 200000, "全国"),
    )  # fmt: skip
    assert (at(4.5, own), at(5, own)) == (
        Price(240000, 200000, "全国"),
        Price(240000),
    )  # half-open, and the new tag price
    sku = size_of(style)
    assert price_of([sku.pk], store=own, at=NOW + 3.5 * DAY) == {sku.pk: Price(258000, 150000, "店庆")}
    assert at(3.5, own).fen == 150000 and at(3.5, own).saved_fen == 108000


def test_of_the_feeds_tag_price_and_a_dated_one_for_everywhere_the_later_start_wins(style: StyleColor) -> None:
    own = make_store()
    price(style, 240000, 1, None, kind="tag")
    price(
        style, 230000, 1, None, kind="tag", store=own
    )  # of one place: the narrowest place counts, whatever the feed says

    def at(day: float, store: Any = None) -> int:
        return price_of_styles([style.pk], store=store, at=NOW + day * DAY)[style.pk].tag_fen

    assert (at(0.5), at(2), at(2, own)) == (258000, 240000, 230000)
    StyleColor.objects.filter(pk=style.pk).update(price_fen=269000, price_since=NOW + 3 * DAY)
    assert (at(2), at(3), at(3, own)) == (240000, 269000, 230000)  # what was offered before keeps its price
    end_price(StylePrice.objects.get(store=None), actor=SYSTEM, now=NOW + 4 * DAY)
    set_price(
        style, kind="tag", price_fen=249000, starts_at=NOW + 5 * DAY, actor=SYSTEM, now=NOW + 4 * DAY
    )  # planned after the feed's: it is the later one
    assert (at(4.5), at(5)) == (269000, 249000)


def test_prices_take_one_statement_for_any_number(style: StyleColor, django_assert_num_queries: Any) -> None:
    for nth in range(3):
        make_goods(f"26SXF10{nth}-NV")
    ids = list(StyleColor.objects.values_list("pk", flat=True))
    with django_assert_num_queries(1):
        assert len(price_of_styles(ids, store=None, at=NOW)) == 4


def test_two_prices_of_a_kind_never_hold_at_once_in_a_place(style: StyleColor) -> None:
    first = price(style, 200000, 1, 5)
    with pytest.raises(PriceOverlap):
        price(style, 190000, 4, 6)
    price(style, 190000, 5, 6)  # half-open: one begins where the other ends
    price(style, 190000, 4, 6, store=make_store())  # another place
    price(style, 190000, 4, 6, kind="tag")
    with pytest.raises(IntegrityError, match="style_price_one_at_a_time"), transaction.atomic():
        StylePrice.objects.create(  # the database itself says no
            style=style, kind="promotion", price_fen=1, during=DateTimeTZRange(NOW + DAY, NOW + 2 * DAY), set_at=NOW
        )  # fmt: skip
    end_price(first, actor=SYSTEM, now=NOW)
    assert not StylePrice.objects.filter(pk=first.pk).exists()  # it had not begun


def test_a_price_that_ran_ends_now_and_stays_as_history(style: StyleColor) -> None:
    row = price(style, 200000, 0, 5)
    end_price(row, actor=SYSTEM, now=NOW + DAY)
    row.refresh_from_db()
    assert (row.during.lower, row.during.upper) == (NOW, NOW + DAY)
    assert price_of_styles([style.pk], store=None, at=NOW + DAY)[style.pk] == Price(258000)


def test_what_no_price_may_be(style: StyleColor) -> None:
    for facts in (
        {"price_fen": 0}, {"price_fen": 300000}, {"starts_at": NOW - DAY}, {"ends_at": NOW}, {"ends_at": None},
    ):  # fmt: skip
        facts = {"price_fen": 100000, "starts_at": NOW, "ends_at": NOW + DAY} | facts
        with pytest.raises(Invalid):
            set_price(style, kind="promotion", actor=SYSTEM, now=NOW, **facts)
    with pytest.raises(Forbidden):
        set_price(
            style, kind="promotion", price_fen=1, starts_at=NOW, ends_at=NOW + DAY, actor=Actor(kind="staff"), now=NOW
        )


# ---------------------------------------------------------------- finding


def test_goods_are_found_by_what_stands_on_the_label_and_by_what_one_calls_them() -> None:
    load_catalogue()
    suit = StyleColor.objects.get(sku_code="25FXF101-NV")
    sku = size_of(suit)

    def found(text: str, **values: str) -> list[str]:
        return [one.sku_code for one in find_goods(text, SYSTEM, filters=Filters(values))]

    assert found("25fxf101") == ["25FXF101-CG", "25FXF101-NV"]
    assert found(sku.barcode) == found(sku.code) == found("25FXF101-NV") == ["25FXF101-NV"]
    assert "25FXF101-NV" in found("修身套西") and "25FXF101-NV" in found("藏青套西")[:3]
    assert "25FXF101-NV" in found("kzym") and "25FXF101-NV" in found("kz")  # 抗皱羊毛
    assert found("没有的东西啊") == []
    assert found("", category_l1="西服", color_family="酒红") == ["25WXF107-WR", "25WXF103-WR"]
    assert found("", occasion="宴会", category_l2="套西", season="秋") == ["25FXF102-NV", "25FXF102-BK"]
    assert len(found("")) == 122
    assert (sku_of(sku.barcode), sku_of(sku.code.lower()), sku_of("6900000000000")) == (sku, sku, None)


# ---------------------------------------------------------------- tags


def test_the_67_tags_of_the_file_and_their_values() -> None:
    assert load_product_tags() == load_product_tags() == ProductTag.objects.count() == 67
    columns = {field.name for field in StyleColor._meta.fields}
    assert set(COLUMNS.values()) <= columns
    assert set(COLUMNS) <= set(ProductTag.objects.values_list("key", flat=True))
    assert set(RULES) <= set(ProductTag.objects.filter(kind="rule").values_list("key", flat=True))


def test_every_column_of_the_catalogue_has_a_value_its_tag_knows() -> None:
    load_product_tags()
    load_catalogue()
    for tag in ProductTag.objects.filter(key__in=COLUMNS, value_type__in=("enum", "multi_enum")):
        column = COLUMNS[tag.key]
        carried = {
            value
            for row in StyleColor.objects.values_list(column, flat=True)
            for value in (row if isinstance(row, list) else [row])
        }
        assert carried <= {*tag.values, ""}, tag.key


def test_a_tag_is_set_found_and_changed(style: StyleColor) -> None:
    load_product_tags()
    craft, series = ProductTag.objects.get(key="craft"), ProductTag.objects.get(key="series")
    set_tag(style, craft, ["免烫", "半麻衬"], actor=SYSTEM, now=NOW)
    assert list(find_goods("", SYSTEM, filters=Filters({"craft": "免烫"}))) == [style]
    set_tag(style, craft, ["半麻衬"], actor=SYSTEM, now=NOW)
    assert list(find_goods("", SYSTEM, filters=Filters({"craft": "免烫"}))) == []
    assert dict((tag.key, values) for tag, values in tags_of(style))["craft"] == ["半麻衬"]
    for tag, values in ((craft, ["飞天"]), (series, ["新中式"])):
        with pytest.raises(Invalid):
            set_tag(style, tag, values, actor=SYSTEM, now=NOW)


def test_tags_by_rule_follow_sales_and_stock(style: StyleColor) -> None:
    load_product_tags()
    style.launch_on, style.year, style.season = (NOW - 10 * DAY).date(), 2026, "春"
    style.save()
    store = make_store()
    for size in style.skus.values_list("size", flat=True):
        make_stock(style, store, 0 if size == SIZE else 2, size=size, as_of=NOW)
    member = make_member()
    make_order(
        member, store=store, paid_at=(NOW - 3 * DAY).isoformat(), lines=[{"sku_code": style.sku_code, "quantity": 2}]
    )
    compute_tags(now=NOW)
    carried = {tag.key: values for tag, values in tags_of(style)}
    assert {key: carried[key] for key in RULES if key in carried} == {
        "is_new": ["是"], "days_on_sale": ["10"], "stock_nature": ["当季"], "shortage": ["断码"], "qty_rank": ["1"],
        "amount_rank": ["1"], "sale_nature": ["平销"], "days_slow": ["3"], "days_sellable": ["140"],
    }  # fmt: skip
    kept = StyleTag.objects.get(tag__key="is_new").at
    assert compute_tags(now=NOW + timedelta(hours=1)) == {"style_tags_changed": 0}
    assert StyleTag.objects.get(tag__key="is_new").at == kept
