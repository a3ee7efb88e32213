"""优惠券 and 积分 on the member's phone."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from crm.benefits import services as benefits
from crm.benefits.coupon_rules import template_rule
from crm.benefits.models import Coupon, CouponBatch, PointsEntry
from crm.benefits.queries import claimable, coupons_of, exchangeable, held_coupon, points_of
from crm.members.models import Member
from yejibao.core import access, clock, hx, idempotency, limits, nav, paging
from yejibao.core.errors import DomainError
from yejibao.core.panels import Answer, panel

from .codes import way_to_claim
from .places import member_of
from .queries import batch_for_members, batch_for_points

PAGE, ON_HOME = 30, 2

nav.add("member", key="coupons", label="优惠券", icon="ticket", url="crm:my-coupons", order=40)


@never_cache
@require_GET
@access.member
def coupons(request: HttpRequest) -> HttpResponse:
    """What can be used, what was, and what is there to be claimed."""
    member, now = member_of(request), clock.now()
    which = "past" if request.GET.get("which") == "past" else "usable"
    context = {
        "which": which,
        "coupons": coupons_of(member, now=now, which=which),
        "claimable": [(one, template_rule(one.template)) for one in claimable(member, now=now)]
        if which == "usable"
        else [],
        "for_points": [(one, template_rule(one.template)) for one in exchangeable(member, now=now)]
        if which == "usable"
        else [],
        "now": now,
        "nav_current": "coupons",
    }
    return render(request, "member/coupons.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@access.member
@limits.by("coupon", given="idempotency_key")
def claim(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A link to a batch: what it is; POST takes one. A batch that ended says so, one that never was is not found."""
    member, now = member_of(request), clock.now()
    batch = batch_for_members(public_id)
    way = way_to_claim(batch, member, now=now)

    def facts() -> dict[str, Any]:
        mine = Coupon.objects.filter(batch=batch, member=member).with_terms().order_by("-pk").first()
        open_ones = claimable(member, now=now, way=CouponBatch.Way(way))
        return {
            "mine": held_coupon(mine, now=now) if mine else None,
            "is_open": any(one.pk == batch.pk for one in open_ones),
        }

    return _take_one(
        request, batch, "member/claim.html", lambda key: benefits.claim(batch, member, key=key, now=now, way=way),
        facts=facts, said="领到了，记得在到期前用",
    )  # fmt: skip


@never_cache
@require_http_methods(["GET", "POST"])
@access.member
@limits.by("coupon", given="idempotency_key")
def exchange(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """积分换券: what it is, how many points it takes and how many he has; POST takes them and gives one."""
    member, now = member_of(request), clock.now()
    batch = batch_for_points(public_id)

    def facts() -> dict[str, Any]:
        usable = points_of(member, now=now).usable
        return {
            "usable": usable,
            "missing": max(0, (batch.points_price or 0) - usable),
            "is_open": any(one.pk == batch.pk for one in exchangeable(member, now=now)),
        }

    return _take_one(
        request, batch, "member/exchange_points.html",
        lambda key: benefits.exchange(batch, member, key=key, now=now, actor=access.actor_of(request)),
        facts=facts, said="换到了，记得在到期前用",
    )  # fmt: skip


def _take_one(
    request: HttpRequest, batch: CouponBatch, template: str, take: Callable[[str], Coupon], *, facts: Callable[[], dict[str, Any]],
    said: str,
) -> HttpResponse:  # fmt: skip
    """Show a batch; on POST take one coupon of it, once per key. A refusal stands on the same page, as it is after it."""
    no: DomainError | None = None
    if request.method == "POST":
        key = idempotency.must_have_key(request)
        try:
            idempotency.once(request, {}, lambda: {"code": take(key).code})
        except DomainError as refusal:
            no = refusal
        else:
            hx.flash(request, said)
            return redirect(reverse("crm:my-coupons"))
    context = {"batch": batch, "rule": template_rule(batch.template), "now": clock.now(), "no": no} | facts()
    return render(request, template, context, status=no.status if no else 200)


@never_cache
@require_GET
@access.member
def points(request: HttpRequest) -> HttpResponse:
    """How many there are, which end first, and every entry."""
    member, now = member_of(request), clock.now()
    mine = PointsEntry.objects.visible_to(access.actor_of(request))
    rows, before = paging.page(mine, "at", before=request.GET.get("before", ""), size=PAGE)
    more = f"{reverse('crm:my-points')}?before={before}" if before else ""
    context: dict[str, Any] = {"entries": rows, "more": more, "now": now}
    if hx.is_htmx(request):
        return render(request, "member/part_points.html", context)
    context |= {"points": points_of(member, now=now), "may_exchange": bool(exchangeable(member, now=now))}
    return render(request, "member/points.html", context)


@panel("my", order=30, name="coupons")
def coupons_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """优惠券 on 会员中心: those that end first."""
    held = coupons_of(member, now=now, upto=ON_HOME)
    return ("member/part_coupons.html", {"coupons": held}) if held else None
