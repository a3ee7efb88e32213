"""Each race holds with its guard, and fails without it (reliability-security.md §1.12)."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import database
from tests.conftest import TestClock
from tests.factories.guides import make_org
from tests.factories.tasks import load_rules

from .declaring import Guard
from .guards import GUARDS
from .world import NOON, World, clear

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _django_db_helper() -> None:
    """Stand in for the plugin's: no flush after each race, which takes longer than the race."""


@pytest.fixture(scope="module")
def company(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    """One company for all races; what they write is cleared before each."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        load_rules()
        yield World(make_org())
        database.empty()


@pytest.fixture
def world(company: World, clock: TestClock) -> World:
    clock.travel(NOON)
    clear()
    return company


def _besides(guard: Guard, stack: ExitStack) -> None:
    for one in GUARDS:
        if one.name in guard.besides:
            for out in one.outs:
                stack.enter_context(out.taken(one.at))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_race_holds(world: World, guard: Guard) -> None:
    with ExitStack() as stack:
        _besides(guard, stack)
        guard.race(world)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_race_is_lost_without_its_guard(world: World, guard: Guard) -> None:
    """The same body, the guard taken out: it has to fail, and by what it says itself."""
    with ExitStack() as stack:
        _besides(guard, stack)
        for out in guard.outs:
            stack.enter_context(out.taken(guard.at))
        with pytest.raises(AssertionError) as seen:
            guard.race(world)
    assert "tests/races/" in str(seen.traceback[-1].path), "the race broke before it could tell"
    assert all(out.met for out in guard.outs), "nobody came by where the guard stands"
