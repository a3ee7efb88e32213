"""Tasks over HTTP: the list, one task, and the acts with their keys and refusals."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tasks.followups.models import PendingSend, Reach, SkipRequest, Task, TaskEvidence
from tasks.scripts.loading import load_scripts
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, make_org, sign_in
from tests.factories.tasks import LOADED_AT, load_rules, make_task
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:10")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture(autouse=True)
def _ten_past_ten(clock: TestClock) -> None:
    clock.travel(NOW)


@pytest.fixture
def api(client: Client, org: Org) -> Client:
    """The guide's client."""
    return sign_in(client, org.guide)


@pytest.fixture
def task(org: Org) -> Task:
    """The guide's d3 task of a friend."""
    load_scripts(now=LOADED_AT)
    member = make_member(owner=org.guide, salutation="王哥", phone="13800132075", phone_consent=True)
    make_friend(member, external_user_id="wmWang")
    return make_task(member, org.guide, now=NOW - timedelta(hours=1), cadence_version=load_rules())


def post(api: Client, task: Task, act: str, key: str = "", **data: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(f"/api/v1/tasks/{task.pk}/{act}/", data, content_type="application/json", headers=headers)


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("rows", [1, 15, 40])
def test_the_list_needs_two_statements_for_any_length(
    api: Client, org: Org, rows: int, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(rows):
        make_task(make_member(owner=org.guide), org.guide, now=NOW - timedelta(hours=1))
    make_task(make_member(owner=org.stranger), org.stranger, now=NOW)
    with django_assert_num_queries(2):  # who am I and what may I see, in one; the page
        answer = api.get("/api/v1/tasks/").json()
    assert len(answer["results"]) == min(rows, 20)
    assert (answer["next_cursor"] is not None) == (rows > 20)


def test_a_row_says_all_a_card_needs(api: Client, org: Org, task: Task) -> None:
    (row,) = api.get("/api/v1/tasks/").json()["results"]
    moments = {key: parse_iso(row.pop(key)) for key in ("open_at", "due_at", "expire_at")}
    assert moments == {key: getattr(task, key) for key in moments}
    assert row == {
        "id": task.pk, "type": "followup_d3", "node": "d3", "label": "3 天回访", "state": "open", "section": "today",
        "is_overdue": False, "priority": 2, "channel": "wecom_message", "done_at": None, "hidden_until": None, "outcome": "",
        "evidence_level": None, "why": task.why,
        "member": {"id": str(task.member.public_id), "name": "王建国", "called": "王哥", "tier": "unconsumed", "level": "V1"},
        "assignee": {"id": org.guide.pk, "name": "林晓雯"},
    }  # fmt: skip


def test_filters_narrow_and_unknown_ones_are_refused(api: Client, org: Org, task: Task) -> None:
    make_task(task.member, org.guide, now=NOW, task_type="followup_d30", state="done", done_at=NOW)
    assert [row["id"] for row in api.get("/api/v1/tasks/?type=followup_d3").json()["results"]] == [task.pk]
    assert api.get("/api/v1/tasks/?type=followup_d90").json()["results"] == []
    assert [row["state"] for row in api.get("/api/v1/tasks/?state=done").json()["results"]] == ["done"]
    assert api.get("/api/v1/tasks/?state=later").status_code == 422
    assert api.get("/api/v1/tasks/?cursor=zzz").json()["code"] == "input.malformed"


def test_a_manager_sees_her_store_and_a_stranger_nothing(client: Client, org: Org, task: Task) -> None:
    assert len(sign_in(client, org.manager).get("/api/v1/tasks/").json()["results"]) == 1
    assert client.get("/api/v1/tasks/?mine=1").json()["results"] == []
    sign_in(client, org.stranger)
    assert client.get("/api/v1/tasks/").json()["results"] == []
    assert client.get(f"/api/v1/tasks/{task.pk}/").status_code == 404
    assert post(client, task, "claimed").json()["code"] == "not_found"
    assert Client().get("/api/v1/tasks/").status_code in (401, 403)


def test_one_task_brings_its_scripts(api: Client, task: Task) -> None:
    answer = api.get(f"/api/v1/tasks/{task.pk}/").json()
    assert (answer["headline"], answer["can_do"], answer["can_chat"]) == ("问问合不合身，小毛病趁早改", True, True)
    assert [one["key"] for one in answer["outcomes"]] == ["fit_ok", "fit_problem", "no_reply", "do_not_disturb"]
    assert answer["scripts"] and all("王哥" in script["text"] for script in answer["scripts"])


# ---------------------------------------------------------------- acts


def test_prepared_sent_and_taken_back(api: Client, task: Task) -> None:
    prepared = post(api, task, "send", text="王哥，合身吗？").json()
    assert (prepared["text"], prepared["external_user_id"]) == ("王哥，合身吗？", "wmWang")
    assert PendingSend.objects.get().task_id == task.pk
    sent = post(api, task, "sent", text="王哥，合身吗？", was_edited=True, receipt={"errMsg": "sendChatMessage:ok"})
    assert (sent.json()["state"], sent.json()["evidence_level"], sent.json()["evidence_kind"]) == (
        "done",
        2,
        "chat_sent",
    )
    assert Reach.objects.get().task_id == task.pk
    assert post(api, task, "undo").json()["state"] == "open"
    assert post(api, task, "undo").status_code == 409


def test_without_a_text_the_best_script_goes_along(api: Client, task: Task) -> None:
    prepared = post(api, task, "send").json()
    best = api.get(f"/api/v1/tasks/{task.pk}/").json()["scripts"][0]
    assert (prepared["script_key"], prepared["text"]) == (best["key"], best["text"])


def test_the_same_key_acts_once(api: Client, task: Task) -> None:
    first = post(api, task, "claimed", key="k1", text="发了")
    again = post(api, task, "claimed", key="k1", text="发了")
    assert (first.status_code, first.json()) == (200, again.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert TaskEvidence.objects.filter(task=task).count() == 1
    assert post(api, task, "claimed", key="k1", text="别的").json()["code"] == "idempotency.mismatch"
    assert post(api, task, "claimed", key="k2", text="发了").status_code == 409


def test_a_rule_that_ends_the_task_stands_though_the_send_is_refused(api: Client, task: Task) -> None:
    task.member.do_not_contact = True
    task.member.save(update_fields=["do_not_contact"])
    answer = post(api, task, "send", key="k1", text="王哥")
    assert (answer.status_code, answer.json()["code"]) == (409, "task.not_sendable")
    assert answer.headers["Content-Type"] == "application/problem+json"
    task.refresh_from_db()
    assert (task.state, task.closed_reason) == ("skipped", "do_not_contact")
    assert post(api, task, "send", key="k1", text="王哥").json()["code"] == "task.not_sendable"


@pytest.mark.parametrize(("moment", "status"), [("2026-11-21 21:59", 200), ("2026-11-21 22:00", 409)])
def test_nothing_leaves_in_the_quiet_hours(api: Client, task: Task, clock: TestClock, moment: str, status: int) -> None:
    clock.travel(moment)
    for act in ("send", "sent"):
        answer = post(api, task, act, text="王哥，合身吗？")
        assert answer.status_code == status
        if status == 409:
            assert (answer.json()["code"], answer.json()["detail"]) == ("quiet_hours", "免打扰时段，09:30 后可以发")


def test_a_call_needs_a_result_and_a_note(api: Client, task: Task) -> None:
    short = post(api, task, "call", result="connected", note="好")
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "note")
    assert post(api, task, "call", result="busy", note="打过去占线").status_code == 422
    done = post(api, task, "call", result="connected", note="尺码合适，周末来改裤长").json()
    assert (done["state"], done["evidence_kind"], done["evidence_level"]) == ("done", "call_logged", 2)


def test_tasks_done_along_the_way_are_done_too(api: Client, org: Org, task: Task) -> None:
    other = make_task(task.member, org.guide, now=NOW, task_type="followup_d30")
    strange = make_task(make_member(owner=org.guide), org.guide, now=NOW)
    post(api, task, "claimed", text="一起说了", also=[other.pk, strange.pk])
    states = dict(Task.objects.values_list("pk", "state"))
    assert states == {task.pk: "done", other.pk: "done", strange.pk: "open"}


def test_an_outcome_can_be_set_and_changed(api: Client, task: Task) -> None:
    post(api, task, "claimed", text="发了")
    assert post(api, task, "outcome", outcome="fit_ok").json()["outcome"] == "fit_ok"
    assert post(api, task, "outcome", outcome="fit_problem").json()["outcome"] == "fit_problem"
    assert post(api, task, "outcome", outcome="great").status_code == 422


def test_later_hides_the_card_and_leaves_the_due_time(api: Client, task: Task) -> None:
    until = NOW + timedelta(hours=2)
    answer = post(api, task, "later", until=until.isoformat(), reason="member_busy").json()
    assert parse_iso(answer["hidden_until"]) == until and parse_iso(answer["due_at"]) == task.due_at
    assert api.get("/api/v1/tasks/").json()["results"] == []
    night = parse_iso("2026-11-21 23:00")
    assert post(api, task, "later", until=night.isoformat(), reason="member_busy").status_code == 422
    assert post(api, task, "later", until=until.isoformat(), reason="lazy").status_code == 422


def test_a_skip_is_asked_once(api: Client, task: Task) -> None:
    assert post(api, task, "skip-request", reason="他最近出差").json()["state"] == "asked"
    assert post(api, task, "skip-request", reason="他最近出差").status_code == 409
    assert SkipRequest.objects.count() == 1
