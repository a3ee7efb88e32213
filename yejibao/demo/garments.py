"""Garments in our hands in the demo: one being cleaned, one altered and ready, one that waits for the difference of its exchange."""

import uuid
from datetime import datetime, timedelta

from django.db.models import QuerySet

from crm.aftersale import services
from crm.aftersale.models import CareSlip, Ticket
from crm.catalogue.models import Sku
from crm.catalogue.queries import available
from crm.orders.checkout.models import Sale
from crm.orders.models import OrderLine
from guides.org.actors import actor_for
from yejibao.core import clock
from yejibao.core.errors import DomainError
from yejibao.core.files import StoredFile
from yejibao.core.scope import Actor

WORKS = (
    ("care", {"care_kind": "干洗"}, "袖口有一点磨毛", "", ("processing",)),
    ("alteration", {"works": ["裤长"], "measures": "裤长收 3 厘米"}, "", "裤长 102 → 99 厘米", ("processing", "ready")),
)


def build(*, now: datetime) -> None:
    """Take in two garments of members who bought here, and offer somebody a dearer piece for his."""
    if CareSlip.objects.exists() or not _pictures().exists():
        return
    sales = Sale.objects.filter(
        state=Sale.State.PAID, member__owner_guide__isnull=False, member__status="active", paid_at__gt=now - timedelta(days=6)
    )  # fmt: skip
    mine = list(
        sales.exclude(member__tickets__isnull=False).select_related("member__owner_guide", "order", "store")[:3]
    )
    for sale, work in zip(mine, WORKS, strict=False):
        _take_in(sale, *work, now=now)
    for sale in mine[2:]:
        _offer_dearer(sale, now=now)


def _ticket(sale: Sale, kind: str, wish: dict[str, object], at: datetime) -> Ticket | None:
    line = OrderLine.objects.filter(order=sale.order, replaced_by=None, returned_quantity=0).order_by("line_no").first()
    if sale.member is None or sale.order is None or line is None:
        return None
    return services.open_ticket(
        sale.member, kind=kind, order=sale.order, line=line, wish=wish, channel="store_desk", actor=Actor.system("demo"), now=at
    )  # fmt: skip


def _take_in(
    sale: Sale, kind: str, wish: dict[str, object], flaws: str, measures: str, states: tuple[str, ...], *, now: datetime
) -> None:  # fmt: skip
    at = max(now - timedelta(hours=20), sale.paid_at or now)
    with clock.travelled(at):
        ticket = _ticket(sale, kind, wish, at)
        if ticket is None or ticket.guide is None or ticket.member is None:
            return
        guide = actor_for(ticket.guide)
        photos = _photos(3 if flaws else 2, guide, at)
        services.receive(ticket, photos=photos, flaws=flaws, measures=measures, actor=guide, now=at)
        himself = Actor(kind="member", member_id=ticket.member_id)
        services.confirm_slip(ticket, actor=himself, now=at + timedelta(minutes=5))
        for hours, state in enumerate(states, 1):
            held = Ticket.objects.get(pk=ticket.pk)
            services.step_on(
                held, to=state, text="", photos=(), actor=guide, now=min(now, at + timedelta(hours=4 * hours))
            )


def _offer_dearer(sale: Sale, *, now: datetime) -> None:
    at = max(now - timedelta(hours=1), sale.paid_at or now)
    with clock.travelled(at):
        ticket = _ticket(sale, "exchange_item", {"reason": "想换件更正式的"}, at)
        if ticket is None or ticket.guide is None or ticket.line is None:
            return
        dearer = (
            Sku.objects.filter(style__price_fen__gt=max(ticket.line.paid_fen, 100_000))
            .select_related("style")
            .order_by("pk")
        )
        here = {sku for _store, sku in available([sku.pk for sku in dearer[:60]], [sale.store_id], now=at)}
        for sku in [one for one in dearer[:60] if one.pk in here][:1]:
            try:
                services.swap(ticket, sku, by_link=True, actor=actor_for(ticket.guide), now=at)
            except DomainError:  # the purchase is one that is not exchanged
                return


def _pictures() -> QuerySet[StoredFile]:
    return StoredFile.objects.filter(path__startswith="files/demo/")


def _photos(count: int, who: Actor, at: datetime) -> list[uuid.UUID]:
    """Return pictures of a garment: those the visits of the demo have, under names of their own."""
    like = _pictures().order_by("pk")[0]
    made = [
        StoredFile(
            name=uuid.uuid4(), room="aftersale", by_id=who.staff_id, at=at, path=like.path, content_type=like.content_type, size=like.size,
            width=like.width, height=like.height, sha256=like.sha256,
        )
        for _each in range(count)
    ]  # fmt: skip
    return [one.name for one in StoredFile.objects.bulk_create(made)]
