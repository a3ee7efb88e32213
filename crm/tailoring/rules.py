"""What tailoring.yaml says: measures with their limits, what can be made, what the member agrees to. Pure functions, in millimetres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core import tunables
from yejibao.core.domain_files import read_yaml

DOMAIN = Path(__file__).resolve().parent.parent / "data" / "tailoring.yaml"
MM = 10  # in a centimetre

MOVE_HOURS = tunables.number(
    "fitting-move-hours", group="量身定制", name="会员自己改约、取消，最晚提前", unit="小时", default=4, least=0, most=72,
    why="过了这个时间要联系导购；爽约多、师傅跑店时调大",
)  # fmt: skip
DAYS_AHEAD = tunables.number(
    "fitting-days-ahead", group="量身定制", name="最多提前多少天约量体", unit="天", default=30, least=3, most=90, why="班表排得远时调大",
)  # fmt: skip
LEAD_MINUTES = tunables.number(
    "fitting-lead-minutes", group="量身定制", name="会员约量体至少提前", unit="分钟", default=60, least=0, most=1440,
    why="给门店准备的时间；导购帮他约不受这条限制",
)  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """One measure. `least`, `most` and `jump` in millimetres."""

    key: str
    name: str
    how: str
    least: int
    most: int
    jump: int


@dataclass(frozen=True)
class Garment:
    key: str
    name: str
    days: int  # of making, as it is promised unless somebody says otherwise
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    measures: dict[str, Measure]
    garments: dict[str, Garment]
    relations: tuple[tuple[str, str], ...]  # (more, less)
    styles: tuple[str, ...]
    works: tuple[str, ...]
    terms_version: int
    terms: tuple[str, ...]


@cache
def rules() -> Rules:
    """Return the domain file."""
    book: dict[str, Any] = read_yaml(DOMAIN)
    return Rules(
        measures={
            row["key"]: Measure(row["key"], row["name"], row["how"], row["least"] * MM, row["most"] * MM, row["jump"] * MM)
            for row in book["measures"]
        },
        garments={
            row["key"]: Garment(row["key"], row["name"], row["days"], tuple(row["needs"])) for row in book["garments"]
        },
        relations=tuple((row["more"], row["less"]) for row in book["relations"]),
        styles=tuple(book["styles"]), works=tuple(book["works"]),
        terms_version=book["terms"]["version"], terms=tuple(book["terms"]["lines"]),
    )  # fmt: skip


def read_cm(text: str) -> int | None:
    """Return the millimetres of what was typed in centimetres (`96`, `96.5`, `96．5`); None for nothing. Raises ValueError."""
    plain = text.strip().replace("．", ".").replace("。", ".").removesuffix("cm").strip()
    if not plain:
        return None
    try:
        value = Decimal(plain) * MM
    except InvalidOperation:
        raise ValueError(text) from None
    if not value.is_finite() or value != value.to_integral_value() or not 0 < value < 10_000:
        raise ValueError(text)
    return int(value)


def cm(millimetres: int) -> str:
    """Return 96 or 96.5 of 960 or 965."""
    whole, rest = divmod(millimetres, MM)
    return f"{whole}.{rest}" if rest else str(whole)


def wrong_measures(values: Mapping[str, int], *, needs: Sequence[str]) -> list[dict[str, str]]:
    """Return what keeps these from being measures of a man: what is missing, out of the limits, or cannot go together."""
    book = rules()
    wrong = [
        _error(key, "required", f"{book.measures[key].name}还没量") for key in needs if key not in values
    ]  # fmt: skip
    for key, value in values.items():
        one = book.measures[key]
        if not one.least <= value <= one.most:
            wrong.append(_error(key, "range", f"{one.name} {cm(value)} 不对，应在 {cm(one.least)}–{cm(one.most)} 厘米"))
    for more, less in book.relations:
        if more in values and less in values and values[more] <= values[less]:
            wrong.append(
                _error(more, "relation", f"{book.measures[more].name}不会比{book.measures[less].name}小，再看一眼")
            )
    return wrong


def doubtful(values: Mapping[str, int], before: Mapping[str, int]) -> list[dict[str, str]]:
    """Return the measures that lie oddly far from those of last time: right if she says so."""
    book = rules()
    return [
        _error(key, "jump", f"{one.name}上次 {cm(before[key])}，这次 {cm(value)}")
        for key, value in values.items()
        if key in before and abs(value - before[key]) > (one := book.measures[key]).jump
    ]  # fmt: skip


def _error(field: str, code: str, message: str) -> dict[str, str]:
    return {"field": field, "code": code, "message": message}
