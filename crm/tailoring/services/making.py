"""From his word to his wardrobe: confirmed by the member alone, cut, later than promised perhaps, ready, tried on, his."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Order, OrderLine
from yejibao.core import audit, clock, words
from yejibao.core.errors import Conflict, Invalid, NotFound, Stale
from yejibao.core.scope import Actor

from ..models import Fitting, MemberMeasure
from ..rules import rules
from .keeping import Kind, MemberFirst, held_by, note_step, set_on, tell_store, words_of

State = Fitting.State
FARTHEST = timedelta(days=180)
CONFIRMED_OF = ("garment", "quantity", "fabric", "styles", "works", "price_fen", "deposit_fen", "note")


def mark_of(fitting: Fitting) -> str:
    """Return a short mark of all that the member confirms: measures, garment, price, and the terms of this day."""
    measure = fitting.measure
    measured = [measure.values, measure.note] if measure else []
    facts = [*measured, *(getattr(fitting, name) for name in CONFIRMED_OF), rules().terms_version]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


@transaction.atomic
def confirm_by_member(fitting: Fitting, *, seen: str, actor: Actor, now: datetime) -> Fitting:
    """The member says yes on his own phone to his measures and to the making, which cannot be taken back (定制不退换).

    `seen` is the mark of what he read. Raises MemberFirst from anybody else, Stale where it was changed meanwhile.
    """
    if actor.kind not in ("member", "system"):
        raise MemberFirst()
    held = held_by(fitting, actor)
    if held.state == State.CONFIRMED and seen == mark_of(held):
        return held  # tapped twice
    if held.state == State.MEASURED and seen != mark_of(held):
        raise Stale(_("导购刚改过，请看最新的再确认"))
    held.move_to(State.CONFIRMED, now=now, confirmed_at=now, terms_version=rules().terms_version)
    MemberMeasure.objects.filter(fittings=held).update(confirmed_at=now)
    note_step(
        held, "确认了尺寸和做法，同意开始制作后不退换", actor=actor, now=now, audited="fitting.confirmed",
        terms=rules().terms_version, price_fen=held.price_fen,
    )  # fmt: skip
    tell_store(held, f"{held.member.called}确认了，可以下单制作", now=now)
    return held


def default_promise(fitting: Fitting, *, now: datetime) -> date:
    """Return the day on which it is ready where nobody says another."""
    garment = rules().garments.get(fitting.garment)
    return clock.local_day(now) + timedelta(days=garment.days if garment else 21)


@transaction.atomic
def start_making(fitting: Fitting, *, promised_on: date, actor: Actor, now: datetime) -> Fitting:
    """It is cut: from now on nothing can be changed. Only after the member's own word. Raises MemberFirst, Invalid."""
    held = held_by(fitting, actor)
    _by_the_store(actor)
    if held.state == State.MEASURED:
        raise MemberFirst(_("要等会员在手机上确认尺寸和做法"))
    _must_be_ahead(promised_on, now=now)
    held.move_to(State.MAKING, now=now, making_at=now, promised_on=promised_on, first_promised_on=promised_on)
    note_step(held, f"开始制作，预计 {words.long_day(promised_on)} 做好", actor=actor, now=now)
    return held


@transaction.atomic
def delay_making(fitting: Fitting, *, promised_on: date, reason: str, actor: Actor, now: datetime) -> Fitting:
    """It takes longer: another day, with the reason the member reads. Raises Invalid for a day that is not later."""
    held = held_by(fitting, actor)
    _by_the_store(actor)
    if held.state != State.MAKING or held.promised_on is None:
        raise Conflict(_("不在制作中，没有什么可延的"))
    before, said = held.promised_on, words_of(reason)
    if promised_on <= before:
        raise Invalid(errors=[{"field": "promised_on", "code": "range", "message": str(_("新的日子要比原来的晚"))}])
    _must_be_ahead(promised_on, now=now)
    set_on(held, promised_on=promised_on)
    note_step(
        held, f"要晚几天，改到 {words.long_day(promised_on)}：{said}", actor=actor, now=now, kind=Kind.DELAYED,
        audited="fitting.delayed", ends_on=promised_on.isoformat(),
    )  # fmt: skip
    return held


@transaction.atomic
def mark_ready(fitting: Fitting, *, actor: Actor, now: datetime) -> Fitting:
    """It hangs in the store and can be tried on."""
    held = held_by(fitting, actor)
    _by_the_store(actor)
    held.move_to(State.READY, now=now, ready_at=now)
    note_step(held, f"做好了，来{held.store.short_name}试穿取衣吧", actor=actor, now=now)
    return held


@transaction.atomic
def send_back(fitting: Fitting, *, promised_on: date, reason: str, actor: Actor, now: datetime) -> Fitting:
    """Tried on, it does not sit: it goes back to be altered, free of charge, until another day."""
    held = held_by(fitting, actor)
    _by_the_store(actor)
    said = words_of(reason)
    _must_be_ahead(promised_on, now=now)
    if held.state != State.READY:
        raise Conflict(_("试穿过的才能送回去修改"))
    held.move_to(State.MAKING, now=now, ready_at=None, promised_on=promised_on)
    note_step(held, f"试穿后送回修改：{said}，{words.long_day(promised_on)} 做好", actor=actor, now=now)
    return held


@transaction.atomic
def hand_over(fitting: Fitting, *, actor: Actor, now: datetime) -> Fitting:
    """Tried on and taken along: the end."""
    held = held_by(fitting, actor)
    _by_the_store(actor)
    held.move_to(State.COLLECTED, now=now)
    note_step(held, "试穿合身，取走了", actor=actor, now=now)
    return held


@transaction.atomic
def link_line(fitting: Fitting, line_id: int, *, actor: Actor, now: datetime) -> Fitting:
    """Say which line of the till this was: made for him alone, it does not come back without a fault (crm/orders/checkout/bars.py).

    Raises NotFound for a line that is not his, Conflict for one that came back or is another fitting's.
    """
    held = held_by(fitting, actor)
    _by_the_store(actor)
    line = OrderLine.objects.select_for_update(of=("self",)).filter(pk=line_id, order__member_id=held.member_id).first()
    if line is None or held.state in (State.BOOKED, State.CANCELLED, State.NO_SHOW):
        raise NotFound()
    if line.returned_quantity or Order.objects.filter(pk=line.order_id).exclude(status=Order.Status.PAID).exists():
        raise Conflict(_("这一件已经退了"))
    if Fitting.objects.filter(order_line=line).exclude(pk=held.pk).exists():
        raise Conflict(_("这一件已经算在别的定制单上"))
    former = held.order_line_id
    if former and former != line.pk:
        OrderLine.objects.filter(pk=former).update(is_made_to_measure=False)
    OrderLine.objects.filter(pk=line.pk).update(is_made_to_measure=True)
    set_on(held, order_line=line)
    audit.record(actor, "fitting.line_linked", held, after={"order": line.order_id, "lines": line.line_no})
    return held


def _by_the_store(actor: Actor) -> None:
    if actor.kind == "member":
        raise Conflict(_("这一步由门店来做"))


def _must_be_ahead(day: date, *, now: datetime) -> None:
    today = clock.local_day(now)
    if not today <= day <= today + FARTHEST:
        raise Invalid(errors=[{"field": "promised_on", "code": "range", "message": str(_("选今天以后半年内的一天"))}])
