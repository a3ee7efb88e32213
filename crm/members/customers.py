"""Who sits at the other end of a chat, and may his card be seen."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from django.utils.translation import gettext_lazy as _

import crm
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import FriendLink, Member


class NotYourCustomer(NotFound):
    """The actor has no relation with the customer of this chat; said alike for customers nobody knows."""

    code, title = "member.not_your_customer", _("这位不是你的客户")


@dataclass(frozen=True)
class Customer:
    """Who sits at the other end of a chat. `member` is None for a customer no till knows yet."""

    link: FriendLink
    member: Member | None
    may_see_card: bool

    @property
    def is_friend(self) -> bool:
        return self.link.state in (FriendLink.State.FRIEND, FriendLink.State.PENDING_TRANSFER)

    @property
    def name(self) -> str:
        return self.member.name if self.member else self.link.remark or "微信客户"


def customer_of(actor: Actor, external_user_id: str) -> Customer:
    """Return the customer of the actor's own chat. The id comes from the page and proves nothing. Raises NotYourCustomer.

    The relation alone opens the chat's page; the card opens to those who may see it anyway (`Member.visible_to`).
    """
    links = FriendLink.objects.select_related("member__owner_guide", "member__main_store")
    link = (
        links.filter(guide_id=actor.staff_id, external_user_id=external_user_id).first() if external_user_id else None
    )
    if link is None:
        raise NotYourCustomer(_("先加上好友，再从他的聊天里打开业绩宝。"))
    member = link.member
    may_see = member is not None and Member.objects.visible_to(actor).filter(pk=member.pk).exists()
    return Customer(link, member, may_see)


@cache
def level_names() -> dict[str, str]:
    """Return 普通, 银卡 … by level key: the domain file's names without the word for member."""
    book = yaml.safe_load((Path(crm.__file__).parent / "data" / "models.yaml").read_text(encoding="utf-8"))
    return {row["key"]: str(row["name"]).removesuffix("会员") for row in book["member_level"]["levels"]}
