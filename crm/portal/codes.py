"""加好友码 on the member's phone: whose it is, what a newcomer is given, and where he came from."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.benefits.models import Coupon, CouponBatch
from crm.benefits.queries import claimable
from crm.friends.models import ContactWay
from crm.members.models import FriendLink, Member
from guides.org.models import Staff, Store
from yejibao.core.errors import NotFound

from .models import CodeVisit, MemberSession
from .queries import code_of, own_guide

WELCOME_WITHIN = timedelta(days=7)  # who opened a code so lately is one it brought
Way = CouponBatch.Way


@dataclass(frozen=True)
class OpenedCode:
    """A code as who scanned it sees it. `batches` he may claim from; empty before his phone is known."""

    way: ContactWay
    member: Member | None
    is_friend: bool
    batches: list[CouponBatch]

    @property
    def guide(self) -> Staff | None:
        return self.way.guide

    @property
    def store(self) -> Store | None:
        return self.way.store or (self.way.guide.store if self.way.guide else None)

    @property
    def qr(self) -> str:
        return qr_of(self.way)


def way_of(token: str) -> ContactWay:
    """Return the code of a scan. Raises NotFound for one that is stopped or not ours."""
    ways = ContactWay.objects.filter(token=token, state=ContactWay.State.READY, retired_at=None)
    ways = ways.exclude(picture=None).select_related("guide__store", "store")
    way = ways.first() if token.isprintable() else None  # the database refuses a NUL
    if way is None:
        raise NotFound(_("这个码停用了，到店问一下导购。"))
    return way


@transaction.atomic
def open_code(token: str, *, session: MemberSession | None, now: datetime) -> OpenedCode:
    """Note that an account came through a code, and return what it sees. Again is once. Raises NotFound."""
    way = way_of(token)
    member = session.member if session else None
    if session is not None:
        facts = {"opened_at": now} | ({"member": member} if member else {})
        CodeVisit.objects.update_or_create(way=way, openid=session.openid, defaults=facts)
    return OpenedCode(way, member, is_friend_of(way, member), gifts_for(member, now=now))


def gifts_for(member: Member | None, *, now: datetime) -> list[CouponBatch]:
    """Return what a newcomer may claim. Before his phone is known he is shown what is there for everybody who comes."""
    if member is None:
        open_ones = CouponBatch.objects.filter(
            state=CouponBatch.State.RUNNING, opens_at__lte=now, closes_at__gt=now, ways__contains=[Way.WELCOME]
        )
        return list(open_ones.select_related("template").order_by("closes_at", "pk")[:5])
    return claimable(member, now=now, way=Way.WELCOME)


def way_to_claim(batch: CouponBatch, member: Member, *, now: datetime) -> Coupon.Way:
    """Return as what he claims from a batch: as anybody, or as one whom a code has brought lately."""
    if Way.CLAIM in batch.ways or Way.WELCOME not in batch.ways:
        return Coupon.Way.CLAIM
    came = CodeVisit.objects.filter(member=member, opened_at__gt=now - WELCOME_WITHIN)
    return Coupon.Way.WELCOME if came.exists() else Coupon.Way.CLAIM


def note_registered(session: MemberSession, member: Member, *, is_new: bool, now: datetime) -> None:
    """Now it is known who came: all the codes of his account are his, the last one is where a new card came from."""
    visits = CodeVisit.objects.filter(openid=session.openid)
    visits.filter(member=None).update(member=member)
    last = visits.filter(opened_at__gt=now - WELCOME_WITHIN).order_by("-opened_at", "-pk").first()
    if is_new and last is not None:
        CodeVisit.objects.filter(pk=last.pk).update(registered_at=now)


def is_friend_of(way: ContactWay, member: Member | None) -> bool:
    """Tell whether the one the code adds is his friend already; of a store's code any of its guides."""
    if member is None:
        return False
    links = FriendLink.objects.filter(member=member).exclude(state__in=FriendLink.LOST)
    return links.filter(guide=way.guide).exists() if way.guide_id else links.filter(guide__store=way.store).exists()


def qr_of(way: ContactWay) -> str:
    """Return the platform's picture, to be shown and pressed long: an image tag of a mini-program carries no token."""
    assert way.picture is not None
    return f"data:image/png;base64,{base64.b64encode(bytes(way.picture)).decode()}"


@dataclass(frozen=True)
class OwnGuide:
    """我的专属导购: whether they are friends, and the code that makes them so."""

    guide: Staff
    is_friend: bool
    code: ContactWay | None


def guide_of(member: Member) -> OwnGuide | None:
    """Return his own guide; None as long as he has none."""
    guide = own_guide(member)
    if guide is None:
        return None
    is_friend = FriendLink.objects.filter(member=member, guide=guide).exclude(state__in=FriendLink.LOST).exists()
    return OwnGuide(guide, is_friend, None if is_friend else code_of(guide))
