"""What every measurement shares: its options, its goals, turns taken by the sides, and the one line it prints."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
PEERS = CHECKOUT / ".venv-bench"


@dataclass(frozen=True)
class Options:
    """What was asked on the command line. `rest` are the arguments a measurement reads for itself."""

    quick: bool = False
    peers: bool = False
    rest: tuple[str, ...] = ()

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "Options":
        parser = argparse.ArgumentParser(prog="bin/bench", add_help=False)
        parser.add_argument("--quick", action="store_true")
        parser.add_argument("--peers", action="store_true")
        known, rest = parser.parse_known_args(arguments)
        return cls(quick=known.quick, peers=known.peers, rest=tuple(rest))

    def parse(self, name: str, *options: tuple[str, dict[str, Any]]) -> argparse.Namespace:
        """Read a measurement's own arguments: pairs of a flag and what `add_argument` takes beside it."""
        parser = argparse.ArgumentParser(prog=f"bin/bench {name}")
        for flag, keywords in options:
            parser.add_argument(flag, **keywords)
        return parser.parse_args(self.rest)


@dataclass(frozen=True)
class Goal:
    """One bound that a measurement has to keep."""

    name: str
    seen: float
    bound: float
    is_floor: bool

    @property
    def met(self) -> bool:
        return self.seen >= self.bound if self.is_floor else self.seen <= self.bound

    def as_json(self) -> dict[str, Any]:
        sign = ">=" if self.is_floor else "<="
        return {"name": self.name, "seen": _short(self.seen), "goal": f"{sign} {_short(self.bound)}", "met": self.met}


def at_least(name: str, seen: float, bound: float) -> Goal:
    return Goal(name, seen, bound, is_floor=True)


def at_most(name: str, seen: float, bound: float) -> Goal:
    return Goal(name, seen, bound, is_floor=False)


@dataclass
class Report:
    """What came out. `limit` is what was measured beside it in the same run, or the number that binds; `more` is free."""

    value: float
    unit: str
    limit: float
    limit_is: str
    goals: Sequence[Goal]
    more: Mapping[str, Any] = field(default_factory=dict)
    ratio: float | None = None

    def line(self, bench: str) -> dict[str, Any]:
        ratio = self.ratio if self.ratio is not None else (self.value / self.limit if self.limit else 0.0)
        return {
            "bench": bench,
            "value": _short(self.value),
            "unit": self.unit,
            "limit": _short(self.limit),
            "limit_is": self.limit_is,
            "ratio": _short(ratio),
            "goals": [goal.as_json() for goal in self.goals],
            "met": all(goal.met for goal in self.goals),
            **self.more,
        }


def interleaved(rounds: int, sides: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Let every side measure once a round, each round beginning with another one; return their figures by side.

    A noisy machine disturbs all sides alike that way. A side returns its own figure (a rate, or seconds).
    """
    figures: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            figures[name].append(sides[name]())
        progress(f"round {turn + 1}/{rounds}: " + ", ".join(f"{name} {_short(figures[name][-1]):,}" for name in names))
    return figures


def median(figures: Sequence[float]) -> float:
    return statistics.median(figures)


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median over the rounds of one side's figure by the other's of the same round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the figure that `share` (0..1) of them do not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def rate(count: Callable[[], int]) -> float:
    """Run it once; return what it counted, per second."""
    started = time.perf_counter()
    done = count()
    return done / (time.perf_counter() - started)


def progress(text: str) -> None:
    """Say on stderr what goes on; stdout carries the result alone."""
    print(f"· {text}", file=sys.stderr, flush=True)


def peers_python() -> Path | None:
    """Return the Python that has the peers of bench/requirements.txt, or None where they were never installed."""
    python = PEERS / "bin/python"
    return python if (PEERS / ".ready").exists() else None


def install_peers() -> None:
    """Make an environment of their own for the peers: the product's must hold what its lock file says and no more."""
    python, wanted = PEERS / "bin/python", CHECKOUT / "bench/requirements.txt"
    ready = PEERS / ".ready"
    if ready.exists() and ready.read_text() == wanted.read_text():
        return
    progress("installing the peers (bench/requirements.txt)")
    subprocess.run([sys.executable, "-m", "venv", "--clear", PEERS], check=True)
    quiet = ["-q", "--disable-pip-version-check", "--require-hashes", "-r", wanted]
    subprocess.run([python, "-m", "pip", "install", *quiet], check=True, stdout=sys.stderr)
    ready.write_text(wanted.read_text())


def _short(figure: float) -> float:
    """Return a number as one would say it: whole above 100, else four digits."""
    return round(figure) if abs(figure) >= 100 else float(f"{figure:.4g}")
