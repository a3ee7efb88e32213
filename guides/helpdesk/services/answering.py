"""The answering side: take, answer, give on; and what is kept of an answer for the next who asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from yejibao.core.finding import kept_words
from yejibao.core.scope import Actor

from ..models import AnswerHelped, HelpCategory, HqCall, HqCallMessage, KnowledgeDraft
from ..rules import clock_of
from ..scoped import answer_filter
from . import telling
from .asking import checked

Event = HqCallMessage.Event
State = HqCall.State
Ring = HqCall.Ring
KEEPER = "hq_training"  # who keeps the knowledge base


class AlreadyTaken(Conflict):
    code, title = "help.taken", _("已经有同事接了")


class NotYoursToAnswer(Forbidden):
    code, title = "perm.call_hq.answer", _("这一类不归你答复")


@transaction.atomic
def take(call: HqCall, *, actor: Actor, now: datetime, instead_of: int | None = None) -> HqCall:
    """接手: from now on it is his. `instead_of` names who has it now, to take it over from him.

    Raises NotYoursToAnswer, AlreadyTaken or Conflict.
    """
    held = _lock(call, actor)
    if not held.is_waiting:
        raise Conflict(_("这个问题已经答复了"))
    if held.assignee_id == actor.staff_id:
        return held
    if held.assignee_id not in (None, instead_of):
        raise AlreadyTaken(_("%(name)s刚接了这个问题") % {"name": held.assignee.name if held.assignee else ""})
    former = held.assignee_id
    _hand_to(held, actor.staff_id, now=now)
    telling.write_line(held, Event.TAKEN, "", by_id=actor.staff_id, now=now)
    telling.quiet(held, now=now)
    if former is None and held.first_answer_at is None:
        telling.tell_asker(held, f"{actor.name}在处理你的问题", held.question, now=now)
    return held


@transaction.atomic
def pass_on(
    call: HqCall,
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    category_id: int | None = None,
    staff_id: int | None = None,
) -> HqCall:
    """转给别人: to another category, whose clock starts anew, or to a colleague of one's own.

    Raises NotYoursToAnswer, Conflict or Invalid.
    """
    held = _lock(call, actor)
    reason = checked(reason, least=2)
    if not held.is_waiting:
        raise Conflict(_("这个问题已经答复了"))
    category = HelpCategory.objects.filter(pk=category_id, is_open=True).first() if category_id else held.category
    if category is None:
        raise Invalid(errors=[_wrong("category", _("没有这个分类"))])
    if staff_id is not None:
        person = telling.answerers(category, day=local_day(now)).filter(pk=staff_id).first()
        if person is None or person.pk == held.assignee_id and category.pk == held.category_id:
            raise Invalid(errors=[_wrong("staff", _("选这个部门的另一位同事"))])
    elif category.pk == held.category_id:
        raise Invalid(errors=[_wrong("category", _("选要转到哪个分类，或者哪位同事"))])
    telling.quiet(held, now=now)
    if category.pk != held.category_id:
        moments = clock_of(now, minutes=category.first_response_minutes, hours=category.solve_hours)
        held.move_to(
            State.REOPENED if held.state == State.REOPENED else State.OPEN, category_id=category.pk, assignee_id=None,
            due_at=moments.due_at, solve_due_at=moments.solve_due_at, ring=Ring.DUTY, ring_at=moments.all_at,
        )  # fmt: skip
        held.category, held.assignee = category, None
    to = category.name
    if staff_id is not None:
        _hand_to(held, staff_id, now=now)
        to = f"{to} · {person.name}" if person else to
    telling.write_line(held, Event.PASSED_ON, f"转给 {to}：{reason}", by_id=actor.staff_id, now=now)
    if staff_id is not None:
        telling.tell_assignee(held, f"转给你 · {category.name}", reason, now=now)
    else:
        telling.ring(held, Ring.DUTY, now=now, why="转来的问题")
    return held


@transaction.atomic
def answer(
    call: HqCall, text: str, *, actor: Actor, now: datetime, seen: int, photos: Sequence[UUID] = (),
    keep_as: tuple[str, str] | None = None,
) -> HqCall:  # fmt: skip
    """答复: the asker is told and asked how good it was. `keep_as`: question and answer as they are kept for all.

    `seen` is the newest line its writer saw. Raises NotYoursToAnswer, Stale when a colleague has answered meanwhile,
    Conflict or Invalid.
    """
    held, text = _lock(call, actor), checked(text, least=2)
    _must_have_seen(held, seen, actor)
    if held.state == State.CLOSED:
        raise Conflict(_("对方已经说解决了"))
    held.move_to(
        State.ANSWERED, answered_at=now, first_answer_at=held.first_answer_at or now, ring_at=None,
        assignee_id=held.assignee_id or actor.staff_id,
    )  # fmt: skip
    telling.write_line(held, Event.ANSWERED, text, photos, by_id=actor.staff_id, now=now)
    if keep_as:
        keep_answer(held, *keep_as, actor=actor, now=now)
    telling.quiet(held, now=now)
    telling.tell_asker(held, f"总部答复了 · {held.category.name}", text, now=now)
    return held


@transaction.atomic
def ask_back(call: HqCall, text: str, *, actor: Actor, now: datetime, seen: int, photos: Sequence[UUID] = ()) -> HqCall:
    """先回一句: asks for what is missing, or says that one is on it. It is a first answer, and no solution.

    Raises as `answer` does.
    """
    held, text = _lock(call, actor), checked(text, least=1)
    _must_have_seen(held, seen, actor)
    if not held.is_waiting:
        raise Conflict(_("这个问题已经答复了"))
    _hand_to(held, held.assignee_id or actor.staff_id, now=now, has_answered=True)
    telling.write_line(held, Event.SAID, text, photos, by_id=actor.staff_id, now=now)
    telling.quiet(held, now=now)
    telling.tell_asker(held, f"总部回了一句 · {held.category.name}", text, now=now)
    return held


def _hand_to(held: HqCall, staff_id: int | None, *, now: datetime, has_answered: bool = False) -> None:
    """Give a waiting question to one person; who is rung next depends on whether he has said a word yet."""
    stamps: dict[str, Any] = {"assignee_id": staff_id}
    said = has_answered or held.state == State.ANSWERING and held.first_answer_at is not None
    if has_answered and held.first_answer_at is None:
        stamps["first_answer_at"] = now
    ring_at = held.solve_due_at if said or held.due_at <= now else held.due_at
    if held.ring < Ring.LATE:
        stamps |= {"ring": Ring.HEAD if ring_at == held.solve_due_at else max(held.ring, Ring.ALL), "ring_at": ring_at}
    held.move_to(State.ANSWERING, **stamps)
    held.assignee = Staff.objects.filter(pk=staff_id).first() if staff_id else None


def release(staff_id: int, *, now: datetime) -> int:
    """Give back to the department what somebody had who left; all of it are rung. Returns how many."""
    count = 0
    rows = HqCall.objects.filter(assignee_id=staff_id, state__in=HqCall.WAITING).select_related(
        "category", "asker", "store"
    )
    with transaction.atomic():
        for held in rows.select_for_update(of=("self",)).order_by("pk"):
            back = State.REOPENED if held.state == State.REOPENED else State.OPEN
            held.move_to(back, assignee_id=None, ring=Ring.ALL, ring_at=max(held.due_at, now))
            telling.ring(held, Ring.ALL, now=now, why="同事离职，要人接")
            telling.write_line(held, Event.RUNG, "原来的同事离职，重新通知全部门", by_id=None, now=now)
            count += 1
    return count


# ---------------------------------------------------------------- what is kept


def keep_answer(call: HqCall, question: str, text: str, *, actor: Actor, now: datetime) -> KnowledgeDraft:
    """沉淀: keep question and answer, without names, for whoever asks the same. Again corrects it. Raises Invalid."""
    question, text = checked(question, least=4)[:200], checked(text, least=2)
    draft, _created = KnowledgeDraft.objects.update_or_create(
        call=call,
        defaults={
            "category_id": call.category_id, "question": question, "answer": text, "words": kept_words(question),
            "kept_by_id": actor.staff_id, "kept_at": now, "state": KnowledgeDraft.State.KEPT,
        },
    )  # fmt: skip
    return draft


def refuse_draft(draft: KnowledgeDraft, *, actor: Actor) -> None:
    """Show an answer to nobody any more: the rule has changed. By its department or training. Raises NotYoursToAnswer."""
    if not actor.has_role(draft.category.responder, KEEPER):
        raise NotYoursToAnswer(_("由答复的部门或培训部来定"))
    KnowledgeDraft.objects.filter(pk=draft.pk).update(state=KnowledgeDraft.State.REFUSED)


@transaction.atomic
def mark_helped(draft: KnowledgeDraft, *, actor: Actor, now: datetime) -> int:
    """这条帮到我了: counts once a person; nobody is rung. Returns how many it has helped. Raises NotFound."""
    if actor.staff_id is None:
        raise NotFound()
    try:
        with transaction.atomic():
            AnswerHelped.objects.create(draft=draft, staff_id=actor.staff_id, at=now)
    except IntegrityError:
        return draft.helped_count
    KnowledgeDraft.objects.filter(pk=draft.pk).update(helped_count=F("helped_count") + 1)
    return draft.helped_count + 1


# ---------------------------------------------------------------- one row, locked


def _lock(call: HqCall, actor: Actor) -> HqCall:
    """Take the row until the end of the transaction. Raises NotYoursToAnswer."""
    rows = HqCall.objects.filter(answer_filter(actor)).select_related("category", "asker", "store", "assignee")
    held = rows.select_for_update(of=("self",)).filter(pk=call.pk).first()
    if held is None or not actor.may("call_hq.answer"):
        raise NotYoursToAnswer()
    return held


def _must_have_seen(held: HqCall, seen: int, actor: Actor) -> None:
    """Raise Stale when a colleague or the asker has written since."""
    if HqCallMessage.objects.filter(call=held, pk__gt=seen).exclude(by_id=actor.staff_id).exists():
        raise Stale(_("刚刚有人在这里说了话，看过再发。你写的还在。"))


def _wrong(field: str, message: Any) -> dict[str, str]:
    return {"field": field, "code": "invalid", "message": str(message)}
