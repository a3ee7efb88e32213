"""The names behind one field of the board."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q

from guides.attendance.calendar import away_days
from guides.org.models import RoleAssignment, Staff, Store
from tasks.followups.labels import OUTCOMES
from tasks.followups.models import Task, TaskQuerySet
from tasks.followups.wording import TYPE_NAMES
from yejibao.core import clock
from yejibao.core.personal import mask_name
from yejibao.core.scope import Actor

from ..counting import ANSWERED
from ..periods import Period
from ..scoped import FULL_NAME_ROLES, URGE_ROLES, covers, named_filter

LIMIT = 300
STEP_NAMES = {
    "followup_m30": "30 分钟回访", "followup_d3": "3 天回访", "followup_d30": "30 天回访", "followup_d60": "60 天回访",
    "followup_d90": "90 天回访",
}  # fmt: skip
TABS = {"late": "超时", "todo": "待做", "done": "完成", "expired": "过期", "held": "暂缓"}
EVIDENCE_NAMES = {  # evidence_kinds of followup_3369.yaml
    "chat_claimed": "手动确认", "chat_sent": "企微已发送", "friend_added": "已加好友", "call_logged": "电话已记录",
    "visit_booked": "已约到店", "coupon_issued": "券已发放", "order_linked": "已成交", "note": "记录",
    "friend_tagged": "已补标签", "group_send_confirmed": "群发已确认", "form_submitted": "表单已提交",
}  # fmt: skip
HELD_NAMES = {"aftersale": "售后处理中", "resigned": "等接手人", "handover": "交接中"}


@dataclass(frozen=True)
class Named:
    """One member's task in the list."""

    pk: int
    member_id: int
    member_name: str  # masked unless the reader manages the store
    tier: str
    bought: str  # 11-16 买西裤 ¥699
    due_at: datetime
    done_at: datetime | None
    is_late: bool
    note: str  # how it was done, what came of it, or why it is held
    guide_name: str
    step_name: str


@dataclass
class Drill:
    """What a tap on a field shows."""

    store: Store
    guide: Staff | None
    task_type: str
    lists: dict[str, list[Named]]
    replied_count: int
    is_cut: bool
    colleagues: list[Staff]  # who could take over, the backup first
    can_urge: bool
    can_move: bool

    @property
    def due_count(self) -> int:
        return len(self.lists["late"]) + len(self.lists["done"]) + len(self.lists["expired"])

    @property
    def step_name(self) -> str:
        return step_name(self.task_type)


def step_name(task_type: str) -> str:
    """Return what staff call a kind of task; all of them for ""."""
    return STEP_NAMES.get(task_type) or TYPE_NAMES.get(task_type) or ("全部" if not task_type else "跟进")


def named_tasks(actor: Actor) -> TaskQuerySet:
    """Return the tasks an actor may read by member's name and act on as one who leads."""
    return Task.objects.visible_to(actor).filter(named_filter(actor))


def field_filter(store: Store, guide_id: int | None, task_type: str, period: Period) -> Q:
    """Return the condition of one field of the board: whose, which step, due in which days."""
    condition = Q(
        store=store,
        due_at__gte=clock.local_moment(period.start, datetime.min.time()),
        due_at__lt=clock.local_moment(period.end + timedelta(days=1), datetime.min.time()),
    )
    if guide_id is not None:
        condition &= Q(assignee_id=guide_id)
    if task_type:
        condition &= Q(task_type=task_type)
    return condition


def drill_of(
    actor: Actor, store: Store, *, guide: Staff | None, task_type: str, period: Period, now: datetime
) -> Drill:
    """Return the members behind a field, in lists: late, still to do, done, expired, held."""
    rows = list(
        named_tasks(actor)
        .filter(
            field_filter(store, guide.pk if guide else None, task_type, period), state__in=["open", "done", "expired"]
        )
        .select_related("member", "assignee", "order")
        .order_by("due_at", "pk")[: LIMIT + 1]
    )
    unmasked = covers(actor, FULL_NAME_ROLES, store.unit)
    lists: dict[str, list[Named]] = {key: [] for key in TABS}
    replied = 0
    for task in rows[:LIMIT]:
        lists[_list_of(task, now)].append(_named(task, unmasked=unmasked))
        replied += (
            task.outcome in ANSWERED and task.done_at is not None and (task.evidence_level or 0) >= 2
            and task.outcome_at is not None and task.outcome_at <= task.done_at + timedelta(hours=48)
        )  # fmt: skip
    lists["done"].reverse()
    can_move = actor.may("task.dispatch") and bool(rows)
    return Drill(
        store=store, guide=guide, task_type=task_type, lists=lists, replied_count=replied, is_cut=len(rows) > LIMIT,
        colleagues=_colleagues(store, guide, clock.local_day(now)) if can_move else [],
        can_urge=covers(actor, URGE_ROLES, store.unit), can_move=can_move,
    )  # fmt: skip


def _list_of(task: Task, now: datetime) -> str:
    if task.state != Task.State.OPEN:
        return str(task.state)
    if task.held_at:
        return "held"
    return "late" if task.due_at <= now else "todo"


def _named(task: Task, *, unmasked: bool) -> Named:
    is_late = task.done_at is not None and task.done_at > task.due_at
    if task.held_at and task.state == Task.State.OPEN:
        note = HELD_NAMES.get(task.held_reason or "", "暂缓")
    else:
        outcome = str(OUTCOMES.get(task.outcome, ""))
        note = " · ".join(filter(None, [EVIDENCE_NAMES.get(task.evidence_kind, "") if task.done_at else "", outcome]))
    return Named(
        pk=task.pk, member_id=task.member_id,
        member_name=task.member.name if unmasked else mask_name(task.member.name), tier=task.member.tier_631,
        bought=bought(task), due_at=task.due_at, done_at=task.done_at, is_late=is_late, note=note,
        guide_name=task.assignee.name, step_name=step_name(task.task_type),
    )  # fmt: skip


def bought(task: Task) -> str:
    """Return what he bought and when, `11-16 买西裤 ¥699`; the reason of the task where no purchase is behind it."""
    items = task.context.get("items") or []
    if not items:
        return task.why
    hero = items[0]
    day = task.order.paid_on if task.order_id and task.order else None
    when = f"{day.month}-{day.day:02d} " if day else ""
    fen = hero.get("fen")
    price = f" ¥{round(fen / 100):,}" if fen else ""
    return f"{when}买{hero.get('name', '')}{price}"


def _colleagues(store: Store, guide: Staff | None, today: date) -> list[Staff]:
    """Return the people of a store who are at work today and may take tasks, the guide's backup first."""
    at_work = RoleAssignment.objects.filter(role__in=["guide", "store_manager"], unit_id=store.unit_id).values(
        "staff_id"
    )
    people = list(Staff.objects.filter(pk__in=at_work, store=store, state=Staff.State.ACTIVE).order_by("pk"))
    away = away_days([person.pk for person in people], today, today + timedelta(days=1))
    backup = guide.backup_guide_id if guide else None
    return sorted(
        (one for one in people if one.pk not in away and (guide is None or one.pk != guide.pk)),
        key=lambda one: one.pk != backup,
    )
