"""排班: the week of a store, a tap, who covers whom, and a guide's own week."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from guides.attendance.models import Shift
from guides.attendance.services import set_rest_days, set_shift
from guides.org.models import Staff
from tests.factories.guides import Org, holder_of, make_org, make_staff, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.models import AuditEntry
from yejibao.core.outbox.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-03-11 10:00")  # a Wednesday
PAGE = "/m/shifts/"
HTMX = {"HX-Request": "true", "Accept": "text/html"}
MON, TUE, WED, THU, FRI = (date(2026, 3, day) for day in range(9, 14))


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def manager(client: Client, org: Org) -> Client:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return sign_in(client, org.manager)


def backup_of(person: Staff) -> Staff:
    person.backup_guide = make_staff(store=person.store, name="何勇")
    person.save()
    return person.backup_guide


def rest(person: Staff, *days: date) -> None:
    set_rest_days(person, days=days, actor=Actor.system(), now=NOW)


def tap(client: Client, person: Staff, shift: str, **headers: str) -> Any:
    return client.post(f"{PAGE}{person.pk}/", {"shift": shift}, headers=headers or HTMX)


def week_of(client: Client, person: Staff, query: str = "") -> list[str]:
    rows = client.get(PAGE + query).context["rows"]
    return next([cell.kind for cell in row.cells] for row in rows if row.person == person)


def test_the_week_of_the_store(manager: Client, org: Org) -> None:
    set_shift(org.guide, day=THU, kind="leave", actor=Actor.system(), now=NOW)
    rest(org.guide, TUE)
    make_staff(store=org.store, name="走了的", state="resigned")
    page = manager.get(PAGE)
    assert [row.person for row in page.context["rows"]] == [org.guide, org.manager]  # oneself last
    assert week_of(manager, org.guide) == ["work", "rest", "work", "leave", "work", "work", "work"]
    assert [one.at_work for one in page.context["columns"]] == [2, 1, 2, 1, 2, 2, 2]
    for words in ("3-09 至 3-15", "本周", "?week=2026-03-02", "?week=2026-03-16", "林晓雯 周五 上班，点一下改成休息"):
        assert words in page.text, words
    assert "走了的" not in page.text and "黄婷" not in page.text


def test_past_days_and_ones_own_are_to_be_read(manager: Client, org: Org) -> None:
    rows = {row.person: row for row in manager.get(PAGE).context["rows"]}
    assert [cell.can_set for cell in rows[org.guide].cells] == [False, False] + [True] * 5
    assert not any(cell.can_set for cell in rows[org.manager].cells)
    assert tap(manager, org.guide, "2026-03-10 rest").status_code == 422
    assert tap(manager, org.manager, "2026-03-12 rest").status_code == 403
    assert not Shift.objects.exists()


def test_a_tap_goes_round(manager: Client, org: Org) -> None:
    for kind, said in (("rest", "周四改成休息"), ("leave", "周四改成请假"), ("work", "周四改成上班")):
        before = manager.get(PAGE).context["rows"][0].cells[3]
        assert before.next_kind == kind
        answer = tap(manager, org.guide, f"2026-03-12 {kind}")
        assert answer.status_code == 200 and answer.text.lstrip().startswith('<div id="roster"')
        assert said.encode("unicode_escape").decode() in answer["HX-Trigger"]
        assert week_of(manager, org.guide)[3] == kind
    assert Shift.objects.count() == 1
    assert OutboxEvent.objects.filter(topic="guides.staff_away_changed").count() == 2  # 休 -> 假 is away all along


def test_undo_puts_back_what_was(manager: Client, org: Org) -> None:
    set_shift(org.guide, day=THU, kind="leave", actor=Actor.system(), now=NOW)
    answer = tap(manager, org.guide, "2026-03-12 work")
    undo = f"{PAGE}{org.guide.pk}/?shift=2026-03-12+leave"
    assert undo in answer["HX-Trigger"]
    assert manager.post(undo, headers=HTMX).status_code == 200
    assert week_of(manager, org.guide)[3] == "leave"


def test_the_same_tap_twice_changes_once(manager: Client, org: Org) -> None:
    key = HTMX | {"Idempotency-Key": "k"}
    assert [tap(manager, org.guide, "2026-03-12 rest", **key).status_code for _ in range(2)] == [200, 200]
    tap(manager, org.guide, "2026-03-12 rest")
    assert AuditEntry.objects.filter(action="attendance.shifts_set").count() == 1


def test_it_works_without_a_script(manager: Client, org: Org) -> None:
    answer = tap(manager, org.guide, "2026-03-19 rest", Accept="text/html")
    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}?week=2026-03-16")
    assert "林晓雯 周四改成休息" in manager.get(answer["Location"]).text


def test_who_covers_is_said_for_each_day_away(manager: Client, org: Org) -> None:
    backup = backup_of(org.guide)
    rest(org.guide, WED, FRI)
    rest(backup, FRI)
    page = manager.get(PAGE)
    covers = {row.person: row.covers for row in page.context["rows"]}
    assert covers[org.guide] == [(WED, "何勇代办", True), (FRI, "何勇也不在，转给店长", False)]
    assert covers[backup] == [(FRI, "没有代办人，转给店长", False)]
    assert "周三 何勇代办" in page.text
    rest(org.guide, THU)
    assert "周三、周四 何勇代办" in manager.get(PAGE).text


def test_who_is_on_leave_is_away_by_himself(manager: Client, org: Org) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(state="leave")
    set_shift(org.guide, day=FRI, kind="work", actor=Actor.system(), now=NOW)
    assert week_of(manager, org.guide) == ["leave"] * 4 + ["work"] + ["leave"] * 2


@pytest.mark.parametrize("week", ["2026-03-18", "2026-03-16", "2026-03-22"])
def test_another_week(manager: Client, org: Org, week: str) -> None:
    rest(org.guide, date(2026, 3, 16))
    page = manager.get(PAGE, {"week": week})
    assert week_of(manager, org.guide, f"?week={week}")[0] == "rest"
    assert "下周" in page.text and "回本周" in page.text


@pytest.mark.parametrize("week", ["", "x", "2026-13-01", "9999-12-31", "0001-01-01"])
def test_a_week_nobody_knows_is_this_one(manager: Client, org: Org, week: str) -> None:
    assert manager.get(PAGE, {"week": week}).context["start"] == MON


@pytest.mark.parametrize(
    "shift", ["", "2026-03-12", "2026-03-12 holiday", "x rest", "9999-12-31 rest", "2026-02-31 rest"]
)
def test_nonsense_is_refused(manager: Client, org: Org, shift: str) -> None:
    assert tap(manager, org.guide, shift).status_code == 422
    assert not Shift.objects.exists()


def test_another_store_is_out_of_reach(manager: Client, org: Org) -> None:
    assert tap(manager, org.stranger, "2026-03-12 rest").status_code == 404
    assert tap(manager, make_staff(store=org.store, state="resigned"), "2026-03-12 rest").status_code == 404
    assert not Shift.objects.exists()


@pytest.mark.parametrize("role", ["guide", "area_supervisor", "hq_operator"])
def test_others_do_not_roster(client: Client, org: Org, role: str) -> None:
    sign_in(client, holder_of(role, org))
    assert client.get(PAGE, headers={"Accept": "text/html"}).status_code == 403
    assert tap(client, org.guide, "2026-03-12 rest").status_code == 403


def test_a_guide_reads_her_own_week(client: Client, org: Org) -> None:
    backup_of(org.guide)
    rest(org.guide, THU)
    client.defaults["HTTP_ACCEPT"] = "text/html"
    page = sign_in(client, org.guide).get("/g/shifts/")
    assert [row.person for row in page.context["rows"]] == [org.guide]
    assert "何勇代办" in page.text and "要改跟店长说" in page.text and 'name="shift"' not in page.text
    assert 'href="/g/shifts/"' in client.get("/me/").text


@pytest.mark.parametrize("people", [1, 8])
def test_the_page_needs_the_same_queries_for_any_number(
    manager: Client, org: Org, people: int, django_assert_num_queries: Any
) -> None:
    for _ in range(people):
        rest(backup_of(make_staff(store=org.store)), THU)
    manager.get(PAGE)
    with django_assert_num_queries(8):  # session, people, 班次, days, holidays; three badges
        manager.get(PAGE)
