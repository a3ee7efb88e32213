"""Reads: threads, one's own questions, the queue of a department."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from yejibao.core import files
from yejibao.core.files import StoredFile
from yejibao.core.paging import Pageful, pageful
from yejibao.core.scope import Actor

from .models import HelpCategory, HqCall, HqCallMessage, KnowledgeDraft
from .scoped import open_categories, speaker_filter

TABS = (("waiting", "待处理"), ("mine", "我接的"), ("answered", "已答复"), ("all", "全部"))


@dataclass(frozen=True)
class Line:
    """One line of a thread as it is shown."""

    row: HqCallMessage
    photos: Sequence[StoredFile]
    is_of_asker: bool

    @property
    def is_said(self) -> bool:
        return self.row.event in (HqCallMessage.Event.SAID, HqCallMessage.Event.ANSWERED) or (
            self.row.event == HqCallMessage.Event.REOPENED and self.row.by_id is not None
        )


def thread_of(call: HqCall) -> list[Line]:
    """Return the lines of a thread, the oldest first. Two statements."""
    rows = list(HqCallMessage.objects.filter(call=call).select_related("by").order_by("pk"))
    photos = files.of("helpdesk", [row.pk for row in rows])
    return [Line(row, photos.get(row.pk, []), row.by_id == call.asker_id) for row in rows]


def own_page(actor: Actor, *, before: str = "", of_store: bool = False) -> Pageful[HqCall]:
    """Return what one asked, the newest first; with `of_store` what one's stores asked. One statement."""
    mine = HqCall.objects.filter(speaker_filter(actor) if of_store else Q(asker_id=actor.staff_id or 0))
    return pageful(mine.select_related("category", "store", "asker"), "asked_at", before)


def queue_page(actor: Actor, *, tab: str, before: str = "", category_id: int | None = None) -> Pageful[HqCall]:
    """Return a page of what is one's to answer: what waits by its clock, else the newest first. One statement."""
    rows = HqCall.objects.answered_by(actor).with_people()
    rows = rows.filter(category_id=category_id) if category_id else rows
    match tab:
        case "mine":
            return pageful(rows.filter(assignee_id=actor.staff_id), "touched_at", before)
        case "answered":
            return pageful(rows.filter(state__in=(HqCall.State.ANSWERED, HqCall.State.CLOSED)), "touched_at", before)
        case "all":
            return pageful(rows, "touched_at", before)
    return pageful(rows.filter(state__in=HqCall.WAITING), "due_at", before, is_rising=True)


def waiting_count(actor: Actor) -> int:
    """Return how many questions wait for this person: not taken yet, or his."""
    rows = HqCall.objects.answered_by(actor).filter(state__in=HqCall.WAITING)
    return rows.filter(Q(assignee=None) | Q(assignee_id=actor.staff_id)).count()


def open_count(actor: Actor) -> int:
    """Return how many of one's own questions have an answer to look at."""
    return HqCall.objects.filter(asker_id=actor.staff_id or 0, state=HqCall.State.ANSWERED).count()


def categories_for(actor: Actor) -> list[HelpCategory]:
    """Return what one may ask about, in order."""
    return list(HelpCategory.objects.filter(open_categories(actor)).order_by("place", "pk"))


def category_figures(*, since: datetime) -> dict[int, dict[str, Any]]:
    """Return of each category how many were asked since, answered in time, and rated low. One statement."""
    rows = (
        HqCall.objects.filter(asked_at__gte=since).order_by().values("category_id")
        .annotate(
            asked=Count("pk"), waiting=Count("pk", filter=Q(state__in=HqCall.WAITING)),
            low=Count("pk", filter=Q(rating__lte=2)), reopened=Count("pk", filter=Q(reopen_count__gt=0)),
        )
    )  # fmt: skip
    return {row["category_id"]: dict(row) for row in rows}


def drafts_page(actor: Actor, *, before: str = "") -> Pageful[KnowledgeDraft]:
    """Return what is kept, the newest first. One statement."""
    return pageful(KnowledgeDraft.objects.visible_to(actor).select_related("category", "kept_by"), "kept_at", before)
