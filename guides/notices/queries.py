"""One's own notifications, a page at a time."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock
from yejibao.core.models import OutboxMessage
from yejibao.core.paging import page
from yejibao.core.scope import Actor

from .models import Notification

PAGE = 30
State = OutboxMessage.State
# What came of the push, in a word; of one that is on its way nothing is said.
PUSHED = {
    State.SENT: _("企业微信已送达"), State.FAILED: _("企业微信没送到"), State.PARKED: _("企业微信没送到"),
    State.CLOSED: _("企业微信没送到"), State.EXPIRED: _("企业微信没送到"),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One notification as it is shown."""

    pk: int
    kind: str
    kind_name: str
    title: str
    text: str
    at: datetime
    is_unread: bool
    pushed: str


@dataclass(frozen=True)
class Pageful:
    """Some notifications, the newest first, by day; `before` is where the next ones begin, "" at the end."""

    days: list[tuple[datetime, list[Line]]]
    before: str


def read_page(actor: Actor, *, kind: str = "", before: str = "", only_unread: bool = False) -> Pageful:
    """Return a page of one's own, of one kind where it is named. One statement."""
    mine = Notification.objects.visible_to(actor)
    mine = mine.unread() if only_unread else mine
    mine = mine.filter(kind=kind) if kind else mine
    mine = mine.select_related("message").only("kind", "title", "text", "at", "read_at", "message__state")
    rows, more = page(mine, "at", before=before, size=PAGE)
    days: list[tuple[datetime, list[Line]]] = []
    for row in rows[:PAGE]:
        line = Line(
            row.pk, row.kind, str(row.get_kind_display()), row.title, row.text, row.at, row.read_at is None,
            str(PUSHED.get(State(row.message.state), "")) if row.message else "",
        )  # fmt: skip
        if not days or clock.local_day(days[-1][0]) != clock.local_day(row.at):
            days.append((row.at, []))
        days[-1][1].append(line)
    return Pageful(days, more)


def unread_by_kind(actor: Actor) -> dict[str, int]:
    """Return how many of one's own are unread, by kind; kinds with none are left out. One statement."""
    rows = Notification.objects.visible_to(actor).unread().order_by().values_list("kind").annotate(Count("pk"))
    return dict(rows)
