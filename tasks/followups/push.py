"""Telling guides what is new: urgent kinds alone and at once, the rest as one digest a guide and half hour.

`queue_notices` is part of the tick. It turns tasks with a due `tell_at` into outbox rows; which tasks a digest names is
decided at the claim, when their state is read again, and written to the link table.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from guides.org.models import Staff
from guides.org.queries import managers_of_stores
from tasks.cadences import moments
from yejibao.core import clock, outbox
from yejibao.core.models import OutboxMessage
from yejibao.core.sql import prepared

from .models import Task, TaskNotice

LISTED = 8  # tasks named in one digest; the rest wait for the next window
WAVE_MINUTES = 10  # the first wave of a day is spread over these minutes, from a minute after opening
NODE_NAMES = {"m30": "30 分钟回访", "d3": "3 天回访", "d30": "30 天回访", "d60": "60 天回访", "d90": "90 天回访"}
TYPE_NAMES = {"aftersale_care": "售后关怀", "handover_intro": "交接问候"}

# The next reminder of a task after %(now)s, by its step; NULL when there is none before it expires.
_NEXT_REMINDER = f"""
    (SELECT min(r.at) FROM tasks_cadencestep step, jsonb_array_elements(step.reminders) item
     CROSS JOIN LATERAL (SELECT CASE
        WHEN item ? 'from' THEN t.due_at + (item->>'minutes')::int * interval '1 minute'
        WHEN item->>'day' = 'due' THEN {moments.at(moments.local_date("t.due_at"), "(item->>'time')::time")}
        ELSE {moments.at(f"{moments.local_date('t.open_at')} + ((item->>'day')::int - step.open_day)", "(item->>'time')::time")}
        END AS at) r
     WHERE step.version_id = t.cadence_version_id AND step.key = t.node AND r.at > %(now)s AND r.at < t.expire_at)
"""

_QUEUE = f"""
WITH due AS (
    SELECT t.id, t.assignee_id, t.priority, t.expire_at, t.tell_at, s.wecom_user_id, st.opens_at, st.closes_at,
        {_NEXT_REMINDER} AS next_tell,
        {moments.at("%(today)s::date", "st.opens_at")} + (1 + s.digest_minute %% %(wave)s) * interval '1 minute' AS first_window
    FROM tasks_task t JOIN guides_staff s ON s.id = t.assignee_id JOIN guides_store st ON st.id = t.store_id
    WHERE t.tell_at <= %(now)s AND t.state = 'open' AND t.held_at IS NULL AND s.state IN ('active', 'leave', 'transferred')
      AND (t.hidden_until IS NULL OR t.hidden_until <= %(now)s)
      AND {moments.local_time("%(now)s::timestamptz")} >= st.opens_at AND {moments.local_time("%(now)s::timestamptz")} < st.closes_at
    ORDER BY t.tell_at LIMIT 5000 FOR UPDATE OF t SKIP LOCKED
), urgent AS (
    INSERT INTO core_outboxmessage (kind, dedupe_key, recipient, subject, due_at, not_after, priority, state, body_sha, attempts,
        next_at, errmsg, msgid, created_at, closed_reason)
    SELECT 'task', 'task:' || id || ':' || extract(epoch FROM tell_at)::bigint, wecom_user_id, 'task:' || id, %(now)s, expire_at, 1,
        'pending', '', 0, %(now)s, '', '', %(now)s, ''
    FROM due WHERE priority = 1 ON CONFLICT (dedupe_key) DO NOTHING RETURNING id
), told AS (
    UPDATE tasks_task t SET tell_at = due.next_tell FROM due WHERE t.id = due.id AND due.priority = 1
), windows AS (
    SELECT DISTINCT d.assignee_id, d.wecom_user_id, w.at,
        {moments.at("%(today)s::date", "d.closes_at")} AS closing
    FROM due d CROSS JOIN LATERAL (SELECT d.first_window + greatest(0,
        ceil(extract(epoch FROM %(now)s - d.first_window) / 1800)) * interval '30 minutes' AS at) w
    WHERE d.priority > 1
), digests AS (
    INSERT INTO core_outboxmessage (kind, dedupe_key, recipient, subject, due_at, not_after, priority, state, body_sha, attempts,
        next_at, errmsg, msgid, created_at, closed_reason)
    SELECT 'digest', 'digest:' || assignee_id || ':' || extract(epoch FROM at)::bigint, wecom_user_id, 'staff:' || assignee_id, at,
        closing, 4, 'pending', '', 0, at, '', '', %(now)s, ''
    FROM windows WHERE at < closing ON CONFLICT (dedupe_key) DO NOTHING RETURNING id
)
SELECT (SELECT count(*) FROM urgent), (SELECT count(*) FROM digests), (SELECT count(*) FROM due)
"""


def queue_notices(*, now: datetime) -> dict[str, int]:
    """Turn what is to be told into outbox rows; outside business hours nothing is queued, the morning takes it."""
    with transaction.atomic():
        urgent, digests, due = prepared(_QUEUE, {"now": now, "today": clock.local_day(now), "wave": WAVE_MINUTES})[0]
        if urgent or digests:
            outbox.messages.wake_after_commit()
    return {"urgent": urgent, "digests": digests, "due": due}


def card(message: OutboxMessage, *, title: str, lines: Sequence[str], path: str, button: str) -> bytes:
    """Return the request bytes of a text card; its address carries the message's own number, so no two are equal."""
    description = "<br>".join(lines)
    body = {
        "touser": message.recipient,
        "msgtype": "textcard",
        "agentid": settings.WECOM_AGENT_ID,
        "textcard": {
            "title": title[:60],
            "description": description[:500],
            "url": f"{settings.PUBLIC_BASE_URL}{path}{'&' if '?' in path else '?'}m={message.pk}",
            "btntxt": button,
        },
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 14400,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def node_name(task: Task) -> str:
    """Return what staff call the step."""
    return NODE_NAMES.get(task.node) or TYPE_NAMES.get(task.task_type, "跟进")


def due_words(task: Task) -> str:
    """Return the due time in few words; fixed once rendered, so never "in 18 minutes"."""
    local = task.due_at.astimezone(clock.SHANGHAI)
    return (
        f"{local:%H:%M} 前"
        if clock.local_day(task.due_at) == clock.today()
        else f"{local.month}-{local.day} {local:%H:%M} 前"
    )


def _ids(messages: Sequence[OutboxMessage]) -> dict[int, int]:
    return {message.pk: int(message.subject.partition(":")[2]) for message in messages}


class TaskCard:
    """One urgent task, told alone."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        subjects = _ids(messages)
        tasks = {
            task.pk: task
            for task in Task.objects.listed(now).filter(pk__in=subjects.values()).select_related("member", "assignee")
        }
        bodies: dict[int, bytes | None] = {}
        links = []
        for message in messages:
            task = tasks.get(subjects[message.pk])
            if task is None or task.assignee.wecom_user_id != message.recipient:
                bodies[message.pk] = None  # done, held or handed on: nothing left to tell this person
                continue
            bodies[message.pk] = card(
                message, title=f"{task.member.name} · {node_name(task)}", path=f"/g/tasks/{task.pk}/", button="去发送",
                lines=[task.why, f'<div class="highlight">{due_words(task)}</div>'],
            )  # fmt: skip
            links.append(TaskNotice(message=message, task=task, kind="opened"))
        TaskNotice.objects.bulk_create(links, ignore_conflicts=True)
        return bodies

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        subjects = _ids(messages)
        alive = set(Task.objects.listed(now).filter(pk__in=subjects.values()).values_list("pk", flat=True))
        return {pk for pk, task in subjects.items() if task in alive}


class Digest:
    """One message a guide and window; takes the tasks that wait to be told, at most eight."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        people = _ids(messages)
        waiting: dict[int, list[Task]] = defaultdict(list)
        rows = (
            Task.objects.listed(now)
            .filter(assignee_id__in=people.values(), tell_at__lte=now, priority__gt=1)
            .select_related("member")
            .order_by("assignee_id", "priority", "tier_rank", "due_at", "pk")
        )
        for task in rows:
            waiting[task.assignee_id].append(task)
        bodies: dict[int, bytes | None] = {}
        links, told = [], []
        for message in messages:
            mine = waiting.pop(people[message.pk], [])
            if not mine:
                bodies[message.pk] = None
                continue
            named = mine[:LISTED]
            bodies[message.pk] = card(
                message, title=f"有 {len(mine)} 件事要跟进", path="/g/today/", button="去看看",
                lines=[f"{task.member.name} · {node_name(task)} · {due_words(task)}" for task in named]
                + ([f"还有 {len(mine) - LISTED} 件，稍后再提醒"] if len(mine) > LISTED else []),
            )  # fmt: skip
            links += [TaskNotice(message=message, task=task, kind="opened") for task in named]
            told += [task.pk for task in named]
        TaskNotice.objects.bulk_create(links, ignore_conflicts=True)
        if told:
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE tasks_task t SET tell_at = {_NEXT_REMINDER} WHERE t.id = ANY(%(ids)s)",
                    {"ids": told, "now": now},
                )
        return bodies

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return _with_open_tasks(messages, now)


class NoticeList:
    """A list fixed when it was queued (urge, escalation): names those of its tasks that are still open."""

    def __init__(self, title: str, path: str, button: str) -> None:
        self.title, self.path, self.button = title, path, button

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        named: dict[int, list[Task]] = defaultdict(list)
        links = TaskNotice.objects.filter(message__in=messages, task__state="open").select_related(
            "task__member", "task__assignee"
        )
        for link in links.order_by("task__due_at", "task_id"):
            named[link.message_id].append(link.task)
        bodies: dict[int, bytes | None] = {}
        for message in messages:
            mine = named.get(message.pk)
            bodies[message.pk] = (
                card(
                    message,
                    title=self.title.format(n=len(mine)),
                    path=self.path,
                    button=self.button,
                    lines=[f"{t.member.name} · {node_name(t)} · {t.assignee.display_name}" for t in mine[:LISTED]]
                    + ([f"等 {len(mine)} 件"] if len(mine) > LISTED else []),
                )  # fmt: skip
                if mine
                else None
            )
        return bodies

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return _with_open_tasks(messages, now)


def _with_open_tasks(messages: Sequence[OutboxMessage], now: datetime) -> set[int]:
    return set(
        TaskNotice.objects.filter(message__in=messages)
        .filter(Q(task__state="open"))
        .values_list("message_id", flat=True)
    )


outbox.register_renderer("task", TaskCard())
outbox.register_renderer("digest", Digest())
outbox.register_renderer("urge", NoticeList("店长提醒你 {n} 件事", "/g/today/", "去做"))
outbox.register_renderer("escalation", NoticeList("{n} 件超时了，要你看一下", "/m/review/", "去看看"))

_ESCALATE = """
WITH late AS (
    SELECT t.id, t.store_id FROM tasks_task t
    JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
    CROSS JOIN LATERAL jsonb_array_elements(step.escalation) item
    WHERE t.state = 'open' AND t.held_at IS NULL AND t.escalated_at IS NULL AND item->>'how' = 'push'
      AND item->>'from' = 'due' AND t.due_at + (item->>'minutes')::int * interval '1 minute' <= %(now)s
      AND t.due_at > %(now)s - interval '1 day'
), marked AS (
    UPDATE tasks_task t SET escalated_at = %(now)s FROM late WHERE t.id = late.id RETURNING t.id
)
SELECT l.id, l.store_id FROM late l JOIN marked m ON m.id = l.id
"""


def escalate(*, now: datetime) -> int:
    """Tell managers of urgent tasks that are late (m30: due + 30 min). In quiet hours it waits for the next morning."""
    from . import hours
    from .services.managing import _link

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ESCALATE, {"now": now})
        late = cursor.fetchall()
        if not late:
            return 0
        by_store = managers_of_stores({store for _, store in late}, day=clock.local_day(now))
        managers = Staff.objects.select_related("store").in_bulk(set(by_store.values()))
        messages, links = {}, []
        for task_id, store in late:
            manager = managers.get(by_store.get(store, 0))
            if manager is None:
                continue
            key = f"escalation:{manager.pk}:{int(now.timestamp()) // 600}"
            due = hours.next_opening(manager.store, now) if manager.store else now
            messages[key] = outbox.NewMessage(
                "escalation", key, manager.wecom_user_id, due, f"staff:{manager.pk}", due + timedelta(hours=12), 2
            )
            links.append((key, task_id))
        outbox.enqueue(messages.values())
        _link(links, "escalation")
    return len(links)


def people_waiting(now: datetime) -> int:
    """Return how many guides wait to be told something, for the health page."""
    return Staff.objects.filter(tasks__tell_at__lte=now, tasks__state="open").distinct().count()
