"""Out of sight looks like absent, in sight but refused names the permission, and both are counted by route."""

from typing import Any

import pytest
from django.test import Client

from tests.factories.guides import Org, make_org, sign_in
from yejibao.core import clock, metrics

pytestmark = pytest.mark.django_db

ASKING = {"headers": {"Accept": "application/json"}}


@pytest.fixture
def org() -> Org:
    return make_org()


def told(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    answer = client.get(path, **ASKING)  # type: ignore[arg-type]
    body = answer.json()
    assert body.pop("instance") == path
    body.pop("request_id")
    return answer.status_code, body


@pytest.mark.parametrize("path", ["/api/v1/staff/{}/", "/me/approvals/{}/", "/g/tasks/{}/"])
def test_out_of_sight_answers_as_absent_does(org: Org, client: Client, path: str) -> None:
    sign_in(client, org.guide)
    hidden, absent = told(client, path.format(org.stranger.pk)), told(client, path.format(987654321))
    assert hidden == absent and hidden[0] == 404


def test_both_are_counted_by_route(org: Org, client: Client) -> None:
    sign_in(client, org.guide)
    told(client, f"/api/v1/staff/{org.stranger.pk}/")
    status, body = told(client, "/m/shifts/")
    assert (status, body["code"]) == (403, "perm.page.guides.shifts")
    refused = client.post(f"/api/v1/staff/{org.guide.pk}/resign/", {}, **ASKING)  # type: ignore[arg-type]
    assert (refused.status_code, refused.json()["code"]) == (403, "perm.account.manage")
    page = metrics.exposition(clock.now()).decode()
    for route, code in (("guides:staff-detail", 404), ("guides:shifts", 403), ("guides:staff-resign", 403)):
        assert f'yejibao_http_request_seconds_count{{route="{route}",status="{code}"}}' in page
