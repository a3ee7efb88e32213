"""Tokens for outside tests: the API as a person, without a browser, and never in production."""

import json
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from guides.org.models import RoleAssignment, Staff
from guides.org.services import resign_staff
from tests.factories.crm import make_member
from tests.factories.guides import Org, make_org
from tests.factories.tasks import make_task
from yejibao.core import clock
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
TASKS = "/api/v1/tasks/"


@pytest.fixture
def org() -> Org:
    return make_org()


def issue(role: str, unit: str) -> dict[str, Any]:
    out = StringIO()
    call_command("issue_token", "--role", role, "--unit", unit, "--json", stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


def call(token: str, path: str = TASKS, method: str = "get", **more: Any) -> Any:
    client = Client(enforce_csrf_checks=True)
    return getattr(client, method)(path, headers={"Authorization": f"Bearer {token}"}, **more)


def test_a_found_person_sees_what_she_sees_signed_in(org: Org) -> None:
    mine = make_task(make_member(owner=org.guide), org.guide, now=clock.now())
    make_task(make_member(owner=org.stranger), org.stranger, now=clock.now())
    facts = issue("guide", org.store.unit.code)
    assert (facts["staff_id"], facts["userid"]) == (org.guide.pk, org.guide.wecom_user_id)
    answer = call(facts["token"])
    assert [row["id"] for row in answer.json()["results"]] == [mine.pk]
    assert not answer.cookies
    assert AuditEntry.objects.filter(action="auth.token_issued", resource_id=str(org.guide.pk)).count() == 1


def test_a_post_needs_no_csrf_token_but_a_cookie_still_does(org: Org) -> None:
    task = make_task(make_member(owner=org.guide), org.guide, now=clock.now())
    token = issue("guide", org.store.unit.code)["token"]
    body = {"data": "{}", "content_type": "application/json"}
    told = call(token, f"{TASKS}{task.pk}/later/", "post", **body)
    assert told.status_code == 422, told.content  # heard: it says what is missing
    cookie = Client(enforce_csrf_checks=True)
    cookie.cookies[settings.SESSION_COOKIE_NAME] = token.removeprefix("yjs_")
    assert cookie.post(f"{TASKS}{task.pk}/later/", **body).status_code == 403


@pytest.mark.parametrize(("role", "unit"), [("hq_operator", "hq"), ("area_supervisor", "area"), ("guide", "新街口店")])
def test_who_is_missing_is_entered_once(org: Org, role: str, unit: str) -> None:
    Staff.objects.exclude(pk=org.manager.pk).update(state="resigned")
    first, second = issue(role, unit), issue(role, unit)
    assert first["staff_id"] == second["staff_id"] != org.guide.pk
    assert RoleAssignment.objects.get(staff_id=first["staff_id"]).role == role
    assert first["token"] != second["token"]
    assert call(first["token"], "/api/v1/me/").json()["working_role"] == role


@pytest.mark.parametrize(
    ("role", "unit", "says"),
    [("guide", "nowhere", "没有这个组织"), ("no_such", "hq", "没有这个岗位"), ("guide", "hq", "只能设在")],
)
def test_what_does_not_fit_is_said(org: Org, role: str, unit: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        issue(role, unit)
    assert Staff.objects.count() == 3


@pytest.mark.parametrize("token", ["yjs_", "yjs_nothing", "yjs_\u4e2d", "yjs_" + "a" * 5000])
def test_a_wrong_token_is_nobody(org: Org, token: str) -> None:
    assert call(token).status_code == 401


def test_who_left_is_refused(org: Org) -> None:
    token = issue("guide", org.store.unit.code)["token"]
    resign_staff(org.guide, actor=Actor.system(), now=clock.now())
    assert call(token).status_code == 401


def test_production_knows_no_tokens(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issue("guide", org.store.unit.code)["token"]
    assert call(token).status_code == 200
    monkeypatch.setattr(settings, "PRODUCTION", True)
    assert call(token).status_code == 401
