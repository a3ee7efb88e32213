"""打卡 and 考勤 as pages: what each sees, in how many statements, and the places of the stores."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from guides.attendance.clockin.dayend import close_day
from guides.attendance.clockin.geo import Point, metres
from guides.attendance.clockin.models import ClockRecord, LocationConsent, StoreFence, StoreWifi
from guides.attendance.models import Shift
from guides.attendance.queries import present_on
from guides.exports.models import Export
from guides.org.models import Staff
from tests.factories.guides import Org, actor, holder_of, make_staff, make_store, sign_in
from yejibao.core.models import AuditEntry

from .conftest import BSSID, SHOP, WED, at, set_place
from .test_clock_in import fix, press

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client, org: Org) -> Any:
    client.defaults["HTTP_ACCEPT"] = "text/html"

    def get(person: Staff, path: str, **options: Any) -> Any:
        return sign_in(client, person).get(path, **options)

    return get


# ---------------------------------------------------------------- hers


@pytest.mark.parametrize(
    "when, words",
    [("08:50", "9:00 起可以打"), ("09:24", "早到 6 分钟"), ("09:30", "正好到点"), ("09:41", "晚了 11 分钟")],
)
def test_the_button_says_what_a_press_would_do(page: Any, org: Org, clock: Any, when: str, words: str) -> None:
    clock.travel(at(when))
    text = page(org.guide, "/g/clock-in/").text
    assert words in text and "9:30 上班 · 22:00 下班" in text
    assert (' disabled aria-describedby="clock-note"' in text) == (when == "08:50")


def test_her_week_and_month(page: Any, org: Org, clock: Any) -> None:
    press(org.guide, at("09:24") - timedelta(days=2), where=fix())
    press(org.guide, at("09:34") - timedelta(days=1), where=fix(20))
    Shift.objects.create(staff=org.guide, day=WED + timedelta(days=1), kind="rest")
    cells = page(org.guide, "/g/clock-in/").context["cells"]
    assert [cell.words for cell in cells] == ["正常", "迟到 4 分钟", "今天", "休息", "上班", "上班", "上班"]
    month = page(org.guide, "/g/clock-in/month/")
    assert (month.context["tally"]["there"], month.context["tally"]["late"]) == (2, 1)
    assert "迟到 4 分钟，9:34 到" in month.text
    for odd in ("2026-13", "nonsense", "2019-01", "2027-01"):
        assert page(org.guide, f"/g/clock-in/month/?month={odd}").context["first"] == date(2026, 3, 1)
    assert page(org.guide, "/g/clock-in/month/?month=2026-02").context["first"] == date(2026, 2, 1)


def test_consent_is_asked_for_given_and_taken_back(page: Any, client: Client, org: Org) -> None:
    LocationConsent.objects.all().delete()
    assert "打卡要用到你的位置" in page(org.guide, "/g/clock-in/").text
    client.post("/g/clock-in/consent/", {"agree": "1"})
    client.post("/g/clock-in/consent/", {"agree": "1"})
    assert LocationConsent.objects.filter(staff=org.guide, ended_at=None).count() == 1
    assert "打卡要用到你的位置" not in client.get("/g/clock-in/").text
    client.post("/g/clock-in/consent/")
    assert "打卡要用到你的位置" in client.get("/g/clock-in/").text
    assert AuditEntry.objects.filter(action__startswith="attendance.location").count() == 2


def test_today_asks_in_the_morning_until_she_has(page: Any, org: Org, clock: Any) -> None:
    assert "还没打上班卡" in page(org.guide, "/g/clock-in/line/").text
    clock.travel(at("09:41"))
    assert "还没打卡，晚了 11 分钟" in page(org.guide, "/g/clock-in/line/").text
    press(org.guide, "09:41", where=fix())
    assert page(org.guide, "/g/clock-in/line/").text.strip() == ""
    clock.travel(at("15:00"))
    assert page(org.manager, "/g/clock-in/line/").text.strip() == ""


@pytest.mark.parametrize("days", [1, 20])
def test_her_pages_need_the_same_statements_for_any_history(
    page: Any, org: Org, days: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(days):
        press(org.guide, at("09:24") - timedelta(days=number), where=fix(number))
    sign_in(Client(), org.guide)
    with django_assert_max_num_queries(17):
        page(org.guide, "/g/clock-in/")
    with django_assert_max_num_queries(13):
        page(org.guide, "/g/clock-in/month/")


# ---------------------------------------------------------------- the store's day


def test_the_store_s_day_by_name(page: Any, org: Org, clock: Any) -> None:
    names = {
        name: make_staff(store=org.store, name=name) for name in ("迟到的", "没来的", "休息的", "请假的", "晚班的")
    }
    Shift.objects.create(staff=names["休息的"], day=WED, kind="rest")
    Shift.objects.create(staff=names["请假的"], day=WED, kind="leave")
    make_staff(store=org.store, name="走了的", state="resigned")
    from .conftest import agree

    agree(names["迟到的"])
    press(org.guide, where=fix())
    press(names["迟到的"], "09:44", where=fix(30, accuracy=10))
    clock.travel(at("10:00"))
    board = page(org.manager, "/m/attendance/")
    assert {line.person.name: line.state for line in board.context["lines"]} == {
        "林晓雯": "here", "迟到的": "late", "没来的": "absent", "休息的": "rest", "请假的": "leave", "晚班的": "absent", "陈国栋": "absent",
    }  # fmt: skip
    assert "看一眼：定位精度是整数" in board.text and "9:24 到 · 定位 12 米" in board.text and "32.04" not in board.text
    assert (
        board.context["counts"] | {"due": 5, "there": 2, "late": 1, "absent": 3, "away": 2} == board.context["counts"]
    )
    assert "黄婷" not in board.text and "走了的" not in board.text
    close_day(WED, now=at("22:15"))
    assert "缺卡" in page(org.manager, "/m/attendance/?day=2026-03-11").text
    assert present_on(WED, store_ids=[org.store.pk, org.other_store.pk]) == {
        org.store.pk: {org.guide.pk, names["迟到的"].pk}
    }


def test_each_role_sees_what_the_matrix_says(page: Any, org: Org, clock: Any) -> None:
    set_place(org.other_store)
    press(org.guide, "09:44", where=fix())
    clock.travel(at("22:30"))
    close_day(WED, now=at("22:15"))
    supervisor, region, retail = (holder_of(role, org) for role in ("area_supervisor", "region_manager", "hq_retail"))
    board = page(supervisor, "/m/attendance/")
    (row,) = board.context["board"].rows
    assert (row.unit, row.due, row.there, row.late, row.missing) == (org.store.unit, 2, 1, 1, 1)
    assert "林晓雯" in page(supervisor, f"/m/attendance/?unit={org.store.unit_id}").text
    assert page(supervisor, f"/m/attendance/?unit={org.other_store.unit_id}").status_code == 404
    board = page(region, "/m/attendance/")
    assert [(one.unit, one.due, one.missing) for one in board.context["board"].rows] == [
        (org.area, 2, 1),
        (org.other_area, 1, 1),
    ]
    assert board.context["total"].due == 3
    store = page(region, f"/m/attendance/?unit={org.store.unit_id}")
    assert "林晓雯" not in store.text and "只看数" in store.text and store.context["total"].due == 2
    board = page(retail, "/m/attendance/")
    assert (board.context["total"].missing, board.context["total"].late, board.context["total"].due) == (2, 1, 0)
    store = page(retail, f"/m/attendance/?unit={org.store.unit_id}")
    assert "林晓雯" in store.text and "陈国栋" in store.text
    for person, path in ((org.guide, "/m/attendance/"), (holder_of("finance", org), "/m/attendance/")):
        assert page(person, path).status_code == 403
    assert page(org.manager, f"/m/attendance/?unit={org.area.pk}").status_code == 404
    assert page(org.manager, "/m/attendance/?unit=x&day=2026-99-99").status_code == 404
    assert page(org.manager, "/m/attendance/?day=nonsense").status_code == 200


def test_rows_of_days_are_read_as_far_as_the_matrix_reaches(org: Org) -> None:
    set_place(org.other_store)
    press(org.guide, where=fix())
    close_day(WED, now=at("22:15"))
    seen = lambda person: set(ClockRecord.objects.visible_to(actor(person)).values_list("staff__name", "state"))  # noqa: E731
    own, mine, other = ("林晓雯", "normal"), ("陈国栋", "missing"), ("黄婷", "missing")
    assert seen(org.guide) == {own} and seen(org.manager) == {own, mine}
    assert seen(holder_of("area_supervisor", org)) == {own, mine}
    assert seen(holder_of("hq_retail", org)) == {mine, other}
    assert seen(holder_of("region_manager", org)) == set() == seen(holder_of("finance", org))


@pytest.mark.parametrize("number", [1, 12])
def test_the_boards_need_the_same_statements_for_any_number(
    page: Any, org: Org, number: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(number):
        store = make_store(area=org.area)
        set_place(store)
        make_staff(store=org.store)
    supervisor = holder_of("area_supervisor", org)
    with django_assert_max_num_queries(26):
        page(org.manager, "/m/attendance/")
    with django_assert_max_num_queries(16):
        page(supervisor, "/m/attendance/")


def test_the_month_as_a_table(page: Any, client: Client, org: Org) -> None:
    press(org.guide, where=fix())
    page(org.manager, "/m/attendance/")
    answer = client.post("/me/exports/ask/attendance/", {"unit": str(org.store.unit_id)})
    assert answer.status_code == 302
    export = Export.objects.get()
    assert (export.kind, export.rows_total, export.title) == (
        "attendance",
        1,
        "考勤 组织1 2026-03-01 至 2026-03-11".replace("组织1", org.store.unit.name),
    )
    assert client.post("/me/exports/ask/attendance/", {"unit": str(org.other_store.unit_id)}).status_code == 404
    sign_in(client, org.guide)
    assert client.post("/me/exports/ask/attendance/", {"unit": str(org.store.unit_id)}).status_code == 403


# ---------------------------------------------------------------- places


def test_a_manager_sets_her_store_s_place_in_either_datum(page: Any, client: Client, org: Org) -> None:
    assert page(org.manager, "/m/attendance/places/").headers["Location"] == f"/m/attendance/places/{org.store.pk}/"
    path = f"/m/attendance/places/{org.store.pk}/"
    given = {"latitude": "32.043585", "longitude": "118.778950", "datum": "wgs84", "radius": "200"}
    assert client.post(f"{path}fence/", given).status_code == 302
    fence = StoreFence.objects.get(store=org.store)
    assert (fence.given_datum, fence.given_latitude, fence.radius_m, fence.since) == (
        "wgs84",
        32.043585,
        200,
        date(2026, 3, 1),
    )
    assert metres(fence.point, SHOP) < 30 and metres(fence.point, Point(32.043585, 118.778950)) > 500, "kept in GCJ-02"
    assert "118.778950" in client.get(path).text
    (entry,) = AuditEntry.objects.filter(action="attendance.fence_set")
    assert entry.before["datum"] == "gcj02" and entry.after == {
        "point": "32.043585,118.778950",
        "datum": "wgs84",
        "radius_m": 200,
    }
    for bad in (
        {"latitude": "x"},
        {"latitude": "nan"},
        {"longitude": "200"},
        {"datum": "bd09"},
        {"radius": "20"},
        {"radius": "1e9"},
    ):
        page_again = client.post(f"{path}fence/", given | bad)
        assert page_again.status_code == 422 and 'role="alert"' in page_again.text
    other = f"/m/attendance/places/{org.other_store.pk}/"
    assert client.get(other).status_code == 404 and client.post(f"{other}fence/", given).status_code == 404


def test_the_store_s_wifis(page: Any, client: Client, org: Org) -> None:
    page(org.manager, "/m/attendance/")
    path = f"/m/attendance/places/{org.store.pk}/wifi/"
    assert client.post(path, {"bssid": "00-1A-2B-3C-4D-5E", "label": "二楼"}).status_code == 302
    assert client.post(path, {"bssid": BSSID}).status_code == 409
    assert client.post(path, {"bssid": "nonsense"}).status_code == 422
    row = StoreWifi.objects.get(label="二楼")
    foreign = StoreWifi.objects.create(store=org.other_store, bssid=BSSID, set_at=at("09:00"))
    assert client.post(f"{path}{foreign.pk}/drop/").status_code == 404
    assert client.post(f"{path}{row.pk}/drop/").status_code == 302
    assert list(StoreWifi.objects.filter(store=org.store).values_list("bssid", flat=True)) == [BSSID]


def test_hq_finds_the_stores_without_a_place_first(page: Any, org: Org) -> None:
    store = make_store(area=org.area, code="Z999", name="没设的店")
    found = page(holder_of("hq_retail", org), "/m/attendance/places/")
    assert [one.store for one in found.context["rows"]][:2] == [org.other_store, store]
    assert (found.context["without"], found.context["total"]) == (2, 3)
    assert "没设的店" in page(holder_of("sys_admin", org), "/m/attendance/places/?q=没设").text
