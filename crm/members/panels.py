"""What the room hangs on other pages: who the customer of this chat is."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from guides.org.models import Staff
from yejibao.core import access, clock
from yejibao.core.panels import Answer, panel

from .customers import Customer, level_names
from .models import GuideHandover, Member
from .queries import Card, card

DAYS_OF_A_YEAR = 365
DECIDERS = ("store_manager", "region_manager")  # of hand-overs (handover_pages.WHO)
# What a guide asks for, and the garments that answer it, the surest first.
SIZES = {
    "上衣": ("西服", "大衣", "夹克", "羽绒", "针织", "T恤POLO"),
    "衬衫": ("衬衫",),
    "裤": ("裤装",),
    "鞋": ("鞋",),
}


@panel("member", order=10, name="card")
@panel("sidebar", order=10, name="card")
def card_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """Name, tier, level, how long a member, phone (masked), whose he is."""
    member = customer.member
    if member is None:
        return None
    if not customer.may_see_card:
        return "sidebar/card_closed.html", {
            "name": customer.remark or "微信好友",
            "owner_words": _whose(request, member),
        }
    owner = member.owner_guide
    facts = {
        "member": member,
        "level": level_names().get(member.member_level, ""),
        "since": member_for(figures_of(request, customer, now), now),
        "owner_words": "专属导购是你"
        if member.owner_guide_id == access.actor_of(request).staff_id
        else f"专属导购是{owner.display_name or owner.name}"
        if owner
        else "还没有专属导购",
    }
    return "sidebar/card.html", facts


def _whose(request: HttpRequest, member: Member) -> str:
    """Say whose member he is: a colleague of the same store has a name, somebody elsewhere has none."""
    owner = member.owner_guide
    if owner is None:
        return "还没有专属导购"
    is_near = owner.store_id is not None and owner.store_id == access.actor_of(request).store_id
    return f"专属导购是{owner.display_name or owner.name}" if is_near else "他有专属导购了"


@panel("member", order=45, name="sizes")
@panel("sidebar", order=45, name="sizes")
def sizes_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """The sizes that fitted, by garment."""
    figures = figures_of(request, customer, now)
    if figures is None or not figures.sizes:
        return None
    known = figures.sizes
    sizes = [(name, next((known[one] for one in families if one in known), "")) for name, families in SIZES.items()]
    sizes = [(name, size) for name, size in sizes if size]
    return ("sidebar/sizes.html", {"sizes": sizes}) if sizes else None


def figures_of(request: HttpRequest, customer: Customer, now: datetime) -> Card | None:
    """Read the figures of the card once a request; None for those who may not see it."""
    if customer.member is None or not customer.may_see_card:
        return None
    if (known := getattr(request, "_member_card", None)) is None:
        known = request._member_card = card(customer.member, now)  # type: ignore[attr-defined]
    return known  # type: ignore[no-any-return]


def member_for(figures: Card | None, now: datetime) -> str:
    """会员 6 年, 会员 3 个月, 新会员; empty where nobody knows since when."""
    if figures is None or figures.member_since is None:
        return ""
    days = (clock.local_day(now) - figures.member_since).days
    if days >= DAYS_OF_A_YEAR:
        return f"会员 {days // DAYS_OF_A_YEAR} 年"
    return f"会员 {days // 30} 个月" if days >= 30 else "新会员"


@panel("person", order=10, name="members")
def members_of_person(request: HttpRequest, *, person: Staff, **_: Any) -> Answer:
    """How many members are a colleague's, and who decides about them where a hand-over waits. Figures only."""
    owned = Member.objects.filter(owner_guide=person, status=Member.Status.ACTIVE).count()
    waits = (
        GuideHandover.objects.filter(guide=person, state=GuideHandover.State.PROPOSED).select_related("store").first()
    )
    if not owned and waits is None:
        return None
    may_open = waits is not None and access.actor_of(request).has_role(*DECIDERS)
    return "members/person_panel.html", {"owned": owned, "waits": waits, "may_open": may_open}
