"""A Wednesday afternoon in two stores, with work that is late."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from guides.org.models import Staff
from tasks.followups.models import Task
from tests.conftest import TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org, sign_in
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso

NOW = parse_iso("2025-03-05 15:00")  # a Wednesday


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def as_(client: Client) -> Callable[[Staff], Client]:
    return lambda person: sign_in(client, person)


def late(guide: Staff, name: str = "刘伟民", **facts: Any) -> Task:
    member = make_member(owner=guide, name=name, tier_631="potential")
    order = make_order(member, paid_at="2025-03-01 15:00", guide=guide, amount_fen=69900)
    facts.setdefault("context", {"items": [{"name": "西裤", "fen": 69900}]})
    facts.setdefault("due_at", NOW - timedelta(hours=3))
    return make_task(member, guide, now=NOW - timedelta(days=1), order=order, **facts)


def names_url(org: Org, guide: Staff, **more: Any) -> str:
    query = {"unit": org.store.unit_id, "guide": guide.pk, "type": "followup_d3", **more}
    return "/m/review/names/?" + "&".join(f"{key}={value}" for key, value in query.items())


def post(client: Client, path: str, **data: Any) -> Any:
    return client.post(path, data, headers={"Accept": "application/json"})
