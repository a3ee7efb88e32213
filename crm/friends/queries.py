"""Reads of codes and friends: who stands behind a code, how many came through it, who came lately."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.lookups import IsNull

from crm.members.models import FriendLink, Member
from guides.org.models import Staff, Store
from guides.org.queries import guides_of_stores, managers_of_stores
from yejibao.core.clock import local_day, local_moment
from yejibao.core.scope import Actor

from .models import Contact, ContactWay, LinkReview

PEOPLE_BEHIND = 100  # the platform's limit for one code
NEW_FOR = timedelta(days=14)
LINKED_WITHIN = timedelta(days=3)  # task_types.yaml: account_link


def people_of(ways: Sequence[ContactWay], *, now: datetime) -> dict[int, list[str]]:
    """Return the user ids that ought to stand behind each code, by its id; nobody: an empty list.

    A guide's own code stays hers as long as she works here; then it leads to her store's duty guide, else its manager, so
    that what is printed goes on adding somebody. All other codes add one of the store's guides.
    """
    day = local_day(now)
    guides = Staff.objects.in_bulk({way.guide_id for way in ways if way.guide_id})
    store_of = {
        way.pk: way.store_id or (guides[way.guide_id].store_id if way.guide_id in guides else None) for way in ways
    }
    stores = {store for store in store_of.values() if store}
    staff = guides_of_stores(stores, day=day)
    managers = managers_of_stores(stores, day=day)
    duty = dict(
        Store.objects.filter(pk__in=stores, duty_guide__state__in=Staff.MAY_SIGN_IN).values_list("pk", "duty_guide_id")
    )
    ids = {pk for row in staff.values() for pk in row} | set(managers.values()) | set(duty.values())
    names = dict(Staff.objects.filter(pk__in=ids).values_list("pk", "wecom_user_id"))
    found: dict[int, list[str]] = {}
    for way in ways:
        store = store_of[way.pk] or 0
        if way.guide_id is not None:
            guide = guides[way.guide_id]
            heir = duty.get(store) or managers.get(store)
            works = guide.state in Staff.MAY_SIGN_IN
            found[way.pk] = [guide.wecom_user_id] if works else [names[heir]] if heir else []
        else:
            people = staff.get(store) or [pk for pk in [managers.get(store)] if pk]
            found[way.pk] = sorted(names[pk] for pk in people)[:PEOPLE_BEHIND]
    return found


@dataclass(frozen=True)
class Gain:
    """Friends a code brought: today, this month, and those who are still friends of all it ever brought."""

    today: int = 0
    month: int = 0
    kept: int = 0
    total: int = 0


def gains_of(way_ids: Iterable[int], *, now: datetime) -> dict[int, Gain]:
    """Return what each code brought."""
    today = local_day(now)
    rows = (
        FriendLink.objects.filter(way_id__in=list(way_ids))
        .values("way_id")
        .annotate(
            today=Count("pk", filter=Q(added_at__gte=local_moment(today, time()))),
            month=Count("pk", filter=Q(added_at__gte=local_moment(today.replace(day=1), time()))),
            kept=Count("pk", filter=Q(state__in=[FriendLink.State.FRIEND, FriendLink.State.PENDING_TRANSFER])),
            total=Count("pk"),
        )
    )
    found = {row["way_id"]: Gain(row["today"], row["month"], row["kept"], row["total"]) for row in rows}
    return defaultdict(Gain, found)


def new_friends(staff_id: int, *, now: datetime) -> QuerySet[FriendLink]:
    """Return a guide's friends who are no member we know, and after them who came in the last fortnight; with member, code.

    The newest first in both.
    """
    return (
        FriendLink.objects.filter(Q(member=None) | Q(added_at__gte=now - NEW_FOR))
        .filter(guide_id=staff_id, state=FriendLink.State.FRIEND, added_at__lte=now)
        .select_related("member", "way")
        .order_by(IsNull(F("member"), False), "-added_at", "-pk")
    )


@dataclass(frozen=True)
class Unlinked:
    """Friends of a guide who are no member we know: how many, and how long the first of them has been one."""

    count: int
    days: int


def unlinked_of(staff_id: int, *, now: datetime) -> Unlinked:
    """Return how many of a guide's friends wait to be linked."""
    rows = FriendLink.objects.filter(guide_id=staff_id, state=FriendLink.State.FRIEND, member=None, added_at__lte=now)
    found = rows.aggregate(count=Count("pk"), first=Min("added_at"))
    return Unlinked(found["count"], (local_day(now) - local_day(found["first"])).days if found["first"] else 0)


def names_of(external_user_ids: Iterable[str]) -> dict[str, str]:
    """Return what customers call themselves in WeChat, by their id."""
    found = Contact.objects.filter(external_user_id__in=list(external_user_ids)).exclude(name="")
    return dict(found.values_list("external_user_id", "name"))


@dataclass(frozen=True)
class Question:
    """A review with the members it may be about, the surer sign first."""

    review: LinkReview
    name: str  # of the friend: his own, or the remark
    candidates: list[Member]


def questions(actor: Actor, *, limit: int = 50, pk: int | None = None) -> list[Question]:
    """Return the open reviews an actor decides on, the oldest first; `pk` narrows them to one."""
    rows = LinkReview.objects.visible_to(actor).filter(state=LinkReview.State.OPEN)
    rows = rows.filter(pk=pk) if pk else rows
    found = list(rows.select_related("contact", "guide__store").order_by("created_at", "pk")[:limit])
    members = (
        Member.objects.filter(pk__in={one for row in found for one in row.candidate_ids}, status=Member.Status.ACTIVE)
        .select_related("main_store", "owner_guide")
        .in_bulk()
    )
    remarks = dict(
        FriendLink.objects.filter(external_user_id__in={row.contact.external_user_id for row in found})
        .exclude(remark="")
        .values_list("external_user_id", "remark")
    )
    return [
        Question(
            review=row,
            name=row.contact.name or remarks.get(row.contact.external_user_id, "") or "微信客户",
            candidates=[members[one] for one in row.candidate_ids if one in members],
        )
        for row in found
    ]


def open_question_count(actor: Actor) -> int:
    """Return how many friends wait for somebody's word."""
    return LinkReview.objects.visible_to(actor).filter(state=LinkReview.State.OPEN).count()


def link_rate() -> tuple[int, int]:
    """Return (friends linked to a member, friends) of the company, a customer once however many guides he has.

    Source: models.yaml account_link_rate.
    """
    friends = FriendLink.objects.filter(state=FriendLink.State.FRIEND)
    counts = friends.aggregate(
        linked=Count("external_user_id", filter=Q(member__isnull=False), distinct=True),
        total=Count("external_user_id", distinct=True),
    )
    return counts["linked"], counts["total"]
