"""What the room hangs on other pages: the tags a friend has in the chat that are none of ours."""

from typing import Any

from django.http import HttpRequest

from yejibao.core.panels import Answer, panel

from .queries import FOREIGN


@panel("member", order=32, name="chat-tags", reads=(FOREIGN,))
def chat_tags_panel(request: HttpRequest, **_: Any) -> Answer:
    """聊天里的别的标签: kept as they are; what is ours stands among the member's tags."""
    names = FOREIGN.of(request)
    return ("corptags/part_foreign.html", {"names": names}) if names else None
