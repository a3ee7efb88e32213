"""Leave in the platform's own approval app: its callback over the stand-in, the detail read again, the roster after it."""

from datetime import date
from typing import Any

import pytest

from guides.attendance import leave
from guides.attendance.leave import Wish
from guides.attendance.leave_models import LeaveRequest
from guides.attendance.models import Shift
from guides.attendance.platform_leave import follow_approvals, read_leave
from guides.notices.models import Notification
from guides.org.models import Staff
from tests.factories.guides import Org, actor, make_org
from yejibao.core.clock import parse_iso
from yejibao.wecom import gateway, tokens
from yejibao.wecom.events import ApprovalChanged
from yejibao.wecom.inbox.registry import subscribers_of

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-24 10:00")
NUMBER = "202611240001"
TEXTS = {"3": "病假", "1": "年假", "9": "陪产假", "8": "育儿假"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def approval(
    person: Staff, begins: str, ends: str, *, status: int = 2, by: str = "", key: str = "3", span: str = "halfday"
) -> dict[str, Any]:
    """Return what oa/getapprovaldetail says of a leave (the documentation's control Vacation)."""
    seconds = {name: int(parse_iso(text).timestamp()) for name, text in (("new_begin", begins), ("new_end", ends))}
    vacation = {
        "selector": {"type": "single", "options": [{"key": key, "value": [{"text": TEXTS[key], "lang": "zh_CN"}]}]},
        "attendance": {"date_range": {"type": span, **seconds, "new_duration": 86400}, "type": 1},
    }
    contents = [
        {"control": "Textarea", "value": {"text": "…"}},
        {"control": "Vacation", "value": {"vacation": vacation}},
    ]
    record = [{"sp_status": 2, "details": [{"approver": {"userid": by}, "sp_status": 2}]}] if by else []
    return {
        "sp_status": status, "sp_name": "请假", "applyer": {"userid": person.wecom_user_id.upper()},
        "apply_data": {"contents": contents}, "sp_record": record,
    }  # fmt: skip


def roster(person: Staff) -> dict[date, tuple[str, str]]:
    return {row.day: (row.kind, row.half_off) for row in Shift.objects.filter(staff=person).order_by("day")}


class Platform:
    """The stand-in, in which a person asks and his superiors answer."""

    def __init__(self, control: Any) -> None:
        self.control = control

    def act(self, facts: dict[str, Any], number: str = NUMBER) -> int:
        self.control.post("thing", kind="approval", id=number, facts=facts, tell=False)
        return self.tell(number)

    def tell(self, number: str = NUMBER) -> int:
        event = ApprovalChanged(number=number, origin="sys", status=2, at=NOW.isoformat())
        return follow_approvals([event, event], door=gateway.default(), now=NOW)


@pytest.fixture
def platform(sandbox: Any) -> Platform:
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    return Platform(sandbox)


def test_what_passed_there_stands_here_once(org: Org, platform: Platform) -> None:
    facts = approval(org.guide, "2026-11-25 12:00", "2026-11-26 12:00", status=1, by=org.manager.wecom_user_id)
    assert platform.act(facts) == 0 and roster(org.guide) == {}  # asked, not decided
    assert platform.act(facts | {"sp_status": 2}) == 1
    assert platform.tell() == 0
    request = LeaveRequest.objects.get()
    assert (request.kind, request.state, request.platform_number, request.decided_by) == (
        "sick", "approved", NUMBER, org.manager,
    )  # fmt: skip
    assert roster(org.guide) == {date(2026, 11, 25): ("work", "pm"), date(2026, 11, 26): ("leave", "")}
    assert platform.act(facts | {"sp_status": 6}) == 1  # revoked after it had passed
    request.refresh_from_db()
    assert (request.state, roster(org.guide)) == ("cancelled", {})
    assert platform.tell() == 0


def test_the_inbox_tells_of_it(org: Org, platform: Platform) -> None:
    facts = approval(org.guide, "2026-11-25 00:00", "2026-11-25 12:00", by=org.manager.wecom_user_id)
    platform.control.post("thing", kind="approval", id=NUMBER, facts=facts, tell=False)
    event = ApprovalChanged(number=NUMBER, origin="sys", status=2, at=NOW.isoformat())
    for tell in subscribers_of(ApprovalChanged):
        tell([event])
    assert LeaveRequest.objects.get().platform_number == NUMBER


def test_what_waits_here_for_the_same_days_is_decided_there(org: Org, platform: Platform) -> None:
    wish = Wish("personal", date(2026, 11, 26), date(2026, 11, 27), "家里有事")
    waiting = leave.ask_leave(org.guide, wish, actor=actor(org.guide), now=NOW)
    platform.act(approval(org.guide, "2026-11-25 00:00", "2026-11-26 12:00"))
    waiting.refresh_from_db()
    assert waiting.state == "withdrawn" and len(roster(org.guide)) == 2
    again = approval(org.guide, "2026-11-26 00:00", "2026-11-27 12:00")
    assert platform.act(again, "202611240002") == 0  # another one over approved days: the manager is told
    assert "重了" in Notification.objects.filter(staff=org.manager, read_at=None).get().title


def test_what_is_no_leave_or_nobodys_is_passed_over(org: Org, platform: Platform) -> None:
    facts = approval(org.guide, "2026-11-25 00:00", "2026-11-25 12:00")
    assert platform.act(facts | {"apply_data": {"contents": []}}) == 0
    assert platform.act(facts | {"applyer": {"userid": "nobody"}}, "202611240003") == 0
    assert platform.tell("202611249999") == 0  # the platform knows no such number
    assert read_leave({}) is None
    assert not LeaveRequest.objects.exists()


@pytest.mark.parametrize(
    ("begins", "ends", "span", "halves"),
    [
        ("2026-11-25 00:00", "2026-11-25 12:00", "halfday", (False, False)),
        ("2026-11-25 12:00", "2026-11-25 12:00", "halfday", (True, False)),
        ("2026-11-25 00:00", "2026-11-25 00:00", "halfday", (False, True)),
        ("2026-11-25 09:30", "2026-11-25 13:30", "hour", (False, True)),
        ("2026-11-25 14:00", "2026-11-26 22:00", "hour", (True, False)),
    ],
)
def test_its_halves_and_hours_are_our_halves(
    org: Org, begins: str, ends: str, span: str, halves: tuple[bool, bool]
) -> None:
    told = read_leave({"sp_no": NUMBER} | approval(org.guide, begins, ends, key="9", span=span))
    assert told and (told.starts_at_noon, told.ends_at_noon) == halves
    assert told.kind == "paternity"
