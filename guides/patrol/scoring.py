"""How scores add up (patrol_checklist.yaml, scoring). Whole numbers throughout: 41 is 4.1, and half is rounded up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from yejibao.core import clock

RED_LINE_CAP = 34  # a red line at 1: no better than 3.4
GRADES = ((45, "A"), (40, "B"), (35, "C"), (0, "D"))
PROBLEM_AT = 3  # such a score says what is wrong, and is mended unless it was on the spot
PHOTO_AT = 2
LATEST, NOON, EARLIEST = time(20, 0), time(12, 0), time(9, 30)


@dataclass(frozen=True)
class Scored:
    """One item with its score; None: not applicable or not scored, and out of the total."""

    weight: int
    score: int | None
    is_red_line: bool = False


@dataclass(frozen=True)
class Result:
    """A visit's score in tenths, before and after a red line, and its grade."""

    tenths: int
    uncapped_tenths: int
    grade: str
    red_lines: int


def mean_tenths(rows: Iterable[Scored]) -> int | None:
    """Return sum(weight × score) / sum(weight) in tenths, half up; None where nothing is scored."""
    total, weight = _sums(rows)
    return (20 * total + weight) // (2 * weight) if weight else None


def mean_whole(rows: Iterable[Scored]) -> int | None:
    """Return the same as a whole number, half up: how the summary table shows a category."""
    total, weight = _sums(rows)
    return (2 * total + weight) // (2 * weight) if weight else None


def result_of(rows: Iterable[Scored]) -> Result | None:
    """Return the score of a visit; None where nothing is scored."""
    known = [row for row in rows if row.score is not None]
    tenths = mean_tenths(known)
    if tenths is None:
        return None
    red = sum(row.is_red_line and row.score == 1 for row in known)
    capped = min(tenths, RED_LINE_CAP) if red else tenths
    return Result(capped, tenths, grade_of(capped), red)


def grade_of(tenths: int) -> str:
    """Return A from 4.5 on, B from 4.0, C from 3.5, else D."""
    return next(grade for least, grade in GRADES if tenths >= least)


def deadline(opened_at: datetime, hours: int) -> datetime:
    """Return until when it must be mended: `hours` on; what would end after 20:00, or before opening, ends at noon."""
    ends_at = opened_at + timedelta(hours=hours)
    day, at = clock.local_day(ends_at), ends_at.astimezone(clock.SHANGHAI).time()
    if at > LATEST:
        return clock.local_moment(day + timedelta(days=1), NOON)
    if at < EARLIEST:
        return clock.local_moment(day, NOON)
    return ends_at


def words_of(tenths: int | None) -> str:
    """Return 4.1, or a dash."""
    return "—" if tenths is None else f"{tenths // 10}.{tenths % 10}"


def _sums(rows: Iterable[Scored]) -> tuple[int, int]:
    known = [(row.weight, row.score) for row in rows if row.score is not None]
    return sum(weight * score for weight, score in known), sum(weight for weight, _score in known)
