"""企业微信打卡 as a source: read in calls of 100, merged once, and off unless the setting says how often."""

from datetime import timedelta
from typing import Any

import pytest

from guides.attendance.clockin.jobs import pull_check_ins
from guides.attendance.clockin.models import ClockPunch, ClockRecord
from guides.attendance.clockin.platform import is_due, pull
from guides.org.models import Staff
from tests.conftest import SandboxControl
from tests.factories.guides import Org
from yejibao.core.models import SettingChange
from yejibao.wecom import checkin, gateway, tokens
from yejibao.wecom.errors import GatewayError

from .conftest import at
from .test_clock_in import fix, press

pytestmark = pytest.mark.django_db


@pytest.fixture
def door(sandbox: SandboxControl, org: Org) -> Any:
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    sandbox.post(
        "world",
        people=[{"userid": one.wecom_user_id, "name": one.name, "department": [1]} for one in Staff.objects.all()],
    )
    return gateway.default()


def told(sandbox: SandboxControl, person: Staff, when: str, **facts: Any) -> None:
    sandbox.post("check_in", userid=person.wecom_user_id, checkin_time=int(at(when).timestamp()), **facts)


def test_what_was_pressed_there_counts_here_once(door: Any, sandbox: SandboxControl, org: Org) -> None:
    told(sandbox, org.guide, "09:22")
    told(sandbox, org.guide, "18:35", checkin_type="下班打卡")
    told(sandbox, org.manager, "09:40", exception_type="时间异常;非常用设备")
    now = at("19:00")
    assert pull(door=door, now=now) == {"read": 3, "new": 3, "unknown": 0}
    assert pull(door=door, now=now) == {"read": 3, "new": 0, "unknown": 0}
    hers, his = ClockRecord.objects.get(staff=org.guide), ClockRecord.objects.get(staff=org.manager)
    assert (hers.state, hers.in_at, hers.out_at, hers.way) == ("normal", at("09:22"), at("18:35"), "platform")
    assert (his.late_minutes, his.flags) == (10, ["device", "wrong_time"])
    assert set(ClockPunch.objects.values_list("place", flat=True)) == {None}, "no place is taken over"


def test_seen_elsewhere_it_is_kept_and_does_not_count(door: Any, sandbox: SandboxControl, org: Org) -> None:
    told(sandbox, org.guide, "09:22", exception_type="地点异常")
    told(sandbox, org.manager, "09:30", exception_type="未打卡")
    told(sandbox, org.manager, "10:30", checkin_type="外出打卡")
    assert pull(door=door, now=at("19:00"))["new"] == 1
    (punch,) = ClockPunch.objects.all()
    assert (punch.counts, punch.flags) == (False, ["elsewhere"]) and not ClockRecord.objects.exists()


def test_the_earlier_of_two_sources_stands(door: Any, sandbox: SandboxControl, org: Org) -> None:
    press(org.guide, "09:41", where=fix())
    told(sandbox, org.guide, "09:28")
    pull(door=door, now=at("19:00"))
    assert ClockRecord.objects.get().state == "normal"


def test_somebody_the_platform_does_not_know_fails_nobody_else(door: Any, sandbox: SandboxControl, org: Org) -> None:
    Staff.objects.filter(pk=org.stranger.pk).update(wecom_user_id="nobody-there")
    told(sandbox, org.guide, "09:22")
    assert pull(door=door, now=at("19:00")) == {"read": 1, "new": 1, "unknown": 1}


def test_a_call_carries_a_hundred_people_and_thirty_days(door: Any, sandbox: SandboxControl) -> None:
    assert [len(part) for part in checkin.in_calls([f"u{n}" for n in range(250)])] == [100, 100, 50]
    start, end = at("00:00"), at("00:00") + timedelta(days=30)
    with pytest.raises(ValueError, match="100 people"):
        checkin.list_check_ins(door, [f"u{n}" for n in range(101)], start=start, end=end)
    with pytest.raises(ValueError, match="30 days"):
        checkin.list_check_ins(door, ["u"], start=start, end=end + timedelta(seconds=1))
    with pytest.raises(GatewayError) as refused:
        checkin.list_check_ins(door, ["u"], start=start, end=end)
    assert refused.value.code == checkin.NOT_IN_CONTACTS


def test_it_is_off_until_somebody_turns_it_on(door: Any, sandbox: SandboxControl, org: Org, clock: Any) -> None:
    told(sandbox, org.guide, "09:22")
    clock.travel(at("10:00"))
    assert pull_check_ins() == {} and not is_due(at("10:00"))
    SettingChange.objects.create(
        key="clock-platform",
        number=1,
        value=15,
        starts_at=at("09:00"),
        changed_at=at("09:00"),
        reason="公司用企业微信打卡",
    )
    assert [is_due(at(when)) for when in ("10:00", "10:01", "10:15")] == [True, False, True]
    assert pull_check_ins()["new"] == 1
