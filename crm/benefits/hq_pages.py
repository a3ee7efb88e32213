"""优惠券 for HQ and branches: templates, batches with their stock and shares, giving to audiences, stopping; what they cost."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.approvals.models import Approval
from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from yejibao.core import access, clock, desk, nav, paging
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import forms, services
from .coupon_rules import template_rule
from .models import CouponBatch, CouponQuota, CouponTemplate
from .queries import BatchFigures, figures_of
from .scoped import COST, MAKE

READERS = tuple(dict.fromkeys([*matrix.holders(MAKE), *matrix.holders(COST)]))
PAGE = 20
SHARES = 100
TONES = {"running": "green", "asked": "amber", "refused": "red", "stopped": "", "draft": ""}


@never_cache
@require_GET
@access.roles(*READERS)
def batches(request: HttpRequest) -> HttpResponse:
    """批次: the newest first, with what is left, what was used, and for finance what they cost."""
    actor = access.actor_of(request)
    rows = CouponBatch.objects.visible_to(actor).select_related("template", "unit", "parent")
    found, more = paging.page(rows, "made_at", before=request.GET.get("before", "")[:64], size=PAGE)
    figures = figures_of([one.pk for one in found])
    context = {
        "lines": [_line(one, figures.get(one.pk)) for one in found], "more": more, "sees_cost": sees_cost(actor),
        "may_make": actor.may(MAKE), "nav_current": "coupons",
    }  # fmt: skip
    return render(request, "benefits/batches.html", context)


def _line(batch: CouponBatch, figures: BatchFigures | None) -> dict[str, Any]:
    share = batch.taken_count * 100 // batch.stock_count if batch.stock_count else None
    return {
        "batch": batch, "rule": template_rule(batch.template), "figures": figures or BatchFigures(),
        "share": share,
        "tone": TONES.get(batch.state, ""), "ways": [CouponBatch.Way(way).label for way in batch.ways],
    }  # fmt: skip


def sees_cost(actor: Actor) -> bool:
    """Tell whether what coupons cost is shown (access_matrix.yaml coupon.cost)."""
    return actor.has_role(*matrix.leaders(COST))


# ---------------------------------------------------------------- templates


@never_cache
@require_GET
@access.roles(*READERS)
def templates(request: HttpRequest) -> HttpResponse:
    """模板: what there is to make batches of."""
    actor = access.actor_of(request)
    rows = CouponTemplate.objects.visible_to(actor).filter(archived_at=None).select_related("unit", "made_by")
    found, more = paging.page(rows, "made_at", before=request.GET.get("before", "")[:64], size=PAGE)
    lines = [{"template": one, "rule": template_rule(one)} for one in found]
    context = {"lines": lines, "more": more, "may_make": actor.may(MAKE), "nav_current": "coupons"}
    return render(request, "benefits/templates.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(MAKE)
def new_template(request: HttpRequest) -> HttpResponse:
    """新建模板."""
    typed, refusal = request.POST, None
    if request.method == "POST":
        actor, now = access.actor_of(request), clock.now()
        posted = desk.posted(request.POST)

        def work() -> dict[str, Any]:
            return {"pk": services.make_template(forms.read_terms(request.POST), actor=actor, now=now).pk}

        answer, refusal = desk.attempt(request, posted, work)
        if refusal is None:
            return desk.done(request, "模板建好了，接着建批次", reverse("crm:coupon-batch-new", args=[answer["pk"]]))
    context = forms.facts() | {
        "typed": typed,
        "picked": desk.posted(typed),
        "refusal": refusal,
        "errors": forms.errors_of(refusal),
        "nav_current": "coupons",
    }
    return render(request, "benefits/template_new.html", context, status=refusal.status if refusal else 200)


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(MAKE)
def new_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """新建批次: how many, how, how long; it goes to the second person."""
    actor, now = access.actor_of(request), clock.now()
    seen = CouponTemplate.objects.visible_to(actor)
    template = seen.filter(pk=pk, archived_at=None, made_by__isnull=False).select_related("unit").first()
    if template is None:
        raise NotFound()
    home = services.home_of(actor)
    parents = _parents(template, home)
    refusal = None
    if request.method == "POST":
        parent = next((one for one in parents if one.pk == desk.chosen(request.POST.get("parent"))), None)

        def work() -> dict[str, Any]:
            plan, reason = forms.read_plan(request.POST), request.POST.get("reason", "")
            batch = services.ask_batch(template, plan, parent=parent, reason=reason, actor=actor, now=now)
            return {"pk": batch.pk}

        answer, refusal = desk.attempt(request, desk.posted(request.POST), work)
        if refusal is None:
            return desk.done(request, "已提交，等第二个人同意", reverse("crm:coupon-batch", args=[answer["pk"]]))
    context = forms.facts() | {
        "template": template, "rule": template_rule(template), "typed": request.POST, "picked": desk.posted(request.POST), "parents": parents, "home": home,
        "is_hq": home.level == OrgUnit.Level.HQ, "refusal": refusal, "errors": forms.errors_of(refusal),
        "today": clock.local_day(now), "nav_current": "coupons",
    }  # fmt: skip
    return render(request, "benefits/batch_new.html", context, status=refusal.status if refusal else 200)


def _parents(template: CouponTemplate, home: OrgUnit) -> list[CouponBatch]:
    """Return HQ's running batches of a template in which a branch has a share."""
    if home.level == OrgUnit.Level.HQ:
        return []
    shared = CouponQuota.objects.filter(unit=home).values("batch_id")
    rows = CouponBatch.objects.filter(template=template, parent=None, state=CouponBatch.State.RUNNING, pk__in=shared)
    return list(rows.order_by("-pk")[:20])


# ---------------------------------------------------------------- one batch


@never_cache
@require_GET
@access.roles(*READERS)
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    """One batch: figures, shares, what was given to audiences, and what may be done with it."""
    actor = access.actor_of(request)
    held = _visible(actor, pk)
    return _batch_page(request, held)


def _batch_page(request: HttpRequest, held: CouponBatch, **more: Any) -> HttpResponse:
    actor = access.actor_of(request)
    shares = list(
        held.quotas.select_related("unit", "staff__store").order_by("staff_id", "unit__path", "pk")[: SHARES + 1]
    )
    approval = Approval.objects.filter(kind="coupon.batch", key=f"batch:{held.pk}").order_by("-pk").first()
    context = forms.facts() | {
        "line": _line(held, figures_of([held.pk]).get(held.pk)), "held": held, "shares": shares[:SHARES],
        "is_cut": len(shares) > SHARES, "issues": list(held.issues.select_related("asked_by").order_by("-pk")[:10]),
        "parts": list(held.parts.select_related("unit").order_by("-pk")[:20]), "approval": approval,
        "sees_cost": sees_cost(actor), "is_his": is_his(held, actor), "units": _units_below(held, actor),
        "nav_current": "coupons", "typed": request.POST,
    }  # fmt: skip
    refusal = more.get("refusal")
    return render(request, "benefits/batch.html", context | more, status=refusal.status if refusal else 200)


def is_his(held: CouponBatch, actor: Actor) -> bool:
    """Tell whether an actor may stop a batch and set its shares."""
    grants = actor.reach(*matrix.leaders(MAKE))
    return any(
        grant.reach == "all" or (grant.path and (held.unit.path or "").startswith(grant.path)) for grant in grants
    )


def _units_below(held: CouponBatch, actor: Actor) -> list[OrgUnit]:
    """Return the branches, or the stores of a branch, that may get a share."""
    if not is_his(held, actor):
        return []
    level = OrgUnit.Level.BRANCH if held.unit.level == OrgUnit.Level.HQ else OrgUnit.Level.STORE
    return list(OrgUnit.objects.below(held.unit).filter(level=level, valid_to=None).order_by("name", "pk")[:500])


def _visible(actor: Actor, pk: int) -> CouponBatch:
    rows = CouponBatch.objects.visible_to(actor).select_related("template", "unit", "parent", "made_by", "started_by")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


@require_POST
@access.permission(MAKE)
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """停发"""
    actor, now = access.actor_of(request), clock.now()
    held = _visible(actor, pk)

    def work() -> dict[str, Any]:
        services.stop_batch(held, reason=request.POST.get("reason", ""), actor=actor, now=now)
        return {}

    return _after(request, held, work, "停发了，已经发出去的照样能用")


@require_POST
@access.permission(MAKE)
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the share of a branch, a store or (by her account) a guide."""
    actor, now = access.actor_of(request), clock.now()
    held = _visible(actor, pk)
    account = request.POST.get("staff", "").strip().lower()[:64]
    unit = OrgUnit.objects.filter(pk=desk.chosen(request.POST.get("unit"))).first() if not account else None
    staff = Staff.objects.employed().filter(wecom_user_id=account).select_related("unit").first() if account else None

    def work() -> dict[str, Any]:
        limit = forms.whole(request.POST, "limit", least=0, said="份额填一个数")
        services.set_quota(held, limit=limit, unit=unit, staff=staff, actor=actor, now=now)
        return {}

    return _after(request, held, work, "份额改好了")


@require_POST
@access.permission("coupon.issue")
def issue(request: HttpRequest, pk: int) -> HttpResponse:
    """按人群发: `act=count` says how many are meant, anything else queues them."""
    actor, now = access.actor_of(request), clock.now()
    held = _visible(actor, pk)
    conditions = forms.read_conditions(request.POST)
    if request.POST.get("act") == "count":
        meant = {
            "count": services.count_meant(conditions, actor=actor), "words": forms.words_of(conditions),
            "picked": dataclasses.asdict(conditions).items(),
        }  # fmt: skip
        return _batch_page(request, held, meant=meant)

    def work() -> dict[str, Any]:
        return {"pk": services.ask_issue(held, conditions, actor=actor, now=now).pk}

    return _after(request, held, work, "排上了，一分钟内开始发")


def _after(request: HttpRequest, held: CouponBatch, work: Any, said: str) -> HttpResponse:
    _answer, refusal = desk.attempt(request, desk.posted(request.POST), work)
    if refusal is None:
        return desk.done(request, said, reverse("crm:coupon-batch", args=[held.pk]))
    held.refresh_from_db()
    return _batch_page(request, held, refusal=refusal, refused=desk.sentence(refusal))


nav.add("hq", key="coupons", label="优惠券", icon="ticket", url="crm:coupon-batches", order=56, roles=READERS)
