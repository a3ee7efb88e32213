"""Which very pieces a sale is about (一物一码): scanned into the basket, the buyer's once it is paid, nobody's when they came back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from crm.catalogue import services as catalogue
from crm.catalogue.item_models import ItemCode
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from ..models import Sale, SaleLine, SalePiece, SaleRefund
from .baskets import add_lines, lock_basket
from .taking import subject_of


class PieceTwice(Conflict):
    code, title = "sale.piece_twice", _("这一件已经在单里了")


@transaction.atomic
def add_piece(sale: Sale, item: ItemCode, *, actor: Actor, now: datetime) -> Sale:
    """Put one very piece into the basket. One whose code says that it is sold comes in as a piece of its size: a till does not stop.

    Raises PieceTwice, and what `add_lines` does.
    """
    held = lock_basket(sale)
    if SalePiece.objects.filter(sale=held, item=item).exists():
        raise PieceTwice()
    held = add_lines(held, [(item.sku.code, 1)], actor=actor, now=now)
    if item.sold_at is None:
        SalePiece.objects.create(sale=held, item=item)
    return held


def name_pieces(refund: SaleRefund, sale: Sale, codes: Collection[str], skus: Mapping[int, int]) -> None:
    """Keep which very pieces somebody has in hand to take back, of each size as many as come back (`skus`)."""
    found = _at_home(sale).filter(item__code__in=list(codes)) if codes else SalePiece.objects.none()
    named, some = [], Counter(skus)
    for piece in found.select_related("item").order_by("pk"):
        if some[piece.item.sku_id] > 0:
            some[piece.item.sku_id] -= 1
            named.append(piece.pk)
    SalePiece.objects.filter(pk__in=named).update(refund=refund)


def pieces_come_back(sale: Sale, skus: Collection[int], *, refund: SaleRefund | None = None) -> None:
    """Free the pieces that came back: those that were named, then as many of a size as cannot be with him any more.

    Call it when the lines say what is left. Of what nobody named, the ones go first that he did not register himself.
    """
    pieces = _at_home(sale).filter(item__sku__in=list(skus)).select_related("item").order_by("-pk")
    his: dict[int, list[SalePiece]] = defaultdict(list)
    for piece in sorted(pieces, key=lambda one: (not _is_named(one, refund), one.item.registered_at is not None)):
        his[piece.item.sku_id].append(piece)
    if not his:
        return
    left: Counter[int] = Counter()
    for line in SaleLine.objects.filter(sale=sale, sku__in=his, replaced_by_no=None):
        left[line.sku_id] += line.quantity - line.returned_quantity
    back = [
        piece.item_id
        for sku_id, some in his.items()
        for nth, piece in enumerate(some)
        if _is_named(piece, refund) or nth < len(some) - left[sku_id]
    ]
    catalogue.take_pieces_back(ItemCode.objects.filter(pk__in=back))


def pieces_at_home(sale: Sale) -> dict[int, list[str]]:
    """Return the codes of a sale's pieces that did not come back, by size."""
    found: dict[int, list[str]] = defaultdict(list)
    for sku_id, code in _at_home(sale).order_by("pk").values_list("item__sku_id", "item__code"):
        found[sku_id].append(code)
    return found


def _is_named(piece: SalePiece, refund: SaleRefund | None) -> bool:
    return refund is not None and piece.refund_id == refund.pk


def _at_home(sale: Sale) -> QuerySet[SalePiece]:
    return SalePiece.objects.filter(sale=sale, item__sale=subject_of(sale), item__sold_at__isnull=False)
