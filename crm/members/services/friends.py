"""WeCom relations as the platform reports them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from crm.events import FriendChanged
from crm.members.models import FriendLink, Member
from guides.org.models import Staff
from yejibao.core import outbox

State = FriendLink.State


@transaction.atomic
def record_friend(
    *, guide: Staff, at: datetime, member: Member | None = None, external_user_id: str = "", remark: str = ""
) -> FriendLink:
    """Note that a customer and a guide are friends. Safe to run twice; news older than what is known changes nothing.

    One of `member` and `external_user_id` is enough: the platform gives a customer one id for the whole company, so the
    other is looked up in his relations with other guides. A customer nobody knows stays a link without a member.
    """
    if not external_user_id:
        external_user_id = _external_id(member)
    elif member is None:
        known = FriendLink.objects.filter(external_user_id=external_user_id).exclude(member=None)
        found = known.select_related("member").order_by("pk").first()
        member = found.member if found else None
    link, is_new = FriendLink.objects.select_for_update().get_or_create(
        guide=guide,
        external_user_id=external_user_id,
        defaults={"member": member, "added_at": at, "state": State.FRIEND, "remark": remark[:64]},
    )
    if not is_new:
        if link.state == State.FRIEND and (member is None or link.member_id == member.pk):
            return link
        if link.ended_at and link.ended_at > at:
            return link
        link.member = member or link.member
        link.state, link.added_at, link.ended_at = State.FRIEND, at, None
        link.save(update_fields=["member", "state", "added_at", "ended_at"])
    _tell(link, at)
    return link


@transaction.atomic
def end_friend(
    *,
    guide: Staff,
    at: datetime,
    member: Member | None = None,
    external_user_id: str = "",
    state: str = State.DELETED_BY_MEMBER,
) -> FriendLink | None:
    """Note that a customer deleted or blocked a guide; None if they were no friends then."""
    links = FriendLink.objects.select_for_update().filter(guide=guide, state=State.FRIEND, added_at__lte=at)
    links = links.filter(external_user_id=external_user_id) if external_user_id else links.filter(member=member)
    link = links.order_by("pk").first()
    if link is None:
        return None
    link.state, link.ended_at = state, at
    link.save(update_fields=["state", "ended_at"])
    _tell(link, at)
    return link


def _external_id(member: Member | None) -> str:
    if member is None:
        raise ValueError("a friend is named by member or external_user_id")
    known = FriendLink.objects.filter(member=member).order_by("pk").values_list("external_user_id", flat=True).first()
    return known or f"wm{member.public_id.hex}"


def _tell(link: FriendLink, at: datetime) -> None:
    if link.member_id:
        outbox.publish(FriendChanged(link.member_id, link.guide_id, link.state, at.isoformat()))
