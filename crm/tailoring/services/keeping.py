"""What every act on a fitting does: hold it, write the step, keep the trail, tell the others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.events import FittingChanged
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.queries import managers_of_stores
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import Fitting, FittingStep

LONGEST = 255
Kind = FittingStep.Kind


class MemberFirst(Conflict):
    """What only the member himself may do at this point."""

    code, title = "fitting.member_first", _("这一步要会员在自己的手机上确认")


def held_by(fitting: Fitting, actor: Actor) -> Fitting:
    """Return the fitting locked, if the actor may act on it: the member on his own, the people of the store."""
    # Without its relations: who waited for the lock would see those of before.
    held = Fitting.objects.select_for_update().get(pk=fitting.pk)
    if actor.kind == "member":
        may = held.member_id == actor.member_id
    else:
        may = Fitting.objects.served_by(actor).filter(pk=held.pk).exists()
    if not may:
        raise Forbidden(permission="fitting.serve")
    return held


def note_step(
    held: Fitting, text: str, *, actor: Actor, now: datetime, kind: str = Kind.STEP, is_shown: bool = True,
    audited: str = "fitting.moved", **facts: Any,
) -> FittingStep:  # fmt: skip
    """Write what happened: a line of the fitting, a row of the trail, and the event by which others hear of it."""
    step = FittingStep.objects.create(
        fitting=held, kind=kind, at=now, by_id=actor.staff_id, is_member=actor.kind == "member", is_shown=is_shown,
        text=text[:LONGEST], state=held.state,
    )  # fmt: skip
    audit.record(actor, audited, held, after={"state": held.state} | facts)
    outbox.publish(FittingChanged(held.pk))
    return step


def tell_store(
    held: Fitting, title: str, *, now: datetime, people: Iterable[int | None] = (), but: int | None = None
) -> None:
    """Tell who serves him, where nobody does the manager of the store. Of a member only how he is called."""
    wanted = [held.guide_id, *people] if held.guide_id else [_manager_of(held, now=now), *people]
    notice = Notice(
        "member", f"fitting:{held.pk}", title, f"/g/fittings/{held.pk}/", f"{held.member.called} · {held.number}"
    )
    chosen = dict.fromkeys(one for one in wanted if one is not None and one != but)
    tell_and_push([(one, notice) for one in chosen], now=now, priority=3)


def _manager_of(held: Fitting, *, now: datetime) -> int | None:
    return managers_of_stores([held.store_id], day=clock.local_day(now)).get(held.store_id)


def words_of(text: str, *, field: str = "text") -> str:
    """Return a sentence without its blanks. Raises Invalid where there is none, or too much."""
    words = text.strip()
    if not words or len(words) > LONGEST:
        raise Invalid(
            _("写一句为什么，最多 255 个字"),
            errors=[{"field": field, "code": "length", "message": str(_("写一句为什么"))}],
        )
    return words


def set_on(held: Fitting, **values: object) -> None:
    """Write columns of a held fitting."""
    Fitting.objects.filter(pk=held.pk).update(**values)
    for name, value in values.items():
        setattr(held, name, value)


@transaction.atomic
def note(fitting: Fitting, text: str, *, actor: Actor, now: datetime) -> FittingStep:
    """Leave words for colleagues; the member does not see them."""
    held = held_by(fitting, actor)
    return FittingStep.objects.create(
        fitting=held,
        kind=Kind.NOTE,
        at=now,
        by_id=actor.staff_id,
        is_shown=False,
        text=words_of(text),
        state=held.state,
    )
