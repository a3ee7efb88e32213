"""Really killed and cut: 2,000 due pushes through the product's own processes, on servers of their own.

One house for all faults (`bench.rig`), one after the other without a pause, so that what one leaves behind meets the next.
Two beats run all the time. What is asserted is what the platform's stand-in showed to people.
"""

import random
from collections.abc import Iterator

import pytest

from bench import chaos
from bench.chaos import Story
from bench.rig import Rig, running
from yejibao import devserv

pytestmark = pytest.mark.slow
PUSHES, KILLS = 2000, 4
FAULTS = ("kills", "redis", "postgres", "platform")


@pytest.fixture(scope="module")
def house() -> Iterator[Rig]:
    with running(devserv.scratch_folder("faults"), PUSHES, every=3) as made:
        yield made


@pytest.fixture(scope="module")
def story(house: Rig) -> Story:
    acts = chaos.acts(house, PUSHES, kills=KILLS, seconds=4, dice=random.Random(7))
    return chaos.play(house, acts, side_by_side=True)


def test_the_faults_really_happened(house: Rig, story: Story) -> None:
    assert sum(house.kills.values()) == KILLS and set(house.kills) == {"sender", "worker", "pool process"}
    assert "had lost their lease" in house.log("sender")
    assert tuple(story.faults) == FAULTS
    assert house.control("GET", "stats")["suppressed"] > 0, "nothing was ever sent twice, so nothing was tried"


@pytest.mark.parametrize("fault", FAULTS)
def test_back_to_normal_without_a_hand(story: Story, fault: str) -> None:
    after = story.faults[fault].normal_after
    assert after is not None and after <= chaos.NORMAL_SECONDS


def test_each_number_was_shown_once(house: Rig, story: Story) -> None:
    assert (house.lost(range(1, PUSHES + 1)), house.doubled()) == ([], [])
    assert len(house.shown) == PUSHES
    stats = house.control("GET", "stats")
    assert (stats["dropped"], stats["delivered"]) == (0, PUSHES)
    assert stats["member_peak_per_minute"] <= 20


def test_what_nobody_knew_was_said_and_is_known_now(house: Rig, story: Story) -> None:
    assert story.told["unknown"] > 0
    assert house.states() == {"sent": PUSHES}
    assert house.missing() == 0


def test_two_beats_and_their_jobs_did_no_harm(house: Rig, story: Story) -> None:
    steps = house.ask("select count(*), count(distinct enrollment_id) from tasks_task where node = 'm30'")
    assert steps == [(PUSHES, PUSHES)]
    assert house.ask("select count(*) from core_outboxmessage where kind = 'task'") == [(PUSHES,)]
    assert house.supervisor.children["beat"].is_alive and house.supervisor.children["beat2"].is_alive
