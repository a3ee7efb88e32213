"""按人群发券: who is meant by a few conditions, how many they are, and the job that gives them their coupons in parts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.benefits.models import CouponBatch, CouponIssue
from crm.benefits.scoped import ISSUE
from crm.members.models import Member
from guides.org import matrix
from guides.org.models import OrgUnit
from guides.org.scoped import under_grants
from yejibao.core import audit, clock
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

from .coupons import NotGiven, OutOfStock, issue

AT_ONCE = 5_000
WHO_MAY = matrix.leaders(ISSUE)  # a guide gives in the chat, not to an audience


class NotYours(Forbidden):
    code, title = "perm.coupon.issue", _("按人群发券由总部和分公司来做")


@dataclass(frozen=True)
class Conditions:
    """Who is meant; an empty list means any."""

    levels: list[str] = field(default_factory=list)
    tiers: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)  # lifecycle
    unit_id: int | None = None  # members whose main store lies there


def meant_by(conditions: Conditions, *, scope_path: str = "") -> QuerySet[Member]:
    """Return the members meant: active ones within the unit, and within the reach of whoever asks."""
    members = Member.objects.filter(status=Member.Status.ACTIVE, is_test=False)
    if conditions.levels:
        members = members.filter(member_level__in=conditions.levels)
    if conditions.tiers:
        members = members.filter(tier_631__in=conditions.tiers)
    if conditions.stages:
        members = members.filter(lifecycle_stage__in=conditions.stages)
    if conditions.unit_id:
        unit = OrgUnit.objects.get(pk=conditions.unit_id)
        members = members.filter(main_store__unit__path__startswith=unit.path or "?")
    return members.filter(main_store__unit__path__startswith=scope_path) if scope_path else members


def count_meant(conditions: Conditions, *, actor: Actor) -> int:
    """Count before use. Raises NotYours."""
    return meant_by(conditions, scope_path=scope_of(actor)).count()


def scope_of(actor: Actor) -> str:
    """Return the path an actor gives coupons in, "" for the whole company. Raises NotYours."""
    grants = actor.reach(*(role for role in WHO_MAY if role != "store_manager"))
    if any(grant.reach == "all" for grant in grants):
        return ""
    paths = sorted({grant.path for grant in grants if grant.path})
    if not paths or under_grants(grants, path="path", store="store") is None:
        raise NotYours()
    return paths[0]


@transaction.atomic
def ask_issue(batch: CouponBatch, conditions: Conditions, *, actor: Actor, now: datetime) -> CouponIssue:
    """Queue a batch for everybody the conditions name. Raises NotGiven, OutOfStock where they are more than it has, NotYours."""
    path = scope_of(actor)
    if batch.state != CouponBatch.State.RUNNING or CouponBatch.Way.AUDIENCE not in batch.ways:
        raise NotGiven()
    meant = meant_by(conditions, scope_path=path).count()
    if meant == 0:
        raise Invalid(errors=[{"field": "levels", "code": "nobody", "message": "没有这样的会员"}])
    if batch.left_count is not None and meant > batch.left_count:
        raise OutOfStock(_("有 %(count)d 位会员，券只剩 %(left)d 张") % {"count": meant, "left": batch.left_count})
    row = CouponIssue.objects.create(
        batch=batch,
        conditions=asdict(conditions),
        scope_path=path,
        asked_by_id=actor.staff_id,
        asked_at=now,
        meant_count=meant,
    )
    audit.record(actor, "coupon.issue_asked", batch, after={"count": meant, "conditions": asdict(conditions)})
    return row


def go_on_with_issues(*, now: datetime, budget: timedelta = timedelta(seconds=20)) -> dict[str, int]:
    """Give what was asked, some thousand members a transaction; stops by itself and goes on at the next beat."""
    deadline = clock.monotonic() + budget.total_seconds()
    given = 0
    while clock.monotonic() < deadline:
        with transaction.atomic():
            row = (
                CouponIssue.objects.filter(state=CouponIssue.State.WAITING)
                .select_for_update(of=("self",), skip_locked=True)
                .select_related("batch__template", "batch__unit")
                .order_by("pk")
                .first()
            )
            if row is None:
                break
            given += _next_part(row, now=now)
    return {"coupons_issued": given}


def _next_part(row: CouponIssue, *, now: datetime) -> int:
    following = meant_by(Conditions(**row.conditions), scope_path=row.scope_path).filter(pk__gt=row.cursor)
    ids = list(following.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    if not ids:
        return _end(row, CouponIssue.State.DONE, now=now)
    try:
        with transaction.atomic():
            count = issue(row.batch, ids, issuer=row.asked_by, actor=Actor.system(), now=now, key=f"issue:{row.pk}")
    except (OutOfStock, NotGiven):
        return _end(row, CouponIssue.State.SHORT, now=now)
    CouponIssue.objects.filter(pk=row.pk).update(cursor=ids[-1], given_count=F("given_count") + count)
    return count


def _end(row: CouponIssue, state: CouponIssue.State, *, now: datetime) -> int:
    CouponIssue.objects.filter(pk=row.pk).update(state=state, finished_at=now)
    return 0
