"""券模板和批次: made by one person, let go by another, stopped; how many a branch, a store or a guide may give out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from crm.benefits.models import CouponBatch, CouponQuota, CouponTemplate
from crm.benefits.scoped import MAKE
from guides.approvals.models import Approval
from guides.approvals.services import ask_approval
from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

State = CouponBatch.State
KIND = "coupon.batch"  # guides/data/four_eyes.yaml
MOST_STOCK = 5_000_000


class NotYourUnit(Forbidden):
    code, title = "perm.coupon.create_batch", _("这个范围的券不归你建")


class QuotaShort(Conflict):
    code, title = "coupon.quota", _("总部分给你们的份额不够")


class Running(Conflict):
    code, title = "coupon.running", _("已经开始发的券不能再改")


@dataclass(frozen=True)
class Terms:
    """What a template promises; fen, and names as the catalogue has them."""

    name: str
    kind: str
    amount_fen: int | None = None
    percent_off: int | None = None
    cap_fen: int | None = None
    threshold_fen: int = 0
    categories: list[str] = field(default_factory=list)
    style_codes: list[str] = field(default_factory=list)
    member_levels: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    excludes_promoted: bool = False
    starts_on: date | None = None
    ends_on: date | None = None
    valid_days: int | None = None
    notes: str = ""


@dataclass(frozen=True)
class Plan:
    """What a batch is to be."""

    name: str
    ways: list[str]
    stock_count: int
    opens_at: datetime
    closes_at: datetime
    per_member: int = 1
    guide_limit: int | None = None
    points_price: int | None = None
    bearer: str = CouponBatch.Bearer.BRAND


def home_of(actor: Actor) -> OrgUnit:
    """Return the unit in whose name an actor makes coupons: HQ, or his branch. Raises NotYourUnit."""
    grants = actor.reach(*matrix.leaders(MAKE))
    if any(grant.reach == "all" for grant in grants):
        return OrgUnit.objects.get(level=OrgUnit.Level.HQ)
    paths = [grant.path for grant in grants if grant.path]
    found = OrgUnit.objects.filter(path__in=paths, level=OrgUnit.Level.BRANCH).order_by("pk").first()
    if found is None:
        raise NotYourUnit()
    return found


@transaction.atomic
def make_template(terms: Terms, *, actor: Actor, now: datetime) -> CouponTemplate:
    """Write a template. Raises Invalid with the fields at fault."""
    _must_make_sense(terms)
    template = CouponTemplate.objects.create(
        name=terms.name.strip(), kind=terms.kind, amount_fen=terms.amount_fen, percent_off=terms.percent_off,
        cap_fen=terms.cap_fen, threshold_fen=terms.threshold_fen, categories=terms.categories, style_codes=terms.style_codes,
        member_levels=terms.member_levels, channels=terms.channels, excludes_promoted=terms.excludes_promoted,
        validity="days" if terms.valid_days else "fixed", starts_on=terms.starts_on, ends_on=terms.ends_on,
        valid_days=terms.valid_days, notes=terms.notes.strip(), unit=home_of(actor), made_by_id=actor.staff_id, made_at=now,
    )  # fmt: skip
    audit.record(actor, "coupon.template_made", template, after={"name": template.name, "kind": template.kind})
    return template


def _must_make_sense(terms: Terms) -> None:
    wrong: list[tuple[str, str]] = []
    if not terms.name.strip():
        wrong.append(("name", "给券起个名字"))
    if terms.kind == CouponTemplate.Kind.AMOUNT:
        if not terms.amount_fen or terms.amount_fen <= 0:
            wrong.append(("amount_fen", "填减多少元"))
        elif terms.threshold_fen and terms.amount_fen > terms.threshold_fen:
            wrong.append(("threshold_fen", "门槛不能低于减的金额"))
    elif terms.kind == CouponTemplate.Kind.PERCENT:
        if not terms.percent_off or not 1 <= terms.percent_off <= 90:
            wrong.append(("percent_off", "折扣填 1 到 9.9 折"))
        if not terms.cap_fen or terms.cap_fen <= 0:
            wrong.append(("cap_fen", "折扣券要有最多减多少"))
    else:
        wrong.append(("kind", "选满减或折扣"))
    if terms.valid_days is None and not (terms.starts_on and terms.ends_on and terms.starts_on <= terms.ends_on):
        wrong.append(("valid_days", "填领取后几天有效，或起止日期"))
    elif terms.valid_days is not None and not 1 <= terms.valid_days <= 366:
        wrong.append(("valid_days", "有效天数 1 到 366"))
    if wrong:
        raise Invalid(errors=[{"field": name, "code": "invalid", "message": said} for name, said in wrong])


@transaction.atomic
def ask_batch(
    template: CouponTemplate, plan: Plan, *, parent: CouponBatch | None, reason: str, actor: Actor, now: datetime
) -> CouponBatch:
    """Make a batch and ask for it; whoever may approve is told (four_eyes.yaml). A branch's is cut out of HQ's `parent`.

    Raises Invalid, NotYourUnit, QuotaShort.
    """
    unit = home_of(actor)
    _must_fit(plan, template)
    if unit.level == OrgUnit.Level.HQ:
        parent = None
    elif parent is None or parent.template_id != template.pk:
        raise QuotaShort(_("分公司的券要从总部的批次里分"))
    else:
        _must_have_share(parent, unit, plan.stock_count)
    batch = CouponBatch.objects.create(
        template=template, parent=parent, unit=unit, name=plan.name.strip(), state=State.ASKED, ways=sorted(set(plan.ways)),
        stock_count=plan.stock_count, per_member=plan.per_member, guide_limit=plan.guide_limit,
        points_price=plan.points_price, bearer=plan.bearer, opens_at=plan.opens_at, closes_at=plan.closes_at,
        made_by_id=actor.staff_id, made_at=now,
    )  # fmt: skip
    audit.record(actor, "coupon.batch_asked", batch, after={"name": batch.name, "stock": batch.stock_count})
    ask_approval(
        KIND,
        key=f"batch:{batch.pk}",
        title=f"发券「{batch.name}」{plan.stock_count:,} 张",
        reason=reason,
        unit=unit,
        facts={"batch": batch.pk},
        url=f"/hq/coupons/batches/{batch.pk}/",
        actor=actor,
        now=now,
    )
    return batch


def _must_fit(plan: Plan, template: CouponTemplate) -> None:
    wrong: list[tuple[str, str]] = []
    if not plan.name.strip():
        wrong.append(("name", "给批次起个名字"))
    if not 1 <= plan.stock_count <= MOST_STOCK:
        wrong.append(("stock_count", "张数 1 到 500 万"))
    if not plan.ways or set(plan.ways) - {"guide", "claim", "audience", "points", "welcome"}:
        wrong.append(("ways", "选至少一种发法"))
    if "points" in plan.ways and not plan.points_price:
        wrong.append(("points_price", "积分兑换要写多少积分一张"))
    if not 1 <= plan.per_member <= 20:
        wrong.append(("per_member", "每人 1 到 20 张"))
    if plan.guide_limit is not None and plan.guide_limit < 1:
        wrong.append(("guide_limit", "每位导购至少 1 张"))
    if plan.opens_at >= plan.closes_at:
        wrong.append(("closes_at", "结束要晚于开始"))
    if template.archived_at:
        wrong.append(("template", "这个模板已停用"))
    if wrong:
        raise Invalid(errors=[{"field": name, "code": "invalid", "message": said} for name, said in wrong])


def _must_have_share(parent: CouponBatch, unit: OrgUnit, count: int) -> None:
    share = CouponQuota.objects.filter(batch=parent, unit=unit).first()
    left = min(share.limit_count - share.used_count, parent.left_count or count) if share else 0
    if parent.state != State.RUNNING or count > left:
        raise QuotaShort(_("总部这批还能分给你们 %(count)d 张") % {"count": max(0, left)}, left=max(0, left))


def settle_asked(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """A batch was approved, refused, withdrawn or forgotten (handlers.py). Raises QuotaShort where HQ's share is gone by now."""
    batch = CouponBatch.objects.select_for_update().get(pk=approval.facts["batch"])
    if batch.state != State.ASKED:
        return
    if approval.state == Approval.State.APPROVED:
        start_batch(batch, actor=actor, now=now)
    else:
        CouponBatch.objects.filter(pk=batch.pk).update(state=State.REFUSED)
        audit.record(actor, "coupon.batch_refused", batch, reason=approval.state)


@transaction.atomic
def start_batch(batch: CouponBatch, *, actor: Actor, now: datetime) -> None:
    """Let a batch go; a branch's takes its stock out of HQ's. The caller has seen to it that two people agreed."""
    if batch.parent_id:
        _cut(batch.parent_id, batch.unit_id, batch.stock_count or 0)
    batch.state, batch.started_at, batch.started_by_id = State.RUNNING, now, actor.staff_id
    batch.save(update_fields=["state", "started_at", "started_by"])
    audit.record(actor, "coupon.batch_started", batch, after={"stock": batch.stock_count})


def _cut(parent_id: int, unit_id: int, count: int) -> None:
    share = CouponQuota.objects.filter(batch_id=parent_id, unit_id=unit_id, used_count__lte=F("limit_count") - count)
    stock = CouponBatch.objects.filter(pk=parent_id, state=State.RUNNING, taken_count__lte=F("stock_count") - count)
    if not stock.update(taken_count=F("taken_count") + count) or not share.update(used_count=F("used_count") + count):
        raise QuotaShort()


@transaction.atomic
def stop_batch(batch: CouponBatch, *, reason: str, actor: Actor, now: datetime) -> None:
    """停发: nobody gets one any more; those given out stay valid. What a branch has left goes back to HQ's batch."""
    if len(reason.strip()) < 2:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": "写一句为什么停发"}])
    _must_be_his(batch, actor)
    held = CouponBatch.objects.select_for_update().get(pk=batch.pk)
    if held.state != State.RUNNING:
        raise Conflict(_("这批券没有在发"))
    held.state, held.stopped_at = State.STOPPED, now
    if held.parent_id and held.left_count:
        CouponBatch.objects.filter(pk=held.parent_id).update(taken_count=F("taken_count") - held.left_count)
        CouponQuota.objects.filter(batch_id=held.parent_id, unit_id=held.unit_id).update(
            used_count=F("used_count") - held.left_count
        )
        held.stock_count = held.taken_count or None
    held.save(update_fields=["state", "stopped_at", "stock_count"])
    audit.record(actor, "coupon.batch_stopped", held, reason=reason, after={"given": held.taken_count})


@transaction.atomic
def set_quota(
    batch: CouponBatch,
    *,
    limit: int,
    unit: OrgUnit | None = None,
    staff: Staff | None = None,
    actor: Actor,
    now: datetime,
) -> CouponQuota:
    """Say how many a branch, a store or a guide may give out of a batch. Raises Invalid below what is given out already."""
    _must_be_his(batch, actor)
    place = unit or (staff.unit if staff else None)
    if place is None or not (place.path or "").startswith(batch.unit.path or ""):
        raise NotFound()
    try:
        with transaction.atomic():
            quota, is_new = CouponQuota.objects.get_or_create(
                batch=batch, unit=unit, staff=staff, defaults={"limit_count": limit}
            )
            if not is_new:
                CouponQuota.objects.filter(pk=quota.pk).update(limit_count=limit)
    except IntegrityError:
        raise Invalid(errors=[{"field": "limit", "code": "too_low", "message": "不能少于已经发出去的张数"}]) from None
    audit.record(
        actor, "coupon.quota_set", batch, before={"limit": None if is_new else quota.limit_count},
        after={"limit": limit, "unit": unit and unit.code, "staff": staff and staff.pk},
    )  # fmt: skip
    quota.limit_count = limit
    return quota


def _must_be_his(batch: CouponBatch, actor: Actor) -> None:
    """Raise NotYourUnit unless he makes batches where this one is."""
    grants: Any = actor.reach(*matrix.leaders(MAKE))
    if not any(
        grant.reach == "all" or (grant.path and (batch.unit.path or "").startswith(grant.path)) for grant in grants
    ):
        raise NotYourUnit()
