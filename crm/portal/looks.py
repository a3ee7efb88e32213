"""What a member does with his seven days: like a look, ask his guide for it, buy the pieces. Pages and API alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.catalogue.outfits import services, words
from crm.catalogue.outfits.models import LookShare
from crm.catalogue.outfits.queries import DayLook, MemberWeek, Piece, week_of
from crm.catalogue.services import OutOfStock
from crm.members.models import Member
from crm.members.services import lock_members
from crm.orders.checkout.models import Sale
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor
from yejibao.core.words import clock_time

from .begun import begun_with, kept_until, offer_and_keep, styles_in
from .queries import own_guide

YOU = words.YOU


class NoGuide(Conflict):
    code, title = "guide.none", _("您还没有专属导购，到店找任何一位都行")


class NoStore(Conflict):
    code, title = "member.no_store", _("还不知道您常去哪家店，先问问导购")


class NothingChosen(Conflict):
    code, title = "outfit.nothing_chosen", _("先勾上要买的")


class PieceGone(Conflict):
    code, title = "outfit.piece_gone", _("有一件刚被别人买走了，再看一眼这套")


def own_week(member: Member, *, now: datetime) -> MemberWeek:
    """Return his week from today on, as it is told to him."""
    return week_of(member, start=clock.local_day(now), store=member.main_store, now=now, who=YOU)


def like_share(share: LookShare | None, member: Member, *, now: datetime) -> None:
    """喜欢: his guide sees it beside what she sent; what nobody sent is liked by nobody's leave."""
    if share is not None and services.note_liked(member, share.public_id, now=now):
        _tell(share.guide_id, member, "喜欢你发的穿搭", now=now, key=f"look-liked:{share.pk}")


@transaction.atomic
def ask_guide(look: DayLook, member: Member, *, actor: Actor, now: datetime) -> str:
    """请导购备货: his own guide is told which look; return what to say. Raises NoGuide."""
    guide = own_guide(member)
    if guide is None:
        raise NoGuide()
    name = look.outfit.name if look.outfit else ""
    text = f"{look.weekday}「{name}」，要添 {len(look.missing)} 件" if name else "想让你帮忙配一套"
    _tell(guide.pk, member, "请你备货", now=now, key=f"look-asked:{member.pk}:{look.day}", text=text, day=look.day)
    audit.record(actor, "outfit.asked", member, after={"day": str(look.day)})
    return f"告诉{guide.display_name or guide.name}了"


@transaction.atomic
def buy_pieces(
    look: DayLook, member: Member, *, only: Collection[str], actor: Actor, now: datetime
) -> tuple[Sale, list[str]]:
    """买这几件: what he ticked, in his sizes, becomes a sale he pays, kept for him while he does; his guide is told.

    Return it and what could not go in, in words. Ticked again while it is open, it is the same sale. Raises NothingChosen,
    NoStore, NothingToBuy, PieceGone, or what the checkout says no to.
    """
    if not only:
        raise NothingChosen()
    if member.main_store is None:
        raise NoStore()
    lock_members([member.pk])  # of two taps the second finds the sale of the first
    if (begun := _begun(look, member, only, now=now)) is not None:
        return begun
    guide = own_guide(member)
    cart = services.to_cart(
        look, member, store=member.main_store, guide=guide, actor=actor, now=now, channel=Sale.Channel.MALL, only=only
    )  # fmt: skip
    try:
        sale = offer_and_keep(cart.sale, actor=actor, now=now)
    except OutOfStock:
        raise PieceGone() from None
    if guide is not None:
        _tell_kept(guide.pk, sale, member, cart.put, now=now)
    return sale, _left([one.piece for one in cart.left])


def _begun(look: DayLook, member: Member, only: Collection[str], *, now: datetime) -> tuple[Sale, list[str]] | None:
    """Return the sale he has open of these very pieces, but for those he cannot have: what it keeps looks sold out to himself."""
    sale = begun_with(member, only, now=now)
    if sale is None:
        return None
    inside = styles_in(sale)
    rest = [piece for piece in look.missing if piece.style.sku_code in set(only) - inside]
    return None if any(piece.may_be_bought for piece in rest) else (sale, _left(rest))


def _left(pieces: Sequence[Piece]) -> list[str]:
    return [words.left_words(piece, who=YOU) for piece in pieces]


def _tell_kept(guide_id: int, sale: Sale, member: Member, put: Sequence[Piece], *, now: datetime) -> None:
    names = "、".join(f"{piece.style.name} {piece.style.color} {piece.size}" for piece in put)
    text = f"{names}。他在自己手机上付，付好来店里取。给他留到 {clock_time(kept_until(now))}，没付就放回去。"
    notice = Notice(
        "member",
        f"look-bought:{sale.pk}",
        f"{member.name}在买一套里的 {len(put)} 件",
        f"{reverse('crm:outfit-week', args=[member.public_id])}",
        text,
    )
    tell_and_push([(guide_id, notice)], now=now)


def _tell(staff_id: int, member: Member, what: str, *, now: datetime, key: str, text: str = "", day: Any = "") -> None:
    there = f"{reverse('crm:outfit-week', args=[member.public_id])}" + (f"?day={day}" if day else "")
    tell_and_push([(staff_id, Notice("member", key, f"{member.called}{what}", there, text))], now=now)
