"""A guide presses a button of a task's card in her chat: the same acts as on the page, and the card says what came of it.

Presses come twice, late, or after the task was done, ended or handed on elsewhere. Each is kept with its answer, so that one
told again does nothing and is answered as before.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core import clock, outbox, words
from yejibao.core.errors import DomainError
from yejibao.core.models import OutboxMessage
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.events import CardClicked
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.messages import Text, request_bytes

from ..button_cards import DONE, LATER, card_of, read_task_id
from ..later import beyond_due, later_moments
from ..models import CardClick, Task
from ..wording import named, node_name
from .guards import lock
from .managing import put_off
from .sending import record_claimed

log = logging.getLogger(__name__)

CODE_LIVES = timedelta(hours=72)
CODE_SPENT = 60140
TOLD_FOR = timedelta(days=1)
KEPT = timedelta(days=30)
LATER_REASON = "guide_busy"


@dataclass(frozen=True)
class Answer:
    """What a press is answered: words for the card, and those of its dead button ("" where it may be pressed again)."""

    said: str
    done: str = ""
    was_done: bool = False


def answer_clicks(events: Sequence[CardClicked], *, door: Gateway) -> dict[str, int]:
    """Do what was asked and change the cards. Raises GatewayError where the platform is to be asked again later."""
    tally = {"done": 0, "refused": 0}
    for event in events:
        click = _act_once(event, now=clock.now())
        if click is None:
            continue
        tally["done" if click.was_done else "refused"] += 1
        if click.answered_at is None:
            _change_card(click, event, door=door)
    return tally


def _act_once(event: CardClicked, *, now: datetime) -> CardClick | None:
    """Do one press, in one transaction with its record; return the record, None for a card or person that is not ours."""
    numbers = read_task_id(event.task_id)
    person = Staff.objects.filter(wecom_user_id=event.userid).first()
    task = Task.objects.filter(pk=numbers[0]).first() if numbers else None
    if task is None or person is None or event.key not in (DONE, LATER):
        log.info("card %s pressed, but it is no task's of ours", event.task_id)
        return None
    seed = event.response_code or f"{event.task_id} {event.userid} {event.at} {event.key}"
    key = hashlib.sha256(seed.encode()).hexdigest()
    with transaction.atomic():
        lock(task)
        if known := CardClick.objects.filter(key=key).first():
            return known
        # The press counts from when it was made, however late we hear of it.
        clicked_at = clock.parse_iso(event.at)
        moment = clicked_at if max(task.open_at, now - CODE_LIVES) <= clicked_at <= now else now
        answer = _answer(task, person, event.key, moment)
        return CardClick.objects.create(
            key=key, task=task, staff=person, button=event.key, was_done=answer.was_done, said=answer.said[:120],
            done=answer.done, clicked_at=moment,
        )  # fmt: skip


def _answer(task: Task, person: Staff, key: str, now: datetime) -> Answer:
    """Act on a locked task, or say why not."""
    if not person.is_active:
        return Answer(_("你的账号已停用"), done=_("已停用"))
    if task.state != Task.State.OPEN:
        return _ended(task, person, now)
    if task.assignee_id != person.pk:
        return Answer(_("已转给%(name)s，不用你跟了") % {"name": task.assignee.display_name}, done=_("已转走"))
    if key == LATER and task.hidden_until and task.hidden_until > now:
        return _put_away(task, now)
    try:
        with transaction.atomic():
            if key == DONE:
                record_claimed(task, actor=actor_for(person), now=now)
                said = _("%(at)s 记为已联系，结果到任务里点") % {"at": words.clock_time(now)}
                return Answer(said, done=_("已完成"), was_done=True)
            moments = later_moments(task, now)
            if not moments:
                return Answer(_("这件快过期了，稍后就来不及了"))
            put_off(task, actor=actor_for(person), until=moments[0][0], reason=LATER_REASON, now=now)
            return _put_away(task, now, was_done=True)
    except DomainError as refusal:
        task.refresh_from_db()
        return Answer(refusal.detail or str(refusal.title))


def _put_away(task: Task, now: datetime, *, was_done: bool = False) -> Answer:
    assert task.hidden_until is not None
    said = _("%(at)s 再提醒你") % {"at": words.short_moment(task.hidden_until, now)}
    return Answer(said + beyond_due(task, now), done=_("已推后"), was_done=was_done)


def _ended(task: Task, person: Staff, now: datetime) -> Answer:
    """Say how a task has ended before this press."""
    label = str(task.get_state_display())
    if task.state == Task.State.DONE and task.done_at:
        at = words.short_moment(task.done_at, now)
        if task.done_by is None or task.done_by_id == person.pk:
            return Answer(_("%(at)s 已经做完了") % {"at": at}, done=label)
        return Answer(_("%(at)s 由%(name)s做完了") % {"at": at, "name": task.done_by.display_name}, done=label)
    if task.state == Task.State.SUPERSEDED:
        return Answer(_("他又来买了，新一轮跟进另外提醒你"), done=label)
    return Answer(_("这件事%(state)s，不用做了") % {"state": label}, done=label)


# ---------------------------------------------------------------- the card, or a line of text where it cannot be changed


def _change_card(click: CardClick, event: CardClicked, *, door: Gateway) -> None:
    """Show the answer on the card. A code that is spent or too old: she is told in a line of text instead."""
    numbers = read_task_id(event.task_id)
    assert numbers is not None
    [task] = named(Task.objects.filter(pk=click.task_id))
    card = card_of(task, number=numbers[1], today=clock.today(), said=click.said, done=click.done)
    is_shown = False
    try:
        if event.response_code:
            door.update_card(event.userid, response_code=event.response_code, card=card.payload(numbers[1]))
            is_shown = True
    except GatewayError as error:
        # Spent by a try of our own that nobody answered: it had arrived.
        is_shown = error.code == CODE_SPENT and click.is_unsure
        if error.may_have_happened:
            CardClick.objects.filter(pk=click.pk).update(is_unsure=True)
        if error.retryable:
            raise
        log.info("card of task %s not changed: %s", click.task_id, error)
    CardClick.objects.filter(pk=click.pk).update(answered_at=clock.now())
    if not is_shown and click.staff.is_active:
        now = clock.now()
        outbox.enqueue(
            [
                outbox.NewMessage(
                    "card_said", f"card:{click.pk}", event.userid, now, f"click:{click.pk}", now + TOLD_FOR, 2
                )
            ]
        )


class SaidInText:
    """The answer to a press as a line of text."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        numbers = {message.pk: int(message.subject.partition(":")[2]) for message in messages}
        clicks = {one.pk: one for one in CardClick.objects.filter(pk__in=numbers.values())}
        tasks = {one.pk: one for one in named(Task.objects.filter(pk__in=[one.task_id for one in clicks.values()]))}
        bodies: dict[int, bytes | None] = {}
        for message in messages:
            click = clicks.get(numbers[message.pk])
            if click is None:
                bodies[message.pk] = None
                continue
            task = tasks[click.task_id]
            text = Text(
                words=f"{task.name} · {node_name(task)}：{click.said}", path=f"/g/tasks/{task.pk}/", link="打开任务"
            )
            bodies[message.pk] = request_bytes(text, to=message.recipient, number=message.pk)
        return bodies

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return {message.pk for message in messages}


outbox.register_renderer("card_said", SaidInText())


def forget_clicks(*, now: datetime) -> int:
    """Drop presses that nobody will tell of again. Returns how many."""
    return CardClick.objects.filter(clicked_at__lt=now - KEPT).delete()[0]
