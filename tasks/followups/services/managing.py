"""What people do with tasks besides doing them: later, skip, urge, reassign, move the due time, spot checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from guides.notices import services as notices
from guides.notices.services import Notice
from guides.org import matrix
from guides.org.models import Staff
from guides.org.queries import heads_of_stores, managers_of_stores
from tasks.cadences.changes import complete_walked
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .. import hours
from ..labels import LATER_REASONS
from ..models import SkipRequest, SpotCheck, Task, TaskMove, Urge
from ..notices import link_tasks
from .finishing import reopen
from .guards import doer, lock, may_act, may_decide, must_be_open, note_on_behalf

URGE_EVERY = timedelta(hours=2)


@transaction.atomic
def put_off(task: Task, *, actor: Actor, until: datetime, reason: str, now: datetime) -> Task:
    """稍后: hide the card until a time in business hours before it expires; then she is told. The due time stands."""
    may_act(lock(task), actor)
    must_be_open(task)
    if reason not in LATER_REASONS:
        raise Invalid(errors=[{"field": "reason", "code": "choice", "message": "选一个原因"}])
    if not now < until < task.expire_at or not hours.is_open(task.store, until):
        raise Invalid(errors=[{"field": "until", "code": "range", "message": "选一个营业时间内、失效之前的时间"}])
    task.hidden_until, task.hidden_reason, task.tell_at = until, reason, until
    task.save(update_fields=["hidden_until", "hidden_reason", "tell_at"])
    note_on_behalf(task, actor, "task.put_off", reason=reason)
    return task


@transaction.atomic
def ask_skip(task: Task, *, actor: Actor, reason: str, now: datetime) -> SkipRequest:
    """Ask to skip a task, with a reason for whoever decides."""
    may_act(lock(task), actor)
    must_be_open(task)
    if len(reason.strip()) < 2:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": "写一下为什么跳过"}])
    request, created = SkipRequest.objects.get_or_create(
        task=task, state=SkipRequest.State.ASKED,
        defaults={"asked_by_id": doer(task, actor), "reason": reason.strip()[:120], "asked_at": now},
    )  # fmt: skip
    if not created:
        raise Conflict(_("已经申请过了，等店长批"))
    note_on_behalf(task, actor, "task.skip_asked", reason=reason)
    _tell_who_decides(task, request, now)
    return request


def _tell_who_decides(task: Task, request: SkipRequest, now: datetime) -> None:
    """Tell the store's manager that a skip waits for him; his own, or where there is none, the area supervisor."""
    day = clock.local_day(now)
    head = managers_of_stores([task.store_id], day=day).get(task.store_id)
    if head in (None, request.asked_by_id):
        head = heads_of_stores([task.store_id], role="area_supervisor", day=day).get(task.store_id)
    if head:
        title = f"{request.asked_by.display_name}申请跳过{task.member.name}"
        notices.tell_each(
            [(head, Notice("approval", f"skip:{request.pk}", title, "/m/review/#skips", request.reason))], now=now
        )


@transaction.atomic
def decide_skip(request: SkipRequest, *, actor: Actor, approve: bool, now: datetime, answer: str = "") -> SkipRequest:
    """Approve or refuse. Nobody decides on his own request; a manager's own goes to the area supervisor."""
    task = lock(request.task)
    may_decide(task, actor, about=request.asked_by, now=now)
    state = SkipRequest.State.APPROVED if approve else SkipRequest.State.REFUSED
    if not SkipRequest.objects.filter(pk=request.pk, state=SkipRequest.State.ASKED).update(
        state=state, decided_by_id=actor.staff_id, decided_at=now, answer=answer[:120]
    ):
        raise Conflict()
    if approve:
        task.move_to(
            Task.State.SKIPPED, closed_reason="manual", closed_at=now, tell_at=None, held_at=None, held_reason=None
        )
        if task.enrollment_id:
            complete_walked([task.enrollment_id], now=now)
    said = f"{task.member.name}的跳过{'批了' if approve else '没批'}"
    notice = Notice("approval", f"skip:{request.pk}", said, f"/g/tasks/{task.pk}/", answer)
    notices.tell_each([(request.asked_by_id, notice)], now=now)
    audit.record(actor, "task.skip_decided", task, after={"state": state}, reason=request.reason)
    request.refresh_from_db()
    return request


@dataclass(frozen=True)
class UrgeResult:
    """What became of 催办: how many went out now, wait for the morning, or were urged less than two hours ago."""

    sent: int
    waits_for_morning: int
    too_soon: int


@transaction.atomic
def urge(tasks: Sequence[Task], *, actor: Actor, now: datetime) -> UrgeResult:
    """Urge the assignees of open tasks: one message a person, at most once per task in two hours, whoever taps.

    In quiet hours it waits for the morning. The caller read the tasks through `visible_to`.
    """
    if not actor.has_role(*matrix.holders("task.urge")):
        raise Forbidden(permission="task.urge")
    standing = _locked(tasks).filter(held_at=None).select_related("store", "assignee").order_by("assignee_id", "pk")
    recent = set(Urge.objects.filter(task__in=tasks, at__gt=now - URGE_EVERY).values_list("task_id", flat=True))
    todo = [task for task in standing if task.pk not in recent and task.assignee.is_active]
    Urge.objects.bulk_create([Urge(task=task, by_id=doer(task, actor), at=now) for task in todo])
    waiting = 0
    messages, links, told = [], [], []
    for person, theirs in groupby(todo, key=lambda task: task.assignee):
        mine = list(theirs)
        due = hours.next_push(mine[0].store, now, minute=person.digest_minute)
        waiting += len(mine) if due > now else 0
        key = f"urge:{mine[0].pk}:{int(now.timestamp())}"
        until = hours.closing(mine[0].store, clock.local_day(due))
        messages.append(outbox.NewMessage("urge", key, person.wecom_user_id, due, f"staff:{person.pk}", until, 2))
        links += [(key, task.pk) for task in mine]
        told.append((person.pk, Notice("task", "urge", f"店长提醒你 {len(mine)} 件事", "/g/today/")))
    outbox.enqueue(messages)
    link_tasks(links, kind="urge")
    notices.tell_each(told, now=now, pushed=[one.dedupe_key for one in messages])
    return UrgeResult(len(todo) - waiting, waiting, len(tasks) - len(todo))


def _locked(tasks: Sequence[Task]) -> QuerySet[Task]:
    """Return those of the tasks that are open now, locked in order of their ids."""
    list(
        Task.objects.filter(pk__in=[task.pk for task in tasks])
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk")
    )
    return Task.objects.filter(pk__in=[task.pk for task in tasks], state=Task.State.OPEN)


@transaction.atomic
def reassign(tasks: Sequence[Task], *, actor: Actor, to: Staff, reason: str, now: datetime) -> int:
    """Hand open tasks to a colleague of the same store (managers), each a recorded act. Ownership does not move.

    Held tasks stay where they are. The caller read the tasks through `visible_to`.
    """
    if not actor.may("task.dispatch"):
        raise Forbidden(permission="task.dispatch")
    if not to.is_active or to.store_id is None:
        raise Invalid(errors=[{"field": "to", "code": "choice", "message": "这位同事现在不能接任务"}])
    if any(task.store_id != to.store_id for task in tasks):
        raise Invalid(errors=[{"field": "to", "code": "store", "message": "只能转给同店的同事"}])
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH was AS (
                SELECT id, assignee_id AS old FROM tasks_task WHERE id = ANY(%(ids)s) AND state = 'open' AND held_at IS NULL
                  AND assignee_id <> %(to)s ORDER BY id FOR NO KEY UPDATE
            ), moved AS (
                UPDATE tasks_task t SET assignee_id = %(to)s, tell_at = %(now)s, hidden_until = NULL, hidden_reason = '',
                    channel = CASE WHEN EXISTS (SELECT 1 FROM crm_friendlink fl WHERE fl.member_id = t.member_id
                        AND fl.guide_id = %(to)s AND fl.state = 'friend') THEN 'wecom_message'
                        WHEN t.channel = 'in_store' THEN 'in_store' ELSE 'manual_call' END
                FROM was WHERE t.id = was.id RETURNING t.id, was.old
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, by_id, at)
            SELECT id, 'reassign', %(note)s, old, %(to)s, %(by)s, %(now)s FROM moved
            """,
            {"to": to.pk, "ids": [task.pk for task in tasks], "now": now, "note": reason[:255], "by": actor.staff_id},
        )
        moved = cursor.rowcount
    audit.record(actor, "task.reassigned", "tasks.Task", resource_id=",".join(str(t.pk) for t in tasks)[:64],
                 after={"to": to.pk, "count": moved}, reason=reason)  # fmt: skip
    return moved


@transaction.atomic
def move_due(tasks: Sequence[Task], *, actor: Actor, due_at: datetime, reason: str, now: datetime) -> int:
    """Move the due time of open tasks, a recorded act; it stays in business hours and before the task expires.

    The assignees are told. The caller read the tasks through `visible_to`.
    """
    if not actor.may("task.dispatch"):
        raise Forbidden(permission="task.dispatch")
    local = due_at.astimezone(clock.SHANGHAI).time()
    todo = list(_locked(tasks).select_related("store"))
    if any(
        not task.store.opens_at <= local <= task.store.closes_at or not now < due_at <= task.expire_at for task in todo
    ):
        raise Invalid(errors=[{"field": "due_at", "code": "range", "message": "要在营业时间内、失效之前"}])
    TaskMove.objects.bulk_create(
        [TaskMove(task=task, reason="manager", note=reason[:255], old_due_at=task.due_at, new_due_at=due_at,
                  by_id=actor.staff_id, at=now) for task in todo]
    )  # fmt: skip
    Task.objects.filter(pk__in=[task.pk for task in todo]).update(due_at=due_at, tell_at=now)
    return len(todo)


def sample_spot_checks(*, week: date, share: float, now: datetime) -> int:
    """Sample a share of the tasks done with manual evidence in the week before `week` (a Monday), for each manager.

    The sample is stable: a task's number decides, not chance, so a rerun samples the same.
    """
    start, end = clock.local_moment(week - timedelta(days=7), time()), clock.local_moment(week, time())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tasks_spotcheck (task_id, week, store_id, state, note)
            SELECT id, %(week)s, store_id, 'waiting', '' FROM (
                SELECT t.id, t.store_id, row_number() OVER (PARTITION BY t.store_id ORDER BY md5(t.id::text)) AS place,
                    count(*) OVER (PARTITION BY t.store_id) AS total
                FROM tasks_task t WHERE t.state = 'done' AND t.done_at >= %(start)s AND t.done_at < %(end)s
                  AND EXISTS (SELECT 1 FROM tasks_taskevidence e WHERE e.task_id = t.id AND NOT e.is_auto
                              AND e.kind IN ('chat_claimed', 'call_logged', 'note'))
            ) s WHERE place <= ceil(total * %(share)s)
            ON CONFLICT (task_id) DO NOTHING
            """,
            {"week": week, "start": start, "end": end, "share": share},
        )
        return cursor.rowcount


@transaction.atomic
def judge_spot_check(check: SpotCheck, *, actor: Actor, accept: bool, now: datetime, note: str = "") -> SpotCheck:
    """Accept or reject a sampled task. Rejected: open again (overdue by its due time), or expired if its end is past.

    The store manager looks; at what the manager did himself, the area supervisor.
    """
    if not accept and len(note.strip()) < 2:
        raise Invalid(errors=[{"field": "note", "code": "required", "message": "写一句依据，再记为不属实"}])
    task = lock(check.task)
    may_decide(task, actor, about=task.done_by, now=now)
    state = SpotCheck.State.ACCEPTED if accept else SpotCheck.State.REJECTED
    if not SpotCheck.objects.filter(pk=check.pk, state=SpotCheck.State.WAITING).update(
        state=state, checked_by_id=actor.staff_id, checked_at=now, note=note[:120]
    ):
        raise Conflict()
    told = task.done_by_id
    if not accept and reopen(task, kind="rejected", by=actor.staff_id, now=now, payload={"note": note}) == "open":
        Task.objects.filter(pk=task.pk).update(tell_at=now)
    if not accept and told:
        notice = Notice(
            "review", f"check:{check.pk}", f"{task.member.name}这件抽查没通过", f"/g/tasks/{task.pk}/", note
        )
        notices.tell_each([(told, notice)], now=now)
    audit.record(actor, "task.spot_checked", task, after={"accepted": accept}, reason=note)
    check.refresh_from_db()
    return check
