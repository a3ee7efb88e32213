"""Who sits at the other end of a chat, and may his card be seen."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

import crm
from yejibao.core import audit
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import NotFound
from yejibao.core.personal import blind_indexes, normal_phone
from yejibao.core.scope import Actor

from .models import FriendLink, Member, MemberQuerySet


class NotYourCustomer(NotFound):
    """The actor has no relation with the customer of this chat; said alike for customers nobody knows."""

    code, title = "member.not_your_customer", _("这位不是你的客户")


@dataclass(frozen=True)
class Customer:
    """Who this is about. `member` is None for a customer no till knows yet, `link` for a member who is no friend of hers."""

    link: FriendLink | None
    member: Member | None
    may_see_card: bool

    @property
    def is_friend(self) -> bool:
        return self.link is not None and self.link.state in (FriendLink.State.FRIEND, FriendLink.State.PENDING_TRANSFER)

    @property
    def remark(self) -> str:
        """What she herself calls him in the chat; empty where she has not."""
        return self.link.remark if self.link else ""


def customer_of(actor: Actor, external_user_id: str) -> Customer:
    """Return the customer of the actor's own chat. The id comes from the page and proves nothing. Raises NotYourCustomer.

    The relation alone opens the chat's page; the card opens to those who may see it anyway (`Member.visible_to`).
    """
    links = FriendLink.objects.select_related("member__owner_guide", "member__main_store")
    link = (
        links.filter(guide_id=actor.staff_id, external_user_id=external_user_id).first() if external_user_id else None
    )
    if link is None:
        raise NotYourCustomer(_("先加上好友，再从他的聊天里打开业绩宝。他可能是同事的客户，问店长。"))
    member = link.member
    may_see = member is not None and Member.objects.visible_to(actor).filter(pk=member.pk).exists()
    return Customer(link, member, may_see)


def member_in_chat(actor: Actor, external_user_id: str, *, otherwise: str) -> Member:
    """Return the member of the actor's own chat whose card he may open. Raises NotYourCustomer, or NotFound saying `otherwise`."""
    customer = customer_of(actor, external_user_id.strip()[:64])
    if customer.member is None or not customer.may_see_card:
        raise NotFound(otherwise)
    return customer.member


def member_of(actor: Actor, public_id: UUID) -> Customer:
    """Return a member whose card the actor may open, with the relation to her, if any. Raises NotFound."""
    found = Member.objects.visible_to(actor).select_related("owner_guide", "main_store").filter(public_id=public_id)
    member = found.first()
    if member is None:
        raise NotFound(_("这位会员找不到，或者不归你看。"))
    audit.saw_members(actor, [member.pk])
    link = FriendLink.objects.filter(member=member, guide_id=actor.staff_id).order_by("-added_at", "-pk").first()
    return Customer(link, member, may_see_card=True)


def find_members(actor: Actor, words: str) -> MemberQuerySet:
    """Return the members whose card the actor may open, the newest buyers first; `words`: part of a name, or a phone."""
    members = Member.objects.visible_to(actor).filter(status=Member.Status.ACTIVE).defer("phone", "birth_year")
    if words and (phone := normal_phone(words)):
        members = members.filter(phone_index__in=blind_indexes(phone, purpose="phone"))
    elif words:
        members = members.filter(Q(name__contains=words) | Q(salutation__contains=words) | Q(member_no=words))
    return members.order_by(F("last_purchase_on").desc(nulls_last=True), "pk")


@cache
def level_names() -> dict[str, str]:
    """Return 普通, 银卡 … by level key: the domain file's names without the word for member."""
    book = read_yaml(Path(crm.__file__).parent / "data" / "models.yaml")
    return {row["key"]: str(row["name"]).removesuffix("会员") for row in book["member_level"]["levels"]}
