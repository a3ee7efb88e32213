"""留货: a piece kept for a member until a moment."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.notices.services import Notice, tell_each
from guides.org.models import Store
from yejibao.core import audit, clock, tunables
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from ..models import Sku
from ..queries import free_at
from ..scoped import RESERVE, must_answer_for
from ..stock_models import Reservation, StockLevel, Warehouse

CLOSES = time(22, 0)
LONGEST = tunables.number(
    "goods-kept-days", group="货品", name="留货最多留几天", unit="天", default=7, least=1, most=30,
    why="留着的货别人不能卖；旺季货少时调短",
)  # fmt: skip
EXPIRE_ROWS = 1_000


class OutOfStock(Conflict):
    code, title = "stock.out", _("这个码没有了")


def lock_level(sku: Sku, place: Store | Warehouse) -> None:
    """Hold the row of what a place has of a size until the transaction ends: whoever promises a piece of it waits in line."""
    level = StockLevel.objects.select_for_update().filter(style_id=sku.style_id, size=sku.size)
    where = {"store": place} if isinstance(place, Store) else {"warehouse": place}
    level.filter(**where).values_list("pk", flat=True).first()


def must_have(sku: Sku, place: Store | Warehouse, quantity: int, *, now: datetime) -> None:
    """Raise OutOfStock unless a place has so many free pieces. Call it under `lock_level`."""
    is_store = isinstance(place, Store)
    level = free_at(
        sku.pk, now=now, store_id=place.pk if is_store else None, warehouse_id=None if is_store else place.pk
    )
    free = level.free if level else 0
    if free < quantity:
        raise OutOfStock(
            _("%(place)s的%(name)s %(size)s 现在能用的是 %(free)d 件。")
            % {"place": place, "name": sku.style.name, "size": sku.size, "free": free},
            available=free,
        )


def usual_until(now: datetime) -> datetime:
    """Return until when a piece is kept if nobody says: tomorrow when stores close."""
    return clock.local_moment(clock.local_day(now) + timedelta(days=1), CLOSES)


@transaction.atomic
def reserve(
    sku: Sku,
    store: Store,
    quantity: int,
    *,
    member: Member,
    until: datetime | None = None,
    key: str,
    actor: Actor,
    now: datetime,
) -> Reservation:
    """Keep pieces for a member. The same key again is the same promise; two at once never get the same last piece.

    Raises Forbidden for another store, Invalid for a time that is over or too far, OutOfStock.
    """
    must_answer_for(actor, RESERVE, store)
    until = until or usual_until(now)
    if not now < until <= now + timedelta(days=LONGEST.at(now) + 1):
        raise Invalid(_("留到什么时候？最多 %(days)d 天。") % {"days": LONGEST.at(now)})
    if not 1 <= quantity <= 9:
        raise Invalid(_("一次留 1 到 9 件。"))
    lock_level(sku, store)
    if done := Reservation.objects.filter(key=key).first():
        return done
    must_have(sku, store, quantity, now=now)
    kept = Reservation.objects.create(
        sku=sku, store=store, quantity=quantity, member=member, guide_id=actor.staff_id, until=until, key=key, created_at=now
    )  # fmt: skip
    audit.record(
        actor, "stock.reserved", kept, after={"sku": sku.code, "store": store.pk, "quantity": quantity, "member": member.pk}
    )  # fmt: skip
    return kept


@transaction.atomic
def release(kept: Reservation, *, actor: Actor, now: datetime) -> None:
    """Put kept pieces back on the shelf. Raises Conflict where that has happened already."""
    must_answer_for(actor, RESERVE, kept.store)
    ended = Reservation.objects.holding().filter(pk=kept.pk).update(state=Reservation.State.RELEASED, ended_at=now)
    if not ended:
        raise Conflict(_("这件已经不留着了"))
    kept.refresh_from_db()
    audit.record(actor, "stock.released", kept, before={"sku": kept.sku.code, "store": kept.store_id})


@transaction.atomic
def expire_reservations(*, now: datetime) -> int:
    """Put back what nobody came for, and tell whoever kept it. Stock counts it as free from its moment on, not from here."""
    due = Reservation.objects.holding().filter(until__lte=now).order_by("until", "pk")
    rows = list(
        due.select_for_update(skip_locked=True, of=("self",)).select_related("sku__style", "member")[:EXPIRE_ROWS]
    )
    Reservation.objects.filter(pk__in=[one.pk for one in rows]).update(state=Reservation.State.EXPIRED, ended_at=now)
    tell_each(
        [
            (
                one.guide_id,
                Notice(
                    kind="goods", key=f"kept:{one.pk}", title=f"{one.sku.style.name} {one.sku.size} 放回货架了",
                    text=f"给{one.member.name}留的，到时间没来取。还要的话再留一次。", url="/g/goods/kept/",
                ),
            )
            for one in rows
            if one.guide_id
        ],
        now=now,
    )  # fmt: skip
    return len(rows)
