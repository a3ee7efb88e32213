"""Finding Chinese texts while somebody types: two characters at a time, since Chinese has no blanks between words.

A pair of characters is a word here, and so are three first letters of the readings (~czt for 储值退), for who types letters.
One index finds whatever shares a word (GIN over an array column `words`); what shares the most stands first.

    row.words = finding.kept_words(row.question)
    finding.sharing(Row.objects.visible_to(actor), finding.words_of(typed))[:3]
"""

from __future__ import annotations

import re
from typing import Any

from django.db.models import IntegerField, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Greatest

from .pinyin import initials

MOST_WORDS = 400  # of one text
ASKED_WORDS = 60  # of what somebody types
LEAST_SHARE = 34  # percent of what was asked has to be in what is found
# Pairs that stand in every second question and tell nothing.
_EMPTY = (
    "怎么 么办 什么 可以 以吗 能不 不能 请问 一下 这个 那个 顾客 客人 会员 我们 你好 您好 谢谢 现在 是不 不是 有没 没有 "
    "如何 为什 这款 多少 哪里 应该 该怎 要怎 怎样"
)
EMPTY = frozenset(_EMPTY.split())
_RUNS = re.compile(r"[一-鿿]+|[0-9a-z]+")


def words_of(text: str, *, most: int = ASKED_WORDS) -> list[str]:
    """Return the words of a text, each once, in its order. Numbers and Latin words stay whole up to eight characters."""
    found: dict[str, None] = {}
    for run in _RUNS.findall(text.lower()):
        if run.isascii():
            found[run[:8]] = None
            if run.isalpha() and len(run) > 2:
                found |= dict.fromkeys(f"~{run[at : at + 3]}" for at in range(len(run) - 2))
            continue
        if len(run) == 1:
            found[run] = None
        found |= dict.fromkeys(pair for at in range(len(run) - 1) if (pair := run[at : at + 2]) not in EMPTY)
    return list(found)[:most]


def kept_words(text: str) -> list[str]:
    """Return the words under which a text is found: its own, and the first letters of its readings."""
    letters = [
        f"~{part[at : at + 3]}"
        for run in _RUNS.findall(text.lower())
        if not run.isascii()
        for part in [initials(run).replace(" ", "")]
        for at in range(len(part) - 2)
    ]
    return list(dict.fromkeys([*words_of(text, most=MOST_WORDS), *letters]))[:MOST_WORDS]


def sharing(rows: QuerySet[Any], asked: list[str], *, least: int = LEAST_SHARE) -> QuerySet[Any]:
    """Narrow rows to those that share enough words with what was asked; `shared` is how much, the most first."""
    plain = [word for word in asked if not word.startswith("~")] or asked
    found = rows.filter(words__overlap=asked).annotate(
        shared=Greatest(
            _counted(rows, plain) * 100 / max(1, len(plain)), _counted(rows, asked) * 100 / max(1, len(asked)),
            output_field=IntegerField(),
        )
    )  # fmt: skip
    return found.filter(shared__gte=least).order_by("-shared", "-pk")


def _counted(rows: QuerySet[Any], words: list[str]) -> RawSQL:
    column = f"{rows.model._meta.db_table}.words"
    return RawSQL(
        f"(SELECT count(*) FROM unnest({column}) w WHERE w = ANY (%s::text[]))", [words], output_field=IntegerField()
    )
