"""会员结构 of a store, for who patrols it (patrol_checklist.yaml, member_structure): counts, never names."""

from datetime import time, timedelta
from typing import Any

from django.db import connection
from django.http import HttpRequest

from crm.members.customers import level_names
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.panels import Answer, panel

from .day_facts import NO_SALES

TIERS = {"core": "核心", "potential": "潜力", "common": "普通", "lapsed": "一年未买", "unconsumed": "未消费"}
STAGES = {"potential": "潜客", "new": "新客", "active": "活跃", "dormant": "沉睡", "churned": "流失"}
ACTIVE, YEAR = timedelta(days=180), timedelta(days=365)
# Grouped by all three at once: one look at the store's members, some thousands of rows by the index of the store.
_MEMBERS = """
SELECT lifecycle_stage, member_level, tier_631, count(*),
    count(*) FILTER (WHERE last_purchase_on >= %(active)s),
    count(*) FILTER (WHERE last_purchase_on >= %(year)s)
FROM crm_member
WHERE main_store_id = %(store)s AND status = 'active' AND NOT is_employee AND NOT is_test
GROUP BY GROUPING SETS ((lifecycle_stage), (member_level), (tier_631), ())
"""
_REPEATED = """
SELECT count(*) FROM (
    SELECT o.member_id FROM crm_order o JOIN crm_member m ON m.id = o.member_id
    WHERE m.main_store_id = %(store)s AND m.status = 'active' AND NOT m.is_employee AND NOT m.is_test
      AND o.paid_on >= %(year)s AND o.known_at IS NOT NULL AND o.status = 'paid' AND o.kind <> ALL(%(no_sales)s)
    GROUP BY o.member_id HAVING count(DISTINCT o.paid_on) >= 2
) repeated
"""
_SHARE = """
SELECT coalesce(sum(o.net_amount_fen), 0)::bigint,
    coalesce(sum(o.net_amount_fen) FILTER (WHERE o.member_id IS NOT NULL), 0)::bigint,
    coalesce(sum(o.net_amount_fen) FILTER (WHERE earlier.has), 0)::bigint
FROM crm_order o
LEFT JOIN LATERAL (
    SELECT true AS has FROM crm_order e
    WHERE e.member_id = o.member_id AND e.paid_at < %(month_at)s AND e.known_at IS NOT NULL AND e.status = 'paid' LIMIT 1
) earlier ON true
WHERE o.store_id = %(store)s AND o.paid_on >= %(month)s AND o.paid_on < %(today)s AND o.known_at IS NOT NULL
  AND o.status = 'paid' AND o.kind <> ALL(%(no_sales)s)
"""


@panel("patrol.prep", order=30, name="member_structure")
def member_structure(request: HttpRequest, *, store: Store, **_: Any) -> Answer:
    """Who the store's members are, and what they are of its sales this month."""
    now = clock.now()
    today = clock.local_day(now)
    month = today.replace(day=1)
    facts: dict[str, Any] = {
        "store": store.pk, "today": today, "month": month, "month_at": clock.local_moment(month, time()),
        "active": today - ACTIVE, "year": today - YEAR, "no_sales": NO_SALES,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS, facts)
        rows = cursor.fetchall()
        cursor.execute(_REPEATED, facts)
        (repeated,) = cursor.fetchone()
        cursor.execute(_SHARE, facts)
        sales, by_members, by_known = cursor.fetchone()
    total = active = bought = 0
    groups: tuple[dict[str, int], ...] = ({}, {}, {})
    for stage, level, tier, count, active_count, year_count in rows:
        found = [place for place, key in enumerate((stage, level, tier)) if key is not None]
        if not found:
            total, active, bought = count, active_count, year_count
        else:
            groups[found[0]][(stage, level, tier)[found[0]]] = count
    lines = [
        ("会员销售占比", _share(by_members, sales), "本月到昨天"),
        ("老客业绩占比", _share(by_known, by_members), "本月之前买过的"),
        ("活跃会员数", f"{active:,}", f"共 {total:,} 人，180 天内买过"),
        ("会员复购率", _share(repeated, bought), "一年内买过两天以上"),
    ]
    names = ("生命周期", "会员等级", "631 结构")
    charts = [
        {"name": name, "rows": [(word, group.get(key, 0), group.get(key, 0) * 100 // total) for key, word in words.items()]}
        for name, group, words in zip(names, groups, (STAGES, level_names(), TIERS), strict=True)
        if total
    ]  # fmt: skip
    return "patrol/figures.html", {"lines": lines, "charts": charts}


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "—"
