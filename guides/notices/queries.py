"""One's own notifications, a page at a time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor

from .models import Notification

PAGE = 30
STAMP = "%Y%m%dT%H%M%S%f"
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


def read_page(actor: Actor, *, kind: str = "", before: str = "") -> Pageful:
    """Return a page of one's own, of one kind where it is named. One statement."""
    mine = Notification.objects.visible_to(actor)
    mine = mine.filter(kind=kind) if kind else mine
    if place := _read_place(before):
        mine = mine.filter(Q(at__lt=place[0]) | Q(at=place[0], pk__lt=place[1]))
    rows = list(mine.select_related("message").only(
        "kind", "title", "text", "at", "read_at", "message__state",
    ).order_by("-at", "-pk")[: PAGE + 1])  # fmt: skip
    days: list[tuple[datetime, list[Line]]] = []
    for row in rows[:PAGE]:
        line = Line(
            row.pk, row.kind, str(row.get_kind_display()), row.title, row.text, row.at, row.read_at is None,
            str(PUSHED.get(State(row.message.state), "")) if row.message else "",
        )  # fmt: skip
        if not days or clock.local_day(days[-1][0]) != clock.local_day(row.at):
            days.append((row.at, []))
        days[-1][1].append(line)
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    return Pageful(days, f"{last.at.astimezone(UTC).strftime(STAMP)}_{last.pk}" if last else "")


def _read_place(before: str) -> tuple[datetime, int] | None:
    """Return the moment and number a page ended with; None for what is no such place."""
    stamp, _, number = before.partition("_")
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC), int(number[:18])
    except ValueError:
        return None
