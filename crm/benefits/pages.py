"""积分、券和等级 of one member for those who look after him; a guide's own shares; the rules as they are, for everybody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.members.customers import member_of
from crm.members.scoped import CARD
from crm.members.shells import card_url
from guides.org import matrix
from guides.org.models import Staff
from guides.org.pages import shell_of
from yejibao.core import access, clock, nav, paging

from . import rules
from .models import Coupon, PointsProof
from .panels import giveables
from .queries import (
    coupons_of,
    free_care_of,
    given_today,
    held_coupon,
    level_history,
    level_of,
    points_history,
    points_of,
)
from .scoped import ISSUE, MAKE

WHO = matrix.holders(CARD)
GIVERS = matrix.owners(ISSUE)
RULE_READERS = tuple(dict.fromkeys([*matrix.holders(MAKE), "hq_crm", "finance", "customer_service"]))
PAGE = 20
# What an entry is about, in words: "order:7" -> 订单.
SUBJECTS = {"order": "订单", "sale": "收银单", "coupon_batch": "换券", "": ""}


@never_cache
@require_GET
@access.roles(*WHO)
def member_benefits(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """等级, 券 and 积分 of a member: `of` is coupons, past, points or level."""
    actor, now = access.actor_of(request), clock.now()
    member = member_of(actor, public_id).member
    assert member is not None
    of = request.GET.get("of", "coupons")
    context: dict[str, Any] = {
        "member": member, "level": level_of(member), "points": points_of(member, now=now), "of": of, "now": now,
        "care": free_care_of(member, today=clock.local_day(now)), "shell": shell_of(actor), "card": card_url(actor, member),
        "nav_current": "members",
    }  # fmt: skip
    match of:
        case "points":
            before = request.GET.get("before", "")[:64]
            entries, more = paging.page(points_history(member), "at", before=before, size=PAGE)
            context |= {"entries": [{"entry": one, "about": about(one.subject)} for one in entries], "more": more}
        case "level":
            context["changes"] = level_history(member)
        case "past":
            context["coupons"] = coupons_of(member, now=now, which="past")
        case _:
            context |= {"coupons": coupons_of(member, now=now), "of": "coupons"}
    return render(request, "benefits/member.html", context)


def about(subject: str) -> str:
    """Return what an entry is about in a word."""
    return SUBJECTS.get(subject.partition(":")[0], "")


@never_cache
@require_GET
@access.roles(*GIVERS)
def my_shares(request: HttpRequest) -> HttpResponse:
    """我的券: what she may give out, what is left of her share, and what became of what she gave."""
    guide, now = request.user, clock.now()
    assert isinstance(guide, Staff)
    given = Coupon.objects.filter(issuer=guide).with_terms().select_related("member")
    rows, more = paging.page(given, "issued_at", before=request.GET.get("before", "")[:64], size=PAGE)
    today = clock.local_day(now)
    context = {
        "shares": giveables(guide, now=now), "given": [held_coupon(one, now=now) for one in rows], "more": more, "now": now,
        "today": given_today(guide, day=today), "cap": rules.GUIDE_DAY_CAP.at(now), "shell": shell_of(access.actor_of(request)),
    }  # fmt: skip
    return render(request, "benefits/my_shares.html", context)


@never_cache
@require_GET
@access.roles(*RULE_READERS)
def rule_book(request: HttpRequest) -> HttpResponse:
    """积分与等级: the rules in force, and whether the ledger of points balanced last night."""
    now = clock.now()
    context = {
        "levels": rules.levels(), "member_day": rules.MEMBER_DAY.at(now), "step": rules.STEP, "most": rules.MOST_PERCENT,
        "return_days": rules.RETURN_DAYS, "back_days": rules.BACK_AT_LEAST_DAYS, "grace": rules.GRACE_DAYS,
        "proof": PointsProof.objects.order_by("-day").first(), "nav_current": "points-rules",
        "settings": reverse("cockpit:settings"), "cap": rules.GUIDE_DAY_CAP.at(now),
    }  # fmt: skip
    return render(request, "benefits/rules.html", context)


nav.add("sidebar", key="coupons", label="券", icon="ticket", url="/g/sidebar/#coupons-card", order=40, roles=GIVERS)
nav.add("tools", key="coupons", label="我的券", icon="ticket", url="crm:my-shares", order=45, roles=GIVERS)
nav.add(
    "hq", key="points-rules", label="积分与等级", icon="award", url="crm:points-rules", order=57, roles=RULE_READERS
)
