"""Who left, who could take over the members, and what was handed over lately."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from crm.members.models import FriendTransfer, GuideHandover, Member
from crm.members.services.handing_over import DECIDE_WITHIN
from guides.org.models import RoleAssignment, Staff, Store
from guides.org.queries import heads_of_stores
from guides.org.scoped import under_grants
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor

DONE_FOR = timedelta(days=30)
DONE_SHOWN = 50


@dataclass(frozen=True)
class Candidate:
    """Somebody who could take over, and how many active members are his already."""

    person: Staff
    member_count: int
    is_guide: bool


@dataclass(frozen=True)
class Waiting:
    """A handover nobody has decided on. `proposed` takes over by himself at `decide_by`, if there is one."""

    handover: GuideHandover
    member_count: int
    decide_by: datetime | None  # nothing happens by itself on a long leave, or where she stays
    hours_left: int  # whole hours until then; negative once it is past
    is_store_closed: bool
    proposed: Candidate | None
    others: list[Candidate]

    @property
    def candidates(self) -> list[Candidate]:
        return [self.proposed, *self.others] if self.proposed else self.others


def open_count(actor: Actor) -> int:
    """Return how many handovers wait for somebody's choice."""
    return GuideHandover.objects.visible_to(actor).filter(state=GuideHandover.State.PROPOSED).count()


def waiting_handovers(actor: Actor, *, now: datetime, pk: int | None = None) -> list[Waiting]:
    """Return the handovers to be decided on, the most urgent first; `pk` narrows them to one."""
    day = local_day(now)
    rows = (
        GuideHandover.objects.visible_to(actor)
        .filter(state=GuideHandover.State.PROPOSED)
        .select_related("guide", "store", "heir")
        .annotate(member_count=Count("guide__members", filter=Q(guide__members__status=Member.Status.ACTIVE)))
        .order_by("left_at", "pk")
    )
    found = list(rows.filter(pk=pk) if pk else rows)
    closed = {row.pk for row in found if _is_closed(row.store, day)}
    is_region = bool(actor.reach("region_manager"))
    colleagues = _colleagues({row.store_id for row in found if row.store_id}, day)
    receivers = _receivers(actor, day) if closed and is_region else []
    return [_waiting(row, row.pk in closed, colleagues[row.store_id or 0], receivers, now) for row in found]


def takers_for(actor: Actor, handover: GuideHandover, *, day: date) -> list[Staff]:
    """Return who may take members of a handover: people of her former store, of a closed one the region's managers."""
    store = handover.store
    if store is None:
        return []
    people = _colleagues([store.pk], day).get(store.pk, [])
    if _is_closed(store, day) and actor.reach("region_manager"):
        people = people + _receivers(actor, day)
    return [one.person for one in people if one.person.pk != handover.guide_id]


def done_handovers(actor: Actor, *, now: datetime) -> QuerySet[GuideHandover]:
    """Return what was handed over in the last 30 days, the newest first, with `moved_count`."""
    return (
        GuideHandover.objects.visible_to(actor)
        .filter(state=GuideHandover.State.DONE, decided_at__gte=now - DONE_FOR)
        .select_related("guide", "heir", "decided_by")
        .annotate(
            moved_count=Count("transfers__member", filter=~Q(transfers__reason="moved_along"), distinct=True),
            taker_count=Count("transfers__to_guide", filter=~Q(transfers__reason="moved_along"), distinct=True),
        )
        .order_by("-decided_at", "-pk")[:DONE_SHOWN]
    )


@dataclass(frozen=True)
class FriendFigures:
    """How far the friends of a handover are: gone over, queued, within their day, refused, and those somebody has to look at."""

    done: int = 0
    queued: int = 0
    waiting: int = 0
    refused: int = 0
    stuck: int = 0


def friend_figures(handover_ids: Collection[int]) -> dict[int, FriendFigures]:
    """Return the figures of several handovers in one query; one without friends is left out."""
    State = FriendTransfer.State
    rows = (
        FriendTransfer.objects.filter(handover__in=handover_ids)
        .values("handover")
        .annotate(
            done=Count("pk", filter=Q(state=State.DONE)),
            queued=Count("pk", filter=Q(state__in=FriendTransfer.QUEUED)),
            waiting=Count("pk", filter=Q(state=State.WAITING)),
            refused=Count("pk", filter=Q(state=State.REFUSED, handled_at=None)),
            stuck=Count("pk", filter=Q(state__in=[State.TAKER_FULL, State.FAILED], handled_at=None)),
        )
    )
    return {
        row["handover"]: FriendFigures(row["done"], row["queued"], row["waiting"], row["refused"], row["stuck"])
        for row in rows
    }


def _is_closed(store: Store | None, day: date) -> bool:
    return store is not None and store.closed_on is not None and store.closed_on <= day


def _waiting(
    row: Any, is_closed: bool, colleagues: list[Candidate], receivers: list[Candidate], now: datetime
) -> Waiting:
    """Put a handover together. Nobody left of the proposal: the one who would be proposed today (`default_heir`)."""
    people = colleagues + [one for one in receivers if is_closed and one.person.store_id != row.store_id]
    people = [one for one in people if one.person.pk != row.guide_id]  # she is on leave, or has not moved yet
    own = [one for one in people if one.person.pk == row.heir_id]
    own = own or [one for one in colleagues if one.is_guide and one.person.state == Staff.State.ACTIVE][:1]
    own = own or [one for one in colleagues if not one.is_guide][:1]
    proposed = own[0] if own else None
    decide_by = None if row.waits_for_ever else row.left_at + DECIDE_WITHIN
    return Waiting(
        handover=row,
        member_count=row.member_count,
        decide_by=decide_by,
        hours_left=(decide_by - now) // timedelta(hours=1) if decide_by else 0,
        is_store_closed=is_closed,
        proposed=proposed,
        others=[one for one in people if one is not proposed],
    )


def _colleagues(store_ids: Iterable[int], day: date) -> dict[int, list[Candidate]]:
    """Return the employed guides of each store, who has the fewest members first, then its manager."""
    stores = list(store_ids)
    managers = set(heads_of_stores(stores, role="store_manager", day=day).values())
    people = _with_load(Staff.objects.filter(store_id__in=stores), day).filter(Q(is_guide=True) | Q(pk__in=managers))
    found: dict[int, list[Candidate]] = defaultdict(list)
    for person in people.order_by("-is_guide", "load", "pk"):
        found[person.store_id].append(Candidate(person, person.load, person.is_guide))
    return found


def _receivers(actor: Actor, day: date) -> list[Candidate]:
    """Return the managers of the region's open stores: one of them receives what a closed store leaves."""
    region = under_grants(actor.reach("region_manager"), path="unit__path", store="pk")
    stores = Store.objects.filter(region).exclude(closed_on__lte=day)
    managers = heads_of_stores(list(stores.values_list("pk", flat=True)), role="store_manager", day=day)
    people = _with_load(Staff.objects.filter(pk__in=managers.values(), store_id__in=managers), day)
    return [Candidate(person, person.load, is_guide=False) for person in people.order_by("load", "pk")]


def _with_load(people: QuerySet[Staff], day: date) -> QuerySet[Any]:
    roles = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role="guide", staff=OuterRef("pk"))
    return (
        people.filter(state__in=Staff.MAY_SIGN_IN)
        .select_related("store")
        .annotate(load=Count("members", filter=Q(members__status=Member.Status.ACTIVE)), is_guide=Exists(roles))
    )
