"""Promotions are dated rows: one is made, and may end early; none is ever changed (design.md §5, dated data)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import Sku
from guides.org import matrix
from guides.org.models import OrgUnit
from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import Promotion

KEEP = "promotion.keep"
Kind = Promotion.Kind
LONGEST = timedelta(days=366)


@dataclass(frozen=True)
class PromotionFacts:
    """What HQ says of a promotion. `steps` are (threshold, off) in fen; `gift` is the code of a size."""

    name: str
    kind: str
    starts_at: datetime
    ends_at: datetime | None = None
    unit: OrgUnit | None = None
    members_only: bool = False
    levels: Sequence[str] = ()
    styles: Sequence[str] = ()
    categories: Sequence[str] = ()
    price_fen: int | None = None
    percent: int = 0
    is_final: bool = False  # 特价不退不换, of an item
    steps: Sequence[tuple[int, int]] = field(default_factory=tuple)
    gift: str = ""
    threshold_fen: int = 0


@transaction.atomic
def make_promotion(facts: PromotionFacts, *, actor: Actor, now: datetime) -> Promotion:
    """Let a promotion hold from a moment on. Raises Forbidden, or Invalid with every field that is wrong."""
    if not actor.has_role(*matrix.holders(KEEP)):
        raise Forbidden(permission=KEEP)
    wrong = _wrong(facts, now)
    gift = None
    if facts.kind == Kind.GIFT:
        gift = (
            Sku.objects.filter(Q(code=facts.gift) | Q(barcode=facts.gift) & ~Q(barcode="")).first()
            if facts.gift
            else None
        )
        if gift is None:
            wrong.append(_error("gift", _("没有这个赠品，填吊牌上的货号")))
    if wrong:
        raise Invalid(errors=wrong)
    try:
        with transaction.atomic():
            made = Promotion.objects.create(
                name=facts.name.strip()[:32], kind=facts.kind, starts_at=max(now, facts.starts_at), ends_at=facts.ends_at,
                unit=facts.unit, members_only=facts.members_only or bool(facts.levels), levels=list(facts.levels),
                styles=list(facts.styles), categories=list(facts.categories),
                price_fen=facts.price_fen if facts.kind == Kind.ITEM else None,
                percent=facts.percent if facts.kind == Kind.ITEM else 0,
                is_final=facts.is_final and facts.kind == Kind.ITEM,
                steps=[list(step) for step in sorted(facts.steps)] if facts.kind == Kind.ORDER else [],
                gift_sku=gift, threshold_fen=facts.threshold_fen if facts.kind == Kind.GIFT else 0,
                made_by_id=actor.staff_id, made_at=now,
            )  # fmt: skip
    except IntegrityError:
        raise Invalid(_("优惠没写全，核对一下")) from None
    audit.record(
        actor,
        "promotion.made",
        made,
        after={"name": made.name, "kind": made.kind, "starts_at": made.starts_at.isoformat()},
    )
    return made


@transaction.atomic
def end_promotion(promotion: Promotion, *, reason: str, actor: Actor, now: datetime) -> Promotion:
    """End a promotion now; what was sold with it stays. Raises Forbidden, Invalid without a reason, Conflict where it is over."""
    if not actor.has_role(*matrix.holders(KEEP)):
        raise Forbidden(permission=KEEP)
    if len(reason.strip()) < 2:
        raise Invalid(errors=[_error("reason", _("写一句为什么提前结束"))])
    running = Promotion.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), pk=promotion.pk, ended_early_at=None)
    if not running.update(ended_early_at=now):
        raise Conflict(_("已经结束了"))
    audit.record(actor, "promotion.ended", promotion, after={"name": promotion.name}, reason=reason)
    promotion.refresh_from_db()
    return promotion


def _wrong(facts: PromotionFacts, now: datetime) -> list[dict[str, str]]:
    """Return all that is wrong with what somebody entered."""
    wrong = []
    if not facts.name.strip():
        wrong.append(_error("name", _("起个名字，小票上会印")))
    if facts.kind not in Kind.values:
        wrong.append(_error("kind", _("选一种")))
    if facts.ends_at is not None and not max(now, facts.starts_at) < facts.ends_at <= facts.starts_at + LONGEST:
        wrong.append(_error("ends_at", _("要晚于开始，最长一年")))
    match facts.kind:
        case Kind.ITEM if not facts.styles and not facts.categories:
            wrong.append(_error("styles", _("单品促销要写明款号或品类")))
        case Kind.ITEM if (facts.price_fen is None) == (not facts.percent):
            wrong.append(_error("price", _("一口价和折扣写一样")))
        case Kind.ITEM if facts.percent and not 1 <= facts.percent <= 90:
            wrong.append(_error("percent", _("减 1 到 90 个百分点，如 15 是 85 折")))
        case Kind.ORDER if not facts.steps or any(not 0 < off < threshold for threshold, off in facts.steps):
            wrong.append(_error("steps", _("写成「满 1000 减 100」，减的要比满的少")))
        case Kind.GIFT if facts.threshold_fen <= 0:
            wrong.append(_error("threshold", _("满多少送？")))
    return wrong


def _error(name: str, message: object) -> dict[str, str]:
    return {"field": name, "code": "invalid", "message": str(message)}
