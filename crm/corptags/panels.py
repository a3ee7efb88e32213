"""What the room hangs on other pages: the tags a friend has in the chat that are none of ours."""

from typing import Any

from django.http import HttpRequest

from crm.members.customers import Customer
from yejibao.core.panels import Answer, panel

from .queries import foreign_names


@panel("member", order=32, name="chat-tags")
def chat_tags_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """聊天里的别的标签: kept as they are; what is ours stands among the member's tags."""
    if customer.link is None or not customer.may_see_card or not customer.link.corp_tag_ids:
        return None
    names = foreign_names(customer.link.corp_tag_ids)
    return ("corptags/part_foreign.html", {"names": names}) if names else None
