"""Products (style-colours with their sizes), their labels, stock and codes of single pieces as kinds of the intake."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm.catalogue.services import fill_styles
from crm.catalogue.services.items import CODE
from yejibao.intake import kinds
from yejibao.intake.kinds import Field, Kind
from yejibao.intake.stage import Column, Stage


def cell(name: str) -> str:
    return f"nullif(s.cells->>'{name}', '')"


# ---------------------------------------------------------------- products

STYLE = "t.sku_code = s.key"
TEXTS = (
    "category_l2", "color_family", "size_range", "season", "wave", "care_key", "outfit_role", "color_code", "series", "fabric_main",
    "fabric_detail", "fit", "style_tag", "pattern", "collar", "sale_position",
)  # fmt: skip
STYLE_COLUMNS = (
    Column("sku_code", "s.key"),
    Column("name", cell("name")),
    Column("category_l1", cell("category_l1")),
    Column("color", cell("color")),
    Column("price_fen", f"({cell('price_fen')})::bigint"),
    Column("launch_on", f"({cell('launch_on')})::date"),
    Column("occasions", f"string_to_array({cell('occasions')}, ';')::varchar[]", blank="'{}'"),
    Column("style_no", cell("style_no"), blank="split_part(s.key, '-', 1)"),
    Column("year", f"({cell('year')})::smallint"),
    *(Column(name, cell(name), blank="''") for name in TEXTS),
)  # fmt: skip


def check_products(stage: Stage) -> None:
    stage.compare("crm_stylecolor", STYLE, STYLE_COLUMNS)


def commit_products(stage: Stage) -> None:
    # Before the price is another: from now on it is the feed's, and a dated one that began earlier has had its time.
    stage.run(
        f"""
        UPDATE crm_stylecolor t SET price_since = %(now)s FROM intake_stagedrow s
        WHERE {stage.where} AND s.outcome = 'changed' AND {STYLE} AND t.price_fen <> ({cell("price_fen")})::bigint
        """,
        {"now": stage.now},
    )
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
    changed = stage.run(f"SELECT s.key FROM intake_stagedrow s WHERE {stage.where} AND s.outcome <> 'same'")
    fill_styles([key for (key,) in changed])


# ---------------------------------------------------------------- labels

LABEL = "t.style_id = sc.id AND t.size = s.cells->>'size'"
LABEL_JOINS = "JOIN crm_stylecolor sc ON sc.sku_code = s.cells->>'sku'"
LABEL_COLUMNS = (
    Column("style_id", "sc.id"),
    Column("size", "s.cells->>'size'"),
    Column("code", f"coalesce({cell('code')}, left(sc.sku_code || '-' || (s.cells->>'size'), 40))", new_only=True),
    Column("barcode", cell("barcode")),
)


def check_labels(stage: Stage) -> None:
    stage.unknown("sku", "crm_stylecolor", "sku_code", "商品库里没有这个款色")
    stage.refuse(
        "x.id IS NOT NULL", "barcode", "barcode.taken", "这个条码已经是别的尺码的",
        joins=f"""{LABEL_JOINS} JOIN crm_sku x ON x.barcode = s.cells->>'barcode'
            AND (x.style_id, x.size) IS DISTINCT FROM (sc.id, s.cells->>'size')""",
    )  # fmt: skip
    stage.compare("crm_sku", LABEL, LABEL_COLUMNS, joins=LABEL_JOINS)


def commit_labels(stage: Stage) -> None:
    stage.write("crm_sku", LABEL, LABEL_COLUMNS, unique="style_id, size", joins=LABEL_JOINS)


# ---------------------------------------------------------------- warehouses

WAREHOUSE = "t.code = s.key"
WAREHOUSE_COLUMNS = (
    Column("code", "s.key"),
    Column("name", cell("name")),
    Column("city", cell("city"), blank="''"),
)


def check_warehouses(stage: Stage) -> None:
    stage.refuse(
        "x.id IS NOT NULL", "code", "code.store", "这是一家门店的编码", joins="JOIN guides_store x ON x.code = s.key"
    )
    stage.compare("crm_warehouse", WAREHOUSE, WAREHOUSE_COLUMNS)


def commit_warehouses(stage: Stage) -> None:
    stage.write("crm_warehouse", WAREHOUSE, WAREHOUSE_COLUMNS, unique="code")


# ---------------------------------------------------------------- codes of single pieces

PIECE = "t.code = s.key"
PIECE_JOINS = """
    JOIN crm_stylecolor sc ON sc.sku_code = s.cells->>'sku' JOIN crm_sku k ON k.style_id = sc.id AND k.size = s.cells->>'size'
    LEFT JOIN crm_itembatch b ON b.key = 'intake:' || s.batch
"""
PIECE_COLUMNS = (
    Column("code", "s.key"),
    Column("sku_id", "k.id", new_only=True),
    Column("batch_id", "b.id", new_only=True),
    Column("sale", "''", new_only=True),
)


def check_pieces(stage: Stage) -> None:
    stage.refuse(f"s.key !~ '^{CODE.pattern}$'", "code", "code.form", "一物一码是 6 到 32 位大写字母、数字或横线")
    stage.unknown("sku", "crm_stylecolor", "sku_code", "商品库里没有这个款色")
    stage.refuse(
        "k.id IS NULL", "size", "size.unknown", "这个款色没有这个尺码",
        joins="""LEFT JOIN crm_stylecolor sc ON sc.sku_code = s.cells->>'sku'
            LEFT JOIN crm_sku k ON k.style_id = sc.id AND k.size = s.cells->>'size'""",
    )  # fmt: skip
    stage.refuse(
        "k.id IS NOT NULL AND NOT (sc.sku_code = s.cells->>'sku' AND k.size = s.cells->>'size')", "code", "code.taken",
        "这个编码已经是别的货的",
        joins="JOIN crm_itemcode i ON i.code = s.key JOIN crm_sku k ON k.id = i.sku_id JOIN crm_stylecolor sc ON sc.id = k.style_id",
    )  # fmt: skip
    stage.compare("crm_itemcode", PIECE, PIECE_COLUMNS, joins=PIECE_JOINS)


def commit_pieces(stage: Stage) -> None:
    stage.run(
        f"""
        INSERT INTO crm_itembatch (key, made_by_id, made_at, count, note)
        SELECT 'intake:{int(stage.batch_id)}', %(by)s, %(now)s, count(*), '导入' FROM intake_stagedrow s WHERE {stage.where}
        HAVING count(*) > 0
        ON CONFLICT (key) DO UPDATE SET count = crm_itembatch.count + excluded.count
        """,
        {"by": stage.by_id, "now": stage.now},
    )
    stage.write("crm_itemcode", PIECE, PIECE_COLUMNS, unique="code", joins=PIECE_JOINS)


# ---------------------------------------------------------------- stock

# A place of stock is a store or a warehouse; no code is of both.
_AT = """{0}.style_id = sc.id AND {0}.size = s.cells->>'size'
    AND {0}.store_id IS NOT DISTINCT FROM st.id AND {0}.warehouse_id IS NOT DISTINCT FROM wh.id"""
STOCK = _AT.format("t")
STOCK_JOINS = """
    LEFT JOIN guides_store st ON st.code = s.cells->>'store' LEFT JOIN crm_warehouse wh ON wh.code = s.cells->>'store'
    JOIN crm_stylecolor sc ON sc.sku_code = s.cells->>'sku'
"""
COUNTED_AT = f"({cell('as_of')})::timestamptz"


def _stock_columns(stage: Stage) -> tuple[Column, ...]:
    return (
        Column("store_id", "st.id"),
        Column("warehouse_id", "wh.id"),
        Column("style_id", "sc.id"),
        Column("size", "s.cells->>'size'"),
        Column("quantity", "(s.cells->>'quantity')::int"),
        Column("in_transit", f"({cell('in_transit')})::int", blank="0"),
        Column("as_of", f"coalesce({COUNTED_AT}, {stage.literal(stage.now)}::timestamptz)", compared=False),
        Column("source", stage.literal(stage.source), compared=False),
    )


def check_stock(stage: Stage) -> None:
    stage.refuse(
        "st.id IS NULL AND wh.id IS NULL", "store", "store.unknown", "没有这家门店或仓库",
        joins="""LEFT JOIN guides_store st ON st.code = s.cells->>'store'
            LEFT JOIN crm_warehouse wh ON wh.code = s.cells->>'store'""",
    )  # fmt: skip
    stage.unknown("sku", "crm_stylecolor", "sku_code", "商品库里没有这个款色")
    stage.refuse(
        f"{COUNTED_AT} > {stage.literal(stage.now)}::timestamptz + interval '5 minutes'",
        "as_of",
        "as_of.future",
        "盘存时间在将来",
    )
    # What was counted earlier says nothing of now; it would bring back pieces that were sold since.
    stage.refuse(
        f"l.id IS NOT NULL AND l.source <> 'movement' AND l.as_of > {COUNTED_AT}", "as_of", "as_of.stale", "库里的数比这条新",
        joins=f"{STOCK_JOINS} LEFT JOIN crm_stocklevel l ON {_AT.format('l')}",
    )  # fmt: skip
    stage.compare("crm_stocklevel", STOCK, _stock_columns(stage), joins=STOCK_JOINS)


def commit_stock(stage: Stage) -> None:
    stage.write(
        "crm_stocklevel",
        STOCK,
        _stock_columns(stage),
        unique="style_id, size, store_id, warehouse_id",
        joins=STOCK_JOINS,
    )
    # The same number, counted later: from then on it has our own movements in it. Touches no index.
    stage.run(
        f"""
        UPDATE crm_stocklevel t SET as_of = n.as_of, source = {stage.literal(stage.source)} FROM (
            SELECT t.id, coalesce({COUNTED_AT}, {stage.literal(stage.now)}::timestamptz) AS as_of
            FROM intake_stagedrow s {STOCK_JOINS} JOIN crm_stocklevel t ON {STOCK}
            WHERE {stage.where} AND s.outcome = 'same' ORDER BY t.id FOR NO KEY UPDATE OF t
        ) n WHERE t.id = n.id AND t.as_of < n.as_of
        """
    )


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
            Field("sizes", "尺码", most=255, help="几个用 ; 隔开，每个建一个 SKU；空着按尺码段展开", example="175/92A;180/96A"),
            Field("year", "年份", form="whole", low=2000, high=2100),
            Field("season", "季节", most=4),
            Field("wave", "波段", most=8),
            Field("launch_on", "上市日期", form="day", aliases=("上市日",)),
            Field("price_fen", "吊牌价（元）", form="fen", required=True, aliases=("吊牌价", "价格"), example=258000, help="吊牌价，分"),
            Field("care_key", "洗护类别", most=16),
            Field("occasions", "场合", most=128, help="几个用 ; 隔开"),
            Field("outfit_role", "搭配角色", most=16),
            Field("color_code", "颜色码", most=8),
            Field("series", "系列", most=16),
            Field("fabric_main", "面料", most=16),
            Field("fabric_detail", "面料成分", most=64),
            Field("fit", "版型", most=8),
            Field("style_tag", "风格", most=16),
            Field("pattern", "图案", most=16),
            Field("collar", "领型", most=16),
            Field("sale_position", "售卖定位", most=8),
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
            Field("store", "门店编码", form="code", required=True, most=32, aliases=("仓库编码",), example="S001", help="门店或仓库的编码"),
            Field("sku", "款色码", form="code", required=True, most=32, aliases=("货号",), example="25FXF101-NV"),
            Field("size", "尺码", required=True, most=16, example="175/92A"),
            Field("quantity", "库存件数", form="whole", low=0, high=1_000_000, required=True, aliases=("件数", "数量", "库存"), example=3),
            Field("in_transit", "在途件数", form="whole", low=0, high=1_000_000, aliases=("在途",), help="正在发往这里的"),
            Field("as_of", "盘存时间", form="moment", help="数是什么时候的；空着算收到的时候"),
        ),
        natural_key=("store", "sku", "size"),
        check=check_stock,
        commit=commit_stock,
        newest_wins=True,
        about="送的是现在有几件，不是增减；一批里同一件写两次，以后写的为准。",
    )
)  # fmt: skip
kinds.register(
    Kind(
        key="labels",
        label=str(_("商品条码")),
        roles=("hq_merch",),
        fields=(
            Field("sku", "款色码", form="code", required=True, most=32, aliases=("货号",), example="25FXF101-NV"),
            Field("size", "尺码", required=True, most=16, example="175/92A"),
            Field("barcode", "条码", form="code", required=True, most=32, aliases=("69码",), example="6901234567892"),
            Field("code", "SKU 编码", form="code", most=40, help="收银系统里的编码；空着按款色码加尺码"),
        ),
        natural_key=("sku", "size"),
        check=check_labels,
        commit=commit_labels,
        about="一个尺码一行；没给条码的尺码用系统自己的店内码。",
    )
)  # fmt: skip
kinds.register(
    Kind(
        key="warehouses",
        label=str(_("仓库")),
        roles=("hq_merch",),
        fields=(
            Field("code", "仓库编码", form="code", required=True, most=32, example="WH01"),
            Field("name", "名称", required=True, most=32, example="华东总仓"),
            Field("city", "城市", most=32),
        ),
        natural_key=("code",),
        check=check_warehouses,
        commit=commit_warehouses,
        about="仓库的库存和门店的一起送，编码填在门店编码那一列。",
    )
)  # fmt: skip
kinds.register(
    Kind(
        key="item_codes",
        label=str(_("一物一码")),
        roles=("hq_merch",),
        fields=(
            Field("code", "编码", form="code", required=True, most=32, aliases=("唯一码",), example="A2B3C4D5E6"),
            Field("sku", "款色码", form="code", required=True, most=32, aliases=("货号",), example="25FXF101-NV"),
            Field("size", "尺码", required=True, most=16, example="175/92A"),
        ),
        natural_key=("code",),
        check=check_pieces,
        commit=commit_pieces,
        about="一件衣服一行；已经有的编码不改。",
    )
)  # fmt: skip
