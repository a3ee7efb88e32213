"""What one turns in `/sandbox/` to see the product move: the clock, a till, what goes wrong."""

import secrets
from datetime import time, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.catalogue.models import StyleColor
from crm.members.models import FriendLink
from crm.orders.services import ingest_orders
from yejibao.core import access, clock, words
from yejibao.core.errors import Conflict, Invalid

from . import stand_in as control
from .sandbox_holder import need_person, only_with_stand_in, read_body

ITEMS_SHOWN = 12

USUAL_SIZES = {
    "165/84A-190/104A": "175/92A",
    "29-40": "33",
    "38-44": "41",
    "38-45": "42",
    "105-125": "110",
    "F": "均码",
}

# What can be made to go wrong, as one switch each. Source of the codes: wecom-api.md §10.
FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "third": (
        "三成消息发不出去",
        "平台回 -1，发送进程会自己重试",
        {"api": "message/send", "errcode": -1, "percent": 30},
    ),
    "limit": ("平台限流", "45009，消息排队等着，不会丢", {"api": "message/send", "errcode": 45009}),
    "hang": (
        "平台没有回音",
        "收下了但不回答，查重后只到一次",
        {"api": "message/send", "hang": 30, "after_effect": True},
    ),
    "token": ("凭证突然失效", "42001，一次，换新凭证后继续", {"api": "message/send", "errcode": 42001, "next_n": 1}),
    "weather": ("坏天气", "回调发重、乱序、迟到、伪造、丢几条，接口又慢又忙", {"bad": True}),
}
WEATHER = "weather"  # the one that is no fault of a call: it has a switch of its own


def items() -> list[StyleColor]:
    """Return a few articles to sell: of each kind the dearest, suits and coats first."""
    kinds = StyleColor.objects.order_by("care_key", "-price_fen", "pk").distinct("care_key")
    return sorted(kinds, key=lambda style: -style.price_fen)[:ITEMS_SHOWN]


@require_POST
@access.anonymous("turning the demo's clock; without the stand-in it answers 404")
@only_with_stand_in
def turn_clock(request: HttpRequest) -> HttpResponse:
    """Move the clock of the demo on: by minutes, or to ten o'clock of the next day. It never goes back."""
    if not settings.CLOCK_FILE:
        raise Conflict(_("这份数据的时钟不能调"))
    body, now = read_body(request), clock.now()
    if body.get("to") == "tomorrow":
        target = clock.local_moment(clock.today() + timedelta(days=1), time(10))
    else:
        minutes = body.get("minutes")
        if type(minutes) is not int or not 1 <= minutes <= 7 * 24 * 60:
            raise Invalid(_("一次最多往前 7 天"))
        target = now + timedelta(minutes=minutes)
    clock.set_shared_offset((target - clock.system_now()).total_seconds(), by_hand=True)
    return JsonResponse({"now": clock.now().isoformat(), "clock": words.short_moment(clock.now())})


@require_POST
@access.anonymous("a till for the demo; without the stand-in it answers 404")
@only_with_stand_in
def place_order(request: HttpRequest) -> HttpResponse:
    """Sell one article to one of the chosen guide's friends, through the door every till uses."""
    person, body = need_person(request), read_body(request)
    if person.store is None:
        raise Conflict(_("总部的人不开单，换成门店的导购再试"))
    link = (
        FriendLink.objects.select_related("member")
        .filter(guide=person, external_user_id=str(body.get("external") or ""), member__isnull=False)
        .first()
    )
    if link is None or link.member is None:
        raise Invalid(_("选一位会员"))
    style = StyleColor.objects.filter(sku_code=str(body.get("sku") or "")).first() or next(iter(items()), None)
    if style is None:
        raise Conflict(_("货品库是空的，先导入货品"))
    now = clock.now()
    row = {
        "number": f"SB{now.astimezone(clock.SHANGHAI):%y%m%d%H%M%S}{secrets.token_hex(2).upper()}",
        "store": person.store.code,
        "guide": person.wecom_user_id,
        "member": {"member_no": link.member.member_no},
        "kind": "retail",
        "paid_at": now.isoformat(),
        "lines": [
            {
                "line_no": 1,
                "sku": style.sku_code,
                "size": USUAL_SIZES.get(style.size_range) or style.size_range.partition("-")[0],
                "quantity": 1,
                "paid_fen": style.price_fen,
            }
        ],
    }
    [result] = ingest_orders([row], source="sandbox", now=now)
    if result.result != "created":
        raise Conflict(result.detail or _("没有开成"))
    said = _("%(member)s 买了%(item)s，%(price)s。30 分钟回访一会儿就到") % {
        "member": link.member.name, "item": style.name, "price": words.yuan(style.price_fen),
    }  # fmt: skip
    return JsonResponse({"number": result.number, "said": str(said)}, status=201)


@require_http_methods(["GET", "POST"])
@access.anonymous("what goes wrong in the stand-in; without one it answers 404")
@only_with_stand_in
def faults(request: HttpRequest) -> HttpResponse:
    """Which switches are on; POST turns one on, or all off with no key."""
    if request.method == "POST":
        key = read_body(request).get("key")
        if key and key not in FAULTS:
            raise Invalid(_("没有这种故障"))
        control.call("DELETE", "faults")
        control.call("POST", "weather", body=FAULTS[WEATHER][2] if key == WEATHER else {})
        if key and key != WEATHER:
            control.call("POST", "fault", body=FAULTS[key][2])
    ordered = [row for row in control.call("GET", "faults")["faults"] if not row["spent"]]
    on = [
        key
        for key, (_name, _note, order) in FAULTS.items()
        if key != WEATHER and any(all(row.get(field) == value for field, value in order.items()) for row in ordered)
    ]
    if control.call("GET", "weather")["bad"]:
        on.append(WEATHER)
    return JsonResponse({"on": on})
