"""The rules as they ship, the organisation, and who edits them at HQ."""

import pytest

from tests.factories.guides import actor, holder_of, make_org
from tests.factories.tasks import load_rules


@pytest.fixture
def online():
    return load_rules()


@pytest.fixture
def org(online):
    return make_org()


@pytest.fixture
def hq(org):
    return actor(holder_of("hq_operator", org))
