"""What a store sold today, on its board: beside the same day of last week, by hour and by who sold it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.http import HttpRequest

from guides.org.models import Staff, Store
from yejibao.core import clock, words
from yejibao.core.panels import Answer, panel

from .day_facts import NO_SALES

WEEK = timedelta(days=7)
WIDE, HIGH, FOOT = 326, 84, 20
_SOLD = """
SELECT o.paid_on, extract(hour FROM o.paid_at AT TIME ZONE 'Asia/Shanghai')::int, o.guide_id, o.member_id IS NOT NULL,
    sum(o.net_amount_fen)::bigint, count(*), coalesce(sum(o.net_amount_fen) FILTER (WHERE o.paid_at <= %(week_ago)s), 0)::bigint
FROM crm_order o
WHERE o.store_id = %(store)s AND o.paid_on IN (%(today)s, %(last)s) AND o.paid_at <= %(now)s AND o.known_at IS NOT NULL
  AND o.status = 'paid' AND o.kind <> ALL(%(no_sales)s)
GROUP BY 1, 2, 3, 4
"""
_ITEMS = """
SELECT coalesce(sum(l.quantity - l.returned_quantity), 0) FROM crm_order o
JOIN crm_orderline l ON l.order_id = o.id AND l.paid_fen > 0
WHERE o.store_id = %(store)s AND o.paid_on = %(today)s AND o.paid_at <= %(now)s AND o.known_at IS NOT NULL
  AND o.status = 'paid' AND o.kind <> ALL(%(no_sales)s)
"""
_ENTERED = "SELECT sum(entered) FROM guides_footfall WHERE store_id = %(store)s AND day = %(today)s"


@panel("manager.board", order=10, name="sales")
def sales_panel(request: HttpRequest, *, store: Store, now: datetime, **_: Any) -> Answer:
    """今日业绩: what the orders and the door say; targets come with their own issue."""
    today = clock.local_day(now)
    facts: dict[str, Any] = {
        "store": store.pk, "today": today, "last": today - WEEK, "now": now, "week_ago": now - WEEK, "no_sales": NO_SALES,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SOLD, facts)
        rows = cursor.fetchall()
        cursor.execute(_ITEMS, facts)
        items = int(cursor.fetchone()[0])
        cursor.execute(_ENTERED, facts)
        entered = cursor.fetchone()[0]
    mine = [row for row in rows if row[0] == today]
    fen, orders = sum(row[4] for row in mine), sum(row[5] for row in mine)
    with_member = sum(row[4] for row in mine if row[3])
    before = sum(row[6] for row in rows if row[0] == today - WEEK)
    return "storeboard/sales.html", {
        "fen": fen, "orders": orders, "last_day": words.weekday(today - WEEK),
        "change": f"{(fen - before) / before:+.0%}" if before else "", "is_up": fen >= before,
        "lines": _lines(rows, today, now), "hours": _hours(store),
        "figures": _figures(fen, orders, items, with_member, entered, len({row[2] for row in mine if row[2]}), store),
        "sellers": _sellers(mine),
    }  # fmt: skip


def _figures(
    fen: int, orders: int, items: int, with_member: int, entered: int | None, sellers: int, store: Store
) -> list[tuple[str, str, str]]:
    """Return the six small cards as far as they are known: name, value, note."""
    return [
        (
            "成交率",
            words.pct(orders / entered) if entered else words.NOTHING,
            f"进店 {entered} 人" if entered else "没有客流计数",
        ),
        ("客单价", words.yuan(fen // orders) if orders else words.NOTHING, f"{orders} 单"),
        ("连带率", f"{items / orders:.1f}" if orders else words.NOTHING, f"{items} 件"),
        ("会员占比", words.pct(with_member / fen) if fen else words.NOTHING, "会员买的"),
        ("人效", words.yuan(fen // sellers) if sellers else words.NOTHING, f"{sellers} 人开单"),
        ("坪效", words.yuan(fen // store.area_m2) if store.area_m2 else words.NOTHING, f"{store.area_m2 or '—'} 平"),
    ]


def _hours(store: Store) -> list[int]:
    return list(range(store.opens_at.hour, max(store.closes_at.hour, store.opens_at.hour + 1) + 1))


def _lines(rows: list[tuple[Any, ...]], today: date, now: datetime) -> list[dict[str, Any]]:
    """Return the two cumulative lines, last week's first, as points of one drawing."""
    sums: dict[date, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for day, hour, _guide, _member, fen, *_rest in rows:
        sums[day][hour] += fen
    hour_now = now.astimezone(clock.SHANGHAI).hour
    found, most = [], 1
    for day, until in ((today - WEEK, 23), (today, hour_now)):
        total, points = 0, []
        for hour in range(9, until + 1):
            total += sums[day][hour]
            points.append((hour, total))
        most = max(most, total)
        found.append(points)
    span = 22 - 9

    def place(hour: int, fen: int) -> str:
        return f"{4 + (min(hour, 22) - 9) / span * (WIDE - 8):.1f},{HIGH - FOOT - fen / most * (HIGH - FOOT - 6):.1f}"

    return [
        {"points": " ".join(place(*one) for one in points), "last": place(*points[-1]).split(",")}
        for points in found
        if points
    ]


def _sellers(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return 今天谁在卖, the most first."""
    by_guide: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for _day, _hour, guide, _member, fen, orders, _before in rows:
        if guide:
            by_guide[guide][0] += fen
            by_guide[guide][1] += orders
    names = dict(Staff.objects.filter(pk__in=by_guide).values_list("pk", "display_name"))
    most = max((fen for fen, _ in by_guide.values()), default=0)
    ranked = sorted(by_guide.items(), key=lambda one: (-one[1][0], one[0]))
    return [
        {"name": names.get(pk, ""), "fen": fen, "orders": orders, "width": round(100 * fen / most) if most else 0}
        for pk, (fen, orders) in ranked
    ]
