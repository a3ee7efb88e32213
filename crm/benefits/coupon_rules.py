"""What a coupon takes off what. Pure: the till's pricing, the member's page and this room ask the same functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yejibao.core.words import yuan

if TYPE_CHECKING:
    from crm.benefits.models import Coupon, CouponTemplate

FIRST_ON = "满 {} 可用"


@dataclass(frozen=True)
class LineFacts:
    """One line of a basket, as a coupon sees it: after promotions, before the coupon."""

    amount_fen: int
    style_code: str = ""
    categories: tuple[str, ...] = ()  # category_l1, category_l2
    is_promoted: bool = False


@dataclass(frozen=True)
class CouponRule:
    """The terms of a coupon. `coupon_id` None: of a template nobody has yet."""

    coupon_id: int | None
    title: str
    amount_fen: int | None
    percent_off: int | None
    cap_fen: int | None
    threshold_fen: int
    categories: tuple[str, ...]
    style_codes: tuple[str, ...]
    member_levels: tuple[str, ...]
    channels: tuple[str, ...]
    excludes_promoted: bool

    def covers(self, line: LineFacts) -> bool:
        """Tell whether the coupon counts a line."""
        if self.excludes_promoted and line.is_promoted:
            return False
        if not self.categories and not self.style_codes:
            return True
        return line.style_code in self.style_codes or any(name in self.categories for name in line.categories)

    def covered_fen(self, lines: Sequence[LineFacts]) -> int:
        return sum(line.amount_fen for line in lines if self.covers(line))

    def discount_fen(self, lines: Sequence[LineFacts]) -> int:
        """Return what it takes off these lines, 0 where they do not reach its threshold."""
        covered = self.covered_fen(lines)
        if covered <= 0 or covered < self.threshold_fen:
            return 0
        if self.amount_fen is not None:
            return min(self.amount_fen, covered)
        return min(covered * (self.percent_off or 0) // 100, self.cap_fen or 0)

    def why_not(self, lines: Sequence[LineFacts], *, level: str, channel: str) -> str:
        """Return in words why it cannot be used on this, "" where it can."""
        if self.channels and channel not in self.channels:
            return "这个渠道不能用"
        if self.member_levels and level not in self.member_levels:
            return f"限 {'、'.join(self.member_levels)} 会员"
        covered = self.covered_fen(lines)
        if covered <= 0:
            return "没有适用的商品"
        if covered < self.threshold_fen:
            return f"还差 {yuan(self.threshold_fen - covered)}"
        return ""

    @property
    def worth(self) -> str:
        """Return ¥100 or 85 折."""
        return yuan(self.amount_fen) if self.amount_fen is not None else f"{(100 - (self.percent_off or 0)) / 10:g} 折"

    @property
    def condition(self) -> str:
        """Return 满 ¥500 可用, 无门槛."""
        words = FIRST_ON.format(yuan(self.threshold_fen)) if self.threshold_fen else "无门槛"
        return f"{words}，最多减 {yuan(self.cap_fen)}" if self.cap_fen else words


def template_rule(template: CouponTemplate, coupon_id: int | None = None) -> CouponRule:
    """Return the terms of a template."""
    return CouponRule(
        coupon_id=coupon_id,
        title=template.name,
        amount_fen=template.amount_fen,
        percent_off=template.percent_off,
        cap_fen=template.cap_fen,
        threshold_fen=template.threshold_fen,
        categories=tuple(template.categories),
        style_codes=tuple(template.style_codes),
        member_levels=tuple(template.member_levels),
        channels=tuple(template.channels),
        excludes_promoted=template.excludes_promoted,
    )


def coupon_rule(coupon: Coupon) -> CouponRule:
    """Return the terms of a coupon (loads batch and template where `with_terms` has not)."""
    return template_rule(coupon.batch.template, coupon.pk)
