"""盘点差异 as an export, for whoever keeps the books: one line a size that differs; no row is a person's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from guides.exports.registry import Column, Exportable, Params, register
from guides.org import matrix
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import Stocktake, StocktakeLine
from .scoped import READ


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    """Return which stocktake, all its sizes or those that differ. Raises NotFound for one out of sight."""
    try:
        name = UUID(given.get("stocktake", ""))
    except ValueError:
        raise NotFound() from None
    found = Stocktake.objects.visible_to(actor).filter(public_id=name).select_related("store").first()
    if found is None or found.closed_at is None or not actor.has_role(*matrix.leaders(READ)):
        raise NotFound()
    return {
        "stocktake": found.pk, "all": given.get("all") == "1",
        "title": f"{found.store.short_name} {found.day.isoformat()} {found.title}",
    }  # fmt: skip


def _rows(actor: Actor, params: Params) -> Iterator[StocktakeLine]:
    lines = (
        StocktakeLine.objects.visible_to(actor).filter(stocktake_id=params["stocktake"]).select_related("sku__style")
    )
    lines = lines if params["all"] else lines.exclude(difference=0)
    return lines.order_by("-amount_fen", "-pk").iterator(chunk_size=1000)


def _columns(actor: Actor, params: Params) -> Sequence[Column]:
    return (
        Column("货号", lambda line: line.sku.code, width=22),
        Column("品名", lambda line: line.sku.style.name, width=20),
        Column("颜色", lambda line: line.sku.style.color),
        Column("尺码", lambda line: line.sku.size),
        Column("吊牌价", lambda line: line.price_fen, "yuan"),
        Column("开盘时账面", lambda line: line.book, "number"),
        Column("盘点中进出", lambda line: line.moved, "number"),
        Column("实盘", lambda line: line.counted, "number"),
        Column("复盘前", lambda line: line.first_counted, "number"),
        Column("差异", lambda line: line.difference, "number"),
        Column("差异金额", lambda line: line.amount_fen * (1 if line.difference > 0 else -1), "yuan"),
    )


register(
    Exportable(
        key="stocktake", title="盘点差异", permission=READ, roles=matrix.leaders(READ), columns=_columns, rows=_rows, clean=_clean,
        describe=lambda params: str(params["title"]),
    )
)  # fmt: skip
