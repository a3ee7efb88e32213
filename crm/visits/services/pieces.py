"""Goods set aside for a visit: kept in the store from the day that is near enough, until it closes on the day he comes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from crm.catalogue import services as catalogue
from crm.catalogue.models import Sku
from crm.catalogue.services import OutOfStock
from crm.catalogue.services.holding import LONGEST
from crm.catalogue.stock_models import Reservation
from crm.visits.models import Visit, VisitPiece
from crm.visits.telling import tell_guide
from yejibao.core import clock
from yejibao.core.scope import Actor

MOST, AT_ONCE = 6, 200
SYSTEM = Actor.system("visits")


@transaction.atomic
def set_aside(visit: Visit, sku_ids: Collection[int], *, now: datetime) -> list[VisitPiece]:
    """Name the pieces a visit wants, and keep those whose day is near enough. What is not there is marked, nobody is refused."""
    wanted = list(dict.fromkeys(sku_ids))[:MOST]
    known = set(Sku.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    VisitPiece.objects.bulk_create(
        [VisitPiece(visit=visit, sku_id=pk) for pk in wanted if pk in known], ignore_conflicts=True
    )
    return keep(visit, now=now)


@transaction.atomic
def keep(visit: Visit, *, now: datetime) -> list[VisitPiece]:
    """Keep what this visit still wants, if its day is near enough. Returns the pieces that were not there."""
    until = clock.local_moment(visit.day, visit.store.closes_at)
    if not visit.is_open or not now < until <= now + timedelta(days=LONGEST.at(now)):
        return []
    missing = []
    for piece in (
        visit.pieces.filter(reservation=None, is_missing=False).select_related("sku__style").order_by("sku_id")
    ):
        try:
            piece.reservation = catalogue.reserve(
                piece.sku, visit.store, 1, member=visit.member, until=until, actor=SYSTEM, now=now,
                key=f"visit:{visit.pk}:{visit.moved_count}:{piece.sku_id}",
            )  # fmt: skip
            Reservation.objects.filter(pk=piece.reservation.pk, guide=None).update(guide_id=visit.guide_id)
        except OutOfStock:
            piece.is_missing = True
            missing.append(piece)
        piece.save(update_fields=["reservation", "is_missing"])
    return missing


@transaction.atomic
def let_go(visits: Collection[int], *, now: datetime) -> int:
    """Put back what was kept for visits nobody comes to, or for another day; the wishes stay. Returns how many pieces."""
    kept = Reservation.objects.holding().filter(visit_piece__visit__in=visits).select_related("sku", "store")
    rows = list(kept.order_by("pk"))
    for one in rows:
        catalogue.release(one, actor=SYSTEM, now=now)
    VisitPiece.objects.filter(visit__in=visits).update(reservation=None, is_missing=False)
    return len(rows)


def keep_due(*, now: datetime) -> dict[str, int]:
    """Keep what was wished for days that were too far then. Each ten minutes; who cannot be served is told to the guide."""
    near = now + timedelta(days=LONGEST.at(now))
    waiting = VisitPiece.objects.filter(Q(reservation=None, is_missing=False), visit__state__in=Visit.OPEN)
    due = waiting.filter(visit__starts_at__gt=now, visit__ends_at__lte=near).values_list("visit_id", flat=True)
    kept = 0
    for pk in due.order_by("visit_id").distinct()[:AT_ONCE]:
        with transaction.atomic():
            visit = (
                Visit.objects.open().select_for_update(of=("self",), skip_locked=True)
                .select_related("member", "store", "guide").filter(pk=pk).first()
            )  # fmt: skip
            if visit is None:
                continue
            if missing := keep(visit, now=now):
                names = "、".join(f"{one.sku.style.name} {one.sku.size}" for one in missing)
                tell_guide(visit, f"给{visit.member.called}留的货没有了", now=now, text=f"{names}，看看别的店能不能调")
            kept += 1
    return {"visits_kept_for": kept}
