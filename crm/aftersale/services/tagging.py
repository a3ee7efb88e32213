"""What tickets say of a member as tags (tags.yaml): how often, by which way and about what he complained, and what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from crm.tags.models import Tag
from crm.tags.services import write_tags
from yejibao.core.scope import Actor

from ..models import Ticket

SOURCE = "SERVICE"
COUNT, CHANNEL, TOPIC, OPEN = "complaint_count", "complaint_channel", "complaint_topic", "aftersale_open"
WINDOW = timedelta(days=730)
TIMES = ("0次", "1次", "2次", "3次及以上")
# Ways of a ticket as the tag calls them; what he said on a survey came by none of them.
CHANNELS = {"store_desk": "门店", "wecom_chat": "企微", "phone": "电话", "platform": "平台", "mini_program": "平台"}
TOPICS = ("质量", "尺码", "服务态度", "物流", "价格", "售后慢")
GRAVE = "crisis"  # a complaint of this nature came through 12315 or the press, whoever wrote it down
AT_ONCE = 2_000


def write_tags_of(member_ids: Collection[int], *, now: datetime) -> int:
    """Write the tags of these members from their tickets; return how many now say something else. A few statements."""
    tags = dict(Tag.objects.filter(key__in=(COUNT, CHANNEL, TOPIC, OPEN), is_enabled=True).values_list("key", "pk"))
    asked: dict[int, list[Ticket]] = {pk: [] for pk in member_ids}
    complaints = Ticket.objects.filter(member__in=asked, kind=Ticket.Kind.COMPLAINT, opened_at__gt=now - WINDOW)
    for one in complaints.exclude(state="cancelled").only("member_id", "channel", "topic", "nature").order_by("pk"):
        asked[one.member_id].append(one)
    open_ones = set(Ticket.objects.unfinished().filter(member__in=asked).values_list("member_id", flat=True))
    words: dict[tuple[int, int], list[str]] = {}
    removed: list[tuple[int, int]] = []
    for member, tickets in asked.items():
        said = _said(tickets) | {OPEN: ["是" if member in open_ones else "否"]}
        for key, tag in tags.items():
            if key in said:
                words[member, tag] = said[key]
            else:
                removed.append((member, tag))
    return write_tags(words, removed=removed, source=SOURCE, actor=Actor.system("aftersale"), at=now, now=now)


def follow_tickets(ticket_ids: Sequence[int], *, now: datetime) -> int:
    """Write the tags of the members of these tickets anew."""
    members = Ticket.objects.filter(pk__in=ticket_ids).values_list("member_id", flat=True).distinct()
    return write_tags_of(sorted(members), now=now) if members else 0


def age_tags(*, now: datetime, days: int = 8) -> dict[str, int]:
    """Count again for whose complaints left the window since the last run. Weekly, a day over."""
    left = Ticket.objects.filter(
        kind=Ticket.Kind.COMPLAINT, opened_at__gt=now - WINDOW - timedelta(days=days), opened_at__lte=now - WINDOW
    )
    members = sorted(left.values_list("member_id", flat=True).distinct())
    changed = sum(write_tags_of(members[at : at + AT_ONCE], now=now) for at in range(0, len(members), AT_ONCE))
    return {"members": len(members), "changed": changed}


def _said(tickets: Sequence[Ticket]) -> dict[str, list[str]]:
    if not tickets:
        return {}
    said = {COUNT: [TIMES[min(len(tickets), len(TIMES) - 1)]]}
    ways = Counter("12315" if one.nature == GRAVE else CHANNELS.get(one.channel, "") for one in tickets)
    del ways[""]
    if ways:
        said[CHANNEL] = [ways.most_common(1)[0][0]]
    if topics := [topic for topic in TOPICS if any(one.topic == topic for one in tickets)]:
        said[TOPIC] = topics
    return said
