"""一键加购: the missing pieces of a look, in his sizes, become a draft sale; what cannot go in is said, with one alternative."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import Sku
from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale
from crm.orders.checkout.queries import lines_of
from guides.org.models import Staff, Store
from yejibao.core import audit
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from ..queries import DayLook, Piece


class NothingToBuy(Conflict):
    code, title = "outfit.nothing_to_buy", _("这套没有要添的")


@dataclass(frozen=True)
class Left:
    """A piece that did not go in, and why."""

    piece: Piece
    why: str  # no_size | out


@dataclass(frozen=True)
class Cart:
    """A draft sale with what went in (what lay in it already did not go in again), and what did not."""

    sale: Sale
    put: Sequence[Piece]
    left: Sequence[Left] = field(default_factory=tuple)


@transaction.atomic
def to_cart(
    look: DayLook, member: Member, *, store: Store, guide: Staff | None, actor: Actor, now: datetime,
    channel: str = Sale.Channel.PROXY, only: Collection[str] = (), basket: Sale | None = None,
) -> Cart:  # fmt: skip
    """Put what he has not got into a basket, a new one unless named, in his sizes; `only` narrows it to some pieces by their sku.

    The look was judged a moment ago: the till counts the stock again when the sale is confirmed. Raises NothingToBuy, with
    what is missing, when not one piece can go in.
    """
    wanted = [piece for piece in look.missing if not only or piece.style.sku_code in only]
    ready = [piece for piece in wanted if piece.may_be_bought]
    known = Sku.objects.filter(style__in=[piece.style.id for piece in ready])
    skus = {(sku.style_id, sku.size): sku for sku in known}
    put = [piece for piece in ready if (piece.style.id, piece.size) in skus]
    left = [Left(piece, "out" if piece.size else "no_size") for piece in wanted if piece not in put]
    if not put:
        raise NothingToBuy(_("这几件他的码都没有货") if left else "")
    sale = basket or checkout.start_sale(channel=channel, store=store, guide=guide, member=member, actor=actor, now=now)
    there = {line.sku_id for line in lines_of(sale)} if basket else set()
    put = [piece for piece in put if skus[piece.style.id, piece.size].pk not in there]
    if put:
        lines = [(skus[piece.style.id, piece.size].code, 1) for piece in put]
        sale = checkout.add_lines(sale, lines, actor=actor, now=now)
        audit.record(actor, "outfit.carted", sale, after={"pieces": len(put), "left": len(left)})
    return Cart(sale, put, left)
