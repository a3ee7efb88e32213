"""Who stands at the counter, and which order something comes back from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core import signing
from django.db.models import Q

from crm.catalogue.item_models import ItemCode
from crm.catalogue.services import item_of
from crm.members import shown
from crm.members.models import Member, MemberIdentity
from crm.orders.models import Order
from guides.org.models import Store
from yejibao.core.personal import blind_indexes, normal_phone
from yejibao.core.scope import Actor

FOUND_MOST = 8
RETURNS_BACK = timedelta(days=90)
_SALT = "crm.orders.return"


@dataclass(frozen=True)
class Found:
    """Members a text may mean. `has_shown_code`: one, and his phone showed his code just now."""

    members: tuple[Member, ...] = ()
    has_shown_code: bool = False
    is_forged: bool = False


def shoppers(text: str, *, actor: Actor, store: Store) -> Found:
    """Return who is meant: a code or a whole number names one of the brand's members; less looks among the store's own.

    Four digits are the end of a phone, letters a name's beginning.
    """
    read = shown.read(text)
    if read is None:
        return Found(is_forged=True)
    typed = read.member_no
    if not typed:
        return Found()
    everybody = Member.objects.filter(status=Member.Status.ACTIVE).select_related("owner_guide", "main_store")
    exact = Q(member_no=typed)
    exact |= Q(identities__kind=MemberIdentity.Kind.CARD, identities__value=typed)
    if phone := normal_phone(typed):
        exact |= Q(phone_index__in=blind_indexes(phone, purpose="phone"))
    found = tuple(everybody.filter(exact).order_by("pk").distinct()[:FOUND_MOST])
    if found:
        return Found(found, has_shown_code=read.is_fresh and len(found) == 1)
    near = everybody.filter(Q(pk__in=Member.objects.visible_to(actor).values("pk")) | Q(main_store=store))
    if typed.isdigit() and len(typed) == 4:
        return Found(tuple(near.filter(phone_last4=typed).order_by("-last_purchase_on", "pk")[:FOUND_MOST]))
    if typed.isdigit() or len(typed) < 1:
        return Found()
    return Found(tuple(near.filter(name__startswith=typed[:16]).order_by("-last_purchase_on", "pk")[:FOUND_MOST]))


# ---------------------------------------------------------------- orders something may come back from


def orders_to_return(text: str, *, actor: Actor, store: Store, now: datetime) -> list[Order]:
    """Return the orders a receipt or a member names, of stores of this store's kind, the newest first.

    Who has the receipt (its whole number), the piece with its code, or stands there (code, whole phone, member number) may bring goods back to any
    store of the kind; a name or four digits look among what one may read anyway.
    """
    typed = text.strip()[:128]
    if not typed:
        return []
    sold = Order.objects.exclude(status=Order.Status.VOID).exclude(kind__in=[Order.Kind.TOP_UP, Order.Kind.GIFT_CARD])
    sold = sold.filter(known_at__lte=now).select_related("store", "guide", "member")
    by_number = list(sold.filter(number=typed).filter(_of_the_kind(store))[:FOUND_MOST])
    if by_number:
        return by_number
    if (piece := item_of(typed)) is not None:  # who has the piece in hand stands there
        return list(sold.filter(sale=_sale_id(piece)).filter(_of_the_kind(store)))
    found = shoppers(typed, actor=actor, store=store)
    if not found.members:
        return []
    recent = sold.filter(member__in=found.members, paid_at__gte=now - RETURNS_BACK).filter(_of_the_kind(store))
    if len(found.members) > 1 or (len(typed) < 5 and not found.has_shown_code):
        recent = recent.filter(pk__in=Order.objects.visible_to(actor).values("pk"))
    return list(recent.order_by("-paid_at", "-pk")[:20])


def _sale_id(piece: ItemCode) -> int:
    """Return by which sale of ours a piece went, 0 for none."""
    number = piece.sale.removeprefix("sale:") if piece.sold_at else ""
    return int(number) if number.isdecimal() else 0


def _of_the_kind(store: Store) -> Q:
    return Q(store__kind=store.kind, store__dealer_id=store.dealer_id) | Q(store=store)


def pass_for(order: Order, *, actor: Actor) -> str:
    """Return what stands in the address of a return: that this person found this order, not that an order has this id."""
    return signing.dumps([order.pk, actor.staff_id], salt=_SALT)


def order_of_pass(text: str, *, actor: Actor) -> Order | None:
    """Return the order of a pass that was given to this person today."""
    try:
        order_id, staff_id = signing.loads(text, salt=_SALT, max_age=timedelta(hours=12))
    except (signing.BadSignature, ValueError, TypeError):
        return None
    if staff_id != actor.staff_id:
        return None
    return Order.objects.select_related("store__unit", "guide", "member").filter(pk=order_id).first()
