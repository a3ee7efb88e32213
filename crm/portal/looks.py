"""What a member does with his seven days: like a look, ask his guide for it, buy the pieces. Pages and API alike."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.catalogue.outfits import services, words
from crm.catalogue.outfits.models import LookShare
from crm.catalogue.outfits.queries import DayLook, MemberWeek, week_of
from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from .queries import own_guide

YOU = words.YOU


class NoGuide(Conflict):
    code, title = "guide.none", _("您还没有专属导购，到店找任何一位都行")


class NoStore(Conflict):
    code, title = "member.no_store", _("还不知道您常去哪家店，先问问导购")


class NothingChosen(Conflict):
    code, title = "outfit.nothing_chosen", _("先勾上要买的")


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
    """买这几件: what he ticked, in his sizes, becomes a sale he pays at once; return it and what could not go in, in words.

    Raises NothingChosen, NoStore, NothingToBuy, or what the checkout says no to.
    """
    if not only:
        raise NothingChosen()
    if member.main_store is None:
        raise NoStore()
    cart = services.to_cart(
        look, member, store=member.main_store, guide=own_guide(member), actor=actor, now=now, channel=Sale.Channel.MALL, only=only
    )  # fmt: skip
    sale = checkout.offer_to_member(cart.sale, actor=actor, now=now)
    return sale, [words.left_words(one.piece, who=YOU) for one in cart.left]


def _tell(staff_id: int, member: Member, what: str, *, now: datetime, key: str, text: str = "", day: Any = "") -> None:
    there = f"{reverse('crm:outfit-week', args=[member.public_id])}" + (f"?day={day}" if day else "")
    tell_and_push([(staff_id, Notice("member", key, f"{member.called}{what}", there, text))], now=now)
