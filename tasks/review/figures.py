"""A sum of counts and the rates that come of it."""

from dataclasses import dataclass, fields

from .counting import COLUMNS

TARGET = 0.90  # kpis.task_completion_rate.target of models.yaml
NOTHING = "—"


def rate(numerator: int, denominator: int | None) -> float | None:
    """Return a share with 4 decimals, half up; None where there is nothing to divide by (models.yaml common)."""
    if not denominator:
        return None
    return (numerator * 20_000 + denominator) // (2 * denominator) / 10_000


def percent(numerator: int, denominator: int | None) -> str:
    """Return `78.4%`, half up, or — without a denominator."""
    if not denominator:
        return NOTHING
    return f"{(numerator * 2_000 + denominator) // (2 * denominator) / 10:.1f}%"


def points(now: float | None, before: float | None) -> str:
    """Return how many points a share moved, `+4` or `-1.5`; "" where one of them is not known."""
    if now is None or before is None:
        return ""
    moved = round((now - before) * 100, 1)
    return f"{moved:+g}" if moved else "持平"


@dataclass
class Figures:
    """Counts as in `models.DayFigures`. Add them up as long as you like, divide last."""

    done_count: int = 0
    on_time_count: int = 0
    overdue_count: int = 0
    expired_count: int = 0
    early_count: int = 0
    upcoming_count: int = 0
    held_count: int = 0
    skipped_count: int = 0
    superseded_count: int = 0
    cancelled_count: int = 0
    reached_count: int = 0
    replied_count: int = 0
    booked_count: int = 0
    sales_count: int = 0
    sales_fen: int = 0

    def add(self, other: "Figures") -> "Figures":
        mine, others = self.__dict__, other.__dict__  # some four hundred a page: not through fields()
        for name in COLUMNS:
            mine[name] += others[name]
        return self

    @property
    def due_count(self) -> int:
        """Done, overdue and expired: the denominator of completion and on time. Held and what is due later are out."""
        return self.done_count + self.overdue_count + self.expired_count

    @property
    def missed_count(self) -> int:
        return self.overdue_count + self.expired_count

    @property
    def targeted_count(self) -> int:
        """All tasks of these days after the skip rules, those due later as well."""
        return self.due_count + self.upcoming_count

    @property
    def is_empty(self) -> bool:
        return not (self.targeted_count or self.held_count or self.sales_count)

    @property
    def completion(self) -> float | None:
        return rate(self.done_count, self.due_count)

    @property
    def on_time(self) -> float | None:
        return rate(self.on_time_count, self.due_count)

    @property
    def reply(self) -> float | None:
        return rate(self.replied_count, self.reached_count)

    @property
    def reach(self) -> float | None:
        return rate(self.reached_count, self.targeted_count)

    @property
    def completion_words(self) -> str:
        return percent(self.done_count, self.due_count)

    @property
    def reply_words(self) -> str:
        return percent(self.replied_count, self.reached_count)

    @property
    def reach_words(self) -> str:
        return percent(self.reached_count, self.targeted_count)

    @property
    def sales(self) -> int | None:
        """Sales of the follow-up in fen; None where nobody was reached and nothing credited."""
        return self.sales_fen if self.sales_count or self.reached_count else None

    @property
    def booked(self) -> int | None:
        return self.booked_count if self.booked_count or self.reached_count else None


assert tuple(one.name for one in fields(Figures)) == COLUMNS
