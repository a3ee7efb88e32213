"""The end of a day: who never came, who is told once, and what a leave that comes later changes."""

from datetime import date, timedelta
from typing import Any

import pytest

from guides.attendance.clockin.dayend import close_day, nudge_absent
from guides.attendance.clockin.judging import judge_again, mark_missing
from guides.attendance.clockin.models import ClockRecord, StoreFence, StoreWifi
from guides.attendance.models import Shift
from guides.attendance.services import set_shift
from guides.notices.models import Notification
from guides.org.models import RoleAssignment, Staff
from guides.org.services import resign_staff
from tests.factories.guides import Org, actor, make_staff, make_store
from yejibao.core import outbox
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor

from .conftest import WED, at
from .test_clock_in import fix, press

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system()


def states() -> dict[str, str]:
    return dict(ClockRecord.objects.values_list("staff__name", "state"))


def test_who_was_to_come_and_did_not_has_a_missing_day(org: Org) -> None:
    press(org.guide, where=fix())
    for name, kind in (("休息的", "rest"), ("请假的", "leave")):
        Shift.objects.create(staff=make_staff(store=org.store, name=name), day=WED, kind=kind)
    make_staff(store=org.store, name="长假的", state="leave")
    make_staff(store=org.store, name="走了的", state="resigned")
    make_staff(store=org.store, name="明天来的", joined_on=WED + timedelta(days=1))
    make_staff("hq_retail", unit=org.hq, name="总部的")
    closed = make_store(area=org.area, closed_on=WED)
    StoreFence.objects.create(
        store=closed, latitude=32, longitude=118, given_latitude=32, given_longitude=118, given_datum="gcj02",
        since=date(2026, 3, 1), set_at=at("00:00"),
    )  # fmt: skip
    make_staff(store=closed, name="关店的")
    assert close_day(WED, now=at("21:00")) == {"missing": 0}, "the day is not over"
    assert close_day(WED, now=at("22:15")) == {"missing": 1}
    assert states() == {"林晓雯": "normal", "陈国栋": "missing"}, "黄婷's store has no place to clock in at"
    assert close_day(WED, now=at("23:15")) == {"missing": 0}


def test_a_store_s_first_day_with_a_place_is_nobody_s_missing_day(org: Org) -> None:
    StoreWifi.objects.all().delete()
    StoreFence.objects.update(since=WED)
    assert mark_missing(WED, now=at("22:15")) == []
    assert mark_missing(WED + timedelta(days=1), now=at("22:15") + timedelta(days=1)) == sorted(
        [org.guide.pk, org.manager.pk]
    )


def test_each_is_told_once_and_the_push_waits_for_the_morning(org: Org) -> None:
    close_day(WED, now=at("22:15"))
    close_day(WED, now=at("23:15"))
    told = Notification.objects.filter(key="clock_missing:2026-03-11")
    assert {row.staff_id for row in told} == {org.guide.pk, org.manager.pk}
    assert {row.url for row in told} == {"/g/clock-in/mend/?day=2026-03-11"}
    pushes = OutboxMessage.objects.filter(kind="notice")
    assert [one.due_at for one in pushes] == [at("09:30") + timedelta(days=1)] * 2


def test_who_is_not_there_ten_minutes_after_is_asked_once(org: Org) -> None:
    press(org.manager, where=fix())
    assert [nudge_absent(now=at(when))["nudged"] for when in ("09:30", "09:39", "09:40", "09:45", "12:00")] == [
        0,
        0,
        1,
        0,
        0,
    ]
    assert Notification.objects.get(key="clock_late:2026-03-11").staff == org.guide
    assert OutboxMessage.objects.get(kind="notice").due_at == at("09:40")


def test_who_has_asked_for_a_correction_is_not_asked(org: Org) -> None:
    from guides.attendance.clockin.corrections import ask_correction

    ask_correction(
        actor=actor(org.guide), side="in", at=at("09:25"), sort="outside", reason="送货去了", now=at("09:35")
    )
    press(org.manager, where=fix())
    assert nudge_absent(now=at("09:45")) == {"nudged": 0}


def test_who_left_during_the_day_has_no_missing_day(org: Org) -> None:
    press(org.guide, where=fix())
    resign_staff(org.guide, actor=SYSTEM, now=at("15:00"))
    resign_staff(org.manager, actor=SYSTEM, now=at("15:00"))
    assert close_day(WED, now=at("22:15")) == {"missing": 0}
    assert states() == {"林晓雯": "normal"}


def test_who_comes_after_all_is_late_and_no_longer_missing(org: Org) -> None:
    Shift.objects.create(staff=org.guide, day=WED, kind="work")
    ClockRecord.objects.create(
        staff=org.guide, store=org.store, day=WED, state="missing", starts_at=at("09:30"), judged_at=at("20:00")
    )
    assert press(org.guide, "21:00", where=fix()).record.state == "late"


def test_a_leave_that_is_entered_afterwards_takes_the_missing_day_away(org: Org) -> None:
    close_day(WED, now=at("22:15"))
    set_shift(org.guide, day=WED, kind="leave", actor=SYSTEM, now=at("22:30"))
    outbox.drain_events()
    assert states() == {"陈国栋": "missing"}
    assert judge_again({(org.guide.pk, WED)}, now=at("23:00")) == 0


def test_the_shop_s_new_hours_change_no_day_that_was_judged(org: Org) -> None:
    press(org.guide, "09:40", where=fix())
    org.store.opens_at = at("10:00").replace(tzinfo=None).time()
    type(org.store).objects.filter(pk=org.store.pk).update(opens_at="10:00")
    judge_again({(org.guide.pk, WED)}, now=at("22:00"))
    assert ClockRecord.objects.get().late_minutes == 10


def test_ten_thousand_are_marked_by_as_many_statements_as_ten(org: Org, django_assert_num_queries: Any) -> None:
    def more(number: int) -> None:
        people = [
            Staff(
                wecom_user_id=f"many{number}-{n}",
                name="李敏",
                display_name="小李",
                store=org.store,
                unit=org.store.unit,
            )
            for n in range(number)
        ]
        Staff.objects.bulk_create(people)
        RoleAssignment.objects.bulk_create(
            [RoleAssignment(staff=person, role="guide", unit=org.store.unit) for person in people]
        )

    more(10)
    with django_assert_num_queries(1 + 2):  # the savepoint around it
        assert len(mark_missing(WED, now=at("22:15"))) == 12
    ClockRecord.objects.all().delete()
    more(300)
    with django_assert_num_queries(1 + 2):
        assert len(mark_missing(WED, now=at("22:15"))) == 312
