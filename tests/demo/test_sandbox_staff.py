"""控制台: the guide who is chosen resigns or changes the store, and her manager has a hand-over to decide on."""

import json
from typing import Any

import pytest
from django.test import Client

from crm.members.models import GuideHandover
from guides.handlers import follow_address_book
from tests.conftest import SandboxControl
from tests.demo.test_sandbox_client import HTML, choose, org, send  # noqa: F401  the fixture
from tests.factories.crm import make_member
from tests.factories.guides import Org, holder_of
from yejibao.core import outbox
from yejibao.wecom.events import PersonChanged

pytestmark = pytest.mark.django_db


def test_she_resigns_through_the_address_book(client: Client, org: Org, sandbox: SandboxControl) -> None:  # noqa: F811
    make_member(owner=org.guide)
    sandbox.post("receivers", yejibao={"url": "http://127.0.0.1:9/", "token": "t", "aes_key": "a" * 43})
    choose(client, org.guide)
    answer = send(client, "staff/resign")
    assert (answer.status_code, "林晓雯离职了" in answer.json()["said"]) == (200, True)
    (called,) = sandbox.get("callbacks")["callbacks"]
    assert json.dumps(called).find("delete_user") > 0
    follow_address_book([PersonChanged(org.guide.wecom_user_id, "deleted", "2026-11-23T10:00:00+08:00")])
    outbox.drain_events()
    org.guide.refresh_from_db()
    assert (org.guide.state, GuideHandover.objects.get(guide=org.guide).reason) == ("resigned", "resigned")
    assert send(client, "staff/resign").status_code == 401  # nobody holds this phone any more


def test_she_works_in_another_store(client: Client, org: Org) -> None:  # noqa: F811
    make_member(owner=org.guide)
    page = choose(client, org.guide).get("/sandbox/", headers=HTML).text
    assert "今天起调店" in page and "观前店</option>" in page and "晓雯离职" in page
    assert send(client, "staff/move").status_code == 422
    answer: Any = send(client, "staff/move", store=org.other_store.pk)
    assert "林晓雯现在在观前店上班。换成新街口店的店长" in answer.json()["said"]
    outbox.drain_events()
    org.guide.refresh_from_db()
    assert (org.guide.store, GuideHandover.objects.get().reason) == (org.other_store, "moved_store")


def test_only_guides_of_stores_are_let_go(client: Client, org: Org) -> None:  # noqa: F811
    choose(client, holder_of("hq_operator", org))
    assert "今天起调店" not in client.get("/sandbox/", headers=HTML).text
    assert send(client, "staff/resign").status_code == 409


@pytest.mark.parametrize("path", ["staff/resign", "staff/move"])
def test_without_a_stand_in_nobody_goes(client: Client, settings: Any, path: str) -> None:
    settings.WECOM_SANDBOX_CONTROL = ""
    assert send(client, path).status_code == 404
