"""A guide says in the chat who her friend is: one of her members, or a new one."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.friends.models import Contact, LinkReview
from crm.friends.names import called_by
from crm.friends.services.arriving import mark_stale
from crm.friends.services.linking import link_contact, link_contacts, unlink_contact
from crm.members.customers import Customer
from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services.registering import register_member
from guides.org.models import Staff
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.personal import blind_indexes, normal_phone
from yejibao.core.scope import Actor

UNDO_FOR = timedelta(minutes=10)


class KnownAlready(Conflict):
    code, title = "friend.known_already", _("这位刚对上会员了")


class WithTheManager(Conflict):
    code, title = "friend.with_the_manager", _("店长正在确认他是哪位")


class TooLateToUnlink(Conflict):
    code, title = "friend.too_late_to_unlink", _("过了撤销的时间，找店长改")


def is_asked_about(external_user_id: str) -> bool:
    """Tell whether a person is to decide who this customer is."""
    return LinkReview.objects.filter(contact__external_user_id=external_user_id, state=LinkReview.State.OPEN).exists()


def recognise(customer: Customer, member: Member, *, actor: Actor, now: datetime) -> FriendLink:
    """Link the friend of a chat to a member whose card the actor may open. Twice is like once.

    Raises KnownAlready, WithTheManager, or what `link_contact` raises.
    """
    link = _must_be_free(customer, member)
    return link_contact(link.external_user_id, member, actor=actor, now=now, reason="聊天里对上")


@transaction.atomic
def register_friend(
    customer: Customer, *, name: str, phone: str = "", gender: str = "m", actor: Actor, now: datetime
) -> Member | None:
    """Open a card for the friend of a chat, or link him to the one his phone has; None where a person has to decide.

    A phone somebody has already is a sign like one in the remark (linking.py): the answer is the same page either way.
    Raises KnownAlready, WithTheManager, or Invalid.
    """
    link = _must_be_free(customer, None)
    number = normal_phone(phone) if phone.strip() else ""
    if phone.strip() and not number:
        raise Invalid(
            _("手机号不对"), errors=[{"field": "phone", "code": "phone", "message": "手机号不对，要 11 位数字"}]
        )
    indexes = blind_indexes(number, purpose="phone") if number else []
    if indexes and _is_somebodys(indexes):
        found = _link_by_phone(link, indexes, now=now)
        if found or is_asked_about(link.external_user_id):
            return found
        number = ""  # somebody said before that this is not he
    owner = Staff.objects.select_related("store").get(pk=actor.staff_id)
    member = register_member(
        member_no=number_of(link.external_user_id), name=name, phone=number, gender=gender, owner=owner,
        salutation=called_by(name, _nickname(link.external_user_id)),
        channel="wecom_chat", actor=actor, now=now,
    )  # fmt: skip
    # As the system: of two guides who open the same card at once the slower one does not see it as hers.
    link_contact(link.external_user_id, member, actor=Actor.system(), now=now, reason="聊天里新建")
    return member


@transaction.atomic
def take_back(customer: Customer, member: Member, *, actor: Actor, now: datetime) -> None:
    """撤销 within minutes of `recognise`. Raises TooLateToUnlink."""
    link = customer.link
    if link is None or customer.member is None:
        return
    said = MemberIdentity.objects.filter(
        kind=MemberIdentity.Kind.EXTERNAL, value=link.external_user_id, member=member, source="guide",
        added_at__gte=now - UNDO_FOR,
    )  # fmt: skip
    if customer.member.pk != member.pk or not said.exists():
        raise TooLateToUnlink()
    unlink_contact(link.external_user_id, actor=actor, now=now, reason="撤销")


def number_of(external_user_id: str) -> str:
    """Return the card number of a member who came through the chat: one customer, one number."""
    return f"W{hashlib.sha256(external_user_id.encode()).hexdigest()[:15].upper()}"


def _nickname(external_user_id: str) -> str:
    return Contact.objects.filter(external_user_id=external_user_id).values_list("name", flat=True).first() or ""


def _must_be_free(customer: Customer, member: Member | None) -> FriendLink:
    if customer.link is None or not customer.is_friend:
        raise Conflict(_("他现在不是你的好友"))
    if customer.member is not None and (member is None or customer.member.pk != member.pk):
        raise KnownAlready()
    if customer.member is None and is_asked_about(customer.link.external_user_id):
        raise WithTheManager()
    return customer.link


def _is_somebodys(indexes: list[str]) -> bool:
    phones = MemberIdentity.objects.filter(kind=MemberIdentity.Kind.PHONE, value__in=indexes)
    return phones.exists() or Member.objects.filter(phone_index__in=indexes, status=Member.Status.ACTIVE).exists()


def _link_by_phone(link: FriendLink, indexes: list[str], *, now: datetime) -> Member | None:
    mark_stale([link.external_user_id], now=now)
    FriendLink.objects.filter(pk=link.pk).update(phone_indexes=[*dict.fromkeys([*link.phone_indexes, *indexes])])
    link_contacts([link.external_user_id], now=now)
    link.refresh_from_db()
    return link.member
