"""What the room hangs on the page beside the chat: the one thing to do now, ready to be sent, and what else is open."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.aftersale.models import Ticket
from crm.members.customers import Customer
from crm.nextbest.facts import WORK, OpenTask
from crm.orders.models import Order
from crm.tags.desk import ask_for
from guides.org.models import Store
from tasks.cadences.models import CadenceStep
from tasks.scripts.models import Script
from tasks.scripts.ranking import Offered, offer
from yejibao.core import access, reading, together, words
from yejibao.core.panels import Answer, panel

from . import hours
from .cards import above
from .labels import ON_ITS_PAGE_SQL, OUTCOMES
from .models import PendingSend, Task
from .next_work import JUST_DONE
from .proof import proof_of
from .queries.day import day_of, label_of
from .queries.story import chips_of
from .scoped import visible_ids
from .services.ticket_tasks import FIRST
from .ticket_pages import fit_of

OFFERS_SHOWN = 8
OTHERS_SHOWN = 6
FIRST_SHOWN, MINUTES_A_TASK = 3, 2  # after clocking in


@dataclass(frozen=True)
class Desk:
    """The tasks of one guide for one member."""

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


_MINE = "tasks_task x WHERE x.member_id = m.id AND x.assignee_id = %(me)s AND x.id IN (%(scope)s)"
_TASK = """x.*, (SELECT to_json(s) FROM guides_store s WHERE s.id = x.store_id) AS at_store,
    (SELECT to_json(o) FROM crm_order o WHERE o.id = x.order_id) AS of_order"""
DESK = together.Read(
    "desk",
    "json_build_array(%(now)s, {waiting}, {sent}, {pending})".format(
        waiting=together.rows(
            f"{_MINE} AND x.state = 'open' AND x.held_at IS NULL AND x.task_type NOT IN ({ON_ITS_PAGE_SQL})",  # nothing to say there
            "x.priority, x.tier_rank, x.due_at, x.id LIMIT 20",
            _TASK,
        ),
        sent=together.first(f"{_MINE} AND {JUST_DONE}", "x.done_at DESC, x.id DESC", _TASK),
        pending=together.first(
            """tasks_pendingsend x LEFT JOIN tasks_script d ON d.id = x.script_id
            WHERE x.member_id = m.id AND x.guide_id = %(me)s AND x.used_at IS NULL""",
            columns="x.*, to_json(d) AS said",
        ),
    ),
    lambda row: _read_desk(*row) if row else Desk([], [], None, None),
    scope=visible_ids,
)


def _read_desk(now: str, waiting: Any, sent: Any, pending: Any) -> Desk:
    moment = datetime.fromisoformat(now)

    def task_of(row: dict[str, Any]) -> Task:
        task = reading.row_of(Task, row)
        task.store = reading.row_of(Store, row["at_store"])
        task.order = reading.row_of(Order, row["of_order"]) if row["of_order"] else None
        return task

    tasks = [task_of(row) for row in waiting or ()]
    prepared = reading.row_of(PendingSend, pending) if pending else None
    if prepared:
        prepared.script = reading.row_of(Script, pending["said"]) if pending["said"] else None
    return Desk(
        open=[one for one in tasks if not one.hidden_until or one.hidden_until <= moment],
        later=[one for one in tasks if one.hidden_until and one.hidden_until > moment],
        sent=task_of(sent) if sent else None,
        pending=prepared,
    )


def _desk(request: HttpRequest, customer: Customer) -> Desk:
    """Return the desk of who asks, for the member of this page."""
    desk = DESK.of(request)
    for one in (*desk.open, *desk.later, *([desk.sent] if desk.sent else [])):
        one.member, one.assignee = customer.member, request.user  # they are her own
    return desk


@ask_for
def tags_to_ask(request: HttpRequest, **_: Any) -> Sequence[str]:
    """Name the tags that the step of the task at hand, or of the one just done, wants filled in."""
    return WORK.of(request).asks


@panel("sidebar", order=5, name="pending", reads=(DESK,))
def pending_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """What she prepared elsewhere stands on top, already filled in."""
    desk = _desk(request, customer)
    return _card(request, desk, customer, now) if desk.pending and desk.now else None


@panel("sidebar", order=20, name="due", reads=(DESK,))
def due_panel(request: HttpRequest, *, customer: Customer, now: datetime, alone: bool = False, **_: Any) -> Answer:
    """The one thing to do now: why, the words, the green button; or what was just sent, with its outcome chips."""
    desk = _desk(request, customer)
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


@panel("sidebar", order=50, name="more", reads=(DESK, WORK))
def more_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """还要做: the other open tasks for him, those put off too."""
    task = DESK.of(request).now
    shown = f"{above('tasks:task')}{task.pk}/" if task else ""
    return _listed("还要做", [one for one in WORK.of(request).mine if one.url != shown][:OTHERS_SHOWN], now)


def _listed(title: str, tasks: Sequence[OpenTask], now: datetime) -> SafeString:
    if not tasks:
        return SafeString(f'<section id="more-card" data-panel="more" hidden aria-label="{title}"></section>')
    return SafeString(
        f'<section id="more-card" data-panel="more" class="sec side-sec" aria-label="{title}"><div class="sec-h"><h2>{title}</h2>'
        f'<span class="cnt q">{len(tasks)}</span></div>\n'
        f'<div class="card flush">{"".join([_line(one, now) for one in tasks])}</div></section>'
    )


def _line(task: OpenTask, now: datetime) -> str:
    urgency = words.urgency(task.due_at, now)
    when = (
        f"{words.short_moment(task.hidden_until, now)} 再说"
        if task.is_later(now)
        else words.short_day(task.due_at, now)
    )
    return (
        f'<a class="cell plain" href="{task.url}"><span class="tag {words.tone(urgency)}">{escape(task.label)}</span>'
        f'<span class="grow fs14 ell">{escape(task.why)}</span>'
        f'<span class="fs12 {words.due_class(task.due_at, now)} nowrap">{when}</span></a>'
    )


@panel("after_clock_in", order=20, name="tasks")
def first_tasks_panel(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """What to do once she has clocked in: the first members of today's list. One statement."""
    day = day_of(access.actor_of(request).staff_id or 0, now=now)
    cards = [card for section in day.sections for card in section.cards][:FIRST_SHOWN]
    if not cards:
        return None
    facts = {"names": list(dict.fromkeys(card.name for card in cards)), "minutes": len(cards) * MINUTES_A_TASK}
    return "tasks/first_tasks.html", facts | {"urgency": cards[0].urgency, "count": day.open_count}


# How many wait on the list of who asks: the number beside 今日.
LISTED = together.Read(
    "listed",
    """(SELECT to_json(count(*)) FROM tasks_task x WHERE x.assignee_id = %(me)s AND x.state = 'open' AND x.held_at IS NULL
    AND (x.hidden_until IS NULL OR x.hidden_until <= %(now)s))""",
    lambda count: int(count or 0),
)


@panel("member", order=20, name="tasks", reads=(WORK, LISTED))
def tasks_panel(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """要做的: one's own open tasks for this member; each is done on its page."""
    request.open_task_count = LISTED.of(request)  # type: ignore[attr-defined]
    return _listed("要做的", WORK.of(request).mine, now)


@panel("ticket", order=10, name="say-in-chat")
def say_in_chat_panel(request: HttpRequest, *, ticket: Ticket, **_: Any) -> Answer:
    """去聊天发送: the first word of a ticket with the words of the task, where she is a friend of his."""
    mine = Task.objects.visible_to(access.actor_of(request)).filter(state=Task.State.OPEN)
    task = mine.filter(dedupe_key=f"{FIRST}:{ticket.pk}", channel=Task.Channel.WECOM).first()
    return ("tasks/say_in_chat.html", {"task": task}) if task else None
