"""发券 beside the chat: the coupon is his first, then its card goes into the chat."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_POST

from crm.members.customers import Customer, NotYourCustomer, customer_of
from guides.org import matrix
from yejibao.core import access, clock, idempotency
from yejibao.core.errors import Conflict, Malformed, NotFound

from .coupon_rules import coupon_rule
from .models import Coupon
from .queries import giveable, held_coupon
from .scoped import ISSUE
from .services import hand_out

WHO = matrix.owners(ISSUE)


@require_POST
@access.roles(*WHO)
def give(request: HttpRequest) -> JsonResponse:
    """Give him one of a batch in her name, and answer with the card that goes into the chat. Once per key."""
    external, batch_id = _asked(request)
    actor, now = access.actor_of(request), clock.now()
    customer = _customer(request, external)
    batch = next((one for one, _left in giveable(request.user, now=now, with_empty=True) if one.pk == batch_id), None)  # type: ignore[arg-type]
    if batch is None:
        raise NotFound()
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise Malformed("要带 Idempotency-Key")

    def work() -> dict[str, Any]:
        assert customer.member is not None
        coupon = hand_out(batch, customer.member, guide=request.user, key=key, actor=actor, now=now)  # type: ignore[arg-type]
        return _card(coupon, customer)

    answer, _replayed = idempotency.once(request, {"external": external, "batch": batch_id}, work)
    return JsonResponse(answer)


def _card(coupon: Coupon, customer: Customer) -> dict[str, Any]:
    """Return what goes into the chat: a card with the coupon's picture, and the same in words for the clipboard."""
    assert customer.member is not None
    rule, held = coupon_rule(coupon), held_coupon(coupon, now=clock.now())
    until = f"{held.ends_on.month} 月 {held.ends_on.day} 日"
    link = f"{settings.PUBLIC_BASE_URL}{reverse('crm:my-coupons')}"
    said = f"{rule.condition}，{until}前有效，已放进您的卡包"
    return {
        "code": coupon.code,
        "card": {
            "title": f"{rule.title}（{rule.worth}）", "desc": said, "link": link,
            "imgUrl": f"{settings.PUBLIC_BASE_URL}{static('img/coupon.png')}",
        },
        "text": f"{customer.member.called}，给您申请了一张「{rule.title}」，{said}：{link}",
        "called": customer.member.called,
    }  # fmt: skip


def _asked(request: HttpRequest) -> tuple[str, int]:
    try:
        sent = json.loads(request.body)
        return str(sent["external_user_id"])[:64], int(sent["batch"])
    except (ValueError, KeyError, TypeError):
        raise Malformed() from None


def _customer(request: HttpRequest, external: str) -> Customer:
    """Return the customer of her own chat, whose card she may open and who is still her friend."""
    customer = customer_of(access.actor_of(request), external.strip())
    if customer.member is None or not customer.may_see_card:
        raise NotYourCustomer("先加上好友，再从他的聊天里打开业绩宝。")
    if not customer.is_friend:
        raise Conflict("他现在不是你的好友，券发不到他手里")
    return customer
