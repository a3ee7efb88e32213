"""Whom a parcel goes to, where and by what number, in full."""

from datetime import datetime

from crm.privacy.services import NoPhone, note_look
from yejibao.core.scope import Actor

from ..models import ProxyOrder


def reveal_address(proxy: ProxyOrder, *, actor: Actor, reason: str, now: datetime) -> str:
    """Return an order's whole address: a look at its member, counted and on record.

    Raises NoPhone where none is kept, Invalid without a reason, TooMany, RevealsUsedUp.
    """
    if not proxy.address:
        raise NoPhone()
    note_look(proxy.member, "parcel", actor=actor, reason=reason, now=now, order=proxy.pk)
    return proxy.address
