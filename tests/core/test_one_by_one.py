"""Rows worked off one by one: each once, and one that fails holds nobody up."""

import logging

import pytest

from yejibao.core.clock import parse_iso
from yejibao.core.models import DrillReport
from yejibao.core.one_by_one import work_off

pytestmark = pytest.mark.django_db
NOON = parse_iso("2025-03-04 12:00")
WAITING = DrillReport.objects.filter(is_well=False)


def mend(report: DrillReport) -> None:
    DrillReport.objects.filter(pk=report.pk).update(is_well=True)
    if report.bundle == "bad":
        raise ValueError("not this one")


def test_one_that_fails_is_left_as_it_was_and_the_others_go_on(caplog):
    for bundle in ("one", "bad", "two", "three"):
        DrillReport.objects.create(at=NOON, seconds=1, bundle=bundle, is_well=False)
    with caplog.at_level(logging.ERROR):
        assert [work_off(WAITING, mend, most=3), work_off(WAITING, mend), work_off(WAITING, mend)] == [2, 1, 0]
    assert list(WAITING.values_list("bundle", flat=True)) == ["bad"]
    assert [record.exc_info[0] for record in caplog.records] == [ValueError] * 3


def test_what_is_no_longer_waiting_is_passed_by():
    first, second = (DrillReport.objects.create(at=NOON, seconds=1, bundle=name, is_well=False) for name in "ab")
    seen = []

    def mend_both(report):
        seen.append(report.pk)
        DrillReport.objects.filter(pk__in=[first.pk, second.pk]).update(is_well=True)

    assert work_off(WAITING, mend_both) == 1
    assert seen == [first.pk]
