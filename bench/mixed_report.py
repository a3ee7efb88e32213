"""What came of the promotion peak (bench/mixed_peak.py): what was seen of it, its bounds, and what gives first."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean

from bench.figures import Goal, Report, at_most, median, percentile
from bench.mixed_load import Hit

PURCHASES, DUE, REQUESTS = 150, 150, 170  # a second, at factor 1
LAG_SECONDS, P99_MS, GROWTH = 60, 300, 0.10
LAG_GROWTH_SECONDS = 15  # half a beat: lags go up and down with the tick's thirty seconds
TABLES = ("tasks_hand", "tasks_enrollment", "tasks_task", "core_outboxmessage")
LAGS = ("due hand", "push", "event")


@dataclass(frozen=True)
class Size:
    """How large the world is and how long the play."""

    guides: int
    stores: int
    waiting: int
    seconds: int
    settled: int  # seconds after which memory and dead rows must be flat
    every: float  # seconds between two looks
    factor: float

    @property
    def due(self) -> int:
        return round(DUE * self.factor * self.seconds)

    @property
    def purchases(self) -> int:
        return round(PURCHASES * self.factor * self.seconds)


@dataclass(frozen=True)
class Look:
    """How things stood at one moment of the play."""

    at: float
    lags: dict[str, float]
    rss_mb: dict[str, float]
    dead: dict[str, tuple[int, int]]  # dead rows, live rows
    cpu: dict[str, float]
    busy: float  # seconds the cores have worked for anybody
    sent: int


@dataclass
class Play:
    """What was seen of it all."""

    looks: list[Look] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    feed: Counter[str] = field(default_factory=Counter)
    feed_ms: list[float] = field(default_factory=list)
    handled: float = 0.0  # share of the hands due a beat ago or longer


def report(play: Play, size: Size) -> Report:
    later = [look for look in play.looks if look.at >= size.settled]
    good = [hit for hit in play.hits if hit.status == 200]
    times = [hit.ms for hit in good] or [0.0]
    asked_requests = int(REQUESTS * size.factor * size.seconds)
    errors = len(play.hits) - len(good) + play.feed["refused"] + play.feed["batches failed"]
    in_time = sum(hit.planned_at + hit.ms / 1000 <= size.seconds + P99_MS / 1000 for hit in good)
    shares = {
        "purchases": play.feed["created"] / size.purchases,
        "due": play.handled,
        "requests": in_time / asked_requests,
    }
    grown = _growth(later)
    goals = [
        *(at_most(f"oldest {name}, s", max(look.lags[name] for look in later), LAG_SECONDS) for name in LAGS),
        *(at_most(f"{name}: growth of the lag, s", _lag_growth(later, name), LAG_GROWTH_SECONDS) for name in LAGS),
        at_most("p99 of the requests, ms", percentile(times, 0.99), P99_MS),
        at_most("errors", errors, 0),
        *(at_most(name, seen, GROWTH) for name, seen in grown.items()),
    ]
    used = _cpu(play.looks)
    busy = (play.looks[-1].busy - play.looks[0].busy) / (play.looks[-1].at - play.looks[0].at)
    return Report(
        value=min(shares.values()), unit="of the asked rates", limit=1.0,
        limit_is=f"{PURCHASES * size.factor:.0f} purchases, {DUE * size.factor:.0f} due hands beside theirs and "
        f"{REQUESTS * size.factor:.0f} requests a second for {size.seconds} s",
        goals=goals,
        more={
            "carried": {name: round(share, 4) for name, share in shares.items()},
            "gives_first": gives_first(play, size, goals),
            "p50_ms": round(percentile(times, 0.5), 1), "ms": _by_kind(good),
            "feed": dict(play.feed), "feed_ms": {"p50": round(median(play.feed_ms or [0])), "p99": round(percentile(play.feed_ms or [0], 0.99))},
            "lags_s": {name: [round(_near(play.looks, size.seconds * part).lags[name], 1) for part in (0.5, 1)] for name in LAGS},
            "pushes_a_second": round((play.looks[-1].sent - play.looks[0].sent) / play.looks[-1].at, 1),
            "cpu_of_a_core": used, "cores_used": round(sum(used.values()), 2),
            "cores_used_by_others": round(max(0.0, busy - sum(used.values())), 2), "cores": os.cpu_count(),
            "rss_mb": {name: [round(look.rss_mb[name]) for look in (play.looks[0], later[0], later[-1])] for name in later[0].rss_mb},
            "dead_rows": {name: [look.dead[name][0] for look in (play.looks[0], later[0], later[-1])] for name in TABLES},
            "statuses": dict(Counter(str(hit.status) for hit in play.hits)),
            "guides": size.guides, "waiting": size.waiting, "seconds": size.seconds, "factor": size.factor,
        },
    )  # fmt: skip


def _growth(later: Sequence[Look]) -> dict[str, float]:
    """Return how much memory and the dead rows' share of their tables grew after the play had settled, the worst of each."""
    few = max(1, len(later) // 5)
    first, last = later[:few], later[-few:]

    def change(of: Callable[[Look], float]) -> tuple[float, float]:
        return mean(map(of, first)), mean(map(of, last))

    memory, dead = [], []
    for name in later[0].rss_mb:
        before, after = change(lambda look, name=name: look.rss_mb[name])  # type: ignore[misc]
        memory.append(after / before - 1)
    for name in TABLES:
        before, after = change(lambda look, name=name: look.dead[name][0] / max(1, sum(look.dead[name])))  # type: ignore[misc]
        dead.append(after - before)
    return {"growth of a process's memory": max(memory), "growth of the dead share of a table": max(dead)}


def _lag_growth(later: Sequence[Look], name: str) -> float:
    """Return by how much the middle lag of the second half is above that of the first."""
    half = len(later) // 2
    return max(
        0.0, median([look.lags[name] for look in later[half:]]) - median([look.lags[name] for look in later[:half]])
    )


def _near(looks: Sequence[Look], at: float) -> Look:
    return min(looks, key=lambda look: abs(look.at - at))


def _cpu(looks: Sequence[Look]) -> dict[str, float]:
    """Return what each process used of a core, the hungriest first."""
    first, last = looks[0], looks[-1]
    used = {name: (last.cpu[name] - first.cpu[name]) / (last.at - first.at) for name in first.cpu}
    return {name: round(share, 3) for name, share in sorted(used.items(), key=lambda pair: -pair[1])}


def _by_kind(hits: Sequence[Hit]) -> dict[str, dict[str, float]]:
    found = {}
    for kind in sorted({hit.kind for hit in hits}):
        times = [hit.ms for hit in hits if hit.kind == kind]
        found[kind] = {"p50": round(percentile(times, 0.5), 1), "p99": round(percentile(times, 0.99), 1)}
    return found


def gives_first(play: Play, size: Size, goals: Sequence[Goal]) -> str:
    """Say what broke its bound first and when, or else what came nearest to it."""
    broke = [(look.at, f"oldest {name}") for look in play.looks for name in LAGS if look.lags[name] > LAG_SECONDS]
    for start in range(0, size.seconds, 10):
        part = [hit.ms for hit in play.hits if start <= hit.planned_at < start + 10 and hit.status]
        if part and percentile(part, 0.99) > P99_MS:
            broke.append((start, f"p99 of the requests ({percentile(part, 0.99):.0f} ms in ten seconds)"))
    broke += [(hit.planned_at, f"a {hit.kind} request ({hit.status})") for hit in play.hits if hit.status != 200]
    if broke:
        at, what = min(broke)
        return f"{what}, after {at:.0f} s"
    nearest = max((goal for goal in goals if goal.bound), key=lambda goal: goal.seen / goal.bound)
    return f"nothing; nearest to its bound: {nearest.name} ({nearest.seen:.3g} of {nearest.bound:g})"
