"""What the privacy pages show: requests that wait, who looked at how many numbers, what a member agreed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Sum

from crm.members.models import Member
from crm.members.queries import ONE
from crm.privacy.models import ConsentKind, ConsentRecord, ConsentText, MemberRequest, RevealDay
from guides.org.models import Staff
from yejibao.core import reading, together
from yejibao.core.clock import local_day
from yejibao.core.personal import mask_phone
from yejibao.core.scope import Actor

LABELS = {
    "phone": "号码",
    "id_number": "证件号",
    "address": "地址",
    "birth_year": "出生年",
}  # what is shown by a tap only
NEAR_DAYS = 3  # a request this close to its day is amber
WEEK = timedelta(days=6)


@dataclass(frozen=True)
class Looker:
    """Somebody who looked at full numbers: today, and in the last seven days."""

    staff: Staff
    today: int
    week: int


def waiting_requests(actor: Actor) -> list[MemberRequest]:
    """Return what is not answered, the nearest day first."""
    found = MemberRequest.objects.visible_to(actor).unfinished().select_related("member__main_store", "asked_by")
    return list(found.order_by("due_on", "pk")[:200])


def finished_requests(actor: Actor) -> list[MemberRequest]:
    """Return the latest hundred that were answered."""
    found = MemberRequest.objects.visible_to(actor).exclude(state__in=MemberRequest.UNFINISHED)
    return list(found.select_related("member__main_store", "asked_by").order_by("-done_at", "-pk")[:100])


def count_waiting() -> tuple[int, int]:
    """Return how many requests wait, and how many of them are late, by the real calendar day of the product's clock."""
    from yejibao.core import clock

    dues = list(MemberRequest.objects.unfinished().values_list("due_on", flat=True)[:1000])
    return len(dues), sum(due < clock.today() for due in dues)


def lookers(*, now: datetime, store_ids: Sequence[int] | None = None) -> list[Looker]:
    """Return who looked at numbers this week, most today first; of some stores, or of the whole company."""
    today = local_day(now)
    days = RevealDay.objects.filter(day__range=(today - WEEK, today))
    if store_ids is not None:
        days = days.filter(staff__store_id__in=store_ids)
    week = dict(days.values_list("staff_id").annotate(taps=Sum("taps")).order_by("-taps")[:200])
    at_day = dict(days.filter(day=today).values_list("staff_id", "taps"))
    people = Staff.objects.select_related("store").defer("phone", "password").in_bulk([*week, *at_day])
    found = [Looker(people[pk], at_day.get(pk, 0), week.get(pk, 0)) for pk in people]
    return sorted(found, key=lambda one: (-one.today, -one.week, one.staff.pk))


def over_alarm(day: date, *, more_than: int) -> int:
    """Count the people who looked at more numbers on a day than is usual."""
    return RevealDay.objects.filter(day=day, taps__gt=more_than).count()


@dataclass(frozen=True)
class Consent:
    """Where one kind of consent stands. `record` None: nobody ever wrote down his word."""

    kind: str
    name: str
    record: ConsentRecord | None
    newest: ConsentText | None

    @property
    def is_given(self) -> bool:
        return self.record is not None and self.record.is_given

    @property
    def is_outdated(self) -> bool:
        """Tell whether he agreed to a wording that has been replaced."""
        return (
            self.is_given
            and self.record is not None
            and self.newest is not None
            and self.record.text_id != self.newest.pk
        )


# Every kind of consent with his newest word on it and the wording of now.
CONSENTS = together.Read(
    "consents",
    """json_build_array(
    (SELECT json_agg(json_build_array(to_json(r), to_json(t))) FROM (
        SELECT DISTINCT ON (x.kind) x.* FROM crm_consentrecord x WHERE x.member_id = m.id
        ORDER BY x.kind, x.at DESC, x.id DESC) r LEFT JOIN crm_consenttext t ON t.id = r.text_id),
    (SELECT json_agg(to_json(t)) FROM (
        SELECT DISTINCT ON (x.kind) x.* FROM crm_consenttext x ORDER BY x.kind, x.version DESC) t))""",
    lambda row: _read_consents(*row) if row else [],
)


def _read_consents(records: list[Any] | None, texts: list[Any] | None) -> list[Consent]:
    said: dict[str, ConsentRecord] = {}
    for row, text in records or ():
        record = said[row["kind"]] = reading.row_of(ConsentRecord, row)
        record.text = reading.row_of(ConsentText, text) if text else None
    newest = {row["kind"]: reading.row_of(ConsentText, row) for row in texts or ()}
    return [Consent(kind, str(name), said.get(kind), newest.get(kind)) for kind, name in ConsentKind.choices]


def consents_of(member: Member) -> list[Consent]:
    """Return every kind with a member's newest word on it. One statement."""
    return CONSENTS.about(ONE, {"member": member.pk})


@dataclass(frozen=True)
class Kept:
    """Something that is kept of a member and shown in full only by a tap: its key, and what stands there until then."""

    key: str
    masked: str

    @property
    def label(self) -> str:
        return LABELS[self.key]


# Of the rarer particulars nothing is opened: the last four of the ID number, and whether there is an address.
RARE = together.Read(
    "particulars",
    "(SELECT json_build_array(p.id_number_last4, p.address <> '') FROM crm_memberparticulars p WHERE p.member_id = m.id)",
    lambda row: (str(row[0]), bool(row[1])) if row else ("", False),
)


def kept_of(member: Member, rare: tuple[str, bool] | None = None) -> list[Kept]:
    """Return what there is to be revealed of a member; `rare` where a page has read it."""
    last4, has_address = RARE.about(ONE, {"member": member.pk}) if rare is None else rare
    found = [Kept("phone", mask_phone(member.phone))] if member.phone else []
    if last4:
        found.append(Kept("id_number", f"{'*' * 14}{last4}"))
    if has_address:
        found.append(Kept("address", "****"))
    return found + ([Kept("birth_year", "****")] if member.birth_year else [])
