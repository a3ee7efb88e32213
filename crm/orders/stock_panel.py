"""商品销存结构 of a store, for who patrols it (patrol_checklist.yaml, stock_structure): what hangs, what sells, what is broken."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.http import HttpRequest

from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.panels import Answer, panel

from .day_facts import NO_SALES

SOLD_DAYS = timedelta(days=30)
SHOWN = 5
# What a store has by style, and what it sold of it lately: some hundreds of rows.
_STYLES = """
WITH held AS (
    SELECT style_id, sum(quantity) AS quantity, sum(in_transit) AS in_transit, count(*) FILTER (WHERE quantity = 0) AS broken,
        count(*) AS sizes, max(as_of) AS as_of
    FROM crm_stocklevel WHERE store_id = %(store)s GROUP BY style_id
), sold AS (
    SELECT l.sku_code, sum(l.quantity - l.returned_quantity) AS pieces
    FROM crm_order o JOIN crm_orderline l ON l.order_id = o.id
    WHERE o.store_id = %(store)s AND o.paid_on >= %(since)s AND o.known_at IS NOT NULL AND o.status = 'paid'
      AND o.kind <> ALL(%(no_sales)s)
    GROUP BY l.sku_code
)
SELECT style.name, style.color, style.category_l1, style.season, coalesce(held.quantity, 0)::int, coalesce(held.in_transit, 0)::int,
    coalesce(held.broken, 0)::int, coalesce(held.sizes, 0)::int, coalesce(sold.pieces, 0)::int, held.as_of
FROM held FULL JOIN (SELECT s.id, sold.pieces FROM sold JOIN crm_stylecolor s ON s.sku_code = sold.sku_code) sold
    ON sold.id = held.style_id
JOIN crm_stylecolor style ON style.id = coalesce(held.style_id, sold.id)
ORDER BY style.id
"""


@panel("patrol.prep", order=60, name="stock_structure")
def stock_structure(request: HttpRequest, *, store: Store, **_: Any) -> Answer:
    """Stock by category, the best and the slowest of 30 days, and what sells with sizes missing."""
    today = clock.today()
    with connection.cursor() as cursor:
        cursor.execute(_STYLES, {"store": store.pk, "since": today - SOLD_DAYS, "no_sales": NO_SALES})
        rows = cursor.fetchall()
    if not rows:
        return None
    stock, coming, sold = (sum(row[place] for row in rows) for place in (4, 5, 8))
    by_category: dict[str, int] = {}
    for row in rows:
        by_category[row[2]] = by_category.get(row[2], 0) + row[4]
    seen = [row[9] for row in rows if row[9]]
    as_of = f"库存截至 {max(seen).astimezone(clock.SHANGHAI):%m-%d %H:%M}" if seen else "还没有接到这家店的库存"
    lines = [
        ("在店库存", f"{stock:,} 件" if seen else "—", as_of),
        ("在途", f"{coming:,} 件" if seen else "—", ""),
        ("30 天卖出", f"{sold:,} 件", ""),
        ("30 天动销", f"{sold / (sold + stock):.0%}" if seen and sold + stock else "—", "卖出 ÷（卖出 + 库存）"),
    ]
    charts = []
    if stock:
        order = sorted(by_category.items(), key=lambda one: -one[1])[:6]
        charts.append(
            {"name": "库存按品类", "unit": "件", "rows": [(name, count, count * 100 // stock) for name, count in order]}
        )
    best = sorted((row for row in rows if row[8] > 0), key=lambda row: -row[8])[:SHOWN]
    slow = sorted((row for row in rows if row[4] > 0 and row[8] <= 0), key=lambda row: -row[4])[:SHOWN]
    broken = [row for row in sorted(rows, key=lambda row: -row[8]) if row[8] > 0 and 0 < row[6] < row[7]][:SHOWN]
    lists = [
        ("卖得最好", [(f"{row[0]} {row[1]}", f"{row[8]} 件") for row in best]),
        ("30 天没卖动", [(f"{row[0]} {row[1]}", f"库存 {row[4]} 件") for row in slow]),
        ("在卖却断码", [(f"{row[0]} {row[1]}", f"缺 {row[6]} 个码") for row in broken]),
    ]
    return "patrol/figures.html", {"lines": lines, "charts": charts, "lists": [one for one in lists if one[1]]}
