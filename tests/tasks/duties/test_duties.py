"""What staff do that concerns no member: opened once, closed once, ended in time, and shown on 今日."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from guides.org.models import Staff
from tasks.duties.models import Duty
from tasks.duties.services import NewDuty, close_duties, expire_duties, open_duties
from tests.factories.guides import Org, actor, make_org, make_staff, sign_in
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:00")


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def duty(person: Staff, number: int = 1, *, due_at: datetime = NOW + timedelta(hours=1), **facts: Any) -> NewDuty:
    return NewDuty(
        person.pk, "announcement_read", f"announcement:{number}", **{"title": f"公告 {number}", "url": f"/g/announcements/{number}/"} | facts,
        due_at=due_at, expire_at=due_at + timedelta(days=3),
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 40])
def test_many_open_with_one_statement_and_once_only(org: Org, count: int, django_assert_num_queries: Any) -> None:
    people = [org.guide, *(make_staff(store=org.store) for _ in range(count - 1))]
    with django_assert_num_queries(1):
        assert open_duties([duty(person) for person in people], now=NOW) == count
    assert open_duties([duty(person) for person in people], now=NOW) == 0
    close_duties("announcement_read", "announcement:1", assignees=[org.guide.pk], now=NOW)
    assert open_duties([duty(org.guide)], now=NOW) == 0, "whoever has done it gets no second"
    assert set(Duty.objects.values_list("priority", flat=True)) == {3}


def test_closing_is_for_those_named_or_for_all_and_counts_once(org: Org) -> None:
    open_duties([duty(org.guide), duty(org.manager), duty(org.stranger), duty(org.guide, 2)], now=NOW)
    assert close_duties("announcement_read", "announcement:1", assignees=[org.guide.pk], now=NOW) == 1
    assert close_duties("announcement_read", "announcement:1", assignees=[org.guide.pk], now=NOW) == 0
    assert close_duties("announcement_read", "announcement:1", now=NOW, state=Duty.State.CANCELLED) == 2
    assert list(Duty.objects.filter(state="open").values_list("key", flat=True)) == ["announcement:2"]


def test_what_nobody_did_ends(org: Org) -> None:
    open_duties([duty(org.guide), duty(org.manager, due_at=NOW + timedelta(days=1))], now=NOW)
    assert expire_duties(now=NOW + timedelta(days=3, hours=1)) == {"expired": 1}
    assert expire_duties(now=NOW + timedelta(days=3, hours=1)) == {"expired": 0}


def test_one_sees_his_own_and_those_of_his_people(org: Org) -> None:
    open_duties([duty(org.guide), duty(org.stranger)], now=NOW)

    def seen(person: Staff) -> set[int]:
        return set(Duty.objects.visible_to(actor(person)).values_list("assignee", flat=True))

    assert seen(org.guide) == seen(org.manager) == {org.guide.pk}
    assert seen(org.stranger) == {org.stranger.pk}


@pytest.mark.parametrize("rows", [1, 9])
def test_today_shows_the_nearest_of_them(client: Client, org: Org, rows: int) -> None:
    sign_in(client, org.guide)
    assert 'id="duties"' not in client.get("/g/today/").content.decode()
    open_duties(
        [duty(org.guide, number, due_at=NOW + timedelta(hours=number)) for number in range(1, rows + 1)]
        + [duty(org.stranger, 77)],
        now=NOW,
    )
    html = client.get("/g/today/").content.decode()
    assert html.count('id="duty-') == rows and "公告 77" not in html
    assert "公告阅读" in html and 'href="/g/announcements/1/"' in html and f"{rows} 件" in html
    assert ("还有 6 件" in html) == (rows == 9)
