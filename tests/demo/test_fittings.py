"""The demo's fittings: one in each stage, made once."""

import pytest

from crm.tailoring.models import Fitting, MemberMeasure
from tests.conftest import TestClock
from tests.factories.crm import make_member
from tests.factories.guides import make_org
from yejibao.demo import fittings

pytestmark = pytest.mark.django_db


def test_each_stage_stands_once(clock: TestClock) -> None:
    now = clock.travel("2026-11-21 14:00")
    org = make_org()
    for _ in range(6):
        make_member(owner=org.guide)
    fittings.build(now=now)
    fittings.build(now=now)
    rows = list(Fitting.objects.order_by("pk"))
    assert [one.state for one in rows] == ["booked", "booked", "measured", "making", "ready", "collected"]
    assert rows[3].is_late and MemberMeasure.objects.count() == 4
