"""One calendar: what a day is for a person, who stands in, and clocks that run in working hours only."""

from datetime import date, time
from typing import Any

import pytest

from crm.aftersale.clocks import closing_due, first_word_due, manager_due, proposal_due
from guides.attendance.calendar import (
    advance,
    at_work,
    away_days,
    day_of,
    days_of,
    hours_at_work,
    is_working_day,
    open_all_days,
    stand_ins,
    working_days,
    working_minutes,
)
from guides.attendance.holiday_services import is_arranged, read_library, seed_holidays, set_holiday
from guides.attendance.models import Holiday, Shift, ShiftTime
from guides.org.models import Staff
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.errors import DomainError

NOW = parse_iso("2026-11-24 10:00")
TUE, WED, THU = date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 26)
BRAND = open_all_days(time(9, 30), time(22, 0))


@pytest.fixture
def org(db: None, clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def shift(person: Staff, day: date, kind: str = "work", **facts: Any) -> Shift:
    return Shift.objects.create(staff=person, day=day, kind=kind, **facts)


# ---------------------------------------------------------------- a person's day


def test_a_day_runs_by_its_shift_else_by_the_stores_hours(org: Org) -> None:
    early = ShiftTime.objects.create(name="早班", short="早", starts_at=time(9, 30), ends_at=time(18, 0))
    shift(org.guide, WED, time=early)
    shift(org.guide, THU, "rest")
    found = days_of([org.guide], TUE, date(2026, 11, 27))
    assert [(one.kind, one.hours, one.shift, one.is_set) for one in found.values()] == [
        ("work", (time(9, 30), time(22, 0)), "", False),
        ("work", (time(9, 30), time(18, 0)), "早班", True),
        ("rest", None, "", True),
    ]


def test_a_half_day_of_leave_cuts_the_shift_at_noon(org: Org) -> None:
    late = ShiftTime.objects.create(name="晚班", short="晚", starts_at=time(13, 30), ends_at=time(22, 0))
    shift(org.guide, TUE, half_off="am")
    shift(org.guide, WED, half_off="pm")
    shift(org.guide, THU, half_off="pm", time=late)
    found = days_of([org.guide], TUE, date(2026, 11, 27))
    assert [(one.kind, one.hours) for one in found.values()] == [
        ("work", (time(13, 30), time(22, 0))), ("work", (time(9, 30), time(13, 30))), ("leave", None),
    ]  # fmt: skip
    assert away_days([org.guide.pk], TUE, date(2026, 11, 27)) == {}


def test_office_people_rest_on_weekends_and_holidays_stores_do_not(org: Org) -> None:
    office = make_staff("hq_retail", unit=org.hq)
    Holiday.objects.create(day=date(2026, 10, 1), kind="statutory", name="国庆节")
    Holiday.objects.create(day=date(2026, 10, 10), kind="workday", name="国庆节")  # a Saturday
    days = {
        date(2026, 10, 1): "rest",
        date(2026, 10, 10): "work",
        date(2026, 10, 11): "rest",
        date(2026, 10, 12): "work",
    }
    for day, kind in days.items():
        assert (day_of(office, day).kind, day_of(org.guide, day).kind) == (kind, "work"), day
        assert is_working_day(day) == (kind == "work")
    assert day_of(org.guide, date(2026, 10, 1)).holiday == "国庆节"
    assert working_days(date(2026, 10, 9), date(2026, 10, 13)) == [date(2026, 10, n) for n in (9, 10, 12)]


def test_it_takes_the_same_statements_for_any_number(org: Org, django_assert_num_queries: Any) -> None:
    people = list(Staff.objects.filter(pk__in=[org.guide.pk, org.stranger.pk, org.manager.pk]))
    with django_assert_num_queries(3):  # roster, holidays, stores
        days_of(people, TUE, date(2026, 12, 24))
    with django_assert_num_queries(1):
        assert set(at_work(Staff.objects.filter(pk__in=[one.pk for one in people]), TUE)) == set(people)


def test_who_stands_in_is_the_backup_then_the_manager(org: Org, django_assert_max_num_queries: Any) -> None:
    helper = make_staff(store=org.store)
    Staff.objects.filter(pk=org.guide.pk).update(backup_guide=helper)
    me = org.guide.pk
    assert stand_ins([me], TUE) == {me: me}
    shift(org.guide, TUE, "leave")
    with django_assert_max_num_queries(4):
        assert stand_ins([me, org.stranger.pk], TUE) == {me: helper.pk, org.stranger.pk: org.stranger.pk}
    shift(helper, TUE, "rest")
    assert stand_ins([me], TUE) == {me: org.manager.pk}
    Staff.objects.filter(pk=helper.pk).update(store=org.other_store)
    assert stand_ins([me], WED) == {me: me}
    shift(org.manager, WED, "leave")
    assert stand_ins([org.manager.pk], WED) == {org.manager.pk: None}
    Staff.objects.filter(pk=me).update(state="leave")
    assert at_work(Staff.objects.filter(pk=me), WED).count() == 0


# ---------------------------------------------------------------- clocks


def test_a_clock_of_thirty_minutes_begun_ten_before_closing_ends_next_morning() -> None:
    """aftersale.yaml, sla.example."""
    due = first_word_due(parse_iso("2025-03-01 21:50"), priority=2, hours=BRAND)
    assert due == parse_iso("2025-03-02 09:50")
    assert manager_due(due, hours=BRAND) == parse_iso("2025-03-02 10:20")


@pytest.mark.parametrize(
    ("opened", "priority", "due"),
    [
        ("2025-03-01 23:10", 1, "2025-03-02 09:45"),  # created at night: from 9:30
        ("2025-03-01 08:00", 4, "2025-03-01 10:30"),
        ("2025-03-01 21:45", 1, "2025-03-01 22:00"),  # just reached at closing
        ("2025-03-01 12:00", 2, "2025-03-01 12:30"),
    ],
)
def test_the_first_word_is_due_in_business_minutes(opened: str, priority: int, due: str) -> None:
    assert first_word_due(parse_iso(opened), priority=priority, hours=BRAND) == parse_iso(due)


def test_a_proposal_takes_days_of_business_hours() -> None:
    # 1,440 minutes of 750 a day: 720 left on the first, 720 of the second
    assert proposal_due(parse_iso("2025-03-01 10:00"), priority=4, hours=BRAND) == parse_iso("2025-03-02 21:30")


def test_a_ticket_is_closed_by_the_end_of_a_day(org: Org) -> None:
    assert closing_due(parse_iso("2025-03-01 10:00"), priority=1, store=org.store) == parse_iso("2025-03-04 22:00")


def test_a_persons_own_clock_stands_on_days_away(org: Org) -> None:
    early = ShiftTime.objects.create(name="早班", short="早", starts_at=time(9, 30), ends_at=time(18, 0))
    shift(org.guide, TUE, time=early)
    shift(org.guide, WED, "rest")
    hours = hours_at_work(days_of([org.guide], TUE, date(2026, 11, 27)).values())
    start = parse_iso("2026-11-24 17:30")
    assert advance(start, 45, hours) == parse_iso("2026-11-26 09:45")
    assert working_minutes(start, parse_iso("2026-11-26 09:45"), hours) == 45
    assert working_minutes(parse_iso("2026-11-26 09:45"), start, hours) == 0
    assert advance(start, 9_999, hours) is None


# ---------------------------------------------------------------- holidays


def test_the_library_knows_the_arrangement_of_2026() -> None:
    found = {row.day: (row.kind, row.name) for row in read_library(2026)}
    assert found[date(2026, 10, 1)] == ("statutory", "国庆节")
    assert found[date(2026, 10, 6)] == ("bridge", "国庆节")
    assert [day for day, (kind, _name) in found.items() if kind == "workday"] == [
        date(2026, 1, 4), date(2026, 2, 14), date(2026, 2, 28), date(2026, 5, 9), date(2026, 9, 20), date(2026, 10, 10),
    ]  # fmt: skip
    assert sum(kind == "statutory" for kind, _name in found.values()) == 13  # the law of 2025


def test_seeding_twice_changes_nothing_and_hqs_word_stands(org: Org) -> None:
    assert seed_holidays(today=TUE)["changed"] > 40
    assert seed_holidays(today=TUE) == {"changed": 0}
    assert (is_arranged(2026), is_arranged(2027)) == (True, False)
    keeper, day = actor(holder_of("hq_retail", org)), date(2027, 2, 20)
    set_holiday(day, kind="workday", name="春节", reason="国办发〔2026〕7 号", actor=keeper, now=NOW)
    set_holiday(date(2027, 2, 9), kind="ordinary", name="", reason="库里写错了", actor=keeper, now=NOW)
    assert seed_holidays(today=TUE) == {"changed": 0}
    assert (is_arranged(2027), is_working_day(day), is_working_day(date(2027, 2, 9))) == (True, True, True)
    for who, facts in ((org.manager, {}), (None, {"kind": "feast"}), (None, {"reason": ""}), (None, {"name": " "})):
        with pytest.raises(DomainError):
            set_holiday(
                day, **({"kind": "workday", "name": "春节", "reason": "通知"} | facts),
                actor=actor(who) if who else keeper, now=NOW,
            )  # fmt: skip
