"""Words leave for the member, and what is known to have come of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.members.services import lock_members, set_do_not_contact
from crm.visits.services import invite
from tasks.scripts.models import Script, ScriptUse
from yejibao.core import clock, outbox
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.events import DutyFinished
from yejibao.core.scope import Actor

from ..labels import CALL_RESULTS, ON_ITS_PAGE, OUTCOMES
from ..models import PendingSend, Task, TaskEvidence
from .finishing import add_evidence, finish, reopen
from .guards import (
    doer,
    lock,
    may_act,
    must_be_open,
    must_be_said,
    no_quiet_hours,
    note_on_behalf,
    was_closed_in_silence,
)
from .rechecking import judge, recheck
from .visit_tasks import cause_of, prove_booked

# What was said goes to the ticket; who was asked to come is told from then on.
TOLD_BELOW = {"aftersale_first_response": "ticket", "survey_low_score": "ticket", "visit_invite": "visit"}
UNDO_FOR = timedelta(seconds=5)
UNDO_FOR_CARE = timedelta(seconds=10)  # large-type mode


class NotSendable(Conflict):
    """A skip rule held at the moment of sending; the task was ended, held or put off accordingly."""

    code, title = "task.not_sendable", _("现在不能发给他")


def prepare_send(task: Task, *, actor: Actor, script_key: str, text: str, now: datetime) -> PendingSend:
    """Keep what is about to be sent and check the rules once more before it leaves. Evidence level 1.

    Raises QuietHours outside business hours and NotSendable when a skip rule holds now. What that rule did to the task is
    committed before the refusal is raised; a caller with a transaction of its own keeps it (idempotency `keeping`). A task
    that a tag or a new friend closed while her page stood open can still be said: it stays done.
    """
    if not text.strip():
        raise Invalid(_("先写一句话再发"), errors=[{"field": "text", "code": "required", "message": "话术是空的"}])
    with transaction.atomic():
        may_act(lock(task), actor)
        must_be_said(task)
        is_over = was_closed_in_silence(task, now=now)
        if not is_over:
            must_be_open(task)
        no_quiet_hours(task, now)
        hit = judge(task, now=now) if is_over else recheck(task, now=now)
        if hit is None:
            lock_members([task.member_id])  # one pending send a chat, whatever task it is for
            guide = doer(task, actor)
            PendingSend.objects.filter(member_id=task.member_id, guide_id=guide, used_at=None).delete()
            pending = PendingSend.objects.create(
                task=task, member_id=task.member_id, guide_id=guide, text=text, created_at=now,
                script=Script.objects.filter(key=script_key, is_current=True).first() if script_key else None,
            )  # fmt: skip
            add_evidence(task, kind="tool_opened", level=1, actor=actor, now=now, payload={"script": script_key})
            return pending
    raise NotSendable(hit.said, reason=hit.reason)


@transaction.atomic
def record_sent(
    task: Task, *, actor: Actor, text: str, now: datetime, script_key: str = "", was_edited: bool = False,
    receipt: dict[str, Any] | None = None, also: Sequence[int] = (), care_mode: bool = False,
) -> Task:  # fmt: skip
    """The client said the message left (`sendChatMessage:ok`): evidence level 2, the task is done.

    A receipt inside quiet hours is rejected. A task that ended in the meantime keeps its state; evidence and reach are
    still written, because the message did leave; so is what somebody sent whose task was handed on after she prepared it.
    The same receipt twice counts once.
    """
    lock(task, also=also)
    must_be_said(task)
    if not task.pending_sends.filter(guide_id=actor.staff_id).exists():
        may_act(task, actor)
    no_quiet_hours(task, now)
    if task.state != Task.State.OPEN and task.evidence.filter(kind="chat_sent").exists():
        return task
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
    may_act(lock(task, also=also), actor)
    must_be_said(task)
    if not was_closed_in_silence(task, now=now):
        must_be_open(task)
    no_quiet_hours(task, now)
    return _finish(
        task, kind="chat_claimed", level=0, actor=actor, now=now, is_auto=False, also=also, care_mode=care_mode,
        payload={"script": script_key}, text=text, script_key=script_key, was_edited=False,
    )  # fmt: skip


@transaction.atomic
def log_call(task: Task, *, actor: Actor, result: str, note: str, now: datetime, also: Sequence[int] = ()) -> Task:
    """Keep the result of a call. Connected is level 2; 未接 closes the task only the second time, on another day."""
    may_act(lock(task, also=also), actor)
    must_be_said(task)
    must_be_open(task)
    no_quiet_hours(task, now)
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
def set_outcome(
    task: Task, *, actor: Actor, outcome: str, now: datetime, visit_at: datetime | None = None, sku_ids: Sequence[int] = (),
    wants_reminder: bool = True,
) -> Task:  # fmt: skip
    """Set or change what came of it; never blocks done. 别再打扰 is kept everywhere at once.

    约到店 with its time makes the visit he agreed to, goods set aside and reminder with it: level 4 for this task. Raises Invalid
    for a time at which the store is closed.
    """
    may_act(lock(task), actor)
    if outcome not in OUTCOMES:
        raise Invalid(errors=[{"field": "outcome", "code": "choice", "message": "没有这个结果"}])
    task.outcome, task.outcome_at = outcome, now
    task.save(update_fields=["outcome", "outcome_at"])
    if outcome == "do_not_disturb":
        set_do_not_contact(task.member, actor=actor, reason="会员对导购说别再打扰", now=now)
    if outcome == "visit_booked" and visit_at:
        visit = invite(
            task.member, starts_at=visit_at, actor=actor, now=now, store=task.store, guide_id=task.assignee_id,
            sku_ids=sku_ids, is_agreed=True, cause=cause_of(task.pk), wants_reminder=wants_reminder,
        )  # fmt: skip
        prove_booked([visit.pk], now=now)
        task.refresh_from_db()
    return task


@transaction.atomic
def undo(task: Task, *, actor: Actor, now: datetime) -> Task:
    """Take a done back within seconds, with the tasks ticked 顺带. What already left stays reached; a claim is withdrawn.

    Raises Conflict when it is too late, or when the cycle has ended since (returned, bought again).
    """
    task.refresh_from_db()
    together = Task.objects.filter(
        member_id=task.member_id, state=Task.State.DONE, done_at=task.done_at, done_by_id=task.done_by_id
    ).exclude(pk=task.pk)
    may_act(lock(task, also=together.values_list("pk", flat=True)), actor)
    if task.state != Task.State.DONE or task.undo_until is None or now > task.undo_until:
        raise Conflict(_("过了撤销的时间"))
    for one in together.order_by("pk"):
        reopen(one, kind="undone", by=actor.staff_id, now=now)
    if reopen(task, kind="undone", by=actor.staff_id, now=now) != Task.State.OPEN and now <= task.expire_at:
        raise Conflict(_("他这一轮跟进已经结束，不用撤销了"))
    return task


def _finish(
    task: Task, *, kind: str, level: int, actor: Actor, now: datetime, is_auto: bool, payload: dict[str, Any],
    also: Sequence[int] = (), text: str = "", script_key: str = "", was_edited: bool = False, reached: bool = True,
    channel: str = "wecom_message", care_mode: bool = False,
) -> Task:  # fmt: skip
    """Close a task, and those ticked 顺带, with the same proof; keep which words were used."""
    merged = Task.objects.filter(
        pk__in=also, member_id=task.member_id, state="open", assignee_id=task.assignee_id, held_at=None
    ).exclude(Q(pk=task.pk) | Q(task_type__in=ON_ITS_PAGE))
    guide = doer(task, actor)
    ids = [task.pk, *merged.values_list("pk", flat=True)]
    closed = finish(
        ids, kind=kind, level=level, now=now, by=guide, is_auto=is_auto, payload=payload, reached=reached,
        channel=channel, undo_for=UNDO_FOR_CARE if care_mode else UNDO_FOR,
    )  # fmt: skip
    for pk in closed:
        note_on_behalf(task, actor, "task.completed", pk=pk)
    if reached and guide and (about := TOLD_BELOW.get(task.task_type)) and about in task.context:
        said, key = str(payload.get("note") or text), f"{about}:{task.context[about]}"
        outbox.publish(DutyFinished(task.task_type, key, guide, said, now.isoformat()))
    if text:
        script = Script.objects.filter(key=script_key, is_current=True).first() if script_key else None
        ScriptUse.objects.create(
            script=script, script_key=script_key, task=task, member_id=task.member_id, guide_id=guide,
            was_edited=was_edited, text=text if was_edited or not script else "", at=now,
        )  # fmt: skip
    if channel != Task.Channel.CALL:
        PendingSend.objects.filter(task_id__in=ids, guide_id=guide, used_at=None).update(used_at=now)
    task.refresh_from_db()
    return task
