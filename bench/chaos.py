"""10,000 due pushes under 20 kills, a lost Redis, a crashed PostgreSQL and a failing platform: what was lost or doubled."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.figures import Options, Report, at_most
from bench.rig import Rig, running
from yejibao import devserv

NEEDS_DATABASE = False  # it crashes PostgreSQL, so it has one of its own
NORMAL_SECONDS = 120  # of a fault's end, without a hand
PAGE_SECONDS = 30
PARKED_SHARE = 0.002
ANSWER_MS = 100  # of the platform on a good day, so that something is always under way
OPENING, TELLING = "WITH facts AS MATERIALIZED", "INSERT INTO core_outboxmessage"
# In bad weather 60 of 100 calls fail, in all the ways that leave the sender in doubt.
BAD_WEATHER = (
    {"percent": 30, "errcode": -1},
    {"percent": 12, "drop_after_effect": True},  # taken, and the connection cut
    {"percent": 12, "after_effect": True, "hang": 12},  # taken, and never answered
    {"percent": 12, "after_effect": True, "http": 502},
    {"percent": 12, "truncated": True},
)


@dataclass
class Fault:
    """What was done to the house, which numbers were under way, and how long after its end all was normal again."""

    batch: range
    ended_at: float = 0.0
    normal_after: float | None = None
    page_back_after: float = 0.0


@dataclass
class Story:
    """What came of it all."""

    faults: dict[str, Fault] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)  # what the operators' command said in the thick of it


def kill(house: Rig, count: int, *, kills: int, dice: random.Random) -> range:
    """Kill senders with messages under way, workers in the middle of a statement, and processes of the pool at any time."""
    first = house.released + 1
    parts = [count * turn // kills for turn in range(kills + 1)]
    for turn in range(kills):
        batch = house.release(parts[turn + 1] - parts[turn])
        if turn % 4 in (0, 2):
            _wait_under_way(house, batch)
            time.sleep(dice.uniform(0, ANSWER_MS / 500))
            house.kill("sender")
        elif turn % 4 == 1:
            if not house.kill_while("worker", OPENING if turn % 8 == 1 else TELLING, seconds=15):
                house.kill("worker")  # it was too quick to be caught at it
        else:
            time.sleep(dice.uniform(0, 2))
            house.kill_pool_process()
    return range(first, house.released + 1)


def lose_redis(house: Rig, count: int, *, seconds: float) -> range:
    """Flush Redis under everybody's hands, then take it away."""
    batch = house.release(count)
    _wait_under_way(house, batch)
    house.cut_redis(seconds=seconds)
    return batch


def crash_postgres(house: Rig, count: int, *, seconds: float) -> range:
    """Crash PostgreSQL with messages under way."""
    batch = house.release(count)
    _wait_under_way(house, batch)
    house.cut_postgres(seconds=seconds)
    return batch


def lose_platform(house: Rig, count: int, *, seconds: float) -> range:
    """Bad weather, then a platform that takes connections and says nothing, then one that is down."""
    house.heal()
    for order in BAD_WEATHER:
        house.fault(**order)
    batch = house.release(count)
    _wait_under_way(house, batch)
    time.sleep(seconds)
    with house.frozen("sandbox"):
        time.sleep(seconds / 2)
    house.heal()
    house.fault(http=503)
    time.sleep(seconds / 2)
    house.heal()
    house.fault(latency=ANSWER_MS)
    return batch


def _wait_under_way(house: Rig, batch: range) -> None:
    """Wait until the first of a batch have been claimed and calls are arriving at the platform."""
    before = house.calls()
    house.wait(lambda: house.states(batch)["claimed"], 60, "something is claimed", every=0.02)
    house.wait(lambda: house.calls() > before, 30, "something is under way", every=0.02)


def play(house: Rig, acts: Mapping[str, Callable[[], range]], *, side_by_side: bool) -> Story:
    """Let one fault after the other happen and measure the way back; side by side: without waiting between them.

    Raises TimeoutError when the house does not get back to normal by itself.
    """
    house.fault(latency=ANSWER_MS)
    story = Story()
    for name, act in acts.items():
        house.say(f"{name} …")
        fault = story.faults[name] = Fault(act())
        fault.ended_at = time.monotonic()
        if name == "platform":
            story.told = house.figures()
        if not side_by_side:
            _wait(house, {name: fault})
    _wait(house, story.faults)
    return story


def _wait(house: Rig, faults: Mapping[str, Fault]) -> None:
    def settled() -> bool:
        for name, fault in faults.items():
            if fault.normal_after is None and house.is_normal(fault.batch):
                fault.normal_after = time.monotonic() - fault.ended_at
                fault.page_back_after = house.page_back_after(fault.ended_at)
                house.say(f"{name}: normal after {fault.normal_after:.0f} s")
        return all(fault.normal_after is not None for fault in faults.values())

    house.wait(settled, NORMAL_SECONDS, "the house is back to normal", every=0.25)


def acts(house: Rig, count: int, *, kills: int, seconds: float, dice: random.Random) -> dict[str, Callable[[], range]]:
    """Return the faults with their share of the pushes; Redis, PostgreSQL and the platform are away for `seconds`."""
    share = count // 5
    return {
        "kills": lambda: kill(house, count - 3 * share, kills=kills, dice=dice),
        "redis": lambda: lose_redis(house, share, seconds=seconds),
        "postgres": lambda: crash_postgres(house, share, seconds=seconds),
        "platform": lambda: lose_platform(house, share, seconds=2 * seconds),
    }


def main(options: Options) -> Report:
    own = options.parse("chaos", ("--seed", {"type": int, "default": 1, "help": "of the dice"}))
    count, kills, seconds = (1_000, 4, 3) if options.quick else (10_000, 20, 15)
    with running(devserv.scratch_folder("chaos"), count, every=5) as house:
        if not options.quick:
            house.start_web()
        plan = acts(house, count, kills=kills, seconds=seconds, dice=random.Random(own.seed))
        story = play(house, plan, side_by_side=options.quick)
        everything = range(1, count + 1)
        lost, doubled = house.lost(everything), house.doubled()
        states, missing = house.states(), house.missing()
        stats = house.control("GET", "stats")
    after = {name: round(fault.normal_after or 0.0, 1) for name, fault in story.faults.items()}
    page = {name: round(fault.page_back_after, 1) for name, fault in story.faults.items()}
    parked = states["parked"] / sum(states.values())
    return Report(
        value=len(lost) + len(doubled), unit="of the pushes lost or shown twice", limit=0,
        limit_is="none, at the receiver, beyond what the platform's own duplicate check removes",
        goals=[
            at_most("lost", len(lost), 0), at_most("shown twice", len(doubled), 0), at_most("parked share", parked, PARKED_SHARE),
            at_most("orders, steps and tasks missing", missing, 0),
            *(at_most(f"seconds to normal after {name}", took, NORMAL_SECONDS) for name, took in after.items()),
            at_most("seconds a page failed after a fault's end", max(page.values()), PAGE_SECONDS),
        ],
        more={
            "pushes": count, "kills": dict(house.kills), "seconds_to_normal": after,
            "page_failed_for_seconds": page, "page_answers": Counter(status for _, status in house.answers), "states": dict(states),
            "kept_back_by_duplicate_check": sum(house.suppressed.values()), "most_unknown_at_once": house.most_unknown,
            "peak_per_second": stats["peak_per_second"].get("message/send"), "dropped_by_platform": stats["dropped"],
        },
    )  # fmt: skip
