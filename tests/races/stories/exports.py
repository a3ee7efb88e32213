"""Exports: five a day, made by one, taken once."""

from datetime import timedelta
from typing import Any

from guides.exports import registry, services
from guides.exports.models import Export, ExportFile
from guides.exports.registry import Column, Exportable
from tests.races.at_once import overtaken
from tests.races.world import NOON, World

_LIST = Exportable(
    key="race", title="…", permission="task.progress_view", columns=lambda *_: [Column("…", str)], rows=lambda *_: ["1"],
    clean=lambda *_: {},
)  # fmt: skip


def _fresh(world: World) -> Any:
    """Return the first export of the day: those of the race before are gone."""
    ExportFile.objects.all().delete()
    Export.objects.all().delete()
    registry.register(_LIST)
    return _ask(world)


def _ask(world: World) -> Any:
    return services.ask_export("race", {}, actor=world.manager, now=NOON)


def two_who_ask_for_the_last_of_the_day(world: World) -> None:
    _fresh(world)
    for _ in range(services.A_DAY.default - 2):
        _ask(world)
    both = overtaken(lambda: _ask(world), lambda: _ask(world))
    assert (type(both.first).__name__, type(both.second).__name__) == ("Export", "TooMany")


def two_workers_and_one_export(world: World) -> None:
    _fresh(world)
    both = overtaken(services._claim, services._claim)
    assert (both.first.attempts, both.second) == (1, None)


def two_tabs_and_one_link(world: World) -> None:
    export = _fresh(world)
    services.make_due(now=NOON, budget=timedelta(seconds=9))
    link = services.make_link(export, actor=world.manager, now=NOON)
    both = overtaken(*[lambda: services.take(export, link, actor=world.manager, now=NOON)] * 2)
    assert (type(both.first), type(both.second)) == (bytes, services.LinkUsed)
    assert Export.objects.get().state == "taken"
