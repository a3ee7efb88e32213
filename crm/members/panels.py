"""What the room hangs on other pages: who the customer of this chat is."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from yejibao.core import clock
from yejibao.core.panels import Answer, panel

from .customers import Customer, level_names
from .models import Member

DAYS_OF_A_YEAR = 365


@panel("sidebar", order=10, name="card")
def card_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """Name, tier, level, how long a member, phone (masked), whose he is."""
    member = customer.member
    if member is None:
        return None
    actor = request.actor  # type: ignore[attr-defined]
    owner = member.owner_guide
    facts = {
        "member": member,
        "level": level_names().get(member.member_level, ""),
        "since": member_for(member, now),
        "owner_words": "专属导购是你"
        if member.owner_guide_id == actor.staff_id
        else f"专属导购是{owner.display_name or owner.name}"
        if owner
        else "还没有专属导购",
    }
    return "sidebar/card.html", facts


def member_for(member: Member, now: datetime) -> str:
    """会员 6 年, 会员 3 个月, 新会员; empty where nobody knows since when."""
    if member.registered_at is None:
        return ""
    days = (clock.local_day(now) - clock.local_day(member.registered_at)).days
    if days >= DAYS_OF_A_YEAR:
        return f"会员 {days // DAYS_OF_A_YEAR} 年"
    return f"会员 {days // 30} 个月" if days >= 30 else "新会员"
