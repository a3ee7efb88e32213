"""足迹: what a member and we had to do with each other, the newest first: bought, brought back, written to, called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from html import escape
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.customers import Customer
from crm.orders.models import Order
from tasks.scripts.facts import item_title
from yejibao.core import together, words
from yejibao.core.panels import Answer, panel

from .labels import OUTCOMES

SHOWN = 8


# Orders as far as the actor may read them; of a talk only who had it and what came of it, not what was written.
FOOTPRINTS = together.Read(
    "footprints",
    f"""
    (WITH mine AS MATERIALIZED (
        SELECT o.id, o.paid_at, o.net_amount_fen, o.paid_fen, o.guide_id, o.store_id FROM crm_order o
        WHERE o.member_id = m.id AND o.known_at <= %(now)s AND o.status <> 'void' AND o.kind NOT IN ('top_up', 'gift_card')
          AND o.id IN (%(scope)s) ORDER BY o.paid_at DESC LIMIT {SHOWN}
    )
    SELECT json_agg(json_build_array(y.at, y.of, y.who, y.what, y.more, y.fen) ORDER BY y.at DESC) FROM (
        (SELECT r.at, 'reach' AS of, g.display_name AS who, r.channel AS what, coalesce(t.outcome, '') AS more, 0::bigint AS fen
            FROM tasks_reach r JOIN guides_staff g ON g.id = r.guide_id LEFT JOIN tasks_task t ON t.id = r.task_id
            WHERE r.member_id = m.id ORDER BY r.day DESC, r.id DESC LIMIT {SHOWN})
        UNION ALL
        (SELECT o.paid_at, 'order', coalesce(g.display_name, ''), s.short_name,
            (SELECT json_build_array(l.item_name, l.color, count(*) OVER ())::text FROM crm_orderline l
                WHERE l.order_id = o.id ORDER BY l.paid_fen DESC, l.id LIMIT 1), o.paid_fen
            FROM mine o JOIN guides_store s ON s.id = o.store_id LEFT JOIN guides_staff g ON g.id = o.guide_id)
        UNION ALL
        (SELECT c.at, c.kind, '', '', '', c.refund_fen FROM mine o JOIN crm_orderchange c ON c.order_id = o.id
            WHERE c.kind IN ('return', 'exchange') AND c.known_at <= %(now)s)
        ORDER BY 1 DESC LIMIT {SHOWN}) y)
    """,
    lambda rows: rows or (),
    scope=partial(together.visible_ids, Order),
)


@panel("member", order=70, name="footprints", reads=(FOOTPRINTS,))
@panel("hq-member", order=70, name="footprints", reads=(FOOTPRINTS,))
def footprints_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """足迹, for those who may see his card."""
    rows: Sequence[Sequence[Any]] = FOOTPRINTS.of(request) if customer.member and customer.may_see_card else ()
    if not rows:
        return None
    lines = "".join([_line(now, *row) for row in rows])
    return SafeString(
        '<section class="sec side-sec" id="footprints" aria-label="足迹"><div class="sec-h"><h2>足迹</h2></div>'
        f'<ul class="tl">{lines}</ul></section>'
    )


def _line(now: datetime, at: str, of: str, who: str, what: str, more: str, fen: int) -> str:
    """Return one line: when, what, and who had to do with it or what came of it."""
    tone = note = ""
    if of == "reach":
        text, note = f"{who}{'打了电话' if what == 'manual_call' else '发了消息'}", str(OUTCOMES.get(more, ""))
    elif of == "order":
        tone, text, note = "ok", _bought(more, fen), f"{what}{f'，{who}接待' if who else ''}"
    else:
        text = f"退货，退了 {words.yuan(fen)}" if of == "return" else "换货"
    below = f'<div class="fs13 muted">{escape(note)}</div>' if note else ""
    when = words.short_moment(datetime.fromisoformat(at), now)
    return f'<li class="{tone}"><b class="m num">{when}</b> {escape(text)}{below}</li>'


def _bought(lead: str | None, fen: int) -> str:
    name, color, count = json.loads(lead) if lead else ("", "", 0)
    item = item_title({"name": name, "color": color}) or "商品"
    return f"买了{item}{f'等 {count} 件' if count > 1 else ''}，{words.yuan(fen)}"
