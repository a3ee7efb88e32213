"""请假: asked, decided one level up, written into the roster, ended early; and what happens to people meanwhile."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from guides.attendance import leave
from guides.attendance.leave import Wish
from guides.attendance.leave_deciders import NotYoursToDecide
from guides.attendance.leave_models import LeaveRequest
from guides.attendance.models import Shift, ShiftTime
from guides.attendance.services import OnLeave, copy_week, fill_week, set_rest_days, set_shift
from guides.notices.models import Notification
from guides.org.models import Staff
from guides.org.moving import transfer_staff
from guides.org.services import resign_staff
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, sign_in
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import DomainError, Invalid
from yejibao.core.models import AuditEntry, OutboxEvent, OutboxMessage
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-24 10:00")  # a Tuesday
TUE, WED, THU, FRI = (date(2026, 11, day) for day in (24, 25, 26, 27))
SYSTEM = Actor.system()


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def helper(org: Org) -> Staff:
    return make_staff(store=org.store, name="何勇")


def wish(first: date = WED, last: date = THU, **facts: Any) -> Wish:
    return Wish(**({"kind": "personal", "starts_on": first, "ends_on": last, "reason": "家里有事"} | facts))


def ask(org: Org, first: date = WED, last: date = THU, person: Staff | None = None, **facts: Any) -> LeaveRequest:
    person = person or org.guide
    return leave.ask_leave(person, wish(first, last, **facts), actor=actor(person), now=NOW)


def approve(org: Org, request: LeaveRequest, by: Staff | None = None, **facts: Any) -> LeaveRequest:
    return leave.approve_leave(request, actor=actor(by or org.manager), now=NOW, **facts)


def roster(person: Staff) -> dict[int, str]:
    return {
        day.day: kind for day, kind in Shift.objects.filter(staff=person).order_by("day").values_list("day", "kind")
    }


def told(person: Staff) -> list[str]:
    return list(Notification.objects.filter(staff=person, read_at=None).order_by("pk").values_list("title", flat=True))


def away_events() -> list[list[str]]:
    rows = OutboxEvent.objects.filter(topic="guides.staff_away_changed").order_by("pk")
    return [row.payload["days"] for row in rows]


# ---------------------------------------------------------------- the way through


def test_asked_approved_and_in_the_roster(org: Org, helper: Staff) -> None:
    request = ask(org, backup=helper)
    assert (request.approver_id, told(org.manager)) == (org.manager.pk, ["林晓雯请事假：11-25 周三 至 11-26 周四"])
    assert OutboxMessage.objects.get().recipient == org.manager.wecom_user_id
    assert roster(org.guide) == {}
    approve(org, request)
    request.refresh_from_db()
    org.guide.refresh_from_db()
    assert (request.state, request.decided_by, org.guide.backup_guide) == ("approved", org.manager, helper)
    assert roster(org.guide) == {25: "leave", 26: "leave"}
    assert away_events() == [["2026-11-25", "2026-11-26"]]
    assert (told(org.manager), told(org.guide)) == ([], ["请假批准了：11-25 周三 至 11-26 周四"])
    assert list(AuditEntry.objects.filter(action__startswith="leave.").order_by("pk").values_list("action", flat=True)) == [
        "leave.asked", "leave.approved",
    ]  # fmt: skip


def test_it_is_decided_once(org: Org) -> None:
    request = ask(org)
    leave.refuse_leave(request, actor=actor(org.manager), now=NOW, answer="那天盘点")
    for act in (
        lambda: approve(org, request),
        lambda: leave.return_leave(request, actor=actor(org.manager), now=NOW, answer="再说"),
        lambda: leave.withdraw_leave(request, actor=actor(org.guide), now=NOW),
    ):
        with pytest.raises(leave.Decided):
            act()
    assert (roster(org.guide), told(org.guide)) == ({}, ["请假没同意：11-25 周三 至 11-26 周四"])


def test_asked_back_changed_and_handed_in_again(org: Org) -> None:
    request = ask(org)
    with pytest.raises(Invalid):
        leave.return_leave(request, actor=actor(org.manager), now=NOW, answer=" ")
    leave.return_leave(request, actor=actor(org.manager), now=NOW, answer="周四要来盘点")
    leave.change_leave(request, wish(WED, WED), actor=actor(org.guide), now=NOW)
    approve(org, request)
    assert roster(org.guide) == {25: "leave"}


def test_the_same_days_twice_are_one_request(org: Org) -> None:
    request = ask(org)
    for first, last in ((WED, THU), (THU, FRI), (TUE, WED)):
        with pytest.raises(leave.Overlaps):
            ask(org, first, last)
    leave.withdraw_leave(request, actor=actor(org.guide), now=NOW)
    ask(org)
    ask(org, FRI, FRI)
    assert LeaveRequest.objects.standing().count() == 2


@pytest.mark.parametrize(
    "facts",
    [
        {"last": TUE}, {"last": date(2028, 1, 1)}, {"first": date(2026, 11, 1)}, {"kind": "party"}, {"reason": " "},
        {"last": WED, "starts_at_noon": True, "ends_at_noon": True},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(org: Org, facts: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        ask(org, **facts)
    with pytest.raises(Invalid):
        ask(org, backup=org.stranger)
    assert not LeaveRequest.objects.exists()


def test_days_of_the_last_week_may_be_asked_for_afterwards(org: Org) -> None:
    approve(org, ask(org, date(2026, 11, 20), TUE, kind="sick"))
    assert roster(org.guide) == dict.fromkeys((20, 21, 22, 23, 24), "leave")
    assert away_events() == [["2026-11-24"]]  # what is past is moved to nobody


def test_half_days_leave_her_at_work_for_the_other_half(org: Org) -> None:
    set_rest_days(org.guide, days=[THU], actor=SYSTEM, now=NOW)
    request = ask(org, WED, THU, starts_at_noon=True, ends_at_noon=True)
    assert request.length == 1.0
    approve(org, request)
    rows = {row.day: (row.kind, row.half_off) for row in Shift.objects.filter(staff=org.guide)}
    assert rows == {WED: ("work", "pm"), THU: ("rest", "")}


# ---------------------------------------------------------------- ended before its time


def test_cancelled_the_roster_says_again_what_it_said(org: Org) -> None:
    early = ShiftTime.objects.create(name="早班", short="早", starts_at="09:30", ends_at="18:00")
    set_shift(org.guide, day=WED, kind="work", shift_time=early, actor=SYSTEM, now=NOW)
    set_rest_days(org.guide, days=[THU], actor=SYSTEM, now=NOW)
    request = approve(org, ask(org, WED, FRI))
    leave.end_leave(request, back_on=WED, actor=actor(org.guide), now=NOW)
    request.refresh_from_db()
    assert (request.state, request.back_on) == ("cancelled", None)
    rows = {row.day: (row.kind, row.time_id, row.leave_id) for row in Shift.objects.filter(staff=org.guide)}
    assert rows == {WED: ("work", early.pk, None), THU: ("rest", None, None)}
    assert away_events()[-1] == ["2026-11-25", "2026-11-27"]
    assert told(org.manager) == ["林晓雯的请假取消了"]


def test_back_early_works_again_from_that_day(org: Org, clock: Any) -> None:
    request = approve(org, ask(org, WED, FRI))
    later = clock.travel("2026-11-26 09:00")
    leave.end_leave(request, back_on=THU, actor=actor(org.manager), now=later)
    request.refresh_from_db()
    assert (request.state, request.back_on, request.length) == ("approved", THU, 1)
    assert roster(org.guide) == {25: "leave"}
    ask(org, THU, THU)  # those days are free again
    with pytest.raises(Invalid):
        leave.end_leave(request, back_on=WED, actor=actor(org.guide), now=later)


def test_what_the_manager_set_since_stays(org: Org) -> None:
    request = approve(org, ask(org))
    with pytest.raises(OnLeave):
        set_shift(org.guide, day=WED, kind="work", actor=actor(org.manager), now=NOW)
    Shift.objects.filter(staff=org.guide, day=WED).update(leave=None, kind="rest")
    leave.end_leave(request, back_on=WED, actor=actor(org.guide), now=NOW)
    assert roster(org.guide) == {25: "rest"}


# ---------------------------------------------------------------- who decides


def test_nobody_decides_on_his_own_and_a_managers_goes_one_up(org: Org) -> None:
    supervisor = make_staff("area_supervisor", unit=org.area)
    second = make_staff("store_manager", store=org.store)
    request = ask(org, person=org.manager)
    assert request.approver_id == supervisor.pk
    for who in (org.manager, second, org.guide, org.stranger, make_staff("area_supervisor", unit=org.other_area)):
        with pytest.raises(NotYoursToDecide):
            approve(org, request, by=who)
    approve(org, request, by=supervisor)
    assert roster(org.manager) == {25: "leave", 26: "leave"}


def test_without_a_supervisor_the_region_decides(org: Org) -> None:
    region = make_staff("region_manager", unit=org.region)
    request = ask(org, person=org.manager)
    assert request.approver_id == region.pk
    approve(org, request, by=region)


def test_where_nobody_is_above_it_is_said_at_once(org: Org) -> None:
    with pytest.raises(leave.NobodyDecides):
        ask(org, person=org.manager)
    with pytest.raises(leave.NobodyDecides):
        ask(org, person=org.stranger)
    assert not LeaveRequest.objects.exists()


def test_where_the_manager_is_away_the_next_one_hears_too(org: Org) -> None:
    supervisor = make_staff("area_supervisor", unit=org.area)
    set_rest_days(org.manager, days=[TUE], actor=SYSTEM, now=NOW)
    request = ask(org)
    assert (len(told(org.manager)), len(told(supervisor))) == (1, 1)
    approve(org, request, by=supervisor)
    assert told(org.manager) == []


# ---------------------------------------------------------------- what happens to people meanwhile


def test_who_left_is_not_approved_and_waits_for_nobody(org: Org) -> None:
    request = ask(org)
    resign_staff(org.guide, actor=SYSTEM, now=NOW)
    with pytest.raises(leave.Gone):
        approve(org, request)
    outbox.drain_events()
    request.refresh_from_db()
    assert (request.state, roster(org.guide)) == ("withdrawn", {})
    assert not any("事假" in title for title in told(org.manager))


def test_who_moved_is_decided_on_in_the_new_store(org: Org, helper: Staff) -> None:
    there = make_staff("store_manager", store=org.other_store)
    request = ask(org, backup=helper)
    transfer_staff(org.guide, to=org.other_store, starts_on=TUE, actor=SYSTEM, now=NOW)
    outbox.drain_events()
    request.refresh_from_db()
    assert (request.approver_id, request.backup) == (there.pk, None)
    with pytest.raises(NotYoursToDecide):
        approve(org, request)
    approve(org, request, by=there)
    org.guide.refresh_from_db()
    assert (roster(org.guide), org.guide.backup_guide) == ({25: "leave", 26: "leave"}, None)


def test_a_backup_who_moved_away_is_passed_over(org: Org, helper: Staff) -> None:
    request = ask(org, backup=helper)
    Staff.objects.filter(pk=helper.pk).update(store=org.other_store)
    approve(org, request)
    request.refresh_from_db()
    assert (request.state, request.backup) == ("approved", None)


# ---------------------------------------------------------------- weeks


def test_a_week_is_copied_but_no_leave_and_nothing_past(
    org: Org, helper: Staff, django_assert_max_num_queries: Any
) -> None:
    early = ShiftTime.objects.create(name="早班", short="早", starts_at="09:30", ends_at="18:00")
    last = TUE - timedelta(days=8)  # Monday of last week
    for number, kind in enumerate(("work", "work", "leave", "rest")):
        set_shift(org.guide, day=last + timedelta(days=number), kind=kind, actor=SYSTEM, now=NOW,
                  shift_time=early if kind == "work" else None)  # fmt: skip
    set_shift(helper, day=TUE, kind="rest", actor=SYSTEM, now=NOW)
    request = approve(org, ask(org, FRI, FRI))
    monday = last + timedelta(days=7)
    with django_assert_max_num_queries(20):
        assert copy_week([org.guide, helper], to=monday, actor=actor(org.manager), now=NOW) == 11
    rows = {row.day: (row.kind, row.time_id) for row in Shift.objects.filter(staff=org.guide, day__gte=monday)}
    assert rows == {TUE: ("work", early.pk), THU: ("rest", None), FRI: ("leave", None)}
    assert request.days.count() == 1 and roster(helper) == {}  # helper had no row last week


def test_empty_days_are_filled_and_the_others_stay(org: Org) -> None:
    late = ShiftTime.objects.create(name="晚班", short="晚", starts_at="13:30", ends_at="22:00")
    set_rest_days(org.guide, days=[THU], actor=SYSTEM, now=NOW)
    monday = TUE - timedelta(days=1)
    assert fill_week([org.guide], start=monday, shift_time=late, actor=actor(org.manager), now=NOW) == 5
    assert Shift.objects.filter(time=late).count() == 5
    with pytest.raises(DomainError):
        fill_week([org.stranger], start=monday, shift_time=late, actor=actor(org.manager), now=NOW)


# ---------------------------------------------------------------- pages


@pytest.fixture
def html(client: Client) -> Client:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return client


FORM = {"kind": "sick", "starts_on": "2026-11-25", "ends_on": "2026-11-26", "reason": "发烧"}


def test_a_guide_asks_on_her_page_and_her_manager_approves_on_his(html: Client, org: Org, helper: Staff) -> None:
    page = sign_in(html, org.guide).get("/g/leave/")
    assert page.status_code == 200 and "还没有请过假" in page.text
    assert "选一下请什么假" in html.post("/g/leave/", FORM | {"kind": ""}).text
    answer = html.post("/g/leave/", FORM | {"backup": str(helper.pk)})
    request = LeaveRequest.objects.get()
    assert answer["Location"] == f"/g/leave/{request.pk}/"
    assert "待审批" in html.get(answer["Location"]).text
    sign_in(html, org.manager)
    assert "林晓雯 · 病假 2 天" in html.get("/m/leave/").text
    page = html.get(f"/m/leave/{request.pk}/")
    assert "发烧" in page.text and "按他写的：何勇" in page.text
    assert html.post(f"/m/leave/{request.pk}/", {"do": "refuse"}).status_code == 422
    assert html.post(f"/m/leave/{request.pk}/", {"do": "approve"})["Location"] == "/m/leave/"
    assert roster(org.guide) == {25: "leave", 26: "leave"}
    assert "何勇代办" in html.get("/m/leave/").text
    assert html.post(f"/m/leave/{request.pk}/", {"do": "approve"}).status_code == 409


def test_the_page_says_what_a_yes_would_leave_of_the_store(html: Client, org: Org, helper: Staff) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(backup_guide=helper)
    set_rest_days(helper, days=[WED], actor=SYSTEM, now=NOW)
    set_rest_days(org.manager, days=[WED], actor=SYSTEM, now=NOW)
    request = ask(org)
    page = sign_in(html, org.manager).get(f"/m/leave/{request.pk}/")
    assert [(one.days, one.is_grave) for one in page.context["troubles"]] == [
        ("11-25 周三", True),
        ("11-25 周三", False),
    ]


def test_others_leave_is_out_of_sight(html: Client, org: Org) -> None:
    request = ask(org)
    for person, path in (
        (org.stranger, f"/g/leave/{request.pk}/"),
        (make_staff(store=org.store), f"/g/leave/{request.pk}/"),
        (make_staff("store_manager", store=org.other_store), f"/m/leave/{request.pk}/"),
        (make_staff("region_manager", unit=org.region), f"/m/leave/{request.pk}/"),
    ):
        assert sign_in(html, person).get(path).status_code == 404
    assert sign_in(html, make_staff("area_supervisor", unit=org.area)).get(f"/m/leave/{request.pk}/").status_code == 200
    assert sign_in(html, holder_of("hq_operator", org)).get("/m/leave/").status_code == 403


@pytest.mark.parametrize("rows", [1, 6])
def test_the_list_needs_the_same_queries_for_any_number(
    html: Client, org: Org, rows: int, django_assert_num_queries: Any
) -> None:
    for number in range(rows):
        person = make_staff(store=org.store, backup_guide=org.guide)
        request = ask(org, WED, THU, person=person, backup=org.guide)
        if number % 2:
            approve(org, request)
    sign_in(html, org.manager).get("/m/leave/")
    with django_assert_num_queries(6):  # session, what waits, who is away; three badges
        html.get("/m/leave/")


def test_the_week_is_painted_copied_and_filled(html: Client, org: Org) -> None:
    early = ShiftTime.objects.create(name="早班", short="早", starts_at="09:30", ends_at="18:00")
    page = sign_in(html, org.manager).get(f"/m/shifts/?brush=work:{early.pk}")
    assert "林晓雯 周三 上班，点一下改成早班 09:30–18:00" in page.text
    html.post(f"/m/shifts/{org.guide.pk}/", {"shift": f"2026-11-25 work:{early.pk}", "brush": f"work:{early.pk}"})
    assert Shift.objects.get(staff=org.guide, day=WED).time == early
    assert html.post(f"/m/shifts/{org.guide.pk}/", {"shift": "2026-11-25 work:999"}).status_code == 422
    answer = html.post("/m/shifts/fill/", {"week": "2026-11-23", "time": str(early.pk)}, headers={"HX-Request": "true"})
    assert answer.status_code == 200 and Shift.objects.filter(staff=org.guide, time=early).count() == 6
    assert html.post("/m/shifts/copy/", {"week": "2026-11-30"})["Location"] == "/m/shifts/?week=2026-11-30"
    assert Shift.objects.filter(staff=org.guide, time=early).count() == 12
    set_rest_days(org.guide, days=[THU], actor=SYSTEM, now=NOW)
    set_rest_days(org.manager, days=[THU], actor=SYSTEM, now=NOW)
    assert "周四（11-26）没有人上班" in html.get("/m/shifts/").text


def test_hq_opens_times_and_corrects_a_holiday(html: Client, org: Org) -> None:
    sign_in(html, holder_of("hq_retail", org))
    facts = {"name": "早班", "short": "早", "starts_at": "09:30", "ends_at": "18:00", "reason": "开业"}
    assert html.post("/hq/shifts/time/", facts).status_code == 302
    assert html.post("/hq/shifts/time/", facts).status_code == 422  # the name is taken
    early = ShiftTime.objects.get()
    html.post("/hq/shifts/time/", facts | {"pk": str(early.pk), "ends_at": "17:30"})
    early.refresh_from_db()
    assert (f"{early.ends_at:%H:%M}", early.is_open) == ("17:30", False)
    html.post("/hq/shifts/holiday/", {"day": "2026-12-31", "kind": "bridge", "name": "元旦", "reason": "通知"})
    assert "2026-12-31" in html.get("/hq/shifts/").text
    assert sign_in(html, org.manager).get("/hq/shifts/").status_code == 403
