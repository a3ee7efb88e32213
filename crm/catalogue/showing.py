"""What pages of goods show: prices, pictures, care, in the words of the shop floor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from guides.org.models import Store
from yejibao.core import files
from yejibao.core.domain_files import read_yaml

from .models import StyleColor
from .queries import PlaceStock, Price, StyleStock, price_of_styles
from .sizes import SIZE_WORDS

ROOM = "goods"
CARE_FILE = Path(__file__).resolve().parent.parent / "data" / "aftersale.yaml"
STYLE_WORDS = {"classic": "经典", "modern": "现代", "trend": "潮流"}
# How the dots of colours look, where the family says it; an odd one is grey.
DOTS = {
    "藏青": "#26344D", "黑": "#23272E", "灰": "#6B7078", "白": "#F5F3EE", "米": "#DCCFB6", "棕": "#6D4A2F", "卡其": "#8A6F4D",
    "绿": "#3A5A4C", "蓝": "#35506F", "酒红": "#7C2F2F",
}  # fmt: skip


# Until when a piece is kept: days from today, and how one says it.
UNTIL = {
    "today": (0, _("今天关店")),
    "tomorrow": (1, _("明天关店")),
    "three": (3, _("三天后关店")),
    "week": (7, _("一周后关店")),
}

files.room(
    ROOM,
    rows=lambda actor: StyleColor.objects.all() if actor.kind in ("staff", "system") else StyleColor.objects.none(),
    may_add=lambda actor: actor.is_system or actor.has_role("hq_merch"),
    most=6,
)


@cache
def care_tips() -> dict[str, str]:
    """Return how to look after each kind of goods (aftersale.yaml, care_tips)."""
    tips: dict[str, str] = read_yaml(CARE_FILE)["care_tips"]
    return tips


def size_word(size: str) -> str:
    return SIZE_WORDS.get(size, size)


def cards(
    styles: Sequence[StyleColor], *, store: Store | None, totals: dict[int, int] | None, now: datetime
) -> list[dict[str, Any]]:
    """Return the lines of a list: picture, price, how many are here. Two statements for any number."""
    ids = [style.pk for style in styles]
    prices = price_of_styles(ids, store=store, at=now)
    pictures = files.of(ROOM, ids)
    return [
        {
            "style": style, "price": prices.get(style.pk, Price(style.price_fen)), "picture": next(iter(pictures.get(style.pk, [])), None),
            "here": totals.get(style.pk, 0) if totals is not None else None,
        }
        for style in styles
    ]  # fmt: skip


def size_cells(stock: StyleStock, chosen: str) -> list[dict[str, Any]]:
    """Return the grid of sizes: what is here, else who near has it."""
    found = []
    for size in stock.sizes:
        here = stock.own.sizes.get(size, 0) if stock.own else 0
        kept = stock.own.kept.get(size, 0) if stock.own else 0
        coming = stock.own.in_transit.get(size, 0) if stock.own else 0
        near = next((place for place in stock.near if place.sizes.get(size)), None)
        far = next((place for place in stock.warehouses if place.sizes.get(size)), None)
        if here:
            word = f"{here} 件"
        elif kept:
            word = f"留着 {kept}"
        elif near:
            word = f"邻店 {near.sizes[size]}"
        elif far:
            word = f"总仓 {far.sizes[size]}"
        else:
            word = f"在途 {coming}" if coming else "缺"
        found.append(
            {
                "size": size,
                "word": size_word(size),
                "note": word,
                "here": here,
                "coming": coming,
                "chosen": size == chosen,
            }
        )
    return found


def places_of(stock: StyleStock, size: str) -> list[dict[str, Any]]:
    """Return who has a size besides this store, as the page lists them."""
    return [{"place": place, "count": place.sizes[size], "away": _away(place)} for place in stock.elsewhere(size)]


def _away(place: PlaceStock) -> str:
    if place.kind == "warehouse":
        return f"{place.city}发货" if place.city else "总部仓库"
    return place.away
