"""What the rules look at, and how a page reads it with everything else it reads (core/together)."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from crm.aftersale.models import Ticket
from crm.aftersale.reads import OPEN_TICKETS
from crm.aftersale.rules import rules as ticket_rules
from crm.benefits.queries import COUPONS, POINTS, InHand, LevelStanding, Points, level_of
from crm.benefits.rules import level_rule
from crm.members.customers import Customer
from crm.members.queries import FIGURES
from yejibao.core import clock, together


@dataclass(frozen=True)
class OpenTicket:
    kind: str
    state: str
    url: str


@dataclass(frozen=True)
class OpenTask:
    """An open task for him, of whoever asks or of a colleague."""

    label: str
    why: str
    url: str
    assignee: str
    is_mine: bool
    is_visible: bool = True
    held: str = ""  # why it is not to be done now
    hidden_until: datetime | None = None
    due_at: datetime | None = None

    def is_later(self, now: datetime) -> bool:
        return self.hidden_until is not None and self.hidden_until > now


@dataclass(frozen=True)
class Work:
    """What the department of follow-ups knows: what is open, what was said to him lately, what comes by itself."""

    lead: OpenTask | None = None  # what stands first on a list
    mine: Sequence[OpenTask] = ()  # what who asks has to do, as it stands on her list; what she put off comes last
    asks: Sequence[str] = ()  # tags that the task at hand, or the one just done, wants filled in
    reached_on: date | None = None
    reached_week: int = 0
    marketing_month: int = 0
    most_a_week: int = 2
    most_marketing: int = 4
    ended: Mapping[str, date] = field(default_factory=dict)  # kind -> when one was last done, skipped or ran out
    planned: str = ""
    planned_on: date | None = None
    url: str = ""  # where a tap makes a task of a rule


# Said by tasks (tasks/followups/next_work.py), which stand above this department.
WORK: together.Read[Work] = together.Read("work", "NULL::json", lambda _value: Work())


@dataclass(frozen=True)
class Appointment:
    """A time at which he comes."""

    at: datetime
    what: str
    url: str

    @property
    def on(self) -> date:
        return clock.local_day(self.at)


@dataclass(frozen=True)
class Arrival:
    """A style that is new, in his store, in his size, of a kind he has bought."""

    item: str
    size: str
    owned: str
    days: int  # since it came


@dataclass(frozen=True)
class Worn:
    """Something of his that wants care from time to time, and when he last had any."""

    item: str
    days: int
    cared_on: date | None


@dataclass(frozen=True)
class Facts:
    """All the rules look at."""

    now: datetime
    level: LevelStanding
    gender: str = "m"
    is_active: bool = True
    do_not_contact: bool = False
    refuses: tuple[str, ...] = ()
    no_profiling: bool = False
    can_chat: bool = True
    can_call: bool = False
    birthday_on: date | None = None  # the next one
    orders_of_year: int = 0
    days_since: int | None = None  # since he last bought
    days_registered: int | None = None
    points: Points = Points()
    coupons: Sequence[InHand] = ()
    free_care: int = 0  # left this year
    ticket: OpenTicket | None = None
    has_ticket: bool = False  # also one that the reader may not see
    appointment: Appointment | None = None
    arrival: Arrival | None = None
    worn: Worn | None = None
    work: Work = Work()

    @property
    def today(self) -> date:
        return clock.local_day(self.now)

    @property
    def he(self) -> str:
        return "她" if self.gender == "f" else "他"


# ---------------------------------------------------------------- reading

NEW_FOR = 30  # days; the rule itself says less
SIZED = ("西服", "大衣", "夹克", "羽绒", "皮衣", "针织", "T恤POLO", "衬衫", "裤装", "鞋")
CARED = ("down", "leather", "coat", "suit_wool")

# Whether any ticket is open, how many free cares were used this year, whether he is a friend of his guide or of who asks,
# the next time he comes, what he owns that wants care, and what is new for him. The newest thing of each kind he kept says
# his size; a style is new where it came in these days and lies in his store in that size.
AROUND = together.Read(
    "around",
    f"""
    (WITH kept AS MATERIALIZED (
        SELECT l.family, l.size, l.care_key, l.item_name, l.color, o.paid_on
        FROM (SELECT id, paid_on, paid_at FROM crm_order WHERE member_id = m.id AND status = 'paid' AND known_at <= %(now)s
                AND NOT is_gift AND kind IN ('retail', 'mall', 'proxy', 'live') ORDER BY paid_at DESC LIMIT 40) o
        JOIN crm_orderline l ON l.order_id = o.id
        WHERE l.replaced_by_id IS NULL AND l.quantity > l.returned_quantity
        ORDER BY o.paid_at DESC, l.paid_fen DESC, l.id
    ), sized AS (
        SELECT DISTINCT ON (family) family, size, item_name, color FROM kept
        WHERE size <> '' AND family = ANY(%(around_sized)s) ORDER BY family, paid_on DESC
    )
    SELECT json_build_array(
        EXISTS (SELECT FROM crm_ticket k WHERE k.member_id = m.id AND k.closed_at IS NULL),
        (SELECT count(*) FROM crm_benefituse u WHERE u.member_id = m.id AND u.kind = 'free_care'
            AND u.year = extract(year FROM %(today)s::date) AND u.given_back_at IS NULL),
        EXISTS (SELECT FROM crm_friendlink f WHERE f.member_id = m.id AND f.state = 'friend'
            AND f.guide_id IN (m.owner_guide_id, %(me)s)),
        (SELECT to_json(y) FROM (
            (SELECT v.starts_at, 'visit' AS of, v.public_id::text AS id, v.kind FROM crm_visit v
                WHERE v.member_id = m.id AND v.state = 'accepted' AND v.starts_at > %(now)s ORDER BY v.starts_at LIMIT 1)
            UNION ALL
            (SELECT f.starts_at, 'fitting', f.public_id::text, '' FROM crm_fitting f
                WHERE f.member_id = m.id AND f.state = 'booked' AND f.starts_at > %(now)s ORDER BY f.starts_at LIMIT 1)
            ORDER BY 1 LIMIT 1) y),
        (SELECT json_build_array(k.item_name, k.color, k.paid_on,
                (SELECT max(t.opened_at) FROM crm_ticket t WHERE t.member_id = m.id AND t.kind = 'care'))
            FROM kept k WHERE k.care_key = ANY(%(around_cared)s) ORDER BY k.paid_on DESC LIMIT 1),
        (SELECT json_build_array(s.name, s.color, s.launch_on, h.size, h.item_name, h.color)
            FROM crm_stylecolor s JOIN sized h ON h.family = s.category_l1
            WHERE s.launch_on > %(today)s::date - {NEW_FOR} AND s.launch_on <= %(today)s::date AND EXISTS (
                SELECT FROM crm_stocklevel l WHERE l.store_id = m.main_store_id AND l.style_id = s.id
                    AND l.size = h.size AND l.quantity > 0)
            ORDER BY s.launch_on DESC, s.id LIMIT 1)))
    """,
    lambda row: row,
    facts=lambda _actor: {"around_sized": list(SIZED), "around_cared": list(CARED)},
)
READS = (FIGURES, POINTS, COUPONS, OPEN_TICKETS, AROUND, WORK)


def facts_of(request: HttpRequest, customer: Customer, *, now: datetime) -> Facts:
    """Return the facts about the member of a page, of what the page has read."""
    member, today = customer.member, clock.local_day(now)
    assert member is not None
    has_ticket, cares, is_friend, booked, worn, new = AROUND.of(request) or (False, 0, False, None, None, None)
    figures = FIGURES.of(request)
    since = member.registered_at and clock.local_day(member.registered_at)
    return Facts(
        now=now,
        gender=member.gender,
        is_active=member.status == member.Status.ACTIVE,
        do_not_contact=member.do_not_contact,
        refuses=tuple(member.marketing_opt_out),
        no_profiling=member.no_profiling,
        can_chat=is_friend,
        can_call=member.phone_consent,
        birthday_on=birthday_after(member.birth_month, member.birth_day, member.birthday_calendar, today),
        orders_of_year=figures.order_count_365,
        days_since=(today - figures.last_paid_on).days if figures.last_paid_on else None,
        days_registered=(today - since).days if since else None,
        level=level_of(member),
        points=POINTS.of(request),
        coupons=COUPONS.of(request),
        free_care=max(0, level_rule(member.member_level).free_care_per_year - cares),
        ticket=_ticket(OPEN_TICKETS.of(request)),
        has_ticket=has_ticket,
        appointment=_appointment(booked) if booked else None,
        worn=_worn(*worn, today=today) if worn else None,
        arrival=_arrival(*new, today=today) if new else None,
        work=WORK.of(request),
    )


def birthday_after(month: int | None, day: int | None, by: str, today: date) -> date | None:
    """Return the next birthday, today's included; Feb 29 is the 28th in common years. The house has no lunar calendar: None."""
    if not month or not day or by != "solar":
        return None
    for year in (today.year, today.year + 1):
        last = calendar.monthrange(year, month)[1]
        if (found := date(year, month, min(day, last))) >= today:
            return found
    return None


def _ticket(tickets: list[Ticket]) -> OpenTicket | None:
    if not tickets:
        return None
    oldest = tickets[0]
    state = ticket_rules().states.get(oldest.state, "")
    return OpenTicket(str(oldest.get_kind_display()), state, reverse("crm:ticket-find", args=[oldest.pk]))


def _appointment(row: dict[str, Any]) -> Appointment:
    what = "约了量体" if row["of"] == "fitting" else "约了到店"
    return Appointment(clock.parse_iso(row["starts_at"]), what, "")


def _worn(item: str, color: str, paid_on: str, cared_at: str | None, *, today: date) -> Worn:
    cared_on = clock.local_day(clock.parse_iso(cared_at)) if cared_at else None
    return Worn(_title(item, color), (today - date.fromisoformat(paid_on)).days, cared_on)


def _arrival(item: str, color: str, launch_on: str, size: str, owned: str, of: str, *, today: date) -> Arrival:
    return Arrival(_title(item, color), size, _title(owned, of), (today - date.fromisoformat(launch_on)).days)


def _title(item: str, color: str) -> str:
    """Return 藏青羊毛套西, the colour once."""
    return item if not item or color in item else color + item
