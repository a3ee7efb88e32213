"""Whom and where a batch of rows means: stores, guides and members, with one query each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services import note_identities
from guides.org.models import Staff, Store
from yejibao.core import erasing
from yejibao.core.personal import blind_indexes, columns, normal_phone

from .rows import MemberIn, OrderIn, complaint

ERASED = "member.erased"
PHONE_LIKE = re.compile(r"(\+\d[\d -]{6,}|(86)?1\d{2}[ -]?\d{4}[ -]?\d{4})")


@dataclass(frozen=True, slots=True)
class Links:
    store_id: int
    guide_id: int | None
    member_id: int | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One member a row names: by number, or by the indexes of a phone, the one under the key of now first."""

    member_no: str
    indexes: tuple[str, ...]
    profile: MemberIn

    @property
    def new_number(self) -> str:
        """Return the number he gets when created; one phone gives one number, whoever is first."""
        return self.member_no or f"P{self.indexes[0][:16].upper() if self.indexes else ''}"

    def marks(self) -> set[str]:
        """Return by what he is known if he was forgotten."""
        cards = erasing.marks("card", [self.member_no]) if self.member_no else set()
        return cards | erasing.marks("phone", self.indexes)


def resolve(
    rows: Mapping[int, OrderIn], *, source: str, now: datetime
) -> tuple[dict[int, Links], dict[int, list[dict[str, str]]]]:
    """Return the ids per row, and the complaints of rows that name somebody nobody knows.

    Members that a row describes with a name are created here; a second batch with the same one waits and uses it.
    """
    wanted = {place: _wanted(row.member) for place, row in rows.items() if row.member}
    stores = dict(
        Store.objects.filter(code__in={c for r in rows.values() for c in _store_codes(r)}).values_list("code", "pk")
    )
    guide_ids = {user for row in rows.values() for user in _guide_ids(row)}
    guides = (
        dict(Staff.objects.filter(wecom_user_id__in=guide_ids).values_list("wecom_user_id", "pk")) if guide_ids else {}
    )
    book = _Book()
    if wanted:
        book.load({w.member_no for w in wanted.values()}, {index for w in wanted.values() for index in w.indexes})

    links: dict[int, Links] = {}
    wrong: dict[int, list[dict[str, str]]] = {}
    to_create: dict[str, tuple[_Wanted, int]] = {}
    erased = _forgotten({place: want for place, want in wanted.items() if book.find(want) is None}, rows)
    for place, row in rows.items():
        errors = _unknown_places(row, stores, guides)
        if not errors and place in wanted:
            want = wanted[place]
            found = book.find(want)
            if found == book.SEVERAL:
                errors.append(complaint("member", "order.member_ambiguous", "这个手机号对应多位会员，请改用会员号"))
            elif place in erased:
                errors.append(
                    complaint("member", ERASED, "这位顾客要求删除过信息，不再建档；点重试，按没有会员的单收下")
                )
            elif found is None and not want.profile.name:
                errors.append(complaint("member", "order.member_unknown", "没有这位会员"))
            elif found is None:
                to_create.setdefault(want.new_number, (want, place))
        if errors:
            wrong[place] = errors
    if to_create:
        _create(to_create, rows, stores, guides, source=source, now=now)
        book.load(set(to_create), set())
    for place, row in rows.items():
        if place in wrong:
            continue
        want_or_none = wanted.get(place)
        member_id = (book.find(want_or_none) or book.by_number.get(want_or_none.new_number)) if want_or_none else None
        links[place] = Links(stores[row.store], guides.get(row.guide), member_id)
    return links, wrong


def _forgotten(strangers: Mapping[int, _Wanted], rows: Mapping[int, OrderIn]) -> set[int]:
    """Return the rows that name somebody who was forgotten; one who agreed anew with a later purchase is a new member."""
    marks = {place: want.marks() for place, want in strangers.items()}
    when = erasing.forgotten({mark for some in marks.values() for mark in some})
    found = set()
    for place, some in marks.items():
        days = [when[mark] for mark in some if mark in when]
        if days and not (strangers[place].profile.phone_consent and rows[place].paid_at > max(days)):
            found.add(place)
    return found


def marks_of(member: MemberIn) -> set[str]:
    """Return the marks of whom a row names, for the day he is forgotten."""
    return _wanted(member).marks()


def _wanted(member: MemberIn) -> _Wanted:
    if member.text:
        phone = normal_phone(member.text) if PHONE_LIKE.fullmatch(member.text) else ""
        return _Wanted(member.text, _indexes(phone), member)
    return _Wanted(member.member_no, _indexes(member.phone), member)


def _indexes(phone: str) -> tuple[str, ...]:
    return tuple(blind_indexes(phone, purpose="phone")) if phone else ()


def _store_codes(row: OrderIn) -> set[str]:
    return {row.store} | ({row.member.main_store} if row.member and row.member.main_store else set())


def _guide_ids(row: OrderIn) -> set[str]:
    return {user for user in (row.guide, row.member.owner_guide if row.member else "") if user}


def _unknown_places(row: OrderIn, stores: dict[str, int], guides: dict[str, int]) -> list[dict[str, str]]:
    errors = []
    if row.store not in stores:
        errors.append(complaint("store", "order.store_unknown", "没有这家门店"))
    if row.guide and row.guide not in guides:
        errors.append(complaint("guide", "order.guide_unknown", "没有这位导购"))
    if row.member and row.member.main_store and row.member.main_store not in stores:
        errors.append(complaint("member.main_store", "order.store_unknown", "没有这家门店"))
    if row.member and row.member.owner_guide and row.member.owner_guide not in guides:
        errors.append(complaint("member.owner_guide", "order.guide_unknown", "没有这位导购"))
    return errors


class _Book:
    """Members by number, and by phone as long as only one active member has it. Numbers of merged ones lead to who was kept."""

    SEVERAL = -1

    def __init__(self) -> None:
        self.by_number: dict[str, int] = {}
        self.by_phone: dict[str, int] = {}

    def load(self, numbers: set[str], indexes: set[str]) -> None:
        condition = Q(member_no__in=numbers - {""})
        if indexes - {""}:
            condition |= Q(phone_index__in=indexes - {""}, status=Member.Status.ACTIVE)
        is_merged = False
        for pk, number, index, status in Member.objects.filter(condition).values_list(
            "pk", "member_no", "phone_index", "status"
        ):
            self.by_number[number] = pk
            is_merged = is_merged or status == Member.Status.MERGED
            if index and status == Member.Status.ACTIVE:
                self.by_phone[index] = self.SEVERAL if self.by_phone.get(index, pk) != pk else pk
        lost = indexes - {""} - self.by_phone.keys()  # a phone whose card went into another
        if is_merged or lost:
            self._follow_merges(numbers, lost)

    def _follow_merges(self, numbers: set[str], indexes: set[str]) -> None:
        cards = Q(kind=MemberIdentity.Kind.CARD, value__in=numbers - {""})
        phones = Q(kind=MemberIdentity.Kind.PHONE, value__in=indexes, member__status=Member.Status.ACTIVE)
        found = MemberIdentity.objects.filter(cards | phones).values_list("kind", "value", "member_id")
        for kind, value, pk in found:
            (self.by_number if kind == MemberIdentity.Kind.CARD else self.by_phone)[value] = pk

    def find(self, want: _Wanted) -> int | None:
        if want.member_no and want.member_no in self.by_number:
            return self.by_number[want.member_no]
        found = {self.by_phone[index] for index in want.indexes if index in self.by_phone}
        return self.SEVERAL if len(found) > 1 else next(iter(found), None)


def _create(
    to_create: Mapping[str, tuple[_Wanted, int]],
    rows: Mapping[int, OrderIn],
    stores: dict[str, int],
    guides: dict[str, int],
    *,
    source: str,
    now: datetime,
) -> None:
    """Create members, in order of their numbers, so that two batches wait and never lock each other."""
    members, friends = [], []
    for number, (want, place) in sorted(to_create.items()):
        profile, row = want.profile, rows[place]
        members.append(
            Member(
                member_no=number,
                name=profile.name,
                salutation=profile.salutation,
                gender=profile.gender,
                **columns(Member, "phone", profile.phone),
                owner_guide_id=guides.get(profile.owner_guide),
                main_store_id=stores.get(profile.main_store) or stores[row.store],
                phone_consent=profile.phone_consent,
                join_channel=source[:32],
                registered_at=row.paid_at,
            )
        )
        if profile.friend_external_id and profile.owner_guide:
            friends.append((number, guides[profile.owner_guide], profile.friend_external_id, row.paid_at))
    Member.objects.bulk_create(members, ignore_conflicts=True)
    ids = dict(Member.objects.filter(member_no__in=to_create).values_list("member_no", "pk"))
    if friends:
        FriendLink.objects.bulk_create(
            [
                FriendLink(member_id=ids[number], guide_id=guide_id, external_user_id=external, added_at=at)
                for number, guide_id, external, at in friends
            ],
            ignore_conflicts=True,
        )
    note_identities(ids.values(), now=now)
