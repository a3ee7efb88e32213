"""How a guard is declared: where it stands, how it is taken out, and the race that is lost without it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

from .taking_out import Out, replaced, sql
from .world import World

Race = Callable[[World], None]


@dataclass(frozen=True)
class Guard:
    """One guard. `besides` names guards that stand before it and would hide it: they are out in both runs."""

    name: str
    at: str  # path:function, or path:CONSTANT of the statement
    outs: tuple[Out, ...]
    race: Race
    besides: tuple[str, ...] = ()


def guard(name: str, at: str, out: Out | tuple[Out, ...], race: Race, *besides: str) -> Guard:
    return Guard(name, at, out if isinstance(out, tuple) else (out,), race, besides)


def lock() -> sql:
    """The row locks of a statement."""
    return sql(r"\s+FOR (NO KEY )?UPDATE( OF \"?\w+\"?)?( SKIP LOCKED)?")


def skipping() -> sql:
    """What lets a statement pass by rows that somebody else has locked."""
    return sql(r" SKIP LOCKED")


def turned() -> sql:
    """The order in which rows are locked: every second one begins at the other end."""
    ends = cycle((" DESC", " ASC"))
    return sql(r"(ORDER BY \S+)( ASC)?(?= FOR)", lambda found: found[1] + next(ends))


def advisory() -> sql:
    """An advisory lock: everybody gets it."""
    return sql(r"pg_(?:try_)?advisory_xact_lock\((%s|\w+\((?:%s, 1|'\w+')\))\)", r"true OR \1 IS NULL")


def on_conflict() -> sql:
    """The words that make a second row of the same key nothing, not an error."""
    return sql(r"\s+ON CONFLICT[^;]*?DO NOTHING")


def again() -> sql:
    """What a second row of the same key does to the first."""
    return sql(r"\s+ON CONFLICT \([^)]*\) DO UPDATE[\s\S]*?(?=\s+RETURNING|$)")


def condition(words: str) -> sql:
    """A condition of a guarded UPDATE."""
    return sql(words, "%s IS NOT NULL" if "%s" in words else "true")


def alone(module: str, function: str) -> replaced:
    """A lock taken by a function of its own, as one module calls it."""
    return replaced(f"{module}:{function}", lambda *_, **__: None)
