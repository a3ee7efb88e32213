"""A day or a week goes to the member with a link: kept when it is made, when it left, when he opened it."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.notices.services import Notice, tell_each
from yejibao.core import audit
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from ..models import LookShare

LONGEST = 500


def link_of(share: LookShare) -> str:
    """Return the address the member opens. It leads to his own page: signed in as him it shows his week, else nothing."""
    return f"{settings.PUBLIC_BASE_URL}/my/outfits/?s={share.public_id}"


@transaction.atomic
def share_look(
    member: Member, *, starts_on: date, day: date | None, words: str, actor: Actor, now: datetime
) -> tuple[LookShare, str]:
    """Keep what is about to be sent; return it with the whole text, link included. Raises Invalid."""
    words = words.strip()[:LONGEST]
    if not words:
        raise Invalid(_("先写一句话再发"))
    assert actor.staff_id is not None
    share = LookShare.objects.create(
        member=member, guide_id=actor.staff_id, starts_on=starts_on, day=day, words=words, made_at=now
    )
    return share, f"{words}\n{link_of(share)}"


@transaction.atomic
def note_sent(share: LookShare, *, actor: Actor, now: datetime) -> None:
    """The client said the message left. Twice counts once."""
    if LookShare.objects.filter(pk=share.pk, sent_at=None).update(sent_at=now):
        audit.record(actor, "outfit.sent", share, after={"member": share.member_id, "day": str(share.day or "")})


@transaction.atomic
def note_opened(member: Member, public_id: UUID, *, now: datetime) -> bool:
    """The member opened what was sent to him: his guide sees it in her messages, once. Somebody else's link counts for nobody."""
    opened = LookShare.objects.filter(member=member, public_id=public_id, opened_at=None)
    share = opened.first()
    if share is None or not opened.update(opened_at=now):
        return False
    there = reverse("crm:outfit-week", args=[member.public_id])
    notice = Notice(
        "member", f"look-opened:{share.pk}", f"{member.called}打开了你发的穿搭", there, "趁他在看，问一句喜欢哪套"
    )
    tell_each([(share.guide_id, notice)], now=now)
    return True


@transaction.atomic
def note_liked(member: Member, public_id: UUID, *, now: datetime) -> bool:
    """喜欢: he says so, once."""
    return bool(LookShare.objects.filter(member=member, public_id=public_id, liked_at=None).update(liked_at=now))
