"""What the room hangs on other pages: points and coupons of a member at a glance, and coupons to give him in the chat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.customers import Customer
from guides.org import matrix
from guides.org.models import Staff
from yejibao.core import access, words
from yejibao.core.flat import address
from yejibao.core.panels import Answer, panel
from yejibao.core.templatetags import yjb

from .coupon_rules import CouponRule, template_rule
from .models import CouponBatch
from .queries import COUPONS, POINTS, InHand, LevelStanding, giveable, level_of
from .scoped import ISSUE

CELLS = "sidebar-assets"  # the row of figures below the card (crm/members/panels.py)
SHOWN = 4
COUPONS_SHOWN = 3


@panel(CELLS, order=20, name="points", reads=(POINTS,))
def points_cell(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """积分: what he may use now."""
    if customer.member is None or not customer.may_see_card:
        return None
    return "benefits/cell_points.html", {"points": POINTS.of(request), "member": customer.member}


@panel(CELLS, order=30, name="coupons", reads=(COUPONS,))
def coupons_cell(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """券: how many, and how many of them end soon."""
    if customer.member is None or not customer.may_see_card:
        return None
    held = COUPONS.of(request)
    near = [one for one in held if one.is_near_end]
    facts = {
        "count": len(held),
        "near": near,
        "first": near[0] if near else None,
        "member": customer.member,
        "now": now,
    }
    return "benefits/cell_coupons.html", facts


@panel("member", order=37, name="benefits", reads=(POINTS, COUPONS))
@panel("hq-member", order=25, name="benefits", reads=(POINTS, COUPONS))
def benefits_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """等级, 积分 and 券 on a member's page; a tap leads to all of it."""
    member = customer.member
    if member is None or not customer.may_see_card:
        return None
    url, points = address("crm:member-benefits", member.public_id), POINTS.of(request)
    frozen = f'<span class="muted fs13"> · 另 {words.count(points.frozen)} 待到账</span>' if points.frozen else ""
    return SafeString(
        '<section class="sec" aria-label="等级、积分和券"><div class="sec-h"><h2>权益</h2>'
        f'<a class="more" href="{url}">全部{yjb.icon("chevron-right", "i-16")}</a></div>\n'
        f'<div class="card flush"><a class="cell plain" href="{url}?of=level">{_level(level_of(member))}</a>\n'
        f'<a class="cell plain" href="{url}?of=points"><span class="grow fs14">积分 <b class="num">{words.count(points.usable)}</b>'
        f"{frozen}</span></a>\n{''.join([_coupon(one, url) for one in COUPONS.of(request)[:COUPONS_SHOWN]])}</div></section>"
    )


def _level(own: LevelStanding) -> str:
    above = ends = ""
    if own.next_level:
        above = (
            f'<span class="muted fs13"> · 再消费 {words.yuan(own.missing_fen)} 升 {escape(own.next_level.name)}</span>'
        )
    if own.keep_missing_fen and own.valid_until:
        ends = f'<span class="tag amber">{_day(own.valid_until)} 到期</span>'
    return f'<span class="grow fs14">{escape(own.level.name)}{above}</span>{ends}'


def _coupon(held: InHand, url: str) -> str:
    return (
        f'<a class="cell plain" href="{url}"><span class="grow fs14 ell">{escape(held.rule.title)} '
        f'<span class="muted fs13">{held.rule.condition}</span></span>'
        f'<span class="fs12 nowrap {"c-amber" if held.is_near_end else "muted"}">{_day(held.ends_on)} 到期</span></a>'
    )


def _day(on: date) -> str:
    return f"{on.month}-{on.day}"


@dataclass(frozen=True)
class Giveable:
    """A batch she may give from now, with what is left of her share."""

    batch: CouponBatch
    rule: CouponRule
    left: int | None  # None: no share is set


@panel("sidebar", order=38, name="coupons")
def coupons_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """发券: what she may give him now; one tap gives it and puts it into the chat."""
    actor, member = access.actor_of(request), customer.member
    if member is None or not customer.may_see_card or not actor.has_role(*matrix.owners(ISSUE)):
        return None
    guide, path = request.user, actor.store_path
    rows = giveables(guide, now=now, path=path, member_level=member.member_level)  # type: ignore[arg-type]
    if not rows:
        return None
    facts = {"rows": rows[:SHOWN], "more": max(0, len(rows) - SHOWN), "member": member, "is_friend": customer.is_friend}
    return "sidebar/coupons.html", facts


def giveables(guide: Staff, *, now: datetime, path: str = "", member_level: str = "") -> list[Giveable]:
    """Return what a guide may give now, the most worth first."""
    rows = [Giveable(batch, template_rule(batch.template), left) for batch, left in giveable(guide, now=now, path=path)]
    fitting = [
        one for one in rows if not one.rule.member_levels or not member_level or member_level in one.rule.member_levels
    ]
    return sorted(fitting, key=lambda one: (-(one.rule.amount_fen or one.rule.cap_fen or 0), one.batch.pk))
