"""May a guide write to this customer at this moment, outside any task?"""

from __future__ import annotations

from datetime import datetime

from guides.org.hours import is_open
from guides.org.models import Store

from .customers import Customer


def why_not_now(customer: Customer, *, store: Store | None, now: datetime) -> str:
    """Return why nothing may be sent to him now, in words for the guide; empty if it may."""
    if not customer.is_friend:
        return "他现在不是你的好友，发不出去"
    if customer.member is not None and customer.member.do_not_contact:
        return "他说过别再打扰，只回他问的"
    if store is not None and not is_open(store, now):
        return f"免打扰时段，{store.opens_at:%H:%M} 后可以发"
    return ""
