"""A file of members with faults planted in known lines: what an import must name, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

TITLES = "会员号,姓名,性别,手机号,生日,专属导购账号,主归属门店编码,入会时间,同意电话联系"
Fault = tuple[str, Callable[[list[str], int], list[str]]]


def _with(place: int, text: str) -> Callable[[list[str], int], list[str]]:
    return lambda cells, _n: [*cells[:place], text, *cells[place + 1 :]]


FAULTS: tuple[Fault, ...] = (  # what is named, and how the line is spoilt
    ("member_no", _with(0, "")),
    ("name", _with(1, "")),
    ("name", _with(1, "王" * 33)),
    ("gender", _with(2, "先生")),
    ("phone", _with(3, "1380013207")),
    ("phone", _with(3, "不肯说")),
    ("birthday", _with(4, "1988-02-30")),
    ("birthday", _with(4, "1888-05-20")),
    ("owner_guide", _with(5, "nobody")),
    ("main_store", _with(6, "S999")),
    ("registered_at", _with(7, "2099-01-01 10:00")),
    ("registered_at", _with(7, "去年")),
    ("phone_consent", _with(8, "大概")),
    ("", lambda cells, _n: [*cells, "多出来"]),
    ("member_no", lambda cells, n: [f"X{0:07}", *cells[1:]]),  # the first card again, with another name on it
)


def member_lines(
    rows: int, faults: int, *, stores: int, guides: int, seed: int = 7
) -> tuple[list[str], dict[int, str]]:
    """Return the lines of a file, and line -> field of each planted fault. The first row is always in order."""
    at = set(random.Random(seed).sample(range(1, rows), faults))
    named: dict[int, str] = {}
    lines = [TITLES]
    for number, cells in enumerate(_good(rows, stores=stores, guides=guides)):
        if number in at:
            field, spoil = FAULTS[len(named) % len(FAULTS)]
            cells = spoil(cells, number)
            named[number + 2] = field
        lines.append(",".join(cells))
    return lines, named


def _good(rows: int, *, stores: int, guides: int) -> Iterator[list[str]]:
    for n in range(rows):
        yield [
            f"X{n:07}", f"王{n % 97}", "女" if n % 9 == 0 else "男", f"138{n:08}", f"19{60 + n % 40}-{n % 12 + 1:02}-{n % 28 + 1:02}",
            f"gd{n % guides}", f"s{n % stores}", f"2025/{n % 12 + 1}/{n % 28 + 1} 10:{n % 60:02}", "是" if n % 3 else "否",
        ]  # fmt: skip
