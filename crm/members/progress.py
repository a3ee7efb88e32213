"""How far a confirmed handover is: who got whom, which friends went over, and what somebody has to decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, F, Q

from crm.members.models import FriendTransfer, GuideHandover, Member
from crm.members.services.passing_on import ON_JOB_SPAN, PLATFORM_HOURS
from guides.org.models import Staff

NAMED = 6  # members named of a group
TOO_OFTEN = 40128
State = FriendTransfer.State

WHY = {
    40096: "企业微信里已经没有这位客户了",
    40131: "他已经不是原导购的好友",
    40143: "他把原导购拉黑了",
    40098: "接手人在企业微信里还没实名",
    84074: "接手人没有开通客户联系",
    TOO_OFTEN: "90 天内换过两次导购，企业微信不让再换",
}


@dataclass
class TakerRow:
    """One who took over: how many members, and how many of their friends are over or on the way."""

    person: Staff
    members: int = 0
    done: int = 0
    queued: int = 0  # the platform has not taken it on yet
    waiting: int = 0  # within the member's 24 hours


@dataclass
class Stuck:
    """Friends that did not go over, of one taker and for one cause: one decision for all."""

    state: str
    taker: Staff
    code: int | None
    count: int = 0
    only: int = 0  # where it is one transfer: its number
    names: list[str] = field(default_factory=list)
    again_from: datetime | None = None  # the platform lets nobody ask sooner

    @property
    def said(self) -> str:
        if self.state == State.REFUSED:
            return "不愿意换导购，现在归店长"
        if self.state == State.TAKER_FULL:
            return f"{self.taker.name}的微信好友满了"
        return WHY.get(self.code or 0, f"企业微信没有转（{self.code}）")


@dataclass(frozen=True)
class Progress:
    """The whole of it. `friends`: transfers planned at all, the newest of each friend counted."""

    members: int
    along: int
    takers: list[TakerRow]
    friends: int
    done: int
    queued: int
    waiting: int
    waits_until: datetime | None
    stuck: list[Stuck]
    is_running: bool

    @property
    def stuck_count(self) -> int:
        return sum(one.count for one in self.stuck)


def progress_of(handover: GuideHandover, *, now: datetime) -> Progress:
    """Return how far a handover is, with five statements for any number of members."""
    rows: dict[int, TakerRow] = {}
    given = (
        handover.transfers.exclude(reason="moved_along")
        .filter(member__owner_guide_id=F("to_guide_id"))
        .values_list("to_guide_id")
        .annotate(count=Count("member", distinct=True))
    )
    along = handover.transfers.filter(reason="moved_along", member__status=Member.Status.ACTIVE).count()
    moved = list(given)
    mine = FriendTransfer.objects.filter(handover=handover, handled_at=None)
    states = list(
        mine.values_list("taker_id").annotate(
            done=Count("pk", filter=Q(state=State.DONE)),
            queued=Count("pk", filter=Q(state__in=FriendTransfer.QUEUED)),
            waiting=Count("pk", filter=Q(state=State.WAITING)),
        )
    )
    people = {one.pk: one for one in Staff.objects.filter(pk__in=[pk for pk, _ in moved] + [pk for pk, *_ in states])}
    for pk, count in moved:
        rows.setdefault(pk, TakerRow(people[pk])).members = count
    for pk, done, queued, waiting in states:
        row = rows.setdefault(pk, TakerRow(people[pk]))
        row.done, row.queued, row.waiting = done, queued, waiting
    stuck = _stuck(handover, people, now)
    asked = mine.filter(state=State.WAITING).order_by("-asked_at").values_list("asked_at", flat=True)
    newest = next((at for at in asked[:1] if at), None)
    done, queued, waiting = (sum(getattr(one, name) for one in rows.values()) for name in ("done", "queued", "waiting"))
    return Progress(
        members=sum(one.members for one in rows.values()),
        along=along,
        takers=sorted(
            (one for one in rows.values() if one.members or one.done or one.queued or one.waiting),
            key=lambda one: (-one.members, one.person.pk),
        ),
        friends=done + queued + waiting + sum(one.count for one in stuck),
        done=done,
        queued=queued,
        waiting=waiting,
        waits_until=newest + timedelta(hours=PLATFORM_HOURS) if newest else None,
        stuck=stuck,
        is_running=queued + waiting > 0,
    )


def _stuck(handover: GuideHandover, people: dict[int, Staff], now: datetime) -> list[Stuck]:
    """Refusals one by one, the others by taker and cause."""
    groups: dict[tuple[object, ...], Stuck] = {}
    rows = (
        FriendTransfer.objects.filter(handover=handover, handled_at=None, state__in=FriendTransfer.UNDONE)
        .select_related("link__member", "taker")
        .order_by("state", "taker_id", "pk")
    )
    for one in rows:
        is_refused = one.state == State.REFUSED
        key = (one.state, one.taker_id, one.code, one.pk if is_refused else 0)
        group = groups.setdefault(key, Stuck(one.state, one.taker, one.code, only=one.pk if is_refused else 0))
        group.count += 1
        if len(group.names) < NAMED:
            group.names.append(one.link.member.name if one.link.member else one.link.remark or "还没对上的好友")
        if is_refused and one.asked_at:
            again = one.asked_at + timedelta(hours=PLATFORM_HOURS)
            group.again_from = again if again > now else None
    if late := [one for one in groups.values() if one.code == TOO_OFTEN]:
        late[0].again_from = _again_from(handover, now)
    return list(groups.values())


def _again_from(handover: GuideHandover, now: datetime) -> datetime | None:
    """Return when the first of those moved twice may be moved again."""
    refused = FriendTransfer.objects.filter(handover=handover, code=TOO_OFTEN, handled_at=None)
    times: dict[str, list[datetime]] = {}
    asked = FriendTransfer.objects.filter(
        external_user_id__in=refused.values("external_user_id"), is_resigned=False, asked_at__gt=now - ON_JOB_SPAN
    ).exclude(state=State.FAILED)
    for person, at in asked.order_by("-asked_at").values_list("external_user_id", "asked_at"):
        times.setdefault(person, []).extend([at] if at else [])
    seconds = [found[1] + ON_JOB_SPAN for found in times.values() if len(found) > 1]
    return min(seconds) if seconds else None
