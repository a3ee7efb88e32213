"""What stands in 〔 〕 of a ready sentence, and what it becomes on one ticket. Fixed names, never a format string."""

import re
from dataclasses import dataclass
from datetime import datetime

from yejibao.core import words

from ..models import Ticket
from .models import ReplyTemplate

BLANK = re.compile(r"〔([^〕]{1,8})〕")
NAMES = ("称呼", "我", "衣服", "门店", "单号", "办完日")


@dataclass(frozen=True)
class Ready:
    """A sentence ready to be sent."""

    name: str
    text: str


def unknown_in(text: str) -> list[str]:
    """Return the blanks nobody knows how to fill."""
    return [name for name in BLANK.findall(text) if name not in NAMES]


def ready_for(ticket: Ticket, *, by: str, now: datetime) -> list[Ready]:
    """Return the sentences for a ticket, filled in; `by` is how whoever answers is called. One statement."""
    values = {
        "称呼": ticket.member.called, "我": by, "门店": ticket.store.short_name or ticket.store.name, "单号": ticket.number,
        "衣服": ticket.line.item_name if ticket.line else "您的衣服",
        "办完日": words.short_day(ticket.closing_due_at, now) if ticket.closing_due_at else "这几天",
    }  # fmt: skip
    rows = ReplyTemplate.objects.filter(is_open=True).order_by("place", "pk")
    return [
        Ready(row.name, BLANK.sub(lambda found: values.get(found[1], found[0]), row.text))
        for row in rows
        if not row.kinds or ticket.kind in row.kinds
    ]
