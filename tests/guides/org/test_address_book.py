"""The whole address book, read by night: new people, new names, those who are gone, and a list that cannot be right."""

from typing import Any

import pytest

from guides.org.actors import actor_for
from guides.org.address_book import start_people_sync, sync_people
from guides.org.models import OrgUnit, Staff
from tests.conftest import SandboxControl
from tests.factories.guides import Org, make_org
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.syncing.models import SyncRun

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")


@pytest.fixture
def org(clock: Any, sandbox: SandboxControl) -> Org:
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    sandbox.post("clock", now=NOW.isoformat())
    org = make_org()
    OrgUnit.objects.filter(pk=org.store.unit_id).update(wecom_department_id=7)
    people = [{"userid": one.wecom_user_id, "name": one.name, "department": [7]} for one in Staff.objects.all()]
    sandbox.post("world", people=people, departments=[{"id": 7, "name": "新街口店"}])
    return org


def read() -> dict[str, int]:
    start_people_sync(door=gateway.default(), actor=Actor.system(), now=NOW)
    sync_people(door=gateway.default(), now=NOW)
    run = SyncRun.objects.order_by("-pk")[0]
    assert run.state == "done"
    return {name: count for name, count in run.counts.items() if name not in ("rows", "calls")}


def test_new_people_of_a_store_are_entered_and_names_follow(org: Org, sandbox: SandboxControl) -> None:
    sandbox.post("world", people=[
        {"userid": "New.One", "name": "周小雨", "department": [7]}, {"userid": "office", "name": "某人", "department": [1]},
        {"userid": org.guide.wecom_user_id, "name": "林晓雯二", "department": [7]},
    ])  # fmt: skip
    assert read() == {"created": 1, "without_store": 1, "renamed": 1}
    new = Staff.objects.get(wecom_user_id="new.one")
    assert (new.store, new.name, list(new.role_assignments.values_list("role", flat=True))) == (
        org.store,
        "周小雨",
        ["guide"],
    )
    assert read() == {"without_store": 1}


def test_who_is_disabled_or_gone_is_refused(org: Org, sandbox: SandboxControl) -> None:
    sandbox.post(
        "world", people=[{"userid": org.guide.wecom_user_id, "name": org.guide.name, "department": [7], "status": 2}]
    )
    sandbox.post("thing", kind="person", id=org.stranger.wecom_user_id, gone=True, tell=False)
    assert read() == {"states": 2}
    assert {one.state for one in Staff.objects.filter(pk__in=[org.guide.pk, org.stranger.pk])} == {"disabled"}


def test_a_list_that_lacks_too_many_bars_nobody(org: Org, sandbox: SandboxControl) -> None:
    from tests.factories.guides import make_staff

    for _ in range(4):
        make_staff(store=org.store)
    assert read() == {"left_alone": 4}
    assert not Staff.objects.filter(state="disabled").exists()


def test_only_administrators_begin_it(org: Org) -> None:
    with pytest.raises(Forbidden):
        start_people_sync(door=gateway.default(), actor=actor_for(org.manager), now=NOW)
