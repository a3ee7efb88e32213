"""数据质量: what cannot be right, how many, whose matter it is; a tap opens the newest examples, masked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org import matrix
from yejibao.core import access, audit, nav
from yejibao.core.errors import Forbidden, NotFound
from yejibao.core.personal import mask_name
from yejibao.core.scope import Actor

from .models import QualityCount, QualityFinding, QualityRun
from .services import CHECKS, KEPT, Check

RULE = {"member": "member.view_card", "order": "order.read"}  # what lets one see the rows a check is about
WHO = tuple(sorted({"hq_operator", "hq_crm"} | {one.owner for one in CHECKS.values()}))
PAGE = 50


@never_cache
@require_GET
@access.roles(*WHO)
def overview(request: HttpRequest) -> HttpResponse:
    """All checks with last night's counts and what has changed in a week; figures, so that every owner may read them."""
    actor = access.actor_of(request)
    run = QualityRun.objects.exclude(done_at=None).order_by("-day").first()
    latest: dict[str, int] = {}
    before: dict[str, int] = {}
    if run:
        latest = dict(QualityCount.objects.filter(day=run.day).values_list("check_key", "count"))
        week = QualityCount.objects.filter(day=run.day - timedelta(days=7))
        before = dict(week.values_list("check_key", "count"))
    lines = [
        {"check": one, "count": latest.get(one.key, 0), "change": latest.get(one.key, 0) - before[one.key] if one.key in before else None,
         "may": _sees(actor, one), "is_mine": actor.has_role(one.owner)}
        for one in CHECKS.values()
    ]  # fmt: skip
    lines.sort(key=lambda line: -line["count"])  # type: ignore[operator]
    return render(request, "quality/overview.html", {"lines": lines, "run": run})


@never_cache
@require_GET
@access.roles(*WHO)
def findings(request: HttpRequest, key: str) -> HttpResponse:
    """The newest examples of one check."""
    check = CHECKS.get(key)
    if check is None:
        raise NotFound()
    actor = access.actor_of(request)
    if not _sees(actor, check):
        raise Forbidden(_("这里只给你看数字。名单请找CRM部或会员运营。"), permission=RULE[check.subject])
    after = request.GET.get("after", "")
    rows = QualityFinding.objects.visible_to(actor).filter(check_key=key)
    rows = rows.select_related(
        "member__main_store", "member__owner_guide", "order__store", "order__guide", "order__member"
    )
    if after.isdigit() and len(after) < 7:
        rows = rows.filter(place__gt=int(after))
    found = list(rows.order_by("place")[: PAGE + 1])
    seen = {one.order.member_id if one.order else one.member_id for one in found[:PAGE]}
    audit.saw_members(actor, sorted(pk for pk in seen if pk), where=f"数据质量 {check.label}")
    count = QualityCount.objects.filter(check_key=key).order_by("-day").values_list("count", flat=True).first() or 0
    facts = {
        "check": check, "count": count, "kept": KEPT, "lines": [_facts(one) for one in found[:PAGE]],
        "next": found[PAGE - 1].place if len(found) > PAGE else None,
    }  # fmt: skip
    return render(request, "quality/findings.html", facts)


def _sees(actor: Actor, check: Check) -> bool:
    return actor.has_role(*matrix.leaders(RULE[check.subject]))


def _facts(one: QualityFinding) -> dict[str, Any]:
    if one.order:
        return {
            "pk": None, "title": one.order.number, "who": mask_name(one.order.member.name) if one.order.member else "散客",
            "store": one.order.store, "guide": one.order.guide, "at": one.order.paid_at, "fen": one.order.paid_fen, "shared": "",
        }  # fmt: skip
    member = one.member
    assert member is not None
    return {
        "pk": member.public_id, "title": mask_name(member.name), "who": f"***{member.phone_last4}" if member.phone_last4 else "没有手机号",
        "store": member.main_store, "guide": member.owner_guide, "at": member.registered_at, "fen": None, "shared": one.shared,
    }  # fmt: skip


nav.add("hq", key="quality", label="数据质量", icon="shield-check", url="crm:quality", order=63, roles=WHO)
