"""Products (style-colours with their sizes) and stock as kinds of the intake."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from yejibao.intake import kinds
from yejibao.intake.kinds import Field, Kind
from yejibao.intake.stage import Column, Stage


def cell(name: str) -> str:
    return f"nullif(s.cells->>'{name}', '')"


# ---------------------------------------------------------------- products

STYLE = "t.sku_code = s.key"
TEXTS = ("category_l2", "color_family", "size_range", "season", "wave", "care_key", "outfit_role")
STYLE_COLUMNS = (
    Column("sku_code", "s.key"),
    Column("name", cell("name")),
    Column("category_l1", cell("category_l1")),
    Column("color", cell("color")),
    Column("price_fen", f"({cell('price_fen')})::bigint"),
    Column("launch_on", f"({cell('launch_on')})::date"),
    Column("occasions", f"string_to_array({cell('occasions')}, ';')::varchar[]", blank="'{}'"),
    Column("style_no", cell("style_no"), blank="split_part(s.key, '-', 1)"),
    *(Column(name, cell(name), blank="''") for name in TEXTS),
)  # fmt: skip


def check_products(stage: Stage) -> None:
    stage.compare("crm_stylecolor", STYLE, STYLE_COLUMNS)


def commit_products(stage: Stage) -> None:
    stage.write("crm_stylecolor", STYLE, STYLE_COLUMNS, unique="sku_code")
    stage.run(
        f"""
        INSERT INTO crm_sku (code, style_id, size, barcode)
        SELECT left(sc.sku_code || '-' || size, 40), sc.id, left(size, 16), ''
        FROM intake_stagedrow s JOIN crm_stylecolor sc ON sc.sku_code = s.key
            CROSS JOIN LATERAL unnest(string_to_array({cell("sizes")}, ';')) AS sizes(size)
        WHERE {stage.where} AND size <> '' ORDER BY 1 ON CONFLICT DO NOTHING
        """
    )


# ---------------------------------------------------------------- stock

STOCK = "t.store_id = st.id AND t.style_id = sc.id AND t.size = s.cells->>'size'"
STOCK_JOINS = """
    JOIN guides_store st ON st.code = s.cells->>'store' JOIN crm_stylecolor sc ON sc.sku_code = s.cells->>'sku'
"""


def _stock_columns(stage: Stage) -> tuple[Column, ...]:
    return (
        Column("store_id", "st.id"),
        Column("style_id", "sc.id"),
        Column("size", "s.cells->>'size'"),
        Column("quantity", "(s.cells->>'quantity')::int"),
        Column("in_transit", f"({cell('in_transit')})::int", blank="0"),
        Column("as_of", f"{stage.literal(stage.now)}::timestamptz", compared=False),
        Column("source", stage.literal(stage.source), compared=False),
    )


def check_stock(stage: Stage) -> None:
    stage.unknown("store", "guides_store", "code", "没有这家门店")
    stage.unknown("sku", "crm_stylecolor", "sku_code", "商品库里没有这个款色")
    stage.compare("crm_stocklevel", STOCK, _stock_columns(stage), joins=STOCK_JOINS)


def commit_stock(stage: Stage) -> None:
    stage.write("crm_stocklevel", STOCK, _stock_columns(stage), unique="store_id, style_id, size", joins=STOCK_JOINS)


kinds.register(
    Kind(
        key="products",
        label=str(_("商品")),
        unit="款",
        roles=("hq_merch",),
        fields=(
            Field("sku_code", "款色码", form="code", required=True, most=32, example="25FXF101-NV"),
            Field("style_no", "款号", form="code", most=32),
            Field("name", "品名", required=True, most=64, example="抗皱羊毛修身套西"),
            Field("category_l1", "大类", required=True, most=16, aliases=("品类",), example="西服"),
            Field("category_l2", "小类", most=16, example="套西"),
            Field("color", "颜色", required=True, most=16, example="藏青"),
            Field("color_family", "色系", most=16),
            Field("size_range", "尺码段", most=32),
            Field("sizes", "尺码", most=255, help="几个用 ; 隔开，每个建一个 SKU", example="175/92A;180/96A"),
            Field("season", "季节", most=4),
            Field("wave", "波段", most=8),
            Field("launch_on", "上市日期", form="day", aliases=("上市日",)),
            Field("price_fen", "吊牌价（元）", form="fen", required=True, aliases=("吊牌价", "价格"), example=258000, help="吊牌价，分"),
            Field("care_key", "洗护类别", most=16),
            Field("occasions", "场合", most=128, help="几个用 ; 隔开"),
            Field("outfit_role", "搭配角色", most=16),
        ),
        natural_key=("sku_code",),
        check=check_products,
        commit=commit_products,
        about="一个款色一行；空着的格子不改原来的值。",
    )
)  # fmt: skip
kinds.register(
    Kind(
        key="stock",
        label=str(_("库存")),
        roles=("hq_merch",),
        fields=(
            Field("store", "门店编码", form="code", required=True, most=32, example="S001"),
            Field("sku", "款色码", form="code", required=True, most=32, aliases=("货号",), example="25FXF101-NV"),
            Field("size", "尺码", required=True, most=16, example="175/92A"),
            Field("quantity", "库存件数", form="whole", low=0, high=1_000_000, required=True, aliases=("件数", "数量", "库存"), example=3),
            Field("in_transit", "在途件数", form="whole", low=0, high=1_000_000, aliases=("在途",)),
        ),
        natural_key=("store", "sku", "size"),
        check=check_stock,
        commit=commit_stock,
        newest_wins=True,
        about="送的是现在有几件，不是增减；一批里同一件写两次，以后写的为准。",
    )
)  # fmt: skip
