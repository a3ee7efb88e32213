"""A store that measures, its guide, her member; Saturday afternoon."""

import pytest

from crm.members.models import Member
from tests.conftest import TestClock
from tests.factories.crm import make_member
from tests.factories.guides import Org, make_org

NOW = "2026-11-21 14:00"


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide, name="王建平", salutation="王哥")
