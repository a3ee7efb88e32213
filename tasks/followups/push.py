"""Telling guides what is new: urgent kinds alone and at once, the rest as one digest a guide and half hour.

`queue_notices` is part of the tick. It turns tasks with a due `tell_at` into outbox rows; which tasks a digest names is
decided at the claim, when their state is read again, and written to the link table.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from guides.notices import services as notices
from guides.notices.services import Notice
from guides.org.models import Staff, Store
from guides.org.queries import BRANCH, heads_of_stores
from tasks.cadences import moments
from yejibao.core import clock, outbox
from yejibao.core.models import OutboxMessage
from yejibao.core.outbox.deciding import on_resend
from yejibao.core.outbox.messages import wake_after_commit
from yejibao.core.sql import prepared
from yejibao.wecom.messages import TextCard, request_bytes

from . import button_cards, hours, reminders
from .models import Task, TaskNotice
from .notices import link_tasks
from .people import away, staffed
from .wording import NAMED, NODE_NAMES, TYPE_NAMES, Named, due_words, named, node_name

LISTED = 8  # tasks named in one digest; the rest wait for the next window
QUEUE_BATCH = 5000

# Urgent tasks (priority 1) are told alone and at once. The others wait for their guide's window: half an hour each, from a
# minute of her own after opening, which is never 0 or 30. Whoever comes while the first wave runs still goes with it. A task
# in a queued digest waits for that window (`tell_at`) and, once it has come, for the sender; so each beat looks at what is
# new only. Nobody is told on a rest day.
_KEY = "'digest:' || {assignee} || ':' || extract(epoch FROM {at})::bigint"
_WINDOW = "interval '30 minutes'"
_QUEUE = f"""
WITH due AS (
    SELECT t.id, t.assignee_id, t.member_id, t.node, t.task_type, t.why, t.priority, t.tell_at, s.wecom_user_id, {BRANCH.format(path="unit.path")} AS lane, day.closing, least(t.expire_at, day.closing) AS not_after,
        CASE WHEN told.state IS NOT NULL AND next.at <= %(now)s THEN next.at + {_WINDOW} ELSE next.at END AS at
    FROM tasks_task t JOIN guides_staff s ON s.id = t.assignee_id JOIN guides_store st ON st.id = t.store_id
    JOIN guides_orgunit unit ON unit.id = st.unit_id
    CROSS JOIN LATERAL (SELECT {moments.at("%(today)s::date", "st.opens_at")} AS opening,
        {moments.at("%(today)s::date", "st.closes_at")} AS closing) day
    CROSS JOIN LATERAL (SELECT 1 + s.digest_minute %% %(wave)s AS minutes) own
    CROSS JOIN LATERAL (SELECT day.opening + interval '1 minute' * (own.minutes
        + ((extract(minute FROM st.opens_at)::int + own.minutes) %% 30 = 0)::int) AS at) first
    CROSS JOIN LATERAL (SELECT first.at + {_WINDOW} * CASE WHEN %(now)s < day.opening + %(wave)s * interval '1 minute' THEN 0
        ELSE greatest(0, ceil(extract(epoch FROM %(now)s - first.at) / 1800)) END AS at) next
    LEFT JOIN LATERAL (   -- the digest of the window that runs
        SELECT m.state, m.state = 'pending' AND m.body_sha = '' AS is_on_its_way FROM core_outboxmessage m
        WHERE m.dedupe_key = {_KEY.format(assignee="t.assignee_id", at=f"(CASE WHEN next.at <= %(now)s THEN next.at ELSE next.at - {_WINDOW} END)")}
    ) told ON t.priority > 1
    WHERE t.tell_at <= %(now)s AND t.state = 'open' AND t.held_at IS NULL AND {staffed("s")}
      AND (t.hidden_until IS NULL OR t.hidden_until <= %(now)s)
      AND %(now)s >= day.opening AND %(now)s < day.closing
      AND (t.priority = 1 OR NOT coalesce(told.is_on_its_way, false) AND NOT {away("t.assignee_id", "%(today)s")})
    ORDER BY t.priority > 1, t.tell_at LIMIT %(batch)s FOR UPDATE OF t SKIP LOCKED
), urgent AS (
    INSERT INTO core_outboxmessage (kind, dedupe_key, recipient, subject, due_at, not_after, priority, lane, state, body_sha, attempts,
        next_at, errmsg, msgid, created_at, closed_reason)
    SELECT 'task', 'task:' || id || ':' || assignee_id || ':' || extract(epoch FROM tell_at)::bigint, wecom_user_id, 'task:' || id,
        %(now)s, not_after, 1, lane, 'pending', '', 0, %(now)s, '', '', %(now)s, ''
    FROM due WHERE priority = 1 ON CONFLICT (dedupe_key) DO NOTHING RETURNING id, subject
), digests AS (
    INSERT INTO core_outboxmessage (kind, dedupe_key, recipient, subject, due_at, not_after, priority, lane, state, body_sha, attempts,
        next_at, errmsg, msgid, created_at, closed_reason)
    SELECT DISTINCT 'digest', {_KEY.format(assignee="assignee_id", at="at")}, wecom_user_id, 'staff:' || assignee_id,
        greatest(at, %(now)s), closing, 4, lane, 'pending', '', 0, greatest(at, %(now)s), '', '', %(now)s::timestamptz, ''
    FROM due WHERE priority > 1 AND at < closing ON CONFLICT (dedupe_key) DO NOTHING RETURNING id, subject
), noted AS (   -- the same in 消息, whatever becomes of the push
    INSERT INTO guides_notification ({notices.COLUMNS})
    SELECT * FROM (
        SELECT d.assignee_id, 'task', u.subject, left(m.name || ' · ' || coalesce(%(names)s::jsonb->>d.node, %(names)s::jsonb->>d.task_type,
            '跟进'), 60), d.why, '/g/tasks/' || d.id || '/', %(now)s::timestamptz, u.id
        FROM urgent u JOIN due d ON u.subject = 'task:' || d.id JOIN crm_member m ON m.id = d.member_id
        UNION ALL
        SELECT substr(subject, 7)::bigint, 'task', 'digest', '有新任务要跟进', '', '/g/today/', %(now)s, id FROM digests
    ) told ORDER BY 1, 3 {notices.TOLD_AGAIN}
), waiting AS (
    UPDATE tasks_task t SET tell_at = CASE WHEN d.priority = 1 THEN {reminders.NEXT} ELSE greatest(d.at, t.tell_at) END
    FROM due d WHERE t.id = d.id
)
SELECT (SELECT count(*) FROM urgent), (SELECT count(*) FROM digests), (SELECT count(*) FROM due)
"""


def queue_notices(*, now: datetime) -> dict[str, int]:
    """Turn what is to be told into outbox rows; outside business hours nothing is queued, the morning takes it."""
    facts = {"now": now, "today": clock.local_day(now), "wave": hours.WAVE_MINUTES, "batch": QUEUE_BATCH,
             "names": json.dumps(NODE_NAMES | TYPE_NAMES, ensure_ascii=False)}  # fmt: skip
    total: Counter[str] = Counter()
    while True:
        with transaction.atomic():
            urgent, digests, due = prepared(_QUEUE, facts)[0]
            if urgent or digests:
                wake_after_commit()
        total.update(urgent=urgent, digests=digests, due=due)
        if due < QUEUE_BATCH:
            return dict(total)


def card(
    message: OutboxMessage, *, title: str, lines: Sequence[str], path: str, button: str, highlight: str = ""
) -> bytes:
    """Return the request bytes of a text card; its address carries the message's own number, so no two are equal."""
    content = TextCard(title=title, lines=lines, path=path, button=button, highlight=highlight)
    return request_bytes(content, to=message.recipient, number=message.pk)


def _ids(messages: Sequence[OutboxMessage]) -> dict[int, int]:
    return {message.pk: int(message.subject.partition(":")[2]) for message in messages}


class TaskCard:
    """One urgent task, told alone."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        subjects, today = _ids(messages), clock.today()
        tasks = {task.pk: task for task in named(Task.objects.listed(now).filter(pk__in=subjects.values()))}
        bodies: dict[int, bytes | None] = {}
        links = []
        for message in messages:
            task = tasks.get(subjects[message.pk])
            if task is None or task.recipient != message.recipient:
                bodies[message.pk] = None  # done, held or handed on: nothing left to tell this person
                continue
            content = button_cards.card_of(task, number=message.pk, today=today)
            bodies[message.pk] = request_bytes(content, to=message.recipient, number=message.pk)
            links.append((message.pk, task.pk))
        _write(links)
        return bodies

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        subjects = _ids(messages)
        alive = set(Task.objects.listed(now).filter(pk__in=subjects.values()).values_list("pk", flat=True))
        return {pk for pk, task in subjects.items() if task in alive}


class Digest:
    """One message a guide and window; takes the tasks that wait to be told, at most eight."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        people, today = _ids(messages), clock.today()
        waiting: dict[int, list[Named]] = defaultdict(list)
        rows = Task.objects.listed(now).filter(assignee_id__in=people.values(), tell_at__lte=now, priority__gt=1)
        for task in named(rows.order_by("assignee_id", "priority", "tier_rank", "due_at", "pk")):
            waiting[task.assignee_id].append(task)
        again = _told_before(messages, now)
        bodies: dict[int, bytes | None] = {}
        links = []
        for message in messages:
            mine = again.get(message.pk) or waiting.pop(people[message.pk], [])
            if not mine:
                bodies[message.pk] = None
                continue
            bodies[message.pk] = card(
                message, title=f"有 {len(mine)} 件事要跟进", path="/g/today/", button="去看看",
                lines=[f"{task.name} · {node_name(task)} · {due_words(task, today)}" for task in mine[:LISTED]]
                + ([f"还有 {len(mine) - LISTED} 件，稍后再提醒"] if len(mine) > LISTED else []),
            )  # fmt: skip
            links += [(message.pk, task.pk) for task in mine[:LISTED]]
        _write(links)
        if links:
            reminders.plan_next([task for _, task in links], now=now)
        return bodies

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return _with_open_tasks(messages, now)


def _write(links: Sequence[tuple[int, int]]) -> None:
    """Write which tasks the messages name, as (message, task); whoever was told of one before is reminded now."""
    if links:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO tasks_tasknotice (message_id, task_id, kind)
                SELECT l.message, l.task, CASE WHEN EXISTS (SELECT 1 FROM tasks_tasknotice n
                    WHERE n.task_id = l.task AND n.kind = 'opened') THEN 'reminder' ELSE 'opened' END
                FROM unnest(%s::bigint[], %s::bigint[]) AS l(message, task) ON CONFLICT DO NOTHING
                """,
                [[message for message, _ in links], [task for _, task in links]],
            )


def _told_before(messages: Sequence[OutboxMessage], now: datetime) -> dict[int, list[Named]]:
    """Return what a resent digest named the first time and still stands on its reader's list."""
    resent = [message for message in messages if message.retry_of_id]
    again: dict[int, list[Named]] = defaultdict(list)
    if resent:
        people = _ids(resent)
        links = TaskNotice.objects.filter(message__in=resent, task__in=Task.objects.listed(now))
        links = links.order_by("task__priority", "task__tier_rank", "task__due_at", "task_id")
        for message, *facts in links.values_list("message_id", *(f"task__{name}" for name in NAMED)):
            task = Named._make(facts)
            if task.assignee_id == people[message]:
                again[message].append(task)
    return again


@on_resend
def carry_links(pairs: Sequence[tuple[OutboxMessage, OutboxMessage]]) -> None:
    """Let a message that is sent again name the tasks of the first one."""
    fresh = {old.pk: new.pk for old, new in pairs}
    links = TaskNotice.objects.filter(message_id__in=fresh)
    TaskNotice.objects.bulk_create(
        [TaskNotice(message_id=fresh[one.message_id], task_id=one.task_id, kind=one.kind) for one in links],
        batch_size=2000, ignore_conflicts=True,
    )  # fmt: skip


class NoticeList:
    """A list fixed when it was queued: names those of its tasks that still stand, and to assignees only their own."""

    def __init__(self, title: str, path: str, button: str, *, to_assignee: bool) -> None:
        self.title, self.path, self.button, self.to_assignee = title, path, button, to_assignee

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        named = self._named(messages)
        return {one.pk: self._body(one, named[one.pk]) if one.pk in named else None for one in messages}

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return set(self._named(messages))

    def _named(self, messages: Sequence[OutboxMessage]) -> dict[int, list[Task]]:
        links = TaskNotice.objects.filter(message__in=messages, task__state="open", task__held_at=None)
        named: dict[int, list[Task]] = defaultdict(list)
        links = links.select_related("message", "task__member", "task__assignee").order_by("task__due_at", "task_id")
        for link in links:
            if not self.to_assignee or link.task.assignee.wecom_user_id == link.message.recipient:
                named[link.message_id].append(link.task)
        return dict(named)

    def _body(self, message: OutboxMessage, tasks: list[Task]) -> bytes:
        who = "" if self.to_assignee else " · {}"
        lines = [f"{t.member.name} · {node_name(t)}{who.format(t.assignee.display_name)}" for t in tasks[:LISTED]]
        lines += [f"等 {len(tasks)} 件"] if len(tasks) > LISTED else []
        return card(message, title=self.title.format(n=len(tasks)), path=self.path, button=self.button, lines=lines)


def _with_open_tasks(messages: Sequence[OutboxMessage], now: datetime) -> set[int]:
    links = TaskNotice.objects.filter(message__in=messages, task__in=Task.objects.listed(now))
    return set(links.values_list("message_id", flat=True))


outbox.register_renderer("task", TaskCard())
outbox.register_renderer("digest", Digest())
outbox.register_renderer("urge", NoticeList("店长提醒你 {n} 件事", "/g/today/", "去做", to_assignee=True))
outbox.register_renderer(
    "escalation", NoticeList("{n} 件超时了，要你看一下", "/m/review/", "去看看", to_assignee=False)
)

_ESCALATE = """
WITH late AS (
    SELECT t.id, t.store_id FROM tasks_task t
    LEFT JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
    CROSS JOIN LATERAL (SELECT CASE WHEN step.id IS NOT NULL THEN (
            SELECT min((item->>'minutes')::int) FROM jsonb_array_elements(step.escalation) item
            WHERE item->>'how' = 'push' AND item->>'from' = 'due')
        WHEN t.priority = 1 THEN 30 END AS minutes) rule   -- task_types.yaml escalation_default
    WHERE t.state = 'open' AND t.escalated_at IS NULL AND t.held_at IS NULL
      AND t.due_at <= %(now)s AND t.due_at > %(now)s - interval '1 day'
      AND t.due_at + rule.minutes * interval '1 minute' <= %(now)s
)
UPDATE tasks_task t SET escalated_at = %(now)s FROM late WHERE t.id = late.id AND t.escalated_at IS NULL
RETURNING t.id, t.store_id
"""


@transaction.atomic
def escalate(*, now: datetime) -> int:
    """Tell managers of urgent tasks that are late (m30: due + 30 min); a store without one: its area supervisor.

    In quiet hours it waits for the next morning's first wave. Returns how many tasks were told of.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ESCALATE, {"now": now})
        late = cursor.fetchall()
    if not late:
        return 0
    stores, today = {store for _, store in late}, clock.local_day(now)
    heads = heads_of_stores(stores, role="area_supervisor", day=today)
    heads |= heads_of_stores(stores, role="store_manager", day=today)
    people = Staff.objects.in_bulk(set(heads.values()))
    places = Store.objects.in_bulk(stores)
    messages, links = {}, []
    for task, store in late:
        head = people.get(heads.get(store, 0))
        if head is None:
            continue
        # A list a person and beat: what becomes late at the same time is told together.
        due = hours.next_push(places[store], now, minute=head.digest_minute)
        key = f"escalation:{head.pk}:{int(now.timestamp())}"
        until = hours.closing(places[store], clock.local_day(due))
        messages[key] = outbox.NewMessage("escalation", key, head.wecom_user_id, due, f"staff:{head.pk}", until, 2)
        links.append((key, task))
    outbox.enqueue(messages.values())
    link_tasks(links, kind="escalation")
    told = Counter(key for key, _ in links)
    notices.tell_each(
        [(int(one.subject[6:]), Notice("review", key[:64], f"{told[key]} 件超时了，要你看一下", "/m/review/"))
         for key, one in messages.items()],
        now=now, pushed=list(messages),
    )  # fmt: skip
    return len(links)
