"""Shifts and rest days: who sets them, who hears of them."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from guides.attendance.models import Shift
from guides.attendance.queries import away_days
from guides.attendance.services import NotYourRoster, set_rest_days, set_shift
from guides.events import StaffAwayChanged
from guides.org.models import Staff
from tests.factories.guides import Org, actor, make_org, make_staff, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid
from yejibao.core.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system()
NOW = parse_iso("2026-03-10 12:00")
D10, D11, D12, D13 = (date(2026, 3, day) for day in (10, 11, 12, 13))


@pytest.fixture
def org() -> Org:
    return make_org()


def heard() -> list[dict[str, Any]]:
    return list(
        OutboxEvent.objects.filter(topic=StaffAwayChanged.topic).order_by("pk").values_list("payload", flat=True)
    )


def test_rest_days_are_set_in_one_statement_and_told_once(org: Org, django_assert_max_num_queries: Any) -> None:
    manager = actor(org.manager)
    with django_assert_max_num_queries(8):
        set_rest_days(org.guide, days=[D12, D11], actor=manager, now=NOW)
    assert away_days([org.guide.pk], D10, D13) == {org.guide.pk: {D11, D12}}
    assert heard() == [{"staff_id": org.guide.pk, "days": ["2026-03-11", "2026-03-12"]}]
    set_rest_days(org.guide, days=[D12, D11], actor=manager, now=NOW)
    assert len(heard()) == 1


def test_only_a_change_of_being_away_is_told(org: Org) -> None:
    set_shift(org.guide, day=D10, kind="work", actor=SYSTEM, now=NOW)
    assert heard() == []
    set_shift(org.guide, day=D10, kind="rest", actor=SYSTEM, now=NOW)
    set_shift(org.guide, day=D10, kind="leave", actor=SYSTEM, now=NOW)
    set_shift(org.guide, day=D10, kind="work", actor=SYSTEM, now=NOW)
    assert heard() == [{"staff_id": org.guide.pk, "days": ["2026-03-10"]}] * 2
    assert list(Shift.objects.values_list("day", "kind")) == [(D10, "work")]
    with pytest.raises(Invalid):
        set_shift(org.guide, day=D10, kind="sleep", actor=SYSTEM, now=NOW)


def test_away_days_are_half_open_and_leave_people_at_work_out(org: Org, django_assert_num_queries: Any) -> None:
    set_rest_days(org.guide, days=[D10, D12, D13], actor=SYSTEM, now=NOW)
    set_shift(org.stranger, day=D11, kind="work", actor=SYSTEM, now=NOW)
    with django_assert_num_queries(2):
        assert away_days([org.guide.pk, org.stranger.pk], D10, D13) == {org.guide.pk: {D10, D12}}
    assert away_days([], D10, D13) == away_days([org.guide.pk], D13, D13) == {}


def test_who_is_on_leave_is_away_unless_a_row_says_he_works(org: Org) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(state="leave")
    set_shift(org.guide, day=D11, kind="work", actor=SYSTEM, now=NOW)
    assert away_days([org.guide.pk], D10, D13) == {org.guide.pk: {D10, D12}}


def test_a_manager_sets_the_days_of_his_own_store_only(org: Org) -> None:
    for person in (org.stranger, org.manager):
        with pytest.raises(NotYourRoster):
            set_rest_days(person, days=[D10], actor=actor(org.manager), now=NOW)
    with pytest.raises(NotYourRoster):
        set_rest_days(org.guide, days=[D10], actor=actor(org.guide), now=NOW)
    set_rest_days(org.manager, days=[D10], actor=actor(make_staff("area_supervisor", unit=org.area)), now=NOW)
    assert list(Shift.objects.values_list("staff_id", flat=True)) == [org.manager.pk]


def test_the_roster_over_http(client: Client, org: Org) -> None:
    sign_in(client, org.manager)
    url = f"/api/v1/roster/{org.guide.pk}/rest-days/"
    answer = client.post(url, {"days": ["2026-03-11"]}, content_type="application/json")
    assert (answer.status_code, answer.json()) == (
        200, [{"staff_id": org.guide.pk, "day": "2026-03-11", "kind": "rest"}],
    )  # fmt: skip
    answer = client.post(
        f"/api/v1/roster/{org.guide.pk}/shift/", {"day": "2026-03-11", "kind": "work"}, content_type="application/json"
    )
    assert answer.json()["kind"] == "work"
    foreign = f"/api/v1/roster/{org.stranger.pk}/rest-days/"
    assert client.post(foreign, {"days": ["2026-03-11"]}, content_type="application/json").status_code == 404
    assert client.post(url, {"days": []}, content_type="application/json").status_code == 422
