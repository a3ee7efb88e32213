"""What the engine and the acts leave in 消息, with the push and without."""

from datetime import timedelta
from typing import Any

import pytest

from guides.notices.models import Notification
from guides.org.models import Staff
from tasks.followups import services
from tasks.followups.models import SpotCheck, Task
from tasks.followups.push import escalate, queue_notices
from tasks.followups.told import settle_told
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff
from tests.factories.tasks import load_rules, make_task
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxMessage

pytestmark = pytest.mark.django_db

NOW = parse_iso("2025-03-04 15:00")


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    load_rules()
    return make_org()


def waiting(guide: Staff, name: str = "王建平", **facts: Any) -> Task:
    member = make_member(owner=guide, name=name)
    make_friend(member, guide)
    return make_task(member, guide, now=NOW, tell_at=NOW, **facts)


def told(person: Staff) -> list[tuple[str, str, str]]:
    rows = Notification.objects.filter(staff=person, read_at=None).order_by("key")
    return [(row.kind, row.title, row.url) for row in rows]


def test_tasks_are_noted_with_the_push_and_without_the_sender(org: Org) -> None:
    urgent = waiting(org.guide, node="m30", task_type="followup_m30", priority=1)
    waiting(org.guide, "李敏")
    waiting(org.guide, "赵启明")
    queue_notices(now=NOW)
    assert told(org.guide) == [
        ("task", "有新任务要跟进", "/g/today/"), ("task", "王建平 · 30 分钟回访", f"/g/tasks/{urgent.pk}/"),
    ]  # fmt: skip
    assert {row.message.kind for row in Notification.objects.select_related("message")} == {"task", "digest"}
    assert Notification.objects.get(key=f"task:{urgent.pk}").text == urgent.why
    assert OutboxMessage.objects.filter(state="pending").count() == 2


def test_a_reminder_takes_the_place_of_the_first(org: Org) -> None:
    task = waiting(org.guide, node="m30", task_type="followup_m30", priority=1)
    queue_notices(now=NOW)
    later = NOW + timedelta(minutes=20)
    Task.objects.filter(pk=task.pk).update(tell_at=later)
    queue_notices(now=later)
    [one] = Notification.objects.all()
    assert (one.at, one.message_id) == (later, OutboxMessage.objects.latest("pk").pk)


def test_done_work_needs_no_reading(org: Org) -> None:
    tasks = [
        waiting(org.guide, name, node="m30", task_type="followup_m30", priority=1)
        for name in ("王建平", "李敏", "赵启明", "孙丽")
    ]
    queue_notices(now=NOW)
    services.record_claimed(tasks[0], actor=actor(org.guide), now=NOW)
    assert len(told(org.guide)) == 3
    Task.objects.filter(pk=tasks[1].pk).update(state="expired")
    services.reassign([tasks[2]], actor=actor(org.manager), to=make_staff(store=org.store), reason="去吃饭了", now=NOW)
    assert settle_told(now=NOW) == 2
    assert told(org.guide) == [("task", "孙丽 · 30 分钟回访", f"/g/tasks/{tasks[3].pk}/")]


def test_a_skip_goes_to_the_manager_and_the_answer_comes_back(org: Org) -> None:
    task = waiting(org.guide)
    request = services.ask_skip(task, actor=actor(org.guide), reason="他出差了", now=NOW)
    assert told(org.manager) == [("approval", "晓雯申请跳过王建平", "/m/review/#skips")]
    services.decide_skip(request, actor=actor(org.manager), approve=False, now=NOW, answer="再试一次")
    assert told(org.guide) == [("approval", "王建平的跳过没批", f"/g/tasks/{task.pk}/")]


def test_the_managers_own_skip_goes_up(org: Org) -> None:
    above = holder_of("area_supervisor", org)
    services.ask_skip(waiting(org.manager), actor=actor(org.manager), reason="他出差了", now=NOW)
    assert (told(org.manager), len(told(above))) == ([], 1)


def test_urges_late_work_and_failed_checks(org: Org) -> None:
    task = waiting(org.guide)
    services.urge([task], actor=actor(org.manager), now=NOW)
    assert told(org.guide) == [("task", "店长提醒你 1 件事", "/g/today/")]
    Task.objects.update(due_at=NOW - timedelta(minutes=40), priority=1, cadence_version=None)
    escalate(now=NOW)
    assert told(org.manager) == [("review", "1 件超时了，要你看一下", "/m/review/")]
    services.record_claimed(task, actor=actor(org.guide), now=NOW)
    check = SpotCheck.objects.create(task=task, week=NOW.date(), store=org.store)
    services.judge_spot_check(check, actor=actor(org.manager), accept=False, now=NOW, note="没有聊天记录")
    assert ("review", "王建平这件抽查没通过", f"/g/tasks/{task.pk}/") in told(org.guide)
