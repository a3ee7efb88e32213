"""An appointment is made, moved, called off, or kept waiting for: no slot has more than the store measures at once."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.org import matrix
from guides.org.models import Store
from yejibao.core import clock, words
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.one_by_one import work_off
from yejibao.core.scope import Actor

from ..hours import STILL, Slot, capacity_on, hours_of, is_open_on, spans_of, taken_at
from ..models import Fitting, FittingDay, FittingPlan
from ..queries import may_move_until, standing_in
from ..rules import DAYS_AHEAD, LEAD_MINUTES
from ..scoped import SERVE
from .keeping import Kind, held_by, note_step, set_on, tell_store, words_of
from .serving import who_measures

State, Channel = Fitting.State, Fitting.Channel


class SlotGone(Conflict):
    code, title = "fitting.slot_gone", _("这个时间刚被约满，换一个")


class BookedAlready(Conflict):
    code, title = "fitting.booked_already", _("已经约了一次量体，改时间请在那一次上改")


class TooLate(Conflict):
    code, title = "fitting.too_late", _("过了自己改约的时间，请联系导购")


@transaction.atomic
def book_fitting(
    member: Member, *, store: Store, starts_at: datetime, actor: Actor, now: datetime, wish: str = ""
) -> Fitting:  # fmt: skip
    """Book a slot of a store for a member; his own guide measures where she is there and free.

    Raises Invalid for a time that is no slot, SlotGone for one without a place, BookedAlready, Forbidden.
    """
    by_member = actor.kind == "member"
    if not by_member and not actor.has_role(*matrix.holders(SERVE)):
        raise Forbidden(permission=SERVE)
    if member.status != Member.Status.ACTIVE:
        raise Conflict(_("这张会员卡已经注销"))
    if Fitting.objects.filter(member=member, state=State.BOOKED).exists():
        raise BookedAlready()
    slot = _hold_slot(store, starts_at, now=now, by_member=by_member)
    guide_id = who_measures(member, store, starts_at=slot.starts_at, ends_at=slot.ends_at)
    try:
        with transaction.atomic():
            made = Fitting.objects.create(
                member=member, store=store, guide_id=guide_id, starts_at=slot.starts_at, ends_at=slot.ends_at,
                channel=Channel.MEMBER if by_member else Channel.GUIDE, wish=wish.strip()[:255], booked_at=now,
                booked_by_id=actor.staff_id,
            )  # fmt: skip
    except IntegrityError:  # fitting_one_booked: his other tap was faster
        raise BookedAlready() from None
    note_step(
        made, f"约了 {_when(made)}", actor=actor, now=now, kind=Kind.BOOKED, audited="fitting.booked", store_id=store.pk
    )
    tell_store(made, f"{member.called}约了量体：{_when(made)}", now=now, but=actor.staff_id)
    return made


@transaction.atomic
def move_fitting(
    fitting: Fitting, *, starts_at: datetime, actor: Actor, now: datetime, store: Store | None = None
) -> Fitting:  # fmt: skip
    """Move an appointment to another slot, at another store where one is named. The member himself up to a stated time.

    Raises as `book_fitting`, TooLate, NoSuchStep once he was measured.
    """
    held = held_by(fitting, actor)
    _must_be_booked(held)
    _must_be_early(held, actor, now=now)
    place = store or held.store
    if (place.pk, starts_at) == (held.store_id, held.starts_at):
        return held
    slot = _hold_slot(place, starts_at, now=now, by_member=actor.kind == "member", but=held.pk)
    before, former = _when(held), held.guide_id
    who = who_measures(held.member, place, starts_at=slot.starts_at, ends_at=slot.ends_at, but=held.pk)
    set_on(
        held,
        store_id=place.pk,
        guide_id=who,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        moved_count=held.moved_count + 1,
    )
    held.store = place
    note_step(
        held, f"从 {before} 改到 {_when(held)}", actor=actor, now=now, kind=Kind.MOVED, audited="fitting.rebooked",
        store_id=place.pk,
    )  # fmt: skip
    tell_store(held, f"{held.member.called}改约到{_when(held)}", now=now, people=[former], but=actor.staff_id)
    return held


@transaction.atomic
def cancel_fitting(fitting: Fitting, *, actor: Actor, now: datetime, reason: str = "") -> Fitting:
    """Call it off. The member until a stated time before it, and until he has confirmed; the store with a reason; what is
    being made only its manager.

    Raises TooLate, Forbidden, NoSuchStep, Invalid.
    """
    held = held_by(fitting, actor)
    if actor.kind == "member":
        if held.state == State.BOOKED:
            _must_be_early(held, actor, now=now)
        elif held.state != State.MEASURED:
            raise TooLate(_("已经确认过了，要取消请联系导购"))
        said = reason.strip()[:200] or "会员取消"
    else:
        said = words_of(reason)
    if held.state == State.MAKING and not actor.has_role("store_manager"):
        raise Forbidden(_("已经开裁了，取消要店长来"), permission="fitting.cancel_making")
    held.move_to(State.CANCELLED, now=now)
    note_step(held, said, actor=actor, now=now, deposit_fen=held.deposit_fen)
    tell_store(held, f"{held.member.called}的量体定制取消了", now=now, but=actor.staff_id)
    return held


@transaction.atomic
def mark_no_show(fitting: Fitting, *, actor: Actor, now: datetime) -> Fitting:
    """He did not come. Not before his time has begun."""
    held = held_by(fitting, actor)
    if now < held.starts_at:
        raise Conflict(_("还没到约好的时间"))
    held.move_to(State.NO_SHOW, now=now)
    note_step(held, "没有到店，想来的时候再约一次就好", actor=actor, now=now)
    return held


def end_missed(*, now: datetime) -> dict[str, int]:
    """Mark as missed what was booked for a day that is over and nobody was measured. After midnight; twice is like once."""
    midnight = clock.local_moment(clock.local_day(now), time())
    left = Fitting.objects.filter(state=State.BOOKED, starts_at__lt=midnight)
    actor = Actor.system("tailoring")
    return {"missed": work_off(left, lambda held: mark_no_show(held, actor=actor, now=now), most=1000)}


def make_room(kept_id: int, gone_id: int, now: datetime) -> None:
    """Call off the appointment of a card that becomes part of another with one: he comes once."""
    both = Fitting.objects.filter(state=State.BOOKED)
    if not both.filter(member_id=kept_id).exists():
        return
    for held in both.filter(member_id=gone_id):
        cancel_fitting(held, actor=Actor.system("tailoring"), reason="两张会员卡合成一张，留了另一次预约", now=now)


# ---------------------------------------------------------------- the slot


def _hold_slot(store: Store, starts_at: datetime, *, now: datetime, by_member: bool, but: int | None = None) -> Slot:
    """Return the slot that begins then, with the store locked so that nobody else counts it. Raises Invalid, SlotGone."""
    Store.objects.select_for_update(no_key=True).get(pk=store.pk)
    day = clock.local_day(starts_at)
    hours = hours_of(store, FittingPlan.objects.filter(store=store).first())
    span = next((one for one in spans_of(hours, day) if one[0] == starts_at), None)
    soonest = now + timedelta(minutes=LEAD_MINUTES.at(now)) if by_member else now - STILL
    last_day = clock.local_day(now) + timedelta(days=DAYS_AHEAD.at(now))
    if span is None or starts_at < soonest or day > last_day or not is_open_on(store, day):
        raise Invalid(
            _("这个时间约不了，选一个列出来的"),
            errors=[{"field": "slot", "code": "choice", "message": str(_("重新选一个时间"))}],
        )
    special = FittingDay.objects.filter(store=store, day=day).first()
    left = capacity_on(hours, special) - taken_at(span, standing_in(store, *span, but=but))
    if left <= 0:
        raise SlotGone()
    return Slot(*span, left=left)


def _must_be_booked(held: Fitting) -> None:
    if held.state != State.BOOKED:
        raise Conflict(_("已经%(state)s，不能再改时间") % {"state": held.get_state_display()})


def _must_be_early(held: Fitting, actor: Actor, *, now: datetime) -> None:
    if actor.kind == "member" and now > may_move_until(held, now=now):
        raise TooLate()


def _when(held: Fitting) -> str:
    return f"{words.long_day(held.day)} {words.clock_time(held.starts_at)} {held.store.short_name}"
