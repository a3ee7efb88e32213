"""The skip rules once more at the moment of sending, in the order of followup_3369.yaml `skip_rules`; the first hit decides.

The set-based twin is `tasks.followups.opening`. Here one row is judged, and the guide is told in a sentence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from crm.aftersale.models import Ticket
from crm.members.models import FriendLink, Member
from crm.orders.models import Order
from tasks.cadences.changes import complete_walked
from tasks.cadences.loading import read_book
from tasks.cadences.models import CadenceStep, CadenceVersion
from yejibao.core import clock

from .. import hours
from ..labels import REFUSALS
from ..models import Reach, Task, TaskMove

LOST = FriendLink.LOST


@dataclass(frozen=True)
class Hit:
    """A rule that held: its key, and what the guide is told."""

    reason: str
    said: str


def recheck(task: Task, *, now: datetime) -> Hit | None:
    """Judge a locked open task; a rule that holds has ended, held, moved or re-channelled it when this returns."""
    member = Member.objects.get(pk=task.member_id)
    step = CadenceStep.objects.filter(version_id=task.cadence_version_id, key=task.node).first()
    orders = Order.objects.filter(enrollment_causes__enrollment_id=task.enrollment_id) if task.enrollment_id else None
    if member.status != Member.Status.ACTIVE:
        return _end(task, Task.State.CANCELLED, "member_deleted", now)
    if orders is not None and not orders.filter(status="paid", net_amount_fen__gt=0).exists():
        return _end(task, Task.State.CANCELLED, "returned_full", now)
    if _bought_again(task):
        return Hit("repurchased", REFUSALS["repurchased"])  # its event supersedes the task in a moment
    if member.do_not_contact:
        return _end(task, Task.State.SKIPPED, "do_not_contact", now)
    channels = {task.channel, *(step.channels if step else ())}
    if task.nature != "service" and channels & set(member.marketing_opt_out):
        return _end(task, Task.State.SKIPPED, "unsubscribed", now)
    if step and step.held_by_ticket and orders is not None and _complaint(member, orders):
        _write(task, held_reason="aftersale", held_at=now, tell_at=None)
        return Hit("complaint_open", REFUSALS["complaint_open"])
    if task.channel == Task.Channel.WECOM and (hit := _no_friend(task, member, step, now)):
        return hit
    if said := _over_cap(task, step, today=clock.local_day(now)):
        return _shift(task, said, now)
    return None


def judge(task: Task, *, now: datetime) -> Hit | None:
    """Say which rule would hold for a locked task that is done, and leave it as it is."""
    with transaction.atomic():
        Task.objects.filter(pk=task.pk).update(state=Task.State.OPEN, done_at=None)
        task.refresh_from_db()
        hit = recheck(task, now=now)
        transaction.set_rollback(True)
    task.refresh_from_db()
    return hit


def _bought_again(task: Task) -> bool:
    """Tell whether a later full order reached the system whose event the engine has not handled yet."""
    if task.enrollment is None or task.enrollment.kind != "full":
        return False
    rules = _rules()
    return (
        Order.objects.filter(
            member_id=task.member_id, paid_on__gt=task.enrollment.anchor_on, status="paid", known_at__isnull=False,
            net_amount_fen__gte=rules.get("small_below_fen", 0), kind__in=rules.get("kinds", []),
        )
        .exclude(enrollment_causes__cadence_id=task.enrollment.cadence_id)
        .exists()
    )  # fmt: skip


def _complaint(member: Member, orders: Any) -> bool:
    blocking = Ticket.objects.filter(member=member, kind__in=["complaint", "return"])
    of_cycle = Q(order=None) | Q(order__in=orders.values("pk"))
    return blocking.exclude(state__in=Ticket.CLOSED_STATES).filter(of_cycle).exists()


def _no_friend(task: Task, member: Member, step: CadenceStep | None, now: datetime) -> Hit | None:
    """Decide about a message to somebody who is not, or no longer, the assignee's friend: a call, or nothing."""
    links = list(FriendLink.objects.filter(member=member).values_list("guide_id", "state", "ended_at"))
    own = {state for guide, state, _ in links if guide == task.assignee_id}
    if FriendLink.State.FRIEND in own:
        return None
    if any(state == FriendLink.State.PENDING_TRANSFER and ended is None for _, state, ended in links):
        return Hit("friend_pending", REFUSALS["friend_pending"])
    reason = "friend_lost" if own & set(LOST) else "no_channel"
    rule = step.friend_lost if step else "call"
    may_call = reason == "no_channel" or rule == "call"
    may_call |= rule == "call_if_valued" and member.tier_631 in ("core", "potential")
    if may_call and member.phone_consent:
        _write(task, channel=Task.Channel.CALL)
        return Hit(reason, REFUSALS["call_instead"])
    if reason == "no_channel" and step and step.offset_minutes is not None:
        _write(task, channel=Task.Channel.IN_STORE)  # the first touch is there to become friends
        return Hit(reason, REFUSALS["add_friend"])
    return _end(task, Task.State.SKIPPED, reason, now)


# ---------------------------------------------------------------- caps of the member


def _over_cap(task: Task, step: CadenceStep | None, *, today: date) -> str:
    """Return why the member has been contacted enough for today, or "". A repeat of this task's own contact is free."""
    caps = _rules().get("caps", {})
    reached = Reach.objects.filter(member_id=task.member_id, day__gt=today - timedelta(days=30)).exclude(task=task)
    rows: Iterable[tuple[date, str]] = list(reached.values_list("day", "nature"))
    week = sum(day > today - timedelta(days=7) for day, _ in rows)
    marketing = sum(nature == "marketing" for _, nature in rows)
    if any(day == today for day, _ in rows):
        return REFUSALS["contacted_today"]
    if not _weekly_exempt(task, step) and week >= caps.get("member_per_7_days", week + 1):
        return REFUSALS["contacted_week"]
    if task.nature == "marketing" and marketing >= caps.get("member_marketing_per_30_days", marketing + 1):
        return REFUSALS["contacted_month"]
    return ""


def _weekly_exempt(task: Task, step: CadenceStep | None) -> bool:
    if step:
        return step.weekly_cap_exempt
    return task.task_type in read_book("followup_3369")["caps"]["per_member"]["exempt_from_7_day"]


def _shift(task: Task, said: str, now: datetime) -> Hit:
    """Put the task off to the next morning, a recorded act; where it would expire before that, it is skipped."""
    tomorrow = clock.local_day(now) + timedelta(days=1)
    opens = hours.opening(task.store, tomorrow)
    if opens > task.expire_at:
        _end(task, Task.State.SKIPPED, "member_cap", now)
        return Hit("member_cap", said + REFUSALS["cap_skips"])
    due = max(task.due_at, min(hours.closing(task.store, tomorrow), task.expire_at))
    TaskMove.objects.create(task=task, reason="cap", old_due_at=task.due_at, new_due_at=due, at=now)
    _write(task, hidden_until=opens, hidden_reason="", due_at=due, tell_at=opens)
    return Hit("member_cap", said + REFUSALS["cap_shifts"] % {"opens": task.store.opens_at.strftime("%H:%M")})


# ---------------------------------------------------------------- small help


def _rules() -> dict[str, Any]:
    """Return the rules in force, or none before the cadence is loaded."""
    version = CadenceVersion.objects.filter(cadence__key="3369", state="published").first()
    return version.rules if version else {}


def _write(task: Task, **values: Any) -> None:
    for name, value in values.items():
        setattr(task, name, value)
    task.save(update_fields=list(values))


def _end(task: Task, state: str, reason: str, now: datetime) -> Hit:
    task.move_to(state, closed_reason=reason, closed_at=now, tell_at=None)
    if task.enrollment_id:
        complete_walked([task.enrollment_id], now=now)
    return Hit(reason, REFUSALS.get(reason, ""))
