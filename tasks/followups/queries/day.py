"""今日: what stands on one guide's list now, in its sections, with what she has done today. One statement.

Sections and order are those of task_types.yaml `today_screen`; several tasks of one member become one card
(followup_3369.yaml `caps.same_day_merge`), and the list ends at the ceiling of `caps.per_guide_day`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache

from tasks.cadences.loading import read_book
from tasks.followups.labels import ON_ITS_PAGE, OUTCOMES
from tasks.followups.models import Task
from tasks.scripts.words import NODE_LABELS, kind_names
from yejibao.core import clock, reading, words

# caps.per_guide_day.note: "m30, d3, after-sale and birthday-on-the-day are always shown"; steps say so themselves. And who
# asked for a time himself waits for a word.
ALWAYS_SHOWN = ("aftersale_first_response", "aftersale_care", "birthday_day", "visit_confirm")
SECTIONS = (("now", "马上办"), ("today", "今天内"), ("week", "本周"))


@cache
def ceiling() -> int:
    """Return how many tasks a guide's list shows at most."""
    return int(read_book("followup_3369")["caps"]["per_guide_day"]["outreach_tasks_shown"])


def label_of(task_type: str, node: str = "") -> str:
    """Return what the card's tag says: 3 天回访, or the name of the kind."""
    return NODE_LABELS.get(node) or kind_names().get(task_type, "跟进")


def called(name: str, salutation: str, gender: str) -> str:
    """Return how a member is addressed (Member.called, for rows that are no models)."""
    return salutation or name[:1] + ("女士" if gender == "f" else "先生")


@dataclass(slots=True)
class Card:
    """One task as the list shows it; `also` are tasks of the same member, done along the way (顺带提醒)."""

    pk: int
    state: str
    task_type: str
    node: str
    channel: str
    priority: int
    tier_rank: int
    due_at: datetime
    expire_at: datetime
    why: str
    hidden_until: datetime | None
    ended_at: datetime | None
    outcome: str
    member_id: int
    name: str
    salutation: str
    gender: str
    tier: str
    level: str
    is_always_shown: bool
    urgency: str = ""
    label: str = ""
    also: list["Card"] = field(default_factory=list)

    @property
    def called(self) -> str:
        return called(self.name, self.salutation, self.gender)

    @property
    def outcome_name(self) -> str:
        return str(OUTCOMES.get(self.outcome, ""))

    @property
    def tone(self) -> str:
        return words.tone(self.urgency)

    @property
    def is_chat(self) -> bool:
        return self.channel == Task.Channel.WECOM

    @property
    def rank(self) -> tuple[int, int, datetime, int, int]:
        """Priority, then priority_tie_break."""
        return (self.priority, self.tier_rank, self.due_at, -int(self.level[1:] or 0), self.pk)


@dataclass(slots=True)
class Section:
    """马上办, 今天内 or 本周."""

    key: str
    name: str
    cards: list[Card]


@dataclass(slots=True)
class Day:
    """A guide's day. `total` counts what is done and what stands on the list; a filter changes only the sections."""

    sections: list[Section]
    done: list[Card]
    expired: list[Card]
    later: list[Card]
    kinds: list[tuple[str, str, int]]  # key, name, how many on the list
    done_count: int
    open_count: int
    beyond_count: int  # over the ceiling, not shown
    kind: str
    opens_at: time | None  # of the guide's store
    closes_at: time | None

    @property
    def total(self) -> int:
        return self.done_count + self.open_count

    def is_quiet(self, now: datetime) -> bool:
        """Tell whether nothing may be sent now (免打扰时段)."""
        local = now.astimezone(clock.SHANGHAI).time()
        return bool(self.opens_at and self.closes_at) and not self.opens_at <= local < self.closes_at  # type: ignore[operator]

    @property
    def is_empty(self) -> bool:
        return not any(section.cards for section in self.sections)


_DAY = """
SELECT t.id, t.state, t.task_type, t.node, t.channel, t.priority, t.tier_rank, t.due_at, t.expire_at, t.why,
    t.hidden_until, coalesce(t.done_at, t.closed_at), t.outcome, m.id, m.name, m.salutation, m.gender, m.tier_631,
    m.member_level, coalesce(step.always_shown, t.task_type = ANY(%(always)s)), hours.opens_at, hours.closes_at
FROM guides_staff me
LEFT JOIN guides_store hours ON hours.id = me.store_id
LEFT JOIN (tasks_task t JOIN crm_member m ON m.id = t.member_id) ON t.assignee_id = me.id AND t.held_at IS NULL
    AND (t.state = 'open' OR (t.state IN ('done', 'expired')
                              AND coalesce(t.done_at, t.closed_at, t.expire_at) >= %(day_start)s))
LEFT JOIN tasks_cadencestep step ON step.version_id = t.cadence_version_id AND step.key = t.node
WHERE me.id = %(me)s
"""


def day_of(staff_id: int, *, now: datetime, kind: str = "") -> Day:
    """Return the day of a guide; `kind` (a task type) narrows what the sections show."""
    day_start = clock.local_moment(clock.local_day(now), time())
    with reading.cursor() as cursor:
        cursor.execute(_DAY, {"me": staff_id, "always": list(ALWAYS_SHOWN), "day_start": day_start})
        rows = cursor.fetchall()
    *_, opens_at, closes_at = rows[0] if rows else (None, None)
    cards = [Card(*facts) for *facts, _, _ in rows if facts[0]]
    for card in cards:
        card.urgency, card.label = words.urgency(card.due_at, now), label_of(card.task_type, card.node)
    waiting = [card for card in cards if card.state == Task.State.OPEN]
    later = [card for card in waiting if card.hidden_until and card.hidden_until > now]
    listed = [card for card in waiting if not card.hidden_until or card.hidden_until <= now]
    shown = _below_ceiling(listed)
    done = [card for card in cards if card.state == Task.State.DONE]
    merged = _merge(shown)
    if kind:
        merged = [card for card in merged if any(one.task_type == kind for one in (card, *card.also))]
    return Day(
        sections=[
            Section(key, name, sorted((card for card in merged if card.urgency == key), key=lambda card: card.rank))
            for key, name in SECTIONS
        ],
        done=sorted(done, key=lambda card: (card.ended_at or now, card.pk), reverse=True),
        expired=sorted((card for card in cards if card.state == Task.State.EXPIRED), key=lambda card: card.rank),
        later=sorted(later, key=lambda card: (card.hidden_until or now, card.pk)),
        kinds=_kinds(shown),
        done_count=len(done),
        open_count=len(shown),
        beyond_count=len(listed) - len(shown),
        kind=kind,
        opens_at=opens_at,
        closes_at=closes_at,
    )


def _below_ceiling(cards: list[Card]) -> list[Card]:
    """Keep what is always shown, and of the rest what has room, by priority and the member's value."""
    ranked = sorted(cards, key=lambda card: (not card.is_always_shown, *card.rank))
    return [card for place, card in enumerate(ranked) if card.is_always_shown or place < ceiling()]


def _merge(cards: Iterable[Card]) -> list[Card]:
    """Make one card of a member's tasks: the highest priority leads, the most urgent decides where it stands.

    What is answered on a page of its own is not done along the way, and stands by itself.
    """
    by_member: dict[int, Card] = {}
    for card in sorted(cards, key=lambda card: card.rank):
        lead = by_member.setdefault(-card.pk if card.task_type in ON_ITS_PAGE else card.member_id, card)
        if lead is not card:
            lead.also.append(card)
    order = [key for key, _ in SECTIONS]
    for lead in by_member.values():
        lead.urgency = min((lead.urgency, *(one.urgency for one in lead.also)), key=order.index)
    return list(by_member.values())


def _kinds(cards: list[Card]) -> list[tuple[str, str, int]]:
    counts: dict[str, int] = {}
    for card in sorted(cards, key=lambda card: card.rank):
        counts[card.task_type] = counts.get(card.task_type, 0) + 1
    names = {card.task_type: card.label for card in cards}
    return [(key, names[key], number) for key, number in counts.items()]


def open_count(staff_id: int, *, now: datetime) -> int:
    """Return how many tasks wait on a guide's list, for the badge."""
    return Task.objects.filter(assignee_id=staff_id).listed(now).count()


def next_card(staff_id: int, *, after: Task, now: datetime) -> Card | None:
    """Return who is next on the list, leaving out the member of `after`."""
    for section in day_of(staff_id, now=now).sections:
        for card in section.cards:
            if card.member_id != after.member_id:
                return card
    return None
