"""The basket goes to its member: prices hold, pieces are kept for him, and he is asked to pay on his own phone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, Sum
from django.utils.translation import gettext_lazy as _

from crm.catalogue import services as catalogue
from crm.catalogue.stock_models import Reservation
from crm.events import OrderLinkSent
from guides.org.models import Staff
from yejibao.core import audit, files, outbox, tunables
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ...checkout import services as checkout
from ...checkout.models import Sale
from ...checkout.queries import priced
from ..models import ProxyOrder
from .baskets import must_sell

ROOM = "proxy"
LINK_HOURS = tunables.number(
    "proxy-link-hours", group="代客下单", name="付款链接几小时内有效", unit="小时", default=2, least=1, most=24,
    why="这么久没付就关单，货放回去；储值付也一样",
)  # fmt: skip
TRANSFER_HOURS = tunables.number(
    "proxy-transfer-hours", group="代客下单", name="转给导购的，会员几小时不确认就找店长", unit="小时", default=24, least=1, most=72,
    why="会员在自己手机上确认了才算付款",
)  # fmt: skip
TRANSFER_A_DAY = tunables.number(
    "proxy-transfer-day", group="代客下单", name="一位导购一天最多代收多少", unit="元", default=5_000, least=0, most=50_000,
    why="转给导购个人的钱有风险，只作不方便时的补充；0 是不许代收",
)  # fmt: skip
Way, Delivery = ProxyOrder.Way, ProxyOrder.Delivery
MOST_ADDRESS = 200

files.room(
    ROOM,
    rows=lambda actor: ProxyOrder.objects.visible_to(actor),
    may_add=lambda actor: actor.is_system or actor.may("order.proxy"),
    most=3,
)


class CardTooLow(Conflict):
    code, title = "card.balance_short", _("储值余额不够")


class OverTheDay(Conflict):
    code, title = "proxy.over_the_day", _("今天代收的额度不够了")


class NeedsVoucher(Invalid):
    code, title = "proxy.needs_voucher", _("要传转账的截图")


@transaction.atomic
def send_order(
    sale: Sale,
    *,
    way: str,
    delivery: str,
    address: str = "",
    vouchers: Collection[UUID] = (),
    actor: Actor,
    now: datetime,
) -> ProxyOrder:
    """Offer a basket to its member. Its pieces are kept for him until the offer ends.

    Raises Invalid, NeedsVoucher, CardTooLow, OverTheDay, OutOfStock, or what the checkout says no to.
    """
    must_sell(actor)
    address = " ".join(address.split())[:MOST_ADDRESS]
    if way not in Way.values or delivery not in Delivery.values:
        raise Invalid(_("选一下怎么收、怎么给他"))
    if delivery != Delivery.PICKUP and len(address) < 6:
        raise Invalid(errors=[{"field": "address", "code": "required", "message": str(_("写全收件人、电话和地址"))}])
    if way == Way.TRANSFER and not vouchers:
        raise NeedsVoucher(_("他转给你的截图传上来，店长要核对。"))
    # Of the guide's, so that two at once do not both fit into the same rest of her day.
    guide = Staff.objects.select_for_update(of=("self",), no_key=True).get(pk=actor.staff_id or 0)
    if sale.guide_id != guide.pk:
        raise Forbidden(permission="order.proxy")
    sale = _as_it_can_be(sale, use_wallet=way == Way.WALLET or None, actor=actor, now=now)
    until = now + timedelta(hours=LINK_HOURS.at(now)) if way != Way.TRANSFER else now + timedelta(days=3)
    held = checkout.offer_to_member(sale, actor=actor, now=now, until=until, is_delivery=delivery != Delivery.PICKUP)
    member = held.member
    assert member is not None  # offer_to_member refuses a basket of nobody
    quote = priced(held, now=now).quote
    if way == Way.WALLET and quote.due_fen:
        raise CardTooLow(_("还差 %(yuan)s 元，换成付款链接，他可以一部分用储值。") % {"yuan": _yuan(quote.due_fen)})
    if way == Way.TRANSFER:
        _must_fit_the_day(guide, quote.due_fen, now=now)
    proxy = ProxyOrder.objects.create(
        sale=held, store=held.store, guide=guide, member=member, way=way, delivery=delivery,
        address="" if delivery == Delivery.PICKUP else address, amount_fen=quote.paid_fen, day=local_day(now), sent_at=now,
        expires_at=until,
    )  # fmt: skip
    checkout.keep_pieces(held, until=until, key=f"{ROOM}:{proxy.pk}", actor=actor, now=now)
    files.attach(list(vouchers), room=ROOM, owner_id=proxy.pk, by_id=actor.staff_id)
    facts = {"way": way, "delivery": delivery, "amount_fen": quote.paid_fen, "member": proxy.member_id}
    audit.record(actor, "proxy.sent", proxy, after=facts | {"vouchers": len(vouchers)})
    return proxy


def _as_it_can_be(sale: Sale, *, use_wallet: bool | None, actor: Actor, now: datetime) -> Sale:
    """Leave out a coupon and points that were chosen for a fuller basket: its price is without them, and confirming would refuse them."""
    quote = priced(sale, now=now).quote
    return checkout.choose(
        sale, coupon_id=sale.coupon_id if quote.coupon else None, points=quote.points, use_wallet=use_wallet, actor=actor, now=now
    )  # fmt: skip


def _must_fit_the_day(guide: Staff, amount_fen: int, *, now: datetime) -> None:
    most = TRANSFER_A_DAY.at(now) * 100
    used = transferred_today(guide.pk, now=now)
    if used + amount_fen > most:
        left = max(0, most - used)
        raise OverTheDay(_("今天还能代收 %(yuan)s 元，请发付款链接。") % {"yuan": _yuan(left)}, left_fen=left)


def transferred_today(guide_id: int, *, now: datetime) -> int:
    """Return what was transferred to a guide on this day, or is still to be said by its members."""
    sent = ProxyOrder.objects.filter(guide_id=guide_id, way=Way.TRANSFER, day=local_day(now))
    sent = sent.filter(Q(ended_at=None) | Q(confirmed_at__isnull=False))
    return sent.aggregate(sum=Sum("amount_fen"))["sum"] or 0


def _yuan(fen: int) -> str:
    return f"{fen / 100:,.2f}".removesuffix(".00")


@transaction.atomic
def mark_told(proxy: ProxyOrder, *, actor: Actor, now: datetime) -> None:
    """The link went out in the chat. Once; a task it was begun from has its proof by that."""
    if ProxyOrder.objects.filter(pk=proxy.pk, told_at=None).update(told_at=now):
        audit.record(actor, "proxy.link_sent", proxy)
        outbox.publish(OrderLinkSent(proxy.pk, proxy.member_id, proxy.guide_id, now.isoformat()))


def put_back(proxy: ProxyOrder, *, now: datetime) -> None:
    """Let go what was kept for him."""
    kept = Reservation.objects.holding().filter(key__startswith=f"proxy:{proxy.pk}:").select_related("store")
    for one in kept:
        catalogue.release(one, actor=Actor.system("proxy"), now=now)
