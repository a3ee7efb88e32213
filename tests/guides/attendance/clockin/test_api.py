"""The press over REST: one number a press, replays, strangers' numbers, and what a bad phone sends."""

import json
from typing import Any

import pytest
from django.test import Client

from guides.attendance.clockin.models import ClockPunch
from guides.attendance.clockin.nonces import stood_of
from guides.notices.models import Notification
from guides.org.models import Staff
from tests.factories.guides import Org, holder_of, sign_in
from yejibao.core.models import IdempotencyKey

from .conftest import NORTH, SHOP, at

pytestmark = pytest.mark.django_db

NONCE, PRESS = "/api/v1/clock-in/nonce/", "/api/v1/clock-in/"


def place(north_m: float = 12, **facts: Any) -> dict[str, Any]:
    return {
        "latitude": SHOP.latitude + north_m * NORTH, "longitude": SHOP.longitude, "datum": "gcj02", "accuracy_m": 23.5, "age_s": 0.4,
    } | facts  # fmt: skip


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers={"Accept": "application/json"})


def nonce(client: Client) -> str:
    return str(post(client, NONCE, {}).json()["nonce"])


def press(client: Client, number: str = "", **facts: Any) -> Any:
    return post(client, PRESS, {"nonce": number or nonce(client), "side": "in", "fix": place()} | facts)


@pytest.fixture
def her(client: Client, org: Org) -> Client:
    return sign_in(client, org.guide)


def test_a_press_and_the_same_press_again(her: Client, org: Org) -> None:
    number = nonce(her)
    first, again = press(her, number), press(her, number)
    assert (first.status_code, first.json()["said"], first.json()["state_name"]) == (200, "9:24 打好了", "正常")
    assert again.json() == first.json() and ClockPunch.objects.count() == 1
    assert "32.04" not in json.dumps(IdempotencyKey.objects.get().body)


def test_a_number_serves_one_press_only(her: Client) -> None:
    number = nonce(her)
    assert press(her, number, fix=place(2000)).status_code == 409
    other = press(her, number, fix=place(12))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.mismatch")
    refused = press(her, number, fix=place(2000))
    assert (refused.status_code, refused.json()["why"], refused.json()["distance_m"]) == (409, "far", 2000)
    assert not ClockPunch.objects.exists()


def test_a_number_is_one_person_s_in_one_browser_for_ninety_seconds(her: Client, org: Org, monkeypatch: Any) -> None:
    number = nonce(her)
    other = sign_in(Client(), org.manager)
    again = sign_in(Client(), org.guide)  # another session of hers
    for client in (other, again):
        answer = press(client, number)
        assert (answer.status_code, answer.json()["code"]) == (409, "clock.nonce")
    assert press(her, "made:up:number").json()["code"] == "clock.nonce"
    import time

    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 95)
    assert press(her, number).json()["code"] == "clock.nonce"
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 75)
    assert press(her, number).status_code == 200


def test_what_she_was_told_is_settled_by_the_press(her: Client, org: Org, clock: Any) -> None:
    from guides.attendance.clockin.dayend import nudge_absent

    clock.travel(at("09:45"))
    nudge_absent(now=at("09:45"))
    assert press(her).json()["said"] == "9:45 打好了，迟到 15 分钟"
    assert not Notification.objects.unread().filter(staff=org.guide).exists()


def test_how_far_off_she_stood_is_the_server_s_word(her: Client, org: Org) -> None:
    token = press(her, fix=place(2000)).json()["stood"]
    assert stood_of(token, staff_id=org.guide.pk) == 2000
    assert stood_of(token, staff_id=org.manager.pk) is None and stood_of("x", staff_id=org.guide.pk) is None


@pytest.mark.parametrize(
    "bad",
    [
        {"fix": {"latitude": 91, "longitude": 1, "datum": "gcj02", "accuracy_m": 1}}, {"fix": {"latitude": "x"}}, {"side": "up"},
        {"fix": {"latitude": 32, "longitude": 118, "datum": "bd09", "accuracy_m": 1}}, {"fix": []}, {"device": "x" * 65},
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_field(her: Client, bad: dict[str, Any]) -> None:
    assert press(her, **bad).status_code == 422


def test_degrees_that_are_none_are_no_place(her: Client) -> None:
    assert press(her, fix=place(latitude="nan")).status_code == 422
    assert press(her, fix=place(accuracy_m="nan")).status_code == 422
    assert press(her, fix=place(latitude=0, longitude=0)).json()["why"] == "no_fix"


def test_who_has_no_store_may_not(client: Client, org: Org) -> None:
    sign_in(client, holder_of("hq_retail", org))
    assert post(client, NONCE, {}).status_code == 403
    guide = Staff.objects.get(pk=org.guide.pk)
    assert guide.is_active
