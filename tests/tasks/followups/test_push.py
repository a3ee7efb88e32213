"""What guides and managers are told, when, and how often; the stand-in of the platform counts what arrived."""

import json
import re
from collections import Counter, defaultdict
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from crm.members.models import Member
from guides.attendance.models import Shift
from guides.org.models import RoleAssignment, Staff
from tasks.followups import services
from tasks.followups.models import Task, TaskNotice
from tasks.followups.push import escalate, queue_notices
from tasks.followups.tick import tick
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store
from tests.factories.platform import Platform
from tests.factories.tasks import enroll, load_rules, local, make_task, open_at, open_until
from yejibao.core.clock import SHANGHAI, parse_iso
from yejibao.core.models import OutboxMessage
from yejibao.core.outbox import deciding
from yejibao.wecom.sender import drain_messages

pytestmark = pytest.mark.django_db

MORNING = parse_iso("2025-03-04 10:00")


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(MORNING)
    load_rules()
    org = make_org()
    Staff.objects.filter(pk=org.guide.pk).update(digest_minute=3)  # 09:34, 10:04, 10:34 …
    org.guide.refresh_from_db()
    return org


@pytest.fixture
def platform(sandbox: SandboxControl, clock: TestClock, org: Org) -> Platform:
    platform = Platform(sandbox, clock)
    platform.join(org.guide, org.manager, org.stranger)
    return platform


def friend(guide: Staff, name: str = "王建国", **facts: Any) -> Member:
    member = make_member(owner=guide, name=name, phone="13800132075", **facts)
    make_friend(member, guide)
    return member


def waiting(guide: Staff, number: int = 1, *, now: datetime = MORNING, **facts: Any) -> list[Task]:
    """Open tasks of a guide that she has not been told of."""
    return [make_task(friend(guide), guide, now=now, tell_at=now, **facts) for _ in range(number)]


def buy(guide: Staff, paid_at: str, **facts: Any) -> Member:
    member = friend(guide, **facts)
    enroll(make_order(member, paid_at=paid_at, guide=guide))
    return member


def queued(kind: str = "") -> list[tuple[str, str]]:
    rows = OutboxMessage.objects.filter(kind=kind) if kind else OutboxMessage.objects.all()
    return [(row.kind, str(local(row.due_at))) for row in rows.order_by("due_at", "pk")]


# ---------------------------------------------------------------- urgent: alone, at once


def test_the_first_touch_is_told_alone_and_at_once(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00", name="王建平")
    platform.beat("2025-03-04 15:00")
    [(at, title, lines)] = platform.got(org.guide)
    assert (at, title) == ("03-04 15:00", "王建平 · 30 分钟回访")
    assert "15:30 前" in lines and "13800132075" not in lines
    task = Task.objects.get()
    assert list(TaskNotice.objects.values_list("task", "kind")) == [(task.pk, "opened")]


def test_the_first_touch_is_reminded_ten_minutes_before_and_at_its_due(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00")
    platform.beat_until("2025-03-04 15:59", start="2025-03-04 15:00")
    assert [at for at, *_ in platform.got(org.guide)] == ["03-04 15:00", "03-04 15:20", "03-04 15:30"]
    assert list(TaskNotice.objects.order_by("pk").values_list("kind", flat=True)) == ["opened", "reminder", "reminder"]


def test_done_in_between_is_not_reminded(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00")
    platform.beat("2025-03-04 15:00")
    now = parse_iso("2025-03-04 15:10")
    services.record_sent(Task.objects.get(), actor=actor(org.guide), text="您好", now=now)
    platform.beat_until("2025-03-04 16:30", start="2025-03-04 15:10")
    assert (len(platform.got(org.guide)), platform.got(org.manager)) == (1, [])


def test_done_between_queue_and_claim_is_not_told(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00")
    now = platform.travel("2025-03-04 15:00")
    tick(now=now)
    services.record_sent(Task.objects.get(), actor=actor(org.guide), text="您好", now=now)
    drain_messages()
    assert platform.got() == []
    assert OutboxMessage.objects.get().state == "cancelled"


def test_handed_on_between_queue_and_claim_tells_the_new_one_only(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00")
    now = platform.travel("2025-03-04 15:00")
    tick(now=now)
    colleague = make_staff("guide", store=org.store)
    platform.join(org.guide, org.manager, colleague)
    services.reassign([Task.objects.get()], actor=actor(org.manager), to=colleague, reason="去吃饭了", now=now)
    platform.beat("2025-03-04 15:01")
    assert (platform.got(org.guide), len(platform.got(colleague))) == ([], 1)


# ---------------------------------------------------------------- the rest: one digest a window


def test_one_digest_a_guide_and_window(org: Org, platform: Platform) -> None:
    waiting(org.guide, 2)
    platform.beat("2025-03-04 10:00")
    waiting(org.guide, 1, now=parse_iso("2025-03-04 10:02"))
    platform.beat_until("2025-03-04 10:20", start="2025-03-04 10:01")
    [(at, title, lines)] = platform.got(org.guide)
    assert (at, title, lines.count("<br>")) == ("03-04 10:04", "有 3 件事要跟进", 2)
    assert TaskNotice.objects.count() == 3


def test_eight_are_named_and_the_rest_comes_with_the_next_window(org: Org, platform: Platform) -> None:
    tasks = waiting(org.guide, 11)
    platform.beat_until("2025-03-04 11:00", start="2025-03-04 10:00")
    first, second = platform.got(org.guide)
    assert (first[0], first[1], first[2].count("王建国")) == ("03-04 10:04", "有 11 件事要跟进", 8)
    assert (second[0], second[1], second[2].count("王建国")) == ("03-04 10:34", "有 3 件事要跟进", 3)
    assert "还有 3 件" in first[2]
    named = TaskNotice.objects.values_list("task_id", flat=True)
    assert sorted(named) == sorted(task.pk for task in tasks)  # each once


def test_what_was_done_meanwhile_is_not_named_and_nothing_left_is_nothing_sent(org: Org, platform: Platform) -> None:
    gone, left = waiting(org.guide, 2)
    hers = waiting(org.stranger)[0]
    platform.beat("2025-03-04 10:00")
    Task.objects.filter(pk__in=[gone.pk, hers.pk]).update(state="done", done_at=MORNING, tell_at=None)
    platform.beat_until("2025-03-04 10:40", start="2025-03-04 10:01")
    [(_, title, _)] = platform.got(org.guide)
    assert (title, TaskNotice.objects.get().task_id) == ("有 1 件事要跟进", left.pk)
    assert platform.got(org.stranger) == []
    assert OutboxMessage.objects.get(recipient=org.stranger.wecom_user_id).state == "cancelled"


@pytest.mark.parametrize("opens", ["09:30", "10:00", "09:50", "09:55"])
@pytest.mark.parametrize("minute", [1, 4, 9, 10, 19, 29])
def test_windows_never_start_at_a_full_or_half_hour(org: Org, opens: str, minute: int) -> None:
    store = make_store(opens_at=time.fromisoformat(opens))
    guide = make_staff("guide", store=store, digest_minute=minute)
    for at in (opens, "11:00", "11:29", "14:07", "21:00"):
        waiting(guide, now=parse_iso(f"2025-03-04 {at}"))
        queue_notices(now=parse_iso(f"2025-03-04 {at}"))
    opened = parse_iso(f"2025-03-04 {opens}")
    dues = sorted(OutboxMessage.objects.values_list("due_at", flat=True))
    assert len(dues) >= 4 and all(due.astimezone(SHANGHAI).minute % 30 for due in dues)
    assert timedelta(minutes=1) <= dues[0] - opened <= timedelta(minutes=11)
    assert all((due - dues[0]) % timedelta(minutes=30) == timedelta(0) for due in dues)


def test_the_first_wave_takes_along_what_opens_while_it_runs(org: Org, platform: Platform) -> None:
    waiting(org.guide, now=parse_iso("2025-03-04 09:37"))  # her moment of the wave, 09:34, is past
    platform.beat_until("2025-03-04 10:10", start="2025-03-04 09:37")
    assert [at for at, *_ in platform.got(org.guide)] == ["03-04 09:37"]
    waiting(org.stranger, now=parse_iso("2025-03-05 09:41"))  # the wave is over
    platform.beat_until("2025-03-05 10:10", start="2025-03-05 09:41")
    assert [at for at, *_ in platform.got(org.stranger)] == ["03-05 10:08"]


def test_the_wave_is_one_message_a_person_too(org: Org, platform: Platform) -> None:
    waiting(org.guide, 2, now=parse_iso("2025-03-04 09:30"))
    platform.beat_until("2025-03-04 09:36", start="2025-03-04 09:30")
    waiting(org.guide, 2, now=parse_iso("2025-03-04 09:36"))
    platform.beat_until("2025-03-04 10:10", start="2025-03-04 09:37")
    assert [(at, title) for at, title, _ in platform.got(org.guide)] == [
        ("03-04 09:34", "有 2 件事要跟进"),
        ("03-04 10:04", "有 2 件事要跟进"),
    ]


# ---------------------------------------------------------------- reminders of the steps


def play_day(platform: Platform, day: str) -> None:
    """Beat each two minutes where reminders stand, now and then in between."""
    for start, end, minutes in (
        ("09:30", "09:40", 2), ("10:06", "17:36", 90), ("18:00", "18:10", 2), ("18:36", "19:06", 30),
        ("19:30", "19:40", 2), ("20:06", "21:36", 90),
    ):  # fmt: skip
        platform.beat_until(f"{day} {end}", start=f"{day} {start}", every=timedelta(minutes=minutes))


def test_the_fit_question_in_the_morning_and_at_half_past_seven(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-01 15:00")
    open_until("2025-03-01 15:00")
    Task.objects.update(state="done", done_at=MORNING, tell_at=None)
    play_day(platform, "2025-03-04")
    play_day(platform, "2025-03-05")
    assert [at for at, *_ in platform.got(org.guide)] == ["03-04 09:34", "03-04 19:34"]


def test_the_outfit_step_on_its_day_and_two_days_later_at_six(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-01 15:00")
    open_until("2025-03-05 10:00")
    Task.objects.update(state="done", done_at=MORNING, tell_at=None)
    for day in ("2025-03-31", "2025-04-01", "2025-04-02", "2025-04-03"):
        play_day(platform, day)
    assert [at for at, *_ in platform.got(org.guide)] == ["03-31 09:34", "04-02 18:04"]


# ---------------------------------------------------------------- when nobody is told


@pytest.mark.parametrize("at", ["2025-03-04 22:00", "2025-03-05 00:30", "2025-03-05 09:29:59"])
def test_quiet_hours_queue_nothing(org: Org, at: str) -> None:
    waiting(org.guide, 3, now=parse_iso("2025-03-04 21:50"), expire_at=parse_iso("2025-03-08 22:00"))
    waiting(org.guide, 1, priority=1, now=parse_iso("2025-03-04 21:50"), expire_at=parse_iso("2025-03-08 22:00"))
    assert queue_notices(now=parse_iso(at)) == {"urgent": 0, "digests": 0, "due": 0}
    assert queue_notices(now=parse_iso("2025-03-05 09:30")) == {"urgent": 1, "digests": 1, "due": 4}
    assert queued() == [("task", "2025-03-05 09:30"), ("digest", "2025-03-05 09:34")]


def test_nothing_leaves_after_closing_though_it_was_queued_before(org: Org, platform: Platform) -> None:
    waiting(org.guide, priority=1, now=parse_iso("2025-03-04 21:50"), expire_at=parse_iso("2025-03-08 22:00"))
    waiting(org.guide, now=parse_iso("2025-03-04 21:20"))
    tick(now=platform.travel("2025-03-04 21:50"))
    assert {local(m.not_after) for m in OutboxMessage.objects.all()} == {"2025-03-04 22:00"}
    platform.travel("2025-03-04 22:01")
    drain_messages()
    assert (platform.got(), set(OutboxMessage.objects.values_list("state", flat=True))) == ([], {"expired"})


def test_a_window_past_closing_waits_for_the_morning(org: Org, platform: Platform) -> None:
    waiting(org.guide, now=parse_iso("2025-03-04 21:40"))
    platform.beat_until("2025-03-04 22:10", start="2025-03-04 21:40")
    assert platform.got() == []
    platform.beat_until("2025-03-05 09:40", start="2025-03-05 09:30")
    assert [at for at, *_ in platform.got(org.guide)] == ["03-05 09:34"]


def test_held_hidden_and_resting_are_not_told(org: Org) -> None:
    waiting(org.guide, held_at=MORNING, held_reason="aftersale")
    waiting(org.guide, hidden_until=MORNING + timedelta(hours=3))
    waiting(org.stranger)
    Shift.objects.create(staff=org.stranger, day=date(2025, 3, 4), kind="rest")
    assert queue_notices(now=MORNING) == {"urgent": 0, "digests": 0, "due": 0}
    assert queue_notices(now=parse_iso("2025-03-05 09:30"))["digests"] == 2  # back at work; the other's time has come


# ---------------------------------------------------------------- managers


def test_a_late_first_touch_is_told_to_the_manager_half_an_hour_later(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00", name="王建平")
    platform.beat_until("2025-03-04 16:10", start="2025-03-04 15:00")
    [(at, title, lines)] = platform.got(org.manager)
    assert (at, title, lines) == ("03-04 16:00", "1 件超时了，要你看一下", "王建平 · 30 分钟回访 · 晓雯")
    assert escalate(now=parse_iso("2025-03-04 16:11")) == 0


def test_late_at_different_beats_each_is_told(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00", name="王建平")
    buy(org.guide, "2025-03-04 15:02", name="刘志强")
    platform.beat_until("2025-03-04 16:10", start="2025-03-04 15:00")
    assert [lines[:3] for _, _, lines in platform.got(org.manager)] == ["王建平", "刘志强"]


def test_a_store_without_a_manager_tells_the_area_supervisor(org: Org, platform: Platform) -> None:
    supervisor = holder_of("area_supervisor", org)
    platform.join(org.guide, supervisor)
    RoleAssignment.objects.filter(staff=org.manager).update(ends_on=date(2025, 3, 3))
    buy(org.guide, "2025-03-04 15:00")
    platform.beat_until("2025-03-04 16:00", start="2025-03-04 15:00")
    assert len(platform.got(supervisor)) == 1


def test_a_task_caught_up_before_the_call_is_not_escalated(org: Org, platform: Platform) -> None:
    buy(org.guide, "2025-03-04 15:00")
    open_at("2025-03-04 15:00")
    now = platform.travel("2025-03-04 16:00")
    assert escalate(now=now) == 1
    services.record_sent(Task.objects.get(), actor=actor(org.guide), text="您好", now=now)
    drain_messages()
    assert platform.got(org.manager) == []


# ---------------------------------------------------------------- the bodies


def test_the_same_bytes_again_when_nobody_knows_whether_it_arrived(org: Org, platform: Platform) -> None:
    task = buy(org.guide, "2025-03-04 15:00")
    platform.sandbox.fault("message/send", http=502, after_effect=True, next_n=1)
    platform.beat("2025-03-04 15:00")
    message = OutboxMessage.objects.get()
    before = (message.state, bytes(message.body_bytes or b""))
    Member.objects.filter(pk=task.pk).update(name="王改名")  # whatever changes meanwhile
    Task.objects.update(state="done", done_at=MORNING)
    platform.travel("2025-03-04 15:05")
    drain_messages()
    message.refresh_from_db()
    assert before == ("unknown", bytes(message.body_bytes or b"")) and message.state == "sent"
    assert [row["flag"] for row in platform.sandbox.received(org.guide.wecom_user_id)] == ["delivered", "duplicate"]


def test_thirty_guides_with_much_to_do_get_each_thing_once(org: Org, platform: Platform) -> None:
    """End to end: each task named once, at most one digest a window, no phone numbers, every body with its own number."""
    guides = [
        make_staff("guide", store=org.store, wecom_user_id=f"guide{n:02}", name=f"导购{n}", digest_minute=1 + n % 29)
        for n in range(30)
    ]
    platform.join(*guides, org.manager)
    start = parse_iso("2025-03-04 09:30")
    members = {guide.pk: [friend(guide, name=f"会员{guide.pk}") for _ in range(3)] for guide in guides}
    expected: dict[int, int] = {}
    for n, guide in enumerate(guides):
        for place in range(1 + n % 12):
            task = make_task(members[guide.pk][place % 3], guide, now=start, tell_at=start,
                             priority=1 if place == 7 else 2 + place % 3)  # fmt: skip
            expected[task.pk] = guide.pk
    platform.beat_until("2025-03-04 10:45", start="2025-03-04 09:30")
    outcomes = Counter(OutboxMessage.objects.values_list("state", flat=True))
    assert outcomes["sent"] == sum(outcomes.values())
    named = Counter(TaskNotice.objects.values_list("task_id", flat=True))
    assert named == Counter(dict.fromkeys(expected, 1))  # 0 missing, 0 double
    rows = platform.sandbox.received()
    assert len(rows) == outcomes["sent"] and {row["flag"] for row in rows} == {"delivered"}
    by_person: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["request"]["textcard"]["title"].startswith("有"):
            by_person[row["request"]["touser"]].append(row["at"])
    assert len(by_person) == 30
    for sent_at in by_person.values():
        assert 60 <= sent_at[0] - start.timestamp() <= 600
        assert all(later - earlier >= 1200 for earlier, later in zip(sent_at, sent_at[1:], strict=False))
    urls = [row["request"]["textcard"]["url"] for row in rows]
    numbers = {int(re.search(r"[?&]m=(\d+)$", url)[1]) for url in urls}  # type: ignore[index]
    assert numbers == set(OutboxMessage.objects.values_list("pk", flat=True))
    assert not re.search(r"1\d{10}", " ".join(json.dumps(row["request"]["textcard"]["description"]) for row in rows))
    assert all(len(row["request"]["textcard"]["description"]) <= 512 for row in rows)


def test_two_beats_at_once_queue_each_message_once(org: Org) -> None:
    waiting(org.guide, 3)
    waiting(org.guide, 2, priority=1)
    now = parse_iso("2025-03-04 10:00")
    assert queue_notices(now=now) == {"urgent": 2, "digests": 1, "due": 5}
    assert queue_notices(now=now) == {"urgent": 0, "digests": 0, "due": 0}


def test_many_waiting_do_not_hold_up_an_urgent_one(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.followups.push.QUEUE_BATCH", 3)
    waiting(org.guide, 5)
    waiting(org.stranger, 5, now=MORNING - timedelta(minutes=5))
    urgent = waiting(org.guide, priority=1, now=MORNING)[0]
    counts = queue_notices(now=MORNING)
    assert (counts["urgent"], counts["digests"]) == (1, 2)
    assert OutboxMessage.objects.get(kind="task").subject == f"task:{urgent.pk}"


def test_a_resent_digest_names_what_the_first_one_did(org: Org, platform: Platform) -> None:
    waiting(org.guide, 2)
    platform.sandbox.fault("message/send", errcode=81013, next_n=1)
    platform.beat("2025-03-04 10:00")
    platform.beat("2025-03-04 10:04")
    failed = OutboxMessage.objects.get()
    assert failed.state == "failed"
    deciding.resend(failed, actor=actor(org.manager), now=platform.travel("2025-03-04 10:10"))
    drain_messages()
    assert [title for _, title, _ in platform.got(org.guide)] == ["有 2 件事要跟进"]


def test_a_digest_on_its_way_when_the_engine_beats_first_is_not_put_off(org: Org, platform: Platform) -> None:
    """A beat between the window's moment and the sender's claim leaves the tasks to the message that waits."""
    waiting(org.guide, 2)
    platform.beat("2025-03-04 10:00")
    late = platform.travel("2025-03-04 10:05")
    waiting(org.guide, 1, now=late)
    tick(now=late)
    drain_messages()
    assert [title for _, title, _ in platform.got(org.guide)] == ["有 3 件事要跟进"]
