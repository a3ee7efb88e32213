"""A day is counted, its breaks are answered, it is closed. Counting again changes nothing but what has changed."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, NotFound
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay

from ..models import Break, FinanceDay
from .fetching import NoBillYet, fetch, keep
from .matching import Found, compare, unheard
from .proving import prove
from .reading import Read
from .takings import keep_takings

log = logging.getLogger(__name__)

State = FinanceDay.State
WITHOUT_BILLS = (
    Break.Source.SALES,
    Break.Source.LEDGER,
)  # found, and healed, whether or not the provider's bill is there
LOOK_BACK = timedelta(days=14)  # so long a day with open breaks, or without a bill, is counted again by itself


class NotYetOver(Conflict):
    code, title = "finance.day_not_over", _("这一天还没过完")


class DayClosed(Conflict):
    code, title = "finance.day_closed", _("这一天已经关账")


class StillOpen(Conflict):
    code, title = "finance.still_open", _("还有差异没有处理，不能关账")


class OutOfBalance(Conflict):
    code, title = "finance.out_of_balance", _("台账没有平，不能关账，请先联系系统管理员")


class NoBill(Conflict):
    code, title = "finance.no_bill", _("微信账单还没到，不能关账")


def reconcile_due(*, now: datetime, seconds: float = 240.0) -> dict[str, int]:
    """Count yesterday, and days before that wait for a bill or have open breaks. Returns counts."""
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    yesterday = clock.local_day(now) - timedelta(days=1)
    again = FinanceDay.objects.filter(day__gte=yesterday - LOOK_BACK).exclude(state=State.CLOSED)
    again = again.exclude(state=State.COUNTED, difference_fen=0, in_balance=True)
    for day in sorted({yesterday, *again.values_list("day", flat=True)}, reverse=True):
        if clock.monotonic() > deadline:
            break
        done = reconcile(day, now=now)
        tally["days"] += 1
        tally["breaks"] += done.breaks.filter(state=Break.State.OPEN).count()
        tally["waiting"] += done.state == State.WAITING
    return dict(tally)


def reconcile(day: date, *, now: datetime) -> FinanceDay:
    """Fetch the day's bills and hold everything against everything. Safe to repeat; a closed day stays as it is.

    Calls the platform: no transaction open. Raises NotYetOver.
    """
    if day >= clock.local_day(now):
        raise NotYetOver()
    held, _created = FinanceDay.objects.get_or_create(day=day)
    if held.is_closed:
        return held
    error = ""
    try:
        bills = fetch(day, now=now)
    except NoBillYet as missing:
        bills, error = {}, missing.why
    _keep(held.pk, bills, now=now)
    if bills and (numbers := unheard(held)):
        wechatpay.recheck(numbers, now=now)
    return _count(held.pk, error=error, now=now)


@transaction.atomic
def _keep(pk: int, bills: dict[str, tuple[bytes, Read]], *, now: datetime) -> None:
    day = FinanceDay.objects.select_for_update().get(pk=pk)
    if not day.is_closed:
        keep(day, bills, now=now)


@transaction.atomic
def _count(pk: int, *, error: str, now: datetime) -> FinanceDay:
    day = FinanceDay.objects.select_for_update().get(pk=pk)
    if day.is_closed:
        return day
    has_bills = not error
    found = compare(day, has_bills=has_bills)
    figures = prove(day, now=now)
    _note(day, found, has_bills=has_bills, now=now)
    day.state = State.WAITING if error else State.COUNTED
    day.error, day.counted_at, day.runs = error[:64], now, day.runs + 1
    day.in_balance, day.proof = figures["ledger"]["in_balance"], figures
    day.difference_fen = open_difference(day)
    keep_takings(day, now=now)
    day.save(
        update_fields=["state", "error", "counted_at", "runs", "in_balance", "proof", "difference_fen", "takings_at"]
    )
    return day


def _note(day: FinanceDay, found: Sequence[Found], *, has_bills: bool, now: datetime) -> None:
    """Write what is new, heal what is gone, and leave answers alone unless the amounts have changed."""
    known = {(one.source, one.kind, one.number): one for one in day.breaks.all()}
    owner = _owner(clock.local_day(now))
    fresh = []
    for each in found:
        old = known.pop((each.source, each.kind, each.number), None)
        if old is None:
            fresh.append(
                Break(
                    day=day, source=each.source, kind=each.kind, number=each.number, what=each.what, ours_fen=each.ours_fen,
                    theirs_fen=each.theirs_fen, ours_said=each.ours_said[:32], owner=owner, found_at=now,
                )
            )  # fmt: skip
        elif old.state == Break.State.HEALED or (old.ours_fen, old.theirs_fen) != (each.ours_fen, each.theirs_fen):
            Break.objects.filter(pk=old.pk).update(
                state=Break.State.OPEN, ended_at=None, answer="", answered_by=None, ours_fen=each.ours_fen,
                theirs_fen=each.theirs_fen, ours_said=each.ours_said[:32],
            )  # fmt: skip
    Break.objects.bulk_create(fresh)
    gone = [
        one.pk for one in known.values() if one.state == Break.State.OPEN and (has_bills or one.source in WITHOUT_BILLS)
    ]
    Break.objects.filter(pk__in=gone).update(state=Break.State.HEALED, ended_at=now)


def _owner(day: date) -> Staff | None:
    """Return who closed the last day, else whoever is in finance: a break is somebody's from its first minute."""
    people = Staff.objects.employed().holding("finance", day=day)
    last = FinanceDay.objects.filter(state=State.CLOSED).order_by("-day").values_list("closed_by_id", flat=True).first()
    return people.filter(pk=last).first() or people.order_by("pk").first()


def open_difference(day: FinanceDay) -> int:
    """Return what the open breaks of a day come to, each without its sign; one of equal amounts counts whole."""
    total = 0
    for one in day.breaks.filter(state=Break.State.OPEN):
        total += abs(one.difference_fen) or abs(one.theirs_fen or one.ours_fen or 0) or 1
    return total


@transaction.atomic
def close_day(day: date, *, actor: Actor, now: datetime, note: str = "") -> FinanceDay:
    """Close a day for good: its difference is 0, or every break has its answer. Closed already is fine.

    Raises NoBill, OutOfBalance, StillOpen.
    """
    held = FinanceDay.objects.select_for_update().filter(day=day).first()
    if held is None:
        raise NotFound()
    if held.is_closed:
        return held
    if held.state != State.COUNTED:
        raise NoBill()
    if not held.in_balance:
        raise OutOfBalance()
    difference = open_difference(held)
    if difference:
        raise StillOpen(difference_fen=difference)
    held.state, held.closed_at, held.closed_by_id, held.note = State.CLOSED, now, actor.staff_id, note.strip()[:255]
    held.difference_fen = 0
    held.save(update_fields=["state", "closed_at", "closed_by", "note", "difference_fen"])
    audit.record(actor, "finance.day_closed", held, after=_said(held), reason=held.note)
    return held


def _said(day: FinanceDay) -> dict[str, Any]:
    answered = day.breaks.filter(state=Break.State.ANSWERED).count()
    wechat = day.proof.get("wechat", {})
    return {"day": day.day.isoformat(), "wechat_fen": wechat.get("theirs_fen"), "answered_breaks": answered}
