"""Tickets, one for each state an act needs, and a photo he sent ahead."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from PIL import Image

from crm.aftersale.models import Ticket
from crm.aftersale.services import close_ticket, open_ticket, propose, receive
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Exchange
from crm.portal.aftersale_faces import CLOSED, OFFERED, RECEIVED, TICKET
from crm.portal.exchange_api import EXCHANGE
from crm.portal.photo_api import PHOTO, ROOM
from tests.factories.checkout import make_sku
from tests.factories.guides import actor
from yejibao.core import files

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 90, 120)).save(out, format="JPEG")
    files.keep(out.getvalue(), room=ROOM, by_id=None, by_member_id=it.member.pk, now=it.now, name=UUID(PHOTO))
    guide = actor(it.org.guide)
    for public_id in (TICKET, OFFERED, CLOSED):
        held = open_ticket(
            it.member, kind="return", actor=it.actor, now=it.now, order=it.order, line=it.line, channel="mini_program",
            description="袖子长了", wish={"reason": "尺码不合"},
        )  # fmt: skip
        if public_id != TICKET:
            propose(held, "换大一码", actor=guide, now=it.now)
        if public_id == CLOSED:
            held.refresh_from_db()
            close_ticket(held, actor=guide, now=it.now, reason="换好了")
        Ticket.objects.filter(pk=held.pk).update(
            public_id=public_id, piece_no=None
        )  # more of one coat than one can have
    _received(it, photo=out.getvalue())
    _to_be_paid(it)


def _received(it: ExampleWorld, *, photo: bytes) -> None:
    """A suit that came in to be cleaned and waits for his word."""
    held = open_ticket(
        it.member, kind="care", actor=it.actor, now=it.now, order=it.order, line=it.line, channel="mini_program",
        wish={"care_kind": "干洗"},
    )  # fmt: skip
    taken = [
        files.keep(photo, room=ROOM, by_id=it.org.guide.pk, now=it.now).name for _side in ("front", "back", "flaw")
    ]
    receive(held, photos=taken, flaws="左袖口有一处磨损", actor=actor(it.org.guide), now=it.now)
    Ticket.objects.filter(pk=held.pk).update(public_id=RECEIVED, piece_no=None)


def _to_be_paid(it: ExampleWorld) -> None:
    """A dearer piece for one of the till's: the difference waits on his phone."""
    who, store = actor(it.org.guide), it.org.store
    sold, dearer = (make_sku(price, store=store, size="180/96A") for price in (268000, 298000))
    sale = checkout.start_sale(channel="till", store=store, guide=it.org.guide, member=it.member, actor=who, now=it.now)
    checkout.set_lines(sale, [(sold.code, 1)], actor=who, now=it.now)
    sale = checkout.confirm(sale, ways=[checkout.Pay("cash")], key="examples", actor=who, now=it.now)
    Exchange.objects.create(
        public_id=EXCHANGE, order=sale.order, sale=sale, line_no=1, sku=dearer, quantity=1, price_fen=298000, difference_fen=30000,
        state="awaiting_payment", store=store, key="examples", asked_at=it.now, expires_at=it.now + timedelta(days=1),
    )  # fmt: skip


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {}
