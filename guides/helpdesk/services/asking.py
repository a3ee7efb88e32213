"""The asking side: a question, what is said after it, how good the answer was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Store
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.finding import kept_words
from yejibao.core.scope import Actor

from ..models import HelpCategory, HqCall, HqCallMessage
from ..rules import clock_of, rules
from ..scoped import open_categories, speaker_filter
from . import telling

LONGEST = 1_000
REOPEN_WITHIN = timedelta(days=7)
Event = HqCallMessage.Event
State = HqCall.State


class TooLate(Conflict):
    code, title = "help.too_late", _("这个问题结束一周以上了，请重新提一个")


class NotYoursToSay(Forbidden):
    code, title = "perm.call_hq.ask", _("只有提问的人和他的店长可以接着说")


@transaction.atomic
def ask(
    text: str, *, category: str, actor: Actor, now: datetime, photos: Sequence[UUID] = (), store: Store | None = None,
    is_urgent: bool = False,
) -> HqCall:  # fmt: skip
    """Ask HQ, in a category by its key: the person on duty is rung at once, or in the morning. Raises Forbidden or Invalid."""
    if not actor.may("call_hq.ask") or actor.staff_id is None:
        raise Forbidden(permission="call_hq.ask")
    text = checked(text, least=4)
    kind = HelpCategory.objects.filter(open_categories(actor), key=category).first()
    if kind is None:
        raise Invalid(errors=[_wrong("category", _("选一个分类，才知道找谁"))])
    place = store or Store.objects.filter(pk=actor.store_id or 0).first()
    if place is None or not Store.objects.visible_to(actor).filter(pk=place.pk).exists():
        raise Invalid(errors=[_wrong("store", _("选一下是哪家店"))])
    if place.kind == Store.Kind.DEALER and not kind.is_for_dealers:
        raise Invalid(errors=[_wrong("category", _("经销商的店不走这一类，请换一个分类"))])
    moments = clock_of(now, minutes=kind.first_response_minutes, hours=kind.solve_hours)
    call = HqCall.objects.create(
        category=kind, asker_id=actor.staff_id, asker_role=actor.working_role, store=place, question=text,
        words=kept_words(text), is_urgent=is_urgent, asked_at=now, touched_at=now, due_at=moments.due_at,
        solve_due_at=moments.solve_due_at, ring_at=moments.all_at,
    )  # fmt: skip
    telling.write_line(call, Event.SAID, text, photos, by_id=actor.staff_id, now=now)
    telling.ring(call, HqCall.Ring.DUTY, now=now)
    return call


@transaction.atomic
def follow_up(call: HqCall, text: str, *, actor: Actor, now: datetime, photos: Sequence[UUID] = ()) -> HqCall:
    """Say more. After an answer it asks again: the clock starts anew and whoever had it is rung.

    Raises NotYoursToSay, TooLate or Invalid.
    """
    held = lock_as_speaker(call, actor)
    text = checked(text, least=0 if photos else 1)
    if held.is_waiting:
        telling.write_line(held, Event.SAID, text, photos, by_id=actor.staff_id, now=now)
        telling.tell_assignee(held, f"补充 · {held.category.name}", text or "[照片]", now=now)
        return held
    _must_be_fresh(held, now)
    reopen(held, ring=HqCall.Ring.DUTY, now=now)
    telling.write_line(held, Event.REOPENED, text, photos, by_id=actor.staff_id, now=now)
    telling.tell_assignee(held, f"再次提问 · {held.category.name}", text or "[照片]", now=now)
    return held


@transaction.atomic
def rate(call: HqCall, stars: int, *, actor: Actor, now: datetime, note: str = "") -> HqCall:
    """Say how good the answer was: three stars and more close it, fewer open it again and ring the head.

    Raises NotYoursToSay, TooLate, Conflict (not answered yet, rated already) or Invalid.
    """
    held = lock_as_speaker(call, actor)
    if not 1 <= stars <= 5:
        raise Invalid(errors=[_wrong("stars", _("一到五星"))])
    if held.is_waiting:
        raise Conflict(_("还没有答复，先等一等"))
    if held.state == State.CLOSED and held.rating is not None:
        raise Conflict(_("已经评价过了"))
    note = checked(note, least=0)
    stamps: dict[str, Any] = {"rating": stars, "rated_at": now}
    telling.write_line(held, Event.RATED, f"{stars} 星" + (f"：{note}" if note else ""), by_id=actor.staff_id, now=now)
    if stars > rules().low_rating:
        held.move_to(State.CLOSED, closed_at=held.closed_at or now, ring_at=None, **stamps)
        return held
    _must_be_fresh(held, now)
    HqCall.objects.filter(pk=held.pk).update(**stamps)
    reopen(held, ring=HqCall.Ring.HEAD, now=now)
    telling.ring(held, HqCall.Ring.HEAD, now=now, why=f"评了 {stars} 星，要重新答复")
    telling.write_line(held, Event.REOPENED, "评分低，重新打开", by_id=None, now=now)
    return held


@transaction.atomic
def close(call: HqCall, *, actor: Actor, now: datetime) -> HqCall:
    """已解决: nobody need answer any more. Raises NotYoursToSay or Conflict."""
    held = lock_as_speaker(call, actor)
    if held.state == State.CLOSED:
        raise Conflict(_("已经结束了"))
    held.move_to(State.CLOSED, closed_at=now, ring_at=None)
    telling.write_line(held, Event.CLOSED, "", by_id=actor.staff_id, now=now)
    telling.quiet(held, now=now)
    return held


def reopen(held: HqCall, *, ring: int, now: datetime) -> None:
    """Start the clock anew; who had it keeps it."""
    moments = clock_of(now, minutes=held.category.first_response_minutes, hours=held.category.solve_hours)
    first = moments.all_at if ring == HqCall.Ring.DUTY and held.assignee_id is None else moments.due_at
    held.move_to(
        State.REOPENED, closed_at=None, answered_at=None, due_at=moments.due_at, solve_due_at=moments.solve_due_at,
        ring=ring, ring_at=first if ring < HqCall.Ring.HEAD else moments.solve_due_at, reopen_count=held.reopen_count + 1,
    )  # fmt: skip


def lock_as_speaker(call: HqCall, actor: Actor) -> HqCall:
    """Take the row until the end of the transaction. Raises NotYoursToSay."""
    rows = HqCall.objects.select_related("category", "asker", "store")
    held = rows.filter(speaker_filter(actor)).select_for_update(of=("self",)).filter(pk=call.pk).first()
    if held is None:
        raise NotYoursToSay()
    return held


def checked(text: str, *, least: int) -> str:
    """Return what somebody wrote, without blanks around it. Raises Invalid."""
    text = text.strip()
    if len(text) < least:
        raise Invalid(
            errors=[_wrong("text", _("写清楚一点：谁、什么货、要什么结果") if least > 1 else _("写一句再发"))]
        )
    if len(text) > LONGEST:
        raise Invalid(errors=[_wrong("text", _("最多 %(most)d 个字") % {"most": LONGEST})])
    return text


def _must_be_fresh(held: HqCall, now: datetime) -> None:
    if held.closed_at and now > held.closed_at + REOPEN_WITHIN:
        raise TooLate()


def _wrong(field: str, message: Any) -> dict[str, str]:
    return {"field": field, "code": "invalid", "message": str(message)}
