"""Money in, goods out, points, level, events: one transaction (design.md §5).

What is confirmed is taken at once: coupon, points, card, goods. Cash and a bank card finish the sale in the same
transaction; WeChat leaves it waiting, and what was taken goes back by reversal if nobody pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.members.services import lock_members
from crm.wallet.errors import BalanceShort
from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor

from ..models import Sale, SaleMoved, SalePayment
from ..queries import Priced, priced
from .baskets import EmptyBasket, choose_on, fit_gift, lock_sale
from .taking import (
    TO_PAY,
    Pay,
    complete,
    fitting,
    give_up_wechat,
    take_goods,
    take_means,
    write_amounts,
    write_payments,
)

State, Way = Sale.State, SalePayment.Way
SHOWN_LASTS = timedelta(minutes=30)  # of a code the member showed: as long as one shops on at the counter


class PriceChanged(Conflict):
    code, title = "sale.price_changed", _("价格刚变过，请看过再收")


class MemberMustShow(Conflict):
    code, title = "card.member_must_show", _("用储值要扫会员手机上的会员码")


class CouponUnusable(Conflict):
    code, title = "coupon.unusable", _("这张券现在用不上，请换一张或不用券")


class PointsUnusable(Conflict):
    code, title = "points.unusable", _("积分用不了这么多，请重新选")


@transaction.atomic
def confirm(
    sale: Sale,
    *,
    ways: Sequence[Pay] = (),
    key: str,
    actor: Actor,
    now: datetime,
    expected_due_fen: int | None = None,
) -> Sale:
    """Take coupon, points and card, and what is due by cash or card: paid. By WeChat: it waits for the payment.

    `expected_due_fen` is what the page showed. The same key again is the same sale. Raises PriceChanged, StockGone,
    MemberMustShow, CouponUnusable, PointsUnusable, CardMoved, WaysDoNotFit, EmptyBasket, SaleMoved, and what card, coupon and points say no to.
    """
    held = lock_sale(sale)
    if held.state not in (State.DRAFT, State.AWAITING_MEMBER):
        if key and held.confirm_key == key:
            return held
        raise SaleMoved(_("这一单%(state)s") % {"state": held.get_state_display()})
    if held.member_id:
        lock_members([held.member_id])
    if held.state == State.DRAFT:
        fit_gift(held, now=now)
    found = priced(held, now=now)
    _must_stand(held, found, expected_due_fen)
    if found.quote.wallet_fen and actor.kind == "staff" and held.channel == Sale.Channel.TILL:
        _must_be_shown(held, now=now)
    pays = fitting(ways, found.quote.due_fen)
    write_amounts(held, found, key=key, now=now)
    take_goods(held, found.lines, actor=actor, now=now)
    take_means(held, actor=actor, now=now)
    waits = write_payments(held, pays, now=now)
    audit.record(
        actor,
        "sale.confirmed",
        held,
        after={"paid_fen": held.paid_fen, "due_fen": held.due_fen, "ways": [one.way for one in pays]},
    )
    if waits:
        held.move_to(State.AWAITING_PAYMENT, actor=actor, now=now, expires_at=now + TO_PAY)
        return held
    return complete(held, actor=actor, now=now)


@transaction.atomic
def pay_rest(sale: Sale, pay: Pay, *, actor: Actor, now: datetime) -> Sale:
    """Take what is still due another way: the code was refused, he has no signal, he pays cash after all.

    An order that is open at WeChat is given up first; should it be paid all the same, that money goes back by itself.
    """
    held = lock_sale(sale)
    if held.state != State.AWAITING_PAYMENT:
        raise SaleMoved(_("这一单%(state)s") % {"state": held.get_state_display()})
    give_up_wechat(held, now=now, why="换一种付法")
    taken = held.payments.exclude(state=SalePayment.State.CLOSED).aggregate(sum=Sum("amount_fen"))["sum"] or 0
    rest = held.paid_fen - taken
    (fitted,) = fitting([pay], rest)
    if write_payments(held, [fitted], now=now):
        Sale.objects.filter(pk=held.pk).update(expires_at=now + TO_PAY)
        return held
    return complete(held, actor=actor, now=now)


def member_pays(
    sale: Sale,
    *,
    member: Member,
    use_wallet: bool | int = False,
    coupon_id: int | None = None,
    points: int = 0,
    payer_openid: str = "",
    key: str,
    now: datetime,
    actor: Actor,
    expected_due_fen: int | None = None,
) -> Sale:
    """Let the member choose and pay what he was sent: by card at once, or waiting for WeChat. Raises as `confirm`."""
    with transaction.atomic():
        held = lock_sale(sale)
        if held.member_id != member.pk:
            raise Forbidden(permission="order.own")
        if held.state == State.AWAITING_MEMBER:
            choose_on(held, coupon_id=coupon_id, points=points, use_wallet=use_wallet)
        return confirm(
            held,
            ways=[Pay(Way.WECHAT_LINK, openid=payer_openid)],
            key=key,
            actor=actor,
            now=now,
            expected_due_fen=expected_due_fen,
        )


def _must_be_shown(held: Sale, *, now: datetime) -> None:
    """Refuse a guide who would pay with the card of a member who is not there (reliability-security §3, top-up, spend)."""
    if held.member_shown_at is None or held.member_shown_at < now - SHOWN_LASTS:
        raise MemberMustShow()


def _must_stand(held: Sale, found: Priced, expected_due_fen: int | None) -> None:
    """Refuse what was chosen and cannot be had as it was shown."""
    quote = found.quote
    if not any(not line.is_gift for line in found.lines):
        raise EmptyBasket()
    if held.coupon_id and quote.coupon is None:
        raise CouponUnusable(found.coupon_why_not)
    if quote.points != held.points_wanted:
        raise PointsUnusable(_("最多能用 %(points)d 分") % {"points": quote.points_most}, most=quote.points_most)
    if held.wallet_wanted_fen and quote.wallet_fen < min(held.wallet_wanted_fen, quote.paid_fen):
        raise BalanceShort(balance_fen=found.means.wallet_fen)
    if expected_due_fen is not None and expected_due_fen != quote.due_fen:
        raise PriceChanged(due_fen=quote.due_fen)
