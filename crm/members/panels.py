"""What the room hangs on other pages: who the customer of this chat is."""

from datetime import datetime
from html import escape
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from guides.org import matrix
from guides.org.models import Staff
from yejibao.core import access, clock, panels
from yejibao.core.panels import Answer, panel
from yejibao.core.personal import mask_phone
from yejibao.core.templatetags import yjb

from .customers import Customer, level_names
from .models import GuideHandover, Member
from .queries import FIGURES, Card
from .scoped import LIST

DAYS_OF_A_YEAR = 365
DECIDERS = ("store_manager", "region_manager")  # of hand-overs (handover_pages.WHO)
# What a guide asks for, and the garments that answer it, the surest first.
SIZES = {
    "上衣": ("西服", "大衣", "夹克", "羽绒", "针织", "T恤POLO"),
    "衬衫": ("衬衫",),
    "裤": ("裤装",),
    "鞋": ("鞋",),
}


@panel("sidebar", order=12, name="assets")
def assets_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """储值, 积分, 券 in one row: each room hangs its figure on "sidebar-assets"."""
    figures = panels.render("sidebar-assets", request, customer=customer, now=now) if customer.member else []
    return ("sidebar/assets.html", {"figures": figures}) if figures else None


@panel("member", order=10, name="card", reads=(FIGURES,))
@panel("sidebar", order=10, name="card", reads=(FIGURES,))
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
    return _card(request, member, member_for(FIGURES.of(request), now))


def _card(request: HttpRequest, member: Member, since: str) -> SafeString:
    name, called, level = escape(member.name), "", level_names().get(member.member_level, "")
    if member.called != member.name:
        called = f'<span class="sub fs14">{escape(member.called)}</span>'
    told = f'<span class="tag navy">{escape(level)}</span>' if level else ""
    if member.birth_month and member.birth_day:
        lunar = "农历 " if member.birthday_calendar == "lunar" else ""
        day = f"{lunar}{member.birth_month} 月 {member.birth_day} 日"
        told += f'<span class="tag camel">{yjb.icon("cake", "i-12")}{day}</span>'
    if member.do_not_contact:
        told += '<span class="tag red">别再打扰</span>'
    below = [since, mask_phone(member.phone) if member.phone else "", escape(_owner_words(request, member))]
    return SafeString(
        f'<section class="row-t" aria-label="会员">{yjb.avatar(member.name, member.pk, "av-56")}<div class="grow">\n'
        f'<div class="row g6 wrap"><b class="fs17">{name}</b>{called}{yjb.tier(member.tier_631)}</div>\n'
        f'<div class="row g6 mt1 wrap">{told}</div>\n'
        f'<div class="fs13 muted mt1">{" · ".join(filter(None, below))}</div>\n</div></section>'
    )


def _owner_words(request: HttpRequest, member: Member) -> str:
    owner = member.owner_guide
    if owner is None:
        return "还没有专属导购"
    is_own = owner.pk == access.actor_of(request).staff_id
    return "专属导购是你" if is_own else f"专属导购是{owner.display_name or owner.name}"


def _whose(request: HttpRequest, member: Member) -> str:
    """Say whose member he is: a colleague of the same store has a name, somebody elsewhere has none."""
    owner = member.owner_guide
    if owner is None:
        return "还没有专属导购"
    is_near = owner.store_id is not None and owner.store_id == access.actor_of(request).store_id
    return f"专属导购是{owner.display_name or owner.name}" if is_near else "他有专属导购了"


@panel("member", order=45, name="sizes", reads=(FIGURES,))
@panel("hq-member", order=45, name="sizes", reads=(FIGURES,))
@panel("sidebar", order=45, name="sizes", reads=(FIGURES,))
def sizes_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """The sizes that fitted, by garment."""
    if customer.member is None or not customer.may_see_card:
        return None
    known = FIGURES.of(request).sizes
    sizes = [(name, next((known[one] for one in families if one in known), "")) for name, families in SIZES.items()]
    sizes = [(name, size) for name, size in sizes if size]
    if not sizes:
        return None
    told = "".join(
        [f'<div class="kv"><b class="fs15">{escape(size)}</b><span>{name}</span></div>' for name, size in sizes]
    )
    return SafeString(
        '<section class="sec side-sec" aria-label="尺码"><div class="sec-h"><h2>尺码</h2>'
        '<span class="fs13 muted">按最近几次没退换的</span></div>\n'
        f'<div class="card stats vline side-sizes" style="--n:{len(sizes)}">{told}</div></section>'
    )


def member_for(figures: Card, now: datetime) -> str:
    """会员 6 年, 会员 3 个月, 新会员; empty where nobody knows since when."""
    if figures.member_since is None:
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
    actor = access.actor_of(request)
    may_open = waits is not None and actor.has_role(*DECIDERS)
    may_list = bool(owned) and actor.has_role(*matrix.exactly(LIST, "branch"), *matrix.exactly(LIST, "all"))
    facts = {"owned": owned, "waits": waits, "may_open": may_open, "may_list": may_list, "person": person}
    return "members/person_panel.html", facts
