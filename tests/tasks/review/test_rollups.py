"""Daily figures: what counts as what, kept up with what changes, the same live and rolled up."""

from datetime import date, timedelta
from typing import Any

import pytest

from guides.org.models import OrgUnit
from tasks.followups.models import Task, TaskEvidence
from tasks.review.counting import COLUMNS
from tasks.review.models import DayMark, FiguresRun, TaskDay, UnitDay
from tasks.review.services import rebuild_days, refresh_days
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org, make_staff
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

NOW = parse_iso("2025-03-05 15:00")  # a Wednesday
TODAY, YESTERDAY = date(2025, 3, 5), date(2025, 3, 4)


def done(member: Any, guide: Any, due: str, at: str, *, level: int = 2, **facts: Any) -> Task:
    moment = parse_iso(at)
    return make_task(
        member, guide, now=parse_iso(due) - timedelta(hours=6), due_at=parse_iso(due), state="done", done_at=moment,
        done_by=guide, evidence_level=level, evidence_at=moment,
        evidence_kind="chat_sent" if level >= 2 else "chat_claimed", **facts,
    )  # fmt: skip


def opened(member: Any, guide: Any, due: str, **facts: Any) -> Task:
    return make_task(member, guide, now=parse_iso(due) - timedelta(hours=6), due_at=parse_iso(due), **facts)


def figures(row: TaskDay | UnitDay) -> dict[str, int]:
    return {name: getattr(row, name) for name in COLUMNS if getattr(row, name)}


@pytest.fixture
def org() -> Org:
    return make_org()


def test_each_state_counts_where_the_definition_puts_it(org: Org) -> None:
    member, guide = make_member(owner=org.guide), org.guide
    done(
        member,
        guide,
        "2025-03-04 22:00",
        "2025-03-04 18:00",
        outcome="replied",
        outcome_at=parse_iso("2025-03-05 10:00"),
    )
    done(member, guide, "2025-03-04 22:00", "2025-03-05 11:00")  # late: done all the same
    done(member, guide, "2025-03-04 22:00", "2025-03-04 12:00", level=0)  # 手动: done, not reached
    done(
        member,
        guide,
        "2025-03-04 22:00",
        "2025-03-04 12:00",
        outcome="replied",
        outcome_at=parse_iso("2025-03-08 10:00"),
    )
    opened(member, guide, "2025-03-04 22:00")
    opened(member, guide, "2025-03-04 22:00", held_reason="aftersale", held_at=NOW)
    for state in ("expired", "skipped", "superseded", "cancelled"):
        opened(member, guide, "2025-03-04 22:00", state=state)
    refresh_days(now=NOW)
    row = TaskDay.objects.get(day=YESTERDAY)
    assert (row.guide_id, row.store_id, row.task_type) == (guide.pk, org.store.pk, "followup_d3")
    assert figures(row) == {
        "done_count": 4, "on_time_count": 3, "overdue_count": 1, "expired_count": 1, "held_count": 1, "skipped_count": 1,
        "superseded_count": 1, "cancelled_count": 1, "reached_count": 3, "replied_count": 1,
    }  # fmt: skip


def test_what_is_done_counts_at_once_what_is_open_only_when_due(org: Org) -> None:
    member = make_member(owner=org.guide)
    opened(member, org.guide, "2025-03-05 22:00")
    done(member, org.guide, "2025-03-05 22:00", "2025-03-05 12:00")
    opened(member, org.guide, "2025-03-05 14:59")
    refresh_days(now=NOW)
    assert figures(TaskDay.objects.get(day=TODAY)) == {
        "done_count": 1, "on_time_count": 1, "early_count": 1, "overdue_count": 1, "upcoming_count": 1, "reached_count": 1
    }  # fmt: skip
    refresh_days(now=parse_iso("2025-03-05 22:00"))  # at its due the open one is overdue, the early one done on time
    assert figures(TaskDay.objects.get(day=TODAY)) == {
        "done_count": 1, "on_time_count": 1, "overdue_count": 2, "reached_count": 1
    }  # fmt: skip


def test_a_worker_that_slept_over_midnight_catches_up(org: Org) -> None:
    opened(make_member(owner=org.guide), org.guide, "2025-03-05 22:00")
    refresh_days(now=parse_iso("2025-03-05 21:00"))
    assert TaskDay.objects.get().upcoming_count == 1
    refresh_days(now=parse_iso("2025-03-07 09:00"))
    assert figures(TaskDay.objects.get()) == {"overdue_count": 1}
    assert FiguresRun.objects.get().ran_at == parse_iso("2025-03-07 09:00")


def test_sales_count_on_the_day_they_are_credited(org: Org) -> None:
    member = make_member(owner=org.guide)
    task = done(member, org.guide, "2025-03-03 22:00", "2025-03-03 12:00")
    gone = make_order(member, paid_at="2025-03-04 16:00", guide=org.guide, amount_fen=50000, status="returned")
    for order in (make_order(member, paid_at="2025-03-04 15:00", guide=org.guide, amount_fen=89900), gone):
        TaskEvidence.objects.create(
            task=task, kind="order_linked", level=5, is_auto=True, at=order.paid_at,
            payload={"order": order.pk, "fen": order.net_amount_fen},
        )  # fmt: skip
    Task.objects.filter(pk=task.pk).update(evidence_level=5, evidence_at=gone.paid_at)
    refresh_days(now=NOW)
    assert figures(TaskDay.objects.get(day=YESTERDAY)) == {"sales_count": 1, "sales_fen": 89900}
    assert figures(TaskDay.objects.get(day=date(2025, 3, 3))) == {
        "done_count": 1,
        "on_time_count": 1,
        "reached_count": 1,
    }


def test_every_change_of_a_task_marks_its_days(org: Org) -> None:
    colleague = make_staff(store=org.store)
    task = opened(make_member(owner=org.guide), org.guide, "2025-03-04 22:00")
    refresh_days(now=NOW)
    assert not DayMark.objects.exists()

    def marked_after(**change: Any) -> set[date]:
        Task.objects.filter(pk=task.pk).update(**change)
        days = set(DayMark.objects.values_list("day", flat=True))
        refresh_days(now=NOW)
        return days

    assert marked_after(tell_at=NOW) == set()  # a reminder changes no figure
    assert marked_after(assignee=colleague) == {YESTERDAY}
    assert TaskDay.objects.get().guide_id == colleague.pk
    assert marked_after(due_at=parse_iso("2025-03-03 22:00")) == {YESTERDAY, date(2025, 3, 3)}
    assert TaskDay.objects.get().day == date(2025, 3, 3)
    assert marked_after(held_at=NOW, held_reason="aftersale") == {date(2025, 3, 3)}
    assert figures(TaskDay.objects.get()) == {"held_count": 1}
    assert marked_after(held_at=None, held_reason=None, state="done", done_at=NOW) == {date(2025, 3, 3)}
    assert figures(TaskDay.objects.get()) == {"done_count": 1}
    assert marked_after(state="open", done_at=None) == {date(2025, 3, 3)}  # undone
    assert figures(TaskDay.objects.get()) == {"overdue_count": 1}


def test_a_run_that_finds_nothing_new_writes_nothing(org: Org) -> None:
    opened(make_member(owner=org.guide), org.guide, "2025-03-04 22:00")
    first = refresh_days(now=NOW)
    assert (first["marks"], first["unit_added"]) == (1, 5)  # the store, its area, region, branch and HQ
    again = refresh_days(now=NOW + timedelta(minutes=1))
    assert {what: n for what, n in again.items() if n} == {}


def test_units_hold_the_sums_of_their_stores(org: Org) -> None:
    for guide, count in ((org.guide, 2), (org.stranger, 3)):
        member = make_member(owner=guide)
        for _ in range(count):
            opened(member, guide, "2025-03-04 22:00")
    done(make_member(owner=org.guide), org.guide, "2025-03-04 22:00", "2025-03-04 18:00")
    refresh_days(now=NOW)
    found = {row.unit_id: (row.done_count, row.overdue_count) for row in UnitDay.objects.filter(day=YESTERDAY)}
    assert found == {
        org.store.unit_id: (1, 2), org.area.pk: (1, 2), org.other_store.unit_id: (0, 3), org.other_area.pk: (0, 3),
        org.region.pk: (1, 5), org.branch.pk: (1, 5), org.hq.pk: (1, 5),
    }  # fmt: skip
    assert OrgUnit.objects.count() == 7


def test_the_nightly_rebuild_counts_what_stood_differently(org: Org) -> None:
    opened(make_member(owner=org.guide), org.guide, "2025-03-04 22:00")
    refresh_days(now=NOW)
    assert rebuild_days(start=date(2025, 3, 1), end=TODAY, now=NOW) == {"days": 5, "differences": 0}
    TaskDay.objects.update(done_count=7)
    assert rebuild_days(start=date(2025, 3, 1), end=TODAY, now=NOW) == {"days": 5, "differences": 1}
    assert figures(TaskDay.objects.get()) == {"overdue_count": 1}


def test_a_day_begins_at_midnight_in_shanghai(org: Org) -> None:
    opened(make_member(owner=org.guide), org.guide, "2025-03-05 00:30")  # 4 March in UTC
    refresh_days(now=NOW)
    assert TaskDay.objects.get().day == TODAY
