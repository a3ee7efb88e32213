"""What the room hangs on other pages: what he bought last."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from crm.members.customers import Customer
from yejibao.core import access
from yejibao.core.drawing import SILHOUETTES
from yejibao.core.panels import Answer, panel

from .models import Order, OrderLine

FIRST, MORE = 3, 12  # beside the chat: at once, and on a tap
ON_THE_PAGE = 9
# Colours of the drawings that a till's colour is said to be near; the first character found decides.
NEAR = {"藏": "藏青", "墨": "黑", "黑": "黑", "炭": "炭灰", "灰": "灰", "白": "白", "米": "米", "杏": "米", "驼": "卡其",
        "卡": "卡其", "棕": "棕", "咖": "棕", "绿": "绿", "蓝": "蓝", "红": "酒红"}  # fmt: skip


@panel("member", order=40, name="purchases")
@panel("sidebar", order=40, name="purchases")
def purchases_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """最近买的: the newest things he bought, what he brought back marked, as far as the actor may read his orders."""
    member = customer.member
    if member is None:
        return None
    is_beside = customer.link is not None and "external_user_id" in request.GET
    shown = ON_THE_PAGE if not is_beside else MORE if request.GET.get("more") else FIRST
    orders = Order.objects.visible_to(access.actor_of(request)).filter(member=member, known_at__lte=now)
    lines = list(
        OrderLine.objects.filter(order__in=orders, replaced_by=None)
        .exclude(order__status=Order.Status.VOID)
        .exclude(order__kind__in=[Order.Kind.TOP_UP, Order.Kind.GIFT_CARD])
        .select_related("order")
        .order_by("-order__paid_at", "-paid_fen", "pk")[: shown + 1]
    )
    return "sidebar/purchases.html", {
        "items": [{"line": line, "cloth": _cloth(line.color), "shape": _shape(line)} for line in lines[:shown]],
        "member": member,
        "has_more": len(lines) > shown,
        "is_beside": is_beside,
        "is_all": shown == MORE,
    }


def _cloth(color: str) -> str:
    return next((NEAR[mark] for mark in color if mark in NEAR), color)


def _shape(line: OrderLine) -> str:
    """Return what is drawn for a line: a tie is a tie, whatever family the till sorts it under."""
    named = [kind for kind in SILHOUETTES if kind in line.item_name]
    return max(named, key=len) if named else line.family
