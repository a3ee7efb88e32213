"""What the room hangs on the page beside the chat: the one thing to do now, ready to be sent, and what else is open."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from crm.members.customers import Customer
from crm.tags.desk import ask_for
from tasks.cadences.models import CadenceStep
from tasks.scripts.ranking import Offered, offer
from yejibao.core import access, words
from yejibao.core.panels import Answer, panel

from . import hours
from .labels import OUTCOMES
from .models import PendingSend, Task
from .proof import proof_of
from .queries.day import label_of
from .queries.story import chips_of
from .ticket_pages import fit_of

OFFERS_SHOWN = 8
OTHERS_SHOWN = 6
ASK_OUTCOME_FOR = timedelta(hours=72)  # after that 还没回 is no news
KEEP_ANSWERED_FOR = timedelta(minutes=10)  # so that a chip can still be changed


@dataclass(frozen=True)
class Desk:
    """The tasks of one guide for the member she is chatting with."""

    open: list[Task]
    later: list[Task]
    sent: Task | None
    pending: PendingSend | None

    @property
    def now(self) -> Task | None:
        """What was prepared comes first, else the most urgent."""
        if self.pending and (found := next((one for one in self.open if one.pk == self.pending.task_id), None)):
            return found
        return self.open[0] if self.open else None

    @property
    def others(self) -> list[Task]:
        return [one for one in [*self.open, *self.later] if one is not self.now]


def _desk(request: HttpRequest, customer: Customer, now: datetime) -> Desk:
    """Read it once a request; three panels look at it."""
    if (known := getattr(request, "_desk", None)) is not None:
        return known  # type: ignore[no-any-return]
    staff_id = access.actor_of(request).staff_id
    mine = Task.objects.visible_to(access.actor_of(request)).filter(member=customer.member, assignee_id=staff_id)
    waiting = list(
        mine.filter(state=Task.State.OPEN, held_at=None)
        .select_related("member", "assignee__store", "store", "order")
        .order_by("priority", "tier_rank", "due_at", "pk")[:20]
    )
    answered = Q(outcome="") | Q(outcome_at__gte=now - KEEP_ANSWERED_FOR)
    desk = Desk(
        open=[one for one in waiting if not one.hidden_until or one.hidden_until <= now],
        later=[one for one in waiting if one.hidden_until and one.hidden_until > now],
        sent=mine.filter(answered, state=Task.State.DONE, done_at__gte=now - ASK_OUTCOME_FOR)
        .select_related("member")
        .order_by("-done_at", "-pk")
        .first(),
        pending=PendingSend.objects.filter(member=customer.member, guide_id=staff_id, used_at=None)
        .select_related("script")
        .first(),
    )
    request._desk = desk  # type: ignore[attr-defined]
    return desk


@ask_for
def tags_to_ask(request: HttpRequest, *, customer: Customer, now: datetime) -> list[str]:
    """Name the tags that the step of the task at hand, or of the one just done, wants filled in."""
    desk = _desk(request, customer, now)
    task = desk.now or desk.sent
    if task is None or task.cadence_version_id is None:
        return []
    steps = CadenceStep.objects.filter(version_id=task.cadence_version_id, key=task.node)
    return steps.values_list("tag_prompts", flat=True).first() or []


@panel("sidebar", order=5, name="pending")
def pending_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """What she prepared elsewhere stands on top, already filled in."""
    desk = _desk(request, customer, now)
    return _card(request, desk, customer, now) if desk.pending and desk.now else None


@panel("sidebar", order=20, name="due")
def due_panel(request: HttpRequest, *, customer: Customer, now: datetime, alone: bool = False, **_: Any) -> Answer:
    """The one thing to do now: why, the words, the green button; or what was just sent, with its outcome chips."""
    desk = _desk(request, customer, now)
    if desk.pending and desk.now and not alone:
        return None
    return _card(request, desk, customer, now)


def _card(request: HttpRequest, desk: Desk, customer: Customer, now: datetime) -> Answer:
    facts: dict[str, Any] = {"sent": None, "task": None}
    if desk.sent:
        facts |= {
            "sent": desk.sent,
            "proof": proof_of(desk.sent, desk.sent.evidence.order_by("at", "pk")),
            "sent_label": label_of(desk.sent.task_type, desk.sent.node),
            "sent_when": words.short_moment(desk.sent.done_at, now).removeprefix("今天 "),
            "outcome_name": str(OUTCOMES.get(desk.sent.outcome, "")),
            "chips": _chips(desk.sent),
            "fit": fit_of(desk.sent, actor=access.actor_of(request), now=now),
        }
    if task := desk.now:
        offers = _offers(request, desk, task, now)
        facts |= {
            "task": task,
            "label": label_of(task.task_type, task.node),
            "offers": offers,
            "offers_json": json.dumps(offers, ensure_ascii=False),
            "first": offers[0] if offers else None,
            "is_prepared": bool(desk.pending and desk.pending.task_id == task.pk),
            "also": [{"task": one, "label": label_of(one.task_type, one.node)} for one in desk.open if one is not task],
            "is_open_hours": hours.is_open(task.store, now),
            "opens_at": hours.next_opening(task.store, now),
            "can_send": customer.is_friend,
        }
    return "sidebar/due.html", facts


def _chips(task: Task) -> list[tuple[str, str]]:
    """Return the outcomes to choose from; beside the chat of a friend, 加上好友了 is no news."""
    steps = CadenceStep.objects.filter(version_id=task.cadence_version_id, key=task.node)
    step = steps.first() if task.cadence_version_id else None
    return [(key, name) for key, name in chips_of(step) if key != "friend_added"]


def _offers(request: HttpRequest, desk: Desk, task: Task, now: datetime) -> list[dict[str, str]]:
    """Return the words on offer, what was prepared first."""
    found: list[Offered] = offer(task, guide=request.user, now=now)[:OFFERS_SHOWN]  # type: ignore[arg-type]
    rows = [{"key": one.key, "text": one.text, "marked": one.marked} for one in found]
    if desk.pending and desk.pending.task_id == task.pk:
        text = desk.pending.text
        same = next((row for row in rows if row["text"] == text), None)
        key = same["key"] if same else (desk.pending.script.key if desk.pending.script else "")
        rows = [same or {"key": key, "text": text, "marked": text}, *(row for row in rows if row is not same)]
    return rows


@panel("sidebar", order=50, name="more")
def more_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """还要做: the other open tasks for him, those put off too."""
    others = _desk(request, customer, now).others[:OTHERS_SHOWN]
    rows = [{"task": one, "label": label_of(one.task_type, one.node)} for one in others]
    return "sidebar/more.html", {"rows": rows}


@panel("member", order=20, name="tasks")
def tasks_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """要做的: one's own open tasks for this member; each is done on its page."""
    desk = _desk(request, customer, now)
    rows = [{"task": one, "label": label_of(one.task_type, one.node)} for one in [*desk.open, *desk.later]]
    return "sidebar/more.html", {"rows": rows, "title": "要做的"}
