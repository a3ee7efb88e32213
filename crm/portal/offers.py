"""A sale that was sent to its member: what he takes off it himself, and paying. Pages and API alike; prices are the server's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from crm.benefits.services import Choice
from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale
from crm.orders.checkout.queries import Priced, coupon_choices, lines_of, priced
from crm.orders.proxy import services as proxies
from crm.orders.proxy.models import ProxyOrder
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayOrder

from .models import MemberSession
from .paying import look_at, payer_of, waited_for
from .places import find_one

State = Sale.State
REFUSALS = ("尺码不合适", "颜色不喜欢", "价格再看看", "暂时不需要")  # proposed; he may write another
SENT = (Sale.Channel.PROXY, Sale.Channel.MALL, Sale.Channel.LIVE)


class LinkOver(Conflict):
    code, title = "sale.link_over", _("这个链接过期了，请导购再发一次")


@dataclass(frozen=True)
class Chosen:
    """What he takes of his own."""

    coupon: str = ""  # code; empty: none
    points: bool = False
    wallet: bool = False


@dataclass(frozen=True)
class Offer:
    """A sale as its member may pay it now."""

    sale: Sale
    found: Priced
    choices: list[Choice]
    chosen: Chosen

    @property
    def lines(self) -> tuple[tuple[Any, Any], ...]:
        return self.found.rows


def sale_of(actor: Actor, public_id: UUID) -> Sale:
    """Return a sale that was sent to this member. Raises NotFound."""
    mine = Sale.objects.visible_to(actor).filter(channel__in=SENT).exclude(state=State.DRAFT)
    rows = mine.select_related("store__unit", "guide", "member", "order", "coupon")
    return find_one(rows, public_id, otherwise=_("这一单找不到，或者不是您的。"))


def waiting_for(actor: Actor, *, now: datetime, upto: int) -> list[Sale]:
    """Return what was sent to a member and waits for his money or his word, what ends first before."""
    rows = Sale.objects.visible_to(actor).filter(
        channel__in=SENT, state__in=(State.AWAITING_MEMBER, State.AWAITING_PAYMENT), expires_at__gt=now
    )
    return list(rows.select_related("store", "guide", "proxy").order_by("expires_at", "pk")[:upto])


def proxy_of(sale: Sale) -> ProxyOrder | None:
    """Return how a guide sent a sale; None for one that came another way."""
    return ProxyOrder.objects.filter(sale=sale).first()


def note_opened(sale: Sale, *, member: Member, now: datetime) -> None:
    """Let the guide see that he looks at what she sent; the first time counts."""
    proxy = proxy_of(sale)
    if proxy is not None and proxy.opened_at is None:
        proxies.note_opened(sale, member=member, now=now)


def is_transfer(proxy: ProxyOrder | None) -> bool:
    """Tell whether he is to say that he paid the guide herself, and nothing is to be chosen."""
    return proxy is not None and proxy.way == ProxyOrder.Way.TRANSFER


def is_over(sale: Sale, *, now: datetime) -> bool:
    """Tell whether nothing can be paid any more: given up, or its time has passed."""
    is_late = sale.expires_at is not None and sale.expires_at <= now
    return sale.state == State.CLOSED or (sale.state in Sale.OPEN and is_late)


def offer_of(sale: Sale, chosen: Chosen | None, *, now: datetime) -> Offer:
    """Price a sale with what he takes of his own; nothing is written. None: what the guide had proposed, else the best coupon."""
    choices = coupon_choices(priced(sale, now=now), now=now)
    usable = {one.coupon.code: one for one in choices if one.is_usable}
    if chosen is None:
        proposed = next((code for code, one in usable.items() if one.coupon.pk == sale.coupon_id), "")
        chosen = Chosen(proposed or next(iter(usable), ""), bool(sale.points_wanted), sale.wallet_wanted_fen != 0)
    code = chosen.coupon if chosen.coupon in usable else ""
    sale.coupon_id = usable[code].coupon.pk if code else None
    sale.points_wanted, sale.wallet_wanted_fen = 0, None if chosen.wallet else 0
    found = priced(sale, now=now)
    if chosen.points and found.quote.points_most:
        sale.points_wanted = found.quote.points_most
        found = priced(sale, now=now)
    return Offer(sale, found, choices, Chosen(code, bool(found.quote.points), chosen.wallet))


def confirm(
    sale: Sale,
    chosen: Chosen,
    *,
    member: Member,
    session: MemberSession,
    due_fen: int | None,
    key: str,
    actor: Actor,
    now: datetime,
) -> dict[str, Any]:
    """Take coupon, points and card as he saw them; what is left waits for WeChat. Raises LinkOver, and what `member_pays` raises."""
    if is_over(sale, now=now):
        raise LinkOver()
    offer = offer_of(sale, chosen, now=now)
    paid = checkout.member_pays(
        sale, member=member, use_wallet=offer.chosen.wallet, coupon_id=sale.coupon_id, points=offer.found.quote.points,
        payer_openid=payer_of(session), key=key, now=now, actor=actor, expected_due_fen=due_fen,
    )  # fmt: skip
    return {"state": paid.state, "due_fen": paid.due_fen}


def order_of(sale: Sale) -> PayOrder | None:
    """Return the order at WeChat Pay a sale waits for; None where it waits for none."""
    return waited_for(sale) if sale.state == State.AWAITING_PAYMENT else None


def look(sale: Sale, *, now: datetime) -> Sale:
    """Ask what became of a payment that is waited for."""
    if order := order_of(sale):
        look_at(order.purpose, order.subject, now=now)
        sale.refresh_from_db(fields=["state"])
    return sale


def told(sale: Sale, chosen: Chosen | None, *, now: datetime) -> dict[str, Any]:
    """Return what the API says of a sale: priced while it waits for him, as it was paid afterwards."""
    over = is_over(sale, now=now)
    proxy = proxy_of(sale)
    facts = {
        "id": sale.public_id, "state": sale.state, "is_over": over, "expires_at": sale.expires_at, "way": proxy.way if proxy else "",
    }  # fmt: skip
    taken = _taken(sale)
    rows: list[tuple[Any, Any]]
    sums: Any
    choices: list[Choice]
    if sale.state == State.AWAITING_MEMBER and not over:
        offer = offer_of(sale, chosen, now=now)
        rows, sums, choices, taken = list(offer.lines), offer.found.quote, offer.choices, offer.chosen
    else:
        rows, sums, choices = [(line, line) for line in lines_of(sale)], sale, []
    names = ("tag_fen", "promotion_fen", "coupon_fen", "points", "points_fen", "wallet_fen", "due_fen")
    lines = [{"row": row, "line": line} for row, line in rows]
    chosen_now = {"coupon": taken.coupon, "use_points": taken.points, "use_wallet": taken.wallet}
    return facts | chosen_now | {name: getattr(sums, name) for name in names} | {"lines": lines, "coupons": choices}


def _taken(sale: Sale) -> Chosen:
    """Return what of his own a sale has taken that waits for him no more."""
    return Chosen(sale.coupon.code if sale.coupon else "", bool(sale.points), bool(sale.wallet_fen))
