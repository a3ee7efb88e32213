"""代客单 of the demo: one he has opened, one he refused, and one that was transferred to the guide and waits for his yes."""

import io
from datetime import datetime, timedelta
from typing import Any

from PIL import Image, ImageDraw

from crm.catalogue.models import Sku
from crm.catalogue.queries import available
from crm.catalogue.stock_models import StockLevel
from crm.members.models import FriendLink, Member
from crm.orders.checkout.services import add_lines
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.services import mark_told, note_opened, open_basket, refuse_order, send_order
from crm.portal.sessions import member_actor
from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core import clock, files
from yejibao.core.errors import DomainError

WHO = ("linxiaowen",)


def build(*, now: datetime) -> None:
    """Let each of these guides have three orders under way."""
    for guide in Staff.objects.employed().filter(wecom_user_id__in=WHO).select_related("store"):
        friends = FriendLink.objects.filter(guide=guide, state="friend", member__owner_guide=guide).order_by(
            "member_id"
        )
        members = [link.member for link in friends.select_related("member")[3:6]]
        skus = _free(guide, now)
        for place, member in enumerate(members):
            if member is None or len(skus) < 3 * place + 2:
                break
            at = now - timedelta(minutes=70 - 25 * place)
            try:
                with clock.travelled(at):
                    _one(guide, member, skus[3 * place : 3 * place + (1 if place == 2 else 2)], place, at)
            except DomainError:
                continue


def _one(guide: Staff, member: Member, skus: list[Sku], place: int, at: datetime) -> None:
    actor = actor_for(guide)
    sale = open_basket(member, actor=actor, now=at)
    add_lines(sale, [(sku.code, 1) for sku in skus], actor=actor, now=at)
    facts: dict[str, Any] = {"way": "link", "delivery": "pickup"}
    if place == 2:
        kept = files.keep(_picture(), room="proxy", by_id=guide.pk, now=at)
        facts = {"way": "transfer", "delivery": "pickup", "vouchers": [kept.name]}
    proxy: ProxyOrder = send_order(sale, actor=actor, now=at, **facts)
    mark_told(proxy, actor=actor, now=at + timedelta(minutes=1))
    if place < 2:
        note_opened(proxy.sale, member=member, now=at + timedelta(minutes=6))
    if place == 1:
        refuse_order(
            proxy, member=member, reason="颜色想再看看", actor=member_actor(member), now=at + timedelta(minutes=9)
        )


def _free(guide: Staff, now: datetime) -> list[Sku]:
    """Return sizes that lie in her store, the commonest first and not too dear for a transfer."""
    levels = StockLevel.objects.filter(store=guide.store, quantity__gt=1, style__price_fen__lt=150_000).order_by(
        "-quantity", "pk"
    )
    wanted = list(levels.values_list("style_id", "size")[:30])
    known = {(sku.style_id, sku.size): sku for sku in Sku.objects.filter(style__in={style for style, _size in wanted})}
    skus = [known[one] for one in wanted if one in known]
    free = available([sku.pk for sku in skus], [guide.store_id or 0], now=now)
    return [sku for sku in skus if free.get((guide.store_id or 0, sku.pk), 0) > 0]


def _picture() -> bytes:
    """Return something that looks like the picture of a transfer, and is none."""
    image = Image.new("RGB", (360, 640), "#F5F3EE")
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, 180, 320, 300), fill="#2F8F5B")
    draw.text((120, 230), "DEMO", fill="white")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
