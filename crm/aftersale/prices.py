"""价目: what works cost that are not free, as HQ sets them; a store that charges otherwise writes its own price on the slip."""

from collections.abc import Sequence
from datetime import datetime

from yejibao.core import tunables

# Name of the work -> key of its setting and yuan to begin with.
_WORKS = {
    "裤长": ("trouser-length", 30), "袖长": ("sleeve-length", 40), "收腰": ("waist-in", 50), "放腰": ("waist-out", 60),
    "收肩": ("shoulder-in", 120), "换拉链": ("zip", 40), "换扣": ("buttons", 20), "改裤脚": ("trouser-hem", 30), "维修": ("repair", 60),
}  # fmt: skip
_CARES = {
    "干洗": ("dry-cleaning", 60), "水洗": ("washing", 40), "皮衣上油": ("leather-oil", 200), "羽绒清洗蓬松": ("down-fluff", 120),
    "除味": ("odour", 50), "去渍": ("stains", 50),
}  # fmt: skip


def _setting(name: str, key: str, yuan: int, group: str) -> tunables.Tunable:
    return tunables.number(
        f"price-{key}", group=group, name=f"{name}收多少", unit="元", default=yuan, least=0, most=2000,
        why="不在免费范围里的按这个收；各店有自己价目的在收衣时改",
    )  # fmt: skip


PRICES = {name: _setting(name, *facts, "改衣价目") for name, facts in _WORKS.items()} | {
    name: _setting(name, *facts, "洗护价目") for name, facts in _CARES.items()
}


def price_of_works(works: Sequence[str], *, now: datetime) -> int:
    """Return what these works cost together, in fen; 0 for what has no price."""
    return sum(PRICES[name].at(now) * 100 for name in works if name in PRICES)
