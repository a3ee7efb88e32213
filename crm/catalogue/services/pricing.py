"""Prices by date: what 商品部 plans, never two of one kind for one place at a time."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext_lazy as _

from guides.org.models import Store
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from ..models import StyleColor, StylePrice
from ..scoped import EDIT, must_hold

MOST_FEN = 10_000_000  # 100,000 yuan: more is a slip of the finger


class PriceOverlap(Conflict):
    code, title = "price.overlap", _("这段时间已经有一个价格")


@transaction.atomic
def set_price(
    style: StyleColor,
    *,
    kind: str,
    price_fen: int,
    starts_at: datetime,
    ends_at: datetime | None = None,
    store_kind: str = "",
    store: Store | None = None,
    name: str = "",
    actor: Actor,
    now: datetime,
) -> StylePrice:
    """Let a price hold for a time, in one place or everywhere. It begins now or later: what was sold yesterday had its price.

    Raises Forbidden, Invalid, PriceOverlap.
    """
    must_hold(actor, EDIT)
    if not 0 < price_fen <= MOST_FEN:
        raise Invalid(_("价格要大于 0，不超过 10 万元。"))
    if starts_at < now or (ends_at is not None and ends_at <= starts_at):
        raise Invalid(_("开始要在现在之后，结束要在开始之后。"))
    if kind == StylePrice.Kind.PROMOTION:
        if ends_at is None:
            raise Invalid(_("促销价要有结束的日子。"))
        if price_fen >= style.price_fen:
            raise Invalid(_("促销价要比吊牌价低。"))
    row = StylePrice(
        style=style, kind=kind, price_fen=price_fen, store_kind="" if store else store_kind, store=store,
        during=DateTimeTZRange(starts_at, ends_at), name=name.strip()[:32], set_by_id=actor.staff_id, set_at=now,
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "style_price_one_at_a_time" not in str(error):
            raise
        raise PriceOverlap(_("同一个范围、同一段时间只能有一个。先结束那一个，或者改日子。")) from error
    audit.record(actor, "price.set", row, after=_facts(row))
    return row


@transaction.atomic
def end_price(row: StylePrice, *, actor: Actor, now: datetime) -> None:
    """End a price now; one that has not begun goes altogether. What has passed stays as it was."""
    must_hold(actor, EDIT)
    row = StylePrice.objects.select_for_update().get(pk=row.pk)
    if row.is_over(now):
        raise Conflict(_("这个价格已经结束了"))
    before = _facts(row)
    if row.during.lower >= now:
        audit.record(actor, "price.withdrawn", row, before=before)
        row.delete()
        return
    row.during = DateTimeTZRange(row.during.lower, now)
    row.save(update_fields=["during"])
    audit.record(actor, "price.ended", row, before=before, after=_facts(row))


def _facts(row: StylePrice) -> dict[str, object]:
    upper = row.during.upper
    return {
        "style": row.style.sku_code, "kind": row.kind, "price_fen": row.price_fen,
        "where": row.store.code if row.store else row.store_kind or "all",
        "from": row.during.lower.isoformat(), "to": upper.isoformat() if upper else None,
    }  # fmt: skip
