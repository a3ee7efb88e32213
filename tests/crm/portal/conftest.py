"""A member of 晓雯's on his phone."""

import pytest
from django.test import Client

from crm.members.models import Member
from tests.conftest import TestClock
from tests.factories.crm import make_member
from tests.factories.guides import Org, make_org
from tests.factories.portal import sign_in_member

NOW = "2026-11-21 14:00"


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(
        owner=org.guide, name="王建平", salutation="王哥", phone="13800132075", member_level="V4", tier_631="core",
        spend_180_fen=646000, member_no="M0001",
    )  # fmt: skip


@pytest.fixture
def phone(client: Client, member: Member) -> Client:
    return sign_in_member(client, member)
