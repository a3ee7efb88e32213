"""What the page 企微标签 says: each of our tags beside its group, what waits, what could not be written, what is not ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from crm.friends.sweeps import WORDS, SweepFacts, sweep_facts
from crm.tags.models import Tag
from yejibao.wecom.syncing.models import SyncRun

from .models import CorpTag, CorpTagGroup, FriendTags
from .queries import mapped_tags

COUNTED_UP_TO = 10_000
FOREIGN_SHOWN = 100
CODES = {
    40144: "这位好友的标签满了（3,000 个）", 40068: "标签在平台上没有了，正在重建", 45009: "平台限流，等一会儿自己再写",
    48002: "应用没有客户联系的接口权限", 60011: "导购不在应用的可见范围里", 81011: "应用没有改标签的权限",
    84074: "导购没有客户联系权限", -1: "平台一直没有回音",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One of our tags and its group."""

    tag: Tag
    group: CorpTagGroup | None
    values: int
    there: int

    @property
    def is_complete(self) -> bool:
        return self.group is not None and self.group.state == CorpTagGroup.State.READY and self.there >= self.values

    @property
    def tone(self) -> str:
        if self.group is None or self.group.state == CorpTagGroup.State.WANTED:
            return ""
        return "green" if self.is_complete else "red" if self.group.state == CorpTagGroup.State.FAILED else "amber"


@dataclass(frozen=True)
class Overview:
    """All of it."""

    lines: list[Line]
    groups_sweep: SweepFacts
    friends_sweep: SweepFacts
    used: int  # living tags of the company, also those of others
    waiting: int  # friends whose tags are to be written or read, counted up to some thousands
    troubles: list[tuple[int, str, int]]  # errcode, what it says, friends
    foreign: list[tuple[str, list[str]]]  # groups of others with their tags

    @property
    def found(self) -> list[tuple[str, int]]:
        """What the sweep over the groups found and did, in words."""
        return [pair for pair in self.groups_sweep.counts if pair[0] != WORDS["rows"]]

    @property
    def ready(self) -> int:
        return sum(line.is_complete for line in self.lines)

    @property
    def values(self) -> int:
        return sum(line.values for line in self.lines)

    @property
    def is_running(self) -> bool:
        return self.groups_sweep.is_running or self.friends_sweep.is_running

    @property
    def is_on(self) -> bool:
        return any(line.group for line in self.lines)


def overview(*, now: datetime) -> Overview:
    """Return what the page shows, with a handful of statements."""
    tags = list(mapped_tags().select_related("group").annotate(n=Count("values", filter=Q(values__is_enabled=True))))
    groups = {row.tag_id: row for row in CorpTagGroup.objects.filter(tag__isnull=False)}
    living = CorpTag.objects.filter(gone_at=None)
    mapped = living.filter(value__is_enabled=True)
    there = dict(mapped.values("value__tag").annotate(n=Count("pk")).values_list("value__tag", "n"))
    troubles = FriendTags.objects.filter(errcode__isnull=False).values("errcode").annotate(n=Count("pk")).order_by("-n")
    foreign: dict[str, list[str]] = {}
    for one in (
        living.filter(value=None)
        .select_related("group")
        .order_by("-group__order", "group", "-order", "pk")[:FOREIGN_SHOWN]
    ):
        foreign.setdefault(one.group.name, []).append(one.name)
    return Overview(
        lines=[Line(tag, groups.get(tag.pk), tag.n, there.get(tag.pk, 0)) for tag in tags],
        groups_sweep=sweep_facts(SyncRun.Kind.TAGS, now=now),
        friends_sweep=sweep_facts(SyncRun.Kind.MARKS, now=now),
        used=living.count(),
        waiting=FriendTags.objects.filter(next_at__isnull=False)[:COUNTED_UP_TO].count(),
        troubles=[(row["errcode"] or 0, CODES.get(row["errcode"] or 0, "平台不收"), row["n"]) for row in troubles],
        foreign=list(foreign.items()),
    )
