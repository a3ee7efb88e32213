"""What a member owns, in which sizes he wears what, and to which of the nine groups he belongs: read off his orders and tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import crm
from crm.members.models import Member
from yejibao.core import clock, reading
from yejibao.core.domain_files import read_yaml

from .filling import Owned
from .rules import BELT, Garment

MOST_LINES = 400  # of a member's purchases, the newest
VOTES = 3  # a size is the commonest of the last three of a kind (as members.queries.card says it on his card)
WINDOW = timedelta(days=730)  # W730 of models.yaml
LEAST_ITEMS = 2  # for a group without an answer
ONE_SIZE = ("F", "均码")
BELTS = (105, 110, 115, 120, 125)
# Kinds of sizes: the garments that share one, and the tag of the size file that holds it.
KINDS = {
    "上衣": (("西服", "大衣", "夹克", "羽绒", "皮衣", "针织", "T恤POLO"), "size_top"),
    "衬衫": (("衬衫",), "size_shirt"),
    "裤": (("裤装",), "size_bottom"),
    "鞋": (("鞋",), "size_shoe"),
}
KIND_OF = {category: kind for kind, (categories, _tag) in KINDS.items() for category in categories}
GROUP_TAG = "consumer_group9"
TAGS = (*(tag for _categories, tag in KINDS.values()), GROUP_TAG)
GARMENT = (
    "s.id, s.sku_code, s.style_no, s.name, s.category_l1, s.category_l2, s.color, s.color_family, s.outfit_role, s.season, "
    "s.size_range, s.price_fen"
)
FIELDS = 12  # of GARMENT

# What he bought for himself and kept. A present is somebody else's; what came back is not his.
_LINES = f"""
SELECT {GARMENT}, s.style_tag, s.series, s.fit, o.paid_on, l.size, coalesce(s.category_l1, l.family)
FROM crm_order o
JOIN crm_orderline l ON l.order_id = o.id
LEFT JOIN crm_sku k ON k.code = l.sku_code
LEFT JOIN crm_stylecolor s ON s.id = coalesce(k.style_id, (SELECT c.id FROM crm_stylecolor c WHERE c.sku_code = l.sku_code))
WHERE o.member_id = %(member)s AND o.status = 'paid' AND o.known_at <= %(now)s AND NOT o.is_gift
  AND o.kind IN ('retail', 'mall', 'proxy', 'live') AND l.replaced_by_id IS NULL AND l.quantity > l.returned_quantity
ORDER BY o.paid_at DESC, o.id DESC, l.line_no LIMIT %(limit)s
"""
_TAGS = """
SELECT t.key, m.values[1] FROM crm_membertag m JOIN crm_tag t ON t.id = m.tag_id
WHERE m.member_id = %(member)s AND m.is_effective AND t.key = ANY(%(keys)s)
"""


@dataclass(frozen=True)
class KnownSize:
    """A size of a kind of garment, and how we know it."""

    size: str
    why: str


@dataclass(frozen=True)
class Bought:
    """One kept line of his orders; `garment` is None for goods the catalogue does not know."""

    garment: Garment | None
    paid_on: date
    size: str
    category: str  # category_l1, or the till's family
    style_tag: str = ""
    series: str = ""
    fit: str = ""


@dataclass(frozen=True)
class Wardrobe:
    """All of it, read with two statements."""

    bought: Sequence[Bought] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def owned(self) -> list[Owned]:
        """What he owns, the newest first."""
        return [Owned(one.garment, one.paid_on, one.size) for one in self.bought if one.garment]

    @cached_property
    def sizes(self) -> dict[str, KnownSize]:
        """His size by category_l1, by its own purchases, else by those of its kind, else by the size file."""
        return {category: known for category in KIND_OF if (known := self._size(category))} | self._belt()

    @property
    def by_kind(self) -> dict[str, str]:
        """His sizes as they are said everywhere: 上衣 180/96A, 衬衫 41, 裤 33, 鞋 42."""
        firsts = {kind: self.sizes.get(categories[0]) for kind, (categories, _tag) in KINDS.items()}
        return {kind: known.size for kind, known in firsts.items() if known}

    def size_of(self, garment: Garment) -> str:
        """Return his size of a garment; "" where nobody knows it."""
        if garment.size_range in ONE_SIZE:
            return garment.size_range
        known = self.sizes.get(BELT if garment.category_l2 == BELT else garment.category_l1)
        return known.size if known else ""

    def _size(self, category: str) -> KnownSize | None:
        kind = KIND_OF[category]
        categories, tag = KINDS[kind]
        if own := _vote([one.size for one in self.bought if one.category == category and one.size]):
            size, times = own
            return KnownSize(
                size, f"最近 {times} 件{category}都是 {size}" if times > 1 else f"上次买的{category}是 {size}"
            )
        alike = [one for one in self.bought if one.category in categories and one.size]
        if near := _vote([one.size for one in alike]):
            return KnownSize(near[0], f"还没买过{category}，按{alike[0].category}的 {near[0]}")
        if said := self.tags.get(tag):
            return KnownSize(said, f"档案里记的{kind}码是 {said}")
        return None

    def _belt(self) -> dict[str, KnownSize]:
        """His belt: as bought, else by the waist of his trousers, in inches; an automatic buckle is cut to length."""
        bought = [one.size for one in self.bought if one.garment and one.garment.category_l2 == BELT]
        if own := _vote([size for size in bought if size.isdecimal()]):
            return {BELT: KnownSize(own[0], f"上次买的腰带是 {own[0]}")}
        waist = self._size("裤装")
        if waist is None or not waist.size.isdecimal():
            return {}
        needed = int(waist.size) * 2.54 + 22  # cm around, and the part behind the buckle
        size = str(next((one for one in BELTS if one >= needed), BELTS[-1]))
        return {BELT: KnownSize(size, f"按裤腰 {waist.size} 配的，自动扣可以裁短")}

    def group(self, today: date) -> str:
        """Return his group of nine as models.yaml keys it: as said, else by what he bought; "" where neither tells."""
        said = self.tags.get(GROUP_TAG, "")
        if key := group_keys().get(said):
            return key
        recent = [one for one in self.bought if one.garment and one.style_tag and one.paid_on >= today - WINDOW]
        if len(recent) < LEAST_ITEMS:
            return ""
        return f"{_mind(recent)}_{_fashion(recent)}"


def _vote(sizes: Sequence[str]) -> tuple[str, int] | None:
    """Return the commonest of the newest three and how often; of equals the newest."""
    if not (last := list(sizes[:VOTES])):
        return None
    size, times = Counter(last).most_common(1)[0]  # in the order of first appearance among equals
    return size, times


def _share(items: Sequence[Bought], matches: Any) -> float:
    return sum(bool(matches(one)) for one in items) / len(items)


def _fashion(items: Sequence[Bought]) -> str:
    """models.yaml nine_groups: trend >= 40 % -> trend; classic >= 50 % -> classic; else modern."""
    if _share(items, lambda one: one.style_tag == "trend") >= 0.4:
        return "trend"
    return "classic" if _share(items, lambda one: one.style_tag == "classic") >= 0.5 else "modern"


def _mind(items: Sequence[Bought]) -> str:
    """models.yaml nine_groups: slim + trend series >= 50 % -> young; loose + classic series >= 50 % -> senior; else mature."""
    if _share(items, lambda one: one.fit == "修身" and one.series in ("都市休闲", "轻运动")) >= 0.5:
        return "young"
    return (
        "senior"
        if _share(items, lambda one: one.fit == "宽松" and one.series in ("商务经典", "高端定制")) >= 0.5
        else "mature"
    )


@cache
def group_names() -> dict[str, str]:
    """Return 稳健商务 … by the keys of models.yaml."""
    book = read_yaml(Path(crm.__file__).parent / "data" / "models.yaml")
    return dict(book["nine_groups"]["groups"])


@cache
def group_keys() -> dict[str, str]:
    return {name: key for key, name in group_names().items()}


def wardrobe_of(member: Member, *, now: datetime) -> Wardrobe:
    """Return what a member has and wears. Two statements."""
    with reading.cursor() as cursor:
        cursor.execute(_LINES, {"member": member.pk, "now": now, "limit": MOST_LINES})
        bought = [
            Bought(Garment(*row[:FIELDS]) if row[0] else None, row[15], row[16], row[17] or "", row[12] or "", row[13] or "", row[14] or "")
            for row in cursor.fetchall()
        ]  # fmt: skip
        cursor.execute(_TAGS, {"member": member.pk, "keys": list(TAGS)})
        return Wardrobe(bought, dict(cursor.fetchall()))


def sizes_of(member: Member, *, now: datetime | None = None) -> dict[str, KnownSize]:
    """Return his size by category_l1 (and 腰带), each with how we know it. Two statements."""
    return wardrobe_of(member, now=now or clock.now()).sizes
