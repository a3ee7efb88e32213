"""Who must show once more that it is he, and when that counts."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from guides.org.confirming import ConfirmFirst, is_confirmed, must_be_confirmed, recently_confirmed
from tests.factories.guides import Org, actor, holder_of, make_org
from yejibao.core import clock
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


def seen(way: str, **ago: float) -> dict[str, str]:
    return {"confirmed_by": way, "confirmed_at": (clock.system_now() - timedelta(**ago)).isoformat()}


@pytest.mark.parametrize(
    ("policy", "way", "minutes", "passes"),
    [
        ("wecom", "", 0, False),
        ("wecom", "wecom", 9, True),
        ("wecom", "wecom", 11, False),
        ("wecom", "totp", 9, True),
        ("totp", "wecom", 1, False),
        ("totp", "totp", 9, True),
        ("totp", "totp", 11, False),
    ],
)
def test_what_counts_for_an_administrator(
    org: Org, settings: Any, policy: str, way: str, minutes: int, passes: bool
) -> None:
    settings.SECOND_FACTOR = policy
    facts = seen(way, minutes=minutes) if way else {}
    assert is_confirmed(actor(holder_of("sys_admin", org), facts=facts)) is passes
    assert is_confirmed(actor(holder_of("finance", org), facts=facts)) is passes


def test_others_and_the_system_are_not_asked(org: Org) -> None:
    for free in (actor(org.manager), actor(holder_of("hq_operator", org)), Actor.system()):
        must_be_confirmed(free)
    with pytest.raises(ConfirmFirst) as refusal:
        must_be_confirmed(actor(holder_of("sys_admin", org)))
    assert (refusal.value.status, refusal.value.extra) == (403, {"confirm_url": "/me/confirm/"})


@pytest.mark.parametrize(
    ("method", "headers", "leads_to"),
    [
        ("get", {"Accept": "text/html"}, "/me/confirm/?next=%2Fhq%2Froles%2F%3Fa%3D1"),
        ("post", {"Accept": "text/html", "Referer": "http://testserver/hq/staff/?q=x"}, "/me/confirm/?next=%2Fhq%2Fstaff%2F%3Fq%3Dx"),
    ],
)  # fmt: skip
def test_a_page_leads_to_the_confirmation_and_back(
    org: Org, method: str, headers: dict[str, str], leads_to: str
) -> None:
    request = getattr(RequestFactory(), method)("/hq/roles/?a=1", headers=headers)
    request.actor = actor(holder_of("sys_admin", org))
    answer = recently_confirmed(lambda request: HttpResponse("done"))(request)
    assert (answer.status_code, answer["Location"]) == (302, leads_to)
    request.actor = actor(holder_of("sys_admin", org), facts=seen("totp", minutes=1))
    assert recently_confirmed(lambda request: HttpResponse("done"))(request).content == b"done"


def test_a_tap_and_a_call_are_told_too(org: Org) -> None:
    person = actor(holder_of("finance", org))
    tap = RequestFactory().post("/hq/x/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/hq/y/"})
    tap.actor = person
    assert recently_confirmed(lambda request: HttpResponse())(tap)["HX-Redirect"] == "/me/confirm/?next=%2Fhq%2Fy%2F"
    call = RequestFactory().post("/hq/x/", headers={"Accept": "application/json"})
    call.actor = person
    with pytest.raises(ConfirmFirst):
        recently_confirmed(lambda request: HttpResponse())(call)
