"""Who measures: his own guide where she is there at that time, else her stand-in, else whoever of the store takes it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from crm.events import FittingChanged
from crm.members.models import Member
from guides.attendance.calendar import day_of, stand_ins
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.models import Staff, Store
from guides.org.queries import managers_of_stores
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from ..models import Fitting
from .keeping import held_by, note_step, set_on


class GuideBusy(Conflict):
    code, title = "fitting.guide_busy", _("这个时间你已经约了别的客人")


def who_measures(
    member: Member, store: Store, *, starts_at: datetime, ends_at: datetime, but: int | None = None
) -> int | None:  # fmt: skip
    """Return his own guide of that store, or who stands in for her that day; None where that one is not there or has another."""
    own = member.owner_guide
    if own is None or own.store_id != store.pk or not own.is_active:
        return None
    who = stand_ins([own.pk], clock.local_day(starts_at))[own.pk]
    if who is None or not _is_there(who, starts_at, ends_at) or is_busy(who, starts_at, ends_at, but=but):
        return None
    return who


def is_busy(guide_id: int, starts_at: datetime, ends_at: datetime, *, but: int | None = None) -> bool:
    """Tell whether a guide measures somebody else at that time."""
    rows = Fitting.objects.standing().filter(guide_id=guide_id, starts_at__lt=ends_at, ends_at__gt=starts_at)
    return rows.exclude(pk=but or 0).exists()


def _is_there(guide_id: int, starts_at: datetime, ends_at: datetime) -> bool:
    person = Staff.objects.select_related("store").get(pk=guide_id)
    day = clock.local_day(starts_at)
    hours = day_of(person, day).hours
    return (
        hours is not None
        and clock.local_moment(day, hours[0]) <= starts_at
        and ends_at <= clock.local_moment(day, hours[1])
    )


@transaction.atomic
def take(fitting: Fitting, *, actor: Actor, now: datetime) -> Fitting:
    """我来接: one of the store says that he serves this one. Raises GuideBusy, Conflict where another has it."""
    held = held_by(fitting, actor)
    if held.guide_id == actor.staff_id:
        return held
    if held.guide_id is not None and not actor.has_role("store_manager"):
        raise Conflict(_("同事已经接了"))
    if actor.staff_id and held.state == Fitting.State.BOOKED and is_busy(actor.staff_id, held.starts_at, held.ends_at):
        raise GuideBusy()
    set_on(held, guide_id=actor.staff_id)
    note_step(held, f"{actor.display_name or actor.name} 接待您", actor=actor, now=now, audited="fitting.taken")
    return held


# ---------------------------------------------------------------- leave, resignation, another store


@transaction.atomic
def follow_roster(*, now: datetime, staff_ids: Collection[int] | None = None) -> int:
    """Put right who measures the coming appointments: who is away that day, has left or changed the store gives way.

    Of these people and the members they care for, or of everybody. Where his own guide is there, it is she; what has
    nobody is told to the manager. Run twice it changes nothing. Returns how many changed hands.
    """
    coming = Fitting.objects.filter(state=Fitting.State.BOOKED, starts_at__gt=now)
    if staff_ids is not None:
        coming = coming.filter(Q(guide__in=staff_ids) | Q(guide=None, member__owner_guide__in=staff_ids))
    # One after the other: each looks at what the one before took. A store has a handful ahead.
    rows = coming.select_for_update()
    changed: list[Fitting] = []
    for held in rows.order_by("starts_at", "pk"):
        if held.guide_id is not None and _stays(held):
            continue
        who = who_measures(held.member, held.store, starts_at=held.starts_at, ends_at=held.ends_at, but=held.pk)
        if who != held.guide_id:
            set_on(held, guide_id=who)
            changed.append(held)
    changed += _pass_on_work_of_the_gone(staff_ids)
    for held in changed:
        outbox.publish(FittingChanged(held.pk))
    audit.record_each(
        Actor.system("tailoring"),
        "fitting.passed_on",
        Fitting._meta.label,
        {held.pk: {"guide": held.guide_id} for held in changed},
    )
    _tell(changed, now=now)
    return len(changed)


def _stays(held: Fitting) -> bool:
    """Tell whether who was chosen is still there: a colleague who took it keeps it."""
    guide = held.guide  # read under the lock
    return bool(
        guide
        and guide.is_active
        and guide.store_id == held.store_id
        and _is_there(guide.pk, held.starts_at, held.ends_at)
    )


def _pass_on_work_of_the_gone(staff_ids: Collection[int] | None) -> list[Fitting]:
    """What is being made is his own guide's to follow where who measured has left or works elsewhere, else the store's."""
    gone = ~Q(guide__state__in=Staff.MAY_SIGN_IN) | ~Q(guide__store=F("store"))
    rows = Fitting.objects.under_way().exclude(state=Fitting.State.BOOKED).filter(gone, guide__isnull=False)
    if staff_ids is not None:
        rows = rows.filter(guide__in=staff_ids)
    moved = list(rows.select_for_update(of=("self",)).order_by("pk"))
    for held in moved:
        own = held.member.owner_guide
        set_on(held, guide_id=own.pk if own and own.is_active and own.store_id == held.store_id else None)
    return moved


def _tell(changed: Collection[Fitting], *, now: datetime) -> None:
    today = clock.local_day(now)
    heads = managers_of_stores({held.store_id for held in changed}, day=today)
    given = Counter(held.guide_id or heads.get(held.store_id) for held in changed)
    nobody: defaultdict[int | None, int] = defaultdict(int)
    for held in changed:
        if held.guide_id is None:
            nobody[heads.get(held.store_id)] += 1
    told = [
        (
            who,
            Notice(
                "member", f"fittings:{today}", f"{count} 位量体的客人转到你这里", "/g/fittings/",
                "还没有人接待，安排一下" if nobody.get(who) else "同事那天不在",
            ),
        )
        for who, count in sorted((who, count) for who, count in given.items() if who)
    ]  # fmt: skip
    tell_and_push(told, now=now, priority=3)


def serving_names(fitting: Fitting) -> str:
    """Return who receives him, as the member reads it."""
    guide = fitting.guide
    return (guide.display_name or guide.name) if guide else "到店安排"


__all__ = ["GuideBusy", "follow_roster", "is_busy", "serving_names", "take", "who_measures"]
