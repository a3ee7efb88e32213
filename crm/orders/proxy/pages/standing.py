"""3 How it stands: what he did with the link so far, and what his guide or her manager may still do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from yejibao.core import access, clock, desk, files, hx, idempotency, limits
from yejibao.core.errors import NotFound

from ...checkout.models import SaleLine
from .. import services
from ..models import ProxyOrder
from ..queries import masked_address, sent_order, standing_of
from ..scoped import PROXY
from ..services.sending import ROOM
from .parts import SELLERS, shell

Way = ProxyOrder.Way


@never_cache
@require_GET
@access.roles(*SELLERS)
def state(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What he did with it so far; the page asks again by itself. With htmx only the part that changes."""
    actor, now = access.actor_of(request), clock.now()
    proxy = sent_order(actor, public_id)
    facts = {
        "proxy": proxy, "sale": proxy.sale, "standing": standing_of(proxy), "is_mine": proxy.guide_id == actor.staff_id, "step": 3,
        "is_manager": actor.has_role("store_manager") and proxy.guide_id != actor.staff_id, "address": masked_address(proxy.address),
        "lines": list(SaleLine.objects.filter(sale=proxy.sale).select_related("sku__style").order_by("line_no")),
        "vouchers": files.of(ROOM, [proxy.pk]).get(proxy.pk, []), "message": _message(proxy), "member": proxy.member,
    }  # fmt: skip
    if hx.is_htmx(request):
        answer = render(request, "proxy/part_state.html", facts | {"now": now})
        if not facts["standing"].is_open:  # with it go the buttons around the part: 撤回, 再发一次
            answer["HX-Refresh"] = "true"
        return answer
    return render(request, "proxy/state.html", shell(request, **facts))


def _message(proxy: ProxyOrder) -> dict[str, Any]:
    """Return what goes into the chat: a card, and the same in words for the clipboard."""
    called = proxy.member.called
    link = f"{settings.PUBLIC_BASE_URL}{reverse('crm:my-pay', args=[proxy.sale.public_id])}"
    amount = f"{proxy.amount_fen / 100:,.2f}".removesuffix(".00")
    title = f"{called}，您的单子 ¥{amount}"
    said = {
        Way.LINK: "点开核对，微信里就能付", Way.WALLET: "用储值付，点开确认一下就好", Way.TRANSFER: "点开确认一下您已经转给我",
    }[Way(proxy.way)]  # fmt: skip
    image = f"{settings.PUBLIC_BASE_URL}{static('img/coupon.png')}"
    return {
        "card": {"title": title, "desc": said, "link": link, "imgUrl": image},
        "text": f"{title}。{said}：{link}",
        "called": called,
    }


@require_POST
@access.roles(*SELLERS)
def told(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The link went out in her chat; she alone says so."""
    actor = access.actor_of(request)
    proxy = sent_order(actor, public_id)
    if proxy.guide_id != actor.staff_id:
        raise NotFound()
    services.mark_told(proxy, actor=actor, now=clock.now())
    return HttpResponse(status=204)


@limits.by("money")
@require_POST
@access.permission(PROXY)
def decide(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """撤回, or what the manager says of a transfer."""
    actor, now = access.actor_of(request), clock.now()
    proxy = sent_order(actor, public_id)
    key = idempotency.must_have_key(request)
    act, reason = request.POST.get("do", ""), request.POST.get("reason", "")
    is_manager = actor.has_role("store_manager") and actor.store_id == proxy.store_id
    if act not in ("withdraw", "confirm") or not (proxy.guide_id == actor.staff_id or is_manager):
        raise NotFound()

    def work() -> dict[str, Any]:
        if act == "withdraw":
            services.withdraw_order(proxy, reason=reason, actor=actor, now=now)
            return {"said": "撤回了，货放回去了"}
        services.confirm_transfer(proxy, member=None, key=key, actor=actor, now=now)
        return {"said": "确认了，这一单算付好"}

    answer, refusal = desk.attempt(request, {"do": act, "reason": reason}, work)
    said = desk.sentence(refusal) if refusal else answer["said"]
    return desk.done(request, said, reverse("crm:proxy-state", args=[public_id]))
