"""The basket a guide fills for a member: one at a time, hers, in the store where she stands."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.members.services import lock_members
from guides.org.models import Staff, Store
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor

from ...checkout import services as checkout
from ...checkout.models import Sale
from ...checkout.queries import coupon_choices, priced
from ..scoped import PROXY


class NoStore(Conflict):
    code, title = "proxy.no_store", _("你现在不在任何一家店，不能代客下单")


def must_sell(actor: Actor) -> None:
    """Raise Forbidden or NoStore for who does not order for members."""
    if not actor.may(PROXY):
        raise Forbidden(permission=PROXY)
    if not actor.store_id and not actor.is_system:
        raise NoStore()


@transaction.atomic
def open_basket(member: Member, *, actor: Actor, now: datetime) -> Sale:
    """Return the guide's basket for a member: the one she has begun, else a new one. Two taps are one basket.

    Raises Forbidden, NoStore or GuestOnly.
    """
    must_sell(actor)
    lock_members([member.pk])
    begun = Sale.objects.filter(
        channel=Sale.Channel.PROXY, state=Sale.State.DRAFT, member=member, guide_id=actor.staff_id, store_id=actor.store_id or 0,
        expires_at__gt=now,
    )  # fmt: skip
    if (basket := begun.order_by("-created_at", "-pk").first()) is not None:
        return basket
    store, guide = Store.objects.get(pk=actor.store_id or 0), Staff.objects.get(pk=actor.staff_id or 0)
    return checkout.start_sale(
        channel=Sale.Channel.PROXY, store=store, guide=guide, member=member, actor=actor, now=now
    )


@transaction.atomic
def propose_best(sale: Sale, *, actor: Actor, now: datetime) -> Sale:
    """Choose the coupon that saves most, where none was chosen or the chosen one fits no more: 已替他选最省的."""
    choices = [one for one in coupon_choices(priced(sale, now=now), now=now) if one.is_usable and one.discount_fen]
    if any(one.coupon.pk == sale.coupon_id for one in choices) or not (choices or sale.coupon_id):
        return sale
    return checkout.choose(sale, coupon_id=choices[0].coupon.pk if choices else None, actor=actor, now=now)
