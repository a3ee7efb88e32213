"""A store and its member at noon."""

from typing import Any

import pytest

from crm.benefits.models import Coupon
from crm.members.models import Member
from tests.factories.crm import make_member
from tests.factories.guides import Org, make_org
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

SYSTEM = Actor.system()
NOW = parse_iso("2025-06-10 12:00")
AT: dict[str, Any] = {"now": NOW, "actor": SYSTEM}
State = Coupon.State


@pytest.fixture(autouse=True)
def _at_noon(clock: Any) -> None:
    clock.travel("2025-06-10 12:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide)
