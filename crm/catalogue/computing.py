"""Product tags by rule (product_tags.yaml), computed every night with one statement each, over all style-colours.

A tag is computed where its rule can be told from what the house has; the others wait for their source and show no value.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from yejibao.core import clock

from .models import ProductTag

# style_id, value of each style-colour that has one. `sold` is what the last 28 days sold of it, returns taken off.
_SOLD = """
SELECT style.id, style.category_l1, coalesce(sum(line.quantity - line.returned_quantity), 0) AS pieces,
    coalesce(sum(line.paid_fen * (line.quantity - line.returned_quantity) / greatest(line.quantity, 1)), 0) AS fen
FROM crm_stylecolor style
LEFT JOIN (crm_orderline line JOIN crm_order o ON o.id = line.order_id AND o.status = 'paid' AND o.known_at IS NOT NULL
        AND o.paid_on > %(today)s::date - 28 AND o.paid_on <= %(today)s)
    ON line.sku_code = style.sku_code
GROUP BY style.id, style.category_l1
"""
_HELD = "SELECT style_id, size, sum(quantity) AS quantity FROM crm_stocklevel GROUP BY style_id, size"
RULES: dict[str, str] = {
    "is_new": "SELECT id, CASE WHEN launch_on > %(today)s::date - 60 THEN '是' ELSE '否' END FROM crm_stylecolor WHERE launch_on <= %(today)s",
    "days_on_sale": "SELECT id, (%(today)s::date - launch_on)::text FROM crm_stylecolor WHERE launch_on <= %(today)s",
    "stock_nature": """
        SELECT id, CASE WHEN year < extract(year FROM %(today)s::date)::int - (extract(month FROM %(today)s::date) < 3)::int THEN '跨年'
            WHEN season IN ('四季', %(season)s) THEN '当季' ELSE '过季' END FROM crm_stylecolor WHERE year IS NOT NULL""",
    # Core sizes are the middle three of a run.
    "shortage": f"""
        WITH run AS (
            SELECT sku.style_id, sku.size, coalesce(held.quantity, 0) AS quantity,
                row_number() OVER (PARTITION BY sku.style_id ORDER BY sku.id) AS nth, count(*) OVER (PARTITION BY sku.style_id) AS sizes
            FROM crm_sku sku LEFT JOIN ({_HELD}) held ON held.style_id = sku.style_id AND held.size = sku.size
        )
        SELECT style_id, CASE WHEN sum(quantity) = 0 THEN '缺货'
            WHEN bool_or(quantity = 0 AND nth BETWEEN sizes / 2 AND sizes / 2 + 2 AND sizes >= 3) THEN '断码' ELSE '不缺' END
        FROM run GROUP BY style_id""",
    "qty_rank": f"SELECT id, rank() OVER (PARTITION BY category_l1 ORDER BY pieces DESC)::text FROM ({_SOLD}) sold WHERE pieces > 0",
    "amount_rank": f"SELECT id, rank() OVER (PARTITION BY category_l1 ORDER BY fen DESC)::text FROM ({_SOLD}) sold WHERE pieces > 0",
    "sale_nature": f"""
        WITH sold AS ({_SOLD}), middle AS (
            SELECT category_l1, percentile_cont(0.5) WITHIN GROUP (ORDER BY pieces) AS pieces FROM sold WHERE pieces > 0 GROUP BY 1
        )
        SELECT sold.id, CASE WHEN sold.pieces > 1.3 * middle.pieces THEN '畅销' WHEN sold.pieces < 0.6 * middle.pieces THEN '滞销'
            ELSE '平销' END
        FROM sold JOIN middle USING (category_l1)""",
    "days_slow": """
        SELECT style.id, (%(today)s::date - max(o.paid_on))::text
        FROM crm_stylecolor style JOIN crm_orderline line ON line.sku_code = style.sku_code
            JOIN crm_order o ON o.id = line.order_id AND o.status = 'paid' AND o.known_at IS NOT NULL AND o.paid_on <= %(today)s
        GROUP BY style.id""",
    "days_sellable": f"""
        SELECT sold.id, ceil(held.quantity * 28.0 / sold.pieces)::int::text
        FROM ({_SOLD}) sold JOIN (SELECT style_id, sum(quantity) AS quantity FROM crm_stocklevel GROUP BY 1) held
            ON held.style_id = sold.id WHERE sold.pieces > 0""",
}  # fmt: skip
_CHANGE = """
WITH fresh AS ({rule}), gone AS (
    DELETE FROM crm_styletag t WHERE t.tag_id = %(tag)s
        AND NOT EXISTS (SELECT 1 FROM fresh f(style_id, value) WHERE f.style_id = t.style_id AND f.value = t.value)
)
INSERT INTO crm_styletag (style_id, tag_id, value, source, at)
SELECT f.style_id, %(tag)s, f.value, 'job', %(now)s FROM fresh f(style_id, value)
WHERE f.value IS NOT NULL ORDER BY 1 ON CONFLICT (style_id, tag_id, value) DO NOTHING
"""
SEASON = {3: "春", 4: "春", 5: "春", 6: "夏", 7: "夏", 8: "夏", 9: "秋", 10: "秋", 11: "秋"}


def compute_tags(*, now: datetime) -> dict[str, int]:
    """Bring the tags by rule up to date: a value that changed is a new row, others keep the time they were found. Returns changes."""
    today = clock.local_day(now)
    params: dict[str, Any] = {"today": today, "now": now, "season": SEASON.get(today.month, "冬")}
    ids = dict(ProductTag.objects.filter(key__in=RULES).values_list("key", "pk"))
    changed = 0
    for key, rule in RULES.items():
        if key in ids:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_CHANGE.format(rule=rule), params | {"tag": ids[key]})
                changed += cursor.rowcount
    return {"style_tags_changed": changed}
