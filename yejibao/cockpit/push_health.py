"""推送健康 in figures: what waits, what failed and why, and how the machinery is (what went out: push_flow). Reads only."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from django.db import connection
from django.db.models import Count, Max, Min, Q, QuerySet

from guides.org.models import OrgUnit, Staff
from tasks.cadences import parked
from tasks.cadences.parked import Parked
from tasks.cadences.words import hours
from yejibao.core import clock, personal, words
from yejibao.core.models import Heartbeat, OutboxEvent, OutboxMessage
from yejibao.core.outbox import turns
from yejibao.wecom import messages

from . import health
from .causes import CAUSE, Cause, cause_of, while_retried
from .keeping import KEPT_SECONDS, forget, keep, kept

State = OutboxMessage.State
KINDS = {
    "task": "任务卡", "digest": "任务摘要", "urge": "催办", "escalation": "超时提醒", "daily_list": "每日清单",
    "weekly_list": "每周清单", "card_said": "卡片回话", "announcement": "公告", "announcement_urge": "催读公告",
    "announcement_try": "公告试发", "notice": "提醒",
}  # fmt: skip
TOPICS = {
    "crm.order_paid": "付款", "crm.order_returned": "退货", "crm.order_exchanged": "换货", "crm.order_received": "签收",
    "crm.order_corrected": "订单更正", "crm.ticket_changed": "售后单变动", "crm.member_changed": "会员变动",
    "crm.friend_changed": "好友变动", "crm.heir_named": "指定接手人", "guides.staff_resigned": "员工离职",
    "guides.staff_away_changed": "员工请假", "guides.staff_moved": "员工调店", "guides.staff_lent": "临时支援",
    "guides.sign_in_changed": "登录方式变动", "guides.announcement_unread": "公告要催读", "guides.announcement_settled": "公告读完",
    "guides.meeting_planned": "安排会议", "guides.meeting_attended": "参加会议", "guides.vote_opened": "发起投票",
    "guides.vote_cast": "投票", "guides.patrol_finding": "巡店问题", "guides.patrol_submitted": "巡店报告",
    "guides.work_logs_asked": "要写日志", "guides.work_log_handed_in": "交日志", "core.duty_finished": "店务办完",
    "crm.member_tagged": "会员标签变动", "crm.members_merged": "会员合并",
}  # fmt: skip
PAGE = 50
PROOF_MAX_AGE = timedelta(hours=26)
DEAD = Q(state__in=[State.FAILED, State.PARKED])


# ---------------------------------------------------------------- what waits


@dataclass(frozen=True)
class Queue:
    """Messages on their way."""

    waiting: int  # due, not tried yet
    oldest_due_at: datetime | None
    later: int  # due in the future
    retrying: int
    unknown: int

    def oldest_words(self, now: datetime) -> str:
        """Return how long the oldest has waited."""
        if self.oldest_due_at is None:
            return "没有积压"
        seconds = int((now - self.oldest_due_at).total_seconds())
        return f"最久 {seconds} 秒" if seconds < 120 else f"最久 {words.minutes_words(seconds // 60)}"


def queue(*, now: datetime) -> Queue:
    """Return what waits. Reads the partial index of pending and unknown rows only."""
    due = Q(state=State.PENDING, attempts=0, next_at__lte=now)
    found = OutboxMessage.objects.filter(state__in=[State.PENDING, State.UNKNOWN]).aggregate(
        waiting=Count("pk", filter=due), oldest_due_at=Min("next_at", filter=due),
        later=Count("pk", filter=Q(state=State.PENDING, attempts=0, next_at__gt=now)),
        retrying=Count("pk", filter=Q(state=State.PENDING, attempts__gt=0)),
        unknown=Count("pk", filter=Q(state=State.UNKNOWN)),
    )  # fmt: skip
    return Queue(**found)


@dataclass(frozen=True)
class BranchQueue:
    """What of a branch is due and has not left yet."""

    name: str
    waiting: int
    oldest: str


def branch_queues(*, now: datetime) -> list[BranchQueue]:
    """Return the branches that wait, the longest queue first: each has its share of every claim, so none waits for another."""
    lanes = turns.waiting_by_lane(now=now)
    names = dict(OrgUnit.objects.filter(pk__in=[lane for lane, _, _ in lanes]).values_list("pk", "name"))
    return [
        BranchQueue(names.get(lane, "总部"), count, Queue(count, oldest, 0, 0, 0).oldest_words(now))
        for lane, count, oldest in lanes
    ]


# ---------------------------------------------------------------- what failed, and why


@dataclass(frozen=True)
class Trouble:
    """One line of the table: a cause with its messages."""

    cause: Cause
    count: int
    people: int
    stores: int
    store: str  # the one store, where it is one
    kinds: tuple[str, ...]
    first_at: datetime | None
    last_at: datetime | None
    upto: int  # the newest message of it: what a confirmed button is about

    @property
    def whom(self) -> str:
        """Return 211 位同事，42 家店，任务摘要."""
        parts = [f"{self.people} 位同事"]
        if self.stores:
            parts.append(self.store if self.stores == 1 else f"{self.stores} 家店")
        names = [KINDS.get(kind, kind) for kind in self.kinds]
        parts.append(f"全是{names[0]}" if len(names) == 1 else "、".join(names))
        return "，".join(parts)


_TROUBLES = """
SELECT t.cause, count(*), count(DISTINCT t.recipient), count(DISTINCT s.store_id), min(st.short_name),
    array_agg(DISTINCT t.kind), min(t.claimed_at), max(t.claimed_at), max(t.id)
FROM ({rows}) t(id, recipient, kind, claimed_at, cause)
LEFT JOIN guides_staff s ON s.wecom_user_id = t.recipient LEFT JOIN guides_store st ON st.id = s.store_id
GROUP BY t.cause ORDER BY count(*) DESC, t.cause
"""


def troubles() -> list[Trouble]:
    """Return what failed or waits for a person, by cause, the largest first."""
    return _by_cause(DEAD)


def retried_causes() -> list[Trouble]:
    """Return what the system tries again by itself, by the answer of the last try."""
    found = _by_cause(Q(state__in=[State.PENDING, State.UNKNOWN], attempts__gt=0))
    return [replace(one, cause=while_retried(one.cause)) for one in found]


def _by_cause(which: Q) -> list[Trouble]:
    rows = OutboxMessage.objects.filter(which).annotate(cause=CAUSE)
    sql, params = rows.values_list("pk", "recipient", "kind", "claimed_at", "cause").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_TROUBLES.format(rows=sql), params)
        return [
            Trouble(cause_of(key), count, people, stores, store or "", tuple(kinds), first, last, upto)
            for key, count, people, stores, store, kinds, first, last, upto in cursor.fetchall()
        ]


def messages_of(causes: Sequence[str], *, upto: int | None = None) -> QuerySet[OutboxMessage]:
    """Return the dead messages of some causes, up to a message id."""
    rows = OutboxMessage.objects.filter(DEAD).annotate(cause=CAUSE).filter(cause__in=causes)
    return rows if upto is None else rows.filter(pk__lte=upto)


@dataclass(frozen=True)
class Line:
    """One dead message as the list shows it: no names in full, nothing of the body but its masked title."""

    pk: int
    who: str
    store: str
    is_gone: bool
    kind: str
    title: str
    state: str
    attempts: int
    tried_at: datetime | None
    code: int | None


def list_messages(cause: str, *, before: int | None = None) -> tuple[list[Line], int | None]:
    """Return a page of a cause's messages, the newest first, and where the next page begins."""
    rows = messages_of([cause]).order_by("-pk")
    found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    people = {
        one.wecom_user_id: one
        for one in Staff.objects.filter(wecom_user_id__in={row.recipient for row in found}).select_related("store")
    }
    lines = []
    for row in found[:PAGE]:
        person = people.get(row.recipient)
        lines.append(
            Line(
                row.pk, personal.mask_name(person.name) if person else "查无此人",
                person.store.short_name if person and person.store else "",
                person is None or person.state not in Staff.MAY_SIGN_IN, KINDS.get(row.kind, row.kind), title_of(row),
                row.get_state_display(), row.attempts, row.claimed_at, row.errcode,
            )
        )  # fmt: skip
    return lines, lines[-1].pk if len(found) > PAGE else None


def title_of(row: OutboxMessage) -> str:
    """Return the title a message carries, with the member's name masked; "" for one that was never rendered."""
    if not row.body_bytes:
        return ""
    try:
        title = messages.title_of(json.loads(bytes(row.body_bytes)))
    except (ValueError, AttributeError):
        return ""
    if row.kind not in ("task", "card_said"):  # these begin with the member's name
        return title
    name, dot, rest = title.partition(" · ")
    return f"{personal.mask_name(name)}{dot}{rest}"


# ---------------------------------------------------------------- what was set aside inside the house


@dataclass(frozen=True)
class ParkedEvent:
    """News no department could take: kind, tries, and the sort of error; never its text, which may quote a row."""

    pk: int
    topic: str
    created_at: datetime
    attempts: int
    error: str


def parked_events() -> list[ParkedEvent]:
    """Return events set aside, the oldest first."""
    return [
        ParkedEvent(row.pk, TOPICS.get(row.topic, "其他"), row.created_at, row.attempts, row.error.partition(":")[0])
        for row in _parked_events().order_by("pk")[:PAGE]
    ]


def count_parked_events() -> int:
    return _parked_events().count()


def _parked_events() -> QuerySet[OutboxEvent]:
    return OutboxEvent.objects.filter(done_at=None, parked_at__isnull=False)


def parked_cycles() -> list[Parked]:
    return parked.list_parked()


# ---------------------------------------------------------------- how the machinery is

CHANNELS = ("sender", "worker", "beat", "wecom", "outbox", "notices", "enrollments", "events", "redis")


def channels(*, now: datetime) -> list[health.Line]:
    """Return the parts of the house a push goes through."""
    lines = {line.part.key: line for line in health.read_lines(now, only=CHANNELS)}
    return [lines[key] for key in CHANNELS]


def house_troubles(*, now: datetime) -> list[tuple[str, int]]:
    """Return [("出错", 1)]: how much of the whole house is not well; what only waits for a person is left out.

    Every part is asked, so the answer is kept: the page calls each half minute.
    """
    key = f"push-house:{int(now.timestamp()) // KEPT_SECONDS}"
    found = kept(key)
    if found is None:
        said = Counter(line.said for line in health.read_lines(now))
        found = [(word, said[word]) for word in ("出错", "变慢") if said[word]]
        keep(key, found)
    return [(word, number) for word, number in found]


@dataclass(frozen=True)
class Proof:
    """The nightly count that nothing was lost."""

    proved_at: datetime | None
    missing: int
    purchases: int
    opened: int
    is_stale: bool

    @property
    def ago(self) -> str:
        """Return how long ago; by the clock of the database, which is the one that wrote it."""
        return words.ago(self.proved_at, clock.system_now())

    @property
    def is_alarm(self) -> bool:
        return self.missing > 0

    @property
    def is_ok(self) -> bool:
        return self.proved_at is not None and not self.missing and not self.is_stale


def proof(*, now: datetime, cadence: str = "3369") -> Proof:
    """Return the last conservation proof as the nightly job left it."""
    row = Heartbeat.objects.filter(name=f"conservation:{cadence}").first()
    if row is None:
        return Proof(None, 0, 0, 0, is_stale=True)
    facts = row.facts
    return Proof(
        row.at, int(facts.get("missing", 0)), int(facts.get("purchases", 0)), int(facts.get("opened", 0)),
        is_stale=clock.system_now() - row.at > PROOF_MAX_AGE,
    )  # fmt: skip


# ---------------------------------------------------------------- resending


def may_leave_at(now: datetime) -> datetime:
    """Return when a push to staff may leave: now, or the next morning in quiet hours."""
    opens, closes = (time.fromisoformat(text) for text in hours())
    local = now.astimezone(clock.SHANGHAI).time()
    if opens <= local < closes:
        return now
    day = clock.local_day(now)
    return clock.local_moment(day if local < opens else day + timedelta(days=1), opens)


def open_matters() -> int:
    """Return how many sorts of trouble wait for somebody: the number beside the menu entry, on every page of HQ."""
    key = "push-open-matters"
    found: int | None = kept(key)
    if found is None:
        sorts = OutboxMessage.objects.filter(DEAD).annotate(cause=CAUSE).order_by().values_list("cause").distinct()
        parts = [sorts.query.sql_with_params(), _parked_events().values("pk")[:1].query.sql_with_params(),
                 parked.rows().values("pk")[:1].query.sql_with_params()]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT " + " + ".join(f"(SELECT count(*) FROM ({sql}) t{at})" for at, (sql, _) in enumerate(parts)),
                [param for _, params in parts for param in params],
            )
            found = int(cursor.fetchone()[0])
        keep(key, found)
    return found


def forget_matters() -> None:
    """Count the number beside the menu entry anew: somebody has just acted."""
    forget("push-open-matters")


def newest_dead() -> int:
    """Return the id of the newest dead message."""
    return OutboxMessage.objects.filter(DEAD).aggregate(upto=Max("pk"))["upto"] or 0
