"""发券 by a guide in the chat, within her share and the day's cap; 积分换券 by the member."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.benefits.models import Coupon, CouponBatch, CouponQuota, PointsEntry
from crm.benefits.queries import units_above
from crm.benefits.rules import GUIDE_DAY_CAP
from crm.members.models import Member
from crm.members.services import lock_members
from guides.org.models import Staff
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from .coupons import NotGiven, must_be_for, take_one
from .points import spend_points


class QuotaUsed(Conflict):
    code, title = "coupon.quota", _("份额用完了")


class DayCap(Conflict):
    code, title = "coupon.day_cap", _("今天发的券已经到上限")


# One more of the day, unless the cap is reached. The row decides between two phones of one guide.
ONE_MORE_TODAY = """
    INSERT INTO crm_couponguideday (staff_id, day, given_count) VALUES (%(staff)s, %(day)s, 1)
    ON CONFLICT (staff_id, day) DO UPDATE SET given_count = crm_couponguideday.given_count + 1
        WHERE crm_couponguideday.given_count < %(most)s
    RETURNING given_count
"""


@transaction.atomic
def hand_out(batch: CouponBatch, member: Member, *, guide: Staff, key: str, actor: Actor, now: datetime) -> Coupon:
    """Give a member a coupon in a guide's name; the same key again returns the same coupon and takes no more of her share.

    Raises NotGiven, OutOfStock, HasOne, QuotaUsed or DayCap. That she may see the member is the caller's to check.
    """
    if done := Coupon.objects.filter(batch=batch, member=member, key=key).with_terms().first():
        return done
    if member.is_employee:  # reliability-security §2: self-given coupons
        raise NotGiven(_("员工自己的会员号，导购不能发券"))
    must_be_for(batch, member)
    _take_of_day(guide, now=now)
    _take_of_shares(batch, guide)
    coupon = take_one(batch, member, way=Coupon.Way.GUIDE, issuer=guide, key=key, now=now)
    audit.record(actor, "coupon.handed_out", coupon, after={"batch": batch.pk, "member": member.pk})
    return coupon


def _take_of_day(guide: Staff, *, now: datetime) -> None:
    most = GUIDE_DAY_CAP.at(now)
    with connection.cursor() as cursor:
        cursor.execute(ONE_MORE_TODAY, {"staff": guide.pk, "day": clock.local_day(now), "most": most})
        if cursor.fetchone() is None:
            raise DayCap(_("一天最多发 %(count)d 张，明天再发") % {"count": most})


def _take_of_shares(batch: CouponBatch, guide: Staff) -> None:
    """Take one of every share that is about her: her own, her store's, her branch's."""
    if batch.guide_limit is not None:
        CouponQuota.objects.bulk_create(
            [CouponQuota(batch=batch, staff=guide, limit_count=batch.guide_limit)], ignore_conflicts=True
        )
    rows = list(shares_of(batch, guide).select_for_update(of=("self",)).order_by("pk"))
    for row in rows:
        if row.used_count >= row.limit_count:
            whose = _("你") if row.staff_id else row.unit.name if row.unit else ""
            raise QuotaUsed(_("%(whose)s的 %(count)d 张已经发完") % {"whose": whose, "count": row.limit_count})
    CouponQuota.objects.filter(pk__in=[row.pk for row in rows]).update(used_count=F("used_count") + 1)


@transaction.atomic
def exchange(batch: CouponBatch, member: Member, *, key: str, now: datetime, actor: Actor) -> Coupon:
    """积分换券: points go, a coupon comes, or neither. The same key again returns the same coupon.

    Raises NotGiven, OutOfStock, HasOne or PointsShort.
    """
    lock_members([member.pk])
    if done := Coupon.objects.filter(batch=batch, member=member, key=key).with_terms().first():
        return done
    if not batch.points_price:
        raise NotGiven()
    must_be_for(batch, member)
    spend_points(
        member,
        batch.points_price,
        key=f"{batch.pk}:{key}",
        subject=f"coupon_batch:{batch.pk}",
        now=now,
        actor=actor,
        kind=PointsEntry.Kind.EXCHANGE,
    )
    return take_one(batch, member, way=Coupon.Way.POINTS, issuer=None, key=key, now=now)


def shares_of(batch: CouponBatch, guide: Staff) -> QuerySet[CouponQuota]:
    """Return the shares of a batch that a guide gives from."""
    return CouponQuota.objects.filter(Q(staff=guide) | Q(unit_id__in=units_above(guide)), batch=batch).select_related(
        "unit"
    )
