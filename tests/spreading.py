"""Which core runs what: files whole and the long ones first, so that at the end no core waits for another.

Loaded with `-p tests.spreading` (pyproject.toml); without workers of xdist it changes nothing. Files whose tests take minutes
together and share nothing are given out test by test.
"""

from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

LONGEST_FIRST = (
    "tests/faults/test_faults.py",  # waits more than it works: beside everything else
    "tests/test_routes_and_roles.py",
    "tests/test_api_fuzzing.py",
    "tests/races/test_guards.py",
    "tests/wecom/test_sender_process.py",  # these have few tests, and each is long
    "tests/demo/test_replay.py",
    "tests/test_commands.py",
    "tests/crm/benefits/test_rush.py",
    "tests/crm/wallet/test_storm.py",
    "tests/core/test_backup.py",
    "tests/core/test_rotation.py",
    "tests/bench/test_world.py",
)
TEST_BY_TEST = {"tests/test_routes_and_roles.py", "tests/test_api_fuzzing.py"}


class Spreading(LoadFileScheduling):
    """Whole files in the order in which they were collected, but for those that go test by test."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return nodeid if file in TEST_BY_TEST else file


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # xdist would put the files with most tests first


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return Spreading(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    number = Counter(_file(item) for item in items)

    def place(item: pytest.Item) -> tuple[int, bool, int, str]:
        file = _file(item)
        rank = LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST)
        return rank, item.get_closest_marker("browser") is None, -number[file], file

    items.sort(key=place)


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::", 1)[0]
