"""The basket: what is in it, for whom, and what was chosen. Prices are never written here, they are asked for each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.benefits.models import Coupon
from crm.catalogue.models import Sku
from crm.members.models import Member
from guides.org.models import Staff, Store
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.scope import Actor

from ..engine import Quote
from ..models import Sale, SaleLine, SaleMoved, SalePiece
from ..queries import lines_of, priced

State = Sale.State
MOST_LINES, MOST_PIECES = 50, 99
BASKET_LASTS = timedelta(hours=24)  # of one that nobody finished
OFFER_LASTS = timedelta(hours=24)


class GoodsUnknown(NotFound):
    code, title = "sale.goods_unknown", _("没有找到这件商品")


class TooMuch(Invalid):
    code, title = "sale.too_much", _("一单放不下这么多")


class EmptyBasket(Invalid):
    code, title = "sale.empty", _("还没有商品，先扫一件")


class NoMember(Invalid):
    code, title = "sale.no_member", _("要先认出会员")


class GuestOnly(Conflict):
    code, title = "sale.member_closed", _("这位会员已经注销，请按散客收银")


def start_sale(
    *, channel: str, store: Store, guide: Staff | None, member: Member | None, actor: Actor, now: datetime
) -> Sale:
    """Open an empty basket."""
    if member is not None and member.status != Member.Status.ACTIVE:
        raise GuestOnly()
    return Sale.objects.create(
        channel=channel, store=store, guide=guide, member=member, created_at=now, expires_at=now + BASKET_LASTS
    )


@transaction.atomic
def set_lines(sale: Sale, lines: Iterable[tuple[str, int]], *, actor: Actor, now: datetime) -> Sale:
    """Make these (SKU code, quantity) the whole basket; what is named twice adds up. Raises GoodsUnknown, TooMuch, SaleMoved."""
    held = lock_basket(sale)
    wanted = _added({}, lines)
    return _write(held, wanted, now=now)


@transaction.atomic
def add_lines(sale: Sale, lines: Iterable[tuple[str, int]], *, actor: Actor, now: datetime) -> Sale:
    """Put pieces into the basket; a negative quantity takes some out. Raises as `set_lines`."""
    held = lock_basket(sale)
    has = {line.sku.code: line.quantity for line in lines_of(held) if not line.is_gift}
    return _write(held, _added(has, lines), now=now)


@transaction.atomic
def set_member(sale: Sale, member: Member | None, *, actor: Actor, now: datetime, has_shown_code: bool = False) -> Sale:
    """Say whose basket it is; what was chosen of another member's coupons, points and card falls away.

    `has_shown_code`: his phone showed it just now, so his card may be used here.
    """
    held = lock_basket(sale)
    if member is not None and member.status != Member.Status.ACTIVE:
        raise GuestOnly()
    shown_at = now if has_shown_code else None
    if held.member_id == (member.pk if member else None):
        _save(held, **({"member_shown_at": shown_at} if shown_at else {}))
        return held
    _save(held, member=member, coupon=None, points_wanted=0, wallet_wanted_fen=0, member_shown_at=shown_at)
    fit_gift(held, now=now)
    return held


@transaction.atomic
def set_guide(sale: Sale, guide: Staff, *, actor: Actor, now: datetime) -> Sale:
    """Say who served him: whose sale it is. Raises NotFound for somebody of another store, SaleMoved."""
    held = lock_basket(sale)
    if guide.store_id != held.store_id:
        raise NotFound()
    _save(held, guide=guide)
    return held


@transaction.atomic
def choose(
    sale: Sale,
    *,
    actor: Actor,
    now: datetime,
    coupon_id: int | None | str = "",
    points: int | None = None,
    use_wallet: bool | int | None = None,
) -> Sale:
    """Choose a coupon (None: none; "": as it was), points, and how much of the card (True: as much as goes, False: none, fen).

    Raises NoMember without one, NotFound for a coupon that is not his.
    """
    held = lock_basket(sale)
    return choose_on(held, coupon_id=coupon_id, points=points, use_wallet=use_wallet)


def choose_on(
    held: Sale, *, coupon_id: int | None | str = "", points: int | None = None, use_wallet: bool | int | None = None
) -> Sale:
    """Write a choice on a locked sale."""
    if held.member_id is None and (coupon_id not in ("", None) or points or use_wallet):
        raise NoMember()
    changes: dict[str, Any] = {}
    if coupon_id != "":
        changes["coupon"] = (
            Coupon.objects.filter(pk=coupon_id, member_id=held.member_id or 0).first()
            if coupon_id is not None
            else None
        )
        if coupon_id is not None and changes["coupon"] is None:
            raise NotFound()
    if points is not None:
        changes["points_wanted"] = max(0, points)
    match use_wallet:
        case True:
            changes["wallet_wanted_fen"] = None
        case False:
            changes["wallet_wanted_fen"] = 0
        case int():
            changes["wallet_wanted_fen"] = max(0, use_wallet)
    _save(held, **changes)
    return held


def quote(sale: Sale, *, now: datetime) -> Quote:
    """Return what the basket costs at this moment, or at that of the offer the member has in hand."""
    return priced(sale, now=now).quote


@transaction.atomic
def offer_to_member(
    sale: Sale, *, actor: Actor, now: datetime, until: datetime | None = None, is_delivery: bool = False
) -> Sale:
    """Send the basket to its member: prices of this moment hold until then, and he pays by link (`member_pays`).

    The caller tells the member. Raises EmptyBasket, NoMember or SaleMoved.
    """
    held = lock_basket(sale)
    if held.member_id is None:
        raise NoMember()
    fit_gift(held, now=now)
    if not SaleLine.objects.filter(sale=held, is_gift=False).exists():
        raise EmptyBasket()
    held.move_to(
        State.AWAITING_MEMBER, actor=actor, now=now, priced_at=now, expires_at=until or now + OFFER_LASTS,
        is_delivery=is_delivery,
    )  # fmt: skip
    audit.record(actor, "sale.offered", held, after={"lines": SaleLine.objects.filter(sale=held).count()})
    return held


# ---------------------------------------------------------------- for the services beside


def lock_sale(sale: Sale) -> Sale:
    """Take the row of a sale until the end of the transaction: two cashiers on one sale wait for each other."""
    return (
        Sale.objects.select_for_update(of=("self",), no_key=True)
        .select_related("store__unit", "guide", "member", "coupon")
        .get(pk=sale.pk)
    )


def lock_basket(sale: Sale) -> Sale:
    """Take a basket that is still one. Raises SaleMoved."""
    held = lock_sale(sale)
    if held.state != State.DRAFT:
        raise SaleMoved(_("这一单%(state)s，不能再改") % {"state": held.get_state_display()})
    return held


def _added(has: dict[str, int], lines: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return what there is with some more of it, in order of coming; what comes to nothing is left out."""
    wanted = dict(has)
    for code, quantity in lines:
        wanted[code] = wanted.get(code, 0) + quantity
    return {code: quantity for code, quantity in wanted.items() if quantity > 0}


def _write(held: Sale, wanted: dict[str, int], *, now: datetime) -> Sale:
    """Make the basket what is wanted. A gift that comes with it is put in or taken out again."""
    if len(wanted) > MOST_LINES or any(quantity > MOST_PIECES for quantity in wanted.values()):
        raise TooMuch()
    codes = Sku.objects.filter(Q(code__in=wanted) | Q(barcode__in=wanted) & ~Q(barcode=""))
    known: dict[str, Sku] = {}
    for sku in codes.select_related("style"):
        known[sku.code] = sku
        if sku.barcode in wanted:
            known.setdefault(sku.barcode, sku)
    missing = [code for code in wanted if code not in known]
    if missing:
        raise GoodsUnknown(_("没有找到商品 %(code)s，核对吊牌上的款号和尺码") % {"code": missing[0][:40]})
    pieces: dict[int, int] = {}
    for code, quantity in wanted.items():  # a code and its barcode are one size
        pieces[known[code].pk] = pieces.get(known[code].pk, 0) + quantity
    SaleLine.objects.filter(sale=held).delete()
    SaleLine.objects.bulk_create(
        SaleLine(sale=held, line_no=number, sku_id=sku_id, quantity=min(quantity, MOST_PIECES))
        for number, (sku_id, quantity) in enumerate(pieces.items(), start=1)
    )
    _fit_scanned(held, pieces)
    fit_gift(held, now=now)
    return held


def _fit_scanned(held: Sale, pieces: Mapping[int, int]) -> None:
    """Let go which very pieces were scanned, where fewer of the size are wanted now: the last scanned first."""
    seen: Counter[int] = Counter()
    gone = []
    for piece_id, sku_id in SalePiece.objects.filter(sale=held).order_by("pk").values_list("pk", "item__sku_id"):
        seen[sku_id] += 1
        if seen[sku_id] > pieces.get(sku_id, 0):
            gone.append(piece_id)
    if gone:
        SalePiece.objects.filter(pk__in=gone).delete()


def fit_gift(held: Sale, *, now: datetime) -> None:
    """Put the gift of a 满赠 behind the lines while its condition holds, one of it, and take it out when it does not."""
    rows = lines_of(held)
    gift = priced(held, now=now, lines=rows).gift if rows else None
    wanted = gift.gift_sku_id if gift and any(not row.is_gift for row in rows) else None
    has = next((row for row in rows if row.is_gift), None)
    if has is not None and has.sku_id == wanted:
        return
    if has is not None:
        has.delete()
    if wanted is not None:
        last = max(row.line_no for row in rows)
        SaleLine.objects.create(sale=held, line_no=last + 1, sku_id=wanted, quantity=1, is_gift=True)


def _save(held: Sale, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(held, name, value)
    if changes:
        held.save(update_fields=list(changes))
