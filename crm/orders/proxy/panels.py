"""代客下单 on the sidebar and the member's card: what is under way, and the way to a basket."""

from datetime import datetime
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.customers import Customer
from yejibao.core import access, reading, together, words
from yejibao.core.flat import address, token_field
from yejibao.core.panels import Answer, panel
from yejibao.core.templatetags import yjb

from ..checkout.models import Sale
from .models import ProxyOrder
from .queries import Standing, standing_of
from .scoped import PROXY

UNDER_WAY_SHOWN = 3
# What was sent to him and is not over, the newest first; and whether a basket was begun for him and not sent.
UNDER_WAY = together.Read(
    "proxy",
    f"""(SELECT json_agg(json_build_array((to_jsonb(y) - 'address')::json, to_json(s)) ORDER BY y.sent_at DESC, y.id DESC)
    FROM (SELECT x.* FROM crm_proxyorder x WHERE x.member_id = m.id AND x.ended_at IS NULL AND x.id IN (%(scope)s)
          ORDER BY x.sent_at DESC, x.id DESC LIMIT {UNDER_WAY_SHOWN}) y JOIN crm_sale s ON s.id = y.sale_id)""",
    lambda rows: [_read_order(*row) for row in rows or ()],
    scope=partial(together.visible_ids, ProxyOrder),
)
HAS_BASKET = together.Read(
    "basket",
    """to_json(EXISTS (SELECT FROM crm_sale x WHERE x.member_id = m.id AND x.guide_id = %(me)s AND x.channel = 'proxy'
    AND x.state = 'draft' AND x.expires_at > %(now)s))""",
    bool,
)


def _read_order(row: dict[str, Any], sale: dict[str, Any]) -> tuple[ProxyOrder, Standing]:
    order = reading.row_of(ProxyOrder, row)
    order.sale = reading.row_of(Sale, sale)
    return order, standing_of(order)


@panel("member", order=42, name="proxy", reads=(UNDER_WAY, HAS_BASKET))
@panel("sidebar", order=42, name="proxy", reads=(UNDER_WAY, HAS_BASKET))
def proxy_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """For members whose card she may open, by who may order for them."""
    actor = access.actor_of(request)
    if customer.member is None or not customer.may_see_card or not actor.may(PROXY) or not actor.store_id:
        return None
    begin = "接着选" if HAS_BASKET.of(request) else "给他下单"
    return SafeString(
        '<section class="card mt3" id="proxy-card"><div class="row"><h2 class="fs17 b grow">代客下单</h2>'
        f'<form method="post" action="{address("crm:proxy-start")}" data-instead="{address("crm:proxy-home")}">'
        f"{token_field(request)}"
        f'<input type="hidden" name="member" value="{customer.member.public_id}"><button class="btn btn-sm" data-busy="…" '
        f"data-needs-net>{yjb.icon('shopping-bag', 'i-16')}{begin}</button></form></div>\n"
        f"{''.join([_line(row, standing, now) for row, standing in UNDER_WAY.of(request)])}</section>"
    )


def _line(row: ProxyOrder, standing: Standing, now: datetime) -> str:
    return (
        f'<a class="row plain mt2" href="{address("crm:proxy-state", row.sale.public_id)}"><span class="grow fs14">'
        f'{row.get_way_display()} <span class="muted">{words.short_moment(row.sent_at, now)}</span></span>'
        f'<b class="num fs14">{words.yuan(row.amount_fen)}</b><span class="tag {standing.tone}">{standing.words}</span></a>'
    )
