"""What aftersale.yaml says: kinds, steps, clocks, and until when a purchase may come back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm.orders.checkout import returns
from crm.orders.models import Order
from yejibao.core.clock import local_moment
from yejibao.core.domain_files import read_yaml

if TYPE_CHECKING:
    from .models import Ticket

DOMAIN = Path(__file__).resolve().parent.parent / "data" / "aftersale.yaml"
REOPEN_WITHIN = timedelta(days=7)
SILENT_AFTER = timedelta(days=7)  # auto_close: "waiting_member with no answer for 7 days"
LOW_STARS = 2  # rating: "<= 2 opens survey_low_score"
LOW_CHANNEL = (
    "survey_low_score"  # by which complaints of few stars come: the member does not see them, nobody asks how they went
)
URGENT = 1  # "VIP or priority 1: store_manager gets a copy at once"
RUDE = "服务态度"  # the topic of which the branch hears, too
SENDS_BACK = ("return", "exchange_size", "exchange_item")  # kinds that the window of days bounds
# kinds that one sold piece is the matter of
ABOUT_A_PIECE = (*SENDS_BACK, "quality", "alteration", "care", "repair")
FREE_WORKS, FREE_WORK_DAYS = ("裤长", "袖长"), 30  # alteration_rules.free
LET_OUT = ("放腰",)  # works that need cloth in the seam
IRREVERSIBLE = "剪后不可退换"
DOWN_FROM_FEN = 150_000  # care_rules.included_with_item
WORTH_YEARS, LEAST_WORTH_PERCENT = 5, 20  # care_rules.liability
# What a complaint is, for whoever reads many of them (C-88: channel, content, times and nature).
NATURES = {"advice": "建议", "usual": "一般", "grave": "严重", "crisis": "重大（媒体、12315）"}
ANSWER_AT_NIGHT = "已收到, 明早9:30后专属导购会联系您"


@dataclass(frozen=True)
class Rules:
    priorities: dict[str, int]
    names: dict[str, str]
    needs: dict[str, tuple[str, ...]]
    works: tuple[str, ...]
    care_kinds: tuple[str, ...]
    channels: tuple[str, ...]
    topics: tuple[str, ...]
    states: dict[str, str]
    steps: frozenset[tuple[str, str]]
    return_days: int
    exchange_days: int
    exchange_promise_days: int  # until a size that is not in the store is there
    quality_days: int
    quality_extended_days: int
    care_days: dict[str, int]
    basic_care: tuple[str, ...]
    alteration_days: int
    alteration_most_days: int
    natures: dict[str, str]

    def after(self, state: str) -> list[str]:
        """Return the states it may come to from here, in the order of the flow."""
        return [key for key in self.states if (state, key) in self.steps]


@cache
def rules() -> Rules:
    """Return kinds, channels, states and allowed steps of the domain file."""
    book: dict[str, Any] = read_yaml(DOMAIN)
    kinds = {kind["key"]: kind for kind in book["ticket_kinds"]}
    steps = set()
    for text in book["states"]["allowed"]:
        before, _arrow, after = text.split(" ")[0].partition(">")
        steps |= {(before, state) for state in after.split("|")}
    return Rules(
        priorities={key: kind["priority"] for key, kind in kinds.items()},
        names={key: kind["name"] for key, kind in kinds.items()},
        needs={key: tuple(kind["needs"]) for key, kind in kinds.items()},
        works=tuple(kinds["alteration"]["works"]),
        care_kinds=tuple(kinds["care"]["care_kinds"]),
        channels=tuple(book["channels"]),
        topics=tuple(kinds["complaint"]["topics"]),
        states=book["states"]["flow"],
        steps=frozenset(steps),
        return_days=book["return_rules"]["window_days"],
        exchange_days=book["exchange_rules"]["window_days"],
        exchange_promise_days=int(re.search(r"(\d+) days promised", book["exchange_rules"]["stock"])[1]),  # type: ignore[index]
        quality_days=book["return_rules"]["quality"]["days"],
        quality_extended_days=book["return_rules"]["quality"]["extended_days"],
        care_days=book["care_rules"]["promise_days"],
        basic_care=tuple(book["care_rules"]["basic_free"]["kinds"]),
        alteration_days=book["alteration_rules"]["promise_days"],
        alteration_most_days=book["alteration_rules"]["max_days"],
        natures=NATURES,
    )


def ends_at(order: Order, *, kind: str = "return") -> datetime | None:
    """Return from when on it is too late for a kind, as the till reckons it; None while a parcel is on its way."""
    return returns.ends_at(order, days=rules().return_days if kind == "return" else rules().exchange_days)


@dataclass(frozen=True)
class Gift:
    """A care that came with a piece: from when on one that was given counts, and how it is said."""

    since: datetime
    words: str


def included_care(care_key: str, care_kind: str, *, bought: date, today: date, tag_fen: int) -> Gift | None:
    """Return the care that comes with a piece, if this is one of it (aftersale.yaml included_with_item).

    皮衣上油: once in each year from the purchase, two years long. 羽绒清洗蓬松: once within 24 months, from 1,500 yuan tag price.
    """
    if (care_key, care_kind) == ("leather", "皮衣上油") and today < _years_after(bought, 2):
        since = bought if today < _years_after(bought, 1) else _years_after(bought, 1)
        return Gift(local_moment(since, time()), "皮衣两年内每年送一次上油")
    if (
        (care_key, care_kind) == ("down", "羽绒清洗蓬松")
        and today < _years_after(bought, 2)
        and tag_fen >= DOWN_FROM_FEN
    ):
        return Gift(local_moment(bought, time()), "羽绒服 24 个月内送一次清洗蓬松")
    return None


def _years_after(day: date, years: int) -> date:
    """Return the same day so many years later; of 29 February the first of March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def is_free_alteration(works: Sequence[str], bought: date, today: date) -> bool:
    """Tell whether works are free within thirty days of the purchase: trouser and sleeve length, nothing beside."""
    return bool(works) and set(works) <= set(FREE_WORKS) and today <= bought + timedelta(days=FREE_WORK_DAYS)


def confirm_words(ticket: Ticket) -> list[str]:
    """Return what the member confirms before work on his garment begins, as he reads it. The garment is with us."""
    slip = ticket.slip
    words = [f"瑕疵登记：{slip.flaws}" if slip.flaws else "瑕疵登记：没有发现瑕疵"]
    if ticket.kind == "alteration":
        words += [f"改{slip.works}：{slip.measures}", IRREVERSIBLE]
        if set(slip.works.split("、")) & set(LET_OUT):
            words.append("放量只在缝份以内")
    if slip.price_fen:
        words.append(f"费用 {slip.price_fen / 100:g} 元")
    return words


def quality_remedies(order: Order, *, now: datetime) -> tuple[str, ...]:
    """Return what a fault opens today: return, exchange or repair as he chooses; later repair or exchange; then nothing."""
    end, last = (returns.ends_at(order, days=days) for days in (rules().quality_days, rules().quality_extended_days))
    if end is None or now < end:
        return ("return", "exchange", "repair")
    return ("exchange", "repair") if last is None or now < last else ()


def may_come_back(order: Order, *, kind: str, now: datetime) -> bool:
    """Tell whether the window of a return or an exchange is still open; what has a fault is a `quality` ticket."""
    end = ends_at(order, kind=kind)
    return end is None or now < end
