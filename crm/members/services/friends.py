"""WeCom relations as the platform reports them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from crm.events import FriendChanged
from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services.identities import give_identities
from guides.org.models import Staff
from yejibao.core import outbox

State = FriendLink.State


@transaction.atomic
def record_friend(
    *,
    guide: Staff,
    at: datetime,
    member: Member | None = None,
    external_user_id: str = "",
    remark: str = "",
    way_token: str = "",
    way_id: int | None = None,
) -> FriendLink:
    """Note that a customer and a guide are friends. Safe to run twice; news older than what is known changes nothing.

    One of `member` and `external_user_id` is enough: the platform gives a customer one id for the whole company, so the
    other is looked up among his identities. A customer nobody knows stays a link without a member. `way_token` is the
    `state` of the code he came through, `way_id` the code itself if it is ours.
    """
    if not external_user_id:
        external_user_id = _external_id(member)
    elif member is None:
        member = _member_of(external_user_id)
    facts = {"member": member, "added_at": at, "state": State.FRIEND, "remark": remark[:64]}
    link, is_new = FriendLink.objects.select_for_update().get_or_create(
        guide=guide,
        external_user_id=external_user_id,
        defaults=facts | {"way_token": way_token[:64], "way_id": way_id},
    )
    if member is not None:
        give_identities(MemberIdentity.Kind.EXTERNAL, [(external_user_id, member.pk)], source="wecom", now=at)
    if not is_new:
        if way_token and not link.way_token and link.added_at <= at:
            link.way_token, link.way_id = way_token[:64], way_id
            link.save(update_fields=["way_token", "way"])
        if link.state == State.FRIEND and (member is None or link.member_id == member.pk):
            return link
        if link.ended_at and link.ended_at > at:
            return link
        if link.state != State.FRIEND:  # added again, maybe through another code
            link.way_token, link.way_id = way_token[:64], way_id
        link.member = member or link.member
        link.state, link.added_at, link.ended_at = State.FRIEND, at, None
        link.save(update_fields=["member", "state", "added_at", "ended_at", "way_token", "way"])
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
    """Note that either side ended it; None if they were no friends then.

    Of a customer nobody has heard of a row says so all the same: the news of his coming may be the one that is late.
    """
    links = FriendLink.objects.select_for_update().filter(guide=guide)
    links = links.filter(external_user_id=external_user_id) if external_user_id else links.filter(member=member)
    link = links.filter(state=State.FRIEND, added_at__lte=at).order_by("pk").first()
    if link is None:
        if external_user_id and not links.exists():
            FriendLink.objects.bulk_create(
                [
                    FriendLink(
                        guide=guide,
                        external_user_id=external_user_id,
                        member=_member_of(external_user_id),
                        state=state,
                        added_at=at,
                        ended_at=at,
                    )  # fmt: skip
                ],
                ignore_conflicts=True,
            )
        return None
    link.state, link.ended_at = state, at
    link.save(update_fields=["state", "ended_at"])
    _tell(link, at)
    return link


def _member_of(external_user_id: str) -> Member | None:
    """Return whom the platform's id means, by his identities, else by his relations with others."""
    kind = MemberIdentity.Kind.EXTERNAL
    held = MemberIdentity.objects.select_related("member").filter(kind=kind, value=external_user_id).first()
    if held is not None:
        return held.member
    known = FriendLink.objects.filter(external_user_id=external_user_id).exclude(member=None)
    found = known.select_related("member").order_by("pk").first()
    return found.member if found else None


def _external_id(member: Member | None) -> str:
    if member is None:
        raise ValueError("a friend is named by member or external_user_id")
    known = FriendLink.objects.filter(member=member).order_by("pk").values_list("external_user_id", flat=True).first()
    return known or f"wm{member.public_id.hex}"


def _tell(link: FriendLink, at: datetime) -> None:
    if link.member_id:
        outbox.publish(FriendChanged(link.member_id, link.guide_id, link.state, at.isoformat()))
