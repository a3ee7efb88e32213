"""What a tap on a board does: urge, hand over, move, skip, spot-check, talk."""

from datetime import timedelta
from typing import Any

import pytest

from guides.org.models import Staff
from tasks.followups.models import SkipRequest, SpotCheck, Task, TaskEvidence, TaskMove, Urge
from tasks.review.models import StoreWeek
from tests.conftest import TestClock
from tests.factories.guides import Org, holder_of, make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxMessage

from .conftest import NOW, late, names_url, post

pytestmark = pytest.mark.django_db


def test_urging_says_what_went_out_and_what_was_urged_already(org: Org, as_: Any, clock: TestClock) -> None:
    first, second = late(org.guide), late(org.guide)
    manager = as_(org.manager)
    assert post(manager, "/m/review/urge/", task=[first.pk]).json()["said"] == "催了林晓雯 1 件"
    clock.advance(minutes=5)
    assert post(manager, "/m/review/urge/", task=[first.pk, second.pk]).json()["said"] == (
        "催了林晓雯 1 件，1 件两小时内催过，没有再催"
    )
    assert post(manager, "/m/review/urge/", task=[first.pk]).json()["said"] == "这 1 件两小时内都催过了"
    assert Urge.objects.count() == 2
    assert list(OutboxMessage.objects.values_list("kind", "recipient")) == [("urge", org.guide.wecom_user_id)] * 2


def test_urging_at_night_waits_for_the_morning(org: Org, as_: Any, clock: TestClock) -> None:
    task = late(org.guide)
    clock.travel("2025-03-05 22:30")
    said = post(as_(org.manager), "/m/review/urge/", task=[task.pk]).json()["said"]
    assert said == "现在免打扰，1 件 9:30 以后再发给林晓雯"
    assert parse_iso("2025-03-06 09:30") <= OutboxMessage.objects.get().due_at < parse_iso("2025-03-06 10:00")


def test_what_was_done_meanwhile_is_not_urged(org: Org, as_: Any) -> None:
    first, second = late(org.guide), late(org.guide, state="done", done_at=NOW)
    said = post(as_(org.manager), "/m/review/urge/", task=[first.pk, second.pk]).json()["said"]
    assert said == "催了林晓雯 1 件，1 件已经不用催了"


def test_urging_a_field_takes_its_overdue_tasks(org: Org, as_: Any) -> None:
    late(org.guide)
    late(org.guide, due_at=NOW + timedelta(hours=2))
    late(org.guide, task_type="followup_d30", node="d30")
    field = {"all": 1, "unit": org.store.unit_id, "guide": org.guide.pk, "type": "followup_d3"}
    assert post(as_(org.manager), "/m/review/urge/", **field).json()["said"] == "催了林晓雯 1 件"
    assert post(as_(org.manager), "/m/review/urge/").status_code == 422


def test_nobody_acts_on_tasks_out_of_sight(org: Org, as_: Any) -> None:
    other = late(org.stranger)
    manager = as_(org.manager)
    for path in ("urge", "hand-over", "due"):
        assert (
            post(
                manager, f"/m/review/{path}/", task=[other.pk], colleague=org.guide.pk, due_at="2025-03-05T20:00"
            ).status_code
            == 404
        )
    retail = as_(holder_of("hq_retail", org))
    assert post(retail, "/m/review/hand-over/", task=[other.pk], colleague=org.guide.pk).status_code == 404
    assert post(retail, "/m/review/urge/", task=[other.pk]).status_code == 403
    assert not Urge.objects.exists() and not TaskMove.objects.exists()


def test_handing_over_proposes_the_backup_and_can_be_taken_back(org: Org, as_: Any) -> None:
    make_staff(store=org.store, name="徐静")
    backup = make_staff(store=org.store, name="马丽")
    Staff.objects.filter(pk=org.guide.pk).update(backup_guide=backup)
    task = late(org.guide)
    manager = as_(org.manager)
    page = manager.get(names_url(org, org.guide)).text
    assert "转给马丽" in page and page.index("马丽（后备）") < page.index("徐静")
    answer = post(manager, "/m/review/hand-over/", task=[task.pk], colleague=backup.pk).json()
    assert answer["said"] == "1 件转给了马丽"
    task.refresh_from_db()
    assert task.assignee_id == backup.pk
    assert post(manager, answer["undo"]).json()["said"] == "1 件还给了原来的导购"
    task.refresh_from_db()
    assert task.assignee_id == org.guide.pk
    assert [move.new_assignee_id for move in TaskMove.objects.order_by("pk")] == [backup.pk, org.guide.pk]


def test_a_hand_over_is_not_taken_back_later_nor_by_another(org: Org, as_: Any, clock: TestClock) -> None:
    to = make_staff(store=org.store, name="马丽")
    task = late(org.guide)
    undo = post(as_(org.manager), "/m/review/hand-over/", task=[task.pk], colleague=to.pk).json()["undo"]
    other = make_staff("store_manager", store=org.store)
    assert post(as_(other), undo).json()["said"] == "没有可以撤销的"
    clock.advance(minutes=2)
    assert post(as_(org.manager), undo).status_code == 409


def test_a_colleague_of_another_store_cannot_take_over(org: Org, as_: Any) -> None:
    task = late(org.guide)
    refused = post(as_(org.manager), "/m/review/hand-over/", task=[task.pk], colleague=org.stranger.pk)
    assert refused.status_code == 422


def test_moving_the_due_time_stays_in_hours_and_before_the_end(org: Org, as_: Any) -> None:
    task = late(org.guide)
    manager = as_(org.manager)
    assert "营业时间" in post(manager, "/m/review/due/", task=[task.pk], due_at="2025-03-05T23:00").json()["detail"]
    assert "最晚到" in post(manager, "/m/review/due/", task=[task.pk], due_other="2025-03-20T12:00").json()["detail"]
    assert post(manager, "/m/review/due/", task=[task.pk]).json()["detail"] == "选一个新的截止时间"
    said = post(manager, "/m/review/due/", task=[task.pk], due_at="2025-03-05T20:00").json()["said"]
    assert said == "1 件改到 今天 20:00"
    task.refresh_from_db()
    assert task.due_at == parse_iso("2025-03-05 20:00")
    assert TaskMove.objects.get().old_due_at == NOW - timedelta(hours=3)


def test_htmx_gets_the_list_anew_with_a_toast(org: Org, as_: Any) -> None:
    task = late(org.guide)
    field = {"unit": org.store.unit_id, "guide": org.guide.pk, "type": "followup_d3", "tab": "late", "task": [task.pk]}
    answer = as_(org.manager).post("/m/review/urge/", field, headers={"HX-Request": "true"})
    assert "data-names-box" in answer.text and "<html" not in answer.text
    assert "review:changed" in answer.headers["HX-Trigger"] and "toast" in answer.headers["HX-Trigger"]


def test_the_same_tap_sent_twice_counts_once(org: Org, as_: Any) -> None:
    task = late(org.guide)
    manager = as_(org.manager)
    for _ in range(2):
        answer = manager.post(
            "/m/review/urge/", {"task": [task.pk]}, headers={"Accept": "application/json", "Idempotency-Key": "k1"}
        )
        assert answer.json()["said"] == "催了林晓雯 1 件"
    assert Urge.objects.count() == 1


# ---------------------------------------------------------------- decisions


def ask(task: Task, by: Staff) -> SkipRequest:
    return SkipRequest.objects.create(task=task, asked_by=by, reason="他出差了", asked_at=NOW)


def test_a_skip_request_is_approved_or_refused_with_a_sentence(org: Org, as_: Any) -> None:
    first, second = ask(late(org.guide), org.guide), ask(late(org.guide), org.guide)
    manager = as_(org.manager)
    assert "他出差了" in manager.get("/m/review/").text
    assert post(manager, f"/m/review/skips/{first.pk}/", approve=1).json()["said"] == "林晓雯的申请已批准，这件不做了"
    assert post(manager, f"/m/review/skips/{second.pk}/", approve=0).status_code == 422
    assert post(manager, f"/m/review/skips/{second.pk}/", approve=0, answer="再试一次电话").status_code == 200
    second.refresh_from_db()
    assert (second.state, second.answer, second.task.state) == ("refused", "再试一次电话", "open")
    first.refresh_from_db()
    assert first.task.state == "skipped"
    assert post(manager, f"/m/review/skips/{first.pk}/", approve=1).status_code == 409


def test_a_managers_own_request_goes_to_the_supervisor(org: Org, as_: Any) -> None:
    request = ask(late(org.manager), org.manager)
    assert "他出差了" not in as_(org.manager).get("/m/review/").text
    assert post(as_(org.manager), f"/m/review/skips/{request.pk}/", approve=1).status_code == 403
    supervisor = as_(holder_of("area_supervisor", org))
    assert "他出差了" in supervisor.get("/m/review/").text
    assert post(supervisor, f"/m/review/skips/{request.pk}/", approve=1).status_code == 200


def test_requests_of_another_store_do_not_exist(org: Org, as_: Any) -> None:
    request = ask(late(org.stranger), org.stranger)
    assert post(as_(org.manager), f"/m/review/skips/{request.pk}/", approve=1).status_code == 404


def test_a_spot_check_is_accepted_or_reopens_the_task(org: Org, as_: Any) -> None:
    checks = []
    for _ in range(2):
        task = late(
            org.guide, state="done", done_at=NOW - timedelta(hours=4), done_by=org.guide, evidence_kind="chat_claimed",
            evidence_level=0,
        )  # fmt: skip
        TaskEvidence.objects.create(
            task=task, kind="chat_claimed", level=0, at=task.done_at, payload={"note": "微信里发了"}
        )
        checks.append(SpotCheck.objects.create(task=task, week=NOW.date(), store=org.store))
    manager = as_(org.manager)
    page = manager.get("/m/review/").text
    assert "本周抽查还有 2 件" in page and "微信里发了" in page
    assert post(manager, f"/m/review/checks/{checks[0].pk}/", accept=1).json()["said"] == "记为属实"
    said = post(manager, f"/m/review/checks/{checks[1].pk}/", accept=0, note="聊天里没有").json()["said"]
    assert said == "记为不属实，任务退回给林晓雯"
    assert Task.objects.get(pk=checks[1].task_id).state == "open"


def test_the_talk_with_a_weak_store_is_recorded_once(org: Org, as_: Any) -> None:
    week = StoreWeek.objects.create(
        store=org.store,
        week=NOW.date() - timedelta(days=9),
        done_count=5,
        due_count=10,
        is_repeated=True,
        created_at=NOW,
    )
    member_manager = as_(holder_of("branch_member_manager", org))
    page = member_manager.get("/m/review/").text
    assert "上周低于 80% 的门店" in page and "连续两周低于 60%" in page
    assert post(member_manager, f"/m/review/weeks/{week.pk}/talk/", note="短").status_code == 422
    assert post(member_manager, f"/m/review/weeks/{week.pk}/talk/", note="每天早会过一遍名单").status_code == 200
    assert post(member_manager, f"/m/review/weeks/{week.pk}/talk/", note="每天早会过一遍名单").status_code == 409
    assert "每天早会过一遍名单" in member_manager.get("/m/review/").text
