"""补卡: asked with a reason, decided one level up, and then it counts."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from guides.approvals import services as approvals
from guides.approvals.models import Approval
from guides.approvals.services import AlreadyAsked, NotYoursToApprove, OwnRequest
from guides.attendance.clockin.corrections import NothingToMend, ask_correction
from guides.attendance.clockin.dayend import close_day
from guides.attendance.clockin.models import ClockCorrection, ClockPunch, ClockRecord
from guides.attendance.models import Shift
from guides.notices.models import Notification
from guides.org.models import Staff
from tests.factories.guides import Org, actor, holder_of, make_staff, sign_in
from yejibao.core.errors import Invalid
from yejibao.core.models import AuditEntry

from .conftest import WED, at
from .test_clock_in import fix, press

pytestmark = pytest.mark.django_db


def ask(
    person: Staff, when: str | Any = "09:24", *, side: str = "in", now: Any = None, **facts: Any
) -> ClockCorrection:
    given: dict[str, Any] = {"sort": "forgot", "reason": "早上忙忘了"} | facts
    return ask_correction(
        actor=actor(person), side=side, at=at(when) if isinstance(when, str) else when, now=now or at("18:00"), **given
    )  # fmt: skip


def approve(row: ClockCorrection, by: Staff, now: Any = None) -> None:
    assert row.approval is not None
    approvals.approve(Approval.objects.get(pk=row.approval_id), actor=actor(by), now=now or at("19:00"))


def test_a_forgotten_day_is_mended_by_her_manager(org: Org) -> None:
    close_day(WED, now=at("22:15"))
    tomorrow = at("10:00") + timedelta(days=1)
    row = ask(org.guide, now=tomorrow)
    assert (row.state, row.approval.title) == ("asked", "补上班卡 3-11 9:24")  # type: ignore[union-attr]
    assert Notification.objects.filter(staff=org.manager, key=f"approval:{row.approval_id}").exists()
    assert ClockRecord.objects.get(staff=org.guide).state == "missing"
    approve(row, org.manager, tomorrow)
    record, punch = ClockRecord.objects.get(staff=org.guide), ClockPunch.objects.get()
    assert (record.state, record.in_at, record.way) == ("normal", at("09:24"), "correction")
    assert (punch.source_key, punch.recorded_at) == (f"correction:{row.pk}", tomorrow)
    row.refresh_from_db()
    assert row.state == "approved"
    acts = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"approval.asked", "approval.given", "attendance.correction"} <= acts


def test_a_late_press_becomes_on_time_and_never_later(org: Org) -> None:
    press(org.guide, "09:41", where=fix())
    with pytest.raises(NothingToMend):
        ask(org.guide, "09:50")
    approve(ask(org.guide, "09:28"), org.manager)
    assert ClockRecord.objects.get().state == "normal"
    with pytest.raises(NothingToMend):
        ask(org.guide, "09:20")


def test_refused_or_withdrawn_it_counts_nothing(org: Org) -> None:
    row = ask(org.guide)
    approvals.refuse(row.approval, actor=actor(org.manager), now=at("19:00"), answer="监控里没看到")  # type: ignore[arg-type]
    row.refresh_from_db()
    assert (row.state, ClockPunch.objects.count()) == ("refused", 0)
    again = ask(org.guide)
    approvals.withdraw(again.approval, actor=actor(org.guide), now=at("19:00"))  # type: ignore[arg-type]
    again.refresh_from_db()
    assert again.state == "withdrawn" and not ClockRecord.objects.exists()


def test_nobody_mends_his_own_and_the_manager_s_goes_one_up(org: Org) -> None:
    supervisor = holder_of("area_supervisor", org)
    own = ask(org.manager)
    with pytest.raises(OwnRequest):
        approve(own, org.manager)
    with pytest.raises(NotYoursToApprove):
        approve(own, make_staff("store_manager", store=org.store))
    approve(own, supervisor)
    row = ask(org.guide)
    with pytest.raises(NotYoursToApprove):
        approve(row, org.stranger)


def test_one_of_a_day_and_side_waits(org: Org) -> None:
    ask(org.guide)
    with pytest.raises(AlreadyAsked):
        ask(org.guide, "09:20")
    assert ClockCorrection.objects.count() == 1


@pytest.mark.parametrize(
    "facts, field",
    [
        ({"reason": " "}, "reason"), ({"reason": "长" * 201}, "reason"), ({"sort": "lazy"}, "sort"), ({"side": "up"}, "side"),
        ({"when": "18:01"}, "at"), ({"when": at("09:24") - timedelta(days=8)}, "at"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_by_field(org: Org, facts: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        ask(org.guide, **facts)
    assert refused.value.errors[0]["field"] == field


def test_a_day_off_needs_no_mending_and_leaving_comes_after_coming(org: Org) -> None:
    Shift.objects.create(staff=org.guide, day=WED, kind="rest")
    with pytest.raises(NothingToMend):
        ask(org.guide)
    with pytest.raises(Invalid):
        ask(org.manager, "17:00", side="out")
    press(org.manager, where=fix())
    approve(ask(org.manager, "17:00", side="out"), holder_of("area_supervisor", org))
    assert ClockRecord.objects.get(staff=org.manager).out_at == at("17:00")


def test_the_form_takes_a_photo_and_a_distance_of_the_server(
    client: Client, org: Org, clock: Any, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    clock.travel(at("09:50"))
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, org.guide)
    page = client.get("/g/clock-in/mend/?live=1&side=in")
    assert page.status_code == 200 and "写原因打卡" in page.text
    from tests.walk.world import PICTURE

    photo = SimpleUploadedFile("a.png", PICTURE, "image/png")
    given = {"live": "1", "side": "in", "sort": "outside", "reason": "去德基店送货", "photo": photo, "stood": "made up"}
    answer = client.post("/g/clock-in/mend/", given)
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/g/clock-in/")
    row = ClockCorrection.objects.get()
    assert (row.at, row.distance_m, row.sort) == (at("09:50"), None, "outside")
    sign_in(client, org.manager)
    board = client.get("/m/attendance/")
    assert "去德基店送货" in board.text and "/files/" in board.text
    assert client.post(f"/m/attendance/mend/{row.pk}/", {"approve": "1"}).status_code == 302
    assert ClockRecord.objects.get().late_minutes == 20


def test_a_form_with_a_mistake_comes_back_with_what_was_typed(client: Client, org: Org, clock: Any) -> None:
    clock.travel(at("18:00"))
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, org.guide)
    page = client.post(
        "/g/clock-in/mend/", {"side": "in", "day": "2026-03-11", "at": "09:20", "sort": "phone", "reason": "x"}
    )
    assert page.status_code == 422 and "写一句为什么" in page.text and 'value="09:20"' in page.text
    assert client.post("/g/clock-in/mend/", {"side": "in", "day": "x", "at": "", "reason": "没电"}).status_code == 422


def test_who_sees_and_decides_on_the_board(client: Client, org: Org, clock: Any) -> None:
    row = ask(org.guide)
    clock.travel(at("18:30"))
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, make_staff("store_manager", store=org.other_store))
    assert client.post(f"/m/attendance/mend/{row.pk}/", {"approve": "1"}).status_code == 404
    sign_in(client, org.manager)
    assert client.post(f"/m/attendance/mend/{row.pk}/", {"answer": ""}).status_code == 422
    assert client.post(f"/m/attendance/mend/{row.pk}/", {"answer": "没看到人"}).status_code == 302
    sign_in(client, org.guide)
    page = client.get("/g/clock-in/month/")
    assert "没同意" in page.text and "早上忙忘了" in page.text


def test_her_own_request_is_withdrawn_from_the_month(client: Client, org: Org, clock: Any) -> None:
    row = ask(org.guide)
    clock.travel(at("18:30"))
    sign_in(client, org.stranger)
    assert client.post(f"/g/clock-in/mend/{row.pk}/withdraw/").status_code == 404
    sign_in(client, org.guide)
    assert client.post(f"/g/clock-in/mend/{row.pk}/withdraw/").status_code == 302
    row.refresh_from_db()
    assert row.state == "withdrawn"
