"""What is known when a guide is about to speak: the values of the variables, for many members in few queries.

A fact nobody knows is absent. `context["facts"]` of a task carries what its kind brings along (its coupon, its points,
its event), under the names of the variables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import prefetch_related_objects

import crm
from crm.members.models import GuideHandover, Member
from crm.surveys.queries import links_of
from guides.org.models import Staff
from tasks.followups.models import Task
from yejibao.core import clock, reading
from yejibao.core.domain_files import read_yaml
from yejibao.core.words import NOTHING

from .words import variables

# No variable of scripts: it stands under whatever is said, for an invitation he answers by a tap.
ANSWER_LINK = "answer_link"
NEAR_FLOOR_FEN = 50_000  # models.yaml alerts.level_upgrade_near: 0 < gap <= max(50000, 20% of next min_fen)
NEAR_SHARE = 5
ASK_HOW_IT_WAS = ("followup_d3", "aftersale_care")  # kinds whose words may bring the link of his survey


@dataclass(frozen=True)
class Subject:
    """Who is spoken to, by whom, and what about."""

    key: int  # the task's id, or the member's where there is no task
    member: Member
    guide: Staff
    task_type: str = ""
    node: str = ""
    channel: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    bought_before: date | None = None  # "last purchase" means one before this day

    @property
    def items(self) -> list[dict[str, Any]]:
        return self.context.get("items") or []

    @property
    def hero(self) -> dict[str, Any]:
        """The dearest item, or nothing."""
        return self.items[0] if self.items else {}


def subjects_of(tasks: Sequence[Task], *, guide: Staff | None = None) -> list[Subject]:
    """Return a subject for each task, spoken by `guide` or by its assignee. Loads at once what is not loaded yet."""
    wanted = ["member", "order"] + ([] if guide else ["assignee__store"])
    prefetch_related_objects(list(tasks), *wanted)
    return [
        Subject(
            key=task.pk,
            member=task.member,
            guide=guide or task.assignee,
            task_type=task.task_type,
            node=task.node,
            channel=task.channel,
            context=task.context,
            bought_before=task.order.paid_on if task.order else _day(task.context.get("days_from")),
        )
        for task in tasks
    ]


def subject_of_member(member: Member, *, guide: Staff) -> Subject:
    """Return the subject of a talk without a task."""
    return Subject(key=member.pk, member=member, guide=guide)


def facts_for(
    subjects: Sequence[Subject],
    *,
    now: datetime,
    last_items: dict[int, str] | None = None,
    surveys: dict[int, str] | None = None,
) -> dict[int, dict[str, str]]:
    """Return the known values of each subject's variables, by its key. One query; with hand-overs, and where one asks how it was, one more each.

    `last_items` and `surveys` are what a page has read already: the hero of the purchase before, a link, by key.
    """
    last_items = _last_items(subjects) if last_items is None else last_items
    surveys = _surveys(subjects, now) if surveys is None else surveys
    old_guides = _old_guides(subjects)
    return {
        one.key: _facts(one, last_items.get(one.key, ""), old_guides.get(one.context.get("handover"), ""), now)
        | ({"survey_link": surveys[one.key]} if one.key in surveys else {})
        for one in subjects
    }


def _facts(subject: Subject, last_item: str, old_guide: str, now: datetime) -> dict[str, str]:
    member, hero = subject.member, subject.hero
    facts = own_facts(subject.guide) | {
        "member_name": member.called,
        "item_name": item_title(hero),
        "item_color": str(hero.get("color") or ""),
        "size": str(hero.get("size") or ""),
        "days_since": _days_since(subject.context.get("days_from"), now),
        "last_item_name": last_item,
        "old_guide_name": old_guide,
        **_level_facts(member, keep=subject.task_type == "level_keep"),
    }
    facts[ANSWER_LINK] = str(subject.context.get("link") or "")
    brought = subject.context.get("facts") or {}
    facts |= {name: str(value) for name, value in brought.items() if name in variables() and value not in ("", None)}
    return {name: value for name, value in facts.items() if value and value != NOTHING}


def own_facts(guide: Staff) -> dict[str, str]:
    """Return what is known of the speaker alone."""
    store = guide.store
    return {
        "guide_name": guide.display_name or guide.name,
        "store_name": store.short_name if store else "",
        "brand_name": settings.BRAND_NAME,
        "store_address": store.address_short if store else "",
        "city": store.city if store else "",
    }


def item_title(item: dict[str, Any]) -> str:
    """Return what an item is called in a message: 藏青羊毛套西, the colour once."""
    name, color = str(item.get("name") or ""), str(item.get("color") or "")
    return name if not name or color in name else color + name


def _day(text: Any) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


def _days_since(text: Any, now: datetime) -> str:
    day = _day(text)
    days = (clock.local_day(now) - day).days if day else 0
    return str(days) if days > 0 else ""


def _old_guides(subjects: Iterable[Subject]) -> dict[int | None, str]:
    """Return who cared for the member before, by hand-over."""
    handovers = {handover for one in subjects if (handover := one.context.get("handover"))}
    if not handovers:
        return {}
    return dict(GuideHandover.objects.filter(pk__in=handovers).values_list("pk", "guide__display_name"))


def _surveys(subjects: Iterable[Subject], now: datetime) -> dict[int, str]:
    """Return the link of what each member may still say something to, where the words could bring it."""
    asked = [(one.key, one.member.pk) for one in subjects if one.task_type in ASK_HOW_IT_WAS]
    return links_of(asked, now=now) if asked else {}


# ---------------------------------------------------------------- level


@cache
def levels() -> list[dict[str, Any]]:
    """Return the member levels of the domain file, lowest first."""
    book = read_yaml(Path(crm.__file__).parent / "data" / "models.yaml")
    return list(book["member_level"]["levels"])


def _level_facts(member: Member, *, keep: bool) -> dict[str, str]:
    """Name the level, and the next one with its gap where it is near enough to be worth saying."""
    places = {level["key"]: place for place, level in enumerate(levels())}
    place = places.get(member.member_level, 0)
    facts = {"level_name": str(levels()[place]["name"])}
    wanted = place if keep else place + 1
    if wanted < len(levels()):
        level = levels()[wanted]
        gap = level["min_fen"] - member.spend_180_fen
        facts["next_level_name"] = str(level["name"])
        if gap > 0 and (keep or gap <= max(NEAR_FLOOR_FEN, level["min_fen"] // NEAR_SHARE)):
            facts["next_level_gap"] = str(-(-gap // 100))  # whole yuan, never one too few
    return facts


# ---------------------------------------------------------------- last purchase

# Of `s` (member_id, before): the hero of the last purchase before a day.
LAST_ITEM = """
    SELECT line.item_name, line.color
    FROM crm_order o JOIN crm_orderline line ON line.order_id = o.id
    WHERE o.member_id = s.member_id AND o.paid_on < s.before AND o.status = 'paid' AND o.net_amount_fen > 0
      AND o.kind IN ('retail', 'mall', 'proxy', 'live')
      AND line.item_name <> '' AND line.returned_quantity < line.quantity AND line.replaced_by_id IS NULL
    ORDER BY o.paid_at DESC, line.paid_fen DESC, line.id
    LIMIT 1
"""
LAST_ITEMS = f"""
    SELECT s.key, l.item_name, l.color
    FROM unnest(%s::bigint[], %s::bigint[], %s::date[]) AS s(key, member_id, before) CROSS JOIN LATERAL ({LAST_ITEM}) l
"""


def _last_items(subjects: Iterable[Subject]) -> dict[int, str]:
    """Return the hero of each member's last purchase before this one."""
    asked = [(one.key, one.member.pk, one.bought_before or date.max) for one in subjects]
    if not asked:
        return {}
    with reading.cursor() as cursor:
        cursor.execute(LAST_ITEMS, [list(column) for column in zip(*asked, strict=True)])
        return {key: item_title({"name": name, "color": color}) for key, name, color in cursor.fetchall()}
