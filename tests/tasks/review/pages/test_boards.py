"""The boards: who sees what, down to which names, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tasks.followups.models import Task
from tasks.review.services import refresh_days
from tests.factories.guides import Org, holder_of, make_staff, make_store

from .conftest import NOW, late, names_url

pytestmark = pytest.mark.django_db


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
