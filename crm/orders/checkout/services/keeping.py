"""Pieces that are kept for a member while he has an offer in hand, so that nobody else pays for the last one."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from crm.catalogue import services as catalogue
from crm.catalogue.stock_models import Reservation
from yejibao.core.scope import Actor

from ..models import Sale
from ..queries import lines_of
from .taking import subject_of

OFFERS = ("proxy:", "sale:")  # the keys of what is kept for one offer, which stands for no other
MOST = 9  # of one promise


def keep_pieces(sale: Sale, *, until: datetime, key: str, actor: Actor, now: datetime) -> None:
    """Keep the pieces of a sale for its member until then. What was put aside for him already stays so until then, and counts.

    Raises OutOfStock. `key` names the offer; `confirm` takes what is kept, `put_back` lets it go.
    """
    lines = sorted(lines_of(sale), key=lambda one: one.sku_id)  # as a confirmation locks them
    aside = Reservation.objects.holding().filter(
        store=sale.store_id, member=sale.member_id, sku__in=[line.sku_id for line in lines], until__gt=now
    )
    for offer in OFFERS:
        aside = aside.exclude(key__startswith=offer)
    has = dict(aside.values_list("sku_id").annotate(pieces=Sum("quantity")))
    aside.filter(until__lt=until).update(until=until)
    assert sale.member is not None  # an offer has its member
    for line in lines:
        if (missing := min(line.quantity, MOST) - has.get(line.sku_id, 0)) > 0:
            catalogue.reserve(
                line.sku, sale.store, missing, member=sale.member, until=until, actor=actor, now=now, key=f"{key}:{line.sku_id}"
            )  # fmt: skip


def put_back(sale: Sale, *, now: datetime) -> None:
    """Let go what was kept for this sale by `keep_pieces` under its own name."""
    kept = Reservation.objects.holding().filter(key__startswith=f"{subject_of(sale)}:")
    kept.update(state=Reservation.State.RELEASED, ended_at=now)
