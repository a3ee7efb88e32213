"""What the page 好友同步 says: the sweep that runs or ran last, and the welcomes of the last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from yejibao.wecom.budgets import API_MINUTE
from yejibao.wecom.syncing.models import SyncRun
from yejibao.wecom.welcome.models import WelcomeMessage

WORDS = {
    "rows": "读到的", "new": "新的好友", "back": "回来的好友", "lost": "已经不是好友", "linked": "对上会员",
    "asked": "要人确认", "created": "新建员工", "renamed": "改了名字", "states": "停用或恢复", "without_store": "没有对应门店",
    "left_alone": "名单里没有、没动的", "groups": "平台上的标签组", "tags": "平台上的标签", "made": "新建标签", "removed": "撤下标签组",
    "refused": "平台没收的组", "gone_groups": "平台上没了的组", "gone_tags": "平台上没了的标签", "friends": "核对的好友",
    "unheard": "聊天里改过没读到", "differ": "两边不一样、已排队改", "calls": "调用企业微信", "parts_failed": "没读成的批",
}  # fmt: skip


@dataclass(frozen=True)
class SweepFacts:
    """A sweep of one kind in words. `minutes_left` is a guess from its pace so far, None where it has none."""

    kind: str
    run: SyncRun | None
    counts: list[tuple[str, int]]
    percent: int
    minutes_left: int | None
    calls_a_minute: int
    budget_minute: int = API_MINUTE

    @property
    def is_running(self) -> bool:
        return self.run is not None and self.run.state == SyncRun.State.RUNNING


def sweep_facts(kind: str, *, now: datetime) -> SweepFacts:
    """Return the sweep of a kind that runs, else the last one."""
    run = SyncRun.objects.filter(kind=kind).order_by("-started_at", "-pk").first()
    if run is None:
        return SweepFacts(kind, None, [], 0, None, 0)
    end = run.finished_at or now
    spent = max((end - run.started_at).total_seconds(), 1.0)
    share = run.parts_done / run.parts_total if run.parts_total else 1.0
    left = -(-(spent / share - spent) // 60) if share and run.state == SyncRun.State.RUNNING else None
    return SweepFacts(
        kind=kind,
        run=run,
        counts=[(WORDS[name], run.counts[name]) for name in WORDS if run.counts.get(name)],
        percent=int(share * 100),
        minutes_left=int(left) if left else None,
        calls_a_minute=int(run.counts.get("calls", 0) * 60 / max(spent, 60.0)),
    )


@dataclass(frozen=True)
class WelcomeFacts:
    """The welcomes of the last 24 hours: how many by state, and the slowest of each hundred that were sent."""

    states: list[tuple[str, str, int]]  # key, word, count
    total: int
    sent: int
    slow_seconds: float | None


def welcome_facts(*, now: datetime) -> WelcomeFacts:
    """Return how the welcomes of the last 24 hours went."""
    day = WelcomeMessage.objects.filter(created_at__gt=now - timedelta(hours=24), created_at__lte=now)
    counts = dict(day.values_list("state").annotate(n=Count("pk")).values_list("state", "n"))
    waits = sorted(
        (called - happened).total_seconds() if called else 0.0
        for called, happened in day.filter(state="sent", called_at__isnull=False).values_list(
            "called_at", "happened_at"
        )[:20_000]
    )
    return WelcomeFacts(
        states=[(key, str(word), counts[key]) for key, word in WelcomeMessage.State.choices if counts.get(key)],
        total=sum(counts.values()),
        sent=counts.get(WelcomeMessage.State.SENT, 0),
        slow_seconds=round(waits[max(0, -(-len(waits) * 99 // 100) - 1)], 1) if waits else None,
    )
