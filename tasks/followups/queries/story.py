"""One task with all that stands around it: the member, what he bought, why now, what happened, who is next."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django.db.models import Q

from crm.members.models import FriendLink, Member
from tasks.cadences.loading import read_book
from tasks.cadences.models import CadenceStep, Enrollment
from tasks.followups.labels import CALL_RESULTS, OUTCOMES, SKIP_WORDS
from tasks.followups.models import PendingSend, SkipRequest, Task, TaskEvidence
from tasks.scripts.models import ScriptUse
from tasks.scripts.ranking import Words
from yejibao.core import words
from yejibao.core.drawing import SILHOUETTES
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .. import hours
from ..proof import WORDS_LEFT, Proof, proof_of
from .around import Around, Wardrobe, read_around
from .day import label_of

# The silhouette of an item, by its product family (drawing.SILHOUETTES).
SHAPES = {
    "suit_wool": "套西", "shirt": "商务衬衫", "polo": "POLO", "tshirt": "圆领T恤", "knit": "针织衫", "down": "羽绒服",
    "leather": "皮衣", "coat": "羊毛大衣", "trousers": "西裤", "jacket": "商务夹克", "shoes": "皮鞋", "accessory": "配饰",
}  # fmt: skip
HELD_WORDS = {
    "aftersale": "他的售后还没处理完，先不打扰。处理完两天后会自己回到今日。",
    "resigned": "原来的导购离职了，正在交接。交接好就放出来。",
    "handover": "先跟他打个招呼认识一下，招呼打过就放出来。",
}
EVIDENCE_WORDS = {
    "tool_opened": "备好话术", "chat_sent": "发出话术", "chat_claimed": "自己粘贴发了", "call_logged": "打了电话",
    "call_tried": "打了电话，没接", "undone": "撤销了完成", "rejected": "抽查没通过，重新打开", "visit_booked": "约了到店",
    "friend_added": "加上好友了", "friend_tagged": "记了标签，算完成", "reply": "会员回复了", "order_linked": "又来买了",
}  # fmt: skip
# An introduction says which handover it comes from (open_handover_intros).
INTRO_LABELS = {
    "resigned": "离职交接问候", "moved_store": "调店交接问候", "long_leave": "长假交接问候", "given": "转交问候",
}  # fmt: skip
NOT_FOUND = "这条任务找不到，或者不是你的。"


def read_task(actor: Actor, pk: int, *, or_prepared: bool = False) -> Task:
    """Return a task the actor may see, with its people. Raises NotFound, also for a task that is somebody else's.

    `or_prepared`: also one she prepared a message for before it was handed on, to report that the message left.
    """
    tasks = Task.objects.visible_to(actor)
    if or_prepared:
        prepared = PendingSend.objects.filter(guide_id=actor.staff_id, task_id=pk)
        tasks = Task.objects.filter(Q(pk__in=tasks) | Q(pk__in=prepared.values("task_id")))
    tasks = tasks.with_people().select_related("store__unit", "order__store", "enrollment", "assignee__store")
    task = tasks.filter(pk=pk).first()
    if task is None:
        raise NotFound(NOT_FOUND)
    return task


@dataclass(frozen=True, slots=True)
class Item:
    """One thing he bought."""

    name: str
    color: str
    size: str
    fen: int | None
    shape: str

    @property
    def full_name(self) -> str:
        return self.name if self.color and self.color in self.name else f"{self.color}{self.name}"


@dataclass(frozen=True, slots=True)
class Trace:
    """A line of 留痕."""

    at: datetime
    text: str
    note: str = ""
    tone: str = ""  # ok | info | ""


@dataclass(frozen=True, slots=True)
class Story:
    """What the task page shows."""

    task: Task
    member: Member
    label: str
    step: CadenceStep | None
    items: list[Item]
    carry_over: list[Item]
    bought: str  # 今天 9:58 在你这儿买的
    wardrobe: Wardrobe
    trail: list[dict[str, str]]
    chips: list[tuple[str, str]]
    also: list[Task]
    traces: list[Trace]
    proof: Proof  # what closed it; the highest level may come from another
    friend: FriendLink | None
    pending: PendingSend | None
    skip_request: SkipRequest | None
    is_open_hours: bool
    sentence: str  # why nothing is to be done here any more, or not now; empty while it is to be done
    words: Words  # what may be said, for `offer`

    @property
    def hero(self) -> Item | None:
        return self.items[0] if self.items else None

    @property
    def is_friend(self) -> bool:
        return self.friend is not None and self.friend.state == FriendLink.State.FRIEND

    @property
    def can_do(self) -> bool:
        return self.task.state == Task.State.OPEN and self.task.held_at is None

    @property
    def outcome_name(self) -> str:
        return str(OUTCOMES.get(self.task.outcome, ""))

    @property
    def they(self) -> str:
        return "她" if self.member.gender == "f" else "他"

    @property
    def headline(self) -> str:
        """The serif line: what this is about, or what comes next once it is done."""
        if self.task.state == Task.State.DONE:
            return _after(self.task, self.member, self.proof.kind)
        said = (self.step.headline if self.step else "") or f"{self.member.called}，{self.label}"
        if self.task.task_type == "handover_intro":
            said = f"{self.member.called}以后由你照顾，先打个招呼"
        return said.replace("他", self.they)


def open_story(actor: Actor, pk: int, *, now: datetime) -> Story:
    """Return the story of a task the actor may see, in one statement. Raises NotFound, also for somebody else's task."""
    return _story(read_around(actor, pk, staff_id=actor.staff_id, now=now), now)


def story_of(task: Task, *, actor: Actor, now: datetime) -> Story:
    """Return the story of a task read with `read_task`, as the database has it now."""
    return _story(read_around(Actor.system(), task.pk, staff_id=actor.staff_id, now=now), now)


def _story(around: Around | None, now: datetime) -> Story:
    if around is None:
        raise NotFound(NOT_FOUND)
    task, evidence = around.task, around.evidence
    step = next((one for one in around.steps if one.key == task.node), None)
    uses = {use.at: use for use in around.uses}
    return Story(
        task=task,
        member=task.member,
        label=INTRO_LABELS.get(task.context.get("reason", "")) or label_of(task.task_type, task.node),
        step=step,
        items=[_item(one) for one in task.context.get("items") or []],
        carry_over=[_item(one) for one in task.context.get("carry_over_items") or []],
        bought=_bought(task, now),
        wardrobe=around.wardrobe,
        trail=_trail(task.enrollment, around, now) if task.enrollment else [],
        chips=chips_of(step),
        also=around.also,
        traces=[_trace(row, uses.get(row.at)) for row in evidence],
        proof=proof_of(task, evidence),
        friend=around.friend,
        pending=around.pending,
        skip_request=around.skip_request,
        is_open_hours=hours.is_open(task.store, now),
        sentence=_sentence(task, now),
        words=around.words,
    )


def chips_of(step: CadenceStep | None) -> list[tuple[str, str]]:
    """Return the outcome chips of a step; other kinds use those of d30 (task_types.yaml today_screen.outcome)."""
    return _chips(tuple(step.outcome_chips) if step else None)


@cache
def _chips(keys: tuple[str, ...] | None) -> list[tuple[str, str]]:
    keys = keys or next(
        node["outcome_chips"] for node in read_book("followup_3369")["nodes"] if node["key"] == "d30"
    )  # fmt: skip
    return [(key, str(OUTCOMES[key])) for key in keys]


def _item(raw: dict[str, Any]) -> Item:
    return Item(
        name=raw.get("name") or "衣服",
        color=raw.get("color") or "",
        size=raw.get("size") or "",
        fen=raw.get("fen"),
        shape=_shape(raw.get("name") or "", raw.get("care") or ""),
    )


def _shape(name: str, care: str) -> str:
    """Return the silhouette: what the name says (羊毛围巾), else the family."""
    said = [word for word in SILHOUETTES if name.endswith(word)]
    return max(said, key=len) if said else SHAPES.get(care, "")


def _bought(task: Task, now: datetime) -> str:
    order = task.order
    if order is None:
        return ""
    when = words.short_day(order.paid_at, now)
    if when == "今天":
        when = f"今天 {words.clock_time(order.paid_at)}"
    if order.is_delivery or order.kind in ("mall", "live"):
        where = "网上下单，" + ("已签收" if order.received_at else "还没签收")
    elif order.guide_id == task.assignee_id:
        where = "在你这儿买的"
    else:
        where = f"在{order.store.short_name}买的"
    return f"{when} {where}"


# ---------------------------------------------------------------- why now


def _trail(enrollment: Enrollment, around: Around, now: datetime) -> list[dict[str, str]]:
    """Return the nodes of the cycle with what became of each, or when it comes."""
    opened = {row.node: row for row in around.cycle}
    known = {step.key: step for step in around.steps}
    trail = []
    for key in enrollment.plan:
        step, row = known.get(key), opened.get(key)
        state, note = "", ""
        if row and row.state == Task.State.DONE:
            state, note = "done", words.short_day(row.done_at, now)
        elif row and row.state == Task.State.OPEN:
            is_this = key == around.task.node
            state, note = ("on", "现在") if is_this else ("", words.short_day(row.due_at, now))
        elif row:
            state, note = "skip", {"expired": "没赶上", "superseded": "换新一轮"}.get(row.state, "跳过")
        elif key in enrollment.step_reasons or enrollment.status in ("superseded", "cancelled"):
            state, note = "skip", "跳过"
        elif step and step.open_day is not None:
            day = _opens_on(enrollment, step)
            note = f"{day.month}-{day.day:02d}"  # the year is plain: the next ninety days
        trail.append({"label": _span(key, step), "note": note, "state": state})
    return trail


def _opens_on(enrollment: Enrollment, step: CadenceStep) -> date:
    moved = enrollment.step_days.get(step.key)
    return date.fromisoformat(moved) if moved else enrollment.day_anchor_date + timedelta(days=step.open_day or 0)


def _span(key: str, step: CadenceStep | None) -> str:
    """`30 分钟`, `3 天`."""
    if step is None:
        return key
    return f"{step.offset_minutes} 分钟" if step.offset_minutes is not None else f"{step.open_day} 天"


# ---------------------------------------------------------------- what happened


def _trace(row: TaskEvidence, use: ScriptUse | None) -> Trace:
    text, note = EVIDENCE_WORDS.get(row.kind, "有了新进展"), ""
    title = use.script.title if use and use.script else ""
    match row.kind:
        case "chat_sent":
            text += f"「{title}」" if title else ""
            note = "来自聊天侧边栏，发送成功回执"
        case "chat_claimed":
            text += f"「{title}」" if title else ""
            note = "手动确认，店长会抽查"
        case "call_logged" | "call_tried":
            result = CALL_RESULTS.get(row.payload.get("result", ""), "")
            text = f"打了电话，{result}"
            note = row.payload.get("note", "")
        case "visit_booked" if row.payload.get("visit_at"):
            text = f"约了 {words.short_moment(datetime.fromisoformat(row.payload['visit_at']))} 到店"
        case "rejected":
            note = row.payload.get("note", "")
    if use and use.was_edited:
        note = "，".join(filter(None, [note, "话术改过"]))
    return Trace(row.at, text, note, "ok" if row.level >= 2 else "info" if row.level >= 0 and row.is_auto else "")


def _after(task: Task, member: Member, proof: str) -> str:
    said = {
        "replied": f"{member.called}回你了，接下来？",
        "friend_added": f"加上{member.called}了，好的开始",
        "fit_ok": f"{member.called}穿着合身",
        "fit_problem": f"{member.called}要换要改，帮他安排",
        "visit_booked": f"{member.called}要来，准备好等他",
        "bought": f"{member.called}又买了，干得漂亮",
        "no_reply": f"{member.called}还没回，不催他",
        "do_not_disturb": f"好的，不再打扰{member.called}",
    }.get(task.outcome, "这件做完了")
    if not task.outcome:
        if proof == "call_logged":
            said = f"给{member.called}打过电话了，结果呢？"
        elif proof == "friend_tagged":
            said = f"给{member.called}记了标签，算完成"
        elif proof in WORDS_LEFT:
            said = f"发给{member.called}了，有回音点一下"
    return said.replace("他", "她") if member.gender == "f" else said


def _sentence(task: Task, now: datetime) -> str:
    """Say in one sentence why there is nothing to do here (any more), or not now."""
    when = words.short_moment(task.closed_at, now)
    reason = str(SKIP_WORDS.get(task.closed_reason, ""))
    match task.state:
        case Task.State.OPEN if task.held_reason:
            return HELD_WORDS.get(task.held_reason, "这件事先暂缓，放出来以后再做。")
        case Task.State.SUPERSEDED:
            return f"他又来买了，这一轮换成新的跟进（{when}）。"
        case Task.State.CANCELLED:
            return f"这件不用做了：{reason or '来源已取消'}（{when}）。"
        case Task.State.SKIPPED:
            return f"这件已跳过：{reason or '不用再做'}（{when}）。"
        case Task.State.EXPIRED:
            return f"到 {words.short_moment(task.expire_at, now)} 没赶上，已失效。下一个节点接着来。"
    return ""
