"""What members have besides goods: coupons, points, a level and what comes with it."""

from .coupons import Coupon, CouponBatch, CouponGuideDay, CouponIssue, CouponMove, CouponQuota, CouponTemplate
from .levels import BenefitUse, LevelChange
from .points import PointsAccount, PointsEntry, PointsLot, PointsProof, PointsUse

__all__ = [
    "BenefitUse",
    "Coupon",
    "CouponBatch",
    "CouponGuideDay",
    "CouponIssue",
    "CouponMove",
    "CouponQuota",
    "CouponTemplate",
    "LevelChange",
    "PointsAccount",
    "PointsEntry",
    "PointsLot",
    "PointsProof",
    "PointsUse",
]
