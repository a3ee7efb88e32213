"""HQ edits rules: a draft, its publication, and what differs from one edition to the next.

An edit makes a new version and holds for what is not yet due (`recompute`). What a draft would mean in tasks is asked of
`forecast` before anybody publishes it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from yejibao.core.scope import Actor

from .models import Cadence, CadenceStep, CadenceVersion, Hand

State = CadenceVersion.State
DAYS = ("open_day", "due_day", "expire_day")
EDITABLE = (
    *DAYS, "offset_minutes", "priority", "priority_by_buyer", "why", "headline", "on_time_target",
)  # fmt: skip
LABELS = {
    "open_day": _("打开"), "due_day": _("截止"), "expire_day": _("失效"), "offset_minutes": _("付款后"),
    "priority": _("优先级"), "priority_by_buyer": _("按购买次数的优先级"), "why": _("为什么是他"),
    "headline": _("任务页开头一句"), "on_time_target": _("准时目标"),
}  # fmt: skip
BUYERS = {"first": _("首购"), "repeat": _("复购 2-4 次"), "loyal": _("5 次及以上")}
WORDS = ("{item}", "{more}", "{days}")  # what the reason line may name


class NothingToPublish(Conflict):
    code, title = "cadence.unchanged", _("草稿和线上一样，没有要发布的")


class NoDraft(NotFound):
    code, title = "cadence.no_draft", _("没有草稿，先点「改规则」")


# ---------------------------------------------------------------- drafts


@transaction.atomic
def copy_version(version: CadenceVersion, *, actor: Actor, now: datetime, note: str = "") -> CadenceVersion:
    """Return the cadence's draft, made from a version; the one that exists already is returned as it is."""
    _may_edit(actor)
    _lock(version.cadence_id)
    draft = draft_of(version.cadence_id)
    if draft:
        return draft
    versions = CadenceVersion.objects.filter(cadence_id=version.cadence_id)
    newest = versions.order_by("-number").values_list("number", flat=True)[0]
    draft = CadenceVersion.objects.create(
        cadence_id=version.cadence_id, number=newest + 1, rules=version.rules, note=note, created_at=now,
        created_by_id=actor.staff_id,
    )  # fmt: skip
    steps = list(version.steps.order_by("position"))
    for step in steps:
        step.pk, step.version_id = None, draft.pk
    CadenceStep.objects.bulk_create(steps)
    audit.record(actor, "cadence.drafted", draft, after={"version": draft.number, "from": version.number})
    return draft


def draft_of(cadence_id: int) -> CadenceVersion | None:
    """Return the cadence's one draft."""
    return CadenceVersion.objects.filter(cadence_id=cadence_id, state=State.DRAFT).first()


@transaction.atomic
def edit_step(
    draft: CadenceVersion, key: str, *, actor: Actor, changes: Mapping[str, Any], now: datetime, etag: str = ""
) -> CadenceStep:
    """Change the windows, priorities and words of one step of a draft.

    `etag` is that of the step as the editor saw it. Raises Stale if somebody has changed it since, Conflict if the draft
    was published meanwhile, Invalid naming every field that does not fit, NotFound for an unknown step.
    """
    _may_edit(actor)
    _lock(draft.cadence_id)
    if not _is_draft(draft):
        raise Conflict(_("只有草稿可以改。这一份刚被发布或丢弃，先从线上版复制一份"))
    step = draft.steps.filter(key=key).first()
    if step is None:
        raise NotFound()
    if etag and etag != etag_of([step]):
        raise Stale(current=facts_of(step))
    before = facts_of(step)
    problems = [
        {"field": name, "code": "unknown", "message": "这一项不能改"} for name in changes if name not in EDITABLE
    ]
    if problems:
        raise Invalid(errors=problems)
    for name, value in changes.items():
        setattr(step, name, value)
    problems = check_step(step)
    if not any(problem["field"] in DAYS for problem in problems):
        problems += _order_problems(draft, step)
    if problems:
        raise Invalid(_("有几处要改一下"), errors=problems)
    _follow_windows(step, before)
    step.save(update_fields=[*changes, "reminders", "escalation"])
    after = facts_of(step)
    if after != before:
        audit.record(
            actor, "cadence.edited", draft,
            before={"step": key} | {name: value for name, value in before.items() if value != after[name]},
            after={"step": key} | {name: value for name, value in after.items() if value != before[name]},
        )  # fmt: skip
    return step


def check_step(step: CadenceStep) -> list[dict[str, str]]:
    """Return what is wrong with a step, all fields at once: each `{field, code, message}`."""
    problems: list[dict[str, str]] = []

    def wrong(field: str, message: str) -> None:
        problems.append({"field": field, "code": "range", "message": message})

    if step.offset_minutes is not None:
        if not 5 <= step.offset_minutes <= 240:
            wrong("offset_minutes", "首次致谢在付款后 5 到 240 分钟之间")
    elif None in (days := tuple(getattr(step, name) for name in DAYS)):
        for name, day in zip(DAYS, days, strict=True):
            if day is None:
                wrong(name, "这一天不能空着")
    else:
        opens, due, ends = days
        if not 1 <= opens <= 365:
            wrong("open_day", "打开日在第 1 到 365 天之间")
        if due < opens:
            wrong("due_day", f"截止日不能早于打开日（第 {opens} 天）")
        if ends < due:
            wrong("expire_day", f"失效日不能早于截止日（第 {due} 天）")
        elif ends - opens > 60:
            wrong("expire_day", "从打开到失效最多 60 天")
    if step.priority not in range(1, 6):
        wrong("priority", "优先级是 1 到 5")
    if step.priority_by_buyer.keys() - BUYERS.keys() or not all(
        value in range(1, 6) for value in step.priority_by_buyer.values()
    ):
        wrong("priority_by_buyer", "按购买次数的优先级是 1 到 5")
    if not 0 < step.on_time_target <= 1:
        wrong("on_time_target", "准时目标在 1% 到 100% 之间")
    if not step.why.strip():
        wrong("why", "没有理由的任务导购不知道为什么要做，写一句")
    elif len(step.why) > 120:
        wrong("why", "最多 120 个字")
    elif any(mark in _without_words(step.why) for mark in "{}"):
        wrong("why", "花括号里只能写 {item}、{more}、{days}")
    if len(step.headline) > 40:
        wrong("headline", "最多 40 个字")
    return problems


def _without_words(text: str) -> str:
    for word in WORDS:
        text = text.replace(word, "")
    return text


def _order_problems(draft: CadenceVersion, step: CadenceStep) -> list[dict[str, str]]:
    """Steps stand in the order of their days, else the hand would have to go back."""
    steps = [step if other.pk == step.pk else other for other in draft.steps.order_by("position")]
    at = steps.index(step)
    problems = []
    if at and step.open_day is not None and (steps[at - 1].open_day or 0) >= step.open_day:
        problems.append(f"要晚于前一个节点（第 {steps[at - 1].open_day or 0} 天）")
    if at + 1 < len(steps) and step.open_day is not None and step.open_day >= (steps[at + 1].open_day or 0):
        problems.append(f"要早于后一个节点（第 {steps[at + 1].open_day} 天）")
    return [{"field": "open_day", "code": "order", "message": message} for message in problems]


def _follow_windows(step: CadenceStep, before: Mapping[str, Any]) -> None:
    """Let reminders and escalations go along with the days they were set by: the opening day, else the due day."""
    if step.offset_minutes is not None or all(getattr(step, name) == before[name] for name in DAYS):
        return

    def moved(item: dict[str, Any]) -> dict[str, Any]:
        day = item.get("day")
        if not isinstance(day, int):
            return item  # counts from the task's own due time
        if day == before["open_day"]:
            return item | {"day": step.open_day}
        return item | {"day": (step.due_day or 0) + day - before["due_day"]}

    step.reminders = [moved(item) for item in step.reminders]
    step.escalation = [moved(item) for item in step.escalation]


@transaction.atomic
def drop_draft(draft: CadenceVersion, *, actor: Actor) -> None:
    """Throw a draft away."""
    _may_edit(actor)
    _lock(draft.cadence_id)
    if not _is_draft(draft):
        raise Conflict(_("这一份已经不是草稿了"))
    audit.record(actor, "cadence.dropped", draft, before={"version": draft.number})
    draft.delete()


# ---------------------------------------------------------------- publication


@transaction.atomic
def publish_version(draft: CadenceVersion, *, actor: Actor, now: datetime, etag: str = "") -> CadenceVersion:
    """Put a draft online and retire the old version; the recompute of the hands follows in batches.

    `etag` is that of the draft as the publisher saw it. Raises Stale if it was edited since, Conflict if it is no draft any
    more, NothingToPublish if it equals what is online, Invalid if a step does not fit.
    """
    _may_edit(actor)
    _lock(draft.cadence_id)
    if not _is_draft(draft):
        raise Conflict(_("这一版已经发布过了，或者刚被丢弃"))
    steps = list(draft.steps.order_by("position"))
    if etag and etag != etag_of(steps):
        raise Stale(_("草稿刚被人改过，看过最新的再发布"))
    if problems := [problem for step in steps for problem in check_step(step)]:
        raise Invalid(errors=problems)
    old = CadenceVersion.objects.filter(cadence_id=draft.cadence_id, state=State.PUBLISHED).first()
    changed = changes_between(list(old.steps.order_by("position")), steps) if old else []
    if old and not changed and draft.rules == old.rules:
        raise NothingToPublish()
    affected = members_waiting(draft.cadence_id)
    if old:
        CadenceVersion.objects.filter(pk=old.pk).update(state=State.RETIRED)
    CadenceVersion.objects.filter(pk=draft.pk).update(
        state=State.PUBLISHED, published_at=now, published_by_id=actor.staff_id, recompute_after_id=0
    )
    audit.record(
        actor, "cadence.published", draft,
        before={"version": old.number if old else None},
        after={"version": draft.number, "members_waiting": affected, "changes": [str(change) for change in changed]},
    )  # fmt: skip
    draft.refresh_from_db()
    return draft


def members_waiting(cadence_id: int) -> int:
    """Return how many cycles wait for a step: those a publication will be read again for."""
    return Hand.objects.filter(enrollment__cadence_id=cadence_id).count()


# ---------------------------------------------------------------- what changed


@dataclass(frozen=True)
class Change:
    """One difference between two editions of a step."""

    step: str
    field: str  # of EDITABLE, or "" for a step that came or went as a whole
    old: Any
    new: Any

    def __str__(self) -> str:
        if not self.field:
            return f"{'新加' if self.new else '去掉'} {step_label(self.step)}"
        return f"{step_label(self.step)} {LABELS[self.field]} {self._words(self.old)} → {self._words(self.new)}"

    def _words(self, value: Any) -> str:
        if self.field in DAYS:
            return f"第 {value} 天"
        if self.field == "offset_minutes":
            return f"{value} 分钟"
        if self.field == "on_time_target":
            return f"{value:.0%}"
        if self.field == "priority_by_buyer":
            return "、".join(f"{BUYERS[buyer]} {level}" for buyer, level in sorted(value.items())) or "不分"
        return str(value) if isinstance(value, int) else f"「{value}」"


def changes_between(old: Sequence[CadenceStep], new: Sequence[CadenceStep]) -> list[Change]:
    """Return what differs between the steps of two editions, in the order of the steps."""
    earlier = {step.key: facts_of(step) for step in old}
    found = []
    for step in new:
        facts, before = facts_of(step), earlier.pop(step.key, None)
        if before is None:
            found.append(Change(step.key, "", None, step.key))
        else:
            found += [
                Change(step.key, name, before[name], facts[name]) for name in LABELS if facts[name] != before[name]
            ]
    return found + [Change(key, "", key, None) for key in earlier]


def step_label(key: str) -> str:
    """Return `30 天` for d30, `30 分钟` for m30."""
    number, unit = key[1:], {"m": "分钟", "d": "天"}.get(key[:1], "")
    return f"{number} {unit}" if number.isdigit() and unit else key


def facts_of(step: CadenceStep) -> dict[str, Any]:
    """Return what HQ may change of a step."""
    return {name: getattr(step, name) for name in EDITABLE}


def etag_of(steps: Sequence[CadenceStep]) -> str:
    """Return a mark that differs when a step's editable content does."""
    content = json.dumps([[step.key, facts_of(step)] for step in steps], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _lock(cadence_id: int) -> None:
    """One change of a cadence's editions at a time: two who edit, publish or drop see each other's result."""
    Cadence.objects.select_for_update().get(pk=cadence_id)


def _is_draft(version: CadenceVersion) -> bool:
    """Ask the table: what the caller holds may be a minute old."""
    return CadenceVersion.objects.filter(pk=version.pk, state=State.DRAFT).exists()


def _may_edit(actor: Actor) -> None:
    if not actor.may("template.edit"):
        raise Forbidden(permission="template.edit")
