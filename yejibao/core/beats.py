"""任务与计划: the entries of the schedule as people see them, and the two acts on one: switch it, run it now.

An entry without which nothing else works may not be switched off (`ESSENTIAL`): the house would look well and stand still.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from . import audit, clock, desk, limits
from .errors import Conflict, Forbidden, Invalid, Unavailable
from .models import Heartbeat
from .scope import Actor

ESSENTIAL = frozenset(
    {
        "yejibao.core.jobs.heartbeat",
        "yejibao.core.jobs.watch_health",
        "yejibao.core.jobs.seal_audit",
        "tasks.followups.jobs.open_due_tasks",
        "yejibao.wecom.inbox.jobs.work_inbox",
    }
)
LATE = 3  # so many pauses without a run is late
SHORTEST_LATE = timedelta(minutes=5)
RUNS_A_MINUTE = 2
WEEKDAYS = ("日", "一", "二", "三", "四", "五", "六")


class KeepsTheHouse(Conflict):
    code, title = "job.essential", _("这个任务停不得：停了别的都不动")


@dataclass(frozen=True)
class Beat:
    """One entry: when it runs, how its last run went, and when it is next."""

    entry: PeriodicTask
    when: str
    last_well_at: datetime | None
    milliseconds: float | None
    failures: int
    error: str
    counts: dict[str, int]
    next_at: datetime | None
    is_late: bool

    @property
    def is_essential(self) -> bool:
        return self.entry.task in ESSENTIAL

    @property
    def said(self) -> str:
        if not self.entry.enabled:
            return "停着"
        if self.failures:
            return "出错"
        if self.is_late:
            return "没按时跑"
        return "正常" if self.last_well_at else "还没跑过"

    @property
    def tone(self) -> str:
        return {"停着": "gray", "出错": "red", "没按时跑": "amber", "正常": "green"}.get(self.said, "gray")

    @property
    def took(self) -> str:
        """Return how long the last run took: 0.3 秒, 2 分 5 秒."""
        if self.milliseconds is None:
            return "—"
        seconds = self.milliseconds / 1000
        return f"{seconds:.1f} 秒" if seconds < 60 else f"{int(seconds // 60)} 分 {int(seconds % 60)} 秒"


def beats(*, now: datetime) -> list[Beat]:
    """Return all entries in the order of their names' making: two statements for any number. `now` is the machine's."""
    entries = list(PeriodicTask.objects.select_related("interval", "crontab").exclude(name="celery.backend_cleanup"))
    return _read(sorted(entries, key=lambda one: one.pk), now=now)


def beat_of(pk: int, *, now: datetime) -> Beat | None:
    """Return one entry."""
    found = _read(list(PeriodicTask.objects.select_related("interval", "crontab").filter(pk=pk)), now=now)
    return found[0] if found else None


def _read(entries: Collection[PeriodicTask], *, now: datetime) -> list[Beat]:
    names = {f"{Heartbeat.JOB}{entry.task}"[:64] for entry in entries}
    marks = {row.name: row for row in Heartbeat.objects.filter(name__in=names)}
    return [_beat(entry, marks.get(f"{Heartbeat.JOB}{entry.task}"[:64]), now) for entry in entries]


def _beat(entry: PeriodicTask, mark: Heartbeat | None, now: datetime) -> Beat:
    facts: dict[str, Any] = mark.facts if mark else {}
    at = mark.at if mark and mark.at.year > 1970 else None
    pause = timedelta(seconds=entry.interval.every) if entry.interval and entry.interval.period == "seconds" else None
    late = bool(pause and entry.enabled and at and now - at > max(LATE * pause, SHORTEST_LATE))
    return Beat(
        entry, when_words(entry), at, facts.get("ms"), int(facts.get("failures") or 0), str(facts.get("error") or ""),
        facts.get("counts") or {}, _next(entry, now), late,
    )  # fmt: skip


def _next(entry: PeriodicTask, now: datetime) -> datetime | None:
    if not entry.enabled:
        return None
    last = entry.last_run_at or now
    if entry.interval:
        return max(now, last + entry.schedule.run_every)
    if entry.crontab:  # told to the minute: what is left is reckoned from a moment just after ours
        due = now + max(timedelta(), entry.schedule.remaining_estimate(now)) + timedelta(seconds=30)
        return due.replace(second=0, microsecond=0)
    return None


def when_words(entry: PeriodicTask) -> str:
    """Return 每 30 秒, 每天 4:10, 每小时第 40 分, 周一 8:30."""
    if entry.interval:
        every = entry.interval.every
        return f"每 {every} 秒" if every < 60 else f"每 {every // 60} 分钟" if every % 60 == 0 else f"每 {every} 秒"
    return _cron_words(entry.crontab) if entry.crontab else "—"


def _cron_words(cron: CrontabSchedule) -> str:
    days = ""
    if cron.day_of_month != "*":
        days = f"每月 {cron.day_of_month} 日 "
    elif cron.day_of_week != "*":
        days = "".join(f"周{WEEKDAYS[int(one) % 7]}" for one in cron.day_of_week.split(",") if one.isdigit()) + " "
    if cron.minute.startswith("*/"):
        hours = "" if cron.hour == "*" else f"{cron.hour.replace('-', ' 到 ')} 点，"
        return f"{days}{hours}每 {cron.minute[2:]} 分钟"
    minute = cron.minute.zfill(2)
    if cron.hour == "*":
        return f"{days}每小时第 {int(minute)} 分" if minute.isdigit() else f"{days}每小时"
    if "-" in cron.hour or "," in cron.hour:
        return f"{days or '每天 '}{cron.hour.replace('-', ' 到 ')} 点的第 {int(minute)} 分"
    return f"{days or '每天 '}{cron.hour}:{minute}"


# ---------------------------------------------------------------- the two acts


def _must_keep_the_house(actor: Actor) -> None:
    if not actor.may("account.manage"):
        raise Forbidden(permission="account.manage")


@transaction.atomic
def switch(entry: PeriodicTask, *, on: bool, actor: Actor, reason: str, now: datetime) -> PeriodicTask:
    """Switch an entry on or off, with a reason; beat hears of it within seconds. Raises Conflict or KeepsTheHouse."""
    _must_keep_the_house(actor)
    reason = desk.needs_reason(reason)
    held = PeriodicTask.objects.select_for_update().get(pk=entry.pk)
    if held.enabled == on:
        raise Conflict(_("刚刚有人启用了它") if on else _("刚刚有人停了它"))
    if not on and held.task in ESSENTIAL:
        raise KeepsTheHouse()
    held.enabled = on
    held.description = (
        f"{'启用' if on else '停用'}：{reason}（{actor.name or '系统'}，{clock.local_day(now):%Y-%m-%d}）"
    )
    if on:
        held.last_run_at = None  # its pause begins now, not where it was left
    held.save()  # not update(): only a save tells beat that the schedule changed
    audit.record(actor, "job.switched_on" if on else "job.switched_off", "job", resource_id=held.task,
                 after={"name": held.name, "enabled": on}, reason=reason)  # fmt: skip
    return held


def run_now(entry: PeriodicTask, *, actor: Actor, reason: str) -> None:
    """Let a worker run an entry once, beside its plan; any number of runs is harmless, each stops by itself.

    Raises Invalid without a reason, TooMany, Unavailable while the broker is gone.
    """
    _must_keep_the_house(actor)
    reason = desk.needs_reason(reason)
    if not entry.task:
        raise Invalid(_("这个任务没有程序可跑"))
    limits.hit("job", entry.task, per_minute=RUNS_A_MINUTE)
    with transaction.atomic():
        audit.record(actor, "job.run", "job", resource_id=entry.task, after={"name": entry.name}, reason=reason)
    try:  # after the commit: what ran is on record, and no transaction waits for the broker
        current_app.send_task(entry.task, kwargs={}, queue=entry.queue or "default", expires=600, retry=False)
    except OperationalError:
        raise Unavailable(_("任务现在排不进队（Redis 没连上），恢复后再试。"), retry_after=30) from None
