"""The managers' morning list and Monday's list of stores that fell behind."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from guides.org.models import Staff, Store
from tasks.cadences.models import CadenceVersion
from tasks.followups.models import Task, TaskNotice
from tasks.followups.push import escalate
from tasks.followups.upkeep import expire_tasks
from tasks.review.models import StoreWeek
from tasks.review.services import rebuild_days, send_daily_lists, send_weekly_lists
from tests.factories.crm import make_member
from tests.factories.guides import Org, holder_of, make_org, make_staff
from tests.factories.tasks import load_rules, make_task
from yejibao.core import outbox
from yejibao.core.clock import local_moment, parse_iso
from yejibao.core.models import OutboxMessage

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def rules() -> CadenceVersion:
    return load_rules()


def step(guide: Staff, node: str, due: str, version: CadenceVersion, **facts: Any) -> Task:
    facts.setdefault("priority", 3)
    return make_task(
        make_member(owner=guide), guide, now=parse_iso(due) - timedelta(hours=12), task_type=f"followup_{node}", node=node,
        due_at=parse_iso(due), cadence_version=version, **facts,
    )  # fmt: skip


def card_of(message: OutboxMessage, now: str) -> tuple[str, list[str]]:
    body = json.loads(outbox.messages._renderers[message.kind].render([message], now=parse_iso(now))[message.pk])
    return body["textcard"]["title"], body["textcard"]["description"].split("<br>")


def test_day_steps_come_on_the_list_the_morning_after_their_due_day(org: Org, rules: CadenceVersion) -> None:
    late = [step(org.guide, node, "2025-03-04 22:00", rules) for node in ("d3", "d30", "d60", "d90")]
    step(org.guide, "d3", "2025-03-05 22:00", rules)  # due today
    step(org.guide, "d3", "2025-03-04 22:00", rules, state="done", done_at=parse_iso("2025-03-04 21:00"))
    step(org.guide, "d30", "2025-03-04 22:00", rules, held_at=parse_iso("2025-03-04 12:00"), held_reason="aftersale")
    assert send_daily_lists(now=parse_iso("2025-03-05 09:59")) == {}
    assert send_daily_lists(now=parse_iso("2025-03-05 10:00")) == {"lists": 1, "tasks": 4}
    message = OutboxMessage.objects.get()
    assert (message.kind, message.recipient, message.due_at) == (
        "daily_list", org.manager.wecom_user_id, parse_iso("2025-03-05 10:00"),
    )  # fmt: skip
    assert set(TaskNotice.objects.values_list("task_id", flat=True)) == {task.pk for task in late}
    assert Task.objects.filter(escalated_at__isnull=False).count() == 4


def test_a_list_goes_out_once_a_morning_and_names_a_task_once(org: Org, rules: CadenceVersion) -> None:
    step(org.guide, "d3", "2025-03-04 22:00", rules)
    assert send_daily_lists(now=parse_iso("2025-03-05 10:00"))["lists"] == 1
    step(org.guide, "d30", "2025-03-04 22:00", rules)  # known later in the day
    assert send_daily_lists(now=parse_iso("2025-03-05 10:10")) == {"lists": 0, "tasks": 0}
    assert send_daily_lists(now=parse_iso("2025-03-06 10:00")) == {"lists": 1, "tasks": 1}
    assert send_daily_lists(now=parse_iso("2025-03-07 10:00")) == {}


def test_a_first_touch_is_pushed_at_once_and_listed_once_it_expired(org: Org, rules: CadenceVersion) -> None:
    task = step(org.guide, "m30", "2025-03-04 15:30", rules, priority=1, expire_at=parse_iso("2025-03-04 22:00"))
    assert escalate(now=parse_iso("2025-03-04 16:00")) == 1
    expire_tasks(now=parse_iso("2025-03-04 22:01"))
    assert send_daily_lists(now=parse_iso("2025-03-05 10:00")) == {"lists": 1, "tasks": 1}
    assert send_daily_lists(now=parse_iso("2025-03-06 10:00")) == {}
    message = OutboxMessage.objects.get(kind="daily_list")
    assert card_of(message, "2025-03-05 10:00") == ("昨天到现在有 1 件没跟上", ["晓雯 · 30 分钟回访 过期没做 1 件"])
    assert TaskNotice.objects.filter(task=task, kind="daily_list").count() == 1


def test_the_list_counts_by_guide_and_step_and_drops_what_is_done(org: Org, rules: CadenceVersion) -> None:
    other = make_staff(store=org.store, name="徐静", display_name="徐静")
    tasks = [step(org.guide, "d3", "2025-03-04 22:00", rules) for _ in range(3)]
    step(other, "d30", "2025-03-04 22:00", rules)
    send_daily_lists(now=parse_iso("2025-03-05 10:00"))
    Task.objects.filter(pk=tasks[0].pk).update(state="done", done_at=parse_iso("2025-03-05 10:00"))
    message = OutboxMessage.objects.get()
    assert card_of(message, "2025-03-05 10:00") == (
        "昨天到现在有 3 件没跟上", ["晓雯 · 3 天回访 超时 2 件", "徐静 · 30 天回访 超时 1 件"]
    )  # fmt: skip
    Task.objects.update(state="done", done_at=parse_iso("2025-03-05 10:00"))
    assert outbox.messages._renderers["daily_list"].render([message], now=parse_iso("2025-03-05 10:00")) == {
        message.pk: None
    }


def test_kinds_without_a_step_escalate_by_priority(org: Org) -> None:
    member = make_member(owner=org.guide)
    due = parse_iso("2025-03-04 22:00")
    for priority in (1, 2, 3, 4):
        make_task(member, org.guide, task_type="aftersale_care", due_at=due, priority=priority)
    assert send_daily_lists(now=parse_iso("2025-03-05 10:00")) == {"lists": 1, "tasks": 1}  # priority 2: next day 10:00
    assert send_daily_lists(now=parse_iso("2025-03-06 10:00")) == {"lists": 1, "tasks": 1}  # priority 3: due + 1 day


def test_a_store_that_opens_later_hears_at_its_opening(org: Org, rules: CadenceVersion) -> None:
    Store.objects.filter(pk=org.store.pk).update(opens_at="10:30")
    step(org.guide, "d3", "2025-03-04 22:00", rules)
    send_daily_lists(now=parse_iso("2025-03-05 10:00"))
    assert OutboxMessage.objects.get().due_at == parse_iso("2025-03-05 10:30")


def test_a_store_without_a_manager_reports_to_the_supervisor_or_waits(org: Org, rules: CadenceVersion) -> None:
    step(org.stranger, "d3", "2025-03-04 22:00", rules)
    assert send_daily_lists(now=parse_iso("2025-03-05 10:00")) == {"lists": 0, "tasks": 0}
    assert Task.objects.get().escalated_at is None
    supervisor = make_staff("area_supervisor", unit=org.other_area)
    assert send_daily_lists(now=parse_iso("2025-03-05 10:10")) == {"lists": 1, "tasks": 1}
    assert OutboxMessage.objects.get().recipient == supervisor.wecom_user_id


# ---------------------------------------------------------------- the week


def week_of(org: Org, guide: Staff, monday: date, *, done: int, missed: int) -> None:
    member = make_member(owner=guide)
    due = local_moment(monday + timedelta(days=2), parse_iso("2025-01-01 22:00").time())
    due = parse_iso(f"{monday + timedelta(days=2)} 21:00")
    for number in range(done + missed):
        facts = {"state": "done", "done_at": due} if number < done else {"state": "expired"}
        make_task(member, guide, now=due - timedelta(hours=9), due_at=due, **facts)


MONDAY = date(2025, 3, 10)
AT_TEN = parse_iso("2025-03-10 10:00")


def judge(now: Any = AT_TEN) -> dict[str, int]:
    rebuild_days(start=date(2025, 2, 20), end=date(2025, 3, 17), now=now)
    return send_weekly_lists(now=now)


def test_below_80_percent_the_supervisor_is_told_once(org: Org) -> None:
    supervisor = holder_of("area_supervisor", org)
    week_of(org, org.guide, date(2025, 3, 3), done=15, missed=5)  # 75 %
    week_of(org, org.stranger, date(2025, 3, 3), done=16, missed=4)  # exactly 80 %
    assert send_weekly_lists(now=parse_iso("2025-03-10 09:59")) == {}
    assert judge() == {"weak": 1, "lists": 1}
    assert judge() == {"weak": 0, "lists": 1}
    message = OutboxMessage.objects.get()
    assert (message.kind, message.recipient) == ("weekly_list", supervisor.wecom_user_id)
    assert card_of(message, "2025-03-10 10:00") == ("上周 1 家店跟进低于 80%", ["新街口店 75%（15/20）"])
    week = StoreWeek.objects.get()
    assert (week.week, week.done_count, week.due_count, week.is_repeated) == (date(2025, 3, 3), 15, 20, False)


def test_below_60_percent_twice_the_branch_is_told_as_well(org: Org) -> None:
    branch = holder_of("branch_member_manager", org)
    week_of(org, org.guide, date(2025, 2, 24), done=5, missed=5)
    assert judge(parse_iso("2025-03-03 10:00")) == {"weak": 1, "lists": 0}
    assert not StoreWeek.objects.get().is_repeated
    week_of(org, org.guide, date(2025, 3, 3), done=5, missed=5)
    assert judge() == {"weak": 1, "lists": 1}
    message = OutboxMessage.objects.get()
    assert message.recipient == branch.wecom_user_id
    title, lines = card_of(message, "2025-03-10 10:00")
    assert title == "1 家店连续两周低于 60%"
    assert lines == ["新街口店 50%（5/10）", "请和店长谈一次，记在复盘里"]


def test_what_is_not_3369_does_not_count_for_the_week(org: Org) -> None:
    member = make_member(owner=org.guide)
    due = parse_iso("2025-03-05 22:00")
    make_task(member, org.guide, task_type="aftersale_care", due_at=due, state="expired")
    assert judge() == {"weak": 0, "lists": 0}
