"""Lists for those who lead: each morning what escalated in the store, on Mondays which stores fell behind.

Both may run as often as they like: one message per person and day (or week), and a task is named once.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from guides.notices.services import Notice, tell_each
from guides.org import matrix
from guides.org.models import Staff, Store
from guides.org.queries import heads_of_stores
from tasks.cadences import moments
from tasks.followups import hours
from tasks.followups.models import TaskNotice
from yejibao.core import audit, clock, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor

from ..models import StoreWeek

LIST_AT = time(10, 0)  # nodes[].escalation and sla_rules.store_week of followup_3369.yaml
OPENS, CLOSES = time(9, 30), time(22, 0)  # business_hours
WEAK, REPEATED = 0.80, 0.60  # sla_rules.store_week
GOOD_FOR = timedelta(hours=12)
LOOK_BACK = timedelta(days=3)  # an expired first touch is named this long, if no list went out meanwhile

# When a task comes on its manager's list: by its step; kinds without a step by priority (task_types.yaml
# escalation_default). The step's day counts from its due day, so that a moved due time moves the list with it.
_LATE = f"""
    SELECT t.id, t.store_id FROM tasks_task t
    JOIN guides_store st ON st.id = t.store_id
    LEFT JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
    CROSS JOIN LATERAL (
        SELECT min(CASE WHEN item ? 'from' THEN t.due_at + (item->>'minutes')::int * interval '1 minute'
            ELSE {moments.at(f"{moments.local_date('t.due_at')} + ((item->>'day')::int - step.due_day)", "(item->>'time')::time")}
            END) AS at
        FROM jsonb_array_elements(step.escalation) item WHERE item->>'how' = 'daily_list' AND item->>'from' IS DISTINCT FROM 'expire'
    ) of_step
    CROSS JOIN LATERAL (SELECT CASE WHEN step.id IS NOT NULL THEN of_step.at
        WHEN t.priority = 2 THEN {moments.at(f"{moments.local_date('t.due_at')} + 1", "%(list_at)s::time")}
        WHEN t.priority = 3 THEN t.due_at + interval '1 day' END AS at) rule
    WHERE t.state = 'open' AND t.held_at IS NULL AND t.escalated_at IS NULL AND t.due_at < %(now)s AND rule.at <= %(now)s
    UNION ALL
    SELECT t.id, t.store_id FROM tasks_task t
    JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
    WHERE t.state = 'expired' AND t.expire_at <= %(now)s AND t.due_at > %(now)s - %(look_back)s::interval
      AND step.escalation @> '[{{"from": "expire", "how": "daily_list"}}]'
      AND NOT EXISTS (SELECT 1 FROM tasks_tasknotice n WHERE n.task_id = t.id AND n.kind = 'daily_list')
"""


@transaction.atomic
def send_daily_lists(*, now: datetime) -> dict[str, int]:
    """Queue one list per store manager of what escalated, from 10:00 (or the store's opening); marks what it names.

    A store without a manager: its area supervisor. Nobody there: the tasks wait for the list of another morning.
    """
    today = clock.local_day(now)
    if now < clock.local_moment(today, LIST_AT):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_LATE, {"now": now, "look_back": f"{LOOK_BACK.days} days", "list_at": LIST_AT.isoformat()})
        late = cursor.fetchall()
    if not late:
        return {}
    stores = {store for _, store in late}
    heads = heads_of_stores(stores, role="area_supervisor", day=today) | heads_of_stores(
        stores, role="store_manager", day=today
    )
    by_head: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for task, store in late:
        if store in heads:
            by_head[heads[store]].append((task, store))
    keys = {head: f"daily_list:{head}:{today}" for head in by_head}
    told = set(OutboxMessage.objects.filter(dedupe_key__in=keys.values()).values_list("dedupe_key", flat=True))
    people = Staff.objects.in_bulk(by_head)
    places = Store.objects.in_bulk(stores)
    messages, named = [], []
    for head, mine in by_head.items():
        if keys[head] in told:
            continue  # today's list has gone out; these come tomorrow
        due = min(hours.next_opening(places[store], now) for _, store in mine)
        messages.append(
            outbox.NewMessage(
                "daily_list", keys[head], people[head].wecom_user_id, due, f"staff:{head}", due + GOOD_FOR, 3
            )
        )
        named += [(keys[head], task) for task, _ in mine]
    outbox.enqueue(messages)
    _name(named)
    _tell(messages, "昨天到现在有 %d 件没跟上", "/m/review/", Counter(key for key, _ in named), now)
    return {"lists": len(messages), "tasks": len(named)}


def _name(named: list[tuple[str, int]]) -> None:
    """Write which tasks a list names, and that they have escalated."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH named AS (
                SELECT m.id AS message_id, n.task_id, m.created_at FROM unnest(%(keys)s::text[], %(tasks)s::bigint[]) AS n(key, task_id)
                JOIN core_outboxmessage m ON m.dedupe_key = n.key
            ), linked AS (
                INSERT INTO tasks_tasknotice (message_id, task_id, kind) SELECT message_id, task_id, 'daily_list' FROM named
                ON CONFLICT DO NOTHING
            )
            UPDATE tasks_task t SET escalated_at = named.created_at FROM named WHERE t.id = named.task_id AND t.escalated_at IS NULL
            """,
            {"keys": [key for key, _ in named], "tasks": [task for _, task in named]},
        )


def _tell(
    messages: Sequence[outbox.NewMessage], title: str, url: str, counts: Mapping[str, int], now: datetime
) -> None:
    """Tell the same in 消息."""
    told = [
        (int(one.subject.partition(":")[2]),
         Notice("review", one.kind, title % counts[one.dedupe_key] if counts else title, url))
        for one in messages
    ]  # fmt: skip
    tell_each(told, now=now, pushed=[one.dedupe_key for one in messages])


# ---------------------------------------------------------------- the week


@transaction.atomic
def send_weekly_lists(*, now: datetime) -> dict[str, int]:
    """Judge last week's 3369 by store and queue the lists, on Monday from 10:00. Rerun: the judgement of Monday stands.

    Below 80 %: the area supervisor is told; below 60 % two weeks running: the branch member manager as well.
    """
    today = clock.local_day(now)
    monday = today - timedelta(days=today.weekday())
    if now < clock.local_moment(monday, LIST_AT):
        return {}
    week = monday - timedelta(days=7)
    judged = _judge(week, now=now)
    weeks = list(StoreWeek.objects.filter(week=week).order_by("store_id"))
    stores = [one.store_id for one in weeks]
    above = {
        role: heads_of_stores(stores, role=role, day=today) for role in ("area_supervisor", "branch_member_manager")
    }
    for one in weeks:
        one.supervisor_id = above["area_supervisor"].get(one.store_id)
        one.branch_manager_id = above["branch_member_manager"].get(one.store_id) if one.is_repeated else None
    StoreWeek.objects.bulk_update(weeks, ["supervisor", "branch_manager"], batch_size=500)
    told = {one.supervisor_id for one in weeks} | {one.branch_manager_id for one in weeks}
    people = Staff.objects.in_bulk([pk for pk in told if pk])
    due = hours.next_opening(
        Store(opens_at=OPENS, closes_at=CLOSES), now
    )  # those above the stores keep the brand's hours
    messages = [
        outbox.NewMessage(
            "weekly_list", f"weekly_list:{pk}:{week}", person.wecom_user_id, due, f"staff:{pk}", due + GOOD_FOR, 3
        )
        for pk, person in people.items()
    ]
    outbox.enqueue(messages)
    _tell(messages, "上周跟进不够的店", "/m/review/?period=last_week", Counter(), now)
    return {"weak": judged, "lists": len(messages)}


def _judge(week: date, *, now: datetime) -> int:
    """Write the stores that did less than 80 % of the 3369 due in a week. Returns how many are new."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tasks_storeweek (store_id, week, done_count, due_count, is_repeated, talk_note, created_at)
            SELECT w.store_id, %(week)s, w.done, w.due, w.done < %(repeated)s * w.due AND coalesce(
                (SELECT before.done_count < %(repeated)s * before.due_count FROM tasks_storeweek before
                 WHERE before.store_id = w.store_id AND before.week = %(week)s::date - 7), false), '', %(now)s
            FROM (SELECT store_id, sum(done_count) AS done, sum(done_count + overdue_count + expired_count) AS due
                  FROM tasks_taskday WHERE day >= %(week)s AND day < %(week)s::date + 7 AND task_type LIKE 'followup\\_%%'
                  GROUP BY store_id) w
            WHERE w.due > 0 AND w.done < %(weak)s * w.due
            ON CONFLICT (store_id, week) DO NOTHING
            """,
            {"week": week, "now": now, "weak": WEAK, "repeated": REPEATED},
        )
        return int(cursor.rowcount)


@transaction.atomic
def record_talk(week: StoreWeek, *, actor: Actor, note: str, now: datetime) -> StoreWeek:
    """Record the talk with a store that stayed below 60 % two weeks running (整改谈话)."""
    path = week.store.unit.path or ""
    reach = actor.reach(*matrix.holders("review.talk"))
    if not any(grant.reach == "all" or (grant.path and path.startswith(grant.path)) for grant in reach):
        raise Forbidden(permission="review.talk")
    if not week.is_repeated:
        raise Conflict(_("这家店没有连续两周低于 60%"))
    if len(note.strip()) < 5:
        raise Invalid(errors=[{"field": "note", "code": "too_short", "message": "写一下谈了什么，至少 5 个字"}])
    talk = {"talked_at": now, "talked_by_id": actor.staff_id, "talk_note": note.strip()[:255]}
    if not StoreWeek.objects.filter(pk=week.pk, talked_at=None).update(**talk):
        raise Conflict(_("已经记过了"))
    audit.record(actor, "review.talk_recorded", week, after={"store": week.store_id, "week": str(week.week)})
    week.refresh_from_db()
    return week


def notices_of(message_ids: list[int]) -> dict[int, list[TaskNotice]]:
    """Return the tasks each daily list names, the longest late first."""
    named: dict[int, list[TaskNotice]] = defaultdict(list)
    links = TaskNotice.objects.filter(message__in=message_ids, task__state__in=["open", "expired"])
    for link in links.select_related("task__assignee").order_by("task__due_at", "task_id"):
        named[link.message_id].append(link)
    return named
