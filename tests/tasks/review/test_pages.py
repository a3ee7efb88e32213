"""The pages of the boards: who sees what, and what a tap does."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from python_calamine import CalamineWorkbook

from guides.exports.services import make_due
from guides.org.models import Staff
from tasks.followups.models import SkipRequest, SpotCheck, Task, TaskEvidence, TaskMove, Urge
from tasks.review.models import StoreWeek
from tasks.review.services import refresh_days
from tests.conftest import TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, holder_of, make_org, make_staff, make_store, sign_in
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxMessage

pytestmark = pytest.mark.django_db

NOW = parse_iso("2025-03-05 15:00")  # a Wednesday


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def as_(client: Client) -> Callable[[Staff], Client]:
    return lambda person: sign_in(client, person)


def late(guide: Staff, name: str = "刘伟民", **facts: Any) -> Task:
    member = make_member(owner=guide, name=name, tier_631="potential")
    order = make_order(member, paid_at="2025-03-01 15:00", guide=guide, amount_fen=69900)
    facts.setdefault("context", {"items": [{"name": "西裤", "fen": 69900}]})
    facts.setdefault("due_at", NOW - timedelta(hours=3))
    return make_task(member, guide, now=NOW - timedelta(days=1), order=order, **facts)


def names_url(org: Org, guide: Staff, **more: Any) -> str:
    query = {"unit": org.store.unit_id, "guide": guide.pk, "type": "followup_d3", **more}
    return "/m/review/names/?" + "&".join(f"{key}={value}" for key, value in query.items())


# ---------------------------------------------------------------- who sees what


def test_a_manager_sees_her_store_and_nothing_of_another(org: Org, as_: Any) -> None:
    late(org.guide)
    late(org.stranger, "欧阳建国")
    manager = as_(org.manager)
    page = manager.get("/m/review/")
    assert "新街口店" in page.text and "林晓雯" in page.text and "超时 1" in page.text
    assert "黄婷" not in page.text
    assert manager.get(f"/m/review/?unit={org.other_store.unit_id}").status_code == 404
    assert manager.get(f"/m/review/?unit={org.area.pk}").status_code == 404
    assert manager.get("/m/review/?unit=abc").status_code == 404
    assert "刘伟民" in manager.get(names_url(org, org.guide)).text
    assert manager.get(names_url(org, org.stranger)).status_code == 404
    assert manager.get(names_url(org, org.guide, unit=org.other_store.unit_id)).status_code == 404


def test_an_area_supervisor_drills_from_stores_to_masked_names(org: Org, as_: Any) -> None:
    make_store(area=org.area, name="南京夫子庙店", short_name="夫子庙店")
    late(org.guide)
    refresh_days(now=NOW)
    supervisor = as_(holder_of("area_supervisor", org))
    page = supervisor.get("/m/review/").text
    assert "南京一区" in page and "新街口店" in page and "夫子庙店" in page and "林晓雯" not in page
    assert f"?unit={org.store.unit_id}" in page
    page = supervisor.get(f"/m/review/?unit={org.store.unit_id}").text
    assert "林晓雯" in page and "南京一区" in page  # the way back up
    listed = supervisor.get(names_url(org, org.guide)).text
    assert "刘**" in listed and "刘伟民" not in listed
    assert supervisor.get(f"/m/review/?unit={org.other_area.pk}").status_code == 404


@pytest.mark.parametrize("role", ["region_manager", "branch_manager", "executive"])
def test_above_the_area_figures_end_at_the_store(org: Org, as_: Any, role: str) -> None:
    late(org.guide)
    refresh_days(now=NOW)
    person = as_(holder_of(role, org))
    assert person.get("/m/review/").status_code == 200
    page = person.get(f"/m/review/?unit={org.store.unit_id}").text
    assert "林晓雯" not in page and "导购的明细由店长和督导看" in page
    assert person.get(names_url(org, org.guide)).status_code == 403


@pytest.mark.parametrize(
    ("role", "opens"), [("branch_member_manager", True), ("hq_operator", True), ("hq_retail", False)]
)
def test_headquarters_reads_masked_names_or_figures(org: Org, as_: Any, role: str, opens: bool) -> None:
    late(org.guide)
    refresh_days(now=NOW)
    person = as_(holder_of(role, org))
    assert "林晓雯" in person.get(f"/m/review/?unit={org.store.unit_id}").text
    answer = person.get(names_url(org, org.guide))
    assert answer.status_code == (200 if opens else 403)
    assert "刘伟民" not in answer.text


def test_live_operators_see_their_own_kind_only(org: Org, as_: Any) -> None:
    late(org.guide)
    late(org.guide, task_type="live_followup_1", node="")
    refresh_days(now=NOW)
    page = as_(holder_of("live_operator", org)).get("/m/review/")
    assert page.context["figures"].overdue_count == 1


def test_a_guide_has_no_board(org: Org, as_: Any) -> None:
    guide = as_(org.guide)
    for path in ("/m/review/", "/m/review/names/"):
        assert guide.get(path).status_code == 403


def test_a_store_without_tasks_says_so(org: Org, as_: Any) -> None:
    page = as_(org.manager).get("/m/review/").text
    assert "这一段还没有到期的任务" in page and "—" in page and "林晓雯" in page


# ---------------------------------------------------------------- figures on the page


def queries_of(client: Client, path: str) -> int:
    client.get(path)  # what a process reads once
    with CaptureQueriesContext(connection) as context:
        assert client.get(path).status_code == 200
    return len(context)


def test_the_board_needs_the_same_queries_for_any_store(org: Org, as_: Any) -> None:
    found = []
    for more in (3, 27):
        for number in range(more):
            late(make_staff(store=org.store, name=f"导购{number}"), due_at=NOW - timedelta(hours=3 + 24 * (number % 3)))
        refresh_days(now=NOW)
        found.append(queries_of(as_(org.manager), "/m/review/"))
    assert found[0] == found[1] <= 18  # of these the places of the navigation count some for their badges
    assert len(as_(org.manager).get("/m/review/").context["lines"]) == 31


def test_a_unit_needs_the_same_queries_for_any_number_of_stores(org: Org, as_: Any) -> None:
    supervisor = as_(holder_of("area_supervisor", org))
    found = []
    for more in (3, 27):
        for _ in range(more):
            late(make_staff(store=make_store(area=org.area)))
        refresh_days(now=NOW)
        found.append(queries_of(supervisor, "/m/review/"))
    assert found[0] == found[1] <= 12
    assert len(supervisor.get("/m/review/").context["lines"]) == 31


def test_the_names_need_the_same_queries_for_any_number(org: Org, as_: Any) -> None:
    manager = as_(org.manager)
    found = []
    for more in (3, 27):
        for _ in range(more):
            late(org.guide)
        found.append(queries_of(manager, names_url(org, org.guide)))
    assert found[0] == found[1] <= 12
    assert len(manager.get(names_url(org, org.guide)).context["shown"]) == 30


def test_today_is_live_and_past_days_follow_what_changed(org: Org, as_: Any) -> None:
    today, past = late(org.guide), late(org.guide, due_at=NOW - timedelta(days=1))
    refresh_days(now=NOW)
    manager = as_(org.manager)
    assert manager.get("/m/review/").context["figures"].overdue_count == 2
    Task.objects.filter(pk__in=[today.pk, past.pk]).update(state="done", done_at=NOW)
    figures = manager.get("/m/review/").context["figures"]  # no job ran in between
    assert (figures.overdue_count, figures.done_count) == (0, 2)


def test_the_watch_list_says_how_late_and_why(org: Org, as_: Any) -> None:
    for _ in range(2):
        late(org.guide, hidden_until=NOW - timedelta(hours=1), hidden_reason="guide_busy")
    page = as_(org.manager).get("/m/review/").text
    assert "林晓雯　3 天回访 2 件超时" in page
    assert "最久超 3 时，多因手上有客人" in page


def test_held_tasks_stand_apart(org: Org, as_: Any) -> None:
    late(org.guide, held_at=NOW, held_reason="aftersale")
    page = as_(org.manager).get("/m/review/").text
    assert "另有 1 件暂缓" in page
    listed = as_(org.manager).get(names_url(org, org.guide, tab="held")).text
    assert "售后处理中" in listed and 'name="task"' not in listed


def test_the_list_says_who_bought_what_and_how_late(org: Org, as_: Any) -> None:
    late(org.guide)
    late(
        org.guide,
        "何建军",
        state="done",
        done_at=NOW - timedelta(hours=4),
        evidence_kind="chat_claimed",
        evidence_level=0,
    )
    page = as_(org.manager).get(names_url(org, org.guide)).text
    assert "应做 2，完成 1，超时 1，回复 0" in page
    assert "3-01 买西裤 ¥699" in page and "超 3 时" in page and "潜力" in page
    assert "手动确认" in as_(org.manager).get(names_url(org, org.guide, tab="done")).text


# ---------------------------------------------------------------- acts


def post(client: Client, path: str, **data: Any) -> Any:
    return client.post(path, data, headers={"Accept": "application/json"})


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


# ---------------------------------------------------------------- export


def exported(browser: Client, **given: Any) -> list[list[Any]]:
    """Export the board as a person does: ask, let it be made, download."""
    asked = post(browser, "/me/exports/ask/review/", **given)
    assert asked.status_code == 302, asked.text
    make_due(now=NOW, budget=timedelta(seconds=20))
    page = asked["Location"]
    assert "可以下载" in browser.get(page).text
    link = browser.post(f"{page}download/")["Location"]
    answer = browser.get(link)
    assert answer["Content-Type"].endswith("sheet") and "filename*=UTF-8''" in answer["Content-Disposition"]
    assert browser.get(link).status_code == 409
    return CalamineWorkbook.from_filelike(BytesIO(answer.content)).get_sheet_by_index(0).to_python()


def test_the_export_has_figures_per_guide_and_step_and_no_member(org: Org, as_: Any) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(name="=HYPERLINK(1)")
    late(org.guide)
    late(org.guide, state="done", done_at=NOW - timedelta(hours=4), evidence_level=2)
    manager = as_(org.manager)
    assert 'action="/me/exports/ask/review/"' in manager.get("/m/review/").text
    rows = exported(manager, unit=str(org.store.unit_id), **{"from": "2025-03-03", "to": "2025-03-05"})
    assert rows[0][0] == "任务复盘 新街口店 2025-03-03 至 2025-03-05"
    assert rows[1][0].startswith("陈国栋（店长）2025-03-05 15:00 导出")
    assert rows[2][:6] == ["门店", "导购", "步骤", "应做", "完成", "完成率"]
    assert rows[3][:6] == ["新街口店", "'=HYPERLINK(1)", "3 天回访", 2, 1, 0.5]
    assert rows[-1][0] == "合计" and rows[-1][3] == 2
    assert "刘伟民" not in str(rows)


def test_a_region_exports_by_store(org: Org, as_: Any) -> None:
    late(org.guide)
    late(org.stranger)
    refresh_days(now=NOW)
    rows = exported(as_(holder_of("region_manager", org)))
    assert [row[:3] for row in rows[2:]] == [
        ["门店", "步骤", "应做"], ["新街口店", "3 天回访", 1], ["观前店", "3 天回访", 1], ["合计", "", 2],
    ]  # fmt: skip


def test_a_store_out_of_sight_is_not_exported(org: Org, as_: Any) -> None:
    late(org.stranger)
    assert post(as_(org.manager), "/me/exports/ask/review/", unit=str(org.other_store.unit_id)).status_code == 404
