"""A member's tags as a guide meets them: what is known, what may be set with which values, and what to ask next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db import connection
from redis.exceptions import RedisError

from crm.members.models import Member
from crm.members.queries import ONE
from yejibao.core import clock, together

from .models import Tag
from .rules import is_said

log = logging.getLogger("yejibao.tags")

POPULAR_FOR = 6 * 3600  # seconds; what a store says of its members changes slowly
POPULAR_AMONG = 2000  # of a store's members, the newest buyers
CHOICES_SHOWN = 4
WANTED_SHOWN = 2

# How a value is said without its name; the others stand as "name value".
SHORT = {
    "body_height_cm": "高 {} cm", "body_weight_kg": "{} kg", "size_top": "上衣 {}", "size_bottom": "裤 {}",
    "size_shirt": "衬衫 {}", "size_shoe": "鞋 {}", "color_taboo": "忌{}", "fabric_allergy": "{}过敏", "hobby": "爱{}",
    "culture_interest": "{}", "temperament": "{}", "care_attention": "{}", "style_preference": "{}", "fit_preference": "{}",
    "occasion_main": "{}", "occupation": "{}", "social_role": "{}", "marital_status": "{}", "child_gender": "{}",
    "family_buyer": "{}", "service_preference": "{}", "contact_time_preference": "{}方便", "collar_preference": "{}",
    "next_need": "想买{}", "category_preference_declared": "想添{}", "price_sensitivity_declared": "{}",
    "brand_preference": "穿{}", "visit_time_preference": "{}来", "alteration_habit": "{}", "kids_or_elder_buyer": "为{}买",
}  # fmt: skip
SAYS_NOTHING = ("无", "未知", "不愿透露", "否")  # said with the name of the tag, or it could be anything
UNITS = {"body_height_cm": "厘米", "body_weight_kg": "公斤"}


class Row(NamedTuple):
    """One tag a guide may fill in: its values, what counts now and whether people said so or it was computed."""

    id: int
    key: str
    name: str
    value_type: str
    rule: str
    group: str
    is_required: bool
    choices: tuple[str, ...]
    values: tuple[str, ...]
    source: str

    @property
    def is_said(self) -> bool:
        """Tell whether a person filled this in."""
        return bool(self.source) and is_said(self.source)

    @property
    def is_choice(self) -> bool:
        return self.value_type in Tag.CHOICES

    @property
    def said(self) -> str:
        """What counts, in a few words: 高 178 cm; 忌红、绿."""
        return say(self, self.values) if self.values else ""

    @property
    def unit(self) -> str:
        return UNITS.get(self.key, "")


@dataclass(frozen=True)
class Idea:
    """A value to confirm with one tap; without a value the tag is to be asked for."""

    row: Row
    value: str = ""

    @property
    def said(self) -> str:
        return say(self.row, (self.value,)) if self.value else self.row.name


@dataclass(frozen=True)
class Question:
    """A tag worth asking for now, with the answers heard most in this store."""

    row: Row
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Desk:
    """All of it for one member."""

    rows: list[Row]
    seen: list[Idea] = field(default_factory=list)  # read off his purchases, not confirmed by anybody
    asked: list[Question] = field(default_factory=list)

    @property
    def known(self) -> list[Row]:
        """What people said of him, in the order of the tree."""
        return [row for row in self.rows if row.is_said]

    @property
    def missing(self) -> int:
        """How many of the required tags are not filled in."""
        return sum(row.is_required and not row.values for row in self.rows)

    def row(self, key: str) -> Row | None:
        return next((one for one in self.rows if one.key == key), None)


def say(row: Row, values: Sequence[str]) -> str:
    """Return values of a tag as they stand on a label."""
    text = "、".join(values)
    if any(value in SAYS_NOTHING for value in values) or row.key not in SHORT:
        return f"{row.name} {text}"
    return SHORT[row.key].format(text)


def desk_of(
    member: Member,
    *,
    rows: list[Row] | None = None,
    wanted: Sequence[str] = (),
    observed: Mapping[str, str] | None = None,
    store_id: int | None = None,
) -> Desk:
    """Return a member's tags with what to confirm and what to ask.

    `wanted` are keys that his open work leans on, the most urgent first; after them come the required ones. `observed`
    are values his purchases show, by key. One statement (none, where a page has read the `rows`), and the store's habits
    from the cache.
    """
    rows = rows_of(member) if rows is None else rows
    by_key = {row.key: row for row in rows}
    seen = _seen(by_key, observed or {})
    confirmed = {idea.row.key for idea in seen}
    keys = [*wanted, *(row.key for row in rows if row.is_required)]
    open_keys = [
        key for key in dict.fromkeys(keys) if key in by_key and not by_key[key].values and key not in confirmed
    ][:WANTED_SHOWN]
    habits = popular_values(store_id) if store_id and open_keys else {}
    asked = [Question(by_key[key], _answers(by_key[key], habits)) for key in open_keys]
    return Desk(rows, seen, asked)


def _seen(rows: Mapping[str, Row], observed: Mapping[str, str]) -> list[Idea]:
    """Return what can be confirmed: computed values, and what the purchases show where nothing is filled in."""
    found = [Idea(row, row.values[0]) for row in rows.values() if row.values and not row.is_said]
    held = {idea.row.key for idea in found}
    for key, value in observed.items():
        row = rows.get(key)
        if row and not row.values and key not in held and (not row.is_choice or value in row.choices):
            found.append(Idea(row, value))
    return found[:CHOICES_SHOWN]


def _answers(row: Row, habits: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if not row.is_choice:
        return ()
    heard = [value for value in habits.get(row.key, ()) if value in row.choices]
    return tuple(dict.fromkeys([*heard, *row.choices]))[:CHOICES_SHOWN]


# Every load writes all groups anew (loading.py), so the version of a group's row tells one load from the next.
_LOAD = "(SELECT g.xmin::text FROM crm_taggroup g ORDER BY g.id LIMIT 1)"
_DEFINED = f"""
SELECT {_LOAD}, (SELECT json_agg(json_build_array(t.id, t.key, t.name, t.value_type, t.rule, g.name, t.is_required,
        ARRAY(SELECT v.value FROM crm_tagvalue v WHERE v.tag_id = t.id AND v.is_enabled ORDER BY v.position)) ORDER BY t.position)
    FROM crm_tag t JOIN crm_taggroup g ON g.id = t.group_id
    WHERE t.type = 'config' AND t.is_enabled AND 'GUIDE' = ANY(t.sources))
"""
# What counts for a member, and of which load the definitions are that go with it.
ROWS = together.Read(
    "tags",
    f"""json_build_array({_LOAD}, (SELECT json_object_agg(mt.tag_id, json_build_array(mt.values, mt.source))
    FROM crm_membertag mt WHERE mt.member_id = m.id AND mt.is_effective))""",
    lambda found: _rows(*found) if found else [],
)
_defined: tuple[str | None, list[Row]] = (None, [])  # the definitions this process has read, and of which load


def _rows(load: str | None, known: dict[str, tuple[list[str], str]] | None) -> list[Row]:
    """Return the tags people may fill in with what counts: their definitions are read once a load, not once a page."""
    global _defined
    if load is None:
        return []
    of, rows = _defined
    if of != load:
        with connection.cursor() as cursor:
            cursor.execute(_DEFINED)
            of, found = cursor.fetchone()
        rows = [Row._make([*facts, tuple(choices), (), ""]) for *facts, choices in found or ()]
        _defined = of, rows
    said = known or {}
    return [
        row._replace(values=tuple(said[pk][0]), source=said[pk][1]) if (pk := str(row.id)) in said else row
        for row in rows
    ]


def rows_of(member: Member, *, key: str = "") -> list[Row]:
    """Return the tags people may fill in, with what counts for a member; `key` narrows them to one. One statement."""
    return [row for row in ROWS.about(ONE, {"member": member.pk}) if not key or row.key == key]


def popular_values(store_id: int) -> dict[str, list[str]]:
    """Return the values people set most for a store's members, by tag, the commonest first. Kept for hours."""
    near, until = _at_hand.get(store_id, ({}, 0.0))
    if clock.monotonic() < until:
        return near
    found = _popular(store_id)
    if len(_at_hand) > STORES_AT_HAND:
        _at_hand.clear()
    _at_hand[store_id] = (found, clock.monotonic() + AT_HAND_FOR)
    return found


# What a process asked the cache for a moment ago: a store's guides open one card after the other.
_at_hand: dict[int, tuple[dict[str, list[str]], float]] = {}
AT_HAND_FOR, STORES_AT_HAND = 60, 4000


def _popular(store_id: int) -> dict[str, list[str]]:
    name = f"tags:popular:{store_id}"
    try:
        held: dict[str, list[str]] | None = cache.get(name)
        if held is None:
            held = _count_popular(store_id)
            cache.set(name, held, POPULAR_FOR)
    except RedisError as error:  # the order of some answers is not worth a page
        log.warning("no cache for popular tags: %s", type(error).__name__)
        return {}
    return held


def _count_popular(store_id: int) -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.key, value FROM (
                SELECT id FROM crm_member WHERE main_store_id = %(store)s AND status = 'active'
                ORDER BY last_purchase_on DESC NULLS LAST, id LIMIT %(among)s
            ) m
            JOIN crm_membertag mt ON mt.member_id = m.id AND mt.is_effective AND mt.source IN ('GUIDE', 'WECOM', 'SURVEY')
            JOIN crm_tag t ON t.id = mt.tag_id AND t.type = 'config' AND t.value_type IN ('enum', 'multi_enum')
            CROSS JOIN LATERAL unnest(mt.values) AS u(value)
            GROUP BY t.key, value ORDER BY t.key, count(*) DESC, value
            """,
            {"store": store_id, "among": POPULAR_AMONG},
        )
        found: dict[str, list[str]] = {}
        for key, value in cursor.fetchall():
            found.setdefault(key, []).append(value)
        return found


# ---------------------------------------------------------------- what others know to be worth asking

Asker = Callable[..., Iterable[str]]
_askers: list[Asker] = []


def ask_for(asker: Asker) -> Asker:
    """Let an upper department name the tags its open work needs: `asker(request, customer=…, now=…)` → keys."""
    if asker not in _askers:
        _askers.append(asker)
    return asker


def wanted_keys(request: Any, **context: Any) -> list[str]:
    """Return the keys all of them name, the first named first."""
    return list(dict.fromkeys(key for asker in _askers for key in asker(request, **context)))
