"""What the room hangs on other pages: what he bought last."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from html import escape
from typing import Any, NamedTuple
from urllib.parse import quote

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.customers import Customer
from crm.members.models import Member
from yejibao.core import drawing, together, words
from yejibao.core.flat import address
from yejibao.core.panels import Answer, panel
from yejibao.core.templatetags import yjb

from .models import Order

FIRST, MORE = 3, 12  # beside the chat: at once, and on a tap
ON_THE_PAGE = 9
# Colours of the drawings that a till's colour is said to be near; the first character found decides.
NEAR = {"藏": "藏青", "墨": "黑", "黑": "黑", "炭": "炭灰", "灰": "灰", "白": "白", "米": "米", "杏": "米", "驼": "卡其",
        "卡": "卡其", "棕": "棕", "咖": "棕", "绿": "绿", "蓝": "蓝", "红": "酒红"}  # fmt: skip


class Bought(NamedTuple):
    """A line of an order, as far as it is shown."""

    paid_at: str  # ISO 8601
    item_name: str
    sku_code: str
    color: str
    size: str
    family: str
    quantity: int
    returned: int
    paid_fen: int

    @property
    def is_back(self) -> bool:
        return self.returned == self.quantity


# The newest things he bought of the orders the actor may read, what was exchanged left out.
BOUGHT = together.Read(
    "bought",
    f"""(SELECT json_agg(json_build_array(y.paid_at, y.item_name, y.sku_code, y.color, y.size, y.family, y.quantity,
            y.returned_quantity, y.paid_fen) ORDER BY y.paid_at DESC, y.paid_fen DESC, y.id)
    FROM (SELECT l.*, o.paid_at FROM crm_order o JOIN crm_orderline l ON l.order_id = o.id
          WHERE o.member_id = m.id AND o.known_at <= %(now)s AND o.status <> 'void' AND o.kind NOT IN ('top_up', 'gift_card')
            AND o.id IN (%(scope)s) AND l.replaced_by_id IS NULL
          ORDER BY o.paid_at DESC, l.paid_fen DESC, l.id LIMIT {MORE + 1}) y)""",
    lambda rows: [Bought(*row) for row in rows or ()],
    scope=partial(together.visible_ids, Order),
)


@panel("member", order=40, name="purchases", reads=(BOUGHT,))
@panel("hq-member", order=20, name="purchases", reads=(BOUGHT,))
@panel("sidebar", order=40, name="purchases", reads=(BOUGHT,))
def purchases_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """最近买的: the newest things he bought, what he brought back marked, as far as the actor may read his orders."""
    member = customer.member
    if member is None:
        return None
    is_beside = customer.link is not None and "external_user_id" in request.GET
    shown = ON_THE_PAGE if not is_beside else MORE if request.GET.get("more") else FIRST
    lines = BOUGHT.of(request)
    way_on = _way_on(customer, member, is_all=shown == MORE) if is_beside and len(lines) > shown else ""
    return SafeString(
        '<section class="sec side-sec" id="purchases-card" data-panel="purchases" aria-label="最近买的">'
        f'<div class="sec-h"><h2>最近买的</h2>{_in_all(member) if customer.may_see_card else ""}{way_on}</div>\n'
        f"{_goods(lines[:shown], now) if lines else _nothing(customer)}</section>"
    )


def _in_all(member: Member) -> str:
    if not member.purchase_count:
        return ""
    year = f"，近一年 {words.wan(member.spend_365_fen)}" if member.spend_365_fen else ""
    return f'<span class="fs13 muted ell">累计 {member.purchase_count} 次{year}</span>'


def _way_on(customer: Customer, member: Member, *, is_all: bool) -> str:
    """Return the way to more of them: in the same place, and once they stand there to his card."""
    card = address("crm:member", member.public_id) if customer.may_see_card else ""
    if not is_all and customer.link:
        more = f"{address('crm:sidebar-panel', 'purchases')}?external_user_id={quote(customer.link.external_user_id, safe='')}"
        return (
            f'<a class="more" href="{card or "#purchases-card"}" hx-get="{more}&amp;more=1" hx-target="#purchases-card" '
            f'hx-swap="outerHTML">再看几件 {yjb.icon("chevron-down", "i-16")}</a>'
        )
    return f'<a class="more" href="{card}">会员页 {yjb.icon("chevron-right", "i-16")}</a>' if card else ""


def _nothing(customer: Customer) -> str:
    if customer.may_see_card:
        return '<p class="fs14 sub">还没有他的购买记录，付完款一分钟内会出现在这里。</p>'
    return '<p class="fs14 sub">他的购买记录只给他的导购看。</p>'


def _goods(lines: Sequence[Bought], now: datetime) -> str:
    return f'<div class="side-goods">{"".join([_good(line, now) for line in lines])}</div>'


def _good(line: Bought, now: datetime) -> str:
    name, kind = escape(line.item_name), " · ".join([escape(one) for one in (line.color, line.size) if one])
    code = f'<div class="fs12 muted ell num">{escape(line.sku_code)}</div>' if line.sku_code else ""
    pieces = f" · {line.quantity} 件" if line.quantity > 1 else ""
    price = '<span class="tag amber">已退</span>' if line.is_back else f"<span>{words.yuan(line.paid_fen)}</span>"
    some = f'<div class="fs12 c-amber">退了 {line.returned} 件</div>' if line.returned and not line.is_back else ""
    day = words.short_day(datetime.fromisoformat(line.paid_at), now)
    return (
        f'<div class="side-good{" back" if line.is_back else ""}">'
        f"{drawing.garment(_shape(line), _cloth(line.color), 102, 96, line.item_name)}"
        f'<div class="fs13 m ell mt1">{name or "商品"}</div>{code}<div class="fs12 muted ell">{kind}{pieces}</div>'
        f'<div class="fs12 num row between">{price}<span class="muted">{day}</span></div>{some}</div>\n'
    )


def _cloth(color: str) -> str:
    return next((NEAR[mark] for mark in color if mark in NEAR), color)


@lru_cache(maxsize=1024)
def _kind_named(item_name: str) -> str:
    """Return what a name says it is, the longest word that is drawn: a tie is a tie, whatever family the till sorts it under."""
    return max([kind for kind in drawing.SILHOUETTES if kind in item_name], key=len, default="")


def _shape(line: Bought) -> str:
    return _kind_named(line.item_name) or line.family
