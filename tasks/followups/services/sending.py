"""Words leave for the member, and what is known to have come of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.aftersale.models import Ticket
from crm.members.models import FriendLink, Member
from crm.members.services import set_do_not_contact
from crm.orders.models import Order
from tasks.cadences.changes import complete_walked
from tasks.cadences.models import Enrollment
from tasks.scripts.models import Script, ScriptUse
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .. import hours
from ..labels import CALL_RESULTS, OUTCOMES, SKIP_WORDS
from ..models import PendingSend, Reach, Task, TaskEvidence
from .finishing import finish

UNDO_FOR = timedelta(seconds=5)
UNDO_FOR_CARE = timedelta(seconds=10)  # large-type mode


class QuietHours(Conflict):
    code, title = "quiet_hours", _("免打扰时段")


class NotSendable(Conflict):
    """A skip rule held at the moment of sending; the task was ended, held or put off accordingly."""

    code, title = "task.not_sendable", _("现在不能发给他")


class NotYourTask(Forbidden):
    code, title = "perm.task", _("这件事不归你做")


def prepare_send(task: Task, *, actor: Actor, script_key: str, text: str, now: datetime) -> PendingSend:
    """Keep what is about to be sent and check the rules once more before it leaves. Evidence level 1.

    Raises QuietHours outside business hours and NotSendable when a skip rule holds now (the task is ended, held or put
    off by that rule in its own transaction, so that the refusal does not undo it).
    """
    _may_act(task, actor)
    _open_or_conflict(task)
    _refuse_quiet_hours(task, now)
    reason = _recheck(task, now=now)
    if reason:
        raise NotSendable(SKIP_WORDS.get(reason, ""), reason=reason)
    if not text.strip():
        raise Invalid(_("先写一句话再发"), errors=[{"field": "text", "code": "required", "message": "话术是空的"}])
    with transaction.atomic():
        PendingSend.objects.filter(member_id=task.member_id, guide_id=actor.staff_id, used_at=None).delete()
        pending = PendingSend.objects.create(
            task=task, member_id=task.member_id, guide_id=actor.staff_id, text=text, created_at=now,
            script=Script.objects.filter(key=script_key, is_current=True).first() if script_key else None,
        )  # fmt: skip
        add_evidence(task, kind="tool_opened", level=1, actor=actor, now=now, payload={"script": script_key})
    return pending


@transaction.atomic
def record_sent(
    task: Task, *, actor: Actor, text: str, now: datetime, script_key: str = "", was_edited: bool = False,
    receipt: dict[str, Any] | None = None, also: Sequence[int] = (), care_mode: bool = False,
) -> Task:  # fmt: skip
    """The client said the message left (`sendChatMessage:ok`): evidence level 2, the task is done.

    A receipt inside quiet hours is rejected. A task that ended in the meantime keeps its state; evidence and reach are
    still written, because the message did leave.
    """
    _may_act(task, actor)
    _refuse_quiet_hours(task, now)
    return _finish(
        task, kind="chat_sent", level=2, actor=actor, now=now, is_auto=True, also=also, care_mode=care_mode,
        payload={"script": script_key, "receipt": receipt or {}}, text=text, script_key=script_key, was_edited=was_edited,
    )  # fmt: skip


@transaction.atomic
def record_claimed(
    task: Task, *, actor: Actor, now: datetime, text: str = "", script_key: str = "", also: Sequence[int] = (),
    care_mode: bool = False,
) -> Task:  # fmt: skip
    """The guide says she pasted it herself (我发了): level 0, marked 手动, sampled by the spot check."""
    _may_act(task, actor)
    _open_or_conflict(task)
    _refuse_quiet_hours(task, now)
    return _finish(
        task, kind="chat_claimed", level=0, actor=actor, now=now, is_auto=False, also=also, care_mode=care_mode,
        payload={"script": script_key}, text=text, script_key=script_key, was_edited=False,
    )  # fmt: skip


@transaction.atomic
def log_call(task: Task, *, actor: Actor, result: str, note: str, now: datetime, also: Sequence[int] = ()) -> Task:
    """Keep the result of a call. Connected is level 2; 未接 closes the task only the second time, on another day."""
    _may_act(task, actor)
    _open_or_conflict(task)
    _refuse_quiet_hours(task, now)
    if result not in CALL_RESULTS:
        raise Invalid(errors=[{"field": "result", "code": "choice", "message": "请选择通话结果"}])
    if len(note.strip()) < 5:
        raise Invalid(errors=[{"field": "note", "code": "too_short", "message": "说明至少 5 个字"}])
    payload = {"result": result, "note": note.strip()}
    if result == "no_answer":
        before = TaskEvidence.objects.filter(task=task, kind="call_tried").values_list("at", flat=True)
        if not any(clock.local_day(at) < clock.local_day(now) for at in before):
            add_evidence(task, kind="call_tried", level=0, actor=actor, now=now, payload=payload)
            return task
    done = _finish(
        task, kind="call_logged", level=2 if result == "connected" else 0, actor=actor, now=now, is_auto=False, also=also,
        payload=payload, reached=result == "connected", channel="manual_call",
    )  # fmt: skip
    if result == "no_answer":
        set_outcome(done, actor=actor, outcome="no_reply", now=now)
    return done


@transaction.atomic
def set_outcome(task: Task, *, actor: Actor, outcome: str, now: datetime, visit_at: datetime | None = None) -> Task:
    """Set or change what came of it; never blocks done. 别再打扰 is kept everywhere at once, 约到店 counts as level 4."""
    _may_act(task, actor)
    if outcome not in OUTCOMES:
        raise Invalid(errors=[{"field": "outcome", "code": "choice", "message": "没有这个结果"}])
    task.outcome, task.outcome_at = outcome, now
    task.save(update_fields=["outcome", "outcome_at"])
    if outcome == "do_not_disturb":
        set_do_not_contact(task.member, actor=actor, reason="会员对导购说别再打扰", now=now)
    if outcome == "visit_booked" and visit_at:
        add_evidence(
            task, kind="visit_booked", level=4, actor=actor, now=now, payload={"visit_at": visit_at.isoformat()}
        )
    return task


@transaction.atomic
def undo(task: Task, *, actor: Actor, now: datetime) -> Task:
    """Take a done back within seconds: open again. What already left stays reached; a mere claim is withdrawn."""
    _may_act(task, actor)
    if task.undo_until is None or now > task.undo_until:
        raise Conflict(_("过了撤销的时间"))
    reopened = {"done_at": None, "done_by": None, "undo_until": None, "outcome": "", "outcome_at": None}
    task.move_to(Task.State.OPEN if now <= task.expire_at else Task.State.EXPIRED, **reopened)
    if task.enrollment_id:
        Enrollment.objects.filter(pk=task.enrollment_id, status="completed").update(status="active", closed_at=None)
    Reach.objects.filter(task=task, level__lt=2).delete()
    TaskEvidence.objects.create(task=task, kind="undone", level=0, at=now, by_id=actor.staff_id)
    return task


def add_evidence(
    task: Task, *, kind: str, level: int, now: datetime, actor: Actor | None = None, payload: dict[str, Any] | None = None,
    is_auto: bool = False,
) -> TaskEvidence:  # fmt: skip
    """Add proof to a task; the task keeps the highest level with its kind and time."""
    row = TaskEvidence.objects.create(
        task=task, kind=kind, level=level, payload=payload or {}, is_auto=is_auto, at=now,
        by_id=actor.staff_id if actor else None,
        on_behalf_of_id=task.assignee_id if actor and actor.staff_id and actor.staff_id != task.assignee_id else None,
    )  # fmt: skip
    if level > (task.evidence_level if task.evidence_level is not None else -1):
        task.evidence_kind, task.evidence_level, task.evidence_at = kind, level, now
        task.save(update_fields=["evidence_kind", "evidence_level", "evidence_at"])
    return row


def _finish(
    task: Task, *, kind: str, level: int, actor: Actor, now: datetime, is_auto: bool, payload: dict[str, Any],
    also: Sequence[int] = (), text: str = "", script_key: str = "", was_edited: bool = False, reached: bool = True,
    channel: str = "wecom_message", care_mode: bool = False,
) -> Task:  # fmt: skip
    """Close a task, and those ticked 顺带, with the same proof; keep which words were used."""
    merged = Task.objects.filter(
        pk__in=also, member_id=task.member_id, state="open", assignee_id=task.assignee_id, held_at=None
    ).exclude(pk=task.pk)
    ids = [task.pk, *merged.values_list("pk", flat=True)]
    closed = finish(
        ids, kind=kind, level=level, now=now, by=actor.staff_id, is_auto=is_auto, payload=payload, reached=reached,
        channel=channel, undo_for=UNDO_FOR_CARE if care_mode else UNDO_FOR,
    )  # fmt: skip
    if actor.staff_id != task.assignee_id:
        for pk in closed:
            audit.record(actor, "task.completed", "tasks.Task", resource_id=str(pk), on_behalf_of_id=task.assignee_id)
    if text:
        script = Script.objects.filter(key=script_key, is_current=True).first() if script_key else None
        ScriptUse.objects.create(
            script=script, script_key=script_key, task=task, member_id=task.member_id, guide_id=actor.staff_id,
            was_edited=was_edited, text=text if was_edited or not script else "", at=now,
        )  # fmt: skip
        PendingSend.objects.filter(member_id=task.member_id, guide_id=actor.staff_id, used_at=None).update(used_at=now)
    task.refresh_from_db()
    return task


def _may_act(task: Task, actor: Actor) -> None:
    """The assignee acts; her store manager may act for her (written on behalf). Everybody else is refused."""
    if actor.is_system or task.assignee_id == actor.staff_id:
        return
    manages = any(task.store.unit.path.startswith(g.path) for g in actor.reach("store_manager") if g.path)
    if not manages:
        raise NotYourTask()


def _open_or_conflict(task: Task) -> None:
    if task.state != Task.State.OPEN:
        raise Conflict(_("这件事已经是「%(state)s」了") % {"state": task.get_state_display()})
    if task.held_at:
        raise Conflict(_("这件事暂缓中，放出来以后再做"))


def _refuse_quiet_hours(task: Task, now: datetime) -> None:
    if not hours.is_open(task.store, now):
        opens = task.store.opens_at.strftime("%H:%M")
        raise QuietHours(_("免打扰时段，%(opens)s 后可以发") % {"opens": opens}, opens_at=opens)


def _recheck(task: Task, *, now: datetime) -> str:
    """Check the skip rules again at sending, in their order. Ends, holds or puts off the task; returns the reason."""
    member = Member.objects.get(pk=task.member_id)
    orders = Order.objects.filter(enrollment_causes__enrollment_id=task.enrollment_id) if task.enrollment_id else None
    link = FriendLink.objects.filter(member=member, guide_id=task.assignee_id).order_by("-added_at").first()
    if member.status != Member.Status.ACTIVE:
        return _end(task, Task.State.CANCELLED, "member_deleted", now)
    if orders is not None and not orders.filter(status="paid", net_amount_fen__gt=0).exists():
        return _end(task, Task.State.CANCELLED, "returned_full", now)
    if member.do_not_contact:
        return _end(task, Task.State.SKIPPED, "do_not_contact", now)
    if task.nature != "service" and task.channel in member.marketing_opt_out:
        return _end(task, Task.State.SKIPPED, "unsubscribed", now)
    if task.nature != "service" and orders is not None:
        blocking = Ticket.objects.filter(member=member, kind__in=["complaint", "return"]).exclude(
            state__in=Ticket.CLOSED_STATES
        )
        if any(ticket.order_id is None or orders.filter(pk=ticket.order_id).exists() for ticket in blocking):
            Task.objects.filter(pk=task.pk, state="open").update(held_reason="aftersale", held_at=now, tell_at=None)
            return "complaint_open"
    if task.channel == Task.Channel.WECOM and link and link.state in ("deleted_by_member", "blocked"):
        if member.phone_consent and task.node in ("m30", "d3"):
            Task.objects.filter(pk=task.pk).update(channel=Task.Channel.CALL)
            return "friend_lost"
        return _end(task, Task.State.SKIPPED, "friend_lost", now)
    return ""


def _end(task: Task, state: str, reason: str, now: datetime) -> str:
    with transaction.atomic():
        task.move_to(state, closed_reason=reason, closed_at=now, tell_at=None)
        if task.enrollment_id:
            complete_walked([task.enrollment_id], now=now)
    return reason
